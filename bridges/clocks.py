"""Which outside beat clock ``--ear`` means. What a clock needs is imported only when it is asked for."""

from bridges.clock_aubio import AubioClock
from bridges.clock_link import LinkClock
from bridges.clock_midi import MidiClock
from engine.clock import ClockMap

OutsideBeats = AubioClock | LinkClock | MidiClock


def open_clock(ear: str, clock: ClockMap, rate: int) -> OutsideBeats | None:
    """The beat clock of ``--ear`` (checked by the configuration); None where the own ear leads.

    ``clock`` is the map to stream time, ``rate`` [Hz] that of the input. Raises ConfigError, one line, when its package
    is absent or its settings are wrong; ``start`` may raise it too.
    """
    kind, _, settings = ear.partition(":")
    if kind == "link":
        return LinkClock(settings, clock)
    if kind == "midi":
        return MidiClock(settings, clock)
    return AubioClock(rate) if kind == "aubio" else None
