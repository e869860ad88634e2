"""Build-ups, breaks, drops and phrases, said causally on the bar grid. Pure: state in, state out.

The network says how much this moment is like each; what it says is smoothed, and a phase begins and ends with
hysteresis. A drop rests on more grounds (``engine.listen.drop``). Phrases of 4, 8 or 16 bars are a round of bars
(``engine.listen.cycle``); changes of the music fall where phrases begin, far likelier so in a build-up, and from that
follows when the next change is due.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from engine.listen.cycle import Cycle, advance, begins_in, place, weigh
from engine.listen.drop import DropState, Grounds, Weighing, drop_probability, drop_step
from engine.types import MODEL_HZ, Activations, BeatClock, SectionReading

PHRASES = Cycle((4, 8, 16), (0.25, 0.6, 0.15), change=0.05, astray=0.01)
MOST_BARS = 16  #: no change is foreseen farther ahead

_DROP_AGAIN_S, _AFTER_DROP_S = 6.0, 1.5  # no second drop, no build or break, so soon after one
_NEAR_S = 0.3  # a phrase activation so near to a bar line belongs to it
_KEPT_FRAMES = 32
_LEAST = 0.03
_STAY = 1.5
_DROP = Weighing(-2.09, Grounds(said=1.55, over=3.94, drums=2.09, back=0.0, pulse=1.12, bar=1.75))


@dataclass(frozen=True)
class Tuning:
    """What ``realtime_models.training.ear.tune_sections`` fits to an ear."""

    smooth_s: float = 0.4  #: time constant with which the activations of build-up and break are smoothed
    begin_build: float = 0.4  #: smoothed activation at which a build-up begins
    begin_break: float = 0.35  #: and a break
    end: float = 0.3  #: share of that at which it ends
    drop: Weighing = _DROP
    drop_sure: float = 0.4  #: probability at which a drop is said
    trust: float = 1.0  #: in the phrase activation: exponent of its odds
    usual: float = 0.07  #: phrase activation at a bar line that says nothing
    change_odds: float = 2.5  #: logarithm of how much likelier a phrase begins where a phase does
    phrase_sure: float = 0.3  #: probability at which a phrase is said to begin
    #: Probability that the music changes where a phrase begins, and at another bar line, in each phase.
    plain: tuple[float, float] = (0.316, 0.057)
    build: tuple[float, float] = (0.44, 0.071)
    breakdown: tuple[float, float] = (0.341, 0.085)


TUNED = Tuning()
#: (MOST_BARS, P): whether a phrase begins so many bars after a bar that is sure to be this place of this length
_BEGINS = np.array(
    [[begins_in(PHRASES, sure, bars) for sure in np.eye(len(PHRASES.prior))] for bars in range(1, MOST_BARS + 1)]
)


@dataclass(frozen=True, slots=True)
class SectionState:
    build: float  #: smoothed
    breakdown: float
    phase: str
    phrase: np.ndarray  #: belief over (length, bar) of the bar that runs
    length: int  #: phrase length read last [bars]
    beat: int  #: newest beat that has passed
    bar_beat: int  #: number of the beat with which this bar began
    place: int  #: place in the bar of beat ``beat``
    waiting: tuple[float, ...]  #: times of bar lines whose activation is not complete [stream s]
    recent: np.ndarray  #: (_KEPT_FRAMES,) newest phrase activations
    drop: DropState
    drop_s: float  #: when the last drop was said
    bar_s: float  #: when the phrase that runs was last said


def start_section() -> SectionState:
    none = -math.inf
    return SectionState(
        0.0, 0.0, "plain", PHRASES.prior, 8, 0, 0, 1, (), np.zeros(_KEPT_FRAMES), DropState(), none, none
    )


def section_step(
    state: SectionState,
    said: Activations,
    clock: BeatClock,
    heard: bool,
    now_s: float,
    delay_s: float,
    how: Tuning = TUNED,
) -> tuple[SectionState, SectionReading]:
    """One model frame at ``now_s``; ``heard`` False: what was said fades, and nothing begins.

    ``delay_s`` [s]: how long after a bar line its activation comes.
    """
    state, began = _bars(state, said, clock, now_s, delay_s, how)
    share = min(1.0 / (how.smooth_s * MODEL_HZ), 1.0)
    build, breakdown = (
        old + share * ((new if heard else 0.0) - old)
        for old, new in ((state.build, said.build), (state.breakdown, said.breakdown))
    )
    averages, grounds = drop_step(state.drop, said, clock, heard, now_s)
    state = replace(state, build=build, breakdown=breakdown, drop=averages)
    drop = drop_probability(grounds, how.drop)
    if heard and drop >= how.drop_sure and now_s - state.drop_s > _DROP_AGAIN_S:
        began += (("drop", drop),)
        state = replace(
            state, build=0.0, breakdown=0.0, phase="plain", drop_s=now_s, phrase=_hinted(state, clock, now_s, how)
        )
    state, more = _phase(state, now_s, heard, how)
    if more:
        state = replace(state, phrase=_hinted(state, clock, now_s, how))
    return state, _reading(state, clock, drop, began + more, now_s, how)


def _phase(state: SectionState, now_s: float, heard: bool, how: Tuning) -> tuple[SectionState, tuple]:
    """The phase with hysteresis, and what began."""
    levels = {"build": state.build / how.begin_build, "break": state.breakdown / how.begin_break}
    phase = state.phase
    if phase != "plain" and levels[phase] < how.end:
        phase = "plain"
    likeliest = max(levels, key=levels.get)
    allowed = heard and now_s - state.drop_s > _AFTER_DROP_S
    if allowed and likeliest != phase and levels[likeliest] > max(1.0, levels.get(phase, 0.0) + 0.15):
        phase = likeliest
    if phase in ("plain", state.phase):
        return replace(state, phase=phase), ()
    return replace(state, phase=phase), ((phase, state.build if phase == "build" else state.breakdown),)


def _hinted(state: SectionState, clock: BeatClock, now_s: float, how: Tuning) -> np.ndarray:
    """The belief about the phrase after a phase began or a drop came: in the first half of a bar, with this bar."""
    into = (float(clock.beats_at(now_s)) - state.bar_beat) / clock.meter
    return weigh(PHRASES, state.phrase, how.change_odds) if into < 0.5 else state.phrase


def _bars(
    state: SectionState, said: Activations, clock: BeatClock, now_s: float, delay_s: float, how: Tuning
) -> tuple[SectionState, tuple]:
    """Take in the bar lines that have passed, and those whose activation is complete."""
    recent = np.append(state.recent[1:], said.phrase)
    phrase, waiting, began = state.phrase, list(state.waiting), ()
    beat, bar_beat, length, said_s = state.beat, state.bar_beat, state.length, state.bar_s
    newest = math.floor(clock.beats_at(now_s))
    at = state.place
    for number in range(max(beat + 1, newest - 3), newest + 1):
        told = clock.beat_in_bar
        at = (told - 1 + number - clock.count) % clock.meter + 1 if told else at % clock.meter + 1
        if at == 1 and number - bar_beat >= 2:
            bar_beat = number
            phrase = advance(PHRASES, phrase)
            waiting.append(float(clock.time_of(number)))
            found = place(PHRASES, phrase, length, _STAY)
            if found.position == 0 and found.probability >= how.phrase_sure and clock.bar_confidence > 0.0:
                began, said_s = (("phrase", found.probability),), now_s
    heard_s = now_s - delay_s
    for line_s in [line_s for line_s in waiting if heard_s >= line_s + _NEAR_S]:
        waiting.remove(line_s)
        ago = (heard_s - line_s) * MODEL_HZ
        near = np.abs(np.arange(_KEPT_FRAMES - 1, -1, -1) - ago) <= _NEAR_S * MODEL_HZ
        share = min(max(float(recent[near].max(initial=0.0)), _LEAST), 1.0 - _LEAST)
        odds = how.trust * (math.log(share / (1.0 - share)) - math.log(how.usual / (1.0 - how.usual)))
        phrase = weigh(PHRASES, phrase, odds)
    length = place(PHRASES, phrase, length, _STAY).length
    taken = replace(
        state, phrase=phrase, length=length, beat=max(beat, newest), bar_beat=bar_beat, place=at,
        waiting=tuple(waiting[-4:]), recent=recent, bar_s=said_s,
    )  # fmt: skip
    return taken, began


def _reading(
    state: SectionState, clock: BeatClock, drop: float, began: tuple[tuple[str, float], ...], now_s: float, how: Tuning
) -> SectionReading:
    into_bar = min(max((float(clock.beats_at(now_s)) - state.bar_beat) / clock.meter, 0.0), 0.999)
    found = place(PHRASES, state.phrase, state.length)
    bars, probability = next_change(state.phrase, state.phase, how)
    return SectionReading(
        phase=state.phase,
        build=state.build,
        breakdown=state.breakdown,
        drop=drop,
        bars_into_phrase=found.position + into_bar,
        phrase_bars=found.length,
        bars_to_change=bars - into_bar,
        change_probability=probability * clock.bar_confidence,
        began=began,
    )


def next_change(phrase: np.ndarray, phase: str, how: Tuning = TUNED) -> tuple[int, float]:
    """The likeliest bar line for the next change, 1..16 bar lines ahead of the bar that runs, and its probability.

    ``phrase`` (P,) belief over (length, bar). At each bar line to come the music changes with a hazard that is high
    where a phrase begins; the change comes at the first bar line where it does.
    """
    begins, otherwise = {"plain": how.plain, "build": how.build, "break": how.breakdown}[phase]
    hazard = otherwise + (begins - otherwise) * (_BEGINS @ phrase)
    first = hazard * np.concatenate([[1.0], np.cumprod(1.0 - hazard[:-1])])
    best = int(first.argmax())
    return best + 1, float(first[best])
