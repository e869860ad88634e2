"""engine.condition: the numbers that training and show must agree on."""

import numpy as np

from engine import condition


def test_parts_fill_the_row_without_overlap():
    parts = [condition.BEAT, condition.AUDIO, condition.STEER]
    columns = [i for part in parts for i in range(part.start, part.stop)] + [condition.ENERGY, condition.DELAY]
    assert sorted(columns) == list(range(condition.SIZE))
    assert set(condition.MUSIC) == set(columns) - set(range(condition.STEER.start, condition.STEER.stop))


def test_a_whole_number_of_beats_later_the_phase_is_the_same():
    beats = np.array([[0.25, 0.5, 0.75, 1.0]])
    once = condition.beat_numbers(beats, np.array([0.5]), np.array([1.0]))
    twice = condition.beat_numbers(beats + 2, np.array([0.5]), np.array([1.0]))
    np.testing.assert_allclose(once, twice, atol=1e-6)
    np.testing.assert_allclose(once[0, :4], [0, -1, 0, 1], atol=1e-6)


def test_no_confidence_means_nothing_is_told_of_the_beat():
    assert not condition.beat_numbers(np.ones((2, 4)), np.full(2, 0.5), np.zeros(2)).any()


def test_tempo_is_folded_into_the_trained_octave_and_stays_there():
    low, high = condition.FOLD_PERIOD_S
    for bpm in range(30, 240):
        level = condition.fold_level(60 / bpm, 0)
        assert low <= 60 / bpm * 2.0**level <= high
        assert (
            condition.fold_level(60 / bpm * 1.001, level) == level or not low <= 60 / bpm * 1.001 * 2.0**level <= high
        )


def test_unknown_wishes_are_zero():
    assert not condition.steer_numbers(np.ones((3, 2)), np.ones(3), np.zeros(3, bool)).any()
