"""One generator in training: masked tokens, its own output, the update. Data and loop are ``train_generator``'s.

What the loss is made of beside cross entropy, and what is masked, is the specification's to say.
"""

from pathlib import Path

import torch
from torch import distributed as dist

from engine import condition as layout
from engine.errors import ConfigError
from realtime_models.network import Generator, digit_table
from realtime_models.spec import ModelSpec
from realtime_models.tokens import Quantiser, Tokeniser
from realtime_models.training import masking, physics
from realtime_models.training.contrast import contrast
from realtime_models.training.refine import Window, refine
from realtime_models.training.rows import Batch

DROPPED = 0.12  #: share of windows that are told nothing of the music, which guidance sets beside what they do with it


def soft_targets(spec: ModelSpec, spread: float = 0.35) -> torch.Tensor:
    """(codes, codes) target distributions: a little of the mass goes to codes one digit step away."""
    digits = digit_table(spec.levels).float()
    away = (digits[:, None] - digits[None]).abs().sum(-1)
    near = torch.exp(-away / spread) * (away <= 2)
    return near / near.sum(-1, keepdim=True)


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


def windows(
    spec: ModelSpec, codes: torch.Tensor, hidden: torch.Tensor, batch: Batch, at: torch.Tensor
) -> tuple[Window, torch.Tensor]:
    """Windows that begin after row ``at`` (B, P), B P of them, and their rows (B, P, W); ``hidden`` (B, T, C)."""
    b = torch.arange(len(codes))[:, None]
    before = torch.stack([codes[b, at - 1], codes[b, at]], 2)
    rows = at[..., None] + 1 + torch.arange(spec.plan_rows)
    condition = batch.ahead[b, at + 1]  # as the show knows it when the window's first row is committed
    style = batch.style[:, None].expand_as(at)
    past = heard(spec, batch.condition, at).flatten(0, 1) if spec.hears_past else None
    strength = torch.ones(at.numel()) if spec.told_strength else None
    window = Window(
        hidden[b, at].flatten(0, 1), before.flatten(0, 1), condition.flatten(0, 1), style.flatten(), past, strength
    )
    return window, rows


def heard(spec: ModelSpec, condition: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """(B, P, heard_rows, N) of (B, T, N) up to rows ``at`` (B, P); nothing is known from before the sequence."""
    rows = at[..., None] - torch.arange(spec.heard_rows - 1, -1, -1)
    told = condition[torch.arange(len(at))[:, None, None], rows.clamp(min=0)]
    return told.masked_fill((rows < 0)[..., None], 0.0)


class Trainer:
    """One generator in training: what a step needs and nothing else."""

    def __init__(self, spec: ModelSpec, *, positions: int, seed: int, tokeniser: Tokeniser | None = None):
        """``tokeniser``: whose decoder the physical losses run through. ConfigError where they need one."""
        if spec.physics > 0 and tokeniser is None:
            raise ConfigError(f"physical losses (physics {spec.physics:g}) need the tokeniser whose decoder they use")
        self.spec, self.positions = spec, positions
        self.body = physics.Body(spec, tokeniser) if spec.physics > 0 else None
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

    def masks(self, window: Window, codes: torch.Tensor) -> torch.Tensor:
        """(count, W, G) 1 = to be guessed, of windows whose true codes are given; see ``masking``."""
        spec, count = self.spec, len(codes)
        if spec.masking == "rows-first":
            rest = masking.rows_first(spec, count, self.random)
        else:
            rest = masking.single_tokens(spec, count, self.random)
        if spec.masking == "attended" and self.uniform(1).item() < masking.ATTENDED_STEPS:
            with torch.no_grad():
                nothing = torch.zeros(codes.shape[:3])
                told = window.history, window.before, codes, nothing, window.condition, window.style, window.heard
                rest = masking.attended(spec, self.model.plan.read(*told, window.strength)[1])
        return masking.some_kind(spec, rest, self.random)

    def windows(
        self, codes: torch.Tensor, hidden: torch.Tensor, batch: Batch, at: torch.Tensor
    ) -> tuple[Window, torch.Tensor]:
        """``windows`` for this network."""
        return windows(self.spec, codes, hidden, batch, at)

    def own_output(self, codes: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The history with some rows replaced by what the model makes there (parallel scheduled sampling)."""
        with torch.no_grad():
            self.model.eval()
            at = torch.randint(2, codes.shape[1] - self.spec.plan_rows, (len(codes), 3), generator=self.random)
            hidden = self.model.history(codes, batch.condition, batch.style)
            window, rows = self.windows(codes, hidden, batch, at)
            tokens = refine(self.model, self.quantiser, window, steps=2, random=self.random)
            made = self.quantiser.codes(tokens).unflatten(0, at.shape)
            self.model.train()
        codes = codes.clone()
        codes[torch.arange(len(codes))[:, None, None], rows] = made
        return codes

    def loss(self, batch: Batch, *, own: bool) -> tuple[torch.Tensor, dict[str, float]]:
        """Cross entropy of masked tokens at random positions, and what else the specification asks for."""
        true = self.quantiser.codes(batch.tokens)
        codes = self.disturb(self.own_output(true, batch) if own else true)
        hidden = self.model.history(codes, batch.condition, batch.style)
        at = torch.randint(1, codes.shape[1] - self.spec.plan_rows, (len(codes), self.positions), generator=self.random)
        window, rows = self.windows(codes, hidden, batch, at)
        drop = self.uniform(len(window.style)) < DROPPED
        window = window.without(layout.music_columns(self.spec.condition), drop)
        b = torch.arange(len(codes))[:, None, None]
        goal = batch.tokens[b, rows].flatten(0, 1)
        goal_codes = true[b, rows].flatten(0, 1)
        masked = self.masks(window, goal_codes)
        out = window.see(self.model, goal_codes, masked)
        told_first = goal_codes[..., : len(self.spec.levels)]
        coarse = self.model.plan.coarse_logits(out).float()[masked].log_softmax(-1)
        fine = self.model.plan.fine_logits(out, told_first).float()[masked].log_softmax(-1)
        wanted = goal[masked]
        first = -(self.targets[wanted[:, 0]] * coarse).sum(-1).mean()
        second = -(self.targets[wanted[:, 1]] * fine).sum(-1).mean()
        hit = (coarse.argmax(-1) == wanted[:, 0]).float().mean().item()
        total, told = first + 0.5 * second, {"coarse": first.item(), "fine": second.item(), "hit": hit}
        if self.body:
            terms = self.body.loss(self.guess(codes, at, goal_codes, masked, out))
            total = total + self.spec.physics * sum(terms.values())
            told |= {name: term.item() for name, term in terms.items()}
        if self.spec.ear_to_body > 0:
            apart, found = contrast(self.model, true, batch.condition, at)
            total = total + self.spec.ear_to_body * apart
            told |= {"contrast": apart.item(), "contrast_hit": found}
        return total, told

    def guess(
        self, codes: torch.Tensor, at: torch.Tensor, true: torch.Tensor, masked: torch.Tensor, out: torch.Tensor
    ) -> physics.Guess:
        """Some of the windows (the first positions of every sequence) with all their logits."""
        each = max(1, physics.MOST // len(at))
        rows = (at[:, :each, None] - torch.arange(self.spec.decoder_rows - 1, -1, -1)).clamp(min=0)
        context = codes[torch.arange(len(at))[:, None, None], rows].flatten(0, 1)

        def some(x: torch.Tensor) -> torch.Tensor:
            return x.unflatten(0, at.shape)[:, :each].flatten(0, 1)

        hidden, true = some(out), some(true)
        plan, dims = self.model.plan, len(self.spec.levels)
        coarse, fine = plan.coarse_logits(hidden), plan.fine_logits(hidden, true[..., :dims])
        return physics.Guess(context, true, some(masked), coarse, fine)

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
