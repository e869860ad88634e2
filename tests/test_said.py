"""What the ear said: on time, never twice, never revised."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.said import SaidState, beat_in_bar, said_step
from engine.types import BeatClock, MusicFeatures, SectionReading


def features(frame, clock, *, silence=False, section=SectionReading()):
    return MusicFeatures(frame, clock, 0.0, -20.0, np.zeros(4, np.float32), silence=silence, section=section)


def say(stream):
    state, beats, predictions, sections = SaidState(), [], [], []
    for one in stream:
        state, said = said_step(state, one)
        beats += [[float(x) for x in line.split("\t")] for line in said.beats]
        predictions += [[float(x) for x in line.split("\t")] for line in said.predictions]
        sections += said.sections
    return np.array(beats).reshape(-1, 5), np.array(predictions).reshape(-1, 5), sections


def test_a_steady_clock_says_every_beat_once():
    clock = BeatClock(0.31, 0, 0.47, 3, 4, 0.8)
    beats, predictions, _ = say(features(frame, clock) for frame in range(2, 1200, 2))
    assert np.allclose(beats[:, 0], 0.31 + 0.47 * np.arange(len(beats)), atol=1e-5) and len(beats) == 42
    assert beats[:, 1].tolist() == [(2 + n) % 4 + 1 for n in range(42)]
    assert np.allclose(beats[:, 2], 60 / 0.47, atol=1e-3) and (beats[:, 3] == 0.8).all()
    assert ((beats[:, 0] - beats[:, 4] >= 0) & (beats[:, 0] - beats[:, 4] <= 1 / 30 + 1e-6)).all()
    assert np.allclose(np.diff(predictions[:, 0]), 0.01) and predictions[0, 0] == 0.04


wander = st.lists(st.tuples(st.floats(-0.3, 0.3), st.floats(0.25, 1.0)), min_size=30, max_size=120)


@given(wander)
def test_no_beat_is_said_late_twice_or_too_close(jumps):
    stream, anchor, count = [], 0.0, 0
    for index, (shift, period) in enumerate(jumps):
        now = (index + 1) / 30
        beats = BeatClock(anchor, count, period).beats_at(now) + shift
        count = max(int(np.floor(beats)), count)
        anchor = now - (beats - count) * period
        stream.append(features(2 * (index + 1), BeatClock(anchor, count, period)))
    beats, predictions, _ = say(stream)
    assert (beats[:, 0] >= beats[:, 4] - 1e-6).all()
    assert (np.diff(beats[:, 0]) >= 0.125 - 1e-5).all()
    assert (predictions[:, 1] >= predictions[:, 0]).all() and (predictions[:, 2] > predictions[:, 1]).all()


def test_nothing_is_said_before_the_first_sound_and_the_tempo_coasts_after_the_last():
    clock = BeatClock(0.0, 0, 0.5)
    stream = [features(frame, clock, silence=not 300 <= frame < 600) for frame in range(2, 900, 2)]
    beats, predictions, _ = say(stream)
    assert beats[0, 0] == 5.0 and beats[-1, 0] > 14 and predictions[0, 0] == 5.0


def test_places_in_the_bar():
    clock = BeatClock(0.0, 10, 0.5, 4, 4)
    assert [beat_in_bar(clock, number) for number in (9, 10, 11, 12, 14)] == [3, 4, 1, 2, 4]
    assert beat_in_bar(BeatClock(), 3) == 0


def test_sections_are_said_when_they_begin():
    none, drop = SectionReading(), SectionReading(began=(("drop", 0.7), ("phrase", 0.9)))
    build = SectionReading(phase="build", began=(("build", 0.61234),))
    kinds = [none, build, SectionReading(phase="build"), drop, none]
    _, _, sections = say(features(2 * n + 2, BeatClock(), section=kind) for n, kind in enumerate(kinds))
    assert sections == ["0.066667\tbuild\t0.6123", "0.133333\tdrop\t0.7000", "0.133333\tphrase\t0.9000"]
