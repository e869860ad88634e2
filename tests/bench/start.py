"""Cold start: from the command to the first pose at a client that tries to connect from the beginning on."""

import time

import numpy as np

from tests.bench.running import free_port, receive, running_show


def run(short: bool = False) -> list[dict]:
    """Seconds from process start to the first binary frame; files are in the disk cache from the second run on."""
    seconds = []
    for _ in range(2 if short else 5):
        port = free_port()
        begin = time.perf_counter()
        with running_show("--demo", "--stage", f"127.0.0.1:{port}", seconds=5) as show:
            seconds.append(receive(port, show, stop_after=1).at[0] - begin)
    return [
        {
            "figure": "cold start to first pose",
            "unit": "s",
            "median": round(float(np.median(seconds)), 3),
            "first": round(seconds[0], 3),
            "max": round(max(seconds), 3),
            "n": len(seconds),
        }
    ]
