"""What the network says of the tempo: its targets in training, and what the pointer makes of it."""

import numpy as np
import pytest

from engine.listen.pointer import PERIODS, TICK_HZ, pointer_step, read_pointer, start_pointer
from engine.listen.tempo import TEMPI_BPM, likelier, shares_of

LOOKS = 2  # a model frame


def told(bpm: float, sure: float = 0.9) -> np.ndarray:
    """(48,) ``sure`` at the tempo nearest to ``bpm``, the rest spread evenly."""
    out = np.full(len(TEMPI_BPM), (1 - sure) / (len(TEMPI_BPM) - 1))
    out[np.abs(np.log(np.array(TEMPI_BPM) / bpm)).argmin()] = sure
    return out


def tempo_after(seconds: float, bpm: float, half: float, tempo: np.ndarray) -> float:
    """BPM read after clicks at ``bpm``, every second of them only ``half`` as sure."""
    state = start_pointer()
    for frame in range(round(seconds * 30)):
        times = (frame * LOOKS + np.arange(LOOKS)) / 60
        beat = times * bpm / 60
        near = np.exp(-0.5 * ((beat - np.rint(beat)) * 60 * 60 / bpm / 0.8) ** 2)
        state = pointer_step(state, near * np.where(np.rint(beat) % 2 == 0, 0.9, half), 1.0, tempo)
    return 60.0 / read_pointer(state)[1].period_s


def test_the_tempi_span_what_the_pointer_follows():
    bpm = 60 * TICK_HZ / PERIODS
    assert TEMPI_BPM[0] < bpm.min() and TEMPI_BPM[-1] > bpm.max()
    shares = shares_of(bpm)
    np.testing.assert_allclose(shares.sum(1), 1.0, atol=1e-9)
    middle = shares @ np.log(np.array(TEMPI_BPM))
    inside = (bpm > 50) & (bpm < 200)
    np.testing.assert_allclose(middle[inside], np.log(bpm)[inside], atol=0.01)


def test_an_even_spread_says_nothing():
    even = np.full(len(TEMPI_BPM), 1 / len(TEMPI_BPM))
    np.testing.assert_allclose(likelier(even, shares_of(60 * TICK_HZ / PERIODS)), 1.0)
    state = start_pointer()
    beats = np.array([0.2, 0.7])
    np.testing.assert_allclose(pointer_step(state, beats, 1.0, even).belief, pointer_step(state, beats, 1.0).belief)


@pytest.mark.parametrize("counted", [75.0, 150.0])
def test_of_two_levels_the_one_that_is_counted_is_followed(counted):
    """Loud and soft clicks at 150 a minute are 75 or 150: the sound alone does not say which."""
    assert tempo_after(12, 150, 0.5, told(counted)) == pytest.approx(counted, rel=0.02)


def test_without_a_pulse_the_tempo_told_moves_nothing():
    state = start_pointer()
    for _ in range(300):
        state = pointer_step(state, np.zeros(LOOKS), 0.0, np.zeros(0))
    after = pointer_step(state, np.zeros(LOOKS), 0.0, told(80))
    before = pointer_step(state, np.zeros(LOOKS), 0.0)
    assert np.abs(after.belief - before.belief).max() < 0.02 * before.belief.max()


def test_targets_are_the_tempo_of_the_last_two_beats(module_needs):
    module_needs.module("torch", 'pip install "torch>=2.6"')
    from realtime_models.training.ear.pieces import _tempo

    beats_looks = np.concatenate([np.arange(0, 600, 30.0), 600 + np.arange(1, 20) * 60.0])  # 120, then 60 BPM
    goal = _tempo(beats_looks, 800)
    bpm = np.array(TEMPI_BPM)
    assert goal[100].sum() == pytest.approx(1.0, abs=1e-5) and bpm[goal[100].argmax()] == pytest.approx(120, rel=0.02)
    assert bpm[goal[-1].argmax()] == pytest.approx(60, rel=0.02)
    assert goal[0].sum() == 0, "nothing can be counted before the third beat"
    assert _tempo(beats_looks[:2], 100).sum() == 0
