"""Feet that stay where they stand: contact locking with two-bone inverse kinematics, a floor that is not sunk into.
Pure numpy.

One call per model frame. A toe that the model says is down, and that is near the floor, is pinned to the spot where it
came down until it lifts; the leg is bent to reach it. A pin lets go when the body moves too far from it, and lets go
softly.
"""

from dataclasses import dataclass

import numpy as np

from engine.skeleton import JOINTS, forward_kinematics, quat_conjugate, quat_multiply, quat_rotate

LEGS = tuple(
    tuple(JOINTS.index(f"{side}_{part}") for part in ("hip", "knee", "ankle", "foot")) for side in ("left", "right")
)
DOWN, UP = 0.55, 0.35  #: contact probability that pins a toe, and that lets it go
NEAR_M = 0.07  #: a toe higher than this is never pinned
SLACK_M = 0.10  #: a pin lets go when its toe would be further away than this
RELEASE_FRAMES = 5  #: model frames over which a released toe returns to where the model has it
LIFT_RATE = 0.15  #: share of a floor error that the body's height follows per model frame


@dataclass(frozen=True, slots=True)
class FeetState:
    """Pins of both toes and the height correction."""

    pinned: tuple[bool, bool] = (False, False)
    spot: np.ndarray | None = None  #: (2, 3) [m] where each toe is held
    shift: np.ndarray | None = None  #: (2, 3) [m] correction that fades after a release
    lift_m: float = 0.0  #: height added to the root


def two_bone(hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World turns (xyzw) of thigh and shin that bring the ankle to ``target`` (as near as the leg reaches), knee
    plane kept.
    """
    thigh, shin, reach = np.linalg.norm(knee - hip), np.linalg.norm(ankle - knee), target - hip
    distance = np.clip(np.linalg.norm(reach), abs(thigh - shin) + 1e-4, (thigh + shin) * 0.9995)
    toward = reach / max(np.linalg.norm(reach), 1e-9)
    bend = (knee - hip) - np.dot(knee - hip, ankle - hip) / max(np.dot(ankle - hip, ankle - hip), 1e-9) * (ankle - hip)
    turned = quat_rotate(shortest_turn(ankle - hip, reach), bend)
    side = turned - np.dot(turned, toward) * toward
    if np.linalg.norm(side) < 1e-6:
        side = np.array([0.0, 0.0, 1.0]) - toward[2] * toward
    side = side / max(np.linalg.norm(side), 1e-9)
    along = (thigh**2 - shin**2 + distance**2) / (2 * distance)
    new_knee = hip + along * toward + np.sqrt(max(thigh**2 - along**2, 0.0)) * side
    new_ankle = hip + distance * toward
    first = shortest_turn(knee - hip, new_knee - hip)
    second = shortest_turn(quat_rotate(first, ankle - knee), new_ankle - new_knee)
    return first, second


def shortest_turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Smallest rotation (xyzw) that turns direction a to direction b."""
    a, b = a / max(np.linalg.norm(a), 1e-9), b / max(np.linalg.norm(b), 1e-9)
    q = np.array([*np.cross(a, b), 1.0 + np.dot(a, b)])
    return q / np.linalg.norm(q) if q[3] > 1e-6 else np.array([1.0, 0.0, 0.0, 0.0])


def place_toe(
    rotations: np.ndarray, joints: np.ndarray, turns: np.ndarray, leg: tuple[int, ...], toe: np.ndarray
) -> None:
    """Bend one leg in ``rotations`` (22, 4) so that its toe comes to ``toe``; the foot keeps its direction in the
    world.
    """
    hip, knee, ankle, foot = leg
    target = toe - (joints[foot] - joints[ankle])
    first, second = two_bone(joints[hip], joints[knee], joints[ankle], target)
    parent = turns[0]
    thigh = quat_multiply(first, turns[hip])
    shin = quat_multiply(second, quat_multiply(first, turns[knee]))
    rotations[hip] = quat_multiply(quat_conjugate(parent), thigh)
    rotations[knee] = quat_multiply(quat_conjugate(thigh), shin)
    rotations[ankle] = quat_multiply(quat_conjugate(shin), turns[ankle])


def plant_feet(
    state: FeetState, root: np.ndarray, rotations: np.ndarray, contacts: np.ndarray
) -> tuple[FeetState, np.ndarray, np.ndarray]:
    """One model frame: root (3,), rotations (22, 4), contacts (2,) 0..1 -> state, root, rotations with feet planted."""
    root, rotations = root.astype(np.float64), rotations.astype(np.float64)
    joints, turns = forward_kinematics(root, rotations)
    toes = joints[[leg[3] for leg in LEGS]]
    lift = follow_floor(state.lift_m, toes, contacts)
    root[1] += lift
    joints[:, 1] += lift
    toes = toes + np.array([0.0, lift, 0.0])
    spot = toes.copy() if state.spot is None else state.spot.copy()
    shift = np.zeros((2, 3)) if state.shift is None else state.shift * (1 - 1 / RELEASE_FRAMES)
    pinned = []
    for i, leg in enumerate(LEGS):
        held = keeps_pin(state.pinned[i], toes[i], spot[i], contacts[i])
        if held and not state.pinned[i]:
            spot[i] = toes[i] + shift[i]
        if held:
            spot[i, 1] += (max(0.0, min(toes[i, 1], 0.02)) - spot[i, 1]) * 0.5
            shift[i] = spot[i] - toes[i]
        pinned.append(held)
        goal = toes[i] + shift[i]
        goal[1] = max(goal[1], 0.0)
        if np.linalg.norm(goal - toes[i]) > 1e-4:
            place_toe(rotations, joints, turns, leg, goal)
    out = rotations / np.linalg.norm(rotations, axis=-1, keepdims=True)
    return FeetState(tuple(pinned), spot, shift, lift), root.astype(np.float32), out.astype(np.float32)


def keeps_pin(pinned: bool, toe: np.ndarray, spot: np.ndarray, contact: float) -> bool:
    """Whether a toe is pinned in this frame."""
    if pinned:
        return bool(contact > UP and np.linalg.norm((toe - spot)[[0, 2]]) < SLACK_M and toe[1] < 2 * NEAR_M)
    return bool(contact > DOWN and toe[1] < NEAR_M)


def follow_floor(lift_m: float, toes: np.ndarray, contacts: np.ndarray) -> float:
    """Slow correction of the body's height so that the standing toe rests on the floor; quick when it would sink."""
    standing = contacts > DOWN
    lowest = float(toes[:, 1].min())
    error = -lift_m
    if standing.any():
        error = float(np.clip(0.005 - toes[standing, 1].min(), -0.12, 0.12)) - lift_m
    rate = 0.4 if lowest + lift_m < -0.01 else LIFT_RATE
    return lift_m + rate * error
