"""MBench's joint measures against cases computed by hand, at 20 frames a second and in metres a frame."""

import numpy as np
import pytest
from dance_clips import DANCES, read_dance

from engine.skeleton import JOINTS, STANDING_HIP_M, t_pose
from realtime_models.training.judge.mbench import MBENCH_HZ, at_mbench_rate, mbench
from realtime_models.training.judge.motion import Motion, from_pose

LEFT, RIGHT = JOINTS.index("left_foot"), JOINTS.index("right_foot")


def standing(frames: int, up_m: float = 0.0) -> np.ndarray:
    """Positions (F, 22, 3) of a T-pose with its toes ``up_m`` above the floor."""
    root = np.tile([0, STANDING_HIP_M + up_m, 0], (frames, 1))
    return from_pose("", root, np.tile(t_pose(), (frames, 1, 1)), 30).positions


def judged(p: np.ndarray):
    return mbench(Motion("hand", p))


def along(p: np.ndarray, x: np.ndarray) -> np.ndarray:
    return p + x[:, None, None] * [1, 0, 0]


def test_thirty_hertz_becomes_twenty_on_straight_lines():
    p = np.arange(7.0)[:, None, None] ** 2 * np.ones((7, 22, 3))
    # frames 0, 1.5, 3, 4.5 and 6: 1.5 lies between 1 and 4
    assert at_mbench_rate(p)[:, 0, 0].tolist() == [0, 2.5, 9, 20.5, 36]
    assert MBENCH_HZ == 20


def test_a_standing_body_has_nothing():
    got = judged(standing(60))
    assert (got.jitter_degree, got.ground_penetration, got.foot_floating) == pytest.approx((0, 0, 0))
    assert (got.foot_sliding, got.dynamic_degree) == pytest.approx((0, 0))


def test_a_body_pushed_at_30_cm_a_second_slides_and_is_implausible():
    got = judged(along(standing(61), 0.3 * np.arange(61) / 30))
    # 0.3 / 20 = 15 mm a frame; root-removed it does not move
    assert got.foot_sliding == pytest.approx(0.015, rel=1e-4) and got.dynamic_degree == pytest.approx(0.015)
    assert got.jitter_degree == pytest.approx(0, abs=1e-9)
    # both feet are down and move with a moving root, in every frame
    assert got.foot_floating == 1


def test_jitter_degree_of_steady_acceleration():
    # x = t^2: second difference 2 / 400 = 5 mm, with the root's path taken out nothing. 93 frames are 62 at 20 Hz, so
    # as many of the 60 differences are on a straight line (too small) as beside one (too large by as much)
    got = judged(along(standing(93), (np.arange(93) / 30) ** 2))
    assert got.jitter_degree == pytest.approx(0.005, rel=1e-3)
    p = standing(93)
    p[:, JOINTS.index("left_wrist"), 1] += (np.arange(93) / 30) ** 2
    # one joint of 22, absolute and beside the root: 2 x 5 mm / 22
    assert judged(p).jitter_degree == pytest.approx(0.01 / 22, rel=1e-3)


def test_penetration_is_the_mean_depth_of_sunk_feet_only():
    p = standing(60)
    p[:, LEFT, 1], p[:, RIGHT, 1] = -0.04, -0.004
    assert judged(p).ground_penetration == pytest.approx(0.04)
    p[:30, RIGHT, 1] = -0.01
    # 40 frames of 40 mm, and of the right foot those at -10 mm: frames 0, 1.5 ... 28.5 are 20; between 29 and 30 none
    assert judged(p).ground_penetration == pytest.approx((40 * 0.04 + 20 * 0.01) / 60)


def test_sliding_is_the_mean_over_both_feet_of_their_steps_in_contact():
    p = standing(61)
    p[:, LEFT, 0] += 0.3 * np.arange(61) / 30
    # left 15 mm a frame, right 0
    assert judged(p).foot_sliding == pytest.approx(0.0075, rel=1e-4)


def test_feet_carried_through_the_air_float():
    # 0.5 m up, 15 mm a frame: no contact (not low, not under 10 mm a frame), feet still beside the root in all frames
    got = judged(along(standing(61, 0.5), 0.3 * np.arange(61) / 30))
    assert got.foot_floating == 1
    # What it misses: lifted by 5 cm and standing, each foot counts as in contact by its slowness.
    assert judged(standing(60, 0.05)).foot_floating == 0


def test_weaving_in_the_air_floats():
    p = standing(61, 0.5)
    t = np.arange(61) / 30
    # Both feet run ahead at 0.6 m/s and swing sideways four times; the root stays.
    for foot in (LEFT, RIGHT):
        p[:, foot, 2] += 0.6 * t
        p[:, foot, 0] += 0.2 * np.sin(2 * np.pi * 2 * t)
    assert judged(p).foot_floating == 1
    straight = standing(61, 0.5)
    straight[:, [LEFT, RIGHT], 2] += 0.6 * t[:, None]
    assert judged(straight).foot_floating == 0


def test_too_short_a_motion_is_refused():
    with pytest.raises(ValueError, match="needs 4 frames at 20 Hz, this motion has 3"):
        judged(standing(4))


@pytest.mark.parametrize("name", DANCES)
def test_turning_and_moving_the_place_changes_nothing(name):
    p = read_dance(name).positions
    turned = p[..., [2, 1, 0]] * [-1, 1, 1] + [3, 0, -2]
    for key in MBENCH_KEYS:
        assert getattr(judged(turned), key) == pytest.approx(getattr(judged(p), key), rel=1e-6)


MBENCH_KEYS = ("jitter_degree", "ground_penetration", "foot_floating", "foot_sliding", "dynamic_degree")


@pytest.mark.parametrize("name", DANCES)
def test_defects_show_where_mbench_looks_for_them(name):
    p = read_dance(name).positions
    real = judged(p)
    rng = np.random.default_rng(0)
    nailed = p - (p[:, :1] - p[:1, :1]) * [1, 0, 1]
    assert judged(p + 0.002 * rng.standard_normal(p.shape)).jitter_degree > 1.4 * real.jitter_degree
    assert judged(p - [0, 0.03, 0]).ground_penetration > real.ground_penetration + 0.012
    assert judged(nailed).foot_sliding > 1.5 * real.foot_sliding
    assert judged(np.repeat(p[:1], len(p), axis=0)).dynamic_degree == 0
