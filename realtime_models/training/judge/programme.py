"""Who dances to what in an evaluation, and the dances as the judge sees them. Slow work, done in parts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime_models.training.judge import beat, music
from realtime_models.training.judge.columns import score_beats
from realtime_models.training.judge.dances import Company, Heard, Job, perform_all
from realtime_models.training.judge.motion import Motion, from_pose
from realtime_models.training.judge.systems import motion_graph, simple, walk
from realtime_models.training.judge.systems.clips_on_grid import Loop, clips_on_grid
from realtime_models.training.judge.systems.model import Danced, Track, read_track

#: Songs that are scored, and those on which the level (cycles per beat) is chosen. No network was trained on any.
SONGS = (
    "disco_120_human", "rock_128_human", "hiphop_90_human", "funk_80_human", "edm_mucade1", "edm_torus1",
    "edm_titanion1", "latin_caribbean", "game_motion", "metal_chaos_god", "rock_war_of_freedom", "syn_hiphop_pa",
)  # fmt: skip
VALIDATION = ("syn_reggaeton", "syn_house_breakdown", "bossa_127_human", "syn_jazz_swing")
SEEDS = (0, 1, 2)
MANY_SEEDS, MANY_S = 20, 30.0  #: for multimodality: so much of the first song
LONG_S = 600.0
BASELINE_FPS = 30.0  #: the clips' own


@dataclass(frozen=True)
class Song:
    """A song with what the scorer knows of it."""

    track: Track
    loudness_db: np.ndarray  #: (n,) once a judge frame

    @property
    def name(self) -> str:
        return self.track.name


def read_songs(folder: Path, names: Sequence[str]) -> dict[str, Song]:
    """Songs by name. ConfigError when one is missing."""
    tracks = [read_track(folder, name) for name in names]
    return {t.name: Song(t, music.loudness_db(t.samples, t.rate)) for t in tracks}


def motion_of(system: str, song: Song, seed: int, root: np.ndarray, rotations: np.ndarray, fps: float) -> Motion:
    """A dance as the judge sees it. Its name is its block."""
    return from_pose(
        f"{system}, {song.name}, seed {seed}",
        root,
        rotations,
        fps,
        song=song.name,
        seed=seed,
        beats_s=song.track.beats_s,
        loudness_db=song.loudness_db,
        dancer=system,
    )


@dataclass(frozen=True)
class Model:
    """Everything that a model danced, by what it heard while which song is scored."""

    right: tuple[Motion, ...]
    shifted: tuple[Motion, ...]
    wrong: tuple[Motion, ...]  #: dances to other songs, carrying the beats of the one they are scored on
    silent: tuple[Motion, ...]
    deaf: tuple[Motion, ...]
    validation: tuple[Motion, ...]
    many: tuple[Motion, ...]  #: one song, many seeds
    long: Motion | None
    held: int  #: poses that the guard held or replaced
    wrong_songs: Mapping[str, str]


def jobs_of(songs: Sequence[str], validation: Sequence[str], seeds: Sequence[int], *, long: bool = True) -> list[Job]:
    """All that the model has to dance. ``long``: also ten minutes, and one song under many seeds."""
    jobs = [Job((song,), heard, seed) for song in songs for heard in HEARD for seed in seeds]
    jobs += [Job((song,), Heard.SONG, seed) for song in validation for seed in seeds]
    jobs += [Job(("silence",), Heard.SILENCE, seed, 60.0) for seed in seeds]
    if long:
        jobs += [Job((songs[0],), Heard.SONG, seed, MANY_S) for seed in range(MANY_SEEDS)]
        jobs += [Job((*songs, *validation), Heard.PROGRAMME, seeds[0], LONG_S)]
    return jobs


HEARD = (Heard.SONG, Heard.LATE, Heard.NOTHING)


def dance_model(
    company: Company,
    songs: Mapping[str, Song],
    validation: Sequence[str] = VALIDATION,
    seeds: Sequence[int] = SEEDS,
    *,
    workers: int = 2,
    long: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Model:
    """Let the model dance to everything. ``songs`` holds the scored ones and those of ``validation``."""
    scored = [name for name in songs if name not in validation]
    danced = perform_all(jobs_of(scored, validation, seeds, long=long), company, workers=workers, say=say)

    def seen(job: Job, on: str, system: str = "ours") -> Motion:
        made = danced[job]
        return motion_of(system, songs[on], job.seed, made.root, made.rotations, made.fps)

    def every(heard: Heard) -> tuple[Motion, ...]:
        return tuple(seen(Job((song,), heard, seed), song) for song in scored for seed in seeds)

    wrong = wrong_songs([songs[name].track for name in scored])
    many = [Job((scored[0],), Heard.SONG, seed, MANY_S) for seed in range(MANY_SEEDS)] if long else []
    endless = Job((*scored, *validation), Heard.PROGRAMME, seeds[0], LONG_S)
    return Model(
        right=every(Heard.SONG),
        shifted=every(Heard.LATE),
        wrong=tuple(seen(Job((wrong[song],), Heard.SONG, seed), song) for song in scored for seed in seeds),
        silent=tuple(seen(Job(("silence",), Heard.SILENCE, seed, 60.0), song) for song in scored for seed in seeds),
        deaf=every(Heard.NOTHING),
        validation=tuple(seen(Job((song,), Heard.SONG, seed), song) for song in validation for seed in seeds),
        many=tuple(seen(job, scored[0]) for job in many),
        long=_plain("ten minutes", danced[endless]) if long else None,
        held=sum(made.held for made in danced.values()),
        wrong_songs=wrong,
    )


def _plain(name: str, made: Danced) -> Motion:
    return from_pose(name, made.root, made.rotations, made.fps)


def accident(played: Track, scored: Track) -> float:
    """The largest R that a perfect follower of ``played`` (at half, once, double tempo) has on the beats of ``scored``.

    Round tempi fall into step with one another: half of 120 bpm hits every fifth half-beat of 150 bpm.
    """
    periods_s = played.period_s * np.array([0.5, 1.0, 2.0])
    steps = [np.arange(0.0, 60.0, period_s) / scored.period_s for period_s in periods_s]
    return max(abs(beat.mean_vector(numbers, level)) for numbers in steps for level in beat.LEVELS)


def wrong_songs(tracks: Sequence[Track]) -> dict[str, str]:
    """For each song another one, which can look right by an accident of tempo the least."""
    return {
        track.name: min((t for t in tracks if t is not track), key=lambda t, track=track: accident(t, track)).name
        for track in tracks
    }


def best_level(validation: Sequence[Motion]) -> float:
    """The level at which R is largest: mean over songs that are not scored, and seeds."""
    scores = [score_beats(m) for m in validation]
    return max(beat.LEVELS, key=lambda level: float(np.mean([s.r(level) for s in scores])))


def dance_baselines(
    songs: Mapping[str, Song],
    loops: Sequence[Loop],
    seeds: Sequence[int] = SEEDS,
    *,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, tuple[Motion, ...]]:
    """``{system: dances}`` of clips on the grid, motion graph, shuffled clips and frozen pose, with the same clips."""
    say(f"building the motion graph of {len(loops)} clips")
    graph = motion_graph.build(loops)
    makers = {
        "clips on the grid": lambda song, seed: clips_on_grid(
            loops, song.track.beats_s, song.track.seconds, fps=BASELINE_FPS, seed=seed
        ),
        "motion graph": lambda song, seed: walk.dance(
            graph, song.track.beats_s, song.track.seconds, fps=BASELINE_FPS, seed=seed
        ),
        "shuffled clips": lambda song, seed: simple.shuffled_clips(
            loops, song.track.seconds, fps=BASELINE_FPS, seed=seed
        ),
        "frozen pose": lambda song, seed: simple.frozen(loops, song.track.seconds, fps=BASELINE_FPS, seed=seed),
    }
    order = list(songs)

    def own_seed(song: Song, seed: int) -> int:
        """What hears no music must not dance the same to every song."""
        return seed * len(order) + order.index(song.name)

    danced = {}
    for system, make in makers.items():
        say(f"{system} on {len(songs)} songs, {len(seeds)} seeds")
        danced[system] = tuple(
            motion_of(system, song, seed, *make(song, seed), BASELINE_FPS) for song in songs.values() for seed in seeds
        )
    return danced
