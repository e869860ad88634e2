"""Messages that a page or program sends to us over the WebSocket, read without trust. Pure.

Here only the form is looked at; whether a value is in range is for ``LiveState.post`` to say, as for every control.
"""

import json
import math
from dataclasses import dataclass

from engine.show import AMOUNTS, MOMENTS, RANGES, SWITCHES

MAX_MESSAGE_BYTES = 4096
MAX_NAME_CHARS = 64


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """The operator asks for a change of ``engine.types.Controls``, or something of the ear."""

    name: str
    value: bool | float | str


@dataclass(frozen=True, slots=True)
class Ping:
    """Clock synchronisation: answered at once with the stream time."""

    id: float
    client_s: float


@dataclass(frozen=True, slots=True)
class Hello:
    """Reserved: a client that says who it is. Understood, without effect."""


def parse_client_message(text: str | bytes) -> ControlMessage | Ping | Hello:
    """Read one message; ValueError with the reason when it is not one of ours."""
    if isinstance(text, bytes):
        raise ValueError("clients send text, not binary")
    try:
        message = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError("not a JSON object")
    kind = message.get("type")
    if kind == "control":
        return _control(message.get("name"), message.get("value"))
    if kind == "ping":
        return Ping(_number(message.get("id")), _number(message.get("client_s")))
    if kind == "hello":
        return Hello()
    raise ValueError("unknown type")


def _control(name: object, value: object) -> ControlMessage:
    if name == "style" and isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARS:
        return ControlMessage("style", value)
    if isinstance(name, str) and name in SWITCHES and isinstance(value, bool):
        return ControlMessage(name, value)
    if isinstance(name, str) and name in MOMENTS and value is True:
        return ControlMessage(name, True)
    if isinstance(name, str) and (name in RANGES or name in AMOUNTS or name == "tap"):
        return ControlMessage(name, float(_number(value)))
    raise ValueError("unknown control, or a value of the wrong kind")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")
    try:
        finite = math.isfinite(value)
    except OverflowError as error:  # an integer beyond what a float holds
        raise ValueError("too large a number") from error
    if not finite:
        raise ValueError("not a finite number")
    return value
