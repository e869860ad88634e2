"""Laws of the two-sample classifier: sources that are known to be one or two."""

import numpy as np
import pytest

from realtime_models.training.judge.classifier import classify, two_sample_accuracy


def blocks_of(clips: int, each: int) -> np.ndarray:
    return np.repeat(np.arange(clips), each)


def test_two_sources_far_apart_are_always_told_and_one_source_never():
    rng = np.random.default_rng(3)
    blocks = blocks_of(20, 5)
    a, b = rng.normal(size=(2, 100, 8))
    assert two_sample_accuracy(a, blocks, b + 6, blocks) == 1.0
    assert two_sample_accuracy(a, blocks, b, blocks) == pytest.approx(0.5, abs=0.1)


def test_the_classifier_sees_spread_as_well_as_place():
    rng = np.random.default_rng(4)
    blocks = blocks_of(20, 5)
    a, b = rng.normal(size=(2, 100, 8)) * np.array([1, 4]).reshape(2, 1, 1)
    assert two_sample_accuracy(a, blocks, b, blocks) > 0.85


def test_a_classifier_that_knows_the_clip_learns_nothing_from_it():
    # Every clip is a tight cloud of its own, on either side: told by its neighbours it would be right every time.
    rng = np.random.default_rng(5)
    blocks = blocks_of(20, 10)
    a, b = (rng.normal(size=(20, 6))[blocks] + 0.01 * rng.normal(size=(200, 6)) for _ in range(2))
    assert two_sample_accuracy(a, blocks, b, blocks) < 0.65
    every_row_a_clip = np.arange(200)
    assert two_sample_accuracy(a, every_row_a_clip, b, every_row_a_clip) > 0.95


def test_unequal_numbers_do_not_pay_for_always_saying_the_larger():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(300, 4)), rng.normal(size=(30, 4))
    assert two_sample_accuracy(a, blocks_of(30, 10), b, blocks_of(6, 5)) == pytest.approx(0.5, abs=0.16)
    assert np.isnan(two_sample_accuracy(a, np.zeros(300), b, blocks_of(6, 5)))


def test_a_row_is_scored_by_the_side_that_it_lies_near():
    train = np.array([[0.0], [0.1], [1.0], [1.1], [1.2]])
    score = classify(train, np.array([False, False, True, True, True]), np.array([[0.05], [1.1], [0.2], [0.9]]))
    assert (score > 0).tolist() == [False, True, False, True]
