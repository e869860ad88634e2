"""Forward kinematics in torch on features, for the losses."""

import torch

from engine.skeleton import OFFSETS_M, PARENTS
from realtime_models.features import COLUMN_JOINTS, COLUMNS, HEIGHT, TILT, VELOCITY, YAW_RATE


def matrix_from_6d(d: torch.Tensor) -> torch.Tensor:
    """(..., 6) -> rotation matrices (..., 3, 3) by Gram-Schmidt."""
    a = torch.nn.functional.normalize(d[..., :3], dim=-1)
    b = torch.nn.functional.normalize(d[..., 3:] - (a * d[..., 3:]).sum(-1, keepdim=True) * a, dim=-1)
    return torch.stack([a, b, torch.linalg.cross(a, b)], dim=-1)


def joints_in_heading(features: torch.Tensor) -> torch.Tensor:
    """Joints (..., 22, 3) [m] with the body above the origin, heading +Z."""
    turns = {0: matrix_from_6d(features[..., TILT])}
    local = matrix_from_6d(features[..., torch.as_tensor(COLUMNS)].unflatten(-1, (-1, 6)))
    lookup = {int(j): i for i, j in enumerate(COLUMN_JOINTS)}
    zero = torch.zeros_like(features[..., HEIGHT])
    places = {0: torch.stack([zero, features[..., HEIGHT], zero], -1)}
    offsets = torch.as_tensor(OFFSETS_M, dtype=features.dtype)
    for joint in range(1, len(PARENTS)):
        parent = int(PARENTS[joint])
        places[joint] = places[parent] + (turns[parent] @ offsets[joint])
        turns[joint] = turns[parent] @ local[..., lookup[joint], :, :] if joint in lookup else turns[parent]
    return torch.stack([places[j] for j in range(len(PARENTS))], -2)


def joints_in_world(features: torch.Tensor) -> torch.Tensor:
    """Joints (B, F, 22, 3) [m] with the path integrated from the origin."""
    yaw_after = torch.cumsum(features[..., YAW_RATE], -1)
    yaw_before = yaw_after - features[..., YAW_RATE]
    side, ahead = features[..., VELOCITY].unbind(-1)
    sin, cos = torch.sin(yaw_before), torch.cos(yaw_before)
    x = torch.cumsum(cos * side + sin * ahead, -1)
    z = torch.cumsum(-sin * side + cos * ahead, -1)
    body = joints_in_heading(features)
    sin, cos = torch.sin(yaw_after)[..., None], torch.cos(yaw_after)[..., None]
    bx, by, bz = body.unbind(-1)
    return torch.stack([cos * bx + sin * bz + x[..., None], by, -sin * bx + cos * bz + z[..., None]], -1)
