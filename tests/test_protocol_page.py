"""docs/protocol.md says what the code does: every address, bone, joint, flag and the byte layout."""

import importlib
import re
import struct
from pathlib import Path

import pytest
from bridge_doubles import made_up_features, made_up_pose
from pythonosc.osc_packet import OscPacket

from bridges import control_osc, flags
from bridges.axes import HUMAN_BONES
from bridges.control_ws import MAX_MESSAGE_BYTES
from bridges.frames import HEADER
from bridges.hub import MAX_LEAD_S, SINKS
from bridges.lights import MAX_RATE_HZ, SLOTS
from bridges.osc import ChannelEncoder
from bridges.vmc import VmcEncoder
from bridges.vrchat import HEAD, TRACKERS
from bridges.websocket import MAX_CLIENTS
from engine.show import CONTROL_NAMES
from engine.skeleton import HOUSE, JOINTS, PARENTS

PAGE = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")


def test_every_joint_with_its_parent_and_bone():
    for joint, name in enumerate(JOINTS):
        parent = "–" if joint == 0 else str(PARENTS[joint])
        assert f"| {joint} | {name} | {parent} | {HUMAN_BONES[name]} |" in PAGE


def test_the_header_of_a_pose():
    offsets = [int(n) for n in re.findall(r"^\| (\d+) \| (?:4 × u8|u32|f64|u16|P ×)", PAGE, re.M)]
    fields = ["4s", "I", "d", "d", "H", "H", "I"]
    assert offsets == [struct.calcsize("<" + "".join(fields[:n])) for n in range(len(fields) + 1)]
    assert offsets[-1] == HEADER.size


@pytest.mark.parametrize("name", ["FREEZE", "BLACKOUT", "PANIC", "HELD"])
def test_every_flag(name):
    assert f"| {getattr(flags, name)} | {name.lower()} |" in PAGE


def test_every_address_that_is_sent():
    sent = VmcEncoder(HOUSE).encode(made_up_pose(0)) + ChannelEncoder(HOUSE).encode(made_up_pose(0), made_up_features())
    for data in sent:
        for timed in OscPacket(data).messages:
            address = timed.message.address
            if address.startswith("/live/joint/"):
                address = "/live/joint/NAME/tx"
            if address.startswith("/live/bands/"):
                address = f"/live/bands/{0 if address[-1] in '012' else 3}"
            assert f"`{address}`" in PAGE


def test_every_slot_of_the_lights_in_order():
    told = [
        (int(first), name) for first, name in re.findall(r"^\| (\d+)(?: to \d+)? \| (\w+)(?: to \w+)? \|", PAGE, re.M)
    ]
    lights = [(place, name) for place, name in told if name in SLOTS]
    assert lights == [(SLOTS.index(name) + 1, name) for _, name in lights]
    assert [name for _, name in lights] == [n for n in SLOTS if n[-1] not in "1234" or n in ("beat_1",)]
    assert (
        f"{len(SLOTS)} slots are used" in PAGE and f"1 to {513 - len(SLOTS)}" in PAGE and f"1 to {MAX_RATE_HZ}" in PAGE
    )


def test_every_tracker():
    section = PAGE[PAGE.index("## 7. VRChat") : PAGE.index("## 8.")]
    rows = {
        number: joint
        for numbers, joints in re.findall(
            r"^\| (.*?) \| (?:fff, fff|the same) \| (.*?) (?:\(.*?\) )?\|$", section, re.M
        )
        for number, joint in zip(
            dict.fromkeys(re.findall(r"trackers/(\w+)/", numbers)), joints.split(", "), strict=True
        )
    }
    assert rows == {**{str(place): joint for place, joint in enumerate(TRACKERS, 1)}, "head": HEAD}


def test_every_address_and_control_that_is_heard():
    for address in (*control_osc.SWITCHES, *control_osc.MOMENTS, *control_osc.NUMBERS, *control_osc.TEXTS):
        assert f"| `{address}` |" in PAGE
    for name in CONTROL_NAMES:
        assert f"`{name}`" in PAGE


def test_the_numbers_and_kinds():
    assert f"0 to {MAX_LEAD_S * 1000:g} ms" in PAGE
    assert f"At most {MAX_CLIENTS} clients" in PAGE
    assert f"at most {MAX_MESSAGE_BYTES} bytes" in PAGE
    for kind in SINKS:
        assert f"`{kind}=" in PAGE


def test_every_option_of_every_kind():
    for kind, place in SINKS.items():
        module, _, name = place.partition(":")
        for option in getattr(getattr(importlib.import_module(module), name), "OPTIONS", {}):
            assert f"`{option}`" in PAGE or f"{option}=" in PAGE, f"{kind}: {option}"
