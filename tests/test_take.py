"""A take is complete, exact and never overwrites."""

import json
import tomllib

import numpy as np
import pytest
import soundfile
from doubles import DoublePlanner, LoudEar, click_track

from engine.config import OutputConfig, ShowConfig
from engine.dance import Dancer, Happened
from engine.errors import TakeError
from engine.listen import quantise
from engine.replay import read_take, replay
from engine.show import ControlEvent
from engine.take import TakeHeader, TakeWriter
from engine.types import AudioBlock

RATE = 44_100
SHOW = ShowConfig(seed=7, output=(OutputConfig("vmc", "127.0.0.1:39539", 20.0, 'the "left" one \\'),))
FILES = {
    "take.toml",
    "audio.flac",
    "beats.tsv",
    "predictions.tsv",
    "sections.tsv",
    "poses.npz",
    "sent.npz",
    "controls.jsonl",
    "metrics.json",
}


def events(frame):
    return {100: [ControlEvent("energy", 1.5)], 160: [ControlEvent("style", "wild"), ControlEvent("freeze", True)]}.get(
        frame, []
    )


def record(folder, *, block=480, close=True, gap=None, show=SHOW, lost=frozenset()):
    samples = click_track(rate=RATE)
    if gap:
        samples[gap[0] : gap[1]] = 0
    writer = TakeWriter(str(folder), TakeHeader(show, RATE, 8, "double-1", "clicks", "loud-1"), live=False)
    dancer = Dancer(
        show,
        DoublePlanner(),
        LoudEar(),
        horizon_ticks=8,
        happened=Happened(controls=events, lost=lost),
        recorder=writer,
    )
    poses, start = [], 0
    while start < len(samples):
        end = min(start + block, len(samples))
        inside = bool(gap and gap[0] <= start < gap[1])
        if gap:
            end = min([end, *(border for border in gap if border > start)])
        poses += dancer.push(AudioBlock(start, samples[start:end], RATE, inside))
        start = end
    for frame in sorted(lost):
        writer.event(frame, "features_lost")
    if close:
        writer.close({"anything": 1})
    return samples, poses, writer


def test_the_folder_holds_what_it_should(tmp_path):
    samples, poses, _ = record(tmp_path / "t")
    assert {path.name for path in (tmp_path / "t").iterdir()} == FILES
    heard, rate = soundfile.read(tmp_path / "t" / "audio.flac", dtype="float32")
    assert rate == RATE and np.array_equal(heard, quantise(samples))
    assert soundfile.info(tmp_path / "t" / "audio.flac").subtype == "PCM_24"
    with np.load(tmp_path / "t" / "poses.npz") as arrays:
        count = len(poses)
        assert arrays["frame"].tolist() == list(range(count))
        assert arrays["time_s"].dtype == np.float64 and np.allclose(arrays["time_s"] * 60, arrays["frame"])
        assert arrays["root"].shape == (count, 1, 3) and arrays["rotations"].shape == (count, 1, 22, 4)
        assert (
            arrays["names"].shape == (22,) and arrays["parents"].shape == (22,) and arrays["offsets"].shape == (22, 3)
        )
        assert np.array_equal(arrays["root"][5, 0], poses[5].root)
    assert json.loads((tmp_path / "t" / "metrics.json").read_text())["anything"] == 1


def test_tables_follow_the_beat(tmp_path):
    record(tmp_path / "t")
    rows = np.loadtxt(tmp_path / "t" / "predictions.tsv", skiprows=1)
    assert np.allclose(np.diff(rows[:, 0]), 0.01)
    assert (rows[:, 1] > rows[:, 0]).all() and np.allclose(rows[:, 2] - rows[:, 1], rows[:, 3], atol=1e-5)
    beats = np.loadtxt(tmp_path / "t" / "beats.tsv", skiprows=1)
    assert (beats[:, 4] <= beats[:, 0]).all() and (np.diff(beats[:, 0]) > 0.2).all()
    late = beats[beats[:, 0] > 3.0]
    error = (late[:, 0] * 2 + 0.5) % 1.0 - 0.5
    assert len(late) >= 5 and np.abs(error).max() < 0.16


def test_the_show_is_read_back_as_it_was(tmp_path):
    record(tmp_path / "t")
    assert read_take(tmp_path / "t").show == SHOW
    table = tomllib.loads((tmp_path / "t" / "take.toml").read_text())
    assert (
        table["take"]["ear"] == "loud-1"
        and table["take"]["model"] == "double-1"
        and table["take"]["seed"] == 7
        and table["versions"]["numpy"]
    )


@pytest.mark.parametrize("block", [64, 777])
def test_replay_gives_the_same_bits(tmp_path, block):
    record(tmp_path / "t", gap=(70_000, 90_000), lost=frozenset({200, 202}))
    again = replay(read_take(tmp_path / "t"), DoublePlanner(), LoudEar(), block=block)
    assert again.same and again.compared == again.recorded > 300


@pytest.mark.parametrize("what", ["control", "gap", "features_lost"])
def test_replay_needs_every_kind_of_event(tmp_path, what):
    record(tmp_path / "t", gap=(70_000, 90_000), lost=frozenset({200}))
    path = tmp_path / "t" / "controls.jsonl"
    lines = path.read_text().splitlines()
    kept = [line for line in lines if json.loads(line)["event"] != what]
    assert len(kept) < len(lines)
    path.write_text("\n".join(kept) + "\n")
    assert not replay(read_take(tmp_path / "t"), DoublePlanner(), LoudEar()).same


def test_replay_sees_one_wrong_bit(tmp_path):
    record(tmp_path / "t")
    with np.load(tmp_path / "t" / "poses.npz") as arrays:
        changed = dict(arrays)
    changed["root"][123, 0, 1] = np.nextafter(changed["root"][123, 0, 1], np.float32(9))
    np.savez(tmp_path / "t" / "poses.npz", **changed)
    again = replay(read_take(tmp_path / "t"), DoublePlanner(), LoudEar())
    assert not again.same and again.first_difference == 123


def test_an_unfinished_take_is_completed_by_replaying(tmp_path):
    _, poses, writer = record(tmp_path / "t", close=False)
    writer._todo.put(None)
    writer._thread.join()
    writer._flush()  # as it is after the last whole second of a show that is cut off
    folder = tmp_path / "t"
    with (folder / "poses.bin").open("ab") as file:
        file.write(b"half a record")
    with (folder / "controls.jsonl").open("a") as file:
        file.write('{"frame": 9')
    take = read_take(folder)
    assert not take.finished
    again = replay(take, DoublePlanner(), LoudEar())
    assert again.same and again.compared > len(poses) - 20
    with np.load(folder / "poses.npz") as arrays:
        assert len(arrays["frame"]) >= len(poses)
    writer.failures = 1
    writer.close({})


def test_a_take_never_overwrites(tmp_path):
    record(tmp_path / "t")
    with pytest.raises(TakeError, match="something is there already"):
        TakeWriter(str(tmp_path / "t"), TakeHeader(SHOW, RATE, 8, ""), live=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TakeError, match="something is there already"):
        TakeWriter(str(tmp_path / "file"), TakeHeader(SHOW, RATE, 8, ""), live=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_no_take_is_said(tmp_path):
    with pytest.raises(TakeError, match="is not a take"):
        read_take(tmp_path)
    record(tmp_path / "t")
    (tmp_path / "t" / "take.toml").write_text("[take]\nversion = 2\n")
    with pytest.raises(TakeError, match="damaged"):
        read_take(tmp_path / "t")


class FullDisk:
    """A file of a disk that has no room left."""

    def writelines(self, lines):
        raise OSError(28, "No space left on device")

    def flush(self):
        pass

    def close(self):
        pass


def test_a_failing_disk_is_counted_and_leaves_the_take_unfinished(tmp_path):
    writer = TakeWriter(str(tmp_path / "t"), TakeHeader(SHOW, RATE, 8, ""), live=True)
    writer._files["controls.jsonl"].close()
    writer._files["controls.jsonl"] = FullDisk()
    for frame in range(3):
        writer.event(frame, "anything")
    writer.audio(AudioBlock(0, np.zeros(480, np.float32), RATE))
    writer.close({})
    assert writer.failures == 1
    assert not read_take(tmp_path / "t").finished
