"""What is judged: a body as joint positions in the house frame, and windows of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from engine.skeleton import JOINTS, forward_kinematics

JUDGE_HZ = 30.0  #: every measure is taken at this rate, on both sides of every comparison
WINDOW_S = 5.0  #: length of a window; windows never overlap
WINDOW_FRAMES = round(WINDOW_S * JUDGE_HZ)


@dataclass(frozen=True, slots=True)
class Motion:
    """One uninterrupted stretch of one body.

    ``name`` is the block of every bootstrap: windows of one Motion are never treated as independent. A dance of a song
    by a system is one Motion; so is a clip.
    """

    name: str
    positions: np.ndarray  #: (F, 22, 3) [m], house frame: Y up, floor at y = 0; joints in the order of JOINTS
    fps: float = JUDGE_HZ
    dancer: str = ""  #: who moves; "" = unknown. Dancers are what is left out as a whole
    style: str = ""
    rotations: np.ndarray | None = None  #: (F, 22, 4) xyzw, local; None where only positions are known
    song: str = ""  #: name of the music danced to; "" = none
    seed: int = 0
    beats_s: np.ndarray | None = None  #: true beats of the song, frame 0 = time 0
    #: loudness of the song once a judge frame (n,) [dB], frame 0 = time 0; None = no music at hand
    loudness_db: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.positions.ndim != 3 or self.positions.shape[1:] != (len(JOINTS), 3):
            raise ValueError(f"{self.name}: positions are {self.positions.shape}, expected (frames, {len(JOINTS)}, 3)")

    @property
    def seconds(self) -> float:
        return len(self.positions) / self.fps


def from_pose(name: str, root: np.ndarray, rotations: np.ndarray, fps: float, **about) -> Motion:
    """A Motion of root (F, 3) [m] and local rotations (F, 22, 4) xyzw on the house skeleton."""
    root, rotations = np.asarray(root, np.float64), np.asarray(rotations, np.float64)
    return Motion(name, forward_kinematics(root, rotations)[0], fps, rotations=rotations, **about)


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
