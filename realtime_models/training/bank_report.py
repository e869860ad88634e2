"""What the bank adds to the clips, and what that does to them: minutes by style, splices refused, distances.

CORYBANT_DATA=../data python -m realtime_models.training.bank_report
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from realtime_models.training.bank import PLAIN, RICH, SPEEDS, Made, make_clips
from realtime_models.training.clean import clean, look
from realtime_models.training.data import FPS, Clip, read_clips
from realtime_models.training.judge.distribution import compare, largest_half, scale_of, yardstick
from realtime_models.training.judge.motion import Windows, from_pose, windows

COUNT = 150  #: windows a side, as on the judge's page
KEYS = ("fid_kinetic", "fid_geometric", "kd_kinetic", "kd_geometric", "two_sample")
BODY = ("jerk/speed", "tremble mm", "speed", "slide", "slide p95", "float mm", "sink mm")


def windows_of(clips: Sequence[Clip], most: int, seed: int = 0) -> Windows:
    """Windows of clips in a random order, whole clips until there are ``most``; windows of one clip are one block."""
    order = np.random.default_rng(seed).permutation(len(clips))
    chosen, count = [], 0
    for k in order:
        if count >= most:
            break
        chosen.append(from_pose(clips[k].name, clips[k].root, clips[k].rotations, FPS))
        count += len(clips[k].root) // (5 * FPS)
    return windows(chosen)


def minutes(clips: Sequence[Clip]) -> dict[str, float]:
    """Minutes by style, dance first."""
    found: dict[str, float] = {}
    for clip in sorted(clips, key=lambda c: (not c.is_dance, c.style)):
        found[clip.style] = found.get(clip.style, 0.0) + len(clip.root) / FPS / 60
    return found


def minutes_lines(before: Sequence[Clip], made: Made) -> list[str]:
    """One line a style: minutes of the clips, and of each part of the bank."""
    parts = {name: minutes(group) for name, group in made.groups.items()}
    own, total = minutes(before), minutes(made.clips)
    lines = ["style".ljust(10) + "".join(n.rjust(12) for n in ("clips", *parts, "bank"))]
    for style in dict.fromkeys([*own, *total]):
        values = [own.get(style, 0.0), *(p.get(style, 0.0) for p in parts.values()), total.get(style, 0.0)]
        lines.append(style.ljust(10) + "".join(f"{v:12.1f}" for v in values))
    return lines


def refused_line(made: Made) -> str:
    """How many splices were tried, kept and refused for what."""
    done = made.splices
    why = ", ".join(f"{name.value} {100 * n / max(done.tried, 1):.1f} %" for name, n in done.refused.items())
    return f"splices: {done.tried} tried, {len(done.clips)} kept; refused: {why or 'none'}"


def distance_lines(real: Sequence[Clip], made: Made) -> list[str]:
    """Judge's distances and body measures of each part of the bank's dance beside the clips as they are."""
    true = windows_of(real, 10**6)
    scale, count = scale_of(true), min(COUNT, largest_half(true.blocks))
    stick = yardstick(true, count, scale=scale)
    body = look(real).values
    lines = ["".ljust(12) + "".join(key.rjust(15) for key in (*KEYS, *BODY))]
    lines.append("real".ljust(12) + "".join(f"{v:15.3f}" for v in [*(stick[k][0] for k in KEYS), *map(body.get, BODY)]))
    dances = {name: [c for c in group if c.is_dance] for name, group in made.groups.items()}
    dances["bank"] = [c for group in dances.values() for c in group]
    for name, clips in dances.items():
        some = windows_of(clips, 3 * count)
        if len(some) < count:
            lines.append(name.ljust(12) + f"  only {len(some)} windows")
            continue
        found = compare(true, some, scale, count=count)
        body = look(sample(clips)).values
        lines.append(name.ljust(12) + "".join(f"{v:15.3f}" for v in [*map(found.get, KEYS), *map(body.get, BODY)]))
    return lines


def sample(clips: Sequence[Clip], most: int = 60, seed: int = 0) -> list[Clip]:
    """At most so many of the clips, by chance."""
    chosen = np.random.default_rng(seed).permutation(len(clips))[:most]
    return [clips[k] for k in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plain", action="store_true", help="without amplitudes and splices")
    parser.add_argument("--splices", type=float, default=RICH.splice_minutes, help="minutes of splices")
    parser.add_argument("--dance", action="store_true", help="dance clips only")
    parser.add_argument("--every", type=int, default=1, help="every n-th clip only")
    args = parser.parse_args()
    clips = [clip for clip in read_clips() if len(clip.root) >= 2.5 * FPS and clip.is_dance >= args.dance]
    clips = clips[:: args.every]
    variety = replace(PLAIN if args.plain else RICH, splice_minutes=0.0 if args.plain else args.splices)
    made = make_clips([clean(clip).clip for clip in clips], SPEEDS, variety)
    print(*minutes_lines(clips, made), sep="\n", flush=True)
    frames = sum(len(clip.root) for clip in made.clips)
    print(f"{frames} frames in {len(made.clips)} clips", refused_line(made), sep="\n", flush=True)
    print(*distance_lines([clip for clip in clips if clip.is_dance], made), sep="\n", flush=True)


if __name__ == "__main__":
    main()
