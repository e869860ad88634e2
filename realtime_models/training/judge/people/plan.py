"""Who is shown beside whom, on which side and in which order. Pure: all chance comes from a generator handed in.

No dance is seen twice in a session, or the system that meets all others would be known by its repetitions. So each
excerpt of a song is danced by all systems in disjoint pairs: one round of a round-robin tournament (the circle method).
With four systems there are three rounds; a session plays each of them on equally many excerpts, half of those with the
sides exchanged. So in every single session each system stands as often on the left of each other one as on its right,
and meets it as often as any third does. Sessions come in sets: over a set every excerpt plays every round both ways.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Shown:
    """One question: two dances to one excerpt. ``check`` says which side holds a frozen pose, "" = neither."""

    excerpt: int  #: index into the excerpts
    left: int  #: index of a system
    right: int
    check: str = ""  #: "", "left" or "right"


def rounds(systems: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Rounds of disjoint pairs in which each of n systems meets each other once: n - 1 rounds, n when n is odd."""
    if systems < 2:
        raise ConfigError(f"{systems} system to be compared; give the dances of two or more")
    seats: list[int] = [*range(systems), *([-1] if systems % 2 else [])]
    played = []
    for _ in range(len(seats) - 1):
        half = len(seats) // 2
        pairs = zip(seats[:half], reversed(seats[half:]), strict=True)
        played.append(tuple((min(a, b), max(a, b)) for a, b in pairs if -1 not in (a, b)))
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return tuple(played)


def balanced_count(systems: int, at_most: int) -> int:
    """The largest number of excerpts, up to ``at_most``, with which sides balance exactly; ConfigError when none."""
    least = 2 * len(rounds(systems))
    if at_most < least:
        raise ConfigError(
            f"{at_most} excerpts for {systems} systems; sides balance from {least} on: "
            "give more or longer songs, or ask for shorter excerpts"
        )
    return at_most // least * least


def sessions(
    systems: int, songs: Sequence[str], count: int, checks: Sequence[tuple[int, int]], rng: np.random.Generator
) -> list[list[Shown]]:
    """``count`` sessions over excerpts (one song name each), every one in an order of its own.

    ``checks`` are (excerpt, system) pairs, an even number: that dance stands beside itself frozen, half of them on each
    side. The number of excerpts must be one of ``balanced_count``.
    """
    tournament = rounds(systems)
    if not songs or len(songs) % (2 * len(tournament)):
        raise ConfigError(f"{len(songs)} excerpts cannot be balanced; use balanced_count")
    if len(checks) % 2:
        raise ConfigError(f"{len(checks)} attention checks; an even number stands equally often on both sides")
    made: list[list[Shown]] = []
    while len(made) < count:
        swaps = [_sides(len(songs), tournament, shift, rng) for shift in range(len(tournament))]
        for again in (False, True):
            for shift, swap in enumerate(swaps):
                pairs = [
                    Shown(e, *((b, a) if swap[e][p] ^ again else (a, b)))
                    for e in range(len(songs))
                    for p, (a, b) in enumerate(tournament[(e + shift) % len(tournament)])
                ]
                made.append(_in_order(pairs, songs, _checks(checks, rng), rng))
    return made[:count]


def _sides(excerpts: int, tournament: tuple, shift: int, rng: np.random.Generator) -> dict[int, np.ndarray]:
    """For each excerpt and pair of its round, whether sides are exchanged: exactly half of the excerpts of a round."""
    swap: dict[int, np.ndarray] = {}
    for k, pairs in enumerate(tournament):
        mine = [e for e in range(excerpts) if (e + shift) % len(tournament) == k]
        halves = np.arange(len(mine)) % 2 == 0
        columns = np.stack([rng.permutation(halves) for _ in pairs], axis=1)
        swap |= dict(zip(mine, columns, strict=True))
    return swap


def _checks(checks: Sequence[tuple[int, int]], rng: np.random.Generator) -> list[Shown]:
    sides = rng.permutation(["left", "right"] * (len(checks) // 2))
    return [Shown(e, s, s, str(side)) for (e, s), side in zip(checks, sides, strict=True)]


def _in_order(pairs: list[Shown], songs: Sequence[str], checks: list[Shown], rng: np.random.Generator) -> list[Shown]:
    """Shuffled so that a song is not heard twice in a row where that can be had; checks spread, never first."""
    left = [pairs[k] for k in rng.permutation(len(pairs))]
    order: list[Shown] = []
    while left:
        remaining = Counter(songs[s.excerpt] for s in left)
        last = songs[order[-1].excerpt] if order else None
        free = {song: n for song, n in remaining.items() if song != last} or remaining
        most = max(free.values())
        # A song that is most of what is left must come now, or it comes twice in a row at the end.
        wanted = {song for song, n in free.items() if n == most} if 2 * most >= len(left) else set(free)
        order.append(left.pop(next(k for k, s in enumerate(left) if songs[s.excerpt] in wanted)))
    places = np.linspace(1, len(order), len(checks) + 1)
    for k in reversed(range(len(checks))):
        order.insert(int(rng.integers(int(places[k]), int(places[k + 1]) + 1)), checks[k])
    return order
