"""Poses to the heading-free numbers that the network sees, and back. Pure numpy.

One model frame is 126 numbers in six groups (``GROUPS``). The root group holds what moves the body over the floor:
yaw rate, planar velocity in the heading frame, height and the pelvis turn with its heading taken out. Every other
joint is the first two columns of its local rotation matrix (6 numbers; Zhou et al. 2019, "On the continuity of
rotation representations"). Each leg ends in one contact number: 1 while its toe rests on the floor.
"""

import numpy as np

from engine.skeleton import JOINTS, forward_kinematics, quat_from_yaw, quat_multiply, quat_rotate

GROUP_NAMES = ("root", "torso", "left arm", "right arm", "left leg", "right leg")
GROUP_JOINTS = ((), (3, 6, 9, 12, 15), (13, 16, 18, 20), (14, 17, 19, 21), (1, 4, 7), (2, 5, 8))
GROUP_SIZES = tuple([10] + [6 * len(j) for j in GROUP_JOINTS[1:4]] + [6 * len(j) + 1 for j in GROUP_JOINTS[4:]])
GROUP_STARTS = tuple(int(s) for s in np.cumsum((0, *GROUP_SIZES))[:-1])
GROUPS = len(GROUP_SIZES)
SIZE = sum(GROUP_SIZES)
YAW_RATE, VELOCITY, HEIGHT, TILT = 0, slice(1, 3), 3, slice(4, 10)
CONTACTS = (GROUP_STARTS[4] + 18, GROUP_STARTS[5] + 18)
TOES = (JOINTS.index("left_foot"), JOINTS.index("right_foot"))


def joint_slice(joint: int) -> slice:
    """Where the six rotation numbers of a joint (not the pelvis, not a toe) lie in a frame."""
    for group, joints in enumerate(GROUP_JOINTS):
        if joint in joints:
            start = GROUP_STARTS[group] + 6 * joints.index(joint)
            return slice(start, start + 6)
    raise KeyError(joint)


COLUMNS = np.concatenate([np.arange(SIZE)[joint_slice(j)] for g in GROUP_JOINTS for j in g])
COLUMN_JOINTS = np.array([j for g in GROUP_JOINTS for j in g])


def quat_to_6d(q: np.ndarray) -> np.ndarray:
    """First two columns of the rotation matrices of q (..., 4) xyzw -> (..., 6)."""
    x, y, z, w = np.moveaxis(q, -1, 0)
    return np.stack(
        [
            1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w),
            2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w),
        ],
        axis=-1,
    )  # fmt: skip


def quat_from_6d(d: np.ndarray) -> np.ndarray:
    """Nearest rotation (Gram-Schmidt) of (..., 6) as xyzw (..., 4), w >= 0; always finite and of unit length."""
    d = np.asarray(d, np.float64)
    a = d[..., :3] / np.maximum(np.linalg.norm(d[..., :3], axis=-1, keepdims=True), 1e-8)
    b = d[..., 3:] - np.sum(a * d[..., 3:], axis=-1, keepdims=True) * a
    b = b / np.maximum(np.linalg.norm(b, axis=-1, keepdims=True), 1e-8)
    c = np.cross(a, b)
    m00, m10, m20 = np.moveaxis(a, -1, 0)
    m01, m11, m21 = np.moveaxis(b, -1, 0)
    m02, m12, m22 = np.moveaxis(c, -1, 0)
    # Four candidates, each exact where its own denominator is the largest (Shepperd 1978).
    squares = np.stack([1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22, 1 + m00 + m11 + m22], axis=-1)
    best = np.argmax(squares, axis=-1)
    rows = np.stack(
        [
            np.stack([squares[..., 0], m01 + m10, m02 + m20, m21 - m12], axis=-1),
            np.stack([m01 + m10, squares[..., 1], m12 + m21, m02 - m20], axis=-1),
            np.stack([m02 + m20, m12 + m21, squares[..., 2], m10 - m01], axis=-1),
            np.stack([m21 - m12, m02 - m20, m10 - m01, squares[..., 3]], axis=-1),
        ],
        axis=-2,
    )
    q = np.take_along_axis(rows, best[..., None, None], axis=-2)[..., 0, :]
    q = q / np.maximum(np.linalg.norm(q, axis=-1, keepdims=True), 1e-12)
    return np.where(q[..., 3:] < 0, -q, q)


def heading_rad(pelvis: np.ndarray) -> np.ndarray:
    """Yaw of the pelvis' forward direction on the floor; pelvis (..., 4) xyzw."""
    forward = quat_rotate(pelvis, np.array([0.0, 0.0, 1.0]))
    return np.arctan2(forward[..., 0], forward[..., 2])


def toe_contacts(root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """(F, 2) 1.0 where a toe is below 4 cm and slower than 0.4 m/s (30 frames a second)."""
    toes = forward_kinematics(root, rotations)[0][:, TOES]
    step = np.zeros(toes.shape[:2])
    step[1:] = np.linalg.norm(np.diff(toes, axis=0), axis=-1) * 30
    step[0] = step[1] if len(step) > 1 else 0.0
    return ((toes[..., 1] < 0.04) & (step < 0.4)).astype(np.float32)


def poses_to_features(root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """(F, 3) [m] and (F, 22, 4) xyzw at 30 frames a second -> (F, 126) float32. The first frame's rates repeat the
    second's.
    """
    frames = len(root)
    yaw = np.unwrap(heading_rad(rotations[:, 0]))
    out = np.zeros((frames, SIZE), np.float32)
    out[1:, YAW_RATE] = np.diff(yaw)
    step = np.diff(root, axis=0)
    local = quat_rotate(quat_from_yaw(-yaw[:-1]), step)
    out[1:, VELOCITY] = local[:, [0, 2]]
    if frames > 1:
        out[0, :3] = out[1, :3]
    out[:, HEIGHT] = root[:, 1]
    out[:, TILT] = quat_to_6d(quat_multiply(quat_from_yaw(-yaw), rotations[:, 0].astype(np.float64)))
    out[:, COLUMNS] = quat_to_6d(rotations[:, COLUMN_JOINTS]).reshape(frames, -1)
    out[:, CONTACTS] = toe_contacts(root, rotations)
    return out


def features_to_poses(
    features: np.ndarray, place: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    """Undo ``poses_to_features`` from a place (x [m], z [m], yaw [rad]) that the frame before the first held.

    Returns root (F, 3), rotations (F, 22, 4) xyzw and the place after the last frame.
    """
    x, z, yaw = place
    frames = len(features)
    root = np.empty((frames, 3), np.float32)
    turns = np.empty(frames)
    for i, (rate, side, ahead) in enumerate(features[:, :3].astype(np.float64)):
        sin, cos = np.sin(yaw), np.cos(yaw)
        x, z, yaw = x + cos * side + sin * ahead, z - sin * side + cos * ahead, yaw + rate
        root[i] = x, features[i, HEIGHT], z
        turns[i] = yaw
    rotations = np.zeros((frames, len(JOINTS), 4), np.float32)
    rotations[..., 3] = 1.0
    rotations[:, 0] = quat_multiply(quat_from_yaw(turns), quat_from_6d(features[:, TILT]))
    rotations[:, COLUMN_JOINTS] = quat_from_6d(features[:, COLUMNS].reshape(frames, -1, 6))
    return root, rotations, (float(x), float(z), float(yaw))
