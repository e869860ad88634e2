"""engine.accent: quick, bounded, silent while the beat is sure, never moves feet or beat."""

import numpy as np
import pytest

from engine.accent import OFFSETS_RAD, STALE_TICKS, Accent, accent_step
from engine.idle import idle_pose
from engine.skeleton import JOINTS
from engine.types import BeatClock, MusicFeatures


def heard(tick: int, onset: float, confidence: float) -> MusicFeatures:
    return MusicFeatures(tick, BeatClock(confidence=confidence), onset, -20.0, np.zeros(4, np.float32))


def angle_rad(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 2 * np.arccos(np.clip(np.abs(np.sum(a * b, -1)), 0, 1))


def run(features: MusicFeatures, ticks: int, state: Accent | None = None):
    state, shown = state or Accent(), []
    for i in range(ticks):
        pose = idle_pose(100)
        state, out = accent_step(state, pose, features, features.frame + i)
        shown.append(angle_rad(out.rotations, pose.rotations))
    return state, np.array(shown)


def test_a_sudden_sound_is_seen_within_two_ticks():
    _, turned = run(heard(100, 0.9, 0.0), 3)
    assert turned[1].max() > 0.03


def test_no_joint_turns_further_than_its_bound_and_the_rest_stays():
    _, turned = run(heard(100, 5.0, 0.0), STALE_TICKS)
    bounds = {JOINTS.index(name): abs(angle) for name, _, angle in OFFSETS_RAD}
    for joint in range(22):
        assert turned[:, joint].max() <= bounds.get(joint, 0.0) + 2e-3
    assert not {
        JOINTS.index(f"{side}_{part}") for side in ("left", "right") for part in ("hip", "knee", "ankle")
    } & set(bounds)


@pytest.mark.parametrize(("onset", "confidence"), [(0.9, 0.9), (0.9, 0.65), (0.1, 0.0)])
def test_sure_beats_and_faint_sounds_are_not_answered(onset, confidence):
    pose = idle_pose(0)
    state, out = accent_step(Accent(), pose, heard(100, onset, confidence), 100)
    assert out is pose and state == Accent()


def test_it_fades_and_then_costs_nothing():
    state, _ = run(heard(100, 1.0, 0.0), 10)
    assert state.level > 0.5
    state, turned = run(heard(100, 0.0, 0.0), 90, state)
    assert state == Accent() and turned[-1].max() < 2e-3
    assert (np.diff(turned.sum(1)) <= 1e-2).all()


def test_features_of_long_ago_are_not_answered():
    pose = idle_pose(0)
    _, out = accent_step(Accent(), pose, heard(100, 1.0, 0.0), 100 + STALE_TICKS + 1)
    assert out is pose
