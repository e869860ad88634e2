"""engine.feet: standing toes stay, moving toes are lifted, dragged ones step, nobody sinks, nothing jumps."""

import pickle

import numpy as np
import pytest

from engine.feet import (
    BODY_M,
    LATE_TICKS,
    REACH_M,
    SLACK_M,
    TORN_M,
    FeetState,
    at_poses,
    body_heights,
    foresee,
    plant_feet,
)
from engine.idle import idle_pose
from engine.legs import LENGTH_M, legs_of

COMMIT, POSES = 8, 32


def danced(move, contacts, rows: int = 20):
    """What is sent of the idle moved by ``move(tick)`` (3,) [m] with ``contacts(frame)`` (2,): roots, toes, states."""
    state, roots, toes, states = FeetState(), [], [], []
    for row in range(rows):
        ticks = COMMIT * row + np.arange(POSES)
        root = np.stack([idle_pose(0).root + move(tick) for tick in ticks]).astype(np.float64)
        rotations = np.repeat(idle_pose(0).rotations[None], POSES, 0).astype(np.float64)
        sure = np.stack([contacts(tick // 2) for tick in ticks[1::2]]).astype(np.float64)
        state, at, turned = plant_feet(state, root, rotations, sure, COMMIT)
        roots.append(at[:COMMIT])
        toes.append(legs_of(at.astype(np.float64), turned.astype(np.float64)).toes[:COMMIT])
        states.append(state)
    return np.concatenate(roots), np.concatenate(toes), states


def down(frame: int) -> np.ndarray:
    return np.ones(2)


def up(frame: int) -> np.ndarray:
    return np.zeros(2)


def test_standing_toes_do_not_slide_when_the_body_sways():
    _, toes, states = danced(lambda t: np.array([0.05 * np.sin(t / 10), 0.0, 0.02 * np.cos(t / 14)]), down)
    assert all(state.standing == (True, True) for state in states)
    assert np.ptp(toes[..., [0, 2]], axis=0).max() < 0.002
    assert np.abs(toes[..., 1]).max() < 0.01


def test_toes_in_the_air_go_where_the_model_has_them():
    at = idle_pose(0)
    own = legs_of(at.root[None].astype(np.float64), at.rotations[None].astype(np.float64)).toes[0]
    _, toes, _ = danced(lambda t: np.array([0.01 * t, 0.3, 0.0]), up)
    wished = own + np.stack([[0.01 * t, 0.3, 0.0] for t in range(len(toes))])[:, None]
    np.testing.assert_allclose(toes, wished, atol=0.002)


def test_a_dragged_body_walks_instead_of_sliding():
    """Three tenths of a metre a second with both toes said to stand all the time."""
    _, toes, states = danced(lambda t: np.array([0.0, 0.0, 0.3 * t / 60]), down, rows=60)
    flags = np.array([state.standing for state in states])
    assert not flags.all() and flags.any(axis=1).all()  # steps, never both at once
    speed = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1) * 60
    low = toes[1:, :, 1] < 0.03
    assert speed[low].mean() < 0.1
    assert toes[speed.argmax(axis=0) + 1, [0, 1], 1].min() > 0.03  # fastest where they are lifted
    behind = toes[..., 2] - 0.3 * np.arange(len(toes))[:, None] / 60
    assert np.ptp(behind[60:], axis=0).max() < TORN_M + SLACK_M


def test_a_foot_begins_to_lift_before_it_leaves_and_stops_before_it_lands():
    """The contact ends at frame 20 and comes back at frame 40; the body goes on at half a metre a second meanwhile."""

    def contact(frame):
        return np.array([0.0 if 20 <= frame < 40 else 1.0, 1.0])

    def move(tick):
        return np.array([0.0, 0.0, 0.5 / 60 * np.clip(tick - 40, 0, 40)])

    _, toes, _ = danced(move, contact)
    left = toes[:, 0]
    speed = np.linalg.norm(np.diff(left[:, [0, 2]], axis=0), axis=-1) * 60
    lifted = np.flatnonzero(left[1:, 1] > 0.01)
    moving = np.flatnonzero(speed > 0.05)
    assert len(lifted) and lifted[0] <= moving[0] and moving[-1] <= lifted[-1] + LATE_TICKS
    assert left[1:, 1][speed > 0.5].min() > 0.03


def test_nothing_jumps_when_contact_comes_and_goes_unforeseen():
    random = np.random.default_rng(3)
    flags = random.integers(0, 2, size=(200, 2)).repeat(6, axis=0)
    _, toes, _ = danced(lambda t: np.array([0.1 * np.sin(t / 9), 0.0, 0.1 * np.cos(t / 11)]), lambda f: flags[f], 60)
    assert np.abs(np.diff(toes, axis=0)).max() * 60 < 3.0
    assert np.abs(np.diff(toes, 2, axis=0)).max() * 60**2 < 60.0
    assert toes[..., 1].min() > -0.002


@pytest.mark.parametrize("error_m", [-0.08, 0.06])
def test_a_sunken_body_rises_to_the_floor_and_a_floating_one_comes_down(error_m):
    own = legs_of(idle_pose(0).root[None].astype(np.float64), idle_pose(0).rotations[None].astype(np.float64)).toes[0]
    roots, toes, _ = danced(lambda t: np.array([0.0, error_m - own[0, 1], 0.0]), down)
    assert np.abs(toes[-30:, :, 1]).max() < 0.01
    assert abs(roots[-1, 1] - (idle_pose(0).root[1] - own[0, 1])) < 0.01


def test_hips_come_down_where_a_leg_would_be_too_short():
    root = np.repeat(idle_pose(0).root[None], POSES, 0).astype(np.float64)
    legs = legs_of(root, np.repeat(idle_pose(0).rotations[None], POSES, 0).astype(np.float64))
    shift = np.zeros((POSES, 2, 3))
    shift[:, 0, 0] = 0.25
    lift = body_heights(FeetState(), legs, shift, *np.ones((2, POSES, 2), bool))
    sunk = lift[:, None, None] * [0.0, 1.0, 0.0]
    length = np.linalg.norm(legs.joints[:, :, 2] + shift - legs.joints[:, :, 0] - sunk, axis=-1)
    assert -BODY_M <= lift[-1] < -0.005
    assert length[-1].max() < LENGTH_M and length[-1].max() == pytest.approx(REACH_M, abs=0.01)


def test_contacts_lie_between_frames_at_the_poses_before_them():
    got = at_poses(np.array([[1.0, 0.0], [0.0, 0.5]]), np.array([0.0, 0.0]))
    np.testing.assert_allclose(got, [[0.5, 0.0], [1.0, 0.0], [0.5, 0.25], [0.0, 0.5]])


def test_what_is_drafted_is_not_decided():
    toes = np.zeros((POSES, 2, 3))
    late = np.where(np.arange(POSES) < COMMIT, 0.0, 1.0)[:, None].repeat(2, axis=1)
    flags, (standing, ticks) = foresee(FeetState(), toes, late, COMMIT)
    assert flags[COMMIT:].all() and not flags[:COMMIT].any()
    assert standing == (False, False) and min(ticks) > COMMIT


def test_a_restored_state_goes_on_the_same_and_inputs_are_left_alone():
    _, _, states = danced(lambda t: np.array([0.003 * t, 0.0, 0.0]), down, rows=8)
    root = np.repeat(idle_pose(0).root[None], POSES, 0).astype(np.float64)
    rotations = np.repeat(idle_pose(0).rotations[None], POSES, 0).astype(np.float64)
    given = root.copy(), rotations.copy()
    one = plant_feet(states[-1], root, rotations, np.ones((16, 2)), COMMIT)
    two = plant_feet(pickle.loads(pickle.dumps(states[-1])), root, rotations, np.ones((16, 2)), COMMIT)
    np.testing.assert_array_equal(one[1], two[1])
    np.testing.assert_array_equal(one[2], two[2])
    np.testing.assert_array_equal(root, given[0])
    np.testing.assert_array_equal(rotations, given[1])
