"""Danced or copied? Distance of a window to the nearest window of the training motion. Pure numpy.

Two windows are compared frame by frame with the pelvis' path over the floor taken out, and with one shift in height and
one turn about the vertical for the whole window, the best ones there are: so a copy is found wherever it is danced, on
whatever floor, and whichever way it faces. The distance is the root mean square over frames and joints of the joint
distance [mm].

The bank holds every window of the training motion: all offsets, also mirrored, also played slower and faster (training
stretches clips to tempos by up to a quarter, so a copy may come stretched). Written as complex numbers x + iz, the best
turn needs no search: turning b by angle t changes |q - b|² only through Re(exp(-it) <q, b>), whose maximum over t is
|<q, b>|. So the search over all offsets is a few matrix products: first every ``OFFSET_FRAMES`` = 0.1 s on every
``SKIP`` = 6th frame of the window in float32, then the best ``KEPT`` finds again on all frames, at the frames between
the offsets too, in float64.

How near is a copy? Beside it stands how near *real* clips come to one another (each clip's own windows left out): the
share of windows nearer than the 5th percentile of that is the **copied share**. Real dance itself has 5 % of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from realtime_models.training.judge.features import mirrored
from realtime_models.training.judge.motion import Motion, Windows, at_judge_rate

SPEEDS = (0.8, 0.89, 1.0, 1.12, 1.25)  #: at which the bank is played
OFFSET_FRAMES = 3  #: stride of the first search: 0.1 s
SKIP = 6  #: every n-th frame of a window in the first search
KEPT = 6  #: stretches of motion looked at closely for each window
COPY_PERCENTILE = 5.0


@dataclass(frozen=True, slots=True)
class _Clip:
    name: str
    places: np.ndarray  #: (F, 22, 3) float32, pelvis over the origin


@dataclass(frozen=True, slots=True)
class Bank:
    """Training motion to be searched; build it with ``bank_of``."""

    clips: tuple[_Clip, ...]
    speeds: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """Length of what it holds, without mirroring and speeds."""
        return sum(len(clip.places) for clip in self.clips) / 30.0


@dataclass(frozen=True, slots=True)
class Nearest:
    """For every window the nearest one of the bank."""

    distance_mm: np.ndarray  #: (W,); inf where the bank holds nothing long enough
    names: tuple[str, ...]  #: clip it was found in; "" = none
    offset_s: np.ndarray  #: (W,) where in that clip it starts
    speed: np.ndarray  #: (W,) at which the clip is played
    is_mirrored: np.ndarray  #: (W,) bool


def centred(positions: np.ndarray) -> np.ndarray:
    """Positions (..., 22, 3) with the pelvis over the origin in every frame; heights as they are."""
    out = np.array(positions)
    out[..., [0, 2]] -= out[..., :1, [0, 2]]
    return out


def bank_of(motions: Iterable[Motion], speeds: tuple[float, ...] = SPEEDS) -> Bank:
    """The bank of some motions (mirrored copies need no making). Clips with frames that are not finite: ValueError."""
    clips = []
    for motion in map(at_judge_rate, motions):
        if not np.isfinite(motion.positions).all():
            raise ValueError(f"{motion.name}: frames that are not finite cannot be searched")
        clips.append(_Clip(motion.name, centred(motion.positions).astype(np.float32)))
    return Bank(tuple(clips), tuple(speeds))


def window_distance_mm(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Root mean square joint distance (...) [mm] of centred windows a, b (..., T, 22, 3), best shifted and turned."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    flat_a, flat_b = a[..., 0] + 1j * a[..., 2], b[..., 0] + 1j * b[..., 2]
    turn = (np.conj(flat_b) * flat_a).sum(axis=(-2, -1), keepdims=True)
    turn = np.where(np.abs(turn) > 0, turn, 1.0)
    flat = np.abs(flat_a - turn / np.abs(turn) * flat_b) ** 2
    return 1000 * np.sqrt(flat.mean(axis=(-2, -1)) + (a[..., 1] - b[..., 1]).var(axis=(-2, -1)))


def _heights(few: np.ndarray) -> np.ndarray:
    height = few[..., 1].reshape(len(few), -1)
    return height - height.mean(axis=1, keepdims=True)


class _Query:
    """The windows of a search, plain and mirrored, as rows of matrices."""

    def __init__(self, positions: np.ndarray) -> None:
        plain = centred(np.asarray(positions, np.float64))
        self.places = np.concatenate([plain, mirrored(plain)])
        self.frames = np.arange(0, plain.shape[1], SKIP)
        few = self.places[:, self.frames].astype(np.float32)
        self.flat, self.height = few[..., [0, 2]].reshape(len(few), -1), _heights(few)
        self.square = (self.flat**2).sum(axis=1) + (self.height**2).sum(axis=1)

    def square_distances(self, few: np.ndarray) -> np.ndarray:
        """(2 W, n) sums of squares to windows few (n, frames, 22, 3)."""
        flat, height = few[..., [0, 2]].reshape(len(few), -1), _heights(few)
        quarter = np.stack([few[..., 2], -few[..., 0]], axis=-1).reshape(len(few), -1)
        meet = np.hypot(self.flat @ flat.T, self.flat @ quarter.T)
        square = (flat**2).sum(axis=1) + (height**2).sum(axis=1)
        return self.square[:, None] + square - 2 * (meet + self.height @ height.T)


def _starts(frames: int, length: int, speed: float, step: int) -> np.ndarray:
    """First frames at which ``length`` frames at ``speed`` fit into ``frames``."""
    return np.arange(0, frames - 1 - (length - 1) * speed + 1e-9, step).astype(int)


def _played(clip: _Clip, start: np.ndarray, length: int, speed: float) -> np.ndarray:
    """Windows (n, length, 22, 3) of a clip from frames ``start`` (n,) at a speed, between two frames where need be."""
    at = start[:, None] + np.arange(length) * speed
    low = np.minimum(at.astype(int), len(clip.places) - 1)
    high = np.minimum(low + 1, len(clip.places) - 1)
    u = (at - low)[..., None, None]
    return clip.places[low] * (1 - u) + clip.places[high] * u


def find_nearest(query: Windows, bank: Bank, *, own_left_out: bool = False) -> Nearest:
    """The nearest window of the bank for each of W windows (of any length, the same for all).

    ``own_left_out``: the motion that a window was cut from is not searched for it; it is known by its name.
    """
    count, length = len(query), query.positions.shape[1]
    if count == 0:
        return Nearest(np.zeros(0), (), np.zeros(0), np.zeros(0), np.zeros(0, bool))
    rows = _Query(query.positions)
    owners = np.array([query.names[block] for block in query.blocks])
    entries, best, where = [], [], []
    for number, clip in enumerate(bank.clips):
        for speed in bank.speeds:
            starts = _starts(len(clip.places), length, speed, OFFSET_FRAMES)
            if not len(starts):
                continue
            at = np.minimum(np.round(starts[:, None] + rows.frames * speed).astype(int), len(clip.places) - 1)
            square = rows.square_distances(clip.places[at])
            nearest = square.argmin(axis=1)
            found = square[np.arange(len(square)), nearest]
            if own_left_out:
                found = np.where(np.tile(owners == clip.name, 2), np.inf, found)
            entries.append((number, speed))
            best.append(found)
            where.append(starts[nearest])
    if not entries:
        return Nearest(np.full(count, np.inf), ("",) * count, *[np.full(count, np.nan)] * 2, np.zeros(count, bool))
    return _look_closely(rows, bank, entries, np.array(best), np.array(where), count)


def _look_closely(
    rows: _Query, bank: Bank, entries: list[tuple[int, float]], best: np.ndarray, where: np.ndarray, count: int
) -> Nearest:
    """Every window's ``KEPT`` best stretches again, on all frames and at the frames around; best, where (E, 2 W)."""
    length = rows.places.shape[1]
    both = np.concatenate([best[:, :count], best[:, count:]])  # plain, then mirrored: (2 E, W)
    order = np.argsort(both, axis=0)[:KEPT]
    found = []
    for window in range(count):
        nearest = (np.inf, "", np.nan, np.nan, False)
        for pick in order[:, window]:
            if not np.isfinite(both[pick, window]):
                continue
            turned, entry = divmod(int(pick), len(entries))
            number, speed = entries[entry]
            clip, row = bank.clips[number], window + turned * count
            starts = where[entry, row] + np.arange(1 - OFFSET_FRAMES, OFFSET_FRAMES)
            starts = np.intersect1d(starts, _starts(len(clip.places), length, speed, 1))
            apart = window_distance_mm(rows.places[row], _played(clip, starts, length, speed))
            if apart.min() < nearest[0]:
                nearest = (apart.min(), clip.name, starts[apart.argmin()] / 30.0, speed, bool(turned))
        found.append(nearest)
    distance, names, offset, speed, turned = zip(*found, strict=True)
    return Nearest(np.array(distance), tuple(names), np.array(offset), np.array(speed), np.array(turned))


def nearest(query: Windows, bank: Bank, *, own_left_out: bool = False) -> np.ndarray:
    """Distance (W,) [mm] to the nearest window of the bank; as ``find_nearest``."""
    return find_nearest(query, bank, own_left_out=own_left_out).distance_mm


def copied(distance_mm: np.ndarray, among_real_mm: np.ndarray) -> np.ndarray:
    """(W,) 1.0 where a window is nearer to the training motion than the 5th percentile of real clips among themselves.

    The mean is the copied share; give it to ``block_bootstrap`` for its interval. ``among_real_mm`` is
    ``nearest(windows(training), bank, own_left_out=True)`` at the same window length; values that are not finite are
    left out of it, and with none left: ValueError.
    """
    among = np.asarray(among_real_mm, np.float64)
    among = among[np.isfinite(among)]
    if not len(among):
        raise ValueError("no real window has another clip to be near to")
    return (np.asarray(distance_mm) < np.percentile(among, COPY_PERCENTILE)).astype(np.float64)
