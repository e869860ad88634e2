"""Messages from clients: ours are understood, everything else is a ValueError and nothing worse."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridges.control_ws import ControlMessage, Hello, Ping, parse_client_message


def message(**fields) -> str:
    return json.dumps(fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (message(type="control", name="energy", value=1.2), ControlMessage("energy", 1.2)),
        (message(type="control", name="follow", value=2), ControlMessage("follow", 2.0)),
        (message(type="control", name="nudge_ms", value=-20), ControlMessage("nudge_ms", -20.0)),
        (message(type="control", name="style", value="salsa"), ControlMessage("style", "salsa")),
        (message(type="control", name="panic", value=True), ControlMessage("panic", True)),
        (message(type="control", name="tap", value=True), ControlMessage("tap", True)),
        (message(type="control", name="tap", value=12.25), ControlMessage("tap", 12.25)),
        (message(type="control", name="halve", value=True), ControlMessage("halve", True)),
        (message(type="control", name="nudge_beat_ms", value=-5), ControlMessage("nudge_beat_ms", -5.0)),
        (message(type="control", name="bpm", value=128), ControlMessage("bpm", 128.0)),
        (message(type="control", name="tempo_min", value=90), ControlMessage("tempo_min", 90.0)),
        (message(type="control", name="lock", value=False), ControlMessage("lock", False)),
        (message(type="ping", id=3, client_s=1.5), Ping(3, 1.5)),
        (message(type="hello", lead_ms=80), Hello()),
    ],
)
def test_understood(text, expected):
    assert parse_client_message(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        b"CPS1",
        message(type="control"),
        message(type="control", name="energy"),
        message(type="control", name="energy", value="1"),
        message(type="control", name="energy", value=True),
        message(type="control", name="panic", value=1),
        message(type="control", name="style", value=""),
        message(type="control", name="style", value="x" * 65),
        message(type="control", name=["style"], value="x"),
        message(type="control", name="seed", value=1),
        message(type="control", name="tap", value=False),
        message(type="control", name="double", value=1),
        message(type="control", name="beat_clock", value=None),
        message(type="ping", id=1),
        message(type="ping", id="1", client_s=0),
        message(type=["ping"]),
        '{"type":"control","name":"energy","value":NaN}',
        '{"type":"control","name":"energy","value":1e999}',
        '{"type":"control","name":"energy","value":' + "9" * 400 + "}",
        "[" * 3000,
    ],
)
def test_refused(text):
    with pytest.raises(ValueError):
        parse_client_message(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "name", "id"]), inner),
)
SHAPED = st.fixed_dictionaries(
    {"type": st.sampled_from(["control", "ping", "hello", "x"])},
    optional={
        "name": st.sampled_from(["style", "energy", "freeze", "nudge_ms", "x"]) | JSON,
        "value": JSON,
        "id": JSON,
        "client_s": JSON,
    },
)


@settings(max_examples=300, deadline=None)
@given((JSON | SHAPED).map(json.dumps) | st.text() | st.binary())
def test_whatever_comes_is_read_or_refused(text):
    with contextlib.suppress(ValueError):
        parse_client_message(text)
