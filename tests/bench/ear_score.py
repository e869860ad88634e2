"""How right a listener was: measures over the clocks it had, each as it stood, and the true beats. Pure.

``clocks`` is a list of (now_s, BeatClock): each stood from ``now_s`` until the next one. Beats are never revised: a
beat counts as it was said at the last model frame before it (the rule of ``beats.tsv``), a prediction as it stood.

F is the beat F-measure of Dixon 2007 with 70 ms, CMLt and AMLt the continuity measures of Hainsworth 2004 and Klapuri
et al. 2006, all by mir_eval (Raffel et al. 2014); the first 5 s are not scored there. Expected calibration error: Guo
et al. 2017, with ten bins of equal width.
"""

import math
from collections.abc import Sequence

import numpy as np

from engine.said import beat_in_bar
from engine.types import MODEL_HZ, BeatClock

Clocks = Sequence[tuple[float, BeatClock]]

WINDOW_S = 0.07  #: a beat this far from a true one is right
SCORED_FROM_S = 5.0  #: for F, continuity, levels
PREDICTED_FROM_S = 8.0  #: for predictions
AHEAD_S = 0.15
SURE = 0.8
UNSURE = 0.3  #: below this a listener says that it hears no beat
RUN = 4  #: consecutive right beats that make a lock
SAME_PERIOD = 0.1  #: relative; the period of a clock at this level of the true tempo
BINS = 10
_JUMP, _STEADY, _STEADY_BEATS = 0.08, 0.03, 4  # relative change of tempo from one beat to the next; around it
_PAUSE_S, _PAUSE_BEATS = 2.0, 2.5  # a true interval longer than both is a pause
_EPSILON = 1e-9


def score_track(clocks: Clocks, truth: np.ndarray, numbers: np.ndarray, returns_s: Sequence[float] = ()) -> dict:
    """All measures of one track.

    ``truth`` (N,) true beats [s], ascending; ``numbers`` (N,) their places in the bar, 1 = downbeat; ``returns_s``:
    when the drums come back after a part without them (pauses of the beats themselves are found here). Shares are 0..1;
    what the track does not hold (a change of tempo, a confident moment) is NaN, what never came is infinite.
    Arrays, for pooling over tracks: ``relocks_s``, ``returns_bars`` (one per event), ``errors_s`` (B,) of the
    predictions 150 ms ahead, ``sure`` (B,) whether confidence was above .8, ``beat_ahead_s`` (B,), ``calibration``
    (10, 3) counts and sums of confidence and of being right.
    """
    return {
        **score_beats(*said_beats(clocks), truth, numbers, returns_s),
        **levels(clocks, truth),
        **predictions(clocks, truth),
        **calibrated(clocks, truth),
    }


def score_beats(
    beats: np.ndarray, places: np.ndarray, truth: np.ndarray, numbers: np.ndarray, returns_s: Sequence[float] = ()
) -> dict:
    """The measures that need no clock: of beats (M,) [s] and their places in the bar (M,; 0 = not told)."""
    return {
        **agreement(beats, places, truth, numbers),
        "lock_s": lock_s(beats, truth),
        **changes(beats, truth, numbers, returns_s),
    }


def said_beats(clocks: Clocks) -> tuple[np.ndarray, np.ndarray]:
    """Times (M,) [s] and places in the bar (M,; 0 = unknown) of the beats as they were said, by engine.said's rule."""
    times, places, number, before_s = [], [], -1, -math.inf
    for now_s, clock in clocks:
        last = math.floor(clock.beats_at(now_s + 1 / MODEL_HZ) + _EPSILON)
        for beat in range(max(number + 1, last - 1), last + 1):
            time_s = max(float(clock.time_of(beat)), now_s)
            if time_s - before_s < clock.period_s / 2:
                continue
            number, before_s = beat, time_s
            times.append(time_s)
            places.append(beat_in_bar(clock, beat))
    return np.array(times), np.array(places, dtype=int)


def agreement(beats: np.ndarray, places: np.ndarray, truth: np.ndarray, numbers: np.ndarray) -> dict[str, float]:
    """F, CMLt, AMLt, downbeat F; median signed offset of said beats from the true ones nearby (positive = late)."""
    import mir_eval

    kept = (beats >= SCORED_FROM_S) & (beats <= truth[-1] + WINDOW_S)
    true = truth[truth >= SCORED_FROM_S]
    said, ones = beats[kept], beats[kept & (places == 1)]
    true_ones = truth[(truth >= SCORED_FROM_S) & (numbers == 1)]
    nearest = np.array([said[np.abs(said - t).argmin()] - t for t in true]) if len(said) else np.zeros(0)
    near = nearest[np.abs(nearest) < np.gradient(true) / 4] if len(nearest) > 1 else nearest
    enough = len(said) > 1 and len(true) > 1
    _, cmlt, _, amlt = mir_eval.beat.continuity(true, said) if enough else (0.0,) * 4
    return {
        "f": float(mir_eval.beat.f_measure(true, said)) if enough else 0.0,
        "cmlt": float(cmlt),
        "amlt": float(amlt),
        "downbeat_f": float(mir_eval.beat.f_measure(true_ones, ones)) if len(ones) and len(true_ones) else 0.0,
        "offset_ms": 1e3 * float(np.median(near)) if len(near) else math.nan,
    }


def levels(clocks: Clocks, truth: np.ndarray) -> dict[str, float]:
    """Shares of true beats at which the clock was at half or double tempo (on the beats), or half a beat off.

    ``octave``: its period is half or twice the true one and it beats on true beats. ``offbeat``: its period is right
    and it beats halfway between true beats. Period within 10 %, beats within 70 ms.
    """
    octave = offbeat = total = 0
    periods = np.gradient(truth)
    for t, period in zip(truth, periods, strict=True):
        if t < SCORED_FROM_S or (clock := standing(clocks, t)) is None:
            continue
        total += 1
        ratio, off_s = clock.period_s / period, abs(_from_nearest(clock, t))
        if abs(ratio - 1) < SAME_PERIOD:
            offbeat += abs(off_s - period / 2) < min(WINDOW_S, period / 4)
        elif abs(ratio * 2 - 1) < SAME_PERIOD:
            octave += off_s < min(WINDOW_S, period / 8)
        elif abs(ratio / 2 - 1) < SAME_PERIOD:
            octave += min(off_s, abs(off_s - period)) < WINDOW_S
    return {"octave": octave / total if total else math.nan, "offbeat": offbeat / total if total else math.nan}


def lock_s(beats: np.ndarray, truth: np.ndarray, from_s: float = -math.inf) -> float:
    """Time of the first of four consecutive said beats, each within 70 ms of one of four consecutive true beats.

    Only true beats from ``from_s`` on count; infinite if there is no such run.
    """
    if not len(beats):
        return math.inf
    at = np.array([np.abs(beats - t).argmin() for t in truth])
    right = (np.abs(beats[at] - truth) < WINDOW_S) & (truth >= from_s - _EPSILON)
    for first in range(len(truth) - RUN + 1):
        run = slice(first, first + RUN)
        if right[run].all() and (np.diff(at[run]) == 1).all():
            return float(beats[at[first]])
    return math.inf


def tempo_jumps(truth: np.ndarray) -> list[int]:
    """Numbers of the true beats from which the tempo is another: steady before, steady after, more than 8 % apart."""
    gaps, found = np.diff(truth), []
    for at in range(_STEADY_BEATS, len(gaps) - _STEADY_BEATS + 1):
        before, after = gaps[at - _STEADY_BEATS : at], gaps[at : at + _STEADY_BEATS]
        steady = all(np.ptp(side) < _STEADY * side.mean() for side in (before, after))
        if steady and abs(after.mean() / before.mean() - 1) > _JUMP:
            found.append(at)
    return found


def pauses(truth: np.ndarray) -> list[int]:
    """Numbers of the true beats that come after a pause."""
    gaps = np.diff(truth)
    return [int(at) + 1 for at in np.flatnonzero(gaps > max(_PAUSE_S, _PAUSE_BEATS * float(np.median(gaps))))]


def changes(
    beats: np.ndarray, truth: np.ndarray, numbers: np.ndarray, returns_s: Sequence[float] = ()
) -> dict[str, np.ndarray]:
    """Times from each sudden change of tempo to a lock [s], and from each return of drums or beats to a lock [bars].

    A change happens at the last beat that still came in the old tempo; four right beats from there on make the lock.
    """
    relocks = [max(0.0, lock_s(beats, truth, truth[at]) - truth[at]) for at in tempo_jumps(truth)]
    bars = []
    for t in [*returns_s, *(truth[at] for at in pauses(truth))]:
        after = truth[truth >= t - _EPSILON]
        bar_s = int(numbers.max()) * float(np.median(np.diff(after[: 2 * RUN])))
        bars.append(max(0.0, lock_s(beats, truth, t) - t) / bar_s)
    return {"relocks_s": np.array(relocks), "returns_bars": np.array(bars)}


def predictions(clocks: Clocks, truth: np.ndarray) -> dict:
    """Of the true beats after 8 s: errors of what was predicted 150 ms before each, and one true beat before each.

    150 ms ahead: the first beat that the clock put after that moment. One beat ahead: the beat after the one that the
    clock had nearest to the true beat before, so that a wrong tempo is an error too. After a pause of the beats there
    is no beat before, and nothing is asked one beat ahead.
    """
    ahead, sure, beat_ahead, paused = [], [], [], set(pauses(truth))
    for at, t in enumerate(truth):
        if t < PREDICTED_FROM_S or at == 0:
            continue
        now_s = t - AHEAD_S
        clock = standing(clocks, now_s)
        ahead.append(next_beat_s(clock, now_s) - t if clock else math.inf)
        sure.append(bool(clock and clock.confidence > SURE))
        if at not in paused:
            clock = standing(clocks, truth[at - 1])
            beat_ahead.append(float(clock.time_of(round(clock.beats_at(truth[at - 1])) + 1)) - t if clock else math.inf)
    errors = {"errors_s": np.array(ahead), "sure": np.array(sure, dtype=bool), "beat_ahead_s": np.array(beat_ahead)}
    return {**errors, **prediction_shares(**errors)}


def prediction_shares(errors_s: np.ndarray, sure: np.ndarray, beat_ahead_s: np.ndarray) -> dict[str, float]:
    """Shares of errors below 70 ms, median and 90th percentile [ms] of those; of one track, or pooled over tracks."""
    result = {}
    for name, errors in (("ahead", errors_s), ("sure_ahead", errors_s[sure]), ("beat_ahead", beat_ahead_s)):
        right = np.abs(errors)[np.abs(errors) < WINDOW_S]
        result[name] = len(right) / len(errors) if len(errors) else math.nan
        for percent, key in ((50, "median"), (90, "p90")):
            result[f"{name}_{key}_ms"] = 1e3 * float(np.percentile(right, percent)) if len(right) else math.nan
    result["sure_share"] = float(sure.mean()) if len(sure) else math.nan
    return result


def calibrated(clocks: Clocks, truth: np.ndarray) -> dict:
    """At every clock: confidence against whether its next beat is within 70 ms of a true one."""
    said, right = [], []
    for now_s, clock in clocks:
        next_s = next_beat_s(clock, now_s)
        if next_s > truth[-1] + WINDOW_S:
            continue
        said.append(clock.confidence)
        right.append(np.abs(truth - next_s).min() < WINDOW_S)
    table = calibration(np.array(said), np.array(right))
    return {"calibration": table, "ece": calibration_error(table)}


def calibration(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Per bin of confidence (10, 3): how many, sum of confidence, how many right. Tables of several tracks add up."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return np.stack([np.bincount(bins, weights, BINS) for weights in (np.ones(len(bins)), confidence, right)], axis=1)


def calibration_error(table: np.ndarray) -> float:
    """Expected calibration error of a table (10, 3): mean over moments of |confidence - share right| of their bin."""
    total = table[:, 0].sum()
    return float(np.abs(table[:, 1] - table[:, 2]).sum() / total) if total else math.nan


def score_beatless(clocks: Clocks) -> float:
    """Share of the time with confidence below .3, for sound that has no beat."""
    return float(np.mean([clock.confidence < UNSURE for _, clock in clocks]))


def clocks_of_beats(beats_s: np.ndarray, said_s: np.ndarray, numbers: np.ndarray, end_s: float) -> list:
    """Clocks as somebody would have them who only hears a tracker's beats: the next beats by its last interval.

    ``beats_s`` (M,) as told at ``said_s`` (M,), both ascending; ``numbers`` (M,) places in the bar, 0 = not told. The
    period is the median of the last four intervals. Confidence is 0: most trackers tell none.
    """
    clocks, heard = [], 0
    for frame in range(1, int(end_s * MODEL_HZ) + 1):
        now_s = frame / MODEL_HZ
        heard += int(np.searchsorted(said_s[heard:], now_s, side="right"))
        if heard >= 2:
            period_s = float(np.median(np.diff(beats_s[max(0, heard - 5) : heard])))
            place, meter = int(numbers[heard - 1]), max(int(numbers[:heard].max()), 1)
            clocks.append((now_s, BeatClock(float(beats_s[heard - 1]), heard - 1, period_s, place, meter)))
    return clocks


def standing(clocks: Clocks, t_s: float) -> BeatClock | None:
    """The clock that stood at ``t_s``; None before the first."""
    low, high = 0, len(clocks)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if clocks[middle][0] <= t_s + _EPSILON else (low, middle)
    return clocks[low - 1][1] if low else None


def next_beat_s(clock: BeatClock, now_s: float) -> float:
    """Time of the first beat after ``now_s``."""
    return float(clock.time_of(math.floor(clock.beats_at(now_s) + _EPSILON) + 1))


def _from_nearest(clock: BeatClock, t_s: float) -> float:
    return t_s - float(clock.time_of(round(clock.beats_at(t_s))))
