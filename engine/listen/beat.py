"""A forward filter over tempo and beat position. Pure: belief in, belief out.

The belief is a probability over (period, looks since the last beat). A look is 8.3 ms. Each period has as many states
as it has looks, so between beats the belief only moves on by one state and nothing blurs; at a beat the period may
change a little. How well a look's onset strength fits each state is a table over a few classes of phase.
"""

from dataclasses import dataclass

import numpy as np

from engine.listen.onset import BANDS, LOOK_HZ, LOOKS

PERIODS = np.concatenate([np.arange(33, 80), np.arange(80, 146, 2)])  #: looks in a beat, 218 down to 50 BPM
_COUNT = len(PERIODS)
_START = np.concatenate([[0], np.cumsum(PERIODS)[:-1]])
_LAST = np.cumsum(PERIODS) - 1
_ROW = np.repeat(np.arange(_COUNT), PERIODS)
_SINCE = np.arange(len(_ROW)) - _START[_ROW]
_FRACTION = _SINCE / PERIODS[_ROW]
_LOG_PERIOD = np.log(PERIODS)
_SPACING = np.gradient(_LOG_PERIOD)

_PRIOR_BPM, _PRIOR_OCTAVES = 118.0, 0.8  # where a tempo is looked for when nothing is known
_DANCE_BPM, _DANCE_OCTAVES, _DANCE_TRUST = 112.0, 0.5, 0.03  # the level a dancer would take, a nudge each frame
_DELAY_LOOKS = 3.7  # from an attack to the look in which its onset strength is largest
_BUMP_LOOKS = 1.1
_BAND_WEIGHTS = np.array([1.2, 1.0, 1.0, 0.8]) / 4.0
_TRUST = 0.5  # how much of a look's evidence counts; looks are not independent
_USUAL, _SOFT, _CAP = 0.08, 0.06, 1.6  # strength that is no evidence either way; softening; largest log ratio
_WEIGHT_HALF, _WEIGHT_QUARTER, _WEIGHT_THIRD = 0.7, 0.1, -0.1  # of an onset there between two beats
_LEVELS = 23  # so that 0 is one of them
_TEMPO_CHANGE = 80.0
_REACH = 6  # periods to each side that a beat may change to
_RESET, _RESET_SILENT = 3e-5, 1.0 / (2.5 * LOOK_HZ)  # share of the belief that returns to the prior at every look
_MEMORY = 512  # looks of onset strength kept for the tempo's own evidence
_TEMPO_TRUST = 0.1
_SAME_TEMPO = 0.04  # periods this close (log) count as one tempo
_STAY = 1.3  # another tempo must be this much likelier
_BINS = 64
_NEAR_LOOKS = 8  # 70 ms
_UNCLEAR, _CLEAR = 0.3, 1.0  # summed square of the recent onset strength: ambient sound and music with a beat


def _templates() -> tuple[np.ndarray, np.ndarray]:
    """Weights of a look's evidence (C,) and the class of each state (S,)."""

    def bump(phase: float) -> np.ndarray:
        periods = PERIODS[_ROW]
        distance = _SINCE - _DELAY_LOOKS - phase * periods
        distance = (distance + periods / 2) % periods - periods / 2
        return np.exp(-0.5 * (distance / _BUMP_LOOKS) ** 2)

    places = ((1.0, (0.0,)), (_WEIGHT_HALF, (0.5,)), (_WEIGHT_QUARTER, (0.25, 0.75)), (_WEIGHT_THIRD, (1 / 3, 2 / 3)))
    bumps = np.array([np.maximum.reduce([bump(phase) for phase in phases]) for _, phases in places])
    nearest = bumps.argmax(axis=0)
    weights = np.array([weight for weight, _ in places])[nearest] * bumps.max(axis=0)
    levels = np.linspace(-0.1, 1.0, _LEVELS)
    return levels, np.rint((weights - levels[0]) / (levels[1] - levels[0])).astype(np.intp)


def _changes() -> tuple[np.ndarray, np.ndarray]:
    """Weights and source periods (2 reach + 1, K) of the belief that enters each period at a beat."""
    source = np.arange(_COUNT)[None, :] + np.arange(-_REACH, _REACH + 1)[:, None]
    inside = (source >= 0) & (source < _COUNT)
    source = source.clip(0, _COUNT - 1)
    weights = inside * np.exp(-_TEMPO_CHANGE * np.abs(PERIODS[None, :] / PERIODS[source] - 1.0)) * _SPACING[None, :]
    total = np.zeros(_COUNT)
    np.add.at(total, source, weights)
    return weights / total[source], source


_LEVEL, _CLASS = _templates()
_CHANGE, _SOURCE = _changes()
_BPM = 60.0 * LOOK_HZ / PERIODS
_TEMPO_PRIOR = np.exp(-0.5 * (np.log2(_BPM / _PRIOR_BPM) / _PRIOR_OCTAVES) ** 2) * _SPACING
_DANCEABLE = -0.5 * _DANCE_TRUST * (np.log2(_BPM / _DANCE_BPM) / _DANCE_OCTAVES) ** 2
_TEMPO_PRIOR /= _TEMPO_PRIOR.sum()
_PRIOR = (_TEMPO_PRIOR / PERIODS)[_ROW]
_ALIKE = (np.abs(_LOG_PERIOD[:, None] - _LOG_PERIOD[None, :]) < _SAME_TEMPO).astype(np.float64)
_TAPER = np.exp(-np.arange(_MEMORY)[::-1] / (0.5 * _MEMORY))


@dataclass(frozen=True, slots=True)
class BeatState:
    belief: np.ndarray  #: (S,) probability of every (period, position)
    memory: np.ndarray  #: (768,) newest onset strengths
    log_period: float  #: of the tempo that was read last; 0 = none


@dataclass(frozen=True, slots=True)
class BeatReading:
    """What the belief says at the end of a model frame."""

    phase: float  #: [beats] since the last beat, 0..1
    period_s: float
    clarity: float  #: 0..1 how much there was to go by in the last seconds


def start_beat() -> BeatState:
    return BeatState(_PRIOR, np.zeros(_MEMORY), 0.0)


def beat_step(state: BeatState, onsets: np.ndarray, heard: bool) -> tuple[BeatState, BeatReading]:
    """Onset strengths (4 looks, B) of a model frame; ``heard`` False (silence, a gap): the belief coasts and fades."""
    belief = state.belief
    strengths = onsets.reshape(LOOKS, BANDS) @ _BAND_WEIGHTS
    for strength in strengths:
        belief = _look(belief, float(strength), heard)
    memory = np.concatenate([state.memory[LOOKS:], strengths])
    recent = (memory - memory.mean()) * _TAPER
    if heard:
        belief = belief * _tempo_evidence(recent)[_ROW]
        belief = belief / belief.sum()
    phase, log_period = _read(belief, state.log_period)
    clarity = min(max((float(np.add.reduce(recent * recent)) - _UNCLEAR) / (_CLEAR - _UNCLEAR), 0.0), 1.0)
    return BeatState(belief, memory, log_period), BeatReading(phase, float(np.exp(log_period)) / LOOK_HZ, clarity)


def _look(belief: np.ndarray, strength: float, heard: bool) -> np.ndarray:
    moved = np.empty_like(belief)
    moved[1:] = belief[:-1]
    moved[_START] = np.add.reduce(_CHANGE * belief[_LAST][_SOURCE], axis=0)
    reset = _RESET_SILENT
    if heard:
        ratio = _TRUST * min(np.log((strength + _SOFT) / _USUAL), _CAP)
        moved *= np.exp(_LEVEL * ratio)[_CLASS]
        reset = _RESET
    return moved * ((1.0 - reset) / moved.sum()) + reset * _PRIOR


def _tempo_evidence(recent: np.ndarray) -> np.ndarray:
    """Factor (K,) for each period from the autocorrelation of the last seconds' onset strength."""
    spectrum = np.fft.rfft(recent, 2048)
    lags = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)[:600]
    lags = lags / (lags[0] + 1e-3)
    score = np.zeros(_COUNT)
    for times in (1, 2, 3, 4):
        lag = times * PERIODS
        score += (lags[lag] + np.maximum(lags[lag - 1], lags[lag + 1])) / (2 * times)
    score /= 2.08
    return np.exp(_TEMPO_TRUST * (score - score.max()) + _DANCEABLE)


def _read(belief: np.ndarray, before: float) -> tuple[float, float]:
    """Phase [beats] and log period [looks] of the likeliest tempo, staying with the one before when in doubt."""
    shares = np.add.reduceat(belief, _START)
    alike = np.add.reduce(_ALIKE * shares, axis=1)
    best = int(alike.argmax())
    if before:
        near = np.flatnonzero(np.abs(_LOG_PERIOD - before) < 1.5 * _SAME_TEMPO)
        kept = int(near[alike[near].argmax()])
        if alike[best] < _STAY * alike[kept]:
            best = kept
    rows = np.flatnonzero(_ALIKE[best])
    share = float(shares[rows].sum())
    looks = float((shares[rows] * PERIODS[rows]).sum() / share)
    part = slice(_START[rows[0]], _LAST[rows[-1]] + 1)
    weights, fractions = belief[part], _FRACTION[part]
    bins = np.bincount((fractions * _BINS).astype(np.intp), weights, _BINS)
    peak = (int((bins + np.roll(bins, 1) + np.roll(bins, -1)).argmax()) + 0.5) / _BINS
    offset = (fractions - peak + 0.5) % 1.0 - 0.5
    weights = weights * (np.abs(offset) < 0.1)
    phase = (peak + float((weights * offset).sum() / weights.sum())) % 1.0
    return phase, float(np.log(looks))


def agreement(belief: np.ndarray, until_next_s: float) -> float:
    """Probability that a beat falls within 70 ms of the time ``until_next_s`` from now, less what chance would give."""
    cumulative = np.concatenate([[0.0], np.cumsum(belief)])
    position = np.rint(-until_next_s * LOOK_HZ).astype(np.int64) % PERIODS
    low, high = position - _NEAR_LOOKS, position + _NEAR_LOOKS + 1
    share = cumulative[_START + high.clip(0, PERIODS)] - cumulative[_START + low.clip(0, PERIODS)]
    share += cumulative[_START + PERIODS] - cumulative[_START + (low + PERIODS).clip(0, PERIODS)]
    share += cumulative[_START + (high - PERIODS).clip(0, PERIODS)] - cumulative[_START]
    chance = float((_TEMPO_PRIOR * (2 * _NEAR_LOOKS + 1) / PERIODS).sum())
    return float(np.clip((share.sum() - chance) / (1.0 - chance), 0.0, 1.0))
