"""What the ear said, when it said it: the lines of ``beats.tsv``, ``predictions.tsv``, ``sections.tsv``. Pure.

Scoring a listener fairly needs the predictions as they stood, never revised by what was heard later.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.types import MODEL_HZ, POSE_HZ, BeatClock, MusicFeatures

BEATS_HEADER = "time_s\tbeat_in_bar\tbpm\tconfidence\tsaid_s"
PREDICTIONS_HEADER = "now_s\tnext_s\tnext2_s\tperiod_s\tconfidence"
SECTIONS_HEADER = "time_s\twhat\tprobability"
PREDICTIONS_HZ = 100

_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class SaidState:
    """What must not be said twice."""

    begun: bool = False  #: something was heard since the start
    beat: int = -1  #: number of the last beat said
    beat_s: float = -math.inf  #: and its time


@dataclass(frozen=True, slots=True)
class Said:
    """Lines for the three files, without line ends."""

    beats: tuple[str, ...]
    predictions: tuple[str, ...]
    sections: tuple[str, ...]


def said_step(state: SaidState, features: MusicFeatures) -> tuple[SaidState, Said]:
    """What is said at one model frame.

    A beat is said at the last model frame before it comes. One that the clock jumped over is said at once, unless
    less than half a beat passed since the one before. Beats before the first sound are not said.
    """
    now_s = features.frame / POSE_HZ
    state = replace(state, begun=state.begun or not features.silence)
    predictions = tuple(_predictions(features.beat, now_s)) if state.begun else ()
    state, beats = _beats(state, features.beat, now_s) if state.begun else (state, ())
    sections = tuple(f"{now_s:.6f}\t{what}\t{probability:.4f}" for what, probability in features.section.began)
    return state, Said(beats, predictions, sections)


def beat_in_bar(beat: BeatClock, number: int) -> int:
    """Place in the bar, 1..meter, of beat ``number``; 0 where it is unknown."""
    return (beat.beat_in_bar - 1 + number - beat.count) % beat.meter + 1 if beat.beat_in_bar else 0


def _beats(state: SaidState, beat: BeatClock, now_s: float) -> tuple[SaidState, tuple[str, ...]]:
    lines = []
    last = math.floor(beat.beats_at(now_s + 1 / MODEL_HZ) + _EPSILON)  # the newest beat that comes in this model frame
    for number in range(max(state.beat + 1, last - 1), last + 1):
        time_s = max(float(beat.time_of(number)), now_s)
        if time_s - state.beat_s < beat.period_s / 2:
            continue
        lines.append(f"{time_s:.6f}\t{beat_in_bar(beat, number)}\t{beat.bpm:.4f}\t{beat.confidence:.4f}\t{now_s:.6f}")
        state = replace(state, beat=number, beat_s=time_s)
    return state, tuple(lines)


def _predictions(beat: BeatClock, now_s: float) -> Iterator[str]:
    first = math.ceil(now_s * PREDICTIONS_HZ - _EPSILON)
    end = math.ceil((now_s + 1 / MODEL_HZ) * PREDICTIONS_HZ - _EPSILON)
    for step in range(first, end):
        at_s = step / PREDICTIONS_HZ
        number = math.floor(beat.beats_at(at_s) + _EPSILON) + 1
        next_s, next2_s = float(beat.time_of(number)), float(beat.time_of(number + 1))
        yield f"{at_s:.2f}\t{next_s:.6f}\t{next2_s:.6f}\t{beat.period_s:.6f}\t{beat.confidence:.4f}"
