"""What the show's listener made of a song: heard once by the real ear, kept as one file, read back as MusicFeatures."""

import json
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from engine.condition import ROW_FRAMES, Heard, hear
from engine.listen import Front, listen_step, start_listening
from engine.types import LISTEN_RATE_HZ, MODEL_HZ, AudioBlock, BeatClock, Ear, MusicFeatures, SectionReading

#: (array, field, type): read from the features, their clock and their section
_FEATURES = {
    "onset": "f4", "loudness_db": "f4", "loudness_long_db": "f4", "energy": "f4", "silence": "?", "is_speech": "f4",
    "pulse": "f4",
}  # fmt: skip
_CLOCK = {
    "anchor_s": "f8", "count": "i4", "period_s": "f8", "beat_in_bar": "i1", "meter": "i1", "confidence": "f4",
    "bar_confidence": "f4",
}  # fmt: skip
_SECTION = {
    "build": "f4", "breakdown": "f4", "drop": "f4", "bars_into_phrase": "f4", "phrase_bars": "i1",
    "bars_to_change": "f4", "change_probability": "f4",
}  # fmt: skip
_KEPT = tuple(field.name for field in fields(Heard) if field.name != "newest")
RIGHT = 0.15  #: a beat told so near [share of a true beat] is right


@dataclass(frozen=True)
class HeardSong:
    """One song as the show would have heard it. ``told``: values (S, ...) by the names above, a model frame each."""

    key: str  #: of the dance
    lead: int  #: model frames before the dance's first
    beats_s: np.ndarray  #: (K,) the true beats [s since the song's first sample]
    told: dict[str, np.ndarray]
    info: dict

    def __len__(self) -> int:
        return len(self.told["onset"])

    def features(self, n: int) -> MusicFeatures:
        """What the listener said at the end of its model frame ``n`` (from 0)."""
        t = self.told

        def of(fields: dict[str, str]) -> dict:
            return {name: t[name][n].item() for name in fields}

        return MusicFeatures(
            frame=2 * (n + 1),
            beat=BeatClock(**of(_CLOCK)),
            bands=t["bands"][n],
            section=SectionReading(**of(_SECTION)),
            embedding=t["embedding"][n],
            **of(_FEATURES),
        )

    @cached_property
    def _kept(self) -> dict[str, np.ndarray]:
        """The numbers of ``Heard`` after each model frame, by their names."""
        state, out = Heard(), []
        for n in range(len(self)):
            state = hear(state, self.features(n))
            out.append([getattr(state, name) for name in _KEPT])
        return dict(zip(_KEPT, map(np.array, zip(*out, strict=True)), strict=True))

    def heard(self, n: int) -> Heard:
        """What the planner keeps after the model frame ``n``."""
        newest = tuple(self.features(k) for k in range(max(n + 1 - ROW_FRAMES, 0), n + 1))
        return Heard(newest, **{name: column[n] for name, column in self._kept.items()})

    @cached_property
    def right(self) -> np.ndarray:
        """(S,) whether the beat told at each frame's end was near a true one, at its tempo, twice or half of it."""
        now_s = (np.arange(len(self)) + 1) / MODEL_HZ
        true, period_s = true_beats(self.beats_s, now_s)
        told = self.told["count"] + (now_s - self.told["anchor_s"]) / self.told["period_s"]
        octave = np.log2(period_s / self.told["period_s"])
        near = (np.abs(octave - np.rint(octave)) < 0.12) & (np.abs(np.rint(octave)) <= 1)
        return near & (np.abs(beside(told, true, 2.0 ** np.rint(octave))) < RIGHT)


def beside(told: np.ndarray, true: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    """How far beside true beats told ones fall [true beats], where ``factor`` told beats are counted in a true one.

    Faster ones must have a told beat on every true beat; slower ones (factor below 1) each fall on some true beat.
    """
    return np.where(factor >= 1, wrapped(told - true * factor) / factor, wrapped(told / factor - true))


def wrapped(beats: np.ndarray) -> np.ndarray:
    """Distance to the nearest whole number, -0.5..0.5."""
    return (beats + 0.5) % 1.0 - 0.5


def true_beats(beats_s: np.ndarray, time_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Beat numbers and periods [s] of a grid at times (n,); beyond its ends the tempo goes on."""
    number, period = np.arange(len(beats_s)), np.diff(beats_s)
    at = np.interp(time_s, beats_s, number)
    at = np.where(time_s < beats_s[0], (time_s - beats_s[0]) / period[0], at)
    at = np.where(time_s > beats_s[-1], number[-1] + (time_s - beats_s[-1]) / period[-1], at)
    return at, period[np.clip(np.floor(at).astype(int), 0, len(period) - 1)]


def listen(ear: Ear, audio: np.ndarray) -> dict[str, np.ndarray]:
    """What the listener says of audio (800 S,) at 24 kHz, through the front of the show: ``HeardSong.told``."""
    state, said = start_listening(ear), []
    for frame in Front(LISTEN_RATE_HZ).push(AudioBlock(0, audio.astype(np.float32), LISTEN_RATE_HZ)):
        state, features = listen_step(ear, state, frame.samples, frame.gap)
        said.append(features)
    return told_of(said, ear.embedding)


def told_of(said: list[MusicFeatures], embedding: int) -> dict[str, np.ndarray]:
    """Features as arrays (S, ...); ``embedding`` numbers where the ear has none."""
    out = {name: np.array([getattr(f, name) for f in said], kind) for name, kind in _FEATURES.items()}
    out |= {name: np.array([getattr(f.beat, name) for f in said], kind) for name, kind in _CLOCK.items()}
    out |= {name: np.array([getattr(f.section, name) for f in said], kind) for name, kind in _SECTION.items()}
    out["bands"] = np.array([f.bands for f in said], "f4")
    none = np.zeros(embedding, "f4")
    out["embedding"] = np.array([none if f.embedding is None else f.embedding for f in said], "f4")
    return out


def save(path: Path, song: HeardSong) -> None:
    """One file a song; it appears whole or not at all."""
    partial = path.with_suffix(".part")
    about = json.dumps({"key": song.key, "lead": song.lead, "info": song.info})
    with partial.open("wb") as file:
        np.savez_compressed(file, beats_s=song.beats_s, about=np.array(about), **song.told)
    partial.rename(path)


def load(path: Path) -> HeardSong:
    """A song that ``save`` wrote."""
    with np.load(path) as store:
        told = {name: store[name] for name in store.files if name not in ("beats_s", "about")}
        about = json.loads(str(store["about"]))
        return HeardSong(about["key"], about["lead"], store["beats_s"], told, about["info"])
