"""Made-up drum patterns, for a training without a drum data set: what is struck on which sixteenth of a bar.

The patterns are the commonplaces of popular music, written here from general knowledge; strength and timing get a small
seeded spread, as hands have it.
"""

import numpy as np

from realtime_models.training.grooves import Groove

KICK, TOM, SNARE, HAT = range(4)  #: listener bands
BARS = 4
SPREAD_BEATS, SPREAD_STRENGTH = 0.012, 0.12
#: name -> tempo [bpm], swing [share of a sixteenth], and for each band sixteen steps: . silent, o soft, x loud
PATTERNS: dict[str, tuple[float, float, tuple[str, str, str, str]]] = {
    "four on the floor": (124, 0.0, ("x...x...x...x...", "................", "....x.......x...", "..x...x...x...x.")),
    "disco": (116, 0.0, ("x...x...x...x...", "................", "....x.......x...", "o.x.o.x.o.x.o.x.")),
    "rock": (112, 0.0, ("x.......x.x.....", "................", "....x.......x...", "x.o.x.o.x.o.x.o.")),
    "rock with toms": (128, 0.0, ("x.....x.x.......", "............o.xx", "....x.......x...", "x.x.x.x.x.x.....")),
    "hip-hop": (88, 0.25, ("x......ox.x.....", "................", "....x.......x...", "x.o.x.o.x.o.x.oo")),
    "boom bap": (92, 0.2, ("x..o...o..x.....", "................", "....x.......x..o", "x.x.x.x.x.x.x.x.")),
    "half time": (140, 0.0, ("x.........x.....", "................", "........x.......", "x.x.xxx.x.x.xxxx")),
    "funk": (104, 0.1, ("x..x......x..x..", "................", "....x..o.o..x..o", "xoxoxoxoxoxoxoxo")),
    "soul": (98, 0.15, ("x.....x...x.....", "................", "....x.......x...", "x.x.x.x.x.x.x.x.")),
    "reggaeton": (94, 0.0, ("x...x...x...x...", "................", "...x..x....x..x.", "x.x.x.x.x.x.x.x.")),
    "salsa": (96, 0.0, ("......x.......x.", "..x...xx..x...xx", "x..x..x...x.x...", "x.xxx.xxx.xxx.xx")),
    "samba": (102, 0.0, ("x..ox..ox..ox..o", "....x.......x...", "x.x..x.x.x.x..x.", "xoxxxoxxxoxxxoxx")),
    "afrobeat": (108, 0.1, ("x.....x...x..x..", "..o...o...o...o.", "....x..o....x...", "x.xxx.xxx.xxx.xx")),
    "drum and bass": (86, 0.0, ("x.........x.....", "................", "....x..o.o..x...", "x.x.x.x.x.x.x.x.")),
    "kick alone": (120, 0.0, ("x...x...x...x...", "................", "................", "................")),
    "hats alone": (110, 0.0, ("................", "................", "................", "x.o.x.o.x.o.x.o.")),
}  # fmt: skip
LOUD = {".": 0.0, "o": 0.45, "x": 0.85}


def made_up_grooves(seed: int, variations: int = 4) -> list[Groove]:
    """Every pattern in some variations; the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [_groove(bpm, swing, steps, rng) for bpm, swing, steps in PATTERNS.values() for _ in range(variations)]


def _groove(bpm: float, swing: float, steps: tuple[str, str, str, str], rng: np.random.Generator) -> Groove:
    strokes = []
    for bar in range(BARS):
        for band, line in enumerate(steps):
            for step, mark in enumerate(line):
                if LOUD[mark]:
                    beat = 4 * bar + step / 4 + (swing / 4 if step % 2 else 0.0)
                    strokes.append((beat, LOUD[mark], band))
    beats, strength, band = (np.array(column) for column in zip(*sorted(strokes), strict=True))
    beats = np.maximum(beats + rng.normal(0, SPREAD_BEATS, len(beats)), 0.0)
    order = np.argsort(beats)
    strength = np.clip(strength + rng.normal(0, SPREAD_STRENGTH, len(beats)), 0.1, 1.0)
    return Groove(bpm, beats[order], strength[order], band[order].astype(int))
