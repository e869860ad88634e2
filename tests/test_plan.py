"""engine.plan with a made-up model: what is committed when, and that nothing is ever revised."""

import pickle
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from engine import condition
from engine.idle import idle_pose
from engine.plan import ROW_TICKS, choose_style, homeward, plan_step, plan_tail, start_plan
from engine.skeleton import forward_kinematics
from engine.types import BeatClock, Controls, MusicFeatures


@dataclass(frozen=True)
class Planned:
    root: np.ndarray
    rotations: np.ndarray
    contacts: np.ndarray
    place: tuple


class Swayer:
    """A model that nods by the phase it is told and remembers what it was told."""

    spec = SimpleNamespace(plan_rows=4, lag_s=0.0, condition=condition.SIZE, styles=("any", "salsa", "pop", "indian"))

    def __init__(self):
        self.told = []

    def start(self, seed):
        return 0

    def step(self, state, asked):
        self.told.append(asked)
        frames = 16
        rotations = np.repeat(idle_pose(0).rotations[None], frames, 0).copy()
        phase = asked.window[:, condition.BEAT][:, :4].ravel()
        rotations[:, 15] = np.stack([0.2 * phase, 0 * phase, 0 * phase, np.sqrt(1 - 0.04 * phase**2)], -1)
        root = np.repeat(idle_pose(0).root[None], frames, 0)
        return state + 1, Planned(root, rotations, np.ones((frames, 2)), (0.0, 0.0, 0.0))


def heard(frame: int, **changes) -> MusicFeatures:
    beat = BeatClock(0.0, 0, 0.5, 1, 4, 0.9, 0.5)
    return MusicFeatures(frame, beat, 0.5, -20.0, np.full(4, 0.3, np.float32), **{"energy": 0.6, **changes})


def run(model, frames: int, horizon: int = 9, controls: Controls = Controls(), **changes):
    state, poses = start_plan(model, seed=1, horizon_ticks=horizon), []
    for i in range(frames):
        state, more = plan_step(model, state, heard(2 * (i + 1), **changes), controls)
        poses += more
        yield state, poses


def test_poses_come_in_order_once_and_reach_the_horizon_but_not_much_further():
    for i, (_, poses) in enumerate(run(Swayer(), 100)):
        assert [p.frame for p in poses] == list(range(len(poses)))
        newest, wanted = poses[-1].frame, 2 * (i + 1) + 9
        assert wanted <= newest < wanted + ROW_TICKS


def test_every_pose_says_when_it_is_to_be_seen():
    *_, (_, poses) = run(Swayer(), 20)
    np.testing.assert_allclose([p.time_s for p in poses], np.arange(len(poses)) / 60)


def test_the_model_is_told_the_beat_at_the_time_of_each_frame():
    model = Swayer()
    for _ in run(model, 60):
        pass
    for row, asked in enumerate(model.told):
        times = (4 * row + np.arange(16)) / 30
        np.testing.assert_allclose(
            asked.window[:, condition.BEAT][:, :4].ravel(), np.cos(2 * np.pi * times / 0.5), atol=1e-4
        )


def test_nudge_moves_the_beat_later():
    model = Swayer()
    for _ in run(model, 12, controls=Controls(nudge_ms=50.0)):
        pass
    expected = np.cos(2 * np.pi * (np.arange(4) / 30 - 0.05) / 0.5)
    np.testing.assert_allclose(model.told[0].window[0, :4], expected, atol=1e-4)


def test_silence_brings_the_body_to_the_idle_and_music_back():
    model = Swayer()
    *_, (state, poses) = run(model, 150, silence=True)
    assert state.calm == 1.0
    gap = np.abs(np.sum(poses[-1].rotations * idle_pose(poses[-1].frame).rotations, -1))
    assert gap.min() > 0.999
    assert not model.told[-1].window[:, condition.BEAT].any()
    for i in range(60):
        state, _ = plan_step(model, state, heard(302 + 2 * i), Controls())
    assert state.calm == 0.0


def test_a_restored_snapshot_goes_on_with_the_same_poses():
    model = Swayer()
    *_, (state, _) = run(model, 33)
    again = pickle.loads(pickle.dumps(state))
    for i in range(33, 60):
        state, ours = plan_step(model, state, heard(2 * (i + 1)), Controls())
        again, theirs = plan_step(model, again, heard(2 * (i + 1)), Controls())
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a.rotations, b.rotations)


def test_the_tail_follows_the_last_committed_pose_without_a_hole():
    *_, (state, poses) = run(Swayer(), 30)
    tail = plan_tail(state)
    assert tail[0].frame == poses[-1].frame + 1
    assert len(tail) == 24


def test_poses_and_tail_go_on_without_a_jump_where_rows_meet():
    """The model sways by 30 mm and starts every row 20 mm beside where it drafted it."""

    class Jumper(Swayer):
        def step(self, state, asked):
            state, rows = super().step(state, asked)
            frames = 4 * state + np.arange(16)
            beside = 0.03 * np.sin(frames / 5) + 0.02 * (-1) ** state
            return state, replace(rows, root=rows.root + np.stack([beside, 0 * beside, 0 * beside], -1))

    *_, (state, poses) = run(Jumper(), 60)
    path = np.array([p.root[0] for p in (*poses, *plan_tail(state))])
    assert np.abs(np.diff(path, 2)).max() < 0.01  # the rows are 40 mm apart
    assert np.ptp(path) > 0.05


def test_feet_stand_while_the_body_nods():
    *_, (_, poses) = run(Swayer(), 60)
    toes = forward_kinematics(np.stack([p.root for p in poses]), np.stack([p.rotations for p in poses]))[0][:, [10, 11]]
    assert np.ptp(toes, axis=0).max() < 0.005


@pytest.mark.parametrize("place", [(1.5, 0.0, 0.0), (0.0, -1.5, 2.0), (-1.0, 1.0, -3.0)])
def test_homeward_points_home_in_the_bodys_own_frame(place):
    x, z, yaw = place
    side, ahead, *_ = homeward(place)
    dx, dz = np.cos(yaw) * side + np.sin(yaw) * ahead, -np.sin(yaw) * side + np.cos(yaw) * ahead
    assert dx * -x + dz * -z > 0.9 * np.hypot(x, z) * np.hypot(dx, dz)


def test_at_home_the_body_goes_where_it_likes():
    assert not homeward((0.1, 0.1, 0.2)).any()


def test_auto_changes_between_the_styles_that_a_model_names_for_it():
    """A dancer of one's own has other styles than the shipped one."""
    spec = SimpleNamespace(styles=("any", "walk", "waack", "krump"))
    rows = [SimpleNamespace(seed=1, row=120 * phrase) for phrase in range(12)]  # 32 beats of half a second
    for named, expected in (("waack", "krump"), {2, 3}), (("krump",), {3}), (("gone",), {0}):
        spec.auto_styles = named
        assert {choose_style(spec, state, heard(2), Controls()) for state in rows} == expected
    assert choose_style(spec, rows[0], heard(2), Controls(style="walk")) == 1
