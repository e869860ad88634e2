"""Dances that nobody should take for one: what must fail in the table, or the table is worth nothing.

A frozen pose, real clips cut up and shuffled, and motion beats thrown at random.
"""

from collections.abc import Sequence

import numpy as np

from engine.skeleton import quat_slerp
from realtime_models.training.data import FPS
from realtime_models.training.judge.systems.clips import Take, place, sample, seconds_of, yaw_of

CUT_S = (1.0, 2.0)  #: shortest and longest cut of the shuffled clips


def frozen(clips: Sequence[Take], seconds: float, *, fps: float = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Root (F, 3) and rotations (F, 22, 4) of one random pose of real dance, held. ValueError without clips."""
    if not clips:
        raise ValueError("a frozen pose needs one clip or more")
    rng = np.random.default_rng(seed)
    lengths = np.array([len(clip.root) for clip in clips])
    clip = clips[rng.choice(len(clips), p=lengths / lengths.sum())]
    frame = rng.integers(len(clip.root))
    root, rotations = place(clip.root[[frame]], clip.rotations[[frame]], 0, np.zeros(3), 0.0)
    frames = round(seconds * fps)
    return np.repeat(root, frames, axis=0).astype(np.float32), np.repeat(rotations, frames, axis=0).astype(np.float32)


def shuffled_clips(
    clips: Sequence[Take], seconds: float, *, fps: float = 60, seed: int = 0, fade_s: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Root (F, 3) and rotations (F, 22, 4) of random cuts of 1 to 2 s of random clips at their own speed.

    No music, no regard for poses: each cut stands and faces where the one before ended, with a hard cut or a
    cross-fade of ``fade_s`` [s]. ValueError when no clip is long enough.
    """
    need_s = CUT_S[1] + fade_s
    long_enough = [clip for clip in clips if seconds_of(clip) >= need_s]
    if not long_enough:
        raise ValueError(f"none of {len(clips)} clips lasts {need_s:.1f} s; give longer clips")
    rng = np.random.default_rng(seed)
    room_s = np.array([seconds_of(clip) for clip in long_enough])
    frames = round(seconds * fps)
    root, rotations = np.zeros((frames, 3)), np.zeros((frames, 22, 4))
    at, faded = 0, max(1, round(fade_s * fps))
    while at < frames:
        clip = long_enough[rng.choice(len(long_enough), p=room_s / room_s.sum())]
        cut = round(rng.uniform(*CUT_S) * fps)
        whole = min(cut + round(fade_s * fps), frames - at)
        from_s = rng.uniform(0, seconds_of(clip) - need_s)
        new = sample(clip, FPS * (from_s + np.arange(whole) / fps))
        spot, yaw_rad = (root[at - 1], yaw_of(rotations[at - 1, 0])) if at else (np.zeros(3), 0.0)
        new_root, new_rotations = place(*new, 0, spot, yaw_rad)
        share = np.clip(np.arange(whole) / faded, 0, 1) if at and fade_s else np.ones(whole)
        part, over = slice(at, at + whole), share < 1
        mixed = quat_slerp(rotations[part][over], new_rotations[over], np.repeat(share[over, None], 22, axis=1))
        root[part] += (new_root - root[part]) * share[:, None]
        rotations[part] = new_rotations
        rotations[part][over] = mixed
        at += min(cut, frames - at)
    return root.astype(np.float32), rotations.astype(np.float32)


def random_minima(count: int, beats_s: np.ndarray, seed: int = 0) -> np.ndarray:
    """``count`` motion beats (n,) [s], rising, thrown evenly between the first and the last of the beats (m,) [s].

    Of no dance; for the table of beats alone. ValueError when fewer than two beats are given.
    """
    if len(beats_s) < 2:
        raise ValueError(f"{len(beats_s)} beats; random minima are thrown between two or more")
    return np.sort(np.random.default_rng(seed).uniform(beats_s[0], beats_s[-1], count))
