"""Our side of a test with a real peer: a beat clock of the bridges followed as the listener follows it.

Usage: follower.py link|midi SETTINGS SECONDS. Prints a JSON line for every model frame.
"""

import json
import sys
import time
from dataclasses import asdict

from bridges.clock_link import LinkClock
from bridges.clock_midi import MidiClock
from engine.clock import ClockMap, now_s
from engine.listen.outside import outside_step, start_following
from engine.types import MODEL_HZ, BeatClock


def main(kind: str, settings: str, seconds: float) -> None:
    clock = ClockMap()
    clock.observe(0.0, now_s())
    beats = {"link": LinkClock, "midi": MidiClock}[kind](settings, clock)
    beats.start()
    state, began_s, last_s = start_following(), now_s(), clock.to_stream(now_s())
    print(json.dumps({"ready": True}), flush=True)
    try:
        while now_s() - began_s < seconds:
            time.sleep(1 / MODEL_HZ)
            mono_s = now_s()
            stream_s = clock.to_stream(mono_s)
            reading = beats.read()
            state = outside_step(state, BeatClock(0.1, 0, 0.7), reading, stream_s, stream_s - last_s)
            line = {
                "mono_s": mono_s,
                "stream_s": stream_s,
                "beats": float(state.clock.beats_at(stream_s)),
                "reading_beats": reading.beats_at(stream_s) if reading else None,
                "clock": asdict(state.clock),
                "leader": state.leader.name,
                "reading": asdict(reading) if reading else None,
            }
            print(json.dumps(line), flush=True)
            last_s = stream_s
    finally:
        beats.stop()


main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
