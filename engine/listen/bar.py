"""Which beat of the bar it is: a forward filter over metre 2..7 and place in the bar. Pure: belief in, belief out.

A beat is taken in when the ear has said all that it will say of it, 70 ms after its activation. What counts is how
much of a downbeat it was for the beat that it was: a break without drums says nothing about the bar.
"""

import math
from dataclasses import dataclass

import numpy as np

from engine.listen.cycle import Cycle, advance, loosen, place, weigh
from engine.types import BeatClock

METERS = Cycle((2, 3, 4, 5, 6, 7), (0.02, 0.14, 0.76, 0.03, 0.03, 0.02), change=0.004, astray=0.004)
NEAR_S = 0.07  #: an activation so near to a beat belongs to it
LOOK_S = 1.0 / 60.0
KEPT_LOOKS = 96  #: newest activations that are remembered (1.6 s): a slow beat and what lies around it

_USUAL = 0.28  # how many beats are downbeats
_TRUST = 0.8
_LEAST = 0.04  # nothing is surer
_WHOLE = 0.5  # beat activation from which a beat's evidence counts in full
_STAY = 1.5  # another metre must be this much likelier
_MOST_BEATS = 8  # taken in at once
_A_BEAT = 1.2  # periods
_UNKNOWN = 0.35  # below this probability no place in the bar is told


@dataclass(frozen=True, slots=True)
class BarState:
    belief: np.ndarray  #: over (metre, place) of beat number ``beat``
    beat: int  #: newest beat that was taken in
    meter: int  #: that was read last
    looks: np.ndarray  #: (KEPT_LOOKS, 2) newest activations of beat and downbeat
    on: tuple[float, float]  #: mean activation at the last beats, of even and odd number
    off: float  #: largest between them


@dataclass(frozen=True, slots=True)
class BarReading:
    beat_in_bar: int  #: 1..meter of beat ``BeatClock.count``; 0 = unknown
    meter: int
    confidence: float  #: 0..1 that the place is right


def start_bar() -> BarState:
    return BarState(METERS.prior, 0, 4, np.zeros((KEPT_LOOKS, 2)), (0.0, 0.0), 0.0)


def bar_step(
    state: BarState, beat: np.ndarray, downbeat: np.ndarray, clock: BeatClock, heard_s: float
) -> tuple[BarState, BarReading]:
    """Activations (n,) of the newest looks, the last of which speaks of stream time ``heard_s``, and the clock."""
    looks = np.concatenate([state.looks[len(beat) :], np.stack([beat, downbeat], axis=1)])
    belief, on, off = state.belief, state.on, state.off
    ripe = math.floor(clock.beats_at(heard_s - NEAR_S))
    for number in range(max(state.beat + 1, ripe + 1 - _MOST_BEATS), ripe + 1):
        at_beat, between = _around(looks, clock, number, heard_s)
        belief = weigh(METERS, advance(METERS, belief), _evidence(*at_beat))
        even, odd = on
        newer = on[number % 2] + 2 * _SHARE * (at_beat[0] - on[number % 2])
        on = (even, newer) if number % 2 else (newer, odd)
        off += _SHARE * (between - off)
    taken = max(state.beat, ripe)
    found = place(METERS, belief, state.meter, _STAY)
    sure = found.probability
    told = (found.position + clock.count - taken) % found.length + 1 if sure >= _UNKNOWN else 0
    reading = BarReading(told, found.length, sure if told else 0.0)
    return BarState(belief, taken, found.length, looks, on, off), reading


_SHARE = 0.25  # of the newest beat in ``on`` and ``off``


def strength(state: BarState) -> float:
    """0..1 mean activation at the last predicted beats."""
    return 0.5 * (state.on[0] + state.on[1])


def agreement(state: BarState) -> float:
    """0..1 how far the last predicted beats came where something was heard, and not half-way between."""
    return strength(state) / (strength(state) + state.off + 0.1)


def evenness(state: BarState) -> float:
    """0..1 how alike every second beat is to those between; twice the true tempo is uneven, and nothing heard is 0."""
    return min(state.on) / (max(state.on) + 0.05)


def still_heard(state: BarState, beat: np.ndarray, period_s: float) -> float:
    """Largest beat activation of little more than the last period, with the newest looks (n,): is the beat there?"""
    looks = min(round(_A_BEAT * period_s / LOOK_S), KEPT_LOOKS)
    return float(max(state.looks[-looks:, 0].max(initial=0.0), beat.max(initial=0.0)))


def another_beat(state: BarState, clock: BeatClock, heard_s: float, share: float) -> BarState:
    """After the clock went over to another beat or level, or did not hear: ``share`` of what is believed goes."""
    ripe = math.floor(clock.beats_at(heard_s - NEAR_S))
    kept = 1.0 - share
    return BarState(
        loosen(METERS, state.belief, share),
        ripe,
        state.meter,
        state.looks,
        (kept * state.on[0], kept * state.on[1]),
        kept * state.off,
    )


def _around(looks: np.ndarray, clock: BeatClock, number: int, heard_s: float) -> tuple[tuple[float, float], float]:
    """Largest (beat, downbeat) activation at a beat, and largest beat activation in the half beats around it."""
    back = (heard_s - float(clock.time_of(number))) / LOOK_S
    apart = np.abs(np.arange(len(looks) - 1, -1, -1) - back)
    near = apart <= min(NEAR_S, clock.period_s / 4) / LOOK_S
    between = ~near & (apart <= 0.75 * clock.period_s / LOOK_S) & (apart >= 0.25 * clock.period_s / LOOK_S)
    at_beat = (float(looks[near, 0].max(initial=0.0)), float(looks[near, 1].max(initial=0.0)))
    return at_beat, float(looks[between, 0].max(initial=0.0))


def _evidence(beat: float, downbeat: float) -> float:
    """Logarithm of how much likelier this is of a downbeat than of another beat."""
    share = min(max(downbeat / max(beat, 0.1), _LEAST), 1.0 - _LEAST)
    weight = _TRUST * min(beat / _WHOLE, 1.0)
    return weight * (math.log(share / (1.0 - share)) - math.log(_USUAL / (1.0 - _USUAL)))
