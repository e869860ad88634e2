"""Human drumming as the music's fine structure: which band is struck when. Groove MIDI Dataset (CC BY 4.0)."""

import csv
from dataclasses import dataclass

import numpy as np

from realtime_models.training.data import data_root

KICK, HATS = {35, 36}, {22, 26, 42, 44, 46, 49, 51, 52, 53, 55, 57, 59}
LOW_TOMS = {41, 43, 45, 58}


@dataclass(frozen=True)
class Groove:
    """One performance: strokes at ``beats`` (N,) with ``strength`` (N,) 0..1 in listener band ``band`` (N,) 0..3."""

    bpm: float
    beats: np.ndarray
    strength: np.ndarray
    band: np.ndarray


def band_of(note: int) -> int:
    """Listener band that a General MIDI drum mostly excites."""
    return 0 if note in KICK else 3 if note in HATS else 1 if note in LOW_TOMS else 2


#: Style and tempo of the performances that the evaluation tracks are rendered from: what matches stays out.
TEST = {
    ("funk", 80),
    ("hiphop", 90),
    ("bossa", 127),
    ("latin", 127),
    ("disco", 120),
    ("dance", 120),
    ("rock", 128),
    ("jazz", 120),
}


def is_test(line: dict[str, str]) -> bool:
    """Whether a performance may be one that an evaluation track was made of."""
    words = set(line["style"].replace("-", "/").split("/"))
    return any(word in words and int(float(line["bpm"])) == bpm for word, bpm in TEST)


def read_grooves(*, shortest_s: float = 15.0) -> list[Groove]:
    """All long 4/4 performances but those that the evaluation tracks were rendered from."""
    import mido

    folder = data_root() / "music" / "groove_midi"
    grooves = []
    with (folder / "info.csv").open(newline="") as table:
        for line in csv.DictReader(table):
            path = folder / line["midi_filename"]
            if line["beat_type"] != "beat" or line["time_signature"] != "4-4" or is_test(line):
                continue
            if float(line["duration"]) < shortest_s or not path.exists():
                continue
            midi = mido.MidiFile(path)
            beats, strength, band = [], [], []
            for track in midi.tracks:
                tick = 0
                for message in track:
                    tick += message.time
                    if message.type == "note_on" and message.velocity > 0:
                        beats.append(tick / midi.ticks_per_beat)
                        strength.append(message.velocity / 127)
                        band.append(band_of(message.note))
            order = np.argsort(beats)
            if len(order) > 16:
                grooves.append(
                    Groove(float(line["bpm"]), np.array(beats)[order], np.array(strength)[order], np.array(band)[order])
                )
    return grooves


def strokes_at(groove: Groove, beats: np.ndarray) -> np.ndarray:
    """Band strengths (F, 4) at frames whose beat numbers are ``beats`` (F,), the groove looped at its bars."""
    length = max(4.0, np.floor(groove.beats[-1] / 4) * 4)
    out = np.zeros((len(beats), 4), np.float32)
    for turn in range(int(np.floor(beats[0] / length)), int(np.floor(beats[-1] / length)) + 1):
        place = np.searchsorted(beats, groove.beats + turn * length)
        ok = (place > 0) & (place < len(beats)) & (groove.beats < length)
        np.maximum.at(out, (place[ok], groove.band[ok]), groove.strength[ok].astype(np.float32))
    return out
