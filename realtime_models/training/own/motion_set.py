"""Taken-in motion on disk: one part a recording, in the numbers of the shipped set (int16 wxyz, float32 trans).

A part is an .npz and a .json beside it; the .json is written last, so a part is whole or not there. It knows the file
it was made of and the code that made it, and is made again when the file changes, or, while nothing is trained on it,
the code.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError
from realtime_models.training.data import Clip
from realtime_models.training.motion_files.numbers import read_npz
from realtime_models.training.own.intake import Taken

SCALE = 32767  #: of a quaternion's numbers as int16
ACCEPTED = "a part that this command wrote"


@dataclass(frozen=True, slots=True)
class Part:
    """Where one recording's clips are kept."""

    stem: Path  #: without suffix
    made_of: str  #: digest of the file and of all that is asked of it
    code: str  #: digest of the code that makes it

    @property
    def about(self) -> Path:
        return self.stem.with_suffix(".json")

    @property
    def arrays(self) -> Path:
        return self.stem.with_suffix(".npz")


def digest(*what: Any) -> str:
    """A short, stable name of plain values."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """A short name of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def sources_digest(*modules: Any) -> str:
    """A short name of the code of some modules: what they made before they changed is made again."""
    return digest([file_digest(Path(module.__file__)) for module in modules])


def is_made(part: Part, *, by_any_code: bool) -> bool:
    """Is the part there, and of this file, and made by this code where that counts?"""
    try:
        about = json.loads(part.about.read_text(encoding="utf-8"))
        return about["made_of"] == part.made_of and (by_any_code or about["code"] == part.code)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_part(part: Part, taken: Taken) -> None:
    """Keep what a recording gave."""
    part.stem.parent.mkdir(parents=True, exist_ok=True)
    part.about.unlink(missing_ok=True)
    lengths = [len(clip.root) for clip in taken.clips]
    quats = [np.round(clip.rotations[..., [3, 0, 1, 2]] * SCALE).astype(np.int16) for clip in taken.clips]
    trans = [clip.root for clip in taken.clips]
    if lengths:
        unfinished = part.arrays.with_suffix(".npz.part")
        with unfinished.open("wb") as file:
            np.savez(file, quats=np.concatenate(quats), trans=np.concatenate(trans))
        unfinished.replace(part.arrays)
    index = [
        {
            "name": clip.name, "subject": subject, "style": clip.style, "is_dance": clip.is_dance, "split": clip.split,
            "start": sum(lengths[:k]), "frames": lengths[k], "quality": {"bad_frames": clip.bad_frames.tolist()},
        }
        for k, (clip, subject) in enumerate(zip(taken.clips, taken.subjects, strict=True))
    ]  # fmt: skip
    content = file_digest(part.arrays) if lengths else ""
    about = {
        "made_of": part.made_of, "code": part.code, "content": digest(content, index), "name": taken.name,
        "notes": taken.notes, "refused": taken.refused, "index": index,
    }  # fmt: skip
    unfinished = part.about.with_suffix(".json.part")
    unfinished.write_text(json.dumps(about, indent=1), encoding="utf-8")
    unfinished.replace(part.about)


def read_part(part: Part) -> Taken:
    """What ``write_part`` kept. Raises ConfigError."""
    try:
        about = json.loads(part.about.read_text(encoding="utf-8"))
        index = about["index"]
        arrays = read_npz(part.arrays, ACCEPTED) if index else {}
        clips = [_clip(entry, arrays["quats"], arrays["trans"]) for entry in index]
        subjects = tuple(entry["subject"] for entry in index)
        return Taken(about["name"], tuple(clips), subjects, tuple(about["notes"]), tuple(about["refused"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{part.about} is damaged ({error}): remove it and run again") from error


def content_of(parts: Sequence[Part]) -> str:
    """A short name of all that the parts hold, whenever their files were touched."""
    return digest([json.loads(part.about.read_text(encoding="utf-8"))["content"] for part in parts])


def _clip(entry: dict[str, Any], quats: np.ndarray, trans: np.ndarray) -> Clip:
    part = slice(entry["start"], entry["start"] + entry["frames"])
    rotations = quats[part][..., [1, 2, 3, 0]] / SCALE
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    return Clip(
        entry["name"], entry["style"], entry["is_dance"], entry["split"], trans[part].astype(np.float32),
        rotations.astype(np.float32), np.array(entry["quality"]["bad_frames"], int),
    )  # fmt: skip


def cut(clip: Clip, first: int, last: int, split: str) -> Clip:
    """Frames first to last (not included) of a clip without beats, in another split."""
    bad = clip.bad_frames[(clip.bad_frames >= first) & (clip.bad_frames < last)] - first
    return replace(clip, split=split, root=clip.root[first:last], rotations=clip.rotations[first:last], bad_frames=bad)
