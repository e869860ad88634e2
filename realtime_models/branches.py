"""What conditions a row, branch by branch: each has an encoder of its own and a gate, and may be missing.

A branch that is missing (all its numbers are 0, as the show and the training leave it) says a learned vector in its
stead, whatever its encoder holds: a dancer without steering is not a dancer who is steered nowhere. Gates as in Motion
Anything and ViMoGen: how much a branch counts is read off what it says.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from engine import condition as layout
from realtime_models.spec import ModelSpec


def _columns(*parts: slice | int) -> tuple[int, ...]:
    return tuple(int(i) for part in parts for i in np.atleast_1d(np.arange(layout.SIZE)[part]))


#: Columns of the condition that each branch encodes; style is the last branch and a label.
BRANCHES: dict[str, tuple[int, ...]] = {
    "beat": _columns(layout.BEAT, layout.BAR, layout.DELAY),
    "music": _columns(
        layout.AUDIO, layout.SECTION, layout.LOUDNESS, layout.SPEECH, layout.BUSY, layout.EMBEDDING
    ),
    "energy": _columns(layout.ENERGY),
    "steer": _columns(layout.STEER),
}  # fmt: skip
STYLE = "style"
NAMES = (*BRANCHES, STYLE)
HEARD = 2  #: the first of the branches come from the music and have a past
SAYS_NOTHING = (layout.DELAY,)  #: how late the ear is; told without music, too


def told_columns(name: str, size: int) -> tuple[int, ...]:
    """Columns of a branch within a condition of ``size`` numbers."""
    return tuple(column for column in BRANCHES[name] if column < size)


class Gate(nn.Module):
    """One branch: what it says (..., C), weighed by itself; its learned nothing where it is missing."""

    def __init__(self, width: int):
        super().__init__()
        self.weigh = nn.Linear(width, 1)
        self.nothing = nn.Parameter(torch.randn(width) * 0.02)
        nn.init.constant_(self.weigh.bias, 1.0)  # open at first: a closed gate learns slowly

    def forward(self, said: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """said (..., C), present (...) 0 or 1 -> (..., C) and the gate (...), 0 where missing."""
        gate = torch.sigmoid(self.weigh(said)) * present[..., None]
        return gate * said + (1 - present[..., None]) * self.nothing, gate[..., 0]


class RowEncoder(nn.Module):
    """Each row of a branch by itself."""

    def __init__(self, size: int, width: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(size, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.net(rows)


class CausalEncoder(nn.Module):
    """Rows (B, R, N) -> (B, R, C); a row hears itself and 14 rows before it (1.9 s), never one that comes after."""

    BACK = 14

    def __init__(self, size: int, width: int):
        super().__init__()
        self.enter = nn.Linear(size, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=dilation) for dilation in (1, 2, 4))
        self.leave = nn.Linear(width, width)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        x = self.enter(rows)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = functional.pad(norm(x).transpose(1, 2), (2 * conv.dilation[0], 0))
            x = x + functional.gelu(conv(y)).transpose(1, 2)
        return self.leave(x)


class Branches(nn.Module):
    """All branches of a condition, gated."""

    def __init__(self, spec: ModelSpec):
        super().__init__()
        self.spec, self.encoders = spec, nn.ModuleDict()
        for name in BRANCHES:
            columns = told_columns(name, spec.condition)
            causal = name == "music" and spec.music_encoder == "causal"
            self.encoders[name] = (CausalEncoder if causal else RowEncoder)(len(columns), spec.width)
            self.register_buffer(f"{name}_columns", torch.tensor(columns), persistent=False)
            says = [c for c in columns if c not in SAYS_NOTHING]
            self.register_buffer(f"{name}_says", torch.tensor(says), persistent=False)
        self.style = nn.Embedding(len(spec.styles), spec.width)
        self.gates = nn.ModuleDict({name: Gate(spec.width) for name in NAMES})

    def present(self, name: str, condition: torch.Tensor) -> torch.Tensor:
        """(...) 1 where the branch says anything of the row."""
        return (condition[..., getattr(self, f"{name}_says")].abs().amax(-1) > 0).to(condition.dtype)

    def said(self, name: str, condition: torch.Tensor) -> torch.Tensor:
        """(B, R, C) of the branch's encoder before its gate; causal over R."""
        return self.encoders[name](condition[..., getattr(self, f"{name}_columns")])

    def forward(self, condition: torch.Tensor, style: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """condition (B, R, N), style (B,) -> branches (B, R, K, C) in the order of ``NAMES`` without style, the style's
        (B, C), gates (B, R, K + 1).
        """
        made, gates = [], []
        for name in BRANCHES:
            out, gate = self.gates[name](self.said(name, condition), self.present(name, condition))
            made.append(out)
            gates.append(gate)
        known = (style > 0).to(condition.dtype)  # 0 is any style
        label, gate = self.gates[STYLE](self.style(style), known)
        gates.append(gate[:, None].expand_as(gates[0]))
        return torch.stack(made, 2), label, torch.stack(gates, -1)
