"""Find the constants of ``engine/listen/section.py`` for an ear, on rendered pieces that are not those of the bench.

    python -m realtime_models.training.ear.tune_sections [--ear DIR] [--cache DIR] [--rounds 2] [--workers 2]

Club pieces and songs without a drop, clean and in a room (``buildups``, seeds of their own), are heard once by the ear
of a weights folder; sounds, and what its network said and where its clock stood, are kept in the cache, so that a
second search takes two minutes and a search for another ear only hears the sounds again. The weights of a drop's
grounds and the hazards of a change are fitted; then one constant after the other is tried at a few values and kept
where the figure grows. Printed: the figures before and after, on the pieces of the search and on every third piece,
which is left out of it; and the constants to write down.
"""

import argparse
import dataclasses
import hashlib
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple
from multiprocessing.pool import Pool
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from scipy.optimize import minimize

import engine.listen
from engine.errors import ConfigError
from engine.listen import listen_step, start_listening
from engine.listen.drop import Grounds, Weighing, drop_step
from engine.listen.section import PHRASES, TUNED, Tuning, section_step, start_section
from engine.types import LISTEN_HOP, LISTEN_RATE_HZ, MODEL_HZ, Activations, BeatClock, Ear
from realtime_models.backends import EAR_WEIGHTS, load_ear
from realtime_models.training.ear import buildups
from realtime_models.training.ear.buildups import Form
from realtime_models.training.ear.section_score import (
    SCORED_FROM_S,
    SectionScore,
    Told,
    beats_at,
    figures,
    per_minute,
    score_sections,
)

CACHE = Path.home() / ".cache" / "corybant-sections"
HEADS = ("pulse", "drums", "build", "breakdown", "drop", "phrase")
PENALTY = 1e-5  #: on the squares of the weights of a drop's grounds
KNOWN_LINES = 8.0  #: bar lines that what was known before counts for
FALSE_COST = 0.3  #: of one thing a minute said of music without it
_ABOVE = ("section.py", "drop.py")  # files of the listener that what is kept does not depend on
_CLOCK = [part.name for part in dataclasses.fields(BeatClock)]
#: What is tried of each constant, in this order; the drop's grounds and the hazards are fitted instead.
TRIED = {
    "drop_sure": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    "begin_break": (0.25, 0.35, 0.45, 0.55, 0.65),
    "begin_build": (0.2, 0.3, 0.4, 0.5, 0.6),
    "smooth_s": (0.15, 0.3, 0.5, 0.8),
    "end": (0.3, 0.5, 0.7),
    "phrase_sure": (0.3, 0.4, 0.5, 0.6),
    "change_odds": (0.5, 1.5, 2.5),
    "trust": (0.4, 0.7, 1.0),
    "usual": (0.07, 0.1, 0.13),
}
PHASES = {"plain": "plain", "build": "build", "break": "breakdown"}  #: the constant that holds each phase's hazards


class Job(NamedTuple):
    """One piece to be heard."""

    number: int
    genre: str
    club: bool
    ear: Path
    cache: Path


class HeardPiece(NamedTuple):
    """What an ear made of one recording, before anything is said of the form; n model frames."""

    form: Form
    club: bool
    recording: str
    delay_s: float
    said: np.ndarray  #: (n, 6) what the network said, by the names of HEADS
    clocks: np.ndarray  #: (n, 7) the fields of BeatClock
    heard: np.ndarray  #: (n,) bool: neither silence nor a gap


class Overheard:
    """An ear that remembers what it said last."""

    def __init__(self, ear: Ear):
        self.identity, self.delay_s, self.embedding = ear.identity, ear.delay_s, ear.embedding
        self.start, self._ear = ear.start, ear
        self.said: Activations | None = None

    def step(self, state, spectra: np.ndarray):
        state, self.said = self._ear.step(state, spectra)
        return state, self.said


def hear(audio: np.ndarray, ear: Ear) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``said``, ``clocks`` and ``heard`` of a sound (n,) at 24 kHz, as a show would have them."""
    over = Overheard(ear)
    state, said, clocks, heard = start_listening(over), [], [], []
    for start in range(0, len(audio) - LISTEN_HOP + 1, LISTEN_HOP):
        state, known = listen_step(over, state, audio[start : start + LISTEN_HOP].astype(np.float32))
        said.append([getattr(over.said, name) for name in HEADS])
        clocks.append([getattr(known.beat, name) for name in _CLOCK])
        heard.append(not known.silence)
    return np.array(said), np.array(clocks, float), np.array(heard)


def listener_version() -> str:
    """Changes with the code of the listener below the sections, on which the clocks depend."""
    folder = Path(engine.listen.__file__).parent
    parts = [path.read_bytes() for path in sorted(folder.glob("*.py")) if path.name not in _ABOVE]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:10]


def heard_pieces(job: Job) -> list[HeardPiece]:
    """The recordings of one piece as the ear hears them, or as the cache has them."""
    ear = load_ear(folder=job.ear)
    name = f"{job.number:03d}-{job.genre}"
    version = f"{ear.identity}-{buildups.code_version()}-{listener_version()}"
    path = job.cache / f"heard-{version}-{name}.pickle"
    if not path.exists():
        form, sounds = _sounds(job, job.cache / f"sound-{buildups.code_version()}-{name}")
        pieces = [HeardPiece(form, job.club, kind, ear.delay_s, *hear(audio, ear)) for kind, audio in sounds.items()]
        _keep(path, lambda part: part.write_bytes(pickle.dumps(pieces)))
    return pickle.loads(path.read_bytes())


def _sounds(job: Job, stem: Path) -> tuple[Form, dict[str, np.ndarray]]:
    """The form of a piece and its recordings, rendered once."""
    song, seed = buildups.find_song(buildups.TUNING_SEEDS, job.number, job.genre, job.club)
    paths = {kind: stem.with_name(f"{stem.name}-{kind}.flac") for kind in buildups.RECORDINGS}
    if not all(path.exists() for path in paths.values()):
        for kind, audio in buildups.recordings_of(song, seed).items():
            _keep(paths[kind], lambda part, audio=audio: soundfile.write(part, audio, LISTEN_RATE_HZ, format="FLAC"))
    sounds = {kind: soundfile.read(path, dtype="float32")[0] for kind, path in paths.items()}
    return buildups.form_of_song(song, job.genre), sounds


def _keep(path: Path, write: Callable[[Path], object]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    write(part)
    part.replace(path)


def jobs(ear: Path, cache: Path) -> list[Job]:
    """Every piece of the search: twice the club genres, and the songs without a drop."""
    club = [(number, genre, True) for number, genre in enumerate(2 * buildups.GENRES)]
    without = [(len(club) + number, genre, False) for number, genre in enumerate(buildups.WITHOUT)]
    return [Job(*piece, ear, cache) for piece in club + without]


class Frames(NamedTuple):
    """What one recording gives to the fits; n model frames, b bar lines."""

    told: Told
    grounds: np.ndarray  #: (n, 6) of a drop
    dropped: (
        np.ndarray
    )  #: (n,) 1 in the beat after a true drop, 0 elsewhere, -1 where it cannot be told or is not asked
    bars: list[tuple[str, float, bool]]  #: phase, probability that a phrase begins, whether the music changed there


def run(piece: HeardPiece, how: Tuning) -> Frames:
    """What the listener would say of the form with these constants, and on what grounds."""
    state, began, foreseen, grounds, bars = start_section(), [], [], [], []
    changes = np.array(piece.form.changes_s)
    for frame, (said, clock, heard) in enumerate(steps(piece)):
        now_s = (frame + 1) / MODEL_HZ
        before, phase = state.bar_beat, state.phase
        grounds.append(astuple(drop_step(state.drop, said, clock, heard, now_s)[1]))
        state, reading = section_step(state, said, clock, heard, now_s, piece.delay_s, how)
        began += [(now_s, what) for what, _ in reading.began]
        change_s = now_s + reading.bars_to_change * clock.meter * clock.period_s
        foreseen.append((now_s, change_s, reading.change_probability))
        if state.bar_beat != before and SCORED_FROM_S < now_s < changes.max(initial=0.0) + 1.0:
            line_s = clock.time_of(state.bar_beat)
            begins = float(state.phrase[PHRASES.position == 0].sum())
            bars.append((phase, begins, bool(np.abs(changes - line_s).min() < clock.period_s)))
    told = Told(tuple(began), np.array(foreseen).reshape(-1, 3))
    return Frames(told, np.array(grounds), _dropped(len(grounds), piece.form), bars)


def steps(piece: HeardPiece) -> Iterator[tuple[Activations, BeatClock, bool]]:
    """What the sections are told at each model frame."""
    none = np.zeros(2), np.zeros(2)
    for said, row, heard in zip(piece.said.tolist(), piece.clocks.tolist(), piece.heard.tolist(), strict=True):
        pulse, drums, build, breakdown, drop, phrase = said
        anchor_s, count, period_s, beat_in_bar, meter, *sure = row
        yield (
            Activations(*none, pulse, drums, 0.0, build, breakdown, drop, phrase, none[0]),
            BeatClock(anchor_s, int(count), period_s, int(beat_in_bar), int(meter), *sure),
            heard,
        )


def _dropped(frames: int, form: Form) -> np.ndarray:
    now_s = (np.arange(frames) + 1) / MODEL_HZ
    out = np.where((now_s > SCORED_FROM_S) & (now_s < form.end_s), 0.0, -1.0)
    for drop_s, beat_s in zip(form.drops_s, beats_at(np.array(form.drops_s), form), strict=True):
        since = (now_s - drop_s) / beat_s
        out[(since > -0.2) & (since < 2.0)] = -1.0
        out[(since > 0.3) & (since < 0.9)] = 1.0
    return out


def fit_drop(grounds: np.ndarray, dropped: np.ndarray) -> Weighing:
    """Logistic regression of ``dropped`` (n,) on grounds (n, 6), weights of 0 or more, small ones preferred."""
    kept = dropped >= 0
    x, sign = grounds[kept], np.where(dropped[kept] > 0.5, 1.0, -1.0)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (w[0] + x @ w[1:])
        wrong = -sign * np.exp(-np.logaddexp(0.0, margin))
        slope = np.concatenate([[wrong.mean()], x.T @ wrong / len(x) + 2 * PENALTY * w[1:]])
        return float(np.logaddexp(0.0, -margin).mean() + PENALTY * (w[1:] ** 2).sum()), slope

    bounds = [(None, None)] + [(0.0, None)] * x.shape[1]
    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    return Weighing(round(float(found[0]), 2), Grounds(*(round(float(weight), 2) for weight in found[1:])))


def fit_hazard(bars: list[tuple[str, float, bool]], phase: str, start: tuple[float, float]) -> tuple[float, float]:
    """Probability of a change at a bar line where a phrase begins, and at another: expectation maximisation over which
    of the two each bar line was. A few lines that say ``start`` stand for what was known before.
    """
    rows = np.array([(begins, changed) for name, begins, changed in bars if name == phase], float).reshape(-1, 2)
    begins, changed = rows.T
    hazard = np.array(start)
    for _ in range(50):
        likely = np.stack([begins, 1.0 - begins]) * np.where(changed > 0.5, hazard[:, None], 1.0 - hazard[:, None])
        share = likely / np.maximum(likely.sum(0), 1e-9)
        hazard = (share @ changed + KNOWN_LINES * np.array(start)) / (share.sum(1) + KNOWN_LINES)
        hazard = np.clip(hazard, 0.002, 0.95)
    return round(float(hazard[0]), 3), round(float(hazard[1]), 3)


def figure(club: SectionScore, others: SectionScore) -> float:
    """What is to grow: the drops above all; what is said to begin in music without it costs."""
    found = {key: 0.0 if value != value else value for key, value in figures(club).items()}
    worth = {"drop_f": 3.0, "build_f": 1.0, "break_f": 1.0, "phrase_f": 1.0, "change_ece": -1.0}
    false = sum(per_minute(others, what) for what in ("drop", "build", "break")) if others.minutes else 0.0
    return sum(weight * found[key] for key, weight in worth.items()) - FALSE_COST * false


class Search:
    """Pieces, and a pool of processes that runs them. Not pure: it prints how far it is."""

    def __init__(self, pieces: list[HeardPiece], pool: Pool):
        self.pieces, self._pool = pieces, pool

    def run(self, how: Tuning) -> list[Frames]:
        return self._pool.starmap(run, [(piece, how) for piece in self.pieces], chunksize=2)

    def scores(self, frames: list[Frames]) -> tuple[SectionScore, SectionScore]:
        """Pooled over the club pieces, and over the others."""
        both = [SectionScore(), SectionScore()]
        for piece, one in zip(self.pieces, frames, strict=True):
            both[not piece.club] += score_sections(one.told, piece.form)
        return both[0], both[1]

    def fitted(self, how: Tuning) -> Tuning:
        """With the drop's grounds and the hazards fitted."""
        frames = self.run(how)
        drop = fit_drop(*(np.concatenate(part) for part in zip(*((f.grounds, f.dropped) for f in frames), strict=True)))
        bars = [bar for one in frames for bar in one.bars]
        hazards = {name: fit_hazard(bars, phase, getattr(how, name)) for phase, name in PHASES.items()}
        return dataclasses.replace(how, drop=drop, **hazards)

    def best(self, how: Tuning, rounds: int) -> Tuning:
        """One constant after the other at a few values, the fits before each round."""
        for number in range(rounds):
            how = self.fitted(how)
            most = figure(*self.scores(self.run(how)))
            for name, values in TRIED.items():
                for value in values:
                    other = dataclasses.replace(how, **{name: value})
                    reached = figure(*self.scores(self.run(other))) if value != getattr(how, name) else most
                    if reached > most:
                        how, most = other, reached
                print(f"# round {number + 1}: {name} {getattr(how, name)}: {most:.3f}", file=sys.stderr, flush=True)
        return self.fitted(how)


def report(name: str, scores: tuple[SectionScore, SectionScore]) -> None:
    club, others = scores
    counts = "  ".join(f"{what} {c.hits}/{c.said}/{c.true}" for what, c in club.counts.items())
    print(f"\n{name}: right/said/true {counts}")
    print("  " + "  ".join(f"{key} {value:.3f}" for key, value in figures(club).items()))
    if others.minutes:
        false = "  ".join(f"{what} {per_minute(others, what):.2f}" for what in ("drop", "build", "break"))
        print(f"  in music without, said a minute: {false}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m realtime_models.training.ear.tune_sections",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ear", type=Path, default=EAR_WEIGHTS, metavar="DIR", help="weights (default: the shipped)")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help=f"(default: {CACHE})")
    parser.add_argument("--pieces", type=int, default=0, help="so many of them alone (default: all)")
    parser.add_argument("--rounds", type=int, default=1, help="0: figures of the constants as they are")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        load_ear(folder=args.ear)
        todo = jobs(args.ear, args.cache)
        if args.workers < 1 or args.pieces < 0 or args.rounds < 0:
            raise ConfigError("--workers must be 1 or more, --pieces and --rounds 0 or more")
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.pieces:
        todo = todo[:: max(1, len(todo) // args.pieces)][: args.pieces]
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
        rows = list(enumerate(pool.imap(heard_pieces, todo, chunksize=1)))
        search = Search([piece for at, row in rows if at % 3 != 2 for piece in row], pool)
        apart = Search([piece for at, row in rows if at % 3 == 2 for piece in row], pool)
        tuned = search.best(TUNED, args.rounds) if args.rounds else TUNED
        for how, name in ((TUNED, "as it is"), (tuned, "tuned"))[: 1 + bool(args.rounds)]:
            report(f"{name}, pieces of the search", search.scores(search.run(how)))
            report(f"{name}, pieces left out of it", apart.scores(apart.run(how)))
    print(f"\nfor engine/listen/section.py:\n{tuned}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
