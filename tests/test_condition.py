"""engine.condition: the numbers that training and show must agree on."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from engine import condition
from engine.condition import Heard, hear, music_rows
from engine.effort import asked_energy
from engine.plan import PlanState, homeward, window_conditions
from engine.types import BeatClock, Controls, MusicFeatures, SectionReading

PARTS = (condition.BEAT, condition.AUDIO, condition.STEER, condition.SECTION, condition.BAR)
PARTS += (condition.LOUDNESS, condition.BUSY, condition.EMBEDDING)
SINGLE = (condition.ENERGY, condition.DELAY, condition.SPEECH)


def test_parts_fill_the_row_without_overlap():
    columns = [i for part in PARTS for i in range(part.start, part.stop)] + [*SINGLE]
    assert sorted(columns) == list(range(condition.SIZE))
    steer = set(range(condition.STEER.start, condition.STEER.stop))
    assert set(condition.music_columns()) == set(columns) - steer
    assert set(condition.music_columns(condition.FIRST_SIZE)) == set(range(29)) - steer


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


def features(frame: int, rng: np.random.Generator, **changes) -> MusicFeatures:
    """What a listener might say, everything drawn."""
    clock = BeatClock(
        anchor_s=frame / 60 - rng.uniform(0, 0.5),
        count=int(rng.integers(3, 90)),
        period_s=rng.uniform(0.3, 1.1),
        beat_in_bar=int(rng.integers(0, 5)),
        confidence=rng.uniform(0, 1),
        bar_confidence=rng.uniform(0, 1),
    )
    section = SectionReading("build", *rng.uniform(0, 1, 3), 3.4, 8, 4.6, 0.7)
    long_db = rng.uniform(-40, -10)
    told = MusicFeatures(
        frame, clock, rng.uniform(0, 1), long_db + 2, rng.uniform(0, 1, 4).astype(np.float32), rng.uniform(0, 1),
        section=section, loudness_long_db=long_db, is_speech=0.3, embedding=rng.uniform(-1, 1, 16).astype(np.float32),
    )  # fmt: skip
    return replace(told, **changes)


def first_layout(state: PlanState, heard: list[MusicFeatures], energy: float, controls: Controls, lag_s: float):
    """The first layout's 29 numbers as its planner made them (one formula, kept here as it was)."""
    newest, fold = heard[-1], 2.0**-state.level
    out = np.zeros((4, 29), np.float32)
    frames = (4 * state.row + np.arange(16)).reshape(4, 4)
    clock = newest.beat
    sure = 0.7 + 0.3 * min(clock.confidence, 1.0) if clock.confidence > 0.25 and not newest.silence else 0.0
    if sure:
        beats = clock.beats_at(frames / 30 + lag_s - controls.nudge_ms / 1000) * fold
        out[:, :14] = condition.beat_numbers(beats, np.full(4, clock.period_s / fold), np.full(4, sure))
        onset, bands = np.zeros((1, 4)), np.zeros((4, 4))
        for i, past in enumerate(reversed(heard[-4:])):
            onset[0, -1 - i], bands[-1 - i] = past.onset, past.bands
        out[:, 14:22] = condition.audio_numbers(onset, bands.mean(0, keepdims=True))[0]
    out[:, 22] = 0.0 if newest.silence else asked_energy(min(energy * controls.energy, 1.0), state.speed_m_s)
    out[:, 23] = np.clip((8 * state.row - newest.frame) / 8 + 1, 1, 3) / 3
    out[:, 24:] = homeward(state.place)
    return out


@pytest.mark.parametrize("seed", range(8))
def test_a_model_of_the_first_layout_is_told_the_same_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    said = [features(2 * (k + 1), rng, silence=seed == 7) for k in range(40)]
    heard = Heard()
    for now in said:
        heard = hear(heard, now)
    place = tuple(rng.uniform(-1.5, 1.5, 3))
    state = PlanState(0, 9, None, row=12, speed_m_s=0.4, heard=heard, level=int(rng.integers(-1, 2)), place=place)
    controls = Controls(energy=1.3, nudge_ms=12.0)
    spec = SimpleNamespace(plan_rows=4, lag_s=0.02, condition=29)
    told = window_conditions(state, said[-1], controls, spec)
    expected = first_layout(state, said, heard.energy, controls, 0.02)
    assert told.shape == (4, 29) and told.dtype == np.float32
    np.testing.assert_array_equal(told, expected)
    whole = window_conditions(state, said[-1], controls, SimpleNamespace(plan_rows=4, lag_s=0.02, condition=61))
    np.testing.assert_array_equal(whole[:, :29], expected)
    assert whole[:, 29:].any() == (seed != 7), "nothing is told of silence"


def steady(frame: int, **changes) -> MusicFeatures:
    clock = BeatClock(0.0, 0, 0.5, beat_in_bar=1, meter=4, confidence=0.9, bar_confidence=1.0)
    section = SectionReading("build", 0.8, 0.1, 0.0, bars_into_phrase=6.0, bars_to_change=2.0, change_probability=0.6)
    told = MusicFeatures(frame, clock, 0.5, -20.0, np.full(4, 0.1, np.float32), 0.6, section=section)
    return replace(told, **{"loudness_long_db": -20.0, **changes})


def told_of(*said: MusicFeatures, frame: int | None = None) -> np.ndarray:
    heard = Heard()
    for now in said:
        heard = hear(heard, now)
    return music_rows(heard, said[-1].frame // 2 if frame is None else frame, 1)[0]


def test_the_form_is_told_as_of_the_time_it_is_danced():
    at_bar = told_of(steady(0))  # beat 0: on the bar line, two bars before the change
    build, broken, drop, change, near, cos, sin = at_bar[condition.SECTION]
    assert (build, broken, drop, change) == pytest.approx((0.8, 0.1, 0.0, 0.6))
    assert near == pytest.approx(1 / 1.5)
    assert (cos, sin) == pytest.approx((np.cos(1.5 * np.pi), np.sin(1.5 * np.pi)), abs=1e-6)
    np.testing.assert_allclose(at_bar[condition.BAR], [1, 0], atol=1e-6)
    bar_later = told_of(steady(0), frame=60)  # danced two seconds after it was said: one bar nearer
    assert bar_later[condition.SECTION][4] == pytest.approx(1 / 1.25)
    np.testing.assert_allclose(bar_later[condition.BAR], [1, 0], atol=1e-6)
    beat_later = told_of(steady(0), frame=15)
    np.testing.assert_allclose(beat_later[condition.BAR], [0, 1], atol=1e-6)


def test_a_drop_is_not_lost_between_two_rows():
    dropped = steady(2, section=replace(steady(0).section, drop=0.9))
    assert told_of(dropped, steady(4), steady(6))[condition.SECTION][2] == pytest.approx(0.9)


def test_unknown_bars_say_nothing():
    unknown = steady(2, beat=replace(steady(2).beat, beat_in_bar=0))
    row = told_of(unknown)
    assert not row[condition.BAR].any() and not row[condition.SECTION][4:].any()


def test_loudness_is_told_beside_itself_and_not_beside_full_scale():
    def song(gain_db: float) -> np.ndarray:
        quiet = [steady(2 * k, loudness_long_db=-30.0 + gain_db, loudness_db=-30.0 + gain_db) for k in range(300)]
        loud = steady(600, loudness_long_db=-24.0 + gain_db, loudness_db=-18.0 + gain_db)
        return told_of(*quiet, loud)[condition.LOUDNESS]

    now, long = song(0.0)
    assert now == pytest.approx(0.5, abs=0.01) and long == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(song(-25.0), song(0.0), atol=1e-6)


def test_how_busy_a_band_is_takes_seconds_and_is_told_apart():
    kick = np.array([0.2, 0.0, 0.0, 0.0], np.float32)
    row = told_of(*(steady(2 * k, bands=kick) for k in range(360)))
    np.testing.assert_allclose(row[condition.BUSY], [0.8, 0, 0, 0], atol=0.05)


def test_an_ear_without_an_embedding_or_with_a_short_one_is_borne():
    short = np.ones(4, np.float32)
    assert not told_of(steady(2))[condition.EMBEDDING].any()
    np.testing.assert_array_equal(told_of(steady(2, embedding=short))[condition.EMBEDDING], [1] * 4 + [0] * 12)


def energy_of(*parts: tuple[float, float], gain_db: float = 0.0) -> list[float]:
    """Energy at the end of each stretch of (seconds, level [dBFS])."""
    heard, out = Heard(), []
    for seconds, level_db in parts:
        for _ in range(round(30 * seconds)):
            heard = hear(heard, steady(2, loudness_db=level_db + gain_db, loudness_long_db=level_db + gain_db))
        out.append(heard.energy)
    return out


def test_energy_is_decibels_beside_what_is_usual_whatever_the_gain():
    usual, louder, quiet = energy_of((120, -20.0), (3, -17.0), (3, -23.0))
    assert usual == pytest.approx(condition.ENERGY_USUAL, abs=0.02)
    assert louder - usual == pytest.approx(0.3, abs=0.06) and quiet - usual == pytest.approx(-0.3, abs=0.06)
    np.testing.assert_allclose(energy_of((120, -20.0), (3, -17.0), gain_db=-30.0), [usual, louder], atol=1e-9)


def test_what_stays_louder_becomes_usual_within_minutes():
    assert energy_of((60, -20.0), (240, -16.0))[1] == pytest.approx(condition.ENERGY_USUAL, abs=0.03)


def test_a_piece_is_taken_to_begin_quieter_than_it_goes_on():
    begun, later = energy_of((2, -20.0), (60, -20.0))
    assert begun < later - 0.2


def test_energy_stays_inside_its_bounds_and_the_usual_through_silence():
    assert energy_of((60, -20.0), (3, -60.0), (3, 0.0))[1:] == list(condition.ENERGY_BOUNDS)
    heard = Heard()
    assert heard.energy == condition.ENERGY_USUAL
    for _ in range(1800):
        heard = hear(heard, steady(2, loudness_db=-20.0))
    quiet = heard
    for _ in range(300):
        quiet = hear(quiet, steady(2, loudness_db=-100.0, silence=True))
    assert quiet.usual_db == heard.usual_db and quiet.heard_s == heard.heard_s
