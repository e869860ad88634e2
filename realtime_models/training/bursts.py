"""Bursts: a few frames of a capture in which joints leave their path, found and bridged. Pure numpy.

What jumps is measured as the judge measures seams: how far a step goes beyond what the step before and the step after
let expect, mean over joints [m], beside its own median within a second either side, so that a fast dance is not taken
for a fault. A joint that turns in one frame as it does in none around it is a burst, too (twist flips of straight
limbs). Short bursts are bridged from the good frames at both sides; long ones are only named.
"""

from dataclasses import dataclass

import numpy as np

from engine.skeleton import forward_kinematics, quat_conjugate, quat_multiply

FPS = 30
SEED_M, SEED_OVER = 0.025, 8.0  #: a step that jumps so far, and so many medians around it, is in a burst
NEXT_M, NEXT_OVER = 0.012, 4.0  #: and so are steps near it that jump so far
NEAR_FRAMES = 4  #: flagged steps no further apart belong together
AROUND_FRAMES = 30  #: "around" is so far either side
TURN_RAD_S, TURN_OVER = 30.0, 4.0  #: a joint that turns so fast, and so many times as fast as just before and after
TURN_FLOOR_RAD_S = 2.0  #: slower turning around it counts as this
LONGEST_FRAMES = 8  #: 0.27 s: longer bursts hide too much to be made up
WIDER_FRAMES = 2  #: a bridge that still jumps is drawn anew from so much further out
SLOPE_FRAMES = 2  #: speed at the ends of a bridge is taken over so many steps


@dataclass(frozen=True, slots=True)
class Burst:
    """Frames ``first`` to ``last`` (both wrong)."""

    first: int
    last: int

    @property
    def frames(self) -> int:
        return self.last - self.first + 1


def joints_of(root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Joints (F, 22, 3) [m] in double precision."""
    return forward_kinematics(root.astype(np.float64), rotations.astype(np.float64))[0]


def jump_over(jump: np.ndarray) -> np.ndarray:
    """Each value of jump (n,) in medians of those within a second, the nearest three either side left out."""
    if len(jump) == 0:
        return jump
    padded = np.pad(jump, AROUND_FRAMES, mode="reflect" if len(jump) > AROUND_FRAMES else "edge")
    view = np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND_FRAMES + 1)
    around = np.concatenate([view[:, : AROUND_FRAMES - 3], view[:, AROUND_FRAMES + 4 :]], axis=1)
    return jump / np.maximum(np.median(around, axis=1), 1e-4)


def flagged_frames(positions: np.ndarray) -> np.ndarray:
    """(F,) True on frames within a jump of positions (F, 22, 3); all False where nothing jumps far enough."""
    jump = np.linalg.norm(np.diff(positions, 3, axis=0), axis=-1).mean(axis=-1) / 2
    over, out = jump_over(jump), np.zeros(len(positions), bool)
    near = np.flatnonzero((jump > NEXT_M) & (over > NEXT_OVER))
    seeds = set(np.flatnonzero((jump > SEED_M) & (over > SEED_OVER)).tolist())
    for group in np.split(near, np.flatnonzero(np.diff(near) > NEAR_FRAMES) + 1):
        if seeds & set(group.tolist()):  # a lone wrong frame f disturbs steps f - 3 .. f of a third difference
            out[0 if group[0] < 2 else group[0] + 1 : len(out) if group[-1] > len(jump) - 3 else group[-1] + 3] = True
    return out


def turning(rotations: np.ndarray) -> np.ndarray:
    """Speed (F - 1, J) [rad/s] at which joints turn into the next frame."""
    dot = np.abs(np.sum(rotations[1:] * rotations[:-1], axis=-1, dtype=np.float64))
    return 2 * np.arccos(np.clip(dot, 0.0, 1.0)) * FPS


def flipped_frames(rotations: np.ndarray) -> np.ndarray:
    """(F,) True either side of a step in which a joint turns fast and in none of its neighbours does."""
    out = np.zeros(len(rotations), bool)
    speed = turning(rotations)
    if len(speed) < 9:
        return out
    padded = np.pad(speed, ((4, 4), (0, 0)), mode="reflect")
    steps = [padded[4 + k : 4 + k + len(speed)] for k in (-4, -3, -2, 2, 3, 4)]
    around = np.maximum(np.median(np.stack(steps), axis=0), TURN_FLOOR_RAD_S)
    for step in np.flatnonzero(((speed > TURN_RAD_S) & (speed > TURN_OVER * around)).any(axis=1)):
        out[max(0, step - 1) : step + 3] = True
    return out


def find_bursts(root: np.ndarray, rotations: np.ndarray) -> list[Burst]:
    """Bursts of root (F, 3) [m] and rotations (F, 22, 4) xyzw at 30 Hz, in order, none touching another."""
    if len(root) < 2 * NEAR_FRAMES:
        return []
    flags = flagged_frames(joints_of(root, rotations)) | flipped_frames(rotations)
    wrong = np.flatnonzero(flags)
    groups = np.split(wrong, np.flatnonzero(np.diff(wrong) > 2) + 1) if len(wrong) else []
    return [Burst(int(group[0]), int(group[-1])) for group in groups]


def quat_log(q: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) [rad] of unit quaternions (..., 4) xyzw, the shorter way round."""
    q = np.where(q[..., 3:] < 0, -q, q)
    size = np.linalg.norm(q[..., :3], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(size, q[..., 3:])
    return np.where(size > 1e-9, q[..., :3] * angle / np.maximum(size, 1e-9), 2 * q[..., :3])


def quat_exp(v: np.ndarray) -> np.ndarray:
    """Unit quaternions (..., 4) xyzw of rotation vectors (..., 3) [rad]."""
    angle = np.linalg.norm(v, axis=-1, keepdims=True)
    return np.concatenate([v * np.sinc(angle / (2 * np.pi)) / 2, np.cos(angle / 2)], axis=-1)


def hermite(points: np.ndarray, before: int, after: int) -> np.ndarray:
    """Points (n, ...) with those between ``before`` and ``after`` replaced by the cubic that meets both ends' speed."""
    a0, b1 = max(0, before - SLOPE_FRAMES), min(len(points) - 1, after + SLOPE_FRAMES)
    span = after - before
    start = (points[before] - points[a0]) / max(before - a0, 1) * span
    end = (points[b1] - points[after]) / max(b1 - after, 1) * span
    u = (np.arange(1, span) / span).reshape(-1, *([1] * (points.ndim - 1)))
    out = points.copy()
    out[before + 1 : after] = (
        (2 * u**3 - 3 * u**2 + 1) * points[before] + (u**3 - 2 * u**2 + u) * start
        + (3 * u**2 - 2 * u**3) * points[after] + (u**3 - u**2) * end
    )  # fmt: skip
    return out


def bridge(root: np.ndarray, rotations: np.ndarray, burst: Burst) -> tuple[np.ndarray, np.ndarray]:
    """Root and rotations with a burst replaced by cubics through the good frames either side (rotations: in the
    logarithm about the last good one). A burst at an end of the clip takes the nearest good pose.
    """
    before, after = burst.first - 1, burst.last + 1
    root, rotations = root.astype(np.float64), rotations.astype(np.float64)
    if before < 0 or after >= len(root):
        good = after if before < 0 else before
        root[burst.first : burst.last + 1], rotations[burst.first : burst.last + 1] = root[good], rotations[good]
        return root, rotations
    low, high = max(0, before - SLOPE_FRAMES), min(len(root), after + SLOPE_FRAMES + 1)
    base, near = rotations[before], rotations[low:high]
    logs = quat_log(quat_multiply(np.broadcast_to(quat_conjugate(base), near.shape), near))
    logs = hermite(logs, before - low, after - low)
    made = quat_multiply(np.broadcast_to(base, near.shape), quat_exp(logs))
    rotations[burst.first : burst.last + 1] = made[burst.first - low : burst.last + 1 - low]
    root[low:high] = hermite(root[low:high], before - low, after - low)
    return root, rotations


def overlapping(burst: Burst, others: list[Burst]) -> bool:
    """Whether it touches one of the others."""
    return any(burst.first <= other.last + 1 and other.first <= burst.last + 1 for other in others)


def mend(root: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[Burst], list[Burst]]:
    """Root, rotations, the bursts that were bridged and those that were left: too long, or no better when bridged.

    Where a bridge still jumps (a joint that flips and stays flipped has to come round) it is drawn once more from two
    frames further out.
    """
    bridged: list[Burst] = []
    left: list[Burst] = []
    for wider in (0, WIDER_FRAMES):
        for burst in find_bursts(root, rotations):
            if overlapping(burst, left):
                continue
            span = Burst(max(0, burst.first - wider), min(len(root) - 1, burst.last + wider))
            if burst.frames > LONGEST_FRAMES:
                left.append(burst)
                continue
            root, rotations = bridge(root, rotations, span)
            bridged = [b for b in bridged if not overlapping(b, [span])] + [span]
    left += [burst for burst in find_bursts(root, rotations) if not overlapping(burst, left)]
    return root, rotations, sorted(bridged, key=lambda b: b.first), sorted(left, key=lambda b: b.first)
