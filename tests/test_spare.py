"""The spare input: taken over within a beat, given back by hand only, cross-faded; with two made-up sources."""

import threading

import numpy as np
import pytest

from engine.clock import ClockMap
from engine.spare import FADE_S, STALL_BEATS, SpareSource, SpareState, Track, spare_step
from engine.types import AudioBlock

RATE, SIZE = 48_000, 480
MAIN, SPARE = 0.25, 0.5  # what each of them sounds like


class MadeUp:
    """A source of a constant, or of a function of the sample index, with gaps (in blocks) where it was unplugged."""

    def __init__(self, sound, blocks, gaps=(), rate=RATE, name="made up", on_block=None):
        self.sound, self.blocks, self.unplugged, self.rate, self.name = sound, blocks, set(gaps), rate, name
        self.gaps, self.closed, self.on_block = len(self.unplugged), False, on_block

    def __iter__(self):
        for n in range(self.blocks):
            if self.on_block:
                self.on_block(n)
            index = np.arange(n * SIZE, (n + 1) * SIZE)
            sound = self.sound(index) if callable(self.sound) else np.full(SIZE, self.sound)
            gap = n in self.unplugged
            yield AudioBlock(n * SIZE, np.float32(0 if gap else 1) * sound.astype(np.float32), self.rate, gap)

    def close(self):
        self.closed = True

    def stats(self):
        return {"blocks": self.blocks}


def clock_at(mono_s: float) -> ClockMap:
    clock = ClockMap()
    clock.observe(0.0, mono_s)
    return clock


def at_once(work):
    work()


def both(main, spare, *, spare_began_s=100.0):
    clocks = clock_at(100.0), clock_at(spare_began_s)
    return SpareSource(main, spare, clocks, threading.Event(), background=at_once)


def steps(state, gaps, period_s=0.5, ask_at=()):
    """The state after each block of 10 ms."""
    out = []
    for n, gap in enumerate(gaps):
        state, _ = spare_step(state, 0.01, gap=gap, period_s=period_s, ask_main=n in ask_at)
        out.append(state)
    return out


@pytest.mark.parametrize("period_s", [60 / 174, 0.5, 60 / 70])
def test_a_stall_of_half_a_beat_takes_over_within_a_beat(period_s):
    states = steps(SpareState(), [True] * 200, period_s)
    first = next(n for n, state in enumerate(states) if state.spare)
    assert (first + 1) * 0.01 == pytest.approx(STALL_BEATS * period_s, abs=0.011)
    heard = next(n for n, state in enumerate(states) if state.share == 1.0)
    assert (heard + 1) * 0.01 < period_s
    assert states[-1].takeovers == 1


def test_short_gaps_change_nothing():
    states = steps(SpareState(), ([True] * 24 + [False]) * 20)
    assert not any(state.spare for state in states)


def test_it_is_never_given_back_by_itself_and_by_hand_only_where_there_is_sound():
    states = steps(SpareState(), [True] * 50 + [False] * 500)
    assert states[-1].spare
    assert states[-1].returns == 0
    back = steps(states[-1], [True] * 3 + [False] * 10, ask_at=(1, 5))
    assert (back[2].spare, back[2].refused) == (True, 1)
    assert (back[5].spare, back[5].returns) == (False, 1)
    assert back[-1].share == 0.0


def test_the_share_moves_by_one_in_20_ms():
    states = steps(SpareState(), [True] * 30)
    shares = [state.share for state in states]
    first = next(n for n, share in enumerate(shares) if share > 0)
    assert shares[first : first + 2] == [pytest.approx(0.01 / FADE_S), pytest.approx(1.0)]


def test_an_unknown_tempo_is_bounded():
    slow = steps(SpareState(), [True] * 100, period_s=60.0)
    assert next(n for n, state in enumerate(slow) if state.spare) * 0.01 < 0.61


def test_the_main_source_passes_untouched():
    main = MadeUp(lambda index: np.sin(index), 20)
    blocks = list(both(main, MadeUp(SPARE, 20)))
    assert all((a.samples == b.samples).all() and a.start == b.start for a, b in zip(blocks, main, strict=True))


def test_an_unplugged_main_input_is_replaced_without_a_click_and_the_stream_has_no_hole():
    main = MadeUp(MAIN, 200, gaps=range(50, 120), name="desk")
    source = both(main, MadeUp(SPARE, 200, name="room"))
    assert source.name == "desk"
    blocks = list(source)
    assert [block.start for block in blocks] == [n * SIZE for n in range(200)]
    sound = np.concatenate([block.samples for block in blocks])
    assert sound[50 * SIZE - 1] == MAIN
    taken = np.flatnonzero(sound == SPARE)[0] / RATE
    assert 0.5 + STALL_BEATS * 0.5 <= taken < 0.5 + 0.5  # within a beat of the stall
    fade = sound[74 * SIZE : 78 * SIZE]
    assert np.abs(np.diff(fade)).max() <= SPARE / (FADE_S * RATE) * 1.01
    assert (sound[round(taken * RATE) :] == SPARE).all()  # it stays, though the desk came back
    assert not any(block.gap for block in blocks[78:])
    assert all(block.gap for block in blocks[50:74])
    assert source.name == "room"
    assert source.stats()["spare"]["takeovers"] == 1


def test_given_back_by_hand_it_fades_over():
    source = both(MadeUp(MAIN, 0), MadeUp(SPARE, 200))
    source.main = MadeUp(MAIN, 200, gaps=range(20, 80), on_block=lambda n: n == 150 and source.main_input())
    sound = np.concatenate([block.samples for block in source])
    assert (sound[100 * SIZE : 150 * SIZE] == SPARE).all()
    assert (sound[152 * SIZE :] == MAIN).all()
    fade = np.diff(sound[149 * SIZE : 153 * SIZE])
    assert fade.max() <= 0.0
    assert fade.min() >= -(SPARE - MAIN) / (FADE_S * RATE) * 1.01
    assert source.stats()["spare"]["returns"] == 1


def test_the_spare_is_laid_under_the_same_moment():
    """The spare began 0.1 s later and runs at 44.1 kHz; each sample says the time at which it was captured."""
    main = MadeUp(lambda index: index / RATE, 200, gaps=range(20, 200))
    count = 400 * 44_100 // RATE
    spare = MadeUp(lambda index: 0.1 + index / 44_100, count, rate=44_100)
    blocks = list(both(main, spare, spare_began_s=100.1))
    for block in blocks[60:]:
        assert block.samples == pytest.approx((block.start + np.arange(SIZE)) / RATE, abs=2e-5)


def test_a_spare_that_is_unplugged_too_is_a_gap():
    blocks = list(both(MadeUp(MAIN, 200, gaps=range(20, 200)), MadeUp(SPARE, 200, gaps=range(100, 200))))
    assert not any(block.gap for block in blocks[60:99])
    assert all(block.gap and not block.samples.any() for block in blocks[101:])


def test_a_spare_that_says_nothing_is_waited_for_and_then_a_gap():
    waits = []
    clocks = clock_at(100.0), clock_at(100.0)
    main = MadeUp(MAIN, 60, gaps=range(20, 60))
    source = SpareSource(
        main, MadeUp(SPARE, 0), clocks, threading.Event(), background=at_once, wait=lambda s: waits.append(s)
    )
    blocks = list(source)
    assert all(block.gap for block in blocks[20:])
    assert waits
    assert source.stats()["spare"]["missing"] > 5


def test_a_spare_whose_device_never_began_is_a_gap():
    source = SpareSource(
        MadeUp(MAIN, 60, gaps=range(20, 60)),
        MadeUp(SPARE, 0),
        (clock_at(100.0), ClockMap()),
        threading.Event(),
        background=at_once,
    )
    assert all(block.gap for block in list(source)[20:])


def test_the_track_keeps_the_newest_and_interpolates():
    track = Track(RATE)
    for n in range(1000):
        track.put(AudioBlock(n * SIZE, np.arange(n * SIZE, (n + 1) * SIZE, dtype=np.float32), RATE))
    sound, gap = track.read(1000 * SIZE - 100.5, 1000 * SIZE - 50.5, 100)
    assert not gap
    assert sound == pytest.approx(1000 * SIZE - 100.5 + np.arange(100) / 2)
    assert track.read(0.0, 100.0, 100)[1]  # long gone
    assert track.read(1000 * SIZE, 1000 * SIZE + 10, 10)[1]  # not there yet


def test_both_are_closed():
    source = both(MadeUp(MAIN, 1), MadeUp(SPARE, 1))
    source.close()
    assert source.main.closed
    assert source.spare.closed
