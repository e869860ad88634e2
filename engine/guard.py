"""The last look at every pose before it leaves a lane. Pure: state in, state out, one state per lane."""

import math
from dataclasses import dataclass

import numpy as np

from engine.idle import idle_pose
from engine.skeleton import JOINTS, OFFSETS_M, quat_slerp
from engine.types import POSE_HZ, Pose

JOINT_SPEED_RAD_S = 35.0  #: about what the fastest human wrist and head flicks reach
ROOT_SPEED_M_S = 6.0
FLOOR_M = -0.02  #: no foot joint is lower
STAGE_RADIUS_M = 2.5
STAGE_SOFT_M = 2.2  #: from here on the way out gets longer and longer
UNIT_TOLERANCE = 0.05
BLEND_TICKS = 12  #: 0.2 s from the held pose back into the stream

#: Why a pose is not shown as planned. ``blend`` follows each hold; ``floor`` and ``stage`` only move the root.
REASONS = ("not_finite", "not_unit", "joint_speed", "root_speed", "blend", "floor", "stage")

_LEGS = tuple(
    tuple(JOINTS.index(f"{side}_{part}") for part in ("hip", "knee", "ankle", "foot")) for side in ("left", "right")
)
_OFFSETS = OFFSETS_M.tolist()


@dataclass(frozen=True, slots=True)
class GuardState:
    """What one lane remembers: the pose it let through last and how many ticks of blending are left."""

    shown: Pose | None = None
    blend: int = 0


def start_guard() -> GuardState:
    return GuardState()


def guard_step(state: GuardState | None, pose: Pose) -> tuple[GuardState, Pose, str | None]:
    """Let ``pose`` through, correct it, or hold the one shown before; never raises.

    Returns the new state, the pose to send (same ``frame`` and ``time_s``) and the reason (one of REASONS) when the
    pose is not what was planned. ``state`` None starts anew. A held pose is blended back over BLEND_TICKS.
    """
    state = state or start_guard()
    broken = _broken(pose)
    if broken:
        return _hold(state, pose, broken)
    pose = _unit(pose)
    pose, moved = _on_stage(pose)
    reason, blend = moved, 0
    if state.shown is not None and state.blend:
        pose, blend = _toward(state.shown, pose, state.blend)
        reason = "blend"
    pose, lifted = _above_floor(pose)
    too_fast = _too_fast(state.shown, pose) if state.shown is not None else None
    if too_fast:
        return _hold(state, pose, too_fast)
    return GuardState(pose, blend), pose, reason or lifted


def lowest_foot_m(root: np.ndarray, rotations: np.ndarray) -> float:
    """Height [m] of the lowest ankle or toe joint of root (3,) and local rotations (22, 4)."""
    turns, (_, height, _) = rotations.tolist(), root.tolist()
    lowest = math.inf
    for leg in _LEGS:
        y, turn = height, turns[0]
        for joint in leg:
            y += _rotated_y(turn, _OFFSETS[joint])
            turn = _times(turn, turns[joint])
            if joint in (leg[2], leg[3]):
                lowest = min(lowest, y)
    return lowest


def _broken(pose: Pose) -> str | None:
    if not (np.isfinite(pose.rotations).all() and np.isfinite(pose.root).all()):
        return "not_finite"
    norms = np.sqrt(np.einsum("jc,jc->j", pose.rotations, pose.rotations))
    return "not_unit" if np.abs(norms - 1.0).max() > UNIT_TOLERANCE else None


def _unit(pose: Pose) -> Pose:
    norms = np.sqrt(np.einsum("jc,jc->j", pose.rotations, pose.rotations))
    if np.abs(norms - 1.0).max() < 1e-6:
        return pose
    return _with(pose, pose.root, (pose.rotations / norms[:, None]).astype(np.float32))


def _hold(state: GuardState, pose: Pose, reason: str) -> tuple[GuardState, Pose, str]:
    shown = state.shown or idle_pose(pose.frame)
    held = Pose(pose.frame, pose.time_s, shown.root, shown.rotations, shown.hands, shown.expressions)
    return GuardState(held, BLEND_TICKS), held, reason


def _too_fast(shown: Pose, pose: Pose) -> str | None:
    elapsed_s = max(1, pose.frame - shown.frame) / POSE_HZ
    step = pose.root - shown.root
    if math.sqrt(float(step @ step)) > ROOT_SPEED_M_S * elapsed_s:
        return "root_speed"
    cos_half = np.abs(np.einsum("jc,jc->j", pose.rotations, shown.rotations)).min()
    angle_rad = 2.0 * math.acos(min(1.0, float(cos_half)))
    return "joint_speed" if angle_rad > JOINT_SPEED_RAD_S * elapsed_s else None


def _toward(shown: Pose, pose: Pose, blend: int) -> tuple[Pose, int]:
    """One tick of the way from what is shown to what is planned, and the ticks that are left of it.

    The root goes no faster than it may, so a far way takes longer; otherwise the last tick arrives exactly.
    """
    step_m = pose.root - shown.root
    share, length_m = 1.0 / blend, math.sqrt(float(step_m @ step_m))
    most_m = 0.9 * ROOT_SPEED_M_S * max(1, pose.frame - shown.frame) / POSE_HZ
    far = length_m * share > most_m
    if share >= 1.0 and not far:
        return pose, 0
    root = shown.root + step_m * np.float32(most_m / length_m if far else share)
    pose = _with(pose, root.astype(np.float32), quat_slerp(shown.rotations, pose.rotations, share))
    return pose, max(blend - 1, int(far))


def _above_floor(pose: Pose) -> tuple[Pose, str | None]:
    missing_m = FLOOR_M - lowest_foot_m(pose.root, pose.rotations)
    if missing_m <= 1e-6:
        return pose, None
    root = pose.root + np.array([0.0, missing_m, 0.0], np.float32)
    return _with(pose, root, pose.rotations), "floor"


def _on_stage(pose: Pose) -> tuple[Pose, str | None]:
    x, y, z = pose.root.tolist()
    radius = math.hypot(x, z)
    if radius <= STAGE_SOFT_M:
        return pose, None
    room = STAGE_RADIUS_M - STAGE_SOFT_M
    share = (STAGE_SOFT_M + room * math.tanh((radius - STAGE_SOFT_M) / room)) / radius
    return _with(pose, np.array([x * share, y, z * share], np.float32), pose.rotations), "stage"


def _with(pose: Pose, root: np.ndarray, rotations: np.ndarray) -> Pose:
    return Pose(pose.frame, pose.time_s, root, rotations, pose.hands, pose.expressions)


def _rotated_y(q: list[float], v: list[float]) -> float:
    x, y, z, w = q
    return 2 * (x * y + w * z) * v[0] + (1 - 2 * (x * x + z * z)) * v[1] + 2 * (y * z - w * x) * v[2]


def _times(a: list[float], b: list[float]) -> list[float]:
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return [
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    ]
