"""Joint positions in .npy and .npz: HumanML3D's (F, 22, 3), SMPL's (F, 24, 3), and what reads like them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.skeleton import JOINTS
from realtime_models.training.motion_files.house import Body, house_or_refuse
from realtime_models.training.motion_files.motion import Motion
from realtime_models.training.motion_files.reading import Reading, check_finite, check_frames, check_rate, refusal

ACCEPTED = (
    "joint positions (F, J, 3) or (F, 3 J), SMPL's order, J of 22 (HumanML3D), 24 (SMPL), 52 (SMPL+H) or 55 or more"
    " (SMPL-X), named joints, positions, motion, keypoints3d, pred_position or alone in the file"
)
KEYS = ("positions", "joints", "joints3d", "joint_positions", "motion", "keypoints3d", "full_pose", "pred_position")
_COUNTS = (22, 24, 45, 52, 55, 73, 127, 144, 145)
_RATE = ("fps", "framerate", "frame_rate", "mocap_framerate", "mocap_frame_rate")


def read_arrays(path: Path, arrays: Mapping[str, np.ndarray], fps: float | None) -> list[Reading]:
    """Joint positions among the arrays of a file. Raises ConfigError."""
    key = next((key for key in KEYS if key in arrays), None)
    if key is None and len(arrays) == 1:
        key = next(iter(arrays))
    if key is None:
        held = ", ".join(f"{name} {tuple(array.shape)}" for name, array in list(arrays.items())[:8])
        raise refusal(path, f"no array of joints in it ({held or 'nothing that is numbers'})", ACCEPTED)
    rate = next((float(arrays[k].reshape(())) for k in _RATE if k in arrays and arrays[k].size == 1), None)
    hz, notes = check_rate(path, rate, fps, ACCEPTED)
    return read_positions(path, arrays[key], hz, notes)


def read_positions(path: Path, points: np.ndarray, fps: float, notes: tuple[str, ...] = ()) -> list[Reading]:
    """Positions (F, J, 3), or (F, 3 J), or one batch of them, J as in ``ACCEPTED``. Raises ConfigError."""
    shape = points.shape
    if points.ndim in (3, 4) and shape[0] == 1:
        points = points[0]
    if points.ndim == 2 and points.shape[1] in (66, 72):
        points = points.reshape(len(points), -1, 3)
    if points.ndim != 3 or points.shape[2] != 3 or points.shape[1] not in _COUNTS:
        hint = "; 263 features of HumanML3D: give its joints instead" if shape[-1:] == (263,) else ""
        raise refusal(path, f"an array of {shape}{hint}", ACCEPTED)
    check_frames(path, len(points), ACCEPTED)
    points = points[:, : len(JOINTS)]
    check_finite(path, points, "positions", ACCEPTED)
    body = Body({name: points[:, k] for k, name in enumerate(JOINTS)})
    housed = house_or_refuse(path, body, fps, ACCEPTED)
    return [Reading(Motion(path.stem, housed.positions, fps), (*notes, *housed.notes))]
