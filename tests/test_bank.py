"""The training bank: variants, splices, and what is kept in a folder. Made-up clips that dance on a known beat."""

from dataclasses import replace

import numpy as np
import pytest

from engine.skeleton import JOINTS, quat_from_yaw, quat_multiply
from realtime_models.training import bank as bank_module
from realtime_models.training.bank import PLAIN, SPEEDS, Variety, bank_key, build_bank, make_clips
from realtime_models.training.bank_report import minutes_lines, refused_line, windows_of
from realtime_models.training.bursts import joints_of, quat_exp, quat_log
from realtime_models.training.clean import look
from realtime_models.training.data import FPS, Clip
from realtime_models.training.judge.contact import FEET
from realtime_models.training.splice import (
    UPPER,
    Refused,
    balance_limit_m,
    hands_inside,
    imbalance_m,
    middle_of_mass,
    off_support_m,
    splices,
    stretch,
    upper_on_lower,
    verdict,
)
from realtime_models.training.vary import ARMS, amplify, mean_rotation, scaled_joint
from tests.dance_clips import read_pose

LOWER = tuple(j for j in range(22) if j not in UPPER)


def about(axis: int, angle: np.ndarray) -> np.ndarray:
    vectors = np.zeros((len(angle), 3))
    vectors[:, axis] = angle
    return quat_exp(vectors)


def dancer(name: str, bpm: float, *, arms: float = 0.5, seconds: float = 20.0, style: str = "pop") -> Clip:
    """Knees that bend and arms that swing and stop on every beat, with its beats."""
    frames = int(seconds * FPS)
    t = np.arange(frames) / FPS
    rotations = np.zeros((frames, len(JOINTS), 4))
    rotations[..., 3] = 1
    swing = np.cos(np.pi * t * bpm / 60)  # stands still at its turning points: on each beat
    bend = 0.5 + 0.2 * swing
    for side, sign in (("left", 1), ("right", -1)):
        rotations[:, JOINTS.index(f"{side}_shoulder")] = about(2, -sign * 0.9 + 0.6 * arms * sign * swing)
        for joint, angle in (("hip", -bend), ("knee", 2 * bend), ("ankle", -bend)):
            rotations[:, JOINTS.index(f"{side}_{joint}")] = about(0, angle)
    root = np.zeros((frames, 3))
    root[:, 1] = -joints_of(root, rotations)[:, FEET, 1].min(axis=1)
    beats_s = np.arange(0, seconds - 0.1, 60 / bpm)
    root, rotations = root.astype(np.float32), rotations.astype(np.float32)
    return Clip(name, style, True, "train", root, rotations, np.zeros(0, int), beats_s, 0.9)


def still(clip: Clip) -> np.ndarray:
    return joints_of(clip.root, clip.rotations)


def test_a_splice_keeps_the_local_rotations_of_both_halves():
    upper, lower = dancer("a", 110, arms=0.9), dancer("b", 110)
    where = stretch(upper, lower, 4, 2, beats=8)
    made, played = upper_on_lower(upper, lower, where)
    part = where.part
    assert part.start == int(np.ceil(lower.beats_s[2] * FPS)) and len(made.beats_s) >= 8
    np.testing.assert_array_equal(made.rotations[:, LOWER], lower.rotations[part][:, LOWER])
    np.testing.assert_array_equal(made.rotations[:, UPPER], played.rotations[:, UPPER])
    np.testing.assert_array_equal(made.root, lower.root[part])
    assert {*LOWER} | {*UPPER} == set(range(22))


def test_the_upper_body_is_played_so_that_its_beats_fall_on_the_lower_ones():
    upper, lower = dancer("a", 120, arms=0.9), dancer("b", 100)
    made, _ = upper_on_lower(upper, lower, stretch(upper, lower, 2, 0, beats=12))
    wrist = still(made)[:, 20] - still(made)[:, 0]
    speed = np.linalg.norm(np.gradient(wrist, axis=0), axis=-1)
    at = np.round(made.beats_s[1:-1] * FPS).astype(int)
    assert speed[at].mean() < 0.35 * speed.mean()


def test_beats_too_far_apart_are_not_joined():
    assert stretch(dancer("a", 160), dancer("b", 100), 0, 0) is None
    assert stretch(dancer("a", 100, seconds=5), dancer("b", 100), 0, 0) is None


def leaning(clip: Clip) -> Clip:
    """The left foot lifted and the trunk bent to its side: nobody stands so."""
    rotations = clip.rotations.copy()
    for name, axis, rad in (("left_hip", 0, -1.2), ("left_knee", 0, 1.2), ("spine1", 2, -0.8)):
        rotations[:, JOINTS.index(name)] = about(axis, np.full(len(rotations), rad))
    return replace(clip, rotations=rotations)


def test_a_body_over_its_feet_is_in_balance_and_a_leaning_one_is_refused():
    clip = dancer("a", 110)
    assert imbalance_m(still(clip)) < 0.01
    bent = leaning(clip)
    assert imbalance_m(still(bent)) > 0.05
    assert verdict(bent, clip, still(clip), 0.01) is Refused.BALANCE
    assert verdict(clip, clip, still(clip), 0.01) is None


def test_between_two_feet_is_support_beside_one_is_not_and_in_the_air_nothing_is_said():
    joints = still(dancer("a", 110, seconds=1.0))
    apart = joints.copy()
    apart[:, [7, 10], 0] += 0.3
    apart[:, [8, 11], 0] -= 0.3
    assert off_support_m(apart).max() == 0.0
    one = apart.copy()
    one[:, 11, 1] = 0.5
    assert off_support_m(one).min() > 0.2
    assert np.isnan(off_support_m(joints + [0, 1.0, 0])).all()


def test_the_middle_of_mass_lies_in_the_body():
    joints = still(dancer("a", 110, seconds=1.0))
    middle = middle_of_mass(joints)
    assert (np.abs(middle[:, 0]) < 0.01).all()
    assert ((middle[:, 1] > joints[:, 4, 1]) & (middle[:, 1] < joints[:, 12, 1])).all()


def test_hands_in_the_trunk_are_seen_and_refused():
    clip = dancer("a", 110)
    assert hands_inside(still(clip)) == 0.0
    rotations = clip.rotations.copy()
    for joint, rad in (("left_shoulder", -1.4), ("left_elbow", -1.3)):
        rotations[:, JOINTS.index(joint)] = about(2, np.full(len(rotations), rad))
    inward = replace(clip, rotations=rotations)
    assert hands_inside(still(inward)) > 0.5
    assert verdict(inward, clip, still(clip), 1.0) is Refused.HANDS


def test_halves_that_turn_apart_bad_frames_and_lost_beats_are_refused():
    clip = dancer("a", 110)
    turned = clip.rotations.copy()
    turned[:, 0] = quat_multiply(quat_from_yaw(np.linspace(0, 3.0, len(turned))), turned[:, 0].astype(float))
    assert verdict(clip, replace(clip, rotations=turned), still(clip), 1.0) is Refused.YAW
    assert verdict(replace(clip, bad_frames=np.array([3])), clip, still(clip), 1.0) is Refused.BAD
    assert verdict(replace(clip, fit=0.1), clip, still(clip), 1.0) is Refused.BEAT


def test_splices_are_the_same_for_the_same_seed_and_count_what_was_refused():
    pool = [dancer("a", 110, arms=0.9), dancer("b", 104), dancer("c", 112, arms=0.2, style="salsa")]
    first, again, other = (splices(pool, 1500, seed) for seed in (3, 3, 4))
    assert len(first.clips) >= 5 and sum(len(c.root) for c in first.clips) >= 1500
    assert first.tried == len(first.clips) + sum(first.refused.values())
    assert [c.name for c in first.clips] == [c.name for c in again.clips] != [c.name for c in other.clips]
    np.testing.assert_array_equal(first.clips[0].rotations, again.clips[0].rotations)
    for clip in first.clips:
        upper, lower = clip.name.split(" on ")
        assert upper != lower
        assert clip.style == ("pop" if "c" not in (upper, lower) else "any")


def test_splices_need_two_takes_with_beats():
    assert splices([dancer("a", 110)], 1000, 1).clips == ()
    assert splices([replace(dancer(n, 110), fit=0.1) for n in "ab"], 1000, 1).clips == ()


def test_real_stretches_set_the_limit():
    assert balance_limit_m([dancer("a", 110)]) < 0.01
    assert balance_limit_m([leaning(dancer("a", 110))]) > 0.05


@pytest.mark.parametrize("factor", [0.85, 1.15])
@pytest.mark.parametrize("name", ["salsa", "broadway"])
def test_amplitude_scales_arms_and_steps_and_leaves_feet_on_the_floor(name, factor):
    root, rotations = read_pose(name)
    clip = Clip(name, "pop", True, "train", root.astype(np.float32), rotations.astype(np.float32), np.zeros(0, int))
    made = amplify(clip, factor)
    before, after = still(clip), still(made)
    assert np.abs(before[:, FEET, 1] - after[:, FEET, 1]).max() < 0.03
    assert np.median(np.abs(before[:, FEET, 1] - after[:, FEET, 1])) < 0.002
    old, new = look([clip]).values, look([made]).values
    assert new["slide"] < 1.2 * max(factor, 1.0) * old["slide"]
    assert new["jerk/speed"] < 1.25 * old["jerk/speed"]
    reach = [
        np.linalg.norm((j[:, 20] - j[:, 0]) - (j[:, 20] - j[:, 0]).mean(axis=0), axis=-1).mean()
        for j in (before, after)
    ]
    assert (reach[1] > reach[0]) == (factor > 1)
    others = [j for j in range(22) if j not in (*ARMS, 1, 2, 4, 5, 7, 8)]
    np.testing.assert_allclose(made.rotations[:, others], clip.rotations[:, others], atol=1e-6)


def test_a_joint_is_scaled_about_its_mean_and_one_that_turns_round_is_left():
    q = about(1, 0.4 * np.sin(np.linspace(0, 20 * np.pi, 600)) + 0.3)
    np.testing.assert_allclose(np.abs(mean_rotation(q) @ about(1, np.array([0.3]))[0]), 1.0, atol=1e-3)
    assert np.ptp(quat_log(scaled_joint(q, 1.15))[:, 1]) == pytest.approx(0.8 * 1.15, rel=0.02)
    whole = about(1, np.linspace(0, 2 * np.pi, 100))
    np.testing.assert_array_equal(scaled_joint(whole, 1.15), whole)


@pytest.fixture(scope="module")
def two() -> list[Clip]:
    return [dancer("a", 110, arms=0.9), dancer("b", 104)]


def test_a_plain_bank_is_as_it_was_each_clip_both_ways_at_each_speed(two):
    bank = build_bank(two)
    assert len(bank) == 2 * 2 * 2 * len(SPEEDS)
    assert {e.clip.name for e in bank} == {"a", "b"}
    assert len(build_bank(two, speeds=(1.0,))) == 8
    assert len(build_bank(two, speeds=(1.0,), variety=Variety(mirrored=False))) == 4
    assert build_bank(two, shortest_s=30.0) == []
    for entry in bank:
        assert entry.features.shape == (len(entry.clip.root), 126) and entry.valid.all()


def test_a_rich_bank_has_larger_and_smaller_dances_and_splices_within_its_budget(two, monkeypatch):
    rich = Variety(amplitudes=(0.85, 1.15), splice_minutes=0.5)
    made = make_clips(two, SPEEDS, rich)
    assert len(made.groups["own"]) == len(made.groups["mirrored"]) == 4
    assert len(made.groups["amplitudes"]) == 16 and not made.groups["speeds"]
    assert made.groups["splices"] and len(made.groups["splices"]) == 2 * len(made.splices.clips)
    plain = make_clips(two, SPEEDS, PLAIN)
    for a, b in zip(made.groups["own"], plain.groups["own"], strict=True):
        np.testing.assert_array_equal(a.rotations, b.rotations)
    monkeypatch.setattr(bank_module, "FRAMES_MOST", sum(len(c.root) for c in plain.clips))
    assert not make_clips(two, SPEEDS, rich).groups["splices"]


def test_a_kept_bank_comes_back_as_it_was_and_not_for_other_options(two, tmp_path, monkeypatch):
    first = build_bank(two, speeds=(1.0,), folder=tmp_path)
    monkeypatch.setattr(bank_module, "make_clips", lambda *_: pytest.fail("made again"))
    again = build_bank(two, speeds=(1.0,), folder=tmp_path)
    for a, b in zip(first, again, strict=True):
        assert (a.clip.name, a.clip.style, a.clip.fit, a.weight) == (b.clip.name, b.clip.style, b.clip.fit, b.weight)
        for x, y in ((a.features, b.features), (a.valid, b.valid), (a.clip.beats_s, b.clip.beats_s),
                     (a.clip.rotations, b.clip.rotations), (a.clip.bad_frames, b.clip.bad_frames)):  # fmt: skip
            np.testing.assert_array_equal(x, y)
    keys = {bank_key(clips, speeds, cleaned, variety) for clips, speeds, cleaned, variety in (
        (two, (1.0,), True, PLAIN), (two[:1], (1.0,), True, PLAIN), (two, SPEEDS, True, PLAIN),
        (two, (1.0,), False, PLAIN), (two, (1.0,), True, Variety(seed=2)))}  # fmt: skip
    assert len(keys) == 5


def test_half_a_kept_bank_is_made_again(two, tmp_path):
    build_bank(two, speeds=(1.0,), folder=tmp_path)
    (index,) = tmp_path.glob("*/index.json")
    index.unlink()
    assert len(build_bank(two, speeds=(1.0,), folder=tmp_path)) == 8
    assert index.is_file()


def test_the_report_counts_minutes_by_style_and_what_was_refused(two):
    made = make_clips(two, (1.0,), Variety(splice_minutes=0.3))
    head, pop = minutes_lines(two, made)
    assert head.split()[:2] == ["style", "clips"] and pop.split()[0] == "pop"
    assert float(pop.split()[1]) == pytest.approx(40 / 60, abs=0.05)
    assert f"{made.splices.tried} tried, {len(made.splices.clips)} kept" in refused_line(made)
    assert len(windows_of(two, 100)) == 8
