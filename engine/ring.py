"""The ring between the sound card's callback and the reader: one writer, one reader, no lock."""

from collections import deque
from typing import NamedTuple

import numpy as np


class Piece(NamedTuple):
    """What :meth:`SampleRing.read` hands over."""

    start: int  #: index of the first sample since the start, lost ones counted
    samples: np.ndarray  #: (N,) float32
    lost: int  #: samples lost directly before ``start``


class SampleRing:
    """Float32 mono samples. When it is full the newest are dropped; the reader is told how many and where."""

    def __init__(self, capacity: int):
        """``capacity`` [samples] is rounded up to a power of two."""
        if capacity < 1:
            raise ValueError(f"capacity {capacity} must be at least 1")
        self.capacity = 1 << (capacity - 1).bit_length()
        self._mask = self.capacity - 1
        self._data = np.zeros(self.capacity, np.float32)
        self._written = 0  # only the writer changes it, after the samples are in place
        self._read = 0  # only the reader changes it, after the samples are copied out
        self._marks: deque[tuple[int, int]] = deque()  # (written when samples were lost, how many)
        self._lost_total = 0
        self._lost_told = 0

    @property
    def lost(self) -> int:
        """Samples lost so far."""
        return self._lost_total

    @property
    def waiting(self) -> int:
        """Samples written and not yet read."""
        return self._written - self._read

    def write(self, samples: np.ndarray) -> int:
        """Copy ``samples`` (N,) in, from the callback. Returns how many did not fit (0 or all of the tail)."""
        written = self._written
        fits = min(len(samples), self.capacity - (written - self._read))
        at = written & self._mask
        first = min(fits, self.capacity - at)
        self._data[at : at + first] = samples[:first]
        self._data[: fits - first] = samples[first:fits]
        self._written = written + fits
        lost = len(samples) - fits
        if lost:
            self._lost_total += lost
            self._marks.append((written + fits, lost))
        return lost

    def read(self, most: int | None = None) -> Piece:
        """Everything up to the next loss (at most ``most`` samples); empty when nothing waits."""
        lost = 0
        start = self._read
        while self._marks and self._marks[0][0] == start:
            lost += self._marks.popleft()[1]
        self._lost_told += lost
        end = self._written
        if self._marks:
            end = min(end, self._marks[0][0])
        if most is not None:
            end = min(end, start + most)
        at, count = start & self._mask, end - start
        first = min(count, self.capacity - at)
        samples = np.concatenate([self._data[at : at + first], self._data[: count - first]])
        self._read = end
        return Piece(start + self._lost_told, samples, lost)
