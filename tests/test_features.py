"""realtime_models.features: poses become numbers and come back."""

import numpy as np

from engine.skeleton import forward_kinematics, quat_from_yaw, quat_multiply
from realtime_models import features


def wander(frames: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A made-up body that turns, walks and waves."""
    random = np.random.default_rng(seed)
    t = np.arange(frames)[:, None] / 30
    root = np.stack([np.sin(t[:, 0]), 0.95 + 0.05 * np.cos(3 * t[:, 0]), 0.4 * t[:, 0]], 1).astype(np.float32)
    axis = random.normal(size=(22, 3)) * 0.4
    half = 0.5 * axis * np.sin(2 * t + random.uniform(0, 6, 22))[..., None]
    rotations = np.concatenate([np.sin(half), np.ones((frames, 22, 1))], -1)
    rotations[:, [10, 11], :3] = 0.0  # toes have no joint of their own
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    rotations[:, 0] = quat_multiply(quat_from_yaw(2.5 * t[:, 0]), rotations[:, 0])
    return root, rotations.astype(np.float32)


def test_round_trip_moves_no_joint_by_more_than_a_hundredth_of_a_millimetre():
    root, rotations = wander(90)
    numbers = features.poses_to_features(root, rotations)
    place = (float(root[0, 0]), float(root[0, 2]), float(features.heading_rad(rotations[0, 0])))
    again, turned, _ = features.features_to_poses(numbers[1:], place)
    before = forward_kinematics(root[1:], rotations[1:])[0]
    after = forward_kinematics(again, turned)[0]
    assert np.abs(before - after).max() < 1e-5


def test_numbers_do_not_know_where_the_body_stands_or_looks():
    root, rotations = wander(60)
    turn = quat_from_yaw(1.1)
    from engine.skeleton import quat_rotate

    moved = (quat_rotate(turn, root) + np.array([3.0, 0.0, -2.0])).astype(np.float32)
    turned = rotations.copy()
    turned[:, 0] = quat_multiply(turn, rotations[:, 0])
    np.testing.assert_allclose(
        features.poses_to_features(root, rotations), features.poses_to_features(moved, turned), atol=2e-5
    )


def test_the_path_continues_over_pieces():
    root, rotations = wander(40)
    numbers = features.poses_to_features(root, rotations)
    whole, _, end = features.features_to_poses(numbers, (0.0, 0.0, 0.0))
    first, _, place = features.features_to_poses(numbers[:13], (0.0, 0.0, 0.0))
    second, _, end_again = features.features_to_poses(numbers[13:], place)
    np.testing.assert_array_equal(whole, np.concatenate([first, second]))
    assert end == end_again


def test_any_six_numbers_are_a_rotation():
    random = np.random.default_rng(1)
    q = features.quat_from_6d(np.concatenate([random.normal(size=(500, 6)), np.zeros((1, 6)), np.full((1, 6), 7.0)]))
    assert np.isfinite(q).all()
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1.0, atol=1e-6)


def test_six_numbers_of_a_rotation_are_that_rotation():
    random = np.random.default_rng(2)
    q = random.normal(size=(500, 4))
    q /= np.linalg.norm(q, axis=-1, keepdims=True)
    back = features.quat_from_6d(features.quat_to_6d(q))
    np.testing.assert_allclose(np.abs(np.sum(q * back, -1)), 1.0, atol=1e-6)


def test_groups_cover_every_number_once():
    assert features.SIZE == 126
    assert len(set(features.COLUMNS)) == len(features.COLUMNS) == 6 * 19
    assert features.CONTACTS == (106, 125)
