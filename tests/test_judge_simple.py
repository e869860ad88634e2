"""Frozen pose, shuffled clips, random minima: wrong in the way that each is meant to be wrong."""

import numpy as np
import pytest
from dance_clips import DANCES, read_pose

from realtime_models.training.data import Clip
from realtime_models.training.judge import beat as score
from realtime_models.training.judge.beat import joint_positions
from realtime_models.training.judge.systems.clips import yaw_of
from realtime_models.training.judge.systems.simple import CUT_S, frozen, random_minima, shuffled_clips


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [Clip(name, "pop", True, "train", *read_pose(name), np.zeros(0, int)) for name in DANCES]


def jumps(root: np.ndarray, rotations: np.ndarray, fps: float) -> np.ndarray:
    """Frames into which some joint moves faster than 12 m/s."""
    steps = np.linalg.norm(np.diff(joint_positions(root, rotations), axis=0), axis=-1).max(axis=1) * fps
    return np.flatnonzero(steps > 12) + 1


def test_a_frozen_body_is_one_pose_of_real_dance(clips):
    root, rotations = frozen(clips, 3.0, seed=4)
    assert root.shape == (180, 3) and rotations.shape == (180, 22, 4)
    assert not np.ptp(root, axis=0).any() and not np.ptp(rotations, axis=0).any()
    assert root[0, [0, 2]] == pytest.approx([0, 0]) and yaw_of(rotations[0, 0]) == pytest.approx(0, abs=1e-5)
    # The same joint angles (but the pelvis', which was turned ahead) are found in a clip.
    off = [np.abs(np.abs((clip.rotations[:, 1:] * rotations[0, 1:]).sum(-1)) - 1).max(axis=1).min() for clip in clips]
    assert min(off) < 1e-6
    assert len(score.motion_beats(root, rotations, 60)) == 0


def test_seeds(clips):
    for make in (frozen, shuffled_clips):
        one, again, other = (make(clips, 5.0, seed=s) for s in (1, 1, 2))
        assert np.array_equal(one[0], again[0]) and np.array_equal(one[1], again[1])
        assert not np.array_equal(one[1], other[1])


def test_shuffled_clips_are_cut_every_one_to_two_seconds_and_are_real_in_between(clips):
    root, rotations = shuffled_clips(clips, 60.0, fps=30, seed=3)
    cuts = jumps(root, rotations, 30)
    assert 60 / CUT_S[1] * 0.7 <= len(cuts) <= 60 / CUT_S[0]  # a cut into a like pose may stay below the limit
    assert np.diff(cuts).min() >= 30 * CUT_S[0] - 1
    fastest = max(np.linalg.norm(np.diff(joint_positions(c.root, c.rotations), axis=0), axis=-1).max() for c in clips)
    steps = np.linalg.norm(np.diff(joint_positions(root, rotations), axis=0), axis=-1).max(axis=1)
    assert np.sort(steps)[: -len(cuts)].max() <= max(fastest, 12 / 30) + 1e-6


def test_a_cut_begins_where_the_last_one_ended(clips):
    root, rotations = shuffled_clips(clips, 20.0, seed=5)
    cuts = jumps(root, rotations, 60)
    assert len(cuts) > 5
    assert np.linalg.norm((root[cuts] - root[cuts - 1])[:, [0, 2]], axis=1).max() < 1e-6
    for cut in cuts:
        assert yaw_of(rotations[cut, 0]) == pytest.approx(yaw_of(rotations[cut - 1, 0]), abs=1e-4)


def test_a_fade_takes_the_jumps_away(clips):
    root, rotations = shuffled_clips(clips, 60.0, fps=30, seed=3, fade_s=0.3)
    assert np.isfinite(root).all() and np.linalg.norm(rotations, axis=-1) == pytest.approx(1.0, abs=1e-5)
    assert len(jumps(root, rotations, 30)) < 0.1 * len(jumps(*shuffled_clips(clips, 60.0, fps=30, seed=3), 30))


def test_random_minima_know_nothing_of_the_beat():
    beats_s = np.arange(1.0, 61.0, 0.5)
    times_s = random_minima(400, beats_s, seed=1)
    assert len(times_s) == 400 and (np.diff(times_s) >= 0).all()
    assert times_s[0] >= 1.0 and times_s[-1] <= beats_s[-1]
    r = score.phase_concentration(times_s, beats_s)[1.0][0]
    assert r < score.random_ceiling(400, 0.001)
    assert not np.array_equal(times_s, random_minima(400, beats_s, seed=2))


def test_what_cannot_be_made_is_said(clips):
    with pytest.raises(ValueError, match="one clip or more"):
        frozen([], 1.0)
    short = Clip("short", "pop", True, "train", clips[0].root[:30], clips[0].rotations[:30], np.zeros(0, int))
    with pytest.raises(ValueError, match=r"none of 1 clips lasts 2\.0 s"):
        shuffled_clips([short], 5.0)
    with pytest.raises(ValueError, match="1 beats"):
        random_minima(3, np.array([1.0]))
