"""ONNX Runtime back end (default): four sessions on one thread each, no torch."""

from pathlib import Path

import numpy as np

from engine.errors import ModelError
from realtime_models.sampler import TokenDancer
from realtime_models.spec import ModelSpec

NETWORKS = ("history", "plan", "fine", "decode")


class OnnxNetworks:
    """The four networks as ONNX Runtime sessions; one thread, sequential: a busy show computer thanks for it."""

    def __init__(self, folder: Path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.sessions = {}
        for name in NETWORKS:
            path = folder / f"{name}.onnx"
            try:
                self.sessions[name] = onnxruntime.InferenceSession(
                    path.read_bytes(), options, providers=["CPUExecutionProvider"]
                )
            except FileNotFoundError:
                raise ModelError(
                    f"no {path.name} in {folder}: reinstall the package or export the weights again"
                ) from None
            except Exception as error:  # onnxruntime raises classes of its own for every kind of damage
                raise ModelError(
                    f"{path} cannot be read ({str(error).splitlines()[0][:120]}): reinstall the package"
                ) from error

    def run(self, name: str, **inputs: np.ndarray) -> list[np.ndarray]:
        return self.sessions[name].run(None, inputs)

    def history(self, codes, condition, style, past, age):
        return tuple(self.run("history", codes=codes, condition=condition, style=style, past=past, age=age))

    def plan(self, history, before, codes, masked, condition, style):
        return tuple(
            self.run(
                "plan", history=history, before=before, codes=codes, masked=masked, condition=condition, style=style
            )
        )

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
