"""Masked refinement of a window in torch, for batches: the same procedure that the show runs one window at a time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from realtime_models.network import Generator
from realtime_models.tokens import Quantiser

NEARNESS = 1.5  #: log probability that a row is better off for every row that it is nearer


@dataclass(frozen=True)
class Window:
    """What a plan network is told of B windows, beside their tokens."""

    history: torch.Tensor  #: (B, C)
    before: torch.Tensor  #: (B, 2, G, S D)
    condition: torch.Tensor  #: (B, W, N)
    style: torch.Tensor  #: (B,)
    heard: torch.Tensor | None = None  #: (B, heard_rows, N); None for a model that hears no past
    strength: torch.Tensor | None = None  #: (B,); None for a model that is not told

    def without(self, columns: Sequence[int] | np.ndarray, which: torch.Tensor | None = None) -> "Window":
        """The same with these columns of every condition at 0; of the windows ``which`` (B,) bool, where given."""
        which = torch.ones(len(self.style), dtype=torch.bool) if which is None else which
        dropped = torch.zeros(self.condition.shape[-1], dtype=torch.bool)
        dropped[torch.as_tensor(columns)] = True
        dropped = which[:, None, None] & dropped
        heard = None if self.heard is None else self.heard.masked_fill(dropped, 0.0)
        return replace(self, condition=self.condition.masked_fill(dropped, 0.0), heard=heard)

    def of_strength(self, strength: torch.Tensor) -> "Window":
        """The same, told how hard the music pushes (B,)."""
        return replace(self, strength=strength)

    def see(self, model: Generator, codes: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
        """Hidden (B, W, G, C) of the tokens' codes (B, W, G, S D) with ``masked`` (B, W, G) unknown."""
        told = self.history, self.before, codes, masked.float(), self.condition, self.style, self.heard, self.strength
        return model.plan(*told)


@dataclass(frozen=True)
class Round:
    """One round of a refinement: what was known, and what was said of the rest."""

    tokens: torch.Tensor  #: (B, W, G, S) as they stood before it
    masked: torch.Tensor  #: (B, W, G) bool, before it
    hidden: torch.Tensor  #: (B, W, G, C)
    logits: torch.Tensor  #: (B, W, G, codes) of the first token
    first: torch.Tensor  #: (B, W, G) drawn from them


def draw(logits: torch.Tensor, temperature: float, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Sampled index and its log probability (Gumbel noise)."""
    noise = -torch.log(-torch.log(torch.rand(logits.shape, generator=random).clamp(1e-9, 1 - 1e-7)))
    chosen = (logits / temperature + noise).argmax(-1) if temperature > 0 else logits.argmax(-1)
    return chosen, logits.log_softmax(-1).gather(-1, chosen[..., None])[..., 0]


def pushed(
    model: Generator, window: Window, silent: Window | None, follow: float | torch.Tensor, codes: torch.Tensor,
    masked: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Hidden and first-token logits, those of ``silent`` plus ``follow`` (one number or (B,)) times the way to these.

    ``silent`` None: no push.
    """
    hidden = window.see(model, codes, masked).float()
    logits = model.plan.coarse_logits(hidden).float()
    if silent is not None:
        free = model.plan.coarse_logits(silent.see(model, codes, masked).float()).float()
        by = follow[:, None, None, None] if isinstance(follow, torch.Tensor) else follow
        logits = free + by * (logits - free)
    return hidden, logits


def fine_of(model: Generator, quantiser: Quantiser, hidden: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """Logits (B, W, G, codes) of the refining token after the first (B, W, G)."""
    told = quantiser.codes(torch.stack([first, first], -1))[..., : len(model.spec.levels)]
    return model.plan.fine_logits(hidden, told).float()


def left_masked(total: int, turn: int, steps: int) -> int:
    """How many of ``total`` tokens stay masked after round ``turn``."""
    return 0 if turn == steps - 1 else round(total * math.cos((turn + 1) / steps * math.pi / 2))


def refine(
    model: Generator, quantiser: Quantiser, window: Window, *, steps: int, random: torch.Generator,
    temperature: float = 0.9, follow: float | torch.Tensor = 1.0, silent: Window | None = None,
    visit: Callable[[Round], None] | None = None,
) -> torch.Tensor:  # fmt: skip
    """Tokens (B, W, G, S) of fully masked windows in ``steps`` rounds, near rows first; ``silent`` is the window
    without music, ``visit`` is shown every round.
    """
    spec = model.spec
    count, rows, groups = len(window.history), spec.plan_rows, spec.groups
    tokens = torch.zeros(count, rows, groups, spec.stages, dtype=torch.long)
    masked = torch.ones(count, rows, groups, dtype=torch.bool)
    near = NEARNESS * torch.arange(rows, 0, -1)[None, :, None]
    for turn in range(steps):
        hidden, logits = pushed(model, window, silent, follow, quantiser.codes(tokens), masked)
        first, score = draw(logits, temperature, random)
        if visit:
            visit(Round(tokens, masked, hidden, logits, first))
        second, _ = draw(fine_of(model, quantiser, hidden, first), temperature, random)
        tokens = torch.where(masked[..., None], torch.stack([first, second], -1), tokens)
        left = left_masked(rows * groups, turn, steps)
        if left == 0:
            break
        rank = torch.where(masked, score + near, torch.inf).flatten(1)
        worst = rank.topk(left, largest=False).indices
        masked = torch.zeros_like(rank, dtype=torch.bool).scatter(1, worst, True).unflatten(1, (rows, groups))
    return tokens
