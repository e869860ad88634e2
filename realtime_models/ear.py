"""The ear's network: log spectra in, what a listener would say of them out. Causal, with one flat state.

Convolutions over time and pitch turn 60 spectra a second into a few dozen numbers each (as the convolutional front of
Böck and Davies 2020, "Deconstruct, analyse, reconstruct", made causal), dilated convolutions look back over four
seconds, and a recurrent layer at 30 a second carries what lasts longer. What tempo a drummer would count is told as a
whole (as Schreiber and Mueller 2018 do, made causal), apart from where the beats are. ``forward`` hears any even
number of looks and takes and gives the state, so that a show (two looks at a time) and a training (half a minute at
once) run one code.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from engine.listen.tempo import TEMPI_BPM

BANDS = 72  #: of ``engine.listen.mel``
LOOKS = 2  #: looks a model frame
#: What each output says. ``beat`` and ``downbeat`` once a look, the others once a model frame; all are logits.
LOOK_HEADS = ("beat", "downbeat")
FRAME_HEADS = ("pulse", "drums", "speech", "build", "break", "drop", "phrase")
#: An event is reported this long after it: the window's middle is 21 ms back, and the attack must be inside it [s].
DELAY_S = 0.030


@dataclass(frozen=True)
class EarSpec:
    """Sizes of the network; written into its checkpoint."""

    front: tuple[int, int, int] = (12, 20, 32)
    width: int = 80
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    kernel: int = 5
    memory: int = 224
    embedding: int = 16
    kinds: tuple[str, ...] = ()  #: kinds of music that the embedding is taught to tell apart


def _causal(layer: nn.Module, x: torch.Tensor, past: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A valid convolution over ``past`` and x joined along the last axis, and the past of the next call."""
    joined = torch.cat([past, x], -1)
    return layer(joined), joined[..., joined.shape[-1] - past.shape[-1] :]


class EarNet(nn.Module):
    """``forward(spectra (B, 2 n, 72), state (B, S)) -> (looks (B, 2 n, 2), frames (B, n, 7), embedding (B, n, E),
    tempo (B, n, 48), state)``.
    """

    def __init__(self, spec: EarSpec):
        super().__init__()
        self.spec = spec
        a, b, c = spec.front
        self.look_at = nn.ModuleList(  # over (pitch, time); pooled over pitch by 3 after the first two
            [nn.Conv2d(2, a, (3, 3), padding=(1, 0)), nn.Conv2d(a, b, (5, 3), padding=(2, 0)), nn.Conv2d(b, c, (8, 1))]
        )
        self.whole = nn.Conv1d(2 * BANDS, spec.width - c, 3)
        self.mix = nn.Conv1d(spec.width, spec.width, 1)
        self.back = nn.ModuleList(
            nn.Conv1d(spec.width, 2 * spec.width, spec.kernel, dilation=d) for d in spec.dilations
        )
        self.out = nn.ModuleList(nn.Conv1d(spec.width, spec.width, 1) for _ in spec.dilations)
        self.memory = nn.GRU(LOOKS * spec.width, spec.memory, batch_first=True)
        self.embed = nn.Linear(spec.memory, spec.embedding)
        self.say_looks = nn.Linear(LOOKS * spec.width + spec.memory, LOOKS * len(LOOK_HEADS))
        self.say_frames = nn.Linear(spec.width * LOOKS + spec.memory, len(FRAME_HEADS))
        self.say_tempo = nn.Linear(spec.width * LOOKS + spec.memory, len(TEMPI_BPM))
        self.say_kind = nn.Linear(spec.embedding, max(len(spec.kinds), 1))
        self.drop = nn.Dropout(0.1)

    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the parts of the state, in order, without the batch."""
        a = self.spec.front[0]
        parts = [(BANDS, 3), (2, BANDS, 2), (a, BANDS // 3, 2), (2 * BANDS, 2)]
        parts += [(self.spec.width, (self.spec.kernel - 1) * d) for d in self.spec.dilations]
        return [*parts, (self.spec.memory,)]

    def state_size(self) -> int:
        return sum(torch.Size(shape).numel() for shape in self.shapes())

    def start(self, batch: int = 1) -> torch.Tensor:
        """The state before the first sound."""
        return torch.zeros(batch, self.state_size())

    def forward(self, spectra: torch.Tensor, state: torch.Tensor):
        shapes = self.shapes()
        parts = iter(
            part.unflatten(1, shape)
            for part, shape in zip(state.split([torch.Size(s).numel() for s in shapes], dim=1), shapes, strict=True)
        )
        x = spectra.transpose(1, 2)  # (B, bands, looks)
        joined = torch.cat([next(parts).to(x.dtype), x], -1)
        rise = F.relu(x - torch.minimum(joined[..., 1:-2], joined[..., :-3])) * 2.0  # above 33 and 50 ms before
        after = [joined[..., -3:]]
        both = torch.stack([x - 0.4, rise], 1)  # (B, 2, bands, looks)
        y, rest = _causal(self.look_at[0], both, next(parts).to(x.dtype))
        after.append(rest)
        y = F.max_pool2d(F.elu(y), (3, 1))
        y, rest = _causal(self.look_at[1], y, next(parts).to(x.dtype))
        after.append(rest)
        y = F.max_pool2d(F.elu(y), (3, 1))
        y = F.elu(self.look_at[2](y)).squeeze(2)
        z, rest = _causal(self.whole, both.flatten(1, 2), next(parts).to(x.dtype))
        after.append(rest)
        h = self.mix(torch.cat([y, F.elu(z)], 1))
        for layer, out in zip(self.back, self.out, strict=True):
            new, rest = _causal(layer, h, next(parts).to(h.dtype))
            after.append(rest)
            value, gate = new.chunk(2, 1)
            h = h + self.drop(out(torch.tanh(value) * torch.sigmoid(gate)))
        frames = h.transpose(1, 2).unflatten(1, (-1, LOOKS)).flatten(2)
        remembered, last = self.memory(frames, next(parts)[None].to(frames.dtype))
        after.append(last[0])
        embedding = torch.tanh(self.embed(remembered))
        told = torch.cat([frames, self.drop(remembered)], -1)
        looks = self.say_looks(told).unflatten(-1, (LOOKS, len(LOOK_HEADS))).flatten(1, 2)
        after = torch.cat([part.flatten(1) for part in after], 1)
        return looks, self.say_frames(told), embedding, self.say_tempo(told), after
