"""engine.upsample: in time, smooth across rows, never against what was sent."""

import numpy as np
import pytest

from engine.skeleton import t_pose
from engine.upsample import PAST, Sent, poses_of, upsample

FRAMES, COMMIT = 16, 8


def turning(angles_rad: np.ndarray) -> np.ndarray:
    """Rotations (F, 22, 4): every joint turned about x by angles (F,)."""
    out = np.zeros((len(angles_rad), 22, 4), np.float32)
    out[..., 0], out[..., 3] = np.sin(angles_rad / 2)[:, None], np.cos(angles_rad / 2)[:, None]
    return out


def in_rows(root: np.ndarray, rotations: np.ndarray, draft_error_m: np.ndarray | None = None):
    """Everything that is sent when frames (F, ...) are planned row by row; a draft may be wrong by (rows, 3)."""
    sent, path, turns = None, [], []
    for row in range(len(root) // 4 - 3):
        plan = root[4 * row : 4 * row + FRAMES].copy()
        if draft_error_m is not None:
            plan[4:] += draft_error_m[row]
        sent, p, q = upsample(sent, plan, rotations[4 * row : 4 * row + FRAMES], COMMIT)
        path.append(p[:COMMIT])
        turns.append(q[:COMMIT])
    return np.concatenate(path), np.concatenate(turns)


def test_row_by_row_is_the_same_path_as_all_rows_at_once():
    random = np.random.default_rng(1)
    root, rotations = random.normal(size=(FRAMES, 3)), np.repeat(t_pose()[None], FRAMES, 0)
    _, whole, _ = upsample(None, root, rotations, COMMIT)
    sent, parts = None, []
    for row in range(4):
        sent, part, _ = upsample(sent, root[4 * row :], rotations[4 * row :], COMMIT)
        parts.append(part[:COMMIT])
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-9)


def test_a_steady_movement_goes_through_unchanged_half_way_poses_too():
    step = np.array([0.01, 0.0, -0.02])
    past = Sent(step * np.arange(-PAST, 0)[:, None], np.repeat(t_pose()[None], PAST, 0))
    frames = step * (2 * np.arange(FRAMES) + 1)[:, None]
    _, path, _ = upsample(past, frames, np.repeat(t_pose()[None], FRAMES, 0), COMMIT)
    np.testing.assert_allclose(path, step * np.arange(2 * FRAMES)[:, None], atol=1e-9)


@pytest.mark.parametrize("hz", [1.0, 2.0])
def test_nothing_moves_in_time(hz):
    frames = np.arange(240)
    wave = np.sin(2 * np.pi * hz * frames / 30)
    path, turns = in_rows(wave[:, None] * [1.0, 0.0, 0.0], turning(0.5 * wave))
    times_s = (np.arange(len(path)) - 1) / 60
    for seen in (path[:, 0], 2 * np.arcsin(turns[:, 5, 0]) / 0.5):
        wave_sent = np.mean((seen * np.exp(-2j * np.pi * hz * times_s))[61:])
        late_s = -(np.angle(wave_sent) + np.pi / 2) / (2 * np.pi * hz)
        assert abs(late_s) < 0.001
        assert 0.97 < 2 * abs(wave_sent) < 1.03


def test_the_corner_between_rows_is_spread():
    """Rows that each go straight and turn sharply where they meet, as token rows do."""
    random = np.random.default_rng(2)
    speed = np.repeat(random.normal(size=(60, 3)), 4, axis=0) * 0.01
    root = np.cumsum(speed, axis=0)
    path, _ = in_rows(root, np.repeat(t_pose()[None], len(root), 0))
    frames = path[1::2]
    rough = [np.linalg.norm(np.diff(x, 3, axis=0), axis=-1).mean() for x in (root[: len(frames)], frames)]
    assert rough[1] < 0.7 * rough[0]
    assert np.abs(frames - root[: len(frames)]).max() < 0.03


def test_a_wrong_draft_makes_no_jump():
    random = np.random.default_rng(3)
    root = np.cumsum(np.full((80, 3), 0.01), axis=0)
    wrong = random.normal(size=(17, 3)) * 0.05
    path, _ = in_rows(root, np.repeat(t_pose()[None], 80, 0), wrong)
    off = np.diff(path, axis=0) - 0.005
    assert np.abs(off).max() < np.abs(wrong).max() / 4
    assert np.abs(np.diff(off, axis=0)).max() < np.abs(wrong).max() / 5


def test_the_sign_of_a_quaternion_means_nothing():
    random = np.random.default_rng(4)
    angles = np.cumsum(random.normal(size=FRAMES)) * 0.2
    root, rotations = np.zeros((FRAMES, 3)), turning(angles)
    signs = random.choice([-1.0, 1.0], size=(FRAMES, 22, 1)).astype(np.float32)
    sent = upsample(None, root, rotations, COMMIT)[0]
    _, _, one = upsample(sent, root, rotations, COMMIT)
    _, _, other = upsample(sent, root, rotations * signs, COMMIT)
    np.testing.assert_allclose(one, other, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(one, axis=-1), 1.0, atol=1e-9)


def test_poses_are_numbered_and_timed():
    poses = poses_of(7, np.zeros((3, 3)), np.repeat(t_pose()[None], 3, 0))
    assert [p.frame for p in poses] == [7, 8, 9]
    assert [p.time_s for p in poses] == [7 / 60, 8 / 60, 9 / 60]
    assert poses[0].root.dtype == poses[0].rotations.dtype == np.float32
