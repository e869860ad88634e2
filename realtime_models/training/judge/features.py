"""Kinetic and geometric features of a window of dance. Pure numpy, float64, vectorised over windows.

*Kinetic* (Onuma, Faloutsos & Hodgins 2008, "FMDistance"): how much every joint moves: for each of the 22 joints the
mean over the window of its horizontal speed squared and its vertical speed squared [m²/s²] and of the size of its
acceleration [m/s²]: 66 figures. *Geometric* (Müller, Röder & Clausen 2005, "Efficient content-based retrieval of motion
capture data"): 32 yes-or-no relations between joints ("right hand above the neck", "left knee bent"), the ones dance
papers since AIST++ (Li et al. 2021) use, here averaged over the window: the share of time that each one holds.

**In logarithms.** Dance papers take the energies as they are. Energy has a long tail: some windows of real dance lie 14
standard deviations out, they rule every distance, and two halves of real dance differ by so much that a frozen body is
hardly further (by the kernel distance it is not further at all). Onuma et al. try logarithms too; ``in_logarithms`` is
what our distances are taken on, and the plain energies keep one row of their own.

Both look the same wherever the body stands and whichever way it faces. Kinetic energy counts
travelling over the stage, as in the dance papers.

What differs from the papers, and why their figures and ours do not compare: windows of 5 s at 30 frames a second (they:
20 s at 60); velocity is the difference over two frames, 1/15 s (they: mean over five steps of 1/60 s, about the same
low-pass); thresholds in units of the house's bones. And an implementation that went from paper to paper divides only
one of the two terms of a velocity by the frame time before it takes the acceleration, so that the place on the stage
leaks into "energy expenditure"; and it reads the geometric relations with another frame rate than the clip's. Ours
follow the definitions.
"""

from collections.abc import Callable

import numpy as np

from engine.skeleton import JOINTS, MIRROR, OFFSETS_M
from realtime_models.training.judge.motion import JUDGE_HZ

KINETIC_NAMES = tuple(
    f"{joint} {what}" for joint in JOINTS for what in ("horizontal energy", "vertical energy", "acceleration")
)
_J = {name: number for number, name in enumerate(JOINTS)}
HUMERUS_M = float(np.linalg.norm(OFFSETS_M[_J["left_elbow"]]))  #: 0.27
SHOULDERS_M = 2 * float(OFFSETS_M[[_J["left_collar"], _J["left_shoulder"]], 0].sum())  #: 0.36 apart
HIPS_M = 2 * float(OFFSETS_M[_J["left_hip"], 0])  #: 0.17 apart
UP = np.array([0.0, 1.0, 0.0])


def _checked(positions: np.ndarray) -> np.ndarray:
    positions = np.asarray(positions, np.float64)
    if positions.ndim != 4 or positions.shape[2:] != (len(JOINTS), 3) or positions.shape[1] < 3:
        raise ValueError(f"windows are (W, 3 or more frames, {len(JOINTS)}, 3), not {positions.shape}")
    return positions


def velocities(positions: np.ndarray, fps: float) -> np.ndarray:
    """Velocity (W, T - 2, J, 3) [m/s] at the inner frames of positions (W, T, J, 3): centred difference."""
    return (positions[:, 2:] - positions[:, :-2]) * (fps / 2)


def kinetic(positions: np.ndarray, fps: float = JUDGE_HZ) -> np.ndarray:
    """(W, 66) of positions (W, T, 22, 3) [m] at ``fps``; columns are KINETIC_NAMES. T of 3 or more, else ValueError."""
    positions = _checked(positions)
    squared = velocities(positions, fps) ** 2
    horizontal, vertical = squared[..., [0, 2]].sum(axis=-1).mean(axis=1), squared[..., 1].mean(axis=1)
    acceleration = (positions[:, 2:] - 2 * positions[:, 1:-1] + positions[:, :-2]) * fps**2
    expenditure = np.linalg.norm(acceleration, axis=-1).mean(axis=1)
    return np.stack([horizontal, vertical, expenditure], axis=-1).reshape(len(positions), -1)


#: What is added before the logarithm: (10 cm/s)² and 0.5 m/s², so that standing still is a number.
LOG_FLOORS = np.tile([0.01, 0.01, 0.5], len(JOINTS))


def in_logarithms(energies: np.ndarray) -> np.ndarray:
    """(W, 66) natural logarithms of ``kinetic`` features (W, 66), each with its floor of LOG_FLOORS added."""
    return np.log(np.asarray(energies, np.float64) + LOG_FLOORS)


class _Body:
    """Relations between named joints of many windows at the inner frames; every answer is (W, T - 2)."""

    def __init__(self, positions: np.ndarray, fps: float) -> None:
        self._places, self._speeds = positions[:, 1:-1], velocities(positions, fps)
        self.lowest = self._places[..., 1].min(axis=-1)

    def place(self, joint: str) -> np.ndarray:
        return self._places[:, :, _J[joint]]

    def velocity(self, joint: str) -> np.ndarray:
        return self._speeds[:, :, _J[joint]]

    def before_plane(self, a: str, b: str, c: str, joint: str) -> np.ndarray:
        """Distance [m] of a joint from the plane through a, b, c, on the side of (b - a) x (c - a)."""
        return _along(self.place(joint) - self.place(a), self._normal(a, b, c))

    def beyond(self, start: str, end: str, foot: str, joint: str) -> np.ndarray:
        """How far [m] a joint is beyond ``foot`` along the direction from ``start`` to ``end``."""
        return _along(self.place(joint) - self.place(foot), self.place(end) - self.place(start))

    def moves_along(self, start: str, end: str, rest: str, joint: str) -> np.ndarray:
        """Speed [m/s] of a joint relative to joint ``rest`` along the direction from ``start`` to ``end``."""
        return _along(self.velocity(joint) - self.velocity(rest), self.place(end) - self.place(start))

    def moves_through(self, a: str, b: str, c: str, joint: str) -> np.ndarray:
        """Speed [m/s] of a joint relative to ``a`` along the normal (b - a) x (c - a)."""
        return _along(self.velocity(joint) - self.velocity(a), self._normal(a, b, c))

    def angle_deg(self, a: str, b: str, c: str, d: str | None) -> np.ndarray:
        """Angle between the directions a to b and c to d; d None = straight up from c."""
        first = self.place(b) - self.place(a)
        second = np.broadcast_to(UP, first.shape) if d is None else self.place(d) - self.place(c)
        return np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second), axis=-1), (first * second).sum(axis=-1)))

    def speed(self, joint: str) -> np.ndarray:
        return np.linalg.norm(self.velocity(joint), axis=-1)

    def height(self, joint: str) -> np.ndarray:
        """Height [m] over the body's lowest joint."""
        return self.place(joint)[..., 1] - self.lowest

    def _normal(self, a: str, b: str, c: str) -> np.ndarray:
        return np.cross(self.place(b) - self.place(a), self.place(c) - self.place(a))


def _along(vectors: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Component of vectors (..., 3) along a direction (..., 3) of any length; 0 where it has none."""
    length = np.linalg.norm(direction, axis=-1)
    return (vectors * direction).sum(axis=-1) / np.where(length > 1e-9, length, np.inf)


def _of_a_side(own: str, other: str) -> dict[str, Callable[[_Body], np.ndarray]]:
    """The relations that exist once for each side.

    The normal of the plane of pelvis, hip and foot points backwards for the left leg and forwards for the right one, so
    it is turned for the right one: a mirrored body has the same answers with the sides exchanged.
    """
    humerus = HUMERUS_M
    wrist, elbow, shoulder = f"{own}_wrist", f"{own}_elbow", f"{own}_shoulder"
    hip, knee, ankle = f"{own}_hip", f"{own}_knee", f"{own}_ankle"
    side = 1.0 if own == "right" else -1.0
    return {
        "hand goes forward": lambda b: b.moves_through("neck", "right_hip", "left_hip", wrist) > 1.8 * humerus,
        "hand above neck": lambda b: b.beyond("spine3", "neck", "neck", wrist) > 0.2 * humerus,
        "hand goes up": lambda b: b.moves_along("spine2", "spine3", "spine3", wrist) > 1.8 * humerus,
        "elbow bent": lambda b: b.angle_deg(elbow, shoulder, elbow, wrist) < 110,
        "hand leaves pelvis": lambda b: b.moves_along("pelvis", wrist, "pelvis", wrist) > 1.4 * humerus,
        "hand fast": lambda b: b.speed(wrist) > 2.5 * humerus,
        "foot behind other leg": lambda b: (
            side * b.before_plane("pelvis", f"{other}_hip", f"{other}_foot", ankle) > 0.38 * humerus
        ),
        "foot raised": lambda b: b.height(ankle) > 1.2 * humerus,
        "knee bent": lambda b: b.angle_deg(knee, hip, knee, ankle) < 110,
        "foot fast": lambda b: b.speed(ankle) > 2.5 * humerus,
        "upper arm away": lambda b: b.angle_deg("neck", "pelvis", shoulder, elbow) > 25,
        "thigh away": lambda b: b.angle_deg("neck", "pelvis", hip, knee) > 50,
        "hand low": lambda b: b.height(wrist) < 1.2 * humerus,
    }


def _of_the_whole() -> dict[str, Callable[[_Body], np.ndarray]]:
    return {
        "hands wide apart": lambda b: (
            b.beyond("left_shoulder", "right_shoulder", "left_wrist", "right_wrist") > 2.5 * SHOULDERS_M
        ),
        "hands approach": lambda b: (
            b.moves_along("left_wrist", "right_wrist", "right_wrist", "left_wrist") > 1.4 * HUMERUS_M
        ),
        "feet wide apart": lambda b: b.beyond("left_hip", "right_hip", "left_ankle", "right_ankle") > 2.1 * HIPS_M,
        "pelvis behind feet": lambda b: b.before_plane("right_ankle", "neck", "left_ankle", "pelvis") > 0.5 * HUMERUS_M,
        "spine level": lambda b: np.abs(b.angle_deg("neck", "pelvis", "neck", None) - 90) < 20,
        "pelvis fast": lambda b: b.speed("pelvis") > 2.3 * HUMERUS_M,
    }


RELATIONS: dict[str, Callable[[_Body], np.ndarray]] = {
    **{f"right {name}": relation for name, relation in _of_a_side("right", "left").items()},
    **{f"left {name}": relation for name, relation in _of_a_side("left", "right").items()},
    **_of_the_whole(),
}
GEOMETRIC_NAMES = tuple(RELATIONS)


def geometric(positions: np.ndarray, fps: float = JUDGE_HZ) -> np.ndarray:
    """(W, 32) shares [0 to 1] of the inner frames of positions (W, T, 22, 3) [m] in which each relation holds.

    Columns are GEOMETRIC_NAMES. Lengths are counted in the house skeleton's upper arm (0.27 m), shoulder width (0.36 m;
    hands wide apart = over 2.5 of them) and hip width (0.17 m), so foreign bodies must be scaled to it first. T of 3 or
    more, else ValueError.
    """
    body = _Body(_checked(positions), fps)
    return np.stack([relation(body).mean(axis=1) for relation in RELATIONS.values()], axis=-1)


def mirrored(positions: np.ndarray) -> np.ndarray:
    """Positions (..., 22, 3) with left and right exchanged, across the YZ plane."""
    return np.asarray(positions)[..., MIRROR, :] * np.array([-1.0, 1.0, 1.0])
