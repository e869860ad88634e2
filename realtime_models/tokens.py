"""The tokeniser: motion <-> a map of tokens, time rows x joint groups. Every convolution is causal in time; the
decoder streams.

Each group of joints is encoded by itself (the groups share their convolutions), so that a token speaks of one limb
only. A token is finite scalar quantisation (Mentzer et al. 2023): a few bounded numbers, each rounded to a handful of
levels, no code book to collapse. A group's row has ``spec.stages`` tokens: the first is trained to suffice alone (the
others are dropped at random), the rest refine it.
"""

import torch
from torch import nn
from torch.nn import functional

from realtime_models.features import GROUP_SIZES, GROUP_STARTS
from realtime_models.spec import ModelSpec


def fsq_bound(z: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Squash (..., D) so that rounding gives ``levels`` values a number, symmetric or half a step off for even
    counts.
    """
    half = (levels - 1) * (1 - 1e-3) / 2
    offset = torch.where(levels % 2 == 0, 0.5, 0.0)
    shift = torch.atanh(offset / half)
    return torch.tanh(z + shift) * half - offset


class Quantiser(nn.Module):
    """FSQ of ``stages`` tokens with ``levels`` each: (..., stages * D) -> codes in [-1, 1], indices (..., stages)."""

    def __init__(self, levels: tuple[int, ...], stages: int):
        super().__init__()
        self.stages, self.dims = stages, len(levels)
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)
        basis = torch.cumprod(torch.tensor((1, *levels[:-1])), 0)
        self.register_buffer("basis", basis.float(), persistent=False)

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = z.unflatten(-1, (self.stages, self.dims))
        bounded = fsq_bound(z, self.levels)
        rounded = bounded + (bounded.round() - bounded).detach()
        half = torch.div(self.levels, 2, rounding_mode="floor")
        indices = ((rounded.detach() + half) * self.basis).sum(-1).round().long()
        return (rounded / half).flatten(-2), indices

    def codes(self, indices: torch.Tensor) -> torch.Tensor:
        """Indices (..., stages) -> the numbers (..., stages * D) that the decoder was trained on."""
        half = torch.div(self.levels, 2, rounding_mode="floor")
        digits = torch.remainder(
            torch.div(indices.unsqueeze(-1).float(), self.basis, rounding_mode="floor"), self.levels
        )
        return ((digits - half) / half).flatten(-2)


class CausalBlock(nn.Module):
    """x + conv(gelu(conv(norm(x)))), kernel 3, looking back only; (N, C, T)."""

    def __init__(self, width: int, dilation: int = 1):
        super().__init__()
        self.back = 2 * dilation
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, 3, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(x.transpose(1, 2)).transpose(1, 2)
        y = functional.gelu(self.conv(functional.pad(y, (self.back, 0))))
        return x + self.mix(y)


class Tokeniser(nn.Module):
    """Encoder per joint group, quantiser, whole-body decoder. Works on normalised features (B, F, 126), F a multiple
    of a row.
    """

    def __init__(self, spec: ModelSpec):
        super().__init__()
        self.spec = spec
        c, d, f = spec.encoder_width, spec.decoder_width, spec.frame_width
        self.enter = nn.ModuleList(nn.Linear(size, c) for size in GROUP_SIZES)
        self.early = CausalBlock(c)
        self.halve = nn.ModuleList(nn.Conv1d(c, c, 4, stride=2) for _ in range(2))
        self.late = nn.ModuleList([CausalBlock(c), CausalBlock(c, 2)])
        self.leave = nn.ModuleList(nn.Linear(c, spec.stages * len(spec.levels)) for _ in GROUP_SIZES)
        self.quantiser = Quantiser(spec.levels, spec.stages)
        self.merge = nn.Linear(spec.groups * spec.stages * len(spec.levels), d)
        self.rows = nn.ModuleList(CausalBlock(d) for _ in range(3))
        self.unfold = nn.Linear(d, spec.row_frames * f)
        self.frames = nn.ModuleList([CausalBlock(f), CausalBlock(f, 2), CausalBlock(f, 4)])
        self.out = nn.Linear(f, spec.frame_size)
        self.register_buffer("mean", torch.zeros(spec.frame_size))
        self.register_buffer("scale", torch.ones(spec.frame_size))

    def encode(self, features: torch.Tensor) -> torch.Tensor:
        """Raw features (B, F, 126) -> latents (B, R, G, stages * D) before quantising; row r sees frames up to 4 r +
        3.
        """
        x = (features - self.mean) / self.scale
        batch = x.shape[0]
        parts = [enter(x[..., s : s + n]) for enter, s, n in zip(self.enter, GROUP_STARTS, GROUP_SIZES, strict=True)]
        y = torch.stack(parts, 1).flatten(0, 1).transpose(1, 2)  # (B G, C, F)
        y = self.early(y)
        for halve in self.halve:
            y = functional.gelu(halve(functional.pad(y, (2, 0))))
        for block in self.late:
            y = block(y)
        y = y.transpose(1, 2).unflatten(0, (batch, -1))  # (B, G, R, C)
        return torch.stack([leave(y[:, g]) for g, leave in enumerate(self.leave)], 2)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (B, R, G, stages * D) -> raw features (B, 4 R, 126); a frame depends on its row and 10 before."""
        y = self.merge(codes.flatten(2)).transpose(1, 2)
        for block in self.rows:
            y = block(y)
        y = self.unfold(functional.gelu(y.transpose(1, 2)))  # (B, R, 4 f)
        y = y.unflatten(-1, (self.spec.row_frames, -1)).flatten(1, 2).transpose(1, 2)
        for block in self.frames:
            y = block(y)
        return self.out(y.transpose(1, 2)) * self.scale + self.mean

    def tokens(self, features: torch.Tensor) -> torch.Tensor:
        """Raw features (B, F, 126) -> token indices (B, R, G, stages)."""
        return self.quantiser(self.encode(features))[1]

    def forward(self, features: torch.Tensor, keep: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Reconstruction and token indices; ``keep`` (B, 1, G, 1) zeroes the refining tokens where it is 0."""
        codes, indices = self.quantiser(self.encode(features))
        if keep is not None:
            dims = len(self.spec.levels)
            codes = torch.cat([codes[..., :dims], codes[..., dims:] * keep], -1)
        return self.decode(codes), indices
