"""Make a checkpoint small enough to send; training goes on from it without momentum.

python -m realtime_models.training.own.compact runs/studio/generator.pt small.pt
"""

import argparse
import sys
from pathlib import Path

from engine.errors import ConfigError
from realtime_models.training import checkpoint


def main(argv: list[str] | None = None) -> int:
    """Exit code 0, or 2 when there is no such checkpoint or something is in the way."""
    parser = argparse.ArgumentParser(prog="python -m realtime_models.training.own.compact", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("small", type=Path)
    args = parser.parse_args(argv)
    try:
        if args.small.exists():
            raise ConfigError(f"{args.small} is there already; name a new file")
        checkpoint.save(args.small, checkpoint.compact(checkpoint.load(args.checkpoint)))
    except ConfigError as error:
        print(f"compact: {error}", file=sys.stderr)
        return 2
    before, after = (path.stat().st_size / 1e6 for path in (args.checkpoint, args.small))
    print(f"{args.small}: {after:.1f} MB, was {before:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
