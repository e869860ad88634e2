"""Recording while the show runs, what is left when it is cut off, and the command that makes files of it."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from bridge_doubles import WAIT_S, FakeLive, StillClock, let_through
from recorded import by_name, clip_of, joints_m, known_pose, parse_bvh, smooth_poses, wild_poses
from test_take import record

import run_live
from bridges.hub import Hub, Lane, OutputSpec, open_sink
from bridges.recorders import __main__ as command
from bridges.recorders import sink as sinks
from bridges.recorders.formats import FORMATS
from bridges.recorders.spill import EXPRESSIONS, MAGIC, SPILL_RECORD, pose_record, read_spill
from engine.clock import now_s
from engine.errors import ConfigError
from engine.skeleton import HOUSE
from engine.timeline import Timeline
from engine.types import Pose

ROOT = Path(__file__).parents[1]


def output(kind: str, path: Path, **options: str) -> OutputSpec:
    return OutputSpec(kind, str(path), options=options)


def recorded(kind: str, path: Path, poses: list[Pose], **options: str):
    """The sink after a whole life: opened, fed, closed."""
    sink = open_sink(output(kind, path, **options), FakeLive())
    sink.open(HOUSE)
    for pose in poses:
        sink.send(pose)
    sink.close()
    return sink


def written(kind: str, poses: list[Pose], folder: Path, **asked) -> bytes:
    path = folder / "expected"
    with path.open("wb") as file:
        FORMATS[kind].write(clip_of(poses, **asked), file)
    return path.read_bytes()


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_sent_is_in_the_file(kind, tmp_path):
    path, poses = tmp_path / f"dance{FORMATS[kind].suffix}", wild_poses(130)
    sink = recorded(kind, path, poses)
    assert path.read_bytes() == written(kind, poses, tmp_path)
    assert sink.stats() == {"written": 130, "repeated": 0, "lost": 0, "waiting": 0, "failures": 0}
    assert {p.name for p in tmp_path.iterdir()} == {path.name, "expected"}


def test_at_a_rate_of_its_own(tmp_path):
    poses = wild_poses(61)
    recorded("bvh", tmp_path / "a.bvh", poses, fps="30")
    assert (tmp_path / "a.bvh").read_bytes() == written("bvh", poses, tmp_path, fps=30)
    with pytest.raises(ConfigError, match="fps is a number from 1 to 240, not 'many'"):
        open_sink(output("bvh", tmp_path / "b.bvh", fps="many"), FakeLive())


def test_a_pose_that_comes_twice_is_kept_once(tmp_path):
    poses = wild_poses(10)
    sink = recorded("bvh", tmp_path / "a.bvh", [*poses[:5], poses[4], poses[2], *poses[5:]])
    assert (tmp_path / "a.bvh").read_bytes() == written("bvh", poses, tmp_path)
    assert sink.stats()["repeated"] == 2


def test_hands_and_faces_are_kept(tmp_path):
    (pose,) = wild_poses(1)
    fist = np.tile(np.array([0, 0, 0.6, 0.8], np.float32), (30, 1))
    both = Pose(pose.frame + 1, 0.0, pose.root, pose.rotations, fist, {"blink": 1.0, "nobody": 0.5})
    path = tmp_path / "a.part"
    path.write_bytes(MAGIC + pose_record(pose) + pose_record(both) + b"half of one")
    clip = read_spill(path)
    assert clip.frame.tolist() == [pose.frame, pose.frame + 1]
    assert np.isnan(clip.hands[0]).all() and np.array_equal(clip.hands[1], fist)
    assert clip.expressions.keys() == {"blink"} and "blink" in EXPRESSIONS
    assert np.isnan(clip.expressions["blink"][0]) and clip.expressions["blink"][1] == 1.0


def test_nothing_danced_leaves_nothing(tmp_path):
    recorded("gltf", tmp_path / "a.glb", [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("there.bvh", "something is there already; name a new file"),
        ("cut.bvh", "is a recording that was cut off; finish it"),
        ("dance.fbx", "a BVH file is called dance.bvh"),
        ("nowhere/dance.bvh", "there is no folder"),
    ],
)
def test_refused_before_the_show(name, said, tmp_path):
    for taken in ("there.bvh", "cut.bvh.part"):
        (tmp_path / taken).write_text("mine")
    with pytest.raises(ConfigError) as caught:
        open_sink(output("bvh", tmp_path / name), FakeLive())
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert (tmp_path / "there.bvh").read_text() == (tmp_path / "cut.bvh.part").read_text() == "mine"


def test_the_show_refuses_with_code_2(tmp_path, capsys):
    (tmp_path / "a.bvh").write_text("mine")
    assert run_live.main(["--demo", "--stage", "off", "--out", f"bvh={tmp_path / 'a.bvh'}"]) == 2
    assert "something is there already" in capsys.readouterr().err
    assert (tmp_path / "a.bvh").read_text() == "mine"


def test_the_hub_records_what_its_lane_sends(tmp_path):
    timeline, poses = Timeline(), smooth_poses(900)
    timeline.append(poses)
    specs = [output("bvh", tmp_path / "a.bvh"), output("vrma", tmp_path / "a.vrma")]
    outputs = [(spec, open_sink(spec, FakeLive())) for spec in specs]
    hub = Hub(outputs, timeline, StillClock(now_s()), FakeLive(), let_through)
    hub.start()
    deadline = now_s() + WAIT_S
    while min(lane["sent"] for lane in hub.stats().values()) < 30 and now_s() < deadline:
        time.sleep(0.01)
    hub.stop()
    said = hub.stats()[specs[0].label]
    assert said["errors"] == 0 and said["sink"]["written"] == said["sent"] >= 30
    frames, _ = hub.drain_sent()[specs[0].label]
    bvh = parse_bvh((tmp_path / "a.bvh").read_text())
    truth = joints_m([poses[frame] for frame in frames])
    assert np.abs(by_name(bvh["world"])[frames - frames[0]] / 100 - truth).max() < 1e-4
    assert (tmp_path / "a.vrma").stat().st_size > 1000


def test_a_lane_that_wakes_late_records_every_pose(tmp_path):
    timeline, poses, clock = Timeline(), smooth_poses(1000), StillClock()
    timeline.append(poses)
    spec, live = output("bvh", tmp_path / "a.bvh"), FakeLive()
    sink, watched = open_sink(spec, live), Watched()
    lanes = [Lane(spec, sink, timeline, clock, live, let_through)]
    lanes += [Lane(OutputSpec("x", "y"), watched, timeline, clock, live, let_through)]
    for lane in lanes:
        lane.open(HOUSE)
        for late_s in (0.0, 0.02, 1.0, 0.0, 3.3, 0.05):
            deadline_s = lane.deadline(1.0)  # after the first call what it is does not matter
            lane.step(deadline_s + late_s, deadline_s)
        lane.close()
    recorder, newest_wins = (lane.stats() for lane in lanes)
    last = watched.frames[-1]
    assert recorder["skipped"] == 0 and recorder["sent"] == last - 60
    assert newest_wins["sent"] == 6 and newest_wins["skipped"] == recorder["sent"] - 6
    assert (tmp_path / "a.bvh").read_bytes() == written("bvh", poses[61 : last + 1], tmp_path)


class Watched:
    """A sink of which the newest pose wins."""

    def __init__(self):
        self.frames = []
        self.open = lambda skeleton: None
        self.close = lambda: None

    def send(self, pose):
        self.frames.append(pose.frame)


def test_a_live_show_leaves_a_file(tmp_path):
    """The whole house: two seconds of the demo, recorded as BVH; a body of the size of people that stands or dances."""
    out = tmp_path / "demo.bvh"
    assert run_live.main(["--demo", "--stage", "off", "--seconds", "2", "--out", f"bvh={out}?lead_ms=0"]) == 0
    bvh = parse_bvh(out.read_text())
    world = by_name(bvh["world"]) / 100
    assert bvh["frame_time"] == 1 / 60 and len(world) >= 60
    assert (np.ptp(world[..., 1], axis=1) > 1.0).all() and (world[..., 1] > -0.1).all()
    assert [path.name for path in tmp_path.iterdir()] == ["demo.bvh"]


# Cut off.

CHILD = """
import sys, time
from bridge_doubles import FakeLive
from recorded import wild_poses
from bridges.hub import OutputSpec, open_sink
from engine.skeleton import HOUSE
sink = open_sink(OutputSpec("bvh", sys.argv[1]), FakeLive())
sink.open(HOUSE)
for pose in wild_poses(150):
    sink.send(pose)
print("sent", flush=True)
time.sleep(600)
"""


def child_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}


def test_a_killed_recording_is_whole_up_to_the_last_second(tmp_path, capsys):
    path, part = tmp_path / "dance.bvh", tmp_path / "dance.bvh.part"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], env=child_environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "sent\n"
        deadline = now_s() + WAIT_S
        while part.stat().st_size < len(MAGIC) + 120 * SPILL_RECORD.itemsize and now_s() < deadline:
            time.sleep(0.01)
    finally:
        child.kill()
        child.communicate()
    assert child.returncode != 0 and not path.exists()
    with pytest.raises(ConfigError, match="was cut off; finish it"):
        open_sink(output("bvh", path), FakeLive())
    assert command.main([str(part), "--bvh", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: BVH, 120 frames at 60 a second, 2.000 s, from 0.117 s of the stream\n"
    assert path.read_bytes() == written("bvh", wild_poses(120), tmp_path)


LIMITED = """
import resource, sys
from bridge_doubles import FakeLive
from recorded import wild_poses
from bridges.hub import OutputSpec, open_sink
from bridges.recorders.spill import MAGIC, SPILL_RECORD
from engine.skeleton import HOUSE

def room(records):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    bytes_free = hard if records is None else int(len(MAGIC) + SPILL_RECORD.itemsize * records)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_free, hard))

sink = open_sink(OutputSpec("bvh", sys.argv[1]), FakeLive())
sink.open(HOUSE)
poses = wild_poses(300)
room(80.5)  # the second second does not fit, and what of it does ends in the middle of a pose
for pose in poses[:150]:
    sink.send(pose)
while sink.stats()["failures"] < 1:
    pass
before = sink.stats()["written"]
room(None if sys.argv[2] == "freed" else 1)
for pose in poses[150:]:
    sink.send(pose)
sink.close()
room(None)
print(before, sink.stats()["written"], sink.stats()["lost"], sink.stats()["failures"] > 0)
"""


@pytest.mark.parametrize(("after", "kept"), [("freed", 300), ("still full", 60)])
def test_a_full_disk(needs, after, kept, tmp_path):
    """The show goes on; what waited is written once there is room, and what was written stays whole if there is not."""
    needs.module("resource", "run it on Linux or macOS: a limit on the size of files stands in for the disk")
    path, part = tmp_path / "dance.bvh", tmp_path / "dance.bvh.part"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), after],
        env=child_environment(), capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert done.stdout == f"60 {kept} {300 - kept} True\n"
    assert "the show goes on" in done.stderr
    if after == "freed":
        assert not part.exists()
    else:
        assert not path.exists() and f"{part} --bvh {path}" in done.stderr
        assert command.main([str(part), "--bvh", str(path)]) == 0
    assert path.read_bytes() == written("bvh", wild_poses(kept), tmp_path)


def test_what_no_memory_holds_is_counted(tmp_path, monkeypatch):
    """A disk that never comes back: the oldest poses go, the newest wait."""
    full = [True]

    def write(spill):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(spill)

    flush = sinks.Spill.flush
    monkeypatch.setattr(sinks, "MOST_WAITING", 100)
    monkeypatch.setattr(sinks.Spill, "flush", write)
    sink, poses = open_sink(output("bvh", tmp_path / "a.bvh"), FakeLive()), wild_poses(200)
    sink.open(HOUSE)
    for pose in poses[:180]:
        deadline = now_s() + WAIT_S
        while sink.stats()["waiting"] > 50 and now_s() < deadline:
            time.sleep(0.001)
        sink.send(pose)
    while sink.stats()["failures"] < 3 and now_s() < deadline:
        time.sleep(0.001)
    assert sink.stats()["lost"] == 80 and sink.stats()["written"] == 0
    full[0] = False
    for pose in poses[180:]:
        sink.send(pose)
    sink.close()
    assert sink.stats()["lost"] == 80 and sink.stats()["written"] == 120
    assert (tmp_path / "a.bvh").read_bytes() == written("bvh", poses[80:], tmp_path)


# The command.


def test_files_of_a_take(tmp_path, capsys):
    _, poses, _ = record(tmp_path / "take")
    files = {kind: tmp_path / f"{kind}{form.suffix}" for kind, form in FORMATS.items()}
    asked = [part for kind, path in files.items() for part in (f"--{kind}", str(path))]
    assert command.main([str(tmp_path / "take"), *asked]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(path) for path in files.values()]
    assert all(f"{len(poses)} frames at 60 a second" in line for line in lines)
    for kind, path in files.items():
        assert path.read_bytes() == written(kind, poses, tmp_path)


def test_files_of_an_unfinished_take(tmp_path, capsys):
    _, poses, writer = record(tmp_path / "take", close=False)
    writer._todo.put(None)
    writer._thread.join()
    writer._flush()
    with (tmp_path / "take" / "poses.bin").open("ab") as file:
        file.write(b"half a record")
    asked = ["--bvh", str(tmp_path / "a.bvh"), "--fps", "30", "--start", "1", "--seconds", "2"]
    assert command.main([str(tmp_path / "take"), *asked]) == 0
    assert "60 frames at 30 a second, 2.000 s, from 1.000 s" in capsys.readouterr().out
    assert (tmp_path / "a.bvh").read_bytes() == written("bvh", poses, tmp_path, fps=30, start_s=1.0, seconds=2.0)
    writer.failures = 1
    writer.close({})


def test_missing_poses_are_said(tmp_path, capsys):
    poses = [known_pose(frame) for frame in (0, 1, 5)]
    part = tmp_path / "a.part"
    part.write_bytes(MAGIC + b"".join(map(pose_record, poses)))
    assert command.main([str(part), "--bvh", str(tmp_path / "a.bvh")]) == 0
    assert "6 frames" in (line := capsys.readouterr().out)
    assert "3 poses were missing and are interpolated" in line


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["part"], "nothing to write: give --bvh, --gltf, --vrma, --smplx, --amass"),
        (["nowhere", "--bvh", "a.bvh"], "there is no"),
        (["text", "--bvh", "a.bvh"], "is no recording"),
        (["empty", "--bvh", "a.bvh"], "holds no pose"),
        (["folder", "--bvh", "a.bvh"], "is not a take"),
        (["part", "--bvh", "a.glb"], "a BVH file is called a.bvh"),
        (["part", "--gltf", "a.gltf"], "a binary glTF file is called a.glb"),
        (["part", "--bvh", "no/a.bvh"], "there is no folder"),
        (["part", "--bvh", "there.bvh"], "something is there already"),
        (["part", "--smplx", "a.npz", "--amass", "a.npz"], "two outputs are called"),
        (["part", "--bvh", "a.bvh", "--fps", "0"], "--fps is 1 to 240, not 0"),
        (["part", "--bvh", "a.bvh", "--fps", "fast"], "invalid float value"),
        (["part", "--bvh", "a.bvh", "--start", "99"], "nothing was danced there"),
        (["part", "--bvh", "a.bvh", "--dancer", "2"], "is of one dancer, not 2"),
        (["part", "--fbx", "a.fbx"], "unrecognized arguments"),
        ([], "the following arguments are required: TAKE"),
    ],
)
def test_what_the_command_refuses(asked, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("part").write_bytes(MAGIC + pose_record(known_pose()))
    Path("empty").write_bytes(MAGIC)
    Path("text").write_text("a text that is longer than the magic bytes")
    Path("there.bvh").write_text("mine")
    Path("folder").mkdir()
    before = {path.name for path in tmp_path.iterdir()}
    assert command.main(asked) == 2
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and not told.out
    assert {path.name for path in tmp_path.iterdir()} == before and Path("there.bvh").read_text() == "mine"


def test_a_damaged_recording_leaves_no_half_file(tmp_path, capsys):
    poses = wild_poses(3)
    poses[2].root[0] = np.nan
    (tmp_path / "a.part").write_bytes(MAGIC + b"".join(map(pose_record, poses)))
    assert command.main([str(tmp_path / "a.part"), "--gltf", str(tmp_path / "a.glb")]) == 2
    assert "not all finite" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.part"]


def test_it_is_a_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bridges.recorders", str(tmp_path / "no"), "--bvh", str(tmp_path / "a.bvh")],
        env=child_environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith("recorders: there is no ")


def test_a_check_leaves_no_file(tmp_path, capsys):
    assert run_live.main(["--demo", "--stage", "off", "--check", "--out", f"gltf={tmp_path / 'a.glb'}"]) == 0
    assert "a.glb (gltf)" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
