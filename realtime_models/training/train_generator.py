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

from engine import condition as layout
from realtime_models.network import Generator, digit_table
from realtime_models.spec import ModelSpec
from realtime_models.tokens import Quantiser, Tokeniser
from realtime_models.training.bank import build_bank
from realtime_models.training.data import read_clips
from realtime_models.training.grooves import read_grooves
from realtime_models.training.refine import refine
from realtime_models.training.rows import Batch, Sequences, tokenise_bank


def soft_targets(spec: ModelSpec, spread: float = 0.35) -> torch.Tensor:
    """(codes, codes) target distributions: a little of the mass goes to codes one digit step away."""
    digits = digit_table(spec.levels).float()
    away = (digits[:, None] - digits[None]).abs().sum(-1)
    near = torch.exp(-away / spread) * (away <= 2)
    return near / near.sum(-1, keepdim=True)


def load_tokeniser(path: Path) -> Tokeniser:
    """A trained tokeniser with its specification."""
    saved = torch.load(path, weights_only=True)
    model = Tokeniser(ModelSpec.from_json(saved["spec"]))
    model.load_state_dict(saved["model"])
    return model.eval()


def share_gradients(model: torch.nn.Module) -> None:
    """Mean of the gradients over all processes of a distributed run; nothing to do in a single one."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


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


class Trainer:
    """One generator in training: what a step needs and nothing else."""

    def __init__(self, spec: ModelSpec, *, positions: int, seed: int):
        self.spec, self.positions = spec, positions
        self.model = Generator(spec, dropout=0.1)
        self.average = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.quantiser = Quantiser(spec.levels, spec.stages)
        self.targets = soft_targets(spec)
        self.random = torch.Generator().manual_seed(seed)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=5e-4, betas=(0.9, 0.98), weight_decay=0.03)

    def uniform(self, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=self.random)

    def disturb(self, codes: torch.Tensor) -> torch.Tensor:
        """History as the show will have it: some tokens a step off."""
        half = torch.div(self.quantiser.levels, 2, rounding_mode="floor").repeat(self.spec.stages)
        rate = 0.15 * self.uniform(len(codes), 1, 1, 1)
        shift = torch.randint(-1, 2, codes.shape, generator=self.random) / half
        return (codes + shift * (self.uniform(*codes.shape) < rate)).clamp(-1, 1)

    def masks(self, count: int) -> torch.Tensor:
        """(count, W, G) 1 = to be guessed: everything, a random share, or the later rows and a share of the earlier."""
        w, g = self.spec.plan_rows, self.spec.groups
        share = torch.cos(self.uniform(count, 1, 1) * torch.pi / 2)
        mask = self.uniform(count, w, g) < share
        kind = self.uniform(count, 1, 1)
        row = torch.arange(w)[None, :, None]
        later = row >= torch.randint(0, w, (count, 1, 1), generator=self.random)
        mask = torch.where(kind < 0.3, torch.ones_like(mask), torch.where(kind < 0.6, mask | later, mask))
        mask[:, 0, 0] |= mask.sum((1, 2)) == 0
        return mask

    def windows(
        self, codes: torch.Tensor, hidden: torch.Tensor, batch: Batch, at: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """History, rows before, conditions and styles of windows that begin after row ``at`` (B, P)."""
        b = torch.arange(len(codes))[:, None]
        before = torch.stack([codes[b, at - 1], codes[b, at]], 2)
        rows = at[..., None] + 1 + torch.arange(self.spec.plan_rows)
        condition = batch.condition[b[..., None], rows].clone()
        condition[..., layout.BEAT.stop :] = condition[..., :1, layout.BEAT.stop :]
        style = batch.style[:, None].expand_as(at)
        return hidden[b, at].flatten(0, 1), before.flatten(0, 1), condition.flatten(0, 1), style.flatten(), rows

    def own_output(self, codes: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The history with some rows replaced by what the model makes there (parallel scheduled sampling)."""
        with torch.no_grad():
            self.model.eval()
            at = torch.randint(2, codes.shape[1] - self.spec.plan_rows, (len(codes), 3), generator=self.random)
            hidden = self.model.history(codes, batch.condition, batch.style)
            history, before, condition, style, rows = self.windows(codes, hidden, batch, at)
            tokens = refine(self.model, self.quantiser, history, before, condition, style, steps=2, random=self.random)
            made = self.quantiser.codes(tokens).unflatten(0, at.shape)
            self.model.train()
        codes = codes.clone()
        codes[torch.arange(len(codes))[:, None, None], rows] = made
        return codes

    def loss(self, batch: Batch, *, own: bool) -> tuple[torch.Tensor, dict[str, float]]:
        """Cross entropy of masked tokens at random positions."""
        true = self.quantiser.codes(batch.tokens)
        codes = self.disturb(self.own_output(true, batch) if own else true)
        hidden = self.model.history(codes, batch.condition, batch.style)
        at = torch.randint(1, codes.shape[1] - self.spec.plan_rows, (len(codes), self.positions), generator=self.random)
        history, before, condition, style, rows = self.windows(codes, hidden, batch, at)
        drop = (self.uniform(len(condition)) < 0.12)[:, None]
        condition[..., layout.MUSIC] = torch.where(drop[..., None], 0.0, condition[..., layout.MUSIC])
        b = torch.arange(len(codes))[:, None, None]
        goal = batch.tokens[b, rows].flatten(0, 1)
        goal_codes = true[b, rows].flatten(0, 1)
        masked = self.masks(len(goal))
        out = self.model.plan(history, before, goal_codes, masked.float(), condition, style)
        coarse = self.model.plan.coarse_logits(out).float()[masked].log_softmax(-1)
        fine = (
            self.model.plan.fine_logits(out, goal_codes[..., : len(self.spec.levels)]).float()[masked].log_softmax(-1)
        )
        wanted = goal[masked]
        first = -(self.targets[wanted[:, 0]] * coarse).sum(-1).mean()
        second = -(self.targets[wanted[:, 1]] * fine).sum(-1).mean()
        hit = (coarse.argmax(-1) == wanted[:, 0]).float().mean().item()
        return first + 0.5 * second, {"coarse": first.item(), "fine": second.item(), "hit": hit}

    def step(self, batch: Batch, rate: float, *, own: bool) -> dict[str, float]:
        """One update; the averaged weights follow."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, told = self.loss(batch, own=own)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        share_gradients(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                self.average[name].lerp_(value, 0.002) if value.is_floating_point() else self.average[name].copy_(value)
        return told

    def save(self, path: Path, step: int) -> None:
        """Averaged weights (they ship) and the latest (training goes on from them)."""
        state = {"spec": self.spec.to_json(), "model": self.average, "latest": self.model.state_dict(), "step": step}
        torch.save(state, path)

    def validate(self, batch: Batch) -> dict[str, float]:
        self.model.eval()
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            told = self.loss(batch, own=False)[1]
        self.model.train()
        return {f"val_{k}": v for k, v in told.items()}


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
