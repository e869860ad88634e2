"""The hub: one lane per output, each with its own thread, deadlines and lead.

``lead_s`` is an output's own delay from being sent to being seen, positive = sent earlier: at stream time t a lane
sends the pose that is to be seen at t + lead_s. Deadlines are absolute (the border of a tick in stream time, less the
lead); a lane that wakes late goes on with the newest due pose and counts what it left out, unless its sink is
``ordered`` (a recording): that one gets every pose, late as it may be. Lanes share nothing but what they read, so that
a slow or broken output never delays another.
"""

import importlib
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bridges.flags import BLACKOUT, FREEZE, HELD, PANIC
from bridges.latch import BACK_TICKS, Shown, choose
from bridges.options import check_options
from engine.accent import Accent, accent_step
from engine.clock import ClockMap, now_s, wait_until
from engine.errors import ConfigError, nearest
from engine.metrics import Histogram
from engine.skeleton import HOUSE
from engine.timeline import Timeline, tick_at
from engine.types import POSE_HZ, Controls, Pose, Sink, Skeleton

#: Where each kind of output lives. A new bridge is one file and one line here; modules load when they are asked for.
SINKS = {
    "vmc": "bridges.vmc:VmcSink",
    "osc": "bridges.osc:ChannelsSink",
    "ws": "bridges.websocket:WebSocketSink",
    "vrchat": "bridges.vrchat:VrchatSink",
    "livelink": "bridges.livelink:LiveLinkSink",
    "sacn": "bridges.sacn:SacnSink",
    "artnet": "bridges.artnet:ArtnetSink",
    **dict.fromkeys(("bvh", "gltf", "vrma", "smplx", "amass"), "bridges.recorders.sink:RecorderSink"),
}
MAX_LEAD_S = 0.25
CATCH_UP_TICKS = 600  #: an ordered output is given poses up to so late; the timeline keeps them longer
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 8.0
STEADY_S = 10.0  #: an output that failed longer ago than this is trusted again
FRESH_S = 0.5  #: an output whose last pose left longer ago than this is shown as dead
SENT_KEPT = 16_384  #: send times kept per output until the take fetches them: four and a half minutes
GUARD_HOLDS = {"not_finite", "not_unit", "joint_speed", "root_speed"}  #: here the guard keeps the old pose

GuardStep = Callable[[Any, Pose], tuple[Any, Pose, str | None]]
_LOG = logging.getLogger("corybant.hub")


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One output as the operator asked for it."""

    kind: str
    address: str
    lead_s: float = 0.0  #: [s] from sent to seen, 0..MAX_LEAD_S
    name: str = ""  #: unique; empty = kind=address
    options: Mapping[str, str] = field(default_factory=dict)  #: what only this kind knows, as it was written

    @property
    def label(self) -> str:
        return self.name or f"{self.kind}={self.address}"


def open_sink(spec: OutputSpec, live) -> Sink:
    """The sink of ``spec``, not yet open. ConfigError for an unknown kind, option or host, or a malformed address.

    A sink that has options names them in ``OPTIONS`` and reads them with ``bridges.options.read_options``.
    """
    if spec.kind not in SINKS:
        raise ConfigError(f"there is no output of kind '{spec.kind}'{nearest(spec.kind, SINKS)}")
    if not 0.0 <= spec.lead_s <= MAX_LEAD_S:
        raise ConfigError(f"the lead of {spec.label} is 0 to {MAX_LEAD_S * 1000:g} ms, not {spec.lead_s * 1000:g}")
    module, _, name = SINKS[spec.kind].partition(":")
    sink = getattr(importlib.import_module(module), name)
    check_options(spec, getattr(sink, "OPTIONS", {}))
    return sink(spec, live)


class Lane:
    """One output in time. One thread (or a test with its own clock) calls ``deadline`` and ``step`` in turn."""

    def __init__(
        self, spec: OutputSpec, sink: Sink, timeline: Timeline, clock: ClockMap, live, guard: GuardStep
    ) -> None:
        self.spec, self.sink = spec, sink
        self._timeline, self._clock, self._live, self._guard = timeline, clock, live, guard
        self._ordered = getattr(sink, "ordered", False)
        self._deliver = getattr(sink, "deliver", None) or (lambda pose, flags, sent_s: sink.send(pose))
        self._skeleton = HOUSE
        self._shown, self._guard_state, self._accent, self._on_tail = Shown(), None, Accent(), False
        self._dancing = False  # a pose has come from the timeline; the wait for the first one is not counted as held
        self._next: int | None = None  # the tick to be sent next
        self.sent = self.skipped = self.held = self.missed = self.errors = self.reopened = 0
        self.last_error = ""
        self.guarded: Counter[str] = Counter()
        self.late, self.cost, self.interval = Histogram(), Histogram(), Histogram()  # all in ms
        self._last_sent_mono: float | None = None
        self._retry_s, self._retry_at, self._failed_at = FIRST_RETRY_S, None, None
        self._sent_log: deque[tuple[int, float]] = deque(maxlen=SENT_KEPT)
        self.sent_log_lost = 0

    def open(self, skeleton: Skeleton) -> None:
        """Open the sink before the show; raises what it raises."""
        self._skeleton = skeleton
        self.sink.open(skeleton)

    def deadline(self, mono_s: float) -> float:
        """Monotonic time at which the next pose is to leave, given that it is ``mono_s`` now."""
        if self._next is None:
            self._next = tick_at(self._clock.to_stream(mono_s) + self.spec.lead_s) + 1
        return self._clock.to_mono(self._next / POSE_HZ - self.spec.lead_s)

    def step(self, mono_s: float, deadline_s: float) -> None:
        """Send the pose due at ``mono_s``, and for an ordered sink those before it; never raises."""
        stream_s = self._clock.to_stream(mono_s)
        newest = max(self._next, tick_at(stream_s + self.spec.lead_s))
        first = max(self._next, newest - CATCH_UP_TICKS) if self._ordered else newest
        self.skipped += first - self._next
        self._next = newest + 1
        self.late.add((mono_s - deadline_s) * 1000)
        for tick in range(first, newest + 1):
            self._step_to(tick, tick_at(stream_s) - (newest - tick), stream_s, mono_s)

    def _step_to(self, tick: int, now_tick: int, stream_s: float, mono_s: float) -> None:
        try:
            pose, flags = self._decide(tick, now_tick)
        except Exception as error:  # not the sink's fault; the next pose may be better, and the lane must live
            self.errors += 1
            self.last_error = f"{type(error).__name__}: {error}"
            return
        if self._ready(mono_s):
            self._send(pose, flags, stream_s, mono_s)
        else:
            self.missed += 1

    def _decide(self, tick: int, now_tick: int) -> tuple[Pose, int]:
        """The pose of ``tick`` after latch, fall-back, accent and guard, and its flags."""
        controls: Controls = self._live.controls
        due = self._timeline.at(tick)
        if due is not None and self._on_tail:  # the plan caught up: from the fall-back into it without a jump
            self._shown = replace(self._shown, back=max(self._shown.back, BACK_TICKS // 2))
        self._on_tail = due is None and (due := self._timeline.fallback(tick)) is not None
        self._shown, dry = choose(self._shown, tick, due, controls)
        pose = self._shown.pose
        if not (controls.freeze or controls.blackout or controls.panic):
            self._accent, pose = accent_step(self._accent, pose, self._live.features, now_tick)
        self._guard_state, pose, reason = self._guard(self._guard_state, pose)
        self._shown = self._shown.corrected(pose)
        if reason is not None:
            self.guarded[reason] += 1
        held = dry or reason in GUARD_HOLDS
        self._dancing |= due is not None
        self.held += held and self._dancing
        flags = FREEZE * controls.freeze | BLACKOUT * controls.blackout | PANIC * controls.panic | HELD * held
        return pose, flags

    def _send(self, pose: Pose, flags: int, stream_s: float, mono_s: float) -> None:
        try:
            self._deliver(pose, flags, stream_s)
        except Exception as error:  # whatever an output does, it must not end the show
            self._fail(error, mono_s)
            return
        self.sent += 1
        self.sent_log_lost += len(self._sent_log) == SENT_KEPT
        self._sent_log.append((pose.frame, stream_s))
        self.cost.add((now_s() - mono_s) * 1000)
        if self._last_sent_mono is not None:
            self.interval.add((mono_s - self._last_sent_mono) * 1000)
        self._last_sent_mono = mono_s

    def _fail(self, error: Exception, mono_s: float) -> None:
        self.errors += 1
        self.last_error = f"{type(error).__name__}: {error}"
        _LOG.warning("output %s: %s; again in %.1f s", self.spec.label, self.last_error, self._retry_s)
        if self._failed_at is not None and mono_s - self._failed_at > self._retry_s + STEADY_S:
            self._retry_s = FIRST_RETRY_S
        self._failed_at, self._retry_at = mono_s, mono_s + self._retry_s
        self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)

    def _ready(self, mono_s: float) -> bool:
        """Whether the sink may be used; reopens one that failed when its time has come."""
        if self._retry_at is None:
            return True
        if mono_s < self._retry_at:
            return False
        self.close()
        try:
            self.sink.open(self._skeleton)
        except Exception as error:  # still away
            self._fail(error, mono_s)
            return False
        self._retry_at = None
        self.reopened += 1
        return True

    def close(self) -> None:
        """Close the sink; never raises."""
        try:
            self.sink.close()
        except Exception as error:  # it is being thrown away
            self.last_error = f"{type(error).__name__}: {error}"

    def run(self, stop: threading.Event) -> None:
        """The lane's thread."""
        while not self._clock.anchored:  # nothing heard yet, so there is no stream time
            if stop.wait(0.005):
                return
        while True:
            deadline_s = self.deadline(now_s())
            if wait_until(deadline_s, stop):
                return
            self.step(now_s(), deadline_s)

    def drain_sent(self) -> tuple[np.ndarray, np.ndarray]:
        """Frames (N,) int64 and send times (N,) float64 [stream s] since the last call."""
        log = [self._sent_log.popleft() for _ in range(len(self._sent_log))]
        return np.array([frame for frame, _ in log], np.int64), np.array([sent_s for _, sent_s in log], np.float64)

    def stats(self) -> dict[str, Any]:
        """What the page, the metrics and the operator want to know; times in ms."""
        last = self._last_sent_mono
        more = getattr(self.sink, "stats", None)
        return {
            "name": self.spec.label,
            "kind": self.spec.kind,
            "lead_ms": self.spec.lead_s * 1000,
            "sent": self.sent,
            "skipped": self.skipped,
            "held": self.held,
            "missed": self.missed,
            "errors": self.errors,
            "reopened": self.reopened,
            "last_error": self.last_error,
            "fresh": last is not None and now_s() - last < FRESH_S,
            "guarded": dict(self.guarded),
            "late_ms": self.late.to_dict(),
            "cost_ms": self.cost.to_dict(),
            "interval_ms": self.interval.to_dict(),
            **({"sink": more()} if more else {}),
        }


class Hub:
    """All lanes of a show. ``outputs`` pairs each spec with its sink; ``guard`` is ``engine.guard.guard_step``."""

    def __init__(
        self,
        outputs: Iterable[tuple[OutputSpec, Sink]],
        timeline: Timeline,
        clock: ClockMap,
        live,
        guard: GuardStep,
        skeleton: Skeleton = HOUSE,
    ) -> None:
        self._lanes = [Lane(spec, sink, timeline, clock, live, guard) for spec, sink in outputs]
        labels = Counter(lane.spec.label for lane in self._lanes)
        twice = [label for label, count in labels.items() if count > 1]
        if twice:
            raise ConfigError(f"two outputs are called '{twice[0]}'; give one another name")
        self._skeleton = skeleton
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Open every sink, then start the lanes. ConfigError when one cannot be opened; then none is left open."""
        opened: list[Lane] = []
        for lane in self._lanes:
            try:
                lane.open(self._skeleton)
            except (OSError, ConfigError) as error:
                for other in opened:
                    other.close()
                if isinstance(error, ConfigError):
                    raise
                raise ConfigError(f"the output {lane.spec.label} cannot be opened: {error}") from error
            opened.append(lane)
        self._threads = [
            threading.Thread(target=lane.run, args=(self._stop,), name=f"lane {lane.spec.label}", daemon=True)
            for lane in self._lanes
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the lanes and close the sinks; may be called twice. The counters stay readable."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads = []
        for lane in self._lanes:
            lane.close()

    def stats(self) -> dict[str, dict[str, Any]]:
        """Per output, by name."""
        return {lane.spec.label: lane.stats() for lane in self._lanes}

    def drain_sent(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Per output, by name: frames and send times [stream s] since the last call (for ``sent.npz``)."""
        return {lane.spec.label: lane.drain_sent() for lane in self._lanes}
