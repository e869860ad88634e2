"""Is it a sound body on a stage? Speed, floor, feet, stage, steadiness, drift. Pure numpy; ``beat`` has the music.

All on joint positions at 30 frames a second, whatever rate they came at; the floor is y = 0 and a resting foot joint
(the toe) lies on it. Only turning speed needs rotations.

Jerk and jitter grow with speed: over 398 windows of 5 s of real dance, ln jerk rises by 1.00 and ln jitter by 0.90 for
each 1.00 of ln speed (correlation .84 and .88). Divided by speed they therefore compare slow and fast bodies: a smooth
body played faster keeps its place among real ones, a trembling one does not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np

from realtime_models.training.judge.beat import joint_speed, smooth
from realtime_models.training.judge.contact import CONTACT_M, FEET, contact_slide, contacts, longest_run
from realtime_models.training.judge.motion import JUDGE_HZ, Motion, Windows, at_judge_rate, from_pose

STANDING_M_S = 0.15  #: the lower foot joint slower than this [m/s] bears the weight, whatever its height
FLOOR_M = 0.02  #: feet of a standing body are to be this near the floor [m]
FROZEN_M_S = 0.02  #: a body slower than this [m/s] is frozen
STILL_M_S = 0.05  #: slower than this [m/s] it holds still
FALLING_M_S2 = -4.9  #: a body whose middle accelerates downwards faster than this (half of gravity) is in a jump
FALLING_FRAMES = 2  #: acceleration is a second difference over so many frames either side
LEAST_SPEED_M_S = 0.05  #: jerk and jitter are divided by at least this speed, so that a still body is not infinite
JITTER_S = 0.05  #: the path that jitter is measured from is smoothed by a Gaussian of this standard deviation
MINUTE_S = 60.0
LEAST_FRAMES = 8  #: finite frames without which nothing is said
#: Median |fourth difference| of white tremble of standard deviation 1 a coordinate: sqrt(1 + 16 + 36 + 16 + 1) times
#: the median of a chi distribution of 3 degrees of freedom
TREMOR_SCALE = float(np.sqrt(70.0)) * 1.5382


@dataclass(frozen=True, slots=True)
class BodyScore:
    """What can be said of a body without music. Speeds are means over all 22 joints, absolute."""

    seconds: float
    nonfinite_frames: int
    unit_error: float | None  #: largest deviation of a quaternion's length from 1; None without rotations
    speed_m_s: float  #: mean joint speed
    speed_relative_m_s: float  #: the same with the pelvis' path taken out
    speed_by_minute_m_s: tuple[float, ...]  #: mean joint speed of each minute; a rest under half a minute is left out
    frozen_s: float  #: longest stretch slower than 2 cm/s
    still_share: float  #: share of frames slower than 5 cm/s
    still_s: float  #: longest stretch slower than 5 cm/s
    stage_radius_m: float  #: furthest pelvis from x = z = 0, on the floor plane
    reach_radius_m: float  #: furthest joint from x = z = 0
    standing_share: float  #: share of frames in which the lower foot joint rests (under 15 cm/s)
    floor_median_m: float  #: height of that foot joint: median,
    floor_p95_m: float  #: 95th percentile of its absolute height,
    floor_within_2cm: float  #: share of standing frames with it at most 2 cm from the floor
    floating_mm: float  #: mean height of the lowest of all joints over the floor, 0 when below it, jumps left out
    floating_share: float  #: share of frames with the lowest joint 3 cm or more above the floor, not in a jump
    penetration_mm: float  #: depth of the deepest joint below the floor, 0 when above it: mean over all frames
    penetration_p99_mm: float
    sunk_share: float  #: share of frames with a foot joint more than 2 cm below the floor
    sunk_max_m: float  #: deepest of any joint
    slide_m_s: float  #: mean speed over the floor of foot joints in contact
    slide_p95_m_s: float
    contact_share: float  #: share of frames with at least one foot joint in contact
    airborne_s: float  #: longest stretch without any
    jerk_m_s3: float  #: mean joint jerk at 30 frames a second
    jerk_p99_m_s3: float
    jerk_per_speed_hz2: float  #: mean jerk by mean speed [1/s^2]: jerk at equal speed
    jitter_mm: float  #: rms distance of joints from their own path smoothed by 50 ms
    jitter_per_speed_ms: float  #: the same by mean speed [mm / (m/s) = ms]: jitter at equal speed
    tremor_mm: float  #: standard deviation a coordinate of the white tremble that the median fourth difference suggests
    tremor_per_speed_ms: float
    turn_p999_rad_s: float | None  #: 99.9th percentile and largest of joints' own turning speed; None without rotations
    turn_max_rad_s: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """The last minute of a long motion beside its first. What ``first`` and ``last`` have is in the name."""

    minutes: float
    speed_m_s: tuple[float, float]  #: mean joint speed (first, last)
    jerk_m_s3: tuple[float, float]
    radius_m: tuple[float, float]  #: furthest pelvis from where the motion began
    floor_mm: tuple[float, float]  #: median height of the resting foot joint, standing frames
    slide_m_s: tuple[float, float]

    @property
    def speed_ratio(self) -> float:
        """Last by first; nan when the first minute does not move."""
        first, last = self.speed_m_s
        return last / first if first > 0 else float("nan")


def turning_speed(rotations: np.ndarray, fps: float) -> np.ndarray:
    """Speed (F - 1, J) [rad/s] of local rotations (F, J, 4)."""
    dot = np.abs(np.sum(rotations[1:] * rotations[:-1], axis=-1))
    return 2 * np.arccos(np.clip(dot, 0.0, 1.0)) * fps


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0


def _percentile(values: np.ndarray, q: float) -> float:
    return float(np.percentile(values, q)) if values.size else 0.0


def body_score(root: np.ndarray, rotations: np.ndarray, fps: float) -> BodyScore:
    """``score_motion`` of root (F, 3) [m] and rotations (F, 22, 4) xyzw at ``fps`` on the house skeleton."""
    with np.errstate(invalid="ignore"):
        return score_motion(from_pose("body", root, rotations, fps))


def score_motion(motion: Motion) -> BodyScore:
    """Score a motion of any rate.

    Frames that are not finite are counted; positions are bridged by straight lines there. With fewer than 8 finite
    frames at 30 Hz all else is nan.
    """
    finite = np.isfinite(motion.positions).all(axis=(1, 2))
    if motion.rotations is not None:
        finite &= np.isfinite(motion.rotations).all(axis=(1, 2))
    lost = int((~finite).sum())
    if finite.sum() * JUDGE_HZ / motion.fps < LEAST_FRAMES:
        return _nothing(motion.seconds, lost)
    whole = bridged(motion.positions, finite)
    p = at_judge_rate(replace(motion, positions=whole, rotations=None)).positions
    return BodyScore(
        seconds=motion.seconds,
        nonfinite_frames=lost,
        **_pace(p),
        **_place(whole),
        **_floor(p),
        **_feet(p),
        **_steadiness(p),
        **_turns(motion, finite),
    )


def _nothing(seconds: float, lost: int) -> BodyScore:
    unknown = {field.name: float("nan") for field in fields(BodyScore)}
    return BodyScore(**{**unknown, "seconds": seconds, "nonfinite_frames": lost, "speed_by_minute_m_s": ()})


def bridged(positions: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """Positions (F, J, 3) with straight lines across frames that are not ``finite`` (F,); ends are held."""
    if finite.all():
        return np.asarray(positions, np.float64)
    frames, flat = np.arange(len(positions)), positions.reshape(len(positions), -1)
    columns = [np.interp(frames, frames[finite], column[finite]) for column in flat.T]
    return np.stack(columns, axis=1).reshape(positions.shape)


def _pace(p: np.ndarray) -> dict[str, object]:
    body = joint_speed(p, JUDGE_HZ).mean(axis=1)
    minute = round(MINUTE_S * JUDGE_HZ)
    whole_minutes = range(0, max(len(body) - minute // 2 + 1, 1), minute)
    return {
        "speed_m_s": _mean(body),
        "speed_relative_m_s": _mean(joint_speed(p - p[:, :1], JUDGE_HZ)),
        "speed_by_minute_m_s": tuple(_mean(body[i : i + minute]) for i in whole_minutes),
        "frozen_s": longest_run(body < FROZEN_M_S) / JUDGE_HZ,
        "still_share": _mean(body < STILL_M_S),
        "still_s": longest_run(body < STILL_M_S) / JUDGE_HZ,
    }


def _place(p: np.ndarray) -> dict[str, float]:
    far = np.hypot(p[..., 0], p[..., 2])
    return {"stage_radius_m": float(far[:, 0].max()), "reach_radius_m": float(far.max())}


def _resting(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames (F,) in which the lower foot joint rests, and that joint's height (F,) [m]."""
    feet = p[:, FEET]
    lower = feet[..., 1].argmin(axis=1)[:, None]
    speed = np.take_along_axis(joint_speed(feet, JUDGE_HZ), lower, axis=1)[:, 0]
    return speed < STANDING_M_S, np.take_along_axis(feet[..., 1], lower, axis=1)[:, 0]


def falling(p: np.ndarray) -> np.ndarray:
    """Frames (F,) of positions (F, J, 3) at 30 Hz in which the body's middle falls: it needs nothing to stand on.

    A body that is up and does not fall floats, whether its feet rest or slide.
    """
    if len(p) <= 2 * FALLING_FRAMES:
        return np.zeros(len(p), bool)
    middle = p[..., 1].mean(axis=1)
    bend = middle[2 * FALLING_FRAMES :] - 2 * middle[FALLING_FRAMES:-FALLING_FRAMES] + middle[: -2 * FALLING_FRAMES]
    return np.pad(bend * (JUDGE_HZ / FALLING_FRAMES) ** 2 < FALLING_M_S2, FALLING_FRAMES)


def _floor(p: np.ndarray) -> dict[str, float]:
    standing, height = _resting(p)
    rest, lowest, held = height[standing], p[..., 1].min(axis=1), ~falling(p)
    depth_mm = 1000 * np.maximum(-lowest, 0.0)
    return {
        "standing_share": _mean(standing),
        "floor_median_m": _percentile(rest, 50),
        "floor_p95_m": _percentile(np.abs(rest), 95),
        "floor_within_2cm": _mean(np.abs(rest) <= FLOOR_M),
        "floating_mm": 1000 * _mean(np.maximum(lowest[held], 0.0)),
        "floating_share": _mean((lowest >= CONTACT_M) & held),
        "penetration_mm": _mean(depth_mm),
        "penetration_p99_mm": _percentile(depth_mm, 99),
        "sunk_share": _mean((p[:, FEET, 1] < -FLOOR_M).any(axis=1)),
        "sunk_max_m": float(depth_mm.max()) / 1000,
    }


def _feet(p: np.ndarray) -> dict[str, float]:
    slide = contact_slide(p)
    touching = contacts(p[:, FEET, 1], JUDGE_HZ).any(axis=1)
    return {
        "slide_m_s": _mean(slide),
        "slide_p95_m_s": _percentile(slide, 95),
        "contact_share": _mean(touching),
        "airborne_s": longest_run(~touching) / JUDGE_HZ,
    }


def jerk(p: np.ndarray) -> np.ndarray:
    """Size of joints' jerk (F - 3, J) [m/s^3] of positions (F, J, 3) at 30 Hz: third difference by frame length."""
    return np.linalg.norm(np.diff(p, 3, axis=0), axis=-1) * JUDGE_HZ**3


def _steadiness(p: np.ndarray) -> dict[str, float]:
    size, speed = jerk(p), max(_mean(joint_speed(p, JUDGE_HZ)), LEAST_SPEED_M_S)
    off = np.linalg.norm(p - smooth(p, JITTER_S * JUDGE_HZ), axis=-1)
    jitter_mm = float(1000 * np.sqrt((off**2).mean()))
    fourth = np.linalg.norm(np.diff(p, 4, axis=0), axis=-1)
    tremor_mm = 1000 * _percentile(fourth, 50) / TREMOR_SCALE
    return {
        "jerk_m_s3": _mean(size),
        "jerk_p99_m_s3": _percentile(size, 99),
        "jerk_per_speed_hz2": _mean(size) / speed,
        "jitter_mm": jitter_mm,
        "jitter_per_speed_ms": jitter_mm / speed,
        "tremor_mm": tremor_mm,
        "tremor_per_speed_ms": tremor_mm / speed,
    }


def _turns(motion: Motion, finite: np.ndarray) -> dict[str, float | None]:
    if motion.rotations is None:
        return {"unit_error": None, "turn_p999_rad_s": None, "turn_max_rad_s": None}
    rotations = np.asarray(motion.rotations, np.float64)[finite]
    turn = turning_speed(rotations, motion.fps)
    return {
        "unit_error": float(np.abs(np.linalg.norm(rotations, axis=-1) - 1).max()),
        "turn_p999_rad_s": _percentile(turn, 99.9),
        "turn_max_rad_s": float(turn.max()),
    }


def drift(motion: Motion) -> Drift | None:
    """The last minute beside the first (one after a lead-in is the caller's to cut); None under two minutes."""
    p = at_judge_rate(motion).positions
    minute = round(MINUTE_S * JUDGE_HZ)
    if len(p) < 2 * minute:
        return None
    p = p - p[0, 0] * [1.0, 0.0, 1.0]
    first, last = (score_motion(Motion(motion.name, part)) for part in (p[:minute], p[-minute:]))
    return Drift(
        minutes=motion.seconds / MINUTE_S,
        speed_m_s=(first.speed_m_s, last.speed_m_s),
        jerk_m_s3=(first.jerk_m_s3, last.jerk_m_s3),
        radius_m=(first.stage_radius_m, last.stage_radius_m),
        floor_mm=(1000 * first.floor_median_m, 1000 * last.floor_median_m),
        slide_m_s=(first.slide_m_s, last.slide_m_s),
    )


def score_windows(windows: Windows) -> dict[str, np.ndarray]:
    """Every measure that needs no rotations as one value a window: {field: (W,)}, for intervals by block."""
    scores = [score_motion(Motion("window", part)) for part in windows.positions]
    return by_field(scores)


def by_field(scores: Iterable[BodyScore]) -> dict[str, np.ndarray]:
    """{field: (n,)} of scores; fields that are no single number, or unknown to one of them, are left out."""
    scores = list(scores)
    names = [field.name for field in fields(BodyScore) if field.name != "speed_by_minute_m_s"]
    columns = {name: [getattr(score, name) for score in scores] for name in names}
    return {name: np.array(column, float) for name, column in columns.items() if None not in column}
