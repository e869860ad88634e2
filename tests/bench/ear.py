"""Cost of the listener on one core: resampling from the track's rate and one ``listen_step`` a model frame.

How well it predicts beats is another question: ``tests/bench/listen.py`` answers it for a folder of tracks.
"""

import time

import numpy as np

from engine.listen import Front, listen_step, start_listening
from engine.sources import open_file
from engine.types import MODEL_HZ
from tests.bench.running import TRACK, one_core, spread

WARM_UP = 30


def run(short: bool = False) -> list[dict]:
    """Milliseconds per model frame (33.3 ms of sound) and share of one core."""
    with one_core():
        costs_ms = listen_costs(10.0 if short else 60.0)
    share = 100 * costs_ms.mean() * MODEL_HZ / 1e3
    return [
        spread("listener, one model frame", costs_ms, cores=1),
        {"figure": "listener share of one core", "unit": "%", "value": round(float(share), 2)},
    ]


def listen_costs(seconds: float) -> np.ndarray:
    """Cost [ms] of the blocks and the step of each model frame."""
    source = open_file(str(TRACK), loop=True)
    front, state, costs, begin = Front(source.rate), start_listening(), [], time.perf_counter()
    for block in source:
        for heard in front.push(block):
            state, _ = listen_step(state, heard.samples, heard.gap)
            costs.append(1e3 * (time.perf_counter() - begin))
            begin = time.perf_counter()
        if len(costs) >= seconds * MODEL_HZ:
            break
    return np.array(costs[WARM_UP:])
