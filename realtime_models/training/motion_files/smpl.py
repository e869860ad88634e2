"""SMPL, SMPL+H and SMPL-X: AMASS and SMPL-X .npz, AIST++ and EDGE .pkl. Axis-angle, 22 body joints first.

The body model itself is licensed and not needed: our skeleton has SMPL's joints and T-pose, so the rotations are put
on it as they are. Where a file brings joint positions as well (EDGE's ``full_pose``), these are judged.

What a rotation file does not say is how long its dancer's legs are (shape ``betas``). With betas that are absent or
zero the body is SMPL's mean, whose legs are ours within 1 %. With other betas the travel is scaled so that the dancer
stands on our legs where resting feet say he stands, and the floor is put under them: whether such a body floats by a
constant height cannot be told from how long its legs are.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.skeleton import JOINTS, forward_kinematics
from realtime_models.training.motion_files.house import (
    REST_M_S,
    Body,
    Housing,
    house_or_refuse,
    turned_root,
    up_axis,
)
from realtime_models.training.motion_files.joints import read_positions
from realtime_models.training.motion_files.motion import Motion, joint_speed
from realtime_models.training.motion_files.reading import Reading, check_finite, check_frames, check_rate, refusal

ACCEPTED = (
    "SMPL, SMPL+H or SMPL-X arrays as axis-angle: poses (F, 66 or more) or smpl_poses or body_pose (F, 63 or 69) with"
    " global_orient (F, 3) or pose_body with root_orient; trans, transl or smpl_trans (F, 3); mocap_framerate or fps"
)
_WHOLE = ("poses", "smpl_poses", "pose", "fullpose")
_BODY, _ROOT = ("body_pose", "pose_body"), ("global_orient", "root_orient")
_TRAVEL = ("trans", "transl", "smpl_trans")
_RATE = ("mocap_framerate", "mocap_frame_rate", "framerate", "frame_rate", "fps")
#: Height of the pelvis in the models' own origin [m], Y up: the pelvis is at ``trans`` + this.
_ORIGINS_M = {"": 0.0, "SMPL's": -0.22, "SMPL-X's": -0.35}


def holds_rotations(arrays: Mapping[str, np.ndarray]) -> bool:
    """Are the keys those of a SMPL file?"""
    return any(key in arrays for key in (*_WHOLE, *_BODY))


def read_arrays(path: Path, arrays: Mapping[str, np.ndarray], fps: float | None) -> list[Reading]:
    """The body of a SMPL file's arrays. Raises ConfigError."""
    hz, notes = check_rate(path, _rate(arrays), fps, ACCEPTED)
    if (full := arrays.get("full_pose")) is not None and full.ndim == 3 and full.shape[1:] == (24, 3):
        return read_positions(path, full, hz, (*notes, "joint positions (full_pose) judged"))
    rotations = _rotations(path, arrays)
    root, note = _travel(path, arrays, len(rotations))
    check_frames(path, len(rotations), ACCEPTED)
    for values, what in ((rotations, "rotations"), (root, "trans")):
        check_finite(path, values, what, ACCEPTED)
    housed, turned, more = _placed(path, root, rotations, hz, shaped=bool(np.any(arrays.get("betas", 0.0))))
    motion = Motion(path.stem, housed, hz, rotations=turned)
    return [Reading(motion, (*notes, *note, *more))]


def _rate(arrays: Mapping[str, np.ndarray]) -> float | None:
    for key in _RATE:
        if key in arrays and arrays[key].size == 1:
            return float(arrays[key].reshape(()))
    if "smpl_scaling" in arrays:
        return 60.0  # AIST++ as published
    return 30.0 if "full_pose" in arrays else None  # EDGE and those who write its layout


def _rotations(path: Path, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Local rotations (F, 22, 4) xyzw. Raises ConfigError."""
    whole = next((arrays[key] for key in _WHOLE if key in arrays), None)
    if whole is None:
        body = next((_flat(arrays[key]) for key in _BODY if key in arrays), None)
        root = next((_flat(arrays[key]) for key in _ROOT if key in arrays), None)
        if body is None or root is None or len(body) != len(root):
            raise refusal(path, f"body and root rotations do not go together ({_shapes(arrays)})", ACCEPTED)
        whole = np.concatenate([root, body], axis=1)
    flat = _flat(whole)
    if flat is None or flat.shape[1] < 66 or flat.shape[1] % 3:
        raise refusal(path, f"rotations of a wrong shape ({_shapes(arrays)})", ACCEPTED)
    return axis_angle_to_xyzw(flat[:, :66].reshape(-1, 22, 3))


def _flat(array: np.ndarray) -> np.ndarray | None:
    """(F, 3 J) of axis-angles (F, 3 J), (F, J, 3) or matrices (F, J, 3, 3); a leading batch of one is taken off."""
    if array.ndim >= 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 4 and array.shape[2:] == (3, 3):
        array = matrix_to_axis_angle(array)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        return None
    return array.reshape(len(array), -1)


def _shapes(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{key} {tuple(array.shape)}" for key, array in list(arrays.items())[:8]) or "nothing in it"


def _travel(path: Path, arrays: Mapping[str, np.ndarray], frames: int) -> tuple[np.ndarray, list[str]]:
    """Pelvis (F, 3) as in the file, AIST++'s in units of its body. Raises ConfigError."""
    key = next((key for key in _TRAVEL if key in arrays), None)
    if key is None:
        raise refusal(path, f"has no trans, transl or smpl_trans ({_shapes(arrays)})", ACCEPTED)
    root = arrays[key][0] if arrays[key].ndim == 3 and arrays[key].shape[0] == 1 else arrays[key]
    if root.shape != (frames, 3):
        raise refusal(path, f"{key} is {root.shape}, expected ({frames}, 3)", ACCEPTED)
    scaling = arrays.get("smpl_scaling")
    if scaling is not None and scaling.size == 1 and float(scaling.reshape(())) > 0:
        return root / float(scaling.reshape(())), [f"trans divided by smpl_scaling {float(scaling.reshape(())):.4g}"]
    return root, []


def axis_angle_to_xyzw(turns: np.ndarray) -> np.ndarray:
    """Axis-angles (..., 3) [rad] -> unit quaternions (..., 4)."""
    angle = np.linalg.norm(turns, axis=-1, keepdims=True)
    half = angle / 2
    share = np.where(angle > 1e-8, np.sin(half) / np.maximum(angle, 1e-8), 0.5)
    return np.concatenate([turns * share, np.cos(half)], axis=-1)


def matrix_to_axis_angle(m: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) -> axis-angles (..., 3), by the largest component of the quaternion."""
    diagonal = np.diagonal(m, axis1=-2, axis2=-1)
    x, y, z = np.moveaxis(diagonal, -1, 0)
    squares = np.stack([1 + x - y - z, 1 - x + y - z, 1 - x - y + z, 1 + x + y + z], axis=-1)  # 4 q^2
    off = [m[..., 2, 1], m[..., 0, 2], m[..., 1, 0]], [m[..., 1, 2], m[..., 2, 0], m[..., 0, 1]]
    minus = [a - b for a, b in zip(*off, strict=True)]  # 4 w x, 4 w y, 4 w z
    plus = [a + b for a, b in zip(*off, strict=True)]  # 4 y z, 4 z x, 4 x y
    rows = np.stack(
        [
            np.stack([squares[..., 0], plus[2], plus[1], minus[0]], -1),
            np.stack([plus[2], squares[..., 1], plus[0], minus[1]], -1),
            np.stack([plus[1], plus[0], squares[..., 2], minus[2]], -1),
            np.stack([minus[0], minus[1], minus[2], squares[..., 3]], -1),
        ],
        axis=-2,
    )
    best = squares.argmax(axis=-1)[..., None, None]
    q = np.take_along_axis(rows, np.broadcast_to(best, (*best.shape[:-1], 4)), axis=-2)[..., 0, :]
    q = q / np.maximum(np.linalg.norm(q, axis=-1, keepdims=True), 1e-12)
    q = np.where(q[..., 3:] < 0, -q, q)
    sine = np.linalg.norm(q[..., :3], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, q[..., 3:])
    return q[..., :3] * np.where(sine > 1e-8, angle / np.maximum(sine, 1e-8), 2.0)


def _placed(
    path: Path, root: np.ndarray, rotations: np.ndarray, fps: float, *, shaped: bool
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Positions (F, 22, 3), rotations (F, 22, 4) and notes of pelvis (F, 3) and rotations on our skeleton."""
    limbs = forward_kinematics(np.zeros_like(root), rotations)[0]
    size, notes = body_size(root, limbs, fps) if shaped else (1.0, [])
    points = limbs + root[:, None] * size
    body = Body({name: points[:, k] for k, name in enumerate(JOINTS)})
    how = Housing(scale=1.0, may_mirror=False, believe_floor=not shaped, origins_m=_ORIGINS_M)
    housed = house_or_refuse(path, body, fps, ACCEPTED, how)
    return housed.positions, turned_root(rotations, housed.turn_xyzw), (*notes, *housed.notes)


def body_size(root: np.ndarray, limbs: np.ndarray, fps: float) -> tuple[float, list[str]]:
    """By what root (F, 3) has to be multiplied to fit limbs (F, 22, 3) with the pelvis at 0, and notes.

    While the lower foot rests, our pelvis is as high above it as the dancer's above the floor, times the factor: the
    median of that ratio, for the origin that brings it nearest to 1. 1 where no origin brings it within 0.8 and 1.25.
    """
    axis, sign, _ = up_axis({name: limbs[:, k] for k, name in enumerate(JOINTS)})
    feet = [JOINTS.index("left_foot"), JOINTS.index("right_foot")]
    heights = sign * limbs[:, feet, axis]
    low, rows = heights.argmin(axis=1), np.arange(len(limbs))
    resting = joint_speed((limbs + root[:, None])[:, feet], fps)[rows, low] < REST_M_S
    stands = resting if resting.mean() > 0.1 else np.ones(len(limbs), bool)
    found = {}
    for name, offset_m in (_ORIGINS_M if (axis, sign) == (1, 1) else {"": 0.0}).items():
        file_m = float(np.median((sign * root[:, axis] + offset_m)[stands]))
        found[name] = float(np.median(-heights[rows, low][stands])) / file_m if file_m > 0.1 else 0.0
    origin = min(found, key=lambda name: abs(np.log(max(found[name], 1e-6))))
    if not 0.8 <= found[origin] <= 1.25:
        return 1.0, ["betas say another body, and no floor tells its size: travel as it is"]
    counted = f", counted from {origin} origin" if origin else ""
    return found[origin], [
        f"betas say another body: travel scaled by {found[origin]:.3f} to stand on our legs{counted}"
    ]
