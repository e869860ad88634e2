"""Back ends that run the networks, one file each with ``load(folder) -> StepModel`` and ``load_ear(folder) -> Ear``."""

import importlib
from pathlib import Path

from engine.errors import ModelError, nearest
from engine.types import Ear, StepModel

WEIGHTS = Path(__file__).parent.parent / "weights"
EAR_WEIGHTS = WEIGHTS / "ear"
BACKENDS = ("onnx",)


def load_model(backend: str = "onnx", weights: Path | None = None) -> StepModel:
    """The shipped model, or that of another folder, on a back end by name. Raises ModelError."""
    if backend not in BACKENDS:
        raise ModelError(f"no back end '{backend}'{nearest(backend, BACKENDS)}")
    return importlib.import_module(f"realtime_models.backends.{backend}").load(weights or WEIGHTS)


def load_ear(backend: str = "onnx", folder: Path | None = None) -> Ear:
    """The shipped ear, or that of another folder, on a back end by name. Raises ModelError."""
    if backend not in BACKENDS:
        raise ModelError(f"no back end '{backend}' for the ear{nearest(backend, BACKENDS)}")
    return importlib.import_module(f"realtime_models.backends.{backend}").load_ear(folder or EAR_WEIGHTS)
