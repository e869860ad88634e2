"""The training bank: every clip, mirrored and at several speeds, as features with its beat grid and window starts."""

from dataclasses import dataclass

import numpy as np

from realtime_models.training.clean import clean
from realtime_models.training.data import FPS, TEMPO_BANDS, Clip, change_speed, clip_features, fit_beats, mirror

SPEEDS = (0.88, 1.0, 1.13)


@dataclass(frozen=True)
class Entry:
    """A clip as the networks see it."""

    clip: Clip
    features: np.ndarray  #: (F, 126)
    valid: np.ndarray  #: (F,) False on frames that step too fast to be true

    @property
    def weight(self) -> float:
        """How much its windows count in sampling: dance is what the dancer is for."""
        return 3.0 if self.clip.is_dance else 1.0


def variants(clip: Clip, speeds: tuple[float, ...]) -> list[Clip]:
    """The clip on its fitted beat grids (dance: a slow and a fast one), both ways round, at each speed."""
    fits = [fit_beats(clip, band) for band in (TEMPO_BANDS if clip.is_dance else TEMPO_BANDS[1:])]
    both = [c for fitted in fits for c in (fitted, mirror(fitted))]
    return [change_speed(c, s) if s != 1.0 else c for c in both for s in speeds]


def build_bank(
    clips: list[Clip], *, speeds: tuple[float, ...] = SPEEDS, shortest_s: float = 2.5, cleaned: bool = True
) -> list[Entry]:
    """Entries of all variants of all clips that are long enough, cleaned first."""
    bank = []
    for clip in clips:
        if len(clip.root) < shortest_s * FPS:
            continue
        if cleaned:
            clip = clean(clip).clip
        for variant in variants(clip, speeds):
            valid = np.ones(len(variant.root), bool)
            valid[variant.bad_frames[(variant.bad_frames >= 0) & (variant.bad_frames < len(valid))]] = False
            bank.append(Entry(variant, clip_features(variant), valid))
    return bank
