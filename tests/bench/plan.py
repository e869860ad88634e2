"""Cost of one plan on one core: the shipped model, fed by the real listener with the demo track, as fast as it goes.

Wall time is what a show waits; processor time beside it tells how much of that was a busy machine.
"""

import time

import numpy as np

from engine.listen import Front, listen_step, start_listening
from engine.plan import plan_step, start_plan
from engine.sources import open_file
from engine.types import Controls
from realtime_models.backends import load_ear, load_model
from tests.bench.running import TRACK, one_core, spread

HORIZON_TICKS = 24
WARM_UP = 20  #: first plans, in which the runtime still allocates


def run(short: bool = False) -> list[dict]:
    """Milliseconds per ``plan_step`` that committed poses, and how much faster than the music the whole is."""
    with one_core():
        return measure(15.0 if short else 90.0)


def measure(seconds: float) -> list[dict]:
    model = load_model()
    state = start_plan(model, seed=1, horizon_ticks=HORIZON_TICKS)
    features = heard(seconds)
    plans_ms, cpu_ms, all_s = [], [], 0.0
    for one in features:
        begin, cpu_begin = time.perf_counter(), time.thread_time()
        state, poses = plan_step(model, state, one, Controls())
        cost = time.perf_counter() - begin
        all_s += cost
        if poses:
            plans_ms.append(1e3 * cost)
            cpu_ms.append(1e3 * (time.thread_time() - cpu_begin))
    return [
        spread("plan cost", np.array(plans_ms[WARM_UP:]), cores=1, model=model.spec.identity),
        spread("plan cost, processor time", np.array(cpu_ms[WARM_UP:]), cores=1, model=model.spec.identity),
        {"figure": "planner share of one core", "unit": "%", "value": round(100 * all_s / (len(features) / 30), 2)},
    ]


def heard(seconds: float) -> list:
    """The listener's features over the demo track, looped."""
    source = open_file(str(TRACK), loop=True)
    ear = load_ear()
    front, state, features = Front(source.rate), start_listening(ear), []
    for block in source:
        for sound in front.push(block):
            state, one = listen_step(ear, state, sound.samples, sound.gap)
            features.append(one)
        if len(features) >= seconds * 30:
            return features
    raise RuntimeError("the demo track ended although it loops")
