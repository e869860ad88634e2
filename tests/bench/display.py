"""Beats heard against motion beats shown: a WebSocket client shows each pose 80 ms after it came, lead set by hand.

The client is a screen with 60 pictures a second that shows the newest pose it has, 80 ms late. Motion beats of what is
shown, their lag (circular mean of the phase, positive: the body is late), concentration R and F1 at 70 ms are those of
``realtime_models.training.judge.beat``, against the demo track's own beats, at the level (cycles per beat) where R is
largest with the lead set. Where ``R`` is no larger than ``R_by_chance`` the lag means nothing. The same show with lead
0 is the control: it must lag 80 ms more.
"""

import numpy as np

from engine.types import POSE_HZ
from realtime_models.training.judge.beat import LEVELS, BeatScore, beat_score, motion_beats, random_ceiling
from tests.bench.running import TRACK, Received, free_port, receive, running_show

DISPLAY_S = 0.080
BPM = 92.0  #: of the demo track, from its first sample on (engine/demo.txt)
SKIP_S = 8.0  #: the ear needs a few bars to be sure


def run(short: bool = False) -> list[dict]:
    """Lag, R and F1 of a minute's dance, with the lead of 80 ms and without one."""
    scores = {lead_ms: scored_show(lead_ms, 30.0 if short else 61.0) for lead_ms in (80, 0)}
    level = max(LEVELS, key=scores[80].r)
    return [figure(lead_ms, level, score) for lead_ms, score in scores.items()]


def scored_show(lead_ms: int, seconds: float) -> BeatScore:
    port = free_port()
    stage = f"127.0.0.1:{port}?lead_ms={lead_ms}"
    with running_show("--input", str(TRACK), "--stage", stage, seconds=seconds) as show:
        got = receive(port, show)
    start_s, root, rotations = shown(got)
    minima_s = start_s + motion_beats(root, rotations, POSE_HZ)
    return beat_score(minima_s, np.arange(0.0, start_s + len(root) / POSE_HZ, 60.0 / BPM), from_s=SKIP_S)


def shown(got: Received) -> tuple[float, np.ndarray, np.ndarray]:
    """Stream time of the first picture [s], root (F, 3) and rotations (F, J, 4) of the pictures, 60 a second."""
    shown_s = np.array(got.at) - got.stream_zero() + DISPLAY_S
    pictures_s = np.arange(shown_s[0], shown_s[-1], 1.0 / POSE_HZ)
    newest = np.searchsorted(shown_s, pictures_s, side="right") - 1
    return float(pictures_s[0]), np.array(got.root)[newest], np.array(got.rotations)[newest]


def figure(lead_ms: int, level: float, score: BeatScore) -> dict:
    return {
        "figure": "motion beats as shown against music beats",
        "unit": "ms",
        "lag_ms": round(1e3 * score.lag_s(level), 1),
        "lead_ms": lead_ms,
        "display_delay_ms": 1e3 * DISPLAY_S,
        "level": level,
        "R": round(score.r(level), 3),
        "R_by_chance": round(random_ceiling(score.n), 3),
        "f1_70ms": round(score.hits.f1, 3),
        "minima_per_beat": round(score.minima_per_beat, 2),
        "n": score.n,
        "track": TRACK.name,
    }
