"""JSON Live Link: golden text, numbers of every size, the tree it makes, and what the plug-in asks for."""

import json

import numpy as np
import pytest
from bridge_doubles import FakeLive, made_up_pose, udp_peer

from bridges.axes import MANNEQUIN_BONES, unreal_position, unreal_rotation
from bridges.hub import OutputSpec, open_sink
from bridges.livelink import LiveLinkEncoder
from engine.errors import ConfigError
from engine.skeleton import HOUSE, JOINTS, OFFSETS_M, forward_kinematics, quat_multiply, quat_rotate, t_pose
from engine.types import Pose, Skeleton

ROOT = '{"Name":"root","Parent":-1,"Location":[0,0,0],"Rotation":[0,0,0,1],"Scale":[1,1,1]}'


def test_golden_text_of_the_first_bones():
    rotations = t_pose()
    rotations[0] = (0.5, -0.5, 0.5, 0.5)
    pose = Pose(0, 0.0, np.array([0.5, 0.955, -12.0], np.float32), rotations)
    assert LiveLinkEncoder(HOUSE).encode(pose).decode().startswith(
        f'{{"Corybant":[{ROOT},'
        '{"Name":"pelvis","Parent":0,"Location":[    50.0000, -1200.0000,    95.5000],'
        '"Rotation":[-0.500000,-0.500000, 0.500000, 0.500000],"Scale":[1,1,1]},'
        '{"Name":"thigh_l","Parent":1,"Location":[8.5000,0.0000,-8.5000],'
        '"Rotation":[ 0.000000, 0.000000, 0.000000, 1.000000],"Scale":[1,1,1]},'
    )  # fmt: skip


def test_every_field_that_the_plug_in_asks_for():
    (bones,) = json.loads(LiveLinkEncoder(HOUSE).encode(made_up_pose(4))).values()
    assert [bone["Name"] for bone in bones] == ["root", *(MANNEQUIN_BONES[name] for name in JOINTS)]
    for place, bone in enumerate(bones):
        assert -1 <= bone["Parent"] < place
        assert [len(bone[field]) for field in ("Location", "Rotation", "Scale")] == [3, 4, 3]


@pytest.mark.parametrize("frame", range(8))
def test_numbers_are_those_of_the_pose(frame):
    pose = made_up_pose(frame)
    (bones,) = json.loads(LiveLinkEncoder(HOUSE).encode(pose)).values()
    got = np.array([bone["Rotation"] for bone in bones[1:]])
    assert np.allclose(got, unreal_rotation(pose.rotations), atol=6e-7)
    assert bones[1]["Location"] == pytest.approx(unreal_position(pose.root).tolist(), abs=1e-4)


def test_one_pose_leaves_nothing_of_the_one_before():
    encoder = LiveLinkEncoder(HOUSE)
    encoder.encode(Pose(0, 0.0, np.array([-999.0, 999.0, -999.0], np.float32), -made_up_pose(1).rotations))
    assert encoder.encode(made_up_pose(2)) == LiveLinkEncoder(HOUSE).encode(made_up_pose(2))


def test_a_place_beyond_all_stages_keeps_the_text_readable():
    pose = Pose(0, 0.0, np.array([1e9, -1e9, 0.0], np.float32), t_pose())
    (bones,) = json.loads(LiveLinkEncoder(HOUSE).encode(pose)).values()
    assert bones[1]["Location"] == [99999.0, 0.0, -99999.0]


def test_the_tree_puts_every_joint_where_it_is():
    """A receiver that multiplies down the tree, as the engine does, gets our joints in Unreal's axes."""
    pose = made_up_pose(21)
    (bones,) = json.loads(LiveLinkEncoder(HOUSE).encode(pose)).values()
    places, turns = [], []
    for bone in bones:
        place, rotation = np.array(bone["Location"], float), np.array(bone["Rotation"], float)
        if bone["Parent"] >= 0:
            above = turns[bone["Parent"]]
            place = places[bone["Parent"]] + quat_rotate(above, place)
            rotation = quat_multiply(above, rotation)
        places.append(place)
        turns.append(rotation)
    expected, _ = forward_kinematics(pose.root, pose.rotations)
    assert np.allclose(places[1:], unreal_position(expected), atol=0.01)  # a tenth of a millimetre


def test_unreal_is_left_handed_and_turns_with_the_vectors():
    x, y, z = unreal_position(np.eye(3, dtype=np.float32)) / 100
    assert np.dot(np.cross(x, y), z) == pytest.approx(-1.0)
    pose = made_up_pose(2)
    vectors = np.random.default_rng(3).normal(size=(22, 3)).astype(np.float32)
    turned = quat_rotate(unreal_rotation(pose.rotations), unreal_position(vectors))
    assert np.allclose(unreal_position(quat_rotate(pose.rotations, vectors)), turned, atol=1e-3)


def test_the_sink_sends_one_datagram_of_its_subject():
    with udp_peer() as peer:
        sink = open_sink(OutputSpec("livelink", peer.address, options={"subject": "Left_1"}), FakeLive())
        sink.open(HOUSE)
        sink.send(made_up_pose(5))
        (datagram,) = peer.receive(1)
        sink.close()
    assert list(json.loads(datagram)) == ["Left_1"]
    assert len(datagram) < 4096 and datagram.isascii()


@pytest.mark.parametrize("subject", ["", 'a"b', "ä", "a b", "x" * 65])
def test_a_subject_that_is_no_name_is_refused(subject):
    with pytest.raises(ConfigError, match="letters, digits"):
        open_sink(OutputSpec("livelink", "127.0.0.1:54321", options={"subject": subject}), FakeLive())


def test_a_joint_without_a_bone_is_refused_before_the_show():
    tail = Skeleton((*JOINTS, "tail"), np.append(HOUSE.parents, 0), np.vstack([OFFSETS_M, [0, 0, -0.1]]))
    with pytest.raises(ConfigError, match="tail"):
        LiveLinkEncoder(tail)
