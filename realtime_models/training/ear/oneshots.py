"""Drum one-shots from numpy: kicks, snares, claps, hats, tuned and shaken percussion, each from a few drawn parameters.

Every stroke starts at sample 0 with its attack within the first millisecond.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.signal import butter, sosfilt

from engine.types import LISTEN_RATE_HZ

RATE = LISTEN_RATE_HZ


def _time(seconds: float) -> np.ndarray:
    return np.arange(int(seconds * RATE)) / RATE


@lru_cache(maxsize=512)
def _band(low_hz: float, high_hz: float, order: int = 2) -> np.ndarray:
    return butter(order, [low_hz, min(high_hz, 11_500)], "band", fs=RATE, output="sos")


def band(wave: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Band-passed wave (causal, second order); edges are rounded to a twentieth of an octave."""
    low_hz, high_hz = (float(2 ** (round(np.log2(hz) * 20) / 20)) for hz in (low_hz, high_hz))
    return sosfilt(_band(low_hz, max(high_hz, low_hz * 1.2)), wave)


def _noise(rng: np.random.Generator, seconds: float) -> np.ndarray:
    return rng.standard_normal(int(seconds * RATE))


def kick(rng: np.random.Generator) -> np.ndarray:
    """A falling sine with a click; from deep 808 to hard 909 and acoustic thud."""
    base_hz, punch = rng.uniform(38, 68), rng.uniform(1.5, 7)
    fall_s, decay_s = rng.uniform(0.008, 0.05), float(np.exp(rng.uniform(np.log(0.07), np.log(0.45))))
    time = _time(min(6 * decay_s, 1.2))
    phase = 2 * np.pi * base_hz * (time + punch * fall_s * (1 - np.exp(-time / fall_s)))
    wave = np.sin(phase + rng.uniform(0.6, 1.6)) * np.exp(-time / decay_s)
    drive = rng.uniform(0.8, 4)
    wave = np.tanh(drive * wave) / np.tanh(drive)
    click = _noise(rng, 0.02) * np.exp(-_time(0.02) / rng.uniform(0.001, 0.005))
    wave[: len(click)] += rng.uniform(0.05, 0.7) * band(click, rng.uniform(800, 2500), rng.uniform(4000, 11000))
    return wave


def snare(rng: np.random.Generator) -> np.ndarray:
    tone_hz, decay_s = rng.uniform(150, 290), rng.uniform(0.05, 0.2)
    time = _time(min(6 * decay_s, 0.8))
    bend = 1 + 0.5 * np.exp(-time / 0.01)
    body = np.sin(2 * np.pi * np.cumsum(tone_hz * bend) / RATE + 1) * np.exp(-time / (decay_s * 0.6))
    rattle = band(_noise(rng, len(time) / RATE + 0.001)[: len(time)], rng.uniform(300, 1800), rng.uniform(6000, 11500))
    return rng.uniform(0.2, 0.9) * body + rng.uniform(0.5, 1.2) * rattle * np.exp(-time / decay_s)


def clap(rng: np.random.Generator) -> np.ndarray:
    """Three or four hands within 30 ms; the first is at sample 0."""
    time = _time(0.4)
    envelope = np.exp(-time / rng.uniform(0.04, 0.13)) * 0.7
    for k, start_s in enumerate(np.cumsum(np.concatenate([[0], rng.uniform(0.005, 0.011, rng.integers(1, 4))]))):
        late = time - start_s
        envelope += np.where(late >= 0, np.exp(-np.maximum(late, 0) / 0.005), 0) * (1.0 if k == 0 else 0.8)
    return band(rng.standard_normal(len(time)), rng.uniform(600, 1100), rng.uniform(2000, 6000)) * envelope * 1.3


def rim(rng: np.random.Generator) -> np.ndarray:
    time = _time(0.12)
    tones = sum(np.sin(2 * np.pi * hz * time + 1) for hz in rng.uniform(400, 2600, 3))
    return tones / 2 * np.exp(-time / rng.uniform(0.006, 0.025))


def _metal(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """Six inharmonic squares, as in old drum machines, or plain noise."""
    if rng.random() < 0.5:
        return rng.standard_normal(len(time))
    base_hz = rng.uniform(180, 420)
    ratios = np.array([1, 1.342, 1.2312, 1.6532, 1.9523, 2.1523]) * rng.uniform(0.97, 1.03, 6)
    return sum(np.sign(np.sin(2 * np.pi * base_hz * ratio * time)) for ratio in ratios) / 2.5


def _cymbal(rng: np.random.Generator, decay_s: float, low_hz: float) -> np.ndarray:
    time = _time(min(5 * decay_s, 2.2))
    return band(_metal(rng, time), low_hz, 11_400) * np.exp(-time / decay_s)


def hat(rng: np.random.Generator) -> np.ndarray:
    return _cymbal(rng, rng.uniform(0.012, 0.06), rng.uniform(3500, 8000))


def open_hat(rng: np.random.Generator) -> np.ndarray:
    return _cymbal(rng, rng.uniform(0.09, 0.4), rng.uniform(3000, 7000))


def ride(rng: np.random.Generator) -> np.ndarray:
    wave = _cymbal(rng, rng.uniform(0.25, 0.7), rng.uniform(2500, 5000)) * 0.6
    time = _time(len(wave) / RATE + 0.001)[: len(wave)]
    return wave + 0.5 * np.sin(2 * np.pi * rng.uniform(2500, 4500) * time) * np.exp(-time / 0.06)


def crash(rng: np.random.Generator) -> np.ndarray:
    return _cymbal(rng, rng.uniform(0.5, 1.2), rng.uniform(700, 3000))


def shaker(rng: np.random.Generator) -> np.ndarray:
    time = _time(0.14)
    rise_s = rng.uniform(0.001, 0.012)
    envelope = np.minimum(time / rise_s, 1) * np.exp(-np.maximum(time - rise_s, 0) / rng.uniform(0.015, 0.05))
    return band(rng.standard_normal(len(time)), rng.uniform(3500, 6500), 11_000) * envelope


def tuned(low_hz: float, high_hz: float, decay_s: float, bend: float = 0.3) -> Callable:
    """A drum skin or block between two pitches."""

    def stroke(rng: np.random.Generator) -> np.ndarray:
        hz, fade_s = rng.uniform(low_hz, high_hz), decay_s * float(np.exp(rng.uniform(-0.6, 0.5)))
        time = _time(min(6 * fade_s, 1.2))
        phase = 2 * np.pi * np.cumsum(hz * (1 + bend * np.exp(-time / 0.02))) / RATE
        tap = band(rng.standard_normal(len(time)), 1000, 6000) * np.exp(-time / 0.004)
        return np.sin(phase + 1) * np.exp(-time / fade_s) + rng.uniform(0.1, 0.5) * tap

    return stroke


def cowbell(rng: np.random.Generator) -> np.ndarray:
    time = _time(0.5)
    hz = rng.uniform(480, 700)
    tones = np.sign(np.sin(2 * np.pi * hz * time)) + np.sign(np.sin(2 * np.pi * hz * 1.48 * time))
    fade = 0.6 * np.exp(-time / 0.02) + 0.4 * np.exp(-time / rng.uniform(0.05, 0.15))
    return band(tones, hz * 0.8, hz * 5) * fade * 0.7


#: role -> (stroke, level [dB] beside the kick, General MIDI note)
ROLES: dict[str, tuple[Callable, float, int]] = {
    "kick": (kick, 0, 36),
    "snare": (snare, -3, 38),
    "clap": (clap, -4, 39),
    "rim": (rim, -6, 37),
    "hat": (hat, -13, 42),
    "open": (open_hat, -11, 46),
    "pedal": (hat, -14, 44),
    "ride": (ride, -13, 51),
    "bell": (ride, -10, 53),
    "crash": (crash, -6, 49),
    "tom1": (tuned(150, 230, 0.15), -4, 50),
    "tom2": (tuned(100, 160, 0.18), -4, 47),
    "tom3": (tuned(65, 110, 0.22), -3, 43),
    "tamb": (shaker, -10, 54),
    "shaker": (shaker, -13, 70),
    "cabasa": (shaker, -12, 69),
    "cowbell": (cowbell, -9, 56),
    "clave": (tuned(1900, 2700, 0.02, 0.0), -8, 75),
    "wood": (tuned(700, 1500, 0.02, 0.0), -8, 76),
    "conga_hi": (tuned(230, 330, 0.07, 0.1), -6, 63),
    "conga_slap": (tuned(260, 420, 0.03, 0.1), -6, 62),
    "conga_lo": (tuned(140, 210, 0.1, 0.1), -6, 64),
    "bongo_hi": (tuned(380, 560, 0.04, 0.1), -8, 60),
    "bongo_lo": (tuned(260, 380, 0.05, 0.1), -8, 61),
    "timbale": (tuned(280, 480, 0.1, 0.05), -8, 65),
    "agogo": (tuned(700, 1100, 0.1, 0.0), -10, 67),
    "guiro": (shaker, -10, 73),
    "surdo": (tuned(55, 85, 0.25, 0.15), -1, 41),
    "triangle": (tuned(3500, 5500, 0.25, 0.0), -16, 81),
}
