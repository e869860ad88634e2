"""From a dance and a seed to sound: composed on its beats, following its limbs, played in some room."""

from dataclasses import dataclass

import numpy as np

from engine.types import LISTEN_HOP, LISTEN_RATE_HZ
from realtime_models.training.data import FPS
from realtime_models.training.ear import human, render, songs
from realtime_models.training.ear.augment import Heard, augment
from realtime_models.training.ear.score import Song, labels_of
from realtime_models.training.ear.style_table import STYLES
from realtime_models.training.ear.styles import named
from realtime_models.training.music.dances import Curves, Dance
from realtime_models.training.music.fit import LEAD_S, bar_means, choose_style, lay_grid, sections_of
from realtime_models.training.music.follow import Taste, follow, gain_db

DRUMMER_SHARE = 0.25  #: of songs in styles that drummers of the Groove MIDI Dataset play
NEAR_TEMPO = 0.16  #: [log] so far a drummer's take is stretched
LEVEL_DB = (-36.0, -12.0)  #: [dBFS] the louder part of what arrives, evenly drawn
DRY_SHARE, MILD_SHARE = 0.15, 0.55  #: of songs as they are; as from a line-in; the rest as in a room


@dataclass(frozen=True)
class Fitted:
    """A song for a dance, as written."""

    song: Song
    lead: int  #: model frames of music before the dance's first
    frames: int  #: model frames from the song's first sample to the dance's end
    curves: Curves  #: (frames,) of the song's time
    taste: Taste

    @property
    def about(self) -> dict:
        """What was drawn, for the record."""
        told = {"genre": named(self.song.genre), "solo": self.taste.solo, "depth_db": round(self.taste.depth_db, 1)}
        return {**self.song.about, **told}


def write(dance: Dance, seed: int, fonts: tuple[str, ...]) -> Fitted:
    """The song number ``seed`` for a dance. The same arguments give the same song."""
    rng = np.random.default_rng([seed, 11])
    genre = choose_style(dance, rng)
    style = STYLES[genre]
    grid, lead = lay_grid(dance, style.meter, float(rng.uniform(*LEAD_S)))
    usual = float(np.clip(dance.curves.energy.mean() + rng.normal(0, 0.08), 0.3, 0.8))
    whole = max(int(np.ceil(grid.beats_s[-1] * FPS)), lead + dance.frames)
    curves = dance.curves.padded(lead, whole - lead - dance.frames, usual)
    taste = Taste.drawn(dance.curves, rng)
    moves = bar_means(grid, (curves.arms + curves.head) / 2)
    form = sections_of(bar_means(grid, curves.energy), moves, rng, alone=taste.solo not in ("", "lead"))
    song = songs.compose(genre, seed, 0.0, fonts, _drummer(genre, grid, rng), grid=grid, form=form)
    return Fitted(follow(song, curves, taste, rng), lead, lead + dance.frames, curves, taste)


def _drummer(genre: str, grid: object, rng: np.random.Generator) -> human.Performance | None:
    """A drummer's take of the style, metre and about the tempo of the song, sometimes; None where there is none."""
    words, bpm = STYLES[genre].human, 60.0 / float(np.median(np.diff(grid.beats_s)))
    if not words or rng.random() > DRUMMER_SHARE:
        return None
    for _ in range(12):
        take = human.perform(rng, validation=False)
        if take is None:
            return None
        near = abs(np.log(take.bpm / bpm)) < NEAR_TEMPO
        if near and take.meter == grid.meter and take.style.split("/")[0].split("-")[0] in words:
            return take
    return None


def sound(fitted: Fitted, seed: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Audio (800 frames,) at 24 kHz, frame 0 of the dance at sample 800 lead, and what was done to it."""
    rng = np.random.default_rng([seed, 12])
    count = fitted.frames * LISTEN_HOP
    audio = render.render(fitted.song, seed)[:count]
    audio = np.pad(audio, (0, count - len(audio)))
    level_db = gain_db(fitted.curves.energy[: fitted.frames], fitted.taste.depth_db)
    places = (np.arange(fitted.frames) + 0.5) * LISTEN_HOP
    audio *= 10 ** (np.interp(np.arange(count), places, level_db) / 20).astype(np.float32)
    kind, done = rng.random(), ()
    if kind >= DRY_SHARE:
        whole = Heard(audio, labels_of(fitted.song, count / LISTEN_RATE_HZ))
        heard = augment(whole, rng, mild=kind < DRY_SHARE + MILD_SHARE, in_time=True)
        audio, done = heard.audio[:count], heard.done
    return levelled(audio, float(rng.uniform(*LEVEL_DB))), done


def levelled(audio: np.ndarray, level_db: float) -> np.ndarray:
    """Audio (n,) with its louder third of a second's pieces at ``level_db`` RMS [dBFS], within full scale."""
    power = np.mean(audio[: len(audio) // 8000 * 8000].reshape(-1, 8000) ** 2, axis=1)
    gain = 10 ** (level_db / 20) / max(float(np.sqrt(np.percentile(power, 75))), 1e-6)
    return (audio * min(gain, 0.99 / max(float(np.abs(audio).max()), 1e-6))).astype(np.float32)
