"""Train the ear's network on rendered and real music with true beats.

    python -m realtime_models.training.ear.train --pack DIR --out ear.pt [--minutes 60] [--resume ear.pt]

Every piece is heard in random stretches, louder and softer, faster and slower, higher and lower, coloured and masked.
New pieces that appear in the folder while it trains are taken in at the next round. ``torchrun --nproc-per-node N``
trains on N processes.
"""

import argparse
import os
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.nn import functional as F

from realtime_models.ear import FRAME_HEADS, EarNet, EarSpec
from realtime_models.training.ear.grow import grown
from realtime_models.training.ear.pieces import KINDS, Piece, Stretch, read_pieces, stretch

SECONDS, WARM_S = 24.0, 2.0  #: length of a stretch; its beginning, which has no past, does not count
LOOK_WEIGHTS = (1.0, 1.0)  #: of the losses of beat and downbeat
FRAME_WEIGHTS = dict.fromkeys(FRAME_HEADS, 0.1) | {"pulse": 0.2, "drop": 0.2}
KIND_WEIGHT, TEMPO_WEIGHT = 0.05, 0.08
POSITIVE = 1.5  #: how much more a missed beat costs than an invented one; at 1 an activation is a probability


def batch_of(pieces: list[Piece], count: int, rng: np.random.Generator) -> Stretch:
    """``count`` random stretches, stacked."""
    picks = [stretch(pieces[rng.integers(len(pieces))], SECONDS, rng) for _ in range(count)]
    return Stretch(*(np.stack(part) for part in zip(*picks, strict=True)))


def loss_of(model: EarNet, batch: Stretch) -> tuple[torch.Tensor, dict[str, float]]:
    """The weighted sum of cross entropies and its parts."""
    spectra = torch.from_numpy(batch.spectra)
    looks, frames, embedding, tempo, _ = model(spectra, model.start(len(spectra)))
    warm = int(WARM_S * 60)
    goal, told = torch.from_numpy(batch.looks)[:, warm:], looks.float()[:, warm:]
    known, weight = (goal >= 0).float(), torch.tensor(POSITIVE)
    entropy = F.binary_cross_entropy_with_logits(told, goal.clamp(0, 1), reduction="none", pos_weight=weight) * known
    entropy = entropy.sum((0, 1)) / known.sum((0, 1)).clamp(min=1)
    parts = {"beat": entropy[0], "downbeat": entropy[1]}
    total = sum(w * part for w, part in zip(LOOK_WEIGHTS, parts.values(), strict=True))
    goal, told = torch.from_numpy(batch.frames)[:, warm // 2 :], frames.float()[:, warm // 2 :]
    known = (goal >= 0).float()
    entropy = F.binary_cross_entropy_with_logits(told, goal.clamp(0, 1), reduction="none") * known
    entropy = entropy.sum((0, 1)) / known.sum((0, 1)).clamp(min=1)
    for name, part in zip(FRAME_HEADS, entropy, strict=True):
        parts[name] = part
        total = total + FRAME_WEIGHTS[name] * part
    goal, told = torch.from_numpy(batch.tempo)[:, warm // 2 :], tempo.float()[:, warm // 2 :]
    parts["tempo"] = -(goal * F.log_softmax(told, -1)).sum() / goal.sum().clamp(min=1)
    total = total + TEMPO_WEIGHT * parts["tempo"]
    kind = torch.from_numpy(batch.kind)
    told = model.say_kind(embedding.float().mean(1))
    parts["kind"] = F.cross_entropy(told, kind, ignore_index=-1) if (kind >= 0).any() else told.sum() * 0
    total = total + KIND_WEIGHT * parts["kind"]
    return total, {name: float(part.detach()) for name, part in parts.items()}


def share_gradients(model: EarNet) -> None:
    """Mean gradient over all processes."""
    if dist.is_initialized():
        for parameter in model.parameters():
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()


def save(path: Path, spec: EarSpec, average: dict, model: EarNet, step: int) -> None:
    """Averaged weights (they ship) and the latest (training goes on from them); never half a file."""
    state = {"spec": asdict(spec), "model": average, "latest": model.state_dict(), "step": step}
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def validate(model: EarNet, average: dict, held: list[Stretch]) -> dict[str, float]:
    """Losses of the averaged weights on stretches that never change."""
    kept = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(average)
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        told = [loss_of(model, batch)[1] for batch in held]
    model.train()
    model.load_state_dict(kept)
    return {name: float(np.mean([t[name] for t in told])) for name in told[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", type=Path)
    args = parser.parse_args()
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")
        args.seed += 1000 * dist.get_rank()
    first = not dist.is_initialized() or dist.get_rank() == 0
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    spec = EarSpec(kinds=KINDS)
    model = EarNet(spec)
    begun = 0
    if args.resume:
        stored = torch.load(args.resume, weights_only=True)
        grown(model, stored["latest"])
        begun = stored["step"]
    average = {k: v.clone() for k, v in model.state_dict().items()}
    if dist.is_initialized():
        for parameter in model.parameters():
            dist.broadcast(parameter.data, 0)
    optimiser = torch.optim.AdamW(model.parameters(), args.rate, weight_decay=0.01)
    pieces: dict[str, Piece] = {}
    read_pieces(args.pack, pieces)
    still = np.random.default_rng(0)
    held = [batch_of([p for p in pieces.values() if p.held], 12, still) for _ in range(6)]
    start, step, running, refreshed = time.monotonic(), 0, {}, time.monotonic()
    known = [p for p in pieces.values() if not p.held]
    while True:
        done = torch.tensor((time.monotonic() - start) / 60 / args.minutes)
        if dist.is_initialized():
            dist.broadcast(done, 0)
        done = float(done)
        if done >= 1:
            break
        rate = args.rate * min(1, (step + 1) / 200) * (0.5 + 0.5 * np.cos(np.pi * done)) + 1e-5
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, told = loss_of(model, batch_of(known, args.batch, rng))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        share_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        keep = min(0.998, (step + 1) / (step + 10))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1 - keep)
        running = {k: 0.98 * running.get(k, v) + 0.02 * v for k, v in told.items()}
        step += 1
        if first and step % 100 == 0:
            words = " ".join(f"{k} {v:.3f}" for k, v in running.items())
            print(
                f"{done:5.0%} step {begun + step} {(time.monotonic() - start) / step:.2f} s/step  {words}", flush=True
            )
        if first and step % 400 == 0:
            words = " ".join(f"{k} {v:.3f}" for k, v in validate(model, average, held).items())
            print(f"      held: {words}", flush=True)
            save(args.out, spec, average, model, begun + step)
        if time.monotonic() - refreshed > 300:
            read_pieces(args.pack, pieces)
            known, refreshed = [p for p in pieces.values() if not p.held], time.monotonic()
            print(f"      {len(known)} pieces, {sum(p.seconds for p in known) / 3600:.1f} h", flush=True)
    if first:
        save(args.out, spec, average, model, begun + step)


if __name__ == "__main__":
    main()
