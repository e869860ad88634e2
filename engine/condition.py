"""The numbers that condition one token row: everything of the music and of the stage that the network may know. Pure
numpy.

Training imitates the show through these very functions, so that the two cannot drift apart. A row is 4 model frames
(133 ms).
"""

from dataclasses import dataclass

import numpy as np

ROW_FRAMES = 4
BANDS = 4
TYPICAL_PERIOD_S = 0.55
BEAT, AUDIO, ENERGY, DELAY, STEER = slice(0, 14), slice(14, 22), 22, 23, slice(24, 29)
SIZE = 29
#: The tempo octave in which bodies were trained; faster or slower music is danced at half or double time.
FOLD_PERIOD_S = (0.40, 0.92)


@dataclass(frozen=True, slots=True)
class Condition:
    """What one plan may know. ``style`` is an index of the model's styles, 0 = any."""

    window: (
        np.ndarray
    )  #: (W, SIZE) conditions of the coming rows, with predicted beats; the first is the row to be committed
    style: int  #: index into the model's styles
    follow: float  #: 0 = keep the flow, 1 = as tuned, above = follow the music harder (guidance)
    calm: float = 0.0  #: 0 = dance, 1 = stand still: scales the path over the floor down in silence


def beat_numbers(beats: np.ndarray, period_s: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Beat numbers (R, 4) at a row's frames, period (R,) [s], confidence (R,) 0..1 -> (R, 14); zeros without a beat."""
    once, twice = 2 * np.pi * beats, np.pi * beats[:, ::2]
    turned = np.concatenate([np.cos(once), np.sin(once), np.cos(twice), np.sin(twice)], axis=1)
    known = (confidence > 0.0).astype(np.float64)[:, None]
    tempo = np.log2(np.maximum(period_s, 0.05) / TYPICAL_PERIOD_S)[:, None]
    return np.concatenate([turned * known, tempo * known, confidence[:, None]], axis=1).astype(np.float32)


def audio_numbers(onset: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Onset strengths (R, 4) of the newest heard frames and band means (R, 4) -> (R, 8)."""
    return np.concatenate([np.clip(onset, 0, 1.5), np.clip(bands, 0, 1.5)], axis=1).astype(np.float32)


def steer_numbers(move: np.ndarray, turn_rad: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Wished displacement (R, 2) [m, heading frame: side, ahead] and turn (R,) over the next STEER_ROWS rows -> (R,
    5).
    """
    mask = known.astype(np.float32)[:, None]
    parts = [np.clip(move, -2, 2), np.sin(turn_rad)[:, None], np.cos(turn_rad)[:, None] - 1]
    return (np.concatenate([*parts, np.ones_like(mask)], axis=1) * mask).astype(np.float32)


STEER_ROWS = 12
#: What the music says, as against the stage; left out when guidance asks what the body would do without it.
MUSIC = np.array([*range(BEAT.start, BEAT.stop), *range(AUDIO.start, AUDIO.stop), ENERGY, DELAY])


def fold_level(period_s: float, level: int) -> int:
    """Octave shift (period x 2**level) that brings a period into the trained octave; the present one is kept while it
    fits.
    """
    low, high = FOLD_PERIOD_S
    if low <= period_s * 2.0**level <= high:
        return level
    level = 0
    while period_s * 2.0**level < low:
        level += 1
    while period_s * 2.0**level > high:
        level -= 1
    return level
