"""Is this the drop? A logistic function of what the network says now and of what went before. Pure.

The network alone is shy: a drop is rare, and its activation seldom passes one half. What surrounds it tells more: a
build-up or break has just ended, drums and pulse come back, a bar begins. The coefficients are fitted to an ear by
``python -m realtime_models.training.ear.tune_sections``; each ground's is 0 or more.
"""

import math
from dataclasses import astuple, dataclass

from engine.types import MODEL_HZ, Activations, BeatClock

_LEAST = 0.003  # nothing is surer
_SAID, _AWAY, _LATELY, _JUST = (1.0 / (seconds * MODEL_HZ) for seconds in (0.2, 2.0, 1.5, 0.12))


@dataclass(frozen=True, slots=True)
class Grounds:
    """What speaks for a drop in the beat that ends now."""

    said: float  #: logarithm of the odds of the drop activation, over 0.2 s
    over: float  #: -1..1 how far build-up and break have fallen, against the last 2 s
    drums: float  #: 0..1 drums play
    back: float  #: -1..1 how far they have come back, against the last second and a half
    pulse: float  #: -1..1 how far something to follow has
    bar: float  #: 0..1 how sure it is that the first beat of a bar runs


@dataclass(frozen=True, slots=True)
class Weighing:
    """Coefficients of the grounds."""

    bias: float
    grounds: Grounds


@dataclass(frozen=True, slots=True)
class DropState:
    """Moving averages; at the start as in plain music, so that a beginning is no return."""

    said: float = 0.0
    away_lately: float = 0.0  #: build-up or break
    away: float = 0.0
    drums_lately: float = 1.0
    drums: float = 1.0
    pulse_lately: float = 1.0
    pulse: float = 1.0


def drop_step(
    state: DropState, said: Activations, clock: BeatClock, heard: bool, now_s: float
) -> tuple[DropState, Grounds]:
    """One model frame; ``heard`` False: nothing was, whatever was said."""
    drop, away, drums, pulse = (said.drop, said.build + said.breakdown, said.drums, said.pulse) if heard else (0.0,) * 4
    after = DropState(
        state.said + _SAID * (drop - state.said),
        state.away_lately + _AWAY * (min(away, 1.0) - state.away_lately),
        state.away + _JUST * (min(away, 1.0) - state.away),
        state.drums_lately + _LATELY * (drums - state.drums_lately),
        state.drums + _JUST * (drums - state.drums),
        state.pulse_lately + _LATELY * (pulse - state.pulse_lately),
        state.pulse + _JUST * (pulse - state.pulse),
    )
    share = min(max(after.said, _LEAST), 1.0 - _LEAST)
    return after, Grounds(
        math.log(share / (1.0 - share)),
        after.away_lately - after.away,
        after.drums,
        after.drums - after.drums_lately,
        after.pulse - after.pulse_lately,
        clock.bar_confidence if _in_first_beat(clock, now_s) else 0.0,
    )


def _in_first_beat(clock: BeatClock, now_s: float) -> bool:
    if not clock.beat_in_bar:
        return False
    passed = math.floor(float(clock.beats_at(now_s))) - clock.count
    return (clock.beat_in_bar - 1 + passed) % clock.meter == 0


def drop_probability(grounds: Grounds, weighing: Weighing) -> float:
    """0..1 that a drop came within the last beat."""
    odds = weighing.bias + sum(
        weight * x for weight, x in zip(astuple(weighing.grounds), astuple(grounds), strict=True)
    )
    return 1.0 / (1.0 + math.exp(-min(max(odds, -30.0), 30.0)))
