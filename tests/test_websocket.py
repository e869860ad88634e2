"""The stage server with real sockets: clients of the websockets library, raw TCP and plain HTTP."""

import http.client
import json
import socket
import struct
import threading
import time

import numpy as np
import pytest
from bridge_doubles import WAIT_S, FakeLive, made_up_pose
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from bridges.flags import BLACKOUT
from bridges.hub import OutputSpec, open_sink
from bridges.websocket import WRITE_LIMIT_BYTES, StageServer
from engine.errors import ConfigError
from engine.skeleton import HOUSE

UPGRADE = (
    b"GET /ws?format=json HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """The way to ourselves leads through nobody, whatever the machine's settings are."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")


@pytest.fixture
def live():
    return FakeLive()


@pytest.fixture
def stage(live, tmp_path):
    (tmp_path / "dist" / "assets").mkdir(parents=True)
    (tmp_path / "dist" / "index.html").write_text("<!doctype html><title>stage</title>")
    (tmp_path / "dist" / "assets" / "big.js").write_bytes(b"/" * 1_500_000)
    (tmp_path / "demo.ogg").write_bytes(bytes(range(256)) * 40)
    server = StageServer("127.0.0.1", 0, live, tmp_path / "demo.ogg", lead_s=0.04, dist=tmp_path / "dist")
    server.start()
    server.sink().open(HOUSE)
    yield server
    server.stop()


def client_of(stage, query="", **more):
    return connect(f"ws://127.0.0.1:{stage.port}/ws{query}", open_timeout=WAIT_S, compression=None, **more)


def receive(client, kind):
    """The next message of a kind: 'pose' (binary) or the ``type`` of a text message."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        message = client.recv(timeout=WAIT_S)
        if isinstance(message, bytes):
            if kind == "pose":
                return message
        elif json.loads(message)["type"] == kind:
            return json.loads(message)
    pytest.fail(f"no {kind} came")


def wait_for(condition):
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


def get(stage, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=WAIT_S)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_the_skeleton_comes_first_then_poses(stage):
    sink = stage.sink()
    with client_of(stage) as client:
        first = json.loads(client.recv(timeout=WAIT_S))
        assert (first["type"], first["lead_ms"], len(first["names"])) == ("skeleton", 40.0, 22)
        for frame in range(3):
            pose = made_up_pose(frame)
            sink.deliver(pose, BLACKOUT, frame / 60 - 0.04)
            data = receive(client, "pose")
            assert struct.unpack_from("<4sIddHHI", data) == (
                b"CPS1",
                frame,
                frame / 60,
                frame / 60 - 0.04,
                1,
                22,
                BLACKOUT,
            )
            assert np.array_equal(np.frombuffer(data, "<f4", offset=44).reshape(22, 4), pose.rotations)


def test_text_and_binary_clients_side_by_side(stage):
    with client_of(stage) as binary, client_of(stage, "?format=json") as text:
        wait_for(lambda: stage.stats()["clients"] == 2)
        pose = made_up_pose(5)
        stage.sink().send(pose)
        data, message = receive(binary, "pose"), receive(text, "pose")
    assert np.allclose(message["performers"][0]["root"], np.frombuffer(data, "<f4", 3, offset=32), atol=1e-6)
    assert message["frame"] == 5


def test_status_comes_by_itself(stage):
    with client_of(stage) as client:
        stage.sink().deliver(made_up_pose(60), 0, 0.96)
        status = receive(client, "status")
        assert status["bpm"] == 120.0
        later = receive(client, "status")
        assert later["stream_s"] >= 0.96


def test_a_status_that_fails_is_counted_and_the_rest_goes_on(stage, live):
    live.status = lambda: 1 / 0
    with client_of(stage) as client:
        assert "bpm" not in receive(client, "status")
        stage.sink().send(made_up_pose(1))
        assert receive(client, "pose")
    assert stage.stats()["status_errors"] > 0


def test_controls_and_pings(stage, live):
    with client_of(stage) as client:
        client.send(json.dumps({"type": "control", "name": "energy", "value": 1.5}))
        assert live.has_posted.wait(WAIT_S)
        assert live.posted == [("energy", 1.5)]
        client.send(json.dumps({"type": "ping", "id": 9, "client_s": 4.5}))
        assert receive(client, "pong") == {"type": "pong", "id": 9, "client_s": 4.5, "stream_s": None}
        stage.sink().deliver(made_up_pose(60), 0, 0.96)
        client.send(json.dumps({"type": "ping", "id": 10, "client_s": 5.5}))
        assert receive(client, "pong")["stream_s"] >= 0.96


def test_malformed_messages_are_counted_and_the_connection_stays(stage, live):
    with client_of(stage) as client:
        for text in ("", "{", b"\0\1", '{"type":"control","name":"seed","value":1}'):
            client.send(text)
        client.send(json.dumps({"type": "ping", "id": 1, "client_s": 0}))
        assert receive(client, "pong")["id"] == 1
    assert stage.stats()["malformed"] == 4
    assert live.posted == []


def test_an_oversized_message_costs_its_sender_the_connection_only(stage):
    with client_of(stage) as rude, client_of(stage) as polite:
        rude.send("x" * 100_000)
        with pytest.raises(ConnectionClosed):
            for _ in range(1000):
                rude.recv(timeout=WAIT_S)
        polite.send(json.dumps({"type": "ping", "id": 2, "client_s": 0}))
        assert receive(polite, "pong")["id"] == 2


def test_a_client_that_reads_nothing_grows_no_queue_and_delays_nobody(stage):
    """Newest wins: the others get every pose, the stalled one the newest when it reads again."""
    stalled = socket.create_connection(("127.0.0.1", stage.port), timeout=WAIT_S)
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.sendall(UPGRADE)
    with client_of(stage) as quick:
        wait_for(lambda: stage.stats()["clients"] == 2)
        for frame in range(600):
            stage.sink().send(made_up_pose(frame))
            assert struct.unpack_from("<I", receive(quick, "pose"), 4) == (frame,)
        assert stage.stats()["replaced"] > 200
        waiting = [client.connection.transport.get_write_buffer_size() for client in list(stage._clients)]
        assert max(waiting) <= 2 * WRITE_LIMIT_BYTES + 4096  # what was being written, and no more
        received = bytearray()
        stalled.settimeout(WAIT_S)
        while b'"frame":599,' not in received:  # it reads again, and gets the newest soon
            part = stalled.recv(65536)
            assert part
            received += part
    stalled.close()
    assert received.count(b'"type":"pose"') < 300


def test_a_client_that_vanishes_is_forgotten(stage):
    client = client_of(stage)
    wait_for(lambda: stage.stats()["clients"] == 1)
    client.socket.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: stage.stats()["clients"] == 0)
    stage.sink().send(made_up_pose(1))


def test_pages_of_other_hosts_are_refused(stage):
    with pytest.raises(InvalidStatus) as caught:
        client_of(stage, origin="http://evil.example")
    assert caught.value.response.status_code == 403
    response, body = get(stage, "/status", Host="evil.example")
    assert (response.status, b"stream_s" in body) == (403, False)
    with client_of(stage, origin=f"http://127.0.0.1:{stage.port}") as client:
        assert json.loads(client.recv(timeout=WAIT_S))["type"] == "skeleton"


def test_http_serves_page_skeleton_status_and_says_what_there_is(stage):
    response, body = get(stage, "/")
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<title>stage" in body
    assert json.loads(get(stage, "/skeleton")[1])["type"] == "skeleton"
    assert json.loads(get(stage, "/status?x=1")[1])["bpm"] == 120.0
    response, body = get(stage, "/nothing")
    assert (response.status, b"/skeleton" in body) == (404, True)
    assert get(stage, "/ws")[0].status == 426


def test_http_gives_the_demo_sound_whole_and_in_parts(stage):
    sound = bytes(range(256)) * 40
    response, body = get(stage, "/audio")
    assert (response.status, body, response.headers["Accept-Ranges"]) == (200, sound, "bytes")
    response, body = get(stage, "/audio", Range="bytes=1000-1999")
    assert (response.status, body) == (206, sound[1000:2000])
    assert response.headers["Content-Range"] == f"bytes 1000-1999/{len(sound)}"
    assert get(stage, "/audio", Range="bytes=99999-")[0].status == 416


def test_a_large_asset_read_slowly_arrives_whole(stage):
    with socket.create_connection(("127.0.0.1", stage.port), timeout=WAIT_S) as slow:
        slow.sendall(b"GET /assets/big.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        size = 0
        while part := slow.recv(40_000):
            size += len(part)
            time.sleep(0.002)
    assert size > 1_500_000


@pytest.mark.parametrize(
    "request_bytes",
    [b"", b"\r\n\r\n",
     b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", b"\x16\x03\x01\x02\x00\x01",
     b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500 + b"\r\n", b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\n\r\n",
     b"GET http://[ HTTP/1.1\r\nHost: [\r\n\r\n"],
)  # fmt: skip
def test_rubbish_on_the_port_harms_nobody(stage, request_bytes):
    with socket.create_connection(("127.0.0.1", stage.port), timeout=WAIT_S) as rude:
        rude.sendall(request_bytes)
        rude.shutdown(socket.SHUT_WR)
        while rude.recv(4096):
            pass
    assert get(stage, "/skeleton")[0].status == 200


def test_a_port_in_use_is_one_clear_line(stage):
    with pytest.raises(ConfigError) as caught:
        StageServer("127.0.0.1", stage.port, FakeLive()).start()
    assert f"127.0.0.1:{stage.port}" in str(caught.value)
    assert "--stage" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_stopping_ends_the_thread_closes_clients_and_may_be_repeated(live):
    server = StageServer("127.0.0.1", 0, live)
    server.start()
    with client_of(server) as client:
        client.recv(timeout=WAIT_S)
        server.stop()
        with pytest.raises(ConnectionClosed):
            while True:
                client.recv(timeout=WAIT_S)
    server.stop()
    server.sink().send(made_up_pose(1))  # a lane may be a little later
    assert "stage" not in {thread.name for thread in threading.enumerate()}


def test_an_output_of_kind_ws_has_a_port_and_lead_of_its_own(live):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sink = open_sink(OutputSpec("ws", f"127.0.0.1:{port}", lead_s=0.2), live)
    sink.open(HOUSE)
    try:
        with connect(f"ws://127.0.0.1:{port}/ws") as client:
            assert json.loads(client.recv(timeout=WAIT_S))["lead_ms"] == 200.0
        sink.close()
        sink.open(HOUSE)  # as a lane does after a failure
        with connect(f"ws://127.0.0.1:{port}/ws") as client:
            assert json.loads(client.recv(timeout=WAIT_S))["type"] == "skeleton"
            sink.send(made_up_pose(1))
            assert receive(client, "pose")
    finally:
        sink.close()


def test_stopping_does_not_wait_for_a_client_that_reads_nothing(live):
    server = StageServer("127.0.0.1", 0, live)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.sendall(UPGRADE)
        wait_for(lambda: server.stats()["clients"] == 1)
        for frame in range(500):
            server.sink().send(made_up_pose(frame))
            time.sleep(0.0005)
        server.stop()
    assert "stage" not in {thread.name for thread in threading.enumerate()}
