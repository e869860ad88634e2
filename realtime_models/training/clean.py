"""Clean training motion: bursts bridged, tremor out, floor fitted, standing feet held; each step measured.

CORYBANT_DATA=../data python -m realtime_models.training.clean
prints the judge's own measures of the training clips after each step.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from realtime_models.training.bursts import Burst, joints_of, mend
from realtime_models.training.data import FPS, Clip, read_clips
from realtime_models.training.judge.beat import beats_of_curve, body_speed
from realtime_models.training.judge.body import score_motion
from realtime_models.training.judge.contact import contact_slide
from realtime_models.training.judge.motion import from_pose
from realtime_models.training.judge.seams import found_seams
from realtime_models.training.steady import floor_shift_m, without_slide, without_tremor

#: A step that moves its most moved joint further than this, beside the pelvis (median over frames), is refused
TREMOR_MOST_M, FEET_MOST_M = 0.006, 0.020
DEEP_M = 0.05  #: frames with a joint so far under the fitted floor, feet held, are not used
MARGIN_FRAMES = 3  #: frames either side of a burst that stays are not used either: the low-pass reaches so far


@dataclass(frozen=True)
class Steps:
    """What is done."""

    bursts: bool = True
    tremor: bool = True
    floor: bool = True
    feet: bool = True


ALL = Steps()


@dataclass(frozen=True)
class Cleaned:
    """A clip and what was done to it."""

    clip: Clip
    bridged: tuple[Burst, ...] = ()
    left: tuple[Burst, ...] = ()  #: in the clip's bad_frames
    floor_m: float = 0.0  #: what was added to its height
    refused: tuple[str, ...] = ()  #: steps that would have changed it too much


def change_m(before: Clip, after: Clip, *, without: Sequence[Burst] = ()) -> float:
    """How far [m] the most moved joint went, pelvis over the origin: median over frames but those of ``without``."""
    keep = np.ones(len(before.root), bool)
    for burst in without:
        keep[burst.first : burst.last + 1] = False
    flat = np.array([1.0, 0.0, 1.0])
    a, b = (joints_of(c.root - c.root * flat, c.rotations) for c in (before, after))
    return float(np.median(np.linalg.norm(a - b, axis=-1).max(axis=1)[keep])) if keep.any() else 0.0


def _with(clip: Clip, root: np.ndarray, rotations: np.ndarray) -> Clip:
    return replace(clip, root=root.astype(np.float32), rotations=rotations.astype(np.float32))


def _bad_frames(clip: Clip, bridged: Sequence[Burst], left: Sequence[Burst]) -> np.ndarray:
    """The clip's bad frames without those that were bridged, with those of bursts that stay."""
    bad = {int(f) for f in clip.bad_frames if not any(b.first <= f <= b.last + 1 for b in bridged)}
    for burst in left:
        bad.update(range(max(0, burst.first - MARGIN_FRAMES), min(len(clip.root), burst.last + 1 + MARGIN_FRAMES)))
    return np.array(sorted(bad), int)


def clean(clip: Clip, steps: Steps = ALL) -> Cleaned:
    """The clip after the steps asked for, in their fixed order. Pure."""
    done, bridged, left, shift, refused = clip, [], [], 0.0, []
    if steps.bursts:
        root, rotations, bridged, left = mend(clip.root, clip.rotations)
        done = replace(_with(done, root, rotations), bad_frames=_bad_frames(clip, bridged, left))
    if steps.tremor:
        done, ok = _if_small(done, without_tremor, TREMOR_MOST_M)
        refused += [] if ok else ["tremor"]
    if steps.floor:
        shift = floor_shift_m(joints_of(done.root, done.rotations))
        done = replace(done, root=done.root + np.array([0, shift, 0], np.float32))
    if steps.feet:
        done, ok = _if_small(done, without_slide, FEET_MOST_M)
        refused += [] if ok else ["feet"]
        deep = np.flatnonzero(joints_of(done.root, done.rotations)[..., 1].min(axis=1) < -DEEP_M)
        done = replace(done, bad_frames=np.union1d(done.bad_frames, deep).astype(int))
    return Cleaned(done, tuple(bridged), tuple(left), shift, tuple(refused))


def _if_small(clip: Clip, step: Callable, most_m: float) -> tuple[Clip, bool]:
    """The clip after a step, or as it was where the step changes it by more than ``most_m``."""
    after = _with(clip, *step(clip.root, clip.rotations))
    ok = change_m(clip, after) <= most_m
    return (after if ok else clip), ok


@dataclass(frozen=True)
class Look:
    """The judge's measures of some clips, weighted by their length; slides pooled."""

    minutes: float
    values: dict[str, float]


KEYS = {
    "jerk_per_speed_hz2": "jerk/speed", "tremor_mm": "tremble mm", "speed_m_s": "speed", "floating_mm": "float mm",
    "floating_share": "afloat", "penetration_mm": "sink mm", "sunk_share": "sunk", "contact_share": "contact",
}  # fmt: skip


def look(clips: Sequence[Clip]) -> Look:
    """Measures as the judge takes them."""
    scores, seconds, slides, seams = [], [], [], 0
    for clip in clips:
        motion = from_pose(clip.name, clip.root, clip.rotations, FPS)
        score = score_motion(motion)
        scores.append([getattr(score, key) for key in KEYS])
        seconds.append(score.seconds)
        slides.append(contact_slide(motion.positions))
        bad = clip.bad_frames / FPS
        seams += sum(not len(bad) or abs(bad - t).min() > 0.1 for t in found_seams(motion).times_s)
    slide, weight = np.concatenate(slides), np.array(seconds) / sum(seconds)
    values = dict(zip(KEYS.values(), (np.array(scores) * weight[:, None]).sum(axis=0), strict=True))
    values |= {"slide": float(slide.mean()), "slide p95": float(np.percentile(slide, 95)), "seams": float(seams)}
    return Look(sum(seconds) / 60, values)


def beat_change(before: Sequence[Clip], after: Sequence[Clip]) -> dict[str, float]:
    """How far motion beats moved (median ms, % by over 20 ms or gone), how many more there are, and fast speeds."""
    moved, counts, peaks = [], [], []
    for a, b in zip(before, after, strict=True):
        speeds = [body_speed(c.root, c.rotations, FPS) for c in (a, b)]
        times = [beats_of_curve(speed, FPS) for speed in speeds]
        counts.append([len(t) for t in times])
        if all(counts[-1]):
            moved.append(np.abs(times[0][:, None] - times[1]).min(axis=1))
        peaks.append([np.percentile(speed, 99) for speed in speeds])
    gap, (n0, n1) = np.concatenate(moved), np.array(counts).sum(axis=0)
    ratio = np.array(peaks)[:, 1] / np.maximum(np.array(peaks)[:, 0], 1e-6)
    return {
        "beats ms": 1000 * float(np.median(gap)),
        "over 20 ms %": 100 * float((gap > 0.02).mean()),
        "count %": 100 * (n1 / n0 - 1),
        "peak %": 100 * (float(np.median(ratio)) - 1),
    }


STAGES = {
    "as they are": Steps(False, False, False, False),
    "bursts": Steps(True, False, False, False),
    "+ tremor": Steps(True, True, False, False),
    "+ floor": Steps(True, True, True, False),
    "+ feet": ALL,
}


def table(clips: Sequence[Clip]) -> list[str]:
    """Lines of the table: one stage each, then what was done."""
    lines = []
    for name, steps in STAGES.items():
        done = [clean(clip, steps) for clip in clips]
        after = [d.clip for d in done]
        changes = [change_m(c, d.clip, without=d.bridged) for c, d in zip(clips, done, strict=True)]
        values = look(after).values | {"change mm": 1000 * float(np.mean(changes))} | beat_change(clips, after)
        if not lines:
            lines.append("".ljust(12) + "".join(key.rjust(13) for key in values))
        lines.append(name.ljust(12) + "".join(f"{value:13.3f}" for value in values.values()))
    bridged, left = sum(len(d.bridged) for d in done), sum(len(d.left) for d in done)
    refused = Counter(step for d in done for step in d.refused)
    shifts = 1000 * np.abs([d.floor_m for d in done])
    lines.append(
        f"{len(clips)} clips: {bridged} bursts bridged, {left} left in bad_frames; floor moved in "
        f"{int((shifts > 0).sum())} (largest {shifts.max():.0f} mm); refused: {dict(refused) or 'none'}"
    )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="permissive", help="permissive or noncommercial")
    parser.add_argument("--splits", nargs="+", default=["train"])
    args = parser.parse_args()
    clips = [clip for clip in read_clips(args.set, splits=tuple(args.splits)) if len(clip.root) >= 2 * FPS]
    for title, some in (
        ("dance", [c for c in clips if c.is_dance]),
        ("all else", [c for c in clips if not c.is_dance]),
    ):
        print(title, *table(some), sep="\n", flush=True)


if __name__ == "__main__":
    main()
