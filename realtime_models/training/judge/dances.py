"""Everything that the model is to dance for an evaluation, shared among processes: a list of jobs in, dances out."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from enum import Enum
from multiprocessing import get_context
from pathlib import Path

from realtime_models.training.judge.systems.model import (
    Dance,
    Danced,
    Deaf,
    Track,
    dancer_of,
    delayed,
    hear,
    programme,
    read_track,
    silent,
)


class Heard(Enum):
    """What the dancer hears while a song is scored."""

    SONG = "the song"
    LATE = "the song half a beat later"
    SILENCE = "silence"
    NOTHING = "nothing: the network is told nothing of the music"
    PROGRAMME = "many songs after one another"


@dataclass(frozen=True)
class Job:
    """One dance to be made. ``tracks``: names of songs, one but for a programme; ``seconds`` None = the whole song."""

    tracks: tuple[str, ...]
    heard: Heard
    seed: int
    seconds: float | None = None

    @property
    def key(self) -> tuple:
        return (self.tracks, self.heard.name, self.seed, self.seconds or 0.0)

    @property
    def track(self) -> str:
        return self.tracks[0]


@dataclass(frozen=True)
class Company:
    """Who dances and where the songs lie; all that a process needs to begin."""

    songs: Path
    weights: Path | None = None
    backend: str = "onnx"


class Stage:
    """One process's dancers and what they have heard. Songs are heard once, however many seeds dance to them."""

    def __init__(self, company: Company) -> None:
        from realtime_models.backends import load_model

        model = load_model(company.backend, company.weights)
        self.songs = company.songs
        self.hearing: Dance = dancer_of(model)
        self.deaf: Dance = dancer_of(Deaf(model))
        self.heard: dict[tuple, tuple] = {}

    def sound(self, job: Job) -> Track:
        """What is played while this job is danced."""
        if job.heard is Heard.SILENCE:
            return silent(job.seconds or 60.0)
        tracks = [read_track(self.songs, name) for name in job.tracks]
        if job.heard is Heard.PROGRAMME:
            return programme(tracks, job.seconds or 600.0)
        track = tracks[0]
        if job.seconds:
            track = Track(track.name, track.samples[: round(job.seconds * track.rate)], track.rate, track.beats_s)
        return delayed(track, track.period_s / 2) if job.heard is Heard.LATE else track

    def perform(self, job: Job) -> Danced:
        key = (job.tracks, job.heard, job.seconds)
        if key not in self.heard:
            self.heard = {key: hear(self.sound(job))}  # jobs of one song come after one another: one is enough
        dance = self.deaf if job.heard is Heard.NOTHING else self.hearing
        return dance(self.heard[key], job.seed)


_stage: Stage | None = None


def _begin(company: Company) -> None:
    global _stage
    _stage = Stage(company)


def _perform(jobs: Sequence[Job]) -> list[tuple[Job, Danced]]:
    if _stage is None:
        raise RuntimeError("the process was not begun")
    return [(job, _stage.perform(job)) for job in jobs]


def portions(jobs: Sequence[Job], most: int = 5) -> list[list[Job]]:
    """Jobs grouped by what is heard, at most ``most`` in a group, long ones first, to end together."""
    groups: dict[tuple, list[Job]] = {}
    for job in sorted(set(jobs), key=lambda job: job.key):
        groups.setdefault((job.tracks, job.heard, job.seconds), []).append(job)
    parts = [group[k : k + most] for group in groups.values() for k in range(0, len(group), most)]
    return sorted(parts, key=lambda part: -sum(job.seconds or 60.0 for job in part))


def perform_all(
    jobs: Sequence[Job], company: Company, *, workers: int = 2, say: Callable[[str], None] = lambda line: None
) -> dict[Job, Danced]:
    """All dances, made by ``workers`` processes. A job that fails fails the whole."""
    danced: dict[Job, Danced] = {}
    for done in _parts(portions(jobs), company, workers):
        danced |= dict(done)
        say(progress_line(len(danced), len(set(jobs))))
    return danced


def progress_line(done: int, total: int, width: int = 30) -> str:
    """A bar, as far as the work has come."""
    full = round(width * done / max(total, 1))
    return f"[{'#' * full}{'.' * (width - full)}] {done} of {total} dances"


def _parts(parts: list[list[Job]], company: Company, workers: int) -> Iterator[list[tuple[Job, Danced]]]:
    if workers <= 1:
        stage = Stage(company)
        yield from ([(job, stage.perform(job)) for job in part] for part in parts)
        return
    # One thread a process: the networks are small, and two processes with two threads each would wait for one another.
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    before = {name: os.environ.get(name) for name in limits}
    os.environ.update(limits)
    try:
        with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(company,)) as pool:
            for future in as_completed([pool.submit(_perform, part) for part in parts]):
                yield future.result()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def clock_line(begun_s: float, line: str) -> str:
    """A line with the seconds gone since ``begun_s`` of the performance counter."""
    return f"{time.perf_counter() - begun_s:7.0f} s  {line}"
