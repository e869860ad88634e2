"""Beats heard against motion beats shown: a WebSocket client shows each pose 80 ms after it came, lead set by hand.

Motion beats are the minima of the mean joint speed as shown; lag is the circular mean of their phase between the
track's true beats (positive: the body is late), R its concentration, F1 counts a motion beat within 70 ms of a beat.
The same with lead 0 is the control: it must lag about 80 ms more.
"""

import numpy as np

from tests.bench.running import TRACK, Received, free_port, receive, running_show

DISPLAY_S = 0.080
BPM = 124.0  #: of the demo track, from its first sample on (engine/demo.txt)
SKIP_S = 8.0  #: the ear needs a few bars to be sure


def run(short: bool = False) -> list[dict]:
    seconds = 30.0 if short else 60.0
    figures = []
    for lead_ms in (80, 0):
        port = free_port()
        stage = f"127.0.0.1:{port}?lead_ms={lead_ms}"
        with running_show("--input", str(TRACK), "--stage", stage, seconds=seconds) as show:
            got = receive(port, show)
        shown_s = np.array(got.at) - got.stream_zero() + DISPLAY_S
        beats = np.arange(0.0, shown_s[-1], 60.0 / BPM)
        minima = motion_beats(got, shown_s)
        figures.append(
            {
                "figure": "motion beats as shown against music beats",
                "track": TRACK.name,
                "display_delay_ms": 1e3 * DISPLAY_S,
                "lead_ms": lead_ms,
                **score(minima[minima > SKIP_S], beats[beats > SKIP_S]),
            }
        )
    return figures


def motion_beats(got: Received, shown_s: np.ndarray) -> np.ndarray:
    """Times at which the body is slowest: local minima of the mean joint speed, smoothed over 100 ms."""
    quats = np.array(got.rotations, dtype=np.float64)
    dots = np.abs(np.sum(quats[1:] * quats[:-1], axis=-1)).clip(0, 1)
    grid = np.arange(shown_s[0], shown_s[-1], 1 / 120)
    speed = np.interp(grid, (shown_s[1:] + shown_s[:-1]) / 2, (2 * np.arccos(dots)).mean(axis=1) * 60)
    window = np.hanning(15)
    smooth = np.convolve(speed, window / window.sum(), mode="same")
    low = (smooth[1:-1] < smooth[:-2]) & (smooth[1:-1] <= smooth[2:])
    around = np.convolve(smooth, np.ones(61) / 61, mode="same")[1:-1]
    return grid[1:-1][low & (smooth[1:-1] < around)]


def score(minima: np.ndarray, beats: np.ndarray) -> dict:
    """R, circular lag [ms] and level (beats per motion cycle) where R is largest; F1 at 70 ms; minima per beat."""
    number = np.interp(minima, beats, np.arange(len(beats)))
    inside = (minima >= beats[0]) & (minima <= beats[-1])
    period = float(np.median(np.diff(beats)))
    levels = {level: np.mean(np.exp(2j * np.pi * level * number[inside])) for level in (0.5, 1.0, 2.0)}
    level = max(levels, key=lambda one: abs(levels[one]))
    near = np.abs(minima[inside][:, None] - beats[None, :])
    hits = min(int((near.min(axis=1) <= 0.070).sum()), int((near.min(axis=0) <= 0.070).sum()))
    return {
        "unit": "ms",
        "lag_ms": round(1e3 * period * float(np.angle(levels[level])) / (2 * np.pi * level), 1),
        "R": round(float(abs(levels[level])), 3),
        "level": level,
        "f1_70ms": round(2 * hits / (int(inside.sum()) + len(beats)), 3),
        "minima_per_beat": round(float(inside.sum()) / len(beats), 2),
    }
