"""BVH: a hierarchy of joints with channels in any order, then one line of numbers a frame."""

import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.skeleton import JOINTS, quat_multiply, quat_rotate
from realtime_models.training.motion_files.house import Body, house_or_refuse, housed_rest, housed_turns
from realtime_models.training.motion_files.motion import Motion
from realtime_models.training.motion_files.names import SIDES, Matched, match
from realtime_models.training.motion_files.reading import (
    Reading,
    check_finite,
    check_frames,
    check_rate,
    check_size,
    refusal,
)

ACCEPTED = (
    "BVH with HIERARCHY and MOTION, a joint each for hips, knees, ankles (feet), shoulders (arms), elbows (forearms)"
    " and wrists (hands) of both sides, named as by CMU, Mixamo, HumanIK, Biovision, Bandai, Unreal, VRM, Rigify, SMPL"
)
MAX_JOINTS = 1000
_CHANNEL = re.compile(r"([XYZ])(position|rotation)", re.IGNORECASE)
#: Rates that a frame time written with few digits stands for, the likeliest first.
_USUAL_HZ = (30, 60, 120, 24, 25, 50, 100, 90, 240, 20, 15, 72, 75, 200, 48, 30 / 1.001, 60 / 1.001, 24 / 1.001)


@dataclass(frozen=True, slots=True)
class Bvh:
    """A file as written: nothing turned, scaled or renamed."""

    names: tuple[str, ...]  #: joints, parents first; an End Site is named ``PARENT end site``
    parents: np.ndarray  #: (J,), -1 = root
    offsets: np.ndarray  #: (J, 3) [unit of the file]
    channels: tuple[tuple[str, ...], ...]  #: of each joint, as ``Xposition``
    values: np.ndarray  #: (F, C), degrees and the file's unit
    fps: float
    notes: tuple[str, ...] = ()

    def columns(self, joint: int) -> dict[str, np.ndarray]:
        """Channel name -> (F,) of a joint, in the order of the file."""
        start = sum(len(c) for c in self.channels[:joint])
        return {name: self.values[:, start + k] for k, name in enumerate(self.channels[joint])}


def read_bvh(path: Path, fps: float | None = None) -> Bvh:
    """Parse a file. Raises ConfigError, one line, when it is not whole."""
    check_size(path, ACCEPTED)
    text = path.read_bytes().decode("utf-8", errors="replace").lstrip("\ufeff")
    head, found, tail = text.partition("MOTION")
    if not head.lstrip().upper().startswith("HIERARCHY") or not found:
        raise refusal(path, "has no HIERARCHY and MOTION", ACCEPTED)
    try:
        names, parents, offsets, channels = _hierarchy(head.split()[1:])
    except (IndexError, ValueError) as error:
        raise refusal(path, f"its hierarchy is damaged ({error})", ACCEPTED) from error
    said = re.match(r"\s*Frames\s*:\s*(\d+)\s+Frame\s+Time\s*:\s*(\S+)", tail, re.IGNORECASE)
    if not said:
        raise refusal(path, "has no 'Frames:' and 'Frame Time:' after MOTION", ACCEPTED)
    rate, notes = check_rate(path, _rate(path, said[2], fps), fps, ACCEPTED)
    width = sum(map(len, channels))
    numbers = _numbers(path, tail[said.end() :])
    frames, rest = divmod(len(numbers), width)
    if rest:
        reason = f"says {said[1]} frames of {width} numbers and holds {len(numbers)} numbers: cut short or damaged"
        raise refusal(path, reason, ACCEPTED)
    check_frames(path, frames, ACCEPTED)
    if frames != int(said[1]):
        notes = (*notes, f"says {said[1]} frames, holds {frames}")
    values = numbers.reshape(frames, width)
    check_finite(path, values, "channels", ACCEPTED)
    return Bvh(tuple(names), np.array(parents), np.array(offsets, np.float64), tuple(channels), values, rate, notes)


def _rate(path: Path, frame_time: str, given: float | None) -> float | None:
    try:
        step_s = float(frame_time)
    except ValueError:
        step_s = 0.0
    if not 0 < step_s < 10:
        if given is None:
            raise refusal(path, f"frame time '{frame_time[:20]}' is none: name the rate (--fps 60)", ACCEPTED)
        return None
    return rate_of(step_s, frame_time)


def rate_of(step_s: float, written: str) -> float:
    """Frames a second of a frame time: the usual rate that reads so when written with that many digits, else 1 / it.

    .0333333 is 30 and .0333667 is 29.97: over a minute the two are 60 ms apart.
    """
    decimals = re.match(r"[+-]?\d*\.?(\d*)([eE][+-]?\d+)?", written)
    half_digit = 0.51 * 10.0 ** (int(decimals[2][1:]) if decimals[2] else 0) / 10.0 ** len(decimals[1])
    fitting = (hz for hz in _USUAL_HZ if abs(1 / hz - step_s) <= min(max(half_digit, 1e-9), 0.02 * step_s))
    # A last digit that was cut off instead of rounded is one more digit away.
    cut = (hz for hz in _USUAL_HZ if 0 <= 1 / hz - step_s <= min(2 * half_digit, 0.005 * step_s))
    return float(next(fitting, next(cut, 1 / step_s)))


def _hierarchy(words: list[str]) -> tuple[list[str], list[int], list[list[float]], list[tuple[str, ...]]]:
    """Joints of the words after HIERARCHY. Raises ValueError or IndexError."""
    names, parents, offsets, channels = [], [], [], []
    stack: list[int] = []
    i = 0
    while i < len(words):
        word = words[i].upper()
        if word in ("ROOT", "JOINT", "END"):
            brace = words.index("{", i)
            parent = stack[-1] if stack else -1
            if (word == "ROOT") != (parent < 0):
                raise ValueError(f"{word} {' '.join(words[i + 1 : brace])} at the wrong place")
            names.append(f"{names[parent]} end site" if word == "END" else " ".join(words[i + 1 : brace]))
            parents.append(parent)
            offsets.append([0.0] * 3)
            channels.append(())
            stack.append(len(names) - 1)
            i = brace + 1
        elif word == "OFFSET":
            offsets[stack[-1]] = [float(w) for w in words[i + 1 : i + 4]]
            i += 4
        elif word == "CHANNELS":
            count = int(words[i + 1])
            channels[stack[-1]] = tuple(_channel(w) for w in words[i + 2 : i + 2 + count])
            i += 2 + count
        elif word == "}":
            stack.pop()
            i += 1
        else:
            raise ValueError(f"unknown word '{words[i][:30]}'")
        if len(names) > MAX_JOINTS:
            raise ValueError(f"more than {MAX_JOINTS} joints")
    if stack or not names or not any(channels):
        raise ValueError("a brace is missing" if stack else "no joint with channels")
    if parents.count(-1) > 1:
        raise ValueError(f"{parents.count(-1)} roots; split it into one body a file")
    if not np.isfinite(offsets).all():
        raise ValueError("an OFFSET is not finite")
    return names, parents, offsets, channels


def _channel(word: str) -> str:
    kind = _CHANNEL.fullmatch(word)
    if not kind:
        raise ValueError(f"unknown channel '{word[:30]}'")
    return kind[1].upper() + kind[2].lower()


def _numbers(path: Path, text: str) -> np.ndarray:
    """All numbers of a text (N,). Raises ConfigError at anything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy warns where a text is not all numbers
        try:
            return np.fromstring(text.replace(",", " "), np.float64, sep=" ") if text.strip() else np.zeros(0)
        except (DeprecationWarning, ValueError) as error:
            raise refusal(path, "has something else than numbers among its frames", ACCEPTED) from error


def positions_of(bvh: Bvh) -> np.ndarray:
    """Joint positions (F, J, 3) of ``kinematics_of``."""
    return kinematics_of(bvh)[0]


def kinematics_of(bvh: Bvh) -> tuple[np.ndarray, np.ndarray]:
    """Joint positions (F, J, 3) and global rotations (F, J, 4) xyzw, in the file's frame and unit.

    Rotation channels apply in the order written, the first outermost. Position channels stand in place of the OFFSET,
    or are added to it where that is what they are: values around zero at a joint whose OFFSET is not.
    """
    places: list[np.ndarray] = []
    turns: list[np.ndarray] = []
    for joint, parent in enumerate(bvh.parents):
        columns = bvh.columns(joint)
        local = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (len(bvh.values), 4))
        for name, degrees in columns.items():
            if name.endswith("rotation"):
                local = quat_multiply(local, _about("XYZ".index(name[0]), np.radians(degrees)))
        offset = _offset(bvh.offsets[joint], columns, root=parent < 0)
        if parent < 0:
            places.append(np.broadcast_to(offset, (len(bvh.values), 3)))
            turns.append(local)
        else:
            places.append(places[parent] + quat_rotate(turns[parent], np.broadcast_to(offset, places[parent].shape)))
            turns.append(quat_multiply(turns[parent], local))
    return np.stack(places, axis=1), np.stack(turns, axis=1)


def rest_of(bvh: Bvh) -> np.ndarray:
    """Joint positions (1, J, 3) of the body as its OFFSETs lie: every rotation zero, the root at its OFFSET."""
    places: list[np.ndarray] = []
    for offset, parent in zip(bvh.offsets, bvh.parents, strict=True):
        places.append(offset if parent < 0 else places[parent] + offset)
    return np.stack(places)[None]


def _about(axis: int, angle_rad: np.ndarray) -> np.ndarray:
    q = np.zeros((len(angle_rad), 4))
    q[:, axis], q[:, 3] = np.sin(angle_rad / 2), np.cos(angle_rad / 2)
    return q


def _offset(offset: np.ndarray, columns: dict[str, np.ndarray], *, root: bool) -> np.ndarray:
    """Where a joint lies from its parent: (3,), or (F, 3) with position channels."""
    if not any(name.endswith("position") for name in columns):
        return offset
    frames = len(next(iter(columns.values())))
    at = np.stack([columns.get(f"{axis}position", np.full(frames, offset[k])) for k, axis in enumerate("XYZ")], axis=-1)
    middle = np.median(at, axis=0)
    added = not root and np.linalg.norm(middle) < np.linalg.norm(middle - offset)
    return at + offset if added else at


def body_of(path: Path, bvh: Bvh, positions: np.ndarray) -> Body:
    """Our joints among those of a file, by name; spine joints by the hierarchy. Raises ConfigError."""
    real, matched, at = matched_joints(bvh, positions)
    ends = {name: positions[:, child] for name, joint in at.items() for child in _end_sites(bvh, joint)}
    joints = {name: positions[:, joint] for name, joint in at.items()}
    for side in SIDES:  # a forearm that ends in an End Site ends in a wrist
        if f"{side}_wrist" not in joints and f"{side}_elbow" in ends:
            joints[f"{side}_wrist"] = ends[f"{side}_elbow"]
    missing = [name for name in matched.missing() if name not in joints]
    if missing:
        seen = ", ".join(bvh.names[joint] for joint in real[:12])
        more = ", ..." if len(real) > 12 else ""
        raise refusal(path, f"no joint found for {', '.join(missing)} among {seen}{more}", ACCEPTED)
    spine = [] if matched.exact_spine else [positions[:, joint] for joint in _spine(bvh, at)]
    return Body(joints, spine, ends)


def matched_joints(bvh: Bvh, positions: np.ndarray) -> tuple[list[int], Matched, dict[str, int]]:
    """Joints that are some, what their names say, and our joint name -> the file's joint."""
    dummies = _dummies(bvh, positions)
    real = [joint for joint, name in enumerate(bvh.names) if not name.endswith(" end site") and joint not in dummies]
    matched = match([bvh.names[joint] for joint in real])
    return real, matched, {name: real[index] for name, index in matched.joints.items()}


def _dummies(bvh: Bvh, positions: np.ndarray) -> set[int]:
    """Joints that lie where their parent does, with joints of their own behind them.

    CMU's BVH files are full of them (LHipJoint and LowerBack in the pelvis, Neck and both shoulders in the chest): the
    name says neck, the place says chest.
    """
    joints = [j for j, name in enumerate(bvh.names) if bvh.parents[j] >= 0 and not name.endswith(" end site")]
    lengths = [np.median(np.linalg.norm(positions[:, j] - positions[:, bvh.parents[j]], axis=1)) for j in joints]
    return {j for j, length in zip(joints, lengths, strict=True) if length < 0.01 * max(lengths)}


def _end_sites(bvh: Bvh, joint: int) -> list[int]:
    return [k for k, parent in enumerate(bvh.parents) if parent == joint and bvh.names[k].endswith(" end site")][:1]


def _spine(bvh: Bvh, at: dict[str, int]) -> list[int]:
    """Joints between the pelvis and the neck (or what carries the left shoulder and the right)."""

    def above(joint: int) -> list[int]:
        chain = []
        while (joint := int(bvh.parents[joint])) >= 0:
            chain.append(joint)
        return chain

    chain = above(at["neck"]) if "neck" in at else [
        joint for joint in above(at["left_shoulder"]) if joint in above(at["right_shoulder"])
    ]  # fmt: skip
    stop = at.get("pelvis", -1)
    lower = {stop, *(above(stop) if stop >= 0 else ()), *above(at["left_hip"])}
    return [joint for joint in chain if joint not in lower and joint not in at.values()]


def read(path: Path, fps: float | None = None) -> list[Reading]:
    """The one body of a BVH file. Raises ConfigError."""
    bvh = read_bvh(path, fps)
    notes, start = list(bvh.notes), _rest_frames(bvh)
    if start:
        notes.append("first frame left out: the rest pose, all rotations zero")
        bvh = replace(bvh, values=bvh.values[start:])
    root = bvh.columns(0)
    if not any(name.endswith("position") and np.ptp(values) > 0 for name, values in root.items()):
        notes.append("the root never travels: foot slide and floor measures say nothing")
    positions, turns = kinematics_of(bvh)
    housed = house_or_refuse(path, body_of(path, bvh, positions), bvh.fps, ACCEPTED)
    motion = Motion(path.stem, housed.positions, bvh.fps)
    told = np.full((len(positions), len(JOINTS), 4), np.nan)
    for name, joint in matched_joints(bvh, positions)[2].items():
        told[:, JOINTS.index(name)] = housed_turns(turns[:, joint], housed)
    rest = housed_rest(body_of(path, bvh, rest_of(bvh)), housed)
    return [Reading(motion, (*notes, *housed.notes), start_s=start / bvh.fps, turns=told, rest=rest)]


def _rest_frames(bvh: Bvh) -> int:
    """1 when the first frame is the rest pose put in front (all rotations zero, the next frame's far from it)."""
    kinds = np.array([name.endswith("rotation") for c in bvh.channels for name in c])
    turns = np.abs(bvh.values[:2][:, kinds])
    return int(len(bvh.values) > 9 and turns[0].max(initial=0.0) == 0.0 and turns[1].max(initial=0.0) > 10.0)
