"""Clips laid on the beat grid: on the beat, without jumps, the same for the same seed."""

import numpy as np
import pytest

from engine.skeleton import JOINTS, STANDING_HIP_M, quat_from_yaw, t_pose
from realtime_models.training.judge import beat as score
from realtime_models.training.judge.body import body_score
from realtime_models.training.judge.systems.clips import place, yaw_of
from realtime_models.training.judge.systems.clips_on_grid import Loop, clips_on_grid, stretches, whole_grid

BEATS_S = np.arange(0.4, 40, 0.55)


def loop(period_s: float, seconds: float = 40, drift_m_s: float = 0.0) -> Loop:
    """A made-up clip whose arms turn back every ``period_s``."""
    frames = round(seconds * 30)
    root = np.tile(np.array([0, STANDING_HIP_M, 0], np.float32), (frames, 1))
    root[:, 0] += drift_m_s * np.arange(frames) / 30
    rotations = np.tile(t_pose(), (frames, 1, 1))
    angle = 0.6 * np.cos(np.pi * np.arange(frames) / 30 / period_s)
    for name in ("left_shoulder", "right_shoulder"):
        rotations[:, JOINTS.index(name), 2] = np.sin(angle / 2)
        rotations[:, JOINTS.index(name), 3] = np.cos(angle / 2)
    return Loop("made up", root, rotations, 1 / period_s, score.motion_beats(root, rotations, 30))


def test_the_dance_is_on_the_beat():
    root, rotations = clips_on_grid([loop(0.6), loop(0.5)], BEATS_S, 40)
    assert root.shape == (2400, 3) and rotations.shape == (2400, 22, 4)
    r, lag_s = score.phase_concentration(score.motion_beats(root, rotations, 60), BEATS_S)[1.0]
    assert r > 0.9 and abs(lag_s) < 0.03


def test_the_same_seed_gives_the_same_dance_and_another_another():
    loops = [loop(0.6), loop(0.5, drift_m_s=0.05)]
    one, again, other = (clips_on_grid(loops, BEATS_S, 40, seed=s) for s in (1, 1, 2))
    assert np.array_equal(one[0], again[0]) and np.array_equal(one[1], again[1])
    assert not np.array_equal(one[1], other[1])


def test_no_jump_at_phrase_borders_and_all_is_finite():
    root, rotations = clips_on_grid([loop(0.6, drift_m_s=0.1), loop(0.5, drift_m_s=-0.1)], BEATS_S, 40)
    got = body_score(root, rotations, 60)
    assert got.nonfinite_frames == 0 and got.unit_error < 1e-5
    assert np.linalg.norm(np.diff(root, axis=0), axis=1).max() * 60 < 0.6
    assert got.turn_max_rad_s < 8


def test_speeds_make_the_movement_a_simple_multiple_of_the_beat():
    for speed in stretches(loop(0.6), 0.5):
        assert 0.8 <= speed <= 1.25
        assert 0.5 * speed / 0.6 in (pytest.approx(v) for v in (0.25, 0.5, 1, 2))
    with pytest.raises(ValueError, match="no clip fits"):
        clips_on_grid([loop(0.7)], np.arange(0, 40, 0.5), 40)
    with pytest.raises(ValueError, match="1 beats"):
        clips_on_grid([loop(0.5)], np.array([1.0]), 40)


def test_a_stretch_is_placed_where_the_dancer_stood():
    root, rotations = clips_on_grid([loop(0.6, drift_m_s=0.1)], BEATS_S, 20, fps=30)
    rotations[:, 0] = quat_from_yaw(0.4)
    moved, turned = place(root, rotations, 5, np.array([1.0, 9.0, -2.0]), 2.0)
    assert moved[5] == pytest.approx([1, root[5, 1], -2], abs=1e-6) and yaw_of(turned[5, 0]) == pytest.approx(2)
    assert np.linalg.norm(moved - moved[5], axis=1) == pytest.approx(np.linalg.norm(root - root[5], axis=1), abs=1e-5)


def test_the_grid_reaches_past_both_ends():
    grid = whole_grid(BEATS_S, 50)
    assert grid[0] <= 0 and grid[-1] > 50 and np.diff(grid) == pytest.approx(np.full(len(grid) - 1, 0.55))
