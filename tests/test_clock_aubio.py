"""aubio as the ear: a click track is followed, and nothing depends on the size of the blocks."""

import sys

import numpy as np
import pytest

from bridges.clock_aubio import AubioClock, load_aubio
from engine.errors import ConfigError
from engine.show import BEAT_CLOCK, ControlEvent, event_reading
from engine.types import AudioBlock

INSTALL = "pip install 'corybant[aubio]'"
RATE, PERIOD_S = 44_100, 0.5


@pytest.fixture(autouse=True)
def aubio(request, needs):
    if "absent" not in request.node.name:
        needs.module("aubio", INSTALL)


def clicks(seconds: float, first_s: float = 0.25) -> np.ndarray:
    """Clicks of 20 ms of noise that falls off, every half second."""
    rng = np.random.default_rng(5)
    sound = rng.normal(0.0, 1e-4, round(seconds * RATE))
    for at_s in np.arange(first_s, seconds - 0.1, PERIOD_S):
        start = round(at_s * RATE)
        sound[start : start + 882] += rng.normal(0.0, 0.3, 882) * np.exp(-np.arange(882) / 200)
    return sound.astype(np.float32)


def heard(sound: np.ndarray, size: int) -> AubioClock:
    clock = AubioClock(RATE)
    for start in range(0, len(sound), size):
        clock.hear(AudioBlock(start, sound[start : start + size], RATE))
    return clock


def test_clicks_are_followed():
    reading = heard(clicks(20.0), 441).read()
    assert reading.name == "aubio"
    assert reading.period_s == pytest.approx(PERIOD_S, rel=0.02)
    off = (reading.anchor_s - 0.25 + PERIOD_S / 2) % PERIOD_S - PERIOD_S / 2
    assert abs(off) < 0.05
    assert reading.count > 20


def test_blocks_of_any_size_say_the_same_at_every_frame_border():
    sound = clicks(12.0)
    clocks = [heard(sound, size) for size in (64, 480, 5000)]
    for frame in range(2, 700, 2):
        events = [clock.events(frame) for clock in clocks]
        assert events[0] == events[1] == events[2]


def test_without_a_beat_for_a_while_there_is_none_to_follow():
    sound = np.concatenate([clicks(12.0), np.zeros(6 * RATE, np.float32)])
    clock, reading, changes = heard(sound, 480), None, 0
    for frame in range(2, 18 * 60, 2):
        for event in clock.events(frame):
            assert isinstance(event, ControlEvent)
            assert event.name == BEAT_CLOCK
            reading = event_reading(event, reading)
            changes += 1
    assert changes > 1
    assert clock.read_at(11.0) is not None
    assert clock.read_at(1e4) is None


def test_an_absent_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "aubio", None)
    with pytest.raises(ConfigError, match=r"GPL-3\.0.*pip install 'corybant\[aubio\]'"):
        load_aubio()
