"""How sure the ear may be that its next beat is right: a logistic function of a few quantities. Pure.

The coefficients are fitted by ``python -m realtime_models.training.ear.calibrate`` on pieces that the network was not
trained on; each is 0 or more, so that more evidence never lowers the confidence.
"""

import math
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Grounds:
    """What confidence rests on, each 0..1."""

    share: float  #: of the belief that puts a beat within 70 ms of the next one, less chance
    pulse: float  #: the network hears something to follow
    strength: float  #: activation at the last predicted beats
    agreement: float  #: they came where something was heard, and not half-way between
    even: float  #: every second of them was like those between
    steady: float  #: how long the clock has followed the same beat: 1 - exp(-t / 4 s)


BIAS = -4.52
WEIGHTS = Grounds(share=1.98, pulse=2.70, strength=0.43, agreement=1.16, even=0.00, steady=1.45)
STEADY_S = 4.0


def confidence(grounds: Grounds) -> float:
    """0..1 that the next predicted beat is within 70 ms of a true one."""
    odds = BIAS + sum(weight * x for weight, x in zip(astuple(WEIGHTS), astuple(grounds), strict=True))
    return 1.0 / (1.0 + math.exp(-odds))


def steady(locked_s: float) -> float:
    """``Grounds.steady`` of a clock that has followed the same beat for ``locked_s`` [s]."""
    return 1.0 - math.exp(-locked_s / STEADY_S)
