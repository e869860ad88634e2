"""Drum notes from patterns: grooves with variation, fills, rolls, builds, and a drummer's unevenness."""

import numpy as np

from realtime_models.training.ear.score import Note

STRENGTH = {"X": 1.0, "x": 0.8, "o": 0.55, "g": 0.3, "?": 0.5, "r": 0.6}


def strokes(pattern: str, role: str, start: float, beats: int, steps: int, rng: np.random.Generator) -> list[Note]:
    """The pattern repeated over ``beats`` beats from ``start``; see ``styles`` for its letters."""
    notes = []
    for step in range(beats * steps):
        letter = pattern[step % len(pattern)]
        if letter == "." or (letter == "?" and rng.random() > 0.4) or (letter == "g" and rng.random() < 0.12):
            continue
        at, level = start + step / steps, STRENGTH[letter]
        if letter == "r":
            count = int(rng.choice([2, 3, 4], p=[0.6, 0.2, 0.2]))
            notes += [Note(at + k / steps / count, 0.1, role, level * (0.8 + 0.1 * k)) for k in range(count)]
        else:
            notes.append(Note(at, 0.2, role, level * float(rng.uniform(0.9, 1.0))))
    return notes


def varied(groove: dict[str, str], steps: int, rng: np.random.Generator, amount: float) -> dict[str, str]:
    """A groove with a few kicks, ghosts and percussion strokes moved, dropped or added; the first beat mostly stays."""
    out = {}
    for role, pattern in groove.items():
        letters = list(pattern)
        for step, letter in enumerate(letters):
            loud = letter in "Xx"
            if loud and role not in ("snare", "clap") and rng.random() < 0.06 * amount and step % len(letters):
                letters[step] = "."
            elif letter == "." and role in ("kick", "rim", "snare") and rng.random() < 0.03 * amount and step % steps:
                letters[step] = "o" if role == "kick" else "g"
            elif letter in "og" and rng.random() < 0.1 * amount:
                letters[step] = str(rng.choice(["x", "."]))
        out[role] = "".join(letters)
    return out


def fill(start: float, beats: int, steps: int, rng: np.random.Generator) -> list[Note]:
    """A fill over the last ``beats`` beats before a section: snare and toms, denser towards the end."""
    roles = ["snare", "tom1", "tom2", "tom3"] if rng.random() < 0.7 else ["snare"]
    notes, total = [], beats * steps
    for step in range(total):
        if rng.random() < 0.45 + 0.45 * step / total:
            role = roles[min(len(roles) - 1, step * len(roles) // total)]
            notes.append(Note(start + step / steps, 0.2, role, float(rng.uniform(0.55, 1.0))))
        if step % steps == 0 and rng.random() < 0.5:
            notes.append(Note(start + step / steps, 0.2, "kick", 0.7))
    return notes


def build(start: float, beats: int, rng: np.random.Generator, role: str) -> list[Note]:
    """A roll that doubles its rate on the way to the drop and gets louder: quarters, eighths, sixteenths, 32nds."""
    notes = []
    rates = [1, 2, 4, 8] if beats >= 16 or rng.random() < 0.5 else [2, 4, 8]
    part = beats / len(rates)
    if rng.random() < 0.25:
        rates = [4] * len(rates)
    for k, rate in enumerate(rates):
        first, last = start + k * part, start + (k + 1) * part
        count = round((last - first) * rate)
        notes += [
            Note(first + j / rate, 0.2, role, 0.35 + 0.6 * (first + j / rate - start) / beats) for j in range(count)
        ]
    return notes


def humanised(notes: list[Note], rng: np.random.Generator, amount_s: float) -> list[Note]:
    """A player's place beside the grid: an own habit (small) and unevenness, both gone at ``amount_s`` 0."""
    if amount_s <= 0:
        return notes
    habit: dict[int | str, float] = {}
    out = []
    for note in notes:
        lean = (
            habit.setdefault(note.pitch, float(rng.normal(0, 0.3 * amount_s))) if isinstance(note.pitch, str) else 0.0
        )
        late_s = lean + float(np.clip(rng.normal(0, amount_s), -2.5 * amount_s, 2.5 * amount_s))
        out.append(note._replace(late_s=late_s, strength=note.strength * float(rng.uniform(0.85, 1.0))))
    return out


def swung(at: float, place: float, unit: float, knot: float = 0.5) -> float:
    """Beat position with the share ``knot`` of every ``2 * unit`` beats moved to ``place`` of it.

    ``unit`` 0.5 swings eighths, 0.25 sixteenths; written in threes the second note stands at ``knot`` 2/3. Positions
    keep their order; beats stay where they are.
    """
    whole = np.floor(at / (2 * unit) + 1e-9) * 2 * unit
    share = max(0.0, (at - whole) / (2 * unit))
    moved = share / knot * place if share < knot else place + (share - knot) / (1 - knot) * (1 - place)
    return float(whole + moved * 2 * unit)
