"""Does the dance drift? Ten minutes without a pause, style by style and seed by seed; the last minute beside the first.

    CORYBANT_DATA=../shared python -m realtime_models.training.endurance [--styles auto pop salsa] [--seeds 0 1]

Writes docs/endurance.md. The first and the last minute are the same music, so that a difference is the dancer's own.
"""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from realtime_models.backends import load_model
from realtime_models.training.data import data_root
from realtime_models.training.evaluate import TEN_MINUTES_S, TEST_TRACKS, VALIDATION_TRACKS
from realtime_models.training.performance import Danced, Music, dancer_of, hear, programme, read_track
from realtime_models.training.report import table
from realtime_models.training.score_body import BodyScore, body_score

LEAST, MOST = 0.7, 1.3  #: last minute's mean joint speed over the first's
HEAD = (
    "style, seed",
    "speed by minute [m/s]",
    "last / first",
    "2nd half / 1st",
    "not finite",
    "frozen [s]",
    "pelvis, joint from centre [m]",
    "standing foot within 2 cm",
    "held",
)


def in_style(music: Music, style: str) -> Music:
    """The same music with an operator who asks for one style throughout."""
    return [asked._replace(controls=replace(asked.controls, style=style)) for asked in music]


def row(name: str, danced: Danced, body: BodyScore) -> tuple[str, ...]:
    """One run as a line of the table."""
    minutes = body.speed_by_minute_m_s
    half = len(minutes) // 2
    ratio = minutes[-1] / minutes[0]
    mark = "" if LEAST <= ratio <= MOST else " **no**"
    return (
        name,
        " ".join(f"{m:.2f}" for m in minutes),
        f"{ratio:.2f}{mark}",
        f"{sum(minutes[half:]) / (len(minutes) - half) / (sum(minutes[:half]) / half):.2f}",
        str(body.nonfinite_frames),
        f"{body.frozen_s:.1f}",
        f"{body.stage_radius_m:.2f}, {body.reach_radius_m:.2f}",
        f"{100 * body.floor_within_2cm:.0f} %",
        str(danced.held),
    )


def page(rows: Iterable[tuple[str, ...]], identity: str) -> str:
    """The Markdown page."""
    return f"""# Ten minutes without a pause

    CORYBANT_DATA=../shared python -m realtime_models.training.endurance

Model `{identity}`, through the show's own listener, planner and guard, songs after one another; the first and
the last minute are the same music. Asked for: last / first between {LEAST} and {MOST}, nothing frozen, sunk or off a
stage of 2.5 m radius, standing feet within 2 cm of the floor. `auto` changes its style with every 32 beats, and styles
differ in speed by a factor of two: its ratio says which styles were drawn in two single minutes, the halves whether
it drifts.

{table(HEAD, list(rows))}
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m realtime_models.training.endurance", description=__doc__)
    parser.add_argument("--styles", nargs="+", default=["auto", "pop", "salsa", "indian"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    args = parser.parse_args()
    folder = data_root() / "music"
    model = load_model()
    music = hear(programme([read_track(folder, name) for name in (*TEST_TRACKS, *VALIDATION_TRACKS)], TEN_MINUTES_S))
    rows = []
    for style in args.styles:
        for seed in args.seeds:
            danced = dancer_of(model)(in_style(music, style), seed)
            rows.append(row(f"{style}, {seed}", danced, body_score(danced.root, danced.rotations, danced.fps)))
            print(" | ".join(rows[-1]), flush=True)
    (args.docs / "endurance.md").write_text(page(rows, model.spec.identity))


if __name__ == "__main__":
    main()
