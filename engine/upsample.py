"""Model frames (30 a second) to poses (60 a second). Pure; plain interpolation, which a learned one would have to
beat.
"""

import numpy as np

from engine.skeleton import quat_slerp
from engine.types import POSE_HZ, Pose


def frames_to_poses(first_frame: int, root: np.ndarray, rotations: np.ndarray, last: Pose | None) -> tuple[Pose, ...]:
    """Poses up to and with tick 2 x the last model frame.

    ``root`` (F, 3) and ``rotations`` (F, 22, 4) are model frames ``first_frame``...; ``last`` is the pose of the
    model frame before (none at the start of the show). Every second pose is a model frame, the others lie half way.
    """
    poses = []
    for i in range(len(root)):
        tick = 2 * (first_frame + i)
        if last is not None:
            middle = quat_slerp(last.rotations, rotations[i], np.full(rotations.shape[1], 0.5))
            poses.append(Pose(tick - 1, (tick - 1) / POSE_HZ, (last.root + root[i]) * np.float32(0.5), middle))
        last = Pose(tick, tick / POSE_HZ, root[i], rotations[i])
        poses.append(last)
    return tuple(poses)
