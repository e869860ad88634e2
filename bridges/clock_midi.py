"""MIDI clock in: start, stop, continue, song position and 24 clocks a quarter note as readings of an outside clock.

Needs the extra ``midi`` (python-rtmidi). The decoder and the loop that filters the jitter are pure; the port, its
callback and a thread that opens the port again are the edge.
"""

import math
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from engine.clock import ClockMap, now_s
from engine.errors import ConfigError, nearest
from engine.listen.outside import OutsideClock

NAME = "midi"
PORT = "Corybant clock"  #: name of the virtual port that is offered where none is asked for
METER = 4  #: MIDI clock does not say how many beats a bar has
CLOCKS = 24  #: clocks in a quarter note
SIXTEENTH = 6  #: clocks in a unit of the song position pointer
LOST_S = 0.5  #: a clock that is silent for so long is lost (20 BPM have a clock every 125 ms)

_CLOCK, _START, _CONTINUE, _STOP, _POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
_STEADY_HZ, _QUICK_HZ = 0.8, 6.0  # bandwidth of the loop when all is well, and at most
_QUICK_AT_S = 0.002  # a lasting error of so much doubles the bandwidth
_LASTING = 0.15  # share of the newest error in what counts as lasting
_LEAP_CLOCKS = 0.75  # farther off than this is another tempo or a lost message, no jitter
_LEAPS = 3  # in a row: begin anew
_READY_CLOCKS = 12
_LEAK = 5e-4  # how fast [s/s] the least delay seen is forgotten
_DELAY_MOST_S = 0.1
_REOPEN_S = 1.0  # from look to look at the port
_PATIENCE_MOST_S = 30.0  # so long at most until a port that is there but silent is opened again
_REMEMBERED_S = 30.0  # after a longer loss nobody knows how far the song went on
_SAME_TEMPO = 0.02  # nor when the clock comes back with another tempo


@dataclass(frozen=True, slots=True)
class Stamps:
    """Message times from the driver's own differences, as early as they ever arrived: no thread's lateness is in it."""

    sum_s: float
    offset_s: float


def stamp_step(stamps: Stamps | None, delta_s: float, arrived_s: float) -> tuple[Stamps, float]:
    """Time [mono s] of a message that came ``delta_s`` after the one before and was handed to us at ``arrived_s``."""
    if stamps is None:
        return Stamps(0.0, arrived_s), arrived_s
    total_s = stamps.sum_s + delta_s
    offset_s = min(stamps.offset_s + _LEAK * delta_s, arrived_s - total_s)
    if arrived_s - total_s - offset_s > _DELAY_MOST_S:
        offset_s = arrived_s - total_s  # the driver's differences cannot be believed
    return Stamps(total_s, offset_s), total_s + offset_s


@dataclass(frozen=True, slots=True)
class Loop:
    """A delay-locked loop of second order on the times of clocks (Adriaensen, Using a DLL to filter time, 2005)."""

    time_s: float  #: of the newest clock, filtered
    period_s: float  #: of a clock; 0 = not known
    lasting_s: float = 0.0  #: error that does not average out
    raw_s: float = 0.0  #: time of the newest clock as it came
    clocks: int = 1  #: since the loop began
    leaps: int = 0


def loop_step(loop: Loop | None, t_s: float) -> Loop:
    """The loop after a clock at ``t_s`` [s]."""
    if loop is None or t_s - loop.raw_s > LOST_S:
        return Loop(t_s, 0.0, raw_s=t_s)
    if not loop.period_s:
        return Loop(t_s, max(t_s - loop.raw_s, 1e-3), raw_s=t_s, clocks=2)
    expected_s = loop.time_s + loop.period_s
    error_s = t_s - expected_s
    if abs(error_s) > _LEAP_CLOCKS * loop.period_s and loop.clocks >= _READY_CLOCKS:
        if loop.leaps + 1 >= _LEAPS:
            return Loop(t_s, max(t_s - loop.raw_s, 1e-3), raw_s=t_s, clocks=2)
        return replace(loop, time_s=expected_s, raw_s=t_s, clocks=loop.clocks + 1, leaps=loop.leaps + 1)
    lasting_s = loop.lasting_s + _LASTING * (error_s - loop.lasting_s)
    young_hz = 0.35 / (loop.clocks * loop.period_s)
    hz = min(max(_STEADY_HZ * (1.0 + (lasting_s / _QUICK_AT_S) ** 2), young_hz), _QUICK_HZ)
    omega = min(2.0 * math.pi * hz * loop.period_s, 0.7)
    return Loop(
        expected_s + math.sqrt(2.0) * omega * error_s,
        max(loop.period_s + omega * omega * error_s, 1e-3),
        lasting_s,
        t_s,
        loop.clocks + 1,
    )


@dataclass(frozen=True, slots=True)
class MidiClockState:
    """What the messages so far say."""

    loop: Loop | None = None
    position: int | None = None  #: clocks from the song's beginning to the newest clock; None = not known
    next_position: int | None = None  #: of the clock that comes, after start, continue or a song position
    playing: bool = False
    before_s: float = 0.0  #: period of a clock before a loss that was counted over, until the new one is known


def midi_step(state: MidiClockState, message: Sequence[int], t_s: float) -> MidiClockState:
    """The state after one message (its bytes) at ``t_s`` [s]; what is no clock message changes nothing."""
    match list(message):
        case [0xF8]:
            return _clock(state, t_s)
        case [0xFA]:
            return replace(state, playing=True, next_position=0, before_s=0.0)
        case [0xFB]:
            return replace(state, playing=True, next_position=_upcoming(state))
        case [0xFC]:
            return replace(state, playing=False, next_position=_upcoming(state))
        case [0xF2, low, high]:
            return replace(state, next_position=SIXTEENTH * (low + 128 * high), before_s=0.0)
    return state


def _clock(state: MidiClockState, t_s: float) -> MidiClockState:
    loop = loop_step(state.loop, t_s)
    if state.loop is not None and loop.clocks == 1:
        state = _over_loss(state, state.loop, t_s)
    elif state.before_s and loop.clocks >= _READY_CLOCKS:
        same = abs(loop.period_s / state.before_s - 1.0) < _SAME_TEMPO
        state = replace(state, before_s=0.0, position=state.position if same else None)
    if not state.playing:
        return replace(state, loop=loop)
    if state.next_position is not None:
        return replace(state, loop=loop, position=state.next_position, next_position=None)
    return replace(state, loop=loop, position=None if state.position is None else state.position + 1)


def _over_loss(state: MidiClockState, before: Loop, t_s: float) -> MidiClockState:
    """The first clock after a loss: the song went on in its tempo meanwhile, or nobody knows where it is."""
    if not state.playing or state.position is None or state.next_position is not None:
        return state
    if before.clocks < _READY_CLOCKS or t_s - before.raw_s > _REMEMBERED_S:
        return replace(state, position=None, before_s=0.0)
    passed = round((t_s - before.time_s) / before.period_s)
    return replace(state, position=state.position + passed - 1, before_s=before.period_s)


def _upcoming(state: MidiClockState) -> int:
    """Where the song goes on: as was pointed to, else behind the newest clock, else at its beginning."""
    if state.next_position is not None:
        return state.next_position
    return 0 if state.position is None else state.position + 1


@dataclass(frozen=True, slots=True)
class Beat:
    """A beat of the song on the monotonic clock."""

    mono_s: float
    number: int  #: from the song's beginning
    period_s: float
    playing: bool


def newest_beat(state: MidiClockState, mono_s: float) -> Beat | None:
    """The newest beat by ``mono_s`` [s]; None while there is no clock or nobody said where in the song it is."""
    loop = state.loop
    if loop is None or loop.clocks < _READY_CLOCKS or state.position is None or mono_s - loop.raw_s > LOST_S:
        return None
    number = state.position // CLOCKS
    at_s = loop.time_s - (state.position - number * CLOCKS) * loop.period_s
    return Beat(at_s, number, loop.period_s * CLOCKS, state.playing and state.next_position is None)


def beat2clock(beat: Beat, clock: ClockMap) -> OutsideClock | None:
    """A beat in stream time; None before the stream has begun."""
    if not clock.anchored:
        return None
    anchor_s = clock.to_stream(beat.mono_s)
    period_s = clock.to_stream(beat.mono_s + beat.period_s) - anchor_s
    return OutsideClock(anchor_s, beat.number, period_s, beat.number % METER + 1, METER, beat.playing, NAME)


def load_rtmidi() -> ModuleType:
    """The rtmidi module. Raises ConfigError with the install command where it is absent."""
    try:
        import rtmidi
    except ModuleNotFoundError as error:
        raise ConfigError(
            "--ear midi needs the package python-rtmidi, which is not here: pip install 'corybant[midi]'"
        ) from error
    return rtmidi


class MidiClock:
    """A MIDI input that is followed. Without a port's name it offers a virtual port (Linux, macOS)."""

    name = NAME

    def __init__(self, port: str, clock: ClockMap) -> None:
        """``port`` is part of a port's name, or empty. ConfigError when python-rtmidi is absent."""
        self._rtmidi = load_rtmidi()
        self._port, self._clock = port, clock
        self.own_bpm: Callable[[], float | None] = lambda: None  #: nobody to tell: MIDI clock only comes in
        self._state = MidiClockState()
        self._stamps: Stamps | None = None
        self._input: Any = None
        self._heard_s, self._opened_s = -math.inf, -math.inf  # of the newest message; when the port was opened
        self._patience_s = _REOPEN_S
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_open, name="midi clock", daemon=True)
        self._counts = {"messages": 0, "reopens": 0}

    def start(self) -> None:
        """Open the port. Raises ConfigError: no MIDI on this machine, or no such port (with what exists)."""
        self._open(now_s())
        self._thread.start()

    def stop(self) -> None:
        """Close the port; may be called twice."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._close()

    def read(self) -> OutsideClock | None:
        """The clock in stream time; None = there is none, it was lost, or it has not said where in the song it is."""
        beat = newest_beat(self._state, now_s())
        return beat2clock(beat, self._clock) if beat else None

    def stats(self) -> dict[str, int]:
        return dict(self._counts)

    def look(self, mono_s: float) -> None:
        """Open the port again by its name when it is gone, or may be; never raises. Once a second, by the thread.

        One that came back between two looks is there but says nothing. So a port that fell silent while the song
        played is opened again too: after a second, then less and less often, because a start could be missed meanwhile.
        """
        if not self._port or mono_s - self._heard_s < _REOPEN_S:
            return
        try:
            if self._input is not None and _is_there(self._port, self._input.get_ports()):
                if self._heard_s > self._opened_s:
                    self._patience_s = _REOPEN_S
                if not self._state.playing or mono_s - max(self._opened_s, self._heard_s) < self._patience_s:
                    return
            self._close()
            self._open(mono_s)
        except (ConfigError, self._rtmidi.RtMidiError, SystemError):
            return  # not yet
        self._patience_s = min(2.0 * self._patience_s, _PATIENCE_MOST_S)
        self._counts["reopens"] += 1

    def _open(self, mono_s: float) -> None:
        source = _midi_in(self._rtmidi)
        try:
            self._choose(source)
        except (self._rtmidi.RtMidiError, SystemError) as error:
            source.delete()
            raise ConfigError(f"--ear midi: the port cannot be opened: {' '.join(str(error).split())}") from error
        except ConfigError:
            source.delete()
            raise
        # Everything is taken, because the driver's time differences are from message to message.
        source.ignore_types(sysex=False, timing=False, active_sense=False)
        self._stamps, self._opened_s = None, mono_s
        source.set_callback(self._hear)
        self._input = source

    def _choose(self, source: Any) -> None:
        if self._port:
            source.open_port(find_port(self._port, source.get_ports()))
        elif sys.platform == "win32":
            ports = ", ".join(source.get_ports()) or "none"
            raise ConfigError(f"--ear midi needs a port's name here: --ear 'midi:NAME'; there is: {ports}")
        else:
            source.open_virtual_port(PORT)

    def _hear(self, event: tuple[list[int], float], _data: Any = None) -> None:
        """From the driver's thread."""
        arrived_s = now_s()
        message, delta_s = event
        self._heard_s = arrived_s
        self._stamps, t_s = stamp_step(self._stamps, delta_s, arrived_s)
        self._state = midi_step(self._state, message, t_s)
        self._counts["messages"] += 1

    def _keep_open(self) -> None:
        while not self._stop.wait(_REOPEN_S):
            self.look(now_s())

    def _close(self) -> None:
        source, self._input = self._input, None
        if source is not None:
            source.cancel_callback()
            source.close_port()
            source.delete()


def find_port(wanted: str, ports: Sequence[str]) -> int:
    """Index of the one port whose name holds ``wanted``, in any case. ConfigError: none or several, and what exists."""
    found = [index for index, port in enumerate(ports) if wanted.lower() in port.lower()]
    exact = [index for index, port in enumerate(ports) if wanted.lower() == port.lower()]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        names = ", ".join(ports[index] for index in found)
        raise ConfigError(f"--ear 'midi:{wanted}' means more than one port: {names}")
    raise ConfigError(f"--ear 'midi:{wanted}': no such port{nearest(wanted, ports) or '; there is none'}")


def _is_there(wanted: str, ports: Sequence[str]) -> bool:
    return any(wanted.lower() in port.lower() for port in ports)


def _midi_in(rtmidi: ModuleType) -> Any:
    """A MIDI input of the first of the system's MIDI services that runs."""
    reasons = []
    for api in rtmidi.get_compiled_api():
        if api == rtmidi.API_LINUX_ALSA and not Path("/dev/snd/seq").exists():
            reasons.append("ALSA has no sequencer (modprobe snd-seq)")
            continue
        try:
            return rtmidi.MidiIn(api, name="Corybant")
        except (rtmidi.RtMidiError, SystemError) as error:
            reasons.append(" ".join(str(error).split()))
    raise ConfigError(f"--ear midi: this machine has no MIDI service: {'; '.join(reasons) or 'none was built in'}")
