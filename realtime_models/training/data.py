"""Motion capture as training data: reading, mirroring, fitting a beat grid, warping the motion a little onto it.

The motion comes without music. As the TMD data set did, music is fitted to motion: the minima of the body's speed are
tracked as beats (dynamic programming, Ellis 2007), the tracked beats are smoothed into a musical tempo, and the motion
is warped by at most ``MAX_WARP`` so that its minima fall on that grid, which then is "the music's beat" for this clip.
"""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from engine.errors import ConfigError
from engine.skeleton import MIRROR, forward_kinematics, quat_slerp
from realtime_models.features import poses_to_features

FPS = 30
TEMPO_BANDS = (
    (68.0, 100.0),
    (98.0, 142.0),
)  #: [bpm] each dance clip is fitted once in each; the planner folds music into their union
MAX_WARP = 0.25
MIRROR_SIGNS = np.array([1, -1, -1, 1], np.float32)  #: across the YZ plane: x stays, y and z turn


@dataclass(frozen=True)
class Clip:
    """One take of motion at 30 frames a second; root (F, 3) [m], rotations (F, 22, 4) xyzw, beats_s as fitted."""

    name: str
    style: str
    is_dance: bool
    split: str
    root: np.ndarray
    rotations: np.ndarray
    bad_frames: np.ndarray
    beats_s: np.ndarray = field(default_factory=lambda: np.zeros(0))
    fit: float = 0.0  #: phase concentration of the speed minima on ``beats_s`` after warping


def data_root() -> Path:
    """The folder that CORYBANT_DATA names."""
    folder = os.environ.get("CORYBANT_DATA")
    if not folder or not (Path(folder) / "motion").is_dir():
        raise ConfigError(
            "CORYBANT_DATA must name the folder that holds motion/ and music/; for example CORYBANT_DATA=../data"
        )
    return Path(folder)


DANCES = (
    ("cmu_6", "salsa"),
    ("cmu_94", "indian"),
    ("cmu_05", "modern"),
    ("cmu_85", "break"),
    ("cmu_93", "lindy"),
    ("Salsa", "salsa"),
    ("Modern", "modern"),
)


def style_of(entry: dict) -> str:
    """Our style name of an index entry: what it is danced like, or what it is when it is no dance."""
    name = entry["name"]
    if entry["is_dance"]:
        return next((style for word, style in DANCES if word in name), "pop")
    if "g1moves" in name:
        return "karate"
    return (
        "walk"
        if entry["label"] in ("walk", "run", "brisk", "slow", "navigate", "start", "forward", "sexy")
        else "other"
    )


def read_clips(which: str = "permissive", *, splits: tuple[str, ...] = ("train",), props: bool = False) -> list[Clip]:
    """Clips of a motion set. wxyz on disk becomes xyzw here and nowhere else."""
    folder = data_root() / "motion"
    index = json.loads((folder / f"{which}_index.json").read_text())
    with np.load(folder / f"{which}_motion.npz") as store:
        quats, trans = store["quats"], store["trans"]
    clips = []
    for entry in index:
        if entry["split"] not in splits or (entry["props"] and not props):
            continue
        part = slice(entry["start"], entry["start"] + entry["frames"])
        rotations = quats[part][..., [1, 2, 3, 0]].astype(np.float32)
        rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
        clips.append(
            Clip(
                entry["name"],
                style_of(entry),
                bool(entry["is_dance"]),
                entry["split"],
                trans[part].astype(np.float32),
                rotations,
                np.array(entry["quality"]["bad_frames"], int),
            )  # fmt: skip
        )
    return clips


def mirror(clip: Clip) -> Clip:
    """Left and right exchanged."""
    rotations = clip.rotations[:, MIRROR] * MIRROR_SIGNS
    return replace(clip, root=clip.root * np.array([-1, 1, 1], np.float32), rotations=rotations)


def sample_at(clip: Clip, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root and rotations at fractional times (linear and spherical interpolation)."""
    position = np.clip(times_s * FPS, 0, len(clip.root) - 1)
    low = np.minimum(position.astype(int), len(clip.root) - 2)
    u = position - low
    root = clip.root[low] + (clip.root[low + 1] - clip.root[low]) * u[:, None].astype(np.float32)
    rotations = quat_slerp(clip.rotations[low], clip.rotations[low + 1], np.repeat(u[:, None], 22, axis=1))
    return root.astype(np.float32), rotations


def smooth(x: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing along the first axis with reflected ends; sigma in frames."""
    half = int(4 * sigma + 1)
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(x, half, mode="reflect" if len(x) > half else "edge")
    return np.convolve(padded, kernel, mode="valid")


def body_speed(root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Mean joint speed [m/s] per frame, limbs counted with the root's own movement, lightly smoothed."""
    joints = forward_kinematics(root, rotations)[0]
    speed = np.zeros(len(root))
    speed[1:-1] = np.linalg.norm(joints[2:] - joints[:-2], axis=-1).mean(axis=-1) * FPS / 2
    speed[0], speed[-1] = speed[1], speed[-2]
    return smooth(speed, 1.5)


BEAT_POINTS = (0, 15, 20, 21, 10, 11)  #: pelvis, head, wrists, toes: the points whose stops the eye reads as the beat


def beat_speed(root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Mean speed [m/s] of the six points per frame, smoothed with 50 ms, as the scorer's motion beats are read."""
    points = forward_kinematics(root, rotations)[0][:, BEAT_POINTS]
    speed = np.zeros(len(root))
    speed[1:-1] = np.linalg.norm(points[2:] - points[:-2], axis=-1).mean(axis=-1) * FPS / 2
    speed[0], speed[-1] = speed[1], speed[-2]
    return smooth(speed, 1.5)


def speed_minima(speed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames of local minima and their prominence relative to the local level."""
    level = smooth(speed, 20.0) + 0.05
    inner = np.flatnonzero((speed[1:-1] <= speed[:-2]) & (speed[1:-1] < speed[2:])) + 1
    prominence = []
    for i in inner:
        left, right = speed[max(0, i - 12) : i + 1].max(), speed[i : i + 13].max()
        prominence.append((min(left, right) - speed[i]) / level[i])
    prominence = np.array(prominence)
    keep = prominence > 0.1 if len(prominence) else np.zeros(0, bool)
    return inner[keep], np.minimum(prominence[keep], 1.0)


def track_beats(strength: np.ndarray, period: float, tightness: float = 60.0) -> tuple[np.ndarray, float]:
    """Beats (frames) through the peaks of ``strength`` near a period [frames]; Ellis 2007, "Beat tracking by DP"."""
    frames = len(strength)
    total = strength.astype(np.float64).copy()
    before = np.full(frames, -1)
    steps = np.arange(int(round(period * 0.7)), int(round(period * 1.4)) + 1)
    cost = -tightness * np.log(steps / period) ** 2 / 10.0
    for i in range(steps[0], frames):
        candidates = i - steps
        ok = candidates >= 0
        scores = total[candidates[ok]] + cost[ok]
        best = int(np.argmax(scores))
        if scores[best] > 0:
            total[i] += scores[best]
            before[i] = candidates[ok][best]
    tail = max(0, frames - int(period * 1.2))
    at = tail + int(np.argmax(total[tail:]))
    score = total[at]
    beats = []
    while at >= 0:
        beats.append(at)
        at = before[at]
    return np.array(beats[::-1], float), float(score / max(len(beats), 1))


def concentration(minima_s: np.ndarray, beats_s: np.ndarray) -> float:
    """|mean exp(2 pi i phase)| of times on a beat grid, the larger of the beat's and twice the beat's level."""
    if len(beats_s) < 3 or len(minima_s) < 3:
        return 0.0
    phase = np.interp(minima_s, beats_s, np.arange(len(beats_s)), left=np.nan, right=np.nan)
    phase = phase[np.isfinite(phase)]
    return float(abs(np.exp(2j * np.pi * phase).mean())) if len(phase) else 0.0


def fit_beats(clip: Clip, band_bpm: tuple[float, float] = TEMPO_BANDS[1], *, rounds: int = 2) -> Clip:
    """The clip warped ``rounds`` times, each time nearer to a steady grid."""
    for _ in range(rounds):
        clip = warp_once(clip, band_bpm)
    return clip


def warp_once(clip: Clip, band_bpm: tuple[float, float]) -> Clip:
    """The clip warped onto a musical grid, with that grid; ``fit`` is 0 when no steady rhythm was found."""
    speed = beat_speed(clip.root, clip.rotations)
    minima, weight = speed_minima(speed)
    if len(minima) < 5 or len(speed) < 4 * FPS:
        return clip
    impulses = np.zeros(len(speed))
    impulses[minima] = weight
    strength = smooth(impulses, 1.5) * 3.0
    best = max(
        (track_beats(strength, FPS * 60.0 / bpm) for bpm in np.geomspace(*band_bpm, 15)),
        key=lambda found: concentration(minima / FPS, found[0] / FPS) * np.sqrt(len(found[0])),
    )
    beats = best[0]
    if len(beats) < 5:
        return clip
    snapped = beats.copy()
    for i, beat in enumerate(beats):
        gap = minima - beat
        near = int(np.argmin(np.abs(gap)))
        if abs(gap[near]) <= 6:
            snapped[i] += gap[near]
    snapped = np.maximum.accumulate(snapped + np.arange(len(snapped)) * 1e-6)
    even = np.interp(np.arange(len(snapped)), np.arange(len(snapped)), snapped)
    even = even[0] + np.concatenate([[0], np.cumsum(smooth(np.diff(snapped), 3.0))])
    even += np.mean(snapped - even)
    return warp_to(clip, snapped / FPS, even / FPS)


def warp_to(clip: Clip, from_s: np.ndarray, to_s: np.ndarray) -> Clip:
    """Motion time ``from_s`` moved to ``to_s``, local speed change bounded by MAX_WARP; beats become ``to_s``."""
    length_s = (len(clip.root) - 1) / FPS
    moved = [to_s[0]]
    for i in range(1, len(to_s)):  # bounded: keep each stretch within limits, drift back when possible
        natural = from_s[i] - from_s[i - 1]
        want = to_s[i] - moved[-1]
        moved.append(moved[-1] + float(np.clip(want, natural * (1 - MAX_WARP), natural * (1 + MAX_WARP))))
    moved = np.array(moved)
    source = np.concatenate([[from_s[0] - 1.0 - 10], from_s, [from_s[-1] + 11.0]])
    target = np.concatenate([[moved[0] - 1.0 - 10], moved, [moved[-1] + 11.0]])
    start, end = np.interp([0.0, length_s], source, target)
    grid = np.arange(start, end, 1 / FPS)
    times = np.interp(grid, target, source)
    root, rotations = sample_at(clip, times)
    bad = np.unique(np.round((np.interp(clip.bad_frames / FPS, source, target) - start) * FPS).astype(int))
    beats = to_s - start
    minima, _ = speed_minima(beat_speed(root, rotations))
    fit = concentration(minima / FPS, beats)
    return replace(clip, root=root, rotations=rotations, bad_frames=bad, beats_s=beats, fit=fit)


def change_speed(clip: Clip, factor: float) -> Clip:
    """The whole clip played ``factor`` times as fast."""
    times = np.arange(0, (len(clip.root) - 1) / FPS, factor / FPS)
    root, rotations = sample_at(clip, times)
    bad = np.round(clip.bad_frames / factor).astype(int)
    return replace(clip, root=root, rotations=rotations, bad_frames=bad, beats_s=clip.beats_s / factor)


def clip_features(clip: Clip) -> np.ndarray:
    """(F, 126) features of a clip."""
    return poses_to_features(clip.root, clip.rotations)
