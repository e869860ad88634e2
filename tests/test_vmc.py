"""VMC packing: golden bytes, order, sizes, and the values that python-osc reads back."""

import numpy as np
import pytest
from bridge_doubles import FakeLive, made_up_pose, udp_peer
from pythonosc.osc_packet import OscPacket

from bridges.axes import HUMAN_BONES
from bridges.flags import BLACKOUT, FREEZE
from bridges.hub import OutputSpec
from bridges.vmc import VmcEncoder, VmcSink
from engine.errors import ConfigError
from engine.skeleton import HOUSE, JOINTS, OFFSETS_M, t_pose
from engine.types import Pose, Skeleton


def messages(datagrams: list[bytes]) -> list[tuple[str, list]]:
    return [(m.message.address, m.message.params) for data in datagrams for m in OscPacket(data).messages]


def test_golden_bytes_of_the_first_two_messages_and_the_last_two():
    pose = Pose(30, 0.5, np.array([0.25, 1.0, -0.5], np.float32), t_pose())
    first, second = VmcEncoder(HOUSE).encode(pose)
    assert first[:16] == b"#bundle\0" + bytes.fromhex("0000000000000001")
    zeros, one = bytes(4), bytes.fromhex("3f800000")
    root = b"/VMC/Ext/Root/Pos\0\0\0,sfffffff\0\0\0root\0\0\0\0" + zeros * 6 + one
    assert first[16 : 16 + 4 + len(root)] == len(root).to_bytes(4, "big") + root
    hips = b"/VMC/Ext/Bone/Pos\0\0\0,sfffffff\0\0\0Hips\0\0\0\0" + bytes.fromhex(
        "be800000 3f800000 bf000000"  # -0.25 (mirrored), 1, -0.5
    )
    at = 16 + 4 + len(root) + 4
    assert first[at : at + len(hips)] == hips
    ok, t = b"/VMC/Ext/OK\0,i\0\0\0\0\0\x01", b"/VMC/Ext/T\0\0,f\0\0" + bytes.fromhex("3f000000")
    assert second.endswith(len(ok).to_bytes(4, "big") + ok + len(t).to_bytes(4, "big") + t)


def test_order_of_a_frame_is_root_bones_ok_time():
    got = messages(VmcEncoder(HOUSE).encode(made_up_pose(90)))
    assert got[0] == ("/VMC/Ext/Root/Pos", ["root", 0, 0, 0, 0, 0, 0, 1])
    assert [address for address, _ in got[1:23]] == ["/VMC/Ext/Bone/Pos"] * 22
    assert [arguments[0] for _, arguments in got[1:23]] == [HUMAN_BONES[name] for name in JOINTS]
    assert got[23:] == [("/VMC/Ext/OK", [1]), ("/VMC/Ext/T", [1.5])]


def test_bones_carry_mirrored_rotations_and_rest_positions():
    pose = made_up_pose(12)
    bones = {
        arguments[0]: arguments[1:]
        for address, arguments in messages(VmcEncoder(HOUSE).encode(pose))
        if "Bone" in address
    }
    x, y, z = pose.root.tolist()
    assert bones["Hips"][:3] == [-x, y, z]
    for joint, name in enumerate(JOINTS):
        qx, qy, qz, qw = pose.rotations[joint].tolist()
        assert bones[HUMAN_BONES[name]][3:] == [qx, -qy, -qz, qw]
        if joint:
            ox, oy, oz = OFFSETS_M[joint].tolist()
            assert bones[HUMAN_BONES[name]][:3] == [-ox, oy, oz]


def test_two_datagrams_a_frame_within_the_size():
    datagrams = VmcEncoder(HOUSE).encode(made_up_pose(1))
    assert len(datagrams) == 2
    assert max(map(len, datagrams)) <= 1400


def test_in_blackout_nobody_is_loaded_and_the_body_is_still_sent():
    with udp_peer() as peer:
        sink = VmcSink(OutputSpec("vmc", peer.address), FakeLive())
        sink.open(HOUSE)
        for flags, loaded in ((0, 1), (FREEZE, 1), (BLACKOUT, 0)):
            sink.deliver(made_up_pose(5), flags, 0.0)
            got = messages(peer.receive(2))
            assert ("/VMC/Ext/OK", [loaded]) in got
            assert len(got) == 25
        sink.close()


def test_a_joint_without_a_bone_is_refused_before_the_show():
    tail = Skeleton((*JOINTS, "tail"), np.append(HOUSE.parents, 0), np.vstack([OFFSETS_M, [0, 0, -0.1]]))
    with pytest.raises(ConfigError, match="tail"):
        VmcEncoder(tail)
