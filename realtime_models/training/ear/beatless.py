"""What has no beat: silence, noise, crowds, applause, talk, drones, ambient chords, playing without time."""

from collections.abc import Callable

import numpy as np
from scipy.fft import irfft

from engine.types import LISTEN_RATE_HZ
from realtime_models.training.ear import harmony, instruments, speech, voices
from realtime_models.training.ear.oneshots import band
from realtime_models.training.ear.score import Labels, silence_labels

RATE = LISTEN_RATE_HZ


def coloured(rng: np.random.Generator, count: int, power: float) -> np.ndarray:
    """Noise (n,) whose power falls with frequency to the ``power`` (0 white, 1 pink, 2 brown), RMS 1."""
    size = 1 << int(np.ceil(np.log2(max(count, 2))))
    spectrum = rng.standard_normal((size // 2 + 1, 2), np.float32).view(np.complex64)[:, 0]
    spectrum *= np.maximum(np.arange(size // 2 + 1, dtype=np.float32), size / RATE * 20) ** np.float32(-power / 2)
    wave = irfft(spectrum)[:count]
    return (wave / np.sqrt(np.mean(wave * wave))).astype(np.float32)


def slow(rng: np.random.Generator, count: int, every_s: float, low: float, high: float) -> np.ndarray:
    """A curve (n,) through random values, ``every_s`` apart."""
    knots = rng.uniform(low, high, int(count / RATE / every_s) + 3)
    return np.interp(np.arange(count) / RATE / every_s, np.arange(len(knots)), knots).astype(np.float32)


def applause(rng: np.random.Generator, seconds: float, hands: int | None = None) -> np.ndarray:
    """Many hands, each in its own uneven time; swelling and dying."""
    count = round(seconds * RATE)
    out = np.zeros(count + RATE, np.float32)
    hands = hands or int(rng.integers(8, 120))
    claps = [
        (
            band(rng.standard_normal(1200), rng.uniform(500, 1200), rng.uniform(2500, 6000))
            * np.exp(-np.arange(1200) / 160)
        ).astype(np.float32)
        for _ in range(12)
    ]
    for _ in range(hands):
        times = np.cumsum(rng.uniform(0.7, 1.3, int(seconds * 6)) * rng.uniform(0.15, 0.35)) + rng.uniform(0, 0.5)
        clap, level = claps[rng.integers(12)], rng.uniform(0.1, 1)
        for start in (times[times < seconds] * RATE).astype(int):
            out[start : start + 1200] += clap * level
    out = out[:count] * slow(rng, count, 3.0, 0.4, 1.0)
    return out / max(float(np.abs(out).max()), 1e-6) * 0.6


def crowd(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A room full of people: many murmurs, some clapping and whistling."""
    count = round(seconds * RATE)
    short = min(count, 8 * RATE)
    voices_at = sum(np.roll(speech.murmur(rng, short / RATE)[:short], int(rng.integers(short))) for _ in range(7))
    babble = np.resize(voices_at, count).astype(np.float32)
    babble = (
        babble / max(float(np.sqrt(np.mean(babble**2))), 1e-6) * 0.1 + band(coloured(rng, count, 1), 300, 2500) * 0.05
    )
    babble = babble * slow(rng, count, 2.0, 0.4, 1.2)
    if rng.random() < 0.4:
        babble = babble + applause(rng, seconds, int(rng.integers(3, 30))) * float(rng.uniform(0.1, 0.5))
    for _ in range(rng.poisson(seconds / 20)):
        start, length = int(rng.integers(count)), int(rng.uniform(0.2, 0.9) * RATE)
        time = np.arange(min(length, count - start)) / RATE
        babble[start : start + len(time)] += 0.15 * np.sin(2 * np.pi * (rng.uniform(1500, 2600) * time + 300 * time**2))
    return babble.astype(np.float32)


def ambient(rng: np.random.Generator, seconds: float, fonts: tuple[str, ...]) -> np.ndarray:
    """Long chords that come and go at no time in particular."""
    count = round(seconds * RATE)
    out = np.zeros(count + 16 * RATE, np.float32)
    tune = harmony.harmony(str(rng.choice(["minor", "major", "dorian"])), rng)
    sounds = [voices.chord_tone(rng, slow=True) for _ in range(2)]
    if fonts:
        sounds.append(instruments.Gm(str(rng.choice(fonts)), int(rng.choice(instruments.GM_OF["pad"])), 0.5))
    at, bar = 0.0, 0
    while at < seconds:
        length_s = float(rng.uniform(3, 9))
        for pitch in tune.chord(bar, int(rng.integers(43, 60))):
            wave = sounds[rng.integers(len(sounds))].note(pitch, float(rng.uniform(0.3, 0.8)), length_s)
            start = int((at + rng.uniform(0, 1.5)) * RATE)
            fade = np.minimum(1, np.arange(len(wave)) / (RATE * 1.5))
            out[start : start + len(wave)] += (wave * fade)[: max(0, len(out) - start)]
        at += length_s * float(rng.uniform(0.5, 1.0))
        bar += 1
    out = out[:count] + coloured(rng, count, 1) * float(rng.choice([0, 0.003]))
    return out / max(float(np.abs(out).max()), 1e-6) * 0.6


def unmeasured(rng: np.random.Generator, seconds: float, fonts: tuple[str, ...]) -> np.ndarray:
    """Single notes and chords in no time: tuning up, a wandering piano, chimes, a soloist alone."""
    count = round(seconds * RATE)
    out = np.zeros(count + 8 * RATE, np.float32)
    tune = harmony.harmony(str(rng.choice(["minor", "major"])), rng)
    family = str(rng.choice(["piano", "guitar", "wind", "mallet", "pluck"]))
    sound = (
        instruments.Gm(str(rng.choice(fonts)), int(rng.choice(instruments.GM_OF[family])), 0.5)
        if fonts
        else voices.lead_tone(rng)
    )
    at, middle_s = 0.0, float(np.exp(rng.uniform(-1.2, 0.9)))
    while at < seconds:
        length_s = float(middle_s * np.exp(rng.normal(0, 0.7)))
        for _ in range(int(rng.choice([1, 1, 1, 3]))):
            wave = sound.note(tune.pitch(int(rng.integers(10, 28))), float(rng.uniform(0.3, 0.9)), min(length_s, 4.0))
            start = int(at * RATE)
            out[start : start + len(wave)] += wave[: max(0, len(out) - start)]
        at += max(0.05, length_s)
    return out[:count] / max(float(np.abs(out).max()), 1e-6) * 0.6


def noise(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Wind, hiss, rumble: coloured noise whose loudness wanders."""
    count = round(seconds * RATE)
    wave = coloured(rng, count, float(rng.uniform(0, 2))) * slow(rng, count, float(rng.uniform(0.5, 5)), 0.2, 1.0)
    return wave / float(np.abs(wave).max()) * 0.5


def drone(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """One sound that stays."""
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    hz = float(np.exp(rng.uniform(np.log(50), np.log(600))))
    wave = sum(
        np.sin(2 * np.pi * hz * k * time * (1 + rng.normal(0, 0.002))) / k for k in range(1, int(rng.integers(2, 12)))
    )
    wave = (wave * slow(rng, count, 4.0, 0.3, 1.0)).astype(np.float32)
    return wave / float(np.abs(wave).max()) * 0.5


def beatless(
    kind: str, rng: np.random.Generator, seconds: float, fonts: tuple[str, ...]
) -> tuple[np.ndarray, Labels, list[str]]:
    """Audio (n,), labels without beats, and the sources of voices; ``kind`` is a name of ``KINDS``."""
    labels = silence_labels(seconds)
    if kind == "speech":
        wave, spans, sources = speech.talk(rng, seconds)
        return (
            wave * 0.5,
            Labels(labels.beats_s, labels.numbers, 4, labels.pulse, labels.drums, spans, (), seconds),
            sources,
        )
    if kind == "silence":
        return np.zeros(round(seconds * RATE), np.float32), labels, []
    made = KINDS[kind](rng, seconds, fonts)
    return made.astype(np.float32), labels, []


KINDS: dict[str, Callable] = {
    "ambient": ambient,
    "unmeasured": unmeasured,
    "noise": lambda rng, seconds, fonts: noise(rng, seconds),
    "drone": lambda rng, seconds, fonts: drone(rng, seconds),
    "applause": lambda rng, seconds, fonts: applause(rng, seconds),
    "crowd": lambda rng, seconds, fonts: crowd(rng, seconds),
    "speech": lambda rng, seconds, fonts: speech.talk(rng, seconds)[0],
    "silence": lambda rng, seconds, fonts: np.zeros(round(seconds * RATE)),
}
KIND_SHARE = {
    "ambient": 0.26,
    "unmeasured": 0.16,
    "noise": 0.08,
    "drone": 0.06,
    "applause": 0.1,
    "crowd": 0.1,
    "speech": 0.2,
    "silence": 0.04,
}
