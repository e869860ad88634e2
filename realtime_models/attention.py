"""Attention over the tokens of the plan's window and to what conditions them.

The window is a map of rows x groups. Self-attention runs over all of it, or by turns inside a row (joints), inside a
group (time) and over all (three stacks, as in MoGenTS, Yuan et al. 2024). The condition comes by cross-attention
(temporal adaptive and spatial aligning attention, Motion Anything, Zhang et al. 2025): every token asks the music of
the rows around it, and every group of a row asks the branches of that row's condition.
"""

from enum import Enum

import torch
from torch import nn

CLOSED = -1e4  #: attention bias of what must not be seen; finite, so that an empty past gives no NaN


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

    def scores(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """(B, H, Q, K) before the softmax."""
        q, k = self.split(self.query(query)), self.split(key)
        return q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5)

    def forward(self, query: torch.Tensor, memory: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return self.attended(query, memory, bias)[0]

    def attended(
        self, query: torch.Tensor, memory: torch.Tensor, bias: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What was found (B, Q, C) and the scores (B, H, Q, K) it was weighed by."""
        key, value = self.key_value(memory).chunk(2, -1)
        scores = self.scores(query, key)
        if bias is not None:
            scores = scores + bias
        return self.out((scores.softmax(-1) @ self.split(value)).transpose(1, 2).flatten(2)), scores


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


class Over(Enum):
    """Which tokens a block's attention joins."""

    ALL = "all"
    ROW = "row"  #: the groups of one row
    GROUP = "group"  #: the rows of one group


def turns(attention: str, layers: int) -> tuple[Over, ...]:
    """What each of ``layers`` blocks attends over; never ends without having seen all where there are three."""
    if attention == "full":
        return (Over.ALL,) * layers
    return tuple((Over.ROW, Over.GROUP, Over.ALL)[i % 3] for i in range(layers))


def attend_over(block: Block, over: Over, x: torch.Tensor, beside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The window x (B, R, G, C) through a block; the tokens ``beside`` it (B, K, C) take part where all is seen."""
    rows, groups = x.shape[1:3]
    if over is Over.ROW:
        return block(x.flatten(0, 1)).unflatten(0, (-1, rows)), beside
    if over is Over.GROUP:
        y = block(x.transpose(1, 2).flatten(0, 1))
        return y.unflatten(0, (-1, groups)).transpose(1, 2), beside
    y = block(torch.cat([x.flatten(1, 2), beside], 1))
    return y[:, : rows * groups].unflatten(1, (rows, groups)), y[:, rows * groups :]


class ToCondition(nn.Module):
    """Cross-attention of the window to its condition, in time and then over the branches."""

    def __init__(self, width: int, heads: int, dropout: float, *, rows: int, memory_rows: int, branches: int):
        """``memory_rows`` end with the window's last row, as its ``rows`` do."""
        super().__init__()
        self.time_norm, self.time = nn.LayerNorm(width), Attention(width, heads)
        self.space_norm, self.space = nn.LayerNorm(width), Attention(width, heads)
        self.memory_norm, self.branch_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        apart = (torch.arange(rows)[:, None] - rows) - (torch.arange(memory_rows)[None] - memory_rows)
        self.apart = nn.Parameter(-0.25 * apart.abs().float().repeat(heads, 1, 1))  # what is near in time comes first
        self.branch_place = nn.Parameter(torch.randn(branches, width) * 0.02)
        self.drop = nn.Dropout(dropout)

    def forward(
        self, x: torch.Tensor, memory: torch.Tensor, branches: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Window x (B, R, G, C), music of rows (B, M, C), branches of the window's rows (B, R, K, C) -> x, scores in
        time (B, H, R, G, M) and in space (B, R, H, G, K).
        """
        rows, groups = x.shape[1:3]
        bias = self.apart.repeat_interleave(groups, 1)
        found, time = self.time.attended(self.time_norm(x).flatten(1, 2), self.memory_norm(memory), bias)
        x = x + self.drop(found.unflatten(1, (rows, groups)))
        asked = self.branch_norm(branches) + self.branch_place
        found, space = self.space.attended(self.space_norm(x).flatten(0, 1), asked.flatten(0, 1), None)
        x = x + self.drop(found.unflatten(0, (-1, rows)))
        return x, time.unflatten(2, (rows, groups)), space.unflatten(0, (-1, rows))
