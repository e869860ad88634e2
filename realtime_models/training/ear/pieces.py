"""Pieces of music as the ear's training hears them: packed spectra with labels, and random stretches of them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.listen.tempo import TEMPI_BPM
from realtime_models.ear import BANDS, DELAY_S, FRAME_HEADS

LOOK_HZ = 60.0
TEMPO_WIDTH = 0.03  #: standard deviation of a tempo's target (logarithm)
WIDTH_LOOKS = 0.8  #: standard deviation of a beat's target
KINDS = (
    "house", "techno", "trance", "dnb", "dubstep", "hiphop", "reggaeton", "disco", "funk", "rock", "metal", "punk",
    "ska", "reggae", "latin", "jazz", "waltz", "ballad", "folk", "orchestra", "ambient", "noise", "speech", "pop",
)  # fmt: skip
BUILD, BREAK, DROP, PHRASE, END = range(5)  #: kinds of event in a pack
_EVENT_LOOKS = 6.0  #: standard deviation of an event's target, in model frames


@dataclass(frozen=True)
class Piece:
    """One packed piece; all times in seconds of its sound."""

    mel: np.ndarray  #: (T, 72) uint8
    beats_s: np.ndarray  #: (n,)
    numbers: np.ndarray  #: (n,) 1 = downbeat
    flags: np.ndarray  #: (T, 3) pulse, drums, speech
    events: np.ndarray  #: (m, 2) time, kind
    kind: int  #: index of KINDS, -1 = none of them
    held: bool  #: never trained on

    @property
    def seconds(self) -> float:
        return len(self.mel) / LOOK_HZ


class Stretch(NamedTuple):
    """What one training example is made of (or a stack of them)."""

    spectra: np.ndarray  #: (T, 72) float32
    looks: np.ndarray  #: (T, 2) targets of beat and downbeat; downbeat -1 = nobody said where the bars are
    frames: np.ndarray  #: (T / 2, heads) targets, -1 = unknown
    kind: np.ndarray  #: () int64
    tempo: np.ndarray  #: (T / 2, 48) share of each tempo, summing to 1, or to 0 where nothing can be counted


def read_pieces(folder: Path, known: dict[str, Piece]) -> None:
    """Add the pieces of a folder that are not known yet."""
    for path in sorted(folder.glob("*.npz")):
        if path.name in known:
            continue
        with np.load(path) as pack:
            info = json.loads(str(pack["info"]))
            flags = np.stack([pack["pulse"], pack["drums"], pack["speech"]], axis=1)
            events = np.stack([pack["events_s"], pack["events_kind"]], axis=1).astype(np.float64).reshape(-1, 2)
            word = str(info.get("genre", "")).lower()
            kind = next((i for i, name in enumerate(KINDS) if word.startswith(name)), -1)
            known[path.name] = Piece(
                pack["mel"], pack["beats_s"], pack["beat_number"], flags, events, kind, info.get("split") == "val"
            )


def recoloured(spectra: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spectra (T, 72) at another loudness, through another filter, a little higher or lower, partly masked."""
    magnitudes = 10.0 ** ((spectra - 0.8) * 5.0) - 1e-4
    knots = rng.normal(0, rng.uniform(0, 5), 7)
    colour_db = np.interp(np.linspace(0, 6, BANDS), np.arange(7), knots) + rng.uniform(-14, 10)
    if rng.random() < 0.15:  # a cheap loudspeaker, a telephone, a wall
        low, high = rng.integers(0, 22), rng.integers(40, BANDS)
        place = np.arange(BANDS)
        colour_db = colour_db - 4.0 * np.maximum(low - place, 0) - 3.0 * np.maximum(place - high, 0)
    magnitudes = magnitudes * 10 ** (colour_db / 20)
    if rng.random() < 0.3:
        magnitudes = magnitudes + 10 ** (rng.uniform(-75, -45) / 20) * rng.rayleigh(size=magnitudes.shape)
    out = np.log10(np.maximum(magnitudes, 0) + 1e-4) * 0.2 + 0.8
    shift = rng.integers(-2, 3)
    out = np.roll(out, shift, axis=1)
    if rng.random() < 0.2:
        at = rng.integers(0, BANDS - 12)
        out[:, at : at + rng.integers(3, 13)] = out.min()
    return out.astype(np.float32)


def _bump(frames: int, at: np.ndarray, width: float) -> np.ndarray:
    """(frames,) 1 at each of ``at`` (fractional frames), falling off as a Gaussian."""
    target = np.zeros(frames, np.float32)
    reach = int(np.ceil(3 * width))
    for place in at:
        low, high = max(0, int(place) - reach), min(frames, int(place) + reach + 2)
        if low < high:
            near = np.exp(-0.5 * ((np.arange(low, high) - place) / width) ** 2)
            target[low:high] = np.maximum(target[low:high], near)
    return target


def stretch(piece: Piece, seconds: float, rng: np.random.Generator) -> Stretch:
    """A random stretch of a piece, up to an eighth faster or slower; what lies beyond its end is silence."""
    speed = float(np.exp(rng.uniform(-0.12, 0.12))) if rng.random() < 0.7 else 1.0
    looks = round(seconds * LOOK_HZ)
    span = looks * speed
    first = rng.uniform(-0.1 * span, max(len(piece.mel) - 0.9 * span, 0))
    place = first + np.arange(looks) * speed
    inside = (place >= 0) & (place <= len(piece.mel) - 1)
    low = np.clip(place.astype(int), 0, len(piece.mel) - 2)
    share = np.clip(place - low, 0, 1)[:, None].astype(np.float32)
    mel = piece.mel[low] * (1 - share) + piece.mel[low + 1] * share
    spectra = np.where(inside[:, None], mel / 255, 0).astype(np.float32)
    spectra = recoloured(spectra, rng)

    def looks_of(times_s: np.ndarray) -> np.ndarray:
        """Where in this stretch something is to be reported that happened at these times of the piece."""
        return (times_s * LOOK_HZ - 1 - first) / speed + DELAY_S * LOOK_HZ

    flags = np.where(inside[:, None], piece.flags[low], 0).astype(np.float32)
    at = looks_of(piece.beats_s)
    beat = _bump(looks, at, WIDTH_LOOKS) * flags[:, 0]
    downbeat = _bump(looks, at[piece.numbers == 1], WIDTH_LOOKS) * flags[:, 0]
    if len(at) and not piece.numbers.any():
        downbeat[:] = -1.0
    frames = np.full((looks // 2, len(FRAME_HEADS)), 0.0, np.float32)
    frames[:, :3] = flags[1::2]
    frames[:, 3:] = _events(piece, looks_of, looks // 2)
    tempo = _tempo(at, looks // 2) * flags[1::2, :1]
    return Stretch(spectra, np.stack([beat, downbeat], 1), frames, np.int64(piece.kind), tempo)


def _tempo(at: np.ndarray, frames: int) -> np.ndarray:
    """Targets (frames, 48): the tempo of the two beats that have passed last, as wide as its own uncertainty."""
    out = np.zeros((frames, len(TEMPI_BPM)), np.float32)
    if len(at) < 3:
        return out
    newest = np.searchsorted(at, 2 * np.arange(frames) + 1) - 1
    known = (newest >= 2) & (newest < len(at))
    bpm = 120 * LOOK_HZ / np.maximum(at[newest[known]] - at[newest[known] - 2], 1.0)
    apart = np.log(bpm)[:, None] - np.log(np.array(TEMPI_BPM))
    near = np.exp(-0.5 * (apart / TEMPO_WIDTH) ** 2)
    out[known] = near / np.maximum(near.sum(1, keepdims=True), 1e-3)
    return out


def _events(piece: Piece, looks_of, frames: int) -> np.ndarray:
    """Targets (frames, 4) of build, break (both while they last), drop and phrase (at the moment)."""
    out = np.zeros((frames, 4), np.float32)
    if not len(piece.events):
        out[:] = -1  # nobody said anything about the form of this piece
        return out
    at, kinds = looks_of(piece.events[:, 0]) / 2, piece.events[:, 1].astype(int)
    for i, (place, kind) in enumerate(zip(at, kinds, strict=True)):
        if kind not in (BUILD, BREAK):
            continue
        later = [at[j] for j in range(i + 1, len(at)) if kinds[j] in (BUILD, BREAK, DROP, END)]
        end = later[0] if later else frames
        out[max(0, int(place)) : max(0, int(end)), 0 if kind == BUILD else 1] = 1.0
    out[:, 2] = _bump(frames, at[kinds == DROP], _EVENT_LOOKS)
    out[:, 3] = _bump(frames, at[kinds == PHRASE], _EVENT_LOOKS)
    return out
