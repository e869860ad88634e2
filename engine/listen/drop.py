"""Is this the drop? A logistic function of what the network says now and of what went before. Pure.

The network alone is shy: a drop is rare, and its activation seldom passes one half. What surrounds it tells more: there
was a build-up or a break until now, drums and pulse come back, a bar begins. The coefficients are fitted to an ear by
``python -m realtime_models.training.ear.tune_sections``; each ground's is 0 or more.
"""

import math
from dataclasses import astuple, dataclass

from engine.types import MODEL_HZ, Activations, BeatClock

_LEAST = 0.003  # nothing is surer
_SAID_FADE = math.exp(-1.0 / (0.25 * MODEL_HZ))
_LONG, _LATELY, _JUST = (1.0 / (seconds * MODEL_HZ) for seconds in (2.0, 1.5, 0.12))


@dataclass(frozen=True, slots=True)
class Grounds:
    """What speaks for a drop in the beat that ends now."""

    said: float  #: logarithm of the odds of the drop activation, the largest of the last quarter second
    away: float  #: 0..1 there was a build-up or a break, over 2 s
    still: float  #: 0..1 the same until just now
    drums: float  #: -1..1 drums come back, against the last second and a half
    pulse: float  #: -1..1 something to follow does
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
    away: float = 0.0
    still: float = 0.0
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
        max(drop, state.said * _SAID_FADE),
        state.away + _LONG * (min(away, 1.0) - state.away),
        state.still + _JUST * (min(away, 1.0) - state.still),
        state.drums_lately + _LATELY * (drums - state.drums_lately),
        state.drums + _JUST * (drums - state.drums),
        state.pulse_lately + _LATELY * (pulse - state.pulse_lately),
        state.pulse + _JUST * (pulse - state.pulse),
    )
    share = min(max(after.said, _LEAST), 1.0 - _LEAST)
    return after, Grounds(
        math.log(share / (1.0 - share)),
        after.away,
        after.still,
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
