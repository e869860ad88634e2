"""More or less of the same dance: arms further out or closer in, steps longer or shorter, feet where they stood.

Arms: each joint's turn away from its own mean in the clip is scaled (in the logarithm about the mean). Legs: the path
and both feet are scaled over the floor and the legs bent to reach them, so a foot that stood still stands still.
Elbows are never scaled up, for a straight arm would bend backwards.
"""

from dataclasses import replace

import numpy as np

from engine.feet import LEGS
from engine.skeleton import JOINTS, OFFSETS_M, forward_kinematics, quat_conjugate, quat_multiply
from realtime_models.training.bursts import quat_exp, quat_log
from realtime_models.training.data import Clip, smooth
from realtime_models.training.judge.contact import FEET
from realtime_models.training.steady import STRAIGHT, bend_leg

AMPLITUDES = (0.85, 1.15)
ARMS = tuple(JOINTS.index(f"{s}_{j}") for s in ("left", "right") for j in ("collar", "shoulder", "elbow", "wrist"))
ELBOWS = tuple(JOINTS.index(f"{side}_elbow") for side in ("left", "right"))
WRAPS_RAD = 2.6  #: a joint that turns so far from its mean is left alone: beyond half a turn its logarithm jumps
LEG_M = float(np.linalg.norm(OFFSETS_M[list(LEGS[0][1:3])], axis=-1).sum())  #: thigh and shin
STANDS_M = 0.06  #: a toe under this may bear weight
LOWER_M = 0.08  #: the body sinks by this at most so that longer steps are reached


def mean_rotation(q: np.ndarray) -> np.ndarray:
    """The mean (4,) of unit quaternions (F, 4), signs apart: Markley et al. 2007, "Averaging quaternions"."""
    return np.linalg.eigh(q.T.astype(np.float64) @ q)[1][:, -1]


def scaled_joint(q: np.ndarray, factor: float) -> np.ndarray:
    """Rotations (F, 4) with their turn from the mean scaled; as they were where that turn is too far."""
    mean = np.broadcast_to(mean_rotation(q), q.shape)
    away = quat_log(quat_multiply(quat_conjugate(mean), q.astype(np.float64)))
    if np.linalg.norm(away, axis=-1).max() > WRAPS_RAD:
        return q.astype(np.float64)
    return quat_multiply(mean, quat_exp(factor * away))


def sinking_m(old: list[np.ndarray], moved: list[np.ndarray], stands: np.ndarray) -> np.ndarray:
    """How much (F,) the hips must come down for feet at hip-to-ankle vectors ``moved`` (2 of (F, 3)) to be reached."""
    need = np.zeros(len(stands))
    for foot, (was, now) in enumerate(zip(old, moved, strict=True)):
        reach = np.maximum(np.linalg.norm(was, axis=-1), STRAIGHT * LEG_M)
        flat = np.linalg.norm(now[:, [0, 2]], axis=-1)
        down = -now[:, 1] - np.sqrt(np.maximum(reach**2 - flat**2, 0.0))
        need = np.maximum(need, np.where(stands[:, foot], down, 0.0))
    wide = np.pad(np.clip(need, 0.0, LOWER_M), 4, mode="edge")
    wide = np.max(np.stack([wide[i : i + len(need)] for i in range(9)]), axis=0)
    return smooth(wide, 3.0)


def amplify(clip: Clip, factor: float) -> Clip:
    """The clip danced ``factor`` times as large; beats and bad frames stay where they are."""
    rotations, root = clip.rotations.astype(np.float64), clip.root.astype(np.float64)
    joints, turns = forward_kinematics(root, rotations)
    for joint in ARMS:
        rotations[:, joint] = scaled_joint(rotations[:, joint], min(factor, 1.0) if joint in ELBOWS else factor)
    flat = np.array([1.0, 0.0, 1.0])
    by = [(factor - 1) * (joints[:, foot] - root) * flat for foot in FEET]
    old = [joints[:, ankle] - joints[:, hip] for hip, _, ankle, _ in LEGS]
    down = sinking_m(old, [o + b for o, b in zip(old, by, strict=True)], joints[:, FEET, 1] < STANDS_M)
    for leg, move in zip(LEGS, by, strict=True):
        bend_leg(rotations, joints, turns, leg, move + np.stack([0 * down, down, 0 * down], axis=1))
    root = root * (1 + (factor - 1) * flat) - np.stack([0 * down, down, 0 * down], axis=1)
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    return replace(clip, root=root.astype(np.float32), rotations=rotations.astype(np.float32))
