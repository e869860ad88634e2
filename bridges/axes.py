"""Every axis and unit change of the bridges, in one place. Pure numpy.

House frame (as glTF): right-handed, Y up, +Z forward, +X is the dancer's left, metres, quaternions xyzw.
Unity frame (VMC): left-handed, Y up, +Z forward, -X is the dancer's left, metres, quaternions xyzw.

The two differ by a mirror across the YZ plane (x -> -x). A mirror M turns a rotation R into M R M, which for a
quaternion means: the part along the mirrored axis keeps its sign, the two others change theirs. Forward stays
forward and left stays left; only the name of the left-hand side changes from +X to -X.
"""

import numpy as np

#: Sign of each component when going from the house to Unity (and back: the change is its own inverse).
UNITY_POSITION_SIGN = np.array([-1.0, 1.0, 1.0], np.float32)
UNITY_ROTATION_SIGN = np.array([1.0, -1.0, -1.0, 1.0], np.float32)

#: Bone of Unity's HumanBodyBones for every house joint. The house's hip, knee and collar joints are where Unity's
#: upper leg, lower leg and shoulder bones begin; the house's "foot" is the ball of the foot, Unity's toes.
HUMAN_BONES = {
    "pelvis": "Hips",
    "left_hip": "LeftUpperLeg",
    "right_hip": "RightUpperLeg",
    "spine1": "Spine",
    "left_knee": "LeftLowerLeg",
    "right_knee": "RightLowerLeg",
    "spine2": "Chest",
    "left_ankle": "LeftFoot",
    "right_ankle": "RightFoot",
    "spine3": "UpperChest",
    "left_foot": "LeftToes",
    "right_foot": "RightToes",
    "neck": "Neck",
    "left_collar": "LeftShoulder",
    "right_collar": "RightShoulder",
    "head": "Head",
    "left_shoulder": "LeftUpperArm",
    "right_shoulder": "RightUpperArm",
    "left_elbow": "LeftLowerArm",
    "right_elbow": "RightLowerArm",
    "left_wrist": "LeftHand",
    "right_wrist": "RightHand",
}


def unity_position(position_m: np.ndarray) -> np.ndarray:
    """House positions (..., 3) [m] to Unity's, or back."""
    return position_m * UNITY_POSITION_SIGN


def unity_rotation(rotation_xyzw: np.ndarray) -> np.ndarray:
    """House quaternions (..., 4) xyzw to Unity's, or back."""
    return rotation_xyzw * UNITY_ROTATION_SIGN


def rotation_matrices(rotation_xyzw: np.ndarray) -> np.ndarray:
    """Matrices (N, 3, 3) of unit quaternions (N, 4) xyzw, acting on column vectors."""
    doubled = rotation_xyzw * np.float32(2.0)
    product = doubled[:, :, None] * rotation_xyzw[:, None, :]
    xx, yy, zz = product[:, 0, 0], product[:, 1, 1], product[:, 2, 2]
    xy, xz, yz = product[:, 0, 1], product[:, 0, 2], product[:, 1, 2]
    xw, yw, zw = product[:, 0, 3], product[:, 1, 3], product[:, 2, 3]
    matrices = np.empty((len(rotation_xyzw), 3, 3), rotation_xyzw.dtype)
    matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 0, 2] = 1 - yy - zz, xy - zw, xz + yw
    matrices[:, 1, 0], matrices[:, 1, 1], matrices[:, 1, 2] = xy + zw, 1 - xx - zz, yz - xw
    matrices[:, 2, 0], matrices[:, 2, 1], matrices[:, 2, 2] = xz - yw, yz + xw, 1 - xx - yy
    return matrices


class WorldJoints:
    """World positions of the joints, level by level of the tree: a twelfth of the time of going joint by joint."""

    def __init__(self, parents: np.ndarray, offsets: np.ndarray):
        depth = np.zeros(len(parents), int)
        for joint, parent in enumerate(parents):
            depth[joint] = 0 if parent < 0 else depth[parent] + 1
        self._levels = [
            (joints, np.asarray(parents)[joints], offsets[joints][:, :, None].astype(np.float32))
            for joints in (np.flatnonzero(depth == level) for level in range(1, depth.max() + 1))
        ]

    def __call__(self, root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
        """Positions (J, 3) [m] in the house frame of root (3,) and local rotations (J, 4) xyzw."""
        turns = rotation_matrices(rotations)
        positions = np.empty((len(rotations), 3), np.float32)
        positions[0] = root
        for joints, parents, offsets in self._levels:
            above = turns[parents]
            positions[joints] = positions[parents] + (above @ offsets)[:, :, 0]
            turns[joints] = above @ turns[joints]
        return positions
