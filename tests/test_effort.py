"""engine.effort: a lazy body is asked for more, a wild one for less, one that matches its music for just that."""

import numpy as np
import pytest

from engine.effort import DANCE_SPEED_M_S, asked_energy, body_speed_m_s, remember
from engine.idle import idle_pose


def test_a_body_that_matches_its_music_is_asked_for_just_that():
    for decile, speed in enumerate(DANCE_SPEED_M_S):
        assert asked_energy(decile / 10, speed) == pytest.approx(decile / 10)


def test_lazy_bodies_are_pushed_and_wild_ones_held_within_bounds():
    assert asked_energy(0.5, 0.1) > 0.6
    assert asked_energy(0.5, 1.5) < 0.4
    for energy in (0.0, 0.5, 1.0):
        for speed in (0.0, 0.5, 9.0):
            assert 0.0 <= asked_energy(energy, speed) <= 1.0


def test_speed_is_that_of_a_body_carried_along():
    pose = idle_pose(0)
    root = pose.root + np.arange(4)[:, None] * np.array([0.02, 0, 0], np.float32)
    assert body_speed_m_s(root, np.repeat(pose.rotations[None], 4, 0)) == pytest.approx(0.6, rel=1e-3)


def test_memory_goes_to_the_newest_and_stays_there():
    speed = 0.0
    for _ in range(200):
        speed = remember(speed, 0.8, 0.133)
    assert speed == pytest.approx(0.8, abs=1e-2)
    assert remember(0.3, 0.8, 100.0) == pytest.approx(0.8)
