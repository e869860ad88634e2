"""A show as its own process, and clients that write down what they receive and when."""

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

ROOT = Path(__file__).parents[2]
TRACK = ROOT / "engine" / "demo.ogg"
HEAD = struct.Struct("<4sIddHHI")


@dataclass
class Received:
    """Poses as they arrived at one WebSocket client; times are perf_counter [s] unless said."""

    at: list[float] = field(default_factory=list)
    frame: list[int] = field(default_factory=list)
    time_s: list[float] = field(default_factory=list)  #: stream time at which the pose should be seen
    sent_s: list[float] = field(default_factory=list)  #: stream time of sending
    root: list[np.ndarray] = field(default_factory=list)  #: (3,) [m] each
    rotations: list[np.ndarray] = field(default_factory=list)  #: (J, 4) each
    status: dict = field(default_factory=dict)  #: the newest status message

    def keep(self, message: str | bytes, at: float) -> None:
        if isinstance(message, str):
            content = json.loads(message)
            if content.get("type") == "status":
                self.status = content
            return
        magic, frame, time_s, sent_s, _, joints, _ = HEAD.unpack_from(message)
        if magic != b"CPS1":
            raise ValueError(f"not a pose message: {magic!r}")
        self.at.append(at)
        self.frame.append(frame)
        self.time_s.append(time_s)
        self.sent_s.append(sent_s)
        self.root.append(np.frombuffer(message, "<f4", 3, HEAD.size))
        self.rotations.append(np.frombuffer(message, "<f4", joints * 4, HEAD.size + 12).reshape(joints, 4))

    def stream_zero(self) -> float:
        """perf_counter time of stream time 0: the least delay seen from sending to arriving counts as none."""
        return float(np.min(np.array(self.at) - np.array(self.sent_s)))


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


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running_show(*arguments: str, seconds: float) -> Iterator[subprocess.Popen]:
    """``run_live.py`` with these arguments; must end by itself after ``seconds`` with exit code 0."""
    command = [sys.executable, str(ROOT / "run_live.py"), *arguments, "--seconds", str(seconds)]
    show = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield show
        _, errors = show.communicate(timeout=seconds + 60)
        if show.returncode != 0:
            raise RuntimeError(f"the show ended with {show.returncode}: {errors.strip()[-500:]}")
    finally:
        if show.poll() is None:
            show.kill()
            show.communicate()


def receive(port: int, show: subprocess.Popen, stop_after: int | None = None, timeout_s: float = 30.0) -> Received:
    """Connect as soon as the stage answers and write down all poses until the show ends (or ``stop_after`` poses)."""
    got = Received()
    until = time.perf_counter() + timeout_s
    while True:
        try:
            client = connect(f"ws://127.0.0.1:{port}/ws", compression=None, max_size=None)
            break
        except (OSError, InvalidHandshake):
            if show.poll() is not None or time.perf_counter() > until:
                raise RuntimeError("the stage does not answer") from None
            time.sleep(0.005)
    with client, contextlib.suppress(ConnectionClosed):
        while stop_after is None or len(got.at) < stop_after:
            message = client.recv(timeout=timeout_s)
            got.keep(message, time.perf_counter())
    return got


class Datagrams(threading.Thread):
    """A UDP receiver: arrival times and contents."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.25)
        self.port = self.socket.getsockname()[1]
        self.got: list[tuple[float, bytes]] = []
        self._stop_now = threading.Event()

    def run(self) -> None:
        while not self._stop_now.is_set():
            with contextlib.suppress(TimeoutError):
                content = self.socket.recv(65536)
                self.got.append((time.perf_counter(), content))

    def finish(self) -> list[tuple[float, bytes]]:
        self._stop_now.set()
        self.join()
        self.socket.close()
        return self.got


def spread(name: str, values_ms: np.ndarray, **more: object) -> dict:
    """One figure: median, 99th percentile and maximum in milliseconds."""
    p50, p99, top = np.percentile(values_ms, [50, 99, 100])
    return {
        "figure": name,
        "unit": "ms",
        "p50": round(float(p50), 3),
        "p99": round(float(p99), 3),
        "max": round(float(top), 3),
        "n": int(np.size(values_ms)),
        **more,
    }
