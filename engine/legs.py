"""Both legs over many poses at once: where hips, knees, ankles and toes are, and how to bend a leg to reach. Pure.

Axis order throughout: poses (N), left and right (2), then what it is. Quaternions are xyzw, float64. The products are
written as small matrix products, since a row has some thirty poses and a fraction of a millisecond.
"""

from dataclasses import dataclass

import numpy as np

from engine.skeleton import JOINTS, OFFSETS_M

PARTS = ("hip", "knee", "ankle", "foot")
#: Joint numbers (2, 4): left and right hip, knee, ankle, toe.
JOINTS_OF = np.array([[JOINTS.index(f"{side}_{part}") for part in PARTS] for side in ("left", "right")])
BONES_M = OFFSETS_M[JOINTS_OF].astype(np.float64)  #: (2, 4, 3) [m] of each joint in its parent's frame
THIGH_M, SHIN_M = (float(np.linalg.norm(BONES_M[0, part])) for part in (1, 2))
LENGTH_M = THIGH_M + SHIN_M
LONGEST_M = 0.999 * LENGTH_M  #: of a leg that is bent to reach: never quite straight
SOFT_M = 0.98 * LENGTH_M  #: from here on a leg gives in less and less


def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quaternion product (4, 16), rotation matrix from squares (16, 9) and cross product (3, 9) as matrices."""
    x, y, z, w = np.eye(4)
    product = np.array([[w, -z, y, x], [z, w, -x, y], [-y, x, w, z], [-x, -y, -z, w]])
    pair = np.einsum("ia,jb->ijab", np.eye(4), np.eye(4)).reshape(4, 4, 16)
    xx, yy, zz, ww = (pair[i, i] for i in range(4))
    xy, xz, yz, xw, yw, zw = pair[0, 1], pair[0, 2], pair[1, 2], pair[0, 3], pair[1, 3], pair[2, 3]
    turn = [
        ww + xx - yy - zz, 2 * (xy - zw), 2 * (xz + yw),
        2 * (xy + zw), ww - xx + yy - zz, 2 * (yz - xw),
        2 * (xz - yw), 2 * (yz + xw), ww - xx - yy + zz,
    ]  # fmt: skip
    i, j, k, o = *np.eye(3), np.zeros(3)
    cross = np.array([[o, -k, j], [k, o, -i], [-j, i, o]])
    return product.reshape(16, 4).T.copy(), np.array(turn).T.copy(), cross.reshape(9, 3).T.copy()


_PRODUCT, _TURN, _CROSS = _tables()


def times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton product of quaternions (..., 4): first turn by b, then by a."""
    return ((a @ _PRODUCT).reshape(*a.shape, 4) @ b[..., None])[..., 0]


def matrices(q: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of unit quaternions (..., 4)."""
    return ((q[..., :, None] * q[..., None, :]).reshape(*q.shape[:-1], 16) @ _TURN).reshape(*q.shape[:-1], 3, 3)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product of vectors (..., 3)."""
    return ((a @ _CROSS).reshape(*a.shape, 3) @ b[..., None])[..., 0]


def turned(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) turned by unit quaternions (..., 4)."""
    return (matrices(q) @ v[..., None])[..., 0]


def back(q: np.ndarray) -> np.ndarray:
    """Inverse of unit quaternions (..., 4)."""
    return q * np.array([-1.0, -1.0, -1.0, 1.0])


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Inner product over the last axis, kept as (..., 1)."""
    return np.einsum("...c,...c->...", a, b)[..., None]


def size(v: np.ndarray) -> np.ndarray:
    """Length over the last axis, kept as (..., 1), never zero."""
    return np.maximum(np.sqrt(dot(v, v)), 1e-9)


def shortest_turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Smallest rotations (..., 4) that turn directions a (..., 3) to directions b (..., 3)."""
    a, b = a / size(a), b / size(b)
    q = np.concatenate([cross(a, b), 1.0 + dot(a, b)], axis=-1)
    return np.where(q[..., 3:] > 1e-6, q / size(q), [1.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True, slots=True)
class Legs:
    """Both legs of N poses."""

    joints: np.ndarray  #: (N, 2, 4, 3) [m] hip, knee, ankle, toe
    turns: np.ndarray  #: (N, 2, 3, 4) world rotations of thigh, shin, foot
    pelvis: np.ndarray  #: (N, 1, 4) world rotation

    @property
    def toes(self) -> np.ndarray:
        return self.joints[:, :, 3]


def legs_of(root: np.ndarray, rotations: np.ndarray) -> Legs:
    """Legs of root (N, 3) [m] and local rotations (N, 22, 4)."""
    pelvis = rotations[:, None, 0]
    turn, turns, at, joints = pelvis, [], root[:, None], []
    for part in range(4):
        at = at + turned(turn, BONES_M[:, part])
        joints.append(at)
        if part < 3:
            turn = times(turn, rotations[:, JOINTS_OF[:, part]])
            turns.append(turn)
    return Legs(np.stack(joints, 2), np.stack(turns, 2), pelvis)


def bend(legs: Legs, shift: np.ndarray) -> np.ndarray:
    """Local rotations (N, 2, 3, 4) of hips, knees and ankles that move each toe by ``shift`` (N, 2, 3) [m], as near as
    the leg reaches. Knees keep their side; the foot keeps its direction in the world.
    """
    hip, knee, ankle = (legs.joints[:, :, part] for part in range(3))
    thigh, shin = two_bone(hip, knee, ankle, ankle + shift)
    first = times(thigh, legs.turns[:, :, 0])
    second = times(shin, legs.turns[:, :, 1])
    return np.stack(
        [times(back(legs.pelvis), first), times(back(first), second), times(back(second), legs.turns[:, :, 2])], 2
    )


def two_bone(hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World turns (..., 4) of thigh and shin that bring the ankle to ``goal`` (..., 3), or as near as the leg reaches;
    the knee stays on its side. The last of the way to a straight leg is given up gradually.
    """
    now, wish = ankle - hip, goal - hip
    distance = reach(size(wish), size(now))
    toward = wish / size(wish)
    swing = shortest_turn(now, wish)
    side = turned(swing, knee - hip)
    side = side - dot(side, toward) * toward
    side = side / size(side)
    along = (THIGH_M**2 - SHIN_M**2 + distance**2) / (2 * distance)
    new_knee = hip + along * toward + np.sqrt(np.maximum(THIGH_M**2 - along**2, 0.0)) * side
    new_ankle = hip + distance * toward
    return shortest_turn(knee - hip, new_knee - hip), shortest_turn(ankle - knee, new_ankle - new_knee)


def reach(wish_m: np.ndarray, now_m: np.ndarray) -> np.ndarray:
    """How far the ankle shall be from the hip when it wishes for ``wish_m`` and is at ``now_m``.

    As wished up to SOFT_M (or to where it is already); beyond, never further than LONGEST_M, without a corner.
    """
    start = np.maximum(SOFT_M, np.minimum(now_m, LONGEST_M - 1e-3))
    room = LONGEST_M - start
    soft = start + room * (1.0 - np.exp(-np.maximum(wish_m - start, 0.0) / room))
    return np.maximum(np.where(wish_m > start, soft, wish_m), abs(THIGH_M - SHIN_M) + 0.05)
