"""What a tokeniser keeps of motion, by who dances:

    CORYBANT_DATA=../data python -m realtime_models.training.tokeniser_report runs/tokeniser.pt

Joint error relative to the root with all tokens and with the first of each group alone, jerk by speed before and after,
how evenly the codes are used, bits a second, and whether the decoder says the same row by row as of the whole clip.
Clips are cleaned as for training; training dances are scored on the mean of all, others one line a dancer.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from realtime_models.tokens import Tokeniser
from realtime_models.training.bank import Entry, build_bank
from realtime_models.training.data import FPS, read_clips
from realtime_models.training.kinematics import joints_in_heading, joints_in_world
from realtime_models.training.train_generator import load_tokeniser

FIRST_FRAMES = 16  #: not scored: the decoder has not seen the rows before


@dataclass(frozen=True)
class Kept:
    """Of one set of clips; millimetres are means over joints and frames."""

    clips: int
    seconds: float
    mm: float
    mm_first_token: float  #: without the refining tokens
    jerk_real: float  #: jerk by speed [1/s^2], median over clips
    jerk_made: float
    perplexity: tuple[float, ...]  #: of each stage's codes


def jerk_by_speed(features: torch.Tensor) -> float:
    """Mean jerk over mean speed [1/s^2] of the joints of (F, 126)."""
    joints = joints_in_world(features[None])[0]
    jerk = joints.diff(n=3, dim=0).norm(dim=-1).mean() * FPS**3
    return float(jerk / (joints.diff(dim=0).norm(dim=-1).mean() * FPS).clamp_min(0.05))


def perplexity(indices: np.ndarray) -> float:
    """How many codes, used evenly, would be as various as these."""
    _, counts = np.unique(indices, return_counts=True)
    p = counts / counts.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


@torch.no_grad()
def measure(model: Tokeniser, entries: Sequence[Entry]) -> Kept:
    """All of the entries, whole."""
    errors, first, frames, real, made, used = [], [], [], [], [], []
    for entry in entries:
        usable = len(entry.features) // model.spec.row_frames * model.spec.row_frames
        truth = torch.from_numpy(entry.features[:usable])[None]
        whole, indices = model(truth)
        coarse, _ = model(truth, torch.zeros(1, 1, 1, 1))
        body = joints_in_heading(truth)[:, FIRST_FRAMES:]
        good = torch.from_numpy(entry.valid[FIRST_FRAMES:usable])
        for out, kept in ((whole, errors), (coarse, first)):
            away = (joints_in_heading(out)[:, FIRST_FRAMES:] - body).norm(dim=-1).mean(-1)[0]
            kept.append(1000 * float(away[good].mean()))
        frames.append(int(good.sum()))
        real.append(jerk_by_speed(truth[0]))
        made.append(jerk_by_speed(whole[0]))
        used.append(indices.flatten(0, 2).numpy())
    codes = np.concatenate(used)
    return Kept(
        len(entries), sum(frames) / FPS, float(np.average(errors, weights=frames)),
        float(np.average(first, weights=frames)), float(np.median(real)), float(np.median(made)),
        tuple(perplexity(stage) for stage in codes.T),
    )  # fmt: skip


@torch.no_grad()
def streaming_error(model: Tokeniser, entry: Entry) -> float:
    """Largest difference of features [in units of their scale] between rows decoded one by one, each from the rows that
    it may depend on, and the clip decoded whole."""
    spec = model.spec
    usable = len(entry.features) // spec.row_frames * spec.row_frames
    codes, _ = model.quantiser(model.encode(torch.from_numpy(entry.features[:usable])[None]))
    whole = model.decode(codes)
    worst = 0.0
    for row in range(codes.shape[1]):
        seen = codes[:, max(0, row + 1 - spec.decoder_rows) : row + 1]
        if row + 1 < spec.decoder_rows:
            continue  # at its start a clip is padded with nothing, a stream with a primer
        step = model.decode(seen)[:, -spec.row_frames :]
        part = whole[:, row * spec.row_frames : (row + 1) * spec.row_frames]
        worst = max(worst, float(((step - part) / model.scale).abs().max()))
    return worst


def groups_of(bank: list[Entry]) -> dict[str, list[Entry]]:
    """Named sets: all training dances, then every held-out dancer by number."""
    found: dict[str, list[Entry]] = {}
    for entry in bank:
        kind = "dance" if entry.clip.is_dance else "other"
        who = entry.clip.name.rsplit("_", 1)[0]
        name = f"train, {kind}" if entry.clip.split == "train" else f"{entry.clip.split}, {who}, {entry.clip.style}"
        found.setdefault(name, []).append(entry)
    return found


def report(model: Tokeniser, bank: list[Entry]) -> list[str]:
    """The table's lines."""
    spec = model.spec
    rate = FPS / spec.row_frames * spec.groups * spec.stages
    lines = [f"{'':28}{'clips':>6}{'s':>7}{'mm':>7}{'first':>7}{'jerk':>7}{'made':>7}  perplexity of {spec.codes}"]
    for name, entries in groups_of(bank).items():
        kept = measure(model, entries)
        codes = " ".join(f"{value:.0f}" for value in kept.perplexity)
        lines.append(
            f"{name:28}{kept.clips:6d}{kept.seconds:7.0f}{kept.mm:7.1f}{kept.mm_first_token:7.1f}"
            f"{kept.jerk_real:7.0f}{kept.jerk_made:7.0f}  {codes}"
        )
    longest = max(bank, key=lambda entry: len(entry.features))
    lines.append(f"{rate * np.log2(spec.codes):.0f} bits a second, {rate:.0f} tokens a second")
    lines.append(f"row by row against whole, largest difference: {streaming_error(model, longest):.1e} scales")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokeniser", type=Path)
    parser.add_argument("--every", type=int, default=4, help="of the training clips only every n-th")
    args = parser.parse_args()
    model = load_tokeniser(args.tokeniser)
    train = read_clips()[:: args.every]
    bank = build_bank(train, speeds=(1.0,)) + build_bank(read_clips(splits=("val", "test")), speeds=(1.0,))
    print("\n".join(report(model, bank)))


if __name__ == "__main__":
    main()
