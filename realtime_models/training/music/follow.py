"""Strokes that go with the limbs: where feet step the kick is busy, where arms move hats are; all as loud as the body.

Pure: a song and curves in, a song out. Which of a bar's strokes stay when a limb is calm is drawn once a song, so a
groove thins out and fills up without losing its shape.
"""

from dataclasses import dataclass, replace

import numpy as np

from realtime_models.training.data import FPS
from realtime_models.training.ear.score import Note, Part, Song
from realtime_models.training.music.dances import Curves

FEET = frozenset({"kick", "surdo", "tom3", "conga_lo"})
ARMS = frozenset(
    ("hat", "open", "pedal", "ride", "bell", "shaker", "cabasa", "tamb", "guiro", "triangle", "clave", "wood")
    + ("cowbell", "agogo", "bongo_hi", "conga_hi")
)
SLOTS = 4  #: of a beat, in which strokes are kept or dropped alike
SOLOS = ("kick", "hats", "lead", "drums")
SOLO_SHARE = 0.16  #: of songs in which one family plays alone


@dataclass(frozen=True)
class Taste:
    """How closely one song follows."""

    quiet: float  #: strength of a stroke where the body rests, as a share of that where it is wildest
    depth_db: float  #: how much quieter all is there
    limbs: float  #: 0 the groove as written .. 1 calm limbs silence their strokes
    solo: str = ""  #: one of ``SOLOS``: who plays alone

    @staticmethod
    def drawn(curves: Curves, rng: np.random.Generator) -> "Taste":
        """``curves`` of the dance: a family plays alone rather where its limbs do most."""
        solo = ""
        if rng.random() < SOLO_SHARE:
            ranks = [curve.mean() for curve in (curves.feet, curves.arms, curves.head, curves.energy)]
            odds = np.exp(8.0 * (np.array(ranks) - np.mean(ranks)))
            solo = str(rng.choice(SOLOS, p=odds / odds.sum()))
        return Taste(float(rng.uniform(0.25, 0.8)), float(rng.uniform(1, 12)), float(rng.uniform(0.3, 1.0)), solo)


def follow(song: Song, curves: Curves, taste: Taste, rng: np.random.Generator) -> Song:
    """The song with its strokes thinned, doubled and weighed by ``curves`` (S,) of the song's time at 30 Hz."""
    parts = []
    solo = taste.solo if carries(song, taste.solo) else ""
    for part in song.parts:
        if not plays(part, solo):
            continue
        curve, dense = curve_of(part, curves)
        notes = list(part.notes)
        if dense:
            stays = rng.random(SLOTS * song.grid.meter)
            notes = thinned(song, notes, curve, stays, taste.limbs)
            if part.group == "drums":
                notes += doubled(song, notes, curve, stays, taste.limbs)
        weighed = tuple(_weighed(song, note, curves.energy, taste.quiet) for note in sorted(notes))
        if weighed:
            parts.append(replace(part, notes=weighed))
    kicks = tuple(note.at for part in parts for note in part.notes if note.pitch == "kick") or song.pump_beats
    return replace(song, parts=tuple(parts), pump_beats=kicks)


def plays(part: Part, solo: str) -> bool:
    """Whether a part sounds where one family plays alone."""
    role = part.notes[0].pitch
    families = {"kick": role in FEET, "hats": role in ARMS, "drums": part.group == "drums"}
    families["lead"] = part.group in ("lead", "chords")
    return families.get(solo, True)


def carries(song: Song, solo: str) -> bool:
    """Whether those who play alone have enough to play: a note every other beat."""
    return sum(len(part.notes) for part in song.parts if plays(part, solo)) >= song.end_beat / 2


def curve_of(part: Part, curves: Curves) -> tuple[np.ndarray, bool]:
    """The curve that a part follows, and whether its number of notes does; the others' strength does anyway."""
    role = part.notes[0].pitch
    if part.group == "drums":
        return (curves.feet if role in FEET else curves.arms if role in ARMS else curves.energy), True
    if part.group == "lead":
        return 0.5 * (curves.arms + curves.head), True
    return (curves.feet if part.group == "bass" else curves.energy), False


def value_at(song: Song, curve: np.ndarray, at: float) -> float:
    """The curve at a beat of the song."""
    frame = int(float(song.grid.time_of(at)) * FPS)
    return float(curve[min(max(frame, 0), len(curve) - 1)])


def _slot(song: Song, at: float) -> int:
    return int(np.floor(at * SLOTS + 0.5)) % (SLOTS * song.grid.meter)


def thinned(song: Song, notes: list[Note], curve: np.ndarray, stays: np.ndarray, limbs: float) -> list[Note]:
    """Without the strokes that a calm limb lets go: those off the beat first. ``stays`` (slots,) 0..1 drawn once."""
    out = []
    for note in notes:
        calm = limbs * max(1.0 - 2.0 * value_at(song, curve, note.at), 0.0)
        on_beat = abs(note.at - round(note.at)) < 0.06
        if stays[_slot(song, note.at)] >= calm * (0.5 if on_beat else 1.0):
            out.append(note)
    return out


def doubled(song: Song, notes: list[Note], curve: np.ndarray, stays: np.ndarray, limbs: float) -> list[Note]:
    """More strokes, half-way between two that are half a beat to a beat apart, where a limb is busy."""
    out = []
    ordered = sorted(notes)
    for note, then in zip(ordered, ordered[1:], strict=False):
        middle, gap = (note.at + then.at) / 2, then.at - note.at
        busy = limbs * 2.5 * (value_at(song, curve, middle) - 0.6)
        if 0.45 <= gap <= 1.05 and stays[_slot(song, middle)] < busy:
            out.append(note._replace(at=middle, strength=0.7 * note.strength))
    return out


def _weighed(song: Song, note: Note, energy: np.ndarray, quiet: float) -> Note:
    return note._replace(strength=note.strength * (quiet + (1 - quiet) * value_at(song, energy, note.at)))


def gain_db(energy: np.ndarray, depth_db: float) -> np.ndarray:
    """Level (S,) [dB] of the whole at each model frame: 0 where the body is wildest."""
    return depth_db * (energy - 1.0)
