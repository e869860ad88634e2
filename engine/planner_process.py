"""What runs inside the planner process: take features from one ring, plan, put poses into the other."""

import gc
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from engine.dance import Planner
from engine.errors import CorybantError
from engine.records import POSE_RECORD, poses2records
from engine.shared_ring import SharedRing, SharedSnapshot
from engine.show import unheard
from engine.types import MODEL_HZ, Controls, MusicFeatures, Pose

ASKED_SLOTS, ASKED_BYTES = 128, 8192
PLANNED_SLOTS, PLANNED_BYTES = 64, 1 << 16
SNAPSHOT_BYTES = 4 << 20  #: of one state of the planner; thirty times what the first model needs
SNAPSHOT_EVERY = MODEL_HZ  #: model frames between snapshots: about a second
PLANNED_HEAD = np.dtype([("number", "<i8"), ("frame", "<i8"), ("plan_ms", "<f4"), ("committed", "<i4")])
MOST_POSES = (PLANNED_BYTES - PLANNED_HEAD.itemsize) // POSE_RECORD.itemsize

READY, FAILED, RANG, QUIT = b"r", b"e", b"p", b"q"
_FULL_PAUSE_S = 0.002
_LISTEN_S = 0.02  #: the ring is looked into this often even if no bell is heard

Load = Callable[[], Planner]


@dataclass(frozen=True, slots=True)
class Names:
    """Shared memory that the parent made for one worker."""

    asked: str
    planned: str
    snapshot: str


def planner_main(bell: Connection, names: Names, load: Load, seed: int, horizon_ticks: int) -> None:
    """Target of the process: load, say so, then plan until told to stop or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then says goodbye in order
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        planner = load()
    except CorybantError as error:
        bell.send_bytes(FAILED + str(error).encode("utf-8"))
        return
    asked = SharedRing(ASKED_SLOTS, ASKED_BYTES, names.asked)
    planned = SharedRing(PLANNED_SLOTS, PLANNED_BYTES, names.planned)
    snapshot = SharedSnapshot(SNAPSHOT_BYTES, names.snapshot)
    try:
        _Work(bell, asked, planned, snapshot, planner).run(seed, horizon_ticks)
    except (EOFError, BrokenPipeError, ConnectionError):
        pass  # the parent is gone
    finally:
        for memory in (asked, planned, snapshot):
            memory.close()


class _Work:
    def __init__(
        self, bell: Connection, asked: SharedRing, planned: SharedRing, snapshot: SharedSnapshot, planner: Planner
    ) -> None:
        self._bell, self._asked, self._planned = bell, asked, planned
        self._snapshot, self._planner = snapshot, planner

    def run(self, seed: int, horizon_ticks: int) -> None:
        whole = self._snapshot.read()
        state = pickle.loads(whole[1]) if whole else self._planner.start(seed=seed, horizon_ticks=horizon_ticks)
        warm_up(self._planner, state)
        size = len(pickle.dumps(state, protocol=5))
        if size > SNAPSHOT_BYTES // 2:  # found before the show: without snapshots a restart could not go on
            self._bell.send_bytes(FAILED + f"the model's state has {size} bytes: more than a snapshot holds".encode())
            return
        gc.collect()
        gc.freeze()
        self._bell.send_bytes(READY + pickle.dumps((self._planner.identity, self._planner.styles)))
        while not self._told_to_quit(_LISTEN_S):
            while (record := self._asked.pop()) is not None and not self._told_to_quit(0.0):
                number, features, controls = pickle.loads(record)
                state = self._plan(number, state, features, controls)

    def _told_to_quit(self, wait_s: float) -> bool:
        """Take every ring of the bell that waits: unheard rings would fill the pipe and block the parent."""
        while self._bell.poll(wait_s):
            if self._bell.recv_bytes() == QUIT:
                return True
            wait_s = 0.0
        return False

    def _plan(self, number: int, state: Any, features: MusicFeatures | None, controls: Controls) -> Any:
        if features is None:  # taken out by the parent
            self._answer(number, -1, (), (), 0.0)
            return state
        began_s = time.perf_counter()
        state, poses = self._planner.step(state, features, controls)
        plan_ms = (time.perf_counter() - began_s) * 1000
        self._answer(number, features.frame, poses, self._planner.tail(state) if poses else (), plan_ms)
        if number % SNAPSHOT_EVERY == 0:
            self._snapshot.write(number, pickle.dumps(state, protocol=5))
        return state

    def _answer(self, number: int, frame: int, poses: tuple[Pose, ...], tail: tuple[Pose, ...], plan_ms: float) -> None:
        shown = [*poses, *tail][: max(MOST_POSES, len(poses))]
        head = np.array([(number, frame, plan_ms, len(poses))], PLANNED_HEAD)
        record = head.tobytes() + poses2records(shown).tobytes()
        while not self._planned.push(record):  # ordered, nothing is left out: wait for the parent
            time.sleep(_FULL_PAUSE_S)
        self._bell.send_bytes(RANG)


def warm_up(planner: Planner, state: Any) -> None:
    """Plan one row into the void, so that the first real one costs what the others cost."""
    for frame in range(2, 10, 2):
        features = unheard()
        state, _ = planner.step(
            state, MusicFeatures(frame, features.beat, 0.0, -100.0, features.bands, silence=True), Controls()
        )


def _end_with_parent() -> None:
    """A parent that was killed cannot say goodbye."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
