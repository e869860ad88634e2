"""Are windows of dance drawn from the same source? Distances, a classifier, diversity, and the yardstick. Pure numpy.

Everything here is taken on the features of ``features.py``, standardised by mean and standard deviation of *real* dance
(``Scale``), and between equal counts of windows on both sides. "Kinetic" means the logarithms of the kinetic features;
``fid_energies`` alone takes them plain, as the dance papers do (see ``features.py``).

**The Fréchet distance is biased.** Two samples of n windows from one and the same Gaussian in D dimensions are not at
distance 0 but, to first order in 1/n, at ``frechet_bias``: with unit covariance 2 D / n for the means plus
D (D + 1) / (2 n) for the covariances. That is 0.7 + 11.1 at D = 66, n = 200 (our features hang together, so the real
figure is lower), and more when the windows come from few clips, as n then counts too much. The bias depends on n and on
how the windows were drawn, so a raw figure says nothing alone: beside it stands the **yardstick**, the same figure
between two clip-disjoint halves of real dance with the same count n, drawn by the same rule (whole clips in random
order until n is reached). ``compare`` draws its real side, and the side it judges, by that rule too, so both figures
carry the same bias. The kernel distance is unbiased at every count, and can fall below zero. What was cut from the very
clips that it is compared with comes out nearer than real dance is to itself: that is what ``novelty.py`` is for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from realtime_models.training.judge.classifier import two_sample_accuracy
from realtime_models.training.judge.features import geometric, in_logarithms, kinetic
from realtime_models.training.judge.intervals import Interval, of_draws
from realtime_models.training.judge.motion import Windows

HALVES = 20  #: of real dance behind a yardstick, and draws behind a comparison
KINETIC_SD_MIN = 1e-3  #: a feature that varies less in real dance is counted in this unit
GEOMETRIC_SD_MIN = 1 / 150  #: one frame of a window
DEGREE = 3  #: of the kernel
TRIES = 2000  #: at two halves of an exact count

__all__ = ["Beside", "Scale", "beside_yardstick", "comparable_count", "compare", "compare_draws", "compare_intervals",
           "diversity", "draw_blocks", "draw_halves", "frechet", "frechet_bias", "kernel_distance", "largest_half",
           "multimodality", "multimodality_of", "scale_of", "two_sample_accuracy", "yardstick"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation (K,), (G,) of the features of real dance; what every distance is counted in."""

    kinetic_mean: np.ndarray  #: of logarithms
    kinetic_sd: np.ndarray
    energies_mean: np.ndarray  #: of the plain ones
    energies_sd: np.ndarray
    geometric_mean: np.ndarray
    geometric_sd: np.ndarray

    def kinetic(self, positions: np.ndarray) -> np.ndarray:
        """Standardised logarithms (W, K) of the kinetic features of windows (W, T, 22, 3)."""
        return (in_logarithms(kinetic(positions)) - self.kinetic_mean) / self.kinetic_sd

    def energies(self, positions: np.ndarray) -> np.ndarray:
        """Standardised plain kinetic features (W, K) of windows (W, T, 22, 3)."""
        return (kinetic(positions) - self.energies_mean) / self.energies_sd

    def geometric(self, positions: np.ndarray) -> np.ndarray:
        """Standardised geometric features (W, G) of windows (W, T, 22, 3)."""
        return (geometric(positions) - self.geometric_mean) / self.geometric_sd


def scale_of(real: Windows) -> Scale:
    """The scale of real dance. ValueError with fewer than two windows."""
    if len(real) < 2:
        raise ValueError(f"a scale needs two real windows; there is: {len(real)}")
    energies, shape = kinetic(real.positions), geometric(real.positions)
    logarithms = in_logarithms(energies)
    return Scale(
        kinetic_mean=logarithms.mean(axis=0),
        kinetic_sd=np.maximum(logarithms.std(axis=0), KINETIC_SD_MIN),
        energies_mean=energies.mean(axis=0),
        energies_sd=np.maximum(energies.std(axis=0), KINETIC_SD_MIN),
        geometric_mean=shape.mean(axis=0),
        geometric_sd=np.maximum(shape.std(axis=0), GEOMETRIC_SD_MIN),
    )


def _checked(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"features are (2 or more, D) on both sides, not {a.shape} and {b.shape}")
    return a, b


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of Gaussians fitted to a (n, D) and b (m, D): the figure behind every "FID".

    |mean a - mean b|² + tr(A + B - 2 (A^½ B A^½)^½), covariances with n - 1 (Dowson & Landau 1982, Heusel et al.
    2017). The root of the symmetric product exists for singular covariances too (n below D), so the result is always
    finite and never negative: rounding below zero in an eigenvalue counts as zero. Biased upwards: see the module.
    """
    a, b = _checked(a, b)
    cov_a, cov_b = np.atleast_2d(np.cov(a.T)), np.atleast_2d(np.cov(b.T))
    root = _root(cov_a)
    inner = root @ cov_b @ root
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh((inner + inner.T) / 2), 0.0)).sum()
    means = float(np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2))
    return max(0.0, means + float(np.trace(cov_a) + np.trace(cov_b) - 2 * cross))


def frechet_bias(covariance: np.ndarray, count: float) -> float:
    """Expected ``frechet`` of two independent samples of ``count`` from one Gaussian (D, D), to first order in 1/count.

    2 tr(C) / n from the means, and from the covariances, expanding the root to second order in eigenvalues l of C,
    1/n (sum over i, j of l_i l_j / (l_i + l_j) + half the sum of l_i). Good where count is several times D.
    """
    values = np.linalg.eigvalsh(np.atleast_2d(covariance))
    values = values[values > values.max() * 1e-12]
    pairs = (values[:, None] * values / (values[:, None] + values)).sum()
    return float((2 * values.sum() + pairs + values.sum() / 2) / count)


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy of a (n, D) and b (m, D) with the kernel (x·y / D + 1)³.

    Gretton et al. 2012, eq. 3, with the kernel of the kernel inception distance (Bińkowski et al. 2018). Zero in
    expectation for samples of one source, at every count; so it may come out negative.
    """
    a, b = _checked(a, b)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** DEGREE

    def within(k: np.ndarray) -> float:
        return (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))

    return float(within(kernel(a, a)) + within(kernel(b, b)) - 2 * kernel(a, b).mean())


def diversity(a: np.ndarray) -> float:
    """Mean Euclidean distance over all pairs of rows of a (n, D); nan with fewer than two."""
    a = np.asarray(a, np.float64)
    if len(a) < 2:
        return float("nan")
    return float(_distances(a).sum() / (len(a) * (len(a) - 1)))


def _distances(a: np.ndarray) -> np.ndarray:
    a = a - a.mean(axis=0)
    square = (a**2).sum(axis=1)
    apart = np.maximum(square[:, None] + square - 2 * a @ a.T, 0.0)
    np.fill_diagonal(apart, 0.0)
    return np.sqrt(apart)


def multimodality(per_seed: Sequence[np.ndarray]) -> float:
    """How different the same moments of a song come out under other seeds: per_seed is n arrays (w, D), same windows.

    For every window the mean distance over all pairs of seeds, then the mean over windows. nan with fewer than two
    seeds or no window; seeds of different length are cut to the shortest.
    """
    shortest = min((len(rows) for rows in per_seed), default=0)
    if len(per_seed) < 2 or shortest == 0:
        return float("nan")
    stacked = np.stack([np.asarray(rows[:shortest], np.float64) for rows in per_seed], axis=1)
    return float(np.mean([diversity(rows) for rows in stacked]))


def multimodality_of(per_seed: Sequence[Windows], scale: Scale) -> dict[str, float]:
    """``multimodality_kinetic`` and ``multimodality_geometric`` of one song danced under several seeds."""
    return {
        "multimodality_kinetic": multimodality([scale.kinetic(w.positions) for w in per_seed]),
        "multimodality_geometric": multimodality([scale.geometric(w.positions) for w in per_seed]),
    }


@dataclass(frozen=True, slots=True)
class _Side:
    """Standardised features of windows, and which block each belongs to."""

    kinetic: np.ndarray
    energies: np.ndarray
    geometric: np.ndarray
    blocks: np.ndarray

    def take(self, rows: np.ndarray) -> "_Side":
        return _Side(self.kinetic[rows], self.energies[rows], self.geometric[rows], self.blocks[rows])


def _side(windows: Windows, scale: Scale) -> _Side:
    places = windows.positions
    return _Side(scale.kinetic(places), scale.energies(places), scale.geometric(places), windows.blocks)


def draw_blocks(blocks: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of ``count`` windows: whole blocks (n,) in random order, the last one cut to what is still missing."""
    order = rng.permutation(np.unique(blocks))
    return np.concatenate([np.flatnonzero(blocks == block) for block in order])[:count]


def draw_halves(blocks: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two sets of ``count`` windows that share no block.

    Blocks in random order go to the first set until it is full, then to the second; the block cut in between is used
    on one side only. ValueError when that cannot be had (``largest_half`` says what can), or not in 2000 tries.
    """
    names, number, sizes = np.unique(blocks, return_inverse=True, return_counts=True)
    for _ in range(TRIES if count <= largest_half(blocks) else 0):
        order = rng.permutation(len(names))
        first = int(np.searchsorted(np.cumsum(sizes[order]), count)) + 1
        if sizes[order[first:]].sum() >= count:
            rows = [np.flatnonzero(number == block) for block in order]
            return np.concatenate(rows[:first])[:count], np.concatenate(rows[first:])[:count]
    raise ValueError(
        f"no two clip-disjoint halves of {count} windows in {len(blocks)} windows of {len(names)} clips; "
        f"at most {largest_half(blocks)}"
    )


def largest_half(blocks: np.ndarray) -> int:
    """Largest count of which two sets without a common block exist: the largest sum of block sizes up to half of all.

    Every sum that some of the blocks have is one bit of a number (subset sums).
    """
    sums = 1
    for size in np.unique(blocks, return_counts=True)[1]:
        sums |= sums << int(size)
    return (sums & ((1 << (len(blocks) // 2 + 1)) - 1)).bit_length() - 1


def _measures(real: _Side, made: _Side, seed: int) -> dict[str, float]:
    return {
        "fid_kinetic": frechet(real.kinetic, made.kinetic),
        "fid_energies": frechet(real.energies, made.energies),
        "fid_geometric": frechet(real.geometric, made.geometric),
        "kd_kinetic": kernel_distance(real.kinetic, made.kinetic),
        "kd_geometric": kernel_distance(real.geometric, made.geometric),
        "two_sample": two_sample_accuracy(
            np.hstack([real.kinetic, real.geometric]),
            real.blocks,
            np.hstack([made.kinetic, made.geometric]),
            made.blocks,
            seed,
        ),
        "diversity_kinetic": diversity(made.kinetic),
        "diversity_geometric": diversity(made.geometric),
    }


def _spread(draw: Callable[[np.random.Generator], tuple[_Side, _Side]], draws: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = [_measures(*draw(rng), seed=seed + number) for number in range(draws)]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def comparable_count(real: Windows, made: Windows) -> int:
    """Windows a side at which ``made`` can be compared: its own number, but no more than ``largest_half`` of the real.

    Over that no yardstick of the same count exists.
    """
    return min(len(made), largest_half(real.blocks))


def compare_draws(
    real: Windows, made: Windows, scale: Scale, seed: int = 0, *, count: int | None = None, draws: int = HALVES
) -> dict[str, np.ndarray]:
    """Every measure (draws,) between ``count`` windows of both sides, drawn anew by whole clips for every draw.

    ``count`` None = ``comparable_count``. ValueError with fewer than two windows or more than there are on a side.
    """
    count = comparable_count(real, made) if count is None else count
    if not 2 <= count <= min(len(real), len(made)):
        raise ValueError(f"cannot compare {count} windows a side of {len(real)} real and {len(made)} others")
    true, other = _side(real, scale), _side(made, scale)
    return _spread(
        lambda rng: (
            true.take(draw_blocks(true.blocks, count, rng)),
            other.take(draw_blocks(other.blocks, count, rng)),
        ),
        draws,
        seed,
    )


def compare(
    real: Windows, made: Windows, scale: Scale, seed: int = 0, *, count: int | None = None, draws: int = HALVES
) -> dict[str, float]:
    """Median over draws of ``compare_draws`` (as of a yardstick): fid_kinetic, fid_energies, fid_geometric, kd_kinetic,
    kd_geometric, two_sample, diversity_kinetic, diversity_geometric (the last two of ``made`` alone).
    """
    found = compare_draws(real, made, scale, seed, count=count, draws=draws)
    return {key: float(np.median(values)) for key, values in found.items()}


def compare_intervals(
    real: Windows, made: Windows, scale: Scale, seed: int = 0, *, count: int | None = None, draws: int = HALVES
) -> dict[str, Interval]:
    """As ``compare``, with the middle 95 % of the draws.

    The interval says how much the figure hangs on which clips were drawn, as the yardstick's does. Where ``made`` has
    no more than ``count`` windows every draw holds all of them, and only the real side varies.
    """
    found = compare_draws(real, made, scale, seed, count=count, draws=draws)
    return {key: of_draws(float(np.median(values)), values) for key, values in found.items()}


def yardstick(
    real: Windows, count: int, seed: int = 0, halves: int = HALVES, *, scale: Scale | None = None
) -> dict[str, tuple[float, float, float]]:
    """What real dance measures against itself: (median, low, high) over clip-disjoint halves of ``count`` windows.

    Keys as ``compare``; low and high are the middle 95 % of the halves; ``scale`` None = fitted on ``real``. ValueError
    where two such halves cannot be had.
    """
    side = _side(real, scale_of(real) if scale is None else scale)

    def draw(rng: np.random.Generator) -> tuple[_Side, _Side]:
        first, second = draw_halves(side.blocks, count, rng)
        return side.take(first), side.take(second)

    found = _spread(draw, halves, seed)
    return {
        key: (float(np.median(values)), *(float(v) for v in np.nanpercentile(values, [2.5, 97.5])))
        for key, values in found.items()
    }


@dataclass(frozen=True, slots=True)
class Beside:
    """A measure, and what real dance has against itself at the same count."""

    made: Interval
    real: Interval


def beside_yardstick(made: Windows, real: Windows, scale: Scale, seed: int = 0) -> dict[str, Beside]:
    """``compare_intervals`` and ``yardstick`` at the same count, measure by measure.

    The measure to give to ``leave_one_dancer_out``: how far is a new dancer from the others?
    """
    count = comparable_count(real, made)
    found = compare_intervals(real, made, scale, seed, count=count)
    stick = yardstick(real, count, seed, scale=scale)
    return {key: Beside(found[key], Interval(*stick[key])) for key in found}
