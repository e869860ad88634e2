"""The tempi that an ear's network tells apart, and what that says of a period. Pure."""

import numpy as np

TEMPI_BPM = tuple(45.0 * 5.0 ** (k / 47) for k in range(48))  #: 45 to 225, each 3.5 % faster than the one before

_REACH = 2  # tempi to each side that count alike: the level is asked for here, the tempo itself is told by the beats
_LEAST = 0.03  # share of the tempi that is never ruled out


def shares_of(bpm: np.ndarray) -> np.ndarray:
    """(N, 48) weights with which the shares of the tempi give those near ``bpm`` (N,); each row sums to 1."""
    tempi = np.log(np.array(TEMPI_BPM))
    place = np.interp(np.log(bpm), tempi, np.arange(len(tempi)))
    nearest = np.maximum(1.0 - np.abs(place[:, None] - np.arange(len(tempi))), 0.0)
    around = np.arange(len(tempi))[:, None] + np.arange(-_REACH, _REACH + 1)
    blur = np.zeros((len(tempi), len(tempi)))
    for row, columns in zip(blur, around.clip(0, len(tempi) - 1), strict=True):
        np.add.at(row, columns, 1.0 / (2 * _REACH + 1))
    return nearest @ blur


def likelier(told: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(N,) how many times likelier than an even spread each of N periods is; ``told`` (48,) of any sum, 0 = nothing."""
    total = float(told.sum())
    if total <= 0.0:
        return np.ones(len(shares))
    return shares @ told * ((1.0 - _LEAST) * len(TEMPI_BPM) / total) + _LEAST
