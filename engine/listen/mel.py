"""What the ear's network sees: 60 log-spaced spectra a second. Pure: samples in, spectra out.

Two looks a model frame. A look is the magnitude spectrum of the newest 1024 samples (Hann, 42.7 ms), summed into bands
that are linear (one bin of 23.4 Hz) at the bottom and geometric above, in decibels mapped to about 0..1. Loudness is
kept, not normalised away: the network is trained to bear 40 dB of it, and silence must look like silence.
"""

import numpy as np

from engine.types import LISTEN_HOP, LISTEN_RATE_HZ

MEL_LOOKS = 2  #: looks a model frame
MEL_HOP = LISTEN_HOP // MEL_LOOKS  #: samples between looks
MEL_HZ = LISTEN_RATE_HZ / MEL_HOP  #: looks a second
MEL_BANDS = 72
MEL_WINDOW = 1024
MEL_LATENCY_S = MEL_WINDOW / 2 / LISTEN_RATE_HZ  #: from the middle of a window to the look: 21 ms
_FIRST_HZ, _TOP_HZ = 30.0, 11_500.0
_FLOOR, _RANGE_DB = 1e-4, 100.0  # -80 dBFS is almost nothing; 100 dB above the floor would be 1


def _bands() -> np.ndarray:
    """Triangles (MEL_BANDS, bins) of unit height; narrow ones at the bottom are never narrower than one bin."""
    step_hz = LISTEN_RATE_HZ / MEL_WINDOW
    bins_hz = np.arange(MEL_WINDOW // 2 + 1) * step_hz
    for linear in range(2, MEL_BANDS):  # as many linear bands as it takes for the geometric ones to be no narrower
        start_hz = _FIRST_HZ + linear * step_hz
        ratio = (_TOP_HZ / start_hz) ** (1 / (MEL_BANDS - linear))
        if start_hz * (ratio - 1) >= step_hz:
            break
    low = _FIRST_HZ + np.arange(linear) * step_hz
    high = start_hz * ratio ** np.arange(MEL_BANDS - linear + 2)
    edges = np.concatenate([[_FIRST_HZ - step_hz], low, high])[: MEL_BANDS + 2]
    rise = (bins_hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins_hz) / np.diff(edges)[1:, None]
    triangles = np.clip(np.minimum(rise, fall), 0.0, None)
    return triangles / np.maximum(triangles.max(axis=1, keepdims=True), 1e-9)


_TRIANGLES = _bands().astype(np.float32)
_HANN = np.hanning(MEL_WINDOW + 1)[:-1]
_WINDOW = (_HANN * (2.0 / _HANN.sum())).astype(np.float32)
_STARTS = np.arange(MEL_LOOKS)[:, None] * MEL_HOP + np.arange(MEL_WINDOW)[None, :] + MEL_HOP


def start_mel() -> np.ndarray:
    """The state before the first sample: the newest 1024 samples, all silent."""
    return np.zeros(MEL_WINDOW, np.float32)


def spectra_of(frames: np.ndarray) -> np.ndarray:
    """Windows of samples (n, 1024) -> (n, MEL_BANDS) float32, about 0 (silence) to 1 (full scale)."""
    magnitudes = np.abs(np.fft.rfft(frames * _WINDOW, axis=1)).astype(np.float32)
    return (np.log10(magnitudes @ _TRIANGLES.T + _FLOOR) * (20.0 / _RANGE_DB) + 80.0 / _RANGE_DB).astype(np.float32)


def mel_step(tail: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One model frame: samples (800,) -> new state and spectra (2, MEL_BANDS) at its middle and its end."""
    signal = np.concatenate([tail, samples.astype(np.float32)])
    return signal[-MEL_WINDOW:], spectra_of(signal[_STARTS])


def mel_of(samples: np.ndarray) -> np.ndarray:
    """The spectra (2 n, MEL_BANDS) of a piece of n model frames, samples (N,) at 24 kHz, as ``mel_step`` gives them."""
    frames = len(samples) // LISTEN_HOP
    padded = np.concatenate([np.zeros(MEL_WINDOW - MEL_HOP, np.float32), samples[: frames * LISTEN_HOP]])
    windows = np.lib.stride_tricks.sliding_window_view(padded.astype(np.float32), MEL_WINDOW)[::MEL_HOP]
    return np.concatenate([spectra_of(windows[i : i + 4096]) for i in range(0, len(windows), 4096)] or [])
