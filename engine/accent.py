"""A small answer to what nobody could foresee: a nod and a dip within a frame or two of a sudden sound. Pure.

Committed poses cannot answer any more, so this bounded offset is laid over them by each lane at the moment of sending.
It never moves the feet or the beat, and it is silent while the beat is sure: then the hits were planned for, and the
body is there already.
"""

from dataclasses import dataclass, replace

import numpy as np

from engine.skeleton import JOINTS, quat_multiply
from engine.types import MusicFeatures, Pose

HEARD = 0.3  #: onset strength that is answered
UNSURE, SURE = 0.25, 0.65  #: beat confidence up to which the answer is full, and from which there is none
ATTACK = 0.3  #: share of the way that is gone per tick
DECAY = 0.93  #: what is left per tick afterwards: down to a tenth in half a second
STALE_TICKS = 18  #: features older than this say nothing of now
#: Joint, axis (0 x, 1 y) and angle at full strength [rad]: forward over spine and neck, forearms towards the body.
OFFSETS_RAD = (
    ("spine1", 0, 0.05),
    ("spine2", 0, 0.06),
    ("spine3", 0, 0.06),
    ("neck", 0, 0.10),
    ("left_elbow", 1, -0.25),
    ("right_elbow", 1, 0.25),
)
_OFFSETS = tuple((JOINTS.index(name), axis, angle) for name, axis, angle in OFFSETS_RAD)


@dataclass(frozen=True, slots=True)
class Accent:
    """Present strength 0..1."""

    level: float = 0.0


def wanted(features: MusicFeatures, tick: int) -> float:
    """0..1: how strong an answer the newest features ask for at a 60 Hz tick of the stream."""
    if tick - features.frame > STALE_TICKS or features.onset < HEARD:
        return 0.0
    foreseen = (features.beat.confidence - UNSURE) / (SURE - UNSURE)
    return float(np.clip(features.onset, 0.0, 1.0) * (1.0 - np.clip(foreseen, 0.0, 1.0)))


def accent_step(state: Accent, pose: Pose, features: MusicFeatures, tick: int) -> tuple[Accent, Pose]:
    """One pose on its way out; ``tick`` is the stream's own now [60 Hz], not the time at which the pose is seen."""
    goal = wanted(features, tick)
    level = state.level + ATTACK * (goal - state.level) if goal > state.level else max(goal, state.level * DECAY)
    if level < 0.01:
        return Accent(), pose
    rotations = pose.rotations.copy()
    for joint, axis, angle in _OFFSETS:
        turn = np.zeros(4, np.float32)
        turn[axis], turn[3] = np.sin(angle * level / 2), np.cos(angle * level / 2)
        rotations[joint] = quat_multiply(rotations[joint], turn)
    return Accent(level), replace(pose, rotations=rotations)
