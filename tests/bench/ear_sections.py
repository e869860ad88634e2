"""What the ear says of the form, on rendered build-ups that it was never trained on.

Sixteen club pieces with a break, a build-up and a drop, and six songs without any, each clean and in a room
(``realtime_models.training.ear.buildups``); the measures are in ``section_score`` there, because the search for the
constants (``tune_sections``) uses them on other pieces. Every recording is rendered once into the cache.
"""

import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.types import LISTEN_RATE_HZ
from realtime_models.backends import load_ear
from realtime_models.training.ear import buildups
from realtime_models.training.ear.section_score import (
    SectionScore,
    figures,
    per_minute,
    score_sections,
    told_of,
)
from tests.bench.ear_tracks import Track, write_sound
from tests.bench.hearing import hear_file

KINDS = ("build", "break", "drop", "phrase")
LISTED = ("real", "human drums rendered")  #: kinds of track whose sections are printed, though nobody knows the truth


@dataclass(frozen=True)
class Piece:
    """One piece of the bench; ``club``: with break, build-up and drop."""

    number: int
    genre: str
    club: bool


@dataclass(frozen=True)
class Measured:
    """One recording of a piece and its score."""

    piece: Piece
    recording: str
    score: SectionScore


def all_pieces() -> list[Piece]:
    club = [Piece(number, genre, True) for number, genre in enumerate(buildups.GENRES)]
    return club + [Piece(len(club) + k, genre, False) for k, genre in enumerate(buildups.WITHOUT)]


def sounds_of(piece: Piece, folder: Path) -> tuple[buildups.Form, dict[str, Path]]:
    """The truth of a piece and its recordings, rendered to ``folder`` where this code has not rendered them yet."""
    song, seed = buildups.find_song(buildups.SCORED_SEEDS, piece.number, piece.genre, piece.club)
    stem = f"sections-{buildups.code_version()}-{seed}"
    paths = {name: folder / f"{stem}-{name}.wav" for name in buildups.RECORDINGS}
    if not all(path.exists() for path in paths.values()):
        for name, audio in buildups.recordings_of(song, seed).items():
            write_sound(paths[name], audio, LISTEN_RATE_HZ)
    return buildups.form_of_song(song, piece.genre), paths


def measure_piece(piece: Piece, folder: Path, weights: Path | None = None) -> list[Measured]:
    """The scores of the recordings of one piece."""
    form, paths = sounds_of(piece, folder)
    ear = load_ear(folder=weights)
    return [
        Measured(piece, name, score_sections(told_of(hear_file(path, ear)[0]), form)) for name, path in paths.items()
    ]


def measure_sections(folder: Path, processes: int, weights: Path | None = None) -> list[Measured]:
    """All recordings of all pieces."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        rows = pool.starmap(measure_piece, [(piece, folder, weights) for piece in all_pieces()], chunksize=1)
    return [measured for row in rows for measured in row]


def summarise_sections(measured: list[Measured]) -> dict[str, float]:
    """Figures for the table: pooled over the club pieces, drops also by recording, false alarms on the others."""
    result = figures(_pooled([one for one in measured if one.piece.club]))
    for name in buildups.RECORDINGS:
        scores = [one for one in measured if one.piece.club and one.recording == name]
        result[f"drop_f, {name}"] = _pooled(scores).counts["drop"].f
    without = _pooled([one for one in measured if not one.piece.club])
    result["false_drops_per_min"] = per_minute(without, "drop")
    result["drops"] = sum(one.score.counts["drop"].true for one in measured)
    return result


def _pooled(measured: list[Measured]) -> SectionScore:
    return sum((one.score for one in measured), SectionScore())


def print_sections(measured: list[Measured]) -> None:
    """One line per recording: right, said and true of each kind, and the changes that were foreseen."""
    print(
        f"\n{'sections: right / said / true':34}"
        + "".join(f"{kind:>14}" for kind in KINDS)
        + "  change, right where > .5"
    )
    for one in measured:
        counts = (one.score.counts[kind] for kind in KINDS)
        cells = "".join(f"{f'{c.hits} / {c.said} / {c.true}':>14}" for c in counts)
        right = f"{one.score.sure_right / one.score.sure:.2f} of {one.score.sure}" if one.score.sure else "-"
        print(f"{one.piece.genre[:24]:24}{one.recording:10}{cells}  {right}")


def print_said(tracks: list[Track], rows: dict[str, dict]) -> None:
    """What was said of the sections of real music. Nobody knows what is true there: nothing is scored."""
    listed = [track for track in tracks if track.kind in LISTED and "said" in rows.get(track.name, {})]
    if listed:
        print("\nsections said of real music, not scored [s]")
    for track in listed:
        said = rows[track.name]["said"]
        times = {kind: [time_s for time_s, what in said if what == kind] for kind in KINDS}
        text = "  ".join(f"{kind} {' '.join(f'{t:.1f}' for t in times[kind]) or '-'}" for kind in KINDS[:3])
        print(f"{track.name[:24]:24}{text}  phrases {len(times['phrase'])}{_every(times['phrase'])}")


def _every(times_s: list[float]) -> str:
    return f", one every {np.median(np.diff(times_s)):.1f} s" if len(times_s) > 2 else ""
