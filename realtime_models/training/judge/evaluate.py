"""Does it dance with the music? Right track, half a beat late, wrong track and silence, beside clips on the grid.

    CORYBANT_DATA=../shared python -m realtime_models.training.judge.evaluate [--quick] [--tracks NAME ...]

Writes docs/evaluation.md and a contact sheet per song. The model hears sound only; the true beats only score.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.errors import ConfigError
from realtime_models.training.data import data_root, read_clips
from realtime_models.training.judge import beat as score
from realtime_models.training.judge.beat import BeatScore, beat_score
from realtime_models.training.judge.body import BodyScore, body_score
from realtime_models.training.judge.report import markdown, write_report, write_sheets
from realtime_models.training.judge.results import Cell, Evaluation, Stage, TrackResult, best_level
from realtime_models.training.judge.systems.clips_on_grid import Loop, clips_on_grid, read_loops
from realtime_models.training.judge.systems.model import (
    Danced,
    Track,
    dancer_of,
    delayed,
    programme,
    read_track,
    said_beats,
    silent,
    speed_curve,
)

TEST_TRACKS = ("disco_120_human", "rock_128_human", "hiphop_90_human", "funk_80_human", "edm_mucade1")
VALIDATION_TRACKS = ("syn_reggaeton", "syn_house_breakdown", "bossa_127_human", "syn_jazz_swing")
SEEDS = (0, 1, 2)
LEAD_IN_S = 5.0  #: not scored: the listener has to find the beat first
CONDITIONS = ("right", "half a beat late", "wrong", "silence", "clips on the grid", "random minima")
TEN_MINUTES_S = 600.0


def rate(danced: Danced, beats_s: np.ndarray, joints: Sequence[int] = score.BEAT_JOINTS, **curve) -> BeatScore:
    """Score a run against beats (n,) [s], after the lead-in and as far as the run goes."""
    times_s = score.beats_of_curve(speed_curve(danced, joints, **curve), danced.fps)
    return beat_score(times_s, beats_s[beats_s <= len(danced.root) / danced.fps], from_s=LEAD_IN_S)


def random_score(like: BeatScore, beats_s: np.ndarray, seed: int) -> BeatScore:
    """As many motion beats as ``like`` has, thrown at random between the first and last scored beat."""
    beats_s = beats_s[beats_s >= LEAD_IN_S]
    times_s = np.sort(np.random.default_rng(seed).uniform(beats_s[0], beats_s[-1], like.n))
    return beat_score(times_s, beats_s)


def accident(played: Track, scored: Track) -> float:
    """The largest R that a perfect follower of ``played`` (at half, once, double tempo) has on the beats of ``scored``.

    Round tempi fall into step with one another: half of 120 bpm hits every fifth half-beat of 150 bpm.
    """
    periods_s = played.period_s * np.array([0.5, 1.0, 2.0])
    steps = [np.arange(0.0, 60.0, period_s) / scored.period_s for period_s in periods_s]
    return max(abs(score.mean_vector(numbers, level)) for numbers in steps for level in score.LEVELS)


def wrong_for(tracks: Sequence[Track], at: int) -> int:
    """Which other track is played instead: the one that can look right by an accident of tempo the least."""
    others = [k for k in range(len(tracks)) if k != at]
    return min(others, key=lambda k: accident(tracks[k], tracks[at]))


def judge_track(
    stage: Stage, tracks: Sequence[Track], at: int, quiet: Track, loops: list[Loop], seeds: Sequence[int]
) -> TrackResult:
    """Every condition on ``tracks[at]``."""
    track, wrong = tracks[at], tracks[wrong_for(tracks, at)]
    late = delayed(track, track.period_s / 2)
    beats = track.beats_s
    runs = [stage.perform(track, seed) for seed in seeds]
    heard = said_beats(stage.hear(track))
    right = [rate(run, beats) for run in runs]
    clips = [Danced(*clips_on_grid(loops, beats, track.seconds, seed=seed)) for seed in seeds]
    cells = {
        "right": right,
        "half a beat late": [rate(stage.perform(late, seed), beats) for seed in seeds],
        "wrong": [rate(stage.perform(wrong, seed), beats) for seed in seeds],
        "silence": [rate(stage.perform(quiet, seed), beats) for seed in seeds],
        "clips on the grid": [rate(run, beats) for run in clips],
        "random minima": [random_score(like, beats, seed) for seed in range(20) for like in right],
    }
    return TrackResult(
        track=track,
        wrong=wrong.name,
        ear=score.match(heard[heard >= LEAD_IN_S], beats[beats >= LEAD_IN_S]),
        cells={name: Cell(tuple(cell)) for name, cell in cells.items()},
        own=Cell(tuple(rate(run, heard) for run in runs)),
        all_joints=Cell(tuple(rate(run, beats, score.ALL_JOINTS) for run in runs)),
        relative=Cell(tuple(rate(run, beats, score.ALL_JOINTS, relative=True) for run in runs)),
        held=sum(run.held for run in runs),
    )


def real_dance() -> BodyScore:
    """The measures of real dance clips of the training split, means weighted by time."""
    scores = [body_score(c.root, c.rotations, 30) for c in read_clips(splits=("train",)) if c.is_dance]
    weight = np.array([s.seconds for s in scores])
    mean = {
        name: float(np.average([getattr(s, name) for s in scores], weights=weight))
        for name in BodyScore.__slots__
        if name != "speed_by_minute_m_s"
    }
    return BodyScore(**{**mean, "seconds": float(weight.sum()), "speed_by_minute_m_s": ()})


def evaluate(
    stage: Stage,
    identity: str,
    tracks: Sequence[Track],
    validation: Sequence[Track],
    *,
    seeds: Sequence[int] = SEEDS,
    loops: list[Loop],
    ten_minutes: bool = True,
) -> Evaluation:
    """Everything that the report shows. ``loops`` are the clips of the baseline."""
    if len(tracks) < 2:
        raise ConfigError("an evaluation needs two tracks or more: each is also danced to another one")
    begun = time.perf_counter()
    chosen = {t.name: Cell(tuple(rate(stage.perform(t, s), t.beats_s) for s in seeds)) for t in validation}
    quiet = silent(max(track.seconds for track in tracks))
    results = tuple(judge_track(stage, tracks, k, quiet, loops, seeds) for k in range(len(tracks)))
    long_run = None
    if ten_minutes:
        long_run = stage.perform(programme([*tracks, *validation], TEN_MINUTES_S), seeds[0])
    return Evaluation(
        identity=identity,
        seeds=tuple(seeds),
        level=best_level(chosen),
        validation=chosen,
        results=results,
        long_run=body_score(long_run.root, long_run.rotations, long_run.fps) if long_run else None,
        long_held=long_run.held if long_run else 0,
        real=real_dance() if ten_minutes else None,
        minutes_danced=stage.minutes(),
        took_s=time.perf_counter() - begun,
    )


def _say(line: str) -> None:
    print(f"\r{time.perf_counter():8.0f} s  {line[:90]:<90}", end="", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when it was measured (whatever the verdict), 2 on a wrong argument or missing data."""
    parser = argparse.ArgumentParser(prog="python -m realtime_models.training.judge.evaluate", description=__doc__)
    parser.add_argument("--tracks", nargs="+", default=list(TEST_TRACKS), help="names in CORYBANT_DATA/music")
    parser.add_argument("--quick", action="store_true", help="one seed, no ten minutes, nothing written")
    parser.add_argument("--weights", type=Path, help="folder of other weights")
    parser.add_argument("--backend", default="onnx")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the report goes")
    args = parser.parse_args(argv)
    try:
        return _run(args)
    except ConfigError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    from realtime_models.backends import load_model

    music = data_root() / "music"
    tracks = [read_track(music, name) for name in args.tracks]
    validation = [read_track(music, name) for name in VALIDATION_TRACKS if name not in args.tracks]
    model = load_model(args.backend, args.weights)
    stage = Stage(dancer_of(model), _say)
    found = evaluate(
        stage,
        model.spec.identity,
        tracks,
        validation,
        seeds=SEEDS[:1] if args.quick else SEEDS,
        loops=read_loops(),
        ten_minutes=not args.quick,
    )
    print(file=sys.stderr)
    print(markdown(found))
    if not args.quick:
        write_report(found, args.docs / "evaluation.md")
        write_sheets(stage, tracks[:4], args.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
