"""Which part of the generator earns its place: every arm trained on the same budget, measured the same way, one table.

    CORYBANT_DATA=../data python -m realtime_models.training.ablate --tokeniser runs/tokeniser.pt --songs runs/songs \\
        --minutes 30 --seeds 3 --arms shipped,gated,aligned --out docs/ablations.json

A line of JSON for every arm and seed, and docs/ablations.md beside it. Run again, it goes on: what is in the file is
not trained again, and an arm that was stopped goes on from its checkpoint. Arms of another budget stand in the same
file and in a table of their own.
"""

import argparse
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.errors import ConfigError, nearest
from realtime_models.network import Generator
from realtime_models.sampler import TokenDancer
from realtime_models.spec import ModelSpec
from realtime_models.tokens import Tokeniser
from realtime_models.training import checkpoint
from realtime_models.training.ablation_table import markdown
from realtime_models.training.distil import Distiller, student_spec
from realtime_models.training.judge import columns
from realtime_models.training.judge.distribution import compare
from realtime_models.training.judge.motion import windows as cut_windows
from realtime_models.training.judge.programme import Song, motion_of
from realtime_models.training.judge.systems.model import Music, dancer_of
from realtime_models.training.loop import Length, join_processes, telling, train
from realtime_models.training.rows import Batch
from realtime_models.training.torch_networks import TorchNetworks
from realtime_models.training.train_generator import GeneratorLearner, Material, add_arguments, prepared, with_choices
from realtime_models.training.trainer import Trainer

LEVEL = 1.0  #: cycles a beat at which R is taken
WINDOWS = 30  #: a side, of the distances to real dance
LOOKS = 4  #: masks drawn for the validation loss
SONGS = ("syn_house_breakdown", "bossa_127_human", "syn_reggaeton")  #: songs on which one may choose
CELLS = {
    "R": "beat_r", "lag_s": "beat_lag_s", "energy_r": "energy_correlation", "speed_m_s": "speed_m_s",
    "jerk_per_speed_hz2": "jerk_per_speed_hz2", "slide_m_s": "slide_m_s",
}  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """What differs from the base: the specification, the sampling alone, or a part of the budget for a student."""

    spec: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    student_share: float = 0.0  #: of the budget; the teacher has the rest


GATED = {"branches": "gated"}
ALIGNED = {"attention": "aligned"}
EAR = GATED | {"music_encoder": "causal"}
ARMS = {
    "shipped": Arm(),
    "gated": Arm(GATED),
    "axial": Arm({"attention": "axial"}),
    "aligned": Arm(ALIGNED),
    "aligned-gated": Arm(ALIGNED | GATED),
    "rows-first": Arm({"masking": "rows-first"}),
    "aligned-rows-first": Arm(ALIGNED | GATED | {"masking": "rows-first"}),
    "attended": Arm(ALIGNED | GATED | {"masking": "attended"}),
    "causal-ear": Arm(EAR),
    "ear-to-body": Arm(EAR | {"ear_to_body": 0.1}),
    "physics": Arm({"physics": 0.1}),
    "physics-more": Arm({"physics": 0.5}),
    "steps-1": Arm(sampling={"refine_steps": 1}),
    "steps-2": Arm(sampling={"refine_steps": 2}),
    "steps-8": Arm(sampling={"refine_steps": 8}),
    "student": Arm(student_share=0.4),
    "whole": Arm(ALIGNED | EAR | {"masking": "attended", "ear_to_body": 0.1, "physics": 0.1}),
} | {f"guidance-{g:g}": Arm(sampling={"guidance": g}) for g in (0.5, 1.0, 2.0, 3.0, 4.0)}


@dataclass(frozen=True)
class Budget:
    """What every arm is given."""

    length: Length
    batch: int
    rows: int
    positions: int
    rate: float
    base: str = ""  #: what all arms have in common and the tokeniser's specification does not say

    @property
    def name(self) -> str:
        """As the table calls it."""
        much = f"{self.length.steps} steps" if self.length.steps else f"{self.length.minutes:g} min"
        common = f", {self.base}" if self.base else ""
        return f"{much}, batch {self.batch} x {self.rows} rows x {self.positions} windows, rate {self.rate:g}{common}"

    def part(self, share: float) -> "Budget":
        """A share of it."""
        length = Length(self.length.minutes * share, round(self.length.steps * share))
        return replace(self, length=length)


@dataclass(frozen=True)
class Stage:
    """The fixed short programme: songs with what the ear made of them, and real dance."""

    songs: Mapping[str, tuple[Song, Music]]
    real: columns.Reference | None
    primer: np.ndarray  #: (R, G, S) tokens of a body at ease


def chosen(names: str) -> tuple[str, ...]:
    """Arms by name, divided by commas. Raises ConfigError."""
    arms = tuple(name.strip() for name in names.split(",") if name.strip())
    for name in arms:
        if name not in ARMS:
            raise ConfigError(f"no arm '{name}'{nearest(name, ARMS)}")
    if not arms:
        raise ConfigError(f"no arms; there is: {', '.join(ARMS)}")
    return arms


def train_arm(
    arm: Arm, base: ModelSpec, material: Material, tokeniser: Tokeniser, budget: Budget, seed: int, path: Path
) -> Generator:
    """A trained network of the arm, with averaged weights; goes on from ``path``.

    Arms that differ in sampling alone share one checkpoint: ``path`` is named after what was trained.
    """
    spec = replace(base, **arm.spec)
    first = budget.part(1 - arm.student_share) if arm.student_share else budget
    learned(spec, material, first, seed, path, partial(Trainer, tokeniser=tokeniser), OWN_FROM)
    if not arm.student_share:
        return averaged(path)
    student = student_spec(spec, 2)
    make = partial(Distiller, teacher=averaged(path))
    path = path.with_stem(f"{path.stem}-student")
    learned(student, material, budget.part(arm.student_share), seed, path, make, 0.0)
    return averaged(path)


OWN_FROM = 0.15  #: as ``train_generator``


def learned(
    spec: ModelSpec, material: Material, budget: Budget, seed: int, path: Path, make: Callable[..., Trainer], own: float
) -> None:
    """Train, going on from ``path``; the same seed and steps give the same weights."""
    torch.manual_seed(seed)
    learner = GeneratorLearner(
        spec, material.sequences(spec, budget.rows, seed), None, batch=budget.batch, positions=budget.positions,
        rate=budget.rate, seed=seed, own_from=own, make=make,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    train(learner, budget.length, path, telling(path.stem, path), checkpoint_s=120.0)


def averaged(path: Path) -> Generator:
    """The averaged weights of a checkpoint without what was for training only."""
    saved = checkpoint.load(path)
    model = Generator(replace(ModelSpec.from_json(saved["spec"]), ear_to_body=0.0))
    model.load_state_dict({n: value for n, value in saved["model"].items() if not n.startswith("ear_to_body.")})
    return model.eval()


def held_loss(model: Generator, held: Batch, positions: int) -> dict[str, float]:
    """Cross entropies on dancers who were held back: random masks, the same for every arm."""
    judge = Trainer(replace(model.spec, masking="random", physics=0.0), positions=positions, seed=0)
    judge.model.load_state_dict(model.state_dict())
    looks = []
    for look in range(LOOKS):
        judge.random.manual_seed(look)
        looks.append(judge.validate(held))
    return {name: float(np.mean([one[name] for one in looks])) for name in looks[0]}


def danced(model: TokenDancer, stage: Stage, seed: int) -> dict[str, float | None]:
    """Figures of the programme, danced with one seed; None where one cannot be had."""
    dance = dancer_of(model)
    motions = []
    for song, music in stage.songs.values():
        made = dance(music, seed)
        motions.append(motion_of("arm", song, seed, made.root, made.rotations, made.fps))
    cells = columns.beat_cells(motions, LEVEL) | columns.body_cells(motions) | columns.music_cells(motions)
    found = {name: cells[key].value if cells.get(key) else None for name, key in CELLS.items()}
    cut = cut_windows(motions)
    if stage.real is not None:
        count = min(WINDOWS, len(cut), stage.real.count)
        away = compare(stage.real.windows, cut, stage.real.scale, count=count)
        found |= {"kernel_kinetic": away["kd_kinetic"], "kernel_geometric": away["kd_geometric"]}
    return found


def measured(
    arm: Arm, model: Generator, tokeniser: Tokeniser, held: Batch, stage: Stage, budget: Budget, seed: int
) -> dict[str, float | None]:
    """All figures of one trained arm."""
    spec = replace(model.spec, **arm.sampling)
    dancer = TokenDancer(TorchNetworks(tokeniser, model), spec, stage.primer)
    size = sum(value.numel() for value in model.parameters()) / 1e6
    return held_loss(model, held, budget.positions) | danced(dancer, stage, seed) | {"million_weights": size}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What was found before. Raises ConfigError for a file that is none of these."""
    if not path.exists():
        return []
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not all({"arm", "seed", "budget", "figures"} <= set(line) for line in lines):
            raise ValueError("a line without arm, seed, budget and figures")
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} holds no ablations ({error}): name another file, or remove it") from error
    return lines


def trained_name(arm: Arm, base: ModelSpec, budget: Budget, seed: int) -> str:
    """Of the checkpoint: arms, budgets and bases that train alike share it."""
    trained = json.dumps([replace(base, **arm.spec).to_json(), arm.student_share, budget.name, seed])
    return f"{zlib.crc32(trained.encode()):08x}"


def ablate(
    arms: Iterable[str], seeds: Sequence[int], base: ModelSpec, material: Material, tokeniser: Tokeniser,
    stage: Stage, budget: Budget, out: Path, work: Path, *, say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:  # fmt: skip
    """Train and measure what ``out`` does not hold yet; every line is written as soon as it is found."""
    lines = read_lines(out)
    there = {(line["arm"], line["seed"], line["budget"]) for line in lines}
    held = material.held_batch(base, budget.rows)
    for seed in seeds:  # all arms of one seed first: a stopped run leaves a whole table
        for name in arms:
            if (name, seed, budget.name) in there:
                say(f"{name}, seed {seed}: there")
                continue
            path = work / f"{trained_name(ARMS[name], base, budget, seed)}.pt"
            model = train_arm(ARMS[name], base, material, tokeniser, budget, seed, path)
            figures = measured(ARMS[name], model, tokeniser, held, stage, budget, seed)
            lines.append({"arm": name, "seed": seed, "budget": budget.name, "figures": rounded(figures)})
            write(out, lines)
            say(f"{name}, seed {seed}: {lines[-1]['figures']}")
    return lines


def rounded(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    """Five digits, None for what is no number."""
    kept = {name: None if value is None or not np.isfinite(value) else value for name, value in figures.items()}
    return {name: None if value is None else float(f"{value:.5g}") for name, value in kept.items()}


def write(out: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """The lines, and the table beside them; a kill leaves the file of before or this one."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for path, text in (
        (out, "".join(json.dumps(line) + "\n" for line in lines)),
        (out.with_suffix(".md"), markdown(lines)),
    ):
        part = path.with_name(path.name + ".part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)


def read_stage(tokeniser: Tokeniser, names: Sequence[str], seconds: float, keep: Path | None) -> Stage:
    """Songs of CORYBANT_DATA/music, heard once and cut after ``seconds`` [s]; real dance. Raises ConfigError."""
    from realtime_models.training.choose_sampling import heard_songs
    from realtime_models.training.data import read_clips
    from realtime_models.training.judge.systems.real import real_motions
    from realtime_models.training.primer import beginnings, primer_frames, standing_tokens

    songs = {name: (song, shortened(music, seconds)) for name, (song, music) in heard_songs(names, keep).items()}
    at_ease = beginnings(read_clips(), primer_frames(tokeniser))
    real = columns.reference_of(real_motions(), WINDOWS)
    return Stage(songs, real, standing_tokens(tokeniser, at_ease))


def shortened(music: Music, seconds: float) -> Music:
    """The first seconds [s] of what was heard."""
    return music[: round(seconds * 30)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.set_defaults(minutes=30.0, threads=1)
    parser.add_argument("--arms", default="shipped,gated,aligned", help=f"of: {', '.join(ARMS)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="what all arms have in common")
    parser.add_argument("--programme", nargs="+", default=list(SONGS), help="songs of CORYBANT_DATA/music")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each song")
    parser.add_argument("--out", type=Path, default=Path("docs/ablations.json"))
    parser.add_argument("--work", type=Path, default=Path("runs/ablations"), help="checkpoints and what was heard")
    args = parser.parse_args()
    arms = chosen(args.arms)
    read_lines(args.out)  # a wrong file is found before hours of training
    join_processes(args.threads)
    tokeniser, material = prepared(args, 0)
    base = with_choices(tokeniser.spec, args.set)
    stage = read_stage(tokeniser, args.programme, args.seconds, args.work)
    budget = Budget(
        Length(args.minutes, args.steps), args.batch, args.rows, args.positions, args.rate, " ".join(args.set)
    )
    ablate(arms, range(1, args.seeds + 1), base, material, tokeniser, stage, budget, args.out, args.work)
    print(f"written: {args.out} and {args.out.with_suffix('.md')}")


if __name__ == "__main__":
    main()
