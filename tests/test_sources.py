"""Sources without a sound card: files, names of devices, and a device that stalls, on an injected clock."""

import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest
import soundfile

from engine import devices
from engine.capture import DeviceSource
from engine.clock import ClockMap, now_s
from engine.devices import Device, choose_device
from engine.errors import SourceError
from engine.sources import open_file, paced

RATE, BLOCK = 48_000, 480


@pytest.fixture
def stereo(tmp_path):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (1000, 2)).astype(np.float32)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, sound, 44_100, subtype="FLOAT")
    return path, sound


def test_file_is_mixed_to_mono_in_whole_blocks_without_holes(stereo):
    path, sound = stereo
    source = open_file(str(path), block=300)
    blocks = list(source)
    assert [len(block.samples) for block in blocks] == [300, 300, 300, 100]
    assert [block.start for block in blocks] == [0, 300, 600, 900]
    assert source.rate == 44_100 and not any(block.gap for block in blocks)
    np.testing.assert_allclose(np.concatenate([block.samples for block in blocks]), sound.mean(axis=1), atol=1e-7)
    assert source.stats()["blocks"] == 4 and source.name == "stereo.wav"


def test_looped_file_goes_on_without_a_seam(stereo):
    path, sound = stereo
    heard, source = [], open_file(str(path), block=300, loop=True)
    for block in source:
        assert len(block.samples) == 300
        heard.append(block.samples)
        if len(heard) == 10:
            source.close()
    np.testing.assert_allclose(np.concatenate(heard), np.tile(sound.mean(axis=1), 3), atol=1e-7)


@pytest.mark.parametrize("content", [b"", b"this is not sound", b"OggS" + bytes(300), b"RIFF" + bytes(60)])
def test_file_that_cannot_be_decoded_is_one_clear_line(tmp_path, content):
    path = tmp_path / "broken.ogg"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"broken\.ogg") as caught:
        open_file(str(path))
    assert "\n" not in str(caught.value)


def test_missing_file_folder_and_empty_file(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        open_file(str(tmp_path / "none.wav"))
    with pytest.raises(SourceError, match="is a folder"):
        open_file(str(tmp_path))
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 44_100)
    with pytest.raises(SourceError, match="holds no sound"):
        open_file(str(tmp_path / "empty.wav"))
    with pytest.raises(SourceError, match="block size 0"):
        open_file(str(tmp_path / "empty.wav"), block=0)


def test_file_cut_off_further_in_ends_there(tmp_path):
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 100_000), 44_100)
    path.write_bytes(path.read_bytes()[:120_000])
    source = open_file(str(path))
    total = sum(len(block.samples) for block in source)
    assert 10_000 < total < 100_000


def test_paced_source_hands_over_in_real_time_and_stops(stereo):
    path, _ = stereo
    clock, stop = ClockMap(), threading.Event()
    source = paced(open_file(str(path), block=100), clock, stop)
    heard = 0
    for block in source:
        heard = block.start + len(block.samples)
        assert clock.to_stream(now_s()) >= heard / source.rate - 1e-9
        if block.start >= 500:
            stop.set()
    assert heard == 600
    assert source.name == "stereo.wav" and source.gaps == 0 and "late_blocks" in source.stats()


# --- which device a name means

STUDIO = [
    Device(0, "HDA Intel PCH: ALC257 (hw:0,0)", "ALSA", 2, 44_100.0),
    Device(3, "Scarlett 18i20 USB: Audio (hw:1,0)", "ALSA", 20, 48_000.0),
    Device(4, "Scarlett 2i2 USB: Audio (hw:2,0)", "ALSA", 2, 48_000.0),
    Device(5, "pulse", "ALSA", 32, 44_100.0),
]


@pytest.mark.parametrize(
    ("spec", "index", "channels"),
    [
        ("18i20", 3, (1, 2)),
        ("18I20:17+18", 3, (17, 18)),
        ("3:5", 3, (5,)),
        ("4", 4, (1, 2)),
        ("default", 0, (1, 2)),
        ("default:2", 0, (2,)),
        ("hw:2", 4, (1, 2)),
        ("pulse", 5, (1, 2)),
    ],
)
def test_device_by_name_number_and_channels(spec, index, channels):
    device = choose_device(spec, STUDIO, default=0, platform="linux")
    assert (device.index, device.channels) == (index, channels)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("Foo", ["no input 'Foo'", "0 'HDA Intel", "5 'pulse'", "default", "monitor"]),
        ("9", ["no input '9'", "4 'Scarlett 2i2"]),
        ("scarlett", ["ambiguous", "3 'Scarlett 18i20", "4 'Scarlett 2i2"]),
        ("2i2:3", ["channels 1 to 2, not 3"]),
        ("2i2:0+1", ["channels 1 to 2, not 0"]),
    ],
)
def test_wrong_device_says_what_exists_in_one_line(spec, parts):
    with pytest.raises(SourceError) as caught:
        choose_device(spec, STUDIO, default=-1, platform="linux")
    assert all(part in str(caught.value) for part in parts) and "\n" not in str(caught.value)


def test_no_inputs_at_all():
    with pytest.raises(SourceError, match="no sound input"):
        choose_device("default", [], platform="linux")


def test_system_sound_on_each_system():
    assert choose_device("monitor", STUDIO, platform="linux").monitor
    mac = [
        Device(0, "MacBook Microphone", "Core Audio", 1, 48_000.0),
        Device(1, "BlackHole 2ch", "Core Audio", 2, 48e3),
    ]
    assert choose_device("monitor", mac, platform="darwin").index == 1
    with pytest.raises(SourceError, match="BlackHole"):
        choose_device("monitor", mac[:1], platform="darwin")
    windows = [
        Device(1, "Microphone (Realtek)", "MME", 2, 44_100.0),
        Device(7, "Microphone (Realtek)", "Windows WASAPI", 2, 48_000.0),
        Device(9, "Speakers (Realtek) [Loopback]", "Windows WASAPI", 2, 48_000.0),
    ]
    assert choose_device("monitor", windows, platform="win32").index == 9
    assert choose_device("microphone", windows, platform="win32").index == 7
    with pytest.raises(SourceError, match="Stereo Mix"):
        choose_device("monitor", windows[:2], platform="win32")


def test_missing_portaudio_is_one_line_with_the_command(monkeypatch):
    class Refuses:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refuses(), *sys.meta_path])
    for platform, command in (("linux", "libportaudio2"), ("darwin", "brew"), ("win32", "pip install")):
        monkeypatch.setattr(devices.sys, "platform", platform)
        with pytest.raises(SourceError, match=command) as caught:
            devices.list_devices()
        assert "\n" not in str(caught.value)


# --- a device that stalls, with the clock in our hands


SETTLE = 31 * BLOCK  #: the room's samples that pass before the stream begins


class Room:
    """A clock and a sound card that only move when told. The card counts up: sample k of the room is k / 2**20."""

    def __init__(self, late_s: float = 0.02):
        self.time_s, self.late_s = 100.0, late_s
        self.hear: Callable | None = None
        self.plugged, self.opened, self.closed = True, 0, 0
        self.rate = RATE
        self._sent = 0

    def now(self) -> float:
        return self.time_s

    def wait(self, until_s: float, stop: threading.Event) -> bool:
        self.time_s = max(self.time_s, until_s)
        self.deliver()
        return stop.is_set()

    def deliver(self) -> None:
        """Every block that was captured completely ``late_s`` ago reaches the callback, or is lost when unplugged."""
        while 100.0 + (self._sent + BLOCK) / RATE + self.late_s <= self.time_s:
            if self.plugged and self.hear is not None:
                sound = (np.arange(self._sent, self._sent + BLOCK, dtype=np.float32) / 2**20)[:, None]
                self.hear(sound, 100.0 + self._sent / RATE)
            self._sent += BLOCK

    def opener(self, hear: Callable, rate: int | None) -> "Room":
        if not self.plugged:
            raise SourceError("away")
        assert rate in (None, RATE)
        self.hear, self.opened = hear, self.opened + 1
        return self

    def close(self) -> None:
        self.hear, self.closed = None, self.closed + 1


def start(room: Room) -> tuple[DeviceSource, ClockMap]:
    clock = ClockMap()
    source = DeviceSource(
        "room",
        room.opener,
        clock,
        threading.Event(),
        block=BLOCK,
        now=room.now,
        wait=room.wait,
        background=lambda f: f(),
    )
    return source, clock


def listen(source: DeviceSource, room: Room, seconds: float, do: dict[float, Callable] | None = None) -> list:
    """Blocks of the next ``seconds`` of room time; ``do`` maps seconds to things that happen then."""
    blocks, end_s, events = [], room.time_s + seconds, sorted((do or {}).items())
    began_s = room.time_s
    for block in source:
        blocks.append(block)
        while events and room.time_s - began_s >= events[0][0]:
            events.pop(0)[1]()
        if room.time_s >= end_s:
            return blocks
    return blocks


def assert_no_holes(blocks: list) -> None:
    at = 0
    for block in blocks:
        assert block.start == at
        at += len(block.samples)


def test_steady_device_has_no_gap_and_the_map_holds_the_input_latency():
    room = Room(late_s=0.05)
    source, clock = start(room)
    blocks = listen(source, room, 5.0)
    assert_no_holes(blocks)
    assert source.gaps == 0 and not any(block.gap for block in blocks)
    assert abs(clock.to_mono(4.0) - 104.0 - SETTLE / RATE) < 0.001
    np.testing.assert_array_equal(blocks[100].samples, (SETTLE + np.arange(48_000, 48_480, dtype=np.float32)) / 2**20)


def test_stall_becomes_zero_gap_blocks_and_the_device_comes_back_in_place():
    room = Room()
    source, clock = start(room)
    blocks = listen(
        source,
        room,
        12.0,
        {3.0: lambda: setattr(room, "plugged", False), 7.0: lambda: setattr(room, "plugged", True)},
    )
    assert_no_holes(blocks)
    gaps = [block for block in blocks if block.gap]
    assert source.stats()["stalls"] == 1 and source.stats()["reopens"] == 1 and room.opened == 2
    assert all(not block.samples.any() for block in gaps)
    assert 3.5 < sum(len(block.samples) for block in gaps) / RATE < 5.6
    assert 2.5 < gaps[0].start / RATE < 2.9
    # stream time never stopped; what was captured after the return lies where it was captured, to a block
    assert abs(clock.to_mono(11.0) - 111.0 - SETTLE / RATE) < BLOCK / RATE + 0.001
    last = blocks[-1]
    assert abs(last.samples[0] * 2**20 - last.start - SETTLE) <= BLOCK
    assert source.stats()["gap_samples"] == sum(len(block.samples) for block in gaps)


def test_lateness_below_the_patience_is_no_gap():
    room = Room()
    source, _ = start(room)
    blocks = listen(source, room, 4.0, {2.0: lambda: setattr(room, "late_s", 0.1)})
    assert_no_holes(blocks)
    assert source.gaps == 0


def test_samples_that_the_driver_lost_become_a_gap_of_their_length():
    room = Room()
    source, clock = start(room)

    def lose() -> None:
        room._sent += 12 * BLOCK  # the driver skips 0.12 s without a word

    blocks = listen(source, room, 6.0, {3.0: lose})
    assert_no_holes(blocks)
    assert source.stats()["losses_below"] == 1 and source.stats()["stalls"] == 0
    assert sum(len(block.samples) for block in blocks if block.gap) == 12 * BLOCK
    assert abs(clock.to_mono(5.0) - 105.0 - SETTLE / RATE) < 0.001


def test_backlog_thrown_away_at_the_start_is_before_the_stream():
    room = Room()
    source, clock = start(room)
    for _ in range(20):  # the driver skips a block every 60 ms for a while
        room.time_s += 0.06
        room.deliver()
        room._sent += BLOCK
    blocks = listen(source, room, 4.0)
    assert_no_holes(blocks)
    assert source.gaps == 0
    assert blocks[-1].samples[0] * 2**20 == pytest.approx((clock.to_mono(blocks[-1].start / RATE) - 100) * RATE, abs=5)


def test_device_that_never_speaks_yields_gaps_instead_of_raising():
    room = Room()
    source, clock = start(room)
    room.plugged = False
    blocks = listen(source, room, 9.0)
    assert_no_holes(blocks)
    assert all(block.gap for block in blocks) and clock.anchored and len(blocks) > 100


def test_reader_that_sleeps_too_long_gets_the_exact_number_lost():
    room = Room()
    source, _ = start(room)
    blocks = listen(source, room, 1.0)
    room.time_s += 20.0  # nobody reads meanwhile, the ring overflows
    room.deliver()
    blocks += listen(source, room, 1.0)
    assert_no_holes(blocks)
    lost = source.stats()["overruns"]
    assert lost > 0 and source.stats()["gap_samples"] == lost
    assert blocks[-1].samples[0] * 2**20 == blocks[-1].start + SETTLE


def test_closing_ends_the_iteration_and_the_stream():
    room = Room()
    source, _ = start(room)
    listen(source, room, 0.5)
    source.close()
    assert list(source) == [] and room.closed == 1
