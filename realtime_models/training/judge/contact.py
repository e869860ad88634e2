"""Feet on the floor: contact, slide, and physical foot contact (PFC). The floor is y = 0; a resting toe lies on it.

Contact needs height and duration only. A speed gate, as most of the literature has it, would call a sliding foot a foot
in the air and hide the slide.
"""

import numpy as np

from engine.skeleton import JOINTS
from realtime_models.training.judge.beat import joint_speed
from realtime_models.training.judge.motion import JUDGE_HZ, Motion, at_judge_rate

FEET = (JOINTS.index("left_foot"), JOINTS.index("right_foot"))
ANKLES = (JOINTS.index("left_ankle"), JOINTS.index("right_ankle"))
CONTACT_M = 0.03  #: a foot joint lower than this [m] ...
CONTACT_S = 0.1  #: ... for at least this long [s] is in contact (3 frames at 30 Hz)
PFC_SCALE = 10_000  #: as printed in the tables of the literature


def runs(flags: np.ndarray) -> np.ndarray:
    """First and one-past-last frame (n, 2) of each run of True in flags (F,)."""
    return np.flatnonzero(np.diff(np.r_[False, flags, False].astype(np.int8))).reshape(-1, 2)


def longest_run(flags: np.ndarray) -> int:
    """Frames of the longest run of True in flags (F,); 0 when there is none."""
    found = runs(flags)
    return int((found[:, 1] - found[:, 0]).max()) if len(found) else 0


def contacts(heights: np.ndarray, fps: float) -> np.ndarray:
    """True (F, 2) where a foot joint of heights (F, 2) [m] is lower than 3 cm for at least 0.1 s."""
    low = heights < CONTACT_M
    least = max(1, round(CONTACT_S * fps))
    kept = np.zeros_like(low)
    for foot in range(low.shape[1]):
        for start, end in runs(low[:, foot]):
            kept[start:end, foot] = end - start >= least
    return kept


def floor_speed(feet: np.ndarray, fps: float) -> np.ndarray:
    """Speed over the floor (F, 2) [m/s] of feet (F, 2, 3)."""
    return joint_speed(feet * [1.0, 0.0, 1.0], fps)


def contact_slide(positions: np.ndarray, fps: float = JUDGE_HZ) -> np.ndarray:
    """Speeds over the floor (n,) [m/s] of foot joints of positions (F, 22, 3), one a foot and frame of contact."""
    feet = positions[:, FEET]
    return floor_speed(feet, fps)[contacts(feet[..., 1], fps)]


def physical_foot_contact(motion: Motion) -> float:
    """PFC, times 10,000, of one motion at 30 Hz: is the body pushed by a foot that stands? 0 is best.

    Tseng et al. 2023 (EDGE), section 4: the mean over frames of (root acceleration / its largest) x left foot speed x
    right foot speed. Downward acceleration counts as none, since gravity needs no foot. As in the authors' scorer a
    foot's speed is the smaller horizontal step [m a frame] of its ankle and its toe. A body that never accelerates has
    0; fewer than 3 frames give nan. The largest acceleration of a clip scales it, so compare clips of like length.
    """
    p = at_judge_rate(motion).positions
    if len(p) < 3:
        return float("nan")
    push = np.diff(p[:, 0], 2, axis=0)
    push[:, 1] = np.maximum(push[:, 1], 0.0)
    size = np.linalg.norm(push, axis=-1)
    if not size.max() > 0:
        return 0.0 if np.isfinite(size).all() else float("nan")
    steps = np.linalg.norm(np.diff(p[1:, :, [0, 2]], axis=0), axis=-1)
    left, right = (np.minimum(steps[:, ankle], steps[:, foot]) for ankle, foot in zip(ANKLES, FEET, strict=True))
    return float((size / size.max() * left * right).mean() * PFC_SCALE)
