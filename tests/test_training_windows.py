"""The generator is trained on what the show will tell it: a window's condition is that of its first row's moment."""

from dataclasses import replace

import numpy as np
import pytest


@pytest.fixture
def torch(needs):
    return needs.module("torch", "pip install torch==2.13.0")


def test_a_window_is_told_what_was_known_when_its_first_row_was_committed(torch):
    from realtime_models.spec import ModelSpec
    from realtime_models.training.rows import Batch
    from realtime_models.training.trainer import Trainer

    spec = ModelSpec(width=8, heads=2, history_layers=1, plan_layers=1, history_rows=4)
    rows, numbers = 9, spec.condition
    trainer = Trainer(spec, positions=2, seed=0)
    ahead = torch.zeros(1, rows, spec.plan_rows, numbers)
    told = torch.arange(rows)[:, None] * 100.0 + torch.arange(spec.plan_rows)
    ahead[0] = told[..., None]
    tokens = torch.zeros(1, rows, spec.groups, spec.stages, dtype=torch.int64)
    batch = Batch(tokens, ahead[:, :, 0].clone(), torch.zeros(1, dtype=torch.int64), ahead)
    codes, hidden = trainer.quantiser.codes(tokens), torch.zeros(1, rows, spec.width)
    window, at = trainer.windows(codes, hidden, batch, torch.tensor([[1, 4]]))
    assert np.array_equal(at[0, :, 0].numpy(), [2, 5])
    assert np.array_equal(window.condition[:, :, 0].numpy(), [[200, 201, 202, 203], [500, 501, 502, 503]])
    assert window.heard is None and window.strength is None
    hears = Trainer(replace(spec, attention="aligned", heard_rows=3), positions=2, seed=0)
    window, _ = hears.windows(codes, hidden, batch, torch.tensor([[1, 4]]))
    told = [[0, 0, 100], [200, 300, 400]]  # row 0 was told 0, and nothing is known from before
    assert np.array_equal(window.heard[:, :, 0].numpy(), told)
