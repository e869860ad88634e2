"""Does the dance drift? Ten minutes without a pause, style by style and seed by seed; the last minute beside the first.

    CORYBANT_DATA=../shared python -m realtime_models.training.endurance [--styles auto salsa] [--seeds 0 1]

Writes docs/endurance.md. The first and the last minute are the same music, so that a difference is the dancer's own.
"""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.inputs import DEMO
from engine.sources import open_file
from realtime_models.backends import load_model
from realtime_models.training.data import data_root
from realtime_models.training.judge.body import BodyScore, body_score
from realtime_models.training.judge.page import grid
from realtime_models.training.judge.programme import LONG_S, SONGS, VALIDATION
from realtime_models.training.judge.systems.model import Danced, Music, Track, dancer_of, hear, programme, read_track

LEAST, MOST = 0.7, 1.3  #: last minute's mean joint speed over the first's
HEAD = (
    "music, style, seed",
    "speed by minute [m/s]",
    "last / first",
    "2nd half / 1st",
    "not finite",
    "frozen [s]",
    "pelvis, joint from centre [m]",
    "standing foot within 2 cm",
    "held",
)


def one_song(seconds: float) -> Track:
    """The demo track, looped without a seam: what ``--demo --offline --seconds`` dances to."""
    source = open_file(str(DEMO))
    samples = np.concatenate([block.samples for block in source])
    return Track("demo", np.resize(samples, round(seconds * source.rate)), source.rate, np.zeros(0))


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

Model `{identity}`, through the show's own listener, planner and guard, to one song
in a loop and to songs after one another, where first and last minute are the same music. Asked for: last / first
between {LEAST} and {MOST}, nothing frozen, sunk or off a stage of 2.5 m radius, standing feet within 2 cm of the floor.
`auto` changes its style with every 32 beats, and styles differ in speed; the songs differ in energy, and the listener's
energy is relative to what was heard before (the same song counts as louder after a quiet one), so only the one song
keeps the question apart from the music.

{grid(HEAD, list(rows))}
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m realtime_models.training.endurance", description=__doc__)
    parser.add_argument("--styles", nargs="+", default=["auto", "salsa"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    args = parser.parse_args()
    folder = data_root() / "music"
    model = load_model()
    songs = programme([read_track(folder, name) for name in (*SONGS, *VALIDATION)], LONG_S)
    rows = []
    for name, music in (("one song", hear(one_song(LONG_S))), ("songs", hear(songs))):
        for style in args.styles:
            for seed in args.seeds:
                danced = dancer_of(model)(in_style(music, style), seed)
                body = body_score(danced.root, danced.rotations, danced.fps)
                rows.append(row(f"{name}, {style}, {seed}", danced, body))
                print(" | ".join(rows[-1]), flush=True)
    (args.docs / "endurance.md").write_text(page(rows, model.spec.identity))


if __name__ == "__main__":
    main()
