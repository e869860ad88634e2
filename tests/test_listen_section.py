"""Sections from hand-made activations on a true clock."""

import math

import numpy as np
import pytest

from engine.listen.cycle import weigh
from engine.listen.section import PHRASES, SectionState, Tuning, next_change, section_step, start_section
from engine.types import MODEL_HZ, Activations, BeatClock, SectionReading

PERIOD_S, METER, DELAY_S = 0.5, 4, 0.03
BAR_S = PERIOD_S * METER


def clock_at(now_s: float) -> BeatClock:
    count = int(now_s / PERIOD_S + 1e-9)
    return BeatClock(count * PERIOD_S, count, PERIOD_S, count % METER + 1, METER, 0.9, 0.9)


def bump(now_s: float, at_s: float, height: float = 0.9) -> float:
    return height * math.exp(-0.5 * ((now_s - DELAY_S - at_s) / 0.2) ** 2)


def play(
    bars: float,
    build=(),
    breaks=(),
    drops=(),
    phrase_bars: int | None = 8,
    heard=lambda now_s: True,
    noise: float = 0.0,
) -> tuple[SectionState, list[tuple[float, SectionReading]]]:
    """``build`` and ``breaks``: (first bar, last bar); ``drops``: bars. Each reading with the bar at which it stood."""
    rng, state, out = np.random.default_rng(1), start_section(), []
    for frame in range(round(bars * BAR_S * MODEL_HZ)):
        now_s = (frame + 1) / MODEL_HZ
        bar = (now_s - DELAY_S) / BAR_S

        def within(spans, bar=bar):
            return 0.85 if any(a + 0.25 <= bar < b for a, b in spans) else 0.05

        line = round(bar / phrase_bars) * phrase_bars if phrase_bars else -99
        said = Activations(
            np.zeros(2), np.zeros(2), 0.9, 0.9, 0.0,
            float(np.clip(within(build) + noise * rng.normal(), 0, 1)),
            float(np.clip(within(breaks) + noise * rng.normal(), 0, 1)),
            max([bump(now_s, drop * BAR_S) for drop in drops], default=0.0),
            bump(now_s, line * BAR_S, 0.7), np.zeros(4),
        )  # fmt: skip
        state, reading = section_step(state, said, clock_at(now_s), heard(now_s), now_s, DELAY_S)
        out.append((now_s / BAR_S, reading))
    return state, out


def began(told: list[tuple[float, SectionReading]], what: str) -> list[float]:
    return [bar for bar, reading in told for name, _ in reading.began if name == what]


def test_a_build_of_eight_bars_and_its_drop_are_said_within_a_beat():
    _, told = play(40, build=[(16, 24)], drops=[24])
    (build,), (drop,) = began(told, "build"), began(told, "drop")
    assert 16 <= build < 17 and abs(drop - 24) * METER <= 1
    at = {round(bar * 60): reading for bar, reading in told}
    assert at[23 * 60].phase == "build" and at[23 * 60].build > 0.6
    assert at[25 * 60].phase == "plain" and at[15 * 60].phase == "plain"
    assert began(told, "break") == []


def test_the_drop_is_foreseen_from_the_build():
    _, told = play(40, build=[(16, 24)], drops=[24])
    in_build = [(bar, reading) for bar, reading in told if 18 < bar < 23.9]
    right = [abs(bar + reading.bars_to_change - 24) < 0.1 for bar, reading in in_build]
    assert np.mean(right) > 0.9
    sure = np.mean([reading.change_probability for bar, reading in in_build])
    plain = np.mean([reading.change_probability for bar, reading in told if 9 < bar < 15])
    assert sure > 1.5 * plain  # an ear that is often wrong about phrases is not to be surer than that


def test_a_break_is_said_and_what_follows_it():
    _, told = play(32, breaks=[(8, 16)], drops=[16])
    (start,), (drop,) = began(told, "break"), began(told, "drop")
    assert 8 <= start < 9 and abs(drop - 16) * METER <= 1


def test_nothing_is_invented_in_plain_music():
    _, told = play(64, noise=0.12)
    for what in ("build", "break", "drop"):
        assert began(told, what) == []
    assert all(reading.phase == "plain" for _, reading in told)


@pytest.mark.parametrize("length", [4, 8, 16])
def test_phrases_are_counted(length):
    _, told = play(12 * length, phrase_bars=length)
    late = [(bar, reading) for bar, reading in told if bar > 8 * length]
    assert {reading.phrase_bars for _, reading in late} == {length}
    into = np.array([reading.bars_into_phrase - bar % length for bar, reading in late])
    assert np.mean(np.abs((into + length / 2) % length - length / 2) < 0.1) > 0.98
    lines = [bar for bar in began(told, "phrase") if bar > 8 * length]
    assert 3 <= len(lines) <= 4 and all(abs(bar / length - round(bar / length)) * length < 0.05 for bar in lines)


def test_no_phrase_is_told_without_one():
    _, told = play(40, phrase_bars=None)
    assert began(told, "phrase") == []


def test_silence_ends_a_build_without_a_word():
    _, told = play(30, build=[(8, 24)], drops=[24], heard=lambda now_s: now_s < 16 * BAR_S)
    assert began(told, "drop") == [] and len(began(told, "build")) == 1
    assert told[-1][1].phase == "plain" and told[-1][1].build < 0.01


def test_readings_are_bounded():
    _, told = play(30, build=[(8, 16)], breaks=[(20, 24)], drops=[16, 24], noise=0.1)
    for _, r in told:
        assert all(0 <= x <= 1 for x in (r.build, r.breakdown, r.drop, r.change_probability))
        assert 0 <= r.bars_into_phrase < r.phrase_bars and 0 < r.bars_to_change <= 16


def test_the_next_change_by_hand():
    """Sure to be in bar 5 of 8 bars: the phrase begins three bars on.

    In a build-up bar lines 1 and 2 hold a change with .06 each, line 3 with .7: .94 x .94 x .7 = .61852.
    """
    sure = np.where((np.arange(len(PHRASES.prior)) == 4 + 5), 1.0, 0.0)  # 4 places of the four-bar phrase come first
    how = Tuning(plain=(0.3, 0.01), build=(0.7, 0.06))
    bars, probability = next_change(sure, "build", how)
    assert bars == 3 and probability == pytest.approx(0.94 * 0.94 * 0.7)
    assert next_change(sure, "plain", how)[1] == pytest.approx(0.99 * 0.99 * 0.3)
    assert next_change(weigh(PHRASES, PHRASES.prior, 0.0), "plain", how)[1] < 0.2
