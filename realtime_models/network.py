"""The generator: a causal history of committed rows and a small two-way window of rows to come. One definition, two
ways to run.

``History`` reads one row at a time and remembers a bounded past (``forward`` for training, ``step`` with a cache for
the show; a test holds them equal). ``Plan`` sees the masked tokens of the next ``plan_rows`` rows all at once (time x
joint groups), the last two rows group by group, the history's summary and the condition of every row, and says what
the masked tokens are: masked generative refinement (Chang et al. 2022, MaskGIT; per-joint tokens as in MoGenTS)
inside a window that streams. What conditions a row is ``branches``', what attends to what is ``attention``'s; each kind
of either is a choice of ``ModelSpec``, and the first of the choices is the first network.
"""

from dataclasses import dataclass

import torch
from torch import nn

from realtime_models.attention import CLOSED, Block, ToCondition, attend_over, turns
from realtime_models.branches import HEARD, NAMES, Branches, CausalEncoder
from realtime_models.spec import ModelSpec

STRENGTH_SCALE = 4.0  #: guidance strengths are told in parts of this


def digit_table(levels: tuple[int, ...]) -> torch.Tensor:
    """(codes, D) digit of every code in every dimension."""
    codes = torch.arange(int(torch.tensor(levels).prod()))
    basis = torch.cumprod(torch.tensor((1, *levels[:-1])), 0)
    return torch.div(codes[:, None], basis, rounding_mode="floor") % torch.tensor(levels)


class History(nn.Module):
    """Causal transformer over rows; each layer looks back over ``history_rows`` rows, itself included."""

    def __init__(self, spec: ModelSpec, dropout: float):
        super().__init__()
        self.spec = spec
        size = spec.groups * spec.stages * len(spec.levels)
        self.enter = nn.Linear(size + spec.condition, spec.width)
        self.style = nn.Embedding(len(spec.styles), spec.width)
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads, dropout) for _ in range(spec.history_layers))
        self.distance = nn.Parameter(torch.zeros(spec.history_layers, spec.heads, spec.history_rows))
        self.norm = nn.LayerNorm(spec.width)

    def forward(self, codes: torch.Tensor, condition: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """codes (B, T, G, S * D), condition (B, T, N), style (B,) -> (B, T, C)."""
        x = self.enter(torch.cat([codes.flatten(2), condition], -1)) + self.style(style)[:, None]
        rows = torch.arange(x.shape[1])
        back = rows[:, None] - rows[None, :]
        seen = (back >= 0) & (back < self.spec.history_rows)
        index = back.clamp(0, self.spec.history_rows - 1)
        for block, distance in zip(self.blocks, self.distance, strict=True):
            x = block(x, torch.where(seen, distance[:, index], CLOSED))
        return self.norm(x)

    def step(
        self, codes: torch.Tensor, condition: torch.Tensor, style: torch.Tensor, past: torch.Tensor, age: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One row: codes (B, G, S * D), condition (B, N), past (L, B, K - 1, C), age (B,) rows seen before -> (B, C),
        new past.
        """
        x = (self.enter(torch.cat([codes.flatten(1), condition], -1)) + self.style(style))[:, None]
        back = torch.arange(self.spec.history_rows - 1, -1, -1)
        seen = back[None, :] <= age[:, None]
        kept = []
        for block, distance, before in zip(self.blocks, self.distance, past.unbind(0), strict=True):
            bias = torch.where(seen[:, None, None], distance.flip(-1)[None, :, None], CLOSED)
            x, after = block.step(x, before, bias)
            kept.append(after)
        return self.norm(x)[:, 0], torch.stack(kept)


@dataclass(frozen=True)
class Told:
    """What the plan is told, encoded. R = all rows that are told of, K = branches beside style."""

    branches: torch.Tensor  #: (B, R, K, C)
    style: torch.Tensor  #: (B, C)
    gates: torch.Tensor | None  #: (B, R, K + 1) 0 where a branch is missing; the last is the style's


@dataclass(frozen=True)
class Readings:
    """What may be read off a plan beside its result: scores before the softmax, one of each a layer."""

    gates: torch.Tensor | None  #: (B, W, K + 1) of the window's rows, in the order of ``branches.NAMES``
    time: tuple[torch.Tensor, ...]  #: (B, H, rows, G, M): every token to the music of every row
    space: tuple[torch.Tensor, ...]  #: (B, rows, H, G, K + 1): every group to every branch of its row


class Plan(nn.Module):
    """Masked tokens of the coming rows: (rows x groups) attend to one another, to the last two rows, to the history
    and to what conditions them.
    """

    BEFORE = 2  #: committed rows that the window sees group by group

    def __init__(self, spec: ModelSpec, dropout: float):
        super().__init__()
        self.spec = spec
        size, rows = spec.stages * len(spec.levels), spec.plan_rows + self.BEFORE
        self.enter = nn.Linear(size, spec.width)
        self.masked = nn.Parameter(torch.zeros(spec.width))
        self.place = nn.Parameter(torch.randn(rows, spec.groups, spec.width) * 0.02)
        if spec.branches == "gated":
            self.branches = Branches(spec)
        else:
            self.condition = nn.Sequential(
                nn.Linear(spec.condition, spec.width), nn.GELU(), nn.Linear(spec.width, spec.width)
            )
            self.style = nn.Embedding(len(spec.styles), spec.width)
        self.summary = nn.Linear(spec.width, spec.width)
        if spec.told_strength:
            self.strength = nn.Sequential(nn.Linear(1, spec.width), nn.GELU(), nn.Linear(spec.width, spec.width))
            nn.init.zeros_(self.strength[-1].weight)  # a student begins as the teacher that is told nothing of it
            nn.init.zeros_(self.strength[-1].bias)
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads, dropout) for _ in range(spec.plan_layers))
        self.turns = turns(spec.attention, spec.plan_layers)
        if spec.attention == "aligned":
            memory, told = spec.heard_rows + spec.plan_rows, len(NAMES) if spec.branches == "gated" else 2
            self.memory_place = nn.Parameter(torch.randn(memory, spec.width) * 0.02)
            self.to_condition = nn.ModuleList(
                ToCondition(spec.width, spec.heads, dropout, rows=rows, memory_rows=memory, branches=told)
                for _ in range(spec.plan_layers)
            )
        self.norm = nn.LayerNorm(spec.width)
        self.coarse = CodeHead(spec)
        self.told = nn.Linear(len(spec.levels), spec.width)
        self.refine = nn.Sequential(
            nn.Linear(2 * spec.width, spec.width),
            nn.GELU(),
            nn.Linear(spec.width, spec.width),
            nn.LayerNorm(spec.width),
        )
        self.fine = CodeHead(spec)

    def forward(
        self, history: torch.Tensor, before: torch.Tensor, codes: torch.Tensor, masked: torch.Tensor,
        condition: torch.Tensor, style: torch.Tensor, heard: torch.Tensor | None = None,
        strength: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """history (B, C), before (B, 2, G, S D), codes (B, W, G, S D), masked (B, W, G) 1 = unknown, condition (B, W,
        N), style (B,) -> (B, W, G, C).

        Where the specification asks for it: ``heard`` (B, heard_rows, N), the conditions of the rows behind the window
        as they were when those were committed, and ``strength`` (B,), how hard the music pushes.
        """
        return self.read(history, before, codes, masked, condition, style, heard, strength)[0]

    def read(
        self, history: torch.Tensor, before: torch.Tensor, codes: torch.Tensor, masked: torch.Tensor,
        condition: torch.Tensor, style: torch.Tensor, heard: torch.Tensor | None = None,
        strength: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, Readings]:  # fmt: skip
        """``forward``, and what may be read off it."""
        window, rows = self.spec.plan_rows, self.spec.plan_rows + self.BEFORE
        told = self.tell(condition if heard is None else torch.cat([heard, condition], 1), style)
        known = self.enter(codes)
        x = known + (self.masked - known) * masked[..., None] + told.branches[:, -window:].sum(2)[:, :, None]
        x = torch.cat([self.enter(before), x], 1) + self.place
        summary = self.summary(history) + told.style
        if strength is not None:
            summary = summary + self.strength(strength[:, None] / STRENGTH_SCALE)
        x, beside = x + summary[:, None, None], history[:, None]
        time, space = [], []
        if self.spec.attention == "aligned":
            beside = torch.cat([beside, told.style[:, None]], 1)  # no time of its own: it joins by self-attention
            memory = told.branches[:, :, :HEARD].sum(2) + self.memory_place
            label = told.style[:, None, None].expand(-1, rows, 1, -1)
            branches = torch.cat([told.branches[:, -rows:], label], 2)
        for i, (block, over) in enumerate(zip(self.blocks, self.turns, strict=True)):
            if self.spec.attention == "aligned":
                x, in_time, in_space = self.to_condition[i](x, memory, branches)
                time.append(in_time)
                space.append(in_space)
            x, beside = attend_over(block, over, x, beside)
        gates = None if told.gates is None else told.gates[:, -window:]
        return self.norm(x[:, self.BEFORE :]), Readings(gates, tuple(time), tuple(space))

    def tell(self, condition: torch.Tensor, style: torch.Tensor) -> Told:
        """Encode the condition (B, R, N) of rows and the style (B,)."""
        if self.spec.branches == "gated":
            return Told(*self.branches(condition, style))
        return Told(self.condition(condition)[:, :, None], self.style(style), None)

    def coarse_logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(..., G, C) -> (..., G, codes) of the first token."""
        return self.coarse(hidden)

    def fine_logits(self, hidden: torch.Tensor, coarse_codes: torch.Tensor) -> torch.Tensor:
        """Logits of the refining token, given the numbers (..., G, D) of the first."""
        return self.fine(self.refine(torch.cat([hidden, self.told(coarse_codes)], -1)))


class CodeHead(nn.Module):
    """Scores every code as the sum of its digits' vectors and one of its own, so that rare codes learn from their
    neighbours.
    """

    def __init__(self, spec: ModelSpec):
        super().__init__()
        self.register_buffer("digits", digit_table(spec.levels), persistent=False)
        self.shared = nn.ParameterList(nn.Parameter(torch.randn(level, spec.width) * 0.03) for level in spec.levels)
        self.own = nn.Parameter(torch.zeros(spec.codes, spec.width))
        self.bias = nn.Parameter(torch.zeros(spec.groups, spec.codes))

    def table(self) -> torch.Tensor:
        """(codes, C) one vector a code."""
        table = self.own
        for d, shared in enumerate(self.shared):
            table = table + shared[self.digits[:, d]]
        return table

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden @ self.table().T + self.bias


class EarToBody(nn.Module):
    """A motion encoder and the room in which it meets the music encoder; for training only (DiffDance's alignment)."""

    ROOM = 64

    def __init__(self, spec: ModelSpec):
        super().__init__()
        self.motion = CausalEncoder(spec.groups * spec.stages * len(spec.levels), spec.width)
        self.from_motion, self.from_music = nn.Linear(spec.width, self.ROOM), nn.Linear(spec.width, self.ROOM)
        self.sharpness = nn.Parameter(torch.tensor(2.5))  # logarithm of what cosines are multiplied by

    def forward(self, music: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encoded music (B, R, C) and codes (B, R, G, S D) of the same rows -> unit vectors (B, R, ROOM) of both."""
        motion = self.from_motion(self.motion(codes.flatten(2)))
        return nn.functional.normalize(self.from_music(music), dim=-1), nn.functional.normalize(motion, dim=-1)


class Generator(nn.Module):
    """History and plan of one specification."""

    def __init__(self, spec: ModelSpec, dropout: float = 0.1):
        super().__init__()
        self.spec = spec
        self.history, self.plan = History(spec, dropout), Plan(spec, dropout)
        if spec.ear_to_body > 0:
            self.ear_to_body = EarToBody(spec)
