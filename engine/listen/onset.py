"""Band-wise onset strength: log-magnitude flux with adaptive normalisation. Pure: state in, state out.

Four looks a model frame (one each 200 samples, 8.3 ms). Magnitudes are divided by their own slowly falling peak before
the logarithm, so quiet and loud, dull and bright, open and compressed music give similar strengths.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from engine.types import LISTEN_HOP, LISTEN_RATE_HZ

LOOKS = 4  #: looks a model frame
HOP = LISTEN_HOP // LOOKS  #: samples between looks
LOOK_HZ = LISTEN_RATE_HZ / HOP
BAND_EDGES_HZ = (30.0, 150.0, 800.0, 4000.0, 11_500.0)  #: kick, low-mid, mid, hats
BANDS = len(BAND_EDGES_HZ) - 1
_WINDOW = 1024
_FILTERS = (3, 6, 8, 6)  # triangular filters in each band
_LAG = 3  # looks between the two spectra that are compared
_PEAK_FALL = float(np.exp(-1.0 / (8.0 * LOOK_HZ)))  # 8 s
_SHARE = 0.05  # a filter is never lifted by more than this share of the loudest one's peak
_FLOOR = 3e-5  # amplitude that counts as nothing, about -90 dBFS
_GAMMA = 20.0  # how hard the logarithm bends
_MEAN_FALL = float(np.exp(-1.0 / (3.0 * LOOK_HZ)))
_TOP_FALL = float(np.exp(-1.0 / (5.0 * LOOK_HZ)))
_TOP_LEAST = 0.02


def _filterbank() -> tuple[np.ndarray, np.ndarray]:
    """Triangles (B_f, bins) with unit sum, log-spaced inside each band, and the band of each (B_f,)."""
    bins_hz = np.arange(_WINDOW // 2 + 1) * LISTEN_RATE_HZ / _WINDOW
    rows, owners = [], []
    for band, count in enumerate(_FILTERS):
        edges = np.geomspace(BAND_EDGES_HZ[band], BAND_EDGES_HZ[band + 1], count + 1)
        for low, high in itertools.pairwise(edges):
            centre, reach = np.sqrt(low * high), max(0.75 * (high - low), 1.2 * LISTEN_RATE_HZ / _WINDOW)
            row = np.clip(1.0 - np.abs(bins_hz - centre) / reach, 0.0, None)
            rows.append(row / row.sum())
            owners.append(band)
    return np.array(rows), np.array(owners)


_TRIANGLES, _OWNERS = _filterbank()
_GROUPS = np.searchsorted(_OWNERS, np.arange(BANDS))  # first filter of each band
_SIZES = np.array(_FILTERS, dtype=np.float64)
_HANN = np.hanning(_WINDOW + 1)[:-1]
_SCALE = 2.0 / _HANN.sum()
_STARTS = np.arange(LOOKS)[:, None] * HOP + np.arange(_WINDOW)[None, :] + HOP


@dataclass(frozen=True, slots=True)
class OnsetState:
    tail: np.ndarray  #: (1024,) the newest samples
    logs: np.ndarray  #: (3, B_f) newest log magnitudes
    peaks: np.ndarray  #: (B_f,) slowly falling peaks
    means: np.ndarray  #: (B,) running mean flux
    tops: np.ndarray  #: (B,) running top of the flux above its mean


def start_onsets() -> OnsetState:
    count = len(_OWNERS)
    return OnsetState(
        np.zeros(_WINDOW), np.zeros((_LAG, count)), np.full(count, _FLOOR), np.zeros(BANDS), np.full(BANDS, _TOP_LEAST)
    )


def onset_step(state: OnsetState, samples: np.ndarray) -> tuple[OnsetState, np.ndarray]:
    """Samples (800,) -> onset strength (4 looks, B), 0..~1, 1 = as strong as the strong hits of the last seconds."""
    signal = np.concatenate([state.tail, samples])
    spectra = np.abs(np.fft.rfft(signal[_STARTS] * _HANN, axis=1)) * _SCALE
    mags = spectra @ _TRIANGLES.T
    peaks, means, tops = state.peaks, state.means, state.tops
    logs = np.concatenate([state.logs, np.zeros((LOOKS, len(_OWNERS)))])
    out = np.empty((LOOKS, BANDS))
    for look in range(LOOKS):
        peaks = np.maximum(peaks * _PEAK_FALL, mags[look])
        level = np.maximum(np.maximum(peaks, _SHARE * peaks.max()), _FLOOR)
        logs[_LAG + look] = np.log1p(_GAMMA * mags[look] / level)
        before = logs[look]
        near = np.maximum(before, np.maximum(np.append(before[1:], 0.0), np.append(0.0, before[:-1])))
        flux = np.add.reduceat(np.maximum(logs[_LAG + look] - near, 0.0), _GROUPS) / _SIZES
        above = np.maximum(flux - means, 0.0)
        tops = np.maximum(np.maximum(tops * _TOP_FALL, above), _TOP_LEAST)
        means = _MEAN_FALL * means + (1.0 - _MEAN_FALL) * flux
        out[look] = above / tops
    return OnsetState(signal[-_WINDOW:], logs[-_LAG:], peaks, means, tops), out
