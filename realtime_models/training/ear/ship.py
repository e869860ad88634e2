"""Ship a trained ear: one ONNX file with its description and a golden step; refuses what does not agree with torch.

    python -m realtime_models.training.ear.ship ear.pt [--identity NAME] [--out FOLDER]

Weights are stored as float16. Nothing is written unless the rounded network says what the trained one says, and ONNX
Runtime, step by step, what torch says of the whole.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engine.errors import ConfigError, ModelError
from engine.listen.mel import mel_of
from engine.listen.tempo import TEMPI_BPM
from engine.types import LISTEN_RATE_HZ
from realtime_models.backends import EAR_WEIGHTS
from realtime_models.ear import BANDS, DELAY_S, FRAME_HEADS, LOOK_HEADS, LOOKS, EarNet, EarSpec
from realtime_models.export import halve, rounded

TOLERANCE = 2e-3  #: largest difference of any probability between ONNX Runtime, after seconds of steps, and torch
ROUNDING = 0.03  #: largest change of a probability by float16 weights
OUTPUTS = ("looks", "frames", "embedding", "tempo", "state_after")
_CHECK_S = 6.0
_GOLDEN_STEPS = 60


class EarStep(nn.Module):
    """One model frame: spectra (1, 2, 72), state (1, S) -> probabilities (1, 2, 2), (1, 1, 7), embedding, tempo,
    state.
    """

    def __init__(self, net: EarNet):
        super().__init__()
        self.net = net

    def forward(self, spectra, state):
        looks, frames, embedding, tempo, after = self.net(spectra, state)
        return torch.sigmoid(looks), torch.sigmoid(frames), embedding, torch.softmax(tempo, -1), after


def load_trained(path: Path) -> tuple[EarNet, int]:
    """The averaged weights of a checkpoint and its step. Raises ConfigError, one line."""
    try:
        stored = torch.load(path, weights_only=True, map_location="cpu")
        spec = EarSpec(**{k: tuple(v) if isinstance(v, list) else v for k, v in stored["spec"].items()})
        net = EarNet(spec)
        net.load_state_dict(stored["model"])
        return net.eval(), int(stored.get("step", 0))
    except (OSError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{path} is no checkpoint of an ear: {str(error).splitlines()[0]}") from error


def check_spectra(seconds: float = _CHECK_S) -> np.ndarray:
    """Spectra (2 n, 72) of a made-up piece: a drum-like pulse over a chord that comes and goes."""
    rng, t = np.random.default_rng(5), np.arange(round(seconds * LISTEN_RATE_HZ)) / LISTEN_RATE_HZ
    phase = (t * 2.1) % 1.0
    pulse = np.exp(-phase * 25) * (0.5 * np.sin(2 * np.pi * 60 * t) + 0.2 * rng.normal(size=len(t)))
    chord = 0.1 * np.clip(np.sin(0.7 * t), 0, 1) * sum(np.sin(2 * np.pi * hz * t) for hz in (220.0, 277.2, 329.6))
    return mel_of((pulse + chord).astype(np.float32))


def whole(net: EarNet, spectra: np.ndarray) -> list[np.ndarray]:
    """Probabilities and embedding that torch gives in one call over all of ``spectra`` (2 n, 72)."""
    with torch.no_grad():
        return [out[0].numpy() for out in EarStep(net)(torch.from_numpy(spectra)[None], net.start())[:4]]


def stepped(session, net: EarNet, spectra: np.ndarray) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """The same in steps of two looks by ONNX Runtime, and the golden step's arrays."""
    state, told, golden = net.start().numpy(), [], {}
    for number, at in enumerate(range(0, len(spectra), LOOKS)):
        fed = {"spectra": spectra[None, at : at + LOOKS], "state": state}
        out = session.run(None, fed)
        if number == _GOLDEN_STEPS:
            golden = {f"in.{k}": v for k, v in fed.items()} | dict(zip((f"out.{k}" for k in OUTPUTS), out, strict=True))
        *heads, state = out
        told.append([head[0] for head in heads])
    return [np.concatenate(part) for part in zip(*told, strict=True)], golden


def worst(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


def ship(net: EarNet, identity: str, folder: Path) -> dict:
    """Write ``ear.onnx``, ``ear.json`` and ``golden.npz``; returns the description. Raises ModelError."""
    import onnxruntime

    spectra = check_spectra()
    trained = whole(net, spectra)
    net = rounded(net)
    told = whole(net, spectra)
    if not (change := worst(trained, told)) < ROUNDING:
        raise ModelError(f"float16 weights change a probability by {change:.1e}, allowed are {ROUNDING:.0e}")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "ear.onnx"
        torch.onnx.export(
            EarStep(net).eval(), (torch.zeros(1, LOOKS, BANDS), net.start()), str(path),
            input_names=["spectra", "state"], output_names=list(OUTPUTS), dynamo=True, external_data=False,
            optimize=True, verbose=False,
        )  # fmt: skip
        halve(path)
        data = path.read_bytes()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    steps, golden = stepped(session, net, spectra)
    if not (difference := worst(told, steps)) < TOLERANCE:
        raise ModelError(f"ONNX differs from torch by {difference:.1e}, allowed are {TOLERANCE:.0e}: nothing exported")
    about = {
        "identity": f"{identity}+{hashlib.sha256(data).hexdigest()[:12]}",
        "delay_s": DELAY_S,
        "looks": LOOKS,
        "bands": BANDS,
        "embedding": net.spec.embedding,
        "state_size": net.state_size(),
        "look_heads": LOOK_HEADS,
        "frame_heads": FRAME_HEADS,
        "tempi_bpm": [round(bpm, 3) for bpm in TEMPI_BPM],
        "kinds": net.spec.kinds,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ear.onnx").write_bytes(data)
    (folder / "ear.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    np.savez_compressed(folder / "golden.npz", **golden)
    return about | {"rounding": change, "difference": difference, "bytes": len(data)}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m realtime_models.training.ear.ship", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--identity", default="corybant-ear")
    parser.add_argument("--out", type=Path, default=EAR_WEIGHTS)
    args = parser.parse_args(argv)
    try:
        net, step = load_trained(args.checkpoint)
        about = ship(net, f"{args.identity}-{step}", args.out)
    except (ConfigError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        f"{about['identity']} -> {args.out}: {about['bytes'] / 1e6:.2f} MB; rounding changes a probability by at most "
        f"{about['rounding']:.1e}, ONNX differs from torch by {about['difference']:.1e}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
