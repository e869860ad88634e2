"""Which recordings there are: files and takes below the named folders, their style, whose they are, what is held back.

``PATH/STYLE/DANCER/name.bvh``: the first folder below PATH names the style (files right in PATH take PATH's own name),
the folder that holds the file the dancer, where it is another one. AIST++ names (``gHO_sBM_cAll_d20_mHO5_ch12``) say
both themselves. Everything here is names; nothing is read.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from realtime_models.training.motion_files import FORMATS
from realtime_models.training.motion_files.take import is_take
from realtime_models.training.own.config import RESERVED, MotionFolder

INDEX, MOTION = "_index.json", "_motion.npz"  #: how the two files of a set end
_AIST = re.compile(r"^g(?P<style>[A-Z]{2})_s\w+_c\w+_d(?P<dancer>\d{2})_m[A-Z]{2}\d_ch\d{2}")
#: Genres of AIST++ (Li et al. 2021) by their code.
AIST_STYLES = {
    "BR": "break", "PO": "pop", "LO": "lock", "MH": "middle_hiphop", "LH": "la_hiphop", "HO": "house", "WA": "waack",
    "KR": "krump", "JS": "street_jazz", "JB": "ballet_jazz",
}  # fmt: skip
ENOUGH = 3  #: of dancers, or else of files, from which on whole ones are held back
TAIL = 0.1  #: of each clip, held back where there are too few of both


@dataclass(frozen=True, slots=True)
class Found:
    """One file, take or set of motion, not yet read."""

    path: Path
    name: str  #: unique, made of the folder's name and the path below it
    style: str
    subject: str  #: "" = unknown
    folder: MotionFolder


def find(folders: Sequence[MotionFolder]) -> list[Found]:
    """Everything that may be motion, sorted by name."""
    found = [one for folder in folders for one in _below(folder)]
    return sorted(found, key=lambda one: one.name)


def is_set(path: Path) -> bool:
    """Is this the index of a motion set, with its motion beside it?"""
    return path.name.endswith(INDEX) and motion_of(path).is_file()


def motion_of(index: Path) -> Path:
    """The arrays that an index belongs to."""
    return index.with_name(index.name.removesuffix(INDEX) + MOTION)


def _below(folder: MotionFolder) -> Iterable[Found]:
    top = Path(folder.path)
    if top.is_file() or is_take(top):
        yield _found(folder, top, top.parent)
        return
    pending = [top]
    while pending:
        here = pending.pop()
        for path in sorted(here.iterdir()):
            if path.name.startswith("."):
                continue
            if is_take(path) or (path.is_file() and _may_be_motion(path)):
                yield _found(folder, path, top)
            elif path.is_dir():
                pending.append(path)


def _may_be_motion(path: Path) -> bool:
    if path.name.endswith(MOTION) and path.with_name(path.name.removesuffix(MOTION) + INDEX).is_file():
        return False  # read with its index
    return is_set(path) or path.suffix.lower() in FORMATS


def _found(folder: MotionFolder, path: Path, top: Path) -> Found:
    below = path.relative_to(top)
    places = below.parts[:-1]
    here = top.resolve().name
    style = places[0] if places else here
    subject = "/".join((here, *places[1:])) if len(places) > 1 else ""
    if known := _AIST.match(path.stem):
        style, subject = AIST_STYLES.get(known["style"], style), f"d{known['dancer']}"
    name = "/".join((here, *places, path.name))
    return Found(path, name, style_name(folder.style or style), subject, folder)


def style_name(text: str) -> str:
    """A folder's name as a style: small letters, digits and _; one that has a meaning of its own gets one in front."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "dance"
    return f"_{name}" if name in RESERVED else name


@dataclass(frozen=True, slots=True)
class Split:
    """What is held back for validation."""

    subjects: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    tail: float = 0.0  #: share of every clip's end
    said: str = ""


def split(found: Sequence[tuple[str, str]], share: float, seed: int) -> Split:
    """Draws ``share`` of the dancers of (name, subject), at least one; of the files, or of every clip's end, where
    there are fewer than three dancers, or files. Files of unknown dancers stay in training while dancers are drawn.
    """
    rng = np.random.default_rng(seed)
    if share <= 0:
        return Split(said="nothing is held back: the curves of validation say nothing")
    for what, units in (("dancers", {s for _, s in found if s}), ("recordings", {n for n, _ in found})):
        if len(units) >= ENOUGH:
            drawn = rng.permutation(sorted(units))[: max(1, round(share * len(units)))]
            kept = frozenset(str(unit) for unit in drawn)
            said = f"held back: {len(kept)} of {len(units)} {what} ({', '.join(sorted(kept)[:6])})"
            return replace(Split(said=said), **{"subjects" if what == "dancers" else "names": kept})
    return Split(tail=TAIL, said=f"held back: the last {TAIL:.0%} of every recording (too few to hold whole ones back)")
