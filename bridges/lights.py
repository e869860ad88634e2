"""What a lighting desk wants of the music, as DMX slots. Pure; sACN and Art-Net carry them.

Beat and bar are those of the instant at which the pose is seen: with the right lead a lamp flashes with the body and
with the sound. The rest is the newest that was heard. A blackout is all zeros; a freeze keeps the slots sent last.
"""

from dataclasses import dataclass

import numpy as np

from bridges.flags import BLACKOUT, FREEZE
from bridges.osc import beat_at
from engine.types import POSE_HZ, MusicFeatures

UNIVERSE_SLOTS = 512
#: Slot by slot from the start address on; every one 0 to 255.
SLOTS = (
    "visible", "beat_flash", "bar_flash", "beat_phase", "bar_phase", "beat_1", "beat_2", "beat_3", "beat_4", "plain",
    "build", "break", "drop", "energy", "onset", "band_0", "band_1", "band_2", "band_3", "bpm", "sure", "silence",
)  # fmt: skip
MAX_RATE_HZ = 40
DROP_S = 1.0  #: how long a drop takes to fade
DROP_SURE = 0.5  #: probability from which a drop is shown, the ear's own
_PLACE = {name: place for place, name in enumerate(SLOTS)}
_BANDS = slice(_PLACE["band_0"], _PLACE["band_3"] + 1)


@dataclass(frozen=True, slots=True)
class Lights:
    """The slots as they stand, and what of the music must be remembered."""

    slots: bytes = bytes(len(SLOTS))
    drop_s: float = -np.inf  #: stream time at which the last drop was shown


def lights_step(state: Lights, features: MusicFeatures, time_s: float, flags: int) -> Lights:
    """The lights seen at ``time_s`` [stream s] with what was heard last; ``flags`` as in ``bridges.flags``."""
    drop_s = time_s if features.section.drop >= DROP_SURE else state.drop_s
    if flags & BLACKOUT:
        return Lights(bytes(len(SLOTS)), drop_s)
    if flags & FREEZE:
        return Lights(state.slots, drop_s)
    shares = np.zeros(len(SLOTS))
    _beat(shares, features, time_s)
    section = features.section.phase
    shares[_PLACE[section if section in ("build", "break") else "plain"]] = 1.0
    shares[_PLACE["drop"]] = max(0.0, 1.0 - (time_s - drop_s) / DROP_S)
    shares[_PLACE["energy"]], shares[_PLACE["onset"]] = features.energy, features.onset
    bands = np.asarray(features.bands, float)[: _BANDS.stop - _BANDS.start]
    shares[_BANDS.start : _BANDS.start + len(bands)] = bands
    shares[_PLACE["bpm"]] = features.beat.bpm / 255.0
    shares[_PLACE["silence"]] = features.silence
    return Lights(np.rint(np.nan_to_num(shares).clip(0.0, 1.0) * 255.0).astype(np.uint8).tobytes(), drop_s)


def _beat(shares: np.ndarray, features: MusicFeatures, time_s: float) -> None:
    """Full at the beat, gone before the next; the bar likewise on its first beat. Without a known bar its slots are 0.

    A flash falls with the square of what is left of the beat, as a lamp does that is hit.
    """
    _, phase, in_bar = beat_at(features.beat, time_s)
    flash = 0.0 if features.silence else (1.0 - phase) ** 2
    shares[_PLACE["visible"]] = 1.0
    shares[_PLACE["beat_flash"]], shares[_PLACE["beat_phase"]] = flash, phase
    shares[_PLACE["sure"]] = features.beat.confidence
    if in_bar:
        shares[_PLACE["bar_flash"]] = flash * (in_bar == 1)
        shares[_PLACE["bar_phase"]] = (in_bar - 1 + phase) / features.beat.meter
        if in_bar <= 4:
            shares[_PLACE["beat_1"] + in_bar - 1] = 1.0


def universe(slots: bytes, start: int) -> bytes:
    """All 512 slots of a universe with ``slots`` from ``start`` (1 to 512) on, the rest zero."""
    return (bytes(start - 1) + slots).ljust(UNIVERSE_SLOTS, b"\0")


def due(before: int, frame: int, rate_hz: int) -> bool:
    """Whether a packet leaves with pose ``frame``, of 60 a second, to make ``rate_hz`` of them.

    ``before`` is the frame that came before it, so that one left out by a late lane does not cost its packet.
    """
    return frame * rate_hz // POSE_HZ != before * rate_hz // POSE_HZ
