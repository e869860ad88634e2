"""Go on training in a larger network: the same answers at first, and room for more."""

import torch

from realtime_models.ear import EarNet

_GATES = 3  # of a GRU, stacked in one array


def grown(model: EarNet, state: dict[str, torch.Tensor]) -> None:
    """Load the weights of a network of the same or smaller sizes into ``model``, which then says the same.

    What is new is connected inwards at random and outwards with zeros. Raises ValueError where ``model`` is smaller.
    """
    kept = model.state_dict()
    blocks = sum(name.startswith("out.") and name.endswith(".weight") for name in state)
    for name, new in kept.items():
        old = state.get(name)
        if old is None:
            if name.startswith("out.") and int(name.split(".")[1]) >= blocks:
                new.zero_()
        elif name.startswith("memory."):
            for gate, (part, before) in enumerate(zip(new.chunk(_GATES), old.chunk(_GATES), strict=True)):
                _corner(f"{name}, gate {gate}", part, before, quiet=name.startswith("memory.weight_hh"))
        else:
            _corner(name, new, old, quiet=True)
    model.load_state_dict(kept)


def _corner(name: str, new: torch.Tensor, old: torch.Tensor, quiet: bool) -> None:
    """``old`` into the first places of ``new``, in place; ``quiet``: its rows hear nothing of the new columns."""
    if new.dim() != old.dim() or any(a < b for a, b in zip(new.shape, old.shape, strict=True)):
        raise ValueError(f"{name} of shape {tuple(old.shape)} does not fit into {tuple(new.shape)}")
    if quiet and new.dim() > 1:
        new[: old.shape[0], old.shape[1] :] = 0
    new[tuple(slice(0, size) for size in old.shape)] = old
