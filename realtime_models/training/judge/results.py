"""What an evaluation found: scores per condition and track, the verdict, and the performances they were taken from."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from realtime_models.training.judge import beat as score
from realtime_models.training.judge.beat import BeatScore, Hits
from realtime_models.training.judge.body import BodyScore
from realtime_models.training.judge.systems.model import Dance, Danced, Music, Track, hear

#: The asked-for margins: R(right), R(right) / R(wrong), R(right) - R(silence); on so many tracks of five.
LEAST_R, LEAST_RATIO, LEAST_ABOVE_SILENCE, LEAST_TRACKS = 0.3, 2.0, 0.15, 4


@dataclass(frozen=True)
class Cell:
    """One condition on one track: a score per seed."""

    scores: tuple[BeatScore, ...]

    def mean_r(self, level: float) -> float:
        return float(np.mean([s.r(level) for s in self.scores]))

    @property
    def pooled(self) -> BeatScore:
        return score.pooled(list(self.scores))


@dataclass(frozen=True)
class TrackResult:
    """All that was measured on one track."""

    track: Track
    wrong: str  #: name of the track that was heard instead
    ear: Hits  #: the listener's own beats against the true ones
    cells: dict[str, Cell]  #: by condition
    own: Cell  #: the right track, scored against the listener's beats
    all_joints: Cell  #: the right track, body speed as the mean of all 22 joints
    relative: Cell  #: the same with the pelvis' path taken out
    held: int  #: poses that the guard held or replaced, all seeds

    def moved_s(self) -> float:
        """How far the lag at the beat level moved when the sound came half a beat later [s], within half a period."""
        right, late = (self.cells[name].pooled.vectors[1] for name in ("right", "half a beat late"))
        return abs(score.lag_of(late * np.conj(right), 1.0, self.track.period_s))


@dataclass(frozen=True)
class Verdict:
    """The three margins of one track at the chosen level, means over seeds."""

    track: str
    right: float
    wrong: float
    silence: float

    @property
    def checks(self) -> tuple[bool, bool, bool]:
        return (
            self.right >= LEAST_R,
            self.right >= LEAST_RATIO * self.wrong,
            self.right >= self.silence + LEAST_ABOVE_SILENCE,
        )

    @property
    def passed(self) -> bool:
        return all(self.checks)


@dataclass(frozen=True)
class Evaluation:
    """What the report is made of."""

    identity: str
    seeds: tuple[int, ...]
    level: float
    validation: dict[str, Cell]
    results: tuple[TrackResult, ...]
    long_run: BodyScore | None
    long_held: int
    real: BodyScore | None  #: real dance clips, means over time
    minutes_danced: float
    took_s: float

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(verdict(result, self.level) for result in self.results)


def verdict(result: TrackResult, level: float) -> Verdict:
    """The margins of a track."""
    return Verdict(result.track.name, *(result.cells[name].mean_r(level) for name in ("right", "wrong", "silence")))


def best_level(validation: dict[str, Cell]) -> float:
    """The level at which R is largest, mean over validation tracks and seeds."""
    return max(score.LEVELS, key=lambda level: np.mean([cell.mean_r(level) for cell in validation.values()]))


@dataclass
class Stage:
    """Dances, keeps what was heard and danced, and says how far it is. One process, nothing shared."""

    dance: Dance
    say: Callable[[str], None] = lambda line: None
    listen: Callable[[Track], Music] = hear
    heard: dict[str, Music] = field(default_factory=dict)
    danced: dict[tuple[str, int], Danced] = field(default_factory=dict)

    def hear(self, track: Track) -> Music:
        if track.name not in self.heard:
            self.say(f"hearing {track.name}")
            self.heard[track.name] = self.listen(track)
        return self.heard[track.name]

    def perform(self, track: Track, seed: int) -> Danced:
        if (track.name, seed) not in self.danced:
            music = self.hear(track)
            self.say(f"dancing to {track.name}, seed {seed}")
            self.danced[track.name, seed] = self.dance(music, seed)
        return self.danced[track.name, seed]

    def minutes(self) -> float:
        return sum(len(d.root) / d.fps for d in self.danced.values()) / 60
