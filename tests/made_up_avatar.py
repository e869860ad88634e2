"""Humanoid .glb files made in the test: boxes on bones, in the habits of well-known rigs."""

import json
import math
import struct

import numpy as np

from engine.skeleton import HOUSE, quat_conjugate, quat_multiply, quat_rotate

#: Mixamo's name of every house joint.
MIXAMO = (
    "Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot", "RightFoot", "Spine2",
    "LeftToeBase", "RightToeBase", "Neck", "LeftShoulder", "RightShoulder", "Head", "LeftArm", "RightArm",
    "LeftForeArm", "RightForeArm", "LeftHand", "RightHand",
)  # fmt: skip
ARM_DOWN_RAD = 0.7


def mixamo_glb(*, scale: float = 100.0, facing_rad: float = math.pi / 2) -> bytes:
    """A body in the habits of Mixamo files: centimetres under an armature scaled to metres and turned, each bone
    with axes of its own, arms hanging down, and an extra bone that nothing drives."""
    generator = np.random.default_rng(5)
    positions, rotations = [], []
    names = [f"mixamorig:{name}" for name in MIXAMO] + ["mixamorig:Cape_01"]
    parents = [*HOUSE.parents, 9]
    down = {16: -ARM_DOWN_RAD, 17: ARM_DOWN_RAD}
    turned = []
    for joint, parent in enumerate(parents):
        swing = np.array([0, 0, math.sin(down.get(joint, 0) / 2), math.cos(down.get(joint, 0) / 2)])
        turned.append(swing if parent < 0 else quat_multiply(turned[parent], swing))
        offset = HOUSE.offsets[joint] if joint < len(MIXAMO) else np.array([0, 0.1, -0.15])
        at = np.array([0, 0.955, 0]) if parent < 0 else positions[parent] + quat_rotate(turned[parent], offset)
        positions.append(at)
        own = generator.normal(size=4)
        rotations.append(own / np.linalg.norm(own))
    return _glb(names, parents, np.array(positions), np.array(rotations), scale, facing_rad)


def _glb(names, parents, positions, rotations, scale, facing_rad) -> bytes:
    count = len(names)
    nodes = []
    for joint, parent in enumerate(parents):
        if parent < 0:
            offset, turn = positions[joint], rotations[joint]
        else:
            back = quat_conjugate(rotations[parent])
            offset = quat_rotate(back, positions[joint] - positions[parent])
            turn = quat_multiply(back, rotations[joint])
        node = {"name": names[joint], "translation": (offset * scale).tolist(), "rotation": turn.tolist()}
        children = [child for child, up in enumerate(parents) if up == joint]
        nodes.append(node | ({"children": children} if children else {}))
    facing = [0, math.sin(facing_rad / 2), 0, math.cos(facing_rad / 2)]
    armature = {"name": "Armature", "children": [0], "scale": [1 / scale] * 3, "rotation": facing}
    nodes += [armature, {"name": "Body", "mesh": 0, "skin": 0}]

    # Skinned vertices are given in the mesh's own space; the bind matrices bring them into each bone's.
    vertices, normals, owners, triangles = _boxes(parents, positions)
    binds = np.array([_inverse(positions[j] * scale, rotations[j]) for j in range(count)], np.float32)
    joints = np.zeros((len(vertices), 4), np.uint8)
    joints[:, 0] = owners
    weights = np.tile(np.array([1, 0, 0, 0], np.float32), (len(vertices), 1))
    arrays = [
        ((vertices * scale).astype(np.float32), "VEC3", 5126),
        (normals.astype(np.float32), "VEC3", 5126),
        (joints, "VEC4", 5121),
        (weights, "VEC4", 5126),
        (triangles.astype(np.uint16).ravel(), "SCALAR", 5123),
        (binds.transpose(0, 2, 1), "MAT4", 5126),
    ]
    views, accessors, blob = [], [], b""
    for array, kind, component in arrays:
        data = np.ascontiguousarray(array).tobytes()
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(data)})
        accessor = {"bufferView": len(views) - 1, "componentType": component, "count": len(array), "type": kind}
        if not accessors:
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        accessors.append(accessor)
        blob += data + b"\0" * (-len(data) % 4)
    attributes = {"POSITION": 0, "NORMAL": 1, "JOINTS_0": 2, "WEIGHTS_0": 3}
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [count, count + 1]}],
        "nodes": nodes,
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 4, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.35, 0.2, 1], "metallicFactor": 0.1}}],
        "skins": [{"joints": list(range(count)), "inverseBindMatrices": 5, "skeleton": 0}],
        "buffers": [{"byteLength": len(blob)}],
        "bufferViews": views,
        "accessors": accessors,
    }
    return pack_glb(document, blob)


def pack_glb(document: dict, blob: bytes) -> bytes:
    """A .glb of a glTF document and its one buffer."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(blob)
    head = struct.pack("<4sII", b"glTF", 2, total)
    return head + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob


def unpack_glb(data: bytes) -> tuple[dict, bytes]:
    """The document and the buffer of a .glb."""
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def vrm_0(data: bytes) -> bytes:
    """The same body as a VRM 0 file: turned to face -Z, as that version wants it, with its old extension."""
    document, blob = unpack_glb(data)
    blob = bytearray(blob)
    human = document["extensions"].pop("VRMC_vrm")["humanoid"]["humanBones"]
    renamed = {"ThumbProximal": "ThumbIntermediate", "ThumbMetacarpal": "ThumbProximal"}
    bones = []
    for bone, value in human.items():
        for new, old in renamed.items():
            if bone.endswith(new):
                bone = bone.replace(new, old)
                break
        bones.append({"bone": bone, "node": value["node"], "useDefaultValues": True})
    for node in document["nodes"]:
        if "translation" in node:
            x, y, z = node["translation"]
            node["translation"] = [-x, y, -z]
    accessors, views = document["accessors"], document["bufferViews"]
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    for name in ("POSITION", "NORMAL"):
        accessor = accessors[attributes[name]]
        values = _floats(blob, accessor, views, 3)
        values[:, [0, 2]] *= -1
        if "min" in accessor:
            accessor["min"], accessor["max"] = values.min(axis=0).tolist(), values.max(axis=0).tolist()
    binds = _floats(blob, accessors[document["skins"][0]["inverseBindMatrices"]], views, 16)
    binds[:, [12, 14]] *= -1
    document["extensionsUsed"] = ["VRM"]
    meta = {"title": "turned", "version": "1", "author": "test", "licenseName": "CC0"}
    document["extensions"]["VRM"] = {
        "specVersion": "0.0",
        "meta": meta,
        "humanoid": {"humanBones": bones},
        "materialProperties": [{"name": "stage", "shader": "VRM_USE_GLTFSHADER"}],
    }
    return pack_glb(document, bytes(blob))


def _floats(blob: bytearray, accessor: dict, views: list, width: int) -> np.ndarray:
    start = views[accessor["bufferView"]].get("byteOffset", 0) + accessor.get("byteOffset", 0)
    return np.frombuffer(blob, np.float32, accessor["count"] * width, start).reshape(-1, width)


def _inverse(position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """4 x 4 inverse of a bone's rest placement."""
    back = quat_conjugate(rotation)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([quat_rotate(back, axis) for axis in np.eye(3)], axis=1)
    matrix[:3, 3] = -quat_rotate(back, position)
    return matrix


def _boxes(parents, positions):
    """One box from every joint to its first child: vertices (N, 3), normals, owning joint (N,), triangles (M, 3)."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 1)], float)
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = np.array([[q[0], q[i], q[i + 1]] for q in quads for i in (1, 2)])
    vertices, normals, owners, triangles = [], [], [], []
    for joint, at in enumerate(positions):
        child = next((c for c, up in enumerate(parents) if up == joint), None)
        along = positions[child] - at if child is not None else (at - positions[parents[joint]]) * 0.5
        length = max(float(np.linalg.norm(along)), 1e-3)
        z = along / length
        x = np.cross([0, 1, 0] if abs(z[1]) < 0.9 else [1, 0, 0], z)
        x /= np.linalg.norm(x)
        y = np.cross(z, x)
        width = 0.1 if joint in (0, 3, 6, 9) else 0.045
        triangles.append(faces + sum(map(len, vertices)))
        vertices.append(at + corners[:, :1] * width * x + corners[:, 1:2] * width * y + corners[:, 2:] * length * z)
        outward = vertices[-1] - vertices[-1].mean(axis=0)
        normals.append(outward / np.linalg.norm(outward, axis=1, keepdims=True))
        owners.append(np.full(8, joint))
    return np.concatenate(vertices), np.concatenate(normals), np.concatenate(owners), np.concatenate(triangles)
