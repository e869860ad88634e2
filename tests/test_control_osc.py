"""OSC in: what is understood, and that no datagram whatever stops the listener."""

import socket
import struct
import time

import pytest
from bridge_doubles import WAIT_S, FakeLive
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient

from bridges.control_osc import OscControl, read_controls
from engine.errors import ConfigError


def osc(address: str, *arguments) -> bytes:
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build().dgram


@pytest.mark.parametrize(
    ("datagram", "expected"),
    [
        (osc("/live/panic"), ("panic", True)),
        (osc("/live/panic", 1), ("panic", True)),
        (osc("/live/panic", 0), ("panic", False)),
        (osc("/live/freeze", 1.0), ("freeze", True)),
        (osc("/live/freeze", False), ("freeze", False)),
        (osc("/live/blackout", 0.4), ("blackout", False)),
        (osc("/live/style", "house"), ("style", "house")),
        (osc("/live/intensity", 1.5), ("energy", 1.5)),
        (osc("/live/intensity", 2), ("energy", 2.0)),
        (osc("/live/freeze", 1, "surplus", 3.0), ("freeze", True)),
        (osc("/live/tap"), ("tap", True)),
        (osc("/live/tap", 1.0), ("tap", True)),
        (osc("/live/halve", True), ("halve", True)),
        (osc("/live/double"), ("double", True)),
        (osc("/live/forget"), ("reset_beat", True)),
        (osc("/live/nudge_beat", -12.5), ("nudge_beat_ms", -12.5)),
        (osc("/live/bpm", 128), ("bpm", 128.0)),
        (osc("/live/bpm/min", 90.0), ("tempo_min", 90.0)),
        (osc("/live/bpm/max", 0), ("tempo_max", 0.0)),
        (osc("/live/lock", 0), ("lock", False)),
    ],
)
def test_understood(datagram, expected):
    assert read_controls(datagram) == ([expected], 0)


def test_a_button_let_go_is_no_tap():
    assert read_controls(osc("/live/tap", 0.0)) == ([], 0)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"/",
        b"/live/panic",  # no end of the string
        b"live/panic\0\0",
        osc("/live/tap", "now"),
        osc("/live/bpm"),
        osc("/live/beat_clock", 1.0),
        osc("/live/style"),
        osc("/live/style", 3),
        osc("/live/style", "x" * 65),
        osc("/live/intensity"),
        osc("/live/intensity", "1"),
        osc("/live/intensity", float("nan")),
        osc("/live/panic", "yes"),
        osc("/live/intensity", 1.0)[:-2],  # cut off: python-osc alone would fill up with zeros
        osc("/live/intensity", 1.0)[:-4],
        osc("/live/style", "house")[:-4],
        b"/live/panic\0,q\0\0",  # a type that there is not
        b"/live/panic\0,[i\0\0\0\0\1",
        b"#bundle\0",
        b"#bundle\0" + bytes(8) + struct.pack(">i", -4),  # python-osc alone would never come back from this
        b"#bundle\0" + bytes(8) + struct.pack(">i", 1000) + osc("/live/panic"),
    ],
)
def test_refused_and_counted(datagram):
    assert read_controls(datagram) == ([], 1)


def test_bundles_are_unpacked_and_their_time_tags_not_waited_for():
    inner = OscBundleBuilder(time.time() + 3600)
    for data in (osc("/live/freeze", 1), osc("/live/unknown", 1)):
        inner.add_content(OscMessage(data))
    outer = OscBundleBuilder(IMMEDIATELY)
    outer.add_content(inner.build())
    outer.add_content(OscMessage(osc("/live/intensity", 0.5)))
    assert read_controls(outer.build().dgram) == ([("freeze", True), ("energy", 0.5)], 1)


def test_bundles_within_bundles_end_somewhere():
    data = osc("/live/panic")
    for _ in range(200):
        data = b"#bundle\0" + bytes(8) + struct.pack(">i", len(data)) + data
    assert read_controls(data) == ([], 1)


BITS = st.sampled_from(
    [
        b"#bundle\0",
        bytes(8),
        b"/live/panic\0",
        b"/live/style\0",
        b",i\0\0",
        b",s\0\0",
        b",b\0\0",
        b",[[]",
        b"\xff" * 4,
        bytes(4),
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200) | st.lists(BITS, max_size=12).map(b"".join))
def test_any_datagram_is_read_or_counted(datagram):
    controls, refused = read_controls(datagram)
    assert controls or refused or datagram.startswith(b"#bundle\0")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_datagram_is_read_or_counted(data):
    builder = OscBundleBuilder(IMMEDIATELY)
    for address, value in (("/live/style", "x"), ("/live/intensity", 1.0), ("/live/panic", 1)):
        builder.add_content(OscMessage(osc(address, value)))
    datagram = bytearray(builder.build().dgram)
    for _ in range(data.draw(st.integers(1, 4))):
        datagram[data.draw(st.integers(0, len(datagram) - 1))] = data.draw(st.integers(0, 255))
    controls, refused = read_controls(bytes(datagram))
    assert len(controls) + refused >= 1


@pytest.fixture
def listening():
    live = FakeLive()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    control = OscControl(str(port), live)
    control.start()
    yield control, live
    control.stop()


def test_a_real_client_controls_the_show_after_rubbish(listening):
    control, live = listening
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rude:
        for rubbish in (b"", b"\xff" * 100, b"#bundle\0" + b"\xff" * 40, b"x" * 8000):
            rude.sendto(rubbish, ("127.0.0.1", control.port))
    SimpleUDPClient("127.0.0.1", control.port).send_message("/live/freeze", 1)
    assert live.has_posted.wait(WAIT_S)
    assert live.posted == [("freeze", True)]
    assert (control.heard, control.refused) == (1, 4)
    control.stop()
    control.stop()


def test_only_this_machine_is_heard_unless_told_otherwise(listening):
    control, _ = listening
    assert control._socket.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_and_a_wrong_address_are_config_errors(listening):
    control, live = listening
    with pytest.raises(ConfigError, match="cannot listen on 127.0.0.1"):
        OscControl(f"127.0.0.1:{control.port}", live).start()
    for wrong in ("0", "70000", "host", "::1:9000"):
        with pytest.raises(ConfigError):
            OscControl(wrong, live)
