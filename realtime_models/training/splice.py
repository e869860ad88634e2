"""New dances of old ones: the upper body of one clip on the lower body of another, beat on beat.

Both clips have been fitted to steady grids. A stretch of the upper clip is played so that its beats fall on those of
the lower one, and the joints from the spine up are taken from it as they are. What comes out is kept only where it
could have been danced: middle of mass as near to the feet as in real dance, hands no deeper in the body than before,
both halves turning alike, stops on the beat.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from engine.skeleton import JOINTS
from realtime_models.features import heading_rad
from realtime_models.training.bursts import joints_of
from realtime_models.training.data import FPS, Clip, beat_speed, concentration, mirror, sample_at, speed_minima
from realtime_models.training.judge.contact import FEET

BEATS = 16  #: of a splice
STRETCH = (0.8, 1.25)  #: how slowly and fast the upper clip may be played, beat by beat
FIT_LEAST = 0.3  #: of both clips and of what comes out
YAW_MOST_RAD = np.radians(60)  #: the halves' headings, each beside its own mean, part by no more than this
SUPPORT_M = 0.06  #: a toe lower than this supports
SOLE_M, HEEL_M = 0.05, 0.07  #: half the width of a sole; how far the heel is behind the ankle
TOE_M = 0.06  #: and the tip of the foot before the toe joint
BALANCE_Q, REAL_Q = 90, 75  #: percentile over frames; and over stretches of real clips: what any splice may have
BALANCE_MORE_M = 0.02  #: and what it may have more than its lower clip had
DEPTH_M, DEPTH_SHARE = 0.02, 0.02  #: hands may be so deep in the body in so many frames more than before

UPPER = tuple(
    j for j, n in enumerate(JOINTS) if n != "pelvis" and not any(w in n for w in ("hip", "knee", "ankle", "foot"))
)
_J = {name: j for j, name in enumerate(JOINTS)}
#: Segments: share of the body's mass, joint at either end, place of its middle between them (de Leva 1996, men; hands
#: with the forearm, the trunk in one piece).
SEGMENTS = (
    (0.0694, "neck", "head", 1.0), (0.4346, "pelvis", "neck", 0.55),
    *((0.0271, f"{s}_shoulder", f"{s}_elbow", 0.58) for s in ("left", "right")),
    *((0.0223, f"{s}_elbow", f"{s}_wrist", 0.70) for s in ("left", "right")),
    *((0.1416, f"{s}_hip", f"{s}_knee", 0.41) for s in ("left", "right")),
    *((0.0433, f"{s}_knee", f"{s}_ankle", 0.45) for s in ("left", "right")),
    *((0.0137, f"{s}_ankle", f"{s}_foot", 0.50) for s in ("left", "right")),
)  # fmt: skip
#: What a hand may not be in: capsules from joint to joint [m].
SOLID = (("pelvis", "spine3", 0.11), ("spine3", "neck", 0.09), ("neck", "head", 0.08),
         ("left_hip", "left_knee", 0.07), ("right_hip", "right_knee", 0.07))  # fmt: skip
HAND_M = 0.08  #: from the wrist to the middle of the hand


class Refused(Enum):
    """Why a splice was not kept."""

    TEMPO = "beats too far from each other's"
    BAD = "bad frames"
    YAW = "halves turn apart"
    BALANCE = "out of balance"
    HANDS = "hands in the body"
    BEAT = "stops off the beat"


@dataclass(frozen=True)
class Spliced:
    """What was kept, and how often what was refused."""

    clips: tuple[Clip, ...]
    tried: int
    refused: dict[Refused, int]


def middle_of_mass(joints: np.ndarray) -> np.ndarray:
    """(F, 3) [m] of joints (F, 22, 3)."""
    total = sum(mass for mass, *_ in SEGMENTS)
    parts = (m * (joints[:, _J[a]] * (1 - u) + joints[:, _J[b]] * u) for m, a, b, u in SEGMENTS)
    return sum(parts) / total


def _to_segment(p: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance (F,) of points p (F, n) from segments a to b."""
    along = b - a
    u = np.clip(np.sum((p - a) * along, -1) / np.maximum(np.sum(along**2, -1), 1e-9), 0.0, 1.0)
    return np.linalg.norm(p - a - u[:, None] * along, axis=-1)


def _side(p: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which side (F,) of the line a to b points p (F, 2) lie: the sign of twice the triangle's area."""
    return (b[:, 0] - a[:, 0]) * (p[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (p[:, 0] - a[:, 0])


def off_support_m(joints: np.ndarray) -> np.ndarray:
    """How far (F,) [m] the middle of mass of joints (F, 22, 3) is over the floor beyond the soles that stand; nan in
    the air. Between two feet that stand the body is supported.
    """
    middle = middle_of_mass(joints)[:, [0, 2]]
    ends, stands = [], joints[:, FEET, 1] < SUPPORT_M
    for side, foot in zip(("left", "right"), FEET, strict=True):
        toe, ankle = joints[:, foot][:, [0, 2]], joints[:, _J[f"{side}_ankle"]][:, [0, 2]]
        ahead = (toe - ankle) / np.maximum(np.linalg.norm(toe - ankle, axis=-1, keepdims=True), 1e-6)
        ends.append((toe + TOE_M * ahead, ankle - HEEL_M * ahead))
    left, right = ends
    only_left, only_right = stands[:, :1] & ~stands[:, 1:], stands[:, 1:] & ~stands[:, :1]
    corners = [np.where(only_right, r, p) for p, r in zip(left, right, strict=True)]
    corners += [np.where(only_left, p, r) for p, r in zip(left, right, strict=True)]
    pairs = [(i, k) for i in range(4) for k in range(i)]
    off = np.min([_to_segment(middle, corners[i], corners[k]) for i, k in pairs], axis=0) - SOLE_M
    for triangle in ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)):
        a, b, c = (corners[i] for i in triangle)
        sides = np.stack([_side(middle, a, b), _side(middle, b, c), _side(middle, c, a)])
        off[(np.abs(_side(c, a, b)) > 1e-6) & ((sides > 0).all(axis=0) | (sides < 0).all(axis=0))] = 0.0
    return np.where(stands.any(axis=1), np.maximum(off, 0.0), np.nan)


def imbalance_m(joints: np.ndarray) -> float:
    """One figure of ``off_support_m`` for a stretch: its 90th percentile over frames with support; inf without any."""
    off = off_support_m(joints)
    return float(np.percentile(off[np.isfinite(off)], BALANCE_Q)) if np.isfinite(off).any() else float("inf")


def balance_limit_m(clips: Sequence[Clip], frames: int = 8 * FPS) -> float:
    """What three quarters of the stretches of real clips keep: enough for any splice."""
    found = [
        imbalance_m(joints_of(clip.root[i : i + frames], clip.rotations[i : i + frames]))
        for clip in clips
        for i in range(0, max(len(clip.root) - frames, 1), frames)
    ]
    return float(np.percentile([v for v in found if np.isfinite(v)], REAL_Q))


def hands_inside(joints: np.ndarray) -> float:
    """Share of the frames of joints (F, 22, 3) in which a hand is more than DEPTH_M inside trunk, head or thighs."""
    inside = np.zeros(len(joints), bool)
    for side in ("left", "right"):
        wrist, elbow = joints[:, _J[f"{side}_wrist"]], joints[:, _J[f"{side}_elbow"]]
        hand = wrist + HAND_M * (wrist - elbow) / np.linalg.norm(wrist - elbow, axis=-1, keepdims=True)
        for a, b, radius in SOLID:
            for point in (wrist, hand):
                inside |= _to_segment(point, joints[:, _J[a]], joints[:, _J[b]]) < radius - DEPTH_M
    return float(inside.mean())


def headings_part_rad(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference of two pelvis headings (F, 4), each beside its own mean."""
    turned = [np.unwrap(heading_rad(q)) for q in (a, b)]
    return float(np.abs((turned[0] - turned[0].mean()) - (turned[1] - turned[1].mean())).max())


def upper_on_lower(upper: Clip, lower: Clip, a: int, b: int, beats: int = BEATS) -> tuple[Clip, Clip] | None:
    """Beats a.. of ``upper`` from the spine up, on beats b.. of ``lower``; and the stretch of ``upper`` as it was
    played. None where a beat would be played too slowly or too fast, or a beat lies outside its clip.
    """
    to_s, from_s = lower.beats_s[b : b + beats + 1], upper.beats_s[a : a + beats + 1]
    if len(to_s) <= beats or len(from_s) <= beats:
        return None
    ends_s = [(len(c.root) - 1) / FPS for c in (lower, upper)]
    if min(to_s[0], from_s[0]) < 0 or to_s[-1] > ends_s[0] or from_s[-1] > ends_s[1]:
        return None
    ratio = np.diff(from_s) / np.maximum(np.diff(to_s), 1e-6)
    if ratio.min() < STRETCH[0] or ratio.max() > STRETCH[1]:
        return None
    first, last = int(np.ceil(to_s[0] * FPS)), int(np.floor(to_s[-1] * FPS))
    times_s = np.interp(np.arange(first, last + 1) / FPS, to_s, from_s)
    part = slice(first, last + 1)
    played = replace(upper, **dict(zip(("root", "rotations"), sample_at(upper, times_s), strict=True)))
    rotations = lower.rotations[part].copy()
    rotations[:, UPPER] = played.rotations[:, UPPER]
    bad = [lower.bad_frames - first, np.flatnonzero(np.isin(np.round(times_s * FPS), upper.bad_frames))]
    bad = np.unique(np.concatenate(bad)).astype(int)
    made = replace(
        lower,
        name=f"{upper.name} on {lower.name}",
        style=lower.style if lower.style == upper.style else "any",
        root=lower.root[part],
        rotations=rotations,
        bad_frames=bad[(bad >= 0) & (bad <= last - first)],
        beats_s=lower.beats_s[b : b + beats + 1] - first / FPS,
    )
    return made, played


def verdict(made: Clip, played: Clip, lower_joints: np.ndarray, limit_m: float) -> Refused | None:
    """Why a splice is not kept; None when it is. lower_joints (F, 22, 3): of the lower clip as it was."""
    if len(made.bad_frames):
        return Refused.BAD
    if headings_part_rad(made.rotations[:, 0], played.rotations[:, 0]) > YAW_MOST_RAD:
        return Refused.YAW
    joints = joints_of(made.root, made.rotations)
    if imbalance_m(joints) > max(limit_m, imbalance_m(lower_joints) + BALANCE_MORE_M):
        return Refused.BALANCE
    before = max(hands_inside(lower_joints), hands_inside(joints_of(played.root, played.rotations)))
    if hands_inside(joints) > before + DEPTH_SHARE:
        return Refused.HANDS
    return Refused.BEAT if made.fit < FIT_LEAST else None


def fitted(clip: Clip) -> Clip:
    """The clip with ``fit`` read anew."""
    minima, _ = speed_minima(beat_speed(clip.root, clip.rotations))
    return replace(clip, fit=concentration(minima / FPS, clip.beats_s))


def splices(clips: Sequence[Clip], frames: int, seed: int, *, tries_most: int = 12_000) -> Spliced:
    """Splices of about ``frames`` frames in all, from clips fitted to beats (unfitted ones are not used).

    Pairs are drawn with ``seed``: lower clip and stretch by length, upper clip of the same tempo band (by its period),
    mirrored every second time, never of the same take.
    """
    rng = np.random.default_rng(seed)
    pool = [c for c in clips if c.fit >= FIT_LEAST and len(c.beats_s) > BEATS]
    if len({c.name for c in pool}) < 2:
        return Spliced((), 0, {})
    limit_m = balance_limit_m(pool)
    periods = np.array([np.median(np.diff(c.beats_s)) for c in pool])
    odds = np.array([len(c.beats_s) - BEATS for c in pool], float)
    kept, refused, tried, made_frames = [], Counter(), 0, 0
    while made_frames < frames and tried < tries_most:
        at = int(rng.choice(len(pool), p=odds / odds.sum()))
        lower = pool[at]
        near = (periods > periods[at] * STRETCH[0]) & (periods < periods[at] * STRETCH[1])
        near &= np.array([c.name != lower.name for c in pool])
        if not near.any():
            odds[at] = 0
            continue
        upper = pool[int(rng.choice(len(pool), p=odds * near / (odds * near).sum()))]
        upper = mirror(upper) if rng.random() < 0.5 else upper
        a, b = (int(rng.integers(len(c.beats_s) - BEATS)) for c in (upper, lower))
        tried += 1
        clip, why = _try(upper, lower, a, b, limit_m)
        if why is None:
            kept.append(clip)
            made_frames += len(clip.root)
        else:
            refused[why] += 1
    return Spliced(tuple(kept), tried, dict(refused))


def _try(upper: Clip, lower: Clip, a: int, b: int, limit_m: float) -> tuple[Clip | None, Refused | None]:
    pair = upper_on_lower(upper, lower, a, b)
    if pair is None:
        return None, Refused.TEMPO
    made, played = fitted(pair[0]), pair[1]
    first = int(np.ceil(lower.beats_s[b] * FPS))
    part = slice(first, first + len(made.root))
    return made, verdict(made, played, joints_of(lower.root[part], lower.rotations[part]), limit_m)
