"""Club pieces with a break, a build-up and a drop, and songs without any, for what is said of the form. Pure.

They come from the same writer and the same synthesis as the training material, from seeds that it never draws: other
tunes and other forms, in the same manner. No soundfonts: the same sound on every machine. What fits is chosen by what
is written, before anything is heard.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import oaconvolve

from realtime_models.training.ear import augment, beatless, render, songs
from realtime_models.training.ear.score import Event, Song

GENRES = (
    "house", "techno", "trance", "dnb", "dubstep", "bigroom", "psytrance", "hardstyle",
    "garage", "breakbeat", "electro", "trap", "jersey", "amapiano", "moombah", "dnbhalf",
)  # fmt: skip
WITHOUT = ("disco", "funk", "rock", "hiphop", "samba", "swing")  #: of these, songs without break, build-up and drop
#: ``pack`` draws 32-bit seeds and adds at most 2**31: these ranges, 2**32 long, it cannot reach.
SCORED_SEEDS, TUNING_SEEDS = 2**34, 2**35
RECORDINGS = ("clean", "room")
SECONDS = (60.0, 90.0)
_SETTLED_S, _AFTER_S = 20.0, 6.0  # before the first drop there must be so much music, and after it
_APART = 1 << 16  # seeds that a piece may try
_ROOM_SNR_DB, _ROOM_GAIN_DB = (10.0, 25.0), -12.0
_CODE = (
    "buildups", "songs", "forms", "styles", "style_table", "tempo", "harmony", "drumming", "score", "instruments",
    "oneshots", "voices", "render", "augment", "beatless",
)  # fmt: skip


@dataclass(frozen=True)
class Form:
    """What is true of a piece; all times [s] from its first sample, ascending."""

    name: str
    beats_s: np.ndarray
    numbers: np.ndarray  #: place in the bar of each beat
    builds_s: tuple[float, ...]  #: where a build-up begins
    breaks_s: tuple[float, ...]
    drops_s: tuple[float, ...]
    phrases_s: tuple[float, ...]
    changes_s: tuple[float, ...]  #: where one section of the form gives way to the next
    end_s: float  #: of the music


def code_version() -> str:
    """Changes with the code that writes and renders: what was rendered before is then another piece."""
    here = Path(__file__).parent
    parts = [(here / f"{name}.py").read_bytes() for name in _CODE]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:10]


def find_song(first_seed: int, number: int, genre: str, club: bool) -> tuple[Song, int]:
    """The first song of ``genre`` from the seeds of piece ``number`` whose written form fits, and its seed.

    Club: in one tempo, with break, build-up and drop in this order, the drop neither at the start nor at the end.
    Otherwise: without break, build-up and drop.
    """
    for seed in range(first_seed + number * _APART, first_seed + (number + 1) * _APART):
        rng = np.random.default_rng([seed, 0])
        song = songs.compose(genre, seed, float(rng.uniform(*SECONDS)), ())
        if _fits(song) if club else not any(kind in (Event.BUILD, Event.BREAK, Event.DROP) for _, kind in song.events):
            return song, seed
    raise ValueError(f"no {genre} song in {_APART} seeds has the form that is wanted")


def _fits(song: Song) -> bool:
    times = {kind: [float(song.grid.time_of(at)) for at, told in song.events if told == kind] for kind in Event}
    last_s = times[Event.END][0] - _AFTER_S
    drops = [drop for drop in times[Event.DROP] if _SETTLED_S < drop < last_s]
    risen = [(build, drop) for drop in drops for build in times[Event.BUILD] if build < drop]
    return song.about["tempo"] == "constant" and any(rest < build for build, _ in risen for rest in times[Event.BREAK])


def form_of_song(song: Song, name: str) -> Form:
    """Times of all that a listener is asked about."""

    def times(*kinds: Event) -> tuple[float, ...]:
        return tuple(float(song.grid.time_of(at)) for at, kind in song.events if kind in kinds)

    bars = [int("".join(filter(str.isdigit, word))) for word in song.about["form"].split()]
    borders = np.cumsum(bars)[:-1] * song.grid.meter
    end_s = times(Event.END)[0]
    changes = tuple(float(t) for t in song.grid.time_of(borders[borders < song.end_beat]))
    inside = song.grid.beats_s <= end_s + 1e-6
    return Form(
        name, song.grid.beats_s[inside], song.grid.numbers[inside], times(Event.BUILD), times(Event.BREAK),
        times(Event.DROP), times(Event.PHRASE), changes, end_s,
    )  # fmt: skip


def in_a_room(audio: np.ndarray, seed: int) -> np.ndarray:
    """The piece (n,) as a microphone in a room has it: reflections, pink noise 10 to 25 dB below, at -12 dBFS.

    The direct sound stays where it was.
    """
    rng = np.random.default_rng([seed, 4])
    wet = oaconvolve(audio, augment.room(rng)[0])[: len(audio)]
    level = float(np.sqrt(np.mean(wet * wet)))
    wet = wet + beatless.coloured(rng, len(wet), 1.0) * (level * 10 ** (-float(rng.uniform(*_ROOM_SNR_DB)) / 20))
    return (wet * (10 ** (_ROOM_GAIN_DB / 20) / np.abs(wet).max())).astype(np.float32)


def recordings_of(song: Song, seed: int) -> dict[str, np.ndarray]:
    """The two recordings of a song by their names, each (n,) float32 at 24 kHz."""
    clean = render.render(song, seed)
    return {"clean": clean, "room": in_a_room(clean, seed)}
