"""A body to look at: one four-sided spindle from every joint to each of its children, each rigid on its bone."""

from dataclasses import dataclass

import numpy as np

from engine.types import Skeleton

_WAIST = 0.2  #: share of a bone's length at which the spindle is widest
_THICK = 0.12  #: its half width there, as a share of the length
_LEAF_M = 0.08  #: how far a bone without a child is drawn on
_CORNERS = ((0, 2, 1), (0, 3, 2), (0, 4, 3), (0, 1, 4), (5, 1, 2), (5, 2, 3), (5, 3, 4), (5, 4, 1))


@dataclass(frozen=True, slots=True)
class Spindles:
    """A skinned mesh in rest pose; little-endian, ready to be written. Every triangle has vertices of its own."""

    vertices: np.ndarray  #: (V, 3) float32 [m]
    normals: np.ndarray  #: (V, 3) float32, unit
    joints: np.ndarray  #: (V, 4) uint8, the first one counts
    weights: np.ndarray  #: (V, 4) float32
    triangles: np.ndarray  #: (3 T,) uint16
    inverse_binds: np.ndarray  #: (J, 16) float32, column by column


def spindles(skeleton: Skeleton, rest_m: np.ndarray) -> Spindles:
    """The mesh of ``skeleton`` whose joints rest at ``rest_m`` (J, 3) [m] without any rotation."""
    corners, owners = [], []
    parents = np.asarray(skeleton.parents)
    for joint, start in enumerate(rest_m):
        ends = [rest_m[child] for child in np.flatnonzero(parents == joint)]
        if not ends:
            along = start - rest_m[parents[joint]]
            ends = [start + along * (_LEAF_M / np.linalg.norm(along))]
        for end in ends:
            points = _spindle(start, end)
            corners += [points[list(triangle)] for triangle in _CORNERS]
            owners += [joint] * (3 * len(_CORNERS))
    faces = np.array(corners)  # (T, 3 corners, 3)
    across = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    vertices = faces.reshape(-1, 3)
    joints, weights = np.zeros((len(vertices), 4), np.uint8), np.zeros((len(vertices), 4), "<f4")
    joints[:, 0], weights[:, 0] = owners, 1.0
    binds = np.tile(np.eye(4), (len(rest_m), 1, 1))
    binds[:, :3, 3] = -rest_m
    return Spindles(
        vertices.astype("<f4"),
        np.repeat(across, 3, axis=0).astype("<f4"),
        joints,
        weights,
        np.arange(len(vertices)).astype("<u2"),
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
