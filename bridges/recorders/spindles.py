"""A body to look at: one four-sided spindle from every joint to each of its children, each rigid on its bone.

No normals: glTF then has every face shaded flat.
"""

from dataclasses import dataclass

import numpy as np

from engine.types import Skeleton

_WAIST = 0.2  #: share of a bone's length at which the spindle is widest
_THICK = 0.12  #: its half width there, as a share of the length
_LEAF_M = 0.08  #: how far a bone without a child is drawn on
_FACES = np.array([(0, 2, 1), (0, 3, 2), (0, 4, 3), (0, 1, 4), (5, 1, 2), (5, 2, 3), (5, 3, 4), (5, 4, 1)])


@dataclass(frozen=True, slots=True)
class Spindles:
    """A skinned mesh in rest pose; little-endian, ready to be written."""

    vertices: np.ndarray  #: (V, 3) float32 [m]
    joints: np.ndarray  #: (V, 4) uint8, the first one counts
    weights: np.ndarray  #: (V, 4) float32
    triangles: np.ndarray  #: (3 T,) uint16
    inverse_binds: np.ndarray  #: (J, 16) float32, column by column


def spindles(skeleton: Skeleton, rest_m: np.ndarray) -> Spindles:
    """The mesh of ``skeleton`` whose joints rest at ``rest_m`` (J, 3) [m] without any rotation."""
    points, owners = [], []
    parents = np.asarray(skeleton.parents)
    for joint, start in enumerate(rest_m):
        ends = [rest_m[child] for child in np.flatnonzero(parents == joint)]
        if not ends:
            along = start - rest_m[parents[joint]]
            ends = [start + along * (_LEAF_M / np.linalg.norm(along))]
        points += [_spindle(start, end) for end in ends]
        owners += [joint] * len(ends)
    joints, weights = np.zeros((6 * len(owners), 4), np.uint8), np.zeros((6 * len(owners), 4), "<f4")
    joints[:, 0], weights[:, 0] = np.repeat(owners, 6), 1.0
    binds = np.tile(np.eye(4), (len(rest_m), 1, 1))
    binds[:, :3, 3] = -rest_m
    return Spindles(
        np.concatenate(points).astype("<f4"),
        joints,
        weights,
        (np.arange(len(points))[:, None] * 6 + _FACES.ravel()).ravel().astype("<u2"),
        binds.transpose(0, 2, 1).reshape(-1, 16).astype("<f4"),
    )


def _spindle(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Tip, four corners of the waist, other tip (6, 3)."""
    along = end - start
    length = np.linalg.norm(along)
    helper = np.eye(3)[np.abs(along).argmin()]  # the axis furthest from the bone
    side = np.cross(along, helper)
    side *= _THICK * length / np.linalg.norm(side)
    front = np.cross(along, side) / length
    waist = start + along * _WAIST
    return np.array([start, waist + side, waist + front, waist - side, waist - front, end])
