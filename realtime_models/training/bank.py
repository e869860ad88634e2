"""The training bank: every clip, cleaned, mirrored and at several speeds, and dances made of two, as features.

What is not the clip itself can be switched off: see ``Variety``. A bank can be kept in a folder, under a name that
changes with the clips, the options and the code that makes it.
"""

import hashlib
import importlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from realtime_models import features
from realtime_models.training import bursts, clean, data, splice, steady, vary
from realtime_models.training.data import FPS, TEMPO_BANDS, Clip, change_speed, clip_features, fit_beats, mirror
from realtime_models.training.splice import Spliced, splices
from realtime_models.training.vary import AMPLITUDES, amplify

SPEEDS = (0.88, 1.0, 1.13)
FRAMES_MOST = 1_500_000  #: of a bank: features and poses of a frame are 0.9 kB
MADE_OF = (data, bursts, steady, clean, vary, splice, features)  #: modules whose text names a kept bank, besides this


@dataclass(frozen=True)
class Entry:
    """A clip as the networks see it."""

    clip: Clip
    features: np.ndarray  #: (F, 126)
    valid: np.ndarray  #: (F,) False on frames that step too fast to be true

    @property
    def weight(self) -> float:
        """How much its windows count in sampling: dance is what the dancer is for."""
        return 3.0 if self.clip.is_dance else 1.0


@dataclass(frozen=True)
class Variety:
    """What is added to the clips. Clips at their own speed always stay as large as they were danced."""

    mirrored: bool = True
    amplitudes: tuple[float, float] | None = None  #: other speeds are danced so much smaller or larger, by chance
    splice_minutes: float = 0.0  #: of upper on lower bodies, before mirroring
    seed: int = 1


PLAIN = Variety()
#: No splices: a classifier tells them from danced clips nine times in ten (``bank_report``), so they teach what nobody
#: danced; mixtures of style are left to the condition.
RICH = Variety(amplitudes=AMPLITUDES)


@dataclass(frozen=True)
class Made:
    """A bank's clips by where they come from, before features; ``splices`` says what was refused."""

    groups: dict[str, list[Clip]] = field(default_factory=dict)  #: own, mirrored, speeds, amplitudes, splices
    splices: Spliced = field(default_factory=lambda: Spliced((), 0, {}))

    @property
    def clips(self) -> list[Clip]:
        return [clip for group in self.groups.values() for clip in group]


def fits(clip: Clip) -> list[Clip]:
    """The clip on its beat grids: dance on a slow and a fast one."""
    return [fit_beats(clip, band) for band in (TEMPO_BANDS if clip.is_dance else TEMPO_BANDS[1:])]


def make_clips(clips: Sequence[Clip], speeds: tuple[float, ...], variety: Variety) -> Made:
    """All clips of a bank of (cleaned) clips."""
    rng = np.random.default_rng(variety.seed)
    groups: dict[str, list[Clip]] = {name: [] for name in ("own", "mirrored", "speeds", "amplitudes", "splices")}
    natural = [fitted for clip in clips for fitted in fits(clip)]
    for fitted in natural:
        for way, name in ((fitted, "own"), (mirror(fitted), "mirrored")):
            if name == "mirrored" and not variety.mirrored:
                continue
            for speed in speeds:
                if speed == 1.0:
                    groups[name].append(way)
                    continue
                played = change_speed(way, speed)
                if variety.amplitudes and clip_is_long(played):
                    groups["amplitudes"].append(amplify(played, float(rng.uniform(*variety.amplitudes))))
                else:
                    groups["speeds"].append(played)
    spliced = Spliced((), 0, {})
    room = FRAMES_MOST - sum(len(c.root) for group in groups.values() for c in group)
    ways = 2 if variety.mirrored else 1
    wanted = int(min(variety.splice_minutes * 60 * FPS, max(room, 0) / ways))
    if wanted > 0:
        spliced = splices([c for c in natural if c.is_dance], wanted, variety.seed)
        groups["splices"] = [w for c in spliced.clips for w in ((c, mirror(c)) if variety.mirrored else (c,))]
    return Made(groups, spliced)


def clip_is_long(clip: Clip) -> bool:
    """Long enough for a mean pose to say something."""
    return len(clip.root) >= 2 * FPS


def entry_of(clip: Clip) -> Entry:
    """Features and valid frames of a clip."""
    valid = np.ones(len(clip.root), bool)
    valid[clip.bad_frames[(clip.bad_frames >= 0) & (clip.bad_frames < len(valid))]] = False
    return Entry(clip, clip_features(clip), valid)


def build_bank(
    clips: list[Clip],
    *,
    speeds: tuple[float, ...] = SPEEDS,
    shortest_s: float = 2.5,
    cleaned: bool = True,
    variety: Variety = PLAIN,
    folder: Path | None = None,
) -> list[Entry]:
    """Entries of all variants of all clips that are long enough, cleaned first.

    With ``folder`` the bank is read from there if it was made of the same clips, options and code, and else written.
    """
    clips = [clip for clip in clips if len(clip.root) >= shortest_s * FPS]
    kept = None if folder is None else Path(folder) / bank_key(clips, speeds, cleaned, variety)
    if kept is not None and (kept / "index.json").is_file():
        return read_bank(kept)
    made = make_clips([clean.clean(c).clip for c in clips] if cleaned else clips, speeds, variety)
    bank = [entry_of(clip) for clip in made.clips]
    if kept is not None:
        write_bank(bank, kept)
    return bank


def bank_key(clips: Sequence[Clip], speeds: tuple[float, ...], cleaned: bool, variety: Variety) -> str:
    """A name for what ``build_bank`` makes of this."""
    digest = hashlib.sha256(json.dumps([speeds, cleaned, asdict(variety)]).encode())
    for module in (*MADE_OF, importlib.import_module(__name__)):
        digest.update(inspect.getsource(module).encode())
    for clip in clips:
        digest.update(f"{clip.name} {clip.style} {clip.is_dance} {clip.split} {clip.bad_frames.tolist()}".encode())
        digest.update(np.ascontiguousarray(clip.root).tobytes())
        digest.update(np.ascontiguousarray(clip.rotations).tobytes())
    return f"bank-{digest.hexdigest()[:16]}"


def write_bank(bank: Sequence[Entry], folder: Path) -> None:
    """Plain arrays, all entries after one another, and an index; the index comes last, so half a bank is none."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, parts in (
        ("features", [e.features for e in bank]),
        ("valid", [e.valid for e in bank]),
        ("root", [e.clip.root for e in bank]),
        ("rotations", [e.clip.rotations for e in bank]),
    ):
        np.save(folder / f"{name}.npy", np.concatenate(parts))
    lines = [
        {
            "name": e.clip.name, "style": e.clip.style, "is_dance": e.clip.is_dance, "split": e.clip.split,
            "bad_frames": e.clip.bad_frames.tolist(), "beats_s": e.clip.beats_s.tolist(), "fit": e.clip.fit,
            "frames": len(e.features),
        }
        for e in bank
    ]  # fmt: skip
    unfinished = folder / "index.part"
    unfinished.write_text(json.dumps(lines), encoding="utf-8")
    unfinished.replace(folder / "index.json")


def read_bank(folder: Path) -> list[Entry]:
    """What ``write_bank`` wrote."""
    lines = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    arrays = {name: np.load(folder / f"{name}.npy") for name in ("features", "valid", "root", "rotations")}
    bank, start = [], 0
    for line in lines:
        part = slice(start, start + line.pop("frames"))
        line["bad_frames"], line["beats_s"] = np.array(line["bad_frames"], int), np.array(line["beats_s"], float)
        clip = Clip(root=arrays["root"][part], rotations=arrays["rotations"][part], **line)
        bank.append(Entry(clip, arrays["features"][part], arrays["valid"][part]))
        start = part.stop
    return bank
