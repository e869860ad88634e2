"""Pieces of a song and of everybody's dance to it, made so that nothing but the dance tells them apart. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import ConfigError
from engine.skeleton import JOINTS, OFFSETS_M, PARENTS
from realtime_models.training.judge.motion import JUDGE_HZ, Motion, at_judge_rate

UNIT_M = 0.00025  #: what is served is whole multiples of this [m], 16 bit: up to 8.19 m away
BODY_M = 0.02  #: bones may differ by so much [m] from the house body before the body itself tells who it is
STEP_S = 0.5  #: places tried for the start of an excerpt
SILENT_DB = -50.0  #: rms; nobody can judge a dance to less
LEVEL_DB = -18.0  #: rms of every excerpt, so that no one reaches for the volume
FADE_IN_S, FADE_OUT_S = 0.02, 0.3
_LEFT_HIP, _RIGHT_HIP = JOINTS.index("left_hip"), JOINTS.index("right_hip")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A piece of a song that every system dances, and which of each system's motions does."""

    song: str
    start_s: float
    motions: tuple[Motion, ...]  #: one per system, at 30 frames a second, whole


def frames_of(seconds: float) -> int:
    """Frames of an excerpt, both ends included."""
    return round(seconds * JUDGE_HZ) + 1


def find_excerpts(
    dances: Mapping[str, Sequence[Motion]],
    sounds: Mapping[str, tuple[np.ndarray, int]],
    seconds: float,
    from_s: float,
    rng: np.random.Generator,
) -> dict[str, list[Excerpt]]:
    """Per song, in time order, excerpts that do not overlap, are heard and are danced throughout by every system.

    Frame 0 of a motion is time 0 of its ``song``. A system may bring several motions of a song (seeds, or clips that
    cover a part of it, nan elsewhere); one that covers the excerpt is drawn. ``from_s`` [s] at the start are left out:
    a listener has to find the beat first.
    """
    ready = {system: [_checked(system, m) for m in motions] for system, motions in dances.items()}
    found: dict[str, list[Excerpt]] = {}
    for song, (samples, rate) in sounds.items():
        cast = [[m for m in motions if m.song == song] for motions in ready.values()]
        start_s = from_s
        while all(cast) and start_s + seconds <= len(samples) / rate:
            able = [[m for m in motions if _covers(m, start_s, seconds)] for motions in cast]
            part = samples[round(start_s * rate) : round((start_s + seconds) * rate)]
            if all(able) and _rms_db(part) > SILENT_DB:
                chosen = tuple(motions[int(rng.integers(len(motions)))] for motions in able)
                found.setdefault(song, []).append(Excerpt(song, start_s, chosen))
                start_s += seconds
            else:
                start_s += STEP_S
    return found


def spread(found: Mapping[str, Sequence[Excerpt]], count: int, rng: np.random.Generator) -> list[Excerpt]:
    """Up to ``count`` excerpts, as evenly over the songs as can be, in random order of songs and places."""
    songs = [str(song) for song in rng.permutation(sorted(found))]
    left = {song: [found[song][k] for k in rng.permutation(len(found[song]))] for song in songs}
    taken: list[Excerpt] = []
    while len(taken) < count and any(left.values()):
        for excerpts in left.values():
            if excerpts and len(taken) < count:
                taken.append(excerpts.pop())
    return taken


def clip_bytes(motion: Motion, start_s: float, seconds: float) -> bytes:
    """The body in an excerpt, placed and rounded: frames x 22 x 3 little-endian int16 in units of ``UNIT_M``.

    ConfigError when it travels out of what 16 bit hold.
    """
    first = round(start_s * JUDGE_HZ)
    whole = np.round(placed(motion.positions[first : first + frames_of(seconds)]) / UNIT_M)
    if np.abs(whole).max() > np.iinfo(np.int16).max:
        raise ConfigError(f"{motion.name}: the body leaves the stage (8 m) within an excerpt; is its unit the metre?")
    return whole.astype("<i2").tobytes()


def frozen_bytes(clip: bytes, at: float) -> bytes:
    """The pose at ``at`` (0 to 1) of a clip held through all of it; the same length."""
    frame = 2 * 3 * len(JOINTS)
    count = len(clip) // frame
    first = frame * min(int(at * count), count - 1)
    return clip[first : first + frame] * count


def placed(positions: np.ndarray) -> np.ndarray:
    """Positions (F, 22, 3) [m] moved and turned once, about the vertical: on average at x = z = 0 and facing +Z.

    Where on its stage a body is, and whether it happens to show its back, says who it is and not how well it dances.
    """
    across = positions[:, _LEFT_HIP] - positions[:, _RIGHT_HIP]
    ahead = np.stack([-across[:, 2], across[:, 0]], axis=1)
    ahead = (ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)).mean(axis=0)
    yaw = np.arctan2(ahead[0], ahead[1])
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    return (positions - positions[:, 0].mean(axis=0) * [1, 0, 1]) @ turn.T


def sound_samples(samples: np.ndarray, rate: int, start_s: float, seconds: float) -> np.ndarray:
    """The excerpt as 16 bit samples (n, channels), at ``LEVEL_DB`` and never clipped, faded at both ends."""
    count = round(seconds * rate)
    first = round(start_s * rate)
    part = np.array(samples[first : first + count], np.float64).reshape(count, -1)
    gain = min(10 ** ((LEVEL_DB - _rms_db(part)) / 20), 0.97 / max(float(np.abs(part).max()), 1e-9))
    time_s = np.arange(count)[:, None] / rate
    fade = np.clip(np.minimum(time_s / FADE_IN_S, (seconds - time_s) / FADE_OUT_S), 0, 1)
    return np.round(part * gain * fade * 32767).astype("<i2")


def _checked(system: str, motion: Motion) -> Motion:
    motion = at_judge_rate(motion)
    bones = np.linalg.norm(motion.positions[:, 1:] - motion.positions[:, PARENTS[1:]], axis=-1)
    off = np.abs(bones - np.linalg.norm(OFFSETS_M[1:], axis=1))
    if np.isfinite(off).any() and np.nanmax(off) > BODY_M:
        joint = JOINTS[1 + int(np.nanmax(off, axis=0).argmax())]
        raise ConfigError(
            f"{system}, {motion.name}: another body ({joint} is {1000 * np.nanmax(off):.0f} mm off); "
            "pairs must show the same body: bring the motion onto the house skeleton first"
        )
    return motion


def _covers(motion: Motion, start_s: float, seconds: float) -> bool:
    first = round(start_s * JUDGE_HZ)
    part = motion.positions[first : first + frames_of(seconds)]
    return len(part) == frames_of(seconds) and bool(np.isfinite(part).all())


def _rms_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12)) if samples.size else -120.0
