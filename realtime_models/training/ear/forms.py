"""Forms: what a song's sections are, how long, and who plays in them."""

from dataclasses import dataclass

import numpy as np

from realtime_models.training.ear.styles import EDM, LOOP, Style


@dataclass(frozen=True)
class Section:
    """A stretch of the form: ``drums`` 0 none, 1 light, 2 full, 3 everything."""

    kind: str
    bars: int
    drums: int
    bass: bool = True
    chords: bool = True
    lead: bool = False


def form_of(style: Style, bars: int, rng: np.random.Generator) -> list[Section]:
    """Sections of at least ``bars`` bars, entered at a random place of the whole form."""
    if style.form == EDM:
        cycle = _club_cycle(rng)
    elif style.form == LOOP:
        unit = int(rng.choice([4, 8]))
        cycle = [
            Section(
                "verse",
                unit,
                int(rng.choice([1, 2, 2, 2, 3])),
                rng.random() < 0.92,
                rng.random() < 0.85,
                rng.random() < 0.6,
            )
            for _ in range(4)
        ]
    else:
        verse, chorus = int(rng.choice([4, 8, 8])), int(rng.choice([4, 8]))
        cycle = [
            Section("intro", int(rng.choice([2, 4])), int(rng.choice([0, 1, 2])), rng.random() < 0.5, True),
            Section("verse", verse, 2, True, rng.random() < 0.9, rng.random() < 0.6),
            Section("chorus", chorus, 3, True, True, rng.random() < 0.85),
            Section("verse", verse, 2, True, True, rng.random() < 0.6),
            Section("chorus", chorus, 3, True, True, True),
        ]
        if rng.random() < 0.55:
            cycle.append(
                Section(
                    "break",
                    int(rng.choice([4, 8])),
                    int(rng.choice([0, 0, 1])),
                    rng.random() < 0.5,
                    True,
                    rng.random() < 0.6,
                )
            )
            cycle.append(Section("chorus", chorus, 3, True, True, True))
    first = int(rng.integers(len(cycle))) if rng.random() < 0.7 else 0
    out: list[Section] = []
    while sum(section.bars for section in out) < bars:
        out.append(cycle[(first + len(out)) % len(cycle)])
    return out


def _club_cycle(rng: np.random.Generator) -> list[Section]:
    drop, rest = int(rng.choice([8, 8, 16])), int(rng.choice([4, 8, 8]))
    rise = int(rng.choice([2, 4, 4, 8]))
    cycle = [
        Section("intro", int(rng.choice([4, 8])), int(rng.choice([1, 2])), rng.random() < 0.4, rng.random() < 0.4),
        Section("groove", int(rng.choice([4, 8])), 2, True, rng.random() < 0.5, False),
        Section("break", rest, int(rng.choice([0, 0, 0, 1])), rng.random() < 0.25, True, rng.random() < 0.6),
    ]
    if rng.random() < 0.85:
        cycle.append(Section("build", rise, 0, rng.random() < 0.3, rng.random() < 0.8, rng.random() < 0.5))
    cycle.append(Section("drop", drop, 3, True, rng.random() < 0.85, rng.random() < 0.7))
    if rng.random() < 0.5:
        cycle.append(Section("groove", 8, 2, True, True, False))
    return cycle
