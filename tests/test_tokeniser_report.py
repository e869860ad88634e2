"""What the tokeniser's report says of made-up cases whose answer is known."""

import numpy as np
import pytest
from dance_clips import DANCES, read_pose


@pytest.fixture
def torch(needs):
    return needs.module("torch", "pip install torch==2.13.0")


@pytest.fixture
def entry(torch):
    from realtime_models.training.bank import entry_of
    from realtime_models.training.data import Clip

    root, rotations = read_pose(DANCES[0])
    nothing = np.array([], int)
    clip = Clip("x_05_01", "modern", True, "val", root[:160], rotations[:160], nothing, np.arange(10) * 0.5, 1.0)
    return entry_of(clip)


@pytest.fixture
def tokeniser(torch):
    from realtime_models.spec import ModelSpec
    from realtime_models.tokens import Tokeniser

    torch.manual_seed(0)
    return Tokeniser(ModelSpec(encoder_width=8, decoder_width=16, frame_width=8)).eval()


def test_perplexity_counts_codes_that_are_used_evenly(torch):
    from realtime_models.training.tokeniser_report import perplexity

    assert perplexity(np.arange(50).repeat(3)) == pytest.approx(50)
    assert perplexity(np.zeros(9, int)) == pytest.approx(1)


def test_row_by_row_is_the_whole_unless_rows_depend_on_more_than_is_said(tokeniser, entry):
    from dataclasses import replace

    from realtime_models.training.tokeniser_report import streaming_error

    assert streaming_error(tokeniser, entry) < 1e-4
    tokeniser.spec = replace(tokeniser.spec, decoder_rows=3)
    assert streaming_error(tokeniser, entry) > 1e-4


def test_what_is_reproduced_has_no_error_and_the_same_jerk(tokeniser, entry, monkeypatch, torch):
    from realtime_models.training.tokeniser_report import measure

    indices = torch.zeros(1, 40, tokeniser.spec.groups, 2, dtype=torch.int64)
    monkeypatch.setattr(type(tokeniser), "forward", lambda self, x, keep=None: (x, indices))
    kept = measure(tokeniser, [entry])
    assert kept.mm == 0 and kept.jerk_made == kept.jerk_real > 50
    monkeypatch.setattr(type(tokeniser), "forward", lambda self, x, keep=None: (x.roll(1, 1), indices))
    assert measure(tokeniser, [entry]).mm > 1


def test_one_line_a_dancer(tokeniser, entry):
    from realtime_models.training.tokeniser_report import report

    lines = report(tokeniser, [entry])
    assert lines[1].startswith("val, x_05, modern")
    assert lines[-2].startswith("897 bits a second, 90 tokens")
