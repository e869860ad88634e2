"""Blind pairs for people: build them, serve the page, print who wins.

    CORYBANT_DATA=../shared python -m realtime_models.training.judge.people [--serve [HOST:]PORT] [--pairs DIR]
    python -m realtime_models.training.judge.people --report [--pairs DIR]

Without pairs in DIR they are built first (minutes); afterwards nothing but DIR is needed. Whoever shares DIR/pairs and
DIR/votes shares nothing about which dance is whose; DIR/sealed is the key.
"""

import argparse
import sys
import time
from pathlib import Path

from engine.errors import ConfigError
from realtime_models.training.judge.people.cast import OURS, SONGS, cast
from realtime_models.training.judge.people.folder import build, read_key, read_pairs
from realtime_models.training.judge.people.results import results, text
from realtime_models.training.judge.people.serve import JudgeServer
from realtime_models.training.judge.people.sitting import Sitting
from realtime_models.training.judge.people.votes import read_votes

DEFAULT_DIR = Path("runs/judge")
DEFAULT_PORT = 8767


def address_of(words: str) -> tuple[str, int]:
    """Host and port of ``[HOST:]PORT``. ConfigError when it is neither."""
    host, _, port = words.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigError(f"the address '{words}' has no port from 1 to 65535; write --serve [HOST:]PORT, such as 8767")
    return host or "127.0.0.1", int(port)


def make(arguments: argparse.Namespace) -> None:
    """Dance everything and build the pairs."""
    from realtime_models.training.data import data_root

    begun_s = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - begun_s:6.0f} s  {line}", flush=True)

    length = {"seconds": arguments.seconds, "from_s": 8.0}
    tracks, weights = arguments.tracks, arguments.weights
    dances, sounds = cast(data_root() / "music", arguments.seed, names=tracks, weights=weights, say=say, **length)
    built = build(dances, sounds, arguments.pairs, arguments.seed, ours=OURS, excerpts=arguments.excerpts, **length)
    say(f"{built.questions} questions a session on {built.excerpts} excerpts in {built.out}, the key is sealed there")


def report(out: Path) -> str:
    """What the votes so far say."""
    key = read_key(out)
    votes, damaged = read_votes(out / "votes" / "votes.jsonl")
    names = Sitting(read_pairs(out), out / "votes").names()
    return text(results(votes, key), damaged=damaged, rater_names=names)


def serve(out: Path, host: str, port: int) -> None:
    """Answer until Ctrl-C."""
    server = JudgeServer(out, host, port)
    print(f"open {server.url}   (Ctrl-C ends it; --report prints who wins)", flush=True)
    if host not in ("127.0.0.1", "localhost", "::1"):
        print(f"anybody who reaches {host}:{server.port} can vote", flush=True)
    try:
        server.run()
    except KeyboardInterrupt:
        print()


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m realtime_models.training.judge.people", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    add(
        "--serve", metavar="[HOST:]PORT", default=str(DEFAULT_PORT), help="where the page listens (default %(default)s)"
    )
    add("--pairs", metavar="DIR", type=Path, default=DEFAULT_DIR, help="the judgement's folder (default %(default)s)")
    add("--report", action="store_true", help="print win rates and end")
    add("--build-only", action="store_true", help="build the pairs and end")
    add("--tracks", nargs="+", metavar="NAME", default=list(SONGS), help="songs to build pairs of")
    add("--excerpts", type=int, default=12, help="excerpts in a session, at most (default %(default)s)")
    add("--seconds", type=float, default=12.0, help="length of an excerpt (default %(default)s)")
    add("--seed", type=int, default=0)
    add("--weights", type=Path, help="a model folder instead of the shipped one")
    arguments = parser.parse_args(words)
    try:
        if arguments.report:
            print(report(arguments.pairs), end="")
            return 0
        host, port = address_of(arguments.serve)
        if arguments.build_only or not (arguments.pairs / "pairs").exists():
            make(arguments)
        if not arguments.build_only:
            serve(arguments.pairs, host, port)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
