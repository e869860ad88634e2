"""The ``.part`` of a recording: fixed records behind a few bytes that say what they are.

It grows while the show runs, a record a pose, and is whole up to the last record whenever the show ends, however it
ends. ``read_spill`` makes a Clip of it; what is cut short at the end is left out.
"""

from pathlib import Path

import numpy as np

from bridges.recorders.clip import EXPRESSIONS, HAND_JOINTS, Clip
from engine.errors import ConfigError
from engine.skeleton import JOINTS
from engine.types import Pose

PART = ".part"
MAGIC = b"corybant poses 1"
SPILL_RECORD = np.dtype(
    [
        ("frame", "<i8"),
        ("root", "<f4", 3),
        ("body", "<f4", (len(JOINTS), 4)),
        ("hands", "<f4", (len(HAND_JOINTS), 4)),  # NaN: none in this pose
        ("expressions", "<f4", len(EXPRESSIONS)),  # NaN: not said
    ]
)
_SCAN = 65_536


def pose_record(pose: Pose) -> bytes:
    """One pose as a record. Expressions of other names than EXPRESSIONS are left out."""
    record = np.zeros((), SPILL_RECORD)
    record["frame"], record["root"], record["body"] = pose.frame, pose.root, pose.rotations
    record["hands"] = np.nan if pose.hands is None else pose.hands
    record["expressions"] = [pose.expressions.get(name, np.nan) for name in EXPRESSIONS]
    return record.tobytes()


def read_spill(path: Path) -> Clip:
    """The poses of a ``.part``, memory-mapped. Raises ConfigError, one line, when it is none or holds no pose."""
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
        count = (path.stat().st_size - len(MAGIC)) // SPILL_RECORD.itemsize
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    if head != MAGIC:
        raise ConfigError(f"{path} is no recording: it does not begin with '{MAGIC.decode()}'")
    if count < 1:
        raise ConfigError(f"{path} holds no pose: the show ended before the first second of it")
    records = np.memmap(path, SPILL_RECORD, "r", len(MAGIC), (count,))
    said = [name for k, name in enumerate(EXPRESSIONS) if _any(records["expressions"][:, k])]
    return Clip(
        frame=np.ascontiguousarray(records["frame"]),
        root=records["root"],
        body=records["body"],
        hands=records["hands"] if _any(records["hands"][:, 0, 0]) else None,
        expressions={name: records["expressions"][:, EXPRESSIONS.index(name)] for name in said},
    )


def _any(column: np.ndarray) -> bool:
    """Is a number anywhere in a column (F,) that may be large?"""
    return any(np.isfinite(column[start : start + _SCAN]).any() for start in range(0, len(column), _SCAN))
