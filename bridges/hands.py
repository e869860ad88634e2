"""Unity's names for the thirty finger joints, and where they lie in a hand at rest. Pure."""

from bridges.recorders.clip import HAND_JOINTS, HOUSE_AND_HANDS
from engine.skeleton import JOINTS

_FINGERS = {"index": "Index", "middle": "Middle", "pinky": "Little", "ring": "Ring", "thumb": "Thumb"}
_PHALANGES = {"1": "Proximal", "2": "Intermediate", "3": "Distal"}


def _human_bone(joint: str) -> str:
    side, finger = joint[:-1].split("_")
    return side.capitalize() + _FINGERS[finger] + _PHALANGES[joint[-1]]


#: Bone of Unity's HumanBodyBones for every finger joint, in the order of ``Pose.hands``.
FINGER_BONES = tuple(_human_bone(joint) for joint in HAND_JOINTS)
#: (30, 3) [m] each in its parent's frame (the wrist's for the first of a finger), house axes.
FINGER_OFFSETS_M = HOUSE_AND_HANDS.offsets[len(JOINTS) :]
