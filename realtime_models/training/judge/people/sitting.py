"""Who is judging what: raters, their sessions and their votes, kept in two logs. No sockets, no clock of its own."""

import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime_models.training.judge.people.folder import Pairs
from realtime_models.training.judge.people.votes import Choice, Vote, append, append_vote, read, read_votes

MAX_NAME = 40
MAX_RATERS = 10_000
_NOT_A_NAME = re.compile(r"[^\w .'-]")


class RefusedError(ValueError):
    """A request that cannot have come from the page; the message says what was wrong."""


@dataclass(frozen=True, slots=True)
class _Rater:
    name: str
    session: int


class Sitting:
    """The state of a judgement over a folder; may be called from several threads.

    What the logs hold is read at the start, so a rater goes on where the log ends, whatever happened in between.
    """

    def __init__(self, pairs: Pairs, votes: Path, *, new_id: Callable[[], str] = lambda: secrets.token_hex(6)):
        self.pairs = pairs
        self._votes, self._raters_log, self._new_id = votes / "votes.jsonl", votes / "raters.jsonl", new_id
        self._lock = threading.Lock()
        self._raters = {
            str(line["rater"]): _Rater(str(line.get("name", "")), int(line["session"]))
            for line in read(self._raters_log).lines
            if "rater" in line and isinstance(line.get("session"), int)
        }
        found, self.damaged = read_votes(self._votes)
        self._choices = {(v.rater, v.left, v.right): v.choice for v in found}

    def join(self, name: str, time: str) -> str:
        """A new rater, next in the row of sessions; the name is optional and for the report only."""
        if not isinstance(name, str):
            raise RefusedError("a name is a text")
        name = _NOT_A_NAME.sub("", name).strip()[:MAX_NAME]
        with self._lock:
            if len(self._raters) >= MAX_RATERS:
                raise RefusedError(f"{MAX_RATERS} raters have come already")
            rater, session = self._new_id(), len(self._raters)
            append(self._raters_log, {"rater": rater, "name": name, "session": session, "time": time})
            self._raters[rater] = _Rater(name, session)
        return rater

    def extent(self) -> dict[str, Any]:
        """What a guest may know before joining: how many questions, how long each."""
        return {"questions": len(self.pairs.sessions[0]), "seconds": self.pairs.about["seconds"]}

    def session(self, rater: str) -> dict[str, Any]:
        """All questions of a rater in order, with what was answered so far."""
        questions = self._questions(rater)
        with self._lock:
            chosen = [self._choices.get((rater, left, right)) for left, right, _ in questions]
        shown = [
            {"left": left, "right": right, "sound": sound, "choice": choice}
            for (left, right, sound), choice in zip(questions, chosen, strict=True)
        ]
        return {"rater": rater, **self.pairs.about, "questions": shown}

    def vote(self, rater: str, left: str, right: str, choice: str, time: str) -> None:
        """Log an answer to a question of this rater; back when it is on the disk."""
        if not any((left, right) == shown[:2] for shown in self._questions(rater)):
            raise RefusedError("no such question for this rater")
        if choice not in set(Choice):
            raise RefusedError(f"a choice is one of {', '.join(Choice)}")
        with self._lock:
            append_vote(self._votes, Vote(rater, left, right, Choice(choice), time))
            self._choices[rater, left, right] = Choice(choice)

    def names(self) -> dict[str, str]:
        """Names that raters gave."""
        return {rater: about.name for rater, about in self._raters.items()}

    def _questions(self, rater: str) -> tuple[tuple[str, str, str], ...]:
        about = self._raters.get(rater) if isinstance(rater, str) else None
        if about is None:
            raise RefusedError("no such rater")
        return self.pairs.sessions[about.session % len(self.pairs.sessions)]
