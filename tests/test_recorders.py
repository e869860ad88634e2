"""What stands in each motion file: by hand for one pose, by parsers of the formats for more, to the byte for three."""

import io
from pathlib import Path

import numpy as np
import pytest
from recorded import (
    KNOWN_M,
    accessor,
    by_name,
    clip_of,
    glb_world,
    joints_m,
    known_pose,
    parse_bvh,
    parse_glb,
    smooth_poses,
    three_poses,
    wild_poses,
)

from bridges.recorders import clip as clips
from bridges.recorders.bvh import zxy_rad
from bridges.recorders.clip import EXPRESSIONS, HAND_JOINTS, HOUSE_AND_HANDS, Clip, sampled
from bridges.recorders.formats import FORMATS, write_file
from bridges.recorders.smpl_npz import rotation_vectors
from bridges.recorders.spindles import spindles
from engine.errors import ConfigError
from engine.skeleton import HOUSE, JOINTS, forward_kinematics, quat_rotate
from engine.types import POSE_HZ
from realtime_models.training.motion_files import read_file

GOLDEN = Path(__file__).parent / "data" / "recorders"
MM = 0.001


def written(kind: str, clip: Clip) -> bytes:
    file = io.BytesIO()
    FORMATS[kind].write(clip, file)
    return file.getvalue()


def arrays(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
        return dict(loaded)


# The known pose, by hand.


def test_our_own_joints_are_where_the_hand_says():
    assert np.allclose(joints_m([known_pose()])[0], [KNOWN_M[name] for name in JOINTS], atol=1e-6)


def test_known_pose_in_bvh():
    bvh = parse_bvh(written("bvh", clip_of([known_pose()])).decode())
    column, turned = 0, {}
    for name, _, offset, channels in bvh["joints"]:
        values = bvh["values"][0, column : column + len(channels)]
        assert channels[-3:] == ("Zrotation", "Xrotation", "Yrotation")
        if name == "pelvis":
            assert channels[:3] == ("Xposition", "Yposition", "Zposition") and not offset.any()
            assert values[:3].tolist() == [10.0, 95.5, 20.0]  # centimetres
        if values[-3:].any():
            turned[name] = values[-3:].tolist()
        column += len(channels)
    assert turned.keys() == {"left_shoulder", "neck", "right_knee"}
    assert turned["left_shoulder"] == [90.0, 0.0, 0.0]
    assert turned["right_knee"] == [0.0, 90.0, 0.0]
    assert turned["neck"] == [0.0, 0.0, -90.0]
    assert [joint[0] for joint in bvh["joints"] if joint[1] is None] == ["pelvis"]
    for name, place in KNOWN_M.items():
        assert bvh["world"][name][0] / 100 == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize("kind", ["gltf", "vrma"])
def test_known_pose_in_gltf(kind):
    document, blob = parse_glb(written(kind, clip_of([known_pose()])))
    turned = {}
    for channel in document["animations"][0]["channels"]:
        output = accessor(document, blob, document["animations"][0]["samplers"][channel["sampler"]]["output"])[0]
        name = document["nodes"][channel["target"]["node"]]["name"]
        if channel["target"]["path"] == "rotation" and output.tolist() != [0, 0, 0, 1]:
            turned[name] = output.tolist()
    half = 0.5**0.5
    assert turned == {
        "left_shoulder": pytest.approx([0, 0, half, half]),
        "neck": pytest.approx([0, -half, 0, half]),
        "right_knee": pytest.approx([half, 0, 0, half]),
    }
    _, world = glb_world(document, blob)
    for name, place in KNOWN_M.items():
        assert world[name][0] == pytest.approx(place, abs=1e-6)


def test_known_pose_in_smplx():
    found = arrays(written("smplx", clip_of([known_pose()])))
    expected = np.zeros((55, 3))
    expected[16], expected[12], expected[5] = (0, 0, np.pi / 2), (0, -np.pi / 2, 0), (np.pi / 2, 0, 0)
    assert found["poses"].shape == (1, 165)
    assert found["poses"].reshape(55, 3) == pytest.approx(expected, abs=1e-6)
    assert found["trans"][0] == pytest.approx([0.0969, 1.3064, 0.188], abs=1e-6)  # +Y up; pelvis at +.3514 below it
    assert found["trans"][0] + found["pelvis_m"] == pytest.approx([0.1, 0.955, 0.2], abs=1e-6)
    assert found["pose_body"].tolist() == found["poses"][:, 3:66].tolist()
    assert found["root_orient"].tolist() == [[0, 0, 0]]
    assert (str(found["gender"]), str(found["surface_model_type"])) == ("neutral", "smplx")
    assert float(found["mocap_frame_rate"]) == 60 and not found["betas"].any()


def test_known_pose_in_amass():
    found = arrays(written("amass", clip_of([known_pose()])))
    expected = np.zeros((52, 3))
    expected[16], expected[12], expected[5] = (0, 0, np.pi / 2), (0, -np.pi / 2, 0), (np.pi / 2, 0, 0)
    expected[0] = (np.pi / 2, 0, 0)  # the body, upright along Y, is put upright along Z
    assert found["poses"].shape == (1, 156)
    assert found["poses"].reshape(52, 3) == pytest.approx(expected, abs=1e-6)
    assert found["trans"][0] == pytest.approx([0.1018, 0.0233, 0.9268], abs=1e-6)  # (.1, -.2, .955) less the pelvis
    assert (str(found["gender"]), float(found["mocap_framerate"])) == ("neutral", 60.0)
    assert not found["betas"].any() and found["dmpls"].shape == (1, 8)


# Other poses, by the parsers.


def test_wild_poses_in_bvh():
    poses = wild_poses(50)
    bvh = parse_bvh(written("bvh", clip_of(poses)).decode())
    assert bvh["frame_time"] == 1 / 60  # to the last bit
    assert np.abs(by_name(bvh["world"]) / 100 - joints_m(poses)).max() < MM / 100


@pytest.mark.parametrize("kind", ["gltf", "vrma"])
def test_wild_poses_in_gltf(kind):
    poses = wild_poses(50)
    document, blob = parse_glb(written(kind, clip_of(poses)))
    times, world = glb_world(document, blob)
    assert times.tolist() == [float(np.float32(k / 60)) for k in range(50)]
    assert np.abs(by_name(world) - joints_m(poses)).max() < MM / 100
    for index, said in enumerate(document["accessors"]):
        if "min" in said:
            values = accessor(document, blob, index)
            assert values.min(axis=0).tolist() == said["min"] and values.max(axis=0).tolist() == said["max"]
        else:
            assert kind == "gltf" and index >= 2 + len(JOINTS)  # the mesh's, of which only places need them


def test_nodes_rest_in_the_t_pose_with_toes_on_the_floor():
    document, _ = parse_glb(written("vrma", clip_of([known_pose()])))
    nodes = document["nodes"]
    assert all(node["rotation"] == [0, 0, 0, 1] for node in nodes)
    height = {name: node["translation"][1] for name, node in zip(JOINTS, nodes, strict=True)}
    legs = sum(height[f"left_{name}"] for name in ("hip", "knee", "ankle", "foot"))
    assert height["pelvis"] + legs == pytest.approx(0.0, abs=1e-9)


def test_vrma_names_every_bone():
    document, _ = parse_glb(written("vrma", clip_of([known_pose()])))
    said = document["extensions"]["VRMC_vrm_animation"]
    assert document["extensionsUsed"] == ["VRMC_vrm_animation"] and said["specVersion"] == "1.0"
    bones = {bone: document["nodes"][where["node"]]["name"] for bone, where in said["humanoid"]["humanBones"].items()}
    assert len(bones) == 22 and "expressions" not in said and "meshes" not in document
    some = {
        "hips": "pelvis", "chest": "spine2", "leftUpperArm": "left_shoulder", "rightLowerLeg": "right_knee",
        "leftFoot": "left_ankle", "rightToes": "right_foot", "leftHand": "left_wrist", "rightShoulder": "right_collar",
    }  # fmt: skip
    assert some.items() <= bones.items()


@pytest.mark.parametrize("kind", ["bvh", "smplx", "amass"])
def test_the_scorer_reads_them_back(kind, tmp_path):
    poses = [known_pose(frame) for frame in range(20)]
    path = tmp_path / f"x{FORMATS[kind].suffix}"
    write_file(clip_of(poses), kind, path)
    (reading,) = read_file(path)
    assert reading.motion.fps == 60
    places = reading.motion.positions - reading.motion.positions[:, :1]
    truth = joints_m(poses)
    assert np.abs(places - (truth - truth[:, :1])).max() < MM


def test_smpl_vectors_turn_as_the_quaternions_do():
    turns = np.concatenate([pose.rotations for pose in wild_poses(20)]).astype(np.float64)
    vectors = rotation_vectors(turns)
    assert np.linalg.norm(vectors, axis=1).max() <= np.pi + 1e-9
    point = np.array([0.3, -0.5, 0.8])
    angle = np.linalg.norm(vectors, axis=1, keepdims=True)
    axis = vectors / angle
    along = axis * (axis @ point)[:, None]  # Rodrigues' formula
    turned = along + (point - along) * np.cos(angle) + np.cross(axis, point) * np.sin(angle)
    assert np.abs(turned - quat_rotate(turns, np.broadcast_to(point, (len(turns), 3)))).max() < 1e-6


@pytest.mark.parametrize("degrees", [90.0, -90.0, 89.99999])
def test_bvh_angles_survive_the_lock(degrees):
    """Where X is a quarter turn, Z and Y turn about one axis; the rotation must come out all the same."""
    z, x, y = np.radians([37.0, degrees, -12.0])
    wanted = _about(2, z) @ _about(0, x) @ _about(1, y)
    a, b, c = zxy_rad(wanted)
    assert np.abs(_about(2, a) @ _about(0, b) @ _about(1, c) - wanted).max() < 1e-6


def _about(axis: int, angle: float) -> np.ndarray:
    a, b = {0: (1, 2), 1: (2, 0), 2: (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[b, a], matrix[a, b] = np.sin(angle), -np.sin(angle)
    return matrix


def test_curves_do_not_jump():
    """Joints that turn round and round: BVH angles and glTF quaternions go on from where they were."""
    poses = smooth_poses(240)
    bvh = parse_bvh(written("bvh", clip_of(poses)).decode())
    assert np.abs(bvh["values"]).max() > 360
    assert np.abs(by_name(bvh["world"]) / 100 - joints_m(poses)).max() < MM / 100
    jumps = np.abs(np.diff(bvh["values"][:, 3:], axis=0))
    assert np.quantile(jumps, 0.999) < 90 and jumps.max() < 181  # near the lock an angle may turn fast, never wrap
    document, blob = parse_glb(written("gltf", clip_of(poses)))
    for index in range(2, 2 + len(JOINTS)):
        turns = accessor(document, blob, index)
        assert (np.sum(turns[1:] * turns[:-1], axis=1) > 0).all()


# Rates, holes, pieces.


def test_half_the_rate_is_every_second_pose():
    poses = wild_poses(21)
    clip = clip_of(poses, fps=30)
    assert (clip.frames, clip.seconds) == (11, 11 / 30)
    assert clip.rotations(0, 11).tobytes() == np.array([p.rotations for p in poses[::2]]).tobytes()
    assert clip.places(3, 5).tobytes() == np.array([p.root for p in poses[6:9:2]]).tobytes()
    assert parse_bvh(written("bvh", clip).decode())["frame_time"] == 1 / 30


def test_between_two_poses_lies_half_of_the_turn():
    a, b = three_poses()[0], known_pose(1)
    clip = clip_of([a, b], fps=120)
    assert clip.frames == 3
    eighth = np.pi / 8  # half of a quarter turn, halved in the quaternion
    shoulder = clip.rotations(1, 2)[0, JOINTS.index("left_shoulder")]
    assert shoulder == pytest.approx([0, 0, np.sin(eighth), np.cos(eighth)], abs=1e-6)
    assert clip.places(1, 2)[0] == pytest.approx([0.05, 0.955, 0.1], abs=1e-6)


def test_a_hole_is_bridged_and_counted():
    poses = smooth_poses(30)
    clip = clip_of(poses[:10] + poses[13:])
    assert (clip.frames, clip.missing) == (30, 3)
    assert clip.rotations(9, 10)[0].tobytes() == poses[9].rotations.tobytes()
    assert clip.places(0, 30) == pytest.approx(np.array([p.root for p in poses]), abs=1e-5)
    places = forward_kinematics(clip.places(0, 30).astype(float), clip.rotations(0, 30).astype(float))[0]
    assert np.abs(places - joints_m(poses)).max() < 2 * MM  # the swing is steady, so a straight bridge nearly meets it


def test_a_piece_is_that_piece():
    poses = wild_poses(100, first=60)
    clip = clip_of(poses, start_s=1.5, seconds=0.5)
    assert (clip.start_s, clip.frames) == (1.5, 30)
    assert clip.rotations(0, 30).tobytes() == np.array([p.rotations for p in poses[30:60]]).tobytes()
    assert clip_of(poses, start_s=0.0).start_s == 1.0


@pytest.mark.parametrize("kind", FORMATS)
def test_pieces_change_no_byte(kind, monkeypatch):
    whole = written(kind, clip_of(smooth_poses(50), fps=50))
    monkeypatch.setattr(clips, "CHUNK_FRAMES", 7)
    assert written(kind, clip_of(smooth_poses(50), fps=50)) == whole


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"fps": 0.5}, "--fps is 1 to 240, not 0.5"),
        ({"fps": 1000}, "--fps is 1 to 240"),
        ({"start_s": 9.0}, "the poses last from"),
        ({"seconds": -1.0}, "nothing was danced there"),
    ],
)
def test_what_cannot_be_asked_for(asked, said):
    with pytest.raises(ConfigError, match=said):
        clip_of(wild_poses(5), **asked)


def test_damaged_poses_are_refused():
    poses = wild_poses(5)
    with pytest.raises(ConfigError, match="count up"):
        clip_of([poses[1], poses[0]])
    poses[3].rotations[4, 2] = np.nan
    for kind in FORMATS:
        with pytest.raises(ConfigError, match="not all finite"):
            written(kind, clip_of(poses))


# Hands and faces.


def handed(count: int = 4) -> Clip:
    """Fingers anyhow, none in the second pose; a blink and a smile, the smile not said at first."""
    poses = wild_poses(count, first=0)
    hands = np.random.default_rng(5).normal(size=(count, 30, 4))
    hands = (hands / np.linalg.norm(hands, axis=-1, keepdims=True)).astype(np.float32)
    hands[1] = np.nan
    clip = clip_of(poses)
    smile = np.array([np.nan, 0.25, 0.5, 2.0][:count], np.float32)
    blink = np.array([0.0, 1.0, 0.5, 0.0][:count], np.float32)
    return sampled(Clip(clip.frame, clip.root, clip.body, hands, {"blink": blink, "happy": smile}))


def truth_with_hands(clip: Clip) -> np.ndarray:
    hands = np.array(clip.hands)
    hands[1] = (0, 0, 0, 1)
    turns = np.concatenate([clip.body, hands], axis=1).astype(np.float64)
    return forward_kinematics(clip.root.astype(np.float64), turns, HOUSE_AND_HANDS)[0]


def test_fingers_are_in_every_format():
    clip = handed()
    truth = truth_with_hands(clip).transpose(1, 0, 2)
    world = parse_bvh(written("bvh", clip).decode())["world"]
    for kind in ("gltf", "vrma"):
        _, nodes = glb_world(*parse_glb(written(kind, clip)))
        for name, places in zip(HOUSE_AND_HANDS.names, truth, strict=True):
            assert np.abs(nodes[name] - places).max() < MM / 100
            assert np.abs(world[name] / 100 - places).max() < MM / 100
    vectors = rotation_vectors(clip.hands[0])
    for kind, first in (("smplx", 75), ("amass", 66)):
        poses = arrays(written(kind, clip))["poses"]
        assert poses[0, first:].reshape(30, 3) == pytest.approx(vectors, abs=1e-6)
        assert not poses[1, first:].any()


def test_vrma_knows_fingers_and_faces():
    document, blob = parse_glb(written("vrma", handed()))
    said = document["extensions"]["VRMC_vrm_animation"]
    bones = {bone: document["nodes"][where["node"]]["name"] for bone, where in said["humanoid"]["humanBones"].items()}
    assert len(bones) == 52
    some = {
        "leftThumbMetacarpal": "left_thumb1", "rightLittleDistal": "right_pinky3",
        "leftIndexIntermediate": "left_index2", "rightRingProximal": "right_ring1",
    }  # fmt: skip
    assert some.items() <= bones.items()
    assert said["expressions"]["preset"].keys() == {"blink", "happy"}
    _, world = glb_world(document, blob)
    assert world["blink"][:, 0].tolist() == [0.0, 1.0, 0.5, 0.0]
    assert world["happy"][:, 0].tolist() == [0.0, 0.25, 0.5, 1.0]  # unsaid is 0, and 1 is the most


def test_the_hands_are_mirrored_and_named():
    assert len(HAND_JOINTS) == 30 and HOUSE_AND_HANDS.names == (*HOUSE.names, *HAND_JOINTS)
    assert HAND_JOINTS[0] == "left_index1" and HAND_JOINTS[-1] == "right_thumb3"
    left, right = HOUSE_AND_HANDS.offsets[22:37], HOUSE_AND_HANDS.offsets[37:]
    assert np.array_equal(left * [-1, 1, 1], right) and (left[:, 0] > 0).all()
    assert len(EXPRESSIONS) == 14


# To the byte.


@pytest.mark.parametrize("kind", FORMATS)
def test_golden_bytes(kind):
    """Three frames of every format. What changes here is what readers out there will see: say so in the changelog."""
    golden = GOLDEN / f"three_{kind}{FORMATS[kind].suffix}"
    assert written(kind, clip_of(three_poses())) == golden.read_bytes()
    assert clip_of(three_poses()).fps == POSE_HZ


def test_the_spindles_face_outwards():
    """Seen from outside every triangle runs counterclockwise, which is what glTF calls its front."""
    body = spindles(HOUSE, joints_m([three_poses()[0]])[0])
    faces = body.vertices[body.triangles.reshape(-1, 3)].reshape(-1, 8, 3, 3)  # spindle, triangle, corner
    volumes = np.sum(faces[:, :, 0] * np.cross(faces[:, :, 1], faces[:, :, 2]), axis=(1, 2)) / 6
    assert len(faces) == 26 and (volumes > 1e-7).all()
    assert body.joints[:, 0].max() == len(JOINTS) - 1 and (body.weights.sum(axis=1) == 1).all()
