"""Rotations from positions and from a file's own turns: bones aimed exactly, twists right to a stated bound."""

import numpy as np
import pytest
from dance_clips import DANCES, read_dance
from foreign_motion import SCHEMES, J, bvh_text, walk
from scipy.spatial.transform import Rotation

from engine.skeleton import JOINTS, OFFSETS_M, PARENTS, forward_kinematics, quat_conjugate, quat_multiply, t_pose
from realtime_models.training.motion_files import read_file
from realtime_models.training.motion_files.pose import pose_of, quat_between, quat_mean


def degrees(a, b):
    """Angle between rotations (..., 4)."""
    return np.degrees(2 * np.arccos(np.clip(np.abs((a * b).sum(-1)), 0, 1)))


def made_again(path):
    """Joints (F, 22, 3) and global rotations of a file, by way of the house's own rotations."""
    (reading,) = read_file(path)
    root, rotations = pose_of(reading.motion.positions, reading.motion.fps, reading.turns, reading.rest)
    return forward_kinematics(root.astype(np.float64), rotations.astype(np.float64))


def truth(root, rotations):
    return forward_kinematics(root.astype(np.float64), rotations.astype(np.float64))


def test_positions_alone_come_back_exactly_and_twists_nearly():
    """Bones to a micrometre. Thighs, shins and trunk within 6 degrees; arms stay within the 30 by which captures differ
    in what a T-pose is; of head and hands positions say nothing.
    """
    for name in DANCES:
        motion = read_dance(name)
        root, rotations = motion.positions[:, 0], motion.rotations
        points, turns = truth(root, rotations)
        again, guessed = truth(*pose_of(points, 30.0))
        assert np.linalg.norm(again - points, axis=-1).max() < 1e-4
        off = degrees(turns, guessed).mean(0)
        legs = [J[f"{side}_{part}"] for side in ("left", "right") for part in ("hip", "knee")]
        arms = [J[f"{side}_{part}"] for side in ("left", "right") for part in ("shoulder", "elbow")]
        assert off[[J["pelvis"], J["spine3"]]].max() < 0.5
        assert off[legs].max() < 6 and off[[J["spine1"], J["spine2"]]].max() < 6
        assert off[arms].max() < 35


@pytest.mark.parametrize("scheme", ["CMU", "Mixamo", "Biovision", "Unreal"])
def test_a_bvh_comes_back_with_its_rotations(tmp_path, scheme):
    """Head, hands and twists are those of the file; the two lower spine joints share their twist evenly."""
    motion = read_dance("salsa")
    root, rotations = motion.positions[:, 0], motion.rotations
    (tmp_path / "a.bvh").write_text(bvh_text(root, rotations, SCHEMES[scheme]))
    again, turns = made_again(tmp_path / "a.bvh")
    points, true = truth(root, rotations)
    assert np.linalg.norm(again - points, axis=-1).max() < 1e-4
    off = degrees(true, turns)
    others = [k for k in range(22) if k not in (J["spine1"], J["spine2"])]
    assert off[:, others].max() < 0.1
    assert off.mean() < 1.0


def in_another_rest(root, rotations, bends):
    """The same motion told from another rest pose: global turns ``bends`` (22, 4) taken out of every joint."""
    _, whole = truth(root, rotations)
    told = quat_multiply(whole, np.broadcast_to(quat_conjugate(bends), whole.shape))
    local = told.copy()
    local[:, 1:] = quat_multiply(quat_conjugate(told[:, PARENTS[1:]]), told[:, 1:])
    offsets = OFFSETS_M.astype(np.float64).copy()
    for joint in range(1, 22):
        offsets[joint] = Rotation.from_quat(bends[PARENTS[joint]]).apply(OFFSETS_M[joint])
    return local, offsets


def bends_of(**angles):
    """Global turns (22, 4) of limbs from the T-pose, each joint's handed down to those below it."""
    bends = t_pose().astype(np.float64)
    for joint in range(22):
        own = angles.get(JOINTS[joint], np.zeros(3))
        above = bends[PARENTS[joint]] if joint else np.array([0, 0, 0, 1.0])
        bends[joint] = quat_multiply(above, Rotation.from_euler("xyz", own, degrees=True).as_quat())
    return bends


def test_a_file_that_rests_in_an_a_pose_comes_back_within_a_few_degrees(tmp_path):
    motion = read_dance("salsa")
    root, rotations = motion.positions[:, 0], motion.rotations
    bends = bends_of(left_shoulder=(0, 0, -45), right_shoulder=(0, 0, 45), left_hip=(0, 0, 8), right_hip=(0, 0, -8))
    local, offsets = in_another_rest(root, rotations, bends)
    (tmp_path / "a.bvh").write_text(bvh_text(root, local, SCHEMES["Mixamo"], offsets=offsets))
    again, turns = made_again(tmp_path / "a.bvh")
    points, true = truth(root, rotations)
    assert np.linalg.norm(again - points, axis=-1).max() < 1e-4
    assert degrees(true, turns).mean(0).max() < 8


def test_a_file_whose_rest_pose_is_no_body_is_read_by_what_its_limbs_do(tmp_path):
    """All bones along one line, as some exporters write it: the constant is then the mean over bent limbs."""
    motion = read_dance("salsa")
    root, rotations = motion.positions[:, 0], motion.rotations
    bends = bends_of(
        left_shoulder=(120, 40, 90), right_shoulder=(-70, 20, 160), left_hip=(150, 0, 90), right_hip=(-120, 60, 40),
        neck=(0, 90, 60), left_knee=(0, 120, 0), right_elbow=(170, 0, 0),
    )  # fmt: skip
    local, offsets = in_another_rest(root, rotations, bends)
    (tmp_path / "a.bvh").write_text(bvh_text(root, local, SCHEMES["Mixamo"], offsets=offsets))
    again, turns = made_again(tmp_path / "a.bvh")
    points, true = truth(root, rotations)
    assert np.linalg.norm(again - points, axis=-1).max() < 1e-4
    off = degrees(true, turns).mean(0)
    assert off[[J["left_hip"], J["right_hip"], J["left_knee"], J["right_knee"]]].max() < 10
    assert off[J["head"]] < 45  # it looks where the chest faces, on the mean


def test_the_twist_of_a_straight_limb_is_carried_over_from_when_it_was_bent():
    """A forearm that passes through straight does not spin on the way."""
    frames = 90
    rotations = np.repeat(t_pose()[None].astype(np.float64), frames, 0)
    bend = np.radians(60 * np.abs(np.cos(np.pi * np.arange(frames) / frames)))  # bent, straight in the middle, bent
    turn = Rotation.from_euler("x", 70, degrees=True)  # the upper arm is twisted by 70 degrees all the time
    rotations[:, J["left_shoulder"]] = turn.as_quat()
    rotations[:, J["left_elbow"]] = Rotation.from_rotvec(np.outer(bend, [0, -1, 0])).as_quat()
    points, true = truth(np.tile([0, 0.95, 0], (frames, 1)), rotations)
    _, guessed = truth(*pose_of(points, 30.0))
    assert degrees(true, guessed)[:, [J["left_shoulder"], J["left_elbow"]]].max() < 2


def test_rotations_never_jump_where_positions_do_not():
    root, rotations = walk(300)
    points, _ = truth(root, rotations)
    _, again = pose_of(points, 30.0)
    step = degrees(again[1:].astype(np.float64), again[:-1].astype(np.float64))
    own = degrees(rotations[1:], rotations[:-1])
    assert step.max() < own.max() + 3


def test_least_turns_and_means():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50, 3))
    b[0], b[1] = -a[0], a[1]
    turned = Rotation.from_quat(quat_between(a, b)).apply(a)
    np.testing.assert_allclose(
        turned / np.linalg.norm(turned, axis=1)[:, None], b / np.linalg.norm(b, axis=1)[:, None], atol=1e-7
    )
    spread = Rotation.from_rotvec(rng.normal(0, 0.1, (400, 3)))
    middle = Rotation.from_euler("xyz", [20, 50, -70], degrees=True)
    signs = rng.choice([-1, 1], (400, 1))
    mean = quat_mean((middle * spread).as_quat() * signs, np.ones(400))
    assert degrees(mean, middle.as_quat()) < 1.5
