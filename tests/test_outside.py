"""A beat clock from elsewhere is followed by slewing, coasted over when lost, and given back to the own ear."""

import math

import pytest

from engine.listen.outside import (
    COAST_S,
    SLEW_MOST,
    FollowState,
    Leader,
    OutsideClock,
    differs,
    follow_outside,
    outside_step,
    start_following,
)
from engine.types import BeatClock

STEP_S = 1 / 30


def run(state, own, outside, start_s, seconds):
    """Steps of a model frame; own and outside are functions of time. Returns the state and all (now, state)."""
    seen = []
    for step in range(round(seconds / STEP_S)):
        now_s = start_s + (step + 1) * STEP_S
        state = outside_step(state, own(now_s), outside(now_s), now_s)
        seen.append((now_s, state))
    return state, seen


def own_clock(period_s=0.5, at_s=0.0):
    def clock(now_s):
        count = max(math.floor((now_s - at_s) / period_s), 0)
        return BeatClock(at_s + count * period_s, count, period_s, count % 4 + 1, 4, 0.8, 0.6)

    return clock


def steady(clock):
    return lambda now_s: clock


def error_s(clock, outside, now_s):
    distance = clock.beats_at(now_s) - outside.beats_at(now_s)
    return (distance - round(distance)) * outside.period_s


def assert_no_jump(seen, slowest_period_s, fastest_period_s):
    """Beats go on by what the tempi allow, 4 % more or less, and numbers never decrease."""
    for (before_s, before), (now_s, after) in zip(seen, seen[1:], strict=False):
        gained = float(after.clock.beats_at(now_s)) - float(before.clock.beats_at(before_s))
        least, most = STEP_S / slowest_period_s * (1 - SLEW_MOST), STEP_S / fastest_period_s * (1 + SLEW_MOST)
        assert least - 1e-9 <= gained <= most + 1e-9
        assert after.clock.count >= before.clock.count


def test_the_own_ear_leads_where_nothing_comes_from_outside():
    _, seen = run(start_following(), own_clock(), steady(None), 0.0, 3.0)
    assert all(state.clock == own_clock()(now_s) for now_s, state in seen)


def test_a_first_lock_slews_half_a_beat_in_twelve_and_a_half_beats():
    outside = OutsideClock(0.25, 0, 0.5, 1)
    _state, seen = run(start_following(), own_clock(), steady(outside), 0.0, 8.0)
    assert_no_jump(seen, 0.5, 0.5)
    early = next(now_s for now_s, s in seen if abs(error_s(s.clock, outside, now_s)) < 1e-3)
    assert early == pytest.approx(0.25 / SLEW_MOST, abs=0.1)  # 0.25 s at 4 % of speed
    now_s, last = seen[-1]
    assert abs(error_s(last.clock, outside, now_s)) < 1e-9
    assert last.clock.confidence == pytest.approx(0.95)


def test_tempo_is_taken_at_once_and_the_phase_stays_where_it_was():
    slow, fast = OutsideClock(0.0, 0, 0.5, 1), OutsideClock(6.0, 12, 60 / 133, 1)
    _, seen = run(start_following(), own_clock(), lambda t: slow if t < 6.0 else fast, 0.0, 12.0)
    assert_no_jump(seen, 0.5, 60 / 133)
    assert all(abs(error_s(s.clock, fast, t)) < 1e-6 for t, s in seen if t > 6.01)
    assert seen[-1][1].clock.bpm == pytest.approx(133.0)


def test_the_place_in_the_bar_is_that_of_the_beat_followed():
    outside = OutsideClock(0.1, 400, 0.5, 3, 4)  # its beat 400 is a third
    _, seen = run(start_following(), own_clock(), steady(outside), 0.0, 6.0)
    now_s, state = seen[-1]
    clock = state.clock
    theirs = round(outside.beats_at(clock.anchor_s))
    assert abs(error_s(clock, outside, now_s)) < 1e-9
    assert clock.beat_in_bar == (3 - 1 + theirs - 400) % 4 + 1
    assert clock.bar_confidence == pytest.approx(0.95)


def test_the_confidence_says_how_far_the_clock_still_is():
    outside = OutsideClock(0.25, 0, 0.5)
    clock = follow_outside(BeatClock(0.0, 0, 0.5), outside, STEP_S)
    assert clock.confidence == 0.0  # a quarter of a second off
    # 45 ms off, of which 4 % of a step (1.33 ms) is taken back: (70 - 43.67) / 50 = .527 of .95
    clock = follow_outside(BeatClock(0.205, 0, 0.5), outside, STEP_S)
    assert clock.confidence == pytest.approx(0.95 * (70 - 45 + 40 / 30) / 50, abs=1e-3)


def test_a_lost_clock_is_coasted_over_and_the_own_ear_takes_over_by_slewing():
    outside = OutsideClock(0.2, 7, 0.48, 1)
    own = own_clock(0.48, 0.0)
    state, before = run(start_following(), own, steady(outside), 0.0, 8.0)
    assert state.leader is Leader.OUTSIDE
    state, coast = run(state, own, steady(None), 8.0, COAST_S - 0.1)
    assert state.leader is Leader.NOBODY
    assert state.losses == 1
    assert abs(error_s(state.clock, outside, 8.0 + COAST_S - 0.1)) < 1e-6
    assert state.clock.confidence < 0.2
    state, back = run(state, own, steady(None), 8.0 + COAST_S - 0.1, 8.0)
    assert state.leader is Leader.OWN
    assert (state.losses, state.returns) == (1, 1)
    assert_no_jump([*before, *coast, *back], 0.48 * 1.15, 0.48 / 1.15)  # the hand-over itself may be 1 % of a beat
    now_s, last = back[-1]
    assert float(last.clock.beats_at(now_s)) % 1.0 == pytest.approx(float(own(now_s).beats_at(now_s)) % 1.0)
    assert last.clock.confidence == 0.8


def test_a_clock_that_comes_back_is_followed_again():
    outside = OutsideClock(0.2, 7, 0.5)
    state, _ = run(start_following(), own_clock(), steady(outside), 0.0, 8.0)
    state, _ = run(state, own_clock(), steady(None), 8.0, 1.0)
    state, _seen = run(state, own_clock(), steady(outside), 9.0, 1.0)
    assert state.leader is Leader.OUTSIDE
    assert abs(error_s(state.clock, outside, 10.0)) < 1e-6
    assert (state.losses, state.returns) == (1, 0)


def test_a_stop_is_not_a_loss_and_ends_in_the_own_ear():
    outside, stopped = OutsideClock(0.2, 7, 0.5), OutsideClock(0.2, 7, 0.5, playing=False)
    state, _ = run(start_following(), own_clock(), steady(outside), 0.0, 8.0)
    state, _ = run(state, own_clock(), steady(stopped), 8.0, 20.0)
    assert state.leader is Leader.OWN
    assert (state.losses, state.returns) == (0, 1)


def test_counts_go_on_over_any_changes_of_leader():
    outside = OutsideClock(0.31, 1000, 0.47, 1)
    state, seen = start_following(), []
    own = own_clock(0.52)
    for turn in range(6):
        state, some = run(state, own, steady(outside if turn % 2 == 0 else None), turn * 20.0, 20.0)
        seen += some
    counts = [s.clock.count for _, s in seen]
    assert counts == sorted(counts)
    assert counts[-1] < 270  # its own numbers, not the thousand of elsewhere


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (OutsideClock(0.0, 0, 0.5, 1), False),
        (OutsideClock(2.5, 5, 0.5, 2), False),  # the same line, five beats later
        (OutsideClock(0.0003, 0, 0.5, 1), False),
        (OutsideClock(0.0006, 0, 0.5, 1), True),
        (OutsideClock(0.0, 0, 0.5001, 1), True),  # 0.8 ms in eight beats
        (OutsideClock(0.0, 0, 0.5, 2), True),
        (OutsideClock(0.0, 0, 0.5, 0), True),
        (OutsideClock(0.0, 0, 0.5, 1, 3), True),
        (OutsideClock(0.0, 0, 0.5, 1, playing=False), True),
        (None, True),
    ],
)
def test_only_what_is_new_is_told(other, told):
    one = OutsideClock(0.0, 0, 0.5, 1)
    assert differs(one, other) is told
    assert differs(other, one) is told
    assert differs(one, one) is False


def test_no_clock_twice_is_nothing_new():
    assert differs(None, None) is False


def test_hours_of_following_keep_the_phase():
    outside = OutsideClock(0.0, 0, 0.5, 1)
    state = FollowState(BeatClock(0.0, 0, 0.5), Leader.OUTSIDE)
    for step in range(1, 30 * 3600, 7):  # an hour from the eighth on, seven frames a step
        now_s = 8 * 3600 + step * STEP_S
        state = outside_step(state, BeatClock(), outside, now_s, 7 * STEP_S)
    assert abs(error_s(state.clock, outside, now_s)) < 1e-6
