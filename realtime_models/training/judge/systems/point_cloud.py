"""How far is one moment of dance from another? Point clouds of Kovar, Gleicher and Pighin 2002, "Motion Graphs".

A moment is a short window of joint positions around a frame (so that velocities count), as one cloud of points. The
distance of two moments is the weighted root mean square distance of their points under the best turn about the
vertical and the best shift on the floor: where a body stands and faces does not count, how high it stands does.

On the floor a point is the complex number c = z + i x, so that a turn by ``yaw`` about +Y (0 = facing +Z) is a factor
exp(i yaw). With both clouds at the centre of their weights, the least squared distance is
|a|^2 + |b|^2 - 2 |sum w a conj(b)| (the closed form of the paper's section 3.1, its angle the argument of that sum):
all pairs of two sets of moments are one matrix product.
"""

from dataclasses import dataclass

import numpy as np

from engine.skeleton import JOINTS

OFFSETS = (-4, -2, 0, 2, 4)  #: frames of a moment at 30 Hz, its own frame in the middle: a quarter of a second
REACH = max(OFFSETS)
THRESHOLD_M = 0.10  #: moments nearer than this may follow one another
HALF_BLEND = 5  #: frames of a clip blended on each side where they do: 1/3 s in all
#: joints of a cloud and what they weigh: feet double, for a foot that jumps is seen first
WEIGHTS = {
    "pelvis": 1.0, "spine3": 1.0, "head": 1.0,
    "left_shoulder": 0.5, "right_shoulder": 0.5, "left_elbow": 1.0, "right_elbow": 1.0,
    "left_wrist": 1.0, "right_wrist": 1.0, "left_knee": 1.0, "right_knee": 1.0,
    "left_ankle": 1.0, "right_ankle": 1.0, "left_foot": 2.0, "right_foot": 2.0,
}  # fmt: skip
_POINTS = [JOINTS.index(name) for name in WEIGHTS]
_SHARE = np.tile(np.array(list(WEIGHTS.values())), len(OFFSETS)) / (sum(WEIGHTS.values()) * len(OFFSETS))
_BLOCK = 256  #: moments compared with all others at a time; bounds memory


@dataclass(frozen=True, slots=True)
class Clouds:
    """n moments as points, K of them each, already times the root of their weight (weights add up to 1)."""

    floor: np.ndarray  #: (n, K) complex64, centred
    height: np.ndarray  #: (n, K) float32 [m]
    square: np.ndarray  #: (n,) float32 weighted mean square of all coordinates [m^2]
    centre: np.ndarray  #: (n,) complex128 where the cloud stands, z + i x [m]

    def __len__(self) -> int:
        return len(self.floor)

    def take(self, which: np.ndarray | slice) -> "Clouds":
        """Those moments."""
        return Clouds(self.floor[which], self.height[which], self.square[which], self.centre[which])


def clouds(positions: np.ndarray, frames: np.ndarray) -> Clouds:
    """Moments around ``frames`` (n,) of positions (F, 22, 3) [m] at 30 Hz.

    ValueError when a frame is nearer than REACH to an end.
    """
    frames = np.asarray(frames)
    if len(frames) and (frames.min() < REACH or frames.max() >= len(positions) - REACH):
        raise ValueError(f"a moment reaches {REACH} frames both ways; the clip has {len(positions)} frames")
    index = frames[:, None] + np.array(OFFSETS)
    points = positions[index][:, :, _POINTS].reshape(len(frames), -1, 3).astype(np.float64)
    floor = points[..., 2] + 1j * points[..., 0]
    centre = floor @ _SHARE
    floor = (floor - centre[:, None]) * np.sqrt(_SHARE)
    height = points[..., 1] * np.sqrt(_SHARE)
    square = (np.abs(floor) ** 2 + height**2).sum(axis=1)
    return Clouds(floor.astype(np.complex64), height.astype(np.float32), square.astype(np.float32), centre)


def joined(parts: list[Clouds]) -> Clouds:
    """All moments of all parts, in order."""
    return Clouds(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("floor", "height", "square", "centre")))


def square_distances(a: Clouds, b: Clouds) -> np.ndarray:
    """Squared distances (n, m) [m^2] of n moments from m others."""
    ar, ai, br, bi = a.floor.real, a.floor.imag, b.floor.real, b.floor.imag
    real = np.concatenate([ar, ai], axis=1) @ np.concatenate([br, bi], axis=1).T
    imaginary = np.concatenate([ai, -ar], axis=1) @ np.concatenate([br, bi], axis=1).T
    np.multiply(real, real, out=real)
    np.multiply(imaginary, imaginary, out=imaginary)
    real += imaginary
    np.sqrt(real, out=real)
    real += a.height @ b.height.T
    real *= -2.0
    real += a.square[:, None]
    real += b.square
    return np.maximum(real, 0.0, out=real)


def paired(a: Clouds, b: Clouds) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of n moments and n others, pair by pair: distance (n,) [m], and how the other is laid on the one.

    ``yaw_rad`` (n,) and ``shift`` (n,) complex: a point c of the other belongs at exp(i yaw) c + shift.
    """
    product = (a.floor.astype(np.complex128) * b.floor.conj()).sum(axis=1)
    square = a.square + b.square - 2 * (np.abs(product) + (a.height.astype(np.float64) * b.height).sum(axis=1))
    yaw_rad = np.angle(product)
    return np.sqrt(np.maximum(square, 0.0)), yaw_rad, a.centre - np.exp(1j * yaw_rad) * b.centre


def near_minima(moments: Clouds, limit_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of moments (n,), (n,), the first before the second, that are local minima of their distance.

    Nearer than ``limit_m`` and not further than any of the 8 pairs of moments next to them; the outermost moments are
    never found.
    """
    rows, columns = [], []
    for start in range(1, len(moments) - 1, _BLOCK):
        stop = min(start + _BLOCK, len(moments) - 1)
        square = square_distances(moments.take(slice(start - 1, stop + 1)), moments.take(slice(start - 1, None)))
        row, column = np.nonzero(square[1:-1, 1:-1] < limit_m**2)
        row, column = row[column > row] + 1, column[column > row] + 1
        least, here = np.ones(len(row), bool), square[row, column]
        for up in (-1, 0, 1):
            for left in (-1, 0, 1):
                least &= here <= square[row + up, column + left]
        rows.append(row[least] + start - 1)
        columns.append(column[least] + start - 1)
    return np.concatenate([*rows, np.zeros(0, int)]), np.concatenate([*columns, np.zeros(0, int)])
