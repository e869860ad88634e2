"""The ear's network: streamed = whole, causal, shipped only when ONNX Runtime says what torch says."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import ConfigError, ModelError
from engine.listen.mel import MEL_BANDS, MEL_LOOKS, mel_of, mel_step, start_mel
from engine.listen.tempo import TEMPI_BPM
from engine.types import LISTEN_HOP
from realtime_models.backends import load_ear

TORCH = 'pip install "torch>=2.6"'


@pytest.fixture(scope="module")
def net(module_needs):
    """A small network with random weights that differ from nothing."""
    torch = module_needs.module("torch", TORCH)
    from realtime_models.ear import EarNet, EarSpec

    torch.manual_seed(2)
    spec = EarSpec(front=(4, 6, 8), width=16, dilations=(1, 2, 4), kernel=3, memory=12, embedding=5, kinds=("a", "b"))
    return EarNet(spec).eval()


@pytest.fixture(scope="module")
def shipped(net, module_needs, tmp_path_factory):
    for name in ("onnx", "onnxscript"):
        module_needs.module(name, f"pip install {name}")
    from realtime_models.training.ear.ship import ship

    folder = tmp_path_factory.mktemp("ear")
    return folder, ship(net, "small", folder)


def spectra(seconds: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(3)
    return mel_of(
        (rng.normal(size=round(seconds * 24_000)) * 0.1 * rng.uniform(size=round(seconds * 24_000))).astype("f4")
    )


def outputs(net, x: np.ndarray, steps: int) -> list[np.ndarray]:
    """Looks, frames, embedding and tempo logits of spectra (T, 72), heard ``steps`` looks at a time."""
    import torch

    state, parts = net.start(), []
    with torch.no_grad():
        for at in range(0, len(x), steps):
            *told, state = net(torch.from_numpy(x[None, at : at + steps]), state)
            parts.append([part[0].numpy() for part in told])
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


@pytest.mark.parametrize("steps", [2, 6, 40])
def test_step_equals_forward(net, steps):
    x = spectra()
    for stepped, whole in zip(outputs(net, x, steps), outputs(net, x, len(x)), strict=True):
        np.testing.assert_allclose(stepped, whole, atol=2e-5)
    assert whole.shape == (len(x) // 2, len(TEMPI_BPM))


def test_the_network_is_causal(net):
    x = spectra()
    other = x.copy()
    other[60:] = 0.5
    looks, *slower = (a - b for a, b in zip(outputs(net, x, 120), outputs(net, other, 120), strict=True))
    assert np.abs(looks[:60]).max() < 1e-6 and len(slower) == 3
    assert all(np.abs(part[:30]).max() < 1e-6 for part in slower)
    assert np.abs(looks[60:]).max() > 1e-3 and all(np.abs(part[30:]).max() > 1e-4 for part in slower)


def test_the_spectra_of_a_stream_are_those_of_the_piece():
    sound = np.random.default_rng(0).normal(scale=0.2, size=20 * LISTEN_HOP).astype(np.float32)
    state, told = start_mel(), []
    for at in range(0, len(sound), LISTEN_HOP):
        state, one = mel_step(state, sound[at : at + LISTEN_HOP])
        told.append(one)
    np.testing.assert_allclose(np.concatenate(told), mel_of(sound), atol=1e-6)
    assert mel_of(np.zeros(LISTEN_HOP, np.float32)).max() < 1e-3 and told[0].shape == (MEL_LOOKS, MEL_BANDS)


def test_a_shipped_ear_says_what_the_network_says(net, shipped):
    folder, about = shipped
    ear = load_ear("onnx", folder)
    assert ear.identity == about["identity"] and ear.identity.startswith("small+") and ear.embedding == 5
    x, state, said = spectra(), ear.start(), []
    for at in range(0, len(x), MEL_LOOKS):
        before = pickle.dumps(state)
        after, one = ear.step(state, x[at : at + MEL_LOOKS])
        assert pickle.dumps(state) == before
        state = after
        said.append(one)
    looks, frames, embedding, tempo = outputs(net, x, len(x))
    probability = 1 / (1 + np.exp(-looks))
    np.testing.assert_allclose(np.concatenate([one.beat for one in said]), probability[:, 0], atol=5e-3)
    np.testing.assert_allclose(np.concatenate([one.downbeat for one in said]), probability[:, 1], atol=5e-3)
    names = ("pulse", "drums", "speech", "build", "breakdown", "drop", "phrase")
    told = np.array([[getattr(one, name) for name in names] for one in said])
    np.testing.assert_allclose(told, 1 / (1 + np.exp(-frames)), atol=5e-3)
    np.testing.assert_allclose(np.stack([one.embedding for one in said]), embedding, atol=5e-3)
    shares = np.exp(tempo) / np.exp(tempo).sum(1, keepdims=True)
    np.testing.assert_allclose(np.stack([one.tempo for one in said]), shares, atol=5e-3)


def test_the_golden_step_comes_out_again(shipped):
    folder, _ = shipped
    ear = load_ear("onnx", folder)
    with np.load(folder / "golden.npz") as golden:
        state, said = ear.step(golden["in.state"], golden["in.spectra"][0])
        np.testing.assert_allclose(said.beat, golden["out.looks"][0, :, 0], atol=1e-5)
        np.testing.assert_allclose(state, golden["out.state_after"], atol=1e-4)
        assert np.abs(golden["in.state"]).max() > 0.01, "a golden step from a state that holds nothing shows nothing"


def test_a_grown_network_says_the_same_and_hears_with_all_of_itself(net):
    import torch

    from realtime_models.ear import EarNet
    from realtime_models.training.ear.grow import grown

    spec = replace(net.spec, dilations=(1, 2, 4, 8), memory=20)
    larger = EarNet(spec).eval()
    grown(larger, net.state_dict())
    x = spectra()
    for before, after in zip(outputs(net, x, len(x)), outputs(larger, x, len(x)), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-5)
    told = larger(torch.from_numpy(x[None]), larger.start())
    sum(part.square().sum() for part in told[:4]).backward()
    assert larger.out[3].weight.grad.abs().max() > 0, "the new block learns"
    assert larger.say_frames.weight.grad[:, -8:].abs().max() > 0, "the new memory is heard"
    with pytest.raises(ValueError, match="does not fit"):
        grown(EarNet(replace(net.spec, memory=8)), net.state_dict())


def test_what_differs_is_not_shipped(net, tmp_path, monkeypatch, shipped):
    from realtime_models.training.ear import ship

    monkeypatch.setattr(ship, "TOLERANCE", 0.0)
    with pytest.raises(ModelError, match="nothing exported"):
        ship.ship(net, "wrong", tmp_path / "ear")
    monkeypatch.setattr(ship, "ROUNDING", 0.0)
    with pytest.raises(ModelError, match="float16"):
        ship.ship(net, "wrong", tmp_path / "ear")
    assert not (tmp_path / "ear").exists()


def test_what_is_wrong_with_weights_is_one_line(shipped, tmp_path):
    folder, _ = shipped
    with pytest.raises(ModelError, match="no usable ear"):
        load_ear("onnx", tmp_path)
    with pytest.raises(ModelError, match="no back end 'abacus'"):
        load_ear("abacus", folder)
    about = json.loads((folder / "ear.json").read_text())
    (tmp_path / "ear.json").write_text(json.dumps(about | {"bands": 40}))
    with pytest.raises(ModelError, match="40 spectra"):
        load_ear("onnx", tmp_path)
    (tmp_path / "ear.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match=r"no ear\.onnx"):
        load_ear("onnx", tmp_path)
    (tmp_path / "ear.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match="cannot be read"):
        load_ear("onnx", tmp_path)


def test_what_is_no_checkpoint_is_one_line(module_needs, tmp_path, capsys):
    module_needs.module("torch", TORCH)
    module_needs.module("onnx", "pip install onnx")
    from realtime_models.training.ear.ship import load_trained, main

    with pytest.raises(ConfigError, match="is no checkpoint"):
        load_trained(tmp_path / "nothing.pt")
    assert main([str(tmp_path / "nothing.pt")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
