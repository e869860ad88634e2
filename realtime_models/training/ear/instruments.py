"""Who plays: drum kits and pitched instruments, ours or a soundfont's, as values that ``render`` can sound."""

from dataclasses import dataclass, field

import numpy as np

from realtime_models.training.ear import oneshots, voices
from realtime_models.training.ear.sampler import DRUM_BANK, sampler

#: programs whose notes swell: no attack to hear a beat by
SLOW_PROGRAMS = frozenset(
    {48, 49, 50, 51, 52, 53, 54, 88, 89, 90, 91, 92, 93, 94, 95, 22, 23, 40, 41, 42, 72, 73, 75, 77}
)
JAZZ, BRUSH, ROCK = (32, 40), (40,), (0, 8, 16)
GM_KITS = (0, 0, 8, 16, 24, 25, 32, 40)


@dataclass(frozen=True)
class Drum:
    """One drum of a kit: a soundfont's, or one of ours drawn from ``seed``; ``tune`` resamples it (1 = as it is)."""

    role: str
    font: str = ""
    program: int = 0
    seed: int = 0
    tune: float = 1.0
    decay: float = 1.0

    attack_s: float = field(default=0.0, repr=False)

    def stroke(self, strength: float) -> np.ndarray:
        """A stroke (n,) at 24 kHz, its attack at sample 0 (within a millisecond)."""
        stroke, level_db, pitch = oneshots.ROLES[self.role]
        if self.font:
            wave = sampler().note(self.font, DRUM_BANK, self.program, pitch, strength, 0.2, 1.2) * 2.5
        else:
            wave = stroke(np.random.default_rng(self.seed)) * (10 ** (level_db / 20) * 0.5 * strength**1.3)
        if self.tune != 1.0:
            wave = np.interp(np.arange(0, len(wave) - 1, self.tune), np.arange(len(wave)), wave)
        if self.decay < 1.0:
            wave = wave * np.exp(-np.arange(len(wave)) / (24_000 * 0.4 * self.decay))
        return wave.astype(np.float32)


@dataclass(frozen=True)
class Gm:
    """One instrument of a soundfont."""

    font: str
    program: int
    tail_s: float = 0.4

    @property
    def attack_s(self) -> float:
        return 0.1 if self.program in SLOW_PROGRAMS else 0.0

    def note(self, pitch: int, strength: float, length_s: float) -> np.ndarray:
        return sampler().note(self.font, 0, self.program, int(pitch), strength, length_s, self.tail_s) * 2.0


@dataclass(frozen=True)
class Riser:
    """Noise that opens (``up``) or falls away: the sweep before a drop or after it."""

    up: bool
    seed: int
    attack_s: float = 1.0

    def note(self, pitch: int, strength: float, length_s: float) -> np.ndarray:
        count = int(length_s * 24_000)
        rng = np.random.default_rng(self.seed)
        place = np.linspace(0, 1, count) if self.up else np.linspace(1, 0, count)
        noise = rng.standard_normal(count)
        layers = [oneshots.band(noise, 300 * 2.2**k, 900 * 2.2**k) for k in range(4)]
        sound = sum(layer * np.exp(-(((place - k / 3) / 0.3) ** 2)) for k, layer in enumerate(layers))
        if rng.random() < 0.4:
            sound = sound + 0.7 * np.sin(2 * np.pi * np.cumsum(200 * 2 ** (3 * place)) / 24_000)
        return (sound * place**1.5 * strength).astype(np.float32)


#: programs by what they play
GM_OF = {
    "piano": (0, 0, 1, 2, 3),
    "epiano": (4, 5),
    "organ": (16, 17, 18, 19),
    "guitar": (24, 25, 25, 26, 27),
    "clean": (27, 28, 26),
    "dirty": (29, 30, 30),
    "bass": (33, 34, 35, 36, 37),
    "upright": (32, 32, 35, 43),
    "synthbass": (38, 39, 36),
    "strings": (48, 49, 50, 51),
    "shortstrings": (45, 48, 46, 55),
    "choir": (52, 53, 54),
    "brass": (61, 56, 57, 62),
    "synth": (80, 81, 84, 87, 62, 63),
    "pad": (88, 89, 90, 91, 92, 94, 95, 50),
    "pluck": (24, 46, 104, 105, 107, 108, 12, 13, 11),
    "wind": (73, 71, 68, 65, 66, 67, 64, 56, 60, 22),
    "mallet": (11, 12, 13, 14, 10, 8, 114),
    "clav": (7, 6),
    "accordion": (21, 22),
}
CHORD_SOUND = {
    "pad": ("pad", "strings", "choir"),
    "pumped": ("pad", "synth"),
    "offstabs": ("piano", "organ", "synth", "epiano"),
    "stabs": ("piano", "synth", "brass", "epiano"),
    "skank": ("clean", "piano", "organ"),
    "skank2": ("clean", "piano"),
    "skankhorns": ("brass",),
    "bubble": ("organ",),
    "comp": ("piano", "epiano", "organ"),
    "epiano": ("epiano",),
    "strum": ("guitar", "guitar", "clean", "dirty"),
    "strum8": ("dirty", "guitar"),
    "chug": ("dirty",),
    "gallop": ("dirty",),
    "power": ("dirty",),
    "chuckle": ("clean",),
    "clav": ("clav",),
    "horns": ("brass",),
    "strings": ("strings",),
    "montuno": ("piano",),
    "boomchick": ("guitar", "piano", "accordion"),
    "boomchick3": ("guitar", "accordion"),
    "oompah": ("brass", "accordion", "piano"),
    "oompah2": ("accordion", "brass", "piano"),
    "oompah3": ("piano", "accordion", "shortstrings"),
    "stride": ("piano",),
    "bossa": ("guitar", "piano"),
    "tangochords": ("accordion", "piano", "shortstrings"),
    "brass": ("brass",),
    "pizz": ("shortstrings", "pluck"),
    "strings8": ("shortstrings", "brass", "strings"),
    "organ": ("organ",),
    "choir": ("choir",),
    "ballad": ("piano", "epiano", "guitar"),
    "comp3": ("piano", "guitar", "organ"),
    "charleston": ("piano", "guitar"),
    "shuffle": ("guitar", "piano", "organ", "dirty"),
    "offstabs3": ("organ", "synth"),
    "arp": ("pluck", "synth", "mallet", "piano", "guitar"),
    "chiparp": ("synth",),
    "fingers": ("guitar", "guitar", "piano", "pluck"),
    "travis": ("guitar",),
    "triplets": ("piano", "guitar"),
    "alberti": ("piano", "clav"),
    "ostinato": ("shortstrings", "mallet", "piano"),
}
LEAD_SOUND = {
    "melody": ("wind", "piano", "guitar", "synth", "wind", "mallet", "strings"),
    "riff": ("synth", "guitar", "dirty", "mallet"),
    "solo": ("wind", "wind", "piano", "guitar", "mallet"),
    "ragtime": ("piano",),
    "jig": ("wind", "pluck", "accordion"),
    "horns": ("brass",),
}
SLOW_CHORDS = frozenset({"pad", "pumped", "choir", "strings"})


def kit_of(kinds: tuple[str, ...], font: str, rng: np.random.Generator) -> dict[str, Drum]:
    """A drum for every role: a soundfont's kit or ours, or ours with a few drums of the soundfont."""
    kind = str(rng.choice(kinds)) if font else "own"
    program = 0 if font.startswith("OPL") else int(rng.choice(JAZZ if kind == "gmjazz" else GM_KITS))
    mixed = kind == "own" and bool(font) and rng.random() < 0.35
    kit = {}
    for role in oneshots.ROLES:
        own = kind == "own" and not (mixed and rng.random() < 0.5)
        tune = float(np.exp(rng.normal(0, 0.08))) if rng.random() < 0.6 else 1.0
        kit[role] = Drum(
            role,
            "" if own else font,
            program,
            int(rng.integers(2**31)),
            tune,
            float(rng.choice([1.0, rng.uniform(0.1, 0.6)], p=[0.8, 0.2])),
        )
    return kit


def bass_of(kind: str, machine: bool, font: str, rng: np.random.Generator) -> object:
    if not font or rng.random() < (0.75 if machine else 0.12):
        if kind == "voice":
            return voices.Tone("ah", 0.02, 0.3, 0.8, 0.08, dark=40, octave=1, width=0.3)
        if kind in ("wobble", "reese"):
            return voices.Tone("saw", 0.006, 0.5, 0.9, 0.06, voices=3, detune=0.012, dark=float(rng.uniform(4, 14)))
        if kind == "sub808":
            return voices.Tone("sine", 0.003, 0.9, 0.5, 0.1)
        return voices.bass_tone(rng)
    family = "upright" if kind in ("walking", "bossa", "tumbao", "waltz") else "synthbass" if machine else "bass"
    return Gm(font, int(rng.choice(GM_OF[family])), 0.15)


def chords_of(kind: str, machine: bool, font: str, rng: np.random.Generator) -> object:
    slow = kind in SLOW_CHORDS
    if not font or rng.random() < (0.7 if machine else 0.08):
        return voices.chord_tone(rng, slow)
    family = str(rng.choice(CHORD_SOUND[kind]))
    return Gm(font, int(rng.choice(GM_OF[family])), 0.5 if slow else 0.25)


def lead_of(kind: str, machine: bool, font: str, rng: np.random.Generator) -> object:
    if not font or rng.random() < (0.6 if machine else 0.2):
        return voices.lead_tone(rng)
    return Gm(font, int(rng.choice(GM_OF[str(rng.choice(LEAD_SOUND[kind]))])), 0.25)
