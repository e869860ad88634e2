"""VRChat trackers: golden bytes, Euler angles by their law, scale, choice, and oscdump as the peer."""

import re

import numpy as np
import pytest
from bridge_doubles import FakeLive, made_up_pose, udp_peer
from pythonosc.osc_packet import OscPacket
from test_real_peers import POSES, oscdump_frames

from bridges.axes import rotation_matrices, unity_euler_deg, unity_matrices, unity_position, unity_rotation
from bridges.hub import OutputSpec, open_sink
from bridges.vrchat import TRACKERS, TrackerEncoder
from engine.errors import ConfigError
from engine.skeleton import HOUSE, JOINTS, forward_kinematics, quat_from_yaw, t_pose
from engine.types import Pose


def messages(datagrams: list[bytes]) -> dict[str, list]:
    return {m.message.address: m.message.params for data in datagrams for m in OscPacket(data).messages}


def turn(axis: int, degrees: float) -> np.ndarray:
    """Matrix of a turn about one axis, column vectors."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = c
    matrix[a, b], matrix[b, a] = -s, s
    return matrix


def test_golden_bytes():
    rotations = t_pose()
    rotations[0] = quat_from_yaw(np.pi / 2)  # a quarter to the left: -90 degrees about Unity's y
    encoder = TrackerEncoder(HOUSE, trackers=1, head=False)
    (datagram,) = encoder.encode(Pose(0, 0.0, np.array([0.25, 1.0, -0.5], np.float32), rotations))
    place = b"/tracking/trackers/1/position\0\0\0,fff\0\0\0\0" + bytes.fromhex("be800000 3f800000 bf000000")
    angles = b"/tracking/trackers/1/rotation\0\0\0,fff\0\0\0\0"
    size = (52).to_bytes(4, "big")
    assert datagram.startswith(b"#bundle\0" + bytes.fromhex("0000000000000001") + size + place + size + angles)
    x, y, z = np.frombuffer(datagram[-12:], ">f4")
    assert (abs(x), abs(z)) == pytest.approx((0, 0), abs=1e-4) and y == pytest.approx(-90, abs=1e-4)


def test_angles_turn_about_z_then_x_then_y():
    rng = np.random.default_rng(1)
    wanted = np.column_stack([rng.uniform(-89, 89, 200), *rng.uniform(-179, 179, (2, 200))])
    matrices = np.stack([turn(1, y) @ turn(0, x) @ turn(2, z) for x, y, z in wanted])
    assert np.allclose(unity_euler_deg(matrices), wanted, atol=1e-3)


@pytest.mark.parametrize("x", [90.0, -90.0])
def test_where_two_axes_fall_together_the_rotation_is_still_right(x):
    matrix = turn(1, 40) @ turn(0, x) @ turn(2, 25)
    ((got_x, got_y, got_z),) = unity_euler_deg(matrix[None])
    assert (got_x, got_z) == (pytest.approx(x, abs=1e-3), 0.0)
    assert np.allclose(turn(1, got_y) @ turn(0, got_x) @ turn(2, got_z), matrix, atol=1e-5)


def test_the_mirror_of_matrices_is_that_of_quaternions():
    rotations = made_up_pose(3).rotations
    expected = rotation_matrices(unity_rotation(rotations))
    assert np.allclose(unity_matrices(rotation_matrices(rotations)), expected, atol=1e-6)


def test_trackers_are_where_the_joints_are_scaled_to_the_height():
    pose = made_up_pose(9)
    got = messages(TrackerEncoder(HOUSE, height_m=1.4).encode(pose))
    positions, _ = forward_kinematics(pose.root, pose.rotations)
    assert len(got) == 18
    for number, joint in enumerate(TRACKERS, 1):
        expected = unity_position(positions[JOINTS.index(joint)]) * 0.8
        assert got[f"/tracking/trackers/{number}/position"] == pytest.approx(expected.tolist(), abs=1e-5)


def test_angles_are_those_of_the_world():
    pose = made_up_pose(11)
    got = messages(TrackerEncoder(HOUSE).encode(pose))
    _, turns = forward_kinematics(pose.root, pose.rotations)
    for number, joint in enumerate(TRACKERS, 1):
        x, y, z = got[f"/tracking/trackers/{number}/rotation"]
        (expected,) = rotation_matrices(unity_rotation(turns[JOINTS.index(joint)])[None])
        assert np.allclose(turn(1, y) @ turn(0, x) @ turn(2, z), expected, atol=1e-4)


def test_one_datagram_a_frame():
    (datagram,) = TrackerEncoder(HOUSE).encode(made_up_pose(1))
    assert len(datagram) <= 1400


def test_the_sink_sends_what_was_asked_for():
    with udp_peer() as peer:
        options = {"trackers": "3", "head": "0", "height_m": "1.75"}
        sink = open_sink(OutputSpec("vrchat", peer.address, options=options), FakeLive())
        sink.open(HOUSE)
        sink.send(made_up_pose(5))
        got = messages(peer.receive(1))
        sink.close()
    assert [address.split("/")[3] for address in got] == ["1", "1", "2", "2", "3", "3"]
    assert got == messages(TrackerEncoder(HOUSE, trackers=3, head=False).encode(made_up_pose(5)))
    assert sink.stats() == {"dropped": 0}


@pytest.mark.parametrize("options", [{"height_m": "0"}, {"trackers": "9"}, {"head": "maybe"}, {"height": "1.7"}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        open_sink(OutputSpec("vrchat", "127.0.0.1:9000", options=options), FakeLive())


def test_names_and_numbers_have_the_documented_form():
    for address, numbers in messages(TrackerEncoder(HOUSE).encode(made_up_pose(2))).items():
        assert re.fullmatch(r"/tracking/trackers/([1-8]|head)/(position|rotation)", address)
        assert [type(number) for number in numbers] == [float] * 3


def test_oscdump_reads_the_trackers(needs):
    frames = oscdump_frames(needs, "vrchat", "/tracking/trackers/head/rotation", 10)
    roots = np.array([unity_position(pose.root) for pose in POSES.values()])
    for frame in frames:
        hip = frame["/tracking/trackers/1/position"]
        pose = POSES[int(np.abs(roots - hip).sum(axis=1).argmin())]  # no number travels: the place names the pose
        expected = messages(TrackerEncoder(HOUSE).encode(pose))
        assert set(frame) == set(expected)
        for address, numbers in expected.items():
            assert frame[address] == pytest.approx(numbers, abs=2e-3 if "rotation" in address else 2e-6)
