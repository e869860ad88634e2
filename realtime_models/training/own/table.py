"""What was taken in and what was refused, as a table for people."""

from collections import defaultdict
from collections.abc import Sequence

from realtime_models.training.data import FPS
from realtime_models.training.own.intake import Taken

MOST_LINES = 60  #: of the table on the terminal; the file has all


def table(all_taken: Sequence[Taken]) -> list[str]:
    """One line a recording: minutes, style, dancer, what was done to it, or why it was refused."""
    rows = [("recording", "s", "style", "dancer", "")]
    for taken in all_taken:
        styles = ", ".join(sorted({clip.style for clip in taken.clips}))
        who = ", ".join(sorted({subject for subject in taken.subjects if subject})[:3])
        if taken.clips:
            rows.append((taken.name, f"{taken.seconds:.1f}", styles, who or "?", "; ".join(taken.notes)))
        rows += [
            (taken.name, "-", "", "", f"refused: {line.removeprefix(f'{taken.name}: ')}") for line in taken.refused
        ]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True)).rstrip() for row in rows
    ]


def shown(lines: Sequence[str], where: str) -> list[str]:
    """The table as far as a terminal likes it: the head, refusals first, then what fits."""
    if len(lines) <= MOST_LINES:
        return list(lines)
    head, rest = lines[0], lines[1:]
    refused = [line for line in rest if "  refused: " in line]
    kept = [line for line in rest if "  refused: " not in line]
    some = [*refused[: MOST_LINES // 2], *kept][: MOST_LINES - 2]
    return [head, *some, f"... and {len(rest) - len(some)} more in {where}"]


def sums(all_taken: Sequence[Taken]) -> list[str]:
    """Minutes by style and split, and how many were refused."""
    minutes: dict[tuple[str, str], float] = defaultdict(float)
    for taken in all_taken:
        for clip in taken.clips:
            kind = clip.style if clip.is_dance else f"{clip.style} (no dance)"
            minutes[kind, clip.split] += len(clip.root) / FPS / 60
    styles = sorted({style for style, _ in minutes})
    lines = [f"{s}: {minutes[s, 'train']:.1f} min to train on, {minutes[s, 'val']:.1f} min held back" for s in styles]
    clips, refused = sum(len(t.clips) for t in all_taken), sum(len(t.refused) for t in all_taken)
    return [*lines, f"{clips} clips taken in, {refused} refused"]
