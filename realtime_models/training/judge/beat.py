"""Does the body dance with the music? Motion beats, and how they lie on the beats of the music. Pure numpy.

A body here is two arrays: ``root`` (F, 3) [m] and ``rotations`` (F, 22, 4) xyzw at ``fps`` (30 or 60).

Body speed is the mean speed of six points: pelvis, head, both wrists, both foot joints, *absolute* (travelling
counts), smoothed by a zero-phase Gaussian of 50 ms. A motion beat is a local minimum of it at least 0.15 standard
deviations of that curve deep (prominence) and never less than 1 cm/s, so that the tremble of a standing body is not a
beat. This is the rule behind ``motion_beats`` of the training motion's index (F 0.98 within 50 ms over its 92 dance
clips; the mean over all 22 joints agrees at 0.78 within two frames, root-relative at 0.72).

Phase concentration R at level k is the length of the mean of exp(2 pi i k beat), beat being the fractional beat number
of a motion beat: k = 0.5 means one cycle in two beats, 1 the beat, 2 half a beat. R of n random minima is not zero: its
mean is 0.886 / sqrt(n) (``random_floor``), so n always stands beside R.
"""

from dataclasses import dataclass

import numpy as np

from engine.skeleton import JOINTS, forward_kinematics
from realtime_models.training.motion_files.motion import joint_speed

BEAT_JOINTS = tuple(JOINTS.index(n) for n in ("pelvis", "head", "left_wrist", "right_wrist", "left_foot", "right_foot"))
ALL_JOINTS = tuple(range(len(JOINTS)))
SMOOTH_S = 0.05  #: standard deviation of the zero-phase Gaussian over the speed curve [s]
PROMINENCE_SD = 0.15  #: depth of a motion beat in standard deviations of the speed curve
PROMINENCE_MIN_M_S = 0.01  #: and never less than this [m/s]
LEVELS = (0.5, 1.0, 2.0)  #: cycles per beat
HIT_S = 0.07  #: a motion beat this near a beat is a hit [s]


def joint_positions(root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Joint positions (F, 22, 3) [m], float64, of root (F, 3) and local rotations (F, 22, 4) xyzw."""
    return forward_kinematics(np.asarray(root, np.float64), np.asarray(rotations, np.float64))[0]


def smooth(x: np.ndarray, sigma_frames: float) -> np.ndarray:
    """Zero-phase Gaussian along axis 0 of x (F, ...), ends mirrored; sigma in frames, 0 = as it is."""
    if sigma_frames <= 0 or len(x) < 2:
        return np.asarray(x, np.float64)
    reach = int(np.ceil(4 * sigma_frames))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_frames) ** 2)
    kernel /= kernel.sum()
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    padded = np.pad(flat, ((reach, reach), (0, 0)), mode="symmetric")
    out = np.stack([np.convolve(column, kernel, "valid") for column in padded.T], axis=1)
    return out.reshape(x.shape)


def body_speed(
    root: np.ndarray,
    rotations: np.ndarray,
    fps: float,
    *,
    joints: tuple[int, ...] = BEAT_JOINTS,
    relative: bool = False,
    smooth_s: float = SMOOTH_S,
) -> np.ndarray:
    """Mean speed (F,) [m/s] of ``joints``, smoothed; ``relative`` takes the pelvis' path out first."""
    positions = joint_positions(root, rotations)
    if relative:
        positions = positions - positions[:, :1]
    return smooth(joint_speed(positions[:, list(joints)], fps).mean(axis=1), smooth_s * fps)


def minima(curve: np.ndarray, prominence: float) -> np.ndarray:
    """Frames of local minima of curve (F,) at least ``prominence`` deep.

    Depth is measured from the lower of the two walls around a minimum, the highest point before the curve goes lower
    than the minimum or ends. A flat bottom counts once, at its middle; the ends never.
    """
    found = []
    change = np.flatnonzero(np.diff(curve) != 0)
    starts, ends = np.r_[0, change + 1], np.r_[change, len(curve) - 1]
    for start, end in zip(starts[1:-1], ends[1:-1], strict=True):
        low = curve[start]
        if not (curve[start - 1] > low and curve[end + 1] > low):
            continue
        lower = np.flatnonzero(curve[:start] < low)
        left = curve[(lower[-1] if len(lower) else 0) : start].max()
        lower = np.flatnonzero(curve[end + 1 :] < low)
        right = curve[end + 1 : end + 1 + (lower[0] + 1 if len(lower) else len(curve))].max()
        if min(left, right) - low >= prominence:
            found.append((start + end) // 2)
    return np.array(found, dtype=np.int64)


def beats_of_curve(speed: np.ndarray, fps: float) -> np.ndarray:
    """Motion beats (n,) [s] of a smoothed speed curve (F,), frame 0 = time 0; a parabola places them between frames."""
    if len(speed) < 3:
        return np.zeros(0)
    frames = minima(speed, max(PROMINENCE_SD * float(np.std(speed)), PROMINENCE_MIN_M_S))
    before, at, after = speed[frames - 1], speed[frames], speed[frames + 1]
    bend = before - 2 * at + after
    shift = np.where(bend > 1e-12, 0.5 * (before - after) / np.where(bend > 1e-12, bend, 1.0), 0.0)
    return (frames + np.clip(shift, -0.5, 0.5)) / fps


def motion_beats(root: np.ndarray, rotations: np.ndarray, fps: float, **speed) -> np.ndarray:
    """Times (n,) [s] of the minima of body speed, frame 0 = time 0. Keywords as ``body_speed``."""
    return beats_of_curve(body_speed(root, rotations, fps, **speed), fps)


def beat_numbers(times_s: np.ndarray, beats_s: np.ndarray) -> np.ndarray:
    """Fractional beat number (m,) of those times that lie within the beats (n,) [s] (the others are left out)."""
    times_s, beats_s = np.asarray(times_s, np.float64), np.asarray(beats_s, np.float64)
    if len(beats_s) < 2:
        return np.zeros(0)
    inside = times_s[(times_s >= beats_s[0]) & (times_s <= beats_s[-1])]
    return np.interp(inside, beats_s, np.arange(len(beats_s)))


def mean_vector(numbers: np.ndarray, level: float) -> complex:
    """Mean of exp(2 pi i level beat) over beat numbers (n,); 0 when there are none."""
    return complex(np.exp(2j * np.pi * level * numbers).mean()) if len(numbers) else 0j


def lag_of(vector: complex, level: float, period_s: float) -> float:
    """Circular lag [s] of a mean vector: positive = after the beat, within half a cycle of that level either way."""
    return float(np.angle(vector) / (2 * np.pi * level) * period_s) if vector else 0.0


def phase_concentration(
    times_s: np.ndarray, beats_s: np.ndarray, levels: tuple[float, ...] = LEVELS
) -> dict[float, tuple[float, float]]:
    """``{level: (R, lag_s)}`` of times (n,) [s] against beats (m,) [s].

    At level 0.5 the cycle starts at the first beat given. Times outside the beats are left out.
    """
    numbers = beat_numbers(times_s, beats_s)
    period_s = float(np.median(np.diff(beats_s))) if len(beats_s) > 1 else 0.0
    vectors = {level: mean_vector(numbers, level) for level in levels}
    return {level: (abs(v), lag_of(v, level, period_s)) for level, v in vectors.items()}


def random_floor(n: int) -> float:
    """Mean R of n random minima (uniform phases): exact for n of 0 and 1, 0.886 / sqrt(n) for more."""
    return 1.0 if n <= 1 else float(np.sqrt(np.pi / (4 * n)))


def random_ceiling(n: int, p: float = 0.05) -> float:
    """R that n random minima exceed with probability p (Rayleigh)."""
    return 1.0 if n <= 1 else min(1.0, float(np.sqrt(-np.log(p) / n)))


def grid_at(beats_s: np.ndarray, level: float, offset: int = 0) -> np.ndarray:
    """The beats (n,) [s] of another level: 2 puts one between each pair, 0.5 takes every second from ``offset`` on."""
    beats_s = np.asarray(beats_s, np.float64)
    number = np.arange(offset, len(beats_s) - 1 + 1e-9, 1.0 / level)
    return np.interp(number, np.arange(len(beats_s)), beats_s)


@dataclass(frozen=True, slots=True)
class Hits:
    """Motion beats matched one to one with beats."""

    hits: int
    motion_beats: int  #: those from the first beat to the last
    beats: int

    @property
    def precision(self) -> float:
        return self.hits / self.motion_beats if self.motion_beats else 0.0

    @property
    def recall(self) -> float:
        return self.hits / self.beats if self.beats else 0.0

    @property
    def f1(self) -> float:
        total = self.motion_beats + self.beats
        return 2 * self.hits / total if total else 0.0


def match(times_s: np.ndarray, beats_s: np.ndarray, within_s: float = HIT_S) -> Hits:
    """Largest one-to-one matching of sorted times (n,) and beats (m,) [s], no pair further apart than ``within_s``."""
    if len(beats_s) == 0:
        return Hits(0, 0, 0)
    times_s = np.asarray(times_s)
    inside = times_s[(times_s >= beats_s[0] - within_s) & (times_s <= beats_s[-1] + within_s)]
    i = j = hits = 0
    while i < len(inside) and j < len(beats_s):
        gap = inside[i] - beats_s[j]
        if abs(gap) <= within_s:
            hits, i, j = hits + 1, i + 1, j + 1
        elif gap < 0:
            i += 1
        else:
            j += 1
    return Hits(hits, len(inside), len(beats_s))


@dataclass(frozen=True, slots=True)
class BeatScore:
    """How motion beats lie on the music's beats."""

    n: int  #: motion beats within the scored beats
    beats: int
    vectors: tuple[complex, ...]  #: mean vector at each of LEVELS
    period_s: float
    hits: Hits  #: at the beat level, 70 ms

    def r(self, level: float) -> float:
        return abs(self.vectors[LEVELS.index(level)])

    def lag_s(self, level: float) -> float:
        return lag_of(self.vectors[LEVELS.index(level)], level, self.period_s)

    @property
    def minima_per_beat(self) -> float:
        return self.n / max(self.beats - 1, 1)


def beat_score(times_s: np.ndarray, beats_s: np.ndarray, *, from_s: float = 0.0) -> BeatScore:
    """Score motion beats (n,) [s] against beats (m,) [s], both after ``from_s`` only (the listener's lead-in)."""
    beats_s = np.asarray(beats_s, np.float64)[np.asarray(beats_s) >= from_s]
    times_s = np.asarray(times_s, np.float64)[np.asarray(times_s) >= from_s]
    numbers = beat_numbers(times_s, beats_s)
    period_s = float(np.median(np.diff(beats_s))) if len(beats_s) > 1 else 0.0
    vectors = tuple(mean_vector(numbers, level) for level in LEVELS)
    return BeatScore(len(numbers), len(beats_s), vectors, period_s, match(times_s, beats_s))


def pooled(scores: list[BeatScore]) -> BeatScore:
    """Scores of several runs as if their motion beats were one set (the same beats, or others at any tempo)."""
    n = sum(s.n for s in scores)
    sums = [sum(s.vectors[k] * s.n for s in scores) for k in range(len(LEVELS))]
    hits = Hits(*(sum(getattr(s.hits, f) for s in scores) for f in ("hits", "motion_beats", "beats")))
    spans = sum(max(s.beats - 1, 1) for s in scores)
    period_s = float(np.mean([s.period_s for s in scores]))
    return BeatScore(n, spans + 1, tuple(v / max(n, 1) for v in sums), period_s, hits)
