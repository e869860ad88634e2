"""Body measures against bodies whose figures are known by construction. More of them: test_judge_beat.py."""

import numpy as np
import pytest
from dance_clips import DANCES, read_dance, read_pose

from engine.skeleton import JOINTS, STANDING_HIP_M, t_pose
from realtime_models.training.judge.body import (
    body_score,
    bridged,
    by_field,
    drift,
    falling,
    score_motion,
    score_windows,
)
from realtime_models.training.judge.motion import Motion, from_pose, windows

UP, ALONG = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])


def standing(seconds: float, fps: float = 30) -> Motion:
    """A T-pose with its toes on the floor."""
    frames = round(seconds * fps)
    root = np.tile([0, STANDING_HIP_M, 0], (frames, 1))
    return from_pose("standing", root, np.tile(t_pose(), (frames, 1, 1)), fps)


def moved(way: np.ndarray, seconds: float | None = None, fps: float = 30) -> Motion:
    """The standing body moved as a whole by ``way`` (F, 3) [m]; positions only."""
    body = standing(seconds or len(way) / fps, fps)
    return Motion("moved", body.positions + way[:, None], fps)


def test_a_body_lifted_by_5_cm_floats_by_5_cm():
    got = score_motion(moved(np.tile(0.05 * UP, (120, 1))))
    assert got.floating_mm == pytest.approx(50, abs=0.1) and got.floating_share == 1
    assert got.penetration_mm == 0 and got.contact_share == 0 and got.airborne_s == pytest.approx(4)


def test_a_body_sunk_by_3_cm_penetrates_by_3_cm():
    got = score_motion(moved(np.tile(-0.03 * UP, (120, 1))))
    assert got.penetration_mm == pytest.approx(30, abs=0.1) and got.penetration_p99_mm == pytest.approx(30, abs=0.1)
    assert got.floating_mm == 0 and got.sunk_share == 1 and got.sunk_max_m == pytest.approx(0.03, abs=1e-4)


def test_penetration_is_of_the_deepest_joint_and_p99_of_its_worst_frames():
    body = standing(100 / 30)
    body.positions[:5, JOINTS.index("left_wrist"), 1] = -0.2  # 5 of 100 frames 20 cm deep: mean 1 cm, p99 20 cm
    got = score_motion(Motion("dip", body.positions))
    assert got.penetration_mm == pytest.approx(10, abs=0.1) and got.penetration_p99_mm == pytest.approx(200)
    assert got.sunk_share == 0  # no foot


def test_a_jump_does_not_float_but_hovering_does():
    t = np.arange(90) / 30
    # 0.6 s in the air, 0.441 m high, once a second
    height = np.maximum(0, 0.5 * 9.81 * (t % 1) * (0.6 - t % 1))
    jump, hover = (score_motion(moved(way)) for way in (height[:, None] * UP, np.tile(0.44 * UP, (90, 1))))
    assert height.max() == pytest.approx(0.441, abs=0.01)
    # Only the first and last frame of a flight, which the second difference smears: 2 of 30
    assert jump.floating_share < 0.1 and hover.floating_share == 1
    assert jump.airborne_s == pytest.approx(0.6, abs=0.1) and jump.contact_share == pytest.approx(0.43, abs=0.07)


def test_a_lifted_body_floats_though_it_slides():
    way = 0.05 * UP + 0.4 * np.arange(120)[:, None] / 30 * ALONG
    assert score_motion(moved(way)).floating_share == 1


def test_free_fall_is_falling_and_walking_downstairs_is_not():
    t = np.arange(30)[:, None] / 30
    assert falling(moved(-4.9 * t**2 * UP).positions)[2:-2].all()
    assert not falling(moved(-1.0 * t * UP).positions).any()
    assert falling(np.zeros((3, 22, 3))).tolist() == [False] * 3


def test_still_seconds_by_share_and_by_length():
    # 3 s still, 4 s at 0.5 m/s, 1 s still (the frame next to a start belongs to the move: 2-frame differences)
    x = np.r_[np.zeros(90), np.arange(1, 121) / 60, np.full(30, 2.0)]
    got = score_motion(moved(x[:, None] * ALONG))
    assert got.still_s == pytest.approx(3, abs=0.1) and got.frozen_s == pytest.approx(3, abs=0.1)
    assert got.still_share == pytest.approx(4 / 8, abs=0.02)
    slow = score_motion(moved(0.04 * np.arange(90)[:, None] / 30 * ALONG))
    assert (slow.still_share, slow.frozen_s) == (1, 0)


def test_jerk_of_a_pendulum():
    # x = 0.1 sin(2 pi t) at 30 Hz, 100 periods. A difference turns a sine of step w into one 2 sin(w / 2) as large:
    # the third is 0.1 x (2 sin(pi / 30))^3 = 9.137e-4 m, x 27,000 = 24.67 m/s^3 at most, x 2 / pi = 15.71 in the mean
    t = np.arange(3003) / 30
    way = 0.1 * np.sin(2 * np.pi * t)[:, None] * ALONG
    got = score_motion(moved(way))
    assert got.jerk_m_s3 == pytest.approx(15.71, rel=0.01)
    assert got.jerk_p99_m_s3 == pytest.approx(24.67, rel=0.01)
    # speed over two frames: 0.1 x sin(2 pi / 30) x 30 = 0.6237 m/s at most, 0.3971 in the mean; 15.71 / 0.3971 = 39.6
    assert got.speed_m_s == pytest.approx(0.397, rel=0.01)
    assert got.jerk_per_speed_hz2 == pytest.approx(39.6, rel=0.01)
    wider = score_motion(moved(2 * way))
    assert wider.jerk_m_s3 == pytest.approx(2 * got.jerk_m_s3)
    assert wider.jerk_per_speed_hz2 == pytest.approx(got.jerk_per_speed_hz2)
    assert wider.jitter_per_speed_ms == pytest.approx(got.jitter_per_speed_ms)


def test_jitter_is_the_distance_from_the_smoothed_path():
    # To and fro each frame by 3 mm: a Gaussian of 1.5 frames takes all of it out (exp(-pi^2 1.5^2 / 2) = 1.5e-5)
    way = (0.003 * (-1.0) ** np.arange(301))[:, None] * ALONG
    assert score_motion(moved(way)).jitter_mm == pytest.approx(3, rel=0.01)


def test_tremor_is_the_standard_deviation_of_white_tremble_whatever_moves_beneath():
    rng, t = np.random.default_rng(0), np.arange(600) / 30
    sway = 0.2 * np.sin(2 * np.pi * 0.5 * t)[:, None] * ALONG
    body = moved(sway)
    tremble = Motion("t", body.positions + 0.002 * rng.standard_normal(body.positions.shape))
    assert score_motion(tremble).tremor_mm == pytest.approx(2, rel=0.03)
    assert score_motion(body).tremor_mm < 0.1
    jumped = Motion("j", body.positions + 0.2 * (t > 10)[:, None, None])
    assert score_motion(jumped).tremor_mm == pytest.approx(score_motion(body).tremor_mm, abs=0.002)


def test_a_still_body_has_no_jerk_at_equal_speed_either():
    got = score_motion(standing(4))
    assert (got.jerk_per_speed_hz2, got.jitter_per_speed_ms, got.tremor_per_speed_ms) == pytest.approx(
        (0, 0, 0), abs=1e-9
    )


def test_sixty_hertz_is_judged_at_thirty():
    root, rotations = read_pose("salsa")
    twice = np.repeat(root, 2, axis=0), np.repeat(rotations, 2, axis=0)
    slow, fast = body_score(root, rotations, 30), body_score(*twice, 60)
    for name in ("speed_m_s", "slide_m_s", "jerk_m_s3", "jitter_mm", "tremor_mm", "floating_mm", "penetration_mm"):
        assert getattr(fast, name) == pytest.approx(getattr(slow, name))


def test_positions_alone_have_all_but_turning():
    motion = read_dance("party")
    bare = score_motion(Motion("bare", motion.positions))
    assert (bare.turn_max_rad_s, bare.turn_p999_rad_s, bare.unit_error) == (None, None, None)
    whole = score_motion(motion)
    for name in ("speed_m_s", "slide_m_s", "jerk_m_s3", "floating_mm"):
        assert getattr(bare, name) == getattr(whole, name)


def test_frames_that_are_not_finite_are_bridged_by_straight_lines():
    p = np.arange(6.0)[:, None, None] * np.ones((6, 22, 3))
    finite = np.array([0, 1, 0, 0, 1, 1], bool)
    broken = np.where(finite[:, None, None], p, np.nan)
    assert bridged(broken, finite)[:, 3, 1].tolist() == [1, 1, 2, 3, 4, 5]
    hole = moved(0.3 * np.arange(120)[:, None] / 30 * ALONG)
    hole.positions[40:60] = np.inf
    got = score_motion(hole)
    assert got.nonfinite_frames == 20 and got.speed_m_s == pytest.approx(0.3) and got.jerk_m_s3 < 1e-6


def test_nothing_is_said_of_fewer_than_8_frames():
    got = score_motion(Motion("short", standing(7 / 30).positions))
    assert np.isnan(got.speed_m_s) and np.isnan(got.floating_mm) and got.seconds == pytest.approx(7 / 30)


def test_drift_sets_the_last_minute_beside_the_first():
    t = np.arange(600 * 30) / 30
    # Sways by 0.2 m along z every 2 s, at the end half as far; sinks by 2 cm and walks off by 3 m in ten minutes.
    z = 0.2 * np.sin(np.pi * t) * np.where(t < 300, 1, 0.5)
    way = np.stack([1 + 3 * t / 600, -0.02 * t / 600, z], axis=1)
    got = drift(moved(way))
    assert got.minutes == pytest.approx(10)
    # mean speed of 0.2 sin(pi t): 0.2 x 2 / 0.5 s / 2 = 0.4 m/s, then 0.2; walking off adds 5 mm/s across it
    assert got.speed_m_s == pytest.approx((0.4, 0.2), rel=0.01) and got.speed_ratio == pytest.approx(0.5, rel=0.01)
    assert got.radius_m == pytest.approx((np.hypot(0.3, 0.2), np.hypot(3, 0.1)), abs=0.02)
    assert got.floor_mm[1] - got.floor_mm[0] == pytest.approx(-18, abs=0.5)
    # The foot is in contact all along and slides as fast as the body.
    assert got.slide_m_s == pytest.approx(got.speed_m_s, rel=0.01)
    assert drift(Motion("short", standing(100).positions)) is None


def test_windows_are_scored_one_by_one():
    motions = [read_dance(name) for name in DANCES[:2]]
    cut = windows(motions)
    table = score_windows(cut)
    third = score_motion(Motion("third", motions[0].positions[300:450]))
    assert len(cut) == 10 and all(len(column) == 10 for column in table.values())
    for name in ("slide_m_s", "jerk_per_speed_hz2", "floating_mm"):
        assert table[name][2] == getattr(third, name)
    assert "turn_max_rad_s" not in table and "speed_by_minute_m_s" not in table


def test_scores_by_field_keep_what_all_have():
    both = by_field([score_motion(read_dance("salsa")), score_motion(Motion("bare", read_dance("party").positions))])
    assert both["speed_m_s"].shape == (2,) and "unit_error" not in both
    assert "turn_max_rad_s" in by_field([score_motion(read_dance("salsa"))])
