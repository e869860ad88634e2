"""Fixed binary records of poses: what travels from the planner process and what a take keeps while recording."""

from collections.abc import Iterable

import numpy as np

from engine.skeleton import JOINTS
from engine.types import Pose

PERFORMERS = 1
POSE_RECORD = np.dtype(
    [
        ("frame", "<i8"),
        ("time_s", "<f8"),
        ("root", "<f4", (PERFORMERS, 3)),
        ("rotations", "<f4", (PERFORMERS, len(JOINTS), 4)),
    ]
)


def poses2records(poses: Iterable[Pose]) -> np.ndarray:
    """Poses -> structured array (F,) of POSE_RECORD."""
    poses = list(poses)
    records = np.zeros(len(poses), POSE_RECORD)
    for record, pose in zip(records, poses, strict=True):
        record["frame"], record["time_s"] = pose.frame, pose.time_s
        record["root"][0], record["rotations"][0] = pose.root, pose.rotations
    return records


def records2poses(records: np.ndarray) -> list[Pose]:
    """Structured array (F,) of POSE_RECORD -> poses of the first performer; every array is its own copy."""
    return [
        Pose(int(record["frame"]), float(record["time_s"]), record["root"][0].copy(), record["rotations"][0].copy())
        for record in records
    ]
