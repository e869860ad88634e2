"""From findings to docs/evaluation.md with its plots, contact sheets and animations."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from realtime_models.training.judge import animation, columns, plots, sheets
from realtime_models.training.judge.beat import beat_numbers
from realtime_models.training.judge.body import score_motion
from realtime_models.training.judge.findings import DEAF, OURS, Dancer, Findings
from realtime_models.training.judge.motion import Motion
from realtime_models.training.judge.page import Page, Picture, Section, write
from realtime_models.training.judge.table import REAL, Cell, Table

COMMAND = "CORYBANT_DATA=../shared make evaluate"
SHOWN = 4  #: songs with a contact sheet and an animation
DISTANCES = ("fid_kinetic", "fid_geometric", "kd_kinetic", "kd_geometric", "two_sample")
SHEET_AT = (0.1, 0.35, 0.6)  #: rows of a sheet begin at these shares of a song's beats
SHEET_COLUMNS = 12
ANIMATED_FROM = 0.35  #: share of a song at which its animation begins
ANIMATION_BYTES = 400_000  #: of each; they stay in the history for ever
BESIDE = ("clips on the grid", "motion graph")
Say = Callable[[str], None]


def publish(found: Findings, folder: Path, *, shown: int = SHOWN, say: Say = lambda line: None) -> None:
    """Write everything into ``folder`` (evaluation.md, evaluation.json and evaluation/)."""
    pictures = folder / "evaluation"
    pictures.mkdir(parents=True, exist_ok=True)
    say("plots")
    drawn = draw_plots(found, pictures)
    say("contact sheets and animations")
    songs = draw_songs(found, pictures, list(found.songs_scored)[:shown])
    write(page_of(found, drawn, songs), folder / "evaluation.md")


def _picture(path: Path, caption: str) -> Picture:
    return Picture(f"{path.parent.name}/{path.name}", caption)


def dances_of(found: Findings) -> dict[str, Sequence[Motion]]:
    """Every system's dances to the right songs."""
    return {OURS: found.model.right, DEAF: found.model.deaf, **found.baselines}


def draw_plots(found: Findings, folder: Path) -> dict[str, Picture]:
    """The plots, by name."""
    systems = dances_of(found)
    song = "syn_hiphop_pa" if "syn_hiphop_pa" in found.songs_scored else next(iter(found.songs_scored))
    paths = {name: folder / f"{name}.png" for name in ("scorecard", "roses", "songs", "distances", "novelty")}
    plots.scorecard(paths["scorecard"], found.table)
    plots.roses(paths["roses"], [rose(system, dances, found.level) for system, dances in systems.items()])
    plots.song_bars(paths["songs"], song_rows(found), found.level)
    plots.distances(paths["distances"], found.table, DISTANCES)
    plots.novelty(paths["novelty"], found.reference.among_real_mm, {OURS: found.near_mm})
    drawn = {
        "scorecard": _picture(paths["scorecard"], "Every judged row of every system: green stands beside real dance"),
        "roses": _picture(paths["roses"], "Where in the beat motion beats fall, all songs and seeds"),
        "songs": _picture(paths["songs"], "R song by song, with the right music and with controls"),
        "distances": _picture(paths["distances"], "Distances to real dance in yardsticks; the band is real to itself"),
        "novelty": _picture(paths["novelty"], "How far windows are from the nearest training window"),
    }
    first = {
        name: next(m for m in dances if m.song == song) for name, dances in systems.items() if name in SIDE_BY_SIDE
    }
    plots.feet(folder / "feet.png", list(first.items()), from_s=ANIMATED_FROM * first[OURS].seconds)
    drawn["feet"] = _picture(folder / "feet.png", f"Feet on {song}: height, and slide while in contact")
    loud = found.songs[song].loudness_db
    plots.energy(folder / "energy.png", loud, first, columns.changes_of(loud), song)
    drawn["energy"] = _picture(folder / "energy.png", f"Energy of music and bodies on {song}")
    if found.model.long is not None:
        speeds = {OURS: score_motion(found.model.long).speed_by_minute_m_s}
        plots.minutes(folder / "minutes.png", speeds)
        drawn["minutes"] = _picture(folder / "minutes.png", "Ten minutes without a pause")
    return drawn


SIDE_BY_SIDE = (OURS, *BESIDE)


def rose(system: str, dances: Sequence[Motion], level: float) -> plots.Rose:
    """Motion beats of a system as beat numbers of its songs."""
    numbers = [
        beat_numbers(columns.late(columns.beats_of(m)), columns.late(m.beats_s[m.beats_s <= m.seconds])) for m in dances
    ]
    period_s = float(np.mean([np.median(np.diff(m.beats_s)) for m in dances]))
    return plots.Rose(system, np.concatenate(numbers), level, period_s)


def song_rows(found: Findings) -> list[plots.SongR]:
    """R of every song under every kind of music."""

    def cell(dances: Sequence[Motion], song: str) -> Cell:
        values = [columns.score_beats(m).r(found.level) for m in dances if m.song == song]
        return Cell(float(np.mean(values)), min(values), max(values), len(values))

    model = found.model
    kinds = (model.right, model.shifted, model.wrong, model.silent)
    return [plots.SongR(song, *(cell(dances, song) for dances in kinds)) for song in found.songs_scored]


def draw_songs(found: Findings, folder: Path, songs: Sequence[str]) -> dict[str, tuple[Picture, Picture]]:
    """A contact sheet of ours and an animation of all for each song."""
    drawn = {}
    for song in songs:
        beats = found.songs[song].track.beats_s
        ours = next(m for m in found.model.right if m.song == song)
        rows = [
            sheets.Row(f"from beat {first}", ours, beats, first) for first in (round(s * len(beats)) for s in SHEET_AT)
        ]
        sheets.sheet(rows, folder / f"sheet_{song}.png", columns=SHEET_COLUMNS, title=song)
        dancers = [animation.Dancer(OURS, ours)] + [
            animation.Dancer(name, next(m for m in found.baselines[name] if m.song == song)) for name in BESIDE[1:]
        ]
        path = folder / f"dance_{song}.webp"
        animation.animate(
            dancers, beats, path, from_s=ANIMATED_FROM * ours.seconds, title=song, most_bytes=ANIMATION_BYTES
        )
        drawn[song] = (
            _picture(folder / f"sheet_{song}.png", f"{song}: ours at successive beats"),
            _picture(path, f"{song}: ours and the motion graph; the lamp flashes on the beat"),
        )
    return drawn


def page_of(found: Findings, drawn: Mapping[str, Picture], shown: Mapping[str, tuple[Picture, Picture]]) -> Page:
    """The page, all but what is written by hand."""
    animations = tuple(pair[1] for pair in shown.values())
    sections = (
        Section("Right music against controls", PAIRED, *pairing_rows(found), (drawn["songs"], drawn["roses"])),
        Section("Real dancers against one another", LEFT_OUT, *dancer_rows(found.dancers), (drawn["distances"],)),
        Section("Copying", "", (), (), (drawn["novelty"],)),
        Section("Body and energy", "", (), (), tuple(drawn[k] for k in ("feet", "energy", "minutes") if k in drawn)),
        Section("Dances", "One seed each, not chosen.", (), (), tuple(p for pair in shown.values() for p in pair)),
    )
    about = (
        f"Model `{found.identity}`. {len(found.songs_scored)} songs, {len(found.seeds)} seeds each; the model hears "
        f"the sound alone, through the listener of the show; clips on the grid and the motion graph are given the true "
        f"beats and know the whole song. R is taken at {found.level:g} cycles a beat, the level at which it is largest "
        f"on four songs that are not scored. Distances: {found.reference.count} windows of 5 s a side; real dance is "
        f"the training split ({len(found.reference.motions)} clips). Made and measured in {found.took_s / 60:.0f} "
        "minutes."
    )
    return Page("Evaluation", COMMAND, about, found.table, OURS, (drawn["scorecard"], *animations[:1]), sections)


PAIRED = (
    "One-sided paired permutation over songs and seeds, blocked by song: how likely is such a difference by chance? "
    "A constant lag leaves R as it is, so music that comes half a beat late is judged by hits within 70 ms."
)
LEFT_OUT = (
    "Each real dancer beside the others, as if they were a model: in brackets what the others have among themselves at "
    "the same count. A real but unseen dancer lies far outside the yardstick, too: a model inside it has learnt these "
    "dancers, no more."
)


def pairing_rows(found: Findings) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Head and rows of the paired tests."""
    head = ("control", "right music", "control", "p", "pairs")
    rows = tuple((p.control, f"{p.right:.2f}", f"{p.other:.2f}", f"{p.p:.4f}", str(p.n)) for p in found.pairings)
    return head, rows


def dancer_rows(dancers: Sequence[Dancer]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Head and rows of the dancers left out by turns."""
    keys = ("fid_kinetic", "fid_geometric", "two_sample")
    rows = []
    for dancer in dancers:
        for name, found in (("all others", dancer.across), ("own style", dancer.within)):
            if found is None:
                continue
            values = [f"{found[k].made.value:.2f} ({found[k].real.value:.2f})" for k in keys]
            rows.append((dancer.name, ", ".join(dancer.styles), name, str(dancer.count), *values))
    return ("dancer", "style", "beside", "windows", "FID kinetic", "FID geometric", "two-sample"), tuple(rows)


def beside_table(table: Table, name: str, cells: Mapping[str, Cell | None]) -> Table:
    """A table with one more column, before the baselines."""
    at = 1 + (REAL in table.systems)
    systems = (*table.systems[:at], name, *table.systems[at:])
    rows = tuple((m, (*row[:at], cells.get(m.key), *row[at:])) for m, row in table.rows)
    return Table(systems, rows)
