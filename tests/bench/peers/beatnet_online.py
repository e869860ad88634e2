"""BeatNet, causal network and particle filter (its mode "online", first model). The filter is random: seeded here.

Its frames are centred, so a beat is told half a window (32 ms) after its time. BeatNet imports a plotter, a microphone
library and a file reader that this use never calls: empty modules stand for them.
"""

import sys
import types

import numpy as np
from saying import bring_back_names, tell

bring_back_names()
for name in ("pyaudio", "librosa", "matplotlib", "matplotlib.pyplot"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["matplotlib"].pyplot = sys.modules["matplotlib.pyplot"]

import torch  # noqa: E402
from BeatNet.BeatNet import BeatNet  # noqa: E402
from scipy.signal import resample_poly  # noqa: E402

RATE = 22050
HALF_WINDOW_S = 0.032

torch.set_num_threads(1)
np.random.seed(1)
tracker = BeatNet(1, mode="online", inference_model="PF", plot=[], thread=False)


def track(samples, rate):
    rows = tracker.process(resample_poly(samples, RATE, rate).astype(np.float32))
    return [(beat, beat + HALF_WINDOW_S, 1 if kind == 1 else 0) for beat, kind in rows]


tell(track)
