"""From recordings to a dancer on stage, in one command.

    python -m realtime_models.training.own.train studio.toml
    torchrun --standalone --nproc-per-node 2 -m realtime_models.training.own.train studio.toml

Kill it when you like and run it again: it goes on. The finished dancer is OUT/weights:
``corybant --demo --weights runs/studio/weights``. docs/training.md leads through it.
"""

import argparse
import signal
import sys
import time
from pathlib import Path

import torch

from engine.errors import ConfigError, CorybantError
from realtime_models.training.loop import join_processes, wait_for_all
from realtime_models.training.own import material, steps
from realtime_models.training.own.config import OwnConfig, read_config
from realtime_models.training.own.curves import draw_curves
from realtime_models.training.own.work import Edges, Stopped
from realtime_models.training.progress import Progress

STOPPED = 130  #: exit code when asked to end


def train(config: OwnConfig, edges: Edges, *, first: bool) -> Path | None:
    """All steps; the weights folder in the first process, None in the others. Raises ConfigError, Stopped."""
    parts = []
    if first:
        config.work.mkdir(parents=True, exist_ok=True)
        parts = material.scrub(config, material.gather(config, edges), edges)
        material.make_bank(config, parts, edges)
    wait_for_all()
    steps.learn_tokeniser(config, edges)
    if first:
        with torch.device("cpu"):
            steps.tokenise(config, edges)
    wait_for_all()
    steps.learn_generator(config, edges)
    if not first:
        return None
    draw_curves(config.work)
    with torch.device("cpu"):
        return steps.ship(config, parts, edges)


def asked_to_stop() -> "list[int]":
    """A list that fills when Ctrl-C or a termination arrives; a second one ends at once."""
    asked: list[int] = []

    def note(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return asked


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when the dancer is there, 2 on a wrong configuration, 1 on a failure, 130 when asked to end."""
    parser = argparse.ArgumentParser(
        prog="python -m realtime_models.training.own.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml")
    args = parser.parse_args(argv)
    try:
        config = read_config(args.config)
        rank, _ = join_processes(config.threads)
        asked = asked_to_stop()
        edges = Edges(
            say=lambda line: print(line, file=sys.stderr, flush=True),
            progress=lambda label: Progress(label, sys.stderr, time.monotonic),
            stop=lambda: bool(asked),
        )
        folder = train(config, edges, first=rank == 0)
        if folder:
            print(folder)
        return 0
    except Stopped:
        print("train: ended as asked; run the same command to go on", file=sys.stderr)
        return STOPPED
    except ConfigError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    except CorybantError as error:
        print(f"train: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
