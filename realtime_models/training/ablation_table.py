"""Ablations as a page: a table for each budget, means over seeds and how far seeds lie apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

HEAD = """# Ablations

    CORYBANT_DATA=../shared python -m realtime_models.training.ablate --tokeniser T --songs DIR --arms ... \
--out docs/ablations.json

Every arm has the same budget and differs from the first network in what it is named after; see `ARMS` in
`realtime_models/training/ablate.py`. Mean over seeds ± their standard deviation. Losses are cross entropies of tokens
of held-out dancers under random masks; the rest is measured by the judge on a few short songs that no other figure is
taken on. A difference smaller than the spread of seeds is none.
"""
#: figure: (title, digits)
COLUMNS = {
    "val_coarse": ("loss, first token ↓", 3),
    "val_fine": ("loss, second ↓", 3),
    "val_hit": ("hits ↑", 3),
    "R": ("R ↑", 2),
    "lag_s": ("lag [s]", 3),
    "energy_r": ("energy of music and body ↑", 2),
    "kernel_kinetic": ("kernel distance, kinetic ↓", 2),
    "kernel_geometric": ("geometric ↓", 2),
    "speed_m_s": ("speed [m/s]", 2),
    "jerk_per_speed_hz2": ("jerk by speed [1/s²] ↓", 0),
    "slide_m_s": ("slide [m/s] ↓", 3),
    "million_weights": ("weights [million]", 2),
}


def cell(values: Sequence[float | None], digits: int) -> str:
    """Mean and spread; – where nobody has a value."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean = f"{np.mean(known):.{digits}f}"
    return mean if len(known) < 2 else f"{mean} ± {np.std(known, ddof=1):.{digits}f}"


def markdown(lines: Sequence[Mapping[str, Any]]) -> str:
    """The page of lines (arm, seed, budget, figures)."""
    budgets = dict.fromkeys(line["budget"] for line in lines)
    tables = [f"## {name}\n\n{table([line for line in lines if line['budget'] == name])}" for name in budgets]
    return "\n".join([HEAD, *tables])


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """One budget, arms in the order in which they came."""
    shown = [key for key in COLUMNS if any(line["figures"].get(key) is not None for line in lines)]
    rows = [("arm", "seeds", *(COLUMNS[key][0] for key in shown)), ("---",) * (2 + len(shown))]
    for arm in dict.fromkeys(line["arm"] for line in lines):
        own = [line["figures"] for line in lines if line["arm"] == arm]
        rows.append((arm, str(len(own)), *(cell([f.get(key) for f in own], COLUMNS[key][1]) for key in shown)))
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
