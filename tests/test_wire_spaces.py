"""One known asymmetric pose in every space, against values worked out by hand: right side, right axis, right sign.

The dancer stands at x 0.5 m, z -2 m, lifts the left arm straight up, turns the head 60 degrees to its right and bends
the right knee by 60 degrees (the shin goes back). In the house frame +x is the dancer's left: the arm turns by +90
about z, the head by -60 about y, the knee by +60 about x.
"""

import json

import numpy as np
import pytest
from bridge_doubles import made_up_features
from pythonosc.osc_packet import OscPacket

from bridges.livelink import LiveLinkEncoder
from bridges.osc import ChannelEncoder
from bridges.vmc import VmcEncoder
from bridges.vrchat import TrackerEncoder
from engine.skeleton import HOUSE, JOINTS, quat_rotate, t_pose
from engine.types import Pose

HALF, ROOT_HALF, ROOT_3_4 = 0.5, 0.70710678, 0.8660254
AT = (0.5, 0.955, -2.0)


def known_pose() -> Pose:
    rotations = t_pose()
    rotations[JOINTS.index("left_shoulder")] = (0, 0, ROOT_HALF, ROOT_HALF)
    rotations[JOINTS.index("head")] = (0, -HALF, 0, ROOT_3_4)
    rotations[JOINTS.index("right_knee")] = (HALF, 0, 0, ROOT_3_4)
    return Pose(60, 1.0, np.array(AT, np.float32), rotations)


def messages(datagrams: list[bytes]) -> list[tuple[str, list]]:
    return [(m.message.address, m.message.params) for data in datagrams for m in OscPacket(data).messages]


@pytest.mark.parametrize(
    ("address", "metres"),
    [
        ("left_wrist", (0.68, 1.94, -2.0)),  # shoulder at 0.68, 1.42; 0.27 + 0.25 above it
        ("right_wrist", (-0.20, 1.42, -2.0)),  # the other arm still out to its side
        ("right_ankle", (0.415, 0.265, -2.35507)),  # knee at y 0.47; the shin of 0.41 half down, 0.87 of it back
        ("left_ankle", (0.585, 0.06, -2.0)),
        ("head", (0.5, 1.575, -1.98)),
    ],
)
def test_channels_are_the_house_frame(address, metres):
    got = dict(messages(ChannelEncoder(HOUSE).encode(known_pose(), made_up_features())))
    assert [got[f"/live/joint/{address}/t{axis}"][0] for axis in "xyz"] == pytest.approx(metres, abs=1e-5)


@pytest.mark.parametrize(
    ("names", "bone", "place", "rotation"),
    [
        ("unity", "Hips", (-0.5, 0.955, -2.0), (0, 0, 0, 1)),
        ("unity", "LeftUpperArm", (-0.11, 0.03, 0), (0, 0, -ROOT_HALF, ROOT_HALF)),
        ("unity", "RightUpperArm", (0.11, 0.03, 0), (0, 0, 0, 1)),
        ("unity", "Head", (0, 0.1, 0.02), (0, HALF, 0, ROOT_3_4)),  # to its right is a positive turn in Unity
        ("unity", "RightLowerLeg", (0, -0.4, 0), (HALF, 0, 0, ROOT_3_4)),
        ("unity", "LeftLowerLeg", (0, -0.4, 0), (0, 0, 0, 1)),
        ("mannequin", "upperarm_l", (-0.11, 0.03, 0), (0, 0, -ROOT_HALF, ROOT_HALF)),
        ("mannequin", "calf_r", (0, -0.4, 0), (HALF, 0, 0, ROOT_3_4)),
        ("mannequin", "head", (0, 0.1, 0.02), (0, HALF, 0, ROOT_3_4)),
    ],
)
def test_vmc_is_unity(names, bone, place, rotation):
    sent = messages(VmcEncoder(HOUSE, names).encode(known_pose()))
    (got,) = [arguments[1:] for address, arguments in sent if arguments and arguments[0] == bone]
    assert got == pytest.approx([*place, *rotation], abs=1e-6)


@pytest.mark.parametrize(
    ("tracker", "place", "degrees"),
    [
        ("1", (-0.5, 0.955, -2.0), (0, 0, 0)),  # hip
        ("2", (-0.585, 0.06, -2.0), (0, 0, 0)),  # left foot
        ("3", (-0.415, 0.265, -2.35507), (60, 0, 0)),  # right foot, behind
        ("4", (-0.5, 1.265, -2.0), (0, 0, 0)),  # chest
        ("6", (-0.415, 0.47, -2.0), (60, 0, 0)),  # right knee
        ("7", (-0.68, 1.69, -2.0), (0, 0, -90)),  # left elbow, above the shoulder
        ("8", (-0.05, 1.42, -2.0), (0, 0, 0)),  # right elbow
        ("head", (-0.5, 1.575, -1.98), (0, 60, 0)),
    ],
)
def test_vrchat_is_unity_in_the_world_and_degrees(tracker, place, degrees):
    got = dict(messages(TrackerEncoder(HOUSE).encode(known_pose())))
    assert got[f"/tracking/trackers/{tracker}/position"] == pytest.approx(place, abs=1e-5)
    assert got[f"/tracking/trackers/{tracker}/rotation"] == pytest.approx(degrees, abs=1e-3)


@pytest.mark.parametrize(
    ("bone", "centimetres", "rotation"),
    [
        ("pelvis", (50, -200, 95.5), (0, 0, 0, 1)),
        ("upperarm_l", (11, 0, 3), (0, -ROOT_HALF, 0, ROOT_HALF)),
        ("upperarm_r", (-11, 0, 3), (0, 0, 0, 1)),
        ("head", (0, 2, 10), (0, 0, HALF, ROOT_3_4)),  # to its right is a positive yaw in Unreal
        ("calf_r", (0, 0, -40), (-HALF, 0, 0, ROOT_3_4)),
        ("calf_l", (0, 0, -40), (0, 0, 0, 1)),
    ],
)
def test_livelink_is_unreal_in_centimetres(bone, centimetres, rotation):
    (bones,) = json.loads(LiveLinkEncoder(HOUSE).encode(known_pose())).values()
    (got,) = [one for one in bones if one["Name"] == bone]
    assert got["Location"] == pytest.approx(centimetres, abs=1e-3)
    assert got["Rotation"] == pytest.approx(rotation, abs=1e-6)


def test_in_unreal_the_left_arm_points_up_and_the_right_shin_back():
    """By way of the vectors: the Mannequin's left is +X, up is +Z, it faces +Y."""
    (bones,) = json.loads(LiveLinkEncoder(HOUSE).encode(known_pose())).values()
    by_name = {one["Name"]: np.array(one["Rotation"]) for one in bones}
    assert np.allclose(quat_rotate(by_name["upperarm_l"], np.array([1.0, 0, 0])), [0, 0, 1], atol=1e-5)
    shin = quat_rotate(by_name["calf_r"], np.array([0, 0, -1.0]))
    assert np.allclose(shin, [0, -ROOT_3_4, -HALF], atol=1e-5)
    assert np.allclose(quat_rotate(by_name["head"], np.array([0, 1.0, 0])), [-ROOT_3_4, HALF, 0], atol=1e-5)
