"""The ear that is shipped, on music and on what is none."""

from pathlib import Path

import numpy as np
import pytest

from engine.listen import Front, listen_step, start_listening
from engine.sources import open_file
from engine.types import LISTEN_HOP, LISTEN_RATE_HZ, MusicFeatures
from realtime_models.backends import load_ear

CLIPS = Path(__file__).parent / "data"
LEAD_IN_S = 5.0


@pytest.fixture(scope="module")
def ear():
    return load_ear()


def heard(ear, frames) -> list[MusicFeatures]:
    state, features = start_listening(ear), []
    for samples in frames:
        state, one = listen_step(ear, state, samples)
        features.append(one)
    return features


def music(name: str) -> list[np.ndarray]:
    source = open_file(str(CLIPS / name))
    front = Front(source.rate)
    return [frame.samples for block in source for frame in front.push(block)]


@pytest.mark.parametrize(("name", "bpm"), [("reggaeton_92.ogg", 92), ("hiphop_86.ogg", 86)])
def test_the_next_beat_is_known_before_it_sounds(ear, name, bpm):
    """At any moment after the lead-in the beat that is to come next is predicted within 70 ms, at the true tempo."""
    period_s, errors_s = 60 / bpm, []
    for one in heard(ear, music(name)):
        now_s = one.frame / 60
        if now_s < LEAD_IN_S or now_s > 15.0:
            continue
        next_s = float(one.beat.time_of(np.ceil(one.beat.beats_at(now_s))))
        errors_s.append((next_s - 0.5 + period_s / 2) % period_s - period_s / 2)
        assert abs(one.beat.bpm / bpm - 1) < 0.04, f"{one.beat.bpm:.1f} at {now_s:.1f} s"
    assert np.mean(np.abs(errors_s) < 0.07) > 0.95
    assert abs(np.median(errors_s)) < 0.02


def test_music_is_trusted_more_than_noise_and_silence_is_not_trusted(ear):
    rng = np.random.default_rng(0)
    frames = 12 * LISTEN_RATE_HZ // LISTEN_HOP
    noise = [0.05 * rng.standard_normal(LISTEN_HOP).astype(np.float32) for _ in range(frames)]
    silence = [np.zeros(LISTEN_HOP, np.float32)] * frames
    sure = {
        name: np.mean([f.beat.confidence for f in heard(ear, sound)[-120:]])
        for name, sound in (("music", music("reggaeton_92.ogg")), ("noise", noise), ("silence", silence))
    }
    assert sure["music"] > 0.7 and sure["noise"] < 0.3 and sure["silence"] < 0.2
    assert heard(ear, silence)[-1].silence
