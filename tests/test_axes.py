"""The change of axes by its laws: what must be true of any right axes, not what the code happens to do."""

import numpy as np
import pytest

from bridges.axes import HUMAN_BONES, WorldJoints, rotation_matrices, unity_position, unity_rotation
from engine.skeleton import HOUSE, JOINTS, forward_kinematics, quat_multiply, quat_rotate, t_pose


def random_rotations(*shape: int, seed: int = 1) -> np.ndarray:
    q = np.random.default_rng(seed).normal(size=(*shape, 4))
    return (q / np.linalg.norm(q, axis=-1, keepdims=True)).astype(np.float32)


def test_the_change_turns_a_right_handed_frame_into_a_left_handed_one():
    x, y, z = unity_position(np.eye(3, dtype=np.float32))
    assert np.dot(np.cross(x, y), z) == pytest.approx(-1.0)


def test_up_and_forward_stay_and_left_is_at_minus_x():
    standing, _ = forward_kinematics(np.array([0, 0.955, 0], np.float32), t_pose())
    unity = unity_position(standing)
    assert unity[JOINTS.index("head"), 1] > unity[JOINTS.index("pelvis"), 1]
    assert unity[JOINTS.index("left_foot"), 2] > unity[JOINTS.index("left_ankle"), 2]  # toes point at +Z
    assert unity[JOINTS.index("left_wrist"), 0] < -0.5 < 0.5 < unity[JOINTS.index("right_wrist"), 0]


def test_turning_then_changing_axes_equals_changing_axes_then_turning():
    q = random_rotations(200)
    v = np.random.default_rng(2).normal(size=(200, 3)).astype(np.float32)
    assert np.allclose(unity_position(quat_rotate(q, v)), quat_rotate(unity_rotation(q), unity_position(v)), atol=1e-5)


def test_products_keep_their_order():
    a, b = random_rotations(100, seed=3), random_rotations(100, seed=4)
    assert np.allclose(
        unity_rotation(quat_multiply(a, b)), quat_multiply(unity_rotation(a), unity_rotation(b)), atol=1e-5
    )


def test_a_body_posed_in_unity_axes_is_the_mirrored_body():
    root, rotations = np.array([0.3, 0.9, -0.2], np.float32), random_rotations(22, seed=5)
    here, _ = forward_kinematics(root, rotations)
    mirrored = HOUSE.__class__(HOUSE.names, HOUSE.parents, unity_position(HOUSE.offsets))
    there, _ = forward_kinematics(unity_position(root), unity_rotation(rotations), mirrored)
    assert np.allclose(unity_position(here), there, atol=1e-5)


def test_left_turn_is_a_left_turn_for_unity():
    """A quarter turn to the dancer's left looks along the house's +X; Unity's left is -X."""
    quarter_left = np.array([0, np.sqrt(0.5), 0, np.sqrt(0.5)], np.float32)
    forward = np.array([0, 0, 1], np.float32)
    assert np.allclose(quat_rotate(quarter_left, forward), [1, 0, 0], atol=1e-6)
    assert np.allclose(quat_rotate(unity_rotation(quarter_left), forward), [-1, 0, 0], atol=1e-6)


def test_going_there_and_back_changes_nothing():
    q, p = random_rotations(50), np.random.default_rng(6).normal(size=(50, 3)).astype(np.float32)
    assert np.array_equal(unity_rotation(unity_rotation(q)), q)
    assert np.array_equal(unity_position(unity_position(p)), p)


def test_every_joint_has_a_bone_of_its_own_on_its_own_side():
    assert set(HUMAN_BONES) == set(JOINTS)
    assert len(set(HUMAN_BONES.values())) == len(JOINTS)
    for joint, bone in HUMAN_BONES.items():
        for side in ("left", "right"):
            assert joint.startswith(side) == bone.lower().startswith(side)


def test_world_joints_equal_forward_kinematics():
    root, rotations = np.array([0.5, 1.0, -0.5], np.float32), random_rotations(22, seed=7)
    expected, _ = forward_kinematics(root, rotations)
    assert np.allclose(WorldJoints(HOUSE.parents, HOUSE.offsets)(root, rotations), expected, atol=1e-5)


def test_matrices_turn_vectors_as_quaternions_do():
    q, v = random_rotations(50, seed=8), np.random.default_rng(9).normal(size=(50, 3)).astype(np.float32)
    assert np.allclose((rotation_matrices(q) @ v[:, :, None])[:, :, 0], quat_rotate(q, v), atol=1e-5)
