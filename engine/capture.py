"""Live capture: a microphone, a line, or what the system plays. The callback copies; the reader does everything else.

The reader never raises after the start: when nothing arrives it goes on with zero blocks marked ``gap`` at the pace of
the monotonic clock, and the device is opened again by name when it comes back.
"""

import contextlib
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from engine.clock import ClockMap, now_s, wait_until
from engine.devices import Device, find_device, load_sounddevice, monitor_environment
from engine.devices import list_devices as list_devices
from engine.errors import SourceError
from engine.ring import SampleRing
from engine.types import AudioBlock

RATES_HZ = (8_000, 192_000)  #: sample rates that the ear takes
_RING_SAMPLES = 1 << 18  # 5.5 s at 48 kHz
_STALL_BLOCKS = 2
_STALL_LEAST_S = 0.25  # a busy machine delivers late; only what is later than this was not captured
_FIRST_SOUND_S = 5.0  # a device may take so long to start
_EVEN_S = 0.01  # the stream begins when capture times have kept in step to this
_SETTLED_S, _SETTLED_LATE_S, _SETTLE_MOST_S = 0.3, 2.0, 4.0  # for so long; when sound comes late; whatever happens
_LATE_S = 0.1
_LOST_S = 0.1  # captured so much later than where they would lie: samples were lost below us
_REOPEN_AFTER_S = 1.0
_POLLS_PER_BLOCK = 4
_LATENCY_MOST_S = 2.0
_COUNTERS = ("blocks", "gap_samples", "dropped_samples", "stalls", "reopens", "losses_below")

Hear = Callable[[np.ndarray, float], None]  #: samples (N, C) and the monotonic time [s] at which the first was captured


class Stream(Protocol):
    """A running capture. ``rate`` [Hz]; nothing is delivered after :meth:`close`."""

    rate: int

    def close(self) -> None: ...


Opener = Callable[[Hear, int | None], Stream]  #: opens the device, at the given rate when one is given


def mono(sound: np.ndarray) -> np.ndarray:
    """(N, C) -> (N,) float32, the mean of the channels."""
    if sound.shape[1] == 1:
        return np.ascontiguousarray(sound[:, 0])
    return np.add.reduce(sound, axis=1, dtype=np.float64).astype(np.float32) / np.float32(sound.shape[1])


class DeviceSource:
    """AudioBlocks from a device. Made by :func:`open_device`; ``opener`` and the clock's hands come in from outside."""

    def __init__(
        self,
        name: str,
        opener: Opener,
        clock: ClockMap,
        stop: threading.Event,
        *,
        block: int = 480,
        now: Callable[[], float] = now_s,
        wait: Callable[[float, threading.Event], bool] = wait_until,
        background: Callable[[Callable[[], None]], None] | None = None,
    ):
        self.name, self.block = name, block
        self.gaps = 0
        self._opener, self._clock, self._stop = opener, clock, stop
        self._now, self._wait = now, wait
        self._background = background or _in_thread
        self._stamps: deque[tuple[int, float]] = deque(maxlen=256)  # (ring index, capture time of that sample)
        self._heard = 0  # samples that callbacks delivered
        self._next = 0  # stream index of the next sample to yield
        self._shift: int | None = None  # stream index minus ring index; None = to be found from the next stamp
        self._offset_s = math.inf
        self._even_from, self._late = 0, True  # of the first stamps, before the stream begins
        self._delay_s = 0.0  # from capture to callback, slowly falling peak
        self._stalled = self._closed = self._opening = False
        self._counts = dict.fromkeys(_COUNTERS, 0)
        self._ring = SampleRing(_RING_SAMPLES)
        self._stream: Stream | None = opener(self._hear, None)
        self.rate: int = self._stream.rate
        self._last_heard_s = self._started_s = now()

    def close(self) -> None:
        """Stop capturing and end the iteration."""
        self._closed = True
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def stats(self) -> dict[str, int]:
        """Counters; ``gaps`` is their number, what ends in ``samples`` and ``overruns`` are samples."""
        return {**self._counts, "gaps": self.gaps, "overruns": self._ring.lost}

    def _hear(self, sound: np.ndarray, captured_s: float) -> None:
        """From the callback: sound (N, C) whose first sample was captured at ``captured_s``."""
        index = self._heard
        lost = self._ring.write(mono(sound))
        self._heard = index + len(sound)
        if not lost:
            self._stamps.append((index, captured_s))

    def __iter__(self) -> Iterator[AudioBlock]:
        while not (self._closed or self._stop.is_set()):
            piece = self._ring.read(self.block)
            if piece.lost:
                yield from self._silence(piece.lost)
            if len(piece.samples):
                yield from self._sound(piece.start, piece.samples)
            elif self._stall():
                yield from self._silence(self.block)
            else:
                self._wait(self._now() + self.block / self.rate / _POLLS_PER_BLOCK, self._stop)

    def _sound(self, start: int, samples: np.ndarray) -> Iterator[AudioBlock]:
        """Place what arrived in the stream: after a stall where its capture time says, otherwise right behind."""
        self._last_heard_s = self._now()
        stamp = self._stamp(start + len(samples))
        if not self._clock.anchored and not self._settled(start, stamp):
            return
        if self._shift is None or self._lost_below(stamp):
            self._join(start, stamp)
        missing = start + self._shift - self._next
        if missing > 0:
            yield from self._silence(missing)
        elif missing < 0:
            self._counts["dropped_samples"] += min(-missing, len(samples))
            samples = samples[-missing:]
        if stamp is not None:
            index, captured_s = stamp
            self._clock.observe((index + self._shift) / self.rate, captured_s)
            self._delay_s = max(self._delay_s * 0.999, min(self._last_heard_s - captured_s, _LATENCY_MOST_S))
        if len(samples):
            yield self._block(samples, False)

    def _stamp(self, end: int) -> tuple[int, float] | None:
        """The newest capture time of a sample before ring index ``end``."""
        newest = None
        while self._stamps and self._stamps[0][0] < end:
            newest = self._stamps.popleft()
        return newest

    def _settled(self, start: int, stamp: tuple[int, float] | None) -> bool:
        """True once the device runs evenly: on a busy machine drivers throw away a backlog just after the start."""
        if stamp is not None:
            index, captured_s = stamp
            offset_s = captured_s - index / self.rate
            if abs(offset_s - self._offset_s) > _EVEN_S:
                self._offset_s, self._even_from = offset_s, index
            self._late = self._now() - captured_s > _LATE_S
        even_s = (start - self._even_from) / self.rate
        return even_s > (_SETTLED_LATE_S if self._late else _SETTLED_S) or start > _SETTLE_MOST_S * self.rate

    def _lost_below(self, stamp: tuple[int, float] | None) -> bool:
        """True when a sample was captured clearly later than the samples before it would make it."""
        if stamp is None or not self._clock.anchored:
            return False
        index, captured_s = stamp
        lost = captured_s - self._clock.to_mono((index + self._shift) / self.rate) > _LOST_S
        self._counts["losses_below"] += lost
        return lost

    def _join(self, start: int, stamp: tuple[int, float] | None) -> None:
        """Find where the stream goes on: at 0 at the first sound, else where the clock says that it belongs."""
        self._stalled = False
        if stamp is None or not self._clock.anchored:
            self._shift = self._next - start
            return
        index, captured_s = stamp
        belongs = round(self._clock.to_stream(captured_s) * self.rate)
        self._shift = belongs - index
        if abs(start + self._shift - self._next) <= self.block:
            self._shift = self._next - start  # near enough: the clock slews over it

    def _stall(self) -> bool:
        """True when the next block should have been here for so long that it counts as not captured."""
        now = self._now()
        if not self._clock.anchored:
            if now - self._started_s < _FIRST_SOUND_S:
                return False
            self._clock.observe(0.0, now)
        patience_s = max(_STALL_BLOCKS * self.block / self.rate, _STALL_LEAST_S) + self._delay_s
        due_s = self._clock.to_mono((self._next + self.block) / self.rate)
        if self._stalled:
            if now - self._last_heard_s > _REOPEN_AFTER_S:
                self._reopen()
            return now >= due_s + self._delay_s
        if now < due_s + patience_s:
            return False
        self._stalled, self._shift = True, None
        self._counts["stalls"] += 1
        return True

    def _silence(self, count: int) -> Iterator[AudioBlock]:
        self.gaps += 1
        self._counts["gap_samples"] += count
        while count > 0:
            part = min(count, self.block)
            yield self._block(np.zeros(part, np.float32), True)
            count -= part

    def _block(self, samples: np.ndarray, gap: bool) -> AudioBlock:
        block = AudioBlock(self._next, samples, self.rate, gap)
        self._next += len(samples)
        self._counts["blocks"] += 1
        return block

    def _reopen(self) -> None:
        """Open the device again by name, beside the reader: looking for devices can take a second."""
        if self._opening:
            return
        self._opening = True
        self._last_heard_s = self._now()
        stream, self._stream = self._stream, None
        self._background(lambda: self._reopen_now(stream))

    def _reopen_now(self, stream: Stream | None) -> None:
        try:
            if stream is not None:
                stream.close()
            self._stream = self._opener(self._hear, self.rate)
            self._counts["reopens"] += 1
            if self._closed:
                self.close()
        except SourceError:
            self._stream = None  # still away; the next second tries again
        finally:
            self._opening = False


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="reopen", daemon=True).start()


def open_device(spec: str, clock: ClockMap, stop: threading.Event, *, block: int = 480) -> DeviceSource:
    """Capture from ``"NAME"``, ``"NAME:17+18"``, a number, ``"default"`` or ``"monitor"`` (what the system plays).

    Raises SourceError (one line, with what exists) before the start, and nothing after it.
    """
    device = find_device(spec)

    def opener(hear: Hear, rate: int | None) -> Stream:
        found = device if rate is None else find_device(spec, refresh=True)
        return _PortAudioStream(found, hear, block, rate)

    return DeviceSource(device.name, opener, clock, stop, block=block)


class _PortAudioStream:
    """A sounddevice input stream; its callback copies the chosen channels on and nothing else."""

    def __init__(self, device: Device, hear: Hear, block: int, rate: int | None):
        sounddevice = load_sounddevice()
        self.rate = rate or _rate_of(device)
        columns = [channel - 1 for channel in device.channels]

        def callback(sound: np.ndarray, _frames: int, times: Any, _status: Any) -> None:
            age_s = times.currentTime - times.inputBufferAdcTime
            if not 0.0 < age_s < _LATENCY_MOST_S:
                age_s = fallback_s  # some drivers give no time
            hear(sound[:, columns], now_s() - age_s)

        fallback_s = block / self.rate
        try:
            with monitor_environment(device):
                self._stream = sounddevice.InputStream(
                    device=device.index,
                    channels=max(device.channels),
                    samplerate=self.rate,
                    blocksize=block,
                    dtype="float32",
                    latency="low",
                    callback=callback,
                )
                fallback_s = float(self._stream.latency)
                self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise SourceError(f"input '{device.name}' cannot be opened at {self.rate} Hz: {reason}") from error

    def close(self) -> None:
        with contextlib.suppress(load_sounddevice().PortAudioError):
            self._stream.abort()
            self._stream.close()


def _rate_of(device: Device) -> int:
    rate = round(device.rate)
    return min(max(rate, RATES_HZ[0]), RATES_HZ[1])
