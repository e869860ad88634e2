"""glTF 2.0 as one binary file (.glb), and VRMA: the same nodes with a map of human bones.

House frame, which is glTF's own: right-handed, Y up, facing +Z, metres, quaternions xyzw. One node a joint, named as in
the house, at rest in the T-pose with the toes on the floor. One animation, interpolated linearly: the pelvis's
translation and the rotation of every joint, float32 with their least and greatest values; time 0 is the first frame.

* ``write_glb`` adds a skin and a small spindle for every bone: it shows a body and imports as an armature.
* ``write_vrma`` has no mesh; ``VRMC_vrm_animation`` 1.0 names the bone of every node, and a node for each expression
  that was danced, whose x is its strength. A player fits it to any VRM avatar.

Formats: Khronos glTF 2.0; VRM Consortium, VRMC_vrm_animation 1.0.
"""

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from bridges.axes import HUMAN_BONES
from bridges.recorders.clip import Clip, aligned
from bridges.recorders.spindles import spindles
from engine.errors import ConfigError
from engine.skeleton import STANDING_HIP_M
from engine.types import Skeleton

FLOAT, SHORT, BYTE = 5126, 5123, 5121  #: component types
MAX_BYTES = 2**32 - 1  #: of a .glb: its length is a 32-bit number
MAX_SECONDS = 32_768.0  #: from here on float32 tells times only 4 ms apart
_WIDTH = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_SIZE = {FLOAT: 4, SHORT: 2, BYTE: 1}

Pieces = Callable[[], Iterator[np.ndarray]]


@dataclass(frozen=True, slots=True)
class _Column:
    """One accessor: its values come in pieces, the same again at every call."""

    kind: str
    count: int
    pieces: Pieces
    component: int = FLOAT
    bounded: bool = True
    target: int | None = None  #: what the bytes are for: 34962 vertices, 34963 indices

    @property
    def size(self) -> int:
        """Bytes, without padding."""
        return self.count * _WIDTH[self.kind] * _SIZE[self.component]

    def bounds(self) -> dict[str, list[float]]:
        """``min`` and ``max`` of each component, exactly as stored."""
        least, most = [], []
        for piece in self.pieces():
            rows = piece.reshape(len(piece), -1)
            least.append(rows.min(axis=0))
            most.append(rows.max(axis=0))
        return {"min": np.min(least, axis=0).tolist(), "max": np.max(most, axis=0).tolist()}


def write_glb(clip: Clip, file: BinaryIO) -> None:
    """Write ``clip`` as a skinned body. Raises ConfigError where poses are not finite or too many, OSError."""
    document, columns = _animated(clip)
    body = spindles(clip.skeleton, _rest_m(clip.skeleton))
    first = len(columns)
    columns += [
        _whole("VEC3", body.vertices, target=34962),
        _whole("VEC4", body.joints, component=BYTE, bounded=False, target=34962),
        _whole("VEC4", body.weights, bounded=False, target=34962),
        _whole("SCALAR", body.triangles, component=SHORT, bounded=False, target=34963),
        _whole("MAT4", body.inverse_binds, bounded=False),
    ]
    attributes = {"POSITION": first, "JOINTS_0": first + 1, "WEIGHTS_0": first + 2}
    document["meshes"] = [
        {"name": "body", "primitives": [{"attributes": attributes, "indices": first + 3, "material": 0}]}
    ]
    colour = {"baseColorFactor": [0.9, 0.55, 0.25, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.8}
    document["materials"] = [{"name": "body", "pbrMetallicRoughness": colour}]
    joints = list(range(len(clip.skeleton.names)))
    document["skins"] = [{"joints": joints, "inverseBindMatrices": first + 4, "skeleton": 0}]
    document["scenes"][0]["nodes"].append(len(document["nodes"]))
    document["nodes"].append({"name": "body", "mesh": 0, "skin": 0})
    _write(document, columns, file)


def write_vrma(clip: Clip, file: BinaryIO) -> None:
    """Write ``clip`` as a VRM animation. Raises ConfigError where poses are not finite or too many, OSError."""
    document, columns = _animated(clip)
    bones = {human_bone(name): {"node": node} for node, name in enumerate(clip.skeleton.names)}
    extension: dict[str, Any] = {"specVersion": "1.0", "humanoid": {"humanBones": bones}}
    preset = {}
    for name in sorted(clip.expressions):
        preset[name] = {"node": len(document["nodes"])}
        document["scenes"][0]["nodes"].append(len(document["nodes"]))
        _animate(document, len(document["nodes"]), "translation", len(columns))
        document["nodes"].append({"name": name})
        columns.append(_Column("VEC3", clip.frames, _strengths(clip, name)))
    if preset:
        extension["expressions"] = {"preset": preset}
    document["extensionsUsed"] = ["VRMC_vrm_animation"]
    document["extensions"] = {"VRMC_vrm_animation": extension}
    _write(document, columns, file)


def human_bone(joint: str) -> str:
    """VRM 1.0's name of a house or hand joint: ``left_shoulder`` -> ``leftUpperArm``."""
    if joint in HUMAN_BONES:
        bone = HUMAN_BONES[joint]
        return bone[0].lower() + bone[1:]
    side, finger = joint[:-1].split("_")
    if finger == "pinky":
        finger = "little"
    parts = ("Metacarpal", "Proximal", "Distal") if finger == "thumb" else ("Proximal", "Intermediate", "Distal")
    return f"{side}{finger.capitalize()}{parts[int(joint[-1]) - 1]}"


def _animated(clip: Clip) -> tuple[dict[str, Any], list[_Column]]:
    """The nodes at rest and their animation; accessor 0 is time, 1 the pelvis, 2 + j the rotation of joint j."""
    if clip.frames / clip.fps > MAX_SECONDS:
        raise ConfigError(f"{clip.seconds:.0f} s are too long for glTF: take pieces, at most {MAX_SECONDS:g} s each")
    skeleton = clip.skeleton
    nodes: list[dict[str, Any]] = []
    for joint, name in enumerate(skeleton.names):
        offset = [0.0, STANDING_HIP_M, 0.0] if joint == 0 else _decimal(skeleton.offsets[joint])
        children = np.flatnonzero(np.asarray(skeleton.parents) == joint).tolist()
        node = {"name": name, "translation": offset, "rotation": [0.0, 0.0, 0.0, 1.0]}
        nodes.append(node | ({"children": children} if children else {}))
    document = {
        "asset": {"version": "2.0", "generator": "Corybant"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": nodes,
        "animations": [{"name": "dance", "channels": [], "samplers": []}],
    }
    _animate(document, 0, "translation", 1)
    columns = [_Column("SCALAR", clip.frames, _times(clip)), _Column("VEC3", clip.frames, _places(clip))]
    for joint in range(len(skeleton.names)):
        _animate(document, joint, "rotation", len(columns))
        columns.append(_Column("VEC4", clip.frames, _turns(clip, joint)))
    return document, columns


def _animate(document: dict[str, Any], node: int, path: str, accessor: int) -> None:
    animation = document["animations"][0]
    animation["channels"].append({"sampler": len(animation["samplers"]), "target": {"node": node, "path": path}})
    animation["samplers"].append({"input": 0, "interpolation": "LINEAR", "output": accessor})


def _times(clip: Clip) -> Pieces:
    return lambda: (clip.times_s(*chunk).astype("<f4") for chunk in clip.chunks())


def _places(clip: Clip) -> Pieces:
    return lambda: (clip.places(*chunk).astype("<f4") for chunk in clip.chunks())


def _turns(clip: Clip, joint: int) -> Pieces:
    def pieces() -> Iterator[np.ndarray]:
        before = None
        for start, stop in clip.chunks():
            turns = aligned(clip.rotations(start, stop, slice(joint, joint + 1))[:, 0], before)
            before = turns[-1]
            yield turns.astype("<f4")

    return pieces


def _strengths(clip: Clip, name: str) -> Pieces:
    def pieces() -> Iterator[np.ndarray]:
        for start, stop in clip.chunks():
            places = np.zeros((stop - start, 3), "<f4")
            places[:, 0] = clip.strength(name, start, stop)
            yield places

    return pieces


def _whole(kind: str, values: np.ndarray, **more: Any) -> _Column:
    return _Column(kind, len(values), lambda: iter([values]), **more)


def _write(document: dict[str, Any], columns: list[_Column], file: BinaryIO) -> None:
    """The header, the document and the buffer, every accessor in a view of its own."""
    total = sum(_padded(column.size) for column in columns)
    if total > MAX_BYTES - 2**20:
        raise ConfigError(f"{total / 1e9:.1f} GB are too many for a .glb (4 GB): ask for fewer frames or a piece")
    views, accessors, place = [], [], 0
    for index, column in enumerate(columns):
        view = {"buffer": 0, "byteOffset": place, "byteLength": column.size}
        views.append(view | ({"target": column.target} if column.target else {}))
        accessor = {"bufferView": index, "componentType": column.component, "count": column.count, "type": column.kind}
        accessors.append(accessor | (column.bounds() if column.bounded else {}))
        place += _padded(column.size)
    document |= {"accessors": accessors, "bufferViews": views, "buffers": [{"byteLength": total}]}
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (_padded(len(text)) - len(text))
    file.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + total))
    file.write(struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", total, b"BIN\0"))
    for column in columns:
        for piece in column.pieces():
            file.write(np.ascontiguousarray(piece).tobytes())
        file.write(b"\0" * (_padded(column.size) - column.size))


def _padded(size: int) -> int:
    return (size + 3) // 4 * 4


def _rest_m(skeleton: Skeleton) -> np.ndarray:
    """Joint positions (J, 3) [m] of the T-pose with the toes on the floor."""
    places = [np.array([0.0, STANDING_HIP_M, 0.0])]
    for joint in range(1, len(skeleton.names)):
        places.append(places[skeleton.parents[joint]] + _decimal(skeleton.offsets[joint]))
    return np.array(places)


def _decimal(offset_m: np.ndarray) -> list[float]:
    """What the float32 numbers were written as: .085 instead of .08500000089406967."""
    return [round(float(x), 6) for x in offset_m]
