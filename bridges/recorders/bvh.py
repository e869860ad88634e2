"""BVH: the skeleton as text, then one line of numbers a frame.

House frame (right-handed, Y up, facing +Z); OFFSETs and the pelvis in **centimetres**, as most programs expect;
rotations in degrees, channels ``Zrotation Xrotation Yrotation``, so that a joint's rotation is Rz Rx Ry (the first
channel outermost) about the axes of its parent. The root's OFFSET is zero and its position channels say where the
pelvis is. The frame time is 1 / fps to the last digit of a double.

Format: Biovision's hierarchy, as described by Meredith and Maddock, "Motion Capture File Formats Explained" (2001).
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from bridges.axes import rotation_matrices
from bridges.recorders.clip import Clip
from engine.types import Skeleton

CM_A_M = 100.0
_LOCKED = 1e-6  #: cosine of the X angle up to which Z and Y turn about one axis; all of it is put into Z
#: Where bones without a child end [m]: only drawn, never measured.
_ENDS_M = {"head": (0.0, 0.15, 0.0), "left_foot": (0.0, 0.0, 0.07), "right_foot": (0.0, 0.0, 0.07)}
_END_M = 0.02


def write_bvh(clip: Clip, file: BinaryIO) -> None:
    """Write ``clip`` to a binary file. Raises ConfigError where poses are not finite, OSError from the file."""
    lines = [*hierarchy(clip.skeleton), "MOTION", f"Frames: {clip.frames}", f"Frame Time: {1.0 / clip.fps:.17g}"]
    file.write(("\n".join(lines) + "\n").encode())
    before = np.zeros((len(clip.skeleton.names), 3))
    order = list(_depth_first(clip.skeleton.parents))  # a line follows the order of the hierarchy, not ours
    for start, stop in clip.chunks():
        turns = clip.rotations(start, stop)
        matrices = rotation_matrices(turns.reshape(-1, 4).astype(np.float64)).reshape(*turns.shape[:2], 3, 3)
        angles = continuous(zxy_rad(matrices), before)
        before = angles[-1]
        degrees = np.degrees(angles)[:, order].reshape(stop - start, -1)
        rows = np.concatenate([clip.places(start, stop) * CM_A_M, degrees], axis=1)
        rows = np.round(rows, 5) + 0.0  # no minus before a zero
        line = " ".join(["%.5f"] * rows.shape[1]) + "\n"
        file.write("".join(line % tuple(row) for row in rows.tolist()).encode())


def hierarchy(skeleton: Skeleton) -> list[str]:
    """The HIERARCHY section, line by line."""
    children: list[list[int]] = [[] for _ in skeleton.names]
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            children[parent].append(joint)
    lines = ["HIERARCHY"]

    def add(joint: int, depth: int) -> None:
        tabs, root = "\t" * depth, depth == 0
        offset = np.zeros(3) if root else skeleton.offsets[joint]
        channels = "6 Xposition Yposition Zposition" if root else "3"
        lines.extend(
            [
                f"{tabs}{'ROOT' if root else 'JOINT'} {skeleton.names[joint]}",
                f"{tabs}{{",
                f"{tabs}\tOFFSET {_cm(offset)}",
                f"{tabs}\tCHANNELS {channels} Zrotation Xrotation Yrotation",
            ]
        )
        for child in children[joint]:
            add(child, depth + 1)
        if not children[joint]:
            end = _ENDS_M.get(skeleton.names[joint], np.sign(offset) * (_END_M, 0.0, 0.0))
            lines.extend([f"{tabs}\tEnd Site", f"{tabs}\t{{", f"{tabs}\t\tOFFSET {_cm(end)}", f"{tabs}\t}}"])
        lines.append(f"{tabs}}}")

    add(0, 0)
    return lines


def zxy_rad(matrices: np.ndarray) -> np.ndarray:
    """Angles (..., 3) [rad] about Z, X, Y of rotation matrices (..., 3, 3) = Rz Rx Ry; X within a quarter turn."""
    m = matrices
    cosine = np.hypot(m[..., 0, 1], m[..., 1, 1])
    locked = cosine < _LOCKED
    z = np.where(locked, np.arctan2(m[..., 1, 0], m[..., 0, 0]), np.arctan2(-m[..., 0, 1], m[..., 1, 1]))
    y = np.where(locked, 0.0, np.arctan2(-m[..., 2, 0], m[..., 2, 2]))
    return np.stack([z, np.arctan2(m[..., 2, 1], cosine), y], axis=-1)


def continuous(angles: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The same rotations (N, J, 3) [rad], each written as near as can be to the frame before it, the first to
    ``before`` (J, 3).

    Every rotation has two triples within a turn, (z, x, y) and (z + pi, pi - x, y + pi), and all their whole turns.
    Without this a curve would jump wherever an angle passes half a turn.
    """
    other = np.stack([angles[..., 0] + np.pi, np.pi - angles[..., 1], angles[..., 2] + np.pi], axis=-1)
    both = np.stack([angles, other])
    result = np.empty_like(angles)
    for k in range(len(angles)):
        near = both[:, k] - 2 * np.pi * np.round((both[:, k] - before) / (2 * np.pi))
        away = np.abs(near - before).sum(axis=-1)
        before = np.where((away[1] < away[0] - 1e-9)[:, None], near[1], near[0])
        result[k] = before
    return result


def _cm(offset_m) -> str:
    return " ".join(f"{round(float(x) * CM_A_M, 5) + 0.0:.5f}" for x in offset_m)


def _depth_first(parents: np.ndarray, joint: int = 0) -> Iterator[int]:
    yield joint
    for child in np.flatnonzero(np.asarray(parents) == joint):
        yield from _depth_first(parents, int(child))
