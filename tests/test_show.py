"""Controls change by a pure reducer; wrong ones are counted and do nothing."""

import json
import threading

import pytest

from engine.listen.ask import Clamp, Double, Halve, Lock, Nudge, Reset, Tap, Tempo
from engine.listen.outside import OutsideClock
from engine.show import (
    AMOUNTS,
    MOMENTS,
    RANGES,
    SWITCHES,
    ControlEvent,
    LiveState,
    apply_control,
    event_asks,
    event_reading,
    unheard,
)
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


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_leave_nothing_behind(name):
    assert apply_control(Controls(), name, True) == Controls()
    for wrong in (False, "1", None, float("nan")):
        with pytest.raises(ValueError, match=name):
            apply_control(Controls(), name, wrong)


@pytest.mark.parametrize("name", AMOUNTS)
def test_amounts_leave_nothing_behind(name):
    low, high = AMOUNTS[name]
    assert apply_control(Controls(), name, high) == Controls()
    for wrong in (high + 1, low - 1, True, None):
        with pytest.raises(ValueError, match=name):
            apply_control(Controls(), name, wrong)


def test_a_tempo_range_that_holds_nothing_is_refused():
    lowest = apply_control(Controls(), "tempo_min", 120.0)
    with pytest.raises(ValueError, match="tempo_min 120 is above tempo_max 100"):
        apply_control(lowest, "tempo_max", 100)
    assert apply_control(lowest, "tempo_max", 0).tempo_max == 0.0


@pytest.mark.parametrize(
    ("name", "value", "asks"),
    [
        ("tap", True, (Tap(None),)),
        ("tap", 12.5, (Tap(12.5),)),
        ("halve", True, (Halve(),)),
        ("double", True, (Double(),)),
        ("nudge_beat_ms", -20, (Nudge(-20.0),)),
        ("bpm", 128, (Tempo(128.0),)),
        ("lock", 1, (Lock(True),)),
        ("tempo_min", 90, (Clamp(90.0, 150.0),)),
        ("tempo_max", 140, (Clamp(None, 140.0),)),
        ("reset_beat", True, (Reset(), Clamp(None, 150.0))),
        ("energy", 1.0, ()),
        ("beat_clock", None, ()),
    ],
)
def test_events_ask_the_ear(name, value, asks):
    controls = apply_control(Controls(tempo_max=150.0), name, value)
    assert event_asks(ControlEvent(name, value), controls) == asks


def test_a_tap_falls_when_it_is_posted():
    live = LiveState(Controls())
    live.post("tap", True)
    live.tell_time(lambda: 3.25)
    live.post("tap", True)
    live.post("tap", 3.5)  # a page that knows the stream time
    assert [event.value for event in live.drain()] == [True, 3.25, 3.5]


def test_the_outside_clock_is_told_where_it_says_something_new_and_cannot_be_posted():
    live, readings = LiveState(Controls()), [OutsideClock(1.0, 2, 0.5, 1, name="link")]
    live.hear_clock(lambda: readings[-1])
    [event] = live.drain()
    event = ControlEvent(event.name, json.loads(json.dumps(event.value)))  # as a take writes and reads it
    assert event_reading(event, None) == readings[0]
    assert apply_control(Controls(), event.name, event.value) == Controls()
    assert live.drain() == []
    readings.append(OutsideClock(3.0, 6, 0.5, 1, name="link"))  # the same line
    assert live.drain() == []
    readings.append(None)
    [lost] = live.drain()
    assert event_reading(lost, readings[0]) is None
    live.post("beat_clock", None)
    assert live.refused == 1
    with pytest.raises(ValueError, match="beat_clock"):
        apply_control(Controls(), "beat_clock", {"tempo": 3})


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
