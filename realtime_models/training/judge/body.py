"""Is it a sound body on a stage? Speed, floor, feet, stage, steadiness. Pure numpy; ``score`` has the music.

The floor is y = 0 and a resting foot joint (the toe) lies on it.
"""

from dataclasses import dataclass

import numpy as np

from engine.skeleton import JOINTS
from realtime_models.training.judge.beat import joint_positions, joint_speed, smooth

FEET = (JOINTS.index("left_foot"), JOINTS.index("right_foot"))
CONTACT_M = 0.03  #: a foot joint lower than this [m] ...
CONTACT_S = 0.1  #: ... for at least this long [s] is in contact (3 frames at 30 Hz)
STANDING_M_S = 0.15  #: the lower foot joint slower than this [m/s] bears the weight, whatever its height
FLOOR_M = 0.02  #: feet of a standing body are to be this near the floor [m]
FROZEN_M_S = 0.02  #: a body slower than this [m/s] is frozen


@dataclass(frozen=True, slots=True)
class BodyScore:
    """What can be said of a body without music. Speeds are means over all 22 joints, absolute."""

    seconds: float
    nonfinite_frames: int
    unit_error: float  #: largest deviation of a quaternion's length from 1
    speed_m_s: float  #: mean joint speed
    speed_relative_m_s: float  #: the same with the pelvis' path taken out
    speed_by_minute_m_s: tuple[float, ...]  #: mean joint speed of each minute; a rest under half a minute is left out
    frozen_s: float  #: longest stretch slower than 2 cm/s
    stage_radius_m: float  #: furthest pelvis from x = z = 0, on the floor plane
    reach_radius_m: float  #: furthest joint from x = z = 0
    standing_share: float  #: share of frames in which the lower foot joint rests (under 15 cm/s)
    floor_median_m: float  #: height of that foot joint: median,
    floor_p95_m: float  #: 95th percentile of its absolute height,
    floor_within_2cm: float  #: share of standing frames with it at most 2 cm from the floor
    sunk_share: float  #: share of frames with a foot joint more than 2 cm below the floor
    sunk_max_m: float  #: deepest of any joint
    slide_m_s: float  #: mean speed over the floor of foot joints in contact
    slide_p95_m_s: float
    contact_share: float  #: share of frames with at least one foot joint in contact
    jerk_m_s3: float  #: mean joint jerk at 30 frames a second
    jerk_p99_m_s3: float
    jitter_mm: float  #: rms distance of joints from their own path smoothed by 50 ms
    turn_p999_rad_s: float  #: 99.9th percentile and largest of joints' own turning speed
    turn_max_rad_s: float


def contacts(heights: np.ndarray, fps: float) -> np.ndarray:
    """True (F, 2) where a foot joint of heights (F, 2) [m] is lower than 3 cm for at least 0.1 s."""
    low = heights < CONTACT_M
    least = max(1, round(CONTACT_S * fps))
    kept = np.zeros_like(low)
    for foot in range(low.shape[1]):
        edges = np.flatnonzero(np.diff(np.r_[False, low[:, foot], False].astype(np.int8)))
        for start, end in edges.reshape(-1, 2):
            kept[start:end, foot] = end - start >= least
    return kept


def longest_below(curve: np.ndarray, limit: float) -> int:
    """Longest run of frames with curve (F,) under ``limit``."""
    edges = np.flatnonzero(np.diff(np.r_[False, curve < limit, False].astype(np.int8))).reshape(-1, 2)
    return int((edges[:, 1] - edges[:, 0]).max()) if len(edges) else 0


def turning_speed(rotations: np.ndarray, fps: float) -> np.ndarray:
    """Speed (F - 1, J) [rad/s] of local rotations (F, J, 4)."""
    dot = np.abs(np.sum(rotations[1:] * rotations[:-1], axis=-1))
    return 2 * np.arccos(np.clip(dot, 0.0, 1.0)) * fps


def floor_speed(feet: np.ndarray, fps: float) -> np.ndarray:
    """Speed over the floor (F, 2) [m/s] of feet (F, 2, 3)."""
    flat = feet.copy()
    flat[..., 1] = 0.0
    return joint_speed(flat, fps)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0


def _percentile(values: np.ndarray, q: float) -> float:
    return float(np.percentile(values, q)) if values.size else 0.0


def body_score(root: np.ndarray, rotations: np.ndarray, fps: float) -> BodyScore:
    """Score root (F, 3) [m], rotations (F, 22, 4) xyzw at ``fps`` (30 or 60), F of 8 or more.

    Frames that are not finite are counted and left out of the rest; with fewer than 8 finite ones the rest is nan.
    """
    root, rotations = np.asarray(root, np.float64), np.asarray(rotations, np.float64)
    finite = np.isfinite(root).all(axis=1) & np.isfinite(rotations).all(axis=(1, 2))
    seconds = len(root) / fps
    root, rotations = root[finite], rotations[finite]
    if len(root) < 8:
        return BodyScore(seconds, int((~finite).sum()), *[float("nan")] * 3, (), *[float("nan")] * 17)
    p = joint_positions(root, rotations)
    speed, feet = joint_speed(p, fps), p[:, FEET]
    height = feet[..., 1]
    lower = height.argmin(axis=1)
    rows = np.arange(len(p))
    standing = joint_speed(feet, fps)[rows, lower] < STANDING_M_S
    rest_height = height[rows, lower][standing]
    touch = contacts(height, fps)
    slide = floor_speed(feet, fps)[touch]
    stride = max(1, round(fps / 30))
    slow = p[::stride]
    jerk = np.linalg.norm(np.diff(slow, 3, axis=0), axis=-1) * (fps / stride) ** 3
    off = np.linalg.norm(slow - smooth(slow, 1.5), axis=-1)
    turn = turning_speed(rotations, fps)
    minute = round(60 * fps)
    body = speed.mean(axis=1)
    whole_minutes = range(0, max(len(body) - minute // 2 + 1, 1), minute)
    return BodyScore(
        seconds=seconds,
        nonfinite_frames=int((~finite).sum()),
        unit_error=float(np.abs(np.linalg.norm(rotations, axis=-1) - 1).max()),
        speed_m_s=_mean(body),
        speed_relative_m_s=_mean(joint_speed(p - p[:, :1], fps)),
        speed_by_minute_m_s=tuple(_mean(body[i : i + minute]) for i in whole_minutes),
        frozen_s=longest_below(body, FROZEN_M_S) / fps,
        stage_radius_m=float(np.hypot(root[:, 0], root[:, 2]).max()),
        reach_radius_m=float(np.hypot(p[..., 0], p[..., 2]).max()),
        standing_share=_mean(standing),
        floor_median_m=_percentile(rest_height, 50),
        floor_p95_m=_percentile(np.abs(rest_height), 95),
        floor_within_2cm=_mean(np.abs(rest_height) <= FLOOR_M),
        sunk_share=_mean((height < -FLOOR_M).any(axis=1)),
        sunk_max_m=float(max(0.0, -p[..., 1].min())),
        slide_m_s=_mean(slide),
        slide_p95_m_s=_percentile(slide, 95),
        contact_share=_mean(touch.any(axis=1)),
        jerk_m_s3=_mean(jerk),
        jerk_p99_m_s3=_percentile(jerk, 99),
        jitter_mm=float(1000 * np.sqrt((off**2).mean())),
        turn_p999_rad_s=_percentile(turn, 99.9),
        turn_max_rad_s=float(turn.max()),
    )
