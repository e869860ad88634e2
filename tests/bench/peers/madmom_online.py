"""madmom's online beat tracker (eight forward LSTM networks and the forward pass of the DBN) as its program runs it.

Frames end at their time (origin "online"), so a beat is told when it is heard. The network's frames go through in one
call, which gives the same numbers as one at a time and costs less: its share of a core is a lower bound.
"""

from saying import bring_back_names, tell

bring_back_names()

from madmom.audio.signal import Signal  # noqa: E402
from madmom.features.beats import DBNBeatTrackingProcessor, RNNBeatProcessor  # noqa: E402

FPS = 100
network = RNNBeatProcessor(online=True, origin="online", fps=FPS)
tracker = DBNBeatTrackingProcessor(online=True, fps=FPS)


def track(samples, rate):
    return [(beat, beat, 0) for beat in tracker(network(Signal(samples, sample_rate=rate)))]


tell(track)
