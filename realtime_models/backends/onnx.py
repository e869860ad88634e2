"""ONNX Runtime back end (default): sessions on one thread each, no torch."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ModelError
from engine.listen.mel import MEL_BANDS, MEL_LOOKS
from engine.types import Activations
from realtime_models.sampler import TokenDancer
from realtime_models.spec import ModelSpec

NETWORKS = ("history", "plan", "fine", "decode")


def open_session(path: Path) -> Any:
    """An ONNX Runtime session on one thread. Raises ModelError, one line."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except FileNotFoundError:
        raise ModelError(
            f"no {path.name} in {path.parent}: reinstall the package or export the weights again"
        ) from None
    except Exception as error:  # onnxruntime raises classes of its own for every kind of damage
        raise ModelError(
            f"{path} cannot be read ({str(error).splitlines()[0][:120]}): reinstall the package"
        ) from error


class OnnxNetworks:
    """The four networks as ONNX Runtime sessions; one thread, sequential: a busy show computer thanks for it."""

    def __init__(self, folder: Path):
        self.sessions = {name: open_session(folder / f"{name}.onnx") for name in NETWORKS}

    def run(self, name: str, **inputs: np.ndarray) -> list[np.ndarray]:
        return self.sessions[name].run(None, inputs)

    def history(self, codes, condition, style, past, age):
        return tuple(self.run("history", codes=codes, condition=condition, style=style, past=past, age=age))

    def plan(self, history, before, codes, masked, condition, style, **more):
        told = {"history": history, "before": before, "codes": codes, "masked": masked, "condition": condition}
        return tuple(self.run("plan", **told, style=style, **more))

    def fine(self, hidden, coarse_codes):
        return self.run("fine", hidden=hidden, coarse=coarse_codes)[0]

    def decode(self, codes):
        return self.run("decode", codes=codes)[0]


def load(folder: Path) -> TokenDancer:
    """The model of a weights folder."""
    try:
        spec = ModelSpec.from_json((folder / "spec.json").read_text())
        with np.load(folder / "primer.npz") as store:
            primer = store["tokens"].astype(np.int64)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"no usable model in {folder} ({error}): reinstall the package or export the weights again"
        ) from error
    return TokenDancer(OnnxNetworks(folder), spec, primer)


class OnnxEar:
    """The ear's network: one call a model frame, the state one flat array."""

    def __init__(self, session: Any, identity: str, delay_s: float, embedding: int, state_size: int):
        self.identity, self.delay_s, self.embedding = identity, delay_s, embedding
        self._session, self._size = session, state_size

    def start(self) -> np.ndarray:
        """The state (1, S) before the first sound."""
        return np.zeros((1, self._size), np.float32)

    def step(self, state: np.ndarray, spectra: np.ndarray) -> tuple[np.ndarray, Activations]:
        """Spectra (2, 72) float32 of one model frame."""
        looks, frame, embedding, tempo, after = self._session.run(None, {"spectra": spectra[None], "state": state})
        beat, downbeat = looks[0, :, 0], looks[0, :, 1]
        return after, Activations(
            beat, downbeat, *(float(value) for value in frame[0, 0]), embedding[0, 0], tempo[0, 0]
        )


def load_ear(folder: Path) -> OnnxEar:
    """The ear of a weights folder: ``ear.onnx`` and ``ear.json``. Raises ModelError, one line."""
    try:
        about = json.loads((folder / "ear.json").read_text(encoding="utf-8"))
        if (about["looks"], about["bands"]) != (MEL_LOOKS, MEL_BANDS):
            raise ValueError(f"made for {about['looks']} x {about['bands']} spectra, not {MEL_LOOKS} x {MEL_BANDS}")
        sizes = about["identity"], float(about["delay_s"]), int(about["embedding"]), int(about["state_size"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"no usable ear in {folder} ({error}): reinstall the package or export it again") from error
    return OnnxEar(open_session(folder / "ear.onnx"), *sizes)
