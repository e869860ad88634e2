"""Small judgements for the tests of the people's page: four real dances under the names of four systems."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from dance_clips import DANCES, read_dance

from realtime_models.training.judge.people import Built, build

SYSTEMS = ("ours", "clips on the grid", "motion graph", "real")
SONGS = ("song one", "song two")
RATE_HZ = 8000
SECRET = 0x5EA1ED_C0FFEE_0DDBA11_5EA1ED


def noise(seconds: float, seed: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))


def small_judgement(folder: Path, *, seconds: float = 1.0, **other) -> Built:
    """Built pairs: four systems, two songs of 24 s."""
    asked = {"seed": 0, "secret": SECRET, "excerpts": 6, "checks": 2, "sessions": 12, "from_s": 0.0, **other}
    dances = {
        system: [replace(read_dance(clip), song=song) for song in SONGS]
        for system, clip in zip(SYSTEMS, DANCES, strict=True)
    }
    sounds = {song: (noise(24, k), RATE_HZ) for k, song in enumerate(SONGS)}
    return build(dances, sounds, folder, seconds=seconds, **asked)
