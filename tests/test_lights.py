"""Lights: every slot, the packets byte by byte, and receivers that are not ours."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bridge_doubles import FakeLive, made_up_features, made_up_pose, udp_peer
from test_real_peers import free_udp_port, running, sending

from bridges.artnet import ArtnetEncoder, ArtnetSink
from bridges.flags import BLACKOUT, FREEZE, HELD
from bridges.hub import OutputSpec, open_sink
from bridges.lights import SLOTS, Lights, due, lights_step, universe
from bridges.sacn import SacnEncoder, SacnSink, multicast_address
from engine.errors import ConfigError
from engine.skeleton import HOUSE
from engine.types import BeatClock, SectionReading

PEERS = Path(__file__).parent / "peers"
CID = bytes(range(16))


def slots(features, time_s: float, flags: int = 0, state: Lights | None = None) -> dict[str, int]:
    return dict(zip(SLOTS, lights_step(state or Lights(), features, time_s, flags).slots, strict=True))


def heard(**section):
    """Beat 8, the first of a bar, at 1 s; two beats a second."""
    features = made_up_features(anchor_s=1.0, count=8, period_s=0.5, beat_in_bar=1, meter=4, confidence=0.8)
    return replace(features, section=SectionReading(**section))


def test_on_the_first_beat():
    got = slots(heard(), 1.0)
    expected = {"visible": 255, "beat_flash": 255, "bar_flash": 255, "beat_1": 255, "plain": 255, "energy": 159}
    expected |= {"onset": 191, "band_0": 32, "band_1": 64, "band_2": 96, "band_3": 128, "bpm": 120, "sure": 204}
    assert got == {**dict.fromkeys(SLOTS, 0), **expected}


def test_between_the_second_beat_and_the_third():
    got = slots(heard(), 1.75)
    assert (got["beat_phase"], got["bar_phase"]) == (128, 96)  # half a beat; one and a half of four
    assert (got["beat_flash"], got["bar_flash"]) == (64, 0)  # a quarter is left
    assert [got[f"beat_{n}"] for n in (1, 2, 3, 4)] == [0, 255, 0, 0]


def test_a_flash_falls_all_the_way():
    flashes = [slots(heard(), 1.0 + step / 60)["beat_flash"] for step in range(30)]
    assert flashes == sorted(flashes, reverse=True) and flashes[0] == 255 and flashes[-1] < 2


def test_an_unknown_bar_has_no_slots():
    features = replace(heard(), beat=BeatClock(1.0, 8, 0.5, 0))
    got = slots(features, 1.0)
    assert got["beat_flash"] == 255
    assert [got[n] for n in ("bar_flash", "bar_phase", "beat_1", "beat_2", "beat_3", "beat_4")] == [0] * 6


def test_the_seventh_beat_of_seven_has_a_phase_and_no_slot_of_its_own():
    got = slots(replace(heard(), beat=BeatClock(1.0, 8, 0.5, 7, 7)), 1.0)
    assert got["bar_phase"] == round(255 * 6 / 7)
    assert [got[f"beat_{n}"] for n in (1, 2, 3, 4)] == [0] * 4


@pytest.mark.parametrize("phase", ["plain", "build", "break"])
def test_one_section_at_a_time(phase):
    got = slots(heard(phase=phase), 1.0)
    assert {name: got[name] for name in ("plain", "build", "break")} == {
        **dict.fromkeys(("plain", "build", "break"), 0), phase: 255,
    }  # fmt: skip


def test_a_drop_flashes_once_and_fades_within_a_second():
    state = lights_step(Lights(), heard(drop=0.9), 10.0, 0)
    levels = [state.slots[SLOTS.index("drop")]]
    for time_s in (10.25, 10.5, 11.0, 12.0):
        state = lights_step(state, heard(drop=0.1), time_s, 0)
        levels.append(state.slots[SLOTS.index("drop")])
    assert levels == [255, 191, 128, 0, 0]


def test_silence_does_not_flash():
    got = slots(replace(heard(), silence=True), 1.0)
    assert (got["beat_flash"], got["silence"]) == (0, 255)


def test_blackout_is_dark_and_freeze_stands_still():
    lit = lights_step(Lights(), heard(), 1.0, HELD)
    assert any(lit.slots)
    assert lights_step(lit, heard(), 1.3, FREEZE).slots == lit.slots
    assert not any(lights_step(lit, heard(), 1.3, BLACKOUT | FREEZE).slots)


def test_what_is_not_a_number_or_too_large_stays_a_byte():
    odd = replace(heard(), energy=float("nan"), onset=7.0, bands=np.array([np.inf, -1.0, np.nan]), loudness_db=0.0)
    got = slots(odd, 1.0)
    assert (got["energy"], got["onset"], got["band_0"], got["band_1"], got["band_2"]) == (0, 255, 255, 0, 0)


@pytest.mark.parametrize("rate_hz", [1, 7, 25, 30, 40])
def test_packets_leave_at_their_rate_and_evenly(rate_hz):
    sent = [frame for frame in range(600) if due(frame - 1, frame, rate_hz)]
    assert len(sent) == 10 * rate_hz
    gaps = np.diff(sent)
    assert gaps.max() - gaps.min() <= 1


def test_a_lane_that_leaves_out_frames_keeps_the_rate():
    frames = [frame for frame in range(600) if frame % 3]  # every third is late and left out, due or not
    sent = [frame for before, frame in zip(frames, frames[1:], strict=False) if due(before, frame, 30)]
    assert len(sent) == pytest.approx(300, abs=2)


def test_golden_bytes_of_sacn():
    """Offsets and values from ANSI E1.31-2016, table 4-1 and 6-2 on."""
    packet = SacnEncoder(CID, 258, priority=100).encode(universe(bytes([255, 1]), 3))
    assert packet == bytes.fromhex(
        "0010 0000 4153432d45312e3137000000"  # preamble, postamble, "ASC-E1.17"
        "726e 00000004 000102030405060708090a0b0c0d0e0f"  # 622 bytes from here on, data, CID
        "7258 00000002"  # 600 bytes, data packet
    ) + b"Corybant".ljust(64, b"\0") + bytes.fromhex(
        "64 0000 00 00 0102"  # priority 100, no synchronisation, number 0, no options, universe 258
        "720b 02 a1 0000 0001 0201 00"  # 523 bytes, set property, 513 values: start code 0 ...
        "0000 ff01"
    ) + bytes(508)  # fmt: skip
    assert len(packet) == 638


def test_sacn_numbers_run_round_and_the_end_is_marked():
    encoder = SacnEncoder(CID, 1)
    packets = [encoder.encode(bytes(512)) for _ in range(257)]
    assert [packet[111] for packet in packets] == [*range(256), 0]
    assert {packet[112] for packet in packets} == {0}
    assert encoder.encode(bytes(512), terminated=True)[112] == 0x40
    assert encoder.encode(bytes(512))[112] == 0


def test_golden_bytes_of_artnet():
    packet = ArtnetEncoder(0x1234).encode(universe(bytes([255, 1]), 3))
    assert packet == b"Art-Net\0" + bytes.fromhex(
        "0050 000e 01 00 34 12 0200"  # ArtDmx, version 14, number 1, physical 0, low byte and net, 512 slots
        "0000 ff01"
    ) + bytes(508)


def test_artnet_numbers_run_from_1_to_255():
    encoder = ArtnetEncoder(0)
    assert [encoder.encode(bytes(512))[12] for _ in range(256)] == [*range(1, 256), 1]


@pytest.mark.parametrize("kind", [SacnSink, ArtnetSink])
def test_a_sink_sends_half_of_the_frames_and_says_goodbye(kind):
    with udp_peer() as peer:
        sink = kind(OutputSpec("lights", peer.address, options={"start": "10"}), FakeLive())
        sink.open(HOUSE)
        for frame in range(60, 66):
            sink.deliver(made_up_pose(frame), 0, 0.0)
        sink.close()
        ends = 3 if kind is SacnSink else 1
        got = peer.receive(3 + ends)
    data = 126 if kind is SacnSink else 18
    assert [packet[data + 9] for packet in got[:3]] == [255] * 3  # visible, at slot 10
    if kind is SacnSink:
        assert [packet[112] for packet in got] == [0, 0, 0, 0x40, 0x40, 0x40]
        assert [packet[111] for packet in got] == [0, 1, 2, 3, 4, 5]
    else:
        assert not any(got[-1][data:])


def test_a_reopened_sink_goes_on_counting_and_one_never_opened_says_nothing():
    with udp_peer() as peer:
        sink = SacnSink(OutputSpec("sacn", peer.address), FakeLive())
        sink.close()
        for frame in (60, 66):
            sink.open(HOUSE)
            sink.deliver(made_up_pose(frame), 0, 0.0)
            sink.close()
        assert [packet[111] for packet in peer.receive(8)] == list(range(8))


def test_a_source_is_the_same_on_every_start_and_unlike_its_neighbour():
    def cid(address: str) -> bytes:
        with udp_peer() as peer:
            sink = SacnSink(OutputSpec("sacn", peer.address, name=address), FakeLive())
            sink.open(HOUSE)
            sink.deliver(made_up_pose(60), 0, 0.0)
            (packet,) = peer.receive(1)
            sink.close()
        return packet[22:38]

    assert cid("left") == cid("left") != cid("right")


@pytest.mark.parametrize(
    ("kind", "address", "options", "part"),
    [
        ("sacn", "127.0.0.1", {"universe": "0"}, "from 1 to 63999"),
        ("sacn", "127.0.0.1", {"start": "492"}, "from 1 to 491"),
        ("sacn", "127.0.0.1", {"rate_hz": "41"}, "from 1 to 40"),
        ("sacn", "239.255.0.2", {"universe": "1"}, "multicast at 239.255.0.1"),
        ("artnet", "127.0.0.1", {"universe": "32768"}, "from 0 to 32767"),
        ("artnet", "127.0.0.1", {"priority": "100"}, "no option 'priority'"),
        ("artnet", "a b", {}, "no usable host"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(kind, address, options, part):
    with pytest.raises(ConfigError) as caught:
        open_sink(OutputSpec(kind, address, options=options), FakeLive())
    assert part in str(caught.value) and "\n" not in str(caught.value)


def test_multicast_addresses_of_universes():
    assert [multicast_address(n) for n in (1, 255, 256, 63_999)] == [
        "239.255.0.1", "239.255.0.255", "239.255.1.0", "239.255.249.255",
    ]  # fmt: skip
    spec = OutputSpec("sacn", "239.255.1.2", options={"universe": "258"})
    assert isinstance(open_sink(spec, FakeLive()), SacnSink)  # made, not opened: nothing leaves


@pytest.mark.parametrize(
    ("kind", "package", "number"), [("sacn", "sacn", "7"), ("artnet", "stupidArtnet", "7")], ids=["sacn", "artnet"]
)
def test_a_receiver_that_is_not_ours_sees_the_slots(needs, kind, package, number):
    """The package ``sacn`` (stream announced, data, end of stream) and stupidArtnet, each in a process of its own."""
    needs.module(package, f"pip install {package.lower()}")
    port = free_udp_port()
    with running([sys.executable, str(PEERS / f"{kind}_receiver.py"), str(port), number]) as peer:
        assert peer.stdout.readline() == "ready\n", peer.stderr.read()
        spec = OutputSpec(kind, f"127.0.0.1:{port}", options={"universe": number, "start": "3"})
        with sending((spec, open_sink(spec, FakeLive()))):
            seen = [bytes.fromhex(peer.stdout.readline()) for _ in range(20)]
        rest = peer.stdout.read().split("\n") if kind == "sacn" else []
    for data in seen:
        got = dict(zip(SLOTS, data[2 : 2 + len(SLOTS)], strict=True))
        assert (len(data), got["visible"], got["bpm"], got["band_3"]) == (512, 255, 120, 128)
        assert not any(data[:2]) and not any(data[2 + len(SLOTS) :])
        # a beat of half a second is thirty poses long, and the flash is what is left of it, squared
        place = round(got["beat_phase"] * 30 / 255) / 30
        assert got["beat_phase"] == pytest.approx(place * 255, abs=0.6)
        assert got["beat_flash"] == pytest.approx((1 - place) ** 2 * 255, abs=0.6)
    if kind == "sacn":
        assert "timeout" in rest  # what this package calls the end of a stream
