"""Build-ups, breaks, drops and phrases, said causally on the bar grid. Pure: state in, state out.

The network says how much this moment is like each; what it says is smoothed, and a phase begins and ends with
hysteresis. Phrases of 4, 8 or 16 bars are a round of bars (``engine.listen.cycle``); changes of the music fall where
phrases begin, far likelier so in a build-up, and from that follows when the next change is due.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from engine.listen.cycle import Cycle, advance, begins_in, place, weigh
from engine.types import MODEL_HZ, Activations, BeatClock, SectionReading

PHRASES = Cycle((4, 8, 16), (0.25, 0.6, 0.15), change=0.05, astray=0.01)
MOST_BARS = 16  #: no change is foreseen farther ahead

_SMOOTH = 1.0 / (0.4 * MODEL_HZ)  # share of a new frame in what is smoothed
_BEGIN, _END = 0.6, 0.35  # smoothed activation at which a phase begins and ends
_DROP_SURE, _DROP_DUE = 0.6, 0.3  # drop activation that is one anywhere; and out of a build-up or break
_DUE_S = 2.5  # so long after a build-up or break a drop is still due
_DROP_AGAIN_S, _AFTER_DROP_S = 6.0, 1.5  # no second drop, no build or break, so soon after one
_NEAR_S = 0.3  # a phrase activation so near to a bar line belongs to it
_KEPT_FRAMES = 32
_TRUST, _USUAL, _LEAST = 0.7, 0.13, 0.03
_CHANGE_ODDS = 1.5  # logarithm of how much likelier a phrase begins where a phase does
_STAY = 1.5
_PHRASE_SURE = 0.5
#: Probability that the music changes where a phrase begins, and at another bar line, in each phase.
HAZARD = {"plain": (0.3, 0.01), "build": (0.7, 0.06), "break": (0.5, 0.03)}


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
    due_s: float  #: until when a drop is due [stream s]
    drop_s: float  #: when the last drop was said
    bar_s: float  #: when the phrase that runs was last said


def start_section() -> SectionState:
    none = -math.inf
    return SectionState(0.0, 0.0, "plain", PHRASES.prior, 8, 0, 0, 1, (), np.zeros(_KEPT_FRAMES), none, none, none)


def section_step(
    state: SectionState, said: Activations, clock: BeatClock, heard: bool, now_s: float, delay_s: float
) -> tuple[SectionState, SectionReading]:
    """One model frame at ``now_s``; ``heard`` False: what was said fades, and nothing begins.

    ``delay_s`` [s]: how long after a bar line its activation comes.
    """
    state, began = _bars(state, said, clock, now_s, delay_s)
    build, breakdown = (
        old + _SMOOTH * ((new if heard else 0.0) - old)
        for old, new in ((state.build, said.build), (state.breakdown, said.breakdown))
    )
    state = replace(state, build=build, breakdown=breakdown)
    drop = said.drop if heard else 0.0
    if heard and _is_drop(state, drop, now_s):
        began += (("drop", drop),)
        state = replace(
            state,
            build=0.0,
            breakdown=0.0,
            phase="plain",
            drop_s=now_s,
            due_s=-math.inf,
            phrase=_hinted(state, clock, now_s),
        )
    state, more = _phase(state, clock, now_s, heard)
    return state, _reading(state, clock, drop, began + more, now_s)


def _is_drop(state: SectionState, drop: float, now_s: float) -> bool:
    due = state.phase != "plain" or now_s <= state.due_s
    return drop >= (_DROP_DUE if due else _DROP_SURE) and now_s - state.drop_s > _DROP_AGAIN_S


def _phase(state: SectionState, clock: BeatClock, now_s: float, heard: bool) -> tuple[SectionState, tuple]:
    """The phase with hysteresis, and what began."""
    levels = {"build": state.build, "break": state.breakdown}
    phase = state.phase
    if phase != "plain" and levels[phase] < _END:
        phase = "plain"
    likeliest = max(levels, key=levels.get)
    allowed = heard and now_s - state.drop_s > _AFTER_DROP_S
    if allowed and likeliest != phase and levels[likeliest] > max(_BEGIN, levels.get(phase, 0.0) + 0.1):
        phase = likeliest
    if phase == state.phase:
        return state, ()
    if phase == "plain":
        return replace(state, phase=phase, due_s=now_s + _DUE_S), ()
    return replace(state, phase=phase, phrase=_hinted(state, clock, now_s)), ((phase, levels[phase]),)


def _hinted(state: SectionState, clock: BeatClock, now_s: float) -> np.ndarray:
    """The belief about the phrase after a phase began or a drop came: in the first half of a bar, with this bar."""
    into = (float(clock.beats_at(now_s)) - state.bar_beat) / clock.meter
    return weigh(PHRASES, state.phrase, _CHANGE_ODDS) if into < 0.5 else state.phrase


def _bars(
    state: SectionState, said: Activations, clock: BeatClock, now_s: float, delay_s: float
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
            if found.position == 0 and found.probability >= _PHRASE_SURE and clock.bar_confidence > 0.0:
                began, said_s = (("phrase", found.probability),), now_s
    heard_s = now_s - delay_s
    for line_s in [line_s for line_s in waiting if heard_s >= line_s + _NEAR_S]:
        waiting.remove(line_s)
        ago = (heard_s - line_s) * MODEL_HZ
        near = np.abs(np.arange(_KEPT_FRAMES - 1, -1, -1) - ago) <= _NEAR_S * MODEL_HZ
        share = min(max(float(recent[near].max(initial=0.0)), _LEAST), 1.0 - _LEAST)
        odds = _TRUST * (math.log(share / (1.0 - share)) - math.log(_USUAL / (1.0 - _USUAL)))
        phrase = weigh(PHRASES, phrase, odds)
    length = place(PHRASES, phrase, length, _STAY).length
    taken = replace(
        state, phrase=phrase, length=length, beat=max(beat, newest), bar_beat=bar_beat, place=at,
        waiting=tuple(waiting[-4:]), recent=recent, bar_s=said_s,
    )  # fmt: skip
    return taken, began


def _reading(
    state: SectionState, clock: BeatClock, drop: float, began: tuple[tuple[str, float], ...], now_s: float
) -> SectionReading:
    into_bar = min(max((float(clock.beats_at(now_s)) - state.bar_beat) / clock.meter, 0.0), 0.999)
    found = place(PHRASES, state.phrase, state.length)
    bars, probability = next_change(state.phrase, state.phase)
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


def next_change(phrase: np.ndarray, phase: str) -> tuple[int, float]:
    """The likeliest bar line for the next change, 1..16 bar lines ahead of the bar that runs, and its probability.

    ``phrase`` (P,) belief over (length, bar). At each bar line to come the music changes with a hazard that is high
    where a phrase begins; the change comes at the first bar line where it does.
    """
    begins, else_ = HAZARD[phase]
    lasts, best, likeliest = 1.0, 1, 0.0
    for bars in range(1, MOST_BARS + 1):
        share = begins_in(PHRASES, phrase, bars)
        hazard = share * begins + (1.0 - share) * else_
        if lasts * hazard > likeliest:
            best, likeliest = bars, lasts * hazard
        lasts *= 1.0 - hazard
    return best, likeliest
