"""A forward filter over something that comes round: beats in a bar, bars in a phrase. Pure: belief in, belief out.

The belief is a probability over (length, position). At every step all positions move on by one; at the end of a round
the length may change a little, and a small share of the belief starts anew anywhere, so that no error lasts (the bar
part of the bar pointer model, Whiteley et al. 2006, on a grid of beats as in Durand et al. 2016).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cycle:
    """What is known beforehand: possible lengths, how usual each is, and how often things change."""

    lengths: tuple[int, ...]
    usual: tuple[float, ...]  #: probability of each length when nothing is known
    change: float  #: probability that a round is followed by one of another length
    astray: float  #: share of the belief that starts anew at each step

    def __post_init__(self) -> None:
        lengths = np.array(self.lengths)
        first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        row = np.repeat(np.arange(len(lengths)), lengths)
        usual = np.array(self.usual) / np.sum(self.usual)
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "row", row)
        object.__setattr__(self, "position", np.arange(len(row)) - first[row])
        object.__setattr__(self, "prior", (usual / lengths)[row])
        object.__setattr__(self, "usually", usual)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a belief says we are."""

    length: int
    position: int  #: 0..length - 1 steps since the round began
    probability: float  #: 0..1 of this position, whatever the length


def advance(cycle: Cycle, belief: np.ndarray) -> np.ndarray:
    """One step on."""
    last = cycle.first + np.array(cycle.lengths) - 1
    ended = belief[last]
    moved = np.roll(belief, 1)
    moved[cycle.first] = (1.0 - cycle.change) * ended + cycle.change * ended.sum() * cycle.usually
    return (1.0 - cycle.astray) * moved + cycle.astray * cycle.prior


def weigh(cycle: Cycle, belief: np.ndarray, log_odds: float) -> np.ndarray:
    """After evidence that a round begins at this step: the logarithm of how much likelier it is if one does."""
    weighed = belief * np.where(cycle.position == 0, np.exp(log_odds), 1.0)
    return weighed / weighed.sum()


def loosen(cycle: Cycle, belief: np.ndarray, share: float) -> np.ndarray:
    """After something that may have moved the grid: ``share`` (0..1) of the belief starts anew."""
    return (1.0 - share) * belief + share * cycle.prior


def place(cycle: Cycle, belief: np.ndarray, before: int = 0, stay: float = 1.0) -> Place:
    """The likeliest length (``before`` unless another is ``stay`` times as likely) and its likeliest position."""
    shares = np.add.reduceat(belief, cycle.first)
    best = int(shares.argmax())
    if before in cycle.lengths:
        kept = cycle.lengths.index(before)
        best = best if shares[best] > stay * shares[kept] else kept
    length, first = cycle.lengths[best], cycle.first[best]
    position = int(belief[first : first + length].argmax())
    return Place(length, position, float(belief[cycle.position == position].sum()))


def begins_in(cycle: Cycle, belief: np.ndarray, steps: int) -> float:
    """Probability that a round begins ``steps`` steps from now."""
    lengths = np.array(cycle.lengths)[cycle.row]
    return float(belief[(cycle.position + steps) % lengths == 0].sum())
