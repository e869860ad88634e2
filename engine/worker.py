"""The planner in a process of its own: features and controls go in, committed poses come out.

Two bounded shared-memory rings carry the records, a pipe only rings the bell. The parent keeps what it fed since the
worker's last snapshot; when the worker dies, a new one goes on from there and the poses come out the same.
"""

import multiprocessing
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import planner_process as process
from engine.errors import ModelError
from engine.metrics import Counters, Histogram
from engine.planner_process import Load, Names, planner_main
from engine.records import POSE_RECORD, records2poses
from engine.shared_ring import SharedRing, SharedSnapshot
from engine.types import Controls, MusicFeatures, Pose

BACKLOG = 256  #: model frames (8.5 s) that may wait for the planner; newer ones are lost and said to be
START_TIMEOUT_S = 60.0
STUCK_S = 10.0  #: a worker that answers nothing for so long, with work waiting, is ended and restarted
_RESTART_PAUSES_S = (0.0, 0.2, 1.0, 5.0)
_DEATHS_ON_ONE_FRAME = 3  #: then that frame is taken out

_context = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Planned:
    """What one call of the planner gave."""

    frame: int  #: of the features it answers
    poses: list[Pose]  #: committed
    tail: list[Pose]  #: the uncommitted rest of the plan, empty when nothing was committed
    plan_ms: float  #: cost of the call in the worker
    waited_ms: float  #: from being fed to the answer


class PlannerWorker:
    """One spawned planner process and the threads' side of it.

    Policies: features are ordered and bounded, and lost (``feed`` returns False, ``features_lost``) when BACKLOG of
    them wait; answers are ordered and the worker waits when they are not taken. Answers are handed to ``on_planned`` in
    order by the worker's own reader thread; after a restart some poses are handed over a second time, bit for bit.
    """

    def __init__(
        self,
        load: Load,
        *,
        seed: int,
        horizon_ticks: int,
        on_planned: Callable[[Planned], None],
        on_event: Callable[[int, str], None] = lambda frame, event: None,
    ) -> None:
        """``load`` is a picklable function that makes the planner; it is called in the worker only.

        ``on_event(frame, name)`` hears of ``features_lost`` (applied again in a replay) and ``planner_restarted``.
        """
        self.identity, self.styles = "", ()
        self.counts = Counters()
        self.row_ms = Histogram()  #: cost of the calls that committed poses, in the worker
        self.waited_ms = Histogram()  #: from being fed to the answer, of the same calls
        self._job = (load, seed, horizon_ticks)
        self._on_planned, self._on_event = on_planned, on_event
        self._lock = threading.Lock()  # feeding: the listener, and the reader after a restart
        self._kept: deque[tuple[int, float, bytes]] = deque()  # fed since the last snapshot: number, when, record
        self._fed = self._sent = self._answered = 0  # numbers of records, from 1
        self._newest_frame = 0
        self._stopping = threading.Event()
        self._snapshot = SharedSnapshot(process.SNAPSHOT_BYTES)
        self._ready = threading.Event()
        self._error: str | None = None
        self._heard_from_s = time.monotonic()
        self._spawn()
        self._reader = threading.Thread(target=self._run, name="planner", daemon=True)
        self._reader.start()

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the model is loaded and warm. Raises ModelError, one line, when it cannot be."""
        if not self._ready.wait(timeout_s):
            self._error = f"the planner did not start within {timeout_s:g} s"
        if self._error:
            self.stop()
            raise ModelError(self._error)

    @property
    def backlog(self) -> int:
        """Model frames fed and not yet answered."""
        return self._fed - self._answered

    def feed(self, features: MusicFeatures, controls: Controls) -> bool:
        """Hand over one model frame, in order; False when too many wait and this one is lost. Never blocks."""
        with self._lock:
            if self.backlog < BACKLOG:
                self._fed += 1
                record = pickle.dumps((self._fed, features, controls), protocol=5)
                self._kept.append((self._fed, time.perf_counter(), record))
                self._pump()
                return True
        self._lose(features.frame)
        return False

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything fed was answered; False when it took too long."""
        deadline = time.monotonic() + timeout_s
        while self.backlog and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self.backlog

    def stop(self) -> None:
        """End the process and let go of the shared memory. May be called twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        with suppress(OSError):
            self._bell.send_bytes(process.QUIT)
        self._reader.join(10.0)
        self._end_process()
        self._close_rings()
        self._snapshot.close()

    def stats(self) -> dict[str, Any]:
        """Counters and histograms for the metrics of a run."""
        return {"counts": self.counts, "plan_ms": self.row_ms, "fed_to_planned_ms": self.waited_ms}

    # The process.

    def _spawn(self) -> None:
        """Start a process with fresh rings; it goes on from the last snapshot."""
        asked, planned = (
            SharedRing(process.ASKED_SLOTS, process.ASKED_BYTES),
            SharedRing(process.PLANNED_SLOTS, process.PLANNED_BYTES),
        )
        names = Names(asked.name, planned.name, self._snapshot.name)
        ours, theirs = _context.Pipe()
        child = _context.Process(
            target=planner_main, args=(theirs, names, *self._job), name="corybant-planner", daemon=True
        )
        with _without_interrupts():
            child.start()
        theirs.close()
        with self._lock:
            self._asked, self._planned, self._bell, self._process = asked, planned, ours, child
            whole = self._snapshot.read()
            self._sent = whole[0] if whole else 0
            self._heard_from_s = time.monotonic()

    def _end_process(self) -> None:
        if self._asked is None:  # between two lives
            return
        self._process.join(2.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(2.0)
        self._process.close()
        self._bell.close()

    def _close_rings(self) -> None:
        for ring in (self._asked, self._planned):
            if ring is not None:
                ring.close()

    def _pump(self) -> None:
        """Move kept records into the ring while there is room. The lock is held."""
        if not self._ready.is_set():
            return
        was_empty, before = not len(self._asked), self._sent
        while self._kept and self._sent < self._kept[-1][0]:
            _, _, record = self._kept[self._sent + 1 - self._kept[0][0]]
            if not self._asked.push(record):
                break
            self._sent += 1
        if was_empty and self._sent > before:  # a worker with work in the ring looks there by itself
            with suppress(OSError):  # it died: the reader will find out
                self._bell.send_bytes(b"f")

    # The reader thread.

    def _run(self) -> None:
        deaths, answered = 0, 0
        while not self._stopping.is_set():
            if self._read() or self._stopping.is_set():
                continue
            if not self.identity:  # it never started: before the show this is an error
                self._error = self._error or "the planner process ended while it was starting"
                self._ready.set()
                return
            with self._lock:  # from here on nobody touches the rings
                self._ready.clear()
            deaths = 1 if self._answered > answered else deaths + 1
            answered = self._answered
            self.counts.add("restarts")
            self._on_event(self._newest_frame, "planner_restarted")
            if deaths >= _DEATHS_ON_ONE_FRAME:
                self._take_out()
            self._restart(_RESTART_PAUSES_S[min(deaths, len(_RESTART_PAUSES_S)) - 1])

    def _restart(self, pause_s: float) -> None:
        self._process.kill()
        self._end_process()
        self._close_rings()
        self._asked = self._planned = None
        while not self._stopping.wait(pause_s) and self._asked is None:
            try:
                self._spawn()
            except OSError:  # the system has no room for a process now
                self.counts.add("failed_restarts")
                pause_s = _RESTART_PAUSES_S[-1]

    def _take_out(self) -> None:
        """The same model frame ended the worker again and again: go on without it."""
        with self._lock:
            index = self._answered + 1 - self._kept[0][0] if self._kept else 0
            if index >= len(self._kept):
                return
            number, fed_s, record = self._kept[index]
            _, features, controls = pickle.loads(record)
            self._kept[index] = (number, fed_s, pickle.dumps((number, None, controls), protocol=5))
        if features is not None:
            self._lose(features.frame)

    def _lose(self, frame: int) -> None:
        self.counts.add("features_lost")
        self._on_event(frame, "features_lost")

    def _read(self) -> bool:
        """Serve the worker for a moment; False when it died or is stuck."""
        try:
            rang = self._bell.poll(0.25)
            while rang:
                self._hear(self._bell.recv_bytes())
                rang = self._bell.poll(0)
        except (EOFError, OSError):
            self._take_planned()
            return False
        self._take_planned()
        now_s = time.monotonic()
        if not (self.backlog and self._ready.is_set()):
            self._heard_from_s = now_s
        elif now_s - self._heard_from_s > STUCK_S:
            self.counts.add("stuck")
            return False
        return True

    def _hear(self, message: bytes) -> None:
        self._heard_from_s = time.monotonic()
        if message[:1] == process.READY:
            self.identity, self.styles = pickle.loads(message[1:])
            with self._lock:
                self._ready.set()
                self._pump()
        elif message[:1] == process.FAILED:
            self._error = message[1:].decode("utf-8")

    def _take_planned(self) -> None:
        while (record := self._planned.pop()) is not None:
            number, frame, plan_ms, committed = np.frombuffer(record, process.PLANNED_HEAD, count=1)[0].tolist()
            poses = records2poses(np.frombuffer(record, POSE_RECORD, offset=process.PLANNED_HEAD.itemsize))
            with self._lock:
                waited_ms = (time.perf_counter() - self._kept[number - self._kept[0][0]][1]) * 1000
                self._pump()
            if committed:
                self.row_ms.add(plan_ms)
                self.waited_ms.add(waited_ms)
            self._on_planned(Planned(frame, poses[:committed], poses[committed:], plan_ms, waited_ms))
            self._answered, self._newest_frame = max(self._answered, number), max(self._newest_frame, frame)
            with self._lock:
                self._forget()

    def _forget(self) -> None:
        """Leave out what no restart needs. The lock is held."""
        needed_after = min(self._snapshot.newest(), self._answered)
        while self._kept and self._kept[0][0] <= needed_after:
            self._kept.popleft()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A child started meanwhile never sees Ctrl-C, not even before its first line runs (where the system can do so)."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
