"""Laws of intervals and permutations, with cases small enough to enumerate by hand."""

import numpy as np
import pytest

from engine.skeleton import JOINTS
from realtime_models.training.judge.intervals import (
    Interval,
    block_bootstrap,
    leave_one_dancer_out,
    paired_permutation,
)
from realtime_models.training.judge.motion import Motion


def test_two_blocks_of_equal_values_give_the_values_themselves_as_bounds():
    # Draws hold block 0 twice (1/4), once (1/2) or never (1/4): means 0, .5, 1, so the middle 95 % is all of them.
    values, blocks = np.r_[np.zeros(50), np.ones(50)], np.repeat([0, 1], 50)
    assert block_bootstrap(values, blocks) == Interval(0.5, 0.0, 1.0)


def test_as_many_blocks_as_values_is_the_plain_bootstrap():
    # 100 zeros and ones, each its own block: the mean's standard error is .5 / sqrt(100) = .05, 1.96 of it .098.
    values = np.tile([0.0, 1.0], 50)
    found = block_bootstrap(values, np.arange(100), draws=4000)
    assert found.low == pytest.approx(0.402, abs=0.015) and found.high == pytest.approx(0.598, abs=0.015)
    # The same hundred values from ten clips of ten equal values: error .5 / sqrt(10), more than three times as wide.
    wide = block_bootstrap(np.repeat(np.tile([0.0, 1.0], 5), 10), np.repeat(np.arange(10), 10), draws=4000)
    assert wide.high - wide.low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(10), rel=0.12)


def test_blocks_of_unequal_size_enter_with_all_their_values():
    # One value of 1 in block 0, three of 0 in block 1: mean 1/4; draws: 1 (0, 0), 1/4 (one each), 0 (1, 1).
    assert block_bootstrap([1.0, 0, 0, 0], [0, 1, 1, 1]) == Interval(0.25, 0.0, 1.0)


def test_any_statistic_and_values_with_more_axes():
    values = np.array([[1.0, 10.0], [1.0, 10.0], [5.0, 50.0]])
    found = block_bootstrap(values, [0, 0, 1], statistic=lambda v: float(v[:, 1].max() - v[:, 0].max()))
    assert found == Interval(45.0, 9.0, 45.0)
    # The quick way for means gives what the general one gives.
    rng = np.random.default_rng(5)
    values, blocks = rng.normal(size=60), rng.integers(9, size=60)
    slow, quick = block_bootstrap(values, blocks, statistic=lambda v: float(v.mean())), block_bootstrap(values, blocks)
    assert [slow.value, slow.low, slow.high] == pytest.approx([quick.value, quick.low, quick.high])


def test_one_block_has_no_interval_and_nothing_has_no_value():
    one = block_bootstrap([1.0, 2.0, 3.0], [7, 7, 7])
    assert one.value == 2 and np.isnan([one.low, one.high]).all()
    none = block_bootstrap([], [])
    assert np.isnan([none.value, none.low, none.high]).all()
    assert block_bootstrap([1.0, np.nan, 3.0], [0, 1, 2]) == block_bootstrap([1.0, 3.0], [0, 2])
    with pytest.raises(ValueError, match="3 values but 2 blocks"):
        block_bootstrap([1.0, 2.0, 3.0], [0, 1])


def test_the_same_seed_gives_the_same_interval():
    values, blocks = np.random.default_rng(0).normal(size=40), np.repeat(np.arange(8), 5)
    assert block_bootstrap(values, blocks, seed=3) == block_bootstrap(values, blocks, seed=3)
    assert block_bootstrap(values, blocks, seed=3) != block_bootstrap(values, blocks, seed=4)


@pytest.mark.parametrize(
    ("difference", "hits"),
    [
        ((1.0, 2.0, 3.0), 1),  # only +++ reaches 6
        ((-1.0, 2.0, 3.0), 2),  # 4: +-(1) 2 3 with both signs of the 1
        ((-1.0, -2.0, 3.0), 5),  # 0: 6, 4, 2, and 3 - 2 - 1 = 0, and -3 + 2 + 1 = 0
        ((-1.0, -2.0, -3.0), 8),
        ((0.0, 0.0, 0.0), 8),
    ],
)
def test_three_blocks_of_one_pair_are_enumerated(difference, hits):
    y = np.array([0.3, -2.0, 11.0])
    assert paired_permutation(y + difference, y, [0, 1, 2]) == hits / 8


def test_a_track_with_more_seeds_does_not_count_more():
    # Track 0 has differences 1 and 1, track 1 has -1: mean of means (1 - 1) / 2 = 0. Signs: +-1/4 +-1/4 +-1/2 >= 0
    # for (+, any, any) of the half, 4 of them, and for - of it only with both quarters +: 5 of 8.
    x, blocks = np.array([1.0, 1.0, -1.0]), np.array([4, 4, 9])
    assert paired_permutation(x, np.zeros(3), blocks) == 5 / 8
    # Whole tracks swapped: +-1/2 +-1/2 against 0: three of four.
    assert paired_permutation(x, np.zeros(3), blocks, whole_blocks=True) == 3 / 4


def test_seeds_that_are_alike_are_no_proof_when_whole_tracks_are_swapped():
    x, blocks = np.ones(15), np.repeat(np.arange(5), 3)
    assert paired_permutation(x, np.zeros(15), blocks, draws=40_000) == 1 / 2**15
    assert paired_permutation(x, np.zeros(15), blocks, whole_blocks=True) == 1 / 2**5


def test_drawn_swaps_agree_with_all_of_them():
    rng = np.random.default_rng(1)
    x, y, blocks = rng.normal(0.4, 1, 13), rng.normal(0, 1, 13), np.arange(13) % 4
    exact = paired_permutation(x, y, blocks, draws=2**13)
    drawn = paired_permutation(x, y, blocks, draws=2**13 - 1)
    assert 0.01 < exact < 0.5 and drawn == pytest.approx(exact, abs=0.02)
    many = paired_permutation(np.arange(100.0), np.zeros(100), np.arange(100), draws=500)
    assert many == 1 / 501  # never zero: the pairs as they are count as one draw


def test_under_the_null_a_p_below_a_tenth_comes_one_time_in_ten():
    rng = np.random.default_rng(2)
    p = [paired_permutation(rng.normal(size=8), rng.normal(size=8), np.arange(8) // 2) for _ in range(600)]
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.03)


def test_pairs_without_a_value_are_left_out_and_what_does_not_pair_is_refused():
    assert paired_permutation([1.0, np.nan, 3.0], [0.0, 0, 0], [0, 1, 2]) == 1 / 4
    assert np.isnan(paired_permutation([np.nan], [1.0], [0]))
    with pytest.raises(ValueError, match="do not pair"):
        paired_permutation([1.0], [1.0, 2.0], [0])


def clip(dancer: str, style: str, windows: int) -> Motion:
    return Motion(f"{dancer}-{style}", np.zeros((150 * windows + 7, len(JOINTS), 3)), dancer=dancer, style=style)


DANCERS = [
    clip("ann", "salsa", 12), clip("bob", "salsa", 11), clip("cleo", "indian", 10), clip("dan", "pop", 20),
    clip("eve", "modern", 15), clip("eve", "pop", 4), clip("fay", "break", 3), clip("", "pop", 50),
]  # fmt: skip


def test_every_dancer_stands_once_against_the_others_of_the_style_and_against_all():
    found = leave_one_dancer_out(DANCERS, lambda own, others: (len(own), len(others)), least=10)
    assert list(found) == ["ann", "bob", "cleo", "dan", "eve"]
    # 12 + 11 + 10 + 20 + 19 + 3 = 75 windows have a dancer.
    assert found["ann"].across == (12, 63) and found["ann"].within == (12, 11)
    assert found["cleo"].across == (10, 65) and found["cleo"].within is None
    # Eve dances modern and pop, Dan pop: within is pop on both sides, but of Eve's there are only 4 windows.
    assert found["eve"].styles == ("modern", "pop") and found["eve"].across == (19, 56)
    assert found["eve"].within is None and found["dan"].within is None and found["dan"].count == 20
    few = leave_one_dancer_out(DANCERS, lambda own, others: (len(own), len(others)), least=4)
    assert few["eve"].within == (4, 20) and few["dan"].within == (20, 4)


def test_fewer_than_five_dancers_are_too_few():
    with pytest.raises(ValueError, match="needs 5 dancers with 10 windows; there is: .'ann', 'bob'"):
        leave_one_dancer_out(DANCERS[:4], lambda own, others: 0, least=10)
