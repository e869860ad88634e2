"""The generator: a causal history of committed rows and a small two-way window of rows to come. One definition, two
ways to run.

``History`` reads one row at a time and remembers a bounded past (``forward`` for training, ``step`` with a cache for
the show; a test holds them equal). ``Plan`` sees the masked tokens of the next ``plan_rows`` rows all at once (time x
joint groups), the last two rows group by group, the history's summary and the condition of every row, and says what
the masked tokens are: masked generative refinement (Chang et al. 2022, MaskGIT; per-joint tokens as in MoGenTS)
inside a window that streams.
"""

import torch
from torch import nn

from realtime_models.spec import ModelSpec

CLOSED = -1e4  #: attention bias of what must not be seen; finite, so that an empty past gives no NaN


def digit_table(levels: tuple[int, ...]) -> torch.Tensor:
    """(codes, D) digit of every code in every dimension."""
    codes = torch.arange(int(torch.tensor(levels).prod()))
    basis = torch.cumprod(torch.tensor((1, *levels[:-1])), 0)
    return torch.div(codes[:, None], basis, rounding_mode="floor") % torch.tensor(levels)


class Attention(nn.Module):
    """Multi-head attention with an additive bias; query (B, Q, C) on memory (B, K, C)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key_value, self.out = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )

    def split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, query: torch.Tensor, memory: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        key, value = self.key_value(memory).chunk(2, -1)
        q, k, v = self.split(self.query(query)), self.split(key), self.split(value)
        weights = q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5)
        if bias is not None:
            weights = weights + bias
        return self.out((weights.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.norm, self.attend = nn.LayerNorm(width), Attention(width, heads)
        self.widen = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        y = self.norm(x)
        x = x + self.drop(self.attend(y, y, bias))
        return x + self.drop(self.widen(x))

    def step(self, x: torch.Tensor, past: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One new row x (B, 1, C) after normalised past rows (B, K - 1, C); also returns the past for the next step."""
        y = self.norm(x)
        memory = torch.cat([past, y], 1)
        x = x + self.attend(y, memory, bias)
        return x + self.widen(x), memory[:, 1:]


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


class Plan(nn.Module):
    """Masked tokens of the coming rows: (rows x groups) attend to one another, to the last two rows and to the
    history.
    """

    BEFORE = 2  #: committed rows that the window sees group by group

    def __init__(self, spec: ModelSpec, dropout: float):
        super().__init__()
        self.spec = spec
        size, rows = spec.stages * len(spec.levels), spec.plan_rows + self.BEFORE
        self.enter = nn.Linear(size, spec.width)
        self.masked = nn.Parameter(torch.zeros(spec.width))
        self.place = nn.Parameter(torch.randn(rows, spec.groups, spec.width) * 0.02)
        self.condition = nn.Sequential(
            nn.Linear(spec.condition, spec.width), nn.GELU(), nn.Linear(spec.width, spec.width)
        )
        self.style = nn.Embedding(len(spec.styles), spec.width)
        self.summary = nn.Linear(spec.width, spec.width)
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads, dropout) for _ in range(spec.plan_layers))
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
        condition: torch.Tensor, style: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """history (B, C), before (B, 2, G, S D), codes (B, W, G, S D), masked (B, W, G) 1 = unknown, condition (B, W,
        N), style (B,)
        -> (B, W, G, C)."""
        known = self.enter(codes)
        window = known + (self.masked - known) * masked[..., None] + self.condition(condition)[:, :, None]
        x = torch.cat([self.enter(before), window], 1) + self.place
        summary = self.summary(history) + self.style(style)
        x = (x + summary[:, None, None]).flatten(1, 2)
        x = torch.cat([x, history[:, None]], 1)
        for block in self.blocks:
            x = block(x)
        rows = self.spec.plan_rows + self.BEFORE
        x = self.norm(x[:, : rows * self.spec.groups]).unflatten(1, (rows, self.spec.groups))
        return x[:, self.BEFORE :]

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


class Generator(nn.Module):
    """History and plan of one specification."""

    def __init__(self, spec: ModelSpec, dropout: float = 0.1):
        super().__init__()
        self.spec = spec
        self.history, self.plan = History(spec, dropout), Plan(spec, dropout)
