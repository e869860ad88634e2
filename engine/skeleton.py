"""The house skeleton (22 joints, SMPL body order) and forward kinematics. Pure numpy."""

import numpy as np

from engine.types import Skeleton

JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
PARENTS = np.array([-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19])
OFFSETS_M = np.array(
    [
        [0, 0, 0], [0.085, -0.085, 0], [-0.085, -0.085, 0], [0, 0.115, 0], [0, -0.4, 0], [0, -0.4, 0],
        [0, 0.135, 0], [0, -0.41, 0], [0, -0.41, 0], [0, 0.06, 0], [0.02, -0.06, 0.13], [-0.02, -0.06, 0.13],
        [0, 0.21, 0], [0.07, 0.125, 0], [-0.07, 0.125, 0], [0, 0.1, 0.02], [0.11, 0.03, 0], [-0.11, 0.03, 0],
        [0.27, 0, 0], [-0.27, 0, 0], [0.25, 0, 0], [-0.25, 0, 0],
    ],
    dtype=np.float32,
)  # fmt: skip
HOUSE = Skeleton(JOINTS, PARENTS, OFFSETS_M)
#: Left and right swapped, for mirroring across the YZ plane.
MIRROR = np.array([0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20])
STANDING_HIP_M = 0.955  #: pelvis height of the T-pose with toes on the floor


def quat_multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton product a * b of xyzw quaternions (..., 4): first turn by b, then by a."""
    ax, ay, az, aw = np.moveaxis(a, -1, 0)
    bx, by, bz, bw = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ],
        axis=-1,
    )


def quat_rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Turn vectors v (..., 3) by unit quaternions q (..., 4) xyzw."""
    qx, qy, qz, qw = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    vx, vy, vz = v[..., 0], v[..., 1], v[..., 2]
    tx, ty, tz = 2.0 * (qy * vz - qz * vy), 2.0 * (qz * vx - qx * vz), 2.0 * (qx * vy - qy * vx)
    turned = (vx + qw * tx + qy * tz - qz * ty, vy + qw * ty + qz * tx - qx * tz, vz + qw * tz + qx * ty - qy * tx)
    return np.stack(turned, axis=-1)


def quat_conjugate(q: np.ndarray) -> np.ndarray:
    """Inverse of unit quaternions (..., 4) xyzw."""
    return q * np.array([-1, -1, -1, 1], dtype=q.dtype)


def quat_slerp(a: np.ndarray, b: np.ndarray, u: float | np.ndarray) -> np.ndarray:
    """Spherical interpolation along the shorter arc; a, b (..., 4) xyzw, u in [0, 1] broadcast over the last axis."""
    u = np.asarray(u, dtype=np.float64)[..., None]
    dot = np.sum(a * b, axis=-1, keepdims=True)
    b = np.where(dot < 0, -b, b)
    angle = np.arccos(np.clip(np.abs(dot), 0.0, 1.0))
    small = angle < 1e-4
    sin = np.where(small, 1.0, np.sin(angle))
    wa = np.where(small, 1.0 - u, np.sin((1.0 - u) * angle) / sin)
    wb = np.where(small, u, np.sin(u * angle) / sin)
    q = wa * a + wb * b
    return (q / np.linalg.norm(q, axis=-1, keepdims=True)).astype(np.float32)


def quat_from_yaw(yaw_rad: float | np.ndarray) -> np.ndarray:
    """Rotation about +Y, shape of yaw + (4,), xyzw."""
    half = np.asarray(yaw_rad, dtype=np.float64) / 2
    zero = np.zeros_like(half)
    return np.stack([zero, np.sin(half), zero, np.cos(half)], axis=-1)


def forward_kinematics(
    root: np.ndarray, rotations: np.ndarray, skeleton: Skeleton = HOUSE
) -> tuple[np.ndarray, np.ndarray]:
    """Joint positions (..., J, 3) [m] and global rotations (..., J, 4) of root (..., 3) and local rotations (..., J,
    4).
    """
    positions, turns = [root], [rotations[..., 0, :]]
    for joint in range(1, len(skeleton.parents)):
        parent = skeleton.parents[joint]
        positions.append(positions[parent] + quat_rotate(turns[parent], skeleton.offsets[joint]))
        turns.append(quat_multiply(turns[parent], rotations[..., joint, :]))
    return np.stack(positions, axis=-2), np.stack(turns, axis=-2)


def t_pose() -> np.ndarray:
    """Identity rotations (22, 4) xyzw."""
    rotations = np.zeros((len(JOINTS), 4), np.float32)
    rotations[:, 3] = 1.0
    return rotations
