"""Whatever a plan contains, what leaves is finite, unit, slow enough, on the floor and on the stage."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.guard import (
    BLEND_TICKS,
    FLOOR_M,
    JOINT_SPEED_RAD_S,
    REASONS,
    ROOT_SPEED_M_S,
    STAGE_RADIUS_M,
    guard_step,
    lowest_foot_m,
)
from engine.idle import idle_pose
from engine.skeleton import JOINTS, forward_kinematics
from engine.types import Pose

FEET = [JOINTS.index(name) for name in ("left_ankle", "right_ankle", "left_foot", "right_foot")]


def run(poses):
    state, out, reasons = None, [], []
    for pose in poses:
        state, sent, reason = guard_step(state, pose)
        out.append(sent)
        reasons.append(reason)
    return out, reasons


def walk(count=120, **change):
    return [replace(idle_pose(frame), **change) for frame in range(count)]


def turned(pose: Pose, joint: int, angle_rad: float) -> Pose:
    rotations = pose.rotations.copy()
    rotations[joint] = (math.sin(angle_rad / 2), 0, 0, math.cos(angle_rad / 2))
    return replace(pose, rotations=rotations)


def spoilt(pose: Pose, how: str) -> Pose:
    root, rotations = pose.root.copy(), pose.rotations.copy()
    if how == "nan":
        rotations[3, 1] = np.nan
    elif how == "inf":
        root[2] = np.inf
    elif how == "zero":
        rotations[7] = 0
    elif how == "far":
        root[0] += 40
    elif how == "sunk":
        root[1] -= 0.5
    elif how == "spun":
        rotations[4] = (1, 0, 0, 0)
    elif how == "longer":
        rotations *= 1.01
    return replace(pose, root=root, rotations=rotations)


def test_a_sound_stream_passes_untouched():
    poses = walk()
    out, reasons = run(poses)
    assert reasons == [None] * len(poses)
    assert all(a is b for a, b in zip(out, poses, strict=True))


@pytest.mark.parametrize(
    ("how", "reason"), [("nan", "not_finite"), ("inf", "not_finite"), ("zero", "not_unit"), ("spun", "joint_speed")]
)
def test_one_bad_pose_is_held_and_blended_back(how, reason):
    poses = walk()
    poses[50] = spoilt(poses[50], how)
    out, reasons = run(poses)
    assert reasons[50] == reason
    assert np.array_equal(out[50].rotations, out[49].rotations) and out[50].frame == 50
    assert reasons[51 : 51 + BLEND_TICKS] == ["blend"] * BLEND_TICKS
    assert out[50 + BLEND_TICKS] is poses[50 + BLEND_TICKS] and reasons[51 + BLEND_TICKS] is None


def test_a_jump_is_crossed_in_a_fifth_of_a_second():
    poses = walk()
    poses[60:] = [turned(pose, JOINTS.index("left_elbow"), 2.5) for pose in poses[60:]]
    out, reasons = run(poses)
    assert reasons[60] == "joint_speed" and reasons.count("joint_speed") == 1
    assert out[60 + BLEND_TICKS] is poses[60 + BLEND_TICKS]
    assert fastest_joint(out) <= JOINT_SPEED_RAD_S


def test_a_far_jump_is_walked_and_arrives():
    there = np.array([1.5, 0, 1.5], np.float32)
    poses = [idle_pose(0), *(replace(pose, root=pose.root + there) for pose in walk()[1:])]
    out, reasons = run(poses)
    assert reasons.count("root_speed") == 1 and reasons[-1] is None and out[-1] is poses[-1]
    assert max(np.linalg.norm(b.root - a.root) * 60 for a, b in pairwise(out)) <= ROOT_SPEED_M_S


def test_a_sunken_body_is_lifted():
    out, reasons = run([spoilt(idle_pose(0), "sunk")])
    assert reasons == ["floor"]
    assert lowest_foot_m(out[0].root, out[0].rotations) == pytest.approx(FLOOR_M, abs=1e-5)


def test_lowest_foot_is_what_forward_kinematics_says():
    rng = np.random.default_rng(1)
    for _ in range(20):
        rotations = rng.normal(size=(22, 4))
        rotations = (rotations / np.linalg.norm(rotations, axis=1, keepdims=True)).astype(np.float32)
        root = rng.normal(size=3).astype(np.float32)
        heights = forward_kinematics(root, rotations)[0][FEET, 1]
        assert lowest_foot_m(root, rotations) == pytest.approx(heights.min(), abs=1e-5)


def test_the_edge_of_the_stage_is_soft():
    radii = []
    for index in range(400):
        pose = idle_pose(index)
        pose = replace(pose, root=pose.root + np.array([index * 0.02, 0, 0], np.float32))
        radii.append(run([pose])[0][0].root[0])
    steps = np.diff(radii)
    assert max(radii) <= STAGE_RADIUS_M and (steps >= -2e-3).all() and np.abs(np.diff(steps)).max() < 0.005


def test_a_broken_first_pose_becomes_the_idle():
    out, reasons = run([spoilt(idle_pose(7), "nan")])
    assert reasons == ["not_finite"] and np.array_equal(out[0].root, idle_pose(7).root)


def test_skipped_ticks_are_more_time():
    poses = [idle_pose(0), turned(idle_pose(30), 4, 3.0)]
    assert run(poses)[1] == [None, None]
    assert run([poses[0], replace(poses[1], frame=1)])[1] == [None, "joint_speed"]


spoils = st.sampled_from(["", "", "", "nan", "inf", "zero", "far", "sunk", "spun", "longer"])


@given(st.lists(spoils, min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_the_laws_hold_for_any_stream(how):
    out, reasons = run(spoilt(idle_pose(frame), spoil) for frame, spoil in enumerate(how))
    assert set(reasons) <= {None, *REASONS}
    for frame, pose in enumerate(out):
        assert pose.frame == frame and pose.rotations.dtype == pose.root.dtype == np.float32
        assert np.isfinite(pose.root).all()
        assert np.allclose(np.linalg.norm(pose.rotations, axis=1), 1, atol=1e-3)
        assert lowest_foot_m(pose.root, pose.rotations) >= FLOOR_M - 1e-4
        assert math.hypot(pose.root[0], pose.root[2]) <= STAGE_RADIUS_M + 1e-4
    assert fastest_joint(out) <= JOINT_SPEED_RAD_S + 0.1
    speeds = [np.linalg.norm(b.root - a.root) * 60 for a, b in pairwise(out)]
    assert max(speeds, default=0) <= ROOT_SPEED_M_S + 0.01


def fastest_joint(poses) -> float:
    fastest = 0.0
    for a, b in pairwise(poses):
        dots = np.abs(np.sum(a.rotations.astype(float) * b.rotations, axis=1)).clip(0, 1)
        fastest = max(fastest, float(2 * np.arccos(dots).max() * 60))
    return fastest
