"""Motion of other systems, one file a format: SMPL and SMPL-X npz, AIST++ pkl, BVH, CSV, joint positions, our takes.

``read_folder`` gives the Motions of a folder; ``read`` the same with what was done to each file (``Reading.notes``).
The formats, keys, conventions and units are in docs/open-scorer.md.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.errors import ConfigError
from realtime_models.training.motion_files import bvh, joints, smpl, table, take
from realtime_models.training.motion_files.motion import Motion
from realtime_models.training.motion_files.numbers import read_npy, read_npz, read_pickle
from realtime_models.training.motion_files.reading import Reading, refusal

__all__ = ["FORMATS", "Reading", "read", "read_file", "read_folder"]


def _npy(path: Path, fps: float | None) -> list[Reading]:
    return joints.read_arrays(path, {"positions": read_npy(path, joints.ACCEPTED)}, fps)


def _npz(path: Path, fps: float | None) -> list[Reading]:
    return _arrays(path, read_npz(path, f"{smpl.ACCEPTED}; or {joints.ACCEPTED}"), fps)


def _pkl(path: Path, fps: float | None) -> list[Reading]:
    return _arrays(path, read_pickle(path, f"{smpl.ACCEPTED}; or {joints.ACCEPTED}"), fps)


def _arrays(path: Path, arrays: dict, fps: float | None) -> list[Reading]:
    """By keys: SMPL rotations, a take's poses, else joint positions."""
    if take.holds_poses(arrays):
        return take.read_poses(path, arrays)
    if smpl.holds_rotations(arrays):
        return smpl.read_arrays(path, arrays, fps)
    if not arrays:
        raise refusal(path, "no array of numbers in it", f"{smpl.ACCEPTED}; or {joints.ACCEPTED}")
    return joints.read_arrays(path, arrays, fps)


#: suffix -> reader of (path, rate given or None)
FORMATS: dict[str, Callable[[Path, float | None], list[Reading]]] = {
    ".bvh": bvh.read,
    ".csv": table.read,
    ".tsv": table.read,
    ".npy": _npy,
    ".npz": _npz,
    ".pkl": _pkl,
}


def read_file(path: str | Path, fps: float | None = None) -> list[Reading]:
    """The bodies of one file or take folder; ``fps`` is for files that say no rate, and goes before one that does.

    Raises ConfigError, one line naming the file, what is wrong and what is accepted.
    """
    path = Path(path)
    if take.is_take(path):
        return take.read(path)
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        raise refusal(path, "is of no known format", f"{', '.join(FORMATS)} and take folders")
    return reader(path, fps)


def read(folder: str | Path, fps: float | None = None) -> list[Reading]:
    """Every motion in a folder (or one take, or one file), sorted by name; other files, such as sound, are passed over.

    Raises ConfigError at the first file that cannot be read, and when there is none.
    """
    folder = Path(folder)
    if not folder.exists():
        raise ConfigError(f"{folder} does not exist; name a folder with {', '.join(FORMATS)} or takes")
    if folder.is_file() or take.is_take(folder):
        return read_file(folder, fps)
    paths = sorted(p for p in folder.iterdir() if take.is_take(p) or (p.is_file() and p.suffix.lower() in FORMATS))
    if not paths:
        raise ConfigError(f"no motion in {folder}; accepted: {', '.join(FORMATS)} and take folders")
    stems = [p.stem if p.is_file() else p.name for p in paths]
    readings = []
    for path, stem in zip(paths, stems, strict=True):
        found = read_file(path, fps)
        if stems.count(stem) > 1:  # two formats of one name stay two blocks
            found = [replace(r, motion=replace(r.motion, name=f"{r.motion.name}{path.suffix}")) for r in found]
        readings += found
    return readings


def read_folder(folder: str | Path, fps: float | None = None) -> list[Motion]:
    """The Motions of ``read``."""
    return [reading.motion for reading in read(folder, fps)]
