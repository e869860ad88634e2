"""Doubles for the tests of the bridges: poses, a live state without a show, a UDP receiver, a simulated clock."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from engine.types import POSE_HZ, BeatClock, Controls, MusicFeatures, Pose

WAIT_S = 20.0  #: how long a test waits for what must come; far more than it takes


def made_up_pose(frame: int) -> Pose:
    """A different, valid pose for every tick; the same for the same tick."""
    rng = np.random.default_rng(frame)
    rotations = rng.normal(size=(22, 4))
    rotations /= np.linalg.norm(rotations, axis=1, keepdims=True)
    root = rng.uniform(-1, 1, 3)
    return Pose(frame, frame / POSE_HZ, root.astype(np.float32), rotations.astype(np.float32))


def made_up_features(**beat) -> MusicFeatures:
    """Features with the beat given; the rest is fixed and told apart easily."""
    bands = np.array([0.125, 0.25, 0.375, 0.5], np.float32)
    return MusicFeatures(60, BeatClock(**beat), onset=0.75, loudness_db=-12.0, bands=bands, energy=0.625)


def let_through(state, pose):
    """A guard that never objects."""
    return state, pose, None


class FakeLive:
    """What a bridge reads and posts to, without a show behind it."""

    def __init__(self, **controls):
        self.controls = Controls(**controls)
        self.features = made_up_features(anchor_s=1.0, count=8, period_s=0.5, beat_in_bar=1, confidence=0.9)
        self.posted: list[tuple] = []
        self.has_posted = threading.Event()

    def post(self, name, value):
        self.posted.append((name, value))
        self.has_posted.set()

    def status(self):
        return {"bpm": self.features.beat.bpm, "energy": self.features.energy}


class StillClock:
    """A clock map in which stream and monotonic time differ by a constant."""

    anchored = True

    def __init__(self, offset_s: float = 0.0):
        self._offset_s = offset_s

    def to_mono(self, stream_s: float) -> float:
        return stream_s + self._offset_s

    def to_stream(self, mono_s: float) -> float:
        return mono_s - self._offset_s


class UdpPeer:
    """A socket that receives datagrams; fails after WAIT_S without one."""

    def __init__(self, bound: socket.socket):
        self._socket = bound
        host, port = bound.getsockname()[:2]
        self.port = port
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def receive(self, count: int) -> list[bytes]:
        return [self._socket.recv(65536) for _ in range(count)]


@contextmanager
def udp_peer(host: str = "127.0.0.1") -> Iterator[UdpPeer]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        bound.settimeout(WAIT_S)
        bound.bind((host, 0))
        yield UdpPeer(bound)
