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


def headings_rad(clip: Clip) -> np.ndarray:
    """Heading (F,) of the pelvis, turns counted."""
    return np.unwrap(heading_rad(clip.rotations[:, 0]))


def part_rad(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference of two headings (F,), each beside its own mean."""
    return float(np.abs((a - a.mean()) - (b - b.mean())).max())


@dataclass(frozen=True)
class Stretch:
    """Frames ``first`` to ``last`` of the lower clip, and when in the upper one (n,) [s] what goes on them is."""

    first: int
    last: int
    times_s: np.ndarray

    @property
    def part(self) -> slice:
        return slice(self.first, self.last + 1)


def stretch(upper: Clip, lower: Clip, a: int, b: int, beats: int = BEATS) -> Stretch | None:
    """Beats a.. of ``upper`` on beats b.. of ``lower``. None where a beat would be played too slowly or too fast, or
    lies outside its clip.
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
    return Stretch(first, last, np.interp(np.arange(first, last + 1) / FPS, to_s, from_s))


def upper_on_lower(upper: Clip, lower: Clip, where: Stretch) -> tuple[Clip, Clip]:
    """``upper`` from the spine up on ``lower``, and the stretch of ``upper`` as it was played."""
    first, last, part = where.first, where.last, where.part
    played = replace(upper, **dict(zip(("root", "rotations"), sample_at(upper, where.times_s), strict=True)))
    rotations = lower.rotations[part].copy()
    rotations[:, UPPER] = played.rotations[:, UPPER]
    bad = [lower.bad_frames - first, np.flatnonzero(np.isin(np.round(where.times_s * FPS), upper.bad_frames))]
    bad = np.unique(np.concatenate(bad)).astype(int)
    beats_s = lower.beats_s - first / FPS
    made = replace(
        lower,
        name=f"{upper.name} on {lower.name}",
        style=lower.style if lower.style == upper.style else "any",
        root=lower.root[part],
        rotations=rotations,
        bad_frames=bad[(bad >= 0) & (bad <= last - first)],
        beats_s=beats_s[(beats_s > -1 / FPS) & (beats_s < (last - first + 1) / FPS)],
    )
    return made, played


def first_look(made: Clip, played: Clip) -> Refused | None:
    """What can be refused without knowing where the joints are."""
    if len(made.bad_frames):
        return Refused.BAD
    return Refused.YAW if part_rad(headings_rad(made), headings_rad(played)) > YAW_MOST_RAD else None


def verdict(made: Clip, played: Clip, lower_joints: np.ndarray, limit_m: float) -> Refused | None:
    """Why a splice is not kept; None when it is. lower_joints (F, 22, 3): of the lower clip as it was."""
    why = first_look(made, played)
    if why is not None:
        return why
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


def splices(clips: Sequence[Clip], frames: int, seed: int, *, tries_most: int = 20_000) -> Spliced:
    """Splices of about ``frames`` frames in all, from clips fitted to beats (unfitted ones are not used).

    Pairs are drawn with ``seed``: lower clip and stretch by length, upper clip of about the same tempo, mirrored every
    second time, never of the same take.
    """
    rng = np.random.default_rng(seed)
    pool = _pool([c for c in clips if c.fit >= FIT_LEAST and len(c.beats_s) > BEATS])
    if len({member.clip.name for member in pool}) < 2:
        return Spliced((), 0, {})
    limit_m = balance_limit_m([member.clip for member in pool])
    kept, refused, tried, made_frames = [], Counter(), 0, 0
    while made_frames < frames and tried < tries_most:
        tried += 1
        clip, why = _try(pool, limit_m, rng)
        if why is None:
            kept.append(clip)
            made_frames += len(clip.root)
        else:
            refused[why] += 1
    return Spliced(tuple(kept), tried, dict(refused))


@dataclass(frozen=True)
class _Member:
    """A clip that may be spliced, and what is asked of it again and again."""

    clip: Clip
    mirrored: Clip
    yaw_rad: np.ndarray
    period_s: float

    @property
    def starts(self) -> int:
        return len(self.clip.beats_s) - BEATS


def _pool(clips: Sequence[Clip]) -> list[_Member]:
    return [_Member(c, mirror(c), headings_rad(c), float(np.median(np.diff(c.beats_s)))) for c in clips]


def _draw(pool: list[_Member], rng: np.random.Generator) -> _Member:
    odds = np.array([member.starts for member in pool], float)
    return pool[int(rng.choice(len(pool), p=odds / odds.sum()))]


def _try(pool: list[_Member], limit_m: float, rng: np.random.Generator) -> tuple[Clip | None, Refused | None]:
    """One splice drawn by chance, or why it is none. Headings are looked at first: they are cheap and refuse most."""
    low = _draw(pool, rng)
    near = [m for m in pool if STRETCH[0] < m.period_s / low.period_s < STRETCH[1] and m.clip.name != low.clip.name]
    if not near:
        return None, Refused.TEMPO
    up, flipped = _draw(near, rng), rng.random() < 0.5
    upper = up.mirrored if flipped else up.clip
    where = stretch(upper, low.clip, int(rng.integers(up.starts)), int(rng.integers(low.starts)))
    if where is None:
        return None, Refused.TEMPO
    yaw = np.interp(where.times_s * FPS, np.arange(len(up.yaw_rad)), -up.yaw_rad if flipped else up.yaw_rad)
    if part_rad(yaw, low.yaw_rad[where.part]) > YAW_MOST_RAD:
        return None, Refused.YAW
    made, played = upper_on_lower(upper, low.clip, where)
    joints = joints_of(low.clip.root[where.part], low.clip.rotations[where.part])
    made = fitted(made)
    why = verdict(made, played, joints, limit_m)
    return (made, None) if why is None else (None, why)
