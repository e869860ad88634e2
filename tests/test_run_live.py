"""The command: equal takes whatever the block size, live = replayed, and one clear line for everything wrong."""

import _thread
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from doubles import LoudEar, click_track, ear_double, planner_double, planner_dying
from websockets.sync.client import connect

import run_live
from engine.types import AudioBlock

ROOT = Path(__file__).parents[1]
RATE = 44_100


@pytest.fixture(autouse=True)
def small_model(monkeypatch):
    monkeypatch.setattr(run_live, "load_planner", planner_double)
    monkeypatch.setattr(run_live, "load_own_ear", ear_double)


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "clicks.wav"
    soundfile.write(path, click_track(4.0, RATE), RATE, subtype="FLOAT")
    return str(path)


def poses_of(folder) -> dict[str, np.ndarray]:
    with np.load(Path(folder) / "poses.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(a[key].tobytes() == b[key].tobytes() for key in a)


def test_offline_takes_are_equal_whatever_the_block_size(clicks, tmp_path):
    for block in (480, 64, 256, 777):
        take = str(tmp_path / str(block))
        assert run_live.main(["--input", clicks, "--offline", "--take", take, "--block", str(block)]) == 0
    first = poses_of(tmp_path / "480")
    assert len(first["frame"]) > 230
    for block in (64, 256, 777):
        assert same(first, poses_of(tmp_path / str(block)))
        for name in ("beats.tsv", "predictions.tsv"):
            assert (tmp_path / "480" / name).read_text() == (tmp_path / str(block) / name).read_text()


def test_seconds_cuts_to_the_sample(clicks, tmp_path):
    take = tmp_path / "t"
    assert run_live.main(["--input", clicks, "--offline", "--take", str(take), "--seconds", "1.5"]) == 0
    assert soundfile.info(take / "audio.flac").frames == 1.5 * RATE


def test_a_live_take_replayed_is_the_same(clicks, tmp_path, capsys):
    live, again = str(tmp_path / "live"), str(tmp_path / "again")
    options = ["--input", clicks, "--seconds", "2.5", "--stage", "127.0.0.1:0", "--out", "osc=127.0.0.1:9?lead_ms=20"]
    assert run_live.main([*options, "--take", live, "--energy", "1.5"]) == 0
    assert run_live.main(["--replay", live]) == 0
    assert "the same" in capsys.readouterr().out
    assert run_live.main(["--replay", live, "--take", again, "--block", "777"]) == 0
    assert same(poses_of(live), poses_of(again))
    offline = str(tmp_path / "offline")
    assert run_live.main([*options, "--offline", "--take", offline, "--energy", "1.5"]) == 0
    assert same(poses_of(live), poses_of(offline))
    with np.load(tmp_path / "live" / "sent.npz") as sent:
        assert sorted(sent["names"]) == ["osc=127.0.0.1:9", "stage"]
        assert (np.bincount(sent["output"]) > 60).all()
    metrics = json.loads((tmp_path / "live" / "metrics.json").read_text())
    assert metrics["planner"]["counts"] == {} and metrics["outputs"]["stage"]["sent"] > 60


def test_controls_from_the_page_are_in_the_take(clicks, tmp_path):
    """A browser's control changes the dance at a frame border, is logged, and happens again in the replay."""
    with in_use() as free:
        port = free.getsockname()[1]
    take, codes = str(tmp_path / "take"), []
    options = ["--input", clicks, "--stage", str(port), "--seconds", "3.5", "--take", take]
    show = threading.Thread(target=lambda: codes.append(run_live.main(options)))
    show.start()
    wait_for(lambda: (tmp_path / "take" / "audio.flac").exists())
    with connect(f"ws://127.0.0.1:{port}/ws") as page:
        for name, value in [("energy", 1.75), ("style", "wild"), ("style", "no such style"), ("panic", True)]:
            page.send(json.dumps({"type": "control", "name": name, "value": value}))
        kinds = set()
        while show.is_alive() and len(kinds) < 3:
            message = page.recv(timeout=5)
            kinds.add("pose" if isinstance(message, bytes) else json.loads(message)["type"])
    show.join()
    assert codes == [0] and kinds == {"skeleton", "pose", "status"}
    events = [json.loads(line) for line in (tmp_path / "take" / "controls.jsonl").read_text().splitlines()]
    assert [(event["name"], event["value"]) for event in events if event["event"] == "control"] == [
        ("energy", 1.75),
        ("style", "wild"),
        ("panic", True),
    ]
    assert json.loads((tmp_path / "take" / "metrics.json").read_text())["controls_refused"] == 1
    assert run_live.main(["--replay", take]) == 0


def test_a_worker_that_dies_in_the_show_changes_no_pose(clicks, tmp_path, monkeypatch):
    monkeypatch.setenv("CORYBANT_TEST_DEATH", str(tmp_path / "died"))
    monkeypatch.setattr(run_live, "load_planner", planner_dying)
    take = str(tmp_path / "take")
    assert run_live.main(["--input", clicks, "--stage", "127.0.0.1:0", "--seconds", "3", "--take", take]) == 0
    metrics = json.loads((tmp_path / "take" / "metrics.json").read_text())
    assert metrics["planner"]["counts"] == {"restarts": 1}
    monkeypatch.setattr(run_live, "load_planner", planner_double)
    assert run_live.main(["--replay", take]) == 0
    assert (poses_of(take)["frame"] == np.arange(len(poses_of(take)["frame"]))).all()


def wait_for(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_replay_that_differs_is_said_with_exit_code_1(clicks, tmp_path, capsys):
    take = tmp_path / "t"
    assert run_live.main(["--input", clicks, "--offline", "--take", str(take), "--seconds", "1"]) == 0
    text = (take / "take.toml").read_text()
    (take / "take.toml").write_text(text.replace("energy = 1.0", "energy = 0.5"))
    assert run_live.main(["--replay", str(take)]) == 1
    assert "different, the first at index" in capsys.readouterr().out


@pytest.mark.parametrize("more", [["--offline"], ["--stage", "off"]])
def test_listen_only_is_a_take_without_poses(clicks, tmp_path, more):
    take = tmp_path / "t"
    assert run_live.main(["--input", clicks, "--listen-only", "--seconds", "1", "--take", str(take), *more]) == 0
    names = {path.name for path in take.iterdir()}
    written = {"audio.flac", "beats.tsv", "predictions.tsv", "sections.tsv", "metrics.json"}
    assert "poses.npz" not in names and written <= names
    assert (take / "sections.tsv").read_text().startswith("time_s\twhat\tprobability\n")
    assert 'ear = "loud-1"' in (take / "take.toml").read_text()


def test_a_take_of_another_ear_is_not_replayed(clicks, tmp_path, monkeypatch, capsys):
    class Other(LoudEar):
        identity = "loud-2"

    take = str(tmp_path / "t")
    assert run_live.main(["--input", clicks, "--offline", "--seconds", "1", "--take", take]) == 0
    monkeypatch.setattr(run_live, "load_own_ear", Other)
    assert run_live.main(["--replay", take]) == 2
    assert "was heard by the ear 'loud-1'; here is 'loud-2'" in capsys.readouterr().err


def test_check_is_one_screen(clicks, capsys):
    assert run_live.main(["--input", clicks, "--check", "--stage", "127.0.0.1:0", "--out", "vmc=127.0.0.1:39539"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    for start in (
        "input     clicks.wav",
        "ear       loud-1",
        "model     double-1",
        "plan ",
        "horizon   ",
        "output    vmc=",
        "output    stage",
    ):
        assert any(line.startswith(start) for line in lines), start


def in_use() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


WRONG = {
    "missing file": (["--input", "no-such-song.wav"], "no-such-song.wav does not exist"),
    "missing offline": (["--offline", "--input", "no-such-song.wav"], "no-such-song.wav does not exist"),
    "corrupt file": (["--input", "{tmp}/corrupt.flac"], "cannot be decoded"),
    "corrupt offline": (["--offline", "--input", "{tmp}/corrupt.flac"], "cannot be decoded"),
    "file key": (["{tmp}/show.toml"], "unknown key 'enrgy'; did you mean 'energy'?"),
    "no file": (["{tmp}/none.toml"], "cannot be read"),
    "output kind": (["--input", "{clicks}", "--stage", "off", "--out", "vcm=127.0.0.1:9"], "did you mean 'vmc'?"),
    "output address": (["--input", "{clicks}", "--stage", "off", "--out", "vmc=127.0.0.1"], "127.0.0.1"),
    "lead": (["--out", "vmc=127.0.0.1:9?lead_ms=400"], "0 to 250"),
    "style": (["--input", "{clicks}", "--stage", "off", "--style", "wilt"], "did you mean 'wild'?"),
    "offline style": (["--input", "{clicks}", "--offline", "--style", "wilt"], "did you mean 'wild'?"),
    "port": (["--input", "{clicks}", "--stage", "{port}"], "cannot listen"),
    "option": (["--inptu", "x"], "--inptu"),
    "number": (["--seconds", "soon"], "--seconds"),
    "replay": (["--replay", "{tmp}"], "is not a take"),
    "performers": (["--performers", "3"], "not there yet"),
    "spare of a file": (["--input", "{clicks}", "--stage", "off", "--spare", "desk"], "is a file"),
    "spare offline": (["--input", "{clicks}", "--offline", "--spare", "desk"], "--spare stands in for a device"),
    "unknown ear": (["--ear", "lnik"], "did you mean 'link'?"),
    "ear with settings": (["--ear", "aubio:3"], "has no settings"),
    "ear without a clock": (["--input", "{clicks}", "--offline", "--ear", "midi:TR-8"], "needs a show in real time"),
    "bars of link": (["--input", "{clicks}", "--stage", "off", "--ear", "link:x"], "link:BEATS"),
    "tensorrt": (["--backend", "tensorrt"], "not there yet"),
    "backend": (["--backend", "onxn"], "did you mean 'onnx'?"),
    "calibrate": (["--calibrate"], "not there yet"),
    "text": (["--text", "a robot waltz"], "not there yet"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_is_one_line_and_exit_code_2_and_nothing_half_written(case, clicks, tmp_path, capsys):
    arguments, said = WRONG[case]
    (tmp_path / "corrupt.flac").write_bytes(b"this is not music" * 50)
    (tmp_path / "show.toml").write_text("enrgy = 2.0\n")
    with in_use() as taken:
        fill = {"tmp": tmp_path, "clicks": clicks, "port": taken.getsockname()[1]}
        code = run_live.main([*(part.format(**fill) for part in arguments), "--take", str(tmp_path / "take")])
    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.count("\n") == 1 and captured.err.startswith("corybant: ")
    assert said in captured.err
    assert not (tmp_path / "take").exists()
    assert threading.active_count() == 1


def test_an_unknown_device_is_one_line(tmp_path, capsys):
    assert run_live.main(["--input", "no such microphone", "--stage", "off", "--take", str(tmp_path / "take")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "take").exists()


@pytest.mark.parametrize("arguments", [["--input", "anything"], ["--list-devices"]])
def test_no_portaudio_is_one_line(arguments, capsys, monkeypatch):
    """sounddevice raises OSError while it is imported where the library is absent; None in sys.modules ImportError."""

    class NoPortAudio:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoPortAudio(), *sys.meta_path])
    assert run_live.main([*arguments, "--stage", "off"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "PortAudio" in captured.err


def test_an_existing_take_is_never_touched(clicks, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("precious")
    assert run_live.main(["--input", clicks, "--offline", "--take", str(tmp_path)]) == 2
    assert "something is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_missing_model_is_one_line(clicks, tmp_path, capsys, monkeypatch):
    from doubles import load_nothing_at

    monkeypatch.setattr(run_live, "load_planner", load_nothing_at)
    for more in (["--offline"], ["--stage", "off"]):
        assert run_live.main(["--input", clicks, "--take", str(tmp_path / "take"), *more]) == 2
        assert capsys.readouterr().err == "corybant: the weights are missing: there is nothing to load in a test\n"
    assert not (tmp_path / "take").exists()


class BreakingSource:
    """What no source should do."""

    rate, name = RATE, "breaking"

    def __iter__(self):
        yield AudioBlock(0, np.zeros(RATE, np.float32), RATE)
        raise RuntimeError("the sound card caught fire")

    def close(self):
        pass


def test_a_failure_in_the_show_is_an_error_and_closes_everything(tmp_path, monkeypatch):
    monkeypatch.setattr(run_live, "open_input", lambda show, clock, stop: BreakingSource())
    with pytest.raises(RuntimeError, match="caught fire"):
        run_live.main(["--stage", "127.0.0.1:0", "--take", str(tmp_path / "take")])
    assert threading.active_count() == 1
    assert len(poses_of(tmp_path / "take")["frame"]) > 60
    assert run_live.main(["--replay", str(tmp_path / "take")]) == 0


def test_wrong_arguments_in_a_process_of_its_own():
    done = subprocess.run(
        [sys.executable, "run_live.py", "--input", "no-such-song.wav"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "does not exist" in done.stderr


def show_process(*options: str) -> subprocess.Popen:
    """A show with the small planner in a process of its own, as a terminal starts one."""
    code = (
        "import sys, run_live, doubles; run_live.load_planner = doubles.planner_double; "
        "run_live.load_own_ear = doubles.ear_double; "
        f"sys.exit(run_live.main({list(options)!r}))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_ctrl_c_ends_cleanly(clicks, tmp_path, needs):
    """Ctrl-C to the whole process group, as a terminal sends it: exit 0, no noise, take closed, memory given back."""
    if not hasattr(os, "killpg"):
        needs.absent("a system where a test can press Ctrl-C for another process", "run it on Linux or macOS")
    take = tmp_path / "take"
    show = show_process("--input", clicks, "--stage", "127.0.0.1:0", "--take", str(take))
    assert "http://127.0.0.1:" in show.stdout.readline()
    wait_for(lambda: (take / "poses.bin").exists() and (take / "poses.bin").stat().st_size)
    os.killpg(show.pid, signal.SIGINT)
    _, noise = show.communicate(timeout=20)
    assert (show.returncode, noise) == (0, "")
    assert (take / "metrics.json").exists() and len(poses_of(take)["frame"]) > 10


def test_a_show_that_was_killed_leaves_a_take_that_a_replay_completes(clicks, tmp_path, capsys):
    take = tmp_path / "take"
    show = show_process("--input", clicks, "--stage", "127.0.0.1:0", "--take", str(take))
    wait_for(lambda: (take / "poses.bin").exists() and (take / "poses.bin").stat().st_size > 40_000)
    show.kill()
    show.communicate(timeout=20)  # returns when the planner process, which holds the same pipes, has ended, too
    assert not (take / "metrics.json").exists() and not (take / "poses.npz").exists()
    assert run_live.main(["--replay", str(take)]) == 0
    assert "the same" in capsys.readouterr().out
    assert (poses_of(take)["frame"] == np.arange(len(poses_of(take)["frame"]))).all()


def test_ctrl_c_in_this_process_ends_cleanly(clicks, tmp_path):
    take = tmp_path / "take"
    threading.Timer(1.5, _thread.interrupt_main).start()
    assert run_live.main(["--input", clicks, "--stage", "off", "--take", str(take)]) == 0
    assert (take / "metrics.json").exists()
    assert run_live.main(["--replay", str(take)]) == 0
