"""How far a step is and how long it will take: a bar on a terminal, a plain line now and then elsewhere."""

from collections.abc import Callable, Mapping
from typing import TextIO

WIDTH = 24
PLAIN_S = 30.0  #: [s] between lines where there is no terminal
BAR_S = 0.2  #: [s] between redraws where there is one


def clock_text(seconds: float) -> str:
    """``1:02:03``, ``2:03``."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes = f"{rest // 60}:{rest % 60:02d}"
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else minutes


def line(label: str, done: float, gone_s: float, left_s: float | None, words: str, *, bar: bool) -> str:
    """One line of progress; ``done`` 0..1, ``left_s`` None = not yet known."""
    done = min(max(done, 0.0), 1.0)
    full = round(WIDTH * done)
    shown = f"[{'#' * full}{'.' * (WIDTH - full)}] " if bar else ""
    left = "?" if left_s is None else clock_text(left_s)
    return f"{label:<10} {shown}{done:4.0%}  {clock_text(gone_s)} gone, {left} left  {words}".rstrip()


def numbers(told: Mapping[str, float]) -> str:
    """``loss 0.123  mm 21.4``."""
    return "  ".join(f"{name} {value:.4g}" for name, value in told.items())


class Progress:
    """Tells a stream how far one step is. ``clock`` gives seconds."""

    def __init__(self, label: str, stream: TextIO, clock: Callable[[], float], *, begun: float = 0.0):
        """``begun``: the share that an earlier run did; time left is reckoned from this run's own pace."""
        self._label, self._stream, self._clock, self._begun = label, stream, clock, begun
        self._start = self._told = clock()
        self._bar = stream.isatty()
        self._lines = 0

    def tell(self, done: float, words: str = "") -> None:
        """Show ``done`` (0..1) when it is time."""
        now = self._clock()
        if self._lines and now - self._told < (BAR_S if self._bar else PLAIN_S):
            return
        self._told = now
        self._write(done, words, end="" if self._bar else "\n")

    def end(self, words: str = "") -> None:
        """The last line, whatever the time."""
        self._write(1.0, words, end="\n")

    def _write(self, done: float, words: str, *, end: str) -> None:
        gone_s, own = self._clock() - self._start, done - self._begun
        left_s = gone_s * (1 - done) / own if own > 0.002 else None
        text = line(self._label, done, gone_s, left_s, words, bar=self._bar)
        self._stream.write(f"\r\033[K{text}" if self._bar else text)
        self._stream.write(end)
        self._stream.flush()
        self._lines += 1
