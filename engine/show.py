"""What the operator asks for, and what everybody may read while the show runs."""

import math
import queue
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from engine.errors import nearest
from engine.listen.ask import Ask, Clamp, Double, Halve, Lock, Nudge, Reset, Tap, Tempo
from engine.listen.outside import OutsideClock, differs
from engine.types import MODEL_HZ, BeatClock, Controls, MusicFeatures, SectionReading, Tick

RANGES = {
    "energy": (0.0, 2.0),
    "follow": (0.0, 2.0),
    "nudge_ms": (-200.0, 200.0),
    "tempo_min": (0.0, 300.0),
    "tempo_max": (0.0, 300.0),
}
SWITCHES = ("freeze", "blackout", "panic", "lock")
MOMENTS = (
    "tap",
    "halve",
    "double",
    "reset_beat",
    "main_input",
)  #: asked at a moment; nothing of them stays in Controls
AMOUNTS = {"nudge_beat_ms": (-500.0, 500.0), "bpm": (50.0, 218.0)}  #: the same, with a number
CONTROL_NAMES = ("style", *RANGES, *SWITCHES, *MOMENTS, *AMOUNTS)
BEAT_CLOCK = "beat_clock"  #: event: a reading of the outside beat clock, or its loss; nobody can post it

STATUS_FRAMES = MODEL_HZ // 10  #: model frames that one status sums up: it goes out ten times a second
_WAITING_EVENTS = 256  #: controls posted within one model frame; more are refused and counted


def apply_control(controls: Controls, name: str, value: Any, *, styles: tuple[str, ...] | None = None) -> Controls:
    """Return ``controls`` with one value changed (pure).

    Raises ValueError, one line, for an unknown name, a value of the wrong kind or out of range, or a style that is
    not in ``styles`` (when given; "auto" is always there).
    """
    if name in SWITCHES:
        return replace(controls, **{name: _switch(name, value)})
    if name in RANGES:
        return _bounded(replace(controls, **{name: _number(name, value, RANGES[name])}))
    if name == "style":
        return replace(controls, style=_style(value, styles))
    if name in MOMENTS:
        _moment(name, value)
        return controls
    if name in AMOUNTS:
        _number(name, value, AMOUNTS[name])
        return controls
    if name == BEAT_CLOCK:
        _reading(value)
        return controls
    raise ValueError(f"unknown control '{name}'{nearest(str(name), CONTROL_NAMES)}")


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    raise ValueError(f"{name} is true or false, not {value!r}")


def _bounded(controls: Controls) -> Controls:
    if 0.0 < controls.tempo_max < controls.tempo_min:
        raise ValueError(f"tempo_min {controls.tempo_min:g} is above tempo_max {controls.tempo_max:g}")
    return controls


def _moment(name: str, value: Any) -> None:
    """True = now; for a tap also the stream time [s] at which it fell."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if value is not True and not (name == "tap" and number):
        raise ValueError(f"{name} is true{' or a stream time' if name == 'tap' else ''}, not {value!r}")


def _reading(value: Any) -> OutsideClock | None:
    try:
        return None if value is None else OutsideClock(**value)
    except TypeError as error:
        raise ValueError(f"{BEAT_CLOCK} is a reading of a beat clock, not {value!r}") from error


def _number(name: str, value: Any, bounds: tuple[float, float]) -> float:
    low, high = bounds
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high:
        return float(value)
    raise ValueError(f"{name} is a number from {low:g} to {high:g}, not {value!r}")


def _style(value: Any, styles: tuple[str, ...] | None) -> str:
    if not isinstance(value, str):
        raise ValueError(f"style is a name, not {value!r}")
    if styles is not None and value not in ("auto", *styles):
        raise ValueError(f"unknown style '{value}'{nearest(value, ('auto', *styles))}")
    return value


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """One change asked for by the operator."""

    name: str
    value: Any


def standing_asks(controls: Controls) -> tuple[Ask, ...]:
    """What the controls at the start of a show ask of the ear."""
    asks: list[Ask] = []
    if controls.tempo_min or controls.tempo_max:
        asks.append(Clamp(controls.tempo_min or None, controls.tempo_max or None))
    if controls.lock:
        asks.append(Lock(True))
    return tuple(asks)


def event_asks(event: ControlEvent, controls: Controls) -> tuple[Ask, ...]:
    """What a control event asks of the ear, ``controls`` being those with the event applied; () for most."""
    match event.name:
        case "tap":
            return (Tap(None if event.value is True else float(event.value)),)
        case "nudge_beat_ms":
            return (Nudge(float(event.value)),)
        case "bpm":
            return (Tempo(float(event.value)),)
        case "halve":
            return (Halve(),)
        case "double":
            return (Double(),)
        case "reset_beat":
            return (Reset(), *standing_asks(controls))
        case "tempo_min" | "tempo_max":
            return (Clamp(controls.tempo_min or None, controls.tempo_max or None),)
        case "lock":
            return (Lock(controls.lock),)
    return ()


def event_reading(event: ControlEvent, before: OutsideClock | None) -> OutsideClock | None:
    """The outside clock's reading that stands after an event, ``before`` being the one that stood."""
    return _reading(event.value) if event.name == BEAT_CLOCK else before


def _section(section: SectionReading) -> dict[str, Any]:
    """Of the form, what a page shows."""
    known = asdict(section)
    del known["began"]
    return known


def unheard() -> MusicFeatures:
    """The features before the first model frame: nothing has been heard."""
    return MusicFeatures(0, BeatClock(), 0.0, -100.0, np.zeros(4, np.float32), silence=True)


class LiveState:
    """What the bridges may read and ask for while the show runs. Reads are lock-free: immutable values swapped in.

    ``post`` takes a control from any thread. Lanes see it in ``controls`` at once (panic must not wait for the
    listener); the planner gets it at the next frame border, where ``drain`` hands it over and it is logged.
    """

    def __init__(self, controls: Controls, *, styles: tuple[str, ...] = ()) -> None:
        self.styles = styles
        self.refused = 0  #: controls refused: unknown name or value, or more than the queue holds
        self._controls = controls
        self._features = unheard()
        self._recent: tuple[MusicFeatures, ...] = (self._features,)
        self._tick = Tick(0)
        self._events: queue.Queue[ControlEvent] = queue.Queue(_WAITING_EVENTS)
        self._lock = threading.Lock()
        self._status: Callable[[], dict[str, Any]] = dict
        self._stream_s: Callable[[], float | None] = lambda: None
        self._read_clock: Callable[[], OutsideClock | None] = lambda: None
        self._reading: OutsideClock | None = None

    @property
    def features(self) -> MusicFeatures:
        return self._features

    @property
    def tick(self) -> Tick:
        return self._tick

    @property
    def controls(self) -> Controls:
        return self._controls

    def post(self, name: str, value: Any) -> None:
        """Ask for a change; a wrong one is counted in ``refused`` and does nothing. Never blocks, never raises."""
        try:
            if name not in CONTROL_NAMES:
                raise ValueError(f"unknown control '{name}'")
            if name == "tap" and value is True and (now_s := self._stream_s()) is not None:
                value = now_s
            with self._lock:
                changed = apply_control(self._controls, name, value, styles=self.styles or None)
                self._events.put_nowait(ControlEvent(name, value))
                self._controls = changed
        except (ValueError, queue.Full):
            self.refused += 1

    def drain(self) -> list[ControlEvent]:
        """Everything posted since the last call, in order, and the outside clock's reading where it says something
        new. Called by the listener at each frame border.
        """
        events = []
        while not self._events.empty():
            events.append(self._events.get_nowait())
        reading = self._read_clock()
        if differs(self._reading, reading):
            self._reading = reading
            events.append(ControlEvent(BEAT_CLOCK, None if reading is None else asdict(reading)))
        return events

    @property
    def beat_clock(self) -> str:
        """Name of the outside clock that is followed now; empty while the own ear leads."""
        return self._reading.name if self._reading and self._reading.playing else ""

    def tell_time(self, stream_s: Callable[[], float | None]) -> None:
        """Say who knows the stream time [s] of now: a tap falls when it is posted, not when it is drained."""
        self._stream_s = stream_s

    def hear_clock(self, read: Callable[[], OutsideClock | None]) -> None:
        """Say who reads the outside beat clock; None = there is none, or it was lost. Asked at each frame border."""
        self._read_clock = read

    def publish(self, features: MusicFeatures, tick: Tick) -> None:
        """Swap in what is known now. Called by the listener only."""
        self._recent = (*self._recent[-(STATUS_FRAMES - 1) :], features)
        self._features, self._tick = features, tick

    def report_with(self, status: Callable[[], dict[str, Any]]) -> None:
        """Say who knows the rest of the status (outputs, latencies, input)."""
        self._status = status

    def status(self) -> dict[str, Any]:
        """The JSON status of the WebSocket protocol, without ``type``."""
        features, beat = self._features, self._features.beat
        bands = np.max([one.bands for one in self._recent], axis=0)  # meters must not miss a kick between two reports
        known = {
            "beat": {**asdict(beat), "bpm": beat.bpm},
            "level_db": float(features.loudness_db),
            "energy": float(features.energy),
            "onset": max(float(one.onset) for one in self._recent),
            "bands": [float(band) for band in bands],
            "silence": bool(features.silence),
            "section": _section(features.section),
            "controls": asdict(self._controls),
            "styles": list(self.styles),
            "gaps": self._tick.gaps,
            "held": self._tick.held,
            "horizon_ms": self._tick.horizon_ms,
        }
        return {**known, **self._status()}
