"""The motion graph: its distance, what is connected, and the dance on the beat, within its limits."""

from dataclasses import replace

import numpy as np
import pytest
from dance_clips import DANCES, read_pose

from engine.skeleton import JOINTS, STANDING_HIP_M, quat_from_yaw, quat_multiply, t_pose
from realtime_models.training.judge import beat as score
from realtime_models.training.judge.beat import joint_positions
from realtime_models.training.judge.systems.clips import turned_and_moved
from realtime_models.training.judge.systems.clips_on_grid import Loop
from realtime_models.training.judge.systems.motion_graph import (
    Transitions,
    build,
    sparse,
    strongly_connected,
    transitions,
    twist_rad,
)
from realtime_models.training.judge.systems.point_cloud import (
    HALF_BLEND,
    REACH,
    clouds,
    near_minima,
    paired,
    square_distances,
)
from realtime_models.training.judge.systems.walk import STAGE_M, axis_at, dance, find_walk, perform, stays

BEATS_S = np.arange(0.4, 40, 0.52)


def swing(period_s: float, seconds: float = 20, phase: float = 0.0, drift_m_s: float = 0.0) -> Loop:
    """A made-up clip whose arms turn back every ``period_s``."""
    frames = round(seconds * 30)
    root = np.tile(np.array([0, STANDING_HIP_M, 0], np.float32), (frames, 1))
    root[:, 2] += drift_m_s * np.arange(frames) / 30
    rotations = np.tile(t_pose(), (frames, 1, 1))
    angle = 0.7 * np.cos(np.pi * (np.arange(frames) / 30 / period_s + phase))
    for name in ("left_shoulder", "right_shoulder"):
        rotations[:, JOINTS.index(name), 2] = np.sin(angle / 2)
        rotations[:, JOINTS.index(name), 3] = np.cos(angle / 2)
    return Loop(f"swing {period_s} {phase}", root, rotations, 1 / period_s, np.zeros(0))


@pytest.fixture(scope="module")
def made_up():
    loops = (swing(0.5, 9), swing(0.55, 9, phase=0.3), swing(0.6, 9, drift_m_s=0.1), swing(0.47, 9, drift_m_s=-0.1))
    return build(loops)


@pytest.fixture(scope="module")
def danced():
    takes = [Loop(name, *read_pose(name), 1.0, np.zeros(0)) for name in DANCES]
    return build(takes, 0.13)


def test_distance_of_a_clip_from_itself_elsewhere_is_nothing_and_the_way_back_is_found():
    root, rotations = read_pose("salsa")
    yaw_rad, shift = 0.9, np.array([1.5, 0.0, -0.7])
    moved = turned_and_moved(root, rotations, yaw_rad, shift)
    frames = np.array([40, 300, 601])
    here, there = clouds(joint_positions(root, rotations), frames), clouds(joint_positions(*moved), frames)
    distance_m, laid_rad, laid = paired(there, here)
    assert distance_m == pytest.approx(np.zeros(3), abs=2e-3)
    assert laid_rad == pytest.approx(np.full(3, yaw_rad), abs=1e-4)
    assert laid.imag == pytest.approx(np.full(3, shift[0]), abs=1e-3)
    assert laid.real == pytest.approx(np.full(3, shift[2]), abs=1e-3)


def test_distance_by_hand():
    """All points 3 cm higher: 0.03 m; one wrist (weight 1 of 16) 0.4 m to the side, the rest where it is.

    By hand for the wrist: the best shift takes the weighted mean (0.4/16) away, so what is left is the variance
    0.4^2 (1/16)(15/16) = 0.009375 m^2; without turning that is 0.0968 m. A turn may only make it smaller.
    """
    body = np.tile(joint_positions(np.array([[0, 1.0, 0]]), t_pose()[None]), (2 * REACH + 1, 1, 1))
    higher, aside = body.copy(), body.copy()
    higher[..., 1] += 0.03
    aside[:, JOINTS.index("left_wrist"), 0] += 0.4
    a, b, c = (clouds(p, np.array([REACH])) for p in (body, higher, aside))
    assert paired(a, b)[0] == pytest.approx([0.03], abs=1e-4)
    # A T-pose has its wrist at z = -0.0 next to the shoulder's line: a turn cannot bring it any nearer.
    assert paired(a, c)[0] == pytest.approx([np.sqrt(0.009375)], rel=0.02)
    assert square_distances(a, b)[0, 0] == pytest.approx(0.0009, abs=1e-5)


def test_no_turn_is_better_than_the_one_found():
    root, rotations = read_pose("broadway")
    positions = joint_positions(root, rotations)
    a, b = clouds(positions, np.array([100])), clouds(positions, np.array([400]))
    distance_m, yaw_rad, _ = paired(a, b)
    by_turn = []
    for turn in np.linspace(-np.pi, np.pi, 721):
        floor = a.floor - np.exp(1j * turn) * b.floor
        by_turn.append(np.sqrt((np.abs(floor) ** 2).sum() + ((a.height - b.height) ** 2).sum()))
    assert distance_m[0] == pytest.approx(min(by_turn), abs=1e-4)
    assert yaw_rad[0] == pytest.approx(np.linspace(-np.pi, np.pi, 721)[int(np.argmin(by_turn))], abs=0.01)


def test_near_minima_are_the_repetitions_of_a_periodic_clip():
    positions = joint_positions(swing(0.5, 6).root, swing(0.5, 6).rotations)
    moments = clouds(positions, np.arange(REACH, len(positions) - REACH))
    first, second = near_minima(moments, 0.02)
    assert len(first) and (second > first).all()
    # A swing to and fro takes 1 s = 30 frames; turned back at an end the clip is its own mirror in time, so the
    # distance is also small around frames that lie the same way off a turning point, there and back.
    gaps = (second - first)[np.abs((first + REACH) % 15 - 7) <= 2]  # in mid-swing only the period is a way
    assert len(gaps) > 5 and set(np.round(gaps / 30, 1)) <= {1.0, 2.0, 3.0, 4.0, 5.0}


def test_moments_need_room():
    with pytest.raises(ValueError, match="reaches 4 frames"):
        clouds(np.zeros((20, 22, 3)), np.array([2]))


def ways(*rows: tuple[int, int, int, int]) -> Transitions:
    table = np.array(rows).T
    zero = np.zeros(len(rows))
    return Transitions(*table, zero, zero, zero.astype(complex))


def test_dead_ends_are_cut_off():
    """Clips 0 and 1 lead to each other, 2 is only entered, 3 is only left; the way at 10 of 1 misses its entry."""
    there, back, out, into = (0, 80, 1, 20), (1, 80, 0, 20), (1, 60, 2, 20), (3, 60, 0, 20)
    early = (1, 10, 0, 50)
    kept = strongly_connected(ways(there, back, out, into, early), [100, 100, 100, 100])
    assert list(zip(kept.clip, kept.frame, kept.to_clip, kept.to_frame, strict=True)) == [there, back]


def test_blends_may_not_overlap():
    """A way out 9 frames after the way in would begin its blend before the other ends; 10 frames after does not."""
    enough = 2 * HALF_BLEND
    for gap, expected in ((enough, 2), (enough - 1, 0)):
        kept = strongly_connected(ways((0, 80, 1, 40), (1, 40 + gap, 0, 40)), [100, 100])
        assert len(kept) == expected


def test_only_the_best_way_of_a_cell_is_kept():
    three = replace(ways((0, 16, 1, 30), (0, 18, 1, 50), (0, 18, 2, 50)), distance_m=np.array([0.09, 0.05, 0.08]))
    kept = sparse(three)
    assert list(kept.to_frame) == [50, 50] and list(kept.to_clip) == [1, 2]


def test_a_twisted_forearm_is_no_way_over():
    plain = np.tile(t_pose(), (30, 1, 1))
    twisted = plain.copy()
    twisted[:, JOINTS.index("left_wrist")] = [np.sin(1.0), 0, 0, np.cos(1.0)]  # 2 rad about the forearm
    turned = plain.copy()
    turned[:, 0] = quat_multiply(np.broadcast_to(quat_from_yaw(2.5), (30, 4)), turned[:, 0])
    got = twist_rad([plain, twisted, turned], ways((0, 10, 1, 20), (0, 10, 2, 20)))
    assert got == pytest.approx([2.0, 0.0], abs=1e-5)


def test_ways_lead_both_ways_and_back_along_the_inverse():
    positions = [joint_positions(*read_pose(name)) for name in ("salsa", "party")]
    found = transitions(positions, 0.12)
    rows = {
        (c, f, d, g): k
        for k, (c, f, d, g) in enumerate(zip(found.clip, found.frame, found.to_clip, found.to_frame, strict=True))
    }
    assert len(rows) == len(found) > 20 and found.distance_m.max() < 0.1201
    for (c, f, d, g), k in rows.items():
        back = rows[(d, g, c, f)]
        there_and_back = np.exp(1j * found.yaw_rad[k]) * found.shift[back] + found.shift[k]
        assert abs(there_and_back) < 1e-3 and np.exp(1j * (found.yaw_rad[k] + found.yaw_rad[back])) == pytest.approx(1)


def test_the_dance_is_on_the_beat(made_up):
    root, rotations = dance(made_up, BEATS_S, 20)
    assert root.shape == (1200, 3) and rotations.shape == (1200, 22, 4) and root.dtype == np.float32
    got = score.beat_score(score.motion_beats(root, rotations, 60), BEATS_S[BEATS_S < 20])
    assert got.r(1) > 0.9 and abs(got.lag_s(1)) < 0.02 and got.hits.f1 > 0.85


def test_real_dance_comes_nearer_to_the_beat_than_it_was(danced):
    root, rotations = dance(danced, BEATS_S, 20)
    r = score.beat_score(score.motion_beats(root, rotations, 60), BEATS_S[BEATS_S < 20]).r(1)
    own = [score.beat_score(score.motion_beats(t.root, t.rotations, 30), BEATS_S).r(1) for t in danced.clips]
    assert r > max(own) + 0.2


def test_a_walk_is_whole_and_within_its_limits(danced):
    walk = find_walk(danced, BEATS_S, 20, seed=1)
    assert walk.transitions >= 2 and walk.steps[0].time_s <= 0 and walk.steps[-1].time_s > 20
    moves = [step for step in walk.steps[1:] if step.gap > 0]
    assert all(0.8 - 1e-9 <= step.speed <= 1.25 + 1e-9 for step in moves)
    at = axis_at(walk, np.arange(0, 20, 0.05))
    speed = np.diff(at) / 0.05 / 30
    assert speed.min() > 0.79 and speed.max() < 1.26
    parts = stays(danced, walk)
    assert len(parts) == walk.transitions + 1
    for one, other in zip(parts, parts[1:], strict=False):
        assert one.end == other.start
    for part in parts[1:-1]:
        assert part.end - part.start >= 2 * HALF_BLEND
        assert part.start + part.offset >= HALF_BLEND and part.end + part.offset <= len(part.clip.root) - HALF_BLEND


def test_nothing_jumps(danced):
    """At its seams the dance moves no faster than real dance does anywhere."""
    root, rotations = dance(danced, BEATS_S, 20, fps=30, seed=2)
    assert np.isfinite(root).all() and np.linalg.norm(rotations, axis=-1) == pytest.approx(np.ones((600, 22)), abs=1e-5)
    fastest = max(
        np.linalg.norm(np.diff(joint_positions(t.root, t.rotations), axis=0), axis=-1).max() for t in danced.clips
    )
    steps = np.linalg.norm(np.diff(joint_positions(root, rotations), axis=0), axis=-1)
    assert steps.max() < 1.3 * fastest
    assert np.hypot(root[:, 0], root[:, 2]).max() < STAGE_M


def test_the_same_seed_gives_the_same_dance_and_another_another(danced):
    one, again, other = (dance(danced, BEATS_S, 8, seed=s) for s in (1, 1, 2))
    assert np.array_equal(one[0], again[0]) and np.array_equal(one[1], again[1])
    assert not np.array_equal(one[1], other[1])


def test_nothing_is_danced_twice_while_there_is_more(made_up):
    assert find_walk(made_up, BEATS_S, 15, seed=3).repeated == 0
    # 36 s of dance are in the clips: 60 s cannot do without.
    assert find_walk(made_up, np.arange(0.4, 60, 0.52), 60, seed=3).repeated > 0


def test_frame_rates_agree(made_up):
    walk = find_walk(made_up, BEATS_S, 10)
    fast, slow = perform(made_up, walk, 10, 60), perform(made_up, walk, 10, 30)
    assert fast[0][::2] == pytest.approx(slow[0], abs=1e-6) and fast[1][::2] == pytest.approx(slow[1], abs=1e-6)


def test_what_cannot_be_danced_is_said():
    with pytest.raises(ValueError, match="no way back within 0.10 m between 1 clips"):
        build([swing(0.5, 1.0)])
    with pytest.raises(ValueError, match="1 beats"):
        find_walk(build([swing(0.5)]), np.array([1.0]), 10)
