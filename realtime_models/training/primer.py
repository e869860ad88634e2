"""The body at ease from which every dance starts: the calmest standing second and a half of the training set."""

import numpy as np
import torch

from realtime_models.tokens import Tokeniser
from realtime_models.training.data import body_speed, clip_features, read_clips

PRIMER_ROWS = 14


def calmest_window(frames: int) -> np.ndarray:
    """(frames, 126) features of a dance clip's quiet, upright start."""
    best, found = np.inf, None
    for clip in read_clips():
        if not clip.name.startswith("g1moves_J") or len(clip.root) < frames:
            continue
        level = body_speed(clip.root[:frames], clip.rotations[:frames]).mean()
        if level < best and clip.root[:frames, 1].min() > 0.9:
            best, found = level, clip
    if found is None:
        raise ValueError("no calm standing start in the training set")
    return clip_features(found)[:frames]


@torch.no_grad()
def standing_tokens(tokeniser: Tokeniser) -> np.ndarray:
    """(PRIMER_ROWS, G, S) tokens."""
    features = torch.from_numpy(calmest_window(PRIMER_ROWS * tokeniser.spec.row_frames))[None]
    return tokeniser.tokens(features)[0].numpy()
