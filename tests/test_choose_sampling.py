"""The choice of sampling is what is danced with, and nothing else differs between two lines of its table."""

from pathlib import Path

import numpy as np
import pytest

from realtime_models.backends import WEIGHTS

SONG = Path(__file__).parent / "data" / "hiphop_86.ogg"


@pytest.fixture(scope="module")
def heard(module_needs):
    module_needs.module("scipy", "pip install '.[dev]'")
    from engine.sources import open_file
    from realtime_models.training.judge.programme import Song
    from realtime_models.training.judge.systems.model import Track, hear

    samples = np.concatenate([block.samples for block in open_file(str(SONG), block=4800)])[: 48_000 * 4]
    track = Track("hiphop", samples, 48_000, np.arange(0.2, 4, 60 / 86))
    return Song(track, np.zeros(120)), hear(track)


def test_the_same_choice_dances_the_same_and_another_one_does_not(heard):
    from realtime_models.training.choose_sampling import Choice, Job, dance

    def danced(guidance, temperature, steps):
        return dance(Job(WEIGHTS, Choice(guidance, temperature, steps), *heard, seed=1)).positions

    first = danced(1.0, 0.65, 2)
    assert np.array_equal(first, danced(1.0, 0.65, 2))
    for other in (danced(3.0, 0.65, 2), danced(1.0, 1.2, 2), danced(1.0, 0.65, 4)):
        assert first.shape == other.shape and np.abs(first - other).max() > 0.02
