"""From a written song to sound: every note mixed at the sample where its label stands; no delay anywhere.

Filters here are causal and of low order; their group delay at attacks is below a millisecond.
"""

import numpy as np
from scipy.signal import butter, sosfilt

from engine.types import LISTEN_RATE_HZ
from realtime_models.training.ear.instruments import Drum
from realtime_models.training.ear.score import Note, Part, Song, Sweep

RATE = LISTEN_RATE_HZ
GROUP_DB = {"drums": -17.0, "bass": -21.0, "chords": -23.0, "lead": -23.0, "effects": -26.0}
_CHOKES = {"hat": "open", "pedal": "open"}
_TAIL_S = 1.2


def render(song: Song, seed: int) -> np.ndarray:
    """The song (n,) float32 at 24 kHz from time 0 of its grid to a little after its end; peak below 1."""
    rng = np.random.default_rng([seed, 2])
    total = int((float(song.grid.time_of(song.end_beat)) + _TAIL_S) * RATE)
    kicks_s = song.grid.time_of(np.array(song.pump_beats)) if song.pump_beats else np.zeros(0)
    groups: dict[str, np.ndarray] = {}
    for part in song.parts:
        stem = _stem(song, part, total)
        if part.group != "drums":
            stem = _levelled(stem, GROUP_DB[part.group] + part.gain_db)
            if part.pump > 0 and len(kicks_s):
                stem *= pump_gain(total, kicks_s, part.pump, float(rng.uniform(0.08, 0.3)))
        else:
            stem *= 10 ** (part.gain_db / 20)
        groups[part.group] = groups[part.group] + stem if part.group in groups else stem
    drums = groups.pop("drums", None)
    rest = sum(groups.values(), np.zeros(total, np.float32))
    for sweep in song.sweeps:
        rest = swept(rest, sweep, song)
    mix = rest if drums is None else rest + _levelled(drums, GROUP_DB["drums"] + float(rng.normal(0, 3)))
    if rng.random() < 0.7:  # mastered: what stands out is rounded off
        usual = float(np.percentile(np.abs(mix[::7]), 99.5))
        drive = float(rng.uniform(0.3, 1.0)) / max(usual, 1e-6)
        mix = np.tanh(drive * mix)
    peak = float(np.abs(mix).max())
    return (mix * (float(rng.uniform(0.3, 0.9)) / peak) if peak > 1e-6 else mix).astype(np.float32)


def _stem(song: Song, part: Part, total: int) -> np.ndarray:
    out = np.zeros(total + RATE * 4, np.float32)
    starts_s = song.grid.time_of(np.array([note.at for note in part.notes])) + [note.late_s for note in part.notes]
    drum = isinstance(part.instrument, Drum)
    ends_s = None if drum else song.grid.time_of(np.array([note.at + note.length for note in part.notes]))
    chokes_s = _chokes(song, part) if drum and part.instrument.role == "open" else None
    known: dict[int, np.ndarray] = {}
    for k, note in enumerate(part.notes):
        start = round(float(starts_s[k]) * RATE)
        if drum:
            level = max(1, round(note.strength * 12))
            if level not in known:
                known[level] = part.instrument.stroke(level / 12)
            wave = known[level]
            if chokes_s is not None:
                wave = _choked(wave, starts_s[k], chokes_s)
        else:
            wave = part.instrument.note(note.pitch, note.strength, max(0.03, float(ends_s[k] - starts_s[k])))
        if start < 0:
            wave, start = wave[-start:], 0
        end = min(start + len(wave), len(out))
        out[start:end] += wave[: max(0, end - start)]
    return out[:total]


def _chokes(song: Song, part: Part) -> np.ndarray:
    """When a closed hat silences an open one."""
    closed: list[Note] = [
        note for other in song.parts if other.group == "drums" for note in other.notes if note.pitch in _CHOKES
    ]
    return np.sort(song.grid.time_of(np.array([note.at for note in (*closed, *part.notes)])))


def _choked(wave: np.ndarray, start_s: float, chokes_s: np.ndarray) -> np.ndarray:
    after = np.searchsorted(chokes_s, start_s + 0.03)
    if after >= len(chokes_s):
        return wave
    length = int((chokes_s[after] - start_s) * RATE)
    if length + 120 >= len(wave):
        return wave
    cut = wave[: length + 120].copy()
    cut[length:] *= np.linspace(1, 0, 120, dtype=np.float32)
    return cut


def _levelled(stem: np.ndarray, level_db: float) -> np.ndarray:
    """Scaled so that its louder tenths of a second (the loudest eighth of those within 30 dB) have this RMS."""
    blocks = stem[: len(stem) // 2400 * 2400].reshape(-1, 2400)
    power = np.mean(blocks * blocks, axis=1)
    if power.max(initial=0.0) < 1e-10:
        return stem
    loud = np.percentile(power[power > power.max() * 1e-3], 88)
    return stem * np.float32(10 ** (level_db / 20) / np.sqrt(loud))


def pump_gain(total: int, kicks_s: np.ndarray, depth: float, back_s: float) -> np.ndarray:
    """Gain (total,) that dips by ``depth`` at every kick and is back after ``back_s``."""
    since = np.full(total, 9.0, np.float32)
    starts = np.unique(np.clip((kicks_s * RATE).astype(int), 0, total - 1))
    for start, end in zip(starts, [*starts[1:], total], strict=True):
        since[start:end] = np.arange(end - start, dtype=np.float32) / RATE
    return 1 - depth * np.exp(-((since / np.float32(back_s)) ** 2))


def swept(wave: np.ndarray, sweep: Sweep, song: Song, steps: int = 7) -> np.ndarray:
    """The wave with a filter that moves in ``steps`` overlapping stages between the two beats."""
    first, last = (int(float(song.grid.time_of(beat)) * RATE) for beat in (sweep.start, sweep.end))
    first, last = max(first, 0), min(last, len(wave))
    if last - first < RATE // 2:
        return wave
    out = wave.copy()
    out[first:last] = filtered_stages(wave[first:last], sweep.low_cut, sweep.from_hz, sweep.to_hz, steps)
    return out


def filtered_stages(wave: np.ndarray, low_cut: bool, from_hz: float, to_hz: float, steps: int = 7) -> np.ndarray:
    """A second-order filter whose edge glides from ``from_hz`` to ``to_hz`` over the wave, by cross-fading stages."""
    place = np.linspace(0, steps - 1, len(wave), dtype=np.float32)
    out = np.zeros(len(wave), np.float32)
    for k, hz in enumerate(np.geomspace(from_hz, to_hz, steps)):
        weight = np.maximum(0, 1 - np.abs(place - k))
        near = np.flatnonzero(weight)
        start, end = max(0, near[0] - RATE // 10), near[-1] + 1
        sos = butter(2, min(hz, 11_000), "high" if low_cut else "low", fs=RATE, output="sos")
        out[start:end] += sosfilt(sos, wave[start:end]).astype(np.float32) * weight[start:end]
    return out
