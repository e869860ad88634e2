"""``--ear``: other beat clocks in the whole show, told in the take and replayed without them."""

import json
import sys

import numpy as np
import pytest
import soundfile
from doubles import click_track, ear_double, planner_double

import run_live
from bridges.clock_link import LinkClock
from bridges.clock_midi import MidiClock
from bridges.clocks import open_clock
from engine.clock import ClockMap, now_s, wait_until
from engine.listen.outside import OutsideClock
from engine.live import LiveShow
from engine.types import AudioBlock

RATE = 44_100
INSTALL = "pip install 'corybant[aubio]'"


@pytest.fixture(autouse=True)
def small_model(monkeypatch):
    monkeypatch.setattr(run_live, "load_planner", planner_double)
    monkeypatch.setattr(run_live, "load_own_ear", ear_double)


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "clicks.wav"
    soundfile.write(path, click_track(12.0, RATE), RATE, subtype="FLOAT")
    return str(path)


def told(take) -> list[dict]:
    """The events of the outside clock in a take."""
    events = [json.loads(line) for line in (take / "controls.jsonl").read_text(encoding="utf-8").splitlines()]
    return [event for event in events if event["event"] == "control" and event["name"] == "beat_clock"]


class SteadyClock:
    """150 BPM from elsewhere: beats at 0.1 s, 0.5 s, 0.9 s of stream time; it is lost after ``lost_s``."""

    name = "steady"
    period_s = 0.4

    def __init__(self, lost_s: float):
        self.lost_s, self.heard_s, self.began, self.ended = lost_s, 0.0, 0, 0

    def start(self):
        self.began += 1

    def stop(self):
        self.ended += 1

    def hear(self, block):
        self.heard_s = (block.start + len(block.samples)) / block.rate

    def read(self):
        return None if self.heard_s > self.lost_s else OutsideClock(0.1, 3, self.period_s, 1, 4, name=self.name)

    def stats(self):
        return {"peers": 1}


def test_a_live_show_follows_the_clock_and_is_replayed_without_it(clicks, tmp_path, capsys, monkeypatch):
    clock = SteadyClock(lost_s=9.0)
    monkeypatch.setattr(run_live, "open_clock", lambda ear, map, rate: clock if ear == "link" else None)
    take = tmp_path / "take"
    assert run_live.main(["--input", clicks, "--stage", "off", "--ear", "link", "--take", str(take)]) == 0
    assert (clock.began, clock.ended) == (1, 1)
    first, lost = told(take)
    assert first["value"] == {
        "anchor_s": 0.1, "count": 3, "period_s": 0.4, "beat_in_bar": 1, "meter": 4, "playing": True, "name": "steady",
    }  # fmt: skip
    assert lost["value"] is None
    assert lost["frame"] == pytest.approx(9.0 * 60, abs=4)
    rows = np.loadtxt(take / "predictions.tsv", skiprows=1)
    rows = rows[(rows[:, 0] > 7.0) & (rows[:, 0] < 9.0)]
    assert rows[:, 3] == pytest.approx(0.4)
    off = (rows[:, 1] - 0.1 + 0.2) % 0.4 - 0.2
    assert np.abs(off).max() < 0.001
    monkeypatch.setattr(run_live, "open_clock", lambda *_: pytest.fail("a replay opens no clock"))
    capsys.readouterr()
    assert run_live.main(["--replay", str(take)]) == 0
    assert "the same" in capsys.readouterr().out


def test_check_says_what_the_clock_knows(clicks, capsys, monkeypatch):
    monkeypatch.setattr(run_live, "open_clock", lambda *_: SteadyClock(1.0))
    assert run_live.main(["--input", clicks, "--stage", "off", "--ear", "link", "--check"]) == 0
    assert "beat      link: 1 peers" in capsys.readouterr().out


def test_aubio_in_an_offline_take_whatever_the_block_size(clicks, tmp_path, needs, capsys):
    needs.module("aubio", INSTALL)
    takes = [tmp_path / "480", tmp_path / "777"]
    for take in takes:
        options = ["--input", clicks, "--offline", "--ear", "aubio", "--take", str(take), "--block", take.name]
        assert run_live.main(options) == 0
    assert len(told(takes[0])) > 3
    assert told(takes[0]) == told(takes[1])
    for name in ("beats.tsv", "predictions.tsv"):
        assert (takes[0] / name).read_text() == (takes[1] / name).read_text()
    listened = tmp_path / "listened"
    assert (
        run_live.main(["--input", clicks, "--offline", "--listen-only", "--ear", "aubio", "--take", str(listened)]) == 0
    )
    assert (listened / "beats.tsv").read_text() == (takes[0] / "beats.tsv").read_text()
    assert run_live.main(["--replay", str(takes[0])]) == 0
    assert "the same" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ear", "package", "what"),
    [
        ("link", "aalink", "aalink (GPL-3.0), which is not here: pip install 'corybant[link]'"),
        ("midi", "rtmidi", "python-rtmidi, which is not here: pip install 'corybant[midi]'"),
        ("aubio", "aubio", "aubio-ledfx (GPL-3.0), which is not here: pip install 'corybant[aubio]'"),
    ],
)
def test_an_absent_package_is_one_line_and_exit_code_2(ear, package, what, clicks, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    take = tmp_path / "take"
    options = ["--input", clicks, "--stage", "off", "--ear", ear, "--take", str(take)]
    assert run_live.main(options) == 2
    error = capsys.readouterr().err
    assert what in error
    assert error.count("\n") == 1
    assert not take.exists()


def test_each_name_opens_its_clock(needs, monkeypatch):
    assert open_clock("own", ClockMap(), 48_000) is None
    monkeypatch.setattr("bridges.clock_link.load_aalink", lambda: None)
    monkeypatch.setattr("bridges.clock_midi.load_rtmidi", lambda: None)
    assert isinstance(open_clock("link:3", ClockMap(), 48_000), LinkClock)
    assert isinstance(open_clock("midi:Digitakt: MIDI 1", ClockMap(), 48_000), MidiClock)


def test_a_show_on_its_spare_input_is_given_back_by_the_operator(tmp_path, monkeypatch, capsys):
    """Two made-up devices in a whole show: the main one is unplugged for a second."""
    rate, size = 48_000, 480
    sound = click_track(8.0, rate).astype(np.float32)

    began_s: list[float] = []

    class Device:
        def __init__(self, name, clock, stop, gaps):
            self.name, self.clock, self.stop, self.unplugged, self.rate, self.gaps = name, clock, stop, gaps, rate, 0

        def __iter__(self):
            for n in range(len(sound) // size):
                if not self.clock.anchored:
                    began_s.append(now_s())
                    self.clock.observe(0.0, began_s[0])  # both hear the same room from the same moment on
                if wait_until(self.clock.to_mono((n + 1) * size / rate), self.stop):
                    return
                gap = n in self.unplugged
                block = sound[n * size : (n + 1) * size]
                yield AudioBlock(n * size, np.zeros_like(block) if gap else block, rate, gap)

        def close(self):
            pass

    def open_made_up(name, clock, stop, *, block):
        assert block == size
        return Device(name, clock, stop, range(100, 200) if name == "desk" else ())

    shows = []

    class Watched(LiveShow):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)
            shows.append(self)

        def _ask(self, asked, block, began_s):
            super()._ask(asked, block, began_s)
            if asked.features.frame in (180, 300):  # at 3 s, and once more at 5 s, when there is nothing to give back
                self.state.post("main_input", True)

    monkeypatch.setattr("engine.inputs.open_device", open_made_up)
    monkeypatch.setattr(run_live, "LiveShow", Watched)
    take = tmp_path / "take"
    options = ["--input", "desk", "--spare", "room", "--stage", "off", "--seconds", "6", "--take", str(take)]
    assert run_live.main(options) == 0
    spare = json.loads((take / "metrics.json").read_text(encoding="utf-8"))["input"]["spare"]
    assert (spare["takeovers"], spare["returns"]) == (1, 1)
    assert shows[0].report()["input"] == "desk"
    assert shows[0].report()["spare"] is False
    events = [json.loads(line) for line in (take / "controls.jsonl").read_text(encoding="utf-8").splitlines()]
    [gap] = [event for event in events if event["event"] == "gap"]
    assert gap["start"] == 100 * size
    assert gap["samples"] / rate < 0.6  # half a beat, as the ear takes it, is at most 0.6 s
    heard, _ = soundfile.read(take / "audio.flac")
    from_s = gap["start"] + gap["samples"] + round(0.1 * rate)
    assert np.corrcoef(heard[from_s : 200 * size], sound[from_s : 200 * size])[0, 1] > 0.9
    assert run_live.main(["--replay", str(take)]) == 0
    assert "the same" in capsys.readouterr().out
