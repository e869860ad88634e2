"""Checkpoints: whole or not at all on disk, read with ``weights_only`` only, in full or small enough to send.

A full checkpoint lets a training go on as if nothing had been: weights, optimiser and every random state of every
process. A small one (``compact``) keeps the averaged weights in half precision and the optimiser's second moments as
the means of their rows and columns (Shazeer & Stern 2018, Adafactor): two bytes a weight. Training goes on from it with
the averaged weights, no momentum and fresh randomness.
"""

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from engine.errors import ConfigError


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` so that a kill at any moment leaves the file of before or this one."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path) -> dict[str, Any]:
    """A checkpoint on the CPU. Nothing in the file is run. Raises ConfigError, one line."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError(f"no checkpoint {path}: train first, or name one that is there") from None
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise ConfigError(f"{path} is no checkpoint that may be read ({reason}): remove it and train again") from error
    if not isinstance(state, dict) or not {"spec", "model"} <= set(state):
        raise ConfigError(f"{path} holds no trained network: expected 'spec' and 'model' in it")
    return state


def compact(state: dict[str, Any]) -> dict[str, Any]:
    """A full checkpoint made small: see the module."""
    small = {key: value for key, value in state.items() if key not in ("latest", "optimiser", "random")}
    small["model"] = {
        name: value.half() if value.dtype == torch.float32 else value for name, value in state["model"].items()
    }
    if "optimiser" in state:
        moments = {index: factors(held["exp_avg_sq"]) for index, held in state["optimiser"]["state"].items()}
        steps = {index: held["step"] for index, held in state["optimiser"]["state"].items()}
        small["moments"] = {"factors": moments, "steps": steps}
    return small


def factors(square: torch.Tensor) -> list[torch.Tensor]:
    """Second moments of a weight: means over all axes but each one; of a vector itself."""
    if square.dim() < 2:
        return [square]
    flat = square.flatten(1)
    return [flat.mean(1), flat.mean(0)]


def unfactored(parts: list[torch.Tensor], shape: torch.Size) -> torch.Tensor:
    """What ``factors`` was made of, as nearly as its means say."""
    if len(parts) == 1:
        return parts[0].reshape(shape).clone()
    rows, columns = parts
    return (rows[:, None] * columns[None] / rows.mean().clamp(min=1e-30)).reshape(shape)


def optimiser_state(optimiser: torch.optim.Optimizer, moments: dict[str, Any]) -> dict[str, Any]:
    """A state dict for ``optimiser`` out of a small checkpoint's ``moments``; no momentum."""
    whole = optimiser.state_dict()
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    whole["state"] = {
        index: {
            "step": moments["steps"][index].clone(),
            "exp_avg": torch.zeros_like(weights[index]),
            "exp_avg_sq": unfactored(parts, weights[index].shape),
        }
        for index, parts in moments["factors"].items()
    }
    return whole
