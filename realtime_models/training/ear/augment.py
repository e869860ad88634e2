"""What happens to sound on its way into the ear: speed, filters, dynamics, rooms, noise, voices, clipping, gain.

Every step keeps attacks where their labels say: filters are causal and of low order, rooms begin with the direct sound
at sample 0, and a change of speed moves the labels with it.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import lfilter, oaconvolve, sosfilt

from engine.types import LISTEN_RATE_HZ
from realtime_models.training.ear import beatless, speech
from realtime_models.training.ear.oneshots import band
from realtime_models.training.ear.render import filtered_stages
from realtime_models.training.ear.score import Labels

RATE = LISTEN_RATE_HZ


@dataclass(frozen=True)
class Heard:
    """Audio (n,) at 24 kHz, what is true of it, and what was done to it."""

    audio: np.ndarray
    labels: Labels
    done: tuple[str, ...] = ()


def speed(heard: Heard, factor: float) -> Heard:
    """Played ``factor`` times as fast (pitch moves too); labels follow."""
    places = np.arange(0, len(heard.audio) - 1, factor)
    audio = np.interp(places, np.arange(len(heard.audio)), heard.audio).astype(np.float32)
    return Heard(audio, heard.labels.scaled(1 / factor), (*heard.done, f"speed {factor:.3f}"))


def room(rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """An impulse response that starts with the direct sound; early reflections, a decaying tail, perhaps a slap."""
    decay_s = float(np.exp(rng.uniform(np.log(0.12), np.log(3.0))))
    count = int(min(decay_s * 1.1, 2.6) * RATE)
    time = np.arange(count) / RATE
    wet = float(np.exp(rng.uniform(np.log(0.05), np.log(1.3))))
    tail = np.zeros(count)
    noise = rng.standard_normal(count)
    for low, high, share in ((80, 500, 1.15), (500, 2500, 1.0), (2500, 11_000, rng.uniform(0.35, 0.8))):
        tail += band(noise, low, high) * np.exp(-6.9 * time / (decay_s * share))
    gap = int(rng.uniform(0.002, 0.03) * RATE)
    tail = np.concatenate([np.zeros(gap), tail])[:count]
    response = tail * (wet / max(float(np.sqrt(np.sum(tail**2))), 1e-9))
    for _ in range(rng.integers(2, 9)):
        response[int(rng.uniform(0.001, 0.05) * RATE)] += float(rng.normal(0, 0.25)) * min(1.0, wet + 0.2)
    if rng.random() < 0.2:
        slap = int(rng.uniform(0.06, 0.2) * RATE)
        if slap < count:
            response[slap] += float(rng.uniform(0.2, 0.6))
    response[0] = 1.0
    return response.astype(np.float32), f"room {decay_s:.1f}s wet {wet:.2f}"


def peaking(hz: float, gain_db: float, q: float) -> np.ndarray:
    """A bell filter as one second-order section."""
    amp, omega = 10 ** (gain_db / 40), 2 * np.pi * hz / RATE
    alpha, cos = np.sin(omega) / (2 * q), np.cos(omega)
    head = np.array([1 + alpha * amp, -2 * cos, 1 - alpha * amp, 1 + alpha / amp, -2 * cos, 1 - alpha / amp])
    return (head / head[3]).reshape(1, 6)


def edge(hz: float, low_cut: bool) -> np.ndarray:
    """A low or high cut of 12 dB an octave as one second-order section."""
    omega = 2 * np.pi * min(hz, 11_000) / RATE
    alpha, cos = np.sin(omega) / (2 * 0.707), np.cos(omega)
    top = (1 + cos) / 2 if low_cut else (1 - cos) / 2
    middle = -(1 + cos) if low_cut else 1 - cos
    return np.array([[top, middle, top, 1 + alpha, -2 * cos, 1 - alpha]]) / (1 + alpha)


def compressed(audio: np.ndarray, threshold_db: float, ratio: float, release_s: float) -> np.ndarray:
    """A compressor: the level over the last milliseconds, fast up and slowly back, steers the gain."""
    step = 60
    count = len(audio) // step
    power = np.mean(audio[: count * step].reshape(-1, step) ** 2, axis=1)
    level_db = 10 * np.log10(power + 1e-9)
    over = np.maximum(0, level_db - (threshold_db + 10 * np.log10(np.mean(audio**2) + 1e-9)))
    back = np.exp(-step / RATE / release_s)
    held, here = np.empty(count), 0.0
    for k, value in enumerate(over.tolist()):
        here = value if value > here else here * back
        held[k] = here
    gain = 10 ** (-held * (1 - 1 / ratio) / 20)
    return (audio * np.interp(np.arange(len(audio)), np.arange(count) * step, gain)).astype(np.float32)


def background(rng: np.random.Generator, count: int) -> tuple[np.ndarray, str]:
    """Noise (n,) of a place or a machine, RMS about 1."""
    kind = str(
        rng.choice(
            ["pink", "white", "crowd", "hum", "vinyl", "wind", "applause"], p=[0.22, 0.1, 0.32, 0.1, 0.1, 0.08, 0.08]
        )
    )
    if kind == "crowd":
        wave = beatless.crowd(rng, count / RATE)
    elif kind == "applause":
        wave = beatless.applause(rng, count / RATE)
    elif kind == "hum":
        time = np.arange(count, dtype=np.float32) / RATE
        wave = sum(np.sin(2 * np.pi * float(rng.choice([50, 60])) * k * time + k) / k for k in (1, 2, 3, 5, 7))
        wave = wave + 0.1 * beatless.coloured(rng, count, 0)
    elif kind == "vinyl":
        clicks = (rng.random(count) < rng.uniform(2, 30) / RATE) * rng.exponential(1.0, count)
        wave = lfilter([1.0], [1, -0.6], clicks * rng.choice([-1, 1], count)) * 12 + 0.3 * beatless.coloured(
            rng, count, 1
        )
    else:
        wave = beatless.coloured(rng, count, {"pink": 1.0, "white": 0.0, "wind": 2.0}[kind])
        if kind == "wind":
            wave = wave * beatless.slow(rng, count, 0.7, 0.2, 1.5)
    wave = np.asarray(wave[:count], np.float32)
    return wave / max(float(np.sqrt(np.mean(wave**2))), 1e-6), kind


def _rms(audio: np.ndarray) -> float:
    """Level of the louder part, so that silence beside music does not count."""
    blocks = audio[: len(audio) // 2400 * 2400].reshape(-1, 2400)
    return float(np.sqrt(np.percentile(np.mean(blocks**2, axis=1), 75))) if len(blocks) else 0.0


def augment(heard: Heard, rng: np.random.Generator, mild: bool, *, in_time: bool = False) -> Heard:
    """One way through the chain; ``mild``: a line-in or a good file, otherwise a room, a phone, a party.

    ``in_time``: the speed stays, for sound that something else is fitted to.
    """
    scale = 0.35 if mild else 1.0

    def happens(share: float) -> bool:
        return bool(rng.random() < share * scale)

    if happens(0.45):
        factor = float(np.exp(np.clip(rng.normal(0, 0.035), -0.08, 0.08)))
        heard = heard if in_time else speed(heard, factor)
    audio, labels, done = heard.audio, heard.labels, list(heard.done)
    if happens(0.12):
        audio = _dj_filter(audio, rng)
        done.append("dj filter")
    if happens(0.35):
        audio = compressed(audio, float(rng.uniform(-12, 3)), float(rng.uniform(2, 12)), float(rng.uniform(0.03, 0.4)))
        done.append("compressor")
    if happens(0.6):
        audio = oaconvolve(audio, (response := room(rng))[0])[: len(audio)].astype(np.float32)
        done.append(response[1])
    if happens(0.75):
        audio = sosfilt(
            np.concatenate(
                [
                    peaking(float(np.exp(rng.uniform(4, 9))), float(rng.normal(0, 5)), float(rng.uniform(0.4, 2)))
                    for _ in range(4)
                ]
            ),
            audio,
        )
        done.append("eq")
    if happens(0.28):
        low, high = (
            float(np.exp(rng.uniform(np.log(60), np.log(500)))),
            float(np.exp(rng.uniform(np.log(2200), np.log(10_000)))),
        )
        sections = [edge(low, True)] * int(rng.integers(1, 3)) + [edge(high, False)] * int(rng.integers(1, 3))
        audio = sosfilt(np.concatenate(sections), audio)
        done.append(f"band {low:.0f}-{high:.0f}")
    if happens(0.1):
        late, share = int(rng.integers(4, 90)), float(rng.uniform(-0.9, 0.9))
        audio = audio + share * np.concatenate([np.zeros(late), audio[:-late]])
        done.append("comb")
    level = max(_rms(audio), 1e-4)
    if happens(0.55):
        noise, kind = background(rng, len(audio))
        snr_db = float(rng.uniform(12, 40) if mild else rng.uniform(0, 30))
        audio = audio + noise * (level * 10 ** (-snr_db / 20))
        done.append(f"{kind} {snr_db:.0f}dB")
    if happens(0.12):
        audio, labels, source = _talked_over(audio, labels, level, rng)
        done.append(f"speech ({' '.join(source)})")
    audio = np.asarray(audio, np.float32)
    peak = max(float(np.abs(audio).max()), 1e-6)
    if happens(0.2):
        drive = float(rng.uniform(1.5, 10))
        clean = audio / peak * drive
        audio = np.clip(clean, -1, 1) if rng.random() < 0.5 else np.tanh(clean)
        done.append(f"clipped {drive:.1f}")
    else:
        audio = audio / peak
    gain_db = float(-np.abs(rng.normal(0, 8)) if mild else -rng.uniform(0, 40) * rng.uniform(0.1, 1.0))
    audio = audio * np.float32(10 ** (max(gain_db, -40.0) / 20) * 0.99)
    done.append(f"gain {gain_db:.0f}dB")
    return Heard(audio.astype(np.float32), labels, tuple(done))


def _dj_filter(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A filter that closes or opens over 4 to 16 s, somewhere."""
    length = min(int(rng.uniform(4, 16) * RATE), len(audio) - 1)
    start = int(rng.integers(0, len(audio) - length))
    low_cut = bool(rng.random() < 0.5)
    ends = [60.0, float(rng.uniform(300, 1500))] if low_cut else [9000.0, float(rng.uniform(200, 900))]
    if rng.random() < 0.5:
        ends.reverse()
    out = audio.copy()
    out[start : start + length] = filtered_stages(audio[start : start + length], low_cut, *ends)
    return out


def _talked_over(audio: np.ndarray, labels: Labels, level: float, rng: np.random.Generator) -> tuple:
    """Somebody talks for a while; where the voice is at most 8 dB below the music it counts as speech."""
    seconds = min(float(rng.uniform(4, 25)), labels.seconds - 1)
    start = float(rng.uniform(0, labels.seconds - seconds))
    voice, spans, sources = speech.talk(rng, seconds)
    over_db = float(rng.uniform(-10, 12))
    voice = voice * (level * 10 ** (over_db / 20) / max(_rms(voice), 1e-4))
    first = int(start * RATE)
    audio = np.array(audio, np.float32)
    audio[first : first + len(voice)] += voice[: len(audio) - first]
    if over_db > -8:
        labels = replace(labels, speech=np.concatenate([labels.speech, spans + start]))
    return audio, labels, sources
