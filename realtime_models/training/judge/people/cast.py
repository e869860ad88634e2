"""Who stands in the pairs: model, clips on the grid, motion graph and real clips, to the same songs. Slow work."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from realtime_models.training.judge.dances import Company, Heard, Job, perform_all
from realtime_models.training.judge.motion import JUDGE_HZ, Motion, from_pose
from realtime_models.training.judge.systems import motion_graph, walk
from realtime_models.training.judge.systems.clips import Take
from realtime_models.training.judge.systems.clips_on_grid import clips_on_grid, read_loops
from realtime_models.training.judge.systems.model import Track, read_track
from realtime_models.training.judge.systems.real import real_on_song

OURS = "ours"
SONGS = ("disco_120_human", "rock_128_human", "hiphop_90_human", "funk_80_human", "edm_mucade1", "latin_caribbean")

Dances = dict[str, list[Motion]]
Sounds = dict[str, tuple[np.ndarray, int]]


def cast(
    folder: Path,
    seed: int,
    seconds: float,
    from_s: float,
    *,
    names: Sequence[str] = SONGS,
    weights: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Dances, Sounds]:
    """Dances and sounds for ``build``: songs NAME.ogg and NAME.beats of ``folder``; needs CORYBANT_DATA for clips.

    The model hears sound only. The others are given the true beats. ``seconds`` and ``from_s`` are those of the
    excerpts: a real clip is laid on each of them alone, since few clips last for a song.
    """
    tracks = {name: read_track(folder, name) for name in names}
    say(f"the model dances to {len(tracks)} songs")
    company = Company(folder, weights)
    danced = perform_all([Job((name,), Heard.SONG, seed) for name in tracks], company, say=say)
    ours = [_motion(OURS, job.track, made.root, made.rotations, made.fps) for job, made in danced.items()]
    loops = read_loops()
    say(f"clips on the grid, motion graph and real clips: {len(loops)} clips")
    return {OURS: ours, **from_clips(loops, tracks, seed, seconds, from_s)}, {
        name: (track.samples, track.rate) for name, track in tracks.items()
    }


def from_clips(loops: Sequence, tracks: Mapping[str, Track], seed: int, seconds: float, from_s: float) -> Dances:
    """What is danced with the clips themselves, by system."""
    graph = motion_graph.build(loops)
    dances: Dances = {"clips on the grid": [], "motion graph": [], "real": []}
    for name, track in tracks.items():
        asked = {"fps": JUDGE_HZ, "seed": seed}
        grid = clips_on_grid(loops, track.beats_s, track.seconds, **asked)
        danced = walk.dance(graph, track.beats_s, track.seconds, **asked)
        dances["clips on the grid"].append(_motion("clips on the grid", name, *grid, JUDGE_HZ))
        dances["motion graph"].append(_motion("motion graph", name, *danced, JUDGE_HZ))
        starts_s = np.arange(from_s, track.seconds - seconds, seconds)
        dances["real"] += [real_excerpt(loops, name, track, s, seconds, seed + k) for k, s in enumerate(starts_s)]
    return dances


def real_excerpt(clips: Sequence[Take], song: str, track: Track, start_s: float, seconds: float, seed: int) -> Motion:
    """One real clip without a cut laid on ``seconds`` of a song from ``start_s`` on; nan before and after."""
    first = round(start_s * JUDGE_HZ)
    # A frame at either end more than the excerpt, so that rounding never leaves it uncovered.
    length_s = seconds + 2 / JUDGE_HZ
    laid = real_on_song(clips, track.beats_s - first / JUDGE_HZ, length_s, fps=JUDGE_HZ, seed=seed)
    part = _motion(f"real: {laid.clip}", song, laid.root, laid.rotations, JUDGE_HZ)
    positions = np.full((first + len(part.positions), *part.positions.shape[1:]), np.nan)
    positions[first:] = part.positions
    return Motion(part.name, positions, JUDGE_HZ, song=song, seed=seed)


def _motion(system: str, song: str, root: np.ndarray, rotations: np.ndarray, fps: float) -> Motion:
    return from_pose(f"{system}, {song}", root, rotations, fps, song=song)
