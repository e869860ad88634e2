"""WebSocket messages: the documented layout byte by byte."""

import json
import struct

import numpy as np
import pytest
from bridge_doubles import made_up_pose

from bridges.flags import HELD
from bridges.frames import pose_bytes, pose_json, skeleton_json, to_json
from engine.skeleton import HOUSE, JOINTS, t_pose
from engine.types import Pose


def test_golden_bytes_of_a_pose():
    pose = Pose(258, 4.3, np.array([0.5, 1.0, -2.0], np.float32), t_pose())
    data = pose_bytes(pose, HELD, 4.25)
    assert len(data) == 396
    assert data[:32] == b"CPS1" + bytes.fromhex(
        "02010000"  # frame 258
        "3333333333331140"  # time_s 4.3
        "0000000000001140"  # sent_s 4.25
        "0100 1600 08000000"  # one performer, 22 joints, held
    )
    assert data[32:44] == bytes.fromhex("0000003f 0000803f 000000c0")
    assert data[44:60] == bytes.fromhex("00000000 00000000 00000000 0000803f")


def test_all_values_can_be_read_back():
    pose = made_up_pose(999)
    data = pose_bytes(pose, 5, 16.5)
    assert struct.unpack_from("<4sIddHHI", data) == (b"CPS1", 999, 16.65, 16.5, 1, 22, 5)
    numbers = np.frombuffer(data, "<f4", offset=32)
    assert np.array_equal(numbers[:3], pose.root)
    assert np.array_equal(numbers[3:].reshape(22, 4), pose.rotations)


def test_the_frame_number_wraps_instead_of_failing():
    pose = Pose(2**32 + 5, (2**32 + 5) / 60, np.zeros(3, np.float32), t_pose())
    assert struct.unpack_from("<I", pose_bytes(pose, 0, 0.0), 4) == (5,)


def test_text_form_says_the_same():
    pose = made_up_pose(7)
    message = json.loads(pose_json(pose, 2, 0.1))
    body = message.pop("performers")[0]
    assert message == {"type": "pose", "frame": 7, "time_s": 7 / 60, "sent_s": 0.1, "flags": 2}
    assert np.allclose(body["root"], pose.root, atol=1e-6)
    assert np.allclose(body["rotations"], pose.rotations, atol=1e-6)


def test_skeleton_message():
    message = json.loads(skeleton_json(HOUSE, 0.08))
    assert message["type"] == "skeleton"
    assert (message["version"], message["performers"], message["pose_hz"], message["lead_ms"]) == (1, 1, 60, 80.0)
    assert tuple(message["names"]) == JOINTS
    assert message["parents"] == HOUSE.parents.tolist()
    assert np.allclose(message["offsets"], HOUSE.offsets, atol=1e-6)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": float("nan"), "b": [float("inf"), 1]}, {"a": None, "b": [None, 1]}),
        ({"a": np.float32(0.5), "b": np.arange(2), "c": (np.bool_(True),)}, {"a": 0.5, "b": [0, 1], "c": [True]}),
        ({1: "x", "p": HOUSE.names[:1]}, {"1": "x", "p": ["pelvis"]}),
    ],
)
def test_status_json_is_always_readable_by_a_browser(value, expected):
    text = to_json(value)
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")) == expected
