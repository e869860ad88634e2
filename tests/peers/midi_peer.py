"""A sequencer that owns nothing of ours: sends MIDI clock over a JACK port and says when it sent what.

Usage: midi_peer.py PORT_PART, to send to the port with this in its name, or midi_peer.py offer:NAME, to have a port of
its own that others open. Reads lines from the standard input: "start", "stop", "continue", "locate SIXTEENTHS",
"bpm X", "end". Prints "due sent status position" for each message: the monotonic time at which it was due and that at
which it left, and the clocks from the song's beginning.
"""

import contextlib
import os
import queue
import sys
import threading
import time

import rtmidi

CLOCK, START, CONTINUE, STOP, POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2


def open_port(part: str) -> rtmidi.MidiOut:
    """Waits until the port is there: the other side may be starting."""
    out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="sequencer")
    if part.startswith("offer:"):
        out.open_virtual_port(part.removeprefix("offer:"))
        return out
    deadline_s = time.perf_counter() + 20.0
    while time.perf_counter() < deadline_s:
        for index, name in enumerate(out.get_ports()):
            if part.lower() in name.lower():
                out.open_port(index)
                return out
        time.sleep(0.1)
    raise SystemExit(f"no port {part} among {out.get_ports()}")


def main(part: str) -> None:
    out = open_port(part)
    asked: queue.Queue[list[str]] = queue.Queue()
    threading.Thread(target=lambda: [asked.put(line.split()) for line in sys.stdin], daemon=True).start()
    period_s, playing, position = 60.0 / 120.0 / 24.0, False, 0

    def send(*message: int) -> None:
        sent_s = time.perf_counter()
        out.send_message(list(message))
        print(min(due_s, sent_s), sent_s, message[0], position, flush=True)

    with contextlib.suppress(OSError, AttributeError):  # as sequencers do, where the system lets them
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
    print("ready", flush=True)
    due_s = time.perf_counter() + period_s
    while True:
        while not asked.empty():
            match asked.get():
                case ["start"]:
                    position, playing = 0, True
                    send(START)
                case ["stop"]:
                    playing = False
                    send(STOP)
                case ["continue"]:
                    playing = True
                    send(CONTINUE)
                case ["locate", sixteenths]:
                    position = 6 * int(sixteenths)
                    send(POSITION, int(sixteenths) % 128, int(sixteenths) // 128)
                case ["bpm", bpm]:
                    period_s = 60.0 / float(bpm) / 24.0
                case ["end"]:
                    return
        time.sleep(max(due_s - time.perf_counter(), 0.0))
        send(CLOCK)
        position += playing
        due_s += period_s


main(sys.argv[1])
