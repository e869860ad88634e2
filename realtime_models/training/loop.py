"""One loop for every network that is trained: budget, checkpoints, curves, many processes; goes on after any kill.

What learns is a ``Learner``; the loop knows no network. Under ``torchrun`` every process draws its own examples and
gradients are averaged; process 0 decides, saves and speaks. Without a GPU, or with one, the code is the same.
"""

import atexit
import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import distributed as dist

from engine.errors import ConfigError, CorybantError
from realtime_models.training import checkpoint
from realtime_models.training.progress import Progress, numbers
from realtime_models.training.randomness import random_row, restore_row

HALVE = "run again to go on from the last checkpoint, with half the rate where it happens again"
SMOOTH = 0.02  #: share of the newest step in the losses that are shown
WAIT_H = 12  #: one process may prepare data for so long while the others wait


class TrainingError(CorybantError):
    """A training that cannot go on as it is; the last checkpoint is whole."""


class Learner(Protocol):
    """A network in training."""

    model: torch.nn.Module
    optimiser: torch.optim.Optimizer
    average: dict[str, torch.Tensor] | None  #: averaged weights, which ship; None = the latest do
    generators: Sequence[np.random.Generator | torch.Generator]  #: all randomness beside torch's own
    spec_json: str

    def step(self, done: float, step: int) -> dict[str, float]:
        """One update at ``done`` (0..1) of the budget; the losses."""

    def validate(self) -> dict[str, float]:
        """Figures on motion that was held back."""


@dataclass(frozen=True, slots=True)
class Length:
    """How long to train: ``steps`` where above 0, else ``minutes``."""

    minutes: float
    steps: int = 0

    def done(self, step: int, gone_s: float) -> float:
        """0..1; 1 = enough."""
        share = step / self.steps if self.steps else gone_s / 60 / self.minutes
        return min(share, 1.0)


@dataclass(frozen=True, slots=True)
class Telling:
    """Where a training speaks: each of these is an edge handed in."""

    clock: Callable[[], float]
    progress: Callable[[float], Progress]  #: of the share already done
    stop: Callable[[], bool]  #: somebody asked to end; asked after every step
    curves: Path | None = None  #: a line of JSON with every checkpoint


def telling(label: str, path: Path, *, stop: Callable[[], bool] = lambda: False) -> Telling:
    """The ordinary edges: the monotonic clock, a bar on stderr, curves beside the checkpoint as ``NAME.jsonl``."""

    def progress(begun: float) -> Progress:
        return Progress(label, sys.stderr, time.monotonic, begun=begun)

    return Telling(time.monotonic, progress, stop, path.with_suffix(".jsonl"))


def join_processes(threads: int = 0) -> tuple[int, int]:
    """(rank, count) of this process; joins the others when ``torchrun`` started it, and makes its device the one that
    new tensors are on. ``threads`` 0: the processor's cores shared out.
    """
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
        torch.set_default_device(device())
    if "WORLD_SIZE" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo", timeout=timedelta(hours=WAIT_H))
        atexit.register(leave_processes)
    rank, count = rank_and_count()
    torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // count))
    return rank, count


def leave_processes() -> None:
    """Part from the others; a process that ends without it may be aborted by a thread that still listens."""
    if dist.is_initialized():
        dist.destroy_process_group()


def device() -> torch.device:
    """The graphics card of this process, else the processor."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def half_precision() -> AbstractContextManager:
    """bfloat16 where it is faster and safe; a step may open one of its own inside."""
    return torch.autocast(device().type, dtype=torch.bfloat16)


def rank_and_count() -> tuple[int, int]:
    """(0, 1) in a single process."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def common(values: Sequence[float]) -> list[float]:
    """The first process's values, so that all end, save and slow down together."""
    if not dist.is_initialized():
        return list(values)
    told = torch.tensor(values, dtype=torch.float64, device=device())
    dist.broadcast(told, 0)
    return told.tolist()


def wait_for_all() -> None:
    """Nobody goes on before everybody is here."""
    common([0.0])


def rate_at(done: float, step: int, largest: float, *, warm_steps: int, least: float) -> float:
    """Learning rate: up over ``warm_steps``, then half a cosine down to ``least``."""
    return largest * min(1, (step + 1) / warm_steps) * (0.5 + 0.5 * float(np.cos(np.pi * done))) + least


def train(learner: Learner, length: Length, path: Path, telling: Telling, *, checkpoint_s: float = 60.0) -> bool:
    """Train until ``length`` is used up, going on from ``path`` where it is there; True = used up, False = stopped.

    The checkpoint holds everything: with ``steps`` and the same count of processes a run that was killed ends with the
    very weights of one that was not. Raises ConfigError when ``path`` is of another network.
    """
    step, before_s = resume(learner, path)
    if length.done(step, before_s) >= 1:
        return True
    broadcast_weights(learner.model)
    start, first = telling.clock(), rank_and_count()[0] == 0
    progress = telling.progress(length.done(step, before_s)) if first else None
    saved, running = start, {}
    while True:
        gone_s = before_s + telling.clock() - start
        asked = [length.done(step, gone_s), gone_s, telling.clock() - saved >= checkpoint_s, telling.stop()]
        done, gone_s, due, stopped = common([float(value) for value in asked])
        if due or stopped or done >= 1:
            state = whole_state(learner, step, gone_s)
            if first:
                note(learner, state, path, telling, progress, step, done, running)
            saved = telling.clock()
        if done >= 1 or stopped:
            return done >= 1
        told = learner.step(done, step)
        step += 1
        if not all(map(math.isfinite, told.values())):
            raise TrainingError(f"{path.stem}: the loss at step {step} is no number; {HALVE}")
        running = {k: (1 - SMOOTH) * running.get(k, v) + SMOOTH * v for k, v in told.items()}
        if progress:
            progress.tell(length.done(step, gone_s), f"step {step}  {numbers(running)}")


def note(
    learner: Learner, state: dict[str, Any], path: Path, telling: Telling, progress: Progress, step: int, done: float,
    running: Mapping[str, float],
) -> None:  # fmt: skip
    """Save, validate, and add a line to the curves. Validation leaves no trace in any random state."""
    checkpoint.save(path, state)
    kept = random_row(learner.generators)
    held = learner.validate()
    restore_row(kept, learner.generators)
    figures = dict(running) | held
    if telling.curves and figures:
        row = {"step": step, "minutes": state["gone_s"] / 60} | figures
        with telling.curves.open("a", encoding="utf-8") as file:
            file.write(json.dumps({name: float(f"{value:.5g}") for name, value in row.items()}) + "\n")
    if done >= 1:
        progress.end(f"step {step}  {numbers(figures)}")
    else:
        progress.tell(done, f"step {step}  {numbers(figures)}")


def whole_state(learner: Learner, step: int, gone_s: float) -> dict[str, Any]:
    """A full checkpoint; every process has to ask for it at the same step."""
    row = random_row(learner.generators)
    rows = [row]
    if dist.is_initialized():
        row = row.to(device())
        rows = [torch.empty_like(row) for _ in range(dist.get_world_size())]
        dist.all_gather(rows, row)
    latest = learner.model.state_dict()
    if not all(value.isfinite().all() for value in latest.values()):
        raise TrainingError(f"the weights at step {step} are no numbers and were not saved; {HALVE}")
    return {
        "spec": learner.spec_json,
        "model": latest if learner.average is None else learner.average,
        "latest": latest,
        "optimiser": learner.optimiser.state_dict(),
        "random": torch.stack(rows).cpu(),
        "step": step,
        "gone_s": gone_s,
    }


def resume(learner: Learner, path: Path) -> tuple[int, float]:
    """Steps and seconds behind a checkpoint that ``learner`` now goes on from; zeros without one.

    A checkpoint of more or fewer processes, of another kind of machine, or a small one brings no random states: those
    that ``learner`` began with stay.
    """
    if not path.exists():
        return 0, 0.0
    state = checkpoint.load(path)
    load_weights(learner, state, path)
    if "optimiser" in state:
        learner.optimiser.load_state_dict(state["optimiser"])
    elif "moments" in state:
        learner.optimiser.load_state_dict(checkpoint.optimiser_state(learner.optimiser, state["moments"]))
    rank, count = rank_and_count()
    if "random" in state and len(state["random"]) == count:
        restore_row(state["random"][rank], learner.generators)
    return int(state["step"]), float(state.get("gone_s", 0.0))


def load_weights(learner: Learner, state: dict[str, Any], path: Path) -> None:
    """The checkpoint's weights, latest and averaged, into ``learner``. Raises ConfigError when they do not fit."""
    shipped = {name: value.float() if value.is_floating_point() else value for name, value in state["model"].items()}
    try:
        learner.model.load_state_dict(state.get("latest", shipped))
    except RuntimeError as error:
        raise ConfigError(
            f"{path} is of a network with other sizes: remove it, or give the sizes it was trained with"
        ) from error
    if learner.average is not None:
        for name, value in learner.average.items():
            value.copy_(shipped[name])


def broadcast_weights(model: torch.nn.Module) -> None:
    """The first process's weights in all of them."""
    if dist.is_initialized():
        for value in model.state_dict().values():
            dist.broadcast(value, 0)
