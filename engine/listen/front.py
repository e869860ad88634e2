"""From what a device gives to what the listener hears: 24-bit quantising and a stateful rational resampler to 24 kHz.

Every output frame is computed on its own from a window of source samples whose position depends only on the frame's
number, so the result is the same to the last bit whatever the block size.
"""

import math
from typing import NamedTuple

import numpy as np

from engine.types import LISTEN_HOP, LISTEN_RATE_HZ, AudioBlock

DELAY_SAMPLES = 16  #: the resampler's delay in samples at 24 kHz, the same for every source rate
DELAY_S = DELAY_SAMPLES / LISTEN_RATE_HZ
_FULL_SCALE = 2.0**23
_ROLL_OFF = 0.92  # passband edge as a share of the lower of the two Nyquist frequencies
_KAISER_BETA = 7.0


class Heard(NamedTuple):
    """One model frame of what was heard."""

    samples: np.ndarray  #: (800,) float32 at 24 kHz
    gap: bool  #: True when a part of its time span was not captured
    heard_end: int  #: source samples consumed when it was complete


def quantise(samples: np.ndarray) -> np.ndarray:
    """Round samples (N,) in [-1, 1] to the 24-bit grid that a take records; float32, not finite becomes 0."""
    x = np.nan_to_num(np.asarray(samples, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return (np.clip(np.rint(x * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1) / _FULL_SCALE).astype(np.float32)


class Front:
    """Push AudioBlocks in order, get whole 800-sample frames at 24 kHz back."""

    def __init__(self, rate: int):
        """``rate`` [Hz] of the blocks to come, 8 to 192 kHz."""
        if not 8_000 <= rate <= 192_000:
            raise ValueError(f"sample rate {rate} Hz is outside 8000..192000")
        common = math.gcd(rate, LISTEN_RATE_HZ)
        self.rate = rate
        self._up, self._down = LISTEN_RATE_HZ // common, rate // common
        self._half = DELAY_SAMPLES * rate // LISTEN_RATE_HZ  # half width of the kernel in source samples
        self._kernel = _polyphase(self._up, self._down, self._half)
        taps = self._kernel.shape[0]
        self._offsets = np.arange(taps)[:, None]
        self._pad = 2 * taps  # zeros before the first sample
        self._buffer = np.zeros(self._pad, np.float32)
        self._origin = -self._pad  # source index of buffer[0]
        self._end = 0  # source samples received
        self._frames = 0
        self._gaps: list[tuple[int, int]] = []

    def push(self, block: AudioBlock) -> list[Heard]:
        """Take a block (N,) and return the frames that it completes. Raises ValueError on a hole or another rate."""
        if block.rate != self.rate or block.start != self._end:
            raise ValueError(f"expected sample {self._end} at {self.rate} Hz, got {block.start} at {block.rate} Hz")
        self._buffer = np.concatenate([self._buffer, quantise(block.samples)])
        self._end += len(block.samples)
        if block.gap and len(block.samples):
            self._gaps.append((block.start, self._end))
        out = []
        while self._border(self._frames + 1) <= self._end:
            out.append(self._frame())
        return out

    def _border(self, frame: int) -> int:
        """Source samples that must have been heard before frame number ``frame`` begins."""
        return -(-frame * LISTEN_HOP * self._down // self._up)

    def _frame(self) -> Heard:
        # output sample m shows source time (m - DELAY_SAMPLES) * down / up
        ticks = (np.arange(LISTEN_HOP) + self._frames * LISTEN_HOP - DELAY_SAMPLES) * self._down
        whole, phase = np.divmod(ticks, self._up)
        first = whole - (self._half - 1) - self._origin
        window = self._buffer[self._offsets + first]
        # summed over axis 0, so that every output adds its taps in the same order on every run
        samples = np.add.reduce(window * self._kernel[:, phase], axis=0).astype(np.float32)
        start, end = self._border(self._frames), self._border(self._frames + 1)
        gap = any(a < end and b > start for a, b in self._gaps)
        self._gaps = [(a, b) for a, b in self._gaps if b > end]
        self._frames += 1
        spare = end - self._pad - self._origin
        if spare > 0:
            self._buffer = self._buffer[spare:].copy()
            self._origin += spare
        return Heard(samples, gap, end)


def _polyphase(up: int, down: int, half: int) -> np.ndarray:
    """Kaiser-windowed sinc, (2 half, up): column p weighs the source samples around fraction p / up."""
    if up == down:
        kernel = np.zeros((2 * half, 1))
        kernel[half - 1] = 1.0
        return kernel
    cutoff = _ROLL_OFF * min(1.0, up / down)
    distance = np.arange(1 - half, half + 1)[:, None] - np.arange(up)[None, :] / up
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1.0 - (distance / half) ** 2, 0.0, None))) / np.i0(_KAISER_BETA)
    kernel = cutoff * np.sinc(cutoff * distance) * window
    return kernel / kernel.sum(axis=0)
