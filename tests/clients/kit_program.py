"""Drives the Python kit and prints one JSON line per event (tests/client_kits.py says which).

python kit_program.py recording FILE | python kit_program.py live URL
"""

import json
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "bridges" / "clients" / "python"))
from corybant_client import Frame, Receiver, Stream

PRINTING = threading.Lock()  # two threads speak


def say(said: dict) -> None:
    with PRINTING:
        print(json.dumps(said), flush=True)


def say_frame(kind: str, frame: "Frame | None") -> None:
    if frame is None:
        say({"kind": "refused" if kind == "pose" else "nothing"})
        return
    performers = [{"root": body.root, "rotations": body.rotations} for body in frame.performers]
    said = {"kind": kind, "frame": frame.frame, "time_s": frame.time_s, "sent_s": frame.sent_s, "flags": frame.flags}
    say({**said, "performers": performers})


def say_skeleton(receiver: Receiver) -> None:
    say({"kind": "skeleton", "count": receiver.skeletons, "names": receiver.skeleton.names})


def recording(path: str) -> None:
    data, at, receiver = Path(path).read_bytes(), 0, Receiver()
    while at < len(data):
        now_s, kind, size = struct.unpack_from("<dII", data, at)
        record = data[at + 16 : at + 16 + size]
        at += 16 + size
        if kind == 1:
            refused = receiver.refused
            receiver.text(record.decode())
            if receiver.refused > refused:
                say_frame("pose", None)
            else:
                say_skeleton(receiver)
        elif kind == 2:
            say_frame("pose", receiver.binary(record, now_s))
        else:
            say_frame("shown", receiver.buffer.at(now_s))


class Loud(Stream):
    def heard(self, frame: Frame) -> None:
        say_frame("pose", frame)


def live(url: str) -> None:
    stream, known = Loud(url), 0
    stream.start()
    while True:
        if stream.receiver.skeletons != known:
            known = stream.receiver.skeletons
            say_skeleton(stream.receiver)
        shown = stream.at(time.monotonic())
        if shown is not None:
            say_frame("shown", shown)
        time.sleep(0.02)


if __name__ == "__main__":
    {"recording": recording, "live": live}[sys.argv[1]](sys.argv[2])
