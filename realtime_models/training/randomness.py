"""Every random state of a process as one row of bytes, so that a training goes on exactly where it was."""

import json
from collections.abc import Sequence

import numpy as np
import torch

NUMPY_BYTES = 512  #: a PCG64 state in JSON, filled up with blanks


def random_row(generators: Sequence[np.random.Generator | torch.Generator]) -> torch.Tensor:
    """States of torch's own generators and of ``generators``, (n,) uint8; n depends on the machine's kind only."""
    states = [torch.get_rng_state()]
    if torch.cuda.is_available():
        states.append(torch.cuda.get_rng_state())
    for generator in generators:
        if isinstance(generator, torch.Generator):
            states.append(generator.get_state())
        else:
            text = json.dumps(generator.bit_generator.state).encode().ljust(NUMPY_BYTES)
            states.append(torch.frombuffer(bytearray(text), dtype=torch.uint8))
    return torch.cat([state.cpu() for state in states])


def restore_row(row: torch.Tensor, generators: Sequence[np.random.Generator | torch.Generator]) -> bool:
    """Set all states back; False, and nothing changed, when the row is another machine's or another set of them."""
    now = random_row(generators)
    if len(now) != len(row):
        return False
    at = 0

    def cut(length: int) -> torch.Tensor:
        nonlocal at
        at += length
        return row[at - length : at].clone()

    torch.set_rng_state(cut(len(torch.get_rng_state())))
    if torch.cuda.is_available():
        torch.cuda.set_rng_state(cut(len(torch.cuda.get_rng_state())))
    for generator in generators:
        if isinstance(generator, torch.Generator):
            generator.set_state(cut(len(generator.get_state())))
        else:
            generator.bit_generator.state = json.loads(bytes(cut(NUMPY_BYTES).tolist()).decode())
    return True
