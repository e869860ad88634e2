"""Cost of one plan on one core: the shipped model, fed by the real listener with the demo track, as fast as it goes."""

import contextlib
import os
import time
from collections.abc import Iterator

import numpy as np

from engine.listen import Front, listen_step, start_listening
from engine.plan import plan_step, start_plan
from engine.sources import open_file
from engine.types import Controls
from realtime_models.backends import load_model
from tests.bench.running import ROOT, spread

HORIZON_TICKS = 24
WARM_UP = 20  #: first plans, in which the runtime still allocates


def run(short: bool = False) -> list[dict]:
    """Milliseconds per ``plan_step`` that committed poses, and how much faster than the music the whole is."""
    with one_core():
        return measure(15.0 if short else 90.0)


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep this process on one core, where the system can; it was free to roam before and is so again after."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def measure(seconds: float) -> list[dict]:
    model = load_model()
    state = start_plan(model, seed=1, horizon_ticks=HORIZON_TICKS)
    features = heard(seconds)
    plans_ms, all_s = [], 0.0
    for one in features:
        begin = time.perf_counter()
        state, poses = plan_step(model, state, one, Controls())
        cost = time.perf_counter() - begin
        all_s += cost
        if poses:
            plans_ms.append(1e3 * cost)
    return [
        spread("plan cost", np.array(plans_ms[WARM_UP:]), cores=1, model=model.spec.identity),
        {"figure": "planner share of one core", "unit": "%", "value": round(100 * all_s / (len(features) / 30), 2)},
    ]


def heard(seconds: float) -> list:
    """The listener's features over the demo track, looped."""
    front, state, features = Front(), start_listening(), []
    for block in open_file(str(ROOT / "engine" / "demo.ogg"), loop=True):
        for samples, gap, _ in front.push(block):
            state, one = listen_step(state, samples, gap)
            features.append(one)
        if len(features) >= seconds * 30:
            return features
    raise RuntimeError("the demo track ended although it loops")
