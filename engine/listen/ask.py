"""What the operator tells the ear: tap, nudge, halve, double, clamp, lock. Pure: state in, state out.

An ask changes two things: the clock that the house sees, and the belief of ``engine.listen.pointer`` over (period,
position), so that the ear does not go back to what it thought before. What stays asked for (clamp, lock) restricts the
belief at every model frame.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.listen.pointer import PERIODS, TICK_HZ, Reading, start_pointer
from engine.types import BeatClock

BPM_RANGE = (60.0 * TICK_HZ / float(PERIODS[-1]), 60.0 * TICK_HZ / float(PERIODS[0]))  #: that can be believed
TAP_AGAIN_S = 2.5  #: a tap later than this after the last one begins a new series
TAPS_KEPT = 12
LOCK_BEATS = 0.1  #: phases farther than this from a locked clock are not followed

_FIRST = np.concatenate([[0], np.cumsum(PERIODS)[:-1]])
_ROW = np.repeat(np.arange(len(PERIODS)), PERIODS)
_SINCE = np.arange(len(_ROW)) - _FIRST[_ROW]
_FRACTION = _SINCE / PERIODS[_ROW]
_PRIOR = start_pointer().belief

_TAP_LATE_S, _TAP_EARLY_S = 2.0, 0.5  # how far from now the time of a tap may lie
_TAP_TEMPO, _TAP_PHASE_S = 0.02, 0.03  # how exactly a person taps: share of the tempo, seconds
_TAP_TRUST = 0.97  # of the belief goes to what was tapped
_TAP_STRAY = 0.25  # share of the beat; a tap farther off does not count for the tempo
_LOCK_PERIOD = 0.02  # periods this close stay believed under lock: rows are a per cent apart
_NUDGE_MOST_MS = 500.0
_LEAST = 1e-9  # belief less than this is nothing to go on from


@dataclass(frozen=True, slots=True)
class Tap:
    """The operator tapped a beat at stream time ``at_s`` [s]; None = now."""

    at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Nudge:
    """Move the beat once by ``ms`` [ms], positive = later."""

    ms: float


@dataclass(frozen=True, slots=True)
class Tempo:
    """The tempo is ``bpm`` [BPM]; the beats go on from the last one."""

    bpm: float


@dataclass(frozen=True, slots=True)
class Halve:
    """Half as many beats."""


@dataclass(frozen=True, slots=True)
class Double:
    """Twice as many beats."""


@dataclass(frozen=True, slots=True)
class Clamp:
    """Believe no tempo outside [BPM]; None or 0 = no bound on that side."""

    low_bpm: float | None = None
    high_bpm: float | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """Hold the tempo; the phase follows only what is near."""

    on: bool = True


@dataclass(frozen=True, slots=True)
class Reset:
    """Forget what was asked and what is believed."""


Ask = Tap | Nudge | Tempo | Halve | Double | Clamp | Lock | Reset


@dataclass(frozen=True, slots=True)
class AskState:
    """What stands of all that was asked."""

    taps: tuple[float, ...] = ()  #: times of the running series [stream s]
    allowed: np.ndarray | None = None  #: (K,) bool, periods that may be believed; None = all
    locked_s: float = 0.0  #: period that is held [s]; 0 = not locked


def start_asks() -> AskState:
    """Nothing was asked."""
    return AskState()


def ask_step(
    state: AskState, asks: Sequence[Ask], clock: BeatClock, belief: np.ndarray, now_s: float, heard_s: float
) -> tuple[AskState, BeatClock, np.ndarray]:
    """Apply asks in order at stream time ``now_s`` [s].

    ``belief`` (S,) is the pointer's, and speaks of stream time ``heard_s`` [s] (the ear's delay before now). Returns
    the state, the clock and the belief to go on from; nothing is written in place. Asks that cannot be (a tempo that
    no belief can hold) change nothing.
    """
    for ask in asks:
        match ask:
            case Tap():
                state, clock, belief = _tap(state, ask, clock, belief, now_s, heard_s)
            case Nudge():
                clock, belief = _nudge(ask, clock, belief)
            case Tempo():
                clock, belief = _tempo(state, ask, clock, belief, now_s, heard_s)
            case Halve():
                clock, belief = _rescale(state, clock, belief, 2.0, now_s, heard_s)
            case Double():
                clock, belief = _rescale(state, clock, belief, 0.5, now_s, heard_s)
            case Clamp():
                state = replace(state, allowed=_allowed(ask))
                clock = _into_range(clock, ask, now_s)
            case Lock():
                state = replace(state, locked_s=clock.period_s if ask.on else 0.0)
            case Reset():
                state, belief = AskState(), _PRIOR
                clock = replace(clock, confidence=0.0, bar_confidence=0.0, beat_in_bar=0)
        if state.locked_s and not isinstance(ask, Nudge):
            state = replace(state, locked_s=clock.period_s)  # who taps or halves under lock locks the new tempo
    return state, clock, restrict(state, belief, clock, heard_s)


def restrict(state: AskState, belief: np.ndarray, clock: BeatClock, heard_s: float) -> np.ndarray:
    """The belief (S,), of stream time ``heard_s``, without what clamp and lock rule out. Call it at every model frame
    after the pointer's step; returns ``belief`` itself where nothing is ruled out.
    """
    if state.allowed is not None:
        belief = _only(belief, state.allowed[_ROW])
    if state.locked_s:
        near = np.abs(PERIODS / TICK_HZ / state.locked_s - 1.0) < _LOCK_PERIOD
        near[np.abs(PERIODS / TICK_HZ - state.locked_s).argmin()] = True
        off = (_FRACTION - float(clock.beats_at(heard_s)) + 0.5) % 1.0 - 0.5
        belief = _only(belief, near[_ROW] & (np.abs(off) <= LOCK_BEATS))
    return belief


def bound_reading(state: AskState, reading: Reading, clock: BeatClock, heard_s: float) -> Reading:
    """What the clock may follow of a reading of stream time ``heard_s``: under lock the locked period, and the phase
    only where it is within a tenth of a beat of the clock's; else the clock's own. As it is where nothing is locked.
    """
    if not state.locked_s:
        return reading
    mine = float(clock.beats_at(heard_s))
    off = (reading.phase - mine + 0.5) % 1.0 - 0.5
    return replace(reading, phase=reading.phase if abs(off) <= LOCK_BEATS else mine % 1.0, period_s=state.locked_s)


def tapped_line(taps: Sequence[float], period_s: float) -> tuple[float, float]:
    """(time of a beat, period) [s] that a series of at least 2 taps means, ``period_s`` being what stands.

    Two taps set the phase. From three on the median interval counts the beats between taps (one may be left out),
    strays are dropped, and the line through the rest is the median of slopes (Theil 1950, Sen 1968).
    """
    times = np.asarray(taps, np.float64)
    if len(times) >= 3:
        usual_s = float(np.median(np.diff(times)))
        steps = np.maximum(np.rint(np.diff(times) / usual_s), 1.0)
        numbers = np.concatenate([[0.0], np.cumsum(steps)])
        later, earlier = np.triu_indices(len(times), 1)[::-1]
        apart = numbers[later] - numbers[earlier]
        period_s = float(np.median((times[later] - times[earlier]) / apart))
        residual_s = times - numbers * period_s
        residual_s = residual_s[np.abs(residual_s - np.median(residual_s)) <= _TAP_STRAY * period_s]
        return float(np.median(residual_s) + numbers[-1] * period_s), period_s
    error_s = (times[:-1] - times[-1] + period_s / 2) % period_s - period_s / 2
    near_s = error_s[np.abs(error_s) <= _TAP_STRAY * period_s]
    return float(times[-1] + near_s.sum() / (len(near_s) + 1)), period_s


def _tap(
    state: AskState, tap: Tap, clock: BeatClock, belief: np.ndarray, now_s: float, heard_s: float
) -> tuple[AskState, BeatClock, np.ndarray]:
    at_s = now_s if tap.at_s is None else min(max(tap.at_s, now_s - _TAP_LATE_S), now_s + _TAP_EARLY_S)
    if state.taps and at_s <= state.taps[-1]:
        return state, clock, belief
    goes_on = bool(state.taps) and at_s - state.taps[-1] <= TAP_AGAIN_S
    taps = (*state.taps[-(TAPS_KEPT - 1) :], at_s) if goes_on else (at_s,)
    state = replace(state, taps=taps)
    if len(taps) < 2:
        return state, clock, belief
    beat_s, period_s = tapped_line(taps, clock.period_s)
    if not _believable(state, period_s):
        return state, clock, belief
    clock = _with_beat_at(clock, beat_s, period_s, now_s)
    tapped = _near_phase((heard_s - beat_s) / period_s) * (belief if len(taps) < 3 else _near_tempo(period_s))
    return state, clock, _TAP_TRUST * _normalised(tapped, belief) + (1.0 - _TAP_TRUST) * belief


def _near_phase(phase: float) -> np.ndarray:
    """(S,) 0..1 for the states whose beat lies where ``phase`` [beats] says, as exactly as a person taps."""
    ticks_off = ((_FRACTION - phase + 0.5) % 1.0 - 0.5) * PERIODS[_ROW]
    return np.exp(-0.5 * (ticks_off / (_TAP_PHASE_S * TICK_HZ)) ** 2)


def _near_tempo(period_s: float) -> np.ndarray:
    """(S,) 0..1 for the states whose period is near; the same for each row as a whole."""
    stretch = np.log(PERIODS / TICK_HZ / period_s)
    return (np.exp(-0.5 * (stretch / _TAP_TEMPO) ** 2) / PERIODS)[_ROW]


def _tempo(
    state: AskState, ask: Tempo, clock: BeatClock, belief: np.ndarray, now_s: float, heard_s: float
) -> tuple[BeatClock, np.ndarray]:
    period_s = 60.0 / ask.bpm
    if not _believable(state, period_s):
        return clock, belief
    beats = float(clock.beats_at(now_s))
    clock = _counted(clock, beats, period_s, now_s)
    told = _near_tempo(period_s) * _near_phase(float(clock.beats_at(heard_s)))
    return clock, _TAP_TRUST * _normalised(told, belief) + (1.0 - _TAP_TRUST) * belief


def _with_beat_at(clock: BeatClock, beat_s: float, period_s: float, now_s: float) -> BeatClock:
    """The clock with a beat at ``beat_s``: the nearest of its beats moves there, whatever it takes; counts go on."""
    beats = float(clock.beats_at(now_s))
    phase = (now_s - beat_s) / period_s
    beats += (phase - beats + 0.5) % 1.0 - 0.5
    return _counted(clock, beats, period_s, now_s)


def _counted(clock: BeatClock, beats: float, period_s: float, now_s: float) -> BeatClock:
    """The clock that stands at ``beats`` now, its count no lower than before."""
    count = max(math.floor(beats), clock.count)
    place = (clock.beat_in_bar - 1 + count - clock.count) % clock.meter + 1 if clock.beat_in_bar else 0
    return replace(
        clock, anchor_s=now_s - (beats - count) * period_s, count=count, period_s=period_s, beat_in_bar=place
    )


def _nudge(ask: Nudge, clock: BeatClock, belief: np.ndarray) -> tuple[BeatClock, np.ndarray]:
    ms = min(max(ask.ms, -_NUDGE_MOST_MS), _NUDGE_MOST_MS)
    source = (_SINCE + round(ms / 1000 * TICK_HZ)) % PERIODS[_ROW] + _FIRST[_ROW]
    return replace(clock, anchor_s=clock.anchor_s + ms / 1000), belief[source]


def _rescale(
    state: AskState, clock: BeatClock, belief: np.ndarray, factor: float, now_s: float, heard_s: float
) -> tuple[BeatClock, np.ndarray]:
    """Period times ``factor``: 2 leaves every second beat, 0.5 puts one between; beats that stay keep their time.

    Of two old beats the one stays that is odd in the bar (with the downbeat), or the last one where that is unknown.
    """
    period_s = clock.period_s * factor
    if not _believable(state, period_s):
        return clock, belief
    kept = clock.count
    if factor > 1.0:
        last = math.floor(clock.beats_at(now_s))
        place = (clock.beat_in_bar - 1 + last - clock.count) % clock.meter + 1 if clock.beat_in_bar else 1
        kept = last if place % 2 == 1 else last - 1
    kept_s = float(clock.time_of(kept))
    passed = (now_s - kept_s) / period_s
    number = math.floor(clock.beats_at(now_s))  # the newest beat keeps its number, so that none is said twice
    moved = replace(clock, beat_in_bar=0, bar_confidence=0.0)
    moved = _counted(moved, number + passed - math.floor(passed), period_s, now_s)
    return moved, _rescaled(belief, factor, (heard_s - kept_s) / period_s)


def _believable(state: AskState, period_s: float) -> bool:
    """Whether the belief may hold a period, within its range and the clamp."""
    inside = BPM_RANGE[0] <= 60.0 / period_s <= BPM_RANGE[1]
    return inside and (state.allowed is None or bool(state.allowed[np.abs(PERIODS / TICK_HZ - period_s).argmin()]))


def _rescaled(belief: np.ndarray, factor: float, phase: float) -> np.ndarray:
    """The belief at ``factor`` times its periods; where a position may become two, that nearer to ``phase`` [beats]."""
    wanted = PERIODS[_ROW] * factor
    row = np.abs(np.log(PERIODS[None, :] / (PERIODS[:, None] * factor))).argmin(axis=1)[_ROW]
    held = (wanted >= PERIODS[0] - 0.5) & (wanted <= PERIODS[-1] + 0.5)
    fraction = _FRACTION / factor % 1.0
    if factor > 1.0:
        off = (fraction - phase + 0.5) % 1.0 - 0.5
        fraction = np.where(np.abs(off) <= 0.25, fraction, (fraction + 0.5) % 1.0)
    position = np.rint(fraction * PERIODS[row]).astype(np.int64) % PERIODS[row]
    moved = np.bincount(_FIRST[row] + position, belief * held, len(belief))
    return _spread(_normalised(moved, belief), factor)


def _spread(belief: np.ndarray, factor: float) -> np.ndarray:
    """Twice as long rows leave every second position (and row) empty: fill them from their neighbours."""
    if factor < 1.0:
        return belief
    source = (_SINCE - 1) % PERIODS[_ROW] + _FIRST[_ROW]
    return 0.5 * (belief + belief[source])


def _allowed(clamp: Clamp) -> np.ndarray | None:
    """(K,) the periods inside; at least the nearest one, None where there is no bound."""
    low, high = clamp.low_bpm or 0.0, clamp.high_bpm or math.inf
    if low <= BPM_RANGE[0] and high >= BPM_RANGE[1]:
        return None
    bpm = 60.0 * TICK_HZ / PERIODS
    allowed = (bpm >= low) & (bpm <= high)
    if not allowed.any():
        allowed[np.abs(bpm - min(max(low, bpm[-1]), bpm[0])).argmin()] = True
    return allowed


def _into_range(clock: BeatClock, clamp: Clamp, now_s: float) -> BeatClock:
    """The clock by octaves into the range, or at its edge where no octave lies in it."""
    low, high = clamp.low_bpm or BPM_RANGE[0], clamp.high_bpm or BPM_RANGE[1]
    bpm = clock.bpm
    if low <= bpm <= high:
        return clock
    for factor in (0.5, 2.0, 0.25, 4.0):
        if low <= bpm / factor <= high:
            beats = float(clock.beats_at(now_s))
            phase = (now_s - float(clock.time_of(math.floor(beats)))) / (clock.period_s * factor)
            return _counted(
                replace(clock, beat_in_bar=0, bar_confidence=0.0),
                math.floor(beats) + phase % 1.0,
                clock.period_s * factor,
                now_s,
            )
    return _counted(clock, float(clock.beats_at(now_s)), 60.0 / min(max(bpm, low), high), now_s)


def _only(belief: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return _normalised(belief * mask, _normalised(_PRIOR * mask, _PRIOR))


def _normalised(belief: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    total = float(belief.sum())
    return belief / total if total > _LEAST else otherwise
