"""A stretch of one body's motion, as every reader hands it over."""

from dataclasses import dataclass

import numpy as np

from engine.skeleton import JOINTS, forward_kinematics

_STEP_S = 1 / 30  #: velocity is a difference over twice this, whatever fps, so that 30 and 60 Hz agree


@dataclass(frozen=True, slots=True)
class Motion:
    """One uninterrupted stretch of one body.

    ``name`` is the block of every bootstrap: windows of one Motion are never treated as independent. A dance of a song
    by a system is one Motion; so is a clip.
    """

    name: str
    positions: np.ndarray  #: (F, 22, 3) [m], house frame: Y up, floor at y = 0; joints in the order of JOINTS
    fps: float = 30.0
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


def joint_speed(positions: np.ndarray, fps: float) -> np.ndarray:
    """Speed (F, J) [m/s] of positions (F, J, 3): centred difference over 2/30 s, shorter at both ends."""
    step = max(1, round(_STEP_S * fps))
    index = np.arange(len(positions))
    after, before = np.minimum(index + step, len(positions) - 1), np.maximum(index - step, 0)
    span_s = np.maximum(after - before, 1) / fps
    return np.linalg.norm(positions[after] - positions[before], axis=-1) / span_s[:, None]
