"""The ear: frames of sound in, MusicFeatures out. Pure state machines, one call a model frame.

``Front`` brings any source to 24 kHz; ``listen_step`` hears 800 samples at a time and predicts the coming beats. What
the network of an ``Ear`` says of the spectra becomes a clock, a bar and a form in ``engine.listen.track``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.listen.ask import Ask
from engine.listen.front import Front, Heard, quantise
from engine.listen.level import LevelState, level_step, start_level
from engine.listen.mel import mel_step, start_mel
from engine.listen.onset import OnsetState, onset_step, start_onsets
from engine.listen.outside import OutsideClock
from engine.listen.track import TrackState, start_tracking, track_step
from engine.types import LISTEN_HOP, BeatClock, Ear, MusicFeatures

__all__ = ["Front", "Heard", "ListenState", "listen_step", "quantise", "start_listening"]


@dataclass(frozen=True, slots=True)
class ListenState:
    """All that the ear remembers. Never written in place: keep one and go on from it as often as you like."""

    onsets: OnsetState
    level: LevelState
    mel: np.ndarray
    ear: Any  #: the network's own state
    track: TrackState

    @property
    def frames(self) -> int:
        """Model frames heard so far."""
        return self.track.frames

    @property
    def clock(self) -> BeatClock:
        """The clock that the house sees."""
        return self.track.follow.clock


def start_listening(ear: Ear) -> ListenState:
    """The state before the first sample."""
    return ListenState(start_onsets(), start_level(), start_mel(), ear.start(), start_tracking())


def listen_step(
    ear: Ear,
    state: ListenState,
    samples: np.ndarray,
    gap: bool = False,
    asks: Sequence[Ask] = (),
    outside: OutsideClock | None = None,
) -> tuple[ListenState, MusicFeatures]:
    """Hear one model frame: samples (800,) float32 at 24 kHz; ``gap`` = they stand for sound that was not captured.

    ``asks``: what the operator wants of the beat now. ``outside``: the reading of a beat clock from elsewhere that the
    clock follows while it is given. The features of the n-th call (from 0) carry frame 2 (n + 1). Raises ValueError on
    another number of samples.
    """
    if samples.shape != (LISTEN_HOP,):
        raise ValueError(f"a model frame has shape ({LISTEN_HOP},), got {samples.shape}")
    onset_state, strengths = onset_step(state.onsets, samples)
    level_state, level = level_step(state.level, samples)
    mel_state, spectra = mel_step(state.mel, samples)
    ear_state, said = ear.step(state.ear, spectra)
    heard = not (gap or level.silence)
    track, known = track_step(state.track, said, ear.delay_s, heard, gap, asks, outside)
    if gap or not level.audible:
        strengths = np.zeros_like(strengths)
    features = MusicFeatures(
        frame=2 * track.frames,
        beat=known.clock,
        onset=float(strengths.mean(axis=1).max()),
        loudness_db=level.loudness_db,
        bands=strengths.max(axis=0).astype(np.float32),
        energy=level.energy,
        silence=level.silence,
        section=known.section,
        loudness_long_db=level.loudness_long_db,
        is_speech=known.speech,
        pulse=known.pulse,
        embedding=said.embedding,
    )
    return ListenState(onset_state, level_state, mel_state, ear_state, track), features
