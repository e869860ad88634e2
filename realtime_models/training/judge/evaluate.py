"""Is it dance, and does it dance to the music? Our model, baselines and real dance in one table; others' motion too.

    CORYBANT_DATA=../shared python -m realtime_models.training.judge.evaluate              # writes docs/evaluation.md
    python -m realtime_models.training.judge.evaluate --motion DIR [--audio DIR]           # scores the motion in DIR

The first makes and measures everything on two cores. The second puts files of other systems (docs/open-scorer.md)
beside what the first found; with CORYBANT_DATA distances to real dance are measured too.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.errors import ConfigError
from realtime_models.training.data import data_root
from realtime_models.training.judge import columns, findings, music, table
from realtime_models.training.judge.audio import with_music
from realtime_models.training.judge.dances import Company
from realtime_models.training.judge.measures import MEASURES
from realtime_models.training.judge.motion import Motion
from realtime_models.training.judge.page import cell_text, grid, read_page, verdict_part
from realtime_models.training.judge.programme import SEEDS, SONGS
from realtime_models.training.judge.publish import beside_table, publish
from realtime_models.training.judge.systems.real import real_motions
from realtime_models.training.motion_files import read

STORED = Path("docs/evaluation.json")
BEAT_LEVEL = 1.0  #: cycles a beat at which others' motion is judged: nobody's level is chosen after the fact


def teller() -> Callable[[str], None]:
    """One line a step, with the seconds gone."""
    began = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - began:7.0f} s  {line}", file=sys.stderr, flush=True)

    return say


def evaluate_ours(args: argparse.Namespace) -> None:
    """Dance, measure, write."""
    from realtime_models.backends import load_model

    say = teller()
    identity = load_model(args.backend, args.weights).spec.identity
    company = Company(data_root() / "music", args.weights, args.backend)
    seeds = SEEDS[:1] if args.quick else SEEDS
    if len(args.songs) < 2:
        raise ConfigError("an evaluation needs two songs or more: each is also danced to another one")
    material = findings.read_material(company.songs, args.songs)
    found = findings.evaluate(
        company, material, identity=identity, seeds=seeds, workers=args.workers, long=not args.quick, say=say
    )
    publish(found, args.docs, say=say)
    print(verdict_part(found.table, findings.OURS))
    print(f"\nwritten: {args.docs / 'evaluation.md'} ({found.took_s / 60:.1f} min)")


def evaluate_folder(args: argparse.Namespace) -> None:
    """Read motion files, measure, print the table beside what is stored."""
    say = teller()
    dances, notes = read_dances(args.motion, args.audio, args.fps)
    say(f"{len(dances)} motions, {sum(m.seconds for m in dances) / 60:.1f} min")
    reference = real_reference(say)
    cells = findings.foreign(dances, reference, BEAT_LEVEL)
    stored = read_page(STORED).table if STORED.exists() else None
    shown = (
        beside_table(table.renewed(stored, MEASURES), args.name, cells)
        if stored
        else table.build(MEASURES, {args.name: cells})
    )
    print(page_of_folder(shown, args.name, notes))


def read_dances(folder: Path, audio: Path | None, fps: float | None) -> tuple[list[Motion], list[str]]:
    """Motions with their song's beats and loudness where there is one, and what was done to the files."""
    readings = read(folder, fps)
    dances, notes = [], [f"{r.motion.name}: {note}" for r in readings for note in r.notes]
    for danced in with_music(readings, audio):
        notes += [f"{danced.motion.name}: {note}" for note in danced.notes]
        if danced.own_beats:
            notes.append(f"{danced.motion.name}: its beats are what our own listener heard, not known ones")
        track = danced.track
        loudness = None if track is None else music.loudness_db(track.samples, track.rate)
        dances.append(replace(danced.motion, loudness_db=loudness))
    return dances, notes


def real_reference(say: Callable[[str], None]) -> columns.Reference | None:
    """Real dance; None (and said) without CORYBANT_DATA."""
    try:
        data_root()
    except ConfigError as error:
        say(f"no distances to real dance: {error}")
        return None
    return columns.reference_of(real_motions(), findings.DISTANCE_COUNT)


def page_of_folder(shown: table.Table, name: str, notes: list[str]) -> str:
    """The table in words for the terminal."""
    rows = []
    for measure, cells in shown.rows:
        if shown.cell(measure.key, name) is None:
            continue
        found = [table.judge(shown, measure.key, system) for system in shown.systems]
        rows.append([measure.title, measure.unit, *map(cell_text, [measure] * len(cells), cells, found)])
    parts = [grid(("measure", "unit", *shown.systems), rows), verdict_part(shown, name)]
    return "\n\n".join([*parts, *(f"- {note}" for note in notes)])


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when it was measured (whatever the verdict), 2 on a wrong argument or missing data."""
    parser = argparse.ArgumentParser(
        prog="python -m realtime_models.training.judge.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--motion", type=Path, help="score the motion files of this folder (or one file) instead of our model")
    add("--audio", type=Path, help="folder with NAME.ogg|wav|flac|mp3 and NAME.beats for motion NAME")
    add("--fps", type=float, help="frames a second of motion files that do not say")
    add("--name", default="theirs", help="what the column of --motion is called")
    add("--songs", nargs="+", default=list(SONGS), help="names in CORYBANT_DATA/music")
    add("--quick", action="store_true", help="one seed, no ten minutes, no many seeds")
    add("--weights", type=Path, help="folder of other weights")
    add("--backend", default="onnx")
    add("--workers", type=int, default=2, help="processes that dance")
    add("--docs", type=Path, default=Path("docs"), help="where the page goes")
    args = parser.parse_args(argv)
    try:
        if args.motion:
            evaluate_folder(args)
        else:
            evaluate_ours(args)
    except ConfigError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
