"""Render training material: python -m realtime_models.training.ear.pack --out DIR --hours H --workers N --seed S

One .npz a variant of a piece (MATERIAL.md describes it). Every piece is made from its own seed, all styles mixed, so
training can begin while this runs; what exists is skipped, so it can be stopped and run again.
"""

import argparse
import json
import multiprocessing
import sys
import time
import zlib
from pathlib import Path

import numpy as np

from engine.errors import ConfigError
from engine.listen.mel import MEL_HZ, mel_of
from engine.types import LISTEN_HOP, LISTEN_RATE_HZ
from realtime_models.training.ear import beatless, human, render, sampler, songs
from realtime_models.training.ear.augment import Heard, augment
from realtime_models.training.ear.score import labels_of, silence_labels
from realtime_models.training.ear.style_table import STYLES
from realtime_models.training.ear.styles import named

VARIANTS = 2
VALIDATION_SHARE = 0.06
HUMAN_SHARE, BEATLESS_SHARE = 0.32, 0.09
_BY_METER = {3: ("jazzwaltz", "rock34", "waltz"), 5: ("five",)}


def song_of(
    rng: np.random.Generator, seed: int, seconds: float, validation: bool, fonts: tuple[str, ...]
) -> tuple[Heard, dict]:
    """One song with its beats, from a style or played to a human drummer's take."""
    take = human.perform(rng, validation) if rng.random() < HUMAN_SHARE / (1 - BEATLESS_SHARE) else None
    if take is not None:
        word = take.style.split("/")[0].split("-")[0]
        fits = (
            _BY_METER.get(take.meter)
            or [name for name, style in STYLES.items() if word in style.human]
            or ["rock", "funk"]
        )
        genre = str(rng.choice(fits))
    else:
        names = list(STYLES)
        weight = np.array([STYLES[name].weight for name in names])
        genre = str(rng.choice(names, p=weight / weight.sum()))
    song = songs.compose(genre, seed, seconds, fonts, take)
    audio = render.render(song, seed)
    about = {"genre": f"{named(genre)} human" if take else named(genre), "beat": True, **song.about}
    if take is not None:
        about |= {
            "source": f"Groove MIDI Dataset {take.name}",
            "licence": "CC BY 4.0 (drums' MIDI)",
            "drummer": take.drummer,
        }
    return Heard(audio, labels_of(song, len(audio) / LISTEN_RATE_HZ)), about


def joined(first: Heard, second: Heard) -> Heard:
    return Heard(np.concatenate([first.audio, second.audio]), first.labels.then(second.labels))


def cut(heard: Heard, start_s: float, end_s: float) -> Heard:
    """The audio from ``start_s`` to ``end_s`` at whole samples, and its labels."""
    first, last = round(start_s * LISTEN_RATE_HZ), min(round(end_s * LISTEN_RATE_HZ), len(heard.audio))
    return Heard(heard.audio[first:last], heard.labels.cut(first / LISTEN_RATE_HZ, last / LISTEN_RATE_HZ))


def silence(seconds: float) -> Heard:
    count = round(seconds * LISTEN_RATE_HZ)
    return Heard(np.zeros(count, np.float32), silence_labels(count / LISTEN_RATE_HZ))


def without_beat(
    rng: np.random.Generator, seconds: float, fonts: tuple[str, ...], kind: str | None = None
) -> tuple[Heard, dict]:
    kind = kind or str(rng.choice(list(beatless.KIND_SHARE), p=list(beatless.KIND_SHARE.values())))
    count = round(seconds * LISTEN_RATE_HZ)
    audio, labels, sources = beatless.beatless(kind, rng, count / LISTEN_RATE_HZ, fonts)
    return Heard(audio[:count], labels), {
        "genre": named(kind),
        "beat": False,
        **({"voices": sources} if sources else {}),
    }


def piece_of(seed: int, validation: bool, fonts: tuple[str, ...]) -> tuple[Heard, list[dict]]:
    """A piece before augmentation: mostly one song, sometimes two with or without a gap, or music beside no music."""
    rng = np.random.default_rng([seed, 0])
    seconds = float(rng.uniform(38, 78))
    if rng.random() < BEATLESS_SHARE:
        heard, about = without_beat(rng, seconds * 0.6, fonts)
        return heard, [about]
    kind = str(rng.choice(["one", "gap", "cut", "before", "after"], p=[0.7, 0.1, 0.06, 0.08, 0.06]))
    share = 1.0 if kind == "one" else 0.55 if kind in ("gap", "cut") else 0.75
    heard, about = song_of(rng, seed, seconds * share, validation, fonts)
    if kind == "cut":  # the first song is left in the middle of a bar
        heard = cut(heard, 0.0, heard.labels.seconds * float(rng.uniform(0.6, 0.9)))
    heard = _entered(heard, rng)
    abouts = [about]
    if kind in ("gap", "cut"):
        other, more = song_of(rng, seed + 2**31, seconds * share, validation, fonts)
        between = silence(float(rng.uniform(3, 10))) if kind == "gap" else silence(0.0)
        heard = joined(joined(heard, between), _entered(other, rng) if kind == "gap" else other)
        abouts.append(more)
    elif kind in ("before", "after"):
        words = ["ambient", "unmeasured", "speech", "crowd", "applause", "noise"]
        odds = [0.3, 0.3, 0.15, 0.1, 0.05, 0.1] if kind == "before" else [0.1, 0.1, 0.25, 0.15, 0.35, 0.05]
        other, more = without_beat(rng, seconds * 0.28, fonts, str(rng.choice(words, p=odds)))
        other = Heard(other.audio * float(rng.uniform(0.2, 1.0)), other.labels)
        heard = joined(other, heard) if kind == "before" else joined(heard, other)
        abouts = [more, about] if kind == "before" else [about, more]
    return heard, abouts


def _entered(heard: Heard, rng: np.random.Generator) -> Heard:
    """The song from its start, after a silence, or from anywhere in its first seconds."""
    kind = rng.random()
    if kind < 0.55:
        return cut(heard, float(rng.uniform(0.0, 5.0)), heard.labels.seconds)
    return joined(silence(float(rng.uniform(0.3, 3.0))), heard) if kind < 0.7 else heard


def flags(spans: np.ndarray, looks: int) -> np.ndarray:
    """(T,) uint8: 1 at the looks whose end lies within one of the spans (k, 2) [s]."""
    ends_s = (np.arange(looks) + 1) / MEL_HZ
    out = np.zeros(looks, np.uint8)
    for start_s, end_s in spans:
        out[(ends_s >= start_s) & (ends_s <= end_s)] = 1
    return out


def arrays_of(heard: Heard, info: dict) -> dict[str, np.ndarray]:
    """What is written: the spectra as bytes, the labels in looks and seconds."""
    audio = heard.audio[: len(heard.audio) // LISTEN_HOP * LISTEN_HOP]
    labels = heard.labels.cut(0.0, len(audio) / LISTEN_RATE_HZ)
    mel = np.round(255 * np.clip(mel_of(audio), 0, 1)).astype(np.uint8)
    meters = np.maximum.accumulate(labels.numbers) if len(labels.numbers) else np.array([4])
    meter = labels.meter if len(labels.beats_s) else int(meters[-1])
    return {
        "mel": mel,
        "beats_s": labels.beats_s.astype(np.float64),
        "beat_number": labels.numbers.astype(np.int64),
        "meter": np.int64(meter),
        "pulse": flags(labels.pulse, len(mel)),
        "drums": flags(labels.drums, len(mel)),
        "speech": flags(labels.speech, len(mel)),
        "events_s": np.array([time_s for time_s, _ in labels.events], float),
        "events_kind": np.array([int(kind) for _, kind in labels.events], np.int64),
        "info": np.array(json.dumps(info)),
    }


def genre_of(abouts: list[dict]) -> str:
    """The genre of what has a beat; two songs are a "mix"; without any beat, that of the sound."""
    songs_in = [about["genre"] for about in abouts if about["beat"]] or [abouts[0]["genre"]]
    return songs_in[0] if len(songs_in) == 1 else "mix of " + " and ".join(songs_in)


def make(job: tuple[Path, int, int]) -> float:
    """All variants of one piece, written under ``out``; the seconds there (also of those that existed)."""
    out, seed, number = job
    piece_seed = zlib.crc32(f"{seed} {number}".encode())
    validation = np.random.default_rng([piece_seed, 9]).random() < VALIDATION_SHARE
    paths = [out / f"{seed}_{number:06d}_{variant}.npz" for variant in range(VARIANTS)]
    if all(path.exists() for path in paths):
        return sum(float(len(np.load(path)["pulse"])) for path in paths) / MEL_HZ
    heard, abouts = piece_of(piece_seed, validation, sampler.fonts())
    total_s = 0.0
    for variant, path in enumerate(paths):
        rng = np.random.default_rng([piece_seed, 3, variant])
        changed = augment(heard, rng, mild=variant == 0 and rng.random() < 0.75)
        info = {
            "genre": genre_of(abouts),
            "parts": abouts,
            "seed": piece_seed,
            "variant": variant,
            "augmentations": list(changed.done),
            "split": "val" if validation else "train",
            "licence": "; ".join(sorted({about.get("licence", "this project") for about in abouts})),
        }
        arrays = arrays_of(changed, info)
        partial = path.with_suffix(".part")
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)
        partial.rename(path)
        total_s += len(arrays["pulse"]) / MEL_HZ
    return total_s


def pack(out: Path, hours: float, workers: int, seed: int, first: int = 0) -> float:
    """Pieces number ``first``, ``first`` + 1, ... until ``hours`` of material lie in ``out``; the hours made."""
    out.mkdir(parents=True, exist_ok=True)
    done_s, started_s = 0.0, time.monotonic()
    jobs = ((out, seed, number) for number in range(first, first + int(hours * 3600 / 60) + 10_000))
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for number, seconds in enumerate(pool.imap(make, jobs, chunksize=1)):
            done_s += seconds
            if number % 20 == 0 or done_s >= hours * 3600:
                spent_s = time.monotonic() - started_s
                print(
                    f"\r{done_s / 3600:6.2f} of {hours:g} h, {done_s / max(spent_s, 1):.0f} x real time",
                    end="",
                    file=sys.stderr,
                    flush=True,
                )
            if done_s >= hours * 3600:
                pool.terminate()
                break
    print(file=sys.stderr)
    return done_s / 3600


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m realtime_models.training.ear.pack", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hours", type=float, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first piece")
    args = parser.parse_args(argv)
    try:
        if args.hours <= 0 or args.workers < 1:
            raise ConfigError(f"--hours {args.hours:g} --workers {args.workers}: both must be above 0")
        if not human.performances(validation=False):
            print("no drummers' MIDI in CORYBANT_DATA/music/groove_midi: songs from styles only", file=sys.stderr)
        pack(args.out, args.hours, args.workers, args.seed, args.first)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
