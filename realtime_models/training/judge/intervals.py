"""How sure is a figure? Block bootstrap, paired permutation, and each dancer against the others. Pure numpy.

Windows of one clip (or of one dance of one song) are alike, so they are never treated as independent: every resampling
here moves whole blocks.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from realtime_models.training.judge.motion import Motion, Windows, windows

LEVEL = 0.95  #: of every interval
TIE = 1e-12  #: statistics nearer than this, relative to the largest difference, count as equal
DANCERS = 5  #: fewest dancers of whom one can be left out
WINDOWS = 10  #: a dancer with fewer windows is not judged alone (but is among the others)

Measured = TypeVar("Measured")


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval; ``low`` and ``high`` are nan where none can be given."""

    value: float
    low: float
    high: float


def of_draws(value: float, draws: np.ndarray, level: float = LEVEL) -> Interval:
    """``value`` with the middle ``level`` of ``draws`` (n,); draws that are not finite are left out."""
    draws = np.asarray(draws, np.float64)
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.percentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return Interval(float(value), float(low), float(high))


def block_bootstrap(
    values: np.ndarray,
    blocks: np.ndarray,
    statistic: Callable[[np.ndarray], float] = np.mean,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """``statistic`` of values (n, ...) with its 95 % interval, resampling whole blocks (n,) with replacement.

    Percentile method (Efron & Tibshirani 1993, ch. 13) on clusters. Values that are not finite are left out first;
    with none left everything is nan, and with one block ``low`` and ``high`` are nan: one clip says nothing about the
    next.
    """
    values, blocks = np.asarray(values, np.float64), np.asarray(blocks)
    if len(values) != len(blocks):
        raise ValueError(f"{len(values)} values but {len(blocks)} blocks")
    finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    values, blocks = values[finite], blocks[finite]
    if not len(values):
        return Interval(*[float("nan")] * 3)
    parts = [values[blocks == block] for block in np.unique(blocks)]
    value = float(statistic(values))
    if len(parts) < 2:
        return Interval(value, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(parts), size=(draws, len(parts)))
    if statistic is np.mean and values.ndim == 1:  # the common case, a hundred times faster from sums
        sums, counts = np.array([part.sum() for part in parts]), np.array([len(part) for part in parts])
        return of_draws(value, sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1))
    return of_draws(value, np.array([statistic(np.concatenate([parts[i] for i in row])) for row in chosen]))


def paired_permutation(
    x: np.ndarray, y: np.ndarray, blocks: np.ndarray, draws: int = 10_000, seed: int = 0, *, whole_blocks: bool = False
) -> float:
    """One-sided p of "x is no larger than y" for pairs x, y (n,): how often a random swap within pairs does as well.

    Statistic: mean over blocks (tracks) of the mean difference within the block, so that a track with more seeds does
    not count more. Under the null every pair may be swapped by itself; ``whole_blocks`` swaps all pairs of a block
    together, which also holds when the seeds of one track are alike, but can never go below 2 ** -blocks. All swaps
    are enumerated when there are no more than ``draws`` of them (p is then exact, the pairs as they are among them);
    otherwise p = (1 + hits) / (1 + draws) (Phipson & Smyth 2010). nan without pairs; pairs with a nan are left out.
    """
    x, y, blocks = np.asarray(x, np.float64), np.asarray(y, np.float64), np.asarray(blocks)
    if not len(x) == len(y) == len(blocks):
        raise ValueError(f"{len(x)} x, {len(y)} y and {len(blocks)} blocks do not pair")
    finite = np.isfinite(x) & np.isfinite(y)
    difference, blocks = (x - y)[finite], blocks[finite]
    if not len(difference):
        return float("nan")
    names, number, counts = np.unique(blocks, return_inverse=True, return_counts=True)
    shares = difference / counts[number] / len(names)  # the statistic is their sum
    units = np.bincount(number, weights=shares) if whole_blocks else shares
    at_least = units.sum() - TIE * np.abs(units).max()
    if len(units) < 63 and 2 ** len(units) <= draws:
        signs = 1 - 2 * ((np.arange(2 ** len(units))[:, None] >> np.arange(len(units))) & 1)
        return float(np.mean(signs @ units >= at_least))
    rng = np.random.default_rng(seed)
    hits = sum(int(np.sum(_signs(rng, n, len(units)) @ units >= at_least)) for n in _portions(draws, 1000))
    return (1 + hits) / (1 + draws)


def _signs(rng: np.random.Generator, draws: int, units: int) -> np.ndarray:
    return 1 - 2 * rng.integers(2, size=(draws, units), dtype=np.int8).astype(np.float64)


def _portions(total: int, most: int) -> Iterable[int]:
    return (min(most, total - done) for done in range(0, total, most))


@dataclass(frozen=True, slots=True)
class LeftOut(Generic[Measured]):
    """One dancer measured against the others."""

    dancer: str
    styles: tuple[str, ...]
    count: int  #: windows of this dancer
    across: Measured  #: measure(windows of this dancer, windows of all others)
    within: Measured | None  #: the same in the styles that others dance too; None where too little is left


def leave_one_dancer_out(
    motions: Iterable[Motion], measure: Callable[[Windows, Windows], Measured], *, least: int = WINDOWS
) -> dict[str, LeftOut[Measured]]:
    """``measure(one, others)`` for every dancer with ``least`` or more windows, within the own style and across.

    Motions without a dancer are left out. "Within" takes, on both sides, only motions of those styles (``style``, not
    "") that this dancer shares with another; it is None where that leaves fewer than ``least`` windows on a side.
    ValueError with fewer than five such dancers: too few to speak of dancers at all.
    """
    motions = [motion for motion in motions if motion.dancer]
    own = {name: windows([m for m in motions if m.dancer == name]) for name in dict.fromkeys(m.dancer for m in motions)}
    judged = [name for name, part in own.items() if len(part) >= least]
    if len(judged) < DANCERS:
        raise ValueError(
            f"leaving one dancer out needs {DANCERS} dancers with {least} windows; there is: {judged or 'none'}"
        )
    found = {}
    for name in judged:
        mine, theirs = ([m for m in motions if (m.dancer == name) is is_mine] for is_mine in (True, False))
        styles = tuple(dict.fromkeys(m.style for m in mine if m.style))
        shared = {m.style for m in theirs} & set(styles)
        alike = [windows([m for m in side if m.style in shared]) for side in (mine, theirs)]
        within = measure(*alike) if min(map(len, alike)) >= least else None
        found[name] = LeftOut(name, styles, len(own[name]), measure(own[name], windows(theirs)), within)
    return found
