"""Trained networks -> ONNX files with specification, primer and a golden step; refuses to write what does not agree
with torch.

``realtime_models.training.ship`` calls this with a finished training.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engine.errors import ModelError
from realtime_models.network import CodeHead, Generator
from realtime_models.spec import ModelSpec
from realtime_models.tokens import Tokeniser

FOLDER = Path(__file__).parent / "weights"
TOLERANCE = 2e-4  #: largest difference between ONNX Runtime and torch, in the networks' own units


class FoldedHead(nn.Module):
    """A ``CodeHead`` with its table worked out once."""

    def __init__(self, head: CodeHead):
        super().__init__()
        self.register_buffer("table", head.table().detach().T.contiguous())
        self.register_buffer("bias", head.bias.detach())

    def forward(self, hidden):
        return hidden @ self.table + self.bias


class HistoryStep(nn.Module):
    def __init__(self, model: Generator):
        super().__init__()
        self.model = model.history

    def forward(self, codes, condition, style, past, age):
        return self.model.step(codes, condition, style, past, age)


class PlanStep(nn.Module):
    def __init__(self, model: Generator):
        super().__init__()
        self.model, self.head, self.spec = model.plan, FoldedHead(model.plan.coarse), model.spec

    def forward(self, history, before, codes, masked, condition, style, *more):
        told = dict(zip(more_inputs(self.spec), more, strict=True))
        hidden = self.model(history, before, codes, masked, condition, style, **told)
        return hidden, self.head(hidden)


class FineStep(nn.Module):
    def __init__(self, model: Generator):
        super().__init__()
        self.told, self.refine, self.head = model.plan.told, model.plan.refine, FoldedHead(model.plan.fine)

    def forward(self, hidden, coarse):
        return self.head(self.refine(torch.cat([hidden, self.told(coarse)], -1)))


class DecodeStep(nn.Module):
    def __init__(self, model: Tokeniser):
        super().__init__()
        self.model = model

    def forward(self, codes):
        return self.model.decode(codes)


def more_inputs(spec: ModelSpec) -> list[str]:
    """Inputs of the plan that only some specifications ask for."""
    return ["heard"] * spec.hears_past + ["strength"] * spec.told_strength


def examples(spec: ModelSpec) -> dict[str, tuple[torch.Tensor, ...]]:
    """Random inputs of each network in the shapes of the show (the plan twice, for guidance)."""
    g, s, w, c = spec.groups, spec.stages * len(spec.levels), spec.plan_rows, spec.width
    random = torch.Generator().manual_seed(7)

    def r(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random) * 0.5

    style, age = torch.zeros(1, dtype=torch.long), torch.full((1,), 5)
    more = {"heard": r(2, spec.heard_rows, spec.condition), "strength": r(2).abs()}
    return {
        "history": (r(1, g, s), r(1, spec.condition), style, r(spec.history_layers, 1, spec.history_rows - 1, c), age),
        "plan": (
            r(2, c),
            r(2, 2, g, s),
            r(2, w, g, s),
            (r(2, w, g) > 0).float(),
            r(2, w, spec.condition),
            style.repeat(2),
            *(more[name] for name in more_inputs(spec)),
        ),
        "fine": (r(1, w, g, c), r(1, w, g, len(spec.levels))),
        "decode": (r(1, spec.decoder_rows + w, g, s),),
    }


NAMES = {
    "history": (["codes", "condition", "style", "past", "age"], ["summary", "past_after"]),
    "plan": (["history", "before", "codes", "masked", "condition", "style"], ["hidden", "logits"]),
    "fine": (["hidden", "coarse"], ["logits"]),
    "decode": (["codes"], ["features"]),
}


def input_names(name: str, spec: ModelSpec) -> list[str]:
    """Inputs of a network in their order."""
    return NAMES[name][0] + (more_inputs(spec) if name == "plan" else [])


def export_network(
    name: str, network: nn.Module, spec: ModelSpec, inputs: tuple[torch.Tensor, ...], path: Path
) -> None:
    """One ONNX file; the plan's batch is free (with and without guidance)."""
    names, outputs = input_names(name, spec), NAMES[name][1]
    batch = torch.export.Dim("batch", min=1, max=8)
    fixed = len(NAMES[name][0])
    free = None
    if name == "plan":
        more = tuple({0: batch} for _ in inputs[fixed:])
        free = (*({0: batch} for _ in inputs[:fixed]), *([more] if more else []))  # ``more`` is one argument of many
    torch.onnx.export(
        network, inputs, str(path), input_names=names, output_names=outputs, dynamo=True, dynamic_shapes=free,
        external_data=False, optimize=True, verbose=False,
    )  # fmt: skip


def halve(path: Path) -> None:
    """Store large weights as float16, with a cast that the runtime folds away when it loads: half the file, same sums.

    The weights must have been rounded to float16 before (``rounded``), so that nothing changes. Traces that the
    exporter leaves (its own stack and paths) are taken out.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 1024:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del part.metadata_props[:]  # stack traces of the machine that exported it
        part.doc_string = ""
    onnx.save(model, str(path))


def rounded(network: nn.Module) -> nn.Module:
    """The same network with weights that float16 can hold; done before anything is compared."""
    for tensor in [*network.parameters(), *network.buffers()]:
        if tensor.is_floating_point():
            tensor.data = tensor.data.half().float()
    return network.eval()


def check_network(
    name: str, network: nn.Module, spec: ModelSpec, inputs: tuple[torch.Tensor, ...], path: Path
) -> dict[str, np.ndarray]:
    """Raise ModelError unless ONNX Runtime agrees with torch; return the golden arrays."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    fed = {n: x.numpy() for n, x in zip(input_names(name, spec), inputs, strict=True)}
    told = session.run(None, fed)
    with torch.no_grad():
        made = network(*inputs)
    made = made if isinstance(made, tuple) else (made,)
    for ours, theirs in zip(made, told, strict=True):
        worst = float(np.abs(ours.numpy() - theirs).max())
        if not worst < TOLERANCE:
            raise ModelError(
                f"{path.name} differs from torch by {worst:.1e}, allowed are {TOLERANCE:.0e}: nothing was exported"
            )
    golden = {f"{name}.in.{k}": v for k, v in fed.items()}
    return golden | {f"{name}.out.{k}": v for k, v in zip(NAMES[name][1], told, strict=True)}


def export(tokeniser: Tokeniser, generator: Generator, spec: ModelSpec, primer: np.ndarray, folder: Path) -> None:
    """Write ``*.onnx``, ``spec.json``, ``primer.npz`` and ``golden.npz``; only when every network agrees with torch."""
    networks = {
        "history": HistoryStep(generator), "plan": PlanStep(generator), "fine": FineStep(generator), "decode":
        DecodeStep(tokeniser)
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    golden, digest, written = {}, hashlib.sha256(), []
    for name, network in networks.items():
        path = folder / f"{name}.onnx.part"
        export_network(name, rounded(network), spec, examples(spec)[name], path)
        halve(path)
        golden |= check_network(name, network, spec, examples(spec)[name], path)
        digest.update(path.read_bytes())
        written.append(path)
    for path in written:
        path.replace(path.with_suffix(""))
    final = replace(spec, identity=f"{spec.identity}+{digest.hexdigest()[:12]}")
    (folder / "spec.json").write_text(final.to_json() + "\n")
    np.savez_compressed(folder / "primer.npz", tokens=primer.astype(np.int16))
    np.savez_compressed(folder / "golden.npz", **golden)
