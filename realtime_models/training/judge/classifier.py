"""The two-sample classifier: can a learner tell which source a window comes from? Pure numpy.

Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests": train on one part of two samples, test on the rest;
0.5 = cannot tell, 1 = always tells. Parts share no clip, as a classifier that has seen a clip knows its other windows.

The classifier is least squares with a Gaussian kernel (regularised, closed form, so it has no luck of training) on
features pressed through sign(x) log(1 + |x|): extreme windows then do not blind it to the rest.
"""

import numpy as np

FOLDS = 5
RIDGE = 0.1  #: of the kernel's own unit diagonal, times the mean weight of a window


def _folds(blocks: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold (n,) of every window: whole blocks (n,), large ones first, each to the fold that has least."""
    names, number, sizes = np.unique(blocks, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled, fold_of = np.zeros(folds), np.zeros(len(names), np.int64)
    for block in order:
        fold_of[block] = np.argmin(filled)
        filled[fold_of[block]] += sizes[block]
    return fold_of[number]


def _square_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum((x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T, 0.0)


def classify(train: np.ndarray, is_b: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Score (t,) of test (t, D): above 0 = like the rows of train (n, D) with is_b (n,), below 0 = like the others.

    Both classes weigh the same whatever their number. The kernel's width is the median distance in ``train``.
    """
    mean, sd = train.mean(axis=0), train.std(axis=0)
    train, test = (train - mean) / np.maximum(sd, 1e-9), (test - mean) / np.maximum(sd, 1e-9)
    apart = _square_distances(train, train)
    width = max(float(np.median(apart[np.triu_indices(len(train), 1)])), 1e-12)
    kernel = np.exp(-apart / width)
    weight = np.where(is_b, 0.5 / max(is_b.sum(), 1), 0.5 / max((~is_b).sum(), 1)) * len(train)
    target = np.where(is_b, 1.0, -1.0)
    # Weighted least squares around 0: (W K + ridge) alpha = W t.
    system = weight[:, None] * kernel + RIDGE * np.eye(len(train))
    alpha = np.linalg.solve(system, weight * target)
    return np.exp(-_square_distances(test, train) / width) @ alpha


def two_sample_accuracy(
    a: np.ndarray, a_blocks: np.ndarray, b: np.ndarray, b_blocks: np.ndarray, seed: int = 0
) -> float:
    """Balanced accuracy of telling rows of a (n, D) from rows of b (m, D), tested on blocks it was not trained on.

    Five folds of whole blocks on either side (fewer where a side has fewer blocks); accuracy is the mean of the two
    classes' own. The blocks of a and of b are taken to be different clips even where the numbers agree. nan where a
    side has fewer than two blocks. Clip-disjoint halves of one source scatter
    around 0.5 by more than their count suggests, as clips are drawn and not windows: beside it stands the yardstick.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    folds = min(FOLDS, len(np.unique(a_blocks)), len(np.unique(b_blocks)))
    if folds < 2:
        return float("nan")
    rng = np.random.default_rng(seed)
    fold = np.r_[_folds(np.asarray(a_blocks), folds, rng), _folds(np.asarray(b_blocks), folds, rng)]
    rows = np.vstack([a, b])
    rows = np.sign(rows) * np.log1p(np.abs(rows))
    is_b = np.arange(len(rows)) >= len(a)
    right = np.zeros(len(rows), bool)
    for number in range(folds):
        test = fold == number
        right[test] = (classify(rows[~test], is_b[~test], rows[test]) > 0) == is_b[test]
    return float((right[is_b].mean() + right[~is_b].mean()) / 2)
