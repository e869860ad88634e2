"""Small deterministic stand-ins that tests hand to the engine in the place of a network."""

import hashlib
import os
import time
from dataclasses import dataclass

import numpy as np

from engine.errors import ModelError
from engine.idle import idle_pose
from engine.listen.mel import MEL_BANDS, MEL_LOOKS
from engine.types import MODEL_HZ, POSE_HZ, Activations, Controls, MusicFeatures, Pose

ROW_TICKS = 8
TAIL_TICKS = 24


@dataclass(frozen=True)
class DoubleState:
    """Everything that was ever fed in, as a digest, and how far poses are committed."""

    horizon_ticks: int
    digest: bytes
    committed: int = 0
    cache: np.ndarray | None = None


class DoublePlanner:
    """Commits rows of 8 poses that depend on every bit of everything fed in so far."""

    identity = "double-1"
    styles = ("calm", "wild")

    def start(self, *, seed: int, horizon_ticks: int) -> DoubleState:
        return DoubleState(horizon_ticks, hashlib.sha256(str(seed).encode()).digest(), 0, np.arange(256.0))

    def step(
        self, state: DoubleState, features: MusicFeatures, controls: Controls
    ) -> tuple[DoubleState, tuple[Pose, ...]]:
        heard = repr((features.frame, features.beat, features.onset, features.loudness_db, features.energy, controls))
        digest = hashlib.sha256(state.digest + heard.encode() + features.bands.tobytes()).digest()
        end = state.committed
        while end <= features.frame + state.horizon_ticks:
            end += ROW_TICKS
        poses = tuple(_pose(frame, digest) for frame in range(state.committed, end))
        return DoubleState(state.horizon_ticks, digest, end, state.cache + 1), poses

    def tail(self, state: DoubleState) -> tuple[Pose, ...]:
        return tuple(_pose(frame, state.digest) for frame in range(state.committed, state.committed + TAIL_TICKS))


def _pose(frame: int, digest: bytes) -> Pose:
    rng = np.random.default_rng([frame, *digest[:8]])
    idle = idle_pose(frame)
    root = (idle.root + rng.uniform(0, 0.002, 3)).astype(np.float32)
    return Pose(frame, frame / POSE_HZ, root, idle.rotations)


class SlowPlanner(DoublePlanner):
    """Too slow for any stream."""

    def step(self, state, features, controls):
        time.sleep(0.2)
        return super().step(state, features, controls)


class DyingPlanner(DoublePlanner):
    """Ends its process when frame 60 is stepped for the first time in the life of ``CORYBANT_TEST_DEATH`` (a file)."""

    def step(self, state, features, controls):
        mark = os.environ["CORYBANT_TEST_DEATH"]
        if features.frame == 60 and not os.path.exists(mark):  # noqa: PTH110
            with open(mark, "w"):
                os._exit(9)
        return super().step(state, features, controls)


@dataclass(frozen=True)
class LoudState:
    """What ``LoudEar`` remembers."""

    spectra: np.ndarray  #: (2, 72) of the looks before
    top: float = 0.1  #: largest rise of the last seconds
    pulse: float = 0.0


class LoudEar:
    """An ear without a network: beat activation where the spectrum rises about as much as it ever did lately."""

    identity = "loud-1"
    delay_s = 0.022  # a rise is largest when the attack has entered the window
    embedding = 4

    def start(self) -> LoudState:
        return LoudState(np.zeros((2, MEL_BANDS), np.float32))

    def step(self, state: LoudState, spectra: np.ndarray) -> tuple[LoudState, Activations]:
        assert spectra.shape == (MEL_LOOKS, MEL_BANDS)
        looks, top, beat = np.concatenate([state.spectra, spectra]), state.top, np.zeros(MEL_LOOKS, np.float32)
        for look in range(MEL_LOOKS):
            rise = float(np.maximum(looks[2 + look] - looks[look], 0.0).mean())
            top = max(top * 0.5 ** (1 / (2 * 60)), rise, 0.02)
            beat[look] = 0.95 * min(1.4 * rise / top, 1.0) ** 4
        pulse = max(state.pulse * 0.5 ** (1 / MODEL_HZ), float(beat.max()) if spectra.max() > 0.3 else 0.0)
        said = Activations(beat, 0.1 * beat, pulse, pulse, 0.0, 0.0, 0.0, 0.0, 0.0, spectra[-1, :4].copy())
        return LoudState(looks[-2:].copy(), top, pulse), said


def ear_double() -> LoudEar:
    """In the place of ``run_live.load_own_ear``."""
    return LoudEar()


def load_double() -> DoublePlanner:
    return DoublePlanner()


def load_slow() -> DoublePlanner:
    return SlowPlanner()


def load_dying() -> DoublePlanner:
    return DyingPlanner()


def load_nothing() -> DoublePlanner:
    raise ModelError("the weights are missing: there is nothing to load in a test")


def load_nothing_at(backend: str, weights: str) -> DoublePlanner:
    return load_nothing()


def planner_dying(backend: str, weights: str) -> DoublePlanner:
    return DyingPlanner()


def planner_double(backend: str, weights: str) -> DoublePlanner:
    """In the place of ``run_live.load_planner``."""
    return DoublePlanner()


def click_track(seconds: float = 6.0, rate: int = 48_000, bpm: float = 120.0, seed: int = 3) -> np.ndarray:
    """Noise bursts on the beat over a faint floor: (N,) float32 in [-1, 1]."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    phase = (t * bpm / 60) % 1.0
    return ((0.6 * np.exp(-phase * 30) + 0.003) * rng.uniform(-1, 1, len(t))).astype(np.float32)
