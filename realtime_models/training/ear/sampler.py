"""General MIDI notes one at a time, through FluidSynth: exact to the sample, and rendered only once.

A synthesizer starts notes at the edges of its 64-sample blocks. Here every note is rendered alone from sample 0 at
48 kHz, halved to 24 kHz by a symmetric filter (no delay), its leading silence cut, and mixed by ``render`` where it
belongs, so that an attack stands where its label says.
"""

import ctypes
from functools import cache
from pathlib import Path

import numpy as np
from scipy.signal import firwin, upfirdn

from engine.errors import ConfigError
from engine.types import LISTEN_RATE_HZ

FOLDERS = (Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"))
FONTS = ("FluidR3_GM.sf2", "TimGM6mb.sf2", "MuseScore_General_Lite.sf3", "OPL-3_FM_128M.sf2")
DRUM_BANK = 128
_OVER = 2
_HALVE = firwin(63, 0.46).astype(np.float32)
_LONGEST_START_S = 0.04  #: silence or breath before an attack that is cut away; slower attacks are music


def fonts() -> tuple[str, ...]:
    """The soundfonts of ``FONTS`` that are installed."""
    return tuple(name for name in FONTS if _path(name))


def _path(font: str) -> Path | None:
    return next((folder / font for folder in FOLDERS if (folder / font).exists()), None)


def place_attack(samples: np.ndarray, rate_hz: int = LISTEN_RATE_HZ, share: float = 0.15) -> np.ndarray:
    """Samples with their start cut so that the first rise over ``share`` of the attack's peak is at 0.5 ms."""
    first = np.abs(samples[: int(0.08 * rate_hz)])
    if not len(first) or first.max() < 1e-4:
        return samples
    start = int(np.argmax(first > share * first.max())) - rate_hz // 2000
    return samples[start:] if 0 < start < _LONGEST_START_S * rate_hz else samples


class Sampler:
    """One FluidSynth and its loaded soundfonts: ``note`` renders, and remembers what it rendered.

    Raises ``ConfigError`` where pyfluidsynth, its library or the soundfont is not installed.
    """

    def __init__(self) -> None:
        try:
            import fluidsynth
        except (ImportError, OSError) as error:
            raise ConfigError(
                f"no FluidSynth ({error}); pip install pyfluidsynth, apt-get install libfluidsynth3"
            ) from error
        self._synth = fluidsynth.Synth(
            gain=0.6,
            samplerate=float(LISTEN_RATE_HZ * _OVER),
            channels=16,
            **{"synth.reverb.active": 0, "synth.chorus.active": 0, "synth.polyphony": 64, "synth.cpu-cores": 1},
        )
        self._write = fluidsynth._fl.fluid_synth_write_float
        self._off = fluidsynth._fl.fluid_synth_all_sounds_off
        self._fonts: dict[str, int] = {}
        self._notes: dict[tuple, np.ndarray] = {}
        self._held = 0

    def _font(self, font: str) -> int:
        if font not in self._fonts:
            path = _path(font)
            if path is None:
                raise ConfigError(f"soundfont {font} is not installed; there is: {', '.join(fonts()) or 'none'}")
            self._fonts[font] = self._synth.sfload(str(path))
        return self._fonts[font]

    def _samples(self, count: int) -> np.ndarray:
        left, right = np.zeros(count, np.float32), np.zeros(count, np.float32)
        at = [side.ctypes.data_as(ctypes.c_void_p) for side in (left, right)]
        self._write(ctypes.c_void_p(self._synth.synth), count, at[0], 0, 1, at[1], 0, 1)
        return 0.5 * (left + right)

    def note(
        self, font: str, bank: int, program: int, pitch: int, velocity: float, length_s: float, tail_s: float
    ) -> np.ndarray:
        """One note (n,) float32 at 24 kHz, held ``length_s`` and dying for at most ``tail_s``; velocity 0..1.

        Velocity and length are rounded (16 and about 20 steps) so that notes repeat and can be remembered.
        """
        strength = int(np.clip(round(velocity * 16), 1, 16)) * 8 - 1
        steps = max(1, round(8 * np.log2(max(length_s, 0.04) / 0.04)))
        key = (font, bank, program, pitch, strength, steps, tail_s)
        if key not in self._notes:
            if self._held > 6e7:  # about 240 MB
                self._notes.clear()
                self._held = 0
            self._notes[key] = self._play(font, bank, program, pitch, strength, 0.04 * 2 ** (steps / 8), tail_s)
            self._held += len(self._notes[key])
        return self._notes[key]

    def _play(
        self, font: str, bank: int, program: int, pitch: int, velocity: int, length_s: float, tail_s: float
    ) -> np.ndarray:
        synth, rate_hz = self._synth, LISTEN_RATE_HZ * _OVER
        channel = 9 if bank == DRUM_BANK else 0
        if synth.program_select(channel, self._font(font), bank, program) != 0:
            synth.program_select(channel, self._font(font), bank if bank == DRUM_BANK else 0, 0)
        synth.noteon(channel, pitch, velocity)
        held = self._samples(int(length_s * rate_hz))
        synth.noteoff(channel, pitch)
        tail = self._samples(int(tail_s * rate_hz))
        self._off(ctypes.c_void_p(synth.synth), -1)
        for _ in range(40):  # a voice that was cut dies within a few blocks
            if np.abs(self._samples(256)).max() < 1e-6:
                break
        tail *= np.linspace(1, 0, len(tail), dtype=np.float32) ** 0.5
        wave = upfirdn(_HALVE, np.concatenate([held, tail]), 1, _OVER)[len(_HALVE) // 2 // _OVER :]
        wave = place_attack(wave.astype(np.float32))
        loud = np.flatnonzero(np.abs(wave) > 2e-4)
        return wave[: loud[-1] + 1] if len(loud) else np.zeros(1, np.float32)


@cache
def sampler() -> Sampler:
    """This process's one sampler."""
    return Sampler()
