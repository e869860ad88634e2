"""Songs for the dances, heard by the ear:

    CORYBANT_DATA=../data python -m realtime_models.training.music.pack --out DIR --songs N --workers 2

One .npz a song (MATERIAL.md). Songs go round the dances, so any number serves all alike; what exists is skipped, so it
can be stopped and run again, or run for more. The dances are those of the kept bank that ``--bank`` names, or of the
plain one; they are read once and kept in DIR/dances.npz: remove that when the bank has changed. What another ear hears
belongs into another DIR.
"""

import argparse
import json
import multiprocessing
import sys
import time
import zlib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from engine.errors import ConfigError
from engine.types import Ear
from realtime_models.backends import load_ear
from realtime_models.training.bank import build_bank, read_bank
from realtime_models.training.data import FPS, read_clips
from realtime_models.training.ear import sampler
from realtime_models.training.music.dances import Curves, Dance, dances_of
from realtime_models.training.music.heard import HeardSong, listen, load, save
from realtime_models.training.music.song import sound, write

DANCES = "dances.npz"


@dataclass(frozen=True)
class Job:
    """One song to be made."""

    out: Path
    dance: Dance
    seed: int
    number: int  #: among the dance's songs
    ear: str = ""  #: folder of the ear's weights, "" = the shipped one


@cache
def ear_of(folder: str) -> Ear:
    """One ear a process."""
    return load_ear(folder=Path(folder) if folder else None)


def make(job: Job) -> tuple[float, float]:
    """One song, written unless it is there; its seconds, and the share of the dance in which the listener was right.

    Raises ConfigError where a song that is there was heard by another ear.
    """
    path = job.out / f"song_{job.dance.key}_{job.seed}_{job.number:03d}.npz"
    ear = ear_of(job.ear)
    if path.exists():
        made = load(path)
        if made.info["ear"] != ear.identity:
            raise ConfigError(f"{path.name} was heard by the ear {made.info['ear']}, not {ear.identity}: another --out")
    else:
        made = song_of(job.dance, zlib.crc32(f"{job.seed} {job.dance.key} {job.number}".encode()), ear)
        save(path, made)
    return len(made) / FPS, float(made.right[made.lead :].mean())


def song_of(dance: Dance, seed: int, ear: Ear) -> HeardSong:
    """Written, played and heard."""
    fitted = write(dance, seed, sampler.fonts())
    audio, done = sound(fitted, seed)
    info = {"dance": dance.name, "style": dance.style, "seed": seed, "ear": ear.identity, "augmentations": list(done)}
    return HeardSong(dance.key, fitted.lead, fitted.song.grid.beats_s, listen(ear, audio), info | fitted.about)


def read_dances(out: Path, kept: Path | None = None) -> list[Dance]:
    """The dances that songs are for: those of DIR/dances.npz; else of a kept bank or the plain one, then kept there.

    Those of the validation and test splits come last. Raises ConfigError where ``kept`` holds no bank.
    """
    path = out / DANCES
    if path.exists():
        return load_dances(path)
    if kept is not None and not (kept / "index.json").is_file():
        raise ConfigError(f"no bank in {kept}: --bank wants a folder that build_bank wrote (bank-...)")
    print("reading the dances", file=sys.stderr)
    bank = build_bank(read_clips()) if kept is None else read_bank(kept)
    held = build_bank(read_clips(splits=("val", "test")), speeds=(1.0,))
    dances = dances_of(bank) + dances_of(held, among=bank)
    out.mkdir(parents=True, exist_ok=True)
    save_dances(path, dances)
    return dances


def save_dances(path: Path, dances: list[Dance]) -> None:
    """All dances in one file; it appears whole or not at all."""
    plain = ("key", "name", "style", "frames", "downbeat")
    about = [{name: getattr(dance, name) for name in plain} for dance in dances]
    curves = {f"{what}_{k}": part.astype("f4") for k, d in enumerate(dances) for what, part in asdict(d.curves).items()}
    beats = {f"beats_{k}": d.beats_s for k, d in enumerate(dances)}
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **curves, **beats)
    partial.rename(path)


def load_dances(path: Path) -> list[Dance]:
    """What ``save_dances`` wrote."""
    with np.load(path) as store:
        parts = ("energy", "feet", "arms", "head")
        return [
            Dance(**about, beats_s=store[f"beats_{k}"], curves=Curves(*(store[f"{part}_{k}"] for part in parts)))
            for k, about in enumerate(json.loads(str(store["about"])))
        ]


def jobs_of(out: Path, dances: list[Dance], songs: int, seed: int, ear: str = "") -> list[Job]:
    """``songs`` songs: the first of every dance, then the second, and so on."""
    return [Job(out, dances[k % len(dances)], seed, k // len(dances), ear) for k in range(songs)]


def pack(jobs: list[Job], workers: int) -> tuple[float, float]:
    """All songs; their hours, and the mean share of the dances in which the listener was right."""
    started_s, total_s, right = time.monotonic(), 0.0, []
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for number, (seconds, share) in enumerate(pool.imap_unordered(make, jobs), 1):
            total_s += seconds
            right.append(share)
            spent_s = time.monotonic() - started_s
            told = f"\r{number} of {len(jobs)} songs, {total_s / 3600:.2f} h, {total_s / spent_s:.1f} x real time"
            print(f"{told}, right {np.mean(right):.0%}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return total_s / 3600, float(np.mean(right))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m realtime_models.training.music.pack", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--songs", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ear", default="", help="folder of the ear's weights, the shipped one if left out")
    parser.add_argument("--bank", type=Path, help="folder of a kept bank")
    args = parser.parse_args(argv)
    try:
        if args.songs < 1 or args.workers < 1:
            raise ConfigError(f"--songs {args.songs} --workers {args.workers}: both must be above 0")
        ear_of(args.ear)
        dances = read_dances(args.out, args.bank)
        if not dances:
            raise ConfigError(f"no dance with a beat in {args.out / DANCES}: remove it, or add dance to CORYBANT_DATA")
        print(f"{len(dances)} dances, {sum(d.frames for d in dances) / FPS / 60:.0f} minutes", file=sys.stderr)
        pack(jobs_of(args.out, dances, args.songs, args.seed, args.ear), args.workers)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
