"""An evaluation from beginning to end: dances are made, measured, put beside real dance. Slow; says how far it is."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime_models.training.judge import columns, distribution, intervals, measures, table
from realtime_models.training.judge.columns import Cells, Reference
from realtime_models.training.judge.dances import Company
from realtime_models.training.judge.motion import Motion, Windows
from realtime_models.training.judge.programme import (
    SEEDS,
    VALIDATION,
    Model,
    Song,
    best_level,
    dance_baselines,
    dance_model,
    read_songs,
)
from realtime_models.training.judge.systems.clips_on_grid import Loop, read_loops
from realtime_models.training.judge.systems.real import real_motions

OURS, DEAF = "ours", "ours without music"
DISTANCE_COUNT = 150  #: windows a side of every distance; at most half of the real ones
Say = Callable[[str], None]


@dataclass(frozen=True)
class Pairing:
    """R of the right music against a control, over songs and seeds: one-sided paired permutation, blocked by song."""

    control: str
    right: float
    other: float
    p: float
    n: int


@dataclass(frozen=True)
class Dancer:
    """One real dancer beside the others: distances at one count, and how new their windows are."""

    name: str
    styles: tuple[str, ...]
    count: int
    across: Mapping[str, distribution.Beside]  #: beside what the others have among themselves at the same count
    within: Mapping[str, distribution.Beside] | None  #: the same of their style; None where nobody else dances it


@dataclass(frozen=True)
class Findings:
    """Everything that a page is made of."""

    table: table.Table
    level: float
    songs: Mapping[str, Song]
    model: Model
    baselines: Mapping[str, tuple[Motion, ...]]
    reference: Reference
    near_mm: np.ndarray  #: novelty of our windows
    pairings: tuple[Pairing, ...]
    dancers: tuple[Dancer, ...]
    identity: str
    seeds: tuple[int, ...]
    took_s: float

    @property
    def songs_scored(self) -> tuple[str, ...]:
        """Names of the songs that are scored, in their order."""
        return tuple(dict.fromkeys(m.song for m in self.model.right))


def pairings_of(model: Model, level: float) -> tuple[Pairing, ...]:
    """Is R of the right music above R of every control? Song by song and seed by seed."""

    def r_of(dances: Sequence[Motion]) -> np.ndarray:
        return np.array([columns.score_beats(m).r(level) for m in dances])

    right, songs = r_of(model.right), np.array([m.song for m in model.right])
    found = []
    for name, dances in (("wrong music", model.wrong), ("silence", model.silent), ("no music told", model.deaf)):
        other = r_of(dances)
        p = intervals.paired_permutation(right, other, songs)
        found.append(Pairing(name, float(right.mean()), float(other.mean()), p, len(right)))
    # R does not see a constant lag, so the late music is set beside by the share of hits instead
    on, off = (np.array([columns.score_beats(m).hits.f1 for m in d]) for d in (model.right, model.shifted))
    p = intervals.paired_permutation(on, off, songs)
    found.append(Pairing("music half a beat late (F1)", float(on.mean()), float(off.mean()), p, len(on)))
    return tuple(found)


def dancers_of(motions: Sequence[Motion], scale: distribution.Scale) -> tuple[Dancer, ...]:
    """Every dancer left out by turns: how far a real but unseen dancer is from the others."""

    def measure(one: Windows, others: Windows) -> dict[str, distribution.Beside]:
        return distribution.beside_yardstick(one, others, scale)

    left = intervals.leave_one_dancer_out(motions, measure)
    return tuple(Dancer(v.dancer, v.styles, v.count, v.across, v.within) for v in left.values())


def ours(model: Model, level: float, reference: Reference, wrong_loudness: Mapping[str, np.ndarray]) -> Cells:
    """The whole column of the model."""
    return {
        **columns.beat_cells(model.right, level),
        "beat_r_shifted": columns.r_cell(model.shifted, level),
        "beat_r_wrong": columns.r_cell(model.wrong, level),
        "beat_r_silent": columns.r_cell(model.silent, level),
        "beat_lag_moved": columns.lag_moved_cell(model.right, model.shifted, level),
        **columns.distribution_cells(model.right, reference),
        **(columns.multimodality_cells(model.many, reference) if model.many else {}),
        **columns.body_cells(model.right),
        **columns.music_cells(model.right, wrong_loudness),
        **columns.form_cells(model.long, model.held),
    }


def baseline(dances: Sequence[Motion], level: float, reference: Reference) -> Cells:
    """The whole column of a system that danced to the same songs."""
    return {
        **columns.beat_cells(dances, level),
        **columns.distribution_cells(dances, reference),
        **columns.body_cells(dances),
        **columns.music_cells(dances),
    }


def real(reference: Reference) -> Cells:
    """The whole column of real dance; it has no music, so beat and music stay empty."""
    return {**columns.real_distribution_cells(reference), **columns.body_cells(reference.motions)}


@dataclass(frozen=True)
class Material:
    """What an evaluation is made from."""

    songs: Mapping[str, Song]  #: scored ones and those of ``validation``
    validation: tuple[str, ...]  #: names of the songs on which the level is chosen
    clips: Sequence[Loop]  #: what the baselines dance with
    real: Sequence[Motion]  #: real dance that everything is set beside
    everybody: Sequence[Motion]  #: real dance of all dancers, each of whom is left out by turns; empty = not done


def read_material(folder: Path, names: Sequence[str]) -> Material:
    """Songs of a folder and the dance of CORYBANT_DATA. ConfigError when something is missing."""
    songs = read_songs(folder, [*names, *(v for v in VALIDATION if v not in names)])
    return Material(songs, VALIDATION, read_loops(), real_motions(), real_motions(("train", "val", "test")))


def evaluate(
    company: Company,
    material: Material,
    *,
    identity: str,
    seeds: Sequence[int] = SEEDS,
    workers: int = 2,
    long: bool = True,
    say: Say = lambda line: None,
) -> Findings:
    """Dance, measure, compare."""
    began = time.perf_counter()
    songs = material.songs
    model = dance_model(company, songs, material.validation, seeds, workers=workers, long=long, say=say)
    say("real dance, and how far it is from itself")
    reference = columns.reference_of(material.real, DISTANCE_COUNT)
    scored = {name: song for name, song in songs.items() if name not in material.validation}
    baselines = dance_baselines(scored, material.clips, seeds, say=say)
    level = best_level(model.validation)
    wrong_loudness = {song: songs[other].loudness_db for song, other in model.wrong_songs.items()}
    cells: dict[str, Cells] = {table.REAL: real(reference)}
    say("measuring: ours")
    cells[OURS] = ours(model, level, reference, wrong_loudness)
    cells[DEAF] = baseline(model.deaf, level, reference)
    for system, dances in baselines.items():
        say(f"measuring: {system}")
        cells[system] = baseline(dances, level, reference)
    cells[measures.MINIMA] = columns.random_cells(model.right, level)
    say("each dancer against the others")
    return Findings(
        table=table.build(measures.MEASURES, cells),
        level=level,
        songs=songs,
        model=model,
        baselines=baselines,
        reference=reference,
        near_mm=columns.near_training(model.right, reference)[0],
        pairings=pairings_of(model, level),
        dancers=dancers_of(material.everybody, reference.scale) if material.everybody else (),
        identity=identity,
        seeds=tuple(seeds),
        took_s=time.perf_counter() - began,
    )


def foreign(motions: Sequence[Motion], reference: Reference | None, level: float) -> Cells:
    """The column of dances read from files; what they have no music or no real dance for stays empty."""
    timed = [m for m in motions if m.beats_s is not None and len(m.beats_s) > 1]
    heard = [m for m in motions if m.loudness_db is not None]
    return {
        **(columns.beat_cells(timed, level) if timed else {}),
        **(columns.distribution_cells(motions, reference) if reference else {}),
        **columns.body_cells(motions),
        **(columns.music_cells(heard) if heard else {}),
    }
