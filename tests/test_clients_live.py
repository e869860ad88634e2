"""Every client kit beside a client of the websockets library, on the same stream of a real show; and a stage that goes
away and comes back with another body.
"""

import json
import socket
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from client_kits import BUILDERS, PATIENCE_S, ROOT, environment, listening
from websockets.sync.client import connect

from bridges.websocket import StageServer
from engine.clock import now_s
from engine.show import LiveState
from engine.skeleton import HOUSE, JOINTS, quat_slerp
from engine.types import Controls, Pose, Skeleton

COMMON = 90  #: poses that both must have got
EXACT = 1e-6


@pytest.fixture(scope="module", params=list(BUILDERS))
def kit(request, module_needs, tmp_path_factory):
    """The command that drives a kit, and a folder of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    return BUILDERS[request.param](module_needs, folder), folder


@pytest.fixture(scope="module")
def show(tmp_path_factory):
    """Address of the stage of a real show: the demo with the shipped model, in a process of its own."""
    folder, port = tmp_path_factory.mktemp("show"), free_port()
    command = [sys.executable, str(ROOT / "run_live.py"), "--demo", "--stage", f"127.0.0.1:{port}"]
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env=environment(folder))
        try:
            wait_for_port(port, process)
            yield f"ws://127.0.0.1:{port}/ws"
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, process: subprocess.Popen) -> None:
    until = now_s() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None and now_s() < until, "the show did not start"
            threading.Event().wait(0.1)


class Reference:
    """A receiver of another make: the websockets library, decoded as docs/protocol.md does in its section 3.8."""

    def __init__(self, url: str):
        self.poses: dict[int, tuple] = {}
        self._url, self._stop = url, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Reference":
        self._thread.start()
        return self

    def _run(self) -> None:
        with connect(self._url, compression=None, open_timeout=PATIENCE_S, proxy=None) as line:
            while not self._stop.is_set():
                message = line.recv(timeout=PATIENCE_S)
                if isinstance(message, bytes):
                    _, frame, time_s, sent_s, performers, joints, flags = struct.unpack_from("<4sIddHHI", message)
                    body = np.frombuffer(message, "<f4", offset=32).reshape(performers, 3 + 4 * joints)
                    self.poses[frame] = (time_s, sent_s, flags, body)

    def __exit__(self, *problem) -> None:
        self._stop.set()
        self._thread.join()


def test_a_real_show_is_received_as_by_another_client(kit, show):
    command, folder = kit
    with Reference(show) as reference, listening(command("live", show), folder) as client:
        client.until(lambda client: both(client, reference) >= COMMON and len(client.of("shown")) > 30, "poses")
    assert [said["names"] for said in client.of("skeleton")] == [list(JOINTS)]
    poses = {said["frame"]: said for said in client.of("pose")}
    for frame in poses.keys() & reference.poses.keys():
        time_s, sent_s, flags, bodies = reference.poses[frame]
        got = poses[frame]
        assert abs(got["time_s"] - time_s) < EXACT and abs(got["sent_s"] - sent_s) < EXACT and got["flags"] == flags
        for mine, theirs in zip(got["performers"], bodies, strict=True):
            assert np.abs(np.array(mine["root"]) - theirs[:3]).max() < EXACT
            assert np.abs(np.array(mine["rotations"]).ravel() - theirs[3:]).max() < EXACT
    assert np.all(np.diff([said["frame"] for said in client.of("pose")]) > 0)
    turned = np.array([said["performers"][0]["rotations"] for said in client.of("pose")])
    assert np.ptp(turned, axis=0).max() > 1e-3, "nothing moves"  # on a machine too busy to plan the body still breathes
    check_what_was_shown(client)


def both(client, reference: Reference) -> int:
    return len({said["frame"] for said in client.of("pose")} & set(reference.poses))


def check_what_was_shown(client) -> None:
    """Times only rise; each pose lies on the arc between its two neighbours."""
    poses = client.of("pose")
    times = np.array([pose["time_s"] for pose in poses])
    # a pose may be shown a moment before the line that tells of its arrival is written
    shown = [pose for pose in client.of("shown") if pose["time_s"] <= times[-1] + EXACT]
    assert np.all(np.diff([pose["time_s"] for pose in shown]) >= -EXACT)
    between = 0
    for pose in shown:
        after = int(np.searchsorted(times, pose["time_s"] - EXACT))
        if after == 0 or abs(times[after] - pose["time_s"]) < EXACT:
            continue
        part = (pose["time_s"] - times[after - 1]) / (times[after] - times[after - 1])
        a, b = (np.array(poses[at]["performers"][0]["rotations"]) for at in (after - 1, after))
        wanted, got = quat_slerp(a, b, part), np.array(pose["performers"][0]["rotations"])
        assert np.abs(np.sum(wanted * got, axis=-1)).min() > 1 - 1e-6
        assert pose["frame"] == poses[after - 1]["frame"]
        between += 1
    assert between >= 3, "poses are shown as they came, without interpolation"


def standing(frame: int) -> None:
    """Nothing but the T-pose at the origin, whatever the body."""


@contextmanager
def stage(port: int, skeleton: Skeleton, dance=standing):
    """A stage at a fixed port with a body of any kind, fed 60 times a second: ``dance(frame) -> root, rotations``."""
    server = StageServer("127.0.0.1", port, LiveState(Controls(), styles=()))
    sink = server.sink()
    sink.open(skeleton)
    server.start()
    stop, start_s = threading.Event(), now_s()

    def feed() -> None:
        while not stop.wait(1 / 60):
            frame = round((now_s() - start_s) * 60)
            still = np.zeros(3, np.float32), np.tile(np.array([0, 0, 0, 1], np.float32), (len(skeleton.names), 1))
            sink.deliver(Pose(frame, frame / 60, *(dance(frame) or still)), 0, frame / 60)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        yield f"ws://127.0.0.1:{port}/ws", server
    finally:
        stop.set()
        feeder.join()
        server.stop()


SNAKE = Skeleton(
    ("head", "neck", "tail"), np.array([-1, 0, 1]), np.array([[0, 0, 0], [0, -1, 0], [0, -1, 0]], np.float32)
)


def test_it_comes_back_to_a_stage_that_went_away_and_takes_the_other_body(kit):
    command, folder = kit
    port = free_port()
    with listening(command("live", f"ws://127.0.0.1:{port}/ws"), folder) as client:  # nobody is there yet
        with stage(port, HOUSE):
            client.until(lambda client: len(client.of("pose")) >= 20, "poses of the first body")
        seen = len(client.of("pose"))
        with stage(port, SNAKE):
            client.until(
                lambda client: len(client.of("pose")) >= seen + 200 and len(client.of("skeleton")) == 2, "other"
            )
        snakes = len(client.of("pose"))
        with stage(port, SNAKE):
            client.until(lambda client: len(client.of("pose")) >= snakes + 120, "poses after the second return")
    assert [said["names"] for said in client.of("skeleton")] == [list(JOINTS), list(SNAKE.names)]
    sizes = [len(said["performers"][0]["rotations"]) for said in client.of("pose")]
    assert set(sizes) == {22, 3} and sizes == sorted(sizes, reverse=True)
    assert {len(said["performers"][0]["rotations"]) for said in client.of("shown")} == {22, 3}


def test_it_leaves_a_stage_that_sends_no_poses_and_tries_again(kit):
    """Status goes on, poses do not: the connection stands, yet the show behind it is gone."""
    command, folder = kit
    port = free_port()
    server = StageServer("127.0.0.1", port, LiveState(Controls(), styles=()))
    server.sink().open(HOUSE)
    server.start()
    try:
        with listening(command("live", f"ws://127.0.0.1:{port}/ws"), folder) as client:
            until = now_s() + PATIENCE_S
            while server.stats()["served"] < 2:
                assert now_s() < until, "it stays with a stage that is silent"
                threading.Event().wait(0.05)
            pose = Pose(60, 1.0, np.zeros(3, np.float32), np.tile(np.array([0, 0, 0, 1], np.float32), (22, 1)))
            while not client.of("pose"):
                server.publish(pose, 0, 1.0)
                client.take_what_is_there()
                assert now_s() < until, "the second connection brings nothing"
                threading.Event().wait(0.05)
    finally:
        server.stop()
    assert client.of("skeleton")[-1]["count"] == 1, "the same body is no change"


def test_a_kit_sends_nothing_that_the_stage_does_not_know(kit):
    """Clients are listeners: no message of theirs is malformed, none asks for a control."""
    command, folder = kit
    with stage(free_port(), HOUSE) as (url, server), listening(command("live", url), folder) as client:
        client.until(lambda client: len(client.of("pose")) >= 60, "poses")
        assert server.malformed == 0 and server.stats()["clients"] == 1


def test_the_first_message_fits_the_page(show):
    """What the kits take for the skeleton is what a show says first."""
    with connect(show, compression=None, proxy=None) as line:
        first = json.loads(line.recv(timeout=PATIENCE_S))
    assert first["type"] == "skeleton" and first["version"] == 1 and first["names"] == list(JOINTS)
