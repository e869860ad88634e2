"""WebSocket messages (docs/protocol.md), as pure functions."""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.types import POSE_HZ, Pose, Skeleton

MAGIC = b"CPS1"
PROTOCOL_VERSION = 1
HEADER = struct.Struct("<4sIddHHI")  # magic, frame, time_s, sent_s, performers, joints, flags: 32 bytes
FRAME_MASK = 0xFFFFFFFF  #: the frame number wraps after 828 days


def pose_bytes(pose: Pose, flags: int, sent_s: float) -> bytes:
    """The binary pose frame: header, then per performer root (3) and rotations (J, 4), little-endian float32."""
    rotations = np.ascontiguousarray(pose.rotations, "<f4")
    head = HEADER.pack(MAGIC, pose.frame & FRAME_MASK, pose.time_s, sent_s, 1, len(rotations), flags)
    return head + np.ascontiguousarray(pose.root, "<f4").tobytes() + rotations.tobytes()


def pose_json(pose: Pose, flags: int, sent_s: float) -> str:
    """The same frame as text, for receivers without binary messages."""
    body = {"root": _rounded(pose.root), "rotations": _rounded(pose.rotations)}
    return json.dumps(
        {
            "type": "pose",
            "frame": pose.frame,
            "time_s": pose.time_s,
            "sent_s": sent_s,
            "flags": flags,
            "performers": [body],
        },
        separators=(",", ":"),
    )


def _rounded(values: np.ndarray) -> list:
    return np.asarray(values, np.float64).round(6).tolist()  # six decimals: a micrometre, and half the text


def skeleton_json(skeleton: Skeleton, lead_s: float, performers: int = 1) -> str:
    """The first message of every connection, also served at ``/skeleton``."""
    return to_json(
        {
            "type": "skeleton",
            "version": PROTOCOL_VERSION,
            "names": list(skeleton.names),
            "parents": np.asarray(skeleton.parents).tolist(),
            "offsets": _rounded(skeleton.offsets),
            "performers": performers,
            "pose_hz": POSE_HZ,
            "lead_ms": round(lead_s * 1000, 3),
        }
    )


def to_json(value: Any) -> str:
    """JSON that every browser reads: numbers that are not finite become null, numpy values their plain kin."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError):
        return json.dumps(_plain(value), allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)
