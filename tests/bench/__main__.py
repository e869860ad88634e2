"""Run the benches: one JSON line per figure, printed and appended to docs/bench.jsonl with the commit and the machine.

python -m tests.bench                   all of them (about eight minutes)
python -m tests.bench plan live         these two
python -m tests.bench --short --no-log  a quick look that leaves no trace
"""

import argparse
import datetime
import importlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOG = ROOT / "docs" / "bench.jsonl"
BENCHES = {
    "plan": "cost of one plan on one core",
    "ear": "cost of the listener; with CORYBANT_DATA how right it is (more: python -m tests.bench.ear)",
    "encoders": "cost of packing one pose for every wire, on one core",
    "start": "cold start to the first pose at a client",
    "live": "pose intervals beside a bare sleeping loop, CPU share of the whole, live for two minutes",
    "reaction": "onset to visible movement, per output, leads of 0, 80 and 200 ms together",
    "display": "music beats against motion beats as a client shows them 80 ms late, lead 80 ms",
}


def commit() -> str:
    """Short hash of what is measured, marked when the tree differs from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    if head.returncode != 0:
        return "unknown"
    dirty = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True).stdout.strip()
    return head.stdout.strip() + ("+changes" if dirty else "")


def machine() -> str:
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}{load}"


def stamp(short: bool) -> dict:
    """What every line says about its origin."""
    return {"commit": commit(), "date": datetime.date.today().isoformat(), "machine": machine(), "short": short}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure; one JSON line per figure.")
    parser.add_argument("bench", nargs="*", metavar="BENCH", help=f"one of: {', '.join(BENCHES)} (default: all)")
    parser.add_argument("--short", action="store_true", help="shorter runs, rougher figures")
    parser.add_argument("--no-log", action="store_true", help=f"do not append to {LOG.relative_to(ROOT).as_posix()}")
    args = parser.parse_args(argv)
    if unknown := set(args.bench) - set(BENCHES):
        parser.error(f"no bench {', '.join(sorted(unknown))}; there is: {', '.join(BENCHES)}")
    where = stamp(args.short)
    failed = []
    for name in args.bench or BENCHES:
        print(f"# {name}: {BENCHES[name]}", file=sys.stderr, flush=True)
        try:
            figures = importlib.import_module(f"tests.bench.{name}").run(short=args.short)
        except Exception as error:  # one bench that fails does not take the others with it
            failed.append(name)
            print(f"# {name} failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        for figure in figures:
            line = json.dumps({"bench": name, **figure, **where}, allow_nan=False)
            print(line, flush=True)
            if not args.no_log:
                with LOG.open("a", encoding="utf-8") as log:
                    log.write(line + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
