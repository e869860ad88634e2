"""How hard the music pushes, and how freely tokens are drawn: figures for several choices, on the songs on which such
things may be chosen (``programme.VALIDATION``), never on those that are scored.

    CORYBANT_DATA=../data python -m realtime_models.training.choose_sampling --weights DIR \\
        --guidance 1 2 3 --temperature 0.65 0.9 --steps 2 4

Every song is heard once. R at one cycle a beat and its lag, energy of music and body, speed, jerk by speed, tremble and
distance to real dance; one line a choice. What is chosen goes to ``ship --guidance --temperature --steps --lag-ms``.
"""

import argparse
import itertools
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from realtime_models.backends import load_model
from realtime_models.sampler import TokenDancer
from realtime_models.training.data import data_root
from realtime_models.training.judge import columns
from realtime_models.training.judge.distribution import compare
from realtime_models.training.judge.motion import Motion, windows
from realtime_models.training.judge.programme import VALIDATION, Song, motion_of, read_songs
from realtime_models.training.judge.systems.model import Music, dancer_of, hear
from realtime_models.training.judge.systems.real import real_motions

LEVEL = 1.0  #: cycles a beat at which R is taken
COUNT = 60  #: windows a side of the distances: more than a few songs do not have
KEYS = {
    "R": "beat_r", "lag s": "beat_lag_s", "F1": "beat_f1", "energy r": "energy_correlation",
    "speed": "speed_m_s", "jerk/speed": "jerk_per_speed_hz2", "tremble mm": "tremor_mm", "slide": "slide_m_s",
    "still": "still_share",
}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """One way of drawing tokens."""

    guidance: float
    temperature: float
    steps: int


@dataclass(frozen=True)
class Job:
    weights: Path
    choice: Choice
    song: Song
    music: Music
    seed: int


def dance(job: Job) -> Motion:
    """One song danced with one choice."""
    model = load_model("onnx", job.weights)
    choice = job.choice
    spec = replace(
        model.spec, guidance=choice.guidance, temperature=choice.temperature, refine_steps=choice.steps
    )
    danced = dancer_of(TokenDancer(model.networks, spec, model.primer))(job.music, job.seed)
    return motion_of("choice", job.song, job.seed, danced.root, danced.rotations, danced.fps)


def heard_songs(names: Sequence[str]) -> dict[str, tuple[Song, Music]]:
    """Songs and what the show's ear makes of them."""
    return {name: (song, hear(song.track)) for name, song in read_songs(data_root() / "music", names).items()}


def line(choice: Choice, dances: Sequence[Motion], real: columns.Reference) -> str:
    """The figures of one choice."""
    cells = columns.beat_cells(dances, LEVEL) | columns.body_cells(dances) | columns.music_cells(dances)
    cut = windows(dances)
    away = compare(real.windows, cut, real.scale, count=min(COUNT, len(cut)))
    values = [cells[key].value if cells[key] else float("nan") for key in KEYS.values()]
    numbers = "".join(f"{value:11.3f}" for value in [*values, away["kd_kinetic"], away["kd_geometric"]])
    return f"{choice.guidance:8.1f}{choice.temperature:6.2f}{choice.steps:6d}{numbers}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 2.0, 3.0])
    parser.add_argument("--temperature", type=float, nargs="+", default=[0.65, 0.9])
    parser.add_argument("--steps", type=int, nargs="+", default=[4])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--songs", nargs="+", default=list(VALIDATION))
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    songs = heard_songs(args.songs)
    real = columns.reference_of(real_motions(), COUNT)
    names = [*KEYS, "kernel kin", "kernel geo"]
    print(f"{'guidance':>8}{'temp':>6}{'steps':>6}" + "".join(f"{name:>11}" for name in names), flush=True)
    with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
        for guidance, temperature, steps in itertools.product(args.guidance, args.temperature, args.steps):
            choice = Choice(guidance, temperature, steps)
            jobs = [Job(args.weights, choice, *heard, seed) for heard in songs.values() for seed in range(args.seeds)]
            print(line(choice, list(pool.map(dance, jobs)), real), flush=True)


if __name__ == "__main__":
    main()
