"""A body drawn flat: shaded capsules, left limbs blue, right limbs red, for contact sheets. Needs matplotlib.

Two views: ``FRONT`` looks at the dancer from +Z (the dancer's left is on the right of the picture), ``SIDE`` from +X
(facing +Z is facing left in the picture). Nearer limbs are drawn later and lighter.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from engine.skeleton import JOINTS, PARENTS

FRONT = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])  #: rows: picture right, picture up, towards the eye
SIDE = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
LEFT, RIGHT, CORE = (0.15, 0.42, 0.80), (0.83, 0.22, 0.20), (0.42, 0.42, 0.46)
OUTLINE = (0.1, 0.1, 0.12)
CONTACT = (0.10, 0.65, 0.25)
_THICK_M = {
    "spine1": 0.2, "spine2": 0.21, "spine3": 0.22, "neck": 0.13, "collar": 0.13, "shoulder": 0.14, "hip": 0.18,
    "knee": 0.15, "ankle": 0.11, "foot": 0.08, "elbow": 0.095, "wrist": 0.08, "head": 0.12,
}  # fmt: skip
_BONES = tuple(range(1, len(JOINTS)))
_HEAD = JOINTS.index("head")
_HAND_M = 0.09  #: beyond the wrist, along the forearm, so that hands can be seen


def _side_of(name: str) -> tuple[float, float, float]:
    return LEFT if name.startswith("left") else RIGHT if name.startswith("right") else CORE


def _capsules(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[tuple[float, float, float]]]:
    """Segments (S, 2, 3), widths (S,) [m] and colours of a body (22, 3): its bones, two hands, the skull."""
    segments = [(positions[PARENTS[j]], positions[j]) for j in _BONES]
    widths = [_THICK_M[JOINTS[j].split("_")[-1]] for j in _BONES]
    colours = [_side_of(JOINTS[j]) for j in _BONES]
    for side in ("left", "right"):
        elbow, wrist = positions[JOINTS.index(f"{side}_elbow")], positions[JOINTS.index(f"{side}_wrist")]
        along = (wrist - elbow) / max(float(np.linalg.norm(wrist - elbow)), 1e-6)
        segments.append((wrist + 0.02 * along, wrist + _HAND_M * along))
        widths.append(0.095)
        colours.append(tuple(0.6 * c + 0.4 for c in _side_of(side)))
    up = positions[_HEAD] - positions[JOINTS.index("neck")]
    up = up / max(float(np.linalg.norm(up)), 1e-6)
    segments.append((positions[_HEAD], positions[_HEAD] + 0.09 * up))
    widths.append(0.19)
    colours.append(CORE)
    return np.array(segments), np.array(widths), colours


def draw_body(axes: Axes, positions: np.ndarray, at_m: float, view: np.ndarray = FRONT, *, centre: int = 0) -> None:
    """Draw joint positions (22, 3) [m] with the ``centre`` joint at x = ``at_m`` of axes whose unit is the metre."""
    segments, widths, colours = _capsules(positions)
    flat = segments @ view.T
    flat[..., 0] += at_m - float(view[0] @ positions[centre])
    depth = flat[..., 2].mean(axis=1) - float(view[2] @ positions[centre])
    order = np.argsort(depth)
    points = widths[order] * _points_per_metre(axes)
    light = np.clip(0.12 + 0.5 * depth[order], -0.25, 0.35)
    shaded = [_shade(colours[k], a) for k, a in zip(order, light, strict=True)]
    lines = flat[order][:, :, :2]
    # One outline and one fill per capsule, back to front, so that a near limb covers a far one with its border.
    paired = np.repeat(lines, 2, axis=0)
    width2 = np.stack([points + 1.2, points], axis=1).ravel()
    colour2 = [c for fill in shaded for c in (OUTLINE, fill)]
    axes.add_collection(LineCollection(paired, linewidths=width2, colors=colour2, capstyle="round"))


def draw_contacts(
    axes: Axes, positions: np.ndarray, at_m: float, touching: np.ndarray, view: np.ndarray = FRONT
) -> None:
    """A green dash under each foot joint in contact (2,) of positions (22, 3)."""
    for foot, touches in zip(("left_foot", "right_foot"), touching, strict=True):
        if touches:
            x = at_m + float(view[0] @ (positions[JOINTS.index(foot)] - positions[0]))
            axes.plot([x - 0.07, x + 0.07], [-0.06, -0.06], color=CONTACT, lw=2.2, solid_capstyle="butt")


def _shade(colour: tuple[float, float, float], amount: float) -> tuple[float, ...]:
    """Towards white for a positive amount, towards black for a negative one."""
    to = 1.0 if amount > 0 else 0.0
    return tuple(c + (to - c) * abs(amount) for c in colour)


def _points_per_metre(axes: Axes) -> float:
    width_px = axes.get_window_extent().width
    low, high = axes.get_xlim()
    return width_px / (high - low) * 72 / axes.figure.dpi
