"""A stage with a made-up dancer on it: the real server, fed at 60 poses a second without a model or sound."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bridges.flags import BLACKOUT, FREEZE, PANIC
from bridges.websocket import StageServer
from engine.clock import now_s
from engine.show import LiveState
from engine.skeleton import JOINTS, STANDING_HIP_M, quat_multiply, t_pose
from engine.types import POSE_HZ, BeatClock, Controls, MusicFeatures, Pose, Tick

BPM = 120.0
LEG_M = 0.81
_AT = {name: index for index, name in enumerate(JOINTS)}


def _turn(rotations: np.ndarray, joint: str, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> None:
    """Set a joint's rotation to x, then y, then z [rad] about the house axes."""
    total = np.array([0.0, 0.0, 0.0, 1.0])
    for axis, angle in enumerate((x, y, z)):
        step = np.zeros(4)
        step[axis], step[3] = math.sin(angle / 2), math.cos(angle / 2)
        total = quat_multiply(step, total)
    rotations[_AT[joint]] = total


def groove(frame: int) -> Pose:
    """A body that bends its knees on every beat, sways over a bar and swings its arms. Feet stay on the floor."""
    time_s = frame / POSE_HZ
    beat = time_s * BPM / 60
    down = 0.5 + 0.5 * math.cos(2 * math.pi * beat)
    sway = math.sin(math.pi * beat)
    knee = 0.12 + 0.38 * down
    rotations = t_pose()
    for side, sign in (("left", 1), ("right", -1)):
        _turn(rotations, f"{side}_hip", x=-knee)
        _turn(rotations, f"{side}_knee", x=2 * knee)
        _turn(rotations, f"{side}_ankle", x=-knee)
        swing = sign * sway
        _turn(rotations, f"{side}_shoulder", x=0.3, y=sign * (-0.5 + 0.4 * swing), z=sign * (-0.75 + 0.55 * swing))
        _turn(rotations, f"{side}_elbow", y=-sign * (1.0 + 0.6 * down))
    _turn(rotations, "spine1", x=0.10 * down, z=-0.08 * sway)
    _turn(rotations, "spine3", x=0.08 * down, y=0.25 * sway)
    _turn(rotations, "neck", x=0.15 * down)
    root = np.array([0.0, STANDING_HIP_M - LEG_M * (1 - math.cos(knee)), 0.0], np.float32)
    return Pose(frame, time_s, root, rotations)


def _features(frame: int) -> MusicFeatures:
    time_s = frame / POSE_HZ
    count = int(time_s * BPM / 60)
    phase = (time_s * BPM / 60) % 1
    clock = BeatClock(count * 60 / BPM, count, 60 / BPM, count % 4 + 1, 4, 0.9, 0.8)
    bands = np.array([math.exp(-5 * ((phase * rate) % 1)) for rate in (1, 1, 2, 4)], np.float32)
    return MusicFeatures(frame, clock, float(bands.max()), -14.0 + 6 * float(bands[0]), bands, 0.7)


def _report(audio: dict | None) -> dict:
    spread = {"heard": (11, 16), "beat": (1.2, 2.1), "plan": (17, 28), "send": (0.3, 0.9)}
    return {
        "peak": 0.6,
        "clip": False,
        "input": "made up",
        "audio": audio,
        "latency": {name: {"p50": low, "p99": high} for name, (low, high) in spread.items()},
        "outputs": [
            {"name": "stage", "kind": "ws", "lead_ms": 0, "sent": 600, "skipped": 0, "fresh": True},
            {"name": "wall", "kind": "vmc", "lead_ms": 80, "sent": 600, "skipped": 2, "fresh": True},
            {"name": "robot", "kind": "osc", "lead_ms": 200, "sent": 0, "skipped": 0, "fresh": False},
        ],
        "backend": "made up",
        "uptime_s": 12.0,
    }


class WatchedState(LiveState):
    """Remembers what the page asked for."""

    def __init__(self, *args, **more) -> None:
        super().__init__(*args, **more)
        self.asked: list[str] = []

    def drain(self):
        events = super().drain()
        self.asked += [event.name for event in events]
        return events


def _flags(controls: Controls) -> int:
    return FREEZE * controls.freeze | BLACKOUT * controls.blackout | PANIC * controls.panic


@contextmanager
def moving_stage(
    dance: Callable[[int], Pose] = groove, *, demo_audio: Path | None = None, audio: dict | None = None
) -> Iterator[tuple[StageServer, WatchedState]]:
    """Serve the page on a free loopback port and let ``dance`` move; freeze holds the newest pose, as a lane does."""
    live = WatchedState(Controls(), styles=("house", "hip_hop", "ballet", "krump", "locking"))
    live.report_with(lambda: _report(audio))
    server = StageServer("127.0.0.1", 0, live, demo_audio)
    server.start()
    stop = threading.Event()
    thread = threading.Thread(target=_feed, args=(server, live, dance, stop), daemon=True)
    thread.start()
    try:
        yield server, live
    finally:
        stop.set()
        thread.join()
        server.stop()


def _feed(server: StageServer, live: LiveState, dance: Callable[[int], Pose], stop: threading.Event) -> None:
    sink, start_s, frame = server.sink(), now_s(), 0
    pose = dance(0)
    while not stop.wait(max(0.0, start_s + frame / POSE_HZ - now_s())):
        controls = live.controls
        pose = pose if controls.freeze else dance(frame)
        sink.deliver(pose, _flags(controls), frame / POSE_HZ)
        if frame % 2 == 0:
            live.drain()
            live.publish(_features(frame), Tick(frame, 11.0, 1.2, 17.0, horizon_ms=420.0))
        frame = max(frame + 1, round((now_s() - start_s) * POSE_HZ))
