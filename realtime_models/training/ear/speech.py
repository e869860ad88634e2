"""Voices that speak: synthesised (espeak-ng, flite) and recorded prompts, strung together with pauses.

Sources are optional system packages; what is not installed is not used, and with nothing at all there is a murmur of
our own (noise through moving formants). Texts by this project.
"""

import io
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from engine.types import LISTEN_RATE_HZ
from realtime_models.training.ear.oneshots import band

PROMPTS = Path("/usr/share/asterisk/sounds")
VOICES = (
    "en",
    "en-us",
    "en-gb",
    "de",
    "fr",
    "es",
    "it",
    "pt",
    "nl",
    "sv",
    "pl",
    "ru",
    "tr",
    "el",
    "fi",
    "hu",
    "cs",
    "ro",
)
FLITE = ("slt", "rms", "awb", "kal16", "kal")
WORDS = [
    "alright everybody",
    "are you ready",
    "this next one is for all of you",
    "good evening",
    "make some noise",
    "one two three four",
    "check check microphone",
    "thank you very much",
    "let me tell you a story about last night",
    "put your hands up",
    "how are you doing",
    "the weather will be mild with light winds from the west",
    "could you pass me the water please",
    "we will be back in ten minutes",
    "a train leaves the station at half past seven",
    "I never thought that it would go that far",
    "please turn off your phones",
    "yes of course",
    "no I do not think so",
    "well maybe later",
    "where did you put the keys",
    "come on",
    "louder",
    "here we go",
    "sing along",
    "the old house at the end of the road has a green door and a garden full of stones",
    "my sister plays the piano",
]


@cache
def _prompts() -> tuple[Path, ...]:
    return (
        tuple(sorted(path for path in PROMPTS.rglob("*.wav") if path.stat().st_size > 16_000))
        if PROMPTS.exists()
        else ()
    )


def _at_rate(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    step = int(np.gcd(LISTEN_RATE_HZ, rate_hz))
    return resample_poly(samples, LISTEN_RATE_HZ // step, rate_hz // step).astype(np.float32)


def _spoken(command: list[str]) -> np.ndarray | None:
    done = subprocess.run(command, capture_output=True, check=False, timeout=20)
    if done.returncode or len(done.stdout) < 1000:
        return None
    samples, rate_hz = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    return _at_rate(samples, rate_hz)


def utterance(rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """One phrase (n,) at 24 kHz, peak about 1, and where it is from."""
    kinds = ["espeak-ng"] * bool(shutil.which("espeak-ng")) + ["flite"] * bool(shutil.which("flite"))
    kinds += ["asterisk"] * 2 * bool(_prompts())
    kind = str(rng.choice(kinds)) if kinds else "murmur"
    text = ", ".join(str(word) for word in rng.choice(WORDS, rng.integers(1, 4)))
    samples = None
    if kind == "espeak-ng":
        voice = f"{rng.choice(VOICES)}+{rng.choice(['m1', 'm3', 'm5', 'm7', 'f1', 'f2', 'f4', 'croak', 'whisper'])}"
        speed, pitch = int(rng.integers(110, 230)), int(rng.integers(20, 85))
        samples = _spoken(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text])
    elif kind == "flite":
        samples = _spoken(["flite", "-voice", str(rng.choice(FLITE)), "-t", text, "-o", "/dev/stdout"])
    elif kind == "asterisk":
        path = _prompts()[rng.integers(len(_prompts()))]
        raw, rate_hz = soundfile.read(path, dtype="float32")
        samples = _at_rate(raw, rate_hz)
    if samples is None or len(samples) < 2000:
        samples, kind = murmur(rng, 2.0), "murmur"
    speed = float(np.exp(rng.normal(0, 0.07)))
    samples = np.interp(np.arange(0, len(samples) - 1, speed), np.arange(len(samples)), samples)
    return (samples / max(float(np.abs(samples).max()), 1e-6)).astype(np.float32), kind


def murmur(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Syllables without words: buzz and noise through two drawn formants each."""
    out = np.zeros(round(seconds * LISTEN_RATE_HZ), np.float32)
    at = 0
    while at < len(out):
        length = int(rng.uniform(0.09, 0.3) * LISTEN_RATE_HZ)
        time = np.arange(length) / LISTEN_RATE_HZ
        buzz = np.sign(np.sin(2 * np.pi * rng.uniform(90, 240) * time)) + rng.normal(0, 0.3, length)
        formants = band(buzz, *(rng.uniform(250, 800) * np.array([0.8, 1.3])))
        formants = formants + 0.5 * band(buzz, *(rng.uniform(900, 2600) * np.array([0.85, 1.2])))
        piece = formants * np.sin(np.pi * np.arange(length) / length) ** 0.6
        end = min(len(out), at + length)
        out[at:end] += piece[: end - at].astype(np.float32)
        at += length + int(rng.choice([0, 0, 0.02, 0.25]) * LISTEN_RATE_HZ)
    return out


def talk(rng: np.random.Generator, seconds: float) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Talking with pauses: samples (n,), the spans (k, 2) [s] in which somebody speaks, the sources."""
    out = np.zeros(round(seconds * LISTEN_RATE_HZ), np.float32)
    spans, sources = [], set()
    at = int(rng.uniform(0, 0.8) * LISTEN_RATE_HZ)
    while at < len(out) - LISTEN_RATE_HZ // 2:
        wave, source = utterance(rng)
        sources.add(source)
        end = min(len(out), at + len(wave))
        out[at:end] += wave[: end - at] * float(rng.uniform(0.5, 1.0))
        spans.append((at / LISTEN_RATE_HZ, end / LISTEN_RATE_HZ))
        at = end + int(
            rng.choice([0.15, 0.5, 1.5, 4.0], p=[0.5, 0.25, 0.15, 0.1]) * rng.uniform(0.5, 1.5) * LISTEN_RATE_HZ
        )
    return out, np.array(spans).reshape(-1, 2), sorted(sources)
