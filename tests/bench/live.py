"""The whole show, live: how even the poses leave beside a bare sleeping loop, and what it costs the machine."""

import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from engine.types import POSE_HZ
from tests.bench.running import Datagrams, free_port, receive, running_show, spread

SETTLE_S = 3.0  #: after the first pose, before measuring: imports and warm-up are the start's figure


def run(short: bool = False) -> list[dict]:
    """Intervals of each output as the show wrote them down (sent.npz), as received over UDP, and of a bare loop."""
    measure_s = 20.0 if short else 120.0
    port, datagrams = free_port(), Datagrams()
    datagrams.start()
    with tempfile.TemporaryDirectory() as folder:
        take = Path(folder) / "take"
        outputs = (
            "--out",
            f"vmc=127.0.0.1:{datagrams.port}?name=vmc",
            "--stage",
            f"127.0.0.1:{port}",
            "--take",
            str(take),
        )
        with running_show("--demo", *outputs, seconds=measure_s + SETTLE_S + 6) as show:
            receive(port, show, stop_after=1)
            time.sleep(SETTLE_S)
            before, begin = cpu_seconds(show.pid), time.perf_counter()
            bare = bare_loop_in_a_process(measure_s)
            share = (cpu_seconds(show.pid) - before) / (time.perf_counter() - begin)
            window = (begin, time.perf_counter())
        arrived = np.array([at for at, content in datagrams.finish() if window[0] <= at <= window[1]])
        figures = [spread("interval, bare sleeping loop", bare)]
        for name, (frame, sent_s) in sends(take).items():
            inside = slice(-int((measure_s + 4) * POSE_HZ), -4 * POSE_HZ)
            left_out = int((np.diff(frame[inside]) - 1).sum())
            figure = spread(f"interval, {name} sent", 1e3 * np.diff(sent_s[inside]), frames_left_out=left_out)
            figures.append(against(figure, figures[0]))
    bundles = arrived[np.insert(np.diff(arrived) > 0.004, 0, True)]  # a pose may be more than one datagram
    figures.append(against(spread("interval, vmc received", 1e3 * np.diff(bundles)), figures[0]))
    figures.append({"figure": "CPU of all processes, share of one core", "unit": "%", "value": round(100 * share, 1)})
    return figures


def against(figure: dict, bare: dict) -> dict:
    return {**figure, "excess_p99": round(figure["p99"] - bare["p99"], 3)}


def sends(take: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Per output the frames (F,) that left and the stream times (F,) [s] of their sending."""
    with np.load(take / "sent.npz") as sent:
        output, frame, sent_s = sent["output"], sent["frame"], sent["sent_s"]
        mine = {str(name): output == number for number, name in enumerate(sent["names"])}
    return {name: (frame[rows], sent_s[rows]) for name, rows in mine.items()}


def cpu_seconds(pid: int) -> float:
    """Processor time so far of the process and all that it started."""
    top = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in [top, *top.children(recursive=True)])


def bare_loop_in_a_process(seconds: float) -> np.ndarray:
    """Intervals [ms] of a loop that only sleeps to absolute deadlines, in its own process at the same time."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=bare_loop, args=(theirs, seconds))
    process.start()
    intervals = ours.recv()
    process.join()
    return intervals


def bare_loop(answer, seconds: float) -> None:
    deadline, ticks = time.perf_counter(), []
    for _ in range(int(seconds * POSE_HZ)):
        deadline += 1 / POSE_HZ
        time.sleep(max(0.0, deadline - time.perf_counter()))
        ticks.append(time.perf_counter())
    answer.send(1e3 * np.diff(ticks))
