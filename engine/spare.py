"""A second input as spare: when the main one stalls it takes over within a beat, and is given back by hand only.

The decision is pure. The main source paces the stream all the time (a stalled device goes on with gap blocks); the
spare is read beside it and laid under the same stream time by the two clock maps.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.clock import ClockMap, now_s
from engine.types import AudioBlock, Source

FADE_S = 0.02
STALL_BEATS = 0.5  #: a gap of so much of a beat: the spare is heard before a beat has passed
_BEAT_S = (0.25, 1.2)  # beats are believed within this
_KEPT_S = 6.0
_WAIT_S = 0.3  # for samples of the spare that are not here yet: its latency may be larger
_POLL_S = 0.002
_ROUND = 1e-6  # of a sample: what the clocks' arithmetic may be off
_DRIFT_MOST = 0.005  # how much faster or slower the spare is read to stay in step
_APART_S = 0.02  # farther out of step than this it is laid in again


@dataclass(frozen=True, slots=True)
class SpareState:
    """Who is heard."""

    spare: bool = False  #: the spare is
    share: float = 0.0  #: of the spare in the newest sample, 0..1; between them while one fades over
    stalled_s: float = 0.0  #: length of the main input's running gap
    takeovers: int = 0
    returns: int = 0
    refused: int = 0  #: asked for the main input while it was stalled


def spare_step(
    state: SpareState, seconds: float, *, gap: bool, period_s: float, ask_main: bool
) -> tuple[SpareState, float]:
    """One block of ``seconds`` [s] whose main side is a ``gap`` or not, in music with beats of ``period_s`` [s].

    ``ask_main``: the operator wants the main input back; refused while it is stalled. Returns the state and the share
    of the spare at the block's beginning: over the block it goes linearly to ``state.share``, at most 1 in 20 ms.
    """
    stalled_s = state.stalled_s + seconds if gap else 0.0
    state = replace(state, stalled_s=stalled_s)
    if state.spare and ask_main:
        if gap:
            state = replace(state, refused=state.refused + 1)
        else:
            state = replace(state, spare=False, returns=state.returns + 1)
    elif not state.spare and stalled_s >= STALL_BEATS * min(max(period_s, _BEAT_S[0]), _BEAT_S[1]):
        state = replace(state, spare=True, takeovers=state.takeovers + 1)
    began, most = state.share, seconds / FADE_S
    wanted = 1.0 if state.spare else 0.0
    return replace(state, share=began + min(max(wanted - began, -most), most)), began


class Track:
    """The newest seconds of the spare by its own sample index. Written by one thread, read by another."""

    def __init__(self, rate: int) -> None:
        self._kept = round(_KEPT_S * rate)
        self._blocks: deque[AudioBlock] = deque()
        self._lock = threading.Lock()
        self.end = 0  #: index behind the newest sample

    def put(self, block: AudioBlock) -> None:
        """The next block, in order."""
        with self._lock:
            self._blocks.append(block)
            self.end = block.start + len(block.samples)
            while self._blocks[0].start + len(self._blocks[0].samples) < self.end - self._kept:
                self._blocks.popleft()

    def read(self, first: float, last: float, count: int) -> tuple[np.ndarray, bool]:
        """``count`` samples (float32) from index ``first`` up to but without ``last`` (indices have fractions), and
        whether any of them was not captured. What is not here is zeros.
        """
        low, high = math.floor(first + _ROUND), math.ceil(last - _ROUND)
        sound, there = np.zeros(high - low, np.float32), 0
        with self._lock:
            for block in self._blocks:
                begin, end = max(block.start, low), min(block.start + len(block.samples), high)
                if begin < end:
                    sound[begin - low : end - low] = block.samples[begin - block.start : end - block.start]
                    there += 0 if block.gap else end - begin
        at = first - low + np.arange(count) * ((last - first) / count)
        return np.interp(at, np.arange(len(sound)), sound).astype(np.float32), there < high - low


class SpareSource:
    """The main source, or the spare in its place. ``period_s()`` tells the length of a beat [s]."""

    def __init__(
        self,
        main: Source,
        spare: Source,
        clocks: tuple[ClockMap, ClockMap],
        stop: threading.Event,
        *,
        background: Callable[[Callable[[], None]], None] | None = None,
        wait: Callable[[float], Any] | None = None,
    ) -> None:
        """``clocks`` are those of the main source and of the spare, each written by its own source."""
        self.main, self.spare = main, spare
        self.rate = main.rate
        self.period_s: Callable[[], float] = lambda: 0.5
        self.state = SpareState()
        self._clocks = clocks
        self._stop = stop
        self._track = Track(spare.rate)
        self._asked = threading.Event()
        self._at: float | None = None  # index in the spare from which the next block is read
        self._missing = 0
        self._late_end = -1  # where the spare stood when it was waited for in vain
        self._background = background or _in_thread
        self._wait = wait or stop.wait

    @property
    def name(self) -> str:
        """Name of the input that is heard."""
        return getattr(self.spare if self.state.spare else self.main, "name", "source")

    @property
    def gaps(self) -> int:
        return getattr(self.main, "gaps", 0)

    def main_input(self) -> None:
        """The operator wants the main input back; from any thread."""
        self._asked.set()

    def close(self) -> None:
        self.main.close()
        self.spare.close()

    def stats(self) -> dict[str, Any]:
        """Counters of both; those of the main input stand on top."""
        main, spare = (one.stats() if hasattr(one, "stats") else {} for one in (self.main, self.spare))
        state = self.state
        more = {"takeovers": state.takeovers, "returns": state.returns, "refused": state.refused}
        return {**main, "spare": {**spare, **more, "missing": self._missing}}

    def __iter__(self) -> Iterator[AudioBlock]:
        self._background(self._gather)
        for block in self.main:
            ask_main = self._asked.is_set()
            if ask_main:
                self._asked.clear()
            seconds = len(block.samples) / self.rate
            self.state, began = spare_step(
                self.state, seconds, gap=block.gap, period_s=self.period_s(), ask_main=ask_main
            )
            yield self._mixed(block, began, self.state.share)

    def _gather(self) -> None:
        for block in self.spare:
            if self._stop.is_set():
                return
            self._track.put(block)

    def _mixed(self, block: AudioBlock, began: float, ended: float) -> AudioBlock:
        if began == ended == 0.0:
            self._at = None
            return block
        sound, gap = self._from_spare(block)
        count = len(sound)
        if began != ended:
            ramp = began + np.sign(ended - began) * np.arange(count) / (FADE_S * self.rate)
            share = np.clip(ramp, min(began, ended), max(began, ended)).astype(np.float32)
            sound = share * sound + (np.float32(1.0) - share) * block.samples
            gap = gap and block.gap
        return AudioBlock(block.start, sound, block.rate, gap)

    def _from_spare(self, block: AudioBlock) -> tuple[np.ndarray, bool]:
        """The spare's sound at the block's stream time (N,), and whether some of it was not captured."""
        main, spare = self._clocks
        count = len(block.samples)
        if not (main.anchored and spare.anchored):
            self._missing += 1
            return np.zeros(count, np.float32), True
        ends = [(block.start + extra) / self.rate for extra in (0, count)]
        first, last = (spare.to_stream(main.to_mono(at_s)) * self.spare.rate for at_s in ends)
        if self._at is not None and abs(self._at - first) < _APART_S * self.spare.rate:
            usual = count * self.spare.rate / self.rate
            length = min(max(last - self._at, usual * (1.0 - _DRIFT_MOST)), usual * (1.0 + _DRIFT_MOST))
            first, last = self._at, self._at + length
        self._at = last
        self._await(last)
        sound, gap = self._track.read(first, last, count)
        self._missing += gap
        return sound, gap

    def _await(self, last: float) -> None:
        """Until the spare has come to index ``last``; not again for a spare that did not move meanwhile."""
        deadline_s = now_s() + _WAIT_S
        while self._track.end < last - _ROUND and self._track.end != self._late_end and not self._stop.is_set():
            if now_s() >= deadline_s:
                self._late_end = self._track.end
                return
            self._wait(_POLL_S)


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="spare input", daemon=True).start()
