"""Fit the confidence of the ear on pieces that its network was not trained on.

    python -m realtime_models.training.ear.calibrate --checkpoint ear.pt --pack DIR [--pieces 80] [--workers 2]

Network and filter run over held pieces as in a show; at every model frame the grounds of the confidence are kept,
with whether the next predicted beat is within 70 ms of a true one. Logistic regression with weights of 0 or more gives
the constants for ``engine/listen/confidence.py``; a table says how far confidence then is what it says it is.
"""

import argparse
import json
import math
import multiprocessing
import os
import sys
from dataclasses import astuple, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize

from engine.errors import ConfigError
from engine.listen.confidence import Grounds
from engine.listen.track import start_tracking, track_step
from engine.types import MODEL_HZ, Activations
from realtime_models.ear import DELAY_S, LOOKS, EarNet
from realtime_models.training.ear.ship import EarStep, load_trained

NEAR_S = 0.07  #: a predicted beat so near to a true one is right
BINS = 10
PENALTY = 1e-4  #: on the squares of the weights: grounds that say the same share the work
_QUIET = 0.2  # a spectrum below this is silence (-60 dBFS), and after a second of it the ear does not hear
_NAMES = [field.name for field in fields(Grounds)]


class Moments(NamedTuple):
    """Model frames of a piece or of many."""

    grounds: np.ndarray  #: (n, G)
    said: np.ndarray  #: (n,) confidence as it is now
    right: np.ndarray  #: (n,) bool
    beatless: np.ndarray  #: (n,) bool: of a piece without a beat

    @staticmethod
    def joined(parts: list["Moments"]) -> "Moments":
        return Moments(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def activations(net: EarNet, spectra: np.ndarray) -> list[Activations]:
    """What the network says of each model frame of a piece (2 n, 72)."""
    with torch.no_grad():
        looks, frames, embedding, tempo, _ = EarStep(net)(torch.from_numpy(spectra)[None], net.start())
    looks, frames, embedding, tempo = (part[0].numpy() for part in (looks, frames, embedding, tempo))
    return [
        Activations(*looks[2 * i : 2 * i + 2].T, *map(float, frames[i]), embedding[i], tempo[i])
        for i in range(len(frames))
    ]


def moments(net: EarNet, spectra: np.ndarray, beats_s: np.ndarray) -> Moments:
    """Grounds and truth at every model frame of a piece; ``beats_s`` (m,) ascending, what comes after them is left
    out.
    """
    state, quiet, rows = start_tracking(), MODEL_HZ, []
    spectra = spectra[: len(spectra) // LOOKS * LOOKS]
    for i, said in enumerate(activations(net, spectra)):
        quiet = quiet + 1 if spectra[LOOKS * i : LOOKS * i + LOOKS].max() < _QUIET else 0
        state, known = track_step(state, said, DELAY_S, heard=quiet < MODEL_HZ)
        now_s, clock = (i + 1) / MODEL_HZ, known.clock
        next_s = float(clock.time_of(math.floor(clock.beats_at(now_s) + 1e-9) + 1))
        if len(beats_s) and next_s > beats_s[-1] + NEAR_S:
            continue
        right = bool(len(beats_s)) and float(np.abs(beats_s - next_s).min()) < NEAR_S
        rows.append((*astuple(known.grounds), clock.confidence, right, not len(beats_s)))
    table = np.array(rows, float).reshape(-1, len(_NAMES) + 3)
    return Moments(table[:, :-3], table[:, -3], table[:, -2] > 0.5, table[:, -1] > 0.5)


def fit(grounds: np.ndarray, right: np.ndarray) -> tuple[float, np.ndarray]:
    """Bias and weights (G,) >= 0 of the logistic regression of ``right`` (n,) on ``grounds`` (n, G)."""
    sign = np.where(right, 1.0, -1.0)

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x[0] + grounds @ x[1:])
        wrong = -sign * np.exp(-np.logaddexp(0.0, margin))
        slope = np.concatenate([[wrong.mean()], grounds.T @ wrong / len(wrong) + 2 * PENALTY * x[1:]])
        return float(np.logaddexp(0.0, -margin).mean() + PENALTY * (x[1:] ** 2).sum()), slope

    start = np.array([-2.0, *np.ones(grounds.shape[1])])
    bounds = [(None, None)] + [(0.0, None)] * grounds.shape[1]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), found.x[1:]


def predicted(bias: float, weights: np.ndarray, grounds: np.ndarray) -> np.ndarray:
    """Confidence (n,) of grounds (n, G)."""
    return 1.0 / (1.0 + np.exp(-(bias + grounds @ weights)))


def reliability(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, float]:
    """Per bin of confidence (10, 3): share of moments, mean confidence, share right; and the expected calibration
    error (Guo et al. 2017).
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count, sums, hits = (np.bincount(bins, w, BINS) for w in (np.ones(len(bins)), confidence, right.astype(float)))
    table = np.stack([count / len(bins), sums / np.maximum(count, 1), hits / np.maximum(count, 1)], axis=1)
    return table, float(np.abs(sums - hits).sum() / len(bins))


def report(name: str, confidence: np.ndarray, all_moments: Moments) -> None:
    table, error = reliability(confidence, all_moments.right)
    print(f"\n{name}: expected calibration error {error:.3f}\n  share  said  right")
    for share, said, right in table[table[:, 0] > 0]:
        print(f"  {share:5.3f}  {said:4.2f}  {right:5.2f}")
    if all_moments.beatless.any():
        unsure = float((confidence[all_moments.beatless] < 0.3).mean())
        print(f"  without a beat: below .3 for {unsure:.0%} of the time")
    sure = confidence > 0.8
    if sure.any():
        print(f"  above .8: {sure.mean():.0%} of the time, right {all_moments.right[sure].mean():.1%}")


def held_pieces(folder: Path, most: int) -> list[Path]:
    """Packs that are never trained on, every so many of them. Raises ConfigError when there are none."""
    held = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as pack:
            if json.loads(str(pack["info"])).get("split") == "val":
                held.append(path)
    if not held:
        raise ConfigError(f"no held pieces in {folder}: make some with python -m realtime_models.training.ear.pack")
    return held[:: max(1, len(held) // most)][:most]


def moments_of(job: tuple[Path, Path]) -> Moments:
    """Of one packed piece."""
    checkpoint, path = job
    torch.set_num_threads(1)
    net, _ = load_trained(checkpoint)
    with np.load(path) as pack:
        return moments(net, pack["mel"].astype(np.float32) / 255, pack["beats_s"])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m realtime_models.training.ear.calibrate", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--pieces", type=int, default=80)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args(argv)
    try:
        load_trained(args.checkpoint)
        pieces = held_pieces(args.pack, args.pieces)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
        parts = pool.map(moments_of, [(args.checkpoint, path) for path in pieces], chunksize=1)
    every = Moments.joined(parts)
    half = Moments.joined(parts[::2]), Moments.joined(parts[1::2] or parts)
    minutes = len(every.right) / MODEL_HZ / 60
    print(f"{len(pieces)} pieces, {minutes:.0f} minutes; the next beat was right {every.right.mean():.1%} of the time")
    report("as it is now", every.said, every)
    report(
        "fitted on every other piece, on the rest",
        predicted(*fit(half[0].grounds, half[0].right), half[1].grounds),
        half[1],
    )
    bias, weights = fit(every.grounds, every.right)
    report("fitted on all", predicted(bias, weights, every.grounds), every)
    words = ", ".join(f"{name}={weight:.2f}" for name, weight in zip(_NAMES, weights, strict=True))
    print(f"\nfor engine/listen/confidence.py:\nBIAS = {bias:.2f}\nWEIGHTS = Grounds({words})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
