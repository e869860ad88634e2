"""The breathing idle: a pure function from tick to pose. Shown in silence, at panic and when the plan ran dry."""

import math

import numpy as np

from engine.skeleton import JOINTS, OFFSETS_M
from engine.types import POSE_HZ, Pose

_J = {name: index for index, name in enumerate(JOINTS)}
_THIGH_M, _SHIN_M = (float(-OFFSETS_M[_J[name], 1]) for name in ("left_knee", "left_ankle"))
_SOLE_M = float(-OFFSETS_M[_J["left_foot"], 1])  #: height of the ankle when the toes touch the floor

BREATH_HZ = 0.23
SWAY_HZ = 0.083  #: slow shift of weight, not a multiple of the breath so that the loop is never seen
HIP_HEIGHT_M = 0.94  #: a little below STANDING_HIP_M: knees are never locked
STANCE_M = 0.105  #: each ankle's distance from the middle
TOE_OUT_RAD = 0.16

Quat = tuple[float, float, float, float]


def _turn(axis: int, angle_rad: float) -> Quat:
    """Rotation about one axis (0 x, 1 y, 2 z), xyzw."""
    q = [0.0, 0.0, 0.0, math.cos(angle_rad / 2)]
    q[axis] = math.sin(angle_rad / 2)
    return tuple(q)


def _times(a: Quat, b: Quat) -> Quat:
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _leg(hip_m: tuple[float, float, float], ankle_m: tuple[float, float, float], toe_out_rad: float) -> list[Quat]:
    """Hip, knee and ankle turns that put the ankle at its place with a flat foot; the knee bends forward."""
    x, y, z = (a - h for a, h in zip(ankle_m, hip_m, strict=True))
    reach = min(math.sqrt(x * x + y * y + z * z), _THIGH_M + _SHIN_M - 1e-6)
    bend = math.acos((reach**2 - _THIGH_M**2 - _SHIN_M**2) / (2 * _THIGH_M * _SHIN_M))
    unturned = math.atan2(_SHIN_M * math.sin(bend), _THIGH_M + _SHIN_M * math.cos(bend))
    roll, pitch = math.atan2(x, -y), math.atan2(-z, math.hypot(x, y)) - unturned
    hip = _times(_turn(2, roll), _turn(0, pitch))
    knee = _turn(0, bend)
    vx, vy, vz, w = _times(hip, knee)
    return [hip, knee, _times((-vx, -vy, -vz, w), _turn(1, toe_out_rad))]


def _upper_body(breath: float, sway: float) -> dict[str, Quat]:
    """Spine, neck and hanging arms; ``breath`` and ``sway`` in [-1, 1]."""
    turns = {
        "spine1": _turn(2, -0.018 * sway),
        "spine2": _turn(0, 0.03 - 0.012 * breath),
        "spine3": _turn(0, 0.02 - 0.018 * breath),
        "neck": _turn(0, 0.05 + 0.012 * breath),
        "head": _times(_turn(1, 0.05 * sway), _turn(0, -0.06 + 0.012 * breath)),
    }
    for side, sign in (("left", 1.0), ("right", -1.0)):
        lift = 0.03 * breath
        turns[f"{side}_collar"] = _turn(2, sign * (-0.03 + 0.4 * lift))
        turns[f"{side}_shoulder"] = _times(_turn(2, sign * (-1.29 + lift)), _turn(0, 0.1))
        turns[f"{side}_elbow"] = _turn(1, sign * (-0.28 - 0.02 * breath))
        turns[f"{side}_wrist"] = _times(_turn(1, sign * -0.08), _turn(2, sign * -0.06))
    return turns


def idle_pose(frame: int, *, place_m: tuple[float, float] = (0.0, 0.0), yaw_rad: float = 0.0) -> Pose:
    """Standing and breathing at 60 Hz tick ``frame``: weight on both feet, toes on the floor (y = 0), arms hanging.

    ``place_m`` is where on the stage (x, z) the dancer stands and ``yaw_rad`` where it looks (0 = +Z), so that a
    dancer can settle where it is. Same arguments, same bits.
    """
    time_s = frame / POSE_HZ
    breath = math.sin(2 * math.pi * BREATH_HZ * time_s)
    sway = math.sin(2 * math.pi * SWAY_HZ * time_s)
    pelvis = (0.012 * sway, HIP_HEIGHT_M + 0.0025 * breath, 0.004 * math.sin(2 * math.pi * SWAY_HZ * 0.63 * time_s))
    turns = _upper_body(breath, sway)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        ox, oy, oz = (float(v) for v in OFFSETS_M[_J[f"{side}_hip"]])
        hip_m = (pelvis[0] + ox, pelvis[1] + oy, pelvis[2] + oz)
        legs = _leg(hip_m, (sign * STANCE_M, _SOLE_M, -0.04), sign * TOE_OUT_RAD)
        turns.update(zip((f"{side}_hip", f"{side}_knee", f"{side}_ankle"), legs, strict=True))
    turns["pelvis"] = _turn(1, yaw_rad)
    rotations = np.zeros((len(JOINTS), 4), np.float32)
    rotations[:, 3] = 1.0
    for name, q in turns.items():
        rotations[_J[name]] = q
    cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    x, z = cos * pelvis[0] + sin * pelvis[2], cos * pelvis[2] - sin * pelvis[0]
    root = np.array([place_m[0] + x, pelvis[1], place_m[1] + z], np.float32)
    return Pose(frame=frame, time_s=time_s, root=root, rotations=rotations)
