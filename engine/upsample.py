"""Model frames (30 a second) to poses (60 a second): the smoothest path near the plan that begins where the sent poses
end. Pure.

A plan is smooth inside its token rows and turns sharply between them: each row is drawn by itself. The path sought here
is the one with the least sum of squared distances from the plan's frames, plus ``BEND`` times its squared second and
``JOLT`` times its squared third differences (Whittaker 1923, "On a new method of graduation"), over committed rows and
draft alike, its last sent poses held fast. So a row's border is spread over both its sides, nothing moves in time, and
no pose that was sent is ever contradicted. With the past held fast and the future as drafted, row by row gives the same
path as all rows at once.

Everything is linear: one matrix from frames and past to poses, solved once.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from engine.types import POSE_HZ, Pose

BEND = 3.0  #: weight of squared second differences between 60 Hz poses, beside 1 for a frame's squared distance
JOLT = 0.5  #: weight of squared third differences
PAST = 3  #: sent poses that a path goes on from: as many as a third difference needs


@dataclass(frozen=True, slots=True)
class Sent:
    """The newest smoothed poses, before feet were planted: what the next path goes on from."""

    root: np.ndarray  #: (PAST, 3) [m]
    rotations: np.ndarray  #: (PAST, 22, 4) xyzw


def upsample(
    sent: Sent | None, root: np.ndarray, rotations: np.ndarray, commit: int
) -> tuple[Sent, np.ndarray, np.ndarray]:
    """Poses up to and with the last model frame, two a frame: the odd ones lie on frames, the even ones before them.

    ``root`` (F, 3) [m] and ``rotations`` (F, 22, 4) xyzw are the frames to be committed and the draft behind them;
    ``sent`` None = the show begins at rest in the first frame. Returns what is sent once the first ``commit`` poses
    are, root (2 F, 3) and unit rotations (2 F, 22, 4), float64.
    """
    if sent is None:
        sent = Sent(np.repeat(root[:1], PAST, 0), np.repeat(rotations[:1], PAST, 0))
    from_past, from_frames = gains(len(root))
    aligned = same_side(rotations.astype(np.float64), sent.rotations[-1])
    path = from_past @ sent.root + from_frames @ root
    turns = from_past @ sent.rotations.reshape(PAST, -1) + from_frames @ aligned.reshape(len(aligned), -1)
    turns = turns.reshape(-1, *rotations.shape[1:])
    turns /= np.sqrt(np.einsum("fjc,fjc->fj", turns, turns))[..., None]
    return Sent(path[commit - PAST : commit], turns[commit - PAST : commit]), path, turns


@cache
def gains(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (2 F, PAST) and (2 F, F) from sent poses and frames to poses."""
    poses = 2 * frames
    bend, jolt = differences(poses, 2), differences(poses, 3)
    rough = BEND * bend.T @ bend + JOLT * jolt.T @ jolt
    seen = np.zeros((frames, poses))
    seen[np.arange(frames), 2 * np.arange(frames) + 1] = 1.0
    system = seen.T @ seen + rough[PAST:, PAST:]
    return np.linalg.solve(system, -rough[PAST:, :PAST]), np.linalg.solve(system, seen.T)


def differences(poses: int, order: int) -> np.ndarray:
    """(poses, PAST + poses) matrix of the differences of an order that end at each new pose."""
    return np.diff(np.eye(PAST + poses), order, axis=0)[PAST - order :]


def same_side(rotations: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Quaternions (F, J, 4) with signs such that none jumps to the other side, starting from (J, 4)."""
    before = np.concatenate([first[None], rotations[:-1]])
    signs = np.cumprod(np.where(np.einsum("fjc,fjc->fj", before, rotations) < 0, -1.0, 1.0), axis=0)
    return rotations * signs[..., None]


def poses_of(first_tick: int, root: np.ndarray, rotations: np.ndarray) -> tuple[Pose, ...]:
    """Poses from tick ``first_tick`` on, of root (N, 3) and rotations (N, 22, 4)."""
    root, rotations = root.astype(np.float32), rotations.astype(np.float32)
    ticks = range(first_tick, first_tick + len(root))
    return tuple(Pose(tick, tick / POSE_HZ, at, turns) for tick, at, turns in zip(ticks, root, rotations, strict=True))
