"""Laws of the distances: samples small enough to work out by hand, and sources that are known to be one or two."""

import numpy as np
import pytest

from engine.skeleton import JOINTS
from realtime_models.training.judge import distribution as d
from realtime_models.training.judge.motion import Motion, Windows, windows

KEYS = [
    "fid_kinetic", "fid_energies", "fid_geometric", "kd_kinetic", "kd_geometric", "two_sample", "diversity_kinetic",
    "diversity_geometric",
]  # fmt: skip
#: Four points with mean 0 and covariance (n - 1) of exactly one.
WHITE = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * np.sqrt(3 / 4)


def test_frechet_in_one_dimension_by_hand():
    # Means 1 and 5, variances (n - 1) 2 and 8: (5 - 1)² + (sqrt 8 - sqrt 2)² = 16 + 2.
    assert d.frechet(np.array([[0.0], [2.0]]), np.array([[3.0], [7.0]])) == pytest.approx(18)


def test_frechet_in_two_dimensions_by_hand():
    # Standard deviations (1, 2) and (3, 2), means 0 and (1, 4): 17 + (3 - 1)² + 0.
    a, b = WHITE * [1, 2], WHITE * [3, 2] + [1, 4]
    assert d.frechet(a, b) == pytest.approx(21) and d.frechet(b, a) == pytest.approx(21)


def test_frechet_of_covariances_that_do_not_commute():
    # A = diag(1, 4), B = ((2, 1), (1, 2)): the eigenvalues of A B have sum 1*2 + 4*2 = 10 and product 4 * 3 = 12, so
    # the trace of the root is sqrt(10 + 2 sqrt 12) and the distance 5 + 4 - 2 sqrt(10 + 2 sqrt 12) = .7712.
    a, b = WHITE * [1, 2], WHITE @ np.linalg.cholesky([[2, 1], [1, 2]]).T
    assert np.cov(b.T) == pytest.approx(np.array([[2, 1], [1, 2]]))
    assert d.frechet(a, b) == pytest.approx(9 - 2 * np.sqrt(10 + 2 * np.sqrt(12))) == pytest.approx(0.7712, abs=1e-4)


def test_frechet_stays_finite_with_fewer_rows_than_dimensions():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(10, 66)), rng.normal(size=(10, 66))
    assert 0 <= d.frechet(a, a) < 1e-5
    assert np.isfinite(d.frechet(a, b)) and d.frechet(a, b) > 50
    assert d.frechet(np.zeros((5, 66)), np.zeros((5, 66))) == 0  # a frozen body has no covariance at all
    # Against nothing moving the distance is |mean|² + tr(A).
    expected = np.sum(a.mean(axis=0) ** 2) + np.trace(np.cov(a.T))
    assert d.frechet(a, np.zeros((7, 66))) == pytest.approx(expected)


def test_the_bias_of_frechet_is_the_formula_s():
    # Unit covariance: 2 D / n + D (D + 1) / (2 n); for D = 66, n = 200: .66 + 11.055.
    assert d.frechet_bias(np.eye(66), 200) == pytest.approx(11.715)
    assert d.frechet_bias(np.array([[4.0]]), 100) == pytest.approx((2 * 4 + 4 / 2 + 4 / 2) / 100)
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(6, 6))
    got = [d.frechet(rng.normal(size=(300, 6)) @ mixing, rng.normal(size=(300, 6)) @ mixing) for _ in range(150)]
    assert np.mean(got) == pytest.approx(d.frechet_bias(mixing.T @ mixing, 300), rel=0.08)


def test_kernel_distance_by_hand():
    # k = (x y + 1)³: within {0, 1} k(0, 1) = 1, within {2, 3} 7³ = 343, across 1, 1, 27, 64 with mean 23.25.
    assert d.kernel_distance([[0.0], [1.0]], [[2.0], [3.0]]) == pytest.approx(1 + 343 - 2 * 23.25)
    # Two dimensions: (x·y / 2 + 1)³; within a: (2/2 + 1)³ = 8; b the same; across: 8 * 2 and k of equal rows
    # (2/2 + 1)³ = 8 and (4/2 + 1)³ = 27: mean (8 + 8 + 8 + 27) / 4 = 12.75.
    a = [[1.0, 1.0], [2.0, 0.0]]
    assert d.kernel_distance(a, a) == pytest.approx(8 + 8 - 2 * 12.75)


def test_kernel_distance_is_unbiased_at_any_count_and_frechet_is_not():
    rng = np.random.default_rng(2)
    kernel, frechet = {}, {}
    for n in (10, 40):
        pairs = [(rng.normal(size=(n, 3)), rng.normal(size=(n, 3))) for _ in range(400)]
        kernel[n] = [d.kernel_distance(a, b) for a, b in pairs]
        frechet[n] = [d.frechet(a, b) for a, b in pairs]
        assert abs(np.mean(kernel[n])) < 3 * np.std(kernel[n]) / np.sqrt(400)
    assert np.mean(frechet[10]) > 3 * np.mean(frechet[40]) > 0.3
    assert min(kernel[40]) < 0 < max(kernel[40])


def test_diversity_by_hand():
    assert d.diversity([[0, 0], [3, 4], [0, 0]]) == pytest.approx((5 + 5 + 0) / 3)
    assert d.diversity(np.ones((4, 7))) == 0 and np.isnan(d.diversity([[1.0, 2.0]]))


def test_multimodality_compares_the_same_window_under_other_seeds():
    # Window 0: 0, 3, 3 -> pairs 3, 3, 0 = 2; window 1: the same under all seeds -> 0; mean 1. Windows differ by 100,
    # which is diversity and no multimodality.
    seeds = [np.array([[0.0], [100]]), np.array([[3.0], [100]]), np.array([[3.0], [100], [7]])]
    assert d.multimodality(seeds) == pytest.approx(1.0)
    assert np.isnan(d.multimodality(seeds[:1])) and np.isnan(d.multimodality([]))


def dance(clips: int, windows_each: int, seed: int, size: float = 0.1) -> Windows:
    """Made-up dance: every clip swings its joints at its own sizes and rates around a T-pose-like cloud."""
    rng = np.random.default_rng(seed)
    rest = np.random.default_rng(99).normal(0, 0.5, (len(JOINTS), 3)) + [0, 1, 0]
    motions = []
    for number in range(clips):
        time_s = np.arange(150 * windows_each)[:, None, None] / 30
        hz = rng.uniform(0.3, 1.5, (len(JOINTS), 3))
        swing = size * rng.gamma(4, 0.25) * np.sin(2 * np.pi * (hz * time_s + rng.uniform(size=(len(JOINTS), 3))))
        motions.append(Motion(f"clip{number}", rest + swing + rng.normal(0, 0.002, swing.shape)))
    return windows(motions)


REAL = dance(24, 4, seed=0)
SCALE = d.scale_of(REAL)


def test_the_scale_makes_real_dance_zero_and_one_and_never_divides_by_nothing():
    for z in (SCALE.kinetic(REAL.positions), SCALE.energies(REAL.positions)):
        assert z.mean(axis=0) == pytest.approx(0, abs=1e-9) and z.std(axis=0) == pytest.approx(1)
    still = windows([Motion("still", np.zeros((300, len(JOINTS), 3)))])
    frozen = d.scale_of(still)
    assert (frozen.kinetic(still.positions) == 0).all() and np.isfinite(frozen.geometric(REAL.positions)).all()
    with pytest.raises(ValueError, match="two real windows; there is: 1"):
        d.scale_of(still.take(np.array([0])))


def test_halves_share_no_clip_and_have_the_count():
    blocks = np.repeat(np.arange(9), [1, 2, 3, 4, 5, 6, 7, 8, 9])
    rng = np.random.default_rng(0)
    for _ in range(50):
        one, other = d.draw_halves(blocks, 18, rng)
        assert len(set(one)) == len(set(other)) == 18
        assert not set(blocks[one]) & set(blocks[other])
    with pytest.raises(ValueError, match="no two clip-disjoint halves of 23 windows in 45 windows of 9 clips"):
        d.draw_halves(blocks, 23, rng)
    # All in one clip: there is no other half.
    with pytest.raises(ValueError, match="of 1 clips; at most 0"):
        d.draw_halves(np.zeros(40, int), 5, rng)


def test_the_largest_half_is_the_largest_sum_of_clips_up_to_a_half():
    assert d.largest_half(np.repeat(np.arange(9), np.arange(1, 10))) == 22  # of 45: 9 + 8 + 5 and 7 + 6 + 4 + 3 + 2 + 1
    assert d.largest_half(np.repeat([0, 1], [30, 10])) == 10
    assert d.largest_half(np.repeat([5, 6, 7], [30, 10, 12])) == 22
    assert d.largest_half(np.zeros(40, int)) == 0
    one, other = d.draw_halves(np.repeat([0, 1], [30, 10]), 10, np.random.default_rng(0))
    assert {len(one), len(other)} == {10} and (max(one) < 30) != (max(other) < 30)


def test_a_draw_takes_whole_clips_but_the_last():
    blocks = np.repeat(np.arange(10), 4)
    rows = d.draw_blocks(blocks, 18, np.random.default_rng(1))
    assert len(set(rows)) == 18 and sorted(np.bincount(blocks[rows], minlength=10))[-4:] == [4, 4, 4, 4]
    assert (np.bincount(blocks[rows]) == 2).sum() == 1


def test_the_same_source_lies_within_the_yardstick_and_another_one_far_outside():
    stick = d.yardstick(REAL, 48, seed=0)
    assert list(stick) == KEYS and all(low <= median <= high for median, low, high in stick.values())
    again = d.compare(REAL, dance(12, 4, seed=1), SCALE)
    assert list(again) == KEYS
    for key in ("fid_kinetic", "fid_geometric", "kd_kinetic", "kd_geometric"):
        assert again[key] < 2 * stick[key][2], key
    assert again["two_sample"] < 0.65
    wild = d.compare(REAL, dance(12, 4, seed=1, size=0.3), SCALE)
    for key in ("fid_kinetic", "fid_geometric", "kd_kinetic", "two_sample", "diversity_kinetic"):
        assert wild[key] > stick[key][2], key


def test_a_frozen_body_is_far_and_has_no_diversity():
    stick = d.yardstick(REAL, 48, seed=0)
    pose = np.repeat(REAL.positions[:1, :1], 150, axis=1)
    frozen = windows([Motion(f"frozen{i}", np.tile(pose[0], (4, 1, 1))) for i in range(12)])
    found = d.compare(REAL, frozen, SCALE)
    assert found["two_sample"] > 0.95 and found["fid_kinetic"] > 3 * stick["fid_kinetic"][2]
    assert found["diversity_kinetic"] == found["diversity_geometric"] == 0


def test_comparing_is_at_equal_counts_and_never_over_half_of_the_real_ones():
    few, many = dance(3, 2, seed=2), dance(40, 3, seed=3)
    assert d.comparable_count(REAL, few) == 6 and d.comparable_count(REAL, many) == 48
    assert d.compare(REAL, few, SCALE, draws=3) == d.compare(REAL, few, SCALE, count=6, draws=3)
    spread = d.compare_intervals(REAL, many, SCALE, count=30)
    medians = d.compare(REAL, many, SCALE, count=30)
    for key in KEYS:
        assert spread[key].value == medians[key] and spread[key].low <= medians[key] <= spread[key].high
    with pytest.raises(ValueError, match="cannot compare 7 windows a side of 96 real and 6 others"):
        d.compare(REAL, few, SCALE, count=7)


def test_a_smaller_count_makes_the_frechet_distance_larger_on_both_sides_alike():
    real, other = dance(120, 1, seed=0), dance(120, 1, seed=7)  # same source
    scale = d.scale_of(real)
    sticks = {count: d.yardstick(real, count)["fid_geometric"][0] for count in (15, 60)}
    found = {count: d.compare(real, other, scale, count=count)["fid_geometric"] for count in (15, 60)}
    assert sticks[15] > 1.5 * sticks[60] and found[15] > 1.5 * found[60]
    assert [found[count] / sticks[count] for count in (15, 60)] == pytest.approx([1, 1], rel=0.5)


def test_the_same_seed_gives_the_same_figures():
    made = dance(6, 4, seed=4)
    assert d.compare(REAL, made, SCALE, seed=5, draws=3) == d.compare(REAL, made, SCALE, seed=5, draws=3)
    assert d.yardstick(REAL, 20, seed=5, halves=3) == d.yardstick(REAL, 20, seed=5, halves=3)
    assert d.compare(REAL, made, SCALE, seed=5, draws=3) != d.compare(REAL, made, SCALE, seed=6, draws=3)


def test_multimodality_of_windows_is_taken_on_the_real_scale():
    one, other = dance(1, 4, seed=8), dance(1, 4, seed=9)
    same = d.multimodality_of([one, one], SCALE)
    assert same == {"multimodality_kinetic": 0, "multimodality_geometric": 0}
    apart = d.multimodality_of([one, other], SCALE)
    by_hand = np.linalg.norm(SCALE.kinetic(one.positions) - SCALE.kinetic(other.positions), axis=1).mean()
    assert apart["multimodality_kinetic"] == pytest.approx(by_hand)


def test_features_that_cannot_be_compared_are_refused():
    for a, b in (((5, 3), (5, 4)), ((1, 3), (5, 3)), ((5,), (5, 3))):
        with pytest.raises(ValueError, match="features are"):
            d.frechet(np.zeros(a), np.zeros(b))
        with pytest.raises(ValueError, match="features are"):
            d.kernel_distance(np.zeros(a), np.zeros(b))


def test_beside_its_yardstick_every_measure_is_at_one_count():
    made = dance(5, 4, seed=11)
    found = d.beside_yardstick(made, REAL, SCALE, seed=1)
    assert list(found) == KEYS
    stick, value = d.yardstick(REAL, 20, seed=1), d.compare(REAL, made, SCALE, seed=1, count=20)
    for key, both in found.items():
        assert (both.real.value, both.real.low, both.real.high) == stick[key] and both.made.value == value[key]
