"""aubio's beat tracker as an alternative ear (``--ear aubio``). Needs the extra ``aubio`` (aubio-ledfx, GPL-3.0).

It hears the same blocks as the own ear and speaks as every outside clock does; the own ear goes on underneath for all
that aubio does not say (bars, sections, loudness). Kept apart from the engine, which never imports it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from types import ModuleType

import numpy as np

from engine.errors import ConfigError
from engine.listen.outside import OutsideClock, differs
from engine.show import BEAT_CLOCK, ControlEvent
from engine.types import POSE_HZ, AudioBlock

NAME = "aubio"
_HOP_S = 0.012  # about 512 samples at 44.1 kHz, for which aubio is tuned
_SILENT_S = 2.5  # without a beat for so long there is none to follow
_BPM = (30.0, 300.0)
_KEPT = 512


def load_aubio() -> ModuleType:
    """The aubio module. Raises ConfigError with the install command where it is absent."""
    try:
        import aubio
    except ModuleNotFoundError as error:
        raise ConfigError(
            "--ear aubio needs the package aubio-ledfx (GPL-3.0), which is not here: pip install 'corybant[aubio]'"
        ) from error
    return aubio


class AubioClock:
    """aubio.tempo over the blocks that the show hears. Called by the listener's thread only."""

    name = NAME

    def __init__(self, rate: int) -> None:
        """``rate`` [Hz] of the blocks. ConfigError when aubio is absent."""
        aubio = load_aubio()
        self._rate = rate
        self.own_bpm: Callable[[], float | None] = lambda: None  #: nobody to tell
        self._hop = 2 ** round(np.log2(_HOP_S * rate))
        self._tempo = aubio.tempo("default", 2 * self._hop, self._hop, rate)
        self._waiting = np.zeros(0, np.float32)
        self._heard = 0  # samples that aubio was given
        self._beats = 0
        self._known: deque[tuple[float, OutsideClock]] = deque(maxlen=_KEPT)  # (stream s when it was said, reading)
        self._told: OutsideClock | None = None

    def start(self) -> None:
        """Nothing to open."""

    def stop(self) -> None:
        """Nothing to close."""

    def hear(self, block: AudioBlock) -> None:
        """The next block, in order; what was not captured is silence to aubio too."""
        sound = np.concatenate([self._waiting, block.samples])
        hops = len(sound) // self._hop
        for hop in np.split(sound[: hops * self._hop], hops) if hops else ():
            self._step(np.ascontiguousarray(hop, np.float32))
        self._waiting = sound[hops * self._hop :]

    def read(self) -> OutsideClock | None:
        """What aubio said last; None = no beat for a while."""
        return self.read_at(self._heard / self._rate)

    def read_at(self, stream_s: float) -> OutsideClock | None:
        """What it had said by ``stream_s`` [s]: what was heard later changes nothing."""
        for said_s, reading in reversed(self._known):
            if said_s <= stream_s:
                return reading if stream_s - said_s < _SILENT_S else None
        return None

    def events(self, frame: int) -> list[ControlEvent]:
        """For a show without a clock of its own: the reading at a frame border, where it says something new."""
        reading = self.read_at(frame / POSE_HZ)
        if not differs(self._told, reading):
            return []
        self._told = reading
        return [ControlEvent(BEAT_CLOCK, None if reading is None else asdict(reading))]

    def stats(self) -> dict[str, int]:
        return {"beats": self._beats}

    def _step(self, hop: np.ndarray) -> None:
        fell = self._tempo(hop)[0]
        self._heard += self._hop
        bpm = float(self._tempo.get_bpm())
        if not fell or not _BPM[0] <= bpm <= _BPM[1]:
            return
        self._beats += 1
        beat_s = float(self._tempo.get_last_s())
        reading = OutsideClock(beat_s, self._beats, 60.0 / bpm, name=NAME)
        self._known.append((self._heard / self._rate, reading))
