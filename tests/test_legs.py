"""engine.legs: the same legs as forward kinematics, toes where they are sent, knees on their side."""

import numpy as np

from engine.idle import idle_pose
from engine.legs import JOINTS_OF, LONGEST_M, bend, cross, legs_of, reach, shortest_turn, times, turned, two_bone
from engine.skeleton import forward_kinematics, quat_multiply, quat_rotate


def dancers(count: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Root (N, 3) and rotations (N, 22, 4): the idle, every joint turned a little."""
    random = np.random.default_rng(7)
    rotations = np.repeat(idle_pose(0).rotations[None], count, 0).astype(np.float64)
    rotations[..., :3] += 0.15 * random.normal(size=(count, 22, 3))
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    return random.normal(size=(count, 3)), rotations


def test_products_are_those_of_the_skeleton():
    random = np.random.default_rng(1)
    a, b = random.normal(size=(2, 6, 2, 4))
    a, b = (q / np.linalg.norm(q, axis=-1, keepdims=True) for q in (a, b))
    v = random.normal(size=(6, 2, 3))
    np.testing.assert_allclose(times(a, b), quat_multiply(a, b), atol=1e-12)
    np.testing.assert_allclose(turned(a, v), quat_rotate(a, v), atol=1e-12)
    np.testing.assert_allclose(cross(v, v[::-1]), np.cross(v, v[::-1]), atol=1e-12)


def test_legs_are_where_forward_kinematics_has_them():
    root, rotations = dancers()
    legs = legs_of(root, rotations)
    np.testing.assert_allclose(legs.joints, forward_kinematics(root, rotations)[0][:, JOINTS_OF], atol=1e-9)


def test_toes_come_where_they_are_sent_and_feet_keep_their_direction():
    root, rotations = dancers()
    legs = legs_of(root, rotations)
    shift = np.random.default_rng(2).normal(size=legs.toes.shape) * 0.02
    shift[..., 1] = np.abs(shift[..., 1]) + 0.12  # shorter legs: always within reach
    rotations[:, JOINTS_OF[:, :3]] = bend(legs, shift)
    after = legs_of(root, rotations)
    np.testing.assert_allclose(after.toes, legs.toes + shift, atol=1e-6)
    np.testing.assert_allclose(after.toes - after.joints[:, :, 2], legs.toes - legs.joints[:, :, 2], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=-1), 1.0, atol=1e-9)


def test_a_small_move_is_a_small_change():
    root, rotations = dancers()
    legs = legs_of(root, rotations)
    local = rotations[:, JOINTS_OF[:, :3]]
    changed = bend(legs, np.full(legs.toes.shape, 1e-5))
    assert np.abs(np.abs(np.sum(local * changed, -1)) - 1).max() < 1e-5


def test_two_bones_reach_the_goal():
    random = np.random.default_rng(4)
    hip, knee = np.zeros((100, 3)), np.tile([0.02, -0.4, 0.05], (100, 1))
    knee *= 0.4 / np.linalg.norm(knee[0])
    ankle = knee + np.array([0.0, -0.41, -0.06]) * 0.41 / np.hypot(0.41, 0.06)
    goal = random.normal(size=(100, 3))
    goal *= (random.uniform(0.35, 0.75, 100) / np.linalg.norm(goal, axis=-1))[:, None]
    first, second = two_bone(hip, knee, ankle, goal)
    new_knee = quat_rotate(first, knee)
    np.testing.assert_allclose(new_knee + quat_rotate(second, ankle - knee), goal, atol=1e-6)


def test_a_leg_gives_in_before_it_is_straight_and_never_stretches():
    wish_m = np.linspace(0.5, 1.2, 200)
    got_m = reach(wish_m, np.full(200, 0.7))
    assert got_m.max() <= LONGEST_M
    steps = np.diff(got_m) / np.diff(wish_m)
    assert (steps >= 0).all() and np.abs(np.diff(steps)).max() < 0.35
    np.testing.assert_allclose(got_m[wish_m < 0.75], wish_m[wish_m < 0.75])


def test_shortest_turn_turns():
    random = np.random.default_rng(5)
    a, b = random.normal(size=(2, 50, 3))
    a, b = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b))
    np.testing.assert_allclose(quat_rotate(shortest_turn(a, b), a), b, atol=1e-9)
    np.testing.assert_allclose(np.abs(quat_rotate(shortest_turn(a, -a), a)), np.abs(a), atol=1e-6)
