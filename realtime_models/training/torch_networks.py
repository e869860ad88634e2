"""A network in training dances as it stands: the sampler's four networks in torch, without an export."""

import numpy as np
import torch

from realtime_models.export import DecodeStep, FineStep, HistoryStep, PlanStep, more_inputs
from realtime_models.network import Generator
from realtime_models.tokens import Tokeniser


class TorchNetworks:
    """``sampler.Networks`` of a generator and a tokeniser."""

    def __init__(self, tokeniser: Tokeniser, generator: Generator):
        self._more = more_inputs(generator.spec)
        generator, tokeniser = generator.eval(), tokeniser.eval()
        self._history, self._plan = HistoryStep(generator), PlanStep(generator).eval()
        self._fine, self._decode = FineStep(generator).eval(), DecodeStep(tokeniser)

    def history(self, codes, condition, style, past, age):
        return run(self._history, codes, condition, style, past, age)

    def plan(self, history, before, codes, masked, condition, style, **more):
        return run(
            self._plan, history, before, codes, masked, condition, style, *(more[name] for name in self._more)
        )  # fmt: skip

    def fine(self, hidden, coarse_codes):
        return run(self._fine, hidden, coarse_codes)[0]

    def decode(self, codes):
        return run(self._decode, codes)[0]


@torch.no_grad()
def run(network: torch.nn.Module, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Arrays in and out."""
    made = network(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))
    return tuple(one.numpy() for one in (made if isinstance(made, tuple) else (made,)))
