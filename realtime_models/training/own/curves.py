"""The curves of both trainings as one picture, ``OUT/curves.png``."""

import json
from pathlib import Path

#: network -> panels of (title, unit, figures drawn together)
PANELS = {
    "tokeniser": (
        ("joint error, held back", "mm", ("mm", "mm_first_token")),
        ("use of the codes (perplexity)", "codes", ("perplexity",)),
        ("losses", "", ("feature", "position", "velocity")),
    ),
    "generator": (
        ("first token: cross entropy", "nats", ("coarse", "val_coarse")),
        ("refining token: cross entropy", "nats", ("fine", "val_fine")),
        ("first token guessed right", "share", ("hit", "val_hit")),
    ),
}


def read_curves(path: Path) -> list[dict[str, float]]:
    """Rows of a .jsonl, without a last line that a kill cut short."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def draw_curves(work: Path) -> Path:
    """Write ``curves.png`` beside the curves."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(14, 7))
    for (network, panels), line in zip(PANELS.items(), axes, strict=True):
        rows = read_curves(work / f"{network}.jsonl")
        for (title, unit, names), axis in zip(panels, line, strict=True):
            for name in names:
                points = [(row["step"], row[name]) for row in rows if name in row]
                if points:
                    axis.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 30 else "")
            axis.set(title=f"{network}: {title}", xlabel="step", ylabel=unit)
            axis.grid(alpha=0.3)
            if axis.lines:
                axis.legend()
    figure.tight_layout()
    figure.savefig(work / "curves.png", dpi=80)
    pyplot.close(figure)
    return work / "curves.png"
