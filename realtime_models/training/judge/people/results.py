"""Votes and key joined: who wins against whom, and how sure that is. Pure; nothing is said where nobody has voted.

A win rate is (wins + ties / 2) / votes: "cannot tell" is half a win for both. Its interval is, at each end, the wider
of

- a bootstrap over whole raters and whole songs at once (each drawn with replacement, a vote weighs the product of its
  rater's and its song's count; Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1), and
- Wilson's interval of a proportion (Wilson 1927), as if votes were independent: a bootstrap of few equal votes has no
  width at all, and with one rater and one song there is nothing to draw from.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from realtime_models.training.judge.intervals import Interval
from realtime_models.training.judge.people.folder import FROZEN
from realtime_models.training.judge.people.votes import Choice, Vote, last_of_each

NOT_YET = "not yet judged"
Z95 = 1.959964  #: of the normal distribution, two-sided 95 %


@dataclass(frozen=True, slots=True)
class PairCell:
    """One system against another, from the first one's side."""

    system: str
    other: str
    wins: int = 0
    ties: int = 0
    losses: int = 0
    raters: int = 0
    songs: int = 0
    win_rate: Interval | None = None  #: 0 to 1; None = not yet judged
    wilson: Interval | None = None
    bootstrap: Interval | None = None  #: None also with one rater and one song

    @property
    def votes(self) -> int:
        return self.wins + self.ties + self.losses

    @property
    def text(self) -> str:
        """As it stands in a table: ``62 % [48, 74], n = 40``, or that nobody has judged yet."""
        if self.win_rate is None:
            return NOT_YET
        value, low, high = (100 * x for x in (self.win_rate.value, self.win_rate.low, self.win_rate.high))
        return f"{value:.0f} % [{low:.0f}, {high:.0f}], n = {self.votes}"


@dataclass(frozen=True, slots=True)
class Attention:
    """How one rater did where one of the two bodies was frozen."""

    rater: str
    asked: int
    failed: int  #: chose the frozen pose, or could not tell


@dataclass(frozen=True, slots=True)
class Results:
    """All that the votes say."""

    ours: str
    systems: tuple[str, ...]
    cells: dict[tuple[str, str], PairCell]  #: every ordered pair of systems
    attention: tuple[Attention, ...]
    votes: int  #: counted, attention checks left out
    replaced: int  #: earlier votes of a rater on the same pair, not counted
    foreign: int  #: votes on names that the key does not hold

    def against(self) -> list[PairCell]:
        """Ours against each other system."""
        return [self.cells[self.ours, other] for other in self.systems if other != self.ours]


@dataclass(frozen=True, slots=True)
class _Scored:
    """A vote from the side of one system of a pair."""

    rater: str
    song: str
    score: float  #: 1 won, 0.5 tie, 0 lost


def results(votes: Iterable[Vote], key: Mapping[str, Any], *, draws: int = 2000, seed: int = 0) -> Results:
    """Join votes with the sealed key: cells of all pairs of systems, in both directions."""
    votes = list(votes)
    clips, systems = key["clips"], tuple(key["systems"])
    known = [v for v in votes if v.left in clips and v.right in clips]
    final = last_of_each(known)
    scored: dict[tuple[str, str], list[_Scored]] = {}
    asked, failed = Counter[str](), Counter[str]()
    for vote in final:
        left, right = clips[vote.left]["system"], clips[vote.right]["system"]
        if FROZEN in (left, right):
            asked[vote.rater] += 1
            failed[vote.rater] += vote.choice != (Choice.RIGHT if left == FROZEN else Choice.LEFT)
            continue
        score = {Choice.LEFT: 1.0, Choice.TIE: 0.5, Choice.RIGHT: 0.0}[vote.choice]
        song = clips[vote.left]["song"]
        scored.setdefault((left, right), []).append(_Scored(vote.rater, song, score))
        scored.setdefault((right, left), []).append(_Scored(vote.rater, song, 1 - score))
    cells = {}
    for a, b in combinations(systems, 2):
        for pair in ((a, b), (b, a)):
            cells[pair] = _cell(*pair, scored.get(pair, []), draws, seed)
    return Results(
        ours=key["ours"],
        systems=systems,
        cells=cells,
        attention=tuple(Attention(rater, asked[rater], failed[rater]) for rater in sorted(asked)),
        votes=len(final) - asked.total(),
        replaced=len(known) - len(final),
        foreign=len(votes) - len(known),
    )


def wilson(rate: float, n: int) -> Interval:
    """Wilson's 95 % interval of a share ``rate`` of n votes; n of 1 or more."""
    centre = (rate + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * np.sqrt(rate * (1 - rate) / n + Z95**2 / (4 * n**2))
    return Interval(rate, max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def pigeonhole(scores: np.ndarray, raters: np.ndarray, songs: np.ndarray, draws: int, seed: int) -> Interval | None:
    """95 % of the mean of scores (n,) under redrawn raters (n,) and songs (n,) (numbers from 0); None without a choice.

    A dimension with one member only is kept as it is. Draws in which no vote is left are drawn again.
    """
    sizes = int(raters.max()) + 1, int(songs.max()) + 1
    if max(sizes) == 1:
        return None
    rng = np.random.default_rng(seed)
    means: list[np.ndarray] = []
    missing = draws
    while missing > 0:
        weight = np.ones((missing, len(scores)))
        for size, member in zip(sizes, (raters, songs), strict=True):
            weight *= rng.multinomial(size, np.full(size, 1 / size), size=missing)[:, member]
        total = weight.sum(axis=1)
        means.append((weight @ scores)[total > 0] / total[total > 0])
        missing -= len(means[-1])
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return Interval(float(scores.mean()), float(low), float(high))


def _cell(system: str, other: str, scored: list[_Scored], draws: int, seed: int) -> PairCell:
    if not scored:
        return PairCell(system, other)
    scores = np.array([s.score for s in scored])
    rater_names, raters = np.unique([s.rater for s in scored], return_inverse=True)
    song_names, songs = np.unique([s.song for s in scored], return_inverse=True)
    plain = wilson(float(scores.mean()), len(scores))
    drawn = pigeonhole(scores, raters, songs, draws, seed)
    both = [plain, *([drawn] if drawn else [])]
    return PairCell(
        system,
        other,
        wins=int((scores == 1).sum()),
        ties=int((scores == 0.5).sum()),
        losses=int((scores == 0).sum()),
        raters=len(rater_names),
        songs=len(song_names),
        win_rate=Interval(plain.value, min(i.low for i in both), max(i.high for i in both)),
        wilson=plain,
        bootstrap=drawn,
    )


def text(found: Results, *, damaged: int = 0, rater_names: Mapping[str, str] | None = None) -> str:
    """The report that the command prints."""
    width = max(len(s) for s in found.systems) + 2
    head = f"{'':{width}} {'wins':>5} {'ties':>5} {'lost':>5} {'raters':>7} {'songs':>6}   win rate [95 %]"
    lines = [f"Which dances better to the music? {found.ours} against", "", head]
    lines += [_row(cell, cell.other, width) for cell in found.against()]
    rest = [s for s in found.systems if s != found.ours]
    if len(rest) > 1:
        lines += ["", "the others among themselves", ""]
        both = 2 * width
        lines += [_row(found.cells[a, b], f"{a} against {b}", both) for a, b in combinations(rest, 2)]
    lines += ["", "Win rate: (wins + ties / 2) / votes; a tie is 'cannot tell'."]
    if found.votes:
        lines.append(
            "Interval: the wider of a bootstrap over raters and songs and of Wilson's (in brackets at the end: Wilson)."
        )
    lines += ["", *_attention(found, rater_names or {}), *_losses(found, damaged)]
    return "\n".join(lines) + "\n"


def _row(cell: PairCell, title: str, width: int) -> str:
    if cell.win_rate is None or cell.wilson is None:
        return f"{title:{width}} {NOT_YET}"
    rate, plain = cell.win_rate, cell.wilson
    return (
        f"{title:{width}} {cell.wins:5d} {cell.ties:5d} {cell.losses:5d} {cell.raters:7d} {cell.songs:6d}   "
        f"{100 * rate.value:.0f} % [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"
        f"  (Wilson [{100 * plain.low:.0f}, {100 * plain.high:.0f}])"
    )


def _attention(found: Results, names: Mapping[str, str]) -> list[str]:
    if not found.attention:
        return [f"Attention checks (a dance beside a frozen pose): {NOT_YET}."]
    asked, failed = (sum(getattr(a, field) for a in found.attention) for field in ("asked", "failed"))
    lines = [f"Attention checks (a dance beside a frozen pose): {failed} of {asked} failed; nobody is left out for it."]
    lines += [f"  {names.get(a.rater) or a.rater}: {a.failed} of {a.asked} failed" for a in found.attention if a.failed]
    return lines


def _losses(found: Results, damaged: int) -> list[str]:
    said = {
        "votes replaced by a later one of the same rater on the same pair (the last one counts)": found.replaced,
        "votes on dances that this key does not hold, not counted": found.foreign,
        "damaged lines in the log, not counted": damaged,
    }
    return [f"{count} {what}." for what, count in said.items() if count]
