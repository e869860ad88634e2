"""Poses to record, and parsers of what was written, made from the formats' definitions and from nothing of ours."""

import json
import struct

import numpy as np
from bridge_doubles import made_up_pose

from bridges.recorders.clip import Clip, sampled
from engine.skeleton import JOINTS, forward_kinematics, t_pose
from engine.types import POSE_HZ, Pose

HALF = np.float32(np.sqrt(0.5))
#: Joint positions [m] of ``known_pose``, worked out by hand from the skeleton's lengths: x to the dancer's left, y up,
#: z to the front. Left arm straight up, head turned a quarter to the right, right shank bent backwards to the level.
KNOWN_M = {
    "pelvis": (0.1, 0.955, 0.2),
    "left_hip": (0.185, 0.87, 0.2), "right_hip": (0.015, 0.87, 0.2), "spine1": (0.1, 1.07, 0.2),
    "left_knee": (0.185, 0.47, 0.2), "right_knee": (0.015, 0.47, 0.2), "spine2": (0.1, 1.205, 0.2),
    "left_ankle": (0.185, 0.06, 0.2), "right_ankle": (0.015, 0.47, -0.21), "spine3": (0.1, 1.265, 0.2),
    "left_foot": (0.205, 0.0, 0.33), "right_foot": (-0.005, 0.34, -0.27), "neck": (0.1, 1.475, 0.2),
    "left_collar": (0.17, 1.39, 0.2), "right_collar": (0.03, 1.39, 0.2), "head": (0.08, 1.575, 0.2),
    "left_shoulder": (0.28, 1.42, 0.2), "right_shoulder": (-0.08, 1.42, 0.2),
    "left_elbow": (0.28, 1.69, 0.2), "right_elbow": (-0.35, 1.42, 0.2),
    "left_wrist": (0.28, 1.94, 0.2), "right_wrist": (-0.6, 1.42, 0.2),
}  # fmt: skip


def known_pose(frame: int = 0) -> Pose:
    """Left arm up, head turned right (at the neck, so that the head moves), right knee bent; nothing else turned."""
    rotations = t_pose()
    rotations[JOINTS.index("left_shoulder")] = (0, 0, HALF, HALF)
    rotations[JOINTS.index("neck")] = (0, -HALF, 0, HALF)
    rotations[JOINTS.index("right_knee")] = (HALF, 0, 0, HALF)
    return Pose(frame, frame / POSE_HZ, np.array([0.1, 0.955, 0.2], np.float32), rotations)


def three_poses() -> list[Pose]:
    """What the golden files hold: the T-pose, the known pose, and a quarter turn on the way."""
    standing = Pose(0, 0.0, np.array([0, 0.955, 0], np.float32), t_pose())
    turned = t_pose()
    turned[0] = (0, HALF, 0, HALF)
    return [standing, known_pose(1), Pose(2, 2 / POSE_HZ, np.array([0, 0.955, 0.25], np.float32), turned)]


def clip_of(poses: list[Pose], **asked) -> Clip:
    """A clip of poses, as a take gives it."""
    frame = np.array([pose.frame for pose in poses])
    root, body = np.array([pose.root for pose in poses]), np.array([pose.rotations for pose in poses])
    return sampled(Clip(frame, root, body), **asked)


def wild_poses(count: int, first: int = 7) -> list[Pose]:
    """Poses with every joint turned anyhow, from tick ``first`` on."""
    return [made_up_pose(frame) for frame in range(first, first + count)]


def smooth_poses(count: int, first: int = 0) -> list[Pose]:
    """Every joint swings about an axis of its own, through several whole turns."""
    generator = np.random.default_rng(3)
    axis = generator.normal(size=(22, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    poses = []
    for frame in range(first, first + count):
        half = (frame / 60 * np.linspace(0.3, 2.0, 22))[:, None] * np.pi
        rotations = np.concatenate([axis * np.sin(half), np.cos(half)], axis=1).astype(np.float32)
        root = np.array([frame / 100, 0.955, -frame / 200], np.float32)
        poses.append(Pose(frame, frame / POSE_HZ, root, rotations))
    return poses


def joints_m(poses: list[Pose]) -> np.ndarray:
    """Our own joint positions (F, 22, 3) [m]."""
    root, rotations = np.array([p.root for p in poses]), np.array([p.rotations for p in poses])
    return forward_kinematics(root.astype(np.float64), rotations.astype(np.float64))[0]


def by_name(places: dict[str, list]) -> np.ndarray:
    """{joint: [[x, y, z], ...]} -> (F, 22, 3) in our order."""
    return np.array([places[name] for name in JOINTS]).transpose(1, 0, 2)


# BVH, from its definition: a joint's matrix is its OFFSET (and position channels), then its rotations in the order of
# its channels; rotations are about the axes X, Y, Z in degrees.


def parse_bvh(text: str) -> dict:
    """{"frame_time", "values" (F, C), "joints": [(name, parent, offset, channels)], "world": {joint: (F, 3)}}."""
    head, motion = text.split("MOTION")
    lines = motion.strip().splitlines()
    values = np.array([[float(x) for x in line.split()] for line in lines[2:]])
    assert int(lines[0].removeprefix("Frames:")) == len(values)
    joints, stack = [], []
    for words in map(str.split, head.splitlines()[1:]):
        match words[0]:
            case "ROOT" | "JOINT":
                joints.append([words[1], stack[-1] if stack else None, None, ()])
                stack.append(len(joints) - 1)
            case "End":
                stack.append(None)
            case "OFFSET" if stack[-1] is not None:
                joints[stack[-1]][2] = np.array([float(x) for x in words[1:]])
            case "CHANNELS":
                assert int(words[1]) == len(words) - 2
                joints[stack[-1]][3] = tuple(words[2:])
            case "}":
                stack.pop()
    assert not stack and sum(len(joint[3]) for joint in joints) == values.shape[1]
    return {
        "frame_time": float(lines[1].removeprefix("Frame Time:")),
        "values": values,
        "joints": joints,
        "world": _bvh_world(joints, values),
    }


def _bvh_world(joints: list, values: np.ndarray) -> dict[str, np.ndarray]:
    world, column = {}, 0
    matrices = []
    for name, parent, offset, channels in joints:
        local = np.tile(np.eye(4), (len(values), 1, 1))
        local[:, :3, 3] = offset
        for channel in channels:
            step, axis = np.tile(np.eye(4), (len(values), 1, 1)), "XYZ".index(channel[0])
            if channel.endswith("position"):
                step[:, axis, 3] = values[:, column]
            else:
                a, b = [k for k in range(3) if k != axis]
                if axis == 1:
                    a, b = b, a
                angle = np.radians(values[:, column])
                step[:, a, a] = step[:, b, b] = np.cos(angle)
                step[:, b, a], step[:, a, b] = np.sin(angle), -np.sin(angle)
            local = local @ step
            column += 1
        matrices.append(local if parent is None else matrices[parent] @ local)
        world[name] = matrices[-1][:, :3, 3]
    return world


# glTF, from its definition: a node's matrix is translation times rotation; an animation's outputs replace these.


def parse_glb(data: bytes) -> tuple[dict, bytes]:
    """The document and the binary chunk."""
    magic, version, total = struct.unpack_from("<4sII", data)
    assert (magic, version, total) == (b"glTF", 2, len(data))
    length, kind = struct.unpack_from("<I4s", data, 12)
    size, kind_2 = struct.unpack_from("<I4s", data, 20 + length)
    assert (kind, kind_2, 28 + length + size) == (b"JSON", b"BIN\0", total)
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def accessor(document: dict, blob: bytes, index: int) -> np.ndarray:
    """The float values (N, width) of an accessor."""
    said = document["accessors"][index]
    view = document["bufferViews"][said["bufferView"]]
    assert said["componentType"] == 5126 and said.get("byteOffset", 0) == 0
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[said["type"]]
    assert view["byteLength"] == said["count"] * width * 4
    return np.frombuffer(blob, "<f4", said["count"] * width, view["byteOffset"]).reshape(-1, width)


def glb_world(document: dict, blob: bytes) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Key times (F,) and the world position (F, 3) of every named node at them."""
    (animation,) = document["animations"]
    moved: dict[tuple[int, str], np.ndarray] = {}
    times = None
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        assert sampler["interpolation"] == "LINEAR"
        times = accessor(document, blob, sampler["input"])[:, 0]
        target = channel["target"]
        moved[target["node"], target["path"]] = accessor(document, blob, sampler["output"])
    world: dict[str, np.ndarray] = {}

    def walk(node: int, above: np.ndarray) -> None:
        said = document["nodes"][node]
        local = np.tile(np.eye(4), (len(times), 1, 1))
        local[:, :3, :3] = _matrices(moved.get((node, "rotation"), np.array([said.get("rotation", [0, 0, 0, 1])])))
        local[:, :3, 3] = moved.get((node, "translation"), np.array([said.get("translation", [0, 0, 0])]))
        world[said["name"]] = (above @ local)[:, :3, 3]
        for child in said.get("children", []):
            walk(child, above @ local)

    for node in document["scenes"][document["scene"]]["nodes"]:
        walk(node, np.tile(np.eye(4), (len(times), 1, 1)))
    return times, world


def _matrices(xyzw: np.ndarray) -> np.ndarray:
    x, y, z, w = np.asarray(xyzw, np.float64).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.array(rows).transpose(2, 0, 1)
