"""When beats fall: constant, drifting like people, ramps, jumps, rubato. Pure: randomness in, periods out."""

import numpy as np

from realtime_models.training.ear.score import Grid


def grid_of(periods_s: np.ndarray, meter: int, first_s: float) -> Grid:
    """Beats from their periods (n,): beat k at first_s + sum of the k first; n + 1 beats, the first a downbeat."""
    beats_s = first_s + np.concatenate([[0.0], np.cumsum(periods_s)])
    return Grid(beats_s, np.arange(len(beats_s)) % meter + 1, meter)


def constant(bpm: float, beats: int) -> np.ndarray:
    return np.full(beats, 60.0 / bpm)


def drifting(bpm: float, beats: int, rng: np.random.Generator, share: float) -> np.ndarray:
    """A band without a click: a slow random walk that is pulled home, plus a little unevenness of every beat."""
    walk, here = np.zeros(beats), 0.0
    for k in range(beats):
        here = 0.97 * here + rng.normal(0, share / 3)
        walk[k] = here
    return 60.0 / bpm * np.exp(np.clip(walk, -3 * share, 3 * share) + rng.normal(0, share / 8, beats))


def ramp(bpm: float, beats: int, rng: np.random.Generator) -> np.ndarray:
    """Accelerando or ritardando by up to a third over a part of the piece."""
    ratio = float(np.exp(rng.uniform(0.08, 0.33) * rng.choice([-1, 1])))
    start, end = sorted(rng.uniform(0, 1, 2) * beats)
    place = np.clip((np.arange(beats) - start) / max(end - start, 8.0), 0, 1)
    return 60.0 / (bpm * ratio**place)


def jumps(bpm: float, beats: int, meter: int, rng: np.random.Generator) -> np.ndarray:
    """Another tempo from a bar line on, once or twice."""
    out = constant(bpm, beats)
    for _ in range(rng.integers(1, 3)):
        bar = int(rng.integers(3, max(4, beats // meter - 2))) * meter
        out[bar:] = 60.0 / float(np.clip(bpm * np.exp(rng.uniform(-0.35, 0.35)), 58, 190))
    return out


def rubato(bpm: float, beats: int, meter: int, rng: np.random.Generator, depth: float) -> np.ndarray:
    """Phrases that breathe: slower towards the end of every second or fourth bar, uneven beats."""
    phrase = meter * int(rng.choice([2, 4]))
    place = (np.arange(beats) % phrase) / phrase
    swell = 1 + depth * (place**3 * 1.6 - 0.3 * np.sin(np.pi * place))
    return 60.0 / bpm * swell * np.exp(rng.normal(0, depth / 5, beats))


def periods(bpm: float, beats: int, meter: int, rng: np.random.Generator, machine: bool) -> tuple[np.ndarray, str]:
    """Periods of ``beats`` beats and their kind: mostly constant; people drift, some songs change."""
    kind = rng.choice(
        ["constant", "drift", "ramp", "jump"], p=[0.82, 0.0, 0.11, 0.07] if machine else [0.38, 0.46, 0.1, 0.06]
    )
    if kind == "drift":
        return drifting(bpm, beats, rng, float(rng.uniform(0.003, 0.02))), "drift"
    if kind == "ramp":
        return ramp(bpm, beats, rng), "ramp"
    if kind == "jump":
        return jumps(bpm, beats, meter, rng), "jump"
    return constant(bpm, beats), "constant"
