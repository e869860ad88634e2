"""Cleaning of training motion, on a made-up body whose faults are known."""

import numpy as np
import pytest

from engine.skeleton import JOINTS, quat_from_yaw, quat_multiply
from realtime_models.training.bursts import Burst, find_bursts, hermite, joints_of, mend, quat_exp, quat_log
from realtime_models.training.clean import ALL, Steps, change_m, clean, look
from realtime_models.training.data import Clip
from realtime_models.training.judge.beat import motion_beats
from realtime_models.training.judge.contact import FEET
from realtime_models.training.steady import filtered, floor_shift_m, standing, without_slide
from tests.dance_clips import DANCES, read_pose

FPS = 30
FRAMES = 240
FLAT = np.array([1.0, 0.0, 1.0])


def about(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotations (F, 4) about one axis by angles (F,)."""
    vectors = np.zeros((len(angle), 3))
    vectors[:, axis] = angle
    return quat_exp(vectors)


def body(frames: int = FRAMES) -> Clip:
    """Arms that swing at 1 Hz and knees bent a little over two feet that stand still: nothing to clean."""
    t = np.arange(frames) / FPS
    rotations = np.zeros((frames, len(JOINTS), 4))
    rotations[..., 3] = 1
    swing = np.sin(2 * np.pi * t)
    for side, sign in (("left", 1), ("right", -1)):
        rotations[:, JOINTS.index(f"{side}_shoulder")] = about(2, -sign * 1.2 + 0.5 * sign * swing)
        rotations[:, JOINTS.index(f"{side}_hip")] = about(0, np.full(frames, -0.4))
        rotations[:, JOINTS.index(f"{side}_knee")] = about(0, np.full(frames, 0.8))
        rotations[:, JOINTS.index(f"{side}_ankle")] = about(0, np.full(frames, -0.4))
    rotations[:, JOINTS.index("spine2")] = about(1, 0.3 * np.sin(np.pi * t))
    root = np.zeros((frames, 3))
    root[:, 1] = -joints_of(root, rotations)[:, FEET, 1].min(axis=1)
    return Clip(
        "made up", "pop", True, "train", root.astype(np.float32), rotations.astype(np.float32), np.zeros(0, int)
    )


def changed(clip: Clip, root: np.ndarray | None = None, rotations: np.ndarray | None = None) -> Clip:
    return Clip(
        clip.name, clip.style, clip.is_dance, clip.split, clip.root if root is None else root.astype(np.float32),
        clip.rotations if rotations is None else rotations.astype(np.float32), clip.bad_frames,
    )  # fmt: skip


def off_mm(a: Clip, b: Clip) -> np.ndarray:
    """Distance (F, 22) [mm] of joints."""
    return 1000 * np.linalg.norm(joints_of(a.root, a.rotations) - joints_of(b.root, b.rotations), axis=-1)


def test_a_clean_body_stays_as_it_is():
    clip = body()
    done = clean(clip)
    assert off_mm(clip, done.clip).max() < 1.0
    assert not done.bridged and not done.left and not done.refused and done.floor_m == 0.0
    assert len(done.clip.bad_frames) == 0


@pytest.mark.parametrize("name", DANCES)
def test_a_real_dance_keeps_its_beats_through_bursts_and_tremor(name):
    root, rotations = read_pose(name)
    clip = Clip(name, "pop", True, "train", root, rotations, np.zeros(0, int))
    after = clean(clip, Steps(floor=False, feet=False)).clip
    before_s, after_s = (motion_beats(c.root, c.rotations, FPS) for c in (clip, after))
    gap_s = np.abs(before_s[:, None] - after_s).min(axis=1)
    assert np.median(gap_s) < 0.002 and (gap_s > 0.02).mean() < 0.05
    assert change_m(clip, after) < 0.003


def test_a_burst_of_10_cm_for_two_frames_is_bridged():
    clip = body()
    root = clip.root.copy()
    root[100:102] += np.array([0.0, 0.06, 0.08], np.float32)
    done = clean(changed(clip, root), Steps(tremor=False, floor=False, feet=False))
    assert [b for b in done.bridged if b.first <= 100 and b.last >= 101]
    assert off_mm(clip, done.clip).max() < 15.0
    assert not done.left


def test_a_joint_that_flips_for_two_frames_is_bridged():
    clip = body()
    rotations, shoulder = clip.rotations.copy(), JOINTS.index("left_shoulder")
    rotations[60:62, shoulder] = quat_multiply(rotations[60:62, shoulder], quat_from_yaw(2.0))
    done = clean(changed(clip, rotations=rotations), Steps(tremor=False, floor=False, feet=False))
    assert done.bridged and off_mm(clip, done.clip).max() < 30.0


def test_a_long_burst_is_named_and_not_made_up():
    clip = body()
    root = clip.root.copy()
    root[100:120] += np.random.default_rng(0).normal(0, 0.08, (20, 3)).astype(np.float32)
    done = clean(changed(clip, root), Steps(tremor=False, floor=False, feet=False))
    assert set(range(101, 119)) <= set(done.clip.bad_frames.tolist())
    np.testing.assert_array_equal(done.clip.root, root)


def test_bridged_frames_are_no_longer_bad_and_others_are():
    clip = body()
    root = clip.root.copy()
    root[100] += np.array([0.1, 0, 0], np.float32)
    flawed = Clip(clip.name, "pop", True, "train", root, clip.rotations, np.array([30, 100, 101]))
    assert clean(flawed).clip.bad_frames.tolist() == [30]


def test_a_leap_is_no_burst():
    """30 cm up and down in .8 s, pushed off and landed at 9 m/s²."""
    clip = body()
    root = clip.root.copy()
    root[100:125, 1] += (0.3 * np.sin(np.linspace(0, np.pi, 25)) ** 2).astype(np.float32)
    assert find_bursts(root, clip.rotations) == []


def test_tremor_of_1_mm_goes_and_the_swing_stays():
    clip = body()
    rng = np.random.default_rng(1)
    shaken = changed(clip, clip.root + rng.normal(0, 0.001, clip.root.shape))
    done = clean(shaken, Steps(floor=False, feet=False))
    before, after = look([shaken]).values["tremble mm"], look([done.clip]).values["tremble mm"]
    assert before > 0.8 and after < 0.55 * before
    span = np.ptp(joints_of(clip.root, clip.rotations)[:, 20], axis=0).max()
    assert abs(np.ptp(joints_of(done.clip.root, done.clip.rotations)[:, 20], axis=0).max() - span) < 0.01


def test_the_low_pass_keeps_what_a_body_does_and_not_what_a_camera_does():
    t = np.arange(300) / FPS
    for hz, low, high in ((2, 0.99, 1.01), (5, 0.95, 1.05), (6.5, 0.85, 1.05), (12, 0.0, 0.1), (14, 0.0, 0.05)):
        wave = np.sin(2 * np.pi * hz * t)
        gain = np.std(filtered(wave[:, None])[50:250]) / np.std(wave[50:250])
        assert low <= gain <= high, hz


def test_a_floor_offset_is_found():
    clip = body()
    raised = changed(clip, clip.root + np.array([0, 0.04, 0], np.float32))
    done = clean(raised)
    assert done.floor_m == pytest.approx(-0.04, abs=0.002)
    assert abs(np.median(joints_of(done.clip.root, done.clip.rotations)[:, FEET, 1])) < 0.002


def test_a_floor_is_not_fitted_to_a_body_that_never_rests():
    clip = body()
    running = joints_of(clip.root + np.arange(FRAMES)[:, None] * np.array([0, 0, 0.05]) + [0, 0.05, 0], clip.rotations)
    assert floor_shift_m(running) == 0.0


def test_a_path_that_carries_standing_feet_along_is_held():
    clip = body()
    drift = np.zeros((FRAMES, 3))
    drift[:, 0] = 0.05 * np.arange(FRAMES) / FPS  # 5 cm/s
    slid = changed(clip, clip.root + drift)
    before, after = look([slid]).values, look([clean(slid).clip]).values
    assert before["slide"] == pytest.approx(0.05, abs=0.005) and after["slide"] < 0.012
    assert after["jerk/speed"] * after["speed"] < 1.05 * before["jerk/speed"] * before["speed"]


def test_one_sliding_foot_is_held_by_its_leg_and_its_sole_keeps_its_direction():
    clip = body()
    rotations = clip.rotations.copy()
    by = 0.06 * np.sin(np.pi * np.arange(FRAMES) / FRAMES)  # out and back, at most 2 cm/s
    for joint, sign in (("left_hip", 1), ("left_ankle", -1)):
        at = JOINTS.index(joint)
        rotations[:, at] = quat_multiply(rotations[:, at].astype(float), about(0, sign * by))
    slid = changed(clip, rotations=rotations)
    root, turned = without_slide(slid.root, slid.rotations)
    feet = [joints_of(r, q)[:, FEET[0]] for r, q in ((slid.root, slid.rotations), (root, turned))]
    travelled = [np.linalg.norm(np.diff(f * FLAT, axis=0), axis=-1).sum() for f in feet]
    assert travelled[1] < 0.5 * travelled[0]
    np.testing.assert_allclose(np.linalg.norm(turned, axis=-1), 1.0, atol=1e-6)


def test_a_step_is_not_held():
    """A foot that swings a step's length lands where it did, beside the foot that stood."""
    clip = body()
    rotations = clip.rotations.copy()
    lift = np.zeros(FRAMES)
    lift[100:130] = np.sin(np.linspace(0, np.pi, 30)) ** 2
    rotations[:, 1] = quat_multiply(rotations[:, 1].astype(float), about(0, -0.8 * lift))
    rotations[:, 4] = quat_multiply(rotations[:, 4].astype(float), about(0, 1.0 * lift))
    done = clean(changed(clip, rotations=rotations)).clip
    toes = [joints_of(r, q)[:, FEET[0]] for r, q in ((clip.root, rotations), (done.root, done.rotations))]
    assert np.abs(toes[0] - toes[1]).max() < 0.02
    assert toes[1][:, 1].max() > 0.9 * toes[0][:, 1].max()


def test_frames_deep_under_the_floor_are_not_used():
    clip = body()
    root = clip.root.copy()
    root[100:130, 1] -= (0.15 * np.sin(np.linspace(0, np.pi, 30)) ** 2).astype(np.float32)
    bad = clean(changed(clip, root)).clip.bad_frames
    assert 115 in bad and bad.min() > 100 and bad.max() < 130


def test_standing_needs_height_and_stillness():
    toes = np.zeros((30, 2, 3))
    toes[:, 1, 1] = 0.1
    assert standing(toes)[:, 0].min() == 1.0 and standing(toes)[:, 1].max() == 0.0
    toes[:, 0, 0] = 0.02 * np.arange(30)
    assert standing(toes)[:, 0].max() == 0.0


def test_a_step_that_changes_too_much_is_refused(monkeypatch):
    clip = body()
    monkeypatch.setattr("realtime_models.training.clean.without_tremor", lambda root, q: (root, np.roll(q, 8, axis=0)))
    done = clean(clip, Steps(floor=False, feet=False))
    assert done.refused == ("tremor",)
    np.testing.assert_array_equal(done.clip.rotations, clip.rotations)


def test_cleaning_twice_is_cleaning_once_but_for_millimetres():
    root, rotations = read_pose("salsa")
    clip = Clip("salsa", "salsa", True, "train", root, rotations, np.zeros(0, int))
    once = clean(clip, ALL).clip
    assert change_m(once, clean(once, ALL).clip) < 0.005


def test_short_clips_pass():
    clip = body(5)
    assert len(clean(clip).clip.root) == 5


def test_logarithms_and_cubics():
    rng = np.random.default_rng(2)
    v = rng.normal(0, 0.8, (50, 3))
    np.testing.assert_allclose(quat_log(quat_exp(v)), v, atol=1e-9)
    cubic = np.arange(20.0)[:, None] ** 2
    np.testing.assert_allclose(hermite(cubic, 8, 12)[9:12], cubic[9:12], atol=4.0)
    line = 3.0 * np.arange(20.0)[:, None]
    np.testing.assert_allclose(hermite(line, 8, 12), line, atol=1e-9)


def test_a_burst_at_the_ends_takes_the_nearest_pose():
    clip = body()
    root = clip.root.copy()
    root[-2:] += np.array([0.2, 0, 0], np.float32)
    mended, _, bridged, _ = mend(root, clip.rotations)
    assert bridged and bridged[-1].last == FRAMES - 1 and isinstance(bridged[-1], Burst)
    assert np.abs(mended - clip.root).max() < 0.01
