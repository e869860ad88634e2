"""The whole pipeline in one process, without threads or sockets: sound in, poses out. Offline shows and replays use it.

    for pose in dance(source, show, model, ear): ...
    dancer = Dancer(show, model, ear); poses = dancer.feed(samples, rate)

The live show runs the same ``Listener`` and the same planner, the latter in a process of its own; a test holds both
equal to the last bit.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from engine.config import ShowConfig
from engine.guard import GuardState, guard_step
from engine.listen import Front, listen_step, start_listening
from engine.listen.outside import OutsideClock
from engine.metrics import Counters
from engine.show import ControlEvent, apply_control, event_asks, event_reading, standing_asks
from engine.types import AudioBlock, Controls, Ear, MusicFeatures, Pose, Source, StepModel


@runtime_checkable
class Planner(Protocol):
    """``engine.plan`` with its model: what the planner process owns. States are picklable, never written in place."""

    identity: str
    styles: tuple[str, ...]

    def start(self, *, seed: int, horizon_ticks: int) -> Any: ...

    def step(self, state: Any, features: MusicFeatures, controls: Controls) -> tuple[Any, tuple[Pose, ...]]: ...

    def tail(self, state: Any) -> tuple[Pose, ...]: ...


class ModelPlanner:
    """The planner of the house around a network."""

    def __init__(self, model: StepModel) -> None:
        from engine import plan  # here, so that listening alone needs no model

        self._plan, self._model = plan, model
        self.identity: str = model.spec.identity
        self.styles: tuple[str, ...] = tuple(model.spec.styles)

    def start(self, *, seed: int, horizon_ticks: int) -> Any:
        return self._plan.start_plan(self._model, seed=seed, horizon_ticks=horizon_ticks)

    def step(self, state: Any, features: MusicFeatures, controls: Controls) -> tuple[Any, tuple[Pose, ...]]:
        return self._plan.plan_step(self._model, state, features, controls)

    def tail(self, state: Any) -> tuple[Pose, ...]:
        return self._plan.plan_tail(state)


class Asked(NamedTuple):
    """What the planner is asked at one model frame."""

    features: MusicFeatures
    controls: Controls
    events: tuple[ControlEvent, ...]  #: what the operator changed at this frame border, already in ``controls``


class Recorder(Protocol):
    """Who keeps a performance, see ``engine.take``."""

    def audio(self, block: AudioBlock) -> None: ...

    def asked(self, asked: Asked) -> None: ...

    def poses(self, poses: list[Pose]) -> None: ...


def no_events(frame: int) -> list[ControlEvent]:
    return []


class Listener:
    """Audio blocks in, one ``Asked`` per model frame out. Owned by one thread."""

    def __init__(
        self, rate: int, controls: Controls, ear: Ear, *, drain: Callable[[int], list[ControlEvent]] = no_events
    ) -> None:
        """``rate`` [Hz] of the blocks; ``drain(frame)`` returns the control events to apply at that frame border."""
        self._front = Front(rate)
        self._ear, self._state = ear, start_listening(ear)
        self._controls, self._asks = controls, standing_asks(controls)
        self._outside: OutsideClock | None = None
        self._drain = drain

    def push(self, block: AudioBlock) -> Iterator[Asked]:
        """Hear one block."""
        for heard in self._front.push(block):
            events = tuple(self._drain(2 * (self._state.frames + 1)))
            asks, self._asks = self._asks, ()
            for event in events:
                self._controls = apply_control(self._controls, event.name, event.value)
                asks += event_asks(event, self._controls)
                self._outside = event_reading(event, self._outside)
            self._state, features = listen_step(self._ear, self._state, heard.samples, heard.gap, asks, self._outside)
            yield Asked(features, self._controls, events)


class PoseGuard:
    """The guard for a consumer that takes every pose in order: the take, and whoever dances offline."""

    def __init__(self) -> None:
        self._state = GuardState()
        self.reasons = Counters()

    def __call__(self, poses: Iterable[Pose]) -> list[Pose]:
        passed = []
        for pose in poses:
            self._state, pose, reason = guard_step(self._state, pose)
            if reason:
                self.reasons.add(reason)
            passed.append(pose)
        return passed


@dataclass(frozen=True, slots=True)
class Happened:
    """What came from a clock in the show that is played again, by frame; empty for a new show."""

    controls: Callable[[int], list[ControlEvent]] = no_events
    lost: frozenset[int] = frozenset()  #: frames whose features never reached the planner


class Dancer:
    """Push-style: feed sound, get the poses that it commits. Same sound, same show, same model: same poses."""

    def __init__(
        self,
        show: ShowConfig,
        model: StepModel | Planner,
        ear: Ear,
        *,
        horizon_ticks: int | None = None,
        happened: Happened = Happened(),
        recorder: Recorder | None = None,
    ) -> None:
        planner = model if isinstance(model, Planner) else ModelPlanner(model)
        horizon_ticks = show.horizon_ticks if horizon_ticks is None else horizon_ticks
        self._planner, self._state = planner, planner.start(seed=show.seed, horizon_ticks=horizon_ticks)
        self._controls, self._happened, self._recorder = show.controls, happened, recorder
        self._ear, self._listener = ear, None
        self._heard = 0
        self.guard = PoseGuard()

    def feed(self, samples: np.ndarray, rate: int) -> list[Pose]:
        """Hear samples (N,) mono in [-1, 1] at ``rate`` [Hz], the same in every call; returns newly committed poses."""
        return self.push(AudioBlock(self._heard, np.asarray(samples, np.float32), rate))

    def push(self, block: AudioBlock) -> list[Pose]:
        """Hear one block; blocks come in order and without holes."""
        if self._listener is None:
            self._listener = Listener(block.rate, self._controls, self._ear, drain=self._happened.controls)
        self._heard = block.start + len(block.samples)
        if self._recorder:
            self._recorder.audio(block)
        return [pose for asked in self._listener.push(block) for pose in self._plan(asked)]

    def _plan(self, asked: Asked) -> list[Pose]:
        poses: list[Pose] = []
        if asked.features.frame not in self._happened.lost:
            self._state, committed = self._planner.step(self._state, asked.features, asked.controls)
            poses = self.guard(committed)
        if self._recorder:
            self._recorder.asked(asked)
            self._recorder.poses(poses)
        return poses


def dance(source: Source, show: ShowConfig, model: StepModel | Planner, ear: Ear, **more: Any) -> Iterator[Pose]:
    """Every pose of the show, as fast as the source gives sound. ``more`` goes to ``Dancer``."""
    dancer = Dancer(show, model, ear, **more)
    for block in until(source, show.seconds):
        yield from dancer.push(block)


def until(blocks: Iterable[AudioBlock], seconds: float | None) -> Iterator[AudioBlock]:
    """The blocks of the first ``seconds`` [s] of the stream, cut to the sample; None = all of them."""
    for block in blocks:
        end = None if seconds is None else round(seconds * block.rate) - block.start
        if end is None or len(block.samples) < end:
            yield block
            continue
        if end > 0:
            yield AudioBlock(block.start, block.samples[:end], block.rate, block.gap)
        return
