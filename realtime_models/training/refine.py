"""Masked refinement of a window in torch, for batches: the same procedure that the show runs one window at a time."""

import torch

from realtime_models.network import Generator
from realtime_models.tokens import Quantiser


def draw(logits: torch.Tensor, temperature: float, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Sampled index and its log probability (Gumbel noise)."""
    noise = -torch.log(-torch.log(torch.rand(logits.shape, generator=random).clamp(1e-9, 1 - 1e-7)))
    chosen = (logits / temperature + noise).argmax(-1) if temperature > 0 else logits.argmax(-1)
    return chosen, logits.log_softmax(-1).gather(-1, chosen[..., None])[..., 0]


def refine(
    model: Generator, quantiser: Quantiser, history: torch.Tensor, before: torch.Tensor, condition: torch.Tensor,
    style: torch.Tensor, *, steps: int, random: torch.Generator, temperature: float = 0.9, follow: float = 1.0,
    silent: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    """Tokens (B, W, G, S) of fully masked windows in ``steps`` rounds, near rows first; ``silent`` is the condition
    without music.
    """
    spec = model.spec
    count, window, groups, dims = len(history), spec.plan_rows, spec.groups, len(spec.levels)
    tokens = torch.zeros(count, window, groups, spec.stages, dtype=torch.long)
    masked = torch.ones(count, window, groups, dtype=torch.bool)
    nearness = 1.5 * torch.arange(window, 0, -1)[None, :, None]
    for turn in range(steps):
        codes = quantiser.codes(tokens)
        hidden = model.plan(history, before, codes, masked.float(), condition, style).float()
        logits = model.plan.coarse_logits(hidden).float()
        if silent is not None and follow != 1.0:
            free = model.plan(history, before, codes, masked.float(), silent, style).float()
            logits = torch.lerp(model.plan.coarse_logits(free).float(), logits, follow)
        first, score = draw(logits, temperature, random)
        second, _ = draw(
            model.plan.fine_logits(hidden, quantiser.codes(torch.stack([first, first], -1))[..., :dims]).float(),
            temperature,
            random,
        )
        tokens = torch.where(masked[..., None], torch.stack([first, second], -1), tokens)
        left = int(round(window * groups * float(torch.cos(torch.tensor((turn + 1) / steps * torch.pi / 2)))))
        if left == 0 or turn == steps - 1:
            break
        rank = torch.where(masked, score + nearness, torch.inf).flatten(1)
        worst = rank.topk(left, largest=False).indices
        masked = torch.zeros_like(rank, dtype=torch.bool).scatter(1, worst, True).unflatten(1, (window, groups))
    return tokens
