"""Train the generator on tokens of a trained tokeniser, part of the time on its own output; run again, it goes on from
``--out``.

    CORYBANT_DATA=../data python -m realtime_models.training.train_generator --tokeniser runs/tokeniser.pt \\
        --songs runs/songs --minutes 60 --out runs/generator.pt

``--set attention=aligned branches=gated`` trains another kind of network (``ModelSpec``). Under ``torchrun
--nproc-per-node N`` it trains in N processes. On motion of your own: ``realtime_models.training.own``.
"""

import argparse
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import torch

from engine.errors import ConfigError, nearest
from realtime_models.spec import ModelSpec
from realtime_models.tokens import Tokeniser
from realtime_models.training import checkpoint
from realtime_models.training.bank import RICH, Entry, build_bank
from realtime_models.training.data import read_clips
from realtime_models.training.grooves import Groove, read_grooves
from realtime_models.training.loop import (
    Length,
    device,
    half_precision,
    join_processes,
    rate_at,
    telling,
    train,
    wait_for_all,
)
from realtime_models.training.music.told import Songs
from realtime_models.training.rows import Batch, Rows, Sequences, tokenise_bank
from realtime_models.training.store import read_store, write_store
from realtime_models.training.trainer import Trainer

OWN_OUTPUT_FROM = 0.15  #: share of the budget after which every second step sees the model's own output


class GeneratorLearner:
    """A generator in training: what the loop asks for."""

    def __init__(
        self, spec: ModelSpec, sequences: Sequences, held: Batch | None, *, batch: int, positions: int, rate: float,
        seed: int, own_from: float = OWN_OUTPUT_FROM, make: Callable[..., Trainer] = Trainer,
    ):  # fmt: skip
        """``held`` is validated on, where there is any; ``own_from`` 0 is for weights that are trained already;
        ``make`` makes the trainer of a specification.
        """
        self.sequences, self.held, self.batch, self.rate, self.own_from = sequences, held, batch, rate, own_from
        self.spec_json = spec.to_json()
        self.trainer = make(spec, positions=positions, seed=seed)
        self.trainer.random = torch.Generator(device()).manual_seed(seed)
        self.generators = (sequences.rng, self.trainer.random)

    @property
    def model(self) -> torch.nn.Module:
        return self.trainer.model

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        return self.trainer.optimiser

    @property
    def average(self) -> dict[str, torch.Tensor]:
        return self.trainer.average

    def step(self, done: float, step: int) -> dict[str, float]:
        """One update; every second one on its own output, once there is some worth it."""
        rate = rate_at(done, step, self.rate, warm_steps=200, least=5e-6)
        own = done >= self.own_from and step % 2 == 0
        with half_precision():
            return self.trainer.step(there(self.sequences.draw(self.batch)), rate, own=own)

    def validate(self) -> dict[str, float]:
        """Losses on ``held``."""
        with half_precision():
            return {} if self.held is None else self.trainer.validate(there(self.held))


def there(batch: Batch) -> Batch:
    """The batch on this process's device."""
    return Batch(*(getattr(batch, name).to(device()) for name in batch.__dataclass_fields__))


def load_tokeniser(path: Path) -> Tokeniser:
    """A trained tokeniser with its specification. Raises ConfigError."""
    saved = checkpoint.load(path)
    model = Tokeniser(ModelSpec.from_json(saved["spec"]))
    model.load_state_dict(saved["model"])
    return model.eval()


def cached_bank(
    folder: Path | None, splits: tuple[str, ...], tokeniser: Tokeniser, **options
) -> tuple[list[Entry], list[Rows]]:
    """Bank and token rows; kept in a folder between runs where one is named (training data: never commit it).

    Rows are kept under the name of the weights that made them, so another tokeniser finds none.
    """
    bank = build_bank(read_clips(splits=splits), folder=folder, **options)
    if not folder:
        return bank, tokenise_bank(bank, tokeniser)
    digest = hashlib.sha256(b"".join(value.numpy().tobytes() for value in tokeniser.state_dict().values()))
    digest.update(repr([(entry.clip.name, len(entry.features)) for entry in bank]).encode())
    kept = folder / f"rows-{digest.hexdigest()[:16]}"
    if not kept.exists():
        write_store(kept, tokenise_bank(bank, tokeniser))
    return bank, read_store(kept, Rows)


@dataclass(frozen=True)
class Material:
    """Motion to train on and motion held back, in memory; what draws from it is made anew for every training."""

    train: tuple[list[Entry], list[Rows]]
    held: tuple[list[Entry], list[Rows]]
    grooves: list[Groove]
    songs: Songs

    def sequences(self, spec: ModelSpec, rows: int, seed: int) -> Sequences:
        """To train on."""
        return Sequences(*self.train, self.grooves, spec, rows, seed, self.songs)

    def held_batch(self, spec: ModelSpec, rows: int) -> Batch:
        """The same one for everybody."""
        return Sequences(*self.held, self.grooves, spec, rows, 0, self.songs).draw(HELD)


HELD = 32  #: sequences of dancers who are held back


def read_material(tokeniser: Tokeniser, songs: Path | None, cache: Path | None) -> Material:
    """The shipped motion, or what is left of it in a folder. Raises ConfigError."""
    return Material(
        cached_bank(cache, ("train",), tokeniser, variety=RICH),
        cached_bank(cache, ("val", "test"), tokeniser, speeds=(1.0,)),
        read_grooves(),
        Songs.of(songs) if songs else Songs([]),
    )


def with_choices(spec: ModelSpec, choices: Sequence[str]) -> ModelSpec:
    """``spec`` with each ``name=value``. Raises ConfigError, one line."""
    kinds = {field.name: type(getattr(spec, field.name)) for field in fields(spec)}
    changes = {}
    for choice in choices:
        name, _, text = choice.partition("=")
        if kinds.get(name) not in (int, float, str):
            known = [known for known, kind in kinds.items() if kind in (int, float, str)]
            raise ConfigError(f"no choice '{name}' of a model{nearest(name, known)}")
        try:
            changes[name] = kinds[name](text)
        except ValueError:
            raise ConfigError(f"model: {name} is no {kinds[name].__name__}: '{text}'") from None
    return replace(spec, **changes)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What every training of a generator is asked."""
    add = parser.add_argument
    add("--tokeniser", type=Path, required=True)
    add("--songs", type=Path, help="what the ear heard of songs for the dances (music.pack)")
    add("--minutes", type=float, default=60)
    add("--steps", type=int, default=0, help="instead of minutes")
    add("--batch", type=int, default=12)
    add("--rows", type=int, default=36)
    add("--positions", type=int, default=12)
    add("--threads", type=int, default=2)
    add("--rate", type=float, default=6e-4)
    add("--cache", type=Path, help="folder for the prepared bank, to start faster the next time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--resume", type=Path, help="begin with these weights (a run of its own, with its own budget)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="choices of the specification")
    args = parser.parse_args()
    rank, _ = join_processes(args.threads)
    seed = args.seed + 1000 * rank
    torch.manual_seed(seed)
    tokeniser, material = prepared(args, rank)
    spec = with_choices(tokeniser.spec, args.set)
    sequences = material.sequences(spec, args.rows, seed)
    learner = GeneratorLearner(
        spec, sequences, material.held_batch(spec, args.rows), batch=args.batch, positions=args.positions,
        rate=args.rate, seed=seed, own_from=0.0 if args.resume else OWN_OUTPUT_FROM,
        make=partial(Trainer, tokeniser=tokeniser.to(device())),
    )  # fmt: skip
    if args.resume:
        begin_with(learner, args.resume)
    if not rank:
        count = sum(p.numel() for p in learner.model.parameters()) / 1e6
        rows = sum(len(r.tokens) for r in sequences.rows)
        print(f"{count:.2f} M parameters, {len(material.grooves)} grooves, {rows} rows", flush=True)
    train(learner, Length(args.minutes, args.steps), args.out, telling("generator", args.out))


def prepared(args: argparse.Namespace, rank: int) -> tuple[Tokeniser, Material]:
    """Tokeniser and material on the processor; the first process fills the cache, the others wait."""
    with torch.device("cpu"):
        tokeniser = load_tokeniser(args.tokeniser)
        if rank:
            wait_for_all()
        material = read_material(tokeniser, args.songs, args.cache)
        if not rank:
            wait_for_all()
    return tokeniser, material


def begin_with(learner: GeneratorLearner, path: Path) -> None:
    """The latest weights of another training, averaged anew."""
    latest = checkpoint.load(path)["latest"]
    learner.model.load_state_dict(latest)
    for name, value in learner.average.items():
        value.copy_(latest[name])


if __name__ == "__main__":
    main()
