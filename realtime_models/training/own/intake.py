"""One found file -> clips of the house: our skeleton, 30 frames a second, a floor at y = 0; or the reason why not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from engine.errors import ConfigError
from engine.skeleton import forward_kinematics, quat_conjugate, quat_multiply
from realtime_models.training.data import FPS, Clip, style_of
from realtime_models.training.motion_files import Reading, read_file
from realtime_models.training.motion_files.house import resting_height_m
from realtime_models.training.motion_files.motion import joint_speed
from realtime_models.training.motion_files.numbers import read_npz
from realtime_models.training.motion_files.pose import pose_of
from realtime_models.training.motion_files.reading import check_size, refusal
from realtime_models.training.own.folders import Found, is_set, motion_of, style_name

FAST_RAD_S = 35.0  #: a joint that turns faster into a frame makes it a bad one, as in the shipped set
MOST_BAD = 0.2  #: share of bad frames above which a clip is refused
STILL_M_S = 0.02  #: mean speed of the joints below which nothing moves
SOFT_S, SOFT_ABOVE_HZ = 0.008, 45.0  #: Gaussian [s] ahead of a lower rate: a tenth is left of what 30 Hz cannot hold
ACCEPTED = "a set NAME_index.json with NAME_motion.npz (quats int16 wxyz, trans), as the shipped one"


@dataclass(frozen=True, slots=True)
class Taken:
    """What one file gave."""

    name: str
    clips: tuple[Clip, ...] = ()
    subjects: tuple[str, ...] = ()  #: who moves in each clip; "" = unknown
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()  #: one line for each clip that was not taken, and why

    @property
    def seconds(self) -> float:
        return sum(len(clip.root) for clip in self.clips) / FPS


def take_in(found: Found, shortest_s: float) -> Taken:
    """Read and bring into the house one file. Never raises for what is wrong with the file: it is said in ``refused``.

    Licence, split and subject are not looked at here, except that a set knows its own.
    """
    try:
        if is_set(found.path):
            return _checked(found.name, *read_set(found), (), shortest_s)
        readings = read_file(found.path, found.folder.fps or None)
        clips = [_clip(found, reading, several=len(readings) > 1) for reading in readings]
        notes = [note for reading in readings for note in reading.notes]
        return _checked(found.name, clips, [found.subject] * len(clips), notes, shortest_s)
    except ConfigError as error:
        return Taken(found.name, refused=(_short(str(error), found),))
    except (ArithmeticError, LookupError, TypeError, ValueError, MemoryError) as error:  # one odd file in ten thousand
        reason = " ".join(str(error).split())[:100]
        return Taken(found.name, refused=(f"{found.name}: could not be read ({type(error).__name__}: {reason})",))


def _clip(found: Found, reading: Reading, *, several: bool) -> Clip:
    motion = reading.motion
    if motion.rotations is not None:
        root, rotations = motion.positions[:, 0], motion.rotations
    else:
        root, rotations = pose_of(motion.positions, motion.fps, reading.turns, reading.rest)
    root, rotations = at_30(root, rotations, motion.fps)
    root = on_floor(root, rotations)
    name = f"{found.name}#{motion.name}" if several else found.name
    bad = bad_frames(rotations)
    return Clip(name, found.style, found.folder.dance, "val" if found.folder.held else "train", root, rotations, bad)


def _checked(
    name: str, clips: Sequence[Clip], subjects: Sequence[str], notes: Sequence[str], shortest_s: float
) -> Taken:
    """Length, movement and bad frames of every clip."""
    reasons = [wrong_with(clip, shortest_s) for clip in clips]
    good = [k for k, reason in enumerate(reasons) if not reason]
    return Taken(
        name,
        tuple(clips[k] for k in good),
        tuple(subjects[k] for k in good),
        tuple(dict.fromkeys(notes)),
        tuple(f"{clip.name}: {reason}" for clip, reason in zip(clips, reasons, strict=True) if reason),
    )


def wrong_with(clip: Clip, shortest_s: float) -> str:
    """Why a clip is of no use; empty when it is."""
    frames = len(clip.root)
    if frames < shortest_s * FPS:
        return f"{frames / FPS:.1f} s long, at least {shortest_s:g} s are needed"
    if not (np.isfinite(clip.root).all() and np.isfinite(clip.rotations).all()):
        return "values that are not finite"
    if len(clip.bad_frames) > MOST_BAD * frames:
        return f"{len(clip.bad_frames)} of {frames} frames turn a joint faster than {FAST_RAD_S:g} rad/s"
    joints = forward_kinematics(clip.root, clip.rotations)[0]
    if joint_speed(joints, FPS).mean() < STILL_M_S:
        return "nothing moves"
    return ""


def _short(line: str, found: Found) -> str:
    """A refusal without what would be accepted, and with the name instead of the path."""
    reason = line.partition("; accepted:")[0].removeprefix(f"{found.path}: ")
    return f"{found.name}: {reason}"


def at_30(root: np.ndarray, rotations: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Root (F, 3) and rotations (F, 22, 4) at 30 frames a second, float32, by cubic splines.

    From faster recordings what 30 frames a second cannot hold is taken out first; phase stays.
    """
    quats = without_flips(np.asarray(rotations, np.float64))
    root = np.asarray(root, np.float64)
    if fps != FPS:
        if fps > SOFT_ABOVE_HZ:
            root, quats = softened(root, SOFT_S * fps), softened(quats, SOFT_S * fps)
        times = np.arange(len(root)) / fps
        wanted = np.arange(int(times[-1] * FPS + 1e-6) + 1) / FPS
        root, quats = CubicSpline(times, root)(wanted), CubicSpline(times, quats)(wanted)
    quats /= np.linalg.norm(quats, axis=-1, keepdims=True)
    return root.astype(np.float32), quats.astype(np.float32)


def softened(x: np.ndarray, sigma: float) -> np.ndarray:
    """x (F, ...) under a Gaussian along time, sigma in frames; beyond its ends it goes on as its own point reflection,
    so that a body that travels is not held back there.
    """
    reach = min(int(4 * sigma) + 1, len(x) - 1)
    ends = [(reach, reach)] + [(0, 0)] * (x.ndim - 1)
    padded = np.pad(x, ends, mode="reflect", reflect_type="odd")
    return gaussian_filter1d(padded, sigma, axis=0, mode="nearest")[reach : reach + len(x)]


def without_flips(quats: np.ndarray) -> np.ndarray:
    """The same rotations (F, ..., 4) with signs that go on from frame to frame."""
    turned = np.sign((quats[1:] * quats[:-1]).sum(-1, keepdims=True))
    signs = np.concatenate([np.ones_like(quats[:1, ..., :1]), np.where(turned == 0, 1, turned)]).cumprod(0)
    return quats * signs


def on_floor(root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Root (F, 3) so high that resting feet are at y = 0, and starting over the middle of the stage."""
    joints = forward_kinematics(root, rotations)[0]
    start = root[:1] * np.array([1, 0, 1], np.float32)
    return (root - start - np.array([0, resting_height_m(joints, FPS), 0])).astype(np.float32)


def bad_frames(rotations: np.ndarray) -> np.ndarray:
    """Frames (n,) int into which a joint turns faster than ``FAST_RAD_S``."""
    step = quat_multiply(quat_conjugate(rotations[:-1]), rotations[1:]).astype(np.float64)
    angle = 2 * np.arctan2(np.linalg.norm(step[..., :3], axis=-1), np.abs(step[..., 3]))
    return np.flatnonzero((angle * FPS > FAST_RAD_S).any(axis=1)) + 1


def read_set(found: Found) -> tuple[list[Clip], list[str]]:
    """The clips of a motion set and who moves in them, without those with props; styles by its entries (``style``, else
    as the shipped set is named). Raises ConfigError.
    """
    path = found.path
    check_size(path, ACCEPTED)
    arrays = read_npz(motion_of(path), ACCEPTED)
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        quats, trans = arrays["quats"], arrays["trans"]
        if quats.shape[1:] != (22, 4) or trans.shape != (len(quats), 3):
            raise ValueError(f"quats {quats.shape} and trans {trans.shape} do not go together")
        entries = [entry for entry in index if not entry.get("props")]
        return [_of_set(found, e, quats, trans) for e in entries], [str(e.get("subject", "")) for e in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise refusal(path, f"is no motion set ({type(error).__name__}: {error})", ACCEPTED) from error


def _of_set(found: Found, entry: dict, quats: np.ndarray, trans: np.ndarray) -> Clip:
    start, frames = int(entry["start"]), int(entry["frames"])
    if start < 0 or start + frames > len(quats):
        raise ValueError(f"{entry['name']} ends after the arrays do")
    part = slice(start, start + frames)
    rotations = quats[part][..., [1, 2, 3, 0]]
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    said = found.folder.style or entry.get("style") or style_of(entry)
    held = found.folder.held or entry.get("split", "train") != "train"
    return Clip(
        f"{found.name}#{entry['name']}",
        style_name(str(said)),
        bool(entry.get("is_dance", True)) and found.folder.dance,
        "val" if held else "train",
        trans[part].astype(np.float32),
        rotations.astype(np.float32),
        np.array(entry.get("quality", {}).get("bad_frames", []), int),
    )
