"""What music should follow in a dance: its beats, how hard the body works, which limbs do, where a bar begins. Pure."""

import hashlib
from collections import Counter
from dataclasses import dataclass

import numpy as np

from engine.skeleton import forward_kinematics
from realtime_models.training.bank import Entry
from realtime_models.training.data import FPS, Clip, body_speed, smooth

#: joints of each group; their speed is the room's for the feet (steps) and the pelvis's for the others
LIMBS = {"feet": (7, 8, 10, 11), "arms": (18, 19, 20, 21), "head": (15,)}
LEAST_FIT = 0.3  #: of the beats found in a clip; below it the clip has no beat to make music for
LEAST_BEATS = 5
METER = 4


@dataclass(frozen=True)
class Curves:
    """One number 0..1 a model frame: the rank among all dance of the training set."""

    energy: np.ndarray  #: (F,) the whole body's speed over about two seconds
    feet: np.ndarray  #: (F,) over about half a second, and so the others
    arms: np.ndarray
    head: np.ndarray

    def padded(self, before: int, after: int, level: float) -> "Curves":
        """With ``before`` and ``after`` frames of ``level`` around them."""
        parts = (self.energy, self.feet, self.arms, self.head)
        return Curves(*(np.pad(part, (before, after), constant_values=level) for part in parts))


@dataclass(frozen=True)
class Dance:
    """A clip on its grid, as the composer sees it; mirrored or a little enlarged it is the same dance."""

    key: str
    name: str
    style: str
    frames: int
    beats_s: np.ndarray  #: (K,) of the clip's time
    downbeat: int  #: 0..3 number of the first beat with which a bar begins
    curves: Curves


def key_of(clip: Clip) -> str:
    """What clips have in common that the same song fits: length and beats to the millisecond."""
    beats_ms = np.rint(clip.beats_s * 1000).astype(np.int64)
    return hashlib.sha256(np.append(beats_ms, len(clip.root)).tobytes()).hexdigest()[:12]


def is_steady(clip: Clip) -> bool:
    """Whether a beat was found in the clip."""
    return clip.fit >= LEAST_FIT and len(clip.beats_s) >= LEAST_BEATS


def has_beat(clip: Clip) -> bool:
    """Whether music is made for the clip."""
    return clip.is_dance and is_steady(clip)


def limb_speed(root: np.ndarray, rotations: np.ndarray, limb: str) -> np.ndarray:
    """Mean speed (F,) [m/s] of a group of ``LIMBS`` over about half a second; root (F, 3), rotations (F, 22, 4)."""
    joints = forward_kinematics(root, rotations)[0]
    points = joints[:, LIMBS[limb]] if limb == "feet" else joints[:, LIMBS[limb]] - joints[:, :1]
    speed = np.zeros(len(root))
    speed[1:-1] = np.linalg.norm(points[2:] - points[:-2], axis=-1).mean(axis=-1) * FPS / 2
    speed[0], speed[-1] = speed[1], speed[-2]
    return smooth(speed, FPS * 0.2)


def downbeat_of(speed: np.ndarray, beats_s: np.ndarray) -> int:
    """0..3: with which of its first beats a bar begins, so that bars begin where the body sets off hardest.

    ``speed`` (F,) [m/s] of the body; setting off = mean speed of the half beat after a beat. Music has it there too.
    """
    frames = np.clip(np.rint(np.asarray(beats_s) * FPS).astype(int), 0, len(speed) - 1)
    half = max(1, round(float(np.median(np.diff(beats_s))) * FPS / 2))
    after = np.array([speed[at : at + half].mean() for at in frames])
    after = after - smooth(after, 2.0) if len(after) > 8 else after - after.mean()
    return int(np.argmax([after[k::METER].mean() for k in range(METER)]))


def dances_of(bank: list[Entry], among: list[Entry] | None = None) -> list[Dance]:
    """The dances of a bank that have a beat, each once, those first that serve most entries.

    Ranks are taken among the dance of the bank ``among`` (default: the bank itself).
    """
    ruler = _Ruler([e.clip for e in (bank if among is None else among) if e.clip.is_dance])
    clips = [e.clip for e in bank if has_beat(e.clip)]
    count = Counter(key_of(clip) for clip in clips)
    first = {key_of(clip): clip for clip in reversed(clips)}
    return [_dance(key, first[key], ruler) for key, _ in sorted(count.items(), key=lambda kc: (-kc[1], kc[0]))]


def _dance(key: str, clip: Clip, ruler: "_Ruler") -> Dance:
    speed = body_speed(clip.root, clip.rotations)
    down = downbeat_of(speed, clip.beats_s)
    return Dance(key, clip.name, clip.style, len(clip.root), clip.beats_s, down, ruler.curves(clip))


class _Ruler:
    """Sorted speeds of all dance, to say what rank a speed has."""

    def __init__(self, clips: list[Clip]) -> None:
        seen = {key_of(clip): clip for clip in clips}.values()
        self._sorted = {
            what: np.sort(np.concatenate([_speed(clip, what) for clip in seen])) for what in ("energy", *LIMBS)
        }

    def curves(self, clip: Clip) -> Curves:
        ranks = {what: np.searchsorted(known, _speed(clip, what)) / len(known) for what, known in self._sorted.items()}
        return Curves(**ranks)


def _speed(clip: Clip, what: str) -> np.ndarray:
    if what == "energy":  # as rows.clip_energy
        return smooth(body_speed(clip.root, clip.rotations), FPS * 0.8)
    return limb_speed(clip.root, clip.rotations, what)
