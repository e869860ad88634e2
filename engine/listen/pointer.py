"""A forward filter over tempo and beat position, fed by the network's beat activation. Pure: belief in, belief out.

The belief is a probability over (period, ticks since the last beat), a tick being 1/120 s: the bar pointer model of
Whiteley et al. 2006 in the efficient layout of Krebs et al. 2015 (as many positions as a period has ticks, so between
beats the belief only moves on by one and nothing blurs; the period may change at a beat).
"""

from dataclasses import dataclass, replace

import numpy as np

from engine.listen.tempo import TEMPI_BPM, likelier, shares_of

TICK_HZ = 120.0
PERIODS = np.concatenate([np.arange(33, 80), np.arange(80, 146, 2)])  #: ticks in a beat, 218 down to 50 BPM
_COUNT = len(PERIODS)
_START = np.concatenate([[0], np.cumsum(PERIODS)[:-1]])
_LAST = np.cumsum(PERIODS) - 1
_ROW = np.repeat(np.arange(_COUNT), PERIODS)
_SINCE = np.arange(len(_ROW)) - _START[_ROW]
_FRACTION = _SINCE / PERIODS[_ROW]
_LOG_PERIOD = np.log(PERIODS)
_SPACING = np.gradient(_LOG_PERIOD)
_BPM = 60.0 * TICK_HZ / PERIODS

_PRIOR_BPM, _PRIOR_OCTAVES = 118.0, 0.8  # where a tempo is looked for when nothing is known
_BUMP_TICKS = 1.6  # how wide a beat is in the activation
_SHARE = 9.0  # 1 / how usual a beat is, look for look: less slows the tempo read, more doubles it
_TRUST = 0.35  # how much of a tick's evidence counts; ticks are not independent
_LEAST = 0.02  # an activation is never surer than this
_TEMPO_CHANGE = 70.0
_REACH = 6  # periods to each side that a beat may change to
_RESET, _RESET_SILENT = 2e-5, 1.0 / (4.0 * TICK_HZ)  # share of the belief that returns to the prior at every tick
_SAME_TEMPO = 0.04  # periods this close (log) count as one tempo
_STAY = 1.3  # another tempo must be this much likelier
_BINS = 64
_NEAR_S = 0.07
_TEMPO_TRUST = 0.03  # how much of a model frame's word about the tempo counts
_TEMPO_MEMORY_S = 0.75  # over which what is told about the tempo is averaged
_LEVELS = 24


def _template() -> tuple[np.ndarray, np.ndarray]:
    """How much of a beat each state is: levels (C,) and the class of each state (S,)."""
    periods = PERIODS[_ROW]
    distance = np.minimum(_SINCE, periods - _SINCE)
    bump = np.exp(-0.5 * (distance / _BUMP_TICKS) ** 2)
    levels = np.linspace(0.0, 1.0, _LEVELS)
    return levels, np.rint(bump * (_LEVELS - 1)).astype(np.intp)


def _changes() -> tuple[np.ndarray, np.ndarray]:
    """Weights and source periods (2 reach + 1, K) of the belief that enters each period at a beat."""
    source = np.arange(_COUNT)[None, :] + np.arange(-_REACH, _REACH + 1)[:, None]
    inside = (source >= 0) & (source < _COUNT)
    source = source.clip(0, _COUNT - 1)
    weights = inside * np.exp(-_TEMPO_CHANGE * np.abs(PERIODS[None, :] / PERIODS[source] - 1.0)) * _SPACING[None, :]
    total = np.zeros(_COUNT)
    np.add.at(total, source, weights)
    return weights / total[source], source


_TEMPO_SHARES = shares_of(_BPM)
_TEMPO_FADE = float(np.exp(-2.0 / (60.0 * _TEMPO_MEMORY_S)))  # from one model frame to the next
_LEVEL, _CLASS = _template()
_CHANGE, _SOURCE = _changes()
_TEMPO_PRIOR = np.exp(-0.5 * (np.log2(_BPM / _PRIOR_BPM) / _PRIOR_OCTAVES) ** 2) * _SPACING
_TEMPO_PRIOR /= _TEMPO_PRIOR.sum()
_PRIOR = (_TEMPO_PRIOR / PERIODS)[_ROW]
_ALIKE = (np.abs(_LOG_PERIOD[:, None] - _LOG_PERIOD[None, :]) < _SAME_TEMPO).astype(np.float64)


NOTHING = np.zeros(0)


@dataclass(frozen=True, slots=True)
class PointerState:
    belief: np.ndarray  #: (S,) probability of every (period, position)
    newest: float  #: activation of the look before, for the tick between two looks
    log_period: float  #: of the tempo that was read last; 0 = none
    told: np.ndarray  #: (48,) what was told about the tempo lately, added up and fading


@dataclass(frozen=True, slots=True)
class Reading:
    """What the belief says at the time for which the newest activation speaks."""

    phase: float  #: [beats] since the last beat, 0..1
    period_s: float
    share: float  #: 0..1 of the belief that is of this tempo and phase


def start_pointer() -> PointerState:
    return PointerState(_PRIOR, 0.0, 0.0, np.zeros(len(TEMPI_BPM)))


def pointer_step(state: PointerState, beats: np.ndarray, pulse: float, tempo: np.ndarray = NOTHING) -> PointerState:
    """Beat activations (n,) 0..1 of n looks (60 a second); ``pulse`` 0..1: how far no activation means no beat;
    ``tempo`` (48,) shares of ``engine.listen.tempo.TEMPI_BPM`` as heard now, or empty.

    Without a pulse (silence, a gap, a break without drums) a beat that is not heard says nothing: the belief coasts
    and fades, and goes on from the first beat that is heard again.
    """
    belief, newest, prior, told = state.belief, state.newest, _PRIOR, state.told
    if len(tempo):
        told = told * _TEMPO_FADE + pulse * tempo
        odds = likelier(told, _TEMPO_SHARES) ** pulse
        belief = belief * np.repeat(odds**_TEMPO_TRUST, PERIODS)
        belief /= belief.sum()
        prior = _TEMPO_PRIOR * odds
        prior = np.repeat(prior / (prior.sum() * PERIODS), PERIODS)
    for activation in beats:
        belief = _tick(belief, 0.5 * (newest + float(activation)), pulse, prior)
        belief = _tick(belief, float(activation), pulse, prior)
        newest = float(activation)
    return PointerState(belief, newest, state.log_period, told)


def _tick(belief: np.ndarray, activation: float, pulse: float, prior: np.ndarray) -> np.ndarray:
    moved = np.empty_like(belief)
    moved[1:] = belief[:-1]
    moved[_START] = np.add.reduce(_CHANGE * belief[_LAST][_SOURCE], axis=0)
    a = min(max(activation, _LEAST), 1.0 - _LEAST)
    ratio = _TRUST * np.log(a * (_SHARE - 1.0) / (1.0 - a))
    if ratio < 0.0:
        ratio *= pulse
    if ratio:
        moved *= np.exp(_LEVEL * ratio)[_CLASS]
    reset = _RESET + (1.0 - pulse) * _RESET_SILENT
    return moved * ((1.0 - reset) / moved.sum()) + reset * prior


def read_pointer(state: PointerState) -> tuple[PointerState, Reading]:
    """What the belief says; which tempo that was is remembered, so that the next reading stays with it in doubt."""
    reading, log_period = _read(state.belief, state.log_period)
    return replace(state, log_period=log_period), reading


def _read(belief: np.ndarray, before: float) -> tuple[Reading, float]:
    """The likeliest tempo, staying with the one before when in doubt, and the likeliest phase at it."""
    shares = np.add.reduceat(belief, _START)
    alike = np.add.reduce(_ALIKE * shares, axis=1)
    best = int(alike.argmax())
    if before:
        near = np.flatnonzero(np.abs(_LOG_PERIOD - before) < 1.5 * _SAME_TEMPO)
        kept = int(near[alike[near].argmax()])
        if alike[best] < _STAY * alike[kept]:
            best = kept
    rows = np.flatnonzero(_ALIKE[best])
    ticks = float((shares[rows] * PERIODS[rows]).sum() / shares[rows].sum())
    part = slice(_START[rows[0]], _LAST[rows[-1]] + 1)
    weights, fractions = belief[part], _FRACTION[part]
    bins = np.bincount((fractions * _BINS).astype(np.intp), weights, _BINS)
    peak = (int((bins + np.roll(bins, 1) + np.roll(bins, -1)).argmax()) + 0.5) / _BINS
    offset = (fractions - peak + 0.5) % 1.0 - 0.5
    weights = weights * (np.abs(offset) < 0.1)
    phase = (peak + float((weights * offset).sum() / weights.sum())) % 1.0
    return Reading(phase, ticks / TICK_HZ, float(weights.sum())), float(np.log(ticks))


def share_near(belief: np.ndarray, until_s: float) -> float:
    """Probability that a beat falls within 70 ms of the moment ``until_s`` from now, less what chance would give."""
    near = round(_NEAR_S * TICK_HZ)
    cumulative = np.concatenate([[0.0], np.cumsum(belief)])
    position = np.rint(-until_s * TICK_HZ).astype(np.int64) % PERIODS
    low, high = position - near, position + near + 1
    share = cumulative[_START + high.clip(0, PERIODS)] - cumulative[_START + low.clip(0, PERIODS)]
    share += cumulative[_START + PERIODS] - cumulative[_START + (low + PERIODS).clip(0, PERIODS)]
    share += cumulative[_START + (high - PERIODS).clip(0, PERIODS)] - cumulative[_START]
    chance = float((_TEMPO_PRIOR * (2 * near + 1) / PERIODS).sum())
    return float(np.clip((share.sum() - chance) / (1.0 - chance), 0.0, 1.0))
