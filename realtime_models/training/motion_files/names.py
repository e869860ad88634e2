"""Which joint of a foreign skeleton is which of ours.

Known by table and rule: CMU (ASF and BVH), Mixamo, HumanIK as MotionBuilder, Rokoko, LAFAN1 and Perception Neuron write
it, Biovision, Poser and Daz, Bandai-Namco, Unreal's mannequin, VRM and VRoid, Blender's Rigify, 3ds Max Biped, Kinect,
SMPL and our own. A name is cut into words, its side is taken out, and the longest known part at its end decides
(``Character1_LeftUpLeg``: left, upleg, so the left hip).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.skeleton import JOINTS

SPINE = ("spine1", "spine2", "spine3")
SIDES = ("left", "right")

#: Parts at the sides: word -> (part, rank); the lower rank goes first. A part in capitals is settled by its company.
_LIMBS = {
    "upleg": ("hip", 0), "upperleg": ("hip", 0), "thigh": ("hip", 0), "femur": ("hip", 0), "hip": ("hip", 1),
    "buttock": ("hip", 2), "leg": ("LEG", 0),
    "knee": ("knee", 0), "lowerleg": ("knee", 0), "lowleg": ("knee", 0), "calf": ("knee", 0), "shin": ("knee", 0),
    "tibia": ("knee", 0), "shank": ("knee", 0),
    "ankle": ("ankle", 0), "foot": ("FOOT", 0),
    "toe": ("foot", 0), "toes": ("foot", 0), "toebase": ("foot", 0), "ball": ("foot", 0), "forefoot": ("foot", 0),
    "collar": ("collar", 0), "clavicle": ("collar", 0), "collarbone": ("collar", 0), "shoulder": ("SHOULDER", 0),
    "shldr": ("shoulder", 0), "arm": ("shoulder", 0), "upperarm": ("shoulder", 0), "uparm": ("shoulder", 0),
    "humerus": ("shoulder", 0),
    "elbow": ("elbow", 0), "forearm": ("elbow", 0), "lowerarm": ("elbow", 0), "lowarm": ("elbow", 0),
    "radius": ("elbow", 0), "wrist": ("wrist", 0), "hand": ("wrist", 1),
}  # fmt: skip
_MIDDLE = {
    "hips": ("pelvis", 0), "pelvis": ("pelvis", 0), "hip": ("pelvis", 1), "spinebase": ("pelvis", 0),
    "midhip": ("pelvis", 0), "root": ("pelvis", 3), "neck": ("neck", 0), "lowerneck": ("neck", 0), "head": ("head", 0),
    **dict.fromkeys(("spine", "chest", "upperchest", "torso", "abdomen", "waist", "thorax", "lowerback", "upperback",
                     "spinemid", "spineshoulder", "sternum", "back"), ("spine", 0)),
}  # fmt: skip
#: A name with one of these words is no joint of the 22.
_NO_JOINT = re.compile(
    "end|nub|site|tip|twist|roll|ik|fk|pole|target|ctrl|control|helper|effector|top|thumb|index|middle|ring|pinky|little"
    "|fingers?|fingerbase|metacarpal|eyes?|jaw|ear|nose|hair|skirt|bust|breast|tongue|brow|prop|weapon|ground|muscle"
    "|heel|rotation|quaternion|velocity"
)
_NOISE = re.compile("joint|jnt|bone|def|bind|skin|j|bn?|c|bip|bip01|mixamorig|character")
_LEFT, _RIGHT = frozenset(("l", "left", "lft", "lf")), frozenset(("r", "right", "rgt", "rt"))
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NEEDED = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")


@dataclass(frozen=True, slots=True)
class Matched:
    """Where to find our joints among the names of a file."""

    joints: dict[str, int]  #: our name -> index
    spine: tuple[int, ...]  #: joints between pelvis and neck, in the order of the file
    exact_spine: bool  #: spine1, spine2 and spine3 are there under our own names (SMPL's)

    def missing(self) -> tuple[str, ...]:
        """Joints that cannot be filled in from others."""
        need = [f"{side}_{part}" for part in _NEEDED for side in SIDES]
        return tuple(name for name in need if name not in self.joints)


@dataclass(frozen=True, slots=True)
class _Candidate:
    index: int
    side: str
    part: str
    rank: tuple[int, int, int]  #: whole word first, then the table's rank, then the number and place in the file


def match(names: Sequence[str]) -> Matched:
    """Match the joint names of a file; nothing is raised here: ask ``missing``."""
    found = [c for c in (_candidate(i, name) for i, name in enumerate(names)) if c]
    joints: dict[str, int] = {}
    for side in SIDES:
        own = [c for c in found if c.side == side]
        for part, candidates in _settled(own).items():
            joints[f"{side}_{part}"] = min(candidates, key=lambda c: c.rank).index
    for part in ("pelvis", "neck", "head"):
        own = [c for c in found if c.part == part]
        if own:
            joints[part] = min(own, key=lambda c: c.rank).index
    spine = tuple(c.index for c in found if c.part == "spine")
    plain = {name.rpartition(":")[2].lower().replace("_", ""): i for i, name in enumerate(names)}
    # Ours is SMPL's naming only in company of SMPL's feet: HumanIK has a Spine1 as well, and Spine2 is its chest.
    exact = all(name in plain for name in SPINE) and any("ankle" in name for name in plain) and "spine" not in plain
    if exact:
        joints |= {name: plain[name] for name in SPINE}
    return Matched({name: joints[name] for name in JOINTS if name in joints}, spine, exact)


def _candidate(index: int, name: str) -> _Candidate | None:
    words = [word.lower() for word in _WORD.findall(name.rpartition(":")[2])]
    if not words or any(_NO_JOINT.fullmatch(word) for word in words):
        return None
    side = "left" if _LEFT & set(words) else "right" if _RIGHT & set(words) else ""
    numbers = [int(word) for word in words if word.isdigit()]
    kept = [word for word in words if not word.isdigit() and word not in _LEFT | _RIGHT]
    joined = "".join(word for word in kept if not _NOISE.fullmatch(word))
    if not side and joined[:1] in ("l", "r") and joined[1:] in _LIMBS:
        side, joined = {"l": "left", "r": "right"}[joined[0]], joined[1:]
    table = _LIMBS if side else _MIDDLE
    by_length = sorted(table, key=len, reverse=True)
    at_end = next((word for word in by_length if joined.endswith(word)), None)
    word = at_end or next((word for word in by_length if len(word) > 3 and word in joined), None)
    if word is None:
        return None
    part, rank = table[word]
    far = 0 if joined == word else 1 if at_end else 5
    return _Candidate(index, side, part, (far + rank, numbers[-1] if numbers else 0, index))


def _settled(candidates: list[_Candidate]) -> dict[str, list[_Candidate]]:
    """Parts of one side; words that mean different joints in different houses are settled by what else there is."""
    have = {c.part for c in candidates}
    meaning = {
        "LEG": "hip" if "hip" not in have else "knee",
        "FOOT": "foot" if "ankle" in have else "ankle",
        "SHOULDER": "shoulder" if "shoulder" not in have else "collar",
    }
    parts: dict[str, list[_Candidate]] = {}
    for c in candidates:
        part = meaning.get(c.part, c.part)
        if part == c.part or part not in have:
            parts.setdefault(part, []).append(c)
    return parts
