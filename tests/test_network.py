"""The networks: what streams equals what is trained, nothing sees the future, tokens round-trip."""

import numpy as np
import pytest

from realtime_models.spec import ModelSpec

SMALL = ModelSpec(
    identity="made-up", encoder_width=16, decoder_width=24, frame_width=12, width=32, heads=2, history_layers=2,
    plan_layers=1, history_rows=6,
)  # fmt: skip


@pytest.fixture
def torch(needs):
    return needs.module("torch", "pip install torch==2.13.0")


@pytest.fixture
def generator(torch):
    from realtime_models.network import Generator

    torch.manual_seed(1)
    made = Generator(SMALL).eval()
    torch.nn.init.normal_(made.history.distance)
    return made


@pytest.fixture
def tokeniser(torch):
    from realtime_models.tokens import Tokeniser

    torch.manual_seed(2)
    return Tokeniser(SMALL).eval()


def test_history_step_equals_forward_beyond_its_span(torch, generator):
    rows = 4 * SMALL.history_rows
    codes, condition = torch.randn(2, rows, 6, 8), torch.randn(2, rows, SMALL.condition)
    style = torch.tensor([0, 3])
    with torch.no_grad():
        whole = generator.history(codes, condition, style)
        past = torch.zeros(SMALL.history_layers, 2, SMALL.history_rows - 1, SMALL.width)
        for row in range(rows):
            age = torch.full((2,), row)
            out, past = generator.history.step(codes[:, row], condition[:, row], style, past, age)
            torch.testing.assert_close(out, whole[:, row], atol=2e-5, rtol=1e-4)


def test_empty_past_is_not_seen(torch, generator):
    """Numbers poured into the cache of a stream that has no past must not leak."""
    past = torch.zeros(SMALL.history_layers, 1, SMALL.history_rows - 1, SMALL.width)
    inputs = torch.randn(1, 6, 8), torch.randn(1, SMALL.condition), torch.zeros(1, dtype=torch.long)
    with torch.no_grad():
        clean, _ = generator.history.step(*inputs, past, torch.tensor([0]))
        dirty, _ = generator.history.step(*inputs, past + 1e3, torch.tensor([0]))
    torch.testing.assert_close(clean, dirty)


def test_masked_tokens_are_not_seen(torch, generator):
    codes, masked = torch.randn(1, SMALL.plan_rows, 6, 8), torch.zeros(1, SMALL.plan_rows, 6)
    masked[0, 1, 2] = 1.0
    others = torch.randn(1, SMALL.width), torch.randn(1, 2, 6, 8)
    told = torch.randn(1, SMALL.plan_rows, SMALL.condition), torch.zeros(1, dtype=torch.long)
    other_codes = codes.clone()
    other_codes[0, 1, 2] = 99.0
    with torch.no_grad():
        first = generator.plan(*others, codes, masked, *told)
        second = generator.plan(*others, other_codes, masked, *told)
        seen = generator.plan(*others, other_codes, torch.zeros_like(masked), *told)
    torch.testing.assert_close(first, second)
    assert not torch.allclose(first, seen)


def test_encoder_and_decoder_never_look_ahead(torch, tokeniser):
    motion = torch.randn(1, 48, SMALL.frame_size)
    later = motion.clone()
    later[:, 24:] = torch.randn(1, 24, SMALL.frame_size)
    with torch.no_grad():
        torch.testing.assert_close(tokeniser.encode(motion)[:, :6], tokeniser.encode(later)[:, :6])
        codes = torch.randn(1, 12, 6, 8)
        other = codes.clone()
        other[:, 6:] = 0
        torch.testing.assert_close(tokeniser.decode(codes)[:, :24], tokeniser.decode(other)[:, :24])


def test_decoding_the_newest_rows_with_their_context_equals_decoding_everything(torch, tokeniser):
    codes = torch.randn(1, 40, 6, 8)
    with torch.no_grad():
        whole = tokeniser.decode(codes)[:, -16:]
        part = tokeniser.decode(codes[:, -(SMALL.decoder_rows + 4) :])[:, -16:]
    torch.testing.assert_close(whole, part, atol=1e-5, rtol=1e-4)


def test_a_token_speaks_of_its_own_limb_only(torch, tokeniser):
    from realtime_models.features import GROUP_SIZES, GROUP_STARTS

    motion = torch.randn(1, 16, SMALL.frame_size)
    with torch.no_grad():
        before = tokeniser.encode(motion)
        for group, (start, size) in enumerate(zip(GROUP_STARTS, GROUP_SIZES, strict=True)):
            moved = motion.clone()
            moved[..., start : start + size] += 1.0
            changed = (tokeniser.encode(moved) != before).any(-1).any(1)[0]
            assert changed.tolist() == [g == group for g in range(6)]


def test_indices_and_codes_are_one_to_one(torch):
    from realtime_models.sampler import TokenDancer
    from realtime_models.tokens import Quantiser

    quantiser = Quantiser(SMALL.levels, SMALL.stages)
    codes, indices = quantiser(torch.randn(500, 8) * 2)
    torch.testing.assert_close(quantiser.codes(indices), codes, atol=1e-5, rtol=0)
    every = torch.arange(SMALL.codes)[:, None].expand(-1, 2)
    assert len(torch.unique(quantiser.codes(every), dim=0)) == SMALL.codes
    dancer = TokenDancer(None, SMALL, np.zeros((1, 6, 2), np.int64))
    np.testing.assert_allclose(dancer.codes(indices.numpy()), codes.detach().numpy(), atol=1e-6)


def test_export_writes_a_model_that_dances_and_refuses_one_that_differs(
    torch, generator, tokeniser, tmp_path, needs, monkeypatch
):
    needs.module("onnxscript", "pip install onnx onnxscript")
    from engine.errors import ModelError
    from realtime_models import export
    from realtime_models.backends import load_model

    primer = np.zeros((10, 6, 2), np.int64)
    export.export(tokeniser, generator, SMALL, primer, tmp_path / "good")
    model = load_model("onnx", tmp_path / "good")
    assert model.spec.identity.startswith("made-up+")
    state = model.start(5)
    assert np.isfinite(state.summary).all()
    monkeypatch.setattr(export, "TOLERANCE", 0.0)
    with pytest.raises(ModelError, match="differs from torch"):
        export.export(tokeniser, generator, SMALL, primer, tmp_path / "bad")
    assert not list((tmp_path / "bad").glob("*.onnx"))
