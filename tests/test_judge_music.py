"""Body beside music: scores against cases computed by hand, and bodies made to follow a made-up song."""

from dataclasses import replace

import numpy as np
import pytest
from dance_clips import DANCES, read_dance, read_dances

from engine.skeleton import JOINTS
from realtime_models.training.judge.motion import Motion
from realtime_models.training.judge.music import (
    alignment_by_chance,
    beat_alignment,
    energy_correlation,
    k_weight,
    loudness_db,
    pearson,
    section_answer,
    window_energies,
)

BEATS_S = np.arange(0.5, 30, 0.5)


def walking(speed_m_s: np.ndarray, **about) -> Motion:
    """A body whose joints all move along x at speed (F,) [m/s] at 30 Hz."""
    x = np.cumsum(speed_m_s) / 30
    return Motion("walk", np.zeros((len(x), len(JOINTS), 3)) + x[:, None, None] * [1, 0, 0], **about)


# Beat alignment


def test_beats_on_beats_score_one_and_beats_offset_by_sigma_exp_minus_a_half():
    assert beat_alignment(BEATS_S, BEATS_S).music_to_motion == 1
    late = beat_alignment(BEATS_S + 0.05, BEATS_S)
    assert late.music_to_motion == pytest.approx(np.exp(-0.5))  # 0.6065
    assert late.motion_to_music == pytest.approx(0.6065, abs=1e-4)
    assert (late.music_beats, late.motion_beats) == (59, 59)


def test_which_way_is_which():
    # Music 0 1 2 3, body 1 1.1: music has d 1 0 .9 1.9, so (0 + 1 + 0 + 0) / 4; body has d 0 and .1 = 2 sigma
    got = beat_alignment(np.array([1.0, 1.1]), np.arange(4.0))
    assert got.music_to_motion == pytest.approx(0.25, abs=1e-6)
    assert got.motion_to_music == pytest.approx((1 + np.exp(-2)) / 2)


def test_without_beats_there_is_no_alignment():
    for motion, music in ((np.zeros(0), BEATS_S), (BEATS_S, np.zeros(0))):
        got = beat_alignment(motion, music)
        assert (got.music_to_motion, got.motion_to_music) == (0, 0)


def test_a_busy_body_aligns_by_music_but_not_by_motion():
    busy = np.arange(0.5, 29.5, 0.05)
    got, chance = beat_alignment(busy, BEATS_S), alignment_by_chance(busy, BEATS_S)
    assert got.music_to_motion > 0.95 and chance.music_to_motion > 0.9
    # motion beats spread evenly: sqrt(2 pi) sigma / period = 0.2507
    assert got.motion_to_music == pytest.approx(0.2507, abs=0.01)


def test_chance_of_a_sparse_body_is_the_mean_of_the_bell_over_a_beat():
    # One motion beat a beat, all in step, moved through all phases: sqrt(2 pi) x 0.05 / 0.5 = 0.2507
    by_chance = alignment_by_chance(BEATS_S + 0.05, BEATS_S)
    assert by_chance.motion_to_music == pytest.approx(0.2507, abs=0.02)
    assert by_chance.motion_beats == 58  # one lies past the last beat


# Loudness


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_a_sine_of_997_hz_at_full_scale_has_minus_3_01(rate):
    sine = np.sin(2 * np.pi * 997 * np.arange(3 * rate) / rate)
    got = loudness_db(sine, rate)
    assert len(got) == 90 and got[45] == pytest.approx(-3.01, abs=0.02)
    assert loudness_db(0.1 * sine, rate)[45] == pytest.approx(-23.01, abs=0.02)
    assert loudness_db(np.stack([sine, sine], axis=1), rate)[45] == pytest.approx(0.0, abs=0.02)


def test_k_weighting_at_the_frequencies_of_its_definition():
    # BS.1770-4: the shelf lifts by 4 dB at the top, the high-pass cuts the bottom, and -0.691 makes up for 997 Hz
    db = 20 * np.log10(np.maximum(k_weight(np.array([0.0, 997.0, 12_000.0])), 1e-9))
    assert db[0] < -100 and db[1] == pytest.approx(0.691, abs=0.01) and db[2] == pytest.approx(4.0, abs=0.1)


def test_loudness_is_centred_on_its_frame_and_lasts_0_4_seconds():
    sound = np.zeros(3 * 48_000)
    sound[48_000 : 2 * 48_000] = np.sin(2 * np.pi * 997 * np.arange(48_000) / 48_000)
    got = loudness_db(sound, 48_000)
    assert got[45] == pytest.approx(-3.01, abs=0.05)
    # half of the 0.4 s at its ends: 3 dB less; silence is -70 from 0.3 s away on
    assert got[[30, 60]] == pytest.approx([-6.02, -6.02], abs=0.2)
    assert (got[:21] == -70).all() and (got[69:] == -70).all()
    assert len(loudness_db(np.zeros(0), 48_000)) == 0


# Energy


def test_pearson_by_hand():
    # x - mean: -1 0 1; y - mean: -1 1 0; 1 / sqrt(2 x 2)
    assert pearson(np.array([[1, 2], [2, 4], [3, 3]])) == pytest.approx(0.5)
    assert np.isnan(pearson(np.array([[1, 2], [2, 2], [3, 2]]))) and np.isnan(pearson(np.zeros((2, 2))))


def test_window_energies_by_hand():
    speed = np.r_[np.full(150, 1.0), np.full(150, 3.0), np.full(20, 9.0)]
    song = np.r_[np.full(150, -20.0), np.full(200, -10.0)]
    got = window_energies(walking(speed, loudness_db=song))
    assert got[:, 0].tolist() == [-20, -10]
    # a difference over two frames blurs one frame at each border
    assert got[:, 1] == pytest.approx([1, 3], abs=0.03)
    assert len(window_energies(walking(speed, loudness_db=song[:299]))) == 1


@pytest.mark.parametrize("name", DANCES)
def test_a_real_dance_agrees_with_a_song_made_of_its_own_energy_only(name):
    motion = read_dance(name)
    body = window_energies(replace(motion, loudness_db=np.zeros(750)))[:, 1]
    song = np.repeat(-30 + 20 * body / body.max(), 150)
    right = energy_correlation([replace(motion, loudness_db=song, song="own")])
    assert right.mean_r == pytest.approx(1) and right.pooled_r == pytest.approx(1)
    opposite = energy_correlation([replace(motion, loudness_db=-song)])
    assert opposite.pooled_r == pytest.approx(-1)
    frozen = replace(motion, positions=np.repeat(motion.positions[:1], 750, axis=0), loudness_db=song)
    assert np.isnan(energy_correlation([frozen]).pooled_r)


def test_loud_songs_with_lively_dancers_add_nothing():
    # Between the songs both rise; within each the body goes against the music.
    ramp = np.repeat(np.arange(4.0), 150)
    quiet = walking(1 - 0.1 * ramp, loudness_db=-40 + ramp, song="quiet")
    loud = walking(3 - 0.1 * ramp, loudness_db=-10 + ramp, song="loud")
    got = energy_correlation([quiet, loud, replace(loud, seed=1)])
    assert got.songs == ("quiet", "loud") and got.dance_blocks.tolist() == [0, 1, 1]
    assert got.blocks.tolist() == [0] * 4 + [1] * 8 and got.pairs.shape == (12, 2)
    assert got.pooled_r == pytest.approx(-1, abs=0.01) and got.mean_r == pytest.approx(-1, abs=0.01)
    assert got.pairs[:4].sum(axis=0) == pytest.approx([0, 0])


def test_no_music_is_an_error_not_a_zero():
    with pytest.raises(ValueError, match="salsa: no loudness"):
        energy_correlation([read_dance("salsa")])


# Sections


def test_a_body_that_doubles_its_speed_at_a_drop_steps_by_6_db():
    speed = np.r_[np.full(600, 0.5), np.full(600, 1.0)]
    got = section_answer(walking(speed), [(20.0, "drop")])
    assert got.steps_db == pytest.approx((6.02,), abs=0.1)
    # elsewhere: places within 4 s of the change see part of it, the others nothing; the change is the largest
    assert got.rank == 1 and got.above_elsewhere_db == pytest.approx(6.02 - got.elsewhere_db[0], abs=0.1)
    assert 0 < got.elsewhere_db[0] < 1


@pytest.mark.parametrize(("kind", "sign"), [("drop", -1), ("break", 1), ("phrase", 1)])
def test_the_direction_of_the_music_counts_where_it_has_one(kind, sign):
    speed = np.r_[np.full(600, 1.0), np.full(600, 0.5)]
    got = section_answer(walking(speed), [(20.0, kind)])
    assert got.steps_db == pytest.approx((sign * 6.02,), abs=0.1)
    assert got.kinds == (kind,) and got.rank == (0 if sign < 0 else 1)


def test_changes_too_near_the_ends_are_left_out_and_none_is_unknown():
    got = section_answer(walking(np.ones(600)), [(3.0, "drop"), (17.0, "drop")])
    assert got.steps_db == () and np.isnan(got.above_elsewhere_db) and np.isnan(got.rank)


def test_a_standstill_steps_by_a_finite_amount():
    got = section_answer(walking(np.r_[np.full(600, 1.0), np.zeros(600)]), [(20.0, "break")])
    assert got.steps_db[0] == pytest.approx(40, abs=0.5)  # 1 m/s to the least that counts, 1 cm/s


def test_dance_that_knows_of_no_change_answers_none():
    rng = np.random.default_rng(0)
    places = [(motion, float(time_s)) for motion in read_dances() for time_s in rng.uniform(6, 19, 10)]
    ranks = [section_answer(motion, [(time_s, "drop")]).rank for motion, time_s in places]
    assert np.mean(ranks) == pytest.approx(0.5, abs=0.12)
