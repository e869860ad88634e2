"""The bar filter on hand-made activations, and confidence."""

from dataclasses import fields

import numpy as np
import pytest

from engine.listen.bar import BarState, agreement, another_beat, bar_step, start_bar
from engine.listen.confidence import Grounds, confidence, steady
from engine.listen.cycle import Cycle, advance, begins_in, loosen, place, weigh
from engine.types import MODEL_HZ, BeatClock

PERIOD_S, DELAY_S = 0.5, 0.03


def clock_at(now_s: float, period_s: float = PERIOD_S) -> BeatClock:
    """A true clock whose beat n falls at n periods."""
    count = int(now_s / period_s + 1e-9)
    return BeatClock(count * period_s, count, period_s)


def play(
    accents: list[int], beats: int, state: BarState | None = None, first: int = 0, heard=lambda number: True
) -> tuple[BarState, list[tuple[int, int, float]]]:
    """``beats`` beats from number ``first`` on; what was read last of each: (place, metre, confidence).

    ``accents``: beats from one downbeat to the next, in turn; [4] = four each, [2, 2, 3] = a seven in three groups.
    """
    state, told = state or start_bar(), {}
    starts, at = set(), 0
    while at < first + beats:
        for length in accents:
            starts.add(at)
            at += length
    for frame in range(int(first * PERIOD_S * MODEL_HZ), int((first + beats) * PERIOD_S * MODEL_HZ) - 1):
        now_s = (frame + 1) / MODEL_HZ
        looks_s = now_s - DELAY_S - np.array([1 / 60, 0.0])
        number = np.rint(looks_s / PERIOD_S).astype(int)
        near = np.exp(-0.5 * ((looks_s - number * PERIOD_S) * 60 / 0.8) ** 2)
        beat = 0.9 * near * [heard(n) for n in number]
        downbeat = beat * [0.85 if n in starts else 0.1 for n in number]
        state, reading = bar_step(state, beat, downbeat, clock_at(now_s), now_s - DELAY_S)
        told[clock_at(now_s).count] = (reading.beat_in_bar, reading.meter, reading.confidence)
    return state, list(told.values())


@pytest.mark.parametrize("meter", [2, 3, 4, 5, 6, 7])
def test_a_bar_is_found_in_every_metre(meter):
    _, told = play([meter], 10 * meter + 8)
    late = told[6 * meter :]
    assert {m for _, m, _ in late} == {meter}
    assert [p for p, _, _ in late] == [n % meter + 1 for n in range(len(late))]
    assert told[-1][2] > 0.8


def test_three_is_found_within_four_bars():
    _, told = play([3], 14)
    assert [m for _, m, _ in told[12:]] == [3, 3]


def test_an_uneven_seven_stays_on_its_groups():
    """Seven beats heard as 2 + 2 + 3 with an accent on each group: places of the bar keep to accents."""
    _, told = play([2, 2, 3], 70)
    starts = {n for bar in range(12) for n in (7 * bar, 7 * bar + 2, 7 * bar + 4)}
    hits = [n in starts for n in range(28, 70) if told[n][0] == 1]
    assert len(hits) >= 8 and np.mean(hits) > 0.6


def test_the_place_coasts_where_no_beat_is_heard():
    state, _ = play([4], 32)
    after, told = play([4], 16, state, 32, heard=lambda number: False)
    assert [p for p, _, _ in told] == [n % 4 + 1 for n in range(16)]
    assert told[-1][2] < told[0][2]
    assert agreement(after) < 0.1 < 0.6 < agreement(state)


def test_the_metre_changes_slowly_and_surely():
    state, _ = play([4], 32)
    _, told = play([3], 36, state, 33)  # 33 = a multiple of 3, so the accents go on in threes from there
    assert told[2][1] == 4 and {m for _, m, _ in told[-6:]} == {3}


def test_a_shifted_bar_is_found_again():
    state, _ = play([4], 32)
    _, told = play([4], 24, BarState(np.roll(state.belief, 1), state.beat, 4, state.looks, state.on, state.off), 32)
    assert told[-1][0] == (32 + 24 - 1) % 4 + 1


def test_nothing_is_said_of_the_bar_at_first_and_after_another_beat():
    state = start_bar()
    _, reading = bar_step(state, np.zeros(2), np.zeros(2), BeatClock(), 0.0)
    assert reading.beat_in_bar == 0 and reading.confidence == 0
    state, told = play([4], 32)
    moved = another_beat(state, clock_at(16.0), 16.0, 0.9)
    _, reading = bar_step(moved, np.zeros(2), np.zeros(2), clock_at(16.0), 16.0)
    assert reading.confidence < 0.5 < told[-1][2]


def test_a_round_by_hand():
    """Two lengths, 2 and 3, equally usual. The prior is 1/4 for each place of the first, 1/6 of the second."""
    rounds = Cycle((2, 3), (1.0, 1.0), change=0.0, astray=0.0)
    np.testing.assert_allclose(rounds.prior, [1 / 4, 1 / 4, 1 / 6, 1 / 6, 1 / 6])
    belief = weigh(rounds, rounds.prior, np.log(3.0))  # 3/4 1/4 | 3/6 1/6 1/6, which sum to 11/6
    np.testing.assert_allclose(belief, np.array([3 / 4, 1 / 4, 1 / 2, 1 / 6, 1 / 6]) / (11 / 6))
    moved = advance(rounds, belief)
    np.testing.assert_allclose(moved, np.array([1 / 4, 3 / 4, 1 / 6, 1 / 2, 1 / 6]) / (11 / 6))
    assert begins_in(rounds, moved, 0) == pytest.approx((1 / 4 + 1 / 6) / (11 / 6))
    assert begins_in(rounds, moved, 1) == pytest.approx((3 / 4 + 1 / 6) / (11 / 6))
    found = place(rounds, moved)
    assert (found.length, found.position) == (2, 1) and found.probability == pytest.approx((3 / 4 + 1 / 2) / (11 / 6))
    np.testing.assert_allclose(loosen(rounds, moved, 1.0), rounds.prior)
    assert advance(Cycle((2, 3), (1, 1), 0.1, 0.1), moved).sum() == pytest.approx(1.0)


def test_confidence_rises_with_each_of_its_grounds():
    for low in (0.0, 0.4, 0.9):
        values = dict.fromkeys([field.name for field in fields(Grounds)], low)
        before = confidence(Grounds(**values))
        assert 0.0 < before < 1.0
        for name in values:
            assert confidence(Grounds(**{**values, name: low + 0.1})) >= before
    assert confidence(Grounds(*[0.0] * 6)) < 0.15 and confidence(Grounds(1.0, 1.0, 0.9, 0.8, 1.0, 1.0)) > 0.8
    assert steady(0.0) == 0.0 and steady(4.0) == pytest.approx(1 - np.exp(-1)) and steady(60.0) > 0.99
