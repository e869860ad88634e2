"""Train the tokeniser on the shipped set; run again, it goes on from ``--out``.

CORYBANT_DATA=../data python -m realtime_models.training.train_tokeniser --minutes 25 --out runs/tokeniser.pt

On motion of your own: ``realtime_models.training.own.train``.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from engine.errors import ConfigError
from realtime_models.features import CONTACTS, VELOCITY, YAW_RATE
from realtime_models.spec import ModelSpec
from realtime_models.tokens import Tokeniser
from realtime_models.training.bank import RICH, Entry, build_bank
from realtime_models.training.data import read_clips
from realtime_models.training.kinematics import joints_in_heading, joints_in_world
from realtime_models.training.loop import Length, device, half_precision, join_processes, rate_at, telling, train
from realtime_models.training.trainer import share_gradients

WINDOW = 64


def normaliser(bank: list[Entry]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of each feature; numbers that hardly move are not blown up, the root counts double.

    One entry at a time: a bank may be larger than the memory.
    """
    count, total, squares = 0, 0.0, 0.0
    for entry in bank:
        rows = entry.features.astype(np.float64)
        count, total, squares = count + len(rows), total + rows.sum(0), squares + np.square(rows).sum(0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    scale = np.maximum(deviation, 0.05)
    scale[YAW_RATE], scale[VELOCITY] = max(deviation[YAW_RATE], 0.01), np.maximum(deviation[VELOCITY], 0.004)
    scale[3] = 0.08
    mean[list(CONTACTS)], scale[list(CONTACTS)] = 0.5, 0.5
    return mean.astype(np.float32), scale.astype(np.float32)


def longest_run(valid: np.ndarray) -> int:
    """Length of the longest stretch of good frames of (F,) booleans."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], valid, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


class Windows:
    """Random windows of the bank, dance more often, never across a bad frame."""

    def __init__(self, bank: list[Entry], length: int, seed: int):
        """Raises ConfigError when no entry has ``length`` good frames in a row."""
        self.length, self.rng = length, np.random.default_rng(seed)
        self.bank = [e for e in bank if longest_run(e.valid) >= length]
        if not self.bank:
            raise ConfigError(f"no clip has {length} good frames in a row: longer or cleaner recordings are needed")
        weight = np.array([e.weight * (len(e.features) - length + 1) for e in self.bank])
        self.odds = weight / weight.sum()

    def draw(self, count: int) -> torch.Tensor:
        """(count, length, 126)."""
        out = []
        while len(out) < count:
            entry = self.bank[self.rng.choice(len(self.bank), p=self.odds)]
            start = self.rng.integers(len(entry.features) - self.length + 1)
            if entry.valid[start : start + self.length].all():
                out.append(entry.features[start : start + self.length])
        return torch.from_numpy(np.stack(out))


def losses(model: Tokeniser, target: torch.Tensor, made: torch.Tensor) -> dict[str, torch.Tensor]:
    """Feature, joint position, velocity, acceleration, excess of jerk and contact terms; weights balance metres."""
    body_t, body_m = joints_in_heading(target), joints_in_heading(made)
    world_t, world_m = joints_in_world(target), joints_in_world(made)
    still = target[..., CONTACTS]
    feet = (world_m[:, 1:, [10, 11]] - world_m[:, :-1, [10, 11]]).square().sum(-1)
    bend_t, bend_m = body_t.diff(n=2, dim=1), body_m.diff(n=2, dim=1)
    more = bend_m.diff(dim=1).norm(dim=-1) - bend_t.diff(dim=1).norm(dim=-1)
    return {
        "feature": functional.smooth_l1_loss(made / model.scale, target / model.scale, beta=0.5),
        "position": 12.0 * (body_m - body_t).norm(dim=-1).mean(),
        "path": 0.7 * (world_m[..., 0, :] - world_t[..., 0, :]).norm(dim=-1).mean(),
        "velocity": 25.0
        * ((world_m[:, 1:] - world_m[:, :-1]) - (world_t[:, 1:] - world_t[:, :-1])).norm(dim=-1).mean(),
        "bend": 25.0 * (bend_m - bend_t).norm(dim=-1).mean(),
        "jerk": 15.0 * functional.relu(more).mean(),  # shaking is seen long before it is measured in millimetres
        "contact": 200.0 * (feet * still[:, 1:] * still[:, :-1]).mean(),
    }


@torch.no_grad()
def score(model: Tokeniser, batch: torch.Tensor) -> dict[str, float]:
    """Mean joint error [mm] with all tokens and with the first only, and how evenly the codes are used."""
    model.eval()
    full, indices = model(batch)
    coarse, _ = model(batch, torch.zeros(len(batch), 1, 1, 1))
    truth = joints_in_heading(batch)
    counts = torch.bincount(indices.flatten(), minlength=model.spec.codes).float()
    p = counts / counts.sum()
    model.train()
    skip = slice(16, None)
    return {
        "mm": 1000 * (joints_in_heading(full) - truth)[:, skip].norm(dim=-1).mean().item(),
        "mm_first_token": 1000 * (joints_in_heading(coarse) - truth)[:, skip].norm(dim=-1).mean().item(),
        "perplexity": float(torch.exp(-(p * torch.log(p + 1e-12)).sum())),
    }


class TokeniserLearner:
    """A tokeniser in training: what the loop asks for. Averaged weights ship."""

    def __init__(self, spec: ModelSpec, windows: Windows, held: torch.Tensor | None, *, batch: int, rate: float):
        """``held`` (N, F, 126) is scored on, where there is any; the normaliser comes from the windows' bank."""
        self.windows, self.held, self.batch, self.rate = windows, held, batch, rate
        self.spec_json = spec.to_json()
        self.model = Tokeniser(spec).to(device())
        mean, scale = normaliser(windows.bank)
        self.model.mean.copy_(torch.from_numpy(mean))
        self.model.scale.copy_(torch.from_numpy(scale))
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=1e-4)
        self.generators = (windows.rng,)

    def step(self, done: float, step: int) -> dict[str, float]:
        """One update on windows drawn at random, the refining tokens left out now and then."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(done, step, self.rate, warm_steps=100, least=1e-5)
        batch = self.windows.draw(self.batch).to(device())
        keep = (torch.rand(self.batch, 1, 1, 1) > 0.2).float().to(device())
        with half_precision():  # four times the speed on processors that have it
            made, _ = self.model(batch, keep)
        parts = losses(self.model, batch, made.float())
        self.optimiser.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        share_gradients(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                self.average[name].lerp_(value, 1 - min(0.998, (step + 1) / (step + 10)))
        return {name: value.item() for name, value in parts.items()}

    def validate(self) -> dict[str, float]:
        """Joint error and use of the codes on ``held``, with the averaged weights."""
        if self.held is None:
            return {}
        latest = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        told = score(self.model, self.held.to(device()))
        self.model.load_state_dict(latest)
        return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder for the prepared bank, to start faster the next time")
    args = parser.parse_args()
    rank, _ = join_processes(args.threads)
    torch.manual_seed(args.seed + 1000 * rank)
    bank = build_bank(read_clips(), variety=RICH, folder=args.cache)
    held = Windows(build_bank(read_clips(splits=("val", "test")), speeds=(1.0,)), WINDOW, 0).draw(64)
    windows = Windows(bank, WINDOW, args.seed + 1000 * rank)
    learner = TokeniserLearner(ModelSpec(), windows, held, batch=args.batch, rate=1e-3)
    size, frames = sum(p.numel() for p in learner.model.parameters()) / 1e6, sum(len(e.features) for e in bank)
    print(f"{size:.2f} M parameters, {frames} frames", flush=True)
    train(learner, Length(args.minutes, args.steps), args.out, telling("tokeniser", args.out))


if __name__ == "__main__":
    main()
