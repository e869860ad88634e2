"""Counters and latency histograms. One owner writes, anybody reads; merged at the end of a run."""

import math
import threading
from typing import Any

_PER_OCTAVE = 16  #: bucket width 4.4 %
_LOWEST = 2.0**-12  #: values below fall into bucket 0 (0.24 us where the unit is ms)
_BUCKETS = 36 * _PER_OCTAVE


class Histogram:
    """Log-bucketed distribution of a non-negative quantity: constant memory, percentiles within 4.4 %, exact max.

    Written by one thread. Reading while it is written may miss the newest value and nothing else.
    """

    __slots__ = ("_buckets", "count", "maximum", "total")

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self.count = 0
        self.total = 0.0
        self.maximum = 0.0

    def add(self, value: float) -> None:
        """Count one value; negative values count as 0, values that are not finite are ignored."""
        if not math.isfinite(value):
            return
        value = max(value, 0.0)
        bucket = 0 if value < _LOWEST else min(_BUCKETS - 1, 1 + int(math.log2(value / _LOWEST) * _PER_OCTAVE))
        self._buckets[bucket] += 1
        self.count += 1
        self.total += value
        self.maximum = max(self.maximum, value)

    def percentile(self, percent: float) -> float:
        """Value below which ``percent`` [0..100] of all values lie (upper edge of its bucket, never above the max)."""
        if not self.count:
            return 0.0
        wanted, seen = max(1, math.ceil(self.count * percent / 100)), 0
        for bucket, n in enumerate(self._buckets):
            seen += n
            if seen >= wanted:
                return min(self.maximum, _LOWEST * 2.0 ** (bucket / _PER_OCTAVE))
        return self.maximum

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def merge(self, other: "Histogram") -> "Histogram":
        """A new histogram that counts both."""
        both = Histogram()
        both._buckets = [a + b for a, b in zip(self._buckets, other._buckets, strict=True)]
        both.count, both.total = self.count + other.count, self.total + other.total
        both.maximum = max(self.maximum, other.maximum)
        return both

    def to_dict(self) -> dict[str, float]:
        """``{count, mean, p50, p99, max}`` in the unit of the values."""
        return {
            "count": self.count,
            "mean": round(self.mean, 4),
            "p50": round(self.percentile(50), 4),
            "p99": round(self.percentile(99), 4),
            "max": round(self.maximum, 4),
        }


class Counters:
    """Named whole numbers that only grow. Safe to add to from any thread."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, name: str, by: int = 1) -> None:
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + by

    def __getitem__(self, name: str) -> int:
        return self._counts.get(name, 0)

    def to_dict(self) -> dict[str, int]:
        with self._lock:
            return dict(sorted(self._counts.items()))


def to_json(value: Any) -> Any:
    """Turn nested dicts of counters, histograms and numbers into what ``json`` can write."""
    if isinstance(value, Histogram | Counters):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    return value
