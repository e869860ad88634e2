"""The thirty finger joints: their order, Unity's names for them, and where they lie in a hand at rest. Pure.

``Pose.hands`` has SMPL-X's order: left hand, then right; index, middle, little, ring, thumb; root to tip.
"""

import numpy as np

FINGERS = ("Index", "Middle", "Little", "Ring", "Thumb")
PHALANGES = ("Proximal", "Intermediate", "Distal")
#: Bone of Unity's HumanBodyBones for every finger joint, in the order of ``Pose.hands``.
FINGER_BONES = tuple(f"{side}{finger}{part}" for side in ("Left", "Right") for finger in FINGERS for part in PHALANGES)

_LEFT_M = {  # of a left hand that points along +X, palm down: made up from an average hand, each in its parent's frame
    "Index": [[0.095, 0.0, 0.025], [0.033, 0.0, 0.0], [0.022, 0.0, 0.0]],
    "Middle": [[0.097, 0.0, 0.002], [0.034, 0.0, 0.0], [0.025, 0.0, 0.0]],
    "Little": [[0.080, 0.0, -0.042], [0.025, 0.0, 0.0], [0.018, 0.0, 0.0]],
    "Ring": [[0.091, 0.0, -0.020], [0.033, 0.0, 0.0], [0.023, 0.0, 0.0]],
    "Thumb": [[0.030, -0.010, 0.025], [0.032, 0.0, 0.026], [0.026, 0.0, 0.016]],
}
_LEFT = np.array([joint for finger in FINGERS for joint in _LEFT_M[finger]], np.float32)
#: (30, 3) [m] each in its parent's frame (the wrist's for the first of a finger), house axes.
FINGER_OFFSETS_M = np.concatenate([_LEFT, _LEFT * np.array([-1, 1, 1], np.float32)])
