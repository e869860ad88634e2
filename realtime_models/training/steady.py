"""A steadier body: tremor taken out, the floor fitted, feet that stand where they stand. Zero phase, for training data.

Nothing here may move a beat or soften an accent: the low-pass is flat up to 6 Hz, and feet are corrected by the least
change of the path, solved for the whole clip at once, so no correction begins or ends with a step.
"""

import numpy as np
from scipy.linalg import solveh_banded

from engine.feet import LEGS
from engine.skeleton import forward_kinematics, quat_conjugate, quat_multiply, quat_rotate
from realtime_models.training.judge.body import STANDING_M_S
from realtime_models.training.judge.contact import FEET

FPS = 30
CUT_HZ, REACH, BETA = 8.5, 6, 3.0  #: of the low-pass: half gain, frames either side, Kaiser window
LOW_M, HIGH_M = 0.03, 0.06  #: a toe under the first may stand, one over the second does not
SLOW_M_S, FAST_M_S = 0.10, 0.30  #: the same of its speed over the floor
HOLD = 10.0  #: weight of a standing foot's slide
PATH_KEEP, PATH_BEND = 1e-4, 300.0  #: of the path's change and of its bend, first solved for the whole body
FOOT_KEEP, FOOT_BEND = 0.03, 1.0  #: of a foot's own change and of its bend
SINK = 3.0  #: weight of a toe's depth under the floor
SHIFT_MAX_M = 0.04  #: no foot is moved further than this
STRAIGHT = 0.985  #: a leg is not stretched further than this share of its length, unless it was
FLOOR_LEAST_FRAMES = 30  #: a floor is fitted to at least so many resting frames
FLOOR_LEAST_M, FLOOR_MOST_M = 0.002, 0.10  #: smaller shifts are not worth it, larger ones are not a floor


def low_pass_kernel() -> np.ndarray:
    """(13,) windowed sinc: gain 1 within 2 % up to 6 Hz, .5 at 8.5 Hz, under .02 from 11 Hz on."""
    n = np.arange(-REACH, REACH + 1)
    kernel = np.sinc(2 * CUT_HZ / FPS * n) * np.kaiser(2 * REACH + 1, BETA)
    return kernel / kernel.sum()


def filtered(x: np.ndarray) -> np.ndarray:
    """x (F, ...) low-passed along time; beyond its ends it goes on as its own point reflection."""
    if len(x) <= REACH:
        return x.astype(np.float64)
    flat = x.reshape(len(x), -1).astype(np.float64)
    before, after = 2 * flat[0] - flat[REACH:0:-1], 2 * flat[-1] - flat[-2 : -REACH - 2 : -1]
    padded = np.concatenate([before, flat, after])
    return sum(w * padded[i : i + len(x)] for i, w in enumerate(low_pass_kernel())).reshape(x.shape)


def without_tremor(root: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root (F, 3) and rotations (F, 22, 4) low-passed; quaternions on one hemisphere, then made unit again."""
    flips = np.sum(rotations[1:] * rotations[:-1], axis=-1) < 0
    sign = np.where(np.cumsum(flips, axis=0) % 2, -1.0, 1.0)
    even = rotations.astype(np.float64)
    even[1:] *= sign[..., None]
    turned = filtered(even)
    return filtered(root), turned / np.linalg.norm(turned, axis=-1, keepdims=True)


def floor_shift_m(positions: np.ndarray) -> float:
    """What to add to the height of positions (F, 22, 3) so that the lower toe rests at 0; 0 when in doubt."""
    toes = positions[:, FEET]
    speed = np.linalg.norm(np.gradient(toes, axis=0), axis=-1) * FPS
    lower = toes[..., 1].argmin(axis=1)
    row = np.arange(len(toes))
    rest = toes[row, lower, 1][speed[row, lower] < STANDING_M_S]
    if len(rest) < FLOOR_LEAST_FRAMES:
        return 0.0
    shift = -float(np.median(rest))
    return shift if FLOOR_LEAST_M < abs(shift) < FLOOR_MOST_M else 0.0


def _fall(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """1 under ``low``, 0 over ``high``, smooth between."""
    u = np.clip((high - x) / (high - low), 0.0, 1.0)
    return u * u * (3 - 2 * u)


def standing(toes: np.ndarray) -> np.ndarray:
    """(F - 1, 2) 0..1: how sure each toe of toes (F, 2, 3) stands during the step to the next frame.

    Speed is read over five frames, and a stand that lasts less than about three frames counts little.
    """
    speed = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1) * FPS
    wide = np.pad(speed, ((2, 2), (0, 0)), mode="edge")
    speed = np.median(np.stack([wide[i : i + len(speed)] for i in range(5)]), axis=0)
    height = np.maximum(toes[1:, :, 1], toes[:-1, :, 1])
    sure = np.pad(_fall(speed, SLOW_M_S, FAST_M_S) * _fall(height, LOW_M, HIGH_M), ((1, 1), (0, 0)), mode="edge")
    return np.minimum(sure[1:-1], np.maximum(sure[:-2], sure[2:]))


def least_change(pull: np.ndarray, hold: np.ndarray, keep: float, bend: float, stay: np.ndarray) -> np.ndarray:
    """The d (F, n) with the least keep |d|² + bend |d''|² + hold |d' + pull|² + weight |d - aim|².

    pull (F - 1, n): movement to be undone, with weight hold (F - 1,); stay (F, 2): the weight and the aim.
    """
    frames = len(hold) + 1
    band = np.zeros((3, frames))  # the upper diagonals, the main one last, as solveh_banded wants them
    band[2] = keep + stay[:, 0]
    band[2, 1:] += hold
    band[2, :-1] += hold
    band[1, 1:] -= hold
    for offset, weight in ((0, 1.0), (1, -2.0), (2, 1.0)):
        band[2, offset : frames - 2 + offset] += bend * weight * weight
    band[1, 1:-1] -= 2 * bend
    band[1, 2:] -= 2 * bend
    band[0, 2:] += bend
    right = np.repeat((stay[:, 0] * stay[:, 1])[:, None], pull.shape[1], axis=1)
    right[1:] -= hold[:, None] * pull
    right[:-1] += hold[:, None] * pull
    return solveh_banded(band, right)


def path_change(toes: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """(F, 2) [m] to add to x and z of the whole body so that standing toes (F, 2, 3) travel least: a path scaled a
    little wrong moves every foot that stands, and legs need not bend for it.
    """
    step = np.diff(toes[..., [0, 2]], axis=0)
    total = sure.sum(axis=1)
    mean = (step * sure[..., None]).sum(axis=1) / np.maximum(total, 1e-6)[:, None]
    none = np.zeros((len(toes), 2))
    return least_change(mean, HOLD * total, PATH_KEEP, PATH_BEND, none)


def foot_change(toe: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """(F, 3) [m] to add to one toe (F, 3): no slide while it stands, not under the floor, no more than SHIFT_MAX_M."""
    none = np.zeros((len(toe), 2))
    over = least_change(np.diff(toe[:, [0, 2]], axis=0), HOLD * sure, FOOT_KEEP, FOOT_BEND, none)
    sunk = np.stack([SINK * (toe[:, 1] < 0), -toe[:, 1]], axis=1)
    up = least_change(np.zeros((len(toe) - 1, 1)), np.zeros(len(toe) - 1), FOOT_KEEP, FOOT_BEND, sunk)[:, 0]
    change = np.stack([over[:, 0], np.maximum(up, 0.0), over[:, 1]], axis=1)
    size = np.linalg.norm(change, axis=-1, keepdims=True)
    return change / np.sqrt(1 + (size / SHIFT_MAX_M) ** 2)


def turn_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Smallest rotations (F, 4) xyzw that turn directions a (F, 3) to b (F, 3); never used on opposite ones."""
    a, b = a / np.linalg.norm(a, axis=-1, keepdims=True), b / np.linalg.norm(b, axis=-1, keepdims=True)
    q = np.concatenate([np.cross(a, b), 1.0 + np.sum(a * b, axis=-1, keepdims=True)], axis=-1)
    return q / np.maximum(np.linalg.norm(q, axis=-1, keepdims=True), 1e-9)


def bend_leg(
    rotations: np.ndarray, joints: np.ndarray, turns: np.ndarray, leg: tuple[int, ...], by: np.ndarray
) -> None:
    """Move one foot by ``by`` (F, 3) [m] in rotations (F, 22, 4), in place: thigh and shin turn in the knee's own
    plane, the foot keeps its direction in the world. joints, turns: of the pose before.
    """
    hip, knee, ankle, _ = leg
    thigh, shin = joints[:, knee] - joints[:, hip], joints[:, ankle] - joints[:, knee]
    long, short = np.linalg.norm(thigh[0]), np.linalg.norm(shin[0])
    old = joints[:, ankle] - joints[:, hip]
    new = old + by
    was, want = np.linalg.norm(old, axis=-1), np.linalg.norm(new, axis=-1)
    far = np.clip(want, abs(long - short) + 1e-3, np.maximum(was, STRAIGHT * (long + short)))
    toward = new / want[:, None]
    along_old = np.sum(thigh * old, axis=-1, keepdims=True) / (was**2)[:, None]
    side = quat_rotate(turn_between(old, new), thigh - along_old * old)
    size = np.linalg.norm(side, axis=-1, keepdims=True)
    along = (long**2 - short**2 + far**2) / (2 * far)
    out = np.sqrt(np.maximum(long**2 - along**2, 0.0))
    new_thigh = along[:, None] * toward + out[:, None] * side / np.maximum(size, 1e-9)
    first = turn_between(thigh, new_thigh)
    second = turn_between(quat_rotate(first, shin), far[:, None] * toward - new_thigh)
    hip_turn = quat_multiply(first, turns[:, hip])
    knee_turn = quat_multiply(second, quat_multiply(first, turns[:, knee]))
    rotations[:, hip] = quat_multiply(quat_conjugate(turns[:, 0]), hip_turn)
    rotations[:, knee] = quat_multiply(quat_conjugate(hip_turn), knee_turn)
    rotations[:, ankle] = quat_multiply(quat_conjugate(knee_turn), turns[:, ankle])


def without_slide(root: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root and rotations with standing feet held: first the body's path, then each leg by what is left."""
    if len(root) < 5:
        return root, rotations
    root, rotations = root.astype(np.float64), rotations.astype(np.float64)
    joints, turns = forward_kinematics(root, rotations)
    sure = standing(joints[:, FEET])
    path = path_change(joints[:, FEET], sure)
    move = np.stack([path[:, 0], np.zeros(len(path)), path[:, 1]], axis=1)
    root, joints = root + move, joints + move[:, None]
    for foot, leg in enumerate(LEGS):
        bend_leg(rotations, joints, turns, leg, foot_change(joints[:, FEET[foot]], sure[:, foot]))
    return root, rotations / np.linalg.norm(rotations, axis=-1, keepdims=True)
