"""Ableton Link in: the session's beats as readings of an outside clock. Needs the extra ``link`` (aalink, GPL-3.0).

We join as a listener: the tempo and beats of a session are never changed by us. Without a peer there is nothing to
follow, whatever the own timeline says; but who comes later joins *our* session, so that it carries the tempo of our own
ear while we are alone. A transport counts only once it was seen to run: most sessions share beats, no start and stop.
"""

import asyncio
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from engine.clock import ClockMap, now_s
from engine.errors import ConfigError
from engine.listen.outside import OutsideClock

NAME = "link"
QUANTUM = 4  #: beats in a bar
QUANTUM_MOST = 16
_POLL_S = 0.01
_SLOW_S = 0.002  # a reading that took so long was interrupted: its time is not known well enough
_STALE_S = 1.0
_START_S = 5.0
_BPM = 120.0  # of the session that we begin, until the own ear knows better
_BPM_SAME = 0.1


@dataclass(frozen=True, slots=True)
class LinkReading:
    """What Link said at one moment of the monotonic clock."""

    mono_s: float
    beat: float  #: beat number with fraction; a multiple of the quantum is a downbeat
    bpm: float
    playing: bool
    peers: int


def reading2clock(reading: LinkReading, quantum: int, clock: ClockMap) -> OutsideClock | None:
    """A reading in stream time (pure but for the map); None without a peer or before the stream has begun."""
    if not reading.peers or not clock.anchored:
        return None
    count = math.floor(reading.beat)
    period_s = 60.0 / reading.bpm
    mono_s = reading.mono_s - (reading.beat - count) * period_s
    anchor_s = clock.to_stream(mono_s)
    period_s = clock.to_stream(mono_s + period_s) - anchor_s
    return OutsideClock(anchor_s, count, period_s, count % quantum + 1, quantum, reading.playing, NAME)


def load_aalink() -> ModuleType:
    """The aalink module. Raises ConfigError with the install command where it is absent."""
    try:
        import aalink
    except ModuleNotFoundError as error:
        raise ConfigError(
            "--ear link needs the package aalink (GPL-3.0), which is not here: pip install 'corybant[link]'"
        ) from error
    return aalink


def parse_quantum(text: str) -> int:
    """``""`` or the number of beats in a bar. Raises ConfigError."""
    if not text:
        return QUANTUM
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= QUANTUM_MOST):
        raise ConfigError(f"--ear link:{text} is not link:BEATS with 1 to {QUANTUM_MOST} beats in a bar, as in link:3")
    return int(text)


class LinkClock:
    """A member of the Link session, in a thread of its own with its own asyncio loop. ``read`` from any thread."""

    name = NAME

    def __init__(self, settings: str, clock: ClockMap) -> None:
        """``settings`` is empty or the beats in a bar. ConfigError when aalink is absent or they are malformed."""
        self._quantum = parse_quantum(settings)
        self._aalink = load_aalink()
        self._clock = clock
        #: tempo of our own ear [BPM], None while it is not sure; offered to the session while nobody else is in it
        self.own_bpm: Callable[[], float | None] = lambda: None
        self._newest: LinkReading | None = None
        self._seen_playing = False
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        self._counts = {"readings": 0, "slow_readings": 0}

    def start(self) -> None:
        """Join the session. Raises ConfigError when Link cannot start."""
        self._thread.start()
        self._ready.wait(_START_S)
        if self._failure:
            raise ConfigError(f"--ear link cannot start: {' '.join(str(self._failure).split())}")

    def stop(self) -> None:
        """Leave the session; may be called twice."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_START_S)

    def read(self) -> OutsideClock | None:
        """The newest reading in stream time; None = nobody is there to follow."""
        newest = self._newest
        if newest is None or now_s() - newest.mono_s > _STALE_S:
            return None
        return reading2clock(newest, self._quantum, self._clock)

    def stats(self) -> dict[str, int]:
        newest = self._newest
        return {**self._counts, "peers": newest.peers if newest else 0}

    def _run(self) -> None:
        try:
            asyncio.run(self._listen())
        except Exception as error:  # told by start(), or seen as a clock that is lost
            self._failure = error
        finally:
            self._ready.set()

    async def _listen(self) -> None:
        link = self._aalink.Link(_BPM)
        link.quantum = float(self._quantum)
        link.start_stop_sync_enabled = True
        link.enabled = True
        try:
            while not self._stop.is_set():
                self._poll(link)
                self._ready.set()
                await asyncio.sleep(_POLL_S)
        finally:
            link.enabled = False

    def _poll(self, link: Any) -> None:
        began_s = now_s()
        beat, bpm = link.beat, link.tempo
        ended_s = now_s()
        if ended_s - began_s > _SLOW_S:
            self._counts["slow_readings"] += 1
            return
        self._seen_playing = self._seen_playing or link.playing
        playing = link.playing or not self._seen_playing
        if not link.num_peers:
            self._offer(link, bpm)
        self._newest = LinkReading((began_s + ended_s) / 2, beat, bpm, playing, link.num_peers)
        self._counts["readings"] += 1

    def _offer(self, link: Any, bpm: float) -> None:
        own_bpm = self.own_bpm()
        if own_bpm is not None and abs(own_bpm - bpm) > _BPM_SAME:
            link.tempo = own_bpm
