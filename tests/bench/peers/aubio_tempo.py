"""aubio's tempo object with its defaults (window 1024, hop 512), hop by hop as it would hear them."""

import aubio
from saying import tell

HOP = 512


def track(samples, rate):
    tempo = aubio.tempo("default", 1024, HOP, rate)
    for start in range(0, len(samples) - HOP + 1, HOP):
        if tempo(samples[start : start + HOP])[0]:
            yield tempo.get_last_s(), (start + HOP) / rate, 0


tell(lambda samples, rate: list(track(samples, rate)))
