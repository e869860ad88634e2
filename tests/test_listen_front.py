import numpy as np
import pytest

from engine.listen.front import DELAY_SAMPLES, Front, quantise
from engine.types import LISTEN_HOP, LISTEN_RATE_HZ, AudioBlock

RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000)
BLOCKS = (64, 256, 480, 777)


def push_all(rate: int, sound: np.ndarray, block: int) -> list:
    front, out = Front(rate), []
    for start in range(0, len(sound), block):
        out += front.push(AudioBlock(start, sound[start : start + block], rate))
    return out


@pytest.mark.parametrize("rate", RATES)
def test_same_bits_whatever_the_block_size(rate):
    sound = np.random.default_rng(rate).uniform(-1, 1, rate).astype(np.float32)
    whole = push_all(rate, sound, len(sound))
    assert len(whole) == 30
    for block in BLOCKS:
        pieces = push_all(rate, sound, block)
        assert len(pieces) == len(whole)
        for piece, expected in zip(pieces, whole, strict=True):
            assert piece.heard_end == expected.heard_end
            np.testing.assert_array_equal(piece.samples, expected.samples)


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_comes_through_and_what_would_fold_back_does_not(rate):
    t = np.arange(2 * rate) / rate
    heard = np.concatenate([f.samples for f in push_all(rate, 0.5 * np.sin(2 * np.pi * 1000 * t), 480)])
    expected = 0.5 * np.sin(2 * np.pi * 1000 * (np.arange(len(heard)) - DELAY_SAMPLES) / LISTEN_RATE_HZ)
    assert np.abs(heard - expected)[200:].max() < 2e-4
    assert heard.dtype == np.float32
    if rate > 32_000:
        folded = np.concatenate([f.samples for f in push_all(rate, 0.5 * np.sin(2 * np.pi * 15_000 * t), 480)])
        assert np.abs(folded)[200:].max() < 5e-4


def test_frames_end_exactly_where_stream_time_says():
    for rate in (44_100, 48_000, 96_000):
        heard = push_all(rate, np.zeros(rate, np.float32), 480)
        assert [f.heard_end for f in heard] == [-(-(n + 1) * rate // 30) for n in range(30)]
        assert all(f.samples.shape == (LISTEN_HOP,) for f in heard)


def test_gap_marks_the_frames_that_it_touches():
    front, gaps = Front(48_000), []
    for k in range(20):
        gap = k == 7  # source samples 3360 to 3840: frames 2 (3200 to 4800)
        gaps += [f.gap for f in front.push(AudioBlock(480 * k, np.zeros(480, np.float32), 48_000, gap))]
    assert gaps == [False, False, True, False, False, False]


def test_quantised_to_24_bit_and_finite():
    sound = np.array([0.1, -0.1, 1.0, -1.0, 2.0, np.nan, np.inf], np.float32)
    steps = quantise(sound).astype(np.float64) * 2**23
    np.testing.assert_array_equal(steps, np.rint(steps))
    np.testing.assert_array_equal(steps[[2, 3, 4, 5, 6]], [2**23 - 1, -(2**23), 2**23 - 1, 0, 0])
    np.testing.assert_array_equal(quantise(quantise(sound)), quantise(sound))


def test_holes_and_impossible_rates_are_refused():
    front = Front(48_000)
    front.push(AudioBlock(0, np.zeros(480, np.float32), 48_000))
    with pytest.raises(ValueError, match="expected sample 480"):
        front.push(AudioBlock(960, np.zeros(480, np.float32), 48_000))
    with pytest.raises(ValueError, match="at 44100"):
        front.push(AudioBlock(480, np.zeros(480, np.float32), 44_100))
    with pytest.raises(ValueError, match="outside"):
        Front(4_000)
