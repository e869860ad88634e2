"""What is judged: joint positions at 30 Hz and windows of them."""

import numpy as np
import pytest

from realtime_models.training.judge.motion import Motion, at_judge_rate, from_pose, windows
from tests.dance_clips import read_dance, read_pose


def still(frames: int, fps: float = 30.0, **about) -> Motion:
    return Motion("still", np.zeros((frames, 22, 3)), fps, **about)


def test_positions_of_another_shape_are_refused_with_their_name():
    with pytest.raises(ValueError, match="short: positions are"):
        Motion("short", np.zeros((4, 21, 3)))


def test_sixty_frames_become_thirty_by_every_second_one():
    root, rotations = read_pose("salsa")
    motion = from_pose("x", root, rotations, 60.0)
    slow = at_judge_rate(motion)
    assert slow.fps == 30 and np.array_equal(slow.positions, motion.positions[::2])
    assert np.array_equal(slow.rotations, motion.rotations[::2])


def test_twenty_frames_become_thirty_on_straight_lines():
    positions = np.zeros((21, 22, 3))
    positions[..., 0] = np.arange(21)[:, None] / 20  # 1 m/s
    fast = at_judge_rate(Motion("x", positions, 20.0))
    assert len(fast.positions) == 31  # one second either way
    assert np.allclose(fast.positions[:, 0, 0], np.arange(31) / 30)


def test_windows_do_not_overlap_and_know_their_motion():
    a, b = read_dance("salsa"), still(400, dancer="nobody")
    cut = windows([a, b])
    assert len(cut) == 5 + 2 and cut.blocks.tolist() == [0] * 5 + [1] * 2
    assert np.array_equal(cut.positions[1], a.positions[150:300])
    assert cut.names == ("salsa", "still") and cut.dancers == ("Jasmine Coro", "nobody")


def test_a_window_with_a_value_that_is_not_finite_is_left_out():
    motion = still(450)
    motion.positions[200, 3, 1] = np.nan
    assert windows([motion]).blocks.tolist() == [0, 0]
