"""The idle stands still on its feet, breathes and never locks."""

import numpy as np
import pytest

from engine.idle import idle_pose
from engine.skeleton import JOINTS, forward_kinematics

FEET = [JOINTS.index("left_foot"), JOINTS.index("right_foot")]


def joints_m(frame: int, **where) -> np.ndarray:
    pose = idle_pose(frame, **where)
    return forward_kinematics(pose.root, pose.rotations)[0]


@pytest.fixture(scope="module")
def minute() -> np.ndarray:
    return np.stack([joints_m(frame) for frame in range(0, 3600, 7)])


def test_toes_stay_where_they_are_on_the_floor(minute):
    toes = minute[:, FEET]
    assert np.abs(toes[..., 1]).max() < 1e-4
    assert np.ptp(toes, axis=0).max() < 1e-4


def test_nothing_is_below_the_floor_and_the_head_is_up(minute):
    assert minute[..., 1].min() > -1e-4
    assert minute[:, JOINTS.index("head"), 1].min() > 1.4


def test_arms_hang_beside_the_body(minute):
    for side, sign in (("left", 1), ("right", -1)):
        wrist, shoulder = minute[:, JOINTS.index(f"{side}_wrist")], minute[:, JOINTS.index(f"{side}_shoulder")]
        assert (shoulder[:, 1] - wrist[:, 1]).min() > 0.4
        assert (sign * wrist[:, 0]).min() > 0.2 and (sign * wrist[:, 0]).max() < 0.45


def test_it_breathes_but_slowly(minute):
    chest = minute[:, JOINTS.index("neck")]
    assert np.ptp(chest, axis=0).max() > 0.004
    near = np.stack([joints_m(frame) for frame in range(120)])
    assert np.linalg.norm(np.diff(near, axis=0), axis=-1).max() * 60 < 0.1


def test_rotations_are_unit_and_finite_even_after_a_week():
    pose = idle_pose(60 * 86400 * 7)
    assert np.isfinite(pose.root).all()
    assert np.allclose(np.linalg.norm(pose.rotations, axis=-1), 1, atol=1e-6)
    assert pose.rotations.dtype == pose.root.dtype == np.float32


def test_it_settles_where_the_dancer_is():
    here, there = joints_m(90), joints_m(90, place_m=(1.0, -0.5), yaw_rad=np.pi / 2)
    turned = np.stack([here[:, 2] + 1.0, here[:, 1], -here[:, 0] - 0.5], -1)
    assert np.allclose(there, turned, atol=1e-5)


def test_same_tick_same_bits():
    assert idle_pose(1234).rotations.tobytes() == idle_pose(1234).rotations.tobytes()
