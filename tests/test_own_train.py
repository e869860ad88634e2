"""From a folder of recordings to a dancer on stage, by the one command; killed, gone on with, in two processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from dance_clips import DANCES, read_pose
from foreign_motion import SCHEMES, bvh_text

from engine.errors import ConfigError

ROOT = Path(__file__).parents[1]
SONG = ROOT / "tests" / "data" / "hiphop_86.ogg"
CONFIG = """
name = "tiny"
out = "{out}"
threads = 1
checkpoint_s = {checkpoint_s}

[[motion]]
path = "{recordings}"
licence = "made up for a test"
credit = "nobody"

[bank]
amplitudes = false
splice_minutes = 0

[tokeniser]
steps = {tokeniser}
batch = 2
window = 32

[generator]
steps = {generator}
batch = 2
rows = 16
positions = 2

[model]
encoder_width = 8
decoder_width = 16
frame_width = 8
width = 16
heads = 2
history_layers = 1
plan_layers = 1
history_rows = 4
"""


def write_recordings(folder):
    """Four dancers, two styles, eight seconds each."""
    for k, name in enumerate(DANCES):
        root, rotations = read_pose(name)
        place = folder / ("latin" if k < 2 else "street") / f"dancer{k}"
        place.mkdir(parents=True)
        (place / f"{name}.bvh").write_text(bvh_text(root[:240], rotations[:240], SCHEMES["Mixamo"]))
    (folder / "latin" / "broken.bvh").write_text("HIERARCHY")


def write_config(folder, *, tokeniser=3, generator=3, checkpoint_s=30, out="out"):
    path = folder / f"{out}.toml"
    path.write_text(
        CONFIG.format(
            out=folder / out, recordings=folder / "recordings", tokeniser=tokeniser, generator=generator,
            checkpoint_s=checkpoint_s,
        )
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def studio(tmp_path_factory, module_needs):
    """A folder with recordings and a finished dancer in ``out``."""
    for name in ("torch", "onnx", "onnxscript", "matplotlib"):
        module_needs.module(name, "pip install '.[train]'")
    from realtime_models.training.own.train import main

    folder = tmp_path_factory.mktemp("studio")
    write_recordings(folder / "recordings")
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CORYBANT_DATA", raising=False)
        assert main([str(write_config(folder))]) == 0
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), handlers, strict=True):
        signal.signal(number, handler)
    return folder


def test_the_weights_folder_is_a_model_of_the_show(studio):
    from realtime_models.backends import load_model

    model = load_model(weights=studio / "out" / "weights")
    assert model.spec.identity.startswith("tiny+")
    assert model.spec.styles == ("any", "latin", "street") == ("any", *model.spec.auto_styles)
    assert (model.spec.width, model.spec.history_rows) == (16, 4)
    assert model.primer.shape == (14, model.spec.groups, model.spec.stages)


def test_it_dances_offline_and_leaves_a_take(studio, tmp_path):
    import run_live

    weights = str(studio / "out" / "weights")
    asked = [
        "--offline",
        "--input",
        str(SONG),
        "--seconds",
        "6",
        "--weights",
        weights,
        "--take",
        str(tmp_path / "take"),
    ]
    assert run_live.main(asked) == 0
    with np.load(tmp_path / "take" / "poses.npz") as poses:
        assert len(poses["frame"]) > 5 * 60
        assert np.isfinite(poses["root"]).all() and np.isfinite(poses["rotations"]).all()
        assert np.abs(np.diff(poses["rotations"], axis=0)).max() > 1e-3  # somebody moves
    assert "tiny+" in (tmp_path / "take" / "take.toml").read_text()


def test_an_unknown_style_of_the_new_dancer_is_refused_in_one_line(studio, capsys):
    import run_live

    weights = str(studio / "out" / "weights")
    assert run_live.main(["--offline", "--input", str(SONG), "--weights", weights, "--style", "streets"]) == 2
    assert "did you mean 'street'" in capsys.readouterr().err


def test_what_was_taken_in_and_what_was_not_is_written_down(studio):
    lines = (studio / "out" / "recordings.txt").read_text()
    assert "broken.bvh" in lines and "refused: has no HIERARCHY and MOTION" in lines
    assert "4 clips taken in, 1 refused" in lines
    card = (studio / "out" / "weights" / "MODEL_CARD.md").read_text()
    for word in ("made up for a test", "nobody", "latin, street", "mm_first_token", "val_coarse"):
        assert word in card
    for name in ("tokeniser", "generator"):
        rows = [json.loads(line) for line in (studio / "out" / f"{name}.jsonl").read_text().splitlines()]
        assert rows[-1]["step"] == 3 and len(rows[-1]) > 4
    assert (studio / "out" / "curves.png").stat().st_size > 10_000


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.pt")} | {
        path.name: path.stat().st_mtime_ns for path in (folder / "weights").iterdir()
    }


def test_run_again_it_has_nothing_to_do(studio, capsys):
    from realtime_models.training.own.train import main

    before = stamps(studio / "out")
    assert main([str(studio / "out.toml")]) == 0
    assert stamps(studio / "out") == before
    assert capsys.readouterr().out.strip() == str(studio / "out" / "weights")


def test_other_recordings_do_not_throw_a_training_away(studio, capsys):
    """Touched files are the same recordings; a further one is refused while there is something to lose."""
    from realtime_models.training.own.train import main

    for path in (studio / "recordings").rglob("*.bvh"):
        os.utime(path)
    assert main([str(studio / "out.toml")]) == 0
    extra = studio / "recordings" / "street" / "more.bvh"
    extra.write_text(bvh_text(*(x[240:480] for x in read_pose("party")), SCHEMES["CMU"]))
    before = stamps(studio / "out")
    assert main([str(studio / "out.toml")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "have changed" in said and "remove that file to train anew" in said
    extra.unlink()
    assert main([str(studio / "out.toml")]) == 0
    assert stamps(studio / "out") == before


def test_a_small_checkpoint_goes_on_where_the_full_one_was(studio, tmp_path, capsys):
    from realtime_models.training.own.compact import main
    from realtime_models.training.ship import load_trained

    full, small = studio / "out" / "generator.pt", tmp_path / "small.pt"
    assert main([str(full), str(small)]) == 0
    assert small.stat().st_size < 0.4 * full.stat().st_size
    assert main([str(full), str(small)]) == 2 and main([str(tmp_path / "gone.pt"), str(tmp_path / "x.pt")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "is there already" in said[0] and "no checkpoint" in said[1]
    _, generator, _ = load_trained(studio / "out" / "tokeniser.pt", small)  # it can be shipped from as well
    _, whole, _ = load_trained(studio / "out" / "tokeniser.pt", full)
    for ours, theirs in zip(generator.parameters(), whole.parameters(), strict=True):
        assert (ours - theirs).abs().max() < 2e-3


def test_another_size_is_refused(studio, tmp_path, capsys):
    from realtime_models.training.own.train import main

    text = (studio / "out.toml").read_text().replace("decoder_width = 16", "decoder_width = 24")
    (tmp_path / "other.toml").write_text(text)
    assert main([str(tmp_path / "other.toml")]) == 2
    assert "decoder_width = 16, not 24" in capsys.readouterr().err.splitlines()[-1]


def test_nothing_to_learn_from_is_said(tmp_path, capsys, needs):
    needs.module("torch", "pip install '.[train]'")
    from realtime_models.training.own.train import main

    (tmp_path / "recordings").mkdir()
    path = write_config(tmp_path)
    assert main([str(path)]) == 2
    (tmp_path / "recordings" / "a.bvh").write_text("HIERARCHY")
    assert main([str(path)]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train: ")]
    assert "no motion below" in said[0] and ".bvh" in said[0]
    assert "no dance was taken in" in said[1] and "recordings.txt" in said[1]


# killed in the middle, in two processes

CHILD = """
import os, sys
from pathlib import Path
sys.path[:0] = [{root!r}]
Path(sys.argv[2] + "." + os.environ.get("RANK", "0")).write_text(str(os.getpid()))
from realtime_models.training.own import steps, train
steps.ship = lambda config, parts, edges: config.work / "generator.pt"  # exporting is another test's
sys.exit(train.main([sys.argv[1]]))
"""


def pids(mark):
    return [int(path.read_text()) for path in mark.parent.glob(f"{mark.name}.*") if path.read_text()]


def test_two_processes_killed_at_every_stage_end_with_one_dancer(studio, tmp_path):
    """kill -9 of all processes while recordings are read, while the tokeniser and while the generator learns."""
    from realtime_models.training.checkpoint import load

    config = write_config(studio, tokeniser=30, generator=30, checkpoint_s=0, out="killed")
    out, child, mark = studio / "killed", tmp_path / "child.py", tmp_path / "pid"
    child.write_text(CHILD.format(root=str(ROOT)))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, str(child), str(config), str(mark)]
    environment = {k: v for k, v in os.environ.items() if k != "CORYBANT_DATA"} | {"OMP_NUM_THREADS": "1"}
    for seen in ("motion", "tokeniser.pt", "generator.pt"):
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 900
        while not (out / seen).exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        process.kill()
        for pid in pids(mark):
            with_signal(pid)
        process.wait()
    assert load(out / "tokeniser.pt")["step"] == 30
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    state = load(out / "generator.pt")
    assert state["step"] == 30 and state["random"].shape[0] == 2
    assert all(value.isfinite().all() for value in state["model"].values())
    assert "64 made-up patterns" in done.stderr


def with_signal(pid):
    """Kill -9 one process of ours."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def test_a_damaged_checkpoint_of_ours_is_said_in_one_line(studio):
    from realtime_models.training.own.config import read_config
    from realtime_models.training.own.steps import learn_generator

    config = read_config(write_config(studio, out="copy"))
    (studio / "copy").mkdir(exist_ok=True)
    for name in ("bank", "bank_held", "rows", "rows_held", "steps.json"):
        if not (studio / "copy" / name).exists():
            (studio / "copy" / name).symlink_to(studio / "out" / name)
    (studio / "copy" / "generator.pt").write_bytes(b"PK cut short")

    class Quiet:
        stop = staticmethod(lambda: False)
        say = staticmethod(lambda line: None)

    with pytest.raises(ConfigError, match="remove it and train again") as refused:
        learn_generator(config, Quiet())
    assert "\n" not in str(refused.value)
