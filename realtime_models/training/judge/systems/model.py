"""A track heard and danced to, offline, by the very functions of the show: Front, listen_step, plan_step, guard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from engine.condition import Condition, music_columns
from engine.config import ShowConfig
from engine.dance import Asked, Listener, ModelPlanner, PoseGuard
from engine.errors import ConfigError
from engine.said import SaidState, said_step
from engine.sources import open_file
from engine.types import POSE_HZ, AudioBlock, Controls, Ear, StepModel
from realtime_models.backends import load_ear
from realtime_models.training.judge.beat import joint_positions, joint_speed, smooth

BLOCK = 4800  #: samples a block; no result depends on it
Music = tuple[Asked, ...]  #: what the listener made of a piece of sound, one a model frame


@dataclass(frozen=True)
class Track:
    """Sound with the true beats, which only the scorer sees."""

    name: str
    samples: np.ndarray  #: (N,) mono
    rate: int  #: [Hz]
    beats_s: np.ndarray  #: (n,)

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    @property
    def period_s(self) -> float:
        return float(np.median(np.diff(self.beats_s)))

    @property
    def bpm(self) -> float:
        return 60 / self.period_s


def read_track(folder: Path, name: str) -> Track:
    """NAME.ogg and NAME.beats of a folder. Raises ConfigError when one is missing."""
    beats = folder / f"{name}.beats"
    if not beats.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.beats")))
        raise ConfigError(f"no track with beats named {name} in {folder}; there is: {known or 'none'}")
    source = open_file(str(folder / f"{name}.ogg"), block=BLOCK)
    samples = np.concatenate([block.samples for block in source])
    return Track(name, samples, source.rate, np.loadtxt(beats, ndmin=2)[:, 0])


def delayed(track: Track, delay_s: float) -> Track:
    """The sound ``delay_s`` [s] later, its beats where they were: the body hears what the scorer does not."""
    silence = np.zeros(round(delay_s * track.rate), np.float32)
    return Track(f"{track.name} +{delay_s:.3f} s", np.r_[silence, track.samples], track.rate, track.beats_s)


def silent(seconds: float, rate: int = 48_000) -> Track:
    """Digital silence."""
    return Track("silence", np.zeros(round(seconds * rate), np.float32), rate, np.zeros(0))


def programme(tracks: Sequence[Track], seconds: float, ends_s: float = 60.0) -> Track:
    """The tracks after one another, as often as it takes, ``seconds`` long, without beats.

    It begins and ends with the same ``ends_s`` of the first track, so that a body that changes in between changed by
    itself. ConfigError when sample rates differ.
    """
    rates = {track.rate for track in tracks}
    if len(rates) != 1:
        raise ConfigError(f"tracks of different sample rates cannot be joined: {sorted(rates)} Hz")
    (rate,) = rates
    end = np.resize(tracks[0].samples, round(ends_s * rate))
    middle = np.concatenate([track.samples for track in [*tracks[1:], tracks[0]]])
    middle = np.resize(middle, round(seconds * rate) - 2 * len(end))
    return Track("+".join(track.name for track in tracks), np.r_[end, middle, end], rate, np.zeros(0))


def hear(track: Track, ear: Ear | None = None) -> Music:
    """All that the listener says of a track, as the planner of a show would be asked; by the shipped ear if by none."""
    listener = Listener(track.rate, Controls(), ear or shipped_ear())
    blocks = (
        AudioBlock(start, track.samples[start : start + BLOCK], track.rate)
        for start in range(0, len(track.samples), BLOCK)
    )
    return tuple(asked for block in blocks for asked in listener.push(block))


@cache
def shipped_ear() -> Ear:
    """Loaded once. Raises ModelError."""
    return load_ear()


def said_beats(music: Music) -> np.ndarray:
    """Beats (n,) [s] as the listener predicted them, never revised."""
    state, lines = SaidState(), []
    for asked in music:
        state, said = said_step(state, asked.features)
        lines += said.beats
    return np.array([float(line.split("\t")[0]) for line in lines])


@dataclass(frozen=True)
class Danced:
    """Poses of one run at 60 Hz; frame 0 is stream time 0, the moment at which it should be seen."""

    root: np.ndarray  #: (F, 3) [m]
    rotations: np.ndarray  #: (F, 22, 4) xyzw
    held: int = 0  #: poses that the guard held or replaced
    fps: float = POSE_HZ


Dance = Callable[[Music, int], Danced]  #: (what was heard, seed) -> poses


def dancer_of(model: StepModel) -> Dance:
    """The show's planner and guard around a network."""
    planner, horizon_ticks = ModelPlanner(model), ShowConfig().horizon_ticks

    def dance(music: Music, seed: int) -> Danced:
        state, guard, poses = planner.start(seed=seed, horizon_ticks=horizon_ticks), PoseGuard(), []
        for asked in music:
            state, committed = planner.step(state, asked.features, asked.controls)
            poses += guard(committed)
        held = sum(guard.reasons.to_dict().values())
        return Danced(np.stack([p.root for p in poses]), np.stack([p.rotations for p in poses]), held)

    return dance


def speed_curve(danced: Danced, joints: Sequence[int], *, relative: bool = False) -> np.ndarray:
    """As ``score.body_speed``, for a run."""
    positions = joint_positions(danced.root, danced.rotations)
    if relative:
        positions = positions - positions[:, :1]
    return smooth(joint_speed(positions[:, list(joints)], danced.fps).mean(axis=1), 0.05 * danced.fps)


class Deaf:
    """A network that is told nothing of the music: the condition that training dropped now and then, always dropped.

    Wishes of the stage (where to go) and the settling in silence stay as they are.
    """

    def __init__(self, model: StepModel) -> None:
        self.model, self.spec = model, model.spec

    def start(self, seed: int):
        return self.model.start(seed)

    def step(self, state, condition: Condition):
        window = condition.window.copy()
        window[:, music_columns(window.shape[1])] = 0.0
        return self.model.step(state, replace(condition, window=window))
