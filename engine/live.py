"""The live show between its edges: the listener's thread, the planner's answers, and the numbers of the run.

Sockets are in the bridges and devices in the sources; both are handed in. What is heard goes to the planner process
and, when there is one, into the take; what comes back goes into the timeline that the lanes read.
"""

import gc
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from engine.clock import ClockMap, now_s
from engine.config import PLAN_BUDGET_MS, ShowConfig
from engine.dance import Asked, Listener, PoseGuard, until
from engine.inputs import offered_music
from engine.listen.outside import OutsideClock
from engine.metrics import Counters, Histogram
from engine.show import LiveState
from engine.spare import SpareSource
from engine.take import TakeHeader, TakeWriter
from engine.timeline import Timeline
from engine.types import POSE_HZ, AudioBlock, BeatClock, Ear, MusicFeatures, Source, Tick
from engine.worker import Planned, PlannerWorker

SWITCH_INTERVAL_S = 0.001  #: how long one thread may hold the interpreter while a lane waits for it
_PEAK_FALL = 0.8  #: share of the shown peak that is left after each block
_CLIPPED = 0.999
_CLIP_SHOWN_S = 1.0
_LOOK_EVERY_S = 0.5
_CHECK_FRAMES = 120
_SURE = 0.8  # confidence from which the own tempo is offered to others


class Lanes(Protocol):
    """What the show asks of ``bridges.hub.Hub``."""

    def stats(self) -> dict[str, dict[str, Any]]: ...

    def drain_sent(self) -> dict[str, tuple[np.ndarray, np.ndarray]]: ...


class OutsideBeats(Protocol):
    """What the show asks of a beat clock from elsewhere; one that listens has ``hear(block)`` as well."""

    name: str
    own_bpm: Callable[[], float | None]  #: set by the show: tempo of the own ear, None while it is not sure

    def read(self) -> OutsideClock | None: ...

    def stats(self) -> dict[str, int]: ...


class LiveShow:
    """One performance. Made before the show, ``start`` begins to listen, ``finish`` ends in order."""

    def __init__(self, show: ShowConfig, source: Source, clock: ClockMap, stop: threading.Event, ear: Ear) -> None:
        self.show, self.source, self.clock, self.ear = show, source, clock, ear
        self.state = LiveState(show.controls)
        self.timeline = Timeline()
        self.guard = PoseGuard()  #: of the take
        self.counts, self.heard_ms, self.beat_ms = Counters(), Histogram(), Histogram()
        self.done = threading.Event()  #: the source ended, or failed
        self._audio = offered_music(show)
        self.failure: BaseException | None = None
        self.worker: PlannerWorker | None = None
        self.take: TakeWriter | None = None
        self.hub: Lanes | None = None
        self.beats: OutsideBeats | None = None
        self._stop = stop
        self._held, self._skipped = 0, {}
        self._plan_ms, self._peak, self._clipped_s = 0.0, 0.0, -10.0
        self._began_s = now_s()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Begin to listen; ``worker``, ``hub`` and ``take`` stand from here on."""
        self.state.report_with(self.report)
        self.state.tell_time(lambda: self.clock.to_stream(now_s()) if self.clock.anchored else None)
        if isinstance(self.source, SpareSource):
            self.source.period_s = lambda: self.state.features.beat.period_s
        if self.beats:
            self.state.hear_clock(self.beats.read)
            self.beats.own_bpm = self._sure_bpm
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.collect()
        gc.freeze()
        self._began_s = now_s()
        self._thread.start()

    def finish(self) -> None:
        """End listening and wait until the planner has answered all that it was asked."""
        self._stop.set()
        self.source.close()
        if self._thread.ident is not None:
            self._thread.join(5.0)
        if self.worker and not self.worker.drain(5.0):
            self.counts.add("undanced", self.worker.backlog)

    def wait(self) -> None:
        """Until the source ends; Ctrl-C comes out of here. Raises what ended the listener, if anything did."""
        while not self.done.wait(_LOOK_EVERY_S):  # never without a timeout: Windows hears Ctrl-C only in between
            self.keep_house()
        if self.failure:
            raise self.failure

    def check(self) -> list[str]:
        """``--check``: what would play, on one screen, with the cost of a plan measured on made-up music."""
        lines = [f"input     {self.source.name}, {self.source.rate} Hz", f"ear       {self.ear.identity}"]
        if self.worker:
            for frame in range(2, 2 + 2 * _CHECK_FRAMES, 2):
                beat = BeatClock(0.0, 0, 0.5, 1, 4, 0.9, 0.9)
                features = MusicFeatures(frame, beat, 0.5, -20.0, np.full(4, 0.5, np.float32), energy=0.7)
                self.worker.feed(features, self.show.controls)
            self.worker.drain(30.0)
            cost = self.worker.row_ms.to_dict()
            lines.append(
                f"model     {self.worker.identity} on {self.show.backend}, styles {', '.join(self.worker.styles)}"
            )
            lines.append(f"plan      p50 {cost['p50']:.1f} ms, max {cost['max']:.1f} ms (budget {PLAN_BUDGET_MS:g} ms)")
        if self.beats:
            numbers = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in self.beats.stats().items())
            lines.append(f"beat      {self.show.ear}: {numbers}")
        lines.append(f"horizon   {self.show.horizon_ticks / POSE_HZ * 1000:.0f} ms")
        outputs = self._outputs().values()
        return lines + [f"output    {o['name']} ({o['kind']}), lead {o['lead_ms']:g} ms" for o in outputs]

    def take_header(self) -> TakeHeader:
        """What a take of this show begins with."""
        identity = self.worker.identity if self.worker else ""
        return TakeHeader(
            self.show, self.source.rate, self.show.horizon_ticks, identity, self.source.name, self.ear.identity
        )

    def keep_house(self) -> None:
        """Once in a while, from the main thread: count up, and hand the send times to the take before they are lost."""
        outputs = self._outputs()
        self._held = sum(output["held"] for output in outputs.values())
        self._skipped = {name: output["skipped"] for name, output in outputs.items()}
        if self.take and self.hub:
            self.take.sent(self.hub.drain_sent())

    def close_take(self) -> None:
        """After everything has ended: finish the folder."""
        if self.take:
            self.keep_house()
            self.take.close(self.metrics())

    # What arrives.

    def planned(self, planned: Planned) -> None:
        """The planner's answer; called by the worker's reader thread."""
        newest = self.timeline.newest
        self.timeline.append(planned.poses)
        if planned.tail:
            self.timeline.set_tail(planned.tail)
        if planned.poses:
            self._plan_ms = planned.plan_ms
        if self.take:
            self.take.poses(self.guard(pose for pose in planned.poses if pose.frame > newest))

    def event(self, frame: int, name: str) -> None:
        """What happened to the planner; called from the listener's or the reader's thread."""
        self.counts.add(name)
        if self.take:
            self.take.event(frame, name)

    def _sure_bpm(self) -> float | None:
        beat = self.state.features.beat
        return beat.bpm if beat.confidence > _SURE else None

    def _run(self) -> None:
        try:
            self._listen()
        except BaseException as error:  # shown by the main thread, which ends the show with it
            self.failure = error
        finally:
            self.done.set()

    def _listen(self) -> None:
        listener = Listener(self.source.rate, self.show.controls, self.ear, drain=lambda frame: self.state.drain())
        overhear = getattr(self.beats, "hear", None)
        for block in until(self.source, self.show.seconds):
            if self._stop.is_set():
                return
            if overhear:
                overhear(block)
            if self.take:
                self.take.audio(block)
            self._meter(block)
            began_s = now_s()
            for asked in listener.push(block):
                self._ask(asked, block, began_s)
                began_s = now_s()

    def _ask(self, asked: Asked, block: AudioBlock, began_s: float) -> None:
        listened_s = now_s()
        if self.worker:
            self.worker.feed(asked.features, asked.controls)
        if self.take:
            self.take.asked(asked)
        if isinstance(self.source, SpareSource) and any(event.name == "main_input" for event in asked.events):
            self.source.main_input()
        end_s = (block.start + len(block.samples)) / block.rate
        stream_s = self.clock.to_stream(listened_s) if self.clock.anchored else end_s
        self.heard_ms.add((stream_s - end_s) * 1000)
        self.beat_ms.add((listened_s - began_s) * 1000)
        tick = Tick(
            frame=asked.features.frame,
            heard_ms=(stream_s - end_s) * 1000,
            beat_ms=(listened_s - began_s) * 1000,
            plan_ms=self._plan_ms,
            horizon_ms=self.timeline.horizon_s(stream_s) * 1000,
            backlog=self.worker.backlog if self.worker else 0,
            gaps=getattr(self.source, "gaps", 0),
            held=self._held,
            skipped=self._skipped,
        )
        self.state.publish(asked.features, tick)

    def _meter(self, block: AudioBlock) -> None:
        peak = float(np.abs(block.samples).max(initial=0.0))
        self._peak = max(peak, self._peak * _PEAK_FALL)
        if peak >= _CLIPPED:
            self._clipped_s = now_s()

    # What is told.

    def report(self) -> dict[str, Any]:
        """The part of the status that the show knows; see the WebSocket protocol."""
        now = now_s()
        outputs = list(self._outputs().values())
        late = max((output["late_ms"] for output in outputs), key=lambda h: h["p99"], default=Histogram().to_dict())
        plan = self.worker.waited_ms if self.worker else Histogram()
        latency = {
            "heard": self.heard_ms.to_dict(),
            "beat": self.beat_ms.to_dict(),
            "plan": plan.to_dict(),
            "send": late,
        }
        shown = ("name", "kind", "lead_ms", "sent", "skipped", "fresh")
        report = {
            "peak": self._peak,
            "clip": now - self._clipped_s < _CLIP_SHOWN_S,
            "latency": {name: {"p50": h["p50"], "p99": h["p99"]} for name, h in latency.items()},
            "outputs": [{key: output[key] for key in shown} for output in outputs],
            "held": sum(output["held"] for output in outputs),
            "backlog": self.state.tick.backlog,
            "input": getattr(self.source, "name", self.show.input),
            "spare": isinstance(self.source, SpareSource) and self.source.state.spare,
            "audio": self._audio,
            "ear": self.show.ear,
            "beat_clock": self.state.beat_clock,
            "backend": self.show.backend,
            "uptime_s": round(now - self._began_s, 3),
        }
        if self.clock.anchored:
            report["stream_s"] = self.clock.to_stream(now)
            report["horizon_ms"] = self.timeline.horizon_s(report["stream_s"]) * 1000
        return report

    def _outputs(self) -> dict[str, dict[str, Any]]:
        return self.hub.stats() if self.hub else {}

    def metrics(self) -> dict[str, Any]:
        """Counters and histograms of the run, for ``metrics.json``."""
        stats = getattr(self.source, "stats", dict)
        return {
            "input": {**stats(), "gaps": getattr(self.source, "gaps", 0)},
            "listener": {"heard_ms": self.heard_ms, "beat_ms": self.beat_ms, "counts": self.counts},
            "beat_clock": self.beats.stats() if self.beats else {},
            "planner": self.worker.stats() if self.worker else {},
            "timeline": {"appended": self.timeline.appended, "repeated": self.timeline.repeated},
            "guard": self.guard.reasons,
            "outputs": self._outputs(),
            "controls_refused": self.state.refused,
        }
