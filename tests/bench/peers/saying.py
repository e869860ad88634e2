"""What the peers' scripts share. They run in environments of their own (Python 3.8 and later), outside the package.

Each takes a mono 16-bit WAV file and prints one JSON object a line: per beat ``beat_s`` (the time it tells),
``said_s`` (the end of the sound it had heard by then; the same for an offline tracker), ``number`` (place in the bar,
0 = not told); last ``cpu_s`` (processor time of the tracking alone, without loading) and ``sound_s``.
"""

import json
import sys
import time
import wave

import numpy as np


def read_sound(path):
    """Samples (N,) float32 in [-1, 1] and the rate [Hz]."""
    with wave.open(path, "rb") as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise ValueError(f"{path}: not a mono 16-bit WAV file")
        content = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return content.astype(np.float32) / 32768.0, file.getframerate()


def bring_back_names():
    """Names that left the standard library in Python 3.10 and that packages of before still import."""
    import collections
    import collections.abc

    for name in ("Mapping", "MutableMapping", "MutableSequence", "Sequence"):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))


def tell(track):
    """Run ``track(samples, rate) -> rows of (beat_s, said_s, number)`` on the file of the command line and print."""
    samples, rate = read_sound(sys.argv[1])
    began = time.process_time()
    rows = track(samples, rate)
    cpu_s = time.process_time() - began
    for beat_s, said_s, number in rows:
        print(json.dumps({"beat_s": round(float(beat_s), 6), "said_s": round(float(said_s), 6), "number": int(number)}))
    print(json.dumps({"cpu_s": cpu_s, "sound_s": len(samples) / rate}))
