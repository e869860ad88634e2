"""Real recordings with known beats: songs with a rhythm game's chart, recorded to a known tempo.

Debian's fretsonfire-songs-muldjord (El Senator, CC BY-SA 3.0) and fretsonfire-songs-sectoid (Carlos Viola Iborra,
Expat). Three other songs of these packages are scored tracks and stay out. The tempo is the chart's; where the beat
stands was measured: the place of the comb of beats with the highest mean rise of energy, in windows of 20 s, near the
chart's own place; MATERIAL.md says how well they agree. Beat numbers are 0 (unknown) unless the song's sections change
on them.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from engine.errors import ConfigError
from engine.types import LISTEN_RATE_HZ
from realtime_models.training.ear.augment import Heard, augment
from realtime_models.training.ear.score import Labels, no_spans

SONGS = Path("/usr/share/games/fretsonfire/data/songs")


@dataclass(frozen=True)
class Charted:
    """One song: its chart's tempo, the measured time of the chart's beat 0, and how far this was found to hold."""

    path: str
    bpm: float
    first_s: float
    until_s: float
    author: str
    licence: str
    numbered: bool  #: whether the chart's bars are the music's
    kind: str = "metal real"


CHARTED = (
    Charted("muldjord/internal_degeneration", 190.0, 0.0, 223.0, "El Senator (Muldjord)", "CC BY-SA 3.0", False),
    Charted("muldjord/mutilated_mime", 180.0, 0.0, 191.0, "El Senator (Muldjord)", "CC BY-SA 3.0", False),
    Charted("sectoid/Escape from chaosland", 135.0, 0.023, 205.0, "Carlos Viola Iborra (Sectoid)", "Expat", True),
    Charted("sectoid/Feelings", 95.0, 0.024, 285.0, "Carlos Viola Iborra (Sectoid)", "Expat", True, "rock real"),
    Charted("sectoid/Metal madness", 150.0, 0.034, 98.0, "Carlos Viola Iborra (Sectoid)", "Expat", False),
)


def sound_of(song: Charted) -> np.ndarray:
    """Guitar and band together, mono at 24 kHz; raises ``ConfigError`` where the package is not installed."""
    folder = SONGS / song.path
    if not folder.exists():
        raise ConfigError(f"no {folder}; apt-get install fretsonfire-songs-{song.path.split('/')[0]}")
    mix = np.zeros(0, np.float32)
    for name in ("song.ogg", "guitar.ogg"):
        samples, rate_hz = soundfile.read(folder / name, dtype="float32", always_2d=True)
        mono = samples.mean(axis=1)
        longer = max(len(mix), len(mono))
        mix = np.pad(mix, (0, longer - len(mix))) + np.pad(mono, (0, longer - len(mono)))
    step = int(np.gcd(LISTEN_RATE_HZ, rate_hz))
    return resample_poly(mix, LISTEN_RATE_HZ // step, rate_hz // step).astype(np.float32)


def heard_of(song: Charted) -> Heard:
    """The song up to where its beats are known, with labels."""
    audio = sound_of(song)[: int(song.until_s * LISTEN_RATE_HZ)]
    seconds = len(audio) / LISTEN_RATE_HZ
    beats = np.arange(int((seconds - song.first_s) * song.bpm / 60))
    loud = np.flatnonzero(np.abs(audio) > 0.02)
    sounding = np.array([[loud[0], loud[-1]]]) / LISTEN_RATE_HZ
    numbers = beats % 4 + 1 if song.numbered else np.zeros(len(beats), int)
    times_s = song.first_s + beats * 60 / song.bpm
    return Heard(audio, Labels(times_s, numbers, 4, sounding, sounding, no_spans(), (), seconds))


def write(out: Path, variants: int, seed: int, seconds: float = 60.0) -> float:
    """Stretches of all songs, each in ``variants`` ways, into ``out``; the hours written."""
    from realtime_models.training.ear.pack import arrays_of, cut

    out.mkdir(parents=True, exist_ok=True)
    total_s = 0.0
    for number, song in enumerate(CHARTED):
        heard = heard_of(song)
        for part in range(int(heard.labels.seconds // seconds)):
            piece = cut(heard, part * seconds, (part + 1) * seconds)
            for variant in range(variants):
                rng = np.random.default_rng([seed, number, part, variant])
                changed = augment(piece, rng, mild=variant % 2 == 0)
                info = {
                    "genre": song.kind,
                    "source": f"fretsonfire-songs, {song.path}",
                    "author": song.author,
                    "licence": song.licence,
                    "bpm": song.bpm,
                    "seed": seed,
                    "augmentations": list(changed.done),
                    "split": "val" if song.path.endswith("Feelings") else "train",
                    "parts": [{"genre": song.kind, "bpm": song.bpm}],
                }
                arrays = arrays_of(changed, info)
                with (out / f"real_{number}_{part:02d}_{variant}.npz").open("wb") as file:
                    np.savez_compressed(file, **arrays)
                total_s += len(arrays["pulse"]) / 60
    return total_s / 3600


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m realtime_models.training.ear.real", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    try:
        print(json.dumps({"hours": round(write(args.out, args.variants, args.seed), 3)}))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
