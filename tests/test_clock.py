import threading

import numpy as np
import pytest

from engine.clock import ClockMap, now_s, wait_until


def test_before_the_first_sound_there_is_no_time():
    clock = ClockMap()
    assert not clock.anchored
    with pytest.raises(RuntimeError, match="no sound"):
        clock.to_mono(0.0)


def test_first_observation_anchors_and_both_ways_agree():
    clock = ClockMap()
    clock.observe(2.0, 102.5)
    assert clock.anchored
    assert clock.to_mono(2.0) == 102.5
    assert clock.to_stream(clock.to_mono(3.7)) == pytest.approx(3.7)


def test_follows_drift_through_jitter():
    clock, rng = ClockMap(), np.random.default_rng(1)
    error = []
    for k in range(6000):
        stream_s = k * 0.01
        true_s = 50.0 + stream_s * (1 + 200e-6)
        clock.observe(stream_s, true_s + rng.normal(0.0, 0.003))
        error.append(clock.to_mono(stream_s) - true_s)
    assert np.abs(error[3000:]).max() < 0.001


def test_slews_and_never_steps_when_time_jumps():
    clock = ClockMap()
    for k in range(1000):
        clock.observe(k * 0.01, k * 0.01)
    seen = [clock.to_mono(9.99)]
    for k in range(1000, 3000):
        clock.observe(k * 0.01, k * 0.01 + 0.1)
        seen.append(clock.to_mono(k * 0.01))
    steps = np.diff(seen)
    assert (steps > 0.0).all() and np.abs(steps - 0.01).max() < 0.00025
    assert abs(seen[-1] - (29.99 + 0.1)) < 0.002


def test_observations_out_of_order_are_ignored():
    clock = ClockMap()
    clock.observe(1.0, 1.0)
    clock.observe(2.0, 2.0)
    clock.observe(1.5, 9.0)
    assert clock.to_mono(2.0) == 2.0


def test_wait_until_reaches_the_moment_and_hears_stop():
    stop = threading.Event()
    due_s = now_s() + 0.02
    assert wait_until(due_s, stop) is False
    assert now_s() >= due_s
    assert wait_until(now_s() - 1.0, stop) is False
    stop.set()
    assert wait_until(now_s() + 60.0, stop) is True
