"""OSCQuery: the tree and its answers, over real HTTP, and whatever else a port has to bear."""

import http.client
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from bridge_doubles import WAIT_S, FakeLive, made_up_features, made_up_pose, udp_peer
from hypothesis import given, settings
from hypothesis import strategies as st
from test_real_peers import free_udp_port

from bridges.hub import OutputSpec, open_sink
from bridges.net import Address
from bridges.osc import ChannelEncoder
from bridges.oscquery import MAX_CLIENTS, QueryServer, _Handler, answer, namespace, query_address
from engine.errors import ConfigError
from engine.skeleton import HOUSE, JOINTS, forward_kinematics

CHANNELS = ChannelEncoder(HOUSE).channels
TREE = namespace(CHANNELS)
VALUES = {"/live/bpm": 120.0, "/live/beat": 9, "/live/joint/head/ty": 1.5}


def told(target: str):
    reply = answer(target, TREE, VALUES, "sent to somewhere")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    return json.loads(reply.body)


def test_a_channel():
    assert told("/live/bpm") == {
        "FULL_PATH": "/live/bpm", "ACCESS": 1, "DESCRIPTION": "tempo", "TYPE": "f",
        "RANGE": [{"MIN": 0, "MAX": 300}], "VALUE": [120.0],
    }  # fmt: skip


def test_the_whole_tree_has_every_channel_and_nothing_else():
    found = {}

    def walk(node):
        assert node["ACCESS"] == (0 if "CONTENTS" in node else 1)
        assert node["DESCRIPTION"]
        for name, child in node.get("CONTENTS", {}).items():
            assert child["FULL_PATH"] == f"{node['FULL_PATH'].rstrip('/')}/{name}"
            walk(child)
        if "TYPE" in node:
            found[node["FULL_PATH"]] = node["TYPE"]

    walk(told("/"))
    assert found == dict(CHANNELS) and len(found) == 11 + 66


def test_one_attribute():
    assert told("/live/bpm?VALUE") == {"VALUE": [120.0]}
    assert told("/live/beat?TYPE") == {"TYPE": "i"}
    assert told("/live/joint/head/ty?FULL_PATH") == {"FULL_PATH": "/live/joint/head/ty"}
    assert list(told("/live/bands?CONTENTS")["CONTENTS"]) == ["0", "1", "2", "3"]


def test_host_info():
    info = told("/?HOST_INFO")
    assert info["NAME"] == "Corybant" and info["OSC_TRANSPORT"] == "UDP"
    assert info["EXTENSIONS"]["VALUE"] is True and info["EXTENSIONS"]["LISTEN"] is False
    assert info["DESCRIPTION"] == "sent to somewhere"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/live/joint?VALUE", 204),  # a container has none
        ("/live/beat?RANGE", 204),
        ("/live/onset?VALUE", 204),  # nothing sent yet
        ("/live/nothing", 404),
        ("/live/bpm/deeper", 404),
        ("/CONTENTS", 404),
        ("/live/bpm?value", 400),
        ("/live/bpm?VALUE&TYPE", 400),
        ("live", 400),
        ("", 400),
        ("*", 400),
        ("http://elsewhere/live", 200),  # what proxies write
        ("//[", 400),
        ("/" + "x" * 1024, 400),
        ("/live/bpm#VALUE", 400),
        ("/live/%2e%2e/%00", 404),
    ],
)
def test_other_answers(target, status):
    assert answer(target, TREE, VALUES, "").status == status


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_target_whatever_breaks_it(target):
    assert answer(target, TREE, VALUES, "").status in (200, 204, 400, 404)


@pytest.mark.parametrize(
    ("text", "address"),
    [("9010", "127.0.0.1:9010"), ("192.168.1.5:9010", "192.168.1.5:9010"), ("[::1]:9010", "[::1]:9010")],
)
def test_where_it_listens(text, address):
    assert str(query_address(text)) == address


@pytest.mark.parametrize("text", ["", "x", "0", "70000", "::1:9"])
def test_a_wrong_place_is_refused_in_one_line(text):
    with pytest.raises(ConfigError) as caught:
        open_sink(OutputSpec("osc", "127.0.0.1:7000", options={"query": text}), FakeLive())
    assert "query is [HOST:]PORT" in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture
def server():
    served = QueryServer(Address("127.0.0.1", 0), "sent to somewhere", lambda: VALUES)
    served.open(TREE)
    yield served
    served.close()


def ask(port: int, target: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request(method, target, headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def raw(port: int, data: bytes) -> bytes:
    """What comes back for some bytes, until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as plug:
        try:
            plug.sendall(data)
            plug.shutdown(socket.SHUT_WR)
            got = b""
            while part := plug.recv(65536):
                got += part
        except ConnectionError:  # closed while we were still talking
            pass
        return got


def test_over_http(server):
    status, body = ask(server.port, "/live/bpm?VALUE")
    assert (status, json.loads(body)) == (200, {"VALUE": [120.0]})
    assert ask(server.port, "/live/joint?VALUE") == (204, b"")
    assert ask(server.port, "/live", "HEAD") == (200, b"")
    assert ask(server.port, "/nowhere")[0] == 404
    assert server.stats() == {"query_answered": 3, "query_refused": 1}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),  # a name that leads here: DNS rebinding
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Host": "localhost:9010"}, 200),
    ],
)
def test_who_may_ask(server, headers, status):
    assert ask(server.port, "/live/bpm", **headers)[0] == status
    assert server.refused == (status == 403)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "BREW"])
def test_nothing_can_be_written(server, method):
    assert ask(server.port, "/live/bpm", method)[0] == 501
    assert (server.answered, server.refused) == (0, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",  # somebody tries TLS
        b"#bundle\0" + bytes(8) + b"\n",  # somebody sends OSC
        b"GET /live/bpm HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /live/bpm /live HTTP/1.1\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"H%d: x\r\n" % n for n in range(200)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nH: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
def test_malformed_requests_are_counted_and_the_next_one_is_answered(server, data):
    raw(server.port, data)
    assert ask(server.port, "/live/bpm")[0] == 200
    assert server.answered == 1
    assert server.refused == (0 if data == b"\r\n\r\n" else 1)  # an empty line is no request


def plugs(port: int, count: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) for _ in range(count)]


def test_more_clients_than_places_are_refused_and_the_show_goes_on(server, monkeypatch):
    monkeypatch.setattr(_Handler, "timeout", 10 * WAIT_S)  # these sixteen stay
    silent = plugs(server.port, MAX_CLIENTS)
    try:
        assert raw(server.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
        assert server.refused == 1
    finally:
        for plug in silent:
            plug.close()


def test_those_who_say_nothing_are_let_go(server, monkeypatch):
    monkeypatch.setattr(_Handler, "timeout", 0.05)
    silent = plugs(server.port, 3)
    try:
        assert [plug.recv(1) for plug in silent] == [b""] * 3
    finally:
        for plug in silent:
            plug.close()


def test_the_end_of_the_show_waits_for_no_client(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S):
        closing = threading.Thread(target=server.close)
        closing.start()
        closing.join(WAIT_S)
        assert not closing.is_alive()
    assert server.port == 0


def test_the_sink_tells_what_it_sent():
    port, pose = free_udp_port(), made_up_pose(90)
    live = FakeLive()
    live.features = made_up_features(anchor_s=1.0, count=8, period_s=0.5, beat_in_bar=1)
    with udp_peer() as peer:
        sink = open_sink(OutputSpec("osc", peer.address, options={"query": str(port)}), live)
        sink.open(HOUSE)
        try:
            assert ask(port, "/live/bpm?VALUE")[0] == 204  # before the first pose
            sink.deliver(pose, 0, 0.0)
            tree = json.loads(ask(port, "/")[1])["CONTENTS"]["live"]["CONTENTS"]
            info = json.loads(ask(port, "/?HOST_INFO")[1])
        finally:
            sink.close()
    positions, _ = forward_kinematics(pose.root, pose.rotations)
    for joint, name in enumerate(JOINTS):
        axes = tree["joint"]["CONTENTS"][name]["CONTENTS"]
        assert [axes[f"t{axis}"]["VALUE"][0] for axis in "xyz"] == pytest.approx(positions[joint].tolist(), abs=1e-5)
    assert (tree["beat"]["VALUE"], tree["bpm"]["VALUE"], tree["visible"]["VALUE"]) == ([9], [120.0], [1])
    assert np.allclose([tree["bands"]["CONTENTS"][str(n)]["VALUE"][0] for n in range(4)], [0.125, 0.25, 0.375, 0.5])
    assert info["DESCRIPTION"] == f"sent to {peer.address}"
    assert sink.stats() == {"dropped": 0, "query_answered": 3, "query_refused": 0}
    with pytest.raises(OSError):
        ask(port, "/")


def test_a_port_that_is_taken_is_refused_before_the_show(server):
    options = {"query": str(server.port)}
    sink = open_sink(OutputSpec("osc", "127.0.0.1:7000", options=options), FakeLive())
    with pytest.raises(ConfigError, match="take another port"):
        sink.open(HOUSE)
    sink.close()


def test_a_client_that_is_not_ours_finds_every_channel(needs):
    needs.module("pythonoscquery", "pip install python-oscquery")
    port, pose = free_udp_port(), made_up_pose(90)
    with udp_peer() as peer:
        sink = open_sink(OutputSpec("osc", peer.address, options={"query": str(port)}), FakeLive())
        sink.open(HOUSE)
        try:
            sink.deliver(pose, 0, 0.0)
            client = Path(__file__).parent / "peers" / "oscquery_client.py"
            done = subprocess.run([sys.executable, str(client), str(port)], capture_output=True, text=True, timeout=60)
            sent = sink.values()
        finally:
            sink.close()
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["name"] == "Corybant"
    assert seen["values"] == {address: [pytest.approx(number)] for address, number in sent.items()}
    assert len(sent) == 77
