"""The decoder is trained alone: tokens stay, bodies are mixed above the hips, codes go astray by a step."""

import numpy as np
import pytest
from dance_clips import DANCES, read_pose


@pytest.fixture
def torch(needs):
    return needs.module("torch", "pip install torch==2.13.0")


@pytest.fixture
def windows(torch):
    from realtime_models.training.bank import entry_of
    from realtime_models.training.data import Clip
    from realtime_models.training.train_tokeniser import Windows

    def clip(name):
        root, rotations = read_pose(name)
        return Clip(name, "modern", True, "train", root[:120], rotations[:120], np.array([], int))

    return Windows([entry_of(clip(name)) for name in DANCES[:2]], 32, 0)


def test_only_torso_and_arms_become_anothers(torch):
    from realtime_models.features import GROUP_SIZES, GROUP_STARTS
    from realtime_models.training.train_decoder import mix

    batch = torch.arange(200.0)[:, None, None].expand(200, 3, 126).clone()
    out = mix(batch, torch.Generator().manual_seed(0))
    groups = [out[:, 0, s : s + n] for s, n in zip(GROUP_STARTS, GROUP_SIZES, strict=True)]
    assert all((group == group[:, :1]).all() for group in groups)  # a group is of one body
    changed = torch.stack([(group[:, 0] != batch[:, 0, 0]).float().mean() for group in groups])
    assert (changed[[0, 4, 5]] == 0).all() and ((changed[1:4] > 0.15) & (changed[1:4] < 0.35)).all()


def test_numbers_go_astray_by_one_level_at_most(torch):
    from realtime_models.training.train_decoder import ASTRAY, step_off

    levels = torch.tensor([8.0, 5.0])
    codes = torch.zeros(300, 4, 6, 4)
    moved = step_off(codes, levels, 2, torch.Generator().manual_seed(0))
    assert set(moved[..., [0, 2]].unique().tolist()) == {-0.25, 0.0, 0.25}
    assert set(moved[..., [1, 3]].unique().tolist()) == {-0.5, 0.0, 0.5}
    assert 0.3 * ASTRAY < (moved != 0).float().mean() < 0.7 * ASTRAY


def test_training_leaves_the_tokens_and_lowers_the_error(torch, windows):
    from realtime_models.spec import ModelSpec
    from realtime_models.tokens import Tokeniser
    from realtime_models.training.train_decoder import DecoderLearner
    from realtime_models.training.train_tokeniser import normaliser

    torch.manual_seed(0)
    spec = ModelSpec(encoder_width=8, decoder_width=32, frame_width=16)
    before = Tokeniser(spec)
    for name, value in zip(("mean", "scale"), normaliser(windows.bank), strict=True):
        getattr(before, name).copy_(torch.from_numpy(value))
    held = windows.draw(4)
    trained = {"spec": spec.to_json(), "model": before.state_dict()}
    learner = DecoderLearner(trained, windows, held, batch=4, rate=2e-3, seed=0)
    tokens, error = before.tokens(held), learner.validate()["mm"]
    lost = [sum(learner.step(step / 40, step).values()) for step in range(40)]
    assert torch.equal(learner.model.tokens(held), tokens)
    assert np.mean(lost[-5:]) < 0.9 * np.mean(lost[:5])
    assert learner.validate()["mm"] < error
