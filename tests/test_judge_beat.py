"""Laws of the scorer: bodies whose beats are known by construction."""

from itertools import combinations, permutations

import numpy as np
import pytest

from engine.skeleton import JOINTS, MIRROR, STANDING_HIP_M, quat_from_yaw, quat_multiply, t_pose
from realtime_models.training.judge import beat as score
from realtime_models.training.judge.body import body_score, contacts

SECONDS, PERIOD_S = 40.0, 0.5
BEATS_S = np.arange(0.0, SECONDS, PERIOD_S)


def standing(seconds: float, fps: float = 30) -> tuple[np.ndarray, np.ndarray]:
    frames = round(seconds * fps)
    root = np.tile(np.array([0, STANDING_HIP_M, 0], np.float32), (frames, 1))
    return root, np.tile(t_pose(), (frames, 1, 1))


def swinging(fps: float = 30, late_s: float = 0.0, period_s: float = PERIOD_S) -> tuple[np.ndarray, np.ndarray]:
    """Arms and knees swing and turn back at every beat (plus ``late_s``): speed is zero there and nowhere else."""
    root, rotations = standing(SECONDS, fps)
    time_s = np.arange(len(root)) / fps
    angle = 0.5 * np.cos(np.pi * (time_s - late_s) / period_s)
    for name in ("left_shoulder", "right_shoulder", "spine1", "left_hip", "right_hip"):
        rotations[:, JOINTS.index(name), 0] = np.sin(angle / 2)
        rotations[:, JOINTS.index(name), 3] = np.cos(angle / 2)
    root[:, 1] += 0.05 * np.cos(2 * np.pi * (time_s - late_s) / period_s).astype(np.float32)
    return root, rotations


@pytest.mark.parametrize("fps", [30, 60])
@pytest.mark.parametrize("joints", [score.BEAT_JOINTS, score.ALL_JOINTS])
@pytest.mark.parametrize("late_s", [0.0, 0.06, -0.1])
def test_a_body_that_turns_back_on_the_beat_scores_one_with_its_lag(fps, joints, late_s):
    beats = score.motion_beats(*swinging(fps, late_s), fps, joints=joints)
    result = score.phase_concentration(beats, BEATS_S)
    assert len(beats) == pytest.approx(len(BEATS_S), abs=2)
    assert result[1.0][0] > 0.99
    assert result[1.0][1] == pytest.approx(late_s, abs=0.005)


def test_half_a_beat_later_the_lag_is_half_a_period_and_r_the_same():
    late = score.phase_concentration(score.motion_beats(*swinging(late_s=PERIOD_S / 2), 30), BEATS_S)
    assert late[1.0][0] > 0.99 and abs(late[1.0][1]) == pytest.approx(PERIOD_S / 2, abs=0.005)
    # Twice the beat cannot tell half a beat apart.
    assert late[2.0][0] > 0.97 and late[2.0][1] == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize(("period_s", "high", "low"), [(1.0, 0.5, None), (0.5, 1.0, 0.5), (0.25, 2.0, 1.0)])
def test_the_level_shows_how_often_the_body_turns_back(period_s, high, low):
    times = np.arange(0.0, SECONDS - 1, period_s)
    result = score.phase_concentration(times, BEATS_S)
    assert result[high][0] > 0.99 and result[high][1] == pytest.approx(0, abs=1e-6)
    assert low is None or result[low][0] < 0.05


def test_time_reversal_keeps_r_and_turns_the_lag():
    root, rotations = swinging(late_s=0.08)
    ahead = score.phase_concentration(score.motion_beats(root, rotations, 30), BEATS_S)
    last_s = (len(root) - 1) / 30
    back = score.phase_concentration(score.motion_beats(root[::-1], rotations[::-1], 30), last_s - BEATS_S[::-1])
    for level in score.LEVELS:
        assert back[level][0] == pytest.approx(ahead[level][0], abs=0.02)
    assert back[1.0][1] == pytest.approx(-ahead[1.0][1], abs=0.005)


def test_motion_beats_do_not_depend_on_where_the_body_stands_or_faces_nor_on_left_and_right():
    root, rotations = swinging(late_s=0.03)
    plain = score.motion_beats(root, rotations, 30)
    turned = rotations.copy()
    turned[:, 0] = quat_multiply(quat_from_yaw(np.full(len(root), 1.1)), rotations[:, 0])
    assert score.motion_beats(root + np.float32([1, 0, -2]), turned, 30) == pytest.approx(plain, abs=1e-3)
    mirrored = rotations[:, MIRROR] * np.array([1, -1, -1, 1])
    assert score.motion_beats(root * np.array([-1, 1, 1]), mirrored, 30) == pytest.approx(plain, abs=1e-3)


def test_thirty_and_sixty_hertz_find_the_same_beats():
    slow, fast = (score.motion_beats(*swinging(fps, 0.04), fps) for fps in (30, 60))
    assert score.match(slow, fast, 0.008).f1 > 0.97


def test_a_tempo_that_changes_is_followed_by_the_beat_numbers():
    beats = np.cumsum(np.linspace(0.7, 0.4, 60))
    result = score.phase_concentration(beats, beats)
    assert all(r > 0.95 for r, _ in (result[1.0], result[2.0])) and result[0.5][0] < 0.05


def test_random_minima_score_the_floor_and_seldom_pass_the_ceiling():
    rng = np.random.default_rng(5)
    n = 60
    r = [score.phase_concentration(np.sort(rng.uniform(0, 39, n)), BEATS_S)[1.0][0] for _ in range(400)]
    assert np.mean(r) == pytest.approx(score.random_floor(n), rel=0.08)
    assert np.mean(np.array(r) > score.random_ceiling(n)) == pytest.approx(0.05, abs=0.03)


def test_a_body_at_rest_has_no_motion_beats_though_it_trembles():
    root, rotations = standing(10)
    assert len(score.motion_beats(root, rotations, 30)) == 0
    tremble = 0.0002 * np.random.default_rng(0).standard_normal(root.shape)
    assert len(score.motion_beats(root + tremble, rotations, 30)) == 0


def test_no_or_one_beat_gives_zero_and_no_error():
    for beats in (np.zeros(0), np.array([1.0])):
        assert score.phase_concentration(np.array([1.0, 2.0]), beats) == dict.fromkeys(score.LEVELS, (0.0, 0.0))
        assert score.beat_score(np.array([1.0, 2.0]), beats).n == 0


def test_minima_need_depth_a_flat_bottom_counts_once_and_the_ends_do_not():
    curve = np.array([0.0, 3, 1, 1, 1, 3, 2.9, 3, 0])
    assert score.minima(curve, 0.0).tolist() == [3, 6]
    assert score.minima(curve, 0.2).tolist() == [3]
    assert score.minima(curve, 2.1).tolist() == []
    assert score.minima(np.ones(9), 0.0).tolist() == []


def test_smoothing_is_zero_phase_and_keeps_the_mean():
    x = np.zeros(41)
    x[20] = 1
    y = score.smooth(x, 2.0)
    assert y == pytest.approx(y[::-1]) and y.argmax() == 20 and y.sum() == pytest.approx(1)
    assert score.smooth(np.full((9, 2), 3.0), 4.0) == pytest.approx(np.full((9, 2), 3.0))


def largest_matching(times: list[float], beats: list[float], within: float) -> int:
    for size in range(min(len(times), len(beats)), 0, -1):
        for some in combinations(times, size):
            orders = (zip(some, order, strict=True) for order in permutations(beats, size))
            if any(all(abs(a - b) <= within for a, b in pairs) for pairs in orders):
                return size
    return 0


def test_matching_is_the_largest_one_to_one():
    rng = np.random.default_rng(1)
    for _ in range(60):
        times, beats = np.sort(rng.uniform(0, 3, 4)), np.sort(rng.uniform(0, 3, 5))
        found = score.match(times, beats, 0.3)
        inside = [t for t in times if beats[0] - 0.3 <= t <= beats[-1] + 0.3]
        assert found.hits == largest_matching(inside, list(beats), 0.3)
    two_at_one = score.match(np.array([1.0, 1.02]), np.array([0.0, 1.0, 2.0]))
    assert (two_at_one.precision, two_at_one.recall, two_at_one.f1) == pytest.approx((1 / 2, 1 / 3, 2 / 5))


def test_other_levels_of_a_grid():
    beats = np.array([0.0, 1, 2, 4, 6])
    assert score.grid_at(beats, 2).tolist() == [0, 0.5, 1, 1.5, 2, 3, 4, 5, 6]
    assert score.grid_at(beats, 0.5).tolist() == [0, 2, 6]
    assert score.grid_at(beats, 0.5, offset=1).tolist() == [1, 4]


def test_pooled_scores_are_the_score_of_the_pool():
    rng = np.random.default_rng(2)
    parts = [np.sort(rng.choice(BEATS_S, 30, replace=False) + rng.normal(0, 0.05, 30)) for _ in range(3)]
    parts = [np.clip(p, 0, BEATS_S[-1]) for p in parts]
    together = score.pooled([score.beat_score(p, BEATS_S) for p in parts])
    every = np.concatenate(parts)
    assert together.n == 90
    assert together.r(1.0) == pytest.approx(score.phase_concentration(every, BEATS_S)[1.0][0])
    assert together.minima_per_beat == pytest.approx(90 / (3 * (len(BEATS_S) - 1)))


def test_the_lead_in_is_not_scored():
    assert score.beat_score(BEATS_S, BEATS_S, from_s=5.0).n == (BEATS_S >= 5).sum()


def test_a_standing_body_is_on_the_floor_and_still():
    got = body_score(*standing(4), 30)
    assert (got.standing_share, got.floor_within_2cm, got.contact_share) == (1, 1, 1)
    assert abs(got.floor_median_m) < 0.002
    for zero in (got.slide_m_s, got.speed_m_s, got.jerk_m_s3, got.sunk_share, got.stage_radius_m, got.unit_error):
        assert zero == pytest.approx(0, abs=1e-5)
    assert got.frozen_s == pytest.approx(4)


@pytest.mark.parametrize(("lift_m", "within", "sunk"), [(0.1, 0, 0), (-0.05, 0, 1), (0.01, 1, 0)])
def test_floating_and_sinking_show(lift_m, within, sunk):
    root, rotations = standing(4)
    got = body_score(root + np.float32([0, lift_m, 0]), rotations, 30)
    assert got.floor_median_m == pytest.approx(lift_m, abs=0.002)
    assert (got.floor_within_2cm, got.sunk_share) == (within, sunk)


@pytest.mark.parametrize("fps", [30, 60])
def test_a_body_pushed_over_the_floor_slides_at_its_speed(fps):
    root, rotations = standing(4, fps)
    root[:, 0] = 0.3 * np.arange(len(root)) / fps
    got = body_score(root, rotations, fps)
    assert got.slide_m_s == pytest.approx(0.3, rel=0.02)
    assert got.speed_m_s == pytest.approx(0.3, rel=0.02) and got.speed_relative_m_s == pytest.approx(0, abs=1e-6)
    assert got.stage_radius_m == pytest.approx(0.3 * (4 - 1 / fps), rel=1e-3)
    assert got.jerk_m_s3 < 0.05


def test_contact_lasts_a_tenth_of_a_second():
    heights = np.full((12, 2), 0.5)
    heights[1:3, 0] = heights[5:8, 0] = 0.01
    assert np.flatnonzero(contacts(heights, 30)[:, 0]).tolist() == [5, 6, 7]
    assert not contacts(heights, 30)[:, 1].any()


def test_jerk_of_a_known_path_and_speed_by_the_minute():
    root, rotations = standing(90)
    time_s = np.arange(len(root)) / 30
    root = root.astype(np.float64)
    root[:, 0] = 0.5 * time_s**3 / 100
    got = body_score(root, rotations, 30)
    assert got.jerk_m_s3 == pytest.approx(0.03, rel=1e-3)
    assert len(got.speed_by_minute_m_s) == 2 and got.speed_by_minute_m_s[1] > got.speed_by_minute_m_s[0]


def test_frames_that_are_not_finite_are_counted():
    root, rotations = standing(4)
    root[7] = np.nan
    rotations[30, 3, 1] = np.inf
    got = body_score(root, rotations, 30)
    assert got.nonfinite_frames == 2 and got.floor_within_2cm == 1
    assert np.isnan(body_score(root * np.nan, rotations, 30).speed_m_s)


def test_a_turn_is_measured():
    root, rotations = standing(4)
    rotations[60:, 16] = quat_from_yaw(0.5)
    assert body_score(root, rotations, 30).turn_max_rad_s == pytest.approx(15, rel=1e-3)
