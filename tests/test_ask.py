"""What the operator tells the ear: taps, nudges, octaves, clamp and lock, against cases worked out by hand."""

import math

import numpy as np
import pytest

from engine.listen.ask import (
    BPM_RANGE,
    LOCK_BEATS,
    Clamp,
    Double,
    Halve,
    Lock,
    Nudge,
    Reset,
    Tap,
    Tempo,
    ask_step,
    bound_reading,
    restrict,
    start_asks,
    tapped_line,
)
from engine.listen.pointer import PERIODS, TICK_HZ, Reading, start_pointer
from engine.types import BeatClock

ROW = np.repeat(np.arange(len(PERIODS)), PERIODS)
FIRST = np.concatenate([[0], np.cumsum(PERIODS)[:-1]])
SINCE = np.arange(len(ROW)) - FIRST[ROW]
PRIOR = start_pointer().belief


def sure(period: int, since: int) -> np.ndarray:
    """All belief on one period and position [ticks]."""
    belief = np.zeros(len(ROW))
    belief[FIRST[list(PERIODS).index(period)] + since] = 1.0
    return belief


def read(belief: np.ndarray) -> Reading:
    """Tempo and phase of the likeliest states: all within 4 % of the likeliest period."""
    shares = np.add.reduceat(belief, FIRST)
    near = np.abs(np.log(PERIODS / PERIODS[shares.argmax()])) < 0.04
    circle = np.sum((belief * np.exp(2j * np.pi * SINCE / PERIODS[ROW]))[near[ROW]])
    period_s = float((shares * PERIODS)[near].sum() / shares[near].sum()) / TICK_HZ
    return Reading(float(np.angle(circle) / (2 * np.pi) % 1.0), period_s, float(shares[near].sum()))


def asked(ask, clock, belief=PRIOR, now_s=10.0, heard_s=10.0, state=None):
    return ask_step(state or start_asks(), (ask,), clock, belief, now_s, heard_s)


def tap_at(times, clock=None, belief=PRIOR):
    state, clock = start_asks(), clock or BeatClock()
    for time_s in times:
        state, clock, belief = ask_step(state, (Tap(time_s),), clock, belief, time_s, time_s)
    return state, clock, belief


def phase_at(clock, t_s):
    return (float(clock.beats_at(t_s)) + 0.5) % 1.0 - 0.5


def phase_of(reading):
    return (reading.phase + 0.5) % 1.0 - 0.5


def test_three_taps_set_tempo_and_phase_in_clock_and_belief():
    _, clock, belief = tap_at([10.0, 10.6, 11.2])  # 100 BPM
    assert clock.period_s == pytest.approx(0.6)
    assert phase_at(clock, 11.2) == pytest.approx(0.0, abs=1e-9)
    reading = read(belief)
    assert reading.period_s == pytest.approx(0.6, rel=0.01)
    assert phase_of(reading) == pytest.approx(0.0, abs=0.02)


def test_two_taps_set_the_phase_and_leave_the_tempo():
    before = BeatClock(0.0, 0, 0.5)
    _, clock, belief = tap_at([10.2, 10.7], before, sure(60, 30) * 0.5 + PRIOR * 0.5)
    assert clock.period_s == 0.5
    assert phase_at(clock, 10.7) == pytest.approx(0.0, abs=1e-9)
    assert phase_of(read(belief)) == pytest.approx(0.0, abs=0.03)


def test_one_tap_changes_nothing():
    before = BeatClock(0.0, 0, 0.5)
    state, clock, belief = asked(Tap(), before)
    assert state.taps == (10.0,)
    assert clock is before
    assert belief is PRIOR


def test_a_tap_left_out_and_a_stray_do_not_move_the_tempo():
    beat_s, period_s = tapped_line([1.0, 1.5, 2.0, 3.0, 3.5], 0.7)  # 2.5 was left out
    assert (beat_s, period_s) == (pytest.approx(3.5), pytest.approx(0.5))
    beat_s, period_s = tapped_line([1.0, 1.5, 2.0, 2.68, 3.0, 3.5, 4.0], 0.7)  # the fourth came 180 ms late
    assert (beat_s, period_s) == (pytest.approx(4.0), pytest.approx(0.5))


def test_two_unsteady_taps_mean_the_middle():
    beat_s, _ = tapped_line([1.0, 1.52], 0.5)  # beats at 1.5 by the first, 1.52 by the second
    assert beat_s == pytest.approx(1.51)


def test_a_tap_after_a_long_pause_begins_anew():
    state, clock, _ = tap_at([10.0, 10.6, 11.2, 13.8])
    assert state.taps == (13.8,)
    assert clock.period_s == pytest.approx(0.6)  # as the first three said
    state, clock, _ = tap_at([10.0, 10.6, 11.2, 13.6])  # 2.4 s later: the same series, three beats left out
    assert len(state.taps) == 4


def test_a_tap_is_heard_late_but_counts_where_it_fell():
    state, clock, belief = start_asks(), BeatClock(), PRIOR
    for time_s in (10.0, 10.5, 11.0):
        state, clock, belief = ask_step(state, (Tap(time_s),), clock, belief, time_s + 0.07, time_s - 0.05)
    assert phase_at(clock, 11.0) == pytest.approx(0.0, abs=1e-9)
    assert phase_of(read(belief)) == pytest.approx(-0.05 / 0.5, abs=0.02)  # the ear hears 50 ms late


def test_taps_outside_the_believable_tempi_change_nothing():
    _, clock, belief = tap_at([10.0, 10.1, 10.2])  # 600 BPM
    assert clock.period_s == 0.5
    assert np.isfinite(belief).all()


def test_counts_never_decrease_whatever_is_tapped():
    rng = np.random.default_rng(3)
    state, clock, belief, now_s = start_asks(), BeatClock(), PRIOR, 5.0
    for _ in range(300):
        now_s += float(rng.uniform(0.05, 1.2))
        ask = [Tap(), Nudge(float(rng.uniform(-90, 90))), Halve(), Double(), Clamp(80, 160), Clamp()][rng.integers(6)]
        before = clock
        state, clock, belief = ask_step(state, (ask,), clock, belief, now_s, now_s - 0.04)
        assert clock.count >= before.count
        assert math.isfinite(clock.anchor_s)
        assert belief.sum() == pytest.approx(1.0)
        assert (belief >= 0.0).all()
        assert BPM_RANGE[0] - 1e-6 <= clock.bpm <= BPM_RANGE[1] + 1e-6


def test_nudge_moves_clock_and_belief_later_by_milliseconds():
    clock = BeatClock(9.8, 20, 0.5)
    _, moved, belief = asked(Nudge(50.0), clock, sure(60, 24))
    assert moved.anchor_s == pytest.approx(9.85)
    assert belief.argmax() == sure(60, 18).argmax()  # 50 ms are 6 ticks: the last beat is 6 ticks nearer
    _, moved, belief = asked(Nudge(-300.0), clock, sure(60, 24))
    assert belief.argmax() == sure(60, 0).argmax()  # 24 + 36 ticks, and round
    assert moved.anchor_s == pytest.approx(9.5)


@pytest.mark.parametrize(("place", "kept"), [(1, 20), (2, 19), (3, 20), (4, 19), (0, 20)])
def test_halve_keeps_the_beats_with_the_downbeat(place, kept):
    clock = BeatClock(9.8, 20, 0.5, place, 4, 0.9, 0.9)
    _, halved, belief = asked(Halve(), clock, sure(60, 24))
    assert halved.period_s == 1.0
    assert phase_at(halved, float(clock.time_of(kept))) == pytest.approx(0.0, abs=1e-9)
    assert math.floor(halved.beats_at(10.0)) == 20  # the newest beat keeps its number
    assert belief.argmax() in (sure(120, 24 if kept == 20 else 84).argmax(), sure(120, 85).argmax())
    assert read(belief).period_s == pytest.approx(1.0, rel=0.02)


def test_double_keeps_every_beat_and_puts_one_between():
    clock = BeatClock(9.4, 20, 0.8)
    _, doubled, belief = asked(Double(), clock, sure(96, 72))
    assert doubled.period_s == pytest.approx(0.4)
    for number in (20, 21, 22):
        assert phase_at(doubled, float(clock.time_of(number))) == pytest.approx(0.0, abs=1e-9)
    assert belief.argmax() == sure(48, 24).argmax()


def test_a_tempo_that_is_told_goes_on_from_the_last_beat():
    clock = BeatClock(9.8, 20, 0.5)
    _, told, belief = asked(Tempo(128.0), clock)
    assert told.bpm == pytest.approx(128.0)
    assert told.beats_at(10.0) == pytest.approx(20.4)
    assert read(belief).period_s == pytest.approx(60 / 128, rel=0.01)
    assert phase_of(read(belief)) == pytest.approx(0.4, abs=0.02)


def test_halving_beyond_what_can_be_believed_changes_nothing():
    clock = BeatClock(9.4, 20, 0.8)  # 75 BPM; 37 cannot be
    _, same, belief = asked(Halve(), clock, PRIOR)
    assert same is clock
    assert belief is PRIOR


def test_double_after_halve_comes_back():
    clock, belief = BeatClock(9.8, 20, 0.5, 1), sure(60, 24)
    _, clock, belief = asked(Halve(), clock, belief)
    _, clock, belief = asked(Double(), clock, belief)
    assert clock.period_s == 0.5
    assert phase_at(clock, 9.8) == pytest.approx(0.0, abs=1e-9)
    assert abs(int(belief.argmax()) - int(sure(60, 24).argmax())) <= 1


def test_clamp_takes_every_belief_from_outside_and_moves_the_clock_by_octaves():
    clock = BeatClock(9.8, 20, 60 / 70)
    state, moved, belief = asked(Clamp(100.0, 180.0), clock)
    assert moved.bpm == pytest.approx(140.0)
    bpm = 60 * TICK_HZ / PERIODS[ROW]
    assert belief[(bpm < 100) | (bpm > 180)].sum() == 0.0
    assert belief.sum() == pytest.approx(1.0)
    assert restrict(state, PRIOR, moved, 11.0)[(bpm < 100) | (bpm > 180)].sum() == 0.0  # and at every frame after
    state, _, belief = asked(Clamp(None, None), moved, belief, state=state)
    assert state.allowed is None


def test_clamp_on_a_belief_wholly_outside_begins_anew_inside():
    _, clock, belief = asked(Clamp(150.0, None), BeatClock(9.8, 20, 0.5), sure(60, 10))
    assert belief.sum() == pytest.approx(1.0)
    assert belief.max() < 0.1
    assert clock.bpm == pytest.approx(150.0)  # neither 60 nor 240 can be


def test_halve_against_the_clamp_is_refused():
    state, clock, belief = asked(Clamp(100.0, 180.0), BeatClock(9.8, 20, 0.5))
    _, same, _ = asked(Halve(), clock, belief, state=state)
    assert same is clock


def test_lock_holds_the_tempo_and_follows_only_near_phases():
    clock = BeatClock(10.0, 20, 0.5)
    state, clock, belief = asked(Lock(True), clock, PRIOR)
    assert state.locked_s == 0.5
    bpm = 60 * TICK_HZ / PERIODS[ROW]
    assert belief[(bpm < 117) | (bpm > 123)].sum() == 0.0
    off = (SINCE / PERIODS[ROW] + 0.5) % 1.0 - 0.5
    assert belief[np.abs(off) > LOCK_BEATS + 1e-9].sum() == 0.0
    near = bound_reading(state, Reading(0.05, 0.47, 1.0), clock, 10.0)
    assert (near.phase, near.period_s) == (0.05, 0.5)
    far = bound_reading(state, Reading(0.5, 0.47, 1.0), clock, 10.1)
    assert (far.phase, far.period_s) == (pytest.approx(0.2), 0.5)
    state, clock, _ = asked(Lock(False), clock, belief, state=state)
    assert bound_reading(state, Reading(0.5, 0.47, 1.0), clock, 10.1).phase == 0.5


def test_taps_under_lock_lock_the_tapped_tempo():
    state, clock, belief = asked(Lock(True), BeatClock(10.0, 20, 0.5), PRIOR)
    for time_s in (11.0, 11.4, 11.8):
        state, clock, belief = ask_step(state, (Tap(time_s),), clock, belief, time_s, time_s)
    assert state.locked_s == pytest.approx(0.4)
    assert read(belief).period_s == pytest.approx(0.4, rel=0.02)


def test_reset_forgets_everything():
    state, clock, belief = asked(Clamp(100.0, 140.0), BeatClock(9.8, 20, 0.5, 1, 4, 0.9, 0.9))
    state, clock, belief = asked(Reset(), clock, belief, state=state)
    assert (state.allowed, state.taps, state.locked_s) == (None, (), 0.0)
    assert belief is PRIOR
    assert (clock.confidence, clock.beat_in_bar) == (0.0, 0)


def test_nothing_asked_gives_back_the_same_objects():
    clock = BeatClock(9.8, 20, 0.5)
    _state, same, belief = ask_step(start_asks(), (), clock, PRIOR, 10.0, 10.0)
    assert same is clock
    assert belief is PRIOR


def test_states_are_not_written_in_place():
    belief = PRIOR.copy()
    for ask in (Nudge(20.0), Halve(), Double(), Clamp(100.0, 140.0), Lock(True), Reset()):
        asked(ask, BeatClock(9.8, 20, 0.5), belief)
    assert (belief == PRIOR).all()
