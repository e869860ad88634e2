"""Seams: known jumps are found with their size, real dance has next to none."""

import numpy as np
import pytest
from dance_clips import DANCES, read_dance

from engine.skeleton import JOINTS
from realtime_models.training.judge.motion import Motion
from realtime_models.training.judge.seams import found_seams, jumps, seam_jumps

SHAPE = (1, len(JOINTS), 3)


def along_x(x: np.ndarray, fps: float = 30) -> Motion:
    """A body whose joints all have x (F,) [m]."""
    return Motion("x", np.zeros((len(x), *SHAPE[1:])) + x[:, None, None] * [1, 0, 0], fps)


def test_a_teleport_of_20_cm_jumps_20_cm_and_its_neighbours_half():
    found = jumps(along_x(np.r_[np.zeros(6), np.full(6, 0.2)]).positions)
    # 9 inner steps, from the step of frames 1-2 on; the teleport is the step of frames 5-6
    assert found == pytest.approx([0, 0, 0, 0.1, 0.2, 0.1, 0, 0, 0])


def test_steady_acceleration_is_no_jump_and_a_kick_of_3_m_s_is_5_cm():
    t = np.arange(40) / 30
    assert jumps(along_x(2 * t + 5 * t**2).positions) == pytest.approx(np.zeros(37), abs=1e-12)
    kicked = jumps(along_x(3 * np.maximum(t - t[20], 0)).positions)
    assert kicked.max() == pytest.approx(3 / 60)


def test_a_teleport_is_found_once_where_it_is_and_smooth_motion_has_none():
    t = np.arange(300) / 30
    sway = 0.3 * np.sin(2 * np.pi * t)
    assert found_seams(along_x(sway)).times_s == ()
    found = found_seams(along_x(sway + 0.2 * (np.arange(300) >= 150)))
    assert found.times_s == pytest.approx([149.5 / 30]) and found.worst_m == pytest.approx(0.2, abs=0.01)
    assert found.per_minute == pytest.approx(6) and found.median_over > 8


def test_a_still_body_that_jumps_once_is_infinitely_far_above_its_level():
    found = found_seams(along_x(np.r_[np.zeros(60), np.ones(60)]))
    assert found.over == (float("inf"),) and found.level_m == 0


def test_a_body_that_always_jumps_has_a_level_and_no_seams():
    shaking = 0.1 * np.random.default_rng(0).standard_normal(600)
    assert found_seams(along_x(shaking)).times_s == ()


def test_known_places_are_measured_though_they_do_not_show():
    t = np.arange(300) / 30
    motion = along_x(0.3 * np.sin(2 * np.pi * t) + 0.02 * (np.arange(300) >= 90))
    assert found_seams(motion).times_s == ()
    # given 0.05 s beside it; the place past the end is left out
    got = seam_jumps(motion, [3.03, 99.0])
    assert got.times_s == pytest.approx([89.5 / 30]) and got.jumps_m[0] == pytest.approx(0.02, abs=0.003)
    assert got.median_over > 4
    assert np.isnan(seam_jumps(motion, []).median_over)


def test_sixty_hertz_is_judged_at_thirty():
    t = np.arange(600) / 60
    x = 0.3 * np.sin(2 * np.pi * t) + 0.2 * (np.arange(600) >= 300)
    assert found_seams(along_x(x, 60)).times_s == pytest.approx(found_seams(along_x(x[::2])).times_s)


@pytest.mark.parametrize("name", DANCES)
def test_real_dance_has_no_seams_and_a_hard_cut_of_it_has_one(name):
    motion = read_dance(name)
    assert found_seams(motion).times_s == ()
    cut = np.concatenate([motion.positions[:300], motion.positions[500:]])
    found = found_seams(Motion("cut", cut))
    assert found.times_s == pytest.approx([299.5 / 30])


def test_any_place_of_real_dance_stands_out_little():
    rng = np.random.default_rng(1)
    places = [seam_jumps(read_dance(name), rng.uniform(2, 23, 20)).median_over for name in DANCES]
    assert 1 < np.mean(places) < 2.2
