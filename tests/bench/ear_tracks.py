"""What the ear is measured on: the folder of test music, speech, and two made-up tracks at the ends of the tempi."""

import hashlib
import json
import os
import re
import wave
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.errors import ConfigError

RATE = 44_100
MADE_UP_BPM = (70.0, 174.0)
MADE_UP_S = 45.0
_NOTE = re.compile(r"drums silent in bars \d+-(\d+)")


@dataclass(frozen=True)
class Track:
    """One sound and what is true about it. Without beats it is there for the confidence alone."""

    name: str
    kind: str  #: "synthetic", "human drums rendered", "real", "made up", "no beat", "speech"
    path: Path
    truth: np.ndarray = field(default_factory=lambda: np.zeros(0))  #: (N,) [s]
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, int))  #: (N,) place in the bar, 1 = downbeat
    returns_s: tuple[float, ...] = ()  #: when the drums come back after a part without them

    @property
    def scored(self) -> bool:
        return bool(len(self.truth))

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]


def music_folder() -> Path:
    root = os.environ.get("CORYBANT_DATA")
    if not root:
        raise ConfigError("CORYBANT_DATA is not set: it names the folder that holds music/tracks.json")
    return Path(root) / "music"


def read_tracks(folder: Path) -> list[Track]:
    """The tracks of ``folder`` (tracks.json, .beats) and its speech clips. Raises ConfigError if it cannot be read."""
    try:
        entries = json.loads((folder / "tracks.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {folder / 'tracks.json'}: {error.strerror}") from error
    tracks = []
    for entry in entries:
        path = folder / entry["file"]
        if not entry["score"]:
            tracks.append(Track(entry["name"], "no beat", path))
            continue
        rows = np.loadtxt(folder / entry["beats"])
        truth, numbers = rows[:, 0], rows[:, 1].astype(int)
        tracks.append(Track(entry["name"], entry["kind"], path, truth, numbers, _returns(entry, truth, numbers)))
    return tracks + [Track(path.stem, "speech", path) for path in sorted(folder.glob("speech/*.ogg"))]


def _returns(entry: dict, truth: np.ndarray, numbers: np.ndarray) -> tuple[float, ...]:
    """The note tells the last bar without drums, counted from 1 at the first downbeat."""
    found = _NOTE.search(entry.get("note", ""))
    return (float(truth[numbers == 1][int(found[1])]),) if found else ()


def made_up_tracks(folder: Path) -> list[Track]:
    """Drums at 70 and 174 BPM, written to ``folder`` once."""
    tracks = []
    for bpm in MADE_UP_BPM:
        samples, truth, numbers = drums(bpm, seed=int(bpm))
        path = folder / f"made_up_{bpm:.0f}.wav"
        write_sound(path, samples, RATE)
        tracks.append(Track(path.stem, "made up", path, truth, numbers))
    return tracks


def drums(bpm: float, seed: int, seconds: float = MADE_UP_S) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples (N,) float32 at 44.1 kHz, beats (B,) [s], places in the bar (B,).

    Kick, snare on 2 and 4, hats in eighths, a bass that changes its note with the bar. Slow is a hip-hop pattern, fast
    a drum-and-bass one (a kick between 3 and 4, ghost notes): both have what invites an octave error.
    """
    rng = np.random.default_rng(seed)
    beat_s = 60.0 / bpm
    truth = np.arange(0.5, seconds - beat_s, beat_s)
    numbers = np.arange(len(truth)) % 4 + 1
    t = np.arange(int(0.35 * RATE)) / RATE
    kick = np.exp(-t * 14) * np.sin(2 * np.pi * (48 * t + 5 * (1 - np.exp(-t * 35))))
    snare = np.exp(-t * 22) * (0.6 * rng.standard_normal(len(t)) + 0.5 * np.sin(2 * np.pi * 190 * t))
    hat = np.exp(-t * 80) * np.diff(rng.standard_normal(len(t) + 1))
    kicks = (0.0, 1.5, 2.5) if bpm < 120 else (0.0, 2.5)
    ghosts = () if bpm < 120 else (1.75, 2.25)
    sound = np.zeros(int(seconds * RATE) + len(t))

    def hit(at_s: float, voice: np.ndarray, level: float) -> None:
        start = round(at_s * RATE)
        part = sound[start : start + len(voice)]
        part += level * rng.uniform(0.85, 1.0) * voice[: len(part)]

    for bar, bar_s in enumerate(truth[::4]):
        note_hz = (55.0, 55.0, 65.4, 49.0)[bar % 4]
        bass = np.exp(-t * 5) * np.tanh(2 * np.sin(2 * np.pi * note_hz * t))
        for place in kicks:
            hit(bar_s + place * beat_s, kick, 0.8)
            hit(bar_s + place * beat_s, bass, 0.25)
        for place in (1.0, 3.0):
            hit(bar_s + place * beat_s, snare, 0.45)
        for place in ghosts:
            hit(bar_s + place * beat_s, snare, 0.12)
        for place in np.arange(0, 4, 0.5):
            hit(bar_s + place * beat_s, hat, 0.12)
    samples = np.clip(sound[: int(seconds * RATE)], -1, 1)
    return samples.astype(np.float32), truth, numbers


def write_sound(path: Path, samples: np.ndarray, rate: int) -> None:
    """Mono 16-bit WAV, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    part.replace(path)
