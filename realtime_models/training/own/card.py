"""The model card of one's own dancer: what it is, what it learnt from and by which right, how well it does."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from realtime_models.spec import ModelSpec
from realtime_models.training.data import FPS
from realtime_models.training.own.config import OwnConfig
from realtime_models.training.own.intake import Taken


def model_card(config: OwnConfig, spec: ModelSpec, taken: Sequence[Taken], drums: str, work: Path) -> str:
    """The page, in Markdown."""
    sources = [
        f"| {folder.path} | {folder.licence} | {folder.credit or '-'} | {'dance' if folder.dance else 'no dance'} |"
        for folder in config.motion
    ]
    minutes: dict[str, float] = defaultdict(float)
    for one in taken:
        for clip in one.clips:
            minutes[clip.style] += len(clip.root) / FPS / 60
    styles = [f"| {style} | {minutes[style]:.1f} |" for style in sorted(minutes)]
    figures = [f"| {name} | {last(work / f'{name}.jsonl')} |" for name in ("tokeniser", "generator")]
    return "\n".join(
        [
            f"# Model card: {config.name}",
            "",
            "A streaming masked token model that dances to predicted beats, trained with Corybant on motion of its",
            f"maker's own. Full-body motion, 22 joints, 30 frames a second. Styles: {', '.join(spec.styles[1:])}.",
            "",
            "## What it learnt from",
            "",
            "| recordings | licence | credit | what |",
            "| --- | --- | --- | --- |",
            *sources,
            "",
            "A checkpoint may be passed on under terms that every licence in this table allows; the strictest decides.",
            "",
            "| style | minutes |",
            "| --- | --- |",
            *styles,
            "",
            "The motion had no music: beats were fitted to it, and drum strokes laid on them.",
            drums[:1].upper() + drums[1:] + ".",
            "",
            "## The last figures of its training",
            "",
            "| network | |",
            "| --- | --- |",
            *figures,
            "",
            f"Sampling: guidance {spec.guidance:g}, temperature {spec.temperature:g}, {spec.refine_steps} rounds, lag "
            f"{1000 * spec.lag_s:.0f} ms.",
            "",
            "## To be filled in by its maker",
            "",
            "Who dances, and did they agree to this use? What must it not be used for? How was it judged",
            "(`make evaluate`), by whom was it watched?",
            "",
        ]
    )


def last(curves: Path) -> str:
    """The last line of curves in words."""
    try:
        row = json.loads(curves.read_text(encoding="utf-8").splitlines()[-1])
    except (OSError, IndexError, ValueError):
        return "no figures kept"
    return ", ".join(f"{name} {value:.4g}" for name, value in row.items())
