"""One golden recording, read by every client kit to the same numbers: whole, broken and foreign messages, what is
shown between two poses, and a known asymmetric pose in the space of each engine.
"""

import json

import numpy as np
import pytest
from client_kits import (
    ASYMMETRIC,
    BUILDERS,
    BY_HAND,
    GOLDEN,
    KITS,
    NAMES,
    PARENTS,
    ROOT_M,
    body,
    golden,
    pose,
    recorded,
    run_to_end,
)

from bridges.axes import HUMAN_BONES
from bridges.frames import pose_bytes
from engine.skeleton import HOUSE, JOINTS, forward_kinematics, quat_multiply, quat_rotate
from engine.types import Pose

EXACT = 1e-6


@pytest.fixture(scope="module", params=list(BUILDERS))
def kit(request, module_needs, tmp_path_factory):
    """Name of the kit, the command that drives it, and a folder of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, BUILDERS[request.param](module_needs, folder), folder


@pytest.fixture(scope="module")
def said(kit) -> list[dict]:
    _, command, folder = kit
    return run_to_end(command("recording", str(GOLDEN)), folder)


def same(got: dict, wanted: dict) -> bool:
    if got["kind"] != wanted["kind"] or got["kind"] in ("nothing", "refused"):
        return got["kind"] == wanted["kind"]
    if wanted["kind"] == "skeleton":
        return (got["count"], got["names"]) == (wanted["count"], wanted["names"])
    heads = [(pose["frame"], pose["flags"], len(pose["performers"])) for pose in (got, wanted)]
    return (
        heads[0] == heads[1]
        and abs(got["time_s"] - wanted["time_s"]) < EXACT
        and abs(got["sent_s"] - (wanted["time_s"] - 0.08)) < EXACT
        and all(
            close(mine["root"], root) and close(mine["rotations"], rotations)
            for mine, (root, rotations) in zip(got["performers"], wanted["performers"], strict=True)
        )
    )


def close(got, wanted) -> bool:
    got, wanted = np.asarray(got), np.asarray(wanted)
    return got.shape == wanted.shape and np.abs(got - wanted).max() < EXACT


def test_the_recording_is_what_the_page_and_the_stage_say():
    """The committed bytes are those of the records here, and the stage's own encoder makes the same."""
    assert GOLDEN.read_bytes() == recorded(golden())
    assert (list(JOINTS), HOUSE.parents.tolist()) == (NAMES, PARENTS)
    moved = Pose(606, 10.1, np.array(ROOT_M, np.float32), np.array(body(ASYMMETRIC), np.float32))
    assert pose_bytes(moved, 0, 10.1 - 0.08) == pose(606, 10.1, [(ROOT_M, body(ASYMMETRIC))])


def test_every_record_is_answered_right(said):
    wanted = [answer for *_, answer in golden()]
    assert len(said) == len(wanted)
    wrong = [
        (index, got, want) for index, (got, want) in enumerate(zip(said, wanted, strict=True)) if not same(got, want)
    ]
    assert not wrong, wrong[0]


def test_the_asymmetric_pose_in_the_engines_own_space(kit, said):
    """House, Godot, three.js and Python share one space; the others' numbers were worked out by hand."""
    name = kit[0]
    posed = next(answer for answer in said if answer["kind"] == "pose" and answer["frame"] == 606)["performers"][0]
    hand = {"root": ROOT_M, **ASYMMETRIC} if name in ("python", "godot") else BY_HAND[name]
    prefix = "" if name in ("python", "godot") else "target_"
    metre = 100 if name == "unreal" else 1
    assert close(np.array(posed[f"{prefix}root"]) / metre, np.array(hand["root"]) / metre)
    turned = dict(zip(NAMES, posed[f"{prefix}rotations"], strict=True))
    for joint, rotation in turned.items():
        assert close(rotation, hand.get(joint, (0, 0, 0, 1))), joint


#: For each space: up, forward and the dancer's left, and how long a metre is.
SPACES = {
    "house": ((0, 1, 0), (0, 0, 1), (1, 0, 0), 1),
    "unity": ((0, 1, 0), (0, 0, 1), (-1, 0, 0), 1),
    "unreal": ((0, 0, 1), (0, 1, 0), (1, 0, 0), 100),
    "browser": ((0, 1, 0), (0, 0, -1), (-1, 0, 0), 1),
}


@pytest.mark.parametrize("space", SPACES)
def test_the_hand_worked_numbers_lift_the_left_arm_turn_the_head_right_and_bend_the_right_knee(space):
    """By forward kinematics in that space, so that a hand-worked sign error cannot hide."""
    up, forward, left, metre = (np.array(axis, np.float64) for axis in SPACES[space])
    turned = {"root": ROOT_M, **ASYMMETRIC} if space == "house" else BY_HAND[space]
    basis = np.stack([left, up, forward]) * metre  # house x is left, y up, z forward
    skeleton = HOUSE.__class__(HOUSE.names, HOUSE.parents, HOUSE.offsets @ basis)
    rotations = np.array([turned.get(name, (0, 0, 0, 1)) for name in JOINTS])
    places, _ = forward_kinematics(np.array(turned["root"]), rotations, skeleton)
    at = dict(zip(JOINTS, places / metre, strict=True))
    assert (at["left_wrist"] - at["left_shoulder"]) @ up > 0.5
    assert abs((at["right_wrist"] - at["right_shoulder"]) @ up) < 1e-6
    assert (at["right_ankle"] - at["right_knee"]) @ forward < -0.4
    assert (at["left_ankle"] - at["left_knee"]) @ up < -0.4
    assert quat_rotate(rotations[JOINTS.index("head")], forward) @ left < -0.8
    assert at["pelvis"] @ left == pytest.approx(0.3) and at["pelvis"] @ forward == pytest.approx(-0.15)


def random_turns(count: int, seed: int) -> np.ndarray:
    q = np.random.default_rng(seed).normal(size=(count, 4))
    return q / np.linalg.norm(q, axis=1, keepdims=True)


def test_unreal_poses_a_mesh_of_any_bone_axes_that_rests_in_an_a_pose(module_needs, tmp_path):
    """A mannequin-like mesh (arms hanging at 45 degrees, random bone axes) gets the limbs where the house has them."""
    command = BUILDERS["unreal"](module_needs, tmp_path)
    to_unreal = np.array([[100, 0, 0], [0, 0, 100], [0, 100, 0]], np.float64)  # rows: house x, y, z
    a_pose = body({"left_shoulder": _about_z(-45), "right_shoulder": _about_z(45)})
    rest_places = forward_kinematics(np.array([0, 0.955, 0]), np.array(a_pose))[0] @ to_unreal
    axes, pose_q = random_turns(22, 3), random_turns(22, 4)
    lines = ["22"]
    for j, name in enumerate(JOINTS):
        numbers = (*HOUSE.offsets[j].tolist(), *rest_places[j], *axes[j], *pose_q[j])
        lines.append(f"{name} {PARENTS[j]} " + " ".join(f"{v:.9g}" for v in numbers))
    (said,) = run_to_end(command("mesh"), tmp_path, "\n".join(lines))
    posed, places = np.array(said["posed"]), forward_kinematics(np.array([0, 0.955, 0]), pose_q)[0] @ to_unreal
    limbs = {"left_shoulder": "left_elbow", "right_elbow": "right_wrist", "left_hip": "left_knee"}
    for joint, child in limbs.items():
        j, c = JOINTS.index(joint), JOINTS.index(child)
        in_bone = quat_rotate(
            axes[j] * [-1, -1, -1, 1], rest_places[c] - rest_places[j]
        )  # where the limb lies in its bone
        assert np.allclose(quat_rotate(posed[j], in_bone), places[c] - places[j], atol=1e-3), joint
    head, turns = JOINTS.index("head"), forward_kinematics(np.zeros(3), pose_q)[1]
    wanted = quat_multiply(turns[head] * 1.0, np.array([0, 0, 0, 1.0]))[[0, 2, 1, 3]] * [-1, -1, -1, 1]
    assert np.allclose(posed[head], quat_multiply(wanted, axes[head]), atol=1e-6)
    assert said["bones"]["left_shoulder"] == "upperarm_l" and len(set(said["bones"].values())) == 22


def _about_z(degrees: float) -> tuple:
    half = np.radians(degrees) / 2
    return (0.0, 0.0, float(np.sin(half)), float(np.cos(half)))


def test_godot_poses_a_rig_of_any_bone_axes(module_needs, tmp_path):
    """Bones with axes of their own, twice our size, with a bone above the hips and one that no joint moves."""
    command = BUILDERS["godot"](module_needs, tmp_path)
    places, axes = forward_kinematics(np.array([0, 0.955, 0]), np.array(body({})))[0] * 2, random_turns(22, 5)
    names = ["Root", *(HUMAN_BONES[name] for name in JOINTS), "Tail"]
    rest_turn = [np.array([0, 0, 0, 1.0]), *axes, axes[0]]
    rest_place = [np.zeros(3), *places, places[0]]
    parents = [-1, *(parent + 1 for parent in PARENTS), 1]
    bones = []
    for name, parent, turn, place in zip(names, parents, rest_turn, rest_place, strict=True):
        above = rest_turn[parent] * [-1, -1, -1, 1] if parent >= 0 else np.array([0, 0, 0, 1.0])
        below = place - (rest_place[parent] if parent >= 0 else 0)
        local = {"rotation": quat_multiply(above, turn).tolist(), "origin": quat_rotate(above, below).tolist()}
        bones.append({"name": name, "parent": parent, **local})
    pose_q = random_turns(22, 6)
    description = {"type": "skeleton", "names": NAMES, "parents": PARENTS, "offsets": HOUSE.offsets.tolist()}
    plan = {"bones": bones, "body": description, "pose": {"root": ROOT_M, "rotations": pose_q.tolist()}}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (said,) = run_to_end(command("rig", str(tmp_path / "plan.json")), tmp_path)
    wanted_places, turns = forward_kinematics(np.array(ROOT_M), pose_q)
    assert said["visible"] is True
    for joint in range(22):
        bone = said["bones"][joint + 1]
        for axis, unit in zip("xyz", np.eye(3), strict=True):
            wanted = quat_rotate(turns[joint], quat_rotate(axes[joint], unit))
            assert np.allclose(bone[axis], wanted, atol=2e-5), (NAMES[joint], axis)
        if joint:  # the hips' place is tested below; the others follow from the turns
            assert np.allclose(bone["origin"], wanted_places[joint] * 2, atol=1e-4), NAMES[joint]
    assert np.allclose(said["bones"][1]["origin"], np.array(ROOT_M) * 2, atol=1e-4)


@pytest.mark.parametrize("path", ["browser/corybant.js", "godot/corybant_stream.gd"])
def test_bone_names_are_those_of_the_bridges(path):
    text = (KITS / path).read_text()
    for joint, bone in HUMAN_BONES.items():
        wanted = bone if path.endswith(".gd") else bone[0].lower() + bone[1:]
        assert f'{joint}": "{wanted}"' in text or f'{joint}: "{wanted}"' in text, joint
