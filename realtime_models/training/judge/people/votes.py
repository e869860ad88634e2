"""Votes on disk: one JSON line each, written through to the disk before the rater is thanked."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Choice(StrEnum):
    """Which side dances better to the music."""

    LEFT = "left"
    RIGHT = "right"
    TIE = "tie"  #: "cannot tell"


@dataclass(frozen=True, slots=True)
class Vote:
    """One answer of one rater: random names and a side, nothing of systems."""

    rater: str
    left: str
    right: str
    choice: Choice
    time: str  #: UTC, ISO 8601


@dataclass(frozen=True, slots=True)
class Read:
    """A log as found: its objects, and how many lines were no such objects (a write cut off by a crash)."""

    lines: tuple[dict[str, Any], ...]
    damaged: int


def append(path: Path, line: dict[str, Any]) -> None:
    """Add one line; back only when the disk has it. A line cut off by a crash is closed first and damages no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
    with path.open("a+b") as log:
        size = log.seek(0, os.SEEK_END)
        if size:
            log.seek(size - 1)
            if log.read(1) != b"\n":
                data = b"\n" + data
        log.write(data)
        log.flush()
        os.fsync(log.fileno())


def read(path: Path) -> Read:
    """All lines that are JSON objects, in order; none when there is no log yet."""
    if not path.is_file():
        return Read((), 0)
    found, damaged = [], 0
    for raw in path.read_bytes().split(b"\n"):
        if not raw.strip():
            continue
        try:
            line = json.loads(raw)
        except ValueError:
            damaged += 1
            continue
        if isinstance(line, dict):
            found.append(line)
        else:
            damaged += 1
    return Read(tuple(found), damaged)


def append_vote(path: Path, vote: Vote) -> None:
    append(path, asdict(vote))


def read_votes(path: Path) -> tuple[list[Vote], int]:
    """The votes in order, and the number of lines that are none."""
    log = read(path)
    votes = [vote for vote in map(_vote, log.lines) if vote]
    return votes, log.damaged + len(log.lines) - len(votes)


def last_of_each(votes: Iterable[Vote]) -> list[Vote]:
    """A rater's last vote on each pair of dances; earlier ones on the same pair, sides regardless, give way."""
    last = {(v.rater, frozenset((v.left, v.right))): v for v in votes}
    return list(last.values())


def _vote(line: dict[str, Any]) -> Vote | None:
    fields = [line.get(name) for name in ("rater", "left", "right", "choice", "time")]
    if not all(isinstance(value, str) for value in fields) or fields[3] not in set(Choice):
        return None
    return Vote(fields[0], fields[1], fields[2], Choice(fields[3]), fields[4])
