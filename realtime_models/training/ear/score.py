"""What is written down before it sounds: notes on beats, parts, events, a song. No sound, no randomness here."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np


class Event(IntEnum):
    """What the ear may say about the form."""

    BUILD = 0
    BREAK = 1
    DROP = 2
    PHRASE = 3
    END = 4


class Note(NamedTuple):
    """One note or stroke; ``at`` and ``length`` in beats from the song's first downbeat, ``strength`` 0..1."""

    at: float
    length: float
    pitch: int | str  #: MIDI pitch, or the role of a drum ("kick", "open", ...)
    strength: float
    late_s: float = 0.0  #: a human's place beside the grid


@dataclass(frozen=True)
class Grid:
    """When beats fall: ``beats_s`` (n,) rising, ``numbers`` (n,) 1 = downbeat, of bars of ``meter`` beats."""

    beats_s: np.ndarray
    numbers: np.ndarray
    meter: int

    def time_of(self, at: float | np.ndarray) -> np.ndarray:
        """Seconds of beat positions; beyond the ends the last tempo goes on."""
        beats, count = self.beats_s, len(self.beats_s)
        at = np.asarray(at, float)
        inside = np.interp(at, np.arange(count), beats)
        before = beats[0] + np.minimum(at, 0) * (beats[1] - beats[0])
        after = beats[-1] + np.maximum(at - (count - 1), 0) * (beats[-1] - beats[-2])
        return np.where(at < 0, before, np.where(at > count - 1, after, inside))


@dataclass(frozen=True)
class Part:
    """Notes for one instrument; ``group`` "drums", "bass", "chords", "lead" or "effects" places it in the mix."""

    group: str
    instrument: object
    notes: tuple[Note, ...]
    gain_db: float = 0.0
    pump: float = 0.0  #: how far a kick pushes it down, 0..1


class Sweep(NamedTuple):
    """A filter that moves over everything but the drums, from beat to beat."""

    start: float
    end: float
    low_cut: bool
    from_hz: float
    to_hz: float


@dataclass(frozen=True)
class Song:
    """A piece as written: all that ``render`` needs and all that the labels are made of."""

    genre: str
    grid: Grid
    parts: tuple[Part, ...]
    end_beat: float
    events: tuple[tuple[float, Event], ...]  #: (beat, kind)
    has_beat: bool = True  #: False: rubato without attack, a cloud of sound; the grid then means nothing
    pump_beats: tuple[float, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    about: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Labels:
    """What is true of a stretch of audio; times [s] from its first sample; spans (k, 2) [s]."""

    beats_s: np.ndarray
    numbers: np.ndarray
    meter: int
    pulse: np.ndarray
    drums: np.ndarray
    speech: np.ndarray
    events: tuple[tuple[float, Event], ...]
    seconds: float

    def scaled(self, factor: float) -> "Labels":
        """All times multiplied by ``factor`` (slower > 1)."""
        return Labels(
            self.beats_s * factor,
            self.numbers,
            self.meter,
            self.pulse * factor,
            self.drums * factor,
            self.speech * factor,
            tuple((time_s * factor, kind) for time_s, kind in self.events),
            self.seconds * factor,
        )

    def cut(self, start_s: float, end_s: float) -> "Labels":
        """The labels of [start_s, end_s), which becomes [0, end_s - start_s)."""
        keep = (self.beats_s >= start_s) & (self.beats_s < end_s)
        length_s = end_s - start_s
        return Labels(
            self.beats_s[keep] - start_s,
            self.numbers[keep],
            self.meter,
            *(clip_spans(spans - start_s, length_s) for spans in (self.pulse, self.drums, self.speech)),
            tuple((time_s - start_s, kind) for time_s, kind in self.events if start_s <= time_s < end_s),
            length_s,
        )

    def then(self, other: "Labels") -> "Labels":
        """These labels followed at once by ``other``'s (its ``meter`` is kept if these have no beat)."""
        shift_s = self.seconds
        return Labels(
            np.concatenate([self.beats_s, other.beats_s + shift_s]),
            np.concatenate([self.numbers, other.numbers]),
            self.meter if len(self.beats_s) else other.meter,
            np.concatenate([self.pulse, other.pulse + shift_s]),
            np.concatenate([self.drums, other.drums + shift_s]),
            np.concatenate([self.speech, other.speech + shift_s]),
            self.events + tuple((time_s + shift_s, kind) for time_s, kind in other.events),
            shift_s + other.seconds,
        )


def no_spans() -> np.ndarray:
    return np.zeros((0, 2))


def silence_labels(seconds: float) -> Labels:
    """Labels of a stretch without music."""
    return Labels(np.zeros(0), np.zeros(0, int), 4, no_spans(), no_spans(), no_spans(), (), seconds)


def clip_spans(spans: np.ndarray, length_s: float) -> np.ndarray:
    """Spans (k, 2) cut to [0, length_s]; what is empty then is left out."""
    spans = np.clip(spans.reshape(-1, 2), 0.0, length_s)
    return spans[spans[:, 1] > spans[:, 0]]


def spans_of(times_s: np.ndarray, longest_gap_s: float, least: int = 3) -> np.ndarray:
    """Stretches (k, 2) in which attacks follow one another within ``longest_gap_s``, of at least ``least`` attacks."""
    times_s = np.unique(np.round(times_s, 3))
    if not len(times_s):
        return no_spans()
    runs = np.split(times_s, np.flatnonzero(np.diff(times_s) > longest_gap_s) + 1)
    return np.array([(run[0], run[-1]) for run in runs if len(run) >= least]).reshape(-1, 2)


def labels_of(song: Song, seconds: float) -> Labels:
    """The labels of a song's audio as ``render`` makes it: beat 0 of the grid stands at its own ``beats_s``.

    A listener can follow the beat where rhythmic attacks (drums, bass, plucked or struck chords and leads) come at
    least every two beats, held over a stop of a bar; drums likewise.
    """
    grid = song.grid
    last_s = float(grid.time_of(song.end_beat))
    beat_s = float(np.median(np.diff(grid.beats_s)))
    rhythmic = [
        note.at for part in song.parts if part.group != "effects" for note in part.notes if is_attack(part, note)
    ]
    struck = [note.at for part in song.parts if part.group == "drums" for note in part.notes]
    gap_s = beat_s * (song.grid.meter + 1.1)
    pulse, drums = (
        np.minimum(spans_of(grid.time_of(np.array(at)), gap_s, least=4), last_s) if at else no_spans()
        for at in (rhythmic, struck)
    )
    keep = (grid.beats_s <= last_s + 1e-6) & (grid.beats_s < seconds)
    if not song.has_beat:
        keep[:] = False
        pulse = no_spans()
    events = [(float(grid.time_of(at)), kind) for at, kind in song.events if song.has_beat or kind == Event.END]
    return Labels(
        grid.beats_s[keep],
        grid.numbers[keep],
        grid.meter,
        clip_spans(pulse, seconds),
        clip_spans(drums, seconds),
        no_spans(),
        tuple(sorted((time_s, kind) for time_s, kind in events if 0 <= time_s < seconds)),
        seconds,
    )


def is_attack(part: Part, note: Note) -> bool:
    """Whether a note marks time: a stroke, or a note that speaks within 30 ms and is not held for a bar."""
    return part.group == "drums" or (getattr(part.instrument, "attack_s", 0.0) < 0.03 and note.length < 3.5)
