"""Human drummers: the Groove MIDI Dataset (CC BY 4.0) as notes on beats, chained on its bars.

Left out: what the scored tracks may be made of (``grooves.is_test``), fills alone, and the few 6/8 and 5/8 takes, whose
beat cannot be told from the file (the click's level is not written down).
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from realtime_models.training.data import data_root
from realtime_models.training.ear.score import Note
from realtime_models.training.grooves import is_test

VALIDATION_DRUMMERS = frozenset({"drummer3", "drummer4", "drummer9"})
_METERS = {"4-4": 4, "3-4": 3, "5-4": 5}
_ROLES = {
    **dict.fromkeys((35, 36), "kick"), **dict.fromkeys((38, 40), "snare"), 37: "rim",
    **dict.fromkeys((48, 50), "tom1"), **dict.fromkeys((45, 47), "tom2"), **dict.fromkeys((41, 43, 58), "tom3"),
    **dict.fromkeys((22, 42), "hat"), **dict.fromkeys((26, 46), "open"), 44: "pedal",
    **dict.fromkeys((49, 52, 55, 57), "crash"), **dict.fromkeys((51, 59), "ride"), 53: "bell", 54: "tamb",
    56: "cowbell", 39: "clap",
}  # fmt: skip


@dataclass(frozen=True)
class Performance:
    """One take: where its strokes fall in beats (the click's), from bar ``first`` on, chained at ``bars`` bars."""

    name: str
    drummer: str
    style: str
    bpm: float
    meter: int
    strokes: tuple[Note, ...]
    bars: int
    first: int = 0

    def notes(self, beats: int) -> list[Note]:
        """Strokes for ``beats`` beats."""
        length, shift = self.bars * self.meter, self.first * self.meter
        out = []
        for turn in range(beats // length + 3):
            for note in self.strokes:
                at = note.at + turn * length - shift
                if -0.1 <= at < beats and note.at < length:
                    out.append(note._replace(at=max(at, 0.0)))
        return out


@cache
def performances(validation: bool) -> tuple[tuple[str, str, str, float, int], ...]:
    """(file, drummer, style, bpm, meter) of every take of one side; empty where the data is absent."""
    table = data_root() / "music" / "groove_midi" / "info.csv"
    if not table.exists():
        return ()
    out = []
    with table.open(newline="") as lines:
        for line in csv.DictReader(lines):
            wanted = (line["drummer"] in VALIDATION_DRUMMERS) == validation
            if not wanted or line["beat_type"] != "beat" or line["time_signature"] not in _METERS or is_test(line):
                continue
            if (table.parent / line["midi_filename"]).exists():
                meter = _METERS[line["time_signature"]]
                out.append((line["midi_filename"], line["drummer"], line["style"], float(line["bpm"]), meter))
    return tuple(out)


@cache
def _strokes(path: Path) -> tuple[Note, ...]:
    import mido

    midi = mido.MidiFile(path)
    notes = []
    for track in midi.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity > 0 and message.note in _ROLES:
                notes.append(Note(tick / midi.ticks_per_beat, 0.2, _ROLES[message.note], message.velocity / 127))
    return centred(sorted(notes))


def centred(notes: list[Note]) -> tuple[Note, ...]:
    """Strokes moved together so that the strong ones near beats stand on them in the median.

    The players' habits against the click stay; what goes is a take's common offset (-45..+27 ms, most -12), which is
    the recording's delay as much as the drummer's.
    """
    at = np.array([note.at for note in notes if note.strength > 0.5])
    off = at - np.round(at)
    near = off[np.abs(off) < 0.1]
    shift = float(np.median(near)) if len(near) >= 8 else 0.0
    return tuple(note._replace(at=note.at - shift) for note in notes)


def is_counted(strokes: tuple[Note, ...], style: str, meter: int) -> bool:
    """Whether the bars of the file are the music's: kicks on downbeats at least half as often as on any other beat.

    Jazz and the music of Brazil and Cuba put the bass drum elsewhere and are believed.
    """
    if style.split("/")[0].split("-")[0] in ("jazz", "latin", "afrocuban") and "chacarera" not in style:
        return True
    beats = np.array([note.at for note in strokes if note.pitch == "kick"])
    beats = np.round(beats[np.abs(beats - np.round(beats)) < 0.12]).astype(int)
    counts = np.bincount(beats % meter, minlength=meter)
    return len(beats) < 8 or counts[0] >= 0.5 * counts.max()


def perform(rng: np.random.Generator, validation: bool) -> Performance | None:
    """A take drawn by how long its style lasts in the data, evened out; now and then a little faster or slower."""
    takes = performances(validation)
    if not takes:
        return None
    words = [style.split("/")[0] + str(meter) for _, _, style, _, meter in takes]
    weight = np.array([words.count(word) ** -0.6 for word in words])
    for _ in range(9):
        name, drummer, style, bpm, meter = takes[int(rng.choice(len(takes), p=weight / weight.sum()))]
        strokes = _strokes(data_root() / "music" / "groove_midi" / name)
        if strokes and is_counted(strokes, style, meter):
            break
    else:
        return None
    bars = max(1, round(strokes[-1].at / meter - 0.2))
    if rng.random() < 0.35:
        bpm *= float(np.exp(rng.normal(0, 0.07)))
    return Performance(name, drummer, style, bpm, meter, strokes, bars, int(rng.integers(bars)) if bars > 24 else 0)
