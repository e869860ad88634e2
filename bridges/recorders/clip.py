"""A stretch of one body's motion at a steady rate, as every file format wants it. Pure; nothing is loaded whole.

Poses come at 60 a second and may have holes (the machine slept, the disk was full for too long). A clip looks them up
at ``start_tick + k x 60 / fps``: where a pose is there it is that pose to the last bit, between two it is interpolated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from engine.errors import ConfigError
from engine.skeleton import HOUSE, quat_slerp
from engine.types import POSE_HZ, Skeleton

CHUNK_FRAMES = 4096  #: frames worked on at a time: a few megabytes
MIN_FPS, MAX_FPS = 1.0, 240.0
_ON_A_POSE = 1e-6  #: [ticks] nearer than this is the pose itself
_BEFORE_THE_END = 1e-3  #: [ticks] a frame at the very end of a piece belongs to the next one

FINGERS = ("index", "middle", "pinky", "ring", "thumb")
#: The 30 hand joints of ``Pose.hands`` in SMPL-X's order: left then right, each finger from the palm outwards.
HAND_JOINTS = tuple(f"{side}_{finger}{k}" for side in ("left", "right") for finger in FINGERS for k in (1, 2, 3))
#: VRM 1.0's preset expressions that an animation may drive, by the names that ``Pose.expressions`` uses.
EXPRESSIONS = (
    "happy", "angry", "sad", "relaxed", "surprised", "neutral", "aa", "ih", "ou", "ee", "oh",
    "blink", "blinkLeft", "blinkRight",
)  # fmt: skip
#: Ours, of a flat hand: from the wrist to the first joint of each finger, then along it. Left; the right is mirrored.
_PALM_M = {
    "index": (0.095, 0.0, 0.025),
    "middle": (0.097, 0.0, 0.003),
    "pinky": (0.083, -0.004, -0.036),
    "ring": (0.092, 0.0, -0.017),
    "thumb": (0.03, -0.012, 0.026),
}
_FINGER_M = {
    "index": (0.033, 0.022),
    "middle": (0.035, 0.024),
    "pinky": (0.024, 0.017),
    "ring": (0.032, 0.022),
    "thumb": (0.035, 0.028),
}


def _with_hands() -> Skeleton:
    names, parents, offsets = list(HOUSE.names), HOUSE.parents.tolist(), HOUSE.offsets.tolist()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for finger in FINGERS:
            x, y, z = _PALM_M[finger]
            parent = names.index(f"{side}_wrist")
            along = np.array([1.0, 0.0, 0.0]) if finger != "thumb" else np.array([0.8, 0.0, 0.6])
            steps = [np.array([x, y, z]), *(along * length for length in _FINGER_M[finger])]
            for k, step in enumerate(steps, 1):
                names.append(f"{side}_{finger}{k}")
                parents.append(parent)
                offsets.append([sign * step[0], step[1], step[2]])
                parent = len(names) - 1
    return Skeleton(tuple(names), np.array(parents), np.array(offsets, np.float32))


#: The house's 22 joints, then HAND_JOINTS; the fingers' lengths are made up, for nothing of ours says them.
HOUSE_AND_HANDS = _with_hands()


@dataclass(frozen=True)
class Clip:
    """Poses of one body and the frames asked for. Arrays may be memory-mapped; they are only read, piece by piece."""

    frame: np.ndarray  #: (F,) int64, strictly increasing 60 Hz ticks
    root: np.ndarray  #: (F, 3) [m]
    body: np.ndarray  #: (F, 22, 4) xyzw, local to the parent
    hands: np.ndarray | None = None  #: (F, 30, 4) xyzw, NaN at poses without hands; None = none in the whole clip
    expressions: Mapping[str, np.ndarray] = field(default_factory=dict)  #: name -> (F,) 0..1, NaN where not said
    fps: float = float(POSE_HZ)  #: frames a second asked for
    start_tick: float = 0.0  #: tick of frame 0
    frames: int = 0  #: how many frames

    @property
    def skeleton(self) -> Skeleton:
        """The house's, with fingers where there are any."""
        return HOUSE if self.hands is None else HOUSE_AND_HANDS

    @property
    def start_s(self) -> float:
        """Stream time of frame 0 [s]."""
        return self.start_tick / POSE_HZ

    @property
    def seconds(self) -> float:
        """How long the frames last, each one a whole frame long [s]."""
        return self.frames / self.fps

    @property
    def missing(self) -> int:
        """Poses that should have been there between the first and the last of the source."""
        return int(self.frame[-1] - self.frame[0]) + 1 - len(self.frame)

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Borders of all frames in pieces: ``start, stop``."""
        for start in range(0, self.frames, CHUNK_FRAMES):
            yield start, min(start + CHUNK_FRAMES, self.frames)

    def times_s(self, start: int, stop: int) -> np.ndarray:
        """Time of frames since frame 0 (N,) float64 [s]."""
        return np.arange(start, stop) / self.fps

    def places(self, start: int, stop: int) -> np.ndarray:
        """Pelvis (N, 3) float32 [m] of frames ``start`` to ``stop``. Raises ConfigError where it is not finite."""
        left, right, share = self._at(start, stop)
        low = left[0]
        source = np.asarray(self.root[low : right[-1] + 1])
        return _finite(_mixed(source[left - low], source[right - low], share[:, None]), "root")

    def rotations(self, start: int, stop: int, joints: slice = slice(None)) -> np.ndarray:
        """Local rotations (N, joints, 4) float32 xyzw of ``skeleton``'s joints. Raises ConfigError when not finite."""
        left, right, share = self._at(start, stop)
        low, high = left[0], right[-1] + 1
        source = np.asarray(self.body[low:high])
        if self.hands is not None:
            hands = np.array(self.hands[low:high])
            hands[~np.isfinite(hands).all(axis=-1)] = (0.0, 0.0, 0.0, 1.0)
            source = np.concatenate([source, hands], axis=1)
        source = _finite(source[:, joints], "rotations")
        if not share.any():
            return source[left - low]
        return quat_slerp(source[left - low], source[right - low], share[:, None])

    def strength(self, name: str, start: int, stop: int) -> np.ndarray:
        """An expression (N,) float32 0..1; 0 where it was not said."""
        left, right, share = self._at(start, stop)
        low = left[0]
        source = np.nan_to_num(np.asarray(self.expressions[name][low : right[-1] + 1]), nan=0.0)
        return np.clip(_mixed(source[left - low], source[right - low], share), 0.0, 1.0)

    def _at(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each frame: the pose at or before it, the one after, and how far towards that one it lies (0..1)."""
        ticks = self.start_tick + np.arange(start, stop) * (POSE_HZ / self.fps)
        left = np.searchsorted(self.frame, ticks + _ON_A_POSE, "right") - 1
        left = np.clip(left, 0, len(self.frame) - 1)
        right = np.minimum(left + 1, len(self.frame) - 1)
        span = np.maximum(self.frame[right] - self.frame[left], 1)
        share = np.clip((ticks - self.frame[left]) / span, 0.0, 1.0)
        share[share * span < _ON_A_POSE] = 0.0
        return left, right, share


def sampled(clip: Clip, fps: float = POSE_HZ, start_s: float | None = None, seconds: float | None = None) -> Clip:
    """``clip`` at ``fps``, from stream time ``start_s`` [s] on, at most ``seconds`` long. Raises ConfigError."""
    if not MIN_FPS <= fps <= MAX_FPS:
        raise ConfigError(f"--fps is {MIN_FPS:g} to {MAX_FPS:g}, not {fps:g}")
    if not len(clip.frame):
        raise ConfigError("there is no pose in it")
    if (np.diff(clip.frame) <= 0).any():
        raise ConfigError("its frames do not count up: it is damaged")
    first, last = float(clip.frame[0]), float(clip.frame[-1])
    begin = first if start_s is None else max(first, start_s * POSE_HZ)
    end = last if seconds is None else min(last, begin + seconds * POSE_HZ - _BEFORE_THE_END)
    if not first <= begin <= end:
        raise ConfigError(f"nothing was danced there; the poses last from {first / POSE_HZ:g} to {last / POSE_HZ:g} s")
    frames = int((end - begin) * fps / POSE_HZ + 1e-6) + 1
    return replace(clip, fps=float(fps), start_tick=begin, frames=frames)


def aligned(turns: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    """Quaternions (N, 4) of one joint with signs such that each is in the hemisphere of the one before it.

    q and -q are one rotation, but who interpolates between them number by number takes the long way round.
    ``before`` is the last one of the piece before.
    """
    chain = turns if before is None else np.concatenate([before[None], turns])
    flips = np.where(np.sum(chain[1:] * chain[:-1], axis=-1) < 0.0, np.float32(-1.0), np.float32(1.0))
    signs = np.cumprod(flips, dtype=np.float32)
    if before is None:
        signs = np.concatenate([[np.float32(1.0)], signs])
    return turns * signs[:, None]


def _mixed(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    return (a + (b - a) * share).astype(np.float32) if share.any() else a


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ConfigError(f"its {what} are not all finite: it is damaged")
    return values
