"""What is judged: a body as joint positions in the house frame, and windows of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from engine.skeleton import JOINTS
from realtime_models.training.motion_files.motion import Motion, from_pose

__all__ = ["JUDGE_HZ", "WINDOW_FRAMES", "WINDOW_S", "Motion", "Windows", "at_judge_rate", "from_pose", "windows"]

JUDGE_HZ = 30.0  #: every measure is taken at this rate, on both sides of every comparison
WINDOW_S = 5.0  #: length of a window; windows never overlap
WINDOW_FRAMES = round(WINDOW_S * JUDGE_HZ)


def at_judge_rate(motion: Motion) -> Motion:
    """The motion at 30 frames a second: every n-th frame where the rate is a multiple, else between two frames.

    Nothing is smoothed: what trembles at 30 Hz trembles here too. Rotations go with the frame nearest in time.
    """
    step = motion.fps / JUDGE_HZ
    if step == 1:
        return motion
    at = np.arange(int((len(motion.positions) - 1) / step + 1e-9) + 1) * step
    low = np.minimum(at.astype(int), len(motion.positions) - 1)
    high = np.minimum(low + 1, len(motion.positions) - 1)
    u = (at - low)[:, None, None]
    positions = motion.positions[low] * (1 - u) + motion.positions[high] * u
    near = np.minimum(np.round(at).astype(int), len(motion.positions) - 1)
    rotations = None if motion.rotations is None else motion.rotations[near]
    return replace(motion, positions=positions, rotations=rotations, fps=JUDGE_HZ)


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of many motions, one after another."""

    positions: np.ndarray  #: (W, 150, 22, 3) [m]
    blocks: np.ndarray  #: (W,) int: windows of one motion share a number
    names: tuple[str, ...]  #: of the motions, by block number
    dancers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, which: np.ndarray) -> "Windows":
        """Those windows (indices or mask)."""
        return replace(self, positions=self.positions[which], blocks=self.blocks[which])


def windows(motions: Iterable[Motion], seconds: float = WINDOW_S) -> Windows:
    """All whole windows, cut from frame 0 on without overlap; what is left over at an end is not used.

    Windows with a value that is not finite are left out (``body`` counts them).
    """
    motions = [at_judge_rate(m) for m in motions]
    length = round(seconds * JUDGE_HZ)
    parts, blocks = [], []
    for number, motion in enumerate(motions):
        for start in range(0, len(motion.positions) - length + 1, length):
            part = motion.positions[start : start + length]
            if np.isfinite(part).all():
                parts.append(part)
                blocks.append(number)
    shape = (0, length, len(JOINTS), 3)
    return Windows(
        np.stack(parts) if parts else np.zeros(shape),
        np.array(blocks, dtype=np.int64),
        tuple(m.name for m in motions),
        tuple(m.dancer for m in motions),
    )
