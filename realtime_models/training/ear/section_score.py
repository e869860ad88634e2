"""How right a listener was about the form: what it said began, and where it foresaw the next change. Pure.

What begins is said when it is said (the rule of ``sections.tsv``) and never taken back. Each true event may be met
once, and each thing said may meet one: precision, recall and F from their counts, pooled over pieces.
"""

from dataclasses import dataclass, field

import numpy as np

from engine.types import POSE_HZ, MusicFeatures
from realtime_models.training.ear.buildups import Form

SCORED_FROM_S = 8.0  #: before this nobody can know; as for the predictions of beats
WITHIN_BEATS = {"drop": 1.0, "build": 4.0, "break": 4.0, "phrase": 0.5}  #: so near to a true event is right
CHANGE_BEATS = 1.0  #: a change foreseen so near to the true one is right
SURE = 0.5
BINS = 10
_BORDER_S = 0.07  # so near to a change nobody can say whether it was foreseen or has just been


@dataclass(frozen=True)
class Told:
    """What a listener said of one recording."""

    began: tuple[tuple[float, str], ...]  #: (time at which it was said [s], what), ascending
    foreseen: np.ndarray  #: (n, 3) time of the reading [s], time of the next change it foresaw [s], its probability


@dataclass(frozen=True)
class Counts:
    """Of one kind of event; of several pieces they add up."""

    hits: int = 0
    said: int = 0
    true: int = 0
    late_beats: tuple[float, ...] = ()  #: of each hit, from the true event to the moment it was said

    def __add__(self, other: "Counts") -> "Counts":
        late = self.late_beats + other.late_beats
        return Counts(self.hits + other.hits, self.said + other.said, self.true + other.true, late)

    @property
    def precision(self) -> float:
        return self.hits / self.said if self.said else float("nan")

    @property
    def recall(self) -> float:
        return self.hits / self.true if self.true else float("nan")

    @property
    def f(self) -> float:
        """NaN where there was nothing to say and nothing was said."""
        return 2 * self.hits / (self.said + self.true) if self.said + self.true else float("nan")


@dataclass(frozen=True)
class SectionScore:
    """Of one recording; of several they add up."""

    counts: dict[str, Counts] = field(default_factory=lambda: {what: Counts() for what in WITHIN_BEATS})
    #: (10, 3) per bin of the probability of the next change: readings, sum of probability, how many were right
    calibration: np.ndarray = field(default_factory=lambda: np.zeros((BINS, 3)))
    sure: int = 0  #: readings above SURE
    sure_right: int = 0
    minutes: float = 0.0

    def __add__(self, other: "SectionScore") -> "SectionScore":
        return SectionScore(
            {what: self.counts[what] + other.counts[what] for what in WITHIN_BEATS},
            self.calibration + other.calibration,
            self.sure + other.sure,
            self.sure_right + other.sure_right,
            self.minutes + other.minutes,
        )


def told_of(features: list[MusicFeatures]) -> Told:
    """What the features of one recording say, each at its own time."""
    began, foreseen = [], []
    for known in features:
        now_s, section, clock = known.frame / POSE_HZ, known.section, known.beat
        began += [(now_s, what) for what, _ in section.began]
        change_s = now_s + section.bars_to_change * clock.meter * clock.period_s
        foreseen.append((now_s, change_s, section.change_probability))
    return Told(tuple(began), np.array(foreseen).reshape(-1, 3))


def score_sections(told: Told, form: Form) -> SectionScore:
    """The score of one recording from 8 s on, until the music ends."""
    true = {"drop": form.drops_s, "build": form.builds_s, "break": form.breaks_s, "phrase": form.phrases_s}
    counts = {}
    for what, within_beats in WITHIN_BEATS.items():
        said_s = np.array([time_s for time_s, name in told.began if name == what])
        counts[what] = count_events(said_s, np.array(true[what]), within_beats, form)
    table, sure, sure_right = foreseen_right(told.foreseen, form)
    return SectionScore(counts, table, sure, sure_right, (form.end_s - SCORED_FROM_S) / 60)


def count_events(said_s: np.ndarray, true_s: np.ndarray, within_beats: float, form: Form) -> Counts:
    """Hits of one kind of event; said and true ones [s], both ascending.

    Pairs are made over the whole piece, then what is true (or, without a partner, said) outside of the scored time is
    left out: a beat before its border is no error after it.
    """
    beat_s = beats_at(true_s, form)
    pairs = matched(said_s, true_s, within_beats * beat_s)
    partner = dict(pairs)
    scored = [at for at, t in enumerate(true_s) if SCORED_FROM_S <= t < form.end_s - 1e-6]
    hits = [(said, true) for said, true in pairs if true in set(scored)]
    strays = [at for at, t in enumerate(said_s) if at not in partner and SCORED_FROM_S <= t < form.end_s - _BORDER_S]
    late = tuple(float((said_s[said] - true_s[true]) / beat_s[true]) for said, true in hits)
    return Counts(len(hits), len(hits) + len(strays), len(scored), late)


def beats_at(times_s: np.ndarray, form: Form) -> np.ndarray:
    """Length of a beat [s] at each of the times."""
    middle = (form.beats_s[1:] + form.beats_s[:-1]) / 2
    return np.interp(times_s, middle, np.diff(form.beats_s))


def matched(said_s: np.ndarray, true_s: np.ndarray, within_s: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (said, true) no farther apart than the true one's ``within_s``, each used once; both ascending.

    The earliest said that fits takes the earliest true one, which gives as many pairs as can be.
    """
    pairs, said = [], 0
    for true, t in enumerate(true_s):
        while said < len(said_s) and said_s[said] < t - within_s[true]:
            said += 1
        if said < len(said_s) and said_s[said] <= t + within_s[true]:
            pairs.append((said, true))
            said += 1
    return pairs


def foreseen_right(foreseen: np.ndarray, form: Form) -> tuple[np.ndarray, int, int]:
    """Calibration (10, 3) of the next change, and of the readings above .5: how many, how many right.

    ``foreseen`` (n, 3) as in ``Told``. Right: within a beat of the first true change after the reading. Readings after
    the last change are left out: nobody knows what would have come.
    """
    changes = np.array(form.changes_s)
    now_s, at_s, probability = foreseen.T
    if not len(changes):
        return np.zeros((BINS, 3)), 0, 0
    asked = (now_s >= SCORED_FROM_S) & (now_s < changes[-1])
    asked &= np.abs(now_s[:, None] - changes).min(1) > _BORDER_S
    now_s, at_s, probability = now_s[asked], at_s[asked], probability[asked]
    next_s = changes[np.searchsorted(changes, now_s, side="right")]
    right = np.abs(at_s - next_s) <= CHANGE_BEATS * beats_at(next_s, form)
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    columns = [np.bincount(bins, weights, BINS) for weights in (np.ones(len(bins)), probability, right)]
    return np.stack(columns, axis=1), int((probability > SURE).sum()), int(right[probability > SURE].sum())


def calibration_error(table: np.ndarray) -> float:
    """Expected calibration error of a table (10, 3) (Guo et al. 2017); NaN of none."""
    total = table[:, 0].sum()
    return float(np.abs(table[:, 1] - table[:, 2]).sum() / total) if total else float("nan")


def figures(score: SectionScore) -> dict[str, float]:
    """All figures of a pooled score by name; NaN where there was nothing."""
    told = {f"{what}_f": counts.f for what, counts in score.counts.items()}
    drop = score.counts["drop"]
    readings = score.calibration[:, 0].sum()
    return {
        **told,
        "drop_precision": drop.precision,
        "drop_recall": drop.recall,
        "drop_late_beats": float(np.median(drop.late_beats)) if drop.hits else float("nan"),
        "change_right": score.sure_right / score.sure if score.sure else float("nan"),
        "change_sure_share": score.sure / readings if readings else float("nan"),
        "change_ece": calibration_error(score.calibration),
    }


def per_minute(score: SectionScore, what: str) -> float:
    """How often it was said [1/min]."""
    return score.counts[what].said / score.minutes if score.minutes else float("nan")
