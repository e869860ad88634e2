"""Pitched voices from numpy: saws, squares, plucks, organs, bells, basses and an "ah"; band-limited wavetables."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from engine.types import LISTEN_RATE_HZ

_TABLE = 2048
_TOP_HZ = 11_000.0
_FORMANTS_HZ = {"a": (730, 1090, 2440), "o": (570, 840, 2410), "u": (300, 870, 2240), "e": (530, 1840, 2480)}


@dataclass(frozen=True)
class Tone:
    """One synthetic sound. ``colour``: "saw", "square", "sine", "pulse", "organ", "ah" or "bell"."""

    colour: str
    attack_s: float = 0.004
    decay_s: float = 0.3
    sustain: float = 0.6
    release_s: float = 0.08
    voices: int = 1
    detune: float = 0.0  #: share of the pitch between the outermost voices
    dark: float = 8.0  #: harmonic at which the closed filter stands; the open one lets everything through
    open_s: float = 0.15  #: how fast the filter closes after the attack
    vibrato: float = 0.0
    octave: int = 0
    width: float = 0.5

    def note(self, pitch: int, strength: float, length_s: float) -> np.ndarray:
        """A note (n,) float32 that starts at sample 0."""
        hz = 440.0 * 2 ** ((pitch - 69) / 12 + self.octave)
        return _note(self, round(float(hz), 3), round(strength * 8) / 8, round(length_s, 2))


def _harmonics(tone: Tone, hz: float) -> np.ndarray:
    """Amplitudes of the harmonics 1.. below the top of the band."""
    k = np.arange(1, max(2, int(_TOP_HZ / hz) + 1))
    if tone.colour == "saw":
        return 1.0 / k
    if tone.colour == "square":
        return (k % 2) / k
    if tone.colour == "pulse":
        return np.abs(np.sin(np.pi * k * tone.width)) / k
    if tone.colour == "organ":
        return np.isin(k, (1, 2, 3, 4, 6, 8)) / np.sqrt(k)
    if tone.colour == "bell":
        return np.isin(k, (1, 3, 4, 7, 11)) / k**0.8
    if tone.colour == "ah":
        vowel = _FORMANTS_HZ["aoue"[int(tone.width * 4) % 4]]
        shape = sum(np.exp(-0.5 * ((k * hz - f) / (60 + 0.06 * f)) ** 2) / (n + 1) for n, f in enumerate(vowel))
        return shape + 0.05 / k
    return (k == 1).astype(float)


@lru_cache(maxsize=4096)
def _tables(tone: Tone, hz: float) -> tuple[np.ndarray, np.ndarray]:
    amplitudes = _harmonics(tone, hz)
    k = np.arange(1, len(amplitudes) + 1)
    closed = amplitudes / (1 + (k / tone.dark) ** 4)
    tables = []
    for amps in (amplitudes, closed):
        spectrum = np.zeros(_TABLE // 2 + 1, complex)
        spectrum[1 : len(amps) + 1] = -0.5j * amps[: _TABLE // 2] * _TABLE
        tables.append(np.fft.irfft(spectrum).astype(np.float32))
    return tables[0], tables[1]


@lru_cache(maxsize=600)
def _note(tone: Tone, hz: float, strength: float, length_s: float) -> np.ndarray:
    seconds = length_s + tone.release_s
    time = np.arange(int(seconds * LISTEN_RATE_HZ), dtype=np.float32) / np.float32(LISTEN_RATE_HZ)
    opened, closed = _tables(tone, hz)
    rng = np.random.default_rng(int(hz * 1000) % 2**32)
    wave = np.zeros(len(time), np.float32)
    bright = np.exp(-time / tone.open_s) * (0.35 + 0.65 * strength)
    wobble = tone.vibrato * np.sin(2 * np.pi * 5.5 * time) * np.minimum(time / 0.4, 1) if tone.vibrato else 0.0
    for k in range(tone.voices):
        spread = 0.0 if tone.voices == 1 else (k / (tone.voices - 1) - 0.5) * tone.detune
        phase = (hz * (1 + spread)) * time + rng.random() * (tone.voices > 1) + wobble
        index = ((phase % 1.0) * _TABLE).astype(np.int32) % _TABLE
        wave += opened[index] * bright + closed[index] * (1 - bright)
    return wave * (_envelope(tone, time, length_s) * strength / np.sqrt(tone.voices))


def _envelope(tone: Tone, time: np.ndarray, length_s: float) -> np.ndarray:
    held = np.minimum(time / max(tone.attack_s, 0.001), 1) * (
        tone.sustain + (1 - tone.sustain) * np.exp(-np.maximum(time - tone.attack_s, 0) / tone.decay_s)
    )
    return held * np.clip((length_s + tone.release_s - time) / tone.release_s, 0, 1)


def bass_tone(rng: np.random.Generator) -> Tone:
    """A drawn bass: sub, saw, square, plucked or detuned."""
    kind = rng.choice(["sub", "saw", "square", "pluck", "reese"])
    short = float(rng.uniform(0.08, 0.4))
    if kind == "sub":
        return Tone("sine", 0.004, 0.5, 0.8, 0.05)
    if kind == "reese":
        return Tone("saw", 0.006, 0.5, 0.9, 0.06, voices=3, detune=0.012, dark=float(rng.uniform(4, 12)))
    colour = "square" if kind == "square" else "saw"
    sustain = 0.05 if kind == "pluck" else float(rng.uniform(0.4, 0.9))
    return Tone(
        colour, 0.003, short, sustain, 0.04, dark=float(rng.uniform(2, 9)), open_s=float(rng.uniform(0.03, 0.3))
    )


def chord_tone(rng: np.random.Generator, slow: bool) -> Tone:
    """A pad (``slow``: swells in 0.15 to 0.9 s) or a stab."""
    colour = str(
        rng.choice(["saw", "square", "pulse", "organ", "ah"] if slow else ["saw", "pulse", "organ", "bell", "saw"])
    )
    if slow:
        return Tone(
            colour,
            float(rng.uniform(0.15, 0.9)),
            1.0,
            0.9,
            float(rng.uniform(0.2, 0.8)),
            voices=int(rng.integers(1, 4)),
            detune=float(rng.uniform(0.002, 0.012)),
            dark=float(rng.uniform(3, 12)),
            open_s=1.0,
            vibrato=0.01 * (colour == "ah"),
            width=float(rng.random()),
        )
    return Tone(
        colour,
        0.003,
        float(rng.uniform(0.08, 0.5)),
        float(rng.uniform(0.0, 0.5)),
        float(rng.uniform(0.03, 0.25)),
        voices=int(rng.integers(1, 4)),
        detune=float(rng.uniform(0.003, 0.015)),
        dark=float(rng.uniform(3, 14)),
        open_s=float(rng.uniform(0.05, 0.4)),
        width=float(rng.uniform(0.1, 0.5)),
    )


def lead_tone(rng: np.random.Generator) -> Tone:
    """A lead, or a voice singing one vowel (its attack is soft)."""
    if rng.random() < 0.4:
        return Tone(
            "ah", float(rng.uniform(0.03, 0.09)), 0.5, 0.8, 0.1, dark=40, vibrato=0.02, width=float(rng.random())
        )
    return Tone(
        str(rng.choice(["saw", "square", "pulse", "bell", "sine"])),
        float(rng.choice([0.003, 0.01])),
        float(rng.uniform(0.1, 0.8)),
        float(rng.uniform(0.1, 0.8)),
        float(rng.uniform(0.03, 0.2)),
        voices=int(rng.integers(1, 4)),
        detune=float(rng.uniform(0.002, 0.01)),
        dark=float(rng.uniform(3, 20)),
        vibrato=float(rng.choice([0.0, 0.01])),
        width=float(rng.uniform(0.1, 0.5)),
    )
