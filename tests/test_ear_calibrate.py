"""The fit of the confidence on made-up moments, and a packed piece from end to end."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def calibrate(module_needs):
    for name in ("torch", "scipy", "onnx"):
        module_needs.module(name, f"pip install {name}")
    from realtime_models.training.ear import calibrate

    return calibrate


def test_the_fit_finds_what_the_moments_were_made_of(calibrate):
    rng = np.random.default_rng(0)
    grounds = rng.uniform(size=(40_000, 4))
    truth = np.array([3.0, 1.0, 2.0, 0.0])
    chance = calibrate.predicted(-3.0, truth, grounds)
    bias, weights = calibrate.fit(grounds, rng.uniform(size=len(chance)) < chance)
    assert bias == pytest.approx(-3.0, abs=0.25)
    np.testing.assert_allclose(weights, truth, atol=0.3)
    _, error = calibrate.reliability(
        calibrate.predicted(bias, weights, grounds), rng.uniform(size=len(chance)) < chance
    )
    assert error < 0.02


def test_no_weight_is_negative(calibrate):
    grounds = np.random.default_rng(1).uniform(size=(5000, 4))
    _, weights = calibrate.fit(grounds, grounds[:, 0] < 0.5)
    assert (weights >= 0).all() and weights[0] == 0


def test_reliability_by_hand(calibrate):
    """Four moments said .95, of which three right: |.95 - .75|; four said .15, none right: .15. Mean .175."""
    table, error = calibrate.reliability(np.repeat([0.95, 0.15], 4), np.array([1, 1, 1, 0, 0, 0, 0, 0], bool))
    np.testing.assert_allclose(table[[1, 9]], [[0.5, 0.15, 0.0], [0.5, 0.95, 0.75]])
    assert error == pytest.approx(0.175)


def test_packed_pieces_are_read_and_scored(calibrate, tmp_path, capsys):
    """A small network, two held pieces of eight seconds, one without a beat."""
    import torch

    from realtime_models.ear import EarNet, EarSpec
    from realtime_models.training.ear.train import save

    torch.manual_seed(0)
    spec = EarSpec(front=(4, 4, 8), width=12, dilations=(1, 2), kernel=3, memory=8, embedding=4)
    net = EarNet(spec)
    save(tmp_path / "ear.pt", spec, net.state_dict(), net, 7)
    for number, beats_s in enumerate((np.arange(0.5, 8.0, 0.5), np.zeros(0))):
        mel = np.random.default_rng(number).integers(0, 255, (480, 72)).astype(np.uint8)
        np.savez(tmp_path / f"{number}.npz", mel=mel, beats_s=beats_s, info=json.dumps({"split": "val"}))
    np.savez(tmp_path / "trained.npz", mel=mel, beats_s=beats_s, info=json.dumps({"split": "train"}))
    options = ["--checkpoint", str(tmp_path / "ear.pt"), "--pack", str(tmp_path), "--workers", "1"]
    assert calibrate.main(options) == 0
    told = capsys.readouterr().out
    assert "2 pieces" in told and "BIAS = " in told and "WEIGHTS = Grounds(share=" in told and "without a beat" in told
    (tmp_path / "empty").mkdir()
    assert calibrate.main([*options[:3], str(tmp_path / "empty")]) == 2
    assert "no held pieces" in capsys.readouterr().err
