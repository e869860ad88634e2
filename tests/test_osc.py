"""OSC packing: golden bytes, the size rule, and a round trip through python-osc's parser."""

import math

import numpy as np
import pytest
from bridge_doubles import FakeLive, made_up_features, made_up_pose, udp_peer
from pythonosc.osc_packet import OscPacket

from bridges.flags import BLACKOUT
from bridges.hub import OutputSpec
from bridges.osc import (
    DATAGRAM_BYTES,
    ChannelEncoder,
    ChannelsSink,
    Datagram,
    Frame,
    beat_at,
    osc_string,
    split_messages,
)
from engine.skeleton import HOUSE, JOINTS, forward_kinematics
from engine.types import BeatClock


def decoded(datagrams: list[bytes]) -> list[tuple[str, list]]:
    """Address and arguments of every message, read by python-osc."""
    return [(m.message.address, m.message.params) for data in datagrams for m in OscPacket(data).messages]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", b"\0\0\0\0"), ("abc", b"abc\0"), ("abcd", b"abcd\0\0\0\0"), ("é", b"\xc3\xa9\0\0")],
)
def test_strings_end_in_zeros_on_a_border_of_four(text, expected):
    assert osc_string(text) == expected


def test_golden_bytes_of_a_bundle():
    datagram = Datagram([("/a", "if", ()), ("/name", "sf", ("x",))])
    assert datagram.encode(np.array([1.5, -2.0], np.float32), (7,)) == bytes.fromhex(
        "2362756e646c6500 0000000000000001"  # "#bundle", time tag: at once
        "00000010 2f610000 2c696600 00000007 3fc00000"  # 16 bytes: /a ,if 7 1.5
        "00000014 2f6e616d65000000 2c736600 78000000 c0000000"  # 20 bytes: /name ,sf "x" -2.0
    )


def test_encoding_twice_leaves_the_first_bytes_alone():
    datagram = Datagram([("/a", "f", ())])
    first = datagram.encode(np.array([1.0], np.float32))
    datagram.encode(np.array([2.0], np.float32))
    assert decoded([first]) == [("/a", [1.0])]


def test_messages_are_cut_into_full_datagrams_in_order():
    messages = [(f"/live/joint/{i}/tx", "f", ()) for i in range(200)]
    groups = split_messages(messages)
    assert [m for group in groups for m in group] == messages
    sizes = [Datagram(group).size for group in groups]
    assert max(sizes) <= DATAGRAM_BYTES
    assert min(sizes[:-1]) > DATAGRAM_BYTES - 40  # as few datagrams as fit


def test_a_frame_spreads_its_numbers_over_its_datagrams():
    frame = Frame([(f"/{i}", "fi", ()) for i in range(100)], limit=200)
    floats, ints = np.arange(100, dtype=np.float32) / 8, list(range(100))
    datagrams = frame.encode(floats, ints)
    assert len(datagrams) > 5
    assert decoded(datagrams) == [(f"/{i}", [i / 8, i]) for i in range(100)]


def test_channels_say_joint_positions_of_the_world_one_number_per_address():
    pose = made_up_pose(75)
    values = dict(decoded(ChannelEncoder(HOUSE).encode(pose, made_up_features())))
    positions, _ = forward_kinematics(pose.root, pose.rotations)
    for joint, name in enumerate(JOINTS):
        got = [values[f"/live/joint/{name}/t{axis}"][0] for axis in "xyz"]
        assert got == pytest.approx(positions[joint].tolist(), abs=1e-5)


def test_channels_say_the_beat_of_the_instant_seen_not_of_the_instant_sent():
    features = made_up_features(anchor_s=1.0, count=8, period_s=0.5, beat_in_bar=4, meter=4)
    pose = made_up_pose(105)  # seen at 1.75 s: one and a half beats after beat 8
    values = dict(decoded(ChannelEncoder(HOUSE).encode(pose, features)))
    assert values["/live/beat"] == [9]
    assert values["/live/bar"] == [1]  # after the fourth comes the first
    assert values["/live/phase"][0] == pytest.approx(0.5)
    assert values["/live/bpm"] == [120.0]
    assert (values["/live/energy"], values["/live/onset"]) == ([0.625], [0.75])
    assert [values[f"/live/bands/{band}"][0] for band in range(4)] == [0.125, 0.25, 0.375, 0.5]
    assert values["/live/visible"] == [1]


def test_every_datagram_of_the_channels_is_small():
    datagrams = ChannelEncoder(HOUSE).encode(made_up_pose(1), made_up_features())
    assert max(map(len, datagrams)) <= DATAGRAM_BYTES
    assert len(datagrams) <= 4


@pytest.mark.parametrize(
    ("beat", "time_s", "expected"),
    [
        (BeatClock(0.0, 0, 0.5, 0), 0.25, (0, 0.5, 0)),  # place in the bar unknown
        (BeatClock(2.0, 10, 0.5, 3, 4), 2.0, (10, 0.0, 3)),
        (BeatClock(2.0, 10, 0.5, 3, 4), 1.0, (8, 0.0, 1)),  # before the anchor
        (BeatClock(2.0, 10, 0.5, 1, 3), 1.75, (9, 0.5, 3)),  # three in a bar, backwards over its line
        (BeatClock(2.0, 10, 0.5, 3, 4), 3.5, (13, 0.0, 2)),
    ],
)
def test_beat_number_phase_and_place_in_the_bar(beat, time_s, expected):
    number, phase, in_bar = beat_at(beat, time_s)
    assert (number, in_bar) == (expected[0], expected[2])
    assert math.isclose(phase, expected[1], abs_tol=1e-9)


def test_the_sink_sends_to_its_address():
    with udp_peer() as peer:
        sink = ChannelsSink(OutputSpec("osc", peer.address), FakeLive())
        sink.open(HOUSE)
        sink.deliver(made_up_pose(3), BLACKOUT, 0.0)
        values = dict(decoded(peer.receive(3)))
        sink.close()
    assert values["/live/visible"] == [0]
    assert len(values) == 11 + 66


def test_a_closed_sink_refuses_to_send():
    sink = ChannelsSink(OutputSpec("osc", "127.0.0.1:9"), FakeLive())
    sink.open(HOUSE)
    sink.close()
    with pytest.raises(OSError, match="not open"):
        sink.send(made_up_pose(3))
