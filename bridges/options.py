"""What one kind of output can be told besides its address: ``--out KIND=ADDRESS?OPTION=VALUE&OPTION=VALUE``. Pure.

A sink names its options in a table ``OPTIONS``, name -> ``Option``; ``read_options`` turns what the operator wrote
into values and refuses the rest in one line.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import ConfigError, nearest

EVERY = ("lead_ms", "name")  #: what every output has; read before the bridges are asked


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its value when it is not given, how a text becomes a value, and what is right, in words."""

    default: Any
    read: Callable[[str], Any]  #: raises ValueError or KeyError for what is wrong
    right: str


def whole(default: int | None, low: int, high: int) -> Option:
    """A whole number from ``low`` to ``high``."""
    return Option(default, lambda text: _within(int(text), low, high), f"a whole number from {low} to {high}")


def number(default: float | None, low: float, high: float) -> Option:
    """A number from ``low`` to ``high``."""
    return Option(default, lambda text: _within(float(text), low, high), f"a number from {low:g} to {high:g}")


def choice(default: str, *known: str) -> Option:
    """One of some words."""
    return Option(default, lambda text: {word: word for word in known}[text], " or ".join(known))


def switch(default: bool) -> Option:
    """1 or 0."""
    return Option(default, lambda text: {"1": True, "0": False}[text], "1 or 0")


def _within(value: float, low: float, high: float) -> Any:
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError
    return value


def check_options(spec, options: Mapping[str, Option]) -> None:
    """ConfigError when ``spec`` (an ``OutputSpec``) has an option that ``options`` does not name."""
    for key in spec.options:
        if key not in options:
            raise ConfigError(f"the output {spec.label} has no option '{key}'{nearest(key, (*EVERY, *options))}")


def read_options(spec, options: Mapping[str, Option]) -> dict[str, Any]:
    """Every option with its value, given or not. ConfigError for an unknown one and for a wrong value."""
    check_options(spec, options)
    values = {key: option.default for key, option in options.items()}
    for key, text in spec.options.items():
        try:
            values[key] = options[key].read(text)
        except (ValueError, KeyError) as error:
            right = options[key].right
            raise ConfigError(f"the output {spec.label}: {key} is {right}, not '{text}'") from error
    return values
