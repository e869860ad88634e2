"""The frame of a song for a dance: its beats, bars before it, a style that suits, sections that follow its energy.

Pure: a generator of randomness in, plain values out.
"""

import math

import numpy as np

from realtime_models.training.data import FPS
from realtime_models.training.ear.forms import Section
from realtime_models.training.ear.score import Grid
from realtime_models.training.ear.style_table import STYLES
from realtime_models.training.music.dances import Dance

#: What a dance of a style is mostly danced to; any dance also gets anything else, at lower odds.
SUITS = {
    "salsa": "salsa merengue cumbia chacha samba bossa reggaeton soca",
    "indian": "drumsonly afrobeat bailefunk samba dancehall soca folk jersey",
    "pop": "house disco funk hiphop soul synthwave electro rock rnb reggaeton garage",
    "modern": "ballad orchestra lofi folk synthwave rnb baroque trance",
    "break": "breakbeat hiphop funk electro drumsonly",
    "lindy": "swing ragtime shuffle soul",
}
SUITED_SHARE = 0.7
TEMPO_ROOM = 0.1  #: how far [log] a style's tempo is bent without much ado
METERS = (4, 2)  #: dance falls in twos and fours; threes, fives and sevens would cross it
FIRST_S = 0.05  #: sound before the first beat
LEAD_S = (4.5, 9.0)  #: music heard before the dance begins, about
RISE, HIGH = 0.22, 0.5  #: a rise of the bars' energy by so much, to at least so much, is built up to
REST, CALM, WILD = 0.16, 0.36, 0.66  #: energy of a bar below which drums rest, are light; above which all play


def choose_style(dance: Dance, rng: np.random.Generator) -> str:
    """A name of ``STYLES`` whose metre fits and whose tempo is near the dance's, mostly one that suits it."""
    bpm = 60.0 / float(np.median(np.diff(dance.beats_s)))
    names = [name for name, style in STYLES.items() if style.meter in METERS]
    near = np.array([tempo_fit(STYLES[name].tempo, bpm) for name in names])
    usual = near * [STYLES[name].weight for name in names]
    suits = near * [name in SUITS.get(dance.style, "").split() for name in names]
    weight = usual / usual.sum()
    if suits.max() > 0.1:
        weight = (1 - SUITED_SHARE) * weight + SUITED_SHARE * suits / suits.sum()
    return str(rng.choice(names, p=weight / weight.sum()))


def tempo_fit(tempo_bpm: tuple[float, float], bpm: float) -> float:
    """0..1: 1 inside a style's tempi, falling with the distance outside."""
    away = max(math.log(tempo_bpm[0] / bpm), math.log(bpm / tempo_bpm[1]), 0.0)
    return math.exp(-0.5 * (away / TEMPO_ROOM) ** 2)


def lay_grid(dance: Dance, meter: int, lead_s: float) -> tuple[Grid, int]:
    """The song's grid, whose beats are the dance's, and the model frames of music before the dance's first.

    Before and after the dance's beats their tempo goes on; the song begins and ends with a bar, lasts to the dance's
    end, and is heard for at least ``lead_s`` before it.
    """
    beats = dance.beats_s
    first, last = float(np.diff(beats[:4]).mean()), float(np.diff(beats[-4:]).mean())
    before = max(math.ceil((lead_s + beats[0]) / first), 1)
    before += -(before + dance.downbeat) % meter
    lead = math.ceil((FIRST_S + before * first - beats[0]) * FPS)
    after = max(math.ceil((dance.frames / FPS - beats[-1]) / last), 0)
    after += -(before + len(beats) - 1 + after) % meter
    early, later = first * np.arange(-before, 0) + beats[0], beats[-1] + last * np.arange(1, after + 1)
    beats_s = lead / FPS + np.concatenate([early, beats, later])
    return Grid(beats_s, np.arange(len(beats_s)) % meter + 1, meter), lead


def bar_means(grid: Grid, curve: np.ndarray) -> np.ndarray:
    """Mean of a curve (S,) at 30 Hz in each bar of the grid."""
    lines = np.minimum(np.rint(grid.beats_s[:: grid.meter] * FPS).astype(int), len(curve))
    spans = zip(lines, lines[1:], strict=False)
    return np.array([curve[min(a, len(curve) - 1) : max(b, a + 1)].mean() for a, b in spans])


def sections_of(
    energy: np.ndarray, lead: np.ndarray, rng: np.random.Generator, *, alone: bool = False
) -> tuple[Section, ...]:
    """A form whose bars follow the bars' ``energy`` (B,); the lead plays where ``lead`` (B,) is high.

    Drums rest where the body rests and are full where it is wildest; before a large rise there is a build-up without
    drums, at the rise a drop. ``alone``: one family of the drums plays alone and is never left out.
    """
    shift, built = float(rng.normal(0, 0.04)), rng.random() < 0.8
    full = rng.random(3) < (0.9, 0.85, 0.85)  # bass, chords, lead: now and then a song does without
    kinds, drums = ["verse"] * len(energy), np.digitize(energy + shift, (REST, CALM, WILD))
    drums = np.maximum(drums, 2) if alone else drums
    for bar in rises(energy) if built and not alone else ():
        kinds[bar], drums[bar] = "drop", 3
        for before in range(max(bar - int(rng.integers(1, 3)), 0), bar):
            kinds[before], drums[before] = "build", 0
    out: list[Section] = []
    for bar, (kind, amount) in enumerate(zip(kinds, drums, strict=True)):
        if kind == "verse" and amount == 0:
            kind = "break"
        plays = bool(full[0] and amount > 0), bool(full[1]), bool(full[2] and (lead[bar] > 0.55 or amount == 3))
        new = Section(kind, 1, int(amount), *plays)
        same = out and (out[-1].kind, out[-1].drums, out[-1].lead) == (new.kind, new.drums, new.lead)
        if same and kind != "drop":
            new = Section(kind, out.pop().bars + 1, new.drums, new.bass, new.chords, new.lead)
        out.append(new)
    return tuple(out)


def rises(energy: np.ndarray) -> list[int]:
    """Bars with which the energy (B,) rises far: two bars beside the two before; the largest first, four bars apart."""
    found: list[int] = []
    bars = range(2, len(energy) - 1)
    size = {bar: float(energy[bar : bar + 2].mean() - energy[bar - 2 : bar].mean()) for bar in bars}
    for bar in sorted(bars, key=lambda bar: -size[bar]):
        if size[bar] < RISE:
            break
        if energy[bar : bar + 2].mean() >= HIGH and all(abs(bar - other) >= 4 for other in found):
            found.append(bar)
    return found
