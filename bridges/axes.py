"""Every axis and unit change of the bridges, in one place. Pure numpy.

House frame (as glTF): right-handed, Y up, +Z forward, +X is the dancer's left, metres, quaternions xyzw.
Unity frame (VMC, VRChat): left-handed, Y up, +Z forward, -X is the dancer's left, metres, quaternions xyzw.
Unreal frame (Live Link): left-handed, Z up, centimetres; a dancer faces +Y as the Mannequin's mesh does, +X its left.

House and Unity differ by a mirror across the YZ plane (x -> -x). A mirror M turns a rotation R into M R M, which for a
quaternion means: the part along the mirrored axis keeps its sign, the two others change theirs. Forward stays
forward and left stays left; only the name of the left-hand side changes from +X to -X.

House and Unreal differ by a swap of Y and Z, a mirror, too: the axis of a rotation is swapped and reversed. (By way of
Unity it is the same change that VRM4U and VMC4UE make.)
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

#: Bone of Unreal's Mannequin for every house joint. Its bones below the pelvis begin where ours do.
MANNEQUIN_BONES = {
    "pelvis": "pelvis",
    "left_hip": "thigh_l",
    "right_hip": "thigh_r",
    "spine1": "spine_01",
    "left_knee": "calf_l",
    "right_knee": "calf_r",
    "spine2": "spine_02",
    "left_ankle": "foot_l",
    "right_ankle": "foot_r",
    "spine3": "spine_03",
    "left_foot": "ball_l",
    "right_foot": "ball_r",
    "neck": "neck_01",
    "left_collar": "clavicle_l",
    "right_collar": "clavicle_r",
    "head": "head",
    "left_shoulder": "upperarm_l",
    "right_shoulder": "upperarm_r",
    "left_elbow": "lowerarm_l",
    "right_elbow": "lowerarm_r",
    "left_wrist": "hand_l",
    "right_wrist": "hand_r",
}
UNREAL_CM = np.float32(100.0)  #: centimetres in a metre
_UNREAL_AXES = [0, 2, 1]
_UNREAL_QUATERNION, _UNREAL_ROTATION_SIGN = [0, 2, 1, 3], np.array([-1.0, -1.0, -1.0, 1.0], np.float32)
_GIMBAL = 1e-6  # so close to 1 is the sine of the pitch where two of the angles turn about one axis


def unity_position(position_m: np.ndarray) -> np.ndarray:
    """House positions (..., 3) [m] to Unity's, or back."""
    return position_m * UNITY_POSITION_SIGN


def unity_rotation(rotation_xyzw: np.ndarray) -> np.ndarray:
    """House quaternions (..., 4) xyzw to Unity's, or back."""
    return rotation_xyzw * UNITY_ROTATION_SIGN


def unreal_position(position_m: np.ndarray) -> np.ndarray:
    """House positions (..., 3) [m] to Unreal's [cm]."""
    return position_m[..., _UNREAL_AXES] * UNREAL_CM


def unreal_rotation(rotation_xyzw: np.ndarray) -> np.ndarray:
    """House quaternions (..., 4) xyzw to Unreal's."""
    return rotation_xyzw[..., _UNREAL_QUATERNION] * _UNREAL_ROTATION_SIGN


def unity_matrices(matrices: np.ndarray) -> np.ndarray:
    """House rotation matrices (..., 3, 3) to Unity's: M R M for the mirror M of x."""
    return matrices * (UNITY_POSITION_SIGN[:, None] * UNITY_POSITION_SIGN)


def unity_euler_deg(matrices: np.ndarray) -> np.ndarray:
    """Unity's Euler angles (N, 3) x y z [deg] of rotation matrices (N, 3, 3) in Unity's axes.

    Unity turns about z first, then x, then y, each about the fixed axes: R = Ry Rx Rz. x is -90 to 90, y and z -180 to
    180. Where x is 90 either way only the sum of the others is known; z is 0 there.
    """
    sine = np.clip(-matrices[:, 1, 2], -1.0, 1.0)
    angles = np.empty((len(matrices), 3), np.float32)
    angles[:, 0] = np.arcsin(sine)
    angles[:, 1] = np.arctan2(matrices[:, 0, 2], matrices[:, 2, 2])
    angles[:, 2] = np.arctan2(matrices[:, 1, 0], matrices[:, 1, 1])
    locked = 1.0 - np.abs(sine) < _GIMBAL
    if locked.any():
        angles[locked, 1] = np.arctan2(-matrices[locked, 2, 0], matrices[locked, 0, 0])
        angles[locked, 2] = 0.0
    return np.degrees(angles)


def rotation_matrices(rotation_xyzw: np.ndarray) -> np.ndarray:
    """Matrices (N, 3, 3) of unit quaternions (N, 4) xyzw, acting on column vectors."""
    squares = (rotation_xyzw[:, :, None] * rotation_xyzw[:, None, :]).reshape(-1, 16)
    return (squares @ _MATRIX_OF_SQUARES).reshape(-1, 3, 3)


def _matrix_of_squares() -> np.ndarray:
    """What (16, 9) makes a rotation matrix of all products of two components x y z w: a matrix is linear in them."""
    x, y, z, w = range(4)
    entries = {
        (0, 0): {(w, w): 1, (x, x): 1, (y, y): -1, (z, z): -1},
        (1, 1): {(w, w): 1, (x, x): -1, (y, y): 1, (z, z): -1},
        (2, 2): {(w, w): 1, (x, x): -1, (y, y): -1, (z, z): 1},
        (0, 1): {(x, y): 2, (z, w): -2},
        (1, 0): {(x, y): 2, (z, w): 2},
        (0, 2): {(x, z): 2, (y, w): 2},
        (2, 0): {(x, z): 2, (y, w): -2},
        (1, 2): {(y, z): 2, (x, w): -2},
        (2, 1): {(y, z): 2, (x, w): 2},
    }
    table = np.zeros((4, 4, 3, 3), np.float32)
    for place, products in entries.items():
        for product, factor in products.items():
            table[product][place] = factor
    return table.reshape(16, 9)


_MATRIX_OF_SQUARES = _matrix_of_squares()


class WorldJoints:
    """World places of the joints by pointer jumping: every round doubles how many ancestors a joint has taken in, so
    that a tree of depth seven takes three products of all joints at once: a thirtieth of going joint by joint.
    """

    def __init__(self, parents: np.ndarray, offsets: np.ndarray):
        count = len(parents)
        above = np.append(np.where(np.asarray(parents) < 0, count, parents), count)  # last: the world, its own parent
        self._rounds: list[np.ndarray] = []
        while np.any(above[:-1] < count):
            self._rounds.append(above)
            above = above[above]
        self._local = np.zeros((count + 1, 4, 4), np.float32)
        self._local[:] = np.eye(4, dtype=np.float32)
        self._local[:-1, :3, 3] = offsets

    def __call__(self, root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
        """Positions (J, 3) [m] in the house frame of root (3,) and local rotations (J, 4) xyzw."""
        return self.places(root, rotations)[0]

    def places(self, root: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (J, 3) [m] and rotation matrices (J, 3, 3) in the world, house frame."""
        places = self._local
        places[:-1, :3, :3] = rotation_matrices(rotations)
        places[0, :3, 3] = root
        for above in self._rounds:
            places = places[above] @ places
        return places[:-1, :3, 3], places[:-1, :3, :3]
