"""Multicast DNS: golden bytes, questions right and wrong, and a browser that is not ours. Loopback only."""

import json
import socket
import struct
import sys
import time
from pathlib import Path

import pytest
from bridge_doubles import WAIT_S, FakeLive
from hypothesis import given, settings
from hypothesis import strategies as st
from test_real_peers import free_udp_port, running

from bridges.hub import OutputSpec, open_sink
from bridges.mdns import ANY, GROUP, PORT, PTR, SERVICE, SRV, TXT, A, Announcer, Service, questions
from bridges.net import Address
from engine.errors import ConfigError
from engine.skeleton import HOUSE

HERE = Service(Address("127.0.0.1", 9010), "stage")
KIND = b"\x08_oscjson\x04_tcp\x05local\0"
INSTANCE = b"\x13Corybant stage 9010" + KIND
HOST = b"\x13corybant-stage-9010\x05local\0"


def query(*wanted: tuple[bytes, int], flags: int = 0) -> bytes:
    asked = b"".join(name + struct.pack(">HH", kind, 1) for name, kind in wanted)
    return struct.pack(">6H", 0, flags, len(wanted), 0, 0, 0) + asked


def test_golden_bytes():
    live = (120).to_bytes(4, "big")
    spot = bytes(4) + (9010).to_bytes(2, "big") + HOST
    assert HERE.records() == (
        bytes.fromhex("0000 8400 0000 0005 0000 0000")  # an answer, authoritative, five records
        + b"\x09_services\x07_dns-sd\x04_udp\x05local\0" + b"\0\x0c\0\x01" + live + b"\0" + bytes([len(KIND)]) + KIND
        + KIND + b"\0\x0c\0\x01" + live + b"\0" + bytes([len(INSTANCE)]) + INSTANCE
        + INSTANCE + b"\0\x21\x80\x01" + live + b"\0" + bytes([len(spot)]) + spot
        + INSTANCE + b"\0\x10\x80\x01" + live + b"\0\x0a\x09txtvers=1"
        + HOST + b"\0\x01\x80\x01" + live + b"\0\x04\x7f\0\0\x01"
    )  # fmt: skip


def test_a_goodbye_takes_back_what_is_ours_only():
    told = HERE.records(live_s=0)
    assert told[6:8] == b"\0\x04" and b"_services" not in told
    assert told.count(b"\x00\x01\x00\x00\x00\x00") + told.count(b"\x80\x01\x00\x00\x00\x00") == 4


@pytest.mark.parametrize(
    ("name", "kind", "ours"),
    [
        (KIND, PTR, True),
        (KIND.upper(), PTR, True),
        (KIND, ANY, True),
        (KIND, A, False),
        (b"\x09_services\x07_dns-sd\x04_udp\x05local\0", PTR, True),
        (INSTANCE, SRV, True),
        (INSTANCE, TXT, True),
        (HOST, A, True),
        (HOST, TXT, False),
        (b"\x05_http\x04_tcp\x05local\0", PTR, False),
        (b"\0", ANY, False),
    ],
)
def test_what_is_asked_of_us(name, kind, ours):
    assert HERE.asked(questions(query((name, kind)))) is ours
    assert HERE.asked(questions(query((b"\x05other\0", A), (name, kind)))) is ours


def test_a_pointer_leads_back_to_a_name_said_before():
    data = query((KIND, PTR)) + b"\x04more\xc0\x0c" + struct.pack(">HH", PTR, 1)
    data = data[:4] + b"\0\x02" + data[6:]
    assert questions(data) == [(SERVICE, PTR), (("more", *SERVICE), PTR)]


def test_an_answer_asks_nothing():
    assert questions(HERE.records()) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        query((KIND, PTR))[:-3],
        query((KIND[:-1], PTR)),
        query((b"\xc0\x0c", PTR)),  # a pointer to itself
        query((b"\x01a\xc0\x0c", PTR)),  # round and round
        query((b"\xc0\xff", PTR)),
        query((b"\x50" + b"x" * 80 + b"\0", PTR)),
        query((b"\x01a" * 100 + b"\0", PTR)),
        struct.pack(">6H", 0, 0, 65_535, 0, 0, 0) + b"\0" * 2000,
    ],
)
def test_malformed_questions_are_refused(data):
    with pytest.raises(ValueError):
        questions(data)


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_no_datagram_whatever_goes_on_for_ever(data):
    try:
        asked = questions(data)
    except ValueError:
        return
    assert len(asked) <= 32


@pytest.mark.parametrize("host", ["0.0.0.0", "::1", "localhost", "127.1"])
def test_only_the_address_of_one_card_can_be_announced(host):
    with pytest.raises(ConfigError, match="IPv4 address of one network card"):
        Announcer(Address(host, 9010), "stage")


def test_announcing_needs_something_to_announce():
    with pytest.raises(ConfigError, match="query="):
        open_sink(OutputSpec("osc", "127.0.0.1:7000", options={"announce": "1"}), FakeLive())


def test_odd_host_names_make_good_labels():
    odd = Service(Address("127.0.0.1", 65_535), "Bühne. 3" + "x" * 80)
    assert all(len(label) <= 63 for name in (odd.instance, odd.host) for label in name)
    assert odd.host[0].isascii() and " " not in odd.host[0] and "." not in odd.host[0]


@pytest.fixture
def multicast(needs):
    card = socket.inet_aton("127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + card)
        except OSError as error:
            needs.absent(f"multicast on the loopback interface ({error})", "ip link set lo multicast on")


def announced(port: int):
    options = {"query": str(port), "announce": "1"}
    return open_sink(OutputSpec("osc", "127.0.0.1:7000", options=options), FakeLive())


def test_zeroconf_finds_the_channels_and_sees_them_go(needs, multicast):
    needs.module("zeroconf", "pip install python-oscquery")
    needs.module("pythonoscquery", "pip install python-oscquery")
    port, sink = free_udp_port(), None
    browser = Path(__file__).parent / "peers" / "oscquery_browser.py"
    with running([sys.executable, str(browser), "20"]) as peer:
        assert peer.stdout.readline() == "looking\n", peer.stderr.read()
        sink = announced(port)
        sink.open(HOUSE)
        try:
            line = peer.stdout.readline()
        finally:
            sink.close()
        assert line, peer.stderr.read()
        found = json.loads(line)
        assert (found["address"], found["port"], found["host"]) == ("127.0.0.1", port, "Corybant")
        assert found["name"].startswith("Corybant ") and found["name"].endswith(f" {port}._oscjson._tcp.local.")
        assert peer.stdout.readline() == f"gone {found['name']}\n"


def test_one_answer_a_second_whatever_comes_and_rubbish_is_counted(multicast):
    sink = announced(free_udp_port())
    sink.open(HOUSE)
    card = socket.inet_aton("127.0.0.1")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as crowd:
            crowd.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, card)
            for _ in range(50):
                crowd.sendto(query((KIND, PTR)), (GROUP, PORT))
                crowd.sendto(b"rubbish", (GROUP, PORT))
            end = time.monotonic() + WAIT_S
            while sink.stats()["announce_refused"] < 50 and time.monotonic() < end:
                time.sleep(0.01)
            spent = time.monotonic() - end + WAIT_S
        stats = sink.stats()
    finally:
        sink.close()
    assert stats["announce_refused"] >= 50
    assert 1 <= stats["announced"] <= 2 + spent
