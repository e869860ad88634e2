"""A sound file through our listener, as fast as it goes."""

import time
from collections.abc import Callable
from pathlib import Path

from engine.listen import Front, Heard, listen_step, start_listening
from engine.sources import open_file
from engine.types import Ear, MusicFeatures


def new_listener(ear: Ear) -> Callable[[Heard], MusicFeatures]:
    """The listener that is measured: one model frame in, features out. The one place that knows how it is made."""
    state = start_listening(ear)

    def step(heard: Heard) -> MusicFeatures:
        nonlocal state
        state, features = listen_step(ear, state, heard.samples, heard.gap)
        return features

    return step


def hear_file(path: Path, ear: Ear) -> tuple[list[MusicFeatures], float]:
    """The features of every model frame of a file, and processor seconds of front and listener."""
    source = open_file(str(path))
    front, listen, known, cpu_s = Front(source.rate), new_listener(ear), [], 0.0
    for block in source:
        began = time.process_time()
        known += [listen(heard) for heard in front.push(block)]
        cpu_s += time.process_time() - began
    return known, cpu_s
