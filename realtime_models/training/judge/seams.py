"""Seams: places where one piece of motion was joined to another and the joint shows.

The jump at a step from one frame to the next is how far joints go beyond what the step before and the step after let
expect: |step - (before + after) / 2|, mean over the 22 joints [m]. With p for positions this is half the third
difference |p3 - 3 p2 + 3 p1 - p0| / 2, so half the jerk times the cube of the frame's length: a body that is moved
by 20 cm between two frames jumps 0.2 m, and a velocity that changes by v within one frame jumps v / 60 Hz.

A seam shows where the jump is large for a body (over ``SEAM_M``) and large for this body just there (over ``SEAM_OVER``
times the median jump within a second either side): a leap or a spin raises both, a seam only one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from realtime_models.training.judge.motion import JUDGE_HZ, Motion, at_judge_rate

SEAM_M = 0.03  #: the least jump of a seam that shows [m], mean over joints
SEAM_OVER = 8.0  #: and the least in medians of the jumps around it
AROUND_S = 1.0  #: "around" is this far either side
NEAR_S = 0.1  #: a jump spreads this far; so far from a place given the largest counts


@dataclass(frozen=True, slots=True)
class Seams:
    """Jumps at seams of one motion, at 30 Hz."""

    times_s: tuple[float, ...]  #: of the steps that jump (middle of a step)
    jumps_m: tuple[float, ...]  #: how far
    over: tuple[float, ...]  #: the same in medians of the jumps around
    level_m: float  #: median jump of the whole motion
    seconds: float

    @property
    def per_minute(self) -> float:
        return 60 * len(self.times_s) / self.seconds if self.seconds else 0.0

    @property
    def worst_m(self) -> float:
        return max(self.jumps_m, default=0.0)

    @property
    def median_over(self) -> float:
        """Median of ``over``; nan without seams. 1 = a seam cannot be told from any other frame."""
        return float(np.median(self.over)) if self.over else float("nan")


def jumps(positions: np.ndarray) -> np.ndarray:
    """Jump (F - 3,) [m] of each inner step of positions (F, J, 3); entry k is the step from frame k + 1 to k + 2."""
    return np.linalg.norm(np.diff(positions, 3, axis=0), axis=-1).mean(axis=-1) / 2


def _level_around(jump: np.ndarray, at: int) -> float:
    """Median jump within a second of step ``at``, what is next to it left out."""
    near, far = round(NEAR_S * JUDGE_HZ), round(AROUND_S * JUDGE_HZ)
    before, after = jump[max(0, at - far) : max(0, at - near)], jump[at + near + 1 : at + far + 1]
    around = np.r_[before, after]
    return float(np.median(around)) if len(around) else 0.0


def _over(jump_m: float, level_m: float) -> float:
    if jump_m <= 0:
        return 0.0
    return jump_m / level_m if level_m > 0 else float("inf")


def _seams(jump: np.ndarray, at: Iterable[int], seconds: float) -> Seams:
    at = [int(k) for k in at]
    return Seams(
        times_s=tuple((k + 1.5) / JUDGE_HZ for k in at),
        jumps_m=tuple(float(jump[k]) for k in at),
        over=tuple(_over(float(jump[k]), _level_around(jump, k)) for k in at),
        level_m=float(np.median(jump)) if len(jump) else 0.0,
        seconds=seconds,
    )


def found_seams(motion: Motion) -> Seams:
    """The seams that show in a motion of whom nothing else is known: peaks of the jump over both limits."""
    motion = at_judge_rate(motion)
    jump = jumps(motion.positions)
    near = round(NEAR_S * JUDGE_HZ)
    peaks = [
        k
        for k in np.flatnonzero(jump > SEAM_M)
        if jump[k] >= jump[max(0, k - near) : k + near + 1].max()
        and _over(float(jump[k]), _level_around(jump, k)) > SEAM_OVER
    ]
    return _seams(jump, peaks, motion.seconds)


def seam_jumps(motion: Motion, seams_s: Iterable[float]) -> Seams:
    """The largest jump within 0.1 s of each of the places ``seams_s`` [s] where pieces are known to have been joined.

    Places outside the motion are left out. ``over`` says how far a seam stands out; 1 means not at all, but the largest
    of seven steps is looked at, so places where nothing was joined have about 1.5 to 2 (see ``median_over``).
    """
    motion = at_judge_rate(motion)
    jump = jumps(motion.positions)
    near = round(NEAR_S * JUDGE_HZ)
    at = []
    for time_s in seams_s:
        middle = round(time_s * JUDGE_HZ - 1.5)
        low, high = max(0, middle - near), min(len(jump), middle + near + 1)
        if low < high:
            at.append(low + int(jump[low:high].argmax()))
    return _seams(jump, at, motion.seconds)
