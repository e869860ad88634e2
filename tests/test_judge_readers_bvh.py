"""BVH: a known motion comes back, whatever the channels, names, unit and up axis; damaged files say so in one line."""

import numpy as np
import pytest
from foreign_motion import FPS, SCHEMES, J, bvh_text, positions, walk, z_up, z_up_rotations

from engine.errors import ConfigError
from engine.skeleton import JOINTS, OFFSETS_M, PARENTS, forward_kinematics
from engine.types import Skeleton
from realtime_models.training.motion_files import read_file
from realtime_models.training.motion_files.bvh import Bvh, body_of, positions_of, rate_of, read_bvh

WITHIN_M = 1e-3


def read(tmp_path, text, fps=None):
    path = tmp_path / "walk.bvh"
    path.write_text(text, encoding="utf-8")
    (reading,) = read_file(path, fps)
    return reading


def far(reading, frames=90):
    """Largest distance [m] of a joint of a reading from the walk's."""
    return np.linalg.norm(reading.motion.positions - positions(frames=frames), axis=-1).max()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_naming_gives_the_same_body(tmp_path, scheme):
    reading = read(tmp_path, bvh_text(*walk(), SCHEMES[scheme]))
    assert far(reading) < WITHIN_M
    assert reading.motion.fps == FPS and reading.motion.name == "walk" and reading.start_s == 0.0
    assert reading.notes == ("in centimetres (legs 81 cm): scaled by 0.01 to our legs of 81 cm",)


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
@pytest.mark.parametrize("position_first", [True, False])
def test_channels_in_any_order(tmp_path, order, position_first):
    text = bvh_text(*walk(), JOINTS, order=order, position_first=position_first)
    assert far(read(tmp_path, text)) < WITHIN_M


@pytest.mark.parametrize(
    ("unit", "said"), [(1.0, "metres"), (100.0, "centimetres"), (1000.0, "millimetres"), (39.37008, "inches")]
)
def test_the_unit_is_read_from_the_legs_and_said(tmp_path, unit, said):
    reading = read(tmp_path, bvh_text(*walk(), JOINTS, unit=unit))
    assert far(reading) < WITHIN_M
    assert reading.notes[0].startswith(f"in {said} (legs 81 cm)")


def test_an_unknown_unit_is_said_and_scaled(tmp_path):
    reading = read(tmp_path, bvh_text(*walk(), JOINTS, unit=7.0))
    assert far(reading) < WITHIN_M
    assert reading.notes[0] == "in an unknown unit (legs 5.67 long): scaled by 0.1429 to our legs of 81 cm"


def test_z_up_is_found_and_turned(tmp_path):
    root, rotations = walk()
    reading = read(tmp_path, bvh_text(z_up(root), z_up_rotations(rotations), JOINTS))
    assert far(reading) < WITHIN_M
    assert "Z is up in the file: turned to Y" in reading.notes


def test_directions_on_another_skeleton(tmp_path):
    """Long legs and short arms: limbs point where ours do, the legs together are as long as ours, the toes stand."""
    offsets = OFFSETS_M.copy() * 1.2
    offsets[[J["left_elbow"], J["left_wrist"], J["right_elbow"], J["right_wrist"]]] *= 0.7
    offsets[[J["left_knee"], J["right_knee"]]] *= 1.3
    root, rotations = walk()
    points = forward_kinematics(root, rotations, Skeleton(JOINTS, PARENTS, offsets))[0]
    root = root - [0, 1, 0] * points[:, [J["left_foot"], J["right_foot"]], 1].min(axis=1, keepdims=True)
    got = read(tmp_path, bvh_text(root, rotations, SCHEMES["Mixamo"], offsets=offsets)).motion.positions
    ours = positions()
    for a, b in [("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("left_shoulder", "left_elbow"),
                 ("right_elbow", "right_wrist"), ("neck", "head"), ("right_ankle", "right_foot")]:  # fmt: skip
        one, two = got[:, J[b]] - got[:, J[a]], ours[:, J[b]] - ours[:, J[a]]
        cosine = (one * two).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(two, axis=-1)
        assert cosine.min() > np.cos(np.radians(0.1)), (a, b)
    legs = np.linalg.norm(got[:, J["left_hip"]] - got[:, J["left_knee"]], axis=-1) + np.linalg.norm(
        got[:, J["left_knee"]] - got[:, J["left_ankle"]], axis=-1
    )
    assert np.allclose(legs, 0.81, atol=1e-4)
    assert abs(got[:, [J["left_foot"], J["right_foot"]], 1].min()) < 1e-4
    # What the motion is: left knee lifted, left hand over the head, head turned to the right.
    assert (got[:, J["left_knee"], 1] > got[:, J["right_knee"], 1] + 0.25).all()
    assert (got[:, J["left_wrist"], 1] > got[:, J["head"], 1]).all()
    left = got[:, J["left_hip"]] - got[:, J["right_hip"]]
    nose = got[:, J["head"]] - got[:, J["neck"]]
    assert ((nose * left).sum(-1) < 0).all()  # bent forward while turned: the head leans to the right


def test_missing_leaves_are_the_end_of_the_bone_before(tmp_path):
    """No toes, head or hands: their End Sites stand in, and it is said."""
    drop = [J[name] for name in ("left_foot", "right_foot", "head", "left_wrist", "right_wrist")]
    reading = read(tmp_path, bvh_text(*walk(), SCHEMES["Mixamo"], drop=drop))
    assert far(reading) < WITHIN_M
    assert "filled in: head, left_foot, right_foot" in reading.notes


def test_a_rest_pose_put_in_front_is_left_out(tmp_path):
    text = bvh_text(*walk(), JOINTS)
    head, first = text.split("Frame Time: 0.0333333\n")
    zeros = " ".join(["0"] * len(first.splitlines()[0].split()))
    reading = read(tmp_path, f"{head}Frame Time: 0.0333333\n{zeros}\n{first}".replace("Frames: 90", "Frames: 91"))
    assert far(reading) < WITHIN_M
    assert reading.start_s == 1 / 30  # the music goes on meanwhile
    assert reading.notes[0] == "first frame left out: the rest pose, all rotations zero"


def test_a_root_that_never_travels_is_said(tmp_path):
    root, rotations = walk()
    reading = read(tmp_path, bvh_text(np.zeros_like(root), rotations, JOINTS))
    assert reading.notes[0].startswith("the root never travels")


@pytest.mark.parametrize("height_m", [0.04, -0.04])
def test_a_floating_or_sinking_body_goes_on_doing_so(tmp_path, height_m):
    root, rotations = walk()
    reading = read(tmp_path, bvh_text(root + [0, height_m, 0], rotations, JOINTS))
    feet = reading.motion.positions[:, [J["left_foot"], J["right_foot"]], 1].min(axis=1)
    assert np.allclose(feet, height_m, atol=1e-4)
    assert reading.notes[-1] == f"own floor kept: feet rest {100 * height_m:+.1f} cm from it"


def test_a_zero_that_is_no_floor_is_moved_and_said(tmp_path):
    root, rotations = walk()
    reading = read(tmp_path, bvh_text(root - [0, 0.95, 0], rotations, JOINTS))
    assert far(reading) < WITHIN_M
    assert reading.notes[-1] == "floor moved: feet rested at -95.0 cm"


def test_position_channels_at_every_joint(tmp_path):
    """Some programs write each joint's place again: in place of its OFFSET, or as nothing to add to it."""
    text = (
        "HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 3 Xposition Yposition Zposition JOINT b { OFFSET 0 10 0 CHANNELS 6"
        " Xposition Yposition Zposition Zrotation Xrotation Yrotation JOINT c { OFFSET 5 0 0 CHANNELS 3 Xposition"
        " Yposition Zposition } } } MOTION\nFrames: 8\nFrame Time: 0.01\n"
    )
    path = tmp_path / "p.bvh"
    path.write_text(text + "1 2 3  0 10 0  90 0 0  0.1 0 0\n" * 8)
    bvh = read_bvh(path)
    # b in place of its OFFSET: (1, 2, 3) + (0, 10, 0); c to be added: 5.1 along b's x, which is turned to y.
    assert np.allclose(positions_of(bvh)[0], [[1, 2, 3], [1, 12, 3], [1, 17.1, 3]])


def test_joints_in_their_parents_place_are_passed_over(tmp_path):
    """CMU's BVH: Neck and both shoulders lie in the chest, the neck is Neck1. By hand, on our own skeleton at rest."""
    names = list(SCHEMES["CMU"])
    names[J["neck"]] = "Neck1"
    rest = forward_kinematics(np.zeros((9, 3)), np.tile([0, 0, 0, 1.0], (9, 22, 1)))[0]
    dummies = {"LHipJoint": "pelvis", "Neck": "spine3", "LeftShoulder": "spine3", "RightShoulder": "spine3"}
    for side in ("left", "right"):
        names[J[f"{side}_collar"]] = f"{side}Something"  # our collar's place has no name of its own in that file
    places = np.concatenate([rest, *[rest[:, [J[at]]] for at in dummies.values()]], axis=1)
    parents = np.array([*PARENTS, *[J[at] for at in dummies.values()]])
    bvh = Bvh((*names, *dummies), parents, np.zeros((26, 3)), ((),) * 26, np.zeros((9, 0)), 30.0)
    body = body_of(tmp_path / "cmu.bvh", bvh, places)
    assert np.array_equal(body.joints["neck"], rest[:, J["neck"]])
    assert np.array_equal(body.joints["left_hip"], rest[:, J["left_hip"]])
    assert "left_collar" not in body.joints and "right_collar" not in body.joints  # filled in by rule
    assert [p[0, 1].round(3) for p in body.spine] == [0.31, 0.25, 0.115]


@pytest.mark.parametrize(
    ("written", "hz"),
    [
        ("0.0333333", 30), ("0.033333", 30), ("0.03333", 30), ("0.0333", 30), ("0.033", 30), ("0.008333", 120),
        ("0.00833333", 120), ("0.0166667", 60), ("0.0166666", 60), ("0.016667", 60), ("0.0167", 60), ("0.01", 100),
        ("0.04", 25), ("0.041667", 24), ("0.0333667", 30 / 1.001), ("0.041708", 24 / 1.001), ("0.005", 200),
        ("3.33333e-02", 30), ("0.0125", 80), ("0.0172", 1 / 0.0172),
    ],
)  # fmt: skip
def test_a_rate_is_what_its_digits_stand_for(written, hz):
    assert rate_of(float(written), written) == pytest.approx(hz, rel=1e-9)


def test_a_rate_that_is_given_goes_first(tmp_path):
    reading = read(tmp_path, bvh_text(*walk(), JOINTS), fps=25.0)
    assert reading.motion.fps == 25.0 and reading.notes[0].startswith("25 frames a second as given, not 30")


GOOD = bvh_text(*walk(12), JOINTS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("hello", "no HIERARCHY"),
        (GOOD[:1500], "no HIERARCHY and MOTION"),
        (GOOD.replace("}", "", 1), "a brace is missing"),
        (GOOD.replace("OFFSET", "OFSET", 1), "unknown word 'OFSET'"),
        (GOOD.replace("Zrotation", "Wrotation", 1), "unknown channel 'Wrotation'"),
        (GOOD[: GOOD.index("Frame Time")], "no 'Frames:' and 'Frame Time:'"),
        (GOOD[:-300], "cut short"),
        (GOOD.replace("Frame Time: 0.0333333", "Frame Time: 0"), "frame time '0' is none"),
        (GOOD.replace("Frame Time: 0.0333333", "Frame Time: soon"), "frame time 'soon' is none"),
        (GOOD.rsplit(" ", 1)[0] + " nan\n", "1 of 12 frames are not finite numbers (first: frame 11)"),
        (GOOD.rsplit(" ", 1)[0] + " five\n", "something else than numbers"),
        (GOOD[: GOOD.index("Frames:")] + "Frames: 0\nFrame Time: 0.03\n", "holds 0 frames"),
        (bvh_text(*walk(3), JOINTS), "holds 3 frames"),
        (GOOD.replace("left_knee", "lamp").replace("right_wrist", "box"), "found for left_knee, right_wrist among"),
        (GOOD.replace("left_hip", "lamp").replace("right_hip", "box"), "for left_hip, right_hip among pelvis, lamp, l"),
        (bvh_text(*walk(12), JOINTS, offsets=0 * OFFSETS_M), "the legs have no length"),
    ],
)  # fmt: skip
def test_damaged_files_say_why_in_one_line(tmp_path, text, reason):
    path = tmp_path / "bad.bvh"
    path.write_text(text)
    with pytest.raises(ConfigError) as told:
        read_file(path)
    line = str(told.value)
    assert line.startswith(str(path)) and reason in line and "accepted: BVH" in line and "\n" not in line
