"""Committed poses, bounded and sorted by tick. One owner appends, any number of lanes read without a lock."""

import math
from collections.abc import Iterable

from engine.types import POSE_HZ, Pose

CAPACITY = 1024  #: ticks kept, 17 s; leads and horizons are far below

_EPSILON_TICK = 1e-6  #: a deadline computed as k / 60 must find tick k


class Timeline:
    """The hand-over from the planner to the lanes.

    Policy: ordered by tick, never revised, the oldest tick is overwritten. A pose whose tick is not newer than the
    newest one is left out and counted in ``repeated`` (after a restart the planner says again what was said).
    ``tail`` is the uncommitted rest of the newest plan: the fallback that a lane gets for ticks after ``newest``.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._slots: list[Pose | None] = [None] * capacity
        self._tail: tuple[Pose, ...] = ()
        self.newest = -1  #: newest committed tick, -1 = none yet
        self.appended = 0
        self.repeated = 0

    def append(self, poses: Iterable[Pose]) -> int:
        """Add committed poses in rising order of tick; returns how many were new. Called by the owner only."""
        fresh = 0
        for pose in poses:
            if pose.frame <= self.newest:
                self.repeated += 1
                continue
            self._slots[pose.frame % len(self._slots)] = pose
            self.newest = pose.frame  # after the slot: a reader never sees a tick that is not there
            fresh += 1
        self.appended += fresh
        return fresh

    def set_tail(self, poses: Iterable[Pose]) -> None:
        """Swap in the uncommitted rest of the plan (contiguous ticks). Called by the owner only."""
        self._tail = tuple(poses)

    def at(self, frame: int) -> Pose | None:
        """The committed pose of 60 Hz tick ``frame``, or None when it is not there (too old, or not yet planned)."""
        pose = self._slots[frame % len(self._slots)] if frame >= 0 else None
        return pose if pose is not None and pose.frame == frame else None

    def fallback(self, frame: int) -> Pose | None:
        """The planned but uncommitted pose of ``frame``, or None when even the plan ends before it."""
        tail = self._tail
        index = frame - tail[0].frame if tail else -1
        return tail[index] if 0 <= index < len(tail) else None

    def due(self, time_s: float) -> Pose | None:
        """The pose to be seen at stream time ``time_s`` [s]: committed, else from the tail, else None (ran dry)."""
        frame = tick_at(time_s)
        return self.at(frame) or self.fallback(frame)

    def last(self) -> Pose | None:
        """The newest committed pose."""
        return self.at(self.newest)

    def horizon_s(self, now_s: float) -> float:
        """How far the committed poses reach ahead of stream time ``now_s``; negative when the timeline ran dry."""
        return (self.newest + 1) / POSE_HZ - now_s


def tick_at(time_s: float) -> int:
    """The 60 Hz tick that is on show at stream time ``time_s`` [s]."""
    return math.floor(time_s * POSE_HZ + _EPSILON_TICK)
