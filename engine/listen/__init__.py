"""The ear: frames of sound in, MusicFeatures out. Pure state machines, one call a model frame.

``Front`` brings any source to 24 kHz; ``listen_step`` hears 800 samples at a time and predicts the coming beats.
"""

import math
from dataclasses import dataclass

import numpy as np

from engine.listen.beat import BeatReading, BeatState, agreement, beat_step, start_beat
from engine.listen.front import Front, Heard, quantise
from engine.listen.level import LevelState, level_step, start_level
from engine.listen.onset import OnsetState, onset_step, start_onsets
from engine.types import LISTEN_HOP, MODEL_HZ, BeatClock, MusicFeatures

__all__ = ["Front", "Heard", "ListenState", "listen_step", "quantise", "start_listening"]

_SURE = 0.95  # nothing is surer: the music may mean another beat than the filter
_SLEW, _SLEW_PERIOD = 0.1, 0.12  # share of the error that is taken back in a frame
_FAR_BEATS, _FAR_PERIOD = 0.12, 0.08  # larger than this is another beat, not an error
_PATIENCE_FRAMES = 6  # another beat must stand for so long before the clock goes over to it


@dataclass(frozen=True, slots=True)
class ListenState:
    """All that the ear remembers. Never written in place: keep one and go on from it as often as you like."""

    frames: int
    onsets: OnsetState
    level: LevelState
    beat: BeatState
    clock: BeatClock
    astray: int  #: frames for which belief and clock disagreed


def start_listening() -> ListenState:
    """The state before the first sample."""
    return ListenState(0, start_onsets(), start_level(), start_beat(), BeatClock(), 0)


def listen_step(state: ListenState, samples: np.ndarray, gap: bool = False) -> tuple[ListenState, MusicFeatures]:
    """Hear one model frame: samples (800,) float32 at 24 kHz; ``gap`` = they stand for sound that was not captured.

    The features of the n-th call (from 0) carry frame 2 (n + 1). Raises ValueError on another number of samples.
    """
    if samples.shape != (LISTEN_HOP,):
        raise ValueError(f"a model frame has shape ({LISTEN_HOP},), got {samples.shape}")
    frames = state.frames + 1
    onset_state, strengths = onset_step(state.onsets, samples)
    level_state, level = level_step(state.level, samples)
    if gap or not level.audible:
        strengths = np.zeros_like(strengths)
    beat_state, reading = beat_step(state.beat, strengths, heard=not (gap or level.silence))
    now_s = frames / MODEL_HZ
    clock, astray = _follow(state.clock, state.astray, reading, now_s)
    beats = clock.beats_at(now_s)
    until_next_s = (math.floor(beats) + 1 - beats) * clock.period_s
    confidence = _SURE * reading.clarity * agreement(beat_state.belief, until_next_s)
    clock = BeatClock(clock.anchor_s, clock.count, clock.period_s, 0, 4, confidence, 0.0)
    bands = strengths.max(axis=0)
    features = MusicFeatures(
        frame=2 * frames,
        beat=clock,
        onset=float(strengths.mean(axis=1).max()),
        loudness_db=level.loudness_db,
        bands=bands.astype(np.float32),
        energy=level.energy,
        silence=level.silence,
    )
    return ListenState(frames, onset_state, level_state, beat_state, clock, astray), features


def _follow(clock: BeatClock, astray: int, reading: BeatReading, now_s: float) -> tuple[BeatClock, int]:
    """Slew the clock to the reading, or go over to it when it has stood elsewhere for long enough."""
    beats = float(clock.beats_at(now_s))
    error = (reading.phase - beats + 0.5) % 1.0 - 0.5
    stretch = reading.period_s / clock.period_s - 1.0
    if abs(error) < _FAR_BEATS and abs(stretch) < _FAR_PERIOD:
        astray, beats, period_s = 0, beats + _SLEW * error, clock.period_s * (1.0 + _SLEW_PERIOD * stretch)
    elif astray + 1 < _PATIENCE_FRAMES:
        astray, period_s = astray + 1, clock.period_s
    else:
        astray, beats, period_s = 0, beats + error, reading.period_s
    count = max(math.floor(beats), clock.count)
    return BeatClock(now_s - (beats - count) * period_s, count, period_s), astray
