"""Time: the monotonic clock, the map between stream time and it, and waiting for an absolute moment."""

import sys
import threading
import time
from dataclasses import dataclass

_EARLY_S = 0.02 if sys.platform == "win32" else 0.0  # Event.wait is this coarse there; time.sleep is not
_SETTLE_S = 2.0  # time constant of the loop once it has settled
_FIRST_S = 0.25  # and at its start
_DRIFT_MOST = 1e-3  # sound cards are within this of the nominal rate
_SLEW_MOST = 0.02  # the map never runs faster or slower than by this share


def now_s() -> float:
    """The monotonic clock [s]; its zero means nothing. Fine enough on every system (Windows' ``monotonic`` is not)."""
    return time.perf_counter()


@dataclass(frozen=True, slots=True)
class _Line:
    """mono = mono_s + (stream - stream_s) * slope"""

    stream_s: float
    mono_s: float
    slope: float


class ClockMap:
    """Stream time <-> monotonic time. One writer (capture); readers need no lock: one immutable value is swapped in.

    A delay-locked loop of second order: each observation bends the line that the readers see, and never breaks it.
    """

    def __init__(self) -> None:
        self._line: _Line | None = None
        self._drift = 0.0
        self._first_s = 0.0

    @property
    def anchored(self) -> bool:
        """True from the first observation on."""
        return self._line is not None

    def observe(self, stream_s: float, mono_s: float) -> None:
        """Say that stream time ``stream_s`` [s] was at ``mono_s`` [s]. The first call anchors, later ones slew."""
        line = self._line
        if line is None:
            self._line, self._first_s = _Line(stream_s, mono_s, 1.0), stream_s
            return
        passed_s = stream_s - line.stream_s
        if passed_s <= 0.0:
            return
        here_s = line.mono_s + passed_s * line.slope
        error_s = mono_s - here_s
        tau_s = min(max(_FIRST_S, 0.5 * (stream_s - self._first_s)), _SETTLE_S)
        self._drift += error_s * min(passed_s, tau_s) / (4.0 * tau_s * tau_s)
        self._drift = min(max(self._drift, -_DRIFT_MOST), _DRIFT_MOST)
        slew = min(max(self._drift + error_s / tau_s, -_SLEW_MOST), _SLEW_MOST)
        self._line = _Line(stream_s, here_s, 1.0 + slew)

    def to_mono(self, stream_s: float) -> float:
        """Monotonic time [s] of stream time ``stream_s`` [s]. Raises RuntimeError before the first observation."""
        line = self._anchor()
        return line.mono_s + (stream_s - line.stream_s) * line.slope

    def to_stream(self, mono_s: float) -> float:
        """Stream time [s] at monotonic time ``mono_s`` [s]. Raises RuntimeError before the first observation."""
        line = self._anchor()
        return line.stream_s + (mono_s - line.mono_s) / line.slope

    def _anchor(self) -> _Line:
        line = self._line
        if line is None:
            raise RuntimeError("the clock map has seen no sound yet")
        return line


def wait_until(mono_s: float, stop: threading.Event) -> bool:
    """Sleep until ``mono_s`` [s] on the monotonic clock; True when ``stop`` was set before that."""
    while not stop.is_set():
        left_s = mono_s - now_s()
        if left_s <= 0.0:
            return False
        if left_s > _EARLY_S:
            stop.wait(left_s - _EARLY_S)
        else:
            time.sleep(left_s)
    return True
