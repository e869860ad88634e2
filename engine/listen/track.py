"""From what the network says to the clock that the house sees: pointer, bar, sections, confidence. Pure.

The own clock is slewed to the pointer's reading and never jumps while it is right; asks of the operator change it and
the belief at once; a clock from elsewhere is followed on top, while the own ear goes on underneath.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.listen.ask import Ask, AskState, ask_step, bound_reading, restrict, start_asks
from engine.listen.bar import BarState, agreement, another_beat, bar_step, evenness, start_bar, still_heard, strength
from engine.listen.confidence import Grounds, confidence, steady
from engine.listen.outside import FollowState, OutsideClock, outside_step, start_following
from engine.listen.pointer import PointerState, Reading, pointer_step, read_pointer, share_near, start_pointer
from engine.listen.section import SectionState, section_step, start_section
from engine.types import MODEL_HZ, Activations, BeatClock, SectionReading

_SLEW = 0.1  # share of the phase error that is taken back in a frame
_SLEW_PERIOD, _PULL = (
    0.03,
    0.02,
)  # of the period: by the phase error [1/beat], and towards the belief's, which is coarse
_FAR_BEATS, _FAR_PERIOD = 0.12, 0.08  # larger than this is another beat, not an error
_PATIENCE_FRAMES = 6  # another beat must stand for so long before the clock goes over to it
_THERE = 0.15  # beat activation below which there is nothing to follow: the clock coasts
_PULSE_NONE, _PULSE_FULL = 0.15, 0.5  # pulse below which a missing beat says nothing; above which it says all
_PULSE_FADE = math.exp(-1.0 / (2.0 * MODEL_HZ))  # of the pulse remembered over a gap, 2 s
_SPEECH_SMOOTH = 1.0 / (0.3 * MODEL_HZ)


@dataclass(frozen=True, slots=True)
class TrackState:
    """All that is remembered between the network and the features. Never written in place."""

    frames: int
    pointer: PointerState
    bar: BarState
    section: SectionState
    asks: AskState
    follow: FollowState
    clock: BeatClock  #: the own ear's
    astray: int  #: frames for which belief and clock disagreed
    locked: int  #: frames for which the clock has followed the same beat
    pulse: float
    speech: float


@dataclass(frozen=True, slots=True)
class Tracked:
    """What is known at the end of one model frame."""

    clock: BeatClock  #: that the house sees
    section: SectionReading
    pulse: float
    speech: float
    grounds: Grounds  #: of the own clock's confidence


def start_tracking() -> TrackState:
    return TrackState(
        0, start_pointer(), start_bar(), start_section(), start_asks(), start_following(), BeatClock(), 0, 0, 0.0, 0.0
    )


def track_step(
    state: TrackState,
    said: Activations,
    delay_s: float,
    heard: bool,
    gap: bool = False,
    asks: Sequence[Ask] = (),
    outside: OutsideClock | None = None,
) -> tuple[TrackState, Tracked]:
    """One model frame of what the network said; ``heard`` False = silence or a gap, whatever it said."""
    frames = state.frames + 1
    now_s = frames / MODEL_HZ
    heard_s = now_s - delay_s
    pulse = state.pulse * _PULSE_FADE if gap else said.pulse if heard else 0.0
    speech = state.speech + _SPEECH_SMOOTH * ((said.speech if heard else 0.0) - state.speech)
    listening = min(max((said.pulse - _PULSE_NONE) / (_PULSE_FULL - _PULSE_NONE), 0.0), 1.0) if heard else 0.0
    beat, downbeat = (said.beat, said.downbeat) if heard else (0.0 * said.beat, 0.0 * said.downbeat)

    pointer = pointer_step(state.pointer, beat, listening, said.tempo)
    clock, asked, belief = state.clock, state.asks, restrict(state.asks, pointer.belief, state.clock, heard_s)
    if asks:
        asked, clock, belief = ask_step(asked, asks, clock, belief, now_s, heard_s)
    pointer, reading = read_pointer(replace(pointer, belief=belief))
    bar, astray, locked = state.bar, state.astray, state.locked
    if asks and clock != state.clock:
        pointer = replace(pointer, log_period=0.0)
        bar, astray = another_beat(bar, clock, heard_s, 0.5), 0
    if heard and still_heard(bar, beat, clock.period_s) > _THERE:
        clock, astray, moved = _follow(clock, astray, bound_reading(asked, reading, clock, heard_s), now_s, heard_s)
        locked = 0 if moved else locked + 1
        if moved:
            bar = another_beat(bar, clock, heard_s, _share_lost(state.clock, clock))
    else:
        clock = standing_at(clock, float(clock.beats_at(now_s)), clock.period_s, now_s)
    bar, told = bar_step(bar, beat, downbeat, clock, heard_s)
    beats = float(clock.beats_at(now_s))
    until_next_s = (math.floor(beats) + 1 - beats) * clock.period_s + delay_s
    grounds = Grounds(
        share=share_near(belief, until_next_s),
        pulse=pulse,
        strength=strength(bar),
        agreement=agreement(bar),
        even=evenness(bar),
        steady=steady(locked / MODEL_HZ),
    )
    clock = replace(
        clock, beat_in_bar=told.beat_in_bar, meter=told.meter, confidence=confidence(grounds),
        bar_confidence=told.confidence,
    )  # fmt: skip
    follow = outside_step(state.follow, clock, outside, now_s)
    section, form = section_step(state.section, said, follow.clock, heard, now_s, delay_s)
    after = TrackState(frames, pointer, bar, section, asked, follow, clock, astray, locked, pulse, speech)
    return after, Tracked(follow.clock, form, pulse, speech, grounds)


def _follow(
    clock: BeatClock, astray: int, reading: Reading, now_s: float, heard_s: float
) -> tuple[BeatClock, int, bool]:
    """Slew the clock to the reading of ``heard_s``, or go over to it when it has stood elsewhere for long enough."""
    beats = float(clock.beats_at(now_s))
    error = (reading.phase - float(clock.beats_at(heard_s)) + 0.5) % 1.0 - 0.5
    stretch = reading.period_s / clock.period_s - 1.0
    if abs(error) < _FAR_BEATS and abs(stretch) < _FAR_PERIOD:
        period_s = clock.period_s * (1.0 + _PULL * stretch - _SLEW_PERIOD * error)
        return standing_at(clock, beats + _SLEW * error, period_s, now_s), 0, False
    if astray + 1 < _PATIENCE_FRAMES:
        return standing_at(clock, beats, clock.period_s, now_s), astray + 1, False
    phase = reading.phase + (now_s - heard_s) / reading.period_s  # of now, in the new tempo
    error = (phase - beats + 0.5) % 1.0 - 0.5
    return standing_at(clock, beats + error, reading.period_s, now_s), 0, True


def standing_at(clock: BeatClock, beats: float, period_s: float, now_s: float) -> BeatClock:
    """The clock that stands at ``beats`` now; its count never falls."""
    count = max(math.floor(beats), clock.count)
    return replace(clock, anchor_s=now_s - (beats - count) * period_s, count=count, period_s=period_s)


def _share_lost(before: BeatClock, after: BeatClock) -> float:
    """How much of what is believed of the bar goes when the clock goes over: all of it at another level."""
    return 0.4 if abs(after.period_s / before.period_s - 1.0) < _FAR_PERIOD else 0.9
