"""docs/evaluation.md and the contact sheets, from an ``Evaluation``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from realtime_models.training.judge import beat as score
from realtime_models.training.judge.motion import from_pose
from realtime_models.training.judge.results import Cell, Evaluation, Stage, TrackResult
from realtime_models.training.judge.systems.model import Track

COMMAND = "CORYBANT_DATA=../shared python -m realtime_models.training.judge.evaluate"
SEEN = "## What was seen"  #: from this line on the page is written by hand and kept
LAG_FROM_R = 0.4  #: a lag is counted where R is at least this
NAMES = {0.5: "half the beat", 1.0: "the beat", 2.0: "twice the beat"}
SHEET_AT = (0.15, 0.45, 0.75)  #: rows of a sheet begin at these shares of a song's beats
SHEET_COLUMNS = 12


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _lag(r: float, lag_s: float) -> str:
    return f"{1000 * lag_s:+.0f} ms" if r >= LAG_FROM_R else "–"


def _cell_row(first: Sequence[str], cell: Cell, level: float) -> list[str]:
    pool, runs = cell.pooled, len(cell.scores)
    n = pool.n / runs
    return [
        *first,
        *(f"{cell.mean_r(k):.2f}" for k in score.LEVELS),
        f"{pool.r(level):.2f}",
        _lag(pool.r(level), pool.lag_s(level)),
        f"{pool.hits.f1:.2f}",
        f"{pool.minima_per_beat:.2f}",
        f"{n:.0f}",
        f"{np.mean([score.random_floor(s.n) for s in cell.scores]):.2f}" if n >= 1 else "–",
    ]


_HEAD = ("R ½", "R 1", "R 2", "pooled", "lag", "F1", "minima / beat", "n", "floor")


def verdict_part(found: Evaluation) -> str:
    """The margins asked for, track by track."""
    marks = {True: "yes", False: "**no**"}
    rows = [
        [
            v.track,
            f"{v.right:.2f}",
            f"{v.wrong:.2f}",
            f"{v.silence:.2f}",
            *(marks[c] for c in v.checks),
            marks[v.passed],
        ]
        for v in found.verdicts
    ]
    passed = sum(v.passed for v in found.verdicts)
    head = ("track", "R(right)", "R(wrong)", "R(silence)", "≥ 0.3", "≥ 2 × wrong", "≥ silence + 0.15", "all")
    return (
        f"At {NAMES[found.level]} (level {found.level:g}), means over {len(found.seeds)} seeds: "
        f"**{passed} of {len(rows)} tracks meet all three margins** (asked for: four of five).\n\n{table(head, rows)}"
    )


def validation_part(found: Evaluation) -> str:
    """How the level was chosen."""
    rows = [[name, *(f"{cell.mean_r(k):.2f}" for k in score.LEVELS)] for name, cell in found.validation.items()]
    means = [np.mean([cell.mean_r(k) for cell in found.validation.values()]) for k in score.LEVELS]
    rows.append(["mean", *(f"**{m:.2f}**" if m == max(means) else f"{m:.2f}" for m in means)])
    return (
        "The level is the one with the largest mean R on four tracks that are not among the scored ones.\n\n"
        + table(("validation track", "R ½", "R 1", "R 2"), rows)
    )


def tracks_part(found: Evaluation) -> str:
    """Every condition of every track."""
    parts = []
    for result in found.results:
        track = result.track
        rows = []
        for name, cell in result.cells.items():
            label = f"wrong ({result.wrong})" if name == "wrong" else name
            rows.append(_cell_row([label], cell, found.level))
        rows.append(_cell_row(["right, against the beats as heard"], result.own, found.level))
        rows.append(_cell_row(["right, speed of all 22 joints"], result.all_joints, found.level))
        rows.append(_cell_row(["the same, pelvis' path taken out"], result.relative, found.level))
        parts.append(f"### {track.name}, {track.bpm:.0f} bpm\n\n{table(('heard', *_HEAD), rows)}\n\n{_remarks(result)}")
    return "\n\n".join(parts)


def _remarks(result: TrackResult) -> str:
    ear, half_ms = result.ear, 500 * result.track.period_s
    return (
        f"The listener's own beats: F {ear.f1:.2f} (precision {ear.precision:.2f}, recall {ear.recall:.2f}). "
        f"With the sound half a beat ({half_ms:.0f} ms) later, the body's lag at the beat level moved by "
        f"{1000 * result.moved_s():.0f} ms. Poses held by the guard: {result.held}."
    )


def long_part(found: Evaluation) -> str:
    """Ten minutes beside real dance."""
    long, real = found.long_run, found.real
    if long is None or real is None:
        return "Not run (--quick)."
    minutes = long.speed_by_minute_m_s
    ratio = minutes[-1] / minutes[0]
    rows = [[name, f(long), f(real)] for name, f in _BODY_ROWS]
    return (
        "Ten minutes without a pause, songs after one another; the first and the last minute are the same music. "
        f"Mean joint speed minute by minute [m/s]: {' '.join(f'{m:.2f}' for m in minutes)}; "
        f"last / first = **{ratio:.2f}** (asked for: 0.70 to 1.30). "
        f"Poses held or replaced by the guard: {found.long_held}.\n\n"
        + table(("measure", "ten minutes", "real dance clips"), rows)
    )


_BODY_ROWS = (
    ("frames that are not finite", lambda b: f"{b.nonfinite_frames:g}"),
    ("mean joint speed / relative to the pelvis [m/s]", lambda b: f"{b.speed_m_s:.2f} / {b.speed_relative_m_s:.2f}"),
    ("longest stretch under 2 cm/s [s]", lambda b: f"{b.frozen_s:.1f}"),
    ("furthest pelvis / joint from the centre [m]", lambda b: f"{b.stage_radius_m:.2f} / {b.reach_radius_m:.2f}"),
    ("standing frames, lower foot within 2 cm of the floor", lambda b: f"{100 * b.floor_within_2cm:.0f} %"),
    ("that foot's height, median [cm]", lambda b: f"{100 * b.floor_median_m:.1f}"),
    ("that foot's distance from the floor, 95th percentile [cm]", lambda b: f"{100 * b.floor_p95_m:.1f}"),
    ("frames with a foot joint over 2 cm under the floor", lambda b: f"{100 * b.sunk_share:.1f} %"),
    ("foot slide in contact, mean / 95th percentile [m/s]", lambda b: f"{b.slide_m_s:.2f} / {b.slide_p95_m_s:.2f}"),
    ("frames with a foot in contact", lambda b: f"{100 * b.contact_share:.0f} %"),
    ("jerk at 30 Hz, mean / 99th percentile [m/s³]", lambda b: f"{b.jerk_m_s3:.0f} / {b.jerk_p99_m_s3:.0f}"),
    ("distance from the own path smoothed by 50 ms, rms [mm]", lambda b: f"{b.jitter_mm:.1f}"),
    ("joint turning speed, 99.9th percentile [rad/s]", lambda b: f"{b.turn_p999_rad_s:.1f}"),
    ("joint turning speed, largest [rad/s]", lambda b: f"{b.turn_max_rad_s:.1f}"),
)


def markdown(found: Evaluation) -> str:
    """The page without what was written by hand."""
    return f"""# Does it dance with the music?

    {COMMAND}

Model `{found.identity}`, seeds {", ".join(map(str, found.seeds))}; {found.minutes_danced:.0f} minutes danced offline
through the show's own listener, planner and guard, {found.took_s / 60:.1f} minutes of computing. The model hears sound
only; the true beats of the tracks only score. No track of that folder was used in training. The first 5 s of a
track are not scored.

Motion beats are minima of body speed (mean speed of pelvis, head, wrists and foot joints, smoothed by 50 ms, at least
0.15 standard deviations deep): the rule that also made the `motion_beats` of the training motion. *R* is the length of
the mean of exp(2πi × beat phase) over them, at half (one cycle in two beats), one and two times the beat; *n* random
minima have R of 0.886 / √n (column *floor*), so n stands beside it. R columns are means over seeds; *pooled* is R of
all seeds' minima together at the chosen level, *lag* its circular mean (positive = after the beat), counted where
R ≥ 0.4. F1 is at 70 ms, one motion beat to one beat. *Clips on the grid* is what is done without a model: real clips,
stretched to the tempo, cued by the **true** beats so that their own minima fall on them, cross-faded each 16 beats.
The *wrong* track is the one of the others whose tempo can fall into step with the right one the least.

## Margins

{verdict_part(found)}

## Level

{validation_part(found)}

## Tracks

{tracks_part(found)}

## Ten minutes

{long_part(found)}
"""


def write_report(found: Evaluation, path: Path) -> None:
    """Write the page; what stands under "What was seen" in the old one is kept."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    seen = old[old.index(SEEN) :] if SEEN in old else f"{SEEN}\n\n(not yet written)\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(markdown(found) + "\n" + seen, encoding="utf-8")


def write_sheets(stage: Stage, tracks: Sequence[Track], folder: Path) -> list[Path]:
    """``sheet_<track>.png`` of runs that were danced: three places of the song, one row each."""
    from realtime_models.training.judge.sheets import Row, sheet

    paths = []
    for track in tracks:
        run = stage.perform(track, 0)
        motion = from_pose(track.name, run.root, run.rotations, run.fps)
        rows = [
            Row(f"from {track.beats_s[first]:.1f} s", motion, track.beats_s, first)
            for first in (int(share * len(track.beats_s)) for share in SHEET_AT)
        ]
        path = folder / f"sheet_{track.name}.png"
        sheet(rows, path, columns=SHEET_COLUMNS, title=f"{track.name}, {track.bpm:.0f} bpm, every beat")
        paths.append(path)
    return paths
