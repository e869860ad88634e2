"""The exception tree.

CorybantError
├── ConfigError        wrong argument, show file or device: exit code 2, one line, before the show
├── SourceError        a device or file that cannot be opened (a ConfigError before the show)
├── TakeError          a take that cannot be read or written
└── ModelError         weights that are missing, damaged or of another specification
"""

import difflib
from collections.abc import Iterable


class CorybantError(Exception):
    """Base of every error that this house raises on purpose."""


class ConfigError(CorybantError):
    """A wrong argument or configuration; the message is one line: what was wrong, what exists, what to do."""


class SourceError(ConfigError):
    """An input that does not exist, cannot be opened or cannot be decoded."""


class TakeError(ConfigError):
    """A take folder that cannot be read, or that would be overwritten."""


class ModelError(ConfigError):
    """Weights that are missing, damaged or made for another specification."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known word, or what exists when nothing is close."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; there is: {', '.join(known)}" if known else ""
