"""VMC packing: golden bytes, order, sizes, and the values that python-osc reads back."""

import json
import socket
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bridge_doubles import FakeLive, made_up_pose, udp_peer
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket
from test_real_peers import free_udp_port, running

from bridges.axes import HUMAN_BONES, MANNEQUIN_BONES
from bridges.flags import BLACKOUT, FREEZE
from bridges.hands import FINGER_BONES, FINGER_OFFSETS_M
from bridges.hub import OutputSpec, open_sink
from bridges.vmc import VmcEncoder, VmcSink
from bridges.vmc_requests import Period, read_period
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


def expressive(frame: int) -> Pose:
    """Fingers and a face besides the body."""
    hands = np.concatenate([made_up_pose(frame + 1).rotations, made_up_pose(frame + 2).rotations[:8]])
    return replace(made_up_pose(frame), hands=hands, expressions={"happy": 0.25, "blinkLeft": 1.0, "smirk": 0.5})


def test_fingers_follow_the_bones_and_expressions_come_before_ok():
    pose = expressive(6)
    datagrams = VmcEncoder(HOUSE).encode(pose)
    got = messages(datagrams)
    assert max(map(len, datagrams)) <= 1400
    assert [arguments[0] for address, arguments in got if "Bone" in address][22:] == list(FINGER_BONES)
    fingers = {arguments[0]: arguments[4:] for address, arguments in got if "Bone" in address}
    for joint, name in enumerate(FINGER_BONES):
        qx, qy, qz, qw = pose.hands[joint].tolist()
        assert fingers[name] == [qx, -qy, -qz, qw]
    assert got[53:] == [
        ("/VMC/Ext/Blend/Val", ["Joy", 0.25]),
        ("/VMC/Ext/Blend/Val", ["Blink_L", 1.0]),
        ("/VMC/Ext/Blend/Val", ["smirk", 0.5]),
        ("/VMC/Ext/Blend/Apply", []),
        ("/VMC/Ext/OK", [1]),
        ("/VMC/Ext/T", [pytest.approx(0.1)]),
    ]


def test_golden_bytes_of_an_expression():
    last = VmcEncoder(HOUSE).encode(replace(made_up_pose(30), expressions={"aa": 0.5}))[-1]
    value = b"/VMC/Ext/Blend/Val\0\0,sf\0A\0\0\0" + bytes.fromhex("3f000000")
    apply = b"/VMC/Ext/Blend/Apply\0\0\0\0,\0\0\0"
    assert len(value).to_bytes(4, "big") + value + len(apply).to_bytes(4, "big") + apply in last


def test_fingers_are_those_of_unity_left_then_right_each_hand_on_its_side():
    assert len(set(FINGER_BONES)) == 30
    assert all(name.startswith("Left") for name in FINGER_BONES[:15])
    assert FINGER_BONES[0] == "LeftIndexProximal" and FINGER_BONES[-1] == "RightThumbDistal"
    assert np.all(FINGER_OFFSETS_M[:15, 0] > 0) and np.all(FINGER_OFFSETS_M[15:, 0] < 0)
    thumb, little = FINGER_BONES.index("LeftThumbProximal"), FINGER_BONES.index("LeftLittleProximal")
    assert FINGER_OFFSETS_M[thumb, 2] > 0 > FINGER_OFFSETS_M[little, 2]  # palm down, the thumb in front


def test_vrm_1_changes_the_names_of_expressions_and_nothing_else():
    pose = expressive(8)
    zero, one = (messages(VmcEncoder(HOUSE, vrm=vrm).encode(pose)) for vrm in (0, 1))
    differ = [(a, b) for a, b in zip(zero, one, strict=True) if a != b]
    assert [(a[1][0], b[1][0]) for a, b in differ] == [("Joy", "happy"), ("Blink_L", "blinkLeft")]


def test_mannequin_names_change_the_names_of_bones_and_nothing_else():
    pose = made_up_pose(8)
    unity, unreal = (messages(VmcEncoder(HOUSE, names).encode(pose)) for names in ("unity", "mannequin"))
    for joint, (a, b) in enumerate(zip(unity[1:23], unreal[1:23], strict=True)):
        assert (a[1][0], b[1][0]) == (HUMAN_BONES[JOINTS[joint]], MANNEQUIN_BONES[JOINTS[joint]])
        assert a[1][1:] == b[1][1:]
    assert (unity[0], unity[23:]) == (unreal[0], unreal[23:])


@pytest.mark.parametrize(
    ("period", "frame", "addresses"),
    [
        (Period(), 7, ["Root/Pos", "Bone/Pos", "OK", "T"]),
        (Period(bone=2), 7, ["Root/Pos", "OK", "T"]),
        (Period(bone=2), 8, ["Root/Pos", "Bone/Pos", "OK", "T"]),
        (Period(status=5, root=5), 8, ["Bone/Pos"]),
        (Period(root=3), 8, ["Bone/Pos", "OK", "T"]),
        (Period(root=3), 9, ["Root/Pos", "Bone/Pos", "OK", "T"]),
    ],
)
def test_a_period_leaves_out_what_is_not_due(period, frame, addresses):
    encoder = VmcEncoder(HOUSE)
    encoder.encode(made_up_pose(frame - 1))
    got = messages(encoder.encode(made_up_pose(frame), send=period))
    assert list(dict.fromkeys(address.removeprefix("/VMC/Ext/") for address, _ in got)) == addresses
    full = {a: b for a, b in messages(VmcEncoder(HOUSE).encode(made_up_pose(frame))) if "Bone" not in a}
    assert all(full[address] == arguments for address, arguments in got if "Bone" not in address)


def test_a_frame_in_which_nothing_is_due_is_not_sent():
    encoder, every_other = VmcEncoder(HOUSE), Period(status=2, root=2, bone=2)
    assert [len(encoder.encode(made_up_pose(frame), send=every_other)) for frame in (6, 7, 8)] == [2, 0, 2]


def test_what_fell_due_in_a_frame_left_out_comes_with_the_next():
    encoder, slow = VmcEncoder(HOUSE), Period(bone=10)
    bones = [
        sum("Bone" in address for address, _ in messages(encoder.encode(made_up_pose(frame), send=slow)))
        for frame in (17, 18, 19, 23, 24)  # 20, when they are due, is left out
    ]
    assert bones == [22, 0, 0, 22, 0]


def asked(*numbers) -> bytes:
    builder = OscMessageBuilder("/VMC/Ext/Set/Period")
    for number in numbers:
        builder.add_arg(number)
    return builder.build().dgram


@pytest.mark.parametrize(
    ("datagram", "expected"),
    [
        (asked(1, 2, 3, 4, 5, 6), (Period(1, 2, 3, 4, 5, 6), 0)),
        (asked(1, 1, 2, 1, 1, 1, 9, "surplus"), (Period(bone=2), 0)),
        (asked(1, 2, 3), (None, 1)),
        (asked(0, 1, 1, 1, 1, 1), (None, 1)),
        (asked(1, 1, 601, 1, 1, 1), (None, 1)),
        (asked(1, 1, 2.0, 1, 1, 1), (None, 1)),
        (asked(1, 1, True, 1, 1, 1), (None, 1)),
        (OscMessageBuilder("/VMC/Ext/Set/Calib/Ready").build().dgram, (None, 0)),  # not served, and no mistake
        (OscMessageBuilder("/live/panic").build().dgram, (None, 1)),
        (b"", (None, 1)),
        (b"#bundle\0" + bytes(8) + b"\xff\xff\xff\xff", (None, 1)),
        (asked(1, 1, 2, 1, 1, 1)[:-4], (None, 1)),
    ],
)
def test_requests_right_and_wrong(datagram, expected):
    assert read_period(datagram) == expected


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_datagram_whatever_stops_the_reader(data):
    period, refused = read_period(data)
    assert period is None and refused >= 0


def test_an_assistant_slows_the_bones_down_and_a_stranger_does_not():
    port = free_udp_port()
    with udp_peer() as peer, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as assistant:
        sink = open_sink(OutputSpec("vmc", peer.address, options={"listen": str(port)}), FakeLive())
        sink.open(HOUSE)

        def bones_of(frame: int) -> int:
            sink.deliver(made_up_pose(frame), 0, 0.0)
            return sum("Bone" in address for address, _ in messages(peer.receive(2 if frame % 2 == 0 else 1)))

        assistant.sendto(asked(1, 1, 2, 1, 1, 1), ("127.0.0.1", port))
        assert [bones_of(frame) for frame in (10, 11, 12)] == [22, 0, 22]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            if sys.platform == "linux":  # elsewhere there is one loopback address only
                stranger.bind(("127.0.0.2", 0))
                stranger.sendto(asked(1, 1, 1, 1, 1, 1), ("127.0.0.1", port))
                assert bones_of(13) == 0
                assert sink.stats() == {"dropped": 0, "asked": 1, "refused": 1}
        assistant.sendto(b"garbage", ("127.0.0.1", port))
        assert bones_of(14) == 22
        assert sink.stats()["asked"] == 1 and sink.stats()["refused"] >= 1
        sink.close()


def test_a_flood_of_requests_does_not_hold_up_the_pose():
    port = free_udp_port()
    with udp_peer() as peer, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
        sink = open_sink(OutputSpec("vmc", peer.address, options={"listen": str(port)}), FakeLive())
        sink.open(HOUSE)
        for _ in range(100):
            flood.sendto(b"x" * 60, ("127.0.0.1", port))
        sink.deliver(made_up_pose(1), 0, 0.0)
        assert sink.stats()["refused"] <= 16
        assert len(messages(peer.receive(2))) == 25
        sink.close()


def test_a_port_that_is_taken_is_refused_before_the_show():
    with udp_peer() as peer:
        sink = open_sink(OutputSpec("vmc", "127.0.0.1:39539", options={"listen": str(peer.port)}), FakeLive())
        with pytest.raises(ConfigError, match=f"cannot listen on port {peer.port}"):
            sink.open(HOUSE)
        sink.close()


def test_vmcp_reads_body_fingers_and_face(needs):
    """A receiver that is not ours: its own table of bones, its own parser."""
    needs.module("vmcp", "pip install vmcp osc4py3")
    needs.module("osc4py3", "pip install vmcp osc4py3")
    port, pose = free_udp_port(), expressive(90)
    command = [sys.executable, str(Path(__file__).parent / "peers" / "vmc_receiver.py"), str(port), "20"]
    with running(command) as peer, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        assert peer.stdout.readline() == "ready\n", peer.stderr.read()
        for datagram in VmcEncoder(HOUSE).encode(pose):
            ours.sendto(datagram, ("127.0.0.1", port))
        expected = 1 + 22 + 30 + 3 + 1 + 1 + 1
        events = [json.loads(peer.stdout.readline()) for _ in range(expected)]
    assert [kind for kind, _, _ in events].count("BlendShapeApply") == 1
    said = {name or kind: numbers for kind, name, numbers in events}
    assert said["root"] == [0, 0, 0, 0, 0, 0, 1]
    assert (said["Joy"], said["Blink_L"], said["State"]) == ([0.25], [1.0], [1])
    assert said["RelativeTime"] == [pytest.approx(1.5)]
    for names, rotations in (([HUMAN_BONES[n] for n in JOINTS], pose.rotations), (FINGER_BONES, pose.hands)):
        for name, (qx, qy, qz, qw) in zip(names, rotations.tolist(), strict=True):
            assert said[name][3:] == pytest.approx([qx, -qy, -qz, qw], abs=1e-6)
