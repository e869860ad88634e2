"""SMPL and AIST++ files, joint positions and takes: a known motion comes back within a millimetre."""

import io

import numpy as np
import pytest
from foreign_motion import J, Thief, axis_angles, pickled, positions, walk, z_up, z_up_rotations
from scipy.spatial.transform import Rotation

from engine.errors import ConfigError
from engine.skeleton import forward_kinematics
from realtime_models.training.motion_files import read_file
from realtime_models.training.motion_files.smpl import axis_angle_to_xyzw, matrix_to_axis_angle

WITHIN_M = 1e-3


def save(tmp_path, name="walk.npz", **arrays):
    path = tmp_path / name
    np.savez(path, **arrays)
    return path


def only(path, fps=None):
    (reading,) = read_file(path, fps)
    return reading


def far(reading):
    return np.linalg.norm(reading.motion.positions - positions(), axis=-1).max()


def amass(rotations, columns=156):
    poses = np.zeros((len(rotations), columns))
    poses[:, :66] = axis_angles(rotations).reshape(len(rotations), -1)
    return poses


def test_amass_z_up(tmp_path):
    root, rotations = walk()
    path = save(tmp_path, poses=amass(z_up_rotations(rotations)), trans=z_up(root), mocap_framerate=np.array(120.0),
                gender=np.array("neutral"), dmpls=np.zeros((90, 8)), marker=np.array([{"an": "object"}]))  # fmt: skip
    reading = only(path)
    assert far(reading) < WITHIN_M and reading.motion.fps == 120.0
    assert reading.notes == ("Z is up in the file: turned to Y",)
    again = forward_kinematics(reading.motion.positions[:, 0], reading.motion.rotations)[0]
    assert np.abs(again - reading.motion.positions).max() < 1e-6  # rotations go with the positions
    same = np.abs((reading.motion.rotations * rotations).sum(-1))
    assert same.min() > 1 - 1e-9  # the same turns, up to sign


def smplx_parts(root, rotations):
    flat = axis_angles(rotations).reshape(len(root), -1)
    return {"global_orient": flat[:, :3], "body_pose": flat[:, 3:66], "transl": root, "fps": np.array(30)}


@pytest.mark.parametrize("layout", ["smplx", "smpl69", "joints", "batch", "matrices", "stageii"])
def test_layouts_of_body_and_root(tmp_path, layout):
    root, rotations = walk()
    arrays = smplx_parts(root, rotations)
    if layout == "smpl69":
        arrays["body_pose"] = np.concatenate([arrays["body_pose"], np.zeros((90, 6))], axis=1)
    elif layout == "joints":
        arrays["body_pose"] = arrays["body_pose"].reshape(90, 21, 3)
    elif layout == "batch":
        arrays |= {key: arrays[key][None] for key in ("global_orient", "body_pose", "transl")}
    elif layout == "matrices":
        m = Rotation.from_quat(rotations.reshape(-1, 4)).as_matrix().reshape(90, 22, 3, 3)
        arrays |= {"global_orient": m[:, :1], "body_pose": m[:, 1:]}
    elif layout == "stageii":
        arrays = {"root_orient": arrays["global_orient"], "pose_body": arrays["body_pose"], "trans": root,
                  "mocap_frame_rate": np.array(30.0)}  # fmt: skip
    assert far(only(save(tmp_path, **arrays))) < WITHIN_M


def test_smpl_has_its_origin_in_the_chest(tmp_path):
    """With Y up, trans + -.22 m is the pelvis: found because feet then rest near zero, and a float of 4 cm stays."""
    root, rotations = walk()
    reading = only(save(tmp_path, poses=amass(rotations, 72), trans=root + [0, 0.22 + 0.04, 0], fps=np.array(60)))
    assert np.allclose(reading.motion.positions, positions(0.04), atol=WITHIN_M)
    assert reading.notes == (
        "pelvis at trans -22 cm, SMPL's origin",
        "own floor kept: feet rest +4.0 cm from it",
    )


def test_another_body_by_its_betas_is_scaled_to_stand_on_our_legs(tmp_path):
    """A dancer 10 % larger: the same turns, 1.1 times the travel; without scaling it would float by 9 cm and slide."""
    root, rotations = walk()
    arrays = {"poses": amass(z_up_rotations(rotations)), "mocap_framerate": np.array(30.0), "trans": 1.1 * z_up(root)}
    reading = only(save(tmp_path, betas=np.array([1.0, -0.5]), **arrays))
    assert "betas say another body: travel scaled by 0.909 to stand on our legs" in reading.notes
    assert far(reading) < 0.005
    plain = only(save(tmp_path, betas=np.zeros(10), **arrays))  # zeros: the mean body, nothing is scaled
    assert plain.motion.positions[:, 0, 1].mean() > 1.08 * root[:, 1].mean()


def test_another_body_counted_from_smplx_origin(tmp_path):
    """Y up, a dancer 5 % smaller, trans 35 cm above the pelvis: scaled by 1 / .95 after the origin is taken off."""
    root, rotations = walk()
    path = save(
        tmp_path, poses=amass(rotations, 66), fps=np.array(30), betas=np.ones(10), trans=0.95 * root + [0, 0.35, 0]
    )
    reading = only(path)
    said = "betas say another body: travel scaled by 1.053 to stand on our legs, counted from SMPL-X's origin"
    assert said in reading.notes
    assert far(reading) < 0.005


def aist(root, rotations, **more):
    return {"smpl_poses": amass(rotations, 72), "smpl_trans": root, **more}


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_aist_pickles_of_any_protocol(tmp_path, protocol):
    root, rotations = walk()
    path = tmp_path / "gBR_sBM_cAll_d04_mBR0_ch01.pkl"
    scaling = 93.5
    path.write_bytes(
        pickled(aist(root * scaling, rotations, smpl_scaling=np.array([scaling]), smpl_loss=0.5), protocol)
    )
    reading = only(path)
    assert far(reading) < WITHIN_M and reading.motion.fps == 60.0
    assert reading.notes[0] == "trans divided by smpl_scaling 93.5"


def test_edge_pickles_are_judged_by_their_positions(tmp_path):
    root, rotations = walk()
    full = z_up(np.concatenate([positions(), positions()[:, [20, 21]]], axis=1)).astype(np.float32)
    path = tmp_path / "edge.pkl"
    path.write_bytes(pickled({**aist(root * 0, rotations), "full_pose": full}))
    reading = only(path)
    assert far(reading) < WITHIN_M and reading.motion.fps == 30.0
    assert "joint positions (full_pose) judged" in reading.notes


def test_pickles_run_nothing(tmp_path):
    loot, path = tmp_path / "loot", tmp_path / "thief.pkl"
    for value in (Thief(loot), {"smpl_poses": Thief(loot)}, {"smpl_poses": np.array([Thief(loot)], object)}):
        path.write_bytes(pickled(value))
        with pytest.raises(ConfigError, match="only arrays of numbers") as told:
            read_file(path)
        assert "\n" not in str(told.value) and not loot.exists()


@pytest.mark.parametrize(
    ("joints", "shape"), [(22, "npy"), (24, "npz"), (52, "npy"), (55, "npz"), (22, "flat"), (24, "flat"), (24, "batch")]
)
def test_joint_positions(tmp_path, joints, shape):
    points = np.concatenate([positions(), np.repeat(positions()[:, -1:], joints - 22, axis=1)], axis=1)
    if shape == "flat":
        points = points.reshape(90, -1)
    path = tmp_path / "j.npy"
    if shape == "npz":
        path = save(tmp_path, "j.npz", joints=points, fps=np.array(20))
    else:
        np.save(path, points[None] if shape == "batch" else points)
    reading = only(path, 20.0)
    assert far(reading) < WITHIN_M and reading.motion.fps == 20.0 and reading.motion.rotations is None


def test_left_handed_positions_are_mirrored_back(tmp_path):
    np.save(tmp_path / "unity.npy", positions() * [-1, 1, 1] * 100)
    reading = only(tmp_path / "unity.npy", 30)
    assert far(reading) < WITHIN_M
    assert reading.notes[0] == "toes or knees point backwards in a right-handed frame: x mirrored"


def test_trembling_legs_are_said(tmp_path):
    points = positions()
    points[::2, J["left_ankle"], 1] -= 0.06
    np.save(tmp_path / "j.npy", points)
    assert any("change their length" in note for note in only(tmp_path / "j.npy", 30).notes)


def good():
    root, rotations = walk(12)
    return {"poses": amass(rotations), "trans": root, "mocap_framerate": np.array(30.0)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"poses": None}, "no array of joints in it (trans (12, 3), mocap_framerate ())"),
        ({"trans": None}, "no trans, transl or smpl_trans"),
        ({"trans": np.zeros((11, 3))}, "trans is (11, 3), expected (12, 3)"),
        ({"poses": np.zeros((12, 60))}, "rotations of a wrong shape"),
        ({"mocap_framerate": None}, "says no frame rate: name it"),
        ({"mocap_framerate": np.array(0.0)}, "frame rate 0 is outside 1 to 1000 Hz"),
        ({"poses": np.full((12, 156), np.nan)}, "rotations of 12 of 12 frames are not finite"),
        ({"trans": np.full((12, 3), np.inf)}, "trans of 12 of 12 frames are not finite"),
        ({"poses": np.array([{}] * 12)}, "no array of joints in it"),
        ({"poses": np.zeros((3, 156)), "trans": np.zeros((3, 3))}, "holds 3 frames, expected 8"),
    ],
)
def test_wrong_npz_files_say_why_in_one_line(tmp_path, change, reason):
    arrays = {key: value for key, value in {**good(), **change}.items() if value is not None}
    path = save(tmp_path, "bad.npz", **arrays)
    with pytest.raises(ConfigError) as told:
        read_file(path)
    line = str(told.value)
    assert line.startswith(str(path)) and reason in line and "accepted: " in line and "\n" not in line


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


HUGE = npy(np.zeros((8, 22, 3))).replace(b"(8, 22, 3), }                ", b"(8000000000000, 22, 3), }    ")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.npz", b"", "is empty"),
        ("a.npz", b"PK\x03\x04 nothing", "is no .npz"),
        ("a.npy", b"", "is empty"),
        ("a.npy", b"\x93NUMPY\x01\x00", "is no .npy array"),
        ("a.npy", npy(positions(frames=12))[:-100], "cut short"),
        ("a.npy", HUGE, "cut short"),
        ("a.npy", npy(np.array([{}])), "not numbers"),
        ("a.npy", npy(np.zeros((12, 263))), "263 features of HumanML3D"),
        ("a.npy", npy(np.zeros((12, 17, 3))), "an array of (12, 17, 3)"),
        ("a.npy", npy(np.zeros((12, 22, 3))), "the legs have no length"),
        ("a.npy", npy(np.random.default_rng(0).normal(size=(50, 72))), "these are no joints of a body"),
        ("a.npy", npy(positions(frames=12) * np.where(np.arange(12) == 5, np.nan, 1)[:, None, None]), "first: frame 5"),
        ("a.pkl", b"", "is empty"),
        ("a.pkl", b"rubbish", "is no pickled dict"),
        ("a.pkl", pickled([1, 2]), "holds a list, not a dict"),
        ("a.pkl", pickled({"smpl_poses": np.zeros((12, 72))})[:-40], "is no pickled dict"),
        ("a.fbx", b"x", "is of no known format"),
    ],
)
def test_damaged_files_say_why_in_one_line(tmp_path, name, data, reason):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ConfigError) as told:
        read_file(path, 30.0)
    line = str(told.value)
    assert line.startswith(str(path)) and reason in line and "accepted: " in line and "\n" not in line


def test_files_beyond_the_bounds_are_refused_unread(tmp_path, monkeypatch):
    from realtime_models.training.motion_files import numbers, reading

    path = save(tmp_path, **good())
    monkeypatch.setattr(reading, "MAX_FRAMES", 10)
    with pytest.raises(ConfigError, match="holds 12 frames, expected 8 to 10"):
        read_file(path)
    monkeypatch.setattr(numbers, "MAX_BYTES", 1000)
    with pytest.raises(ConfigError, match="unpacks to more than"):
        read_file(path)
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    with pytest.raises(ConfigError, match="MiB large"):
        read_file(path)


def test_axis_angles_and_matrices_against_another_implementation():
    turns = Rotation.random(200, random_state=0)
    vectors = np.concatenate([turns.as_rotvec(), [[0, 0, 0], [np.pi, 0, 0], [0, 1e-10, 0], [0, 0, 3.1]]])
    mine = axis_angle_to_xyzw(vectors)
    assert np.abs(np.abs((mine * Rotation.from_rotvec(vectors).as_quat()).sum(-1)) - 1).max() < 1e-12
    back = matrix_to_axis_angle(Rotation.from_rotvec(vectors).as_matrix())
    apart = (Rotation.from_rotvec(back) * Rotation.from_rotvec(vectors).inv()).magnitude()
    assert apart.max() < 1e-7
