"""Back ends that run the networks, one file each with ``load(folder) -> StepModel``."""

import importlib
from pathlib import Path

from engine.errors import ModelError, nearest
from engine.types import StepModel

WEIGHTS = Path(__file__).parent.parent / "weights"
BACKENDS = ("onnx",)


def load_model(backend: str = "onnx", weights: Path | None = None) -> StepModel:
    """The shipped model, or that of another folder, on a back end by name. Raises ModelError."""
    if backend not in BACKENDS:
        raise ModelError(f"no back end '{backend}'{nearest(backend, BACKENDS)}")
    return importlib.import_module(f"realtime_models.backends.{backend}").load(weights or WEIGHTS)
