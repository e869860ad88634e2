"""From the joints of a foreign body to our 22 in our frame: up, sides, size, missing joints, floor.

Everything is read from the body itself, and every step that changes a file is noted:

1. Up is the axis along which the head is above the ankles (mean over the file); the body is turned to Y up.
2. Where toes (without toes: bent knees) point backwards, the file is left-handed or has its sides swapped: x mirrored.
3. All is scaled so that a leg, hip to knee to ankle (median over frames and sides), is as long as ours.
4. Joints that the file lacks are filled in (``complete``).
5. The floor is put to y = 0 (``floor_shift_m``). Facing and place stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.skeleton import JOINTS, OFFSETS_M, quat_conjugate, quat_multiply, quat_rotate
from realtime_models.training.motion_files.motion import joint_speed
from realtime_models.training.motion_files.names import SIDES, SPINE
from realtime_models.training.motion_files.reading import refusal

LEG_M = float(np.linalg.norm(OFFSETS_M[[4, 7]].astype(np.float64), axis=1).sum())  #: hip to knee to ankle [m]
REST_M_S = 0.15  #: the lower foot joint slower than this [m/s] rests
FLOOR_PERCENTILE = 25.0  #: of the heights of resting feet: over our real dance it lies at -2 mm (90 % within 1 cm)
OWN_FLOOR_M = 0.1  #: a file's own zero is believed when resting feet are this near
MIRRORED = -0.2  #: mean cosine of toes or knees against the facing below which a body is mirrored
_UNITS_M = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254, "CMU's units": 0.0254 / 0.45}
_UNIT_SPREAD = 1.35  #: a leg within this factor of ours tells the unit
_TURNS = {  #: signed axis that is up -> rotation xyzw that brings it to +Y
    (0, 1): (0, 0, 2**-0.5, 2**-0.5), (0, -1): (0, 0, -(2**-0.5), 2**-0.5),
    (1, 1): (0, 0, 0, 1), (1, -1): (1, 0, 0, 0),
    (2, 1): (-(2**-0.5), 0, 0, 2**-0.5), (2, -1): (2**-0.5, 0, 0, 2**-0.5),
}  # fmt: skip


class NoBodyError(ValueError):
    """The points are no standing, walking or dancing body; the message says why."""


@dataclass(frozen=True, slots=True)
class Body:
    """Joints of one file as found there, in any frame and unit."""

    joints: Mapping[str, np.ndarray]  #: our joint name -> (F, 3)
    spine: Sequence[np.ndarray] = ()  #: joints between pelvis and neck, each (F, 3), in any order
    ends: Mapping[str, np.ndarray] = field(
        default_factory=dict
    )  #: our joint name -> (F, 3): end of the bone that begins there


@dataclass(frozen=True, slots=True)
class Housed:
    """A body in the house frame."""

    positions: np.ndarray  #: (F, 22, 3) [m]
    turn_xyzw: np.ndarray  #: (4,) what was turned in front of the pelvis' rotation
    mirrored: bool
    notes: tuple[str, ...]
    scale: float = 1.0  #: metres per unit of the file


@dataclass(frozen=True, slots=True)
class Housing:
    """What a format knows better than the points of one file do."""

    scale: float | None = None  #: metres per unit on our own skeleton; None = read from the legs
    may_mirror: bool = True
    believe_floor: bool = True  #: False: resting feet are put to y = 0 whatever the file's zero
    origins_m: Mapping[str, float] = field(
        default_factory=lambda: {"": 0.0}
    )  #: heights that may have to be added (Y up)


def house(body: Body, fps: float, how: Housing = Housing()) -> Housed:
    """Bring a body into the house frame. Raises NoBodyError."""
    notes: list[str] = []
    axis, sign, note = up_axis(body.joints)
    notes += note
    joints = {name: _turned(points, axis, sign) for name, points in body.joints.items()}
    spine = [_turned(points, axis, sign) for points in body.spine]
    ends = {name: _turned(points, axis, sign) for name, points in body.ends.items()}
    mirrored = how.may_mirror and handedness(joints, ends) < MIRRORED
    if mirrored:
        notes.append("toes or knees point backwards in a right-handed frame: x mirrored")
    scale, note = (how.scale, []) if how.scale else leg_scale(joints)
    notes += note
    factor = scale * np.array([-1.0 if mirrored else 1.0, 1.0, 1.0])
    whole, note = complete(
        {name: points * factor for name, points in joints.items()},
        [points * factor for points in spine],
        {name: points * factor for name, points in ends.items()},
    )
    notes += note
    origins_m = how.origins_m if (axis, sign) == (1, 1) else {"": 0.0}
    shift_m, note = floor_shift_m(resting_height_m(whole, fps), how.believe_floor, origins_m)
    whole[..., 1] -= shift_m
    return Housed(whole, np.array(_TURNS[axis, sign], np.float64), mirrored, (*notes, *note), scale)


def housed_rest(body: Body, housed: Housed) -> np.ndarray:
    """Joints (22, 3) [m] of another pose (one frame) of a body that was housed, floor apart."""
    factor = housed.scale * np.array([-1.0 if housed.mirrored else 1.0, 1.0, 1.0])

    def brought(points: np.ndarray) -> np.ndarray:
        return quat_rotate(np.broadcast_to(housed.turn_xyzw, (len(points), 4)), points) * factor

    joints = {name: brought(points) for name, points in body.joints.items()}
    ends = {name: brought(points) for name, points in body.ends.items()}
    return complete(joints, [brought(points) for points in body.spine], ends)[0][0]


def housed_turns(turns: np.ndarray, housed: Housed) -> np.ndarray:
    """Global rotations (F, 4) of a file's joint as turns of the housed body: no turn in the file is none here."""
    turn = np.broadcast_to(housed.turn_xyzw, turns.shape)
    turned = quat_multiply(quat_multiply(turn, turns), quat_conjugate(turn))
    return turned * [1.0, -1.0, -1.0, 1.0] if housed.mirrored else turned


def house_or_refuse(path: Path, body: Body, fps: float, accepted: str, how: Housing = Housing()) -> Housed:
    """``house``, with what is wrong said as the one line of a file that is not read (ConfigError)."""
    try:
        return house(body, fps, how)
    except NoBodyError as error:
        raise refusal(path, str(error), accepted) from error


def up_axis(joints: Mapping[str, np.ndarray]) -> tuple[int, int, list[str]]:
    """Axis (0, 1, 2) and sign along which the head, or the shoulders, are above the ankles on the whole."""
    top = joints["head"] if "head" in joints else (joints["left_shoulder"] + joints["right_shoulder"]) / 2
    up = (top - (joints["left_ankle"] + joints["right_ankle"]) / 2).mean(axis=0)
    size = float(np.linalg.norm(up))
    axis = int(np.abs(up).argmax())
    leg = _leg(joints)
    if size < 0.5 * leg or abs(up[axis]) < 0.75 * size:
        return 1, 1, ["the body is seldom upright: the up axis cannot be read from it, taken as Y"]
    sign = 1 if up[axis] > 0 else -1
    said = [] if (axis, sign) == (1, 1) else [f"{'-' if sign < 0 else ''}{'XYZ'[axis]} is up in the file: turned to Y"]
    return axis, sign, said


def _turned(points: np.ndarray, axis: int, sign: int) -> np.ndarray:
    """Points (F, 3) turned so that the axis is +Y; exact, and right-handed stays right-handed."""
    x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
    turned = {
        (0, 1): (-y, x, z), (0, -1): (y, -x, z), (1, 1): (x, y, z),
        (1, -1): (x, -y, -z), (2, 1): (x, z, -y), (2, -1): (x, -z, y),
    }[axis, sign]  # fmt: skip
    return np.stack(turned, axis=-1)


def turned_root(rotations: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Rotations (F, 22, 4) with the pelvis turned by ``turn`` (4,) xyzw."""
    out = np.array(rotations, np.float64)
    out[:, 0] = quat_multiply(np.broadcast_to(turn, out[:, 0].shape), out[:, 0])
    return out


def handedness(joints: Mapping[str, np.ndarray], ends: Mapping[str, np.ndarray] | None = None) -> float:
    """Mean cosine between where toes (or, without toes, bent knees) point and where a right-handed body faces.

    Facing is left x up (Y). Every frame counts by how clearly it says so; 0 when nothing does: knees count where they
    are a tenth of the leg off the line from hip to ankle, a straight leg may bend either way.
    """
    left = joints["left_hip"] - joints["right_hip"] + joints["left_shoulder"] - joints["right_shoulder"]
    facing = np.stack([-left[:, 2], np.zeros(len(left)), left[:, 0]], axis=-1)  # left x (0, 1, 0)
    toes = {side: joints.get(f"{side}_foot", (ends or {}).get(f"{side}_ankle")) for side in SIDES}
    pointing = np.zeros_like(facing)
    for side in SIDES:
        hip, knee, ankle = (joints[f"{side}_{part}"] for part in ("hip", "knee", "ankle"))
        if all(points is not None for points in toes.values()):
            pointing += toes[side] - ankle
        else:
            bend = knee - (hip + ankle) / 2
            pointing += bend * (np.linalg.norm(bend, axis=1, keepdims=True) > 0.1 * _leg(joints))
    pointing[:, 1] = 0.0
    weight = np.linalg.norm(facing, axis=1) * np.linalg.norm(pointing, axis=1)
    return float((facing * pointing).sum() / weight.sum()) if (weight > 0).mean() > 0.02 else 0.0


def _leg(joints: Mapping[str, np.ndarray]) -> float:
    """Length of a leg [unit of the file]: median over frames, mean of both sides."""
    return float(np.median(_legs(joints), axis=0).mean())


def _legs(joints: Mapping[str, np.ndarray]) -> np.ndarray:
    """Lengths (F, 2) hip to knee to ankle."""
    return np.stack(
        [
            np.linalg.norm(joints[f"{side}_hip"] - joints[f"{side}_knee"], axis=1)
            + np.linalg.norm(joints[f"{side}_knee"] - joints[f"{side}_ankle"], axis=1)
            for side in SIDES
        ],
        axis=1,
    )


def leg_scale(joints: Mapping[str, np.ndarray]) -> tuple[float, list[str]]:
    """Factor that makes the legs as long as ours, and what unit that says the file is in."""
    legs = _legs(joints)
    leg = _leg(joints)
    if leg < 1e-6:
        raise NoBodyError("the legs have no length")
    low, high = np.percentile(legs, [5, 95])
    if high > 2 * max(low, 1e-9):
        raise NoBodyError(f"the legs change their length from {low:.3g} to {high:.3g}: these are no joints of a body")
    unit, size = min(_UNITS_M.items(), key=lambda item: abs(np.log(leg * item[1] / LEG_M)))
    known = 1 / _UNIT_SPREAD < leg * size / LEG_M < _UNIT_SPREAD
    said = f"{unit} (legs {100 * leg * size:.0f} cm)" if known else f"an unknown unit (legs {leg:.3g} long)"
    notes = [f"in {said}: scaled by {LEG_M / leg:.4g} to our legs of {100 * LEG_M:.0f} cm"]
    if high > 1.05 * low:
        notes.append(f"the legs change their length by {100 * (high / low - 1):.0f} % (5th to 95th percentile)")
    return LEG_M / leg, notes


def complete(
    joints: Mapping[str, np.ndarray], spine: Sequence[np.ndarray], ends: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, list[str]]:
    """All 22 joints (F, 22, 3) of a body of our size with Y up; what is filled in is noted.

    Pelvis: middle of the hips. Neck: middle of the shoulders. Head, wrists, toes: end of the bone before, where the
    file has one; else the head 10 cm on along the spine, a toe 13 cm ahead of the ankle and 6 cm lower (a flat foot).
    Spine joints: on the line pelvis, the file's spine joints, neck, at our own shares of its length. Collars: at our
    own place between spine, neck and shoulder.
    """
    have = dict(joints)
    filled: list[str] = []

    def fill(name: str, points: np.ndarray) -> None:
        if name not in have:
            have[name] = points
            filled.append(name)

    fill("pelvis", (have["left_hip"] + have["right_hip"]) / 2)
    fill("neck", (have["left_shoulder"] + have["right_shoulder"]) / 2)
    along = have["neck"] - have["pelvis"]
    fill("head", ends.get("neck", have["neck"] + 0.1 * along / _length(along)))
    left = (have["left_hip"] - have["right_hip"]) * [1, 0, 1]
    ahead = np.cross(left / _length(left), [0.0, 1.0, 0.0])
    for side in SIDES:
        fill(f"{side}_foot", ends.get(f"{side}_ankle", have[f"{side}_ankle"] + 0.13 * ahead - [0.0, 0.06, 0.0]))
    if not all(name in have for name in SPINE):
        line = [have["pelvis"], *sorted(spine, key=lambda p: _far(p, have["pelvis"])), have["neck"]]
        have |= dict(zip(SPINE, along_line(line, _SPINE_SHARES), strict=True))
    for side in SIDES:
        outwards = have[f"{side}_shoulder"] - have["neck"]
        fill(f"{side}_collar", have["spine3"] + 0.7 * (have["neck"] - have["spine3"]) + 0.39 * outwards)
    notes = [f"filled in: {', '.join(filled)}"] if filled else []
    return np.stack([have[name] for name in JOINTS], axis=1), notes


_SPINE_SHARES = tuple((np.cumsum(OFFSETS_M[[3, 6, 9, 12], 1]) / OFFSETS_M[[3, 6, 9, 12], 1].sum())[:3].tolist())


def _length(v: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def _far(points: np.ndarray, origin: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(points - origin, axis=1)))


def along_line(line: Sequence[np.ndarray], shares: Sequence[float]) -> list[np.ndarray]:
    """Points (F, 3) at shares (0 to 1) of the length of a broken line through (F, 3) points."""
    corners = np.stack(line, axis=1)
    steps = np.linalg.norm(np.diff(corners, axis=1), axis=-1)
    reached = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)
    rows, found = np.arange(len(steps)), []
    for share in shares:
        want = share * reached[:, -1]
        at = np.minimum((reached[:, 1:] < want[:, None]).sum(axis=1), steps.shape[1] - 1)
        u = (want - reached[rows, at]) / np.maximum(steps[rows, at], 1e-12)
        found.append(corners[rows, at] + u[:, None] * (corners[rows, at + 1] - corners[rows, at]))
    return found


def resting_height_m(positions: np.ndarray, fps: float) -> float:
    """Height [m] of resting feet in positions (F, 22, 3): 25th percentile of the lower foot joint while it is slower
    than 15 cm/s; of all its heights when it never rests for a tenth of the time.
    """
    feet = positions[:, [JOINTS.index("left_foot"), JOINTS.index("right_foot")]]
    low = feet[..., 1].argmin(axis=1)
    rows = np.arange(len(feet))
    heights, speed = feet[rows, low, 1], joint_speed(feet, fps)[rows, low]
    resting = speed < REST_M_S
    return float(np.percentile(heights[resting] if resting.mean() > 0.1 else heights, FLOOR_PERCENTILE))


def floor_shift_m(
    height_m: float, believe_floor: bool = True, origins_m: Mapping[str, float] | None = None
) -> tuple[float, list[str]]:
    """How much lower a body is to stand [m] whose resting feet are at ``height_m``: one constant a file, with notes.

    A file's own zero is kept where resting feet lie within 10 cm of it, so that a body that floats or sinks goes on
    floating or sinking; beyond that it is no floor, and resting feet are put to y = 0. ``origins_m`` are heights that
    belong to a format (name -> to be added), tried in their order before that.
    """
    for name, offset_m in (origins_m or {"": 0.0}).items() if believe_floor else ():
        above_m = height_m + offset_m
        if abs(above_m) <= OWN_FLOOR_M:
            said = [f"pelvis at trans {100 * offset_m:+.0f} cm, {name} origin"] if offset_m else []
            near = abs(above_m) < 0.01
            return -offset_m, said + ([] if near else [f"own floor kept: feet rest {100 * above_m:+.1f} cm from it"])
    near = abs(height_m) < 0.01
    return height_m, [] if near else [f"floor moved: feet rested at {100 * height_m:+.1f} cm"]
