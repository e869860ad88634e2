"""A beat clock from elsewhere (Link, MIDI clock, another ear), followed by slewing. Pure: state in, state out.

The clock that the house sees never jumps: its phase moves by at most 4 % of speed towards the clock it follows. When
the outside clock is lost or stopped it coasts, and after a while the own ear, which listens all the time, takes over by
the same slewing.
"""

import enum
import math
from dataclasses import dataclass, field, replace

from engine.types import MODEL_HZ, BeatClock

SLEW_MOST = 0.04  #: of speed: how much faster or slower than its target the clock runs to get there
COAST_S = 4.0  #: how long the tempo of a lost clock goes on before the own ear takes over
_SAME_S = 0.0005  # readings whose beats lie so near say the same
_SAME_BEATS = 8  # for so many beats ahead
_SURE = 0.95  # the operator says that this is the clock
_NEAR_S, _FAR_S = 0.02, 0.07  # a beat so far off is on the beat; and not at all
_ARRIVED_BEATS = 0.01
_FADE_S = 2.0  # time constant of the confidence of a clock that nobody drives


@dataclass(frozen=True, slots=True)
class OutsideClock:
    """An immutable reading of a beat clock from elsewhere, in stream time."""

    anchor_s: float  #: stream time of its beat number ``count`` [s]
    count: int
    period_s: float  #: more than 0
    beat_in_bar: int = 0  #: 1..meter of the beat at ``anchor_s``, 0 = unknown
    meter: int = 4
    playing: bool = True  #: False: its transport was stopped
    name: str = ""  #: where it comes from, for the page and the take

    def beats_at(self, t_s: float) -> float:
        """Its beat number (with fraction) at stream time ``t_s`` [s]."""
        return self.count + (t_s - self.anchor_s) / self.period_s


def differs(before: OutsideClock | None, after: OutsideClock | None) -> bool:
    """Whether ``after`` says what ``before`` did not: only then it must be told (and kept in a take)."""
    if before is None or after is None:
        return before is not after
    what, was = ((clock.meter, clock.playing, clock.name, clock.beat_in_bar == 0) for clock in (after, before))
    if what != was:
        return True
    apart_s = after.anchor_s - before.anchor_s - (after.count - before.count) * before.period_s
    if abs(apart_s) > _SAME_S or abs(after.period_s - before.period_s) * _SAME_BEATS > _SAME_S:
        return True
    return (after.beat_in_bar - before.beat_in_bar - (after.count - before.count)) % after.meter != 0


class Leader(enum.Enum):
    """Whom the clock follows."""

    OWN = enum.auto()  #: the own ear
    OUTSIDE = enum.auto()
    NOBODY = enum.auto()  #: the outside clock was lost: coasting
    BACK_TO_OWN = enum.auto()  #: slewing to the own ear


@dataclass(frozen=True, slots=True)
class FollowState:
    """The clock that the house sees, and how it came to be."""

    clock: BeatClock = field(default_factory=BeatClock)
    leader: Leader = Leader.OWN
    since_s: float = 0.0  #: when this leader began [stream s]
    offset: int = 0  #: number of a beat of ``clock`` less its number in the own ear, while the own ear leads
    losses: int = 0  #: the outside clock went away
    returns: int = 0  #: the own ear took over after that


def start_following() -> FollowState:
    """The own ear leads."""
    return FollowState()


def outside_step(
    state: FollowState, own: BeatClock, outside: OutsideClock | None, now_s: float, passed_s: float = 1 / MODEL_HZ
) -> FollowState:
    """One model frame: ``state.clock`` of the result is what the house sees at stream time ``now_s`` [s].

    ``own`` is the own ear's clock, ``outside`` the reading that stands, None = there is none (any more). ``passed_s``
    is the time since the last step.
    """
    state = _lead(state, own, outside, now_s)
    if state.leader is Leader.OWN:
        return replace(state, clock=_numbered(own, state.offset, state.clock.count))
    if state.leader is Leader.OUTSIDE:
        return replace(state, clock=follow_outside(state.clock, outside, now_s, passed_s))
    if state.leader is Leader.NOBODY:
        return replace(state, clock=_coast(state.clock, now_s, passed_s))
    clock, error, beats_apart = _slewed(state.clock, own, now_s, passed_s)
    clock = replace(clock, confidence=own.confidence * _closeness(error * own.period_s))
    if abs(error) > _ARRIVED_BEATS:
        return replace(state, clock=clock)
    return replace(state, clock=clock, leader=Leader.OWN, since_s=now_s, offset=-beats_apart)


def follow_outside(clock: BeatClock, outside: OutsideClock, now_s: float, passed_s: float = 1 / MODEL_HZ) -> BeatClock:
    """``clock`` one step nearer to ``outside``: its tempo at once, its phase by at most 4 % of the step's beats.

    The count goes on from ``clock`` (which beat has which number elsewhere is the place in the bar's business) and
    ``beats_at(now_s)`` never decreases from step to step.
    """
    clock, error, _ = _slewed(clock, outside, now_s, passed_s)
    near = _closeness(error * outside.period_s)
    return replace(clock, confidence=_SURE * near, bar_confidence=_SURE * near if clock.beat_in_bar else 0.0)


def _lead(state: FollowState, own: BeatClock, outside: OutsideClock | None, now_s: float) -> FollowState:
    """Who leads from this frame on."""
    if outside is not None and outside.playing:
        return state if state.leader is Leader.OUTSIDE else replace(state, leader=Leader.OUTSIDE, since_s=now_s)
    if state.leader is Leader.OUTSIDE:
        losses = state.losses + (outside is None)  # a stop is not a loss
        return replace(state, leader=Leader.NOBODY, since_s=now_s, losses=losses)
    if state.leader is Leader.NOBODY and now_s - state.since_s >= COAST_S:
        return replace(state, leader=Leader.BACK_TO_OWN, since_s=now_s, returns=state.returns + 1)
    return state


def _slewed(
    clock: BeatClock, target: OutsideClock | BeatClock, now_s: float, passed_s: float
) -> tuple[BeatClock, float, int]:
    """The clock a step nearer, what is left of the error [beats], and the number of a beat there less that here."""
    beats = float(clock.beats_at(now_s))
    distance = float(target.beats_at(now_s)) - beats
    apart = math.floor(distance + 0.5)
    error = distance - apart
    most = SLEW_MOST * passed_s / target.period_s
    step = min(max(error, -most), most)
    beats += step
    count = max(math.floor(beats), clock.count)
    place = 0
    if target.beat_in_bar:
        place = (target.beat_in_bar - 1 + count + apart - target.count) % target.meter + 1
    anchor_s = now_s - (beats - count) * target.period_s
    return BeatClock(anchor_s, count, target.period_s, place, target.meter), error - step, apart


def _numbered(own: BeatClock, offset: int, least: int) -> BeatClock:
    """The own ear's clock in the house's numbers; its beat ``count`` is a later one where ``least`` asks for it."""
    count = max(own.count + offset, least)
    later = count - own.count - offset
    place = (own.beat_in_bar - 1 + later) % own.meter + 1 if own.beat_in_bar else 0
    return replace(own, anchor_s=own.anchor_s + later * own.period_s, count=count, beat_in_bar=place)


def _coast(clock: BeatClock, now_s: float, passed_s: float) -> BeatClock:
    fade = math.exp(-passed_s / _FADE_S)
    beats = float(clock.beats_at(now_s))
    count = max(math.floor(beats), clock.count)
    place = (clock.beat_in_bar - 1 + count - clock.count) % clock.meter + 1 if clock.beat_in_bar else 0
    anchor_s = now_s - (beats - count) * clock.period_s
    sure, bar_sure = clock.confidence * fade, clock.bar_confidence * fade
    return BeatClock(anchor_s, count, clock.period_s, place, clock.meter, sure, bar_sure)


def _closeness(error_s: float) -> float:
    """1 on the beat, 0 where a beat counts as missed."""
    return min(max((_FAR_S - abs(error_s)) / (_FAR_S - _NEAR_S), 0.0), 1.0)
