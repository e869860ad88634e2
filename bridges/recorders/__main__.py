"""``python -m bridges.recorders TAKE --bvh OUT.bvh ...``: files out of a take, or of a recording that was cut off.

TAKE is a take folder, finished or not, or the ``.part`` of an ``--out bvh=...``. Prints one line a file. Exit code 0; 2
on a wrong argument, in one line and before anything is written; 1 when the disk fails.
"""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np

from bridges.recorders.clip import Clip, sampled
from bridges.recorders.formats import FORMATS, check_new_file, write_file
from bridges.recorders.spill import read_spill
from engine.errors import ConfigError, TakeError
from engine.replay import read_take
from engine.types import POSE_HZ


class _OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line and leaves the exit to the caller."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see --help")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="python -m bridges.recorders",
        description="Motion files out of a take, or of the .part of a recording that was cut off.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("take", metavar="TAKE", help="a take folder, or FILE.part")
    for kind, form in FORMATS.items():
        add(f"--{kind}", metavar=f"OUT{form.suffix}", help=f"write {form.title}")
    add("--fps", type=float, default=float(POSE_HZ), metavar="N", help=f"frames a second ({POSE_HZ})")
    add("--start", type=float, metavar="S", help="from S seconds of the stream on")
    add("--seconds", type=float, metavar="S", help="at most S seconds")
    add("--dancer", type=int, default=1, metavar="N", help="which dancer of the take (1)")
    return parser


def read_poses(source: Path, dancer: int = 1) -> Clip:
    """The poses of one dancer of a take folder, or of a ``.part``. Raises ConfigError, one line."""
    if not source.exists():
        raise ConfigError(f"there is no {source}; name a take folder or a recording's .part")
    if source.is_file():
        if dancer != 1:
            raise ConfigError(f"{source} is of one dancer, not {dancer}")
        return read_spill(source)
    take = read_take(source)
    try:
        records = take.poses()
    except (OSError, ValueError, KeyError) as error:
        raise TakeError(f"{source} is a damaged take: {' '.join(str(error).split())}") from error
    if records is None or not len(records):
        raise TakeError(f"{source} holds no poses; record one without --listen-only")
    dancers = records["root"].shape[1]
    if not 1 <= dancer <= dancers:
        raise ConfigError(f"--dancer is 1 to {dancers} in {source}, not {dancer}")
    return Clip(
        np.ascontiguousarray(records["frame"]), records["root"][:, dancer - 1], records["rotations"][:, dancer - 1]
    )


def outputs_of(asked: argparse.Namespace) -> dict[str, Path]:
    """Kind -> file of every output asked for, checked. Raises ConfigError."""
    outputs = {kind: Path(getattr(asked, kind)) for kind in FORMATS if getattr(asked, kind)}
    if not outputs:
        raise ConfigError(f"nothing to write: give {', '.join(f'--{kind}' for kind in FORMATS)}")
    for kind, path in outputs.items():
        check_new_file(path, kind, f"--{kind} {path}")
        if list(outputs.values()).count(path) > 1:
            raise ConfigError(f"two outputs are called {path}")
    return outputs


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    try:
        asked = _parser().parse_args(argv)
        outputs = outputs_of(asked)
        clip = sampled(read_poses(Path(asked.take), asked.dancer), asked.fps, asked.start, asked.seconds)
        for kind, path in outputs.items():
            write_file(clip, kind, path)
            print(_line(kind, path, clip))
    except ConfigError as error:
        print(f"recorders: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"recorders: {error}", file=sys.stderr)
        return 1
    return 0


def _line(kind: str, path: Path, clip: Clip) -> str:
    said = f"{path}: {FORMATS[kind].title}, {clip.frames} frames at {clip.fps:g} a second, {clip.seconds:.3f} s"
    filled = f", {clip.missing} poses were missing and are interpolated" if clip.missing else ""
    return f"{said}, from {clip.start_s:.3f} s of the stream{filled}"


if __name__ == "__main__":
    sys.exit(main())
