"""Train the tokeniser.

CORYBANT_DATA=../data python -m realtime_models.training.train_tokeniser --minutes 25 --out runs/tokeniser.pt
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from realtime_models.features import CONTACTS, VELOCITY, YAW_RATE
from realtime_models.spec import ModelSpec
from realtime_models.tokens import Tokeniser
from realtime_models.training.bank import Entry, build_bank
from realtime_models.training.data import read_clips
from realtime_models.training.kinematics import joints_in_heading, joints_in_world

WINDOW = 64


def normaliser(bank: list[Entry]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of each feature; numbers that hardly move are not blown up, the root counts double."""
    rows = np.concatenate([e.features for e in bank])
    mean, scale = rows.mean(0), np.maximum(rows.std(0), 0.05)
    scale[YAW_RATE], scale[VELOCITY] = max(rows[:, 0].std(), 0.01), np.maximum(rows[:, VELOCITY].std(), 0.004)
    scale[3] = 0.08
    mean[list(CONTACTS)], scale[list(CONTACTS)] = 0.5, 0.5
    return mean, scale


class Windows:
    """Random windows of the bank, dance more often, never across a bad frame."""

    def __init__(self, bank: list[Entry], length: int, seed: int):
        self.bank, self.length, self.rng = (
            [e for e in bank if len(e.features) >= length],
            length,
            np.random.default_rng(seed),
        )
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
    """Feature, joint position, velocity and contact terms; weights balance terms in metres."""
    body_t, body_m = joints_in_heading(target), joints_in_heading(made)
    world_t, world_m = joints_in_world(target), joints_in_world(made)
    still = target[..., CONTACTS]
    feet = (world_m[:, 1:, [10, 11]] - world_m[:, :-1, [10, 11]]).square().sum(-1)
    return {
        "feature": functional.smooth_l1_loss(made / model.scale, target / model.scale, beta=0.5),
        "position": 12.0 * (body_m - body_t).norm(dim=-1).mean(),
        "path": 0.7 * (world_m[..., 0, :] - world_t[..., 0, :]).norm(dim=-1).mean(),
        "velocity": 25.0
        * ((world_m[:, 1:] - world_m[:, :-1]) - (world_t[:, 1:] - world_t[:, :-1])).norm(dim=-1).mean(),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    bank = build_bank(read_clips())
    held = Windows(build_bank(read_clips(splits=("val", "test")), speeds=(1.0,)), WINDOW, 0).draw(64)
    windows = Windows(bank, WINDOW, args.seed)
    model = Tokeniser(ModelSpec())
    mean, scale = normaliser(bank)
    model.mean.copy_(torch.from_numpy(mean))
    model.scale.copy_(torch.from_numpy(scale))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=1e-4)
    size, frames = sum(p.numel() for p in model.parameters()) / 1e6, sum(len(e.features) for e in bank)
    print(f"{size:.2f} M parameters, {frames} frames", flush=True)
    start, step, running = time.monotonic(), 0, {}
    while (done := (time.monotonic() - start) / 60 / args.minutes) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * done)) + 1e-5
        batch = windows.draw(args.batch)
        keep = (torch.rand(args.batch, 1, 1, 1) > 0.2).float()
        with torch.autocast("cpu", dtype=torch.bfloat16):  # four times the speed on processors that have it
            made, _ = model(batch, keep)
        made = made.float()
        parts = losses(model, batch, made)
        optimiser.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        running = {k: 0.98 * running.get(k, v.item()) + 0.02 * v.item() for k, v in parts.items()}
        step += 1
        if step % 100 == 0:
            told = " ".join(f"{k} {v:.3f}" for k, v in (running | score(model, held)).items())
            print(f"{done:5.0%} step {step} {(time.monotonic() - start) / step:.2f} s/step  {told}", flush=True)
            torch.save({"spec": model.spec.to_json(), "model": model.state_dict(), "step": step}, args.out)
    torch.save({"spec": model.spec.to_json(), "model": model.state_dict(), "step": step}, args.out)
    print("final", step, score(model, held), flush=True)


if __name__ == "__main__":
    main()
