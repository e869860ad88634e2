"""engine.feet: planted toes stay, lifted toes move, nobody sinks."""

import numpy as np

from engine.feet import LEGS, FeetState, plant_feet, shortest_turn, two_bone
from engine.idle import idle_pose
from engine.skeleton import forward_kinematics, quat_rotate

TOES = [leg[3] for leg in LEGS]
DOWN = np.array([1.0, 1.0])


def toes_of(root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    return forward_kinematics(root, rotations)[0][TOES]


def test_toes_in_contact_do_not_slide_when_the_body_sways():
    state, spots = FeetState(), []
    for i in range(40):
        pose = idle_pose(2 * i)
        sway = np.array([0.05 * np.sin(i / 5), 0.0, 0.02 * np.cos(i / 7)], np.float32)
        state, root, rotations = plant_feet(state, pose.root + sway, pose.rotations, DOWN)
        spots.append(toes_of(root, rotations))
    moved = np.ptp(np.array(spots)[3:], axis=0)
    assert moved[:, [0, 2]].max() < 0.004
    assert np.array(spots)[3:, :, 1].min() > -0.005


def test_a_lifted_toe_follows_the_model():
    state, pose = FeetState(), idle_pose(0)
    for i in range(30):
        root = pose.root + np.array([0.02 * i, 0.0, 0.0], np.float32)
        state, planted, rotations = plant_feet(state, root, pose.rotations, np.zeros(2))
        np.testing.assert_allclose(
            toes_of(planted, rotations)[:, [0, 2]], toes_of(root, pose.rotations)[:, [0, 2]], atol=0.004
        )


def test_a_pin_lets_go_rather_than_tear_the_leg():
    state, pose = FeetState(), idle_pose(0)
    for i in range(40):
        root = pose.root + np.array([0.0, 0.0, 0.03 * i], np.float32)
        state, planted, rotations = plant_feet(state, root, pose.rotations, DOWN)
        gap = toes_of(planted, rotations) - toes_of(root, pose.rotations)
        assert np.abs(gap[:, [0, 2]]).max() < 0.13


def test_a_sunken_body_rises_to_the_floor_and_a_floating_one_comes_down():
    for error in (-0.08, 0.08):
        state, pose = FeetState(), idle_pose(0)
        for _ in range(60):
            state, root, rotations = plant_feet(
                state, pose.root + np.array([0, error, 0], np.float32), pose.rotations, DOWN
            )
        assert abs(toes_of(root, rotations)[:, 1].min()) < 0.02


def test_two_bones_reach_the_target_and_keep_their_lengths():
    random = np.random.default_rng(4)
    for _ in range(100):
        hip, knee = np.zeros(3), np.array([0.02, -0.4, 0.05])
        ankle = knee + np.array([0.0, -0.41, -0.06])
        target = random.normal(size=3)
        target *= random.uniform(0.35, 0.75) / np.linalg.norm(target)
        first, second = two_bone(hip, knee, ankle, target)
        new_knee = quat_rotate(first, knee)
        new_ankle = new_knee + quat_rotate(second, quat_rotate(first, ankle - knee))
        np.testing.assert_allclose(new_ankle, target, atol=1e-6)


def test_shortest_turn_turns():
    random = np.random.default_rng(5)
    for a, b in random.normal(size=(50, 2, 3)):
        turned = quat_rotate(shortest_turn(a, b), a / np.linalg.norm(a))
        np.testing.assert_allclose(turned, b / np.linalg.norm(b), atol=1e-9)
