"""Cost of packing one pose for every wire, on one core, without sockets. The bound to hold is 50 us a pose.

Poses are random (no joint stands still), so every number changes from one to the next. Each figure is the median of
rounds over the same poses, in processor time: what the encoder costs, whoever else has the core in between.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bridges.artnet import ArtnetEncoder
from bridges.frames import pose_bytes, pose_json
from bridges.lights import Lights, lights_step, universe
from bridges.livelink import LiveLinkEncoder
from bridges.osc import ChannelEncoder
from bridges.sacn import SacnEncoder
from bridges.vmc import VmcEncoder
from bridges.vrchat import TrackerEncoder
from engine.skeleton import HOUSE
from engine.types import POSE_HZ, BeatClock, MusicFeatures, Pose
from tests.bench.running import one_core

POSES = 300


def run(short: bool = False) -> list[dict]:
    """Microseconds of processor time per pose, one line per wire, with the wall's beside them."""
    with one_core():
        return [measure(name, encode, 5 if short else 25) for name, encode in encoders().items()]


def encoders() -> dict[str, Callable[[Pose], object]]:
    vmc, channels, trackers, livelink = (
        E(HOUSE) for E in (VmcEncoder, ChannelEncoder, TrackerEncoder, LiveLinkEncoder)
    )
    sacn, artnet, dark = SacnEncoder(bytes(16), 1), ArtnetEncoder(0), Lights()
    bands = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    heard = MusicFeatures(60, BeatClock(0.0, 0, 0.5, 1, 4, 0.9, 0.9), 0.5, -20.0, bands, energy=0.7)
    hands = np.tile(np.array([0, 0, 0.6, 0.8], np.float32), (30, 1))
    face = {"happy": 0.5, "blinkLeft": 1.0, "blinkRight": 1.0}

    def slots(pose: Pose) -> bytes:
        return universe(lights_step(dark, heard, pose.time_s, 0).slots, 1)

    return {
        "vmc": vmc.encode,
        "vmc, fingers and face": lambda pose: vmc.encode(replace(pose, hands=hands, expressions=face)),
        "osc channels": lambda pose: channels.encode(pose, heard),
        "vrchat": trackers.encode,
        "livelink": livelink.encode,
        "sacn": lambda pose: sacn.encode(slots(pose)),
        "artnet": lambda pose: artnet.encode(slots(pose)),
        "websocket, binary": lambda pose: pose_bytes(pose, 0, pose.time_s),
        "websocket, text": lambda pose: pose_json(pose, 0, pose.time_s),
    }


def measure(name: str, encode: Callable[[Pose], object], rounds: int) -> dict:
    poses = [made_up(frame) for frame in range(POSES)]
    wall_s, cpu_s = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.thread_time()
        for pose in poses:
            encode(pose)
        wall_s.append(time.perf_counter() - wall)
        cpu_s.append(time.thread_time() - cpu)
    per_pose = 1e6 / POSES
    return {
        "figure": f"encoding a pose: {name}",
        "unit": "us",
        "value": round(float(np.median(cpu_s)) * per_pose, 1),
        "wall": round(float(np.median(wall_s)) * per_pose, 1),
        "poses": POSES * rounds,
    }


def made_up(frame: int) -> Pose:
    rng = np.random.default_rng(frame)
    rotations = rng.normal(size=(len(HOUSE.names), 4))
    rotations /= np.linalg.norm(rotations, axis=1, keepdims=True)
    root = rng.uniform(-1, 1, 3).astype(np.float32)
    return Pose(frame, frame / POSE_HZ, root, rotations.astype(np.float32))
