"""Programs that are not ours open what the recorders write: Blender, three.js, three-vrm, Khronos' validator, smplx."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from made_up_avatar import pack_glb, unpack_glb
from made_up_smpl import made_up_model
from recorded import KNOWN_M, by_name, clip_of, joints_m, known_pose, three_poses, wild_poses
from test_recorders import handed, truth_with_hands

from bridges.recorders.clip import Clip
from bridges.recorders.formats import FORMATS, write_file
from engine.skeleton import JOINTS, forward_kinematics
from engine.types import Pose

HERE = Path(__file__).parent
AVATAR = HERE.parent / "bridges" / "stage" / "dist" / "avatar" / "dancer.vrm"
MM = 0.001
POSES = [known_pose(0), *wild_poses(30, first=1)]


def file_of(kind: str, folder: Path, clip: Clip | None = None) -> Path:
    path = folder / f"dance{FORMATS[kind].suffix}"
    write_file(clip or clip_of(POSES), kind, path)
    return path


@pytest.fixture
def node(needs):
    """Runs a script of tests/node and returns the lines that it printed."""
    program = needs.program("node", "apt-get install -y nodejs npm (18 or newer)")
    needs.path(HERE / "node" / "node_modules" / "three", "npm ci --prefix tests/node")

    def run(script: str, *arguments: object) -> list:
        command = [program, str(HERE / "node" / script), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_blender_sees_our_joints(needs, tmp_path):
    """Blender's importers of BVH (an armature), of a skinned .glb (an armature) and of a .vrma (plain nodes)."""
    blender = needs.program("blender", "apt-get install -y --no-install-recommends blender python3-numpy")
    files = [file_of("bvh", tmp_path), file_of("gltf", tmp_path)]
    files.append(file_of("vrma", tmp_path).rename(tmp_path / "vrma.glb"))  # Blender goes by the suffix
    script = HERE / "peers" / "blender_joints.py"
    command = [blender, "-b", "--factory-startup", "-P", script, "--", len(POSES), *files]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, timeout=600)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("JOINTS ")] or [done.stdout + done.stderr]
    seen = json.loads(line.removeprefix("JOINTS "))
    assert seen.keys() == {str(path) for path in files}
    for places in seen.values():
        assert np.abs(by_name(places) - joints_m(POSES)).max() <= MM
        for name, place in KNOWN_M.items():
            assert places[name][0] == pytest.approx(place, abs=MM)


@pytest.mark.parametrize("kind", ["gltf", "vrma"])
def test_khronos_finds_no_error(kind, node, tmp_path):
    for number, clip in enumerate((clip_of(three_poses()), clip_of(POSES, fps=24), handed(), clip_of([known_pose()]))):
        (tmp_path / str(number)).mkdir()
        (report,) = node("gltf_validate.mjs", file_of(kind, tmp_path / str(number), clip))
        assert (report["issues"]["numErrors"], report["issues"]["numWarnings"]) == (0, 0), report["issues"]
        assert report["info"]["animationCount"] == 1


def test_khronos_finds_an_error_where_there_is_one(node, tmp_path):
    path = file_of("gltf", tmp_path)
    data = path.read_bytes()
    said = f'"count":{len(POSES)}'.encode()
    assert said in data
    path.write_bytes(data.replace(said, f'"count":{len(POSES) + 1}'.encode(), 1))
    (report,) = node("gltf_validate.mjs", path)
    assert report["issues"]["numErrors"] > 0


@pytest.mark.parametrize("kind", ["gltf", "vrma"])
def test_three_js_sees_our_joints(kind, node, tmp_path):
    (seen,) = node("gltf_joints.mjs", file_of(kind, tmp_path), 60, len(POSES))
    assert seen["duration"] == pytest.approx((len(POSES) - 1) / 60, abs=1e-6)
    assert np.abs(by_name(seen["joints"]) - joints_m(POSES)).max() <= MM
    for name, place in KNOWN_M.items():
        assert seen["joints"][name][0] == pytest.approx(place, abs=MM)


def test_three_js_sees_our_fingers(node, tmp_path):
    clip = handed()
    (seen,) = node("gltf_joints.mjs", file_of("gltf", tmp_path, clip), 60, 4)
    truth = truth_with_hands(clip).transpose(1, 0, 2)
    for name, places in zip(clip.skeleton.names, truth, strict=True):
        assert np.abs(seen["joints"][name] - places).max() <= MM


def test_an_avatar_dances_a_vrma(node, tmp_path):
    """three-vrm puts the known pose on our avatar: right side, right axis; a fist and a blink arrive."""
    document, blob = unpack_glb(AVATAR.read_bytes())
    document["extensions"]["VRMC_vrm"]["expressions"] = {"preset": {"blink": {}, "aa": {}}}
    avatar = tmp_path / "blinking.vrm"
    avatar.write_bytes(pack_glb(document, blob))
    clip = clip_of([three_poses()[0], *(known_pose(frame) for frame in (1, 2))])
    fist = np.tile(np.array([0, 0, 0, 1], np.float32), (3, 30, 1))
    fist[1:, 15:27] = (0, 0, 0.5**0.5, 0.5**0.5)  # the right hand's four fingers, a quarter turn down at every joint
    clip = Clip(clip.frame, clip.root, clip.body, fist, {"blink": np.array([0, 1, 1], np.float32)}, frames=3)
    (seen,) = node("vrma_avatar.mjs", avatar, file_of("vrma", tmp_path, clip), 0, 1 / 60)
    assert [at["expressions"] for at in seen["seen"]] == [
        {"blink": 0, "aa": 0},
        {"blink": pytest.approx(1, abs=1e-3), "aa": 0},
    ]
    assert seen["restHips"] == pytest.approx([0, 0.955, 0])
    rest, posed = ({name: np.array(place) for name, place in at["bones"].items()} for at in seen["seen"])

    def along(body: dict[str, np.ndarray], bone: str, tip: str) -> np.ndarray:
        return (body[tip] - body[bone]) / np.linalg.norm(body[tip] - body[bone])

    assert along(rest, "leftUpperArm", "leftHand") == pytest.approx([1, 0, 0], abs=0.05)
    assert along(posed, "leftUpperArm", "leftHand") == pytest.approx([0, 1, 0], abs=0.05)
    assert along(posed, "rightUpperArm", "rightHand") == pytest.approx([-1, 0, 0], abs=0.05)
    ahead = along(rest, "rightLowerLeg", "rightFoot")  # a quarter turn about x: (x, y, z) becomes (x, -z, y)
    assert along(posed, "rightLowerLeg", "rightFoot") == pytest.approx(ahead[[0, 2, 1]] * (1, -1, 1), abs=1e-3)
    assert along(posed, "rightLowerLeg", "rightFoot")[2] < -0.9
    assert along(posed, "leftLowerLeg", "leftFoot") == pytest.approx(along(rest, "leftLowerLeg", "leftFoot"), abs=1e-3)
    for finger in ("Index", "Middle", "Ring", "Little"):
        first, middle, last = (f"right{finger}{part}" for part in ("Proximal", "Intermediate", "Distal"))
        once, twice = along(rest, first, middle)[[1, 0, 2]] * (-1, 1, 1), along(rest, middle, last) * (-1, -1, 1)
        assert once[1] < -0.7 and along(posed, first, middle) == pytest.approx(once, abs=1e-3)  # down ...
        assert twice[0] > 0.7 and along(posed, middle, last) == pytest.approx(twice, abs=1e-3)  # ... and back
        straight = along(rest, f"left{finger}Proximal", f"left{finger}Intermediate")
        arm_up = along(posed, f"left{finger}Proximal", f"left{finger}Intermediate")
        assert arm_up == pytest.approx(straight[[1, 0, 2]] * (-1, 1, 1), abs=1e-3)
    skull = along(rest, "neck", "head")  # a quarter turn to the right about y: (x, y, z) becomes (-z, y, x)
    assert along(posed, "neck", "head") == pytest.approx(skull[[2, 1, 0]] * (-1, 1, 1), abs=1e-3)


@pytest.mark.parametrize("kind", ["smplx", "amass"])
def test_smplx_sees_our_joints(kind, needs, tmp_path):
    """The package itself, on a made-up model: 22 joints and the fingers within a millimetre, AMASS's with Z up."""
    smplx = needs.module("smplx", "pip install 'corybant[smplx]' (non-commercial licence)")
    torch = needs.module("torch", "pip install 'torch>=2.6'")
    hands = np.random.default_rng(2).normal(size=(30, 4))
    hands = (hands / np.linalg.norm(hands, axis=1, keepdims=True)).astype(np.float32)
    fingered = [Pose(p.frame, p.time_s, p.root, p.rotations, hands) for p in POSES]
    clip = clip_of(fingered)
    clip = Clip(clip.frame, clip.root, clip.body, np.array([hands] * len(POSES)), frames=len(POSES))
    with np.load(file_of(kind, tmp_path, clip)) as arrays:
        poses, trans = torch.tensor(arrays["poses"]), torch.tensor(arrays["trans"])
        betas = torch.tensor(arrays["betas"][:10], dtype=torch.float32).repeat(len(poses), 1)
    model, first = ("smplx", 75) if kind == "smplx" else ("smplh", 66)
    make = smplx.SMPLX if kind == "smplx" else smplx.SMPLH
    options = {"ext": "npz", "use_pca": False, "flat_hand_mean": True, "batch_size": len(poses), "num_betas": 10}
    body = make(str(made_up_model(tmp_path, model)), **options)
    with torch.no_grad():
        seen = body(
            betas=betas, global_orient=poses[:, :3], body_pose=poses[:, 3:66], transl=trans,
            left_hand_pose=poses[:, first : first + 45], right_hand_pose=poses[:, first + 45 :],
        ).joints.numpy()  # fmt: skip
    if kind == "amass":
        seen = np.stack([seen[..., 0], seen[..., 2], -seen[..., 1]], axis=-1)  # its Z is our Y
    assert np.abs(seen[:, :22] - joints_m(POSES)).max() <= MM
    hand = 25 if kind == "smplx" else 22
    assert np.abs(seen[:, hand : hand + 30] - _with_fingers(clip)[:, 22:]).max() <= MM
    assert seen[0, :22] == pytest.approx(np.array([KNOWN_M[name] for name in JOINTS]), abs=MM)


def _with_fingers(clip: Clip) -> np.ndarray:
    turns = np.concatenate([clip.body, clip.hands], axis=1).astype(np.float64)
    return forward_kinematics(clip.root.astype(np.float64), turns, clip.skeleton)[0]
