"""The training loop: it goes on exactly where it was killed, in one process or two, and never reads code."""

import io
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError
from realtime_models.training.progress import Progress, clock_text, line

ROOT = Path(__file__).parents[1]


@pytest.fixture
def torch(needs):
    return needs.module("torch", "pip install torch==2.13.0")


class Toy:
    """Learns a matrix from noisy examples: numpy's, torch's own and a torch generator's randomness are all in it."""

    def __init__(self, torch, seed=1, rate=0.01):
        from realtime_models.training.trainer import share_gradients

        torch.manual_seed(seed)
        self.torch, self.share, self.rate = torch, share_gradients, rate
        self.model = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.Dropout(0.2), torch.nn.Linear(6, 3))
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=rate)
        self.average = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.noise, self.random = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self.generators, self.spec_json, self.validated = (self.noise, self.random), "{}", 0

    def step(self, done, step):
        from realtime_models.training.loop import rate_at

        torch = self.torch
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(done, step, self.rate, warm_steps=5, least=1e-5)
        x = torch.from_numpy(self.noise.normal(size=(4, 8)).astype(np.float32))
        goal = x[:, :3] + torch.randn(4, 3, generator=self.random)
        loss = (self.model(x) - goal).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.share(self.model)
        self.optimiser.step()
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                self.average[name].lerp_(value, 0.1)
        return {"loss": loss.item()}

    def validate(self):
        self.validated += 1
        self.noise.normal(), self.torch.randn(3)  # a careless one draws; it must not be seen in the training
        return {"held": 1.0}


class Ticking:
    """A clock that goes a second with every look."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        self.now_s += 1.0
        return self.now_s


def quiet(tmp_path, stop=lambda: False):
    from realtime_models.training.loop import Telling

    return Telling(
        Ticking(), lambda begun: Progress("toy", io.StringIO(), Ticking(), begun=begun), stop, tmp_path / "c"
    )


def equal(torch, a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_a_stopped_training_ends_with_the_very_weights_of_one_that_was_not(torch, tmp_path):
    from realtime_models.training.checkpoint import load
    from realtime_models.training.loop import Length, train

    whole, path = Toy(torch), tmp_path / "a.pt"
    assert train(whole, Length(1, 40), path, quiet(tmp_path), checkpoint_s=7)
    assert whole.validated > 2  # checkpoints on the way
    parts, seen = tmp_path / "b.pt", []
    for _ in range(10):
        toy, count = Toy(torch, seed=1), iter(range(100))
        done = train(toy, Length(1, 40), parts, quiet(tmp_path, stop=lambda c=count: next(c) == 9), checkpoint_s=1e9)
        seen.append(load(parts)["step"])
        if done:
            break
    assert seen == [9, 18, 27, 36, 40]
    ours, theirs = load(parts), load(path)
    assert equal(torch, ours["latest"], theirs["latest"]) and equal(torch, ours["model"], theirs["model"])
    assert torch.equal(ours["random"], theirs["random"])
    assert not equal(torch, ours["latest"], ours["model"])
    assert train(Toy(torch), Length(1, 40), path, quiet(tmp_path))  # nothing left to do
    assert load(path)["step"] == 40


def test_a_larger_budget_goes_on_from_a_finished_training(torch, tmp_path):
    from realtime_models.training.checkpoint import load
    from realtime_models.training.loop import Length, train

    path = tmp_path / "a.pt"
    train(Toy(torch), Length(1, 10), path, quiet(tmp_path))
    train(Toy(torch), Length(1, 25), path, quiet(tmp_path))
    assert load(path)["step"] == 25


def test_minutes_count_over_all_runs(torch, tmp_path):
    """The clock of this test goes a few seconds a step: two minutes are some tens of steps, stopped once or not."""
    from realtime_models.training.checkpoint import load
    from realtime_models.training.loop import Length, train

    path, count = tmp_path / "a.pt", iter(range(1000))
    assert not train(Toy(torch), Length(2), path, quiet(tmp_path, stop=lambda: next(count) == 10))
    assert 10 <= load(path)["gone_s"] < 120
    assert train(Toy(torch), Length(2), path, quiet(tmp_path))
    assert 120 <= load(path)["gone_s"] < 130


def test_a_training_that_blows_up_keeps_its_last_good_checkpoint(torch, tmp_path):
    from realtime_models.training.checkpoint import load
    from realtime_models.training.loop import Length, TrainingError, train

    class Bomb(Toy):
        def step(self, done, step):
            told = super().step(done, step)
            if step == 20:
                with self.torch.no_grad():
                    self.model[0].weight += float("nan")
            return told

    path = tmp_path / "a.pt"
    with pytest.raises(TrainingError, match="half the rate"):
        train(Bomb(torch), Length(1, 40), path, quiet(tmp_path), checkpoint_s=3)
    state = load(path)
    assert 0 < state["step"] <= 20
    assert all(value.isfinite().all() for value in state["latest"].values())


def test_a_small_checkpoint_trains_on(torch, tmp_path):
    from realtime_models.training import checkpoint
    from realtime_models.training.loop import Length, resume, train

    path, small = tmp_path / "a.pt", tmp_path / "small.pt"
    train(Toy(torch), Length(1, 60), path, quiet(tmp_path))
    full = checkpoint.load(path)
    checkpoint.save(small, checkpoint.compact(full))
    toy = Toy(torch, seed=5)
    assert resume(toy, small)[0] == 60
    for name, value in toy.model.state_dict().items():
        torch.testing.assert_close(value, full["model"][name], atol=2e-3, rtol=2e-3)
    square = full["optimiser"]["state"][0]["exp_avg_sq"]
    again = toy.optimiser.state_dict()["state"][0]["exp_avg_sq"]
    torch.testing.assert_close(again.mean(0), square.mean(0))  # what the factors keep exactly
    torch.testing.assert_close(again.mean(1), square.mean(1))
    assert train(toy, Length(1, 80), small, quiet(tmp_path))
    assert checkpoint.load(small)["step"] == 80


def test_a_small_checkpoint_of_the_shipped_sizes_is_under_20_mb(torch, tmp_path):
    from realtime_models.network import Generator
    from realtime_models.spec import ModelSpec
    from realtime_models.tokens import Tokeniser
    from realtime_models.training import checkpoint

    for network in (Generator(ModelSpec()), Tokeniser(ModelSpec())):
        optimiser = torch.optim.AdamW(network.parameters())
        for weight in network.parameters():
            weight.grad = torch.zeros_like(weight)
        optimiser.step()
        state = {"spec": "{}", "model": network.state_dict(), "latest": network.state_dict(), "step": 1}
        state |= {"optimiser": optimiser.state_dict(), "random": torch.zeros(1, 9, dtype=torch.uint8)}
        checkpoint.save(tmp_path / "small.pt", checkpoint.compact(state))
        assert (tmp_path / "small.pt").stat().st_size < 20e6


def test_the_checkpoint_of_another_network_is_refused_in_one_line(torch, tmp_path):
    from realtime_models.training.loop import Length, train

    path = tmp_path / "a.pt"
    train(Toy(torch), Length(1, 3), path, quiet(tmp_path))
    other = Toy(torch)
    other.model = torch.nn.Linear(2, 2)
    with pytest.raises(ConfigError, match="other sizes") as refused:
        train(other, Length(1, 6), path, quiet(tmp_path))
    assert "\n" not in str(refused.value)


# files that are not what they say


class Thief:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_malicious_checkpoint_is_refused_and_runs_nothing(torch, tmp_path):
    from realtime_models.training.checkpoint import load
    from realtime_models.training.loop import resume

    stolen = tmp_path / "stolen"
    for k, state in enumerate(({"spec": "{}", "model": Thief(stolen)}, Thief(stolen))):
        path = tmp_path / f"bad{k}.pt"
        torch.save(state, path)
        with pytest.raises(ConfigError, match="no checkpoint that may be read"):
            load(path)
        with pytest.raises(ConfigError):
            resume(Toy(torch), path)
        (tmp_path / f"plain{k}.pt").write_bytes(pickle.dumps(state))
        with pytest.raises(ConfigError):
            load(tmp_path / f"plain{k}.pt")
    assert not stolen.exists()
    torch.load(tmp_path / "bad1.pt", weights_only=False).close()  # the file is a real attack
    assert stolen.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut short"])
def test_a_damaged_checkpoint_is_refused_in_one_line(torch, tmp_path, content):
    from realtime_models.training.checkpoint import load

    path = tmp_path / "bad.pt"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert "\n" not in str(refused.value) and "bad.pt" in str(refused.value)


def test_nothing_in_the_house_reads_a_checkpoint_or_a_pickle_in_another_way():
    """Every torch.load says weights_only=True; pickle.load and its kin read nothing that came from a file."""
    places = [
        p
        for top in ("engine", "realtime_models", "bridges", "calibration", "tests/bench")
        for p in (ROOT / top).rglob("*.py")
    ]
    assert len(places) > 100
    loads, pickles, arrays = [], [], []
    for path in places:
        text = path.read_text(encoding="utf-8")
        where = path.relative_to(ROOT).as_posix()
        calls = re.findall(r"torch\.load\((?:[^()]|\([^()]*\))*\)", text)
        assert len(calls) == len(re.findall(r"torch\.load\(", text)), (
            f"{where}: a torch.load that this test cannot read"
        )
        loads += [(where, call) for call in calls if "weights_only=True" not in call]
        pickles += [where for _ in re.findall(r"\bpickle\.loads?\(|\bpickle\.Unpickler\(|joblib\.load\(", text)]
        arrays += [where for _ in re.findall(r"allow_pickle\s*=\s*True", text)]
    assert loads == []
    assert arrays == []
    between_our_processes = {"engine/worker.py", "engine/planner_process.py"}  # a pipe that only they hold
    own_caches = {"realtime_models/training/ear/tune_sections.py"}  # what the command itself wrote a moment ago
    assert set(pickles) <= between_our_processes | own_caches


# kill -9, and two processes

CHILD = """
import sys, time
sys.path.insert(0, {root!r})
import torch
torch.set_num_threads(1)
from itertools import count
from pathlib import Path
from tests.test_training_loop import Toy, quiet
from realtime_models.training.loop import Length, join_processes, train
rank, _ = join_processes(1)
toy = Toy(torch, seed=1 + 1000 * rank)
inner, out = toy.step, Path(sys.argv[1])
def step(done, number):
    if {slow} and number > 5:
        time.sleep(0.1)
    return inner(done, number)
toy.step, turns = step, count()
train(toy, Length(1, {steps}), out, quiet(out.parent, stop=lambda: next(turns) == {stop_at}), checkpoint_s=3)
"""


def child(out, *launcher, steps=60, slow=False, stop_at=-1):
    """A training in a process of its own; ``launcher`` comes before the script."""
    code = out.parent / f"child_{steps}_{slow}_{stop_at}.py"
    code.write_text(CHILD.format(root=str(ROOT), slow=slow, steps=steps, stop_at=stop_at))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *launcher, str(code), str(out)], cwd=ROOT, env=environment)


def test_kill_9_at_any_moment_and_run_again(torch, tmp_path):
    """Killed twice in the middle, the file is whole every time, and the end is that of an undisturbed run."""
    from realtime_models.training.checkpoint import load

    straight, killed = tmp_path / "straight.pt", tmp_path / "killed.pt"
    assert child(straight).wait(timeout=600) == 0
    for _ in range(2):
        process, before = child(killed, slow=True), load(killed)["step"] if killed.exists() else 0
        deadline = time.monotonic() + 600
        while not (killed.exists() and load(killed)["step"] > before):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert load(killed)["step"] < 60
    assert child(killed).wait(timeout=600) == 0
    ours, theirs = load(killed), load(straight)
    assert equal(torch, ours["latest"], theirs["latest"]) and torch.equal(ours["random"], theirs["random"])


def test_two_processes_share_gradients_and_go_on_exactly(torch, tmp_path):
    from realtime_models.training.checkpoint import load
    from realtime_models.training.loop import Length, train

    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    whole, parts, alone = (tmp_path / f"{name}.pt" for name in ("whole", "parts", "alone"))
    assert child(whole, *launch, steps=24).wait(timeout=600) == 0
    assert child(parts, *launch, steps=24, stop_at=11).wait(timeout=600) == 0
    assert load(parts)["step"] == 11
    assert not torch.equal(*load(parts)["random"])  # each process has randomness of its own
    assert child(parts, *launch, steps=24).wait(timeout=600) == 0
    assert load(parts)["step"] == 24
    assert equal(torch, load(parts)["latest"], load(whole)["latest"])
    train(Toy(torch, seed=1), Length(1, 24), alone, quiet(tmp_path))
    assert not equal(torch, load(alone)["latest"], load(whole)["latest"])  # the second process had a say


# how far it is


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_a_bar_on_a_terminal_and_a_line_every_half_minute_elsewhere():
    now = {"s": 0.0}
    for stream, per_minute in ((Terminal(), 300), (io.StringIO(), 2)):
        now["s"] = 0.0
        bar = Progress("toy", stream, lambda: now["s"])
        for _ in range(1200):
            now["s"] += 0.1
            bar.tell(now["s"] / 240, "words")
        told = stream.getvalue().count("words") / 2  # of two minutes
        assert 0.6 * per_minute <= told <= 1.05 * per_minute + 1
    assert "\r" not in stream.getvalue() and stream.getvalue().endswith("\n")


def test_time_left_is_reckoned_from_this_run_alone():
    stream, now = io.StringIO(), {"s": 0.0}
    bar = Progress("toy", stream, lambda: now["s"], begun=0.5)
    now["s"] = 100.0
    bar.tell(0.75)
    assert "75%" in stream.getvalue() and "1:40 gone, 1:40 left" in stream.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61, "1:01"), (3723, "1:02:03"), (-5, "0:00")])
def test_clock_text(seconds, text):
    assert clock_text(seconds) == text


def test_the_line_of_an_unknown_end():
    assert line("data", 0.0, 1.0, None, "x", bar=False).split() == ["data", "0%", "0:01", "gone,", "?", "left", "x"]
    assert "[" + "#" * 12 + "." * 12 + "]" in line("data", 0.5, 1.0, 1.0, "", bar=True)
