"""madmom's offline downbeat tracker (bidirectional networks, Viterbi over the whole track): a ceiling, not a peer."""

from saying import bring_back_names, tell

bring_back_names()

from madmom.audio.signal import Signal  # noqa: E402
from madmom.features.downbeats import DBNDownBeatTrackingProcessor, RNNDownBeatProcessor  # noqa: E402

FPS = 100
network = RNNDownBeatProcessor(fps=FPS)
tracker = DBNDownBeatTrackingProcessor(beats_per_bar=[3, 4], fps=FPS)


def track(samples, rate):
    return [(beat, beat, number) for beat, number in tracker(network(Signal(samples, sample_rate=rate)))]


tell(track)
