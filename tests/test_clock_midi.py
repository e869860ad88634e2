"""MIDI clock: the decoder and the loop by made-up message times, worked out by hand; real ports are elsewhere."""

import sys

import numpy as np
import pytest

from bridges import clock_midi
from bridges.clock_midi import (
    LOST_S,
    Beat,
    MidiClock,
    MidiClockState,
    beat2clock,
    find_port,
    load_rtmidi,
    loop_step,
    midi_step,
    newest_beat,
    stamp_step,
)
from engine.clock import ClockMap
from engine.errors import ConfigError

CLOCK, START, CONTINUE, STOP = [0xF8], [0xFA], [0xFB], [0xFC]
TICK_S = 0.5 / 24


def play(state, start_s, clocks, tick_s=TICK_S):
    """``clocks`` clocks from ``start_s`` on; returns the state and the time of the one that would come next."""
    for n in range(clocks):
        state = midi_step(state, CLOCK, start_s + n * tick_s)
    return state, start_s + clocks * tick_s


def test_the_first_clock_after_start_is_the_first_beat():
    state, t_s = play(MidiClockState(), 10.0, 30)
    assert newest_beat(state, t_s) is None  # a clock runs, but nobody said where the song is
    first_s = t_s
    state, t_s = play(midi_step(state, START, t_s - 0.001), t_s, 1)
    beat = newest_beat(state, t_s)
    assert (beat.number, beat.playing) == (0, True)
    assert beat.mono_s == pytest.approx(first_s)
    state, t_s = play(state, t_s, 24 * 5)  # 121 clocks after start: the newest is clock 120, beat 5
    beat = newest_beat(state, t_s)
    assert beat.number == 5
    assert beat.mono_s == pytest.approx(first_s + 5 * 0.5)
    assert beat.period_s == pytest.approx(0.5)


def test_start_waits_for_its_clock():
    state, t_s = play(midi_step(MidiClockState(), START, 1.0), 1.01, 40)
    state = midi_step(state, START, t_s - 0.005)
    assert newest_beat(state, t_s - 0.001).playing is False  # where the new beat lies is not known yet
    state, t_s = play(state, t_s, 1)
    assert newest_beat(state, t_s).number == 0


def test_stop_holds_the_place_and_continue_goes_on_from_it():
    state, t_s = play(midi_step(MidiClockState(), START, 1.0), 1.01, 24 * 2 + 6)  # 54 clocks, the newest is 53
    state = midi_step(state, STOP, t_s - 0.001)
    assert newest_beat(state, t_s).playing is False
    state, t_s = play(state, t_s, 17)  # the clock runs on while the song stands
    assert state.position == 53
    state, t_s = play(midi_step(state, CONTINUE, t_s - 0.001), t_s, 1)
    assert (state.position, newest_beat(state, t_s).playing) == (54, True)
    assert newest_beat(state, t_s).mono_s == pytest.approx(t_s - TICK_S - 6 * TICK_S)  # beat 2 is clock 48


def test_song_position_counts_sixteenths():
    state, t_s = play(midi_step(MidiClockState(), START, 1.0), 1.01, 30)
    state = midi_step(midi_step(state, STOP, t_s), [0xF2, 5, 1], t_s)  # 5 + 128 = 133 sixteenths = 798 clocks
    state, t_s = play(midi_step(state, CONTINUE, t_s), t_s, 1)
    assert state.position == 798
    beat = newest_beat(state, t_s)
    assert beat.number == 33  # 792 = 33 x 24, six clocks before
    assert beat.mono_s == pytest.approx(t_s - TICK_S - 6 * TICK_S)


def test_continue_without_a_known_place_begins_the_song():
    state, _ = play(midi_step(MidiClockState(), CONTINUE, 1.0), 1.01, 20)
    assert state.position == 19


def test_other_messages_change_nothing():
    state, t_s = play(midi_step(MidiClockState(), START, 1.0), 1.01, 20)
    for message in ([0xFE], [0x90, 60, 100], [0xF0, 1, 2, 0xF7], [0xF2, 3], [], [0xF1, 0]):
        assert midi_step(state, message, t_s) is state


def test_a_clock_that_falls_silent_is_lost_and_begins_anew():
    state, t_s = play(midi_step(MidiClockState(), START, 1.0), 1.01, 40)
    assert newest_beat(state, t_s + LOST_S - 0.05) is not None
    assert newest_beat(state, t_s + LOST_S + 0.05) is None
    state, t_s = play(state, t_s + 1.0, 6)
    assert newest_beat(state, t_s) is None  # too young
    state, t_s = play(state, t_s, 20)
    assert newest_beat(state, t_s).period_s == pytest.approx(0.5)


def errors(times, raw):
    """(N,) [s] of the filtered times once the loop is ready, less the true ones."""
    loop, out = None, []
    for true_s, came_s in zip(times, raw, strict=True):
        loop = loop_step(loop, came_s)
        if loop.clocks > 48:
            out.append(loop.time_s - true_s)
    return np.array(out), loop


def test_the_loop_takes_the_jitter_out():
    times = np.arange(24 * 60) * TICK_S
    raw = times + np.random.default_rng(1).uniform(0.0, 0.004, len(times))  # 4 ms of it, 1.15 ms rms
    error_s, loop = errors(times, raw)
    assert np.std(error_s) < 0.0006
    assert np.mean(error_s) == pytest.approx(0.002, abs=0.0003)
    assert loop.period_s == pytest.approx(TICK_S, rel=0.003)


def test_the_loop_follows_another_tempo_within_8_ms():
    steps = np.concatenate([np.full(24 * 30, 60 / 120 / 24), np.full(24 * 40, 60 / 133 / 24)])
    times = np.cumsum(steps)
    raw = times + np.random.default_rng(2).uniform(0.0, 0.001, len(times))
    error_s, loop = errors(times, raw)
    assert np.abs(error_s).max() < 0.008
    assert loop.period_s * 24 == pytest.approx(60 / 133, rel=0.003)


def test_the_loop_leaps_to_half_the_tempo():
    times = np.cumsum(np.concatenate([np.full(200, TICK_S), np.full(200, 2 * TICK_S)]))
    _, loop = errors(times, times)
    assert loop.period_s == pytest.approx(2 * TICK_S)
    assert loop.time_s == pytest.approx(times[-1])


def test_the_loop_keeps_the_tempo_over_one_late_message():
    times = np.arange(400) * TICK_S
    raw = times.copy()
    raw[300] += 0.019
    error_s, _ = errors(times, raw)
    assert np.abs(error_s).max() < 0.001


def test_stamps_leave_out_how_late_our_thread_was():
    rng = np.random.default_rng(4)
    sent_s = 50.0 + np.arange(500) * TICK_S
    late_s = rng.exponential(0.002, 500)
    late_s[20::25] += 0.03
    arrived_s = np.maximum.accumulate(sent_s + late_s)
    stamps, out = None, []
    for n in range(500):
        stamps, t_s = stamp_step(stamps, TICK_S if n else 0.0, arrived_s[n])
        out.append(t_s - sent_s[n])
    assert np.ptp(out[100:]) < 0.001  # differences are the driver's
    assert min(out[100:]) >= 0.0
    assert max(out[100:]) < 0.002


def test_stamps_of_a_driver_that_counts_wrong_come_back_to_the_arrivals():
    stamps, t_s = None, 0.0
    for n in range(100):
        stamps, t_s = stamp_step(stamps, 0.0, n * 0.02)
    assert 99 * 0.02 - t_s <= 0.1


def test_a_beat_in_stream_time():
    clock = ClockMap()
    assert beat2clock(Beat(102.0, 9, 0.5, True), clock) is None
    clock.observe(0.0, 100.0)
    reading = beat2clock(Beat(102.0, 9, 0.5, True), clock)
    assert (reading.count, reading.beat_in_bar, reading.meter, reading.playing) == (9, 2, 4, True)
    assert (reading.anchor_s, reading.period_s) == (pytest.approx(2.0), pytest.approx(0.5))


def test_ports_are_found_by_a_part_of_their_name():
    ports = ["TR-8S:TR-8S MIDI 1", "TR-8S:TR-8S CTRL 2", "Digitakt"]
    assert find_port("digi", ports) == 2
    assert find_port("midi 1", ports) == 0
    with pytest.raises(ConfigError, match=r"more than one port: TR-8S:TR-8S MIDI 1, TR-8S:TR-8S CTRL 2"):
        find_port("tr-8s", ports)
    with pytest.raises(ConfigError, match="no such port; did you mean 'Digitakt'"):
        find_port("Digitakd", ports)
    with pytest.raises(ConfigError, match="there is none"):
        find_port("any", [])


def test_an_absent_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    with pytest.raises(ConfigError, match=r"pip install 'corybant\[midi\]'"):
        load_rtmidi()


def test_a_short_loss_is_counted_over():
    state, t_s = play(midi_step(MidiClockState(), START, 1.0), 1.01, 100)  # the newest is clock 99
    back_s = t_s + 150 * TICK_S  # 150 clocks were lost, 100..249
    state, t_s = play(state, back_s, 30)
    assert state.position == 99 + 150 + 30
    beat = newest_beat(state, t_s)
    assert (beat.number, beat.playing) == (11, True)  # clock 264 of 279
    assert beat.mono_s == pytest.approx(1.01 + 264 * TICK_S, abs=0.001)


@pytest.mark.parametrize(("away_s", "tick_s"), [(31.0, TICK_S), (3.0, 0.96 * TICK_S)])
def test_after_a_long_loss_or_in_another_tempo_nobody_knows_the_place(away_s, tick_s):
    state, t_s = play(midi_step(MidiClockState(), START, 1.0), 1.01, 100)
    state, t_s = play(state, t_s + away_s, 40, tick_s)
    assert newest_beat(state, t_s) is None
    state, t_s = play(midi_step(state, START, t_s - 0.001), t_s, 1, tick_s)
    assert newest_beat(state, t_s).number == 0


def test_a_start_soon_after_a_loss_is_believed_in_any_tempo():
    state, t_s = play(midi_step(MidiClockState(), START, 1.0), 1.01, 100)
    state, t_s = play(state, t_s + 2.0, 3, 0.8 * TICK_S)
    state, t_s = play(midi_step(state, START, t_s - 0.001), t_s, 30, 0.8 * TICK_S)
    assert (state.position, newest_beat(state, t_s).number) == (29, 1)


def test_a_loss_after_a_stop_moves_nothing():
    state, t_s = play(midi_step(MidiClockState(), START, 1.0), 1.01, 100)
    state = midi_step(state, STOP, t_s)
    state, t_s = play(midi_step(state, CONTINUE, t_s + 5.0), t_s + 5.001, 20)
    assert state.position == 99 + 20


class System:
    """MIDI as far as a clock's input sees it: ports that come and go, and the time."""

    API_LINUX_ALSA = 1
    RtMidiError = type("RtMidiError", (Exception,), {})

    def __init__(self) -> None:
        self.ports: dict[str, object] = {}  # a port that comes back is another one of the same name
        self.inputs: list[Input] = []
        self.broken = False
        self.time_s = 100.0

    def get_compiled_api(self):
        return [2]

    def MidiIn(self, api, name):
        self.inputs.append(Input(self))
        return self.inputs[-1]

    def plug(self, name: str) -> None:
        self.ports[name] = object()

    def unplug(self, name: str) -> None:
        del self.ports[name]

    def send(self, name: str, *messages: list[int], every_s: float = TICK_S) -> None:
        for message in messages:
            for one in self.inputs:
                if one.callback and one.source is self.ports[name]:
                    one.callback((message, every_s), None)
            self.time_s += every_s


class Input:
    def __init__(self, system: System) -> None:
        self.system, self.source, self.callback, self.deleted = system, None, None, False

    def get_ports(self):
        if self.system.broken:
            raise System.RtMidiError("the service is away")
        return list(self.system.ports)

    def open_port(self, index):
        self.source = list(self.system.ports.values())[index]

    def ignore_types(self, **types):
        assert types == {"sysex": False, "timing": False, "active_sense": False}

    def set_callback(self, callback):
        self.callback = callback

    def cancel_callback(self):
        self.callback = None

    def close_port(self):
        self.source = None

    def delete(self):
        self.deleted = True


@pytest.fixture
def system(monkeypatch):
    """A system with the port of a sequencer, in the place of rtmidi and of the time."""
    made = System()
    made.plug("Sequencer out")
    monkeypatch.setattr(clock_midi, "load_rtmidi", lambda: made)
    monkeypatch.setattr(clock_midi, "now_s", lambda: made.time_s)
    return made


@pytest.fixture
def followed(system):
    """A clock whose port is open; the test looks at the port itself, at the times that it wants."""
    stream = ClockMap()
    stream.observe(0.0, system.time_s)
    clock = MidiClock("sequencer", stream)
    clock._open(system.time_s)
    system.send("Sequencer out", START, every_s=0.0)
    system.send("Sequencer out", *[CLOCK] * 60)
    assert clock.read().playing
    return clock


def pass_time(system, clock, seconds):
    """Time passes in silence, with a look at the port every second, as the thread does."""
    for _ in range(seconds):
        system.time_s += 1.0
        clock.look(system.time_s)


def test_a_port_that_vanished_is_opened_again_and_the_beat_goes_on(system, followed):
    system.unplug("Sequencer out")
    away_s = system.time_s
    pass_time(system, followed, 6)
    assert followed.read() is None and followed.stats()["reopens"] == 0
    assert all(one.deleted for one in system.inputs)  # nothing is left behind by looking
    system.plug("Sequencer out")
    pass_time(system, followed, 1)
    assert followed.stats()["reopens"] == 1
    system.time_s = away_s + 400 * TICK_S  # the sequencer went on meanwhile
    system.send("Sequencer out", *[CLOCK] * 60)
    reading = followed.read()
    assert reading.count == 21 and reading.playing  # 60 + 400 + 60 clocks: the newest is 519, beat 21 clock 504
    assert reading.anchor_s == pytest.approx(504 * TICK_S, abs=0.002)


def test_a_port_that_came_back_between_two_looks_is_opened_again(system, followed):
    system.unplug("Sequencer out")
    system.plug("Sequencer out")  # the same name, and no message reaches us
    system.send("Sequencer out", *[CLOCK] * 30)
    assert followed.read() is None
    pass_time(system, followed, 1)
    assert followed.stats()["reopens"] == 1
    heard = followed.stats()["messages"]
    system.send("Sequencer out", *[CLOCK] * 30)
    assert followed.stats()["messages"] == heard + 30 and followed.read().playing


def test_a_silent_port_is_opened_less_and_less_often(system, followed):
    pass_time(system, followed, 120)  # after 1 s, then 2, 4, 8, 16, 30 and 30 s later
    assert 6 <= followed.stats()["reopens"] <= 9
    system.send("Sequencer out", CLOCK, STOP)
    before = followed.stats()["reopens"]
    pass_time(system, followed, 60)  # silent because it was stopped: nothing is amiss
    assert followed.stats()["reopens"] == before


def test_a_midi_service_that_breaks_is_tried_until_it_is_back(system, followed):
    system.broken = True
    pass_time(system, followed, 5)
    assert followed.read() is None
    system.broken = False
    pass_time(system, followed, 40)
    assert followed.stats()["reopens"] >= 1
    system.send("Sequencer out", *[CLOCK] * 30)
    assert followed.stats()["messages"] == 61 + 30


def test_the_thread_looks_and_ends(system):
    clock = MidiClock("sequencer", ClockMap())
    clock.start()
    clock.stop()
    clock.stop()
    assert not clock._thread.is_alive() and system.inputs[-1].deleted


def test_a_port_that_was_never_there_is_refused_with_what_there_is(system):
    clock = MidiClock("tr-8", ClockMap())
    with pytest.raises(ConfigError, match="no such port"):
        clock.start()
    assert system.inputs[-1].deleted
