"""Programs that are not ours receive what the lanes send: oscdump of liblo, osc.js and ws on Node.

Each test runs a hub with real sockets, sends made-up poses and compares what the peer says it got.
"""

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from bridge_doubles import WAIT_S, FakeLive, StillClock, let_through, made_up_pose

from bridges.axes import HUMAN_BONES
from bridges.hub import Hub, OutputSpec, open_sink
from bridges.osc import beat_at
from bridges.websocket import StageServer
from engine.clock import now_s
from engine.skeleton import JOINTS, OFFSETS_M, forward_kinematics
from engine.timeline import Timeline

NODE = Path(__file__).parent / "node"
POSES = {frame: made_up_pose(frame) for frame in range(900)}


@contextlib.contextmanager
def running(command: list[str]):
    """A program whose output is read line by line by ``lines``; killed at the end."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, bufsize=1
    )
    watchdog = threading.Timer(WAIT_S, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


@contextlib.contextmanager
def sending(*outputs):
    """A hub at work: outputs are (spec, sink); the timeline holds POSES for fifteen seconds."""
    timeline = Timeline()
    timeline.append(POSES.values())
    hub = Hub(outputs, timeline, StillClock(now_s()), FakeLive(), let_through)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


def udp_output(kind: str, port: int):
    spec = OutputSpec(kind, f"127.0.0.1:{port}")
    return spec, open_sink(spec, FakeLive())


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def vmc_bones(frame: int) -> dict[str, list[float]]:
    """What a VMC receiver must have got for a frame: position and rotation per bone."""
    pose = POSES[frame]
    bones = {}
    for joint, name in enumerate(JOINTS):
        x, y, z = (pose.root if joint == 0 else OFFSETS_M[joint]).tolist()
        qx, qy, qz, qw = pose.rotations[joint].tolist()
        bones[HUMAN_BONES[name]] = [-x, y, z, qx, -qy, -qz, qw]
    return bones


def frame_of(seconds: float) -> int:
    return round(seconds * 60)


def oscdump_frames(needs, kind: str, last: str, count: int) -> list[dict[str, list]]:
    """Whole frames as oscdump printed them, keyed by address (and bone), each ended by the address ``last``."""
    oscdump = needs.program("oscdump", "apt-get install -y liblo-tools")
    stdbuf = needs.program("stdbuf", "apt-get install -y coreutils")
    port = free_udp_port()
    frames, current = [], {}
    with running([stdbuf, "-oL", oscdump, str(port)]) as peer, sending(udp_output(kind, port)):
        for line in peer.stdout:
            # oscdump: time stamp, address, types, arguments
            match = re.match(r"\S+ (/\S+) (\S+) ?(.*)", line)
            if not match:
                continue
            address, types, arguments = match[1], match[2], shlex.split(match[3])
            values = [a if t == "s" else float(a) for t, a in zip(types, arguments, strict=True)]
            key = f"{address} {values.pop(0)}" if "s" in types else address
            current[key] = values
            if address == last:
                frames.append(current)
                current = {}
                if len(frames) == count + 1:
                    return frames[1:]  # the first may have begun before oscdump listened
    pytest.fail(f"oscdump printed {len(frames)} frames only")


def test_oscdump_reads_vmc(needs):
    frames = oscdump_frames(needs, "vmc", "/VMC/Ext/T", 20)
    numbers = [frame_of(frame["/VMC/Ext/T"][0]) for frame in frames]
    assert np.all(np.diff(numbers) >= 1)
    for number, frame in zip(numbers, frames, strict=True):
        assert frame["/VMC/Ext/OK"] == [1.0]
        assert frame["/VMC/Ext/Root/Pos root"] == [0, 0, 0, 0, 0, 0, 1]
        for bone, expected in vmc_bones(number).items():
            assert frame[f"/VMC/Ext/Bone/Pos {bone}"] == pytest.approx(expected, abs=2e-6)


def test_oscdump_reads_the_channels(needs):
    frames = oscdump_frames(needs, "osc", "/live/joint/right_wrist/tz", 20)
    beat = FakeLive().features.beat
    for frame in frames:
        beats = frame["/live/beat"][0] + frame["/live/phase"][0]
        number = frame_of(beat.time_of(beats))  # the beat of the instant seen names the frame
        expected_beat, phase, in_bar = beat_at(beat, number / 60)
        assert (frame["/live/beat"], frame["/live/bar"]) == ([expected_beat], [in_bar])
        assert frame["/live/phase"][0] == pytest.approx(phase, abs=1e-5)
        assert frame["/live/bands/3"] == [0.5]
        positions, _ = forward_kinematics(POSES[number].root, POSES[number].rotations)
        for joint, name in enumerate(JOINTS):
            got = [frame[f"/live/joint/{name}/t{axis}"][0] for axis in "xyz"]
            assert got == pytest.approx(positions[joint].tolist(), abs=1e-4)


@pytest.fixture
def node(needs) -> str:
    program = needs.program("node", "apt-get install -y nodejs npm (18 or newer)")
    needs.path(NODE / "node_modules", "npm ci --prefix tests/node")
    return program


def test_osc_js_reads_vmc(node):
    with running([node, str(NODE / "osc_receiver.mjs"), "21"]) as peer:
        port = int(peer.stdout.readline().removeprefix("port "))
        with sending(udp_output("vmc", port)):
            line = peer.stdout.readline()
        assert line, peer.stderr.read()
    messages = [message for bundle in json.loads(line) for message in bundle]
    ends = [index for index, (address, _) in enumerate(messages) if address == "/VMC/Ext/T"]
    assert len(ends) == 10
    for start, end in zip([0, *(end + 1 for end in ends)], ends, strict=False):
        assert [address for address, _ in messages[start : end + 1]] == [
            "/VMC/Ext/Root/Pos", *["/VMC/Ext/Bone/Pos"] * 22, "/VMC/Ext/OK", "/VMC/Ext/T",
        ]  # fmt: skip
        number = frame_of(messages[end][1][0])
        got = {arguments[0]: arguments[1:] for address, arguments in messages[start:end] if "Bone" in address}
        for bone, expected in vmc_bones(number).items():
            assert got[bone] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("query", ["", "?format=json"])
def test_a_node_client_reads_the_stage(node, query):
    live = FakeLive()
    stage = StageServer("127.0.0.1", 0, live, lead_s=0.08)
    stage.start()
    try:
        command = [node, str(NODE / "ws_client.mjs"), f"ws://127.0.0.1:{stage.port}/ws{query}", "30"]
        with running(command) as peer, sending((OutputSpec("ws", "stage", 0.08, "stage"), stage.sink())):
            line = peer.stdout.readline()
            assert line, peer.stderr.read()
    finally:
        stage.stop()
    seen = json.loads(line)
    assert seen["skeleton"]["names"] == list(JOINTS)
    assert seen["skeleton"]["lead_ms"] == 80
    assert (seen["pong"]["id"], seen["pong"]["client_s"]) == (1, 2.5)
    assert seen["status"]["bpm"] == 120
    assert live.posted == [("energy", 1.25)]
    frames = [pose["frame"] for pose in seen["poses"]]
    assert len(frames) >= 30
    assert np.all(np.diff(frames) >= 1)
    for got in seen["poses"]:
        pose = POSES[got["frame"]]
        assert got["time_s"] == pose.time_s
        assert got["sent_s"] == pytest.approx(pose.time_s - 0.08, abs=1.0)
        (body,) = got["performers"]
        assert body["root"] == pytest.approx(pose.root.tolist(), abs=1e-6)
        assert np.allclose(body["rotations"], pose.rotations, atol=1e-6)
