"""The shipped weights: they answer as they did when they were exported, the same state dances the same dance."""

import pickle

import numpy as np
import pytest

from engine import condition
from engine.condition import Condition
from engine.errors import ModelError
from engine.skeleton import forward_kinematics
from realtime_models.backends import WEIGHTS, load_model
from realtime_models.spec import ModelSpec

NAMES = {
    "history": ("summary", "past_after"),
    "plan": ("hidden", "logits"),
    "fine": ("logits",),
    "decode": ("features",),
}


@pytest.fixture(scope="module")
def model():
    return load_model()


def beat_window(row: int, bpm: float = 120.0) -> Condition:
    """Conditions of a steady beat."""
    times = (4 * row + np.arange(16).reshape(4, 4)) / 30
    window = np.zeros((4, condition.FIRST_SIZE), np.float32)
    window[:, condition.BEAT] = condition.beat_numbers(times * bpm / 60, np.full(4, 60 / bpm), np.ones(4))
    window[:, condition.ENERGY], window[:, condition.DELAY] = 0.7, 2 / 3
    return Condition(window, style=3, follow=1.0)


def dance(model, state, first: int, rows: int):
    made = []
    for row in range(first, first + rows):
        state, out = model.step(state, beat_window(row))
        made.append((out.root[:4], out.rotations[:4]))
    return state, np.concatenate([m[0] for m in made]), np.concatenate([m[1] for m in made])


@pytest.mark.parametrize("name", NAMES)
def test_every_network_answers_as_when_it_was_exported(model, name):
    golden = np.load(WEIGHTS / "golden.npz")  # a missing file is a failure
    fed = {k.split(".")[-1]: golden[k] for k in golden.files if k.startswith(f"{name}.in.")}
    told = model.networks.run(name, **fed)
    for output, array in zip(NAMES[name], told, strict=True):
        np.testing.assert_allclose(array, golden[f"{name}.out.{output}"], atol=2e-4)


def test_the_same_seed_dances_the_same_and_another_differs(model):
    first = dance(model, model.start(3), 0, 12)
    again = dance(model, model.start(3), 0, 12)
    other = dance(model, model.start(4), 0, 12)
    np.testing.assert_array_equal(first[2], again[2])
    assert np.abs(first[2] - other[2]).max() > 0.01


def test_a_restored_snapshot_dances_on_as_if_nothing_had_happened(model):
    state, _, _ = dance(model, model.start(7), 0, 6)
    kept = pickle.dumps(state)
    _, root, rotations = dance(model, state, 6, 6)
    _, root_again, rotations_again = dance(model, pickle.loads(kept), 6, 6)
    np.testing.assert_array_equal(root, root_again)
    np.testing.assert_array_equal(rotations, rotations_again)


def test_the_body_is_a_body(model):
    _, root, rotations = dance(model, model.start(1), 0, 60)
    assert np.isfinite(root).all()
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=-1), 1.0, atol=1e-4)
    joints = forward_kinematics(root, rotations)[0]
    assert np.hypot(root[:, 0], root[:, 2]).max() < 2.5
    assert joints[..., 1].min() > -0.25 and joints[:, 15, 1].min() > 0.5
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean() * 30
    assert 0.05 < speed < 2.5


def test_starts_standing_at_the_middle_facing_the_audience(model):
    _, root, _ = dance(model, model.start(1), 0, 1)
    assert np.hypot(root[0, 0], root[0, 2]) < 0.05
    assert 0.85 < root[0, 1] < 1.02


def test_guidance_off_costs_one_pass_and_changes_the_dance(model):
    state = model.start(2)
    window = beat_window(0)
    with_music, _ = model.step(state, window)
    without, _ = model.step(state, Condition(window.window, window.style, follow=0.0))
    assert not np.array_equal(with_music.tokens, without.tokens)


def test_specification_survives_its_file(model):
    assert ModelSpec.from_json(model.spec.to_json()) == model.spec


def test_missing_and_damaged_weights_say_so(tmp_path):
    with pytest.raises(ModelError, match="no usable model"):
        load_model(weights=tmp_path)
    for name in ("spec.json", "primer.npz"):
        (tmp_path / name).write_bytes((WEIGHTS / name).read_bytes())
    with pytest.raises(ModelError, match=r"history\.onnx"):
        load_model(weights=tmp_path)
    (tmp_path / "history.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(weights=tmp_path)


def test_unknown_back_end_names_what_exists():
    with pytest.raises(ModelError, match="onnx"):
        load_model("onyx")
