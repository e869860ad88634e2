"""The work folder of a training: what the finished steps noted, and what a step may do to the world beside it."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from realtime_models.training.progress import Progress

TOKENISER, GENERATOR = "tokeniser.pt", "generator.pt"


class Stopped(Exception):
    """Somebody asked to end; everything done so far is kept."""


@dataclass(frozen=True, slots=True)
class Edges:
    """What a step may do to the world beside its own folder."""

    say: Callable[[str], None]
    progress: Callable[[str], Progress]  #: a bar of this label
    stop: Callable[[], bool]

    def each(self, label: str, items: Sequence[Any]) -> Iterable[Any]:
        """The items, with a bar; raises Stopped between two of them."""
        bar = self.progress(label)
        for k, item in enumerate(items):
            if self.stop():
                raise Stopped
            bar.tell(k / len(items), f"{k} of {len(items)}")
            yield item
        bar.end(f"{len(items)} of {len(items)}")


def kept(work: Path) -> dict[str, Any]:
    """What the finished steps noted."""
    try:
        return json.loads((work / "steps.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigError(f"{work / 'steps.json'} is damaged: remove it and run again") from error


def keep(work: Path, **notes: Any) -> None:
    """Note that a step is done."""
    part = work / "steps.json.part"
    part.write_text(json.dumps(kept(work) | notes, indent=1), encoding="utf-8")
    part.replace(work / "steps.json")


def refuse_if_trained(work: Path, name: str, why: str) -> None:
    """Never throw away hours of training. Raises ConfigError."""
    if (work / name).exists():
        raise ConfigError(f"{why} since {work / name} was trained: name another out, or remove that file to train anew")
