"""Loudness, energy relative to the last half minute, and silence. Pure."""

from dataclasses import dataclass

import numpy as np

from engine.types import MODEL_HZ

FLOOR_DB = -100.0  #: digital silence
_GATE_DB = -60.0  # below this nothing is heard as music
_GATE_BELOW_DB = 45.0  # nor this far below the loudest of the last half minute
_LONG = float(np.exp(-1.0 / (3.0 * MODEL_HZ)))
_SHORT = float(np.exp(-1.0 / (0.15 * MODEL_HZ)))
_TOP_FALL_DB = 0.25 / MODEL_HZ
_LOW_RISE_DB = 0.4 / MODEL_HZ
_SILENCE_FRAMES = MODEL_HZ  # slow, dry music is quiet between its beats


@dataclass(frozen=True, slots=True)
class LevelState:
    power: float  #: short-term mean square
    top_db: float  #: loudest of the last half minute, slowly falling
    low_db: float  #: quietest, slowly rising
    quiet_frames: int
    long_power: float = 0.0  #: mean square of the last seconds


@dataclass(frozen=True, slots=True)
class Level:
    loudness_db: float
    energy: float
    audible: bool  #: this frame is above the gate
    silence: bool
    loudness_long_db: float = FLOOR_DB


def start_level() -> LevelState:
    return LevelState(0.0, _GATE_DB, FLOOR_DB, _SILENCE_FRAMES)


def level_step(state: LevelState, samples: np.ndarray) -> tuple[LevelState, Level]:
    """Samples (800,) -> loudness [dBFS] of 0.15 s and of 3 s, energy 0..1, silence."""
    signal = samples.astype(np.float64)
    total = float(np.add.reduce(signal * signal))
    power = _SHORT * state.power + (1.0 - _SHORT) * total / len(signal)
    long_power = _LONG * state.long_power + (1.0 - _LONG) * total / len(signal)
    long_db = max(10.0 * np.log10(long_power + 1e-12), FLOOR_DB)
    loudness = max(10.0 * np.log10(power + 1e-12), FLOOR_DB)
    gate = max(_GATE_DB, state.top_db - _GATE_BELOW_DB)
    audible = loudness > gate
    top = max(state.top_db - _TOP_FALL_DB, loudness, _GATE_DB)
    low = min(state.low_db + _LOW_RISE_DB, loudness) if audible else state.low_db
    low = loudness if audible and state.low_db <= FLOOR_DB else low
    span = min(max(top - low, 6.0), 24.0)
    energy = min(max((loudness - top + span) / span, 0.0), 1.0) if audible else 0.0
    quiet = 0 if audible else min(state.quiet_frames + 1, _SILENCE_FRAMES)
    silence = quiet >= _SILENCE_FRAMES
    level = Level(float(loudness), float(energy), bool(audible), silence, float(long_db))
    return LevelState(power, top, low, quiet, long_power), level
