"""What a lane shows when it is told to hold, or has nothing to show."""

import numpy as np
import pytest

from bridges.latch import BACK_TICKS, EASE_TICKS, HOLD_TICKS, Shown, choose, heading_rad
from engine.idle import idle_pose
from engine.skeleton import quat_from_yaw, quat_multiply, t_pose
from engine.types import POSE_HZ, Controls, Pose

DANCE = Controls()
FREEZE, BLACKOUT, PANIC = Controls(freeze=True), Controls(blackout=True), Controls(panic=True)


def dancing(tick: int, yaw_rad: float = 1.0) -> Pose:
    """A body away from the middle, turned, one arm moving."""
    rotations = t_pose()
    rotations[0] = quat_from_yaw(yaw_rad)
    rotations[16] = [0, 0, np.sin(tick / 20), np.cos(tick / 20)]
    return Pose(tick, tick / POSE_HZ, np.array([0.8, 0.9, -0.4], np.float32), rotations)


def play(shown: Shown, ticks, controls: Controls = DANCE, dry: bool = False) -> tuple[Shown, list[Pose]]:
    poses = []
    for tick in ticks:
        shown, _ = choose(shown, tick, None if dry else dancing(tick), controls)
        poses.append(shown.pose)
    return shown, poses


def same_body(a: Pose, b: Pose) -> bool:
    return np.array_equal(a.root, b.root) and np.array_equal(a.rotations, b.rotations)


def largest_step_rad(poses: list[Pose]) -> float:
    """The largest turn of any joint between neighbouring poses."""
    turns = [2 * np.arccos(np.clip(np.abs(np.sum(a.rotations * b.rotations, -1)), 0, 1)).max()
             for a, b in zip(poses, poses[1:], strict=False)]  # fmt: skip
    return max(turns)


def test_a_due_pose_is_shown_as_it_is():
    shown, poses = play(Shown(), range(5))
    assert all(same_body(pose, dancing(tick)) for tick, pose in enumerate(poses))
    assert choose(shown, 5, dancing(5), DANCE)[1] is False


@pytest.mark.parametrize("controls", [FREEZE, BLACKOUT])
def test_freeze_and_blackout_hold_the_pose_sent_last_while_time_goes_on(controls):
    shown, _ = play(Shown(), range(10))
    _, held = play(shown, range(10, 200), controls)
    assert all(same_body(pose, dancing(9)) for pose in held)
    assert [pose.frame for pose in held] == list(range(10, 200))
    assert [pose.time_s for pose in held] == [tick / POSE_HZ for tick in range(10, 200)]


@pytest.mark.parametrize("controls", [FREEZE, BLACKOUT, PANIC])
def test_the_way_back_has_no_jump_and_arrives_exactly(controls):
    shown, _ = play(Shown(), range(10))
    shown, away = play(shown, range(10, 110), controls)
    _, back = play(shown, range(110, 110 + 2 * BACK_TICKS))
    arrived = [same_body(pose, dancing(pose.frame)) for pose in back]
    assert arrived == [False] * (BACK_TICKS - 1) + [True] * (BACK_TICKS + 1)
    assert largest_step_rad([away[-1], *back]) < 0.45  # 27 rad/s, below what the guard lets through


def test_panic_goes_to_the_idle_at_once_where_the_dancer_stands():
    shown, _ = play(Shown(), range(10))
    _, poses = play(shown, range(10, 10 + EASE_TICKS + 5), PANIC)
    assert not same_body(poses[0], dancing(9))
    expected = idle_pose(10 + EASE_TICKS + 4, place_m=(0.8, -0.4), yaw_rad=1.0)
    assert np.allclose(poses[-1].rotations, expected.rotations, atol=1e-5)
    assert np.allclose(poses[-1].root, expected.root, atol=1e-5)
    assert largest_step_rad(poses) < 0.15


def test_panic_wins_over_freeze():
    shown, _ = play(Shown(), range(10))
    _, poses = play(shown, range(10, 100), Controls(panic=True, freeze=True))
    assert np.allclose(poses[-1].rotations, idle_pose(99, yaw_rad=1.0).rotations, atol=1e-5)


def test_a_timeline_that_ran_dry_is_held_then_eased():
    shown, _ = play(Shown(), range(10))
    shown, poses = play(shown, range(10, 10 + HOLD_TICKS + EASE_TICKS), dry=True)
    assert all(same_body(pose, dancing(9)) for pose in poses[:HOLD_TICKS])
    moved = [not same_body(a, b) for a, b in zip(poses[HOLD_TICKS:], poses[HOLD_TICKS + 1 :], strict=False)]
    assert all(moved)
    assert np.allclose(poses[-1].rotations, idle_pose(poses[-1].frame, yaw_rad=1.0).rotations, atol=1e-5)


def test_skipped_ticks_count_as_passed():
    shown, _ = play(Shown(), range(10))
    shown, _ = play(shown, [10, 10 + HOLD_TICKS + EASE_TICKS], dry=True)
    assert shown.eased == EASE_TICKS


def test_running_dry_during_a_freeze_is_said_and_the_picture_stands():
    shown, _ = play(Shown(), range(10))
    frozen, ran_dry = choose(shown, 10, None, FREEZE)
    assert ran_dry
    assert same_body(frozen.pose, dancing(9))


def test_before_the_first_pose_the_body_breathes():
    shown, poses = play(Shown(), range(3), dry=True)
    assert all(same_body(pose, idle_pose(pose.frame)) for pose in poses)
    _, back = play(shown, range(3, 3 + BACK_TICKS))
    assert not same_body(back[0], dancing(3))
    assert same_body(back[-1], dancing(back[-1].frame))


@pytest.mark.parametrize("yaw_rad", [-3.0, -1.0, 0.0, 0.5, 2.5])
def test_heading_of_a_leaning_body(yaw_rad):
    lean = np.array([0.1, 0, 0, np.sqrt(1 - 0.01)])  # forward about X, applied after the turn: heading unchanged
    yaw = quat_from_yaw(yaw_rad)
    rotations = t_pose()
    rotations[0] = quat_multiply(yaw, lean)
    assert heading_rad(Pose(0, 0.0, np.zeros(3, np.float32), rotations)) == pytest.approx(yaw_rad, abs=1e-5)
