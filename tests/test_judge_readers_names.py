"""Names of other skeletons find our joints."""

import pytest
from foreign_motion import SCHEMES

from engine.skeleton import JOINTS
from realtime_models.training.motion_files.names import SPINE, match


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_finds_every_joint(scheme):
    names = SCHEMES[scheme]
    matched = match(names)
    assert matched.missing() == ()
    wanted = {name: k for k, name in enumerate(JOINTS) if name not in SPINE}
    assert {name: k for name, k in matched.joints.items() if name not in SPINE} == wanted
    if matched.exact_spine:
        assert [matched.joints[name] for name in SPINE] == [JOINTS.index(name) for name in SPINE]
    else:
        assert sorted(matched.spine) == [JOINTS.index(name) for name in SPINE]


def test_only_smpl_and_we_number_the_spine_so_that_it_is_taken_by_name():
    assert {scheme for scheme, names in SCHEMES.items() if match(names).exact_spine} == {"ours", "SMPL"}


def test_hands_fingers_twists_and_ends_are_no_limbs():
    names = [*SCHEMES["Unreal"], "upperarm_twist_01_l", "index_01_l", "ik_foot_l", "hand_l_end", "thigh_twist_01_r"]
    assert match(names) == match(SCHEMES["Unreal"])
    names = ["HandLeft", "ThumbLeft", "HandTipLeft", *SCHEMES["Kinect"]]
    assert match(names).joints["left_wrist"] == names.index("WristLeft")


def test_dummy_joints_of_cmu_do_not_take_the_hips_place():
    names = ["LHipJoint", "RHipJoint", "Neck1", *SCHEMES["CMU"]]
    joints = match(names).joints
    assert (names[joints["left_hip"]], names[joints["right_hip"]]) == ("LeftUpLeg", "RightUpLeg")
    assert names[joints["neck"]] == "Neck"


def test_one_word_two_meanings():
    """Shoulder is the collar where there is an arm, foot the toe where there is an ankle, leg the hip without a hip."""
    both = [f"{side}{part}" for side in ("Left", "Right") for part in ("Shoulder", "Arm", "Elbow", "Hand")]
    assert match(both).joints["left_collar"] == both.index("LeftShoulder")
    alone = [f"{side}{part}" for side in ("Left", "Right") for part in ("Shoulder", "Elbow", "Wrist")]
    assert match(alone).joints["left_shoulder"] == 0 and "left_collar" not in match(alone).joints
    legs = ["leg_L", "knee_L", "ankle_L", "leg_R", "knee_R", "ankle_R"]
    assert match(legs).joints["right_hip"] == 3
    feet = ["thigh_l", "calf_l", "ankle_l", "foot_l"]
    assert (match(feet).joints["left_ankle"], match(feet).joints["left_foot"]) == (2, 3)


def test_what_is_missing_is_said():
    names = [n for n in SCHEMES["Mixamo"] if "LeftLeg" not in n and "RightHand" not in n]
    assert match(names).missing() == ("left_knee", "right_wrist")
    assert len(match(["box", "lamp"]).missing()) == 12
