"""Train the generator on tokens of a trained tokeniser, part of the time on its own output.

    CORYBANT_DATA=../data python -m realtime_models.training.train_generator --tokeniser runs/tokeniser.pt \\
        --minutes 60 --out runs/generator.pt
"""

import argparse
import os
import pickle
import time
from pathlib import Path

import numpy as np
import torch
from torch import distributed as dist

from realtime_models.spec import ModelSpec
from realtime_models.tokens import Tokeniser
from realtime_models.training.bank import build_bank
from realtime_models.training.data import read_clips
from realtime_models.training.grooves import read_grooves
from realtime_models.training.rows import Sequences, tokenise_bank
from realtime_models.training.trainer import Trainer


def load_tokeniser(path: Path) -> Tokeniser:
    """A trained tokeniser with its specification."""
    saved = torch.load(path, weights_only=True)
    model = Tokeniser(ModelSpec.from_json(saved["spec"]))
    model.load_state_dict(saved["model"])
    return model.eval()


def common(value: float) -> float:
    """The first process's value, so that all end and slow down together."""
    if not dist.is_initialized():
        return value
    told = torch.tensor([value])
    dist.broadcast(told, 0)
    return told.item()


def cached_bank(path: Path | None, splits: tuple[str, ...], tokeniser: Tokeniser, **options) -> tuple[list, list]:
    """Bank and token rows; kept in a file between runs where one is named (training data: never commit it)."""
    if path and path.exists():
        return pickle.loads(path.read_bytes())
    bank = build_bank(read_clips(splits=splits), **options)
    made = (bank, tokenise_bank(bank, tokeniser))
    if path:
        path.write_bytes(pickle.dumps(made))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokeniser", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rows", type=int, default=36)
    parser.add_argument("--positions", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder for the prepared bank, to start faster the next time")
    args = parser.parse_args()
    if "WORLD_SIZE" in os.environ:  # torchrun: one process a core or a GPU
        dist.init_process_group("gloo")
        args.seed += 1000 * dist.get_rank()
    first = not dist.is_initialized() or dist.get_rank() == 0
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    tokeniser = load_tokeniser(args.tokeniser)
    spec, grooves = tokeniser.spec, read_grooves()
    cache = args.cache and args.cache / "train.pkl", args.cache and args.cache / "held.pkl"
    sequences = Sequences(*cached_bank(cache[0], ("train",), tokeniser), grooves, spec, args.rows, args.seed)
    held_set = cached_bank(cache[1], ("val", "test"), tokeniser, speeds=(1.0,))
    held = Sequences(*held_set, grooves, spec, args.rows, 0).draw(32)
    trainer = Trainer(spec, positions=args.positions, seed=args.seed)
    if args.resume:
        trainer.model.load_state_dict(torch.load(args.resume, weights_only=True)["latest"])
        trainer.average = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    if dist.is_initialized():
        for parameter in trainer.model.parameters():
            dist.broadcast(parameter.data, 0)
    count = sum(p.numel() for p in trainer.model.parameters()) / 1e6
    print(
        f"{count:.2f} M parameters, {len(grooves)} grooves, {sum(len(r.tokens) for r in sequences.rows)} rows",
        flush=True,
    )
    start, step, running = time.monotonic(), 0, {}
    while (done := common((time.monotonic() - start) / 60 / args.minutes)) < 1:
        rate = args.rate * min(1, (step + 1) / 200) * (0.5 + 0.5 * np.cos(np.pi * done)) + 5e-6
        own = (done > 0.15 or args.resume is not None) and step % 2 == 0
        told = trainer.step(sequences.draw(args.batch), rate, own=own)
        running = {k: 0.98 * running.get(k, v) + 0.02 * v for k, v in told.items()}
        step += 1
        if first and step % 200 == 0:
            words = " ".join(f"{k} {v:.3f}" for k, v in (running | trainer.validate(held)).items())
            print(f"{done:5.0%} step {step} {(time.monotonic() - start) / step:.2f} s/step  {words}", flush=True)
            trainer.save(args.out, step)
    if first:
        trainer.save(args.out, step)


if __name__ == "__main__":
    main()
