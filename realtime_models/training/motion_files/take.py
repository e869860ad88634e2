"""Takes of our own show: a folder with take.toml and poses.npz (or, unfinished, poses.bin)."""

import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.errors import TakeError
from engine.replay import read_take
from engine.skeleton import HOUSE
from engine.take import AUDIO, SHOW
from engine.types import POSE_HZ
from realtime_models.training.motion_files.motion import Motion, from_pose
from realtime_models.training.motion_files.reading import Reading, check_finite, check_frames, refusal

ACCEPTED = "a take folder with take.toml, audio.flac and poses.npz; frame (F,), root (F, P, 3), rotations (F, P, 22, 4)"


def is_take(folder: Path) -> bool:
    return folder.is_dir() and (folder / SHOW).is_file()


def read(folder: Path) -> list[Reading]:
    """Every performer of a take, as it was danced: on our skeleton, in our frame, nothing moved. Raises ConfigError."""
    take = read_take(folder)
    try:
        records = take.poses()
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise TakeError(f"{folder} is a damaged take: {' '.join(str(error).split())[:120]}; {ACCEPTED}") from error
    if records is None:
        raise refusal(folder, "was listened to only, it holds no poses", ACCEPTED)
    poses = {name: np.asarray(records[name]) for name in ("frame", "root", "rotations")}
    notes = () if take.finished else ("an unfinished take",)
    sound = folder / AUDIO
    readings = _read(folder, poses, notes)
    return [replace(r, sound=sound if sound.is_file() else None, heard_beats_s=_heard(folder)) for r in readings]


def read_poses(path: Path, arrays: dict[str, np.ndarray]) -> list[Reading]:
    """A poses.npz that was taken out of its folder. Raises ConfigError."""
    return _read(path, arrays, ())


def holds_poses(arrays: dict[str, np.ndarray]) -> bool:
    return {"frame", "root", "rotations"} <= set(arrays)


def _read(path: Path, poses: dict[str, np.ndarray], notes: tuple[str, ...]) -> list[Reading]:
    frame, root, rotations = poses["frame"], poses["root"], poses["rotations"]
    if root.ndim == 2:
        root, rotations = root[:, None], rotations[:, None]
    shape = (len(frame), root.shape[1] if root.ndim == 3 else 0)
    if frame.ndim != 1 or root.shape != (*shape, 3) or rotations.shape != (*shape, len(HOUSE.names), 4):
        reason = f"frame {frame.shape}, root {root.shape}, rotations {rotations.shape} do not go together"
        raise refusal(path, reason, ACCEPTED)
    check_frames(path, len(frame), ACCEPTED)
    check_finite(path, root, "root", ACCEPTED)
    check_finite(path, rotations, "rotations", ACCEPTED)
    if (np.diff(frame) <= 0).any():
        raise refusal(path, "its frames do not count up", ACCEPTED)
    if (np.diff(frame) != 1).any():  # the pose before stands in, as on a stage that got none
        whole = np.arange(frame[0], frame[-1] + 1)
        check_frames(path, len(whole), ACCEPTED)
        at = np.searchsorted(frame, whole, "right") - 1
        notes = (*notes, f"{len(whole) - len(frame)} missing frames: the pose before stands in")
        root, rotations = root[at], rotations[at]
    stem = path.stem if path.suffix == ".npz" else path.name
    many = root.shape[1] > 1
    return [
        Reading(_motion(f"{stem}.{p + 1}" if many else stem, root[:, p], rotations[:, p]), notes, frame[0] / POSE_HZ)
        for p in range(root.shape[1])
    ]


def _motion(name: str, root: np.ndarray, rotations: np.ndarray) -> Motion:
    return from_pose(name, root, rotations, float(POSE_HZ))


def _heard(folder: Path) -> np.ndarray | None:
    """Beats (n,) [s] as the listener predicted them; None when they were not kept."""
    path = folder / "beats.tsv"
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    try:
        return np.array([float(line.split("\t")[0]) for line in lines if line.strip()])
    except ValueError as error:
        raise TakeError(f"{path} is damaged: {error}") from error
