"""The body at ease from which every dance starts: the calmest standing second and a half of some clips."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from engine.idle import idle_pose
from engine.skeleton import JOINTS, forward_kinematics
from realtime_models.features import poses_to_features
from realtime_models.tokens import Tokeniser
from realtime_models.training.data import Clip, body_speed

PRIMER_ROWS = 14
STRIDE = 5  #: frames between windows that are looked at
UPRIGHT_M = 0.85  #: the pelvis is never lower
HEAD_M = 0.45  #: and the head so far above it
DOWN_M = 0.12  #: and both toes lower
CALM_M_S = 0.5  #: a window in which the body moves faster is no rest
LEAD = ("g1moves_J",)  #: of the shipped set: clips that begin with a dancer at ease


def calmest_window(clips: Sequence[Clip], frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Root (F, 3) and rotations (F, 22, 4) of the slowest stretch in which a body stands on both feet.

    Where there is none, the show's own breathing idle stands in.
    """
    best, found = CALM_M_S, None
    for clip in clips:
        if len(clip.root) < frames:
            continue
        joints = forward_kinematics(clip.root, clip.rotations)[0]
        feet = joints[:, [JOINTS.index("left_foot"), JOINTS.index("right_foot")], 1].max(1)
        head = joints[:, JOINTS.index("head"), 1] - clip.root[:, 1]
        stands = (clip.root[:, 1] > UPRIGHT_M) & (head > HEAD_M) & (feet < DOWN_M)
        stands[clip.bad_frames[clip.bad_frames < len(stands)]] = False
        speed = body_speed(clip.root, clip.rotations)
        for first in range(0, len(clip.root) - frames + 1, STRIDE):
            window = slice(first, first + frames)
            if stands[window].all() and (mean := float(speed[window].mean())) < best:
                best, found = mean, (clip.root[window], clip.rotations[window])
    return found or idle_window(frames)


def idle_window(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """The show's idle at model frames."""
    poses = [idle_pose(2 * frame) for frame in range(frames)]
    return np.stack([pose.root for pose in poses]), np.stack([pose.rotations for pose in poses])


def beginnings(clips: Sequence[Clip], frames: int) -> list[Clip]:
    """The first frames of the clips that begin at ease (``LEAD``)."""
    return [
        replace(clip, root=clip.root[:frames], rotations=clip.rotations[:frames])
        for clip in clips
        if clip.name.startswith(LEAD)
    ]


@torch.no_grad()
def standing_tokens(tokeniser: Tokeniser, clips: Sequence[Clip]) -> np.ndarray:
    """(PRIMER_ROWS, G, S) tokens of the calmest window of the clips."""
    root, rotations = calmest_window(clips, primer_frames(tokeniser))
    return tokeniser.tokens(torch.from_numpy(poses_to_features(root, rotations))[None])[0].numpy()


def primer_frames(tokeniser: Tokeniser) -> int:
    """Length of the primer in model frames."""
    return PRIMER_ROWS * tokeniser.spec.row_frames
