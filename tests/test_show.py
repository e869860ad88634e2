"""Controls change by a pure reducer; wrong ones are counted and do nothing."""

import json
import threading

import pytest

from engine.show import RANGES, SWITCHES, LiveState, apply_control, unheard
from engine.types import Controls, Tick


@pytest.mark.parametrize("name", SWITCHES)
def test_switches(name):
    on = apply_control(Controls(), name, True)
    assert getattr(on, name) is True and getattr(apply_control(on, name, 0), name) is False
    assert getattr(apply_control(on, name, 1.0), name) is True


@pytest.mark.parametrize("name", RANGES)
def test_numbers(name):
    low, high = RANGES[name]
    assert getattr(apply_control(Controls(), name, high), name) == high
    for wrong in (high + 1, low - 1, float("nan"), "1", True, None):
        with pytest.raises(ValueError, match=name):
            apply_control(Controls(), name, wrong)


def test_styles():
    assert apply_control(Controls(), "style", "salsa").style == "salsa"
    with pytest.raises(ValueError, match="did you mean 'salsa'"):
        apply_control(Controls(), "style", "salsaa", styles=("salsa", "pop"))
    assert apply_control(Controls(), "style", "auto", styles=("salsa",)).style == "auto"
    with pytest.raises(ValueError, match="style"):
        apply_control(Controls(), "style", 3)


def test_an_unknown_name_says_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'energy'"):
        apply_control(Controls(), "enrgy", 1)


def test_panic_is_seen_at_once_and_drained_once():
    live = LiveState(Controls())
    live.post("panic", True)
    live.post("energy", 0.5)
    assert live.controls == Controls(panic=True, energy=0.5)
    assert [(event.name, event.value) for event in live.drain()] == [("panic", True), ("energy", 0.5)]
    assert live.drain() == [] and live.controls.panic


def test_wrong_controls_are_counted_and_do_nothing():
    live = LiveState(Controls(), styles=("pop",))
    for name, value in [("volume", 1), ("energy", 9), ("style", "polka"), (None, None), ("freeze", "yes")]:
        live.post(name, value)
    assert (live.refused, live.drain(), live.controls) == (5, [], Controls())


def test_a_flood_is_bounded():
    live = LiveState(Controls())
    for _ in range(1000):
        live.post("energy", 1.5)
    assert len(live.drain()) == 256 and live.refused == 744


def test_posts_from_many_threads_all_arrive_in_an_order_that_explains_the_outcome():
    live = LiveState(Controls())
    threads = [
        threading.Thread(target=lambda n=n: [live.post("energy", n / 10 + k / 1000) for k in range(20)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = live.drain()
    assert len(events) == 160 and events[-1].value == live.controls.energy


def test_status_is_json_and_complete():
    live = LiveState(Controls(), styles=("pop",))
    live.publish(unheard(), Tick(4, gaps=2, horizon_ms=120.0))
    live.report_with(lambda: {"input": "mic", "gaps": 7})
    status = json.loads(json.dumps(live.status()))
    assert status["beat"]["bpm"] == 120.0 and status["silence"] is True and len(status["bands"]) == 4
    assert status["input"] == "mic" and status["gaps"] == 7 and status["controls"]["style"] == "auto"
