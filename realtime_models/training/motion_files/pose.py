"""Rotations of the house skeleton from joint positions, and from what a file knows of its joints' turns. Pure numpy.

Positions say where a bone points, not how it is turned about itself. So each bone is aimed exactly, and its twist comes
from what else the body says: the pelvis from the line of the hips, the chest from that of the collars, an upper arm or
thigh from the plane in which elbow or knee bends (where it is clearly bent; between such frames the twist is carried
over), the rest from its parent. A file with rotations (BVH) says more: its turns, right up to one constant turn a
joint, take the place of the guess. That constant is the file's rest pose where this is a standing body, else the mean
over the frames in which positions say what the twist is (quaternion mean of Markley et al. 2007).
"""

import numpy as np

from engine.skeleton import JOINTS, OFFSETS_M, PARENTS, quat_conjugate, quat_multiply, quat_rotate, quat_slerp

J = {name: k for k, name in enumerate(JOINTS)}
BENT = (0.12, 0.35)  #: sine of the bend of elbow or knee from which its plane begins to count, and counts in full
CARRY_S = 0.25  #: over about so long a twist is carried into frames that do not tell it
REST_RAD = 0.9  #: a rest pose whose limbs are within this (median) of what bent elbows and knees say is a standing body
ENOUGH_S = 1.0  #: of clearly bent frames, before they are asked
#: limb -> upper joint, hinge joint, end joint, hinge axis in the T-pose (upper bone x lower bone when it bends)
LIMBS = {
    "left arm": (J["left_shoulder"], J["left_elbow"], J["left_wrist"], (0.0, -1.0, 0.0)),
    "right arm": (J["right_shoulder"], J["right_elbow"], J["right_wrist"], (0.0, 1.0, 0.0)),
    "left leg": (J["left_hip"], J["left_knee"], J["left_ankle"], (1.0, 0.0, 0.0)),
    "right leg": (J["right_hip"], J["right_knee"], J["right_ankle"], (1.0, 0.0, 0.0)),
}
_REST = OFFSETS_M.astype(np.float64)
_CHILD = {"spine1": "spine2", "spine2": "spine3", "neck": "head"} | {
    f"{side}_{joint}": f"{side}_{child}"
    for side in ("left", "right")
    for joint, child in (
        ("collar", "shoulder"), ("shoulder", "elbow"), ("elbow", "wrist"),
        ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"),
    )
}  # fmt: skip
AIMED = {J[joint]: J[child] for joint, child in _CHILD.items()}  #: joint -> the child at which its bone points
#: Joints whose turns in a file are worth more than the guess; toes are stiff, pelvis and chest have lines of their own.
TOLD = tuple(J[n] for n in _CHILD if n not in ("spine1", "spine2")) + tuple(
    J[n] for n in ("head", "left_wrist", "right_wrist")
)


def pose_of(
    positions: np.ndarray, fps: float, turns: np.ndarray | None = None, rest: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Root (F, 3) [m] and local rotations (F, 22, 4) xyzw of positions (F, 22, 3) in the house frame.

    ``turns`` (F, 22, 4) are global turns of the file's joints from its rest pose, of which ``rest`` (22, 3) are the
    joints; nan where unknown (``Reading.turns`` and ``Reading.rest``).
    """
    p = np.asarray(positions, np.float64)
    whole = _fitted(p, fps)
    if turns is not None:
        whole = _told(p, fps, whole, np.asarray(turns, np.float64), rest)
    middle = (_REST[J["left_hip"]] + _REST[J["right_hip"]]) / 2
    hips = (p[:, J["left_hip"]] + p[:, J["right_hip"]]) / 2
    root = hips - quat_rotate(whole[:, 0], np.broadcast_to(middle, hips.shape))
    return root.astype(np.float32), local_of(whole).astype(np.float32)


def local_of(whole: np.ndarray) -> np.ndarray:
    """Local rotations (F, 22, 4) of global ones; toes stay at identity, as in all our motion."""
    local = whole.copy()
    local[:, 1:] = quat_multiply(quat_conjugate(whole[:, PARENTS[1:]]), whole[:, 1:])
    local[:, [J["left_foot"], J["right_foot"]]] = [0.0, 0.0, 0.0, 1.0]
    return np.where(local[..., 3:] < 0, -local, local)


def _fitted(p: np.ndarray, fps: float) -> np.ndarray:
    """Global rotations (F, 22, 4) from positions (F, 22, 3) alone."""
    whole = np.zeros((len(p), len(JOINTS), 4))
    lateral = p[:, J["left_hip"]] - p[:, J["right_hip"]]
    whole[:, 0] = _frame(lateral, p[:, J["spine1"]] - p[:, 0])
    chest = J["spine3"]
    whole[:, chest] = _frame(p[:, J["left_collar"]] - p[:, J["right_collar"]], p[:, J["neck"]] - p[:, chest])
    for joint, share in ((J["spine1"], 1 / 3), (J["spine2"], 2 / 3)):
        base = quat_slerp(whole[:, 0], whole[:, chest], np.full(len(p), share)).astype(np.float64)
        whole[:, joint] = _aimed(base, joint, p)
    for joint in range(1, len(JOINTS)):
        if joint in (J["spine1"], J["spine2"], chest):
            continue
        base = whole[:, PARENTS[joint]]
        whole[:, joint] = _aimed(base, joint, p) if joint in AIMED else base
        for upper, hinge, end, axis in LIMBS.values():
            if joint == upper:
                whole[:, joint] = _bent(whole[:, joint], p[:, [upper, hinge, end]], axis, fps)
    return whole


def _told(p: np.ndarray, fps: float, fitted: np.ndarray, turns: np.ndarray, rest: np.ndarray | None) -> np.ndarray:
    """Global rotations with the file's turns in place of guesses, each bone aimed again."""
    whole = fitted.copy()
    sure = {upper: _bend(p[:, [upper, hinge, end]])[1] for upper, hinge, end, _ in LIMBS.values()}
    sure |= {hinge: sure[upper] for upper, hinge, _, _ in LIMBS.values()}

    def mean_of(joint: int, guess: np.ndarray) -> np.ndarray:
        return quat_mean(quat_multiply(quat_conjugate(turns[:, joint]), guess), sure.get(joint, np.ones(len(p))) + 1e-6)

    known = [joint for joint in TOLD if np.isfinite(turns[:, joint]).all()]
    standing = None if rest is None else _fitted(np.asarray(rest, np.float64)[None], fps)[0]
    limbs = [joint for joint in known if joint in sure and sure[joint].sum() > ENOUGH_S * fps]
    if standing is not None and limbs:
        off = [_angle(quat_multiply(quat_conjugate(mean_of(j, fitted[:, j])), standing[j])) for j in limbs]
        standing = standing if np.median(off) < REST_RAD else None
    for joint in TOLD:
        aimed = joint in AIMED
        if joint in known:
            guess = fitted[:, joint] if aimed else whole[:, PARENTS[joint]]
            constant = mean_of(joint, guess) if standing is None else standing[joint]
            whole[:, joint] = quat_multiply(turns[:, joint], np.broadcast_to(constant, guess.shape))
        elif not aimed:
            whole[:, joint] = whole[:, PARENTS[joint]]
        if aimed:
            whole[:, joint] = _aimed(whole[:, joint], joint, p)
    return whole


def _frame(lateral: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Rotations (F, 4) that bring +X onto ``lateral`` (F, 3) and +Y as near to ``up`` as that leaves it."""
    x = _unit(lateral)
    z = _unit(np.cross(x, up))
    return quat_from_axes(x, np.cross(z, x), z)


def _aimed(base: np.ndarray, joint: int, p: np.ndarray) -> np.ndarray:
    """``base`` (F, 4) turned by the least that points the joint's bone where positions (F, 22, 3) have it."""
    child = AIMED[joint]
    now = quat_rotate(base, np.broadcast_to(_REST[child], (len(base), 3)))
    return quat_multiply(quat_between(now, p[:, child] - p[:, joint]), base)


def _bend(limb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axis (F, 3) about which a limb (F, 3 joints, 3) bends, and 0..1 how much it is to be believed (F,)."""
    upper, lower = _unit(limb[:, 1] - limb[:, 0]), _unit(limb[:, 2] - limb[:, 1])
    across = np.cross(upper, lower)
    u = np.clip((np.linalg.norm(across, axis=1) - BENT[0]) / (BENT[1] - BENT[0]), 0, 1)
    return _unit(across), u * u * (3 - 2 * u)


def _bent(aimed: np.ndarray, limb: np.ndarray, axis: tuple[float, float, float], fps: float) -> np.ndarray:
    """``aimed`` (F, 4) twisted about its bone so that ``axis`` of the T-pose lies where the limb bends about."""
    across, sure = _bend(limb)
    bone = _unit(limb[:, 1] - limb[:, 0])
    now = quat_rotate(aimed, np.broadcast_to(np.array(axis), across.shape))
    now = _unit(now - (now * bone).sum(1, keepdims=True) * bone)
    twist = np.arctan2((np.cross(now, across) * bone).sum(1), (now * across).sum(1))
    told = sure * np.exp(1j * twist)
    angle = np.angle(20 * sure * told + _carried(told, CARRY_S * fps) + 1e-3)
    half = angle[:, None] / 2
    return quat_multiply(np.concatenate([bone * np.sin(half), np.cos(half)], axis=1), aimed)


def _carried(x: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian sum of x (F,) along time, sigma in frames; beyond it almost nothing is left, but never nothing."""
    reach = np.arange(-int(6 * sigma) - 1, int(6 * sigma) + 2)
    kernel = np.exp(-0.5 * (reach / max(sigma, 1e-6)) ** 2)
    return np.convolve(x, kernel, mode="full")[len(reach) // 2 :][: len(x)]


def quat_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Least rotations (..., 4) xyzw that bring directions a (..., 3) onto b (..., 3)."""
    a, b = _unit(a), _unit(b)
    cosine = (a * b).sum(-1, keepdims=True)
    spare = np.where(np.abs(a[..., :1]) < 0.8, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    axis = np.where(cosine > -1 + 1e-9, np.cross(a, b), np.cross(a, spare))
    w = np.where(cosine > -1 + 1e-9, 1 + cosine, 0.0)
    q = np.concatenate([axis, w], axis=-1)
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def quat_from_axes(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Quaternions (F, 4) xyzw of rotation matrices with columns x, y, z (F, 3), by the largest of four (Shepperd)."""
    (m00, m10, m20), (m01, m11, m21), (m02, m12, m22) = x.T, y.T, z.T
    rows = np.stack(
        [
            np.stack([1 + m00 - m11 - m22, m01 + m10, m02 + m20, m21 - m12], -1),
            np.stack([m01 + m10, 1 - m00 + m11 - m22, m12 + m21, m02 - m20], -1),
            np.stack([m02 + m20, m12 + m21, 1 - m00 - m11 + m22, m10 - m01], -1),
            np.stack([m21 - m12, m02 - m20, m10 - m01, 1 + m00 + m11 + m22], -1),
        ],
        axis=1,
    )
    best = np.einsum("fii->fi", rows).argmax(1)
    q = rows[np.arange(len(rows)), best]
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def quat_mean(q: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted mean rotation (4,) of q (F, 4): the main axis of their outer products (signs do not matter)."""
    return np.linalg.eigh(np.einsum("f,fi,fj->ij", weight, q, q))[1][:, -1]


def _angle(q: np.ndarray) -> float:
    return float(2 * np.arccos(np.clip(abs(q[..., 3]), 0, 1)))


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)
