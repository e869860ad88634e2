"""From dances to cells: beats, copies, energy, changes of section."""

import numpy as np
import pytest

from realtime_models.training.judge import columns
from realtime_models.training.judge.motion import Motion
from tests.dance_clips import read_dance, read_dances


def swinging(period_s: float, seconds: float = 40.0, phase: float = 0.0, **about) -> Motion:
    """Wrists that swing to and fro and stand still once every ``period_s``, at whole multiples of it."""
    time_s = np.arange(round(seconds * 30)) / 30
    positions = np.tile(read_dance("salsa").positions[0], (len(time_s), 1, 1))
    positions[:, 20:22, 0] += 0.4 * np.cos(np.pi * (time_s / period_s - phase))[:, None]
    return Motion("swinging", positions, song=about.pop("song", "a"), **about)


def test_motion_beats_on_the_beat_and_half_a_beat_off():
    beats = np.arange(0, 40, 0.6)
    right = swinging(0.6, beats_s=beats)
    cells = columns.beat_cells([right], 1.0)
    assert cells["beat_r"].value > 0.98 and abs(cells["beat_lag_s"].value) < 0.005
    assert cells["beat_f1"].value > 0.98 and cells["beats_per_beat"].value == pytest.approx(1, abs=0.03)
    off = columns.beat_cells([swinging(0.6, phase=0.5, beats_s=beats)], 1.0)
    assert off["beat_r"].value > 0.98 and off["beat_f1"].value == 0.0
    moved = columns.lag_moved_cell([right], [swinging(0.6, phase=0.5, beats_s=beats)], 1.0)
    assert moved.value == pytest.approx(1.0, abs=0.02)


def test_a_dance_without_beats_cannot_be_scored_against_them():
    with pytest.raises(ValueError, match="without the beats"):
        columns.score_beats(swinging(0.6))


def test_random_minima_have_the_r_that_their_number_gives():
    beats = np.arange(0, 40, 0.6)
    cells = columns.random_cells([swinging(0.6, beats_s=beats)], 1.0, draws=200)
    assert cells["beat_r"].value == pytest.approx(cells["beat_r_floor"].value, rel=0.12)


def test_mean_cell_weighs_by_length_and_resamples_blocks():
    cell = columns.mean_cell([1.0, 4.0], ["a", "b"], [30.0, 10.0])
    assert cell.value == pytest.approx(1.75) and cell.low == 1.0 and cell.high == 4.0 and cell.n == 2
    alone = columns.mean_cell([1.0, 3.0], ["a", "a"])
    assert alone.value == 2.0 and alone.low is None, "one block says nothing about the next"
    assert columns.mean_cell([float("nan")], ["a"]) is None


@pytest.fixture(scope="module")
def reference() -> columns.Reference:
    return columns.reference_of(read_dances(), 10)


def test_real_windows_are_copies_of_themselves_and_lie_inside_the_yardstick(reference):
    copied = columns.distribution_cells(read_dances(), reference)
    assert copied["copied_share"].value == 1.0 and copied["novelty_mm"].value < 1.0
    frozen = [Motion(m.name, np.repeat(m.positions[:1], len(m.positions), axis=0)) for m in read_dances()]
    real, still = columns.real_distribution_cells(reference), columns.distribution_cells(frozen, reference)
    assert copied["fid_kinetic"].value < real["fid_kinetic"].high < still["fid_kinetic"].value
    assert still["two_sample"].value > 0.9


def test_too_few_windows_give_no_distance(reference):
    short = Motion("short", read_dance("salsa").positions[:100])
    assert columns.distribution_cells([short], reference) == {}


def test_body_cells_are_means_over_clips(reference):
    cells = columns.body_cells(read_dances())
    each = [columns.body_cells([m])["speed_m_s"].value for m in read_dances()]
    assert cells["speed_m_s"].value == pytest.approx(np.mean(each))
    assert min(each) <= cells["speed_m_s"].low <= cells["speed_m_s"].high <= max(each)
    assert cells["nonfinite_frames"].value == 0


def test_changes_of_section_are_steps_of_loudness():
    loud = np.full(60 * 30, -20.0)
    loud[20 * 30 : 30 * 30] = -32.0
    assert columns.changes_of(loud) == [(20.0, "break"), (30.0, "drop")]
    assert columns.changes_of(np.full(1800, -20.0)) == []


def test_energy_that_follows_the_music_is_seen_and_wrong_music_is_not():
    rng = np.random.default_rng(0)
    steps = np.repeat(rng.permutation(np.linspace(0.1, 1.0, 12)), 150)
    positions = np.cumsum(np.tile(steps[:, None, None], (1, 22, 3)) / 30, axis=0)
    motion = Motion("x", positions, song="a", loudness_db=-40 + 20 * steps)
    cells = columns.music_cells([motion], {"a": -40 + 20 * np.roll(steps[::-1], 450)})
    assert cells["energy_correlation"].value > 0.98 > 0.6 > cells["energy_correlation_wrong"].value


def test_ten_minutes_that_slow_down_show_it():
    step = np.r_[np.full(3600, 0.5), np.full(3600, 0.25)] / 30
    x = np.cumsum(step) % 1.0  # travels to and fro over a metre
    positions = np.tile(read_dance("salsa").positions[0], (7200, 1, 1))
    positions[..., 0] += np.abs(2 * x - 1)[:, None]
    cells = columns.form_cells(Motion("long", positions), held=3)
    assert cells["drift_speed_ratio"].value == pytest.approx(0.5, rel=0.03)
    assert cells["held_poses"].value == 3 and cells["drift_radius_m"].value < 1.2
