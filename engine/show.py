"""What the operator asks for, and what everybody may read while the show runs."""

import math
import queue
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from engine.errors import nearest
from engine.types import MODEL_HZ, BeatClock, Controls, MusicFeatures, Tick

RANGES = {"energy": (0.0, 2.0), "follow": (0.0, 2.0), "nudge_ms": (-200.0, 200.0)}
SWITCHES = ("freeze", "blackout", "panic")
CONTROL_NAMES = ("style", *RANGES, *SWITCHES)

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
        return replace(controls, **{name: _number(name, value)})
    if name == "style":
        return replace(controls, style=_style(value, styles))
    raise ValueError(f"unknown control '{name}'{nearest(str(name), CONTROL_NAMES)}")


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    raise ValueError(f"{name} is true or false, not {value!r}")


def _number(name: str, value: Any) -> float:
    low, high = RANGES[name]
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
            with self._lock:
                changed = apply_control(self._controls, name, value, styles=self.styles or None)
                self._events.put_nowait(ControlEvent(name, value))
                self._controls = changed
        except (ValueError, queue.Full):
            self.refused += 1

    def drain(self) -> list[ControlEvent]:
        """Everything posted since the last call, in order. Called by the listener at each frame border."""
        events = []
        while not self._events.empty():
            events.append(self._events.get_nowait())
        return events

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
            "section": features.section,
            "controls": asdict(self._controls),
            "styles": list(self.styles),
            "gaps": self._tick.gaps,
            "held": self._tick.held,
            "horizon_ms": self._tick.horizon_ms,
        }
        return {**known, **self._status()}
