"""Shows without a clock: a file danced as fast as it goes, and a take danced again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from engine.config import ShowConfig, check_style
from engine.dance import Dancer, Happened, Listener, Planner, no_events, until
from engine.errors import TakeError
from engine.inputs import open_music
from engine.replay import Replayed, Take, replay
from engine.show import ControlEvent
from engine.take import TakeHeader, TakeWriter
from engine.types import POSE_HZ, AudioBlock, Ear


class Overhearer(Protocol):
    """A beat tracker that is not ours: it hears every block first and speaks in events at frame borders."""

    def hear(self, block: AudioBlock) -> None: ...

    def events(self, frame: int) -> list[ControlEvent]: ...


def dance_file(
    show: ShowConfig, planner: Planner, ear: Ear, overhearer: Callable[[int], Overhearer | None] = lambda rate: None
) -> dict[str, Any]:
    """``--offline``: dance to a file, into a take when one is asked for. Returns metrics.

    ``overhearer`` makes another beat tracker for the file's rate [Hz]; None = the own ear leads.
    """
    check_style(show, planner.styles)
    source = open_music(show)
    header = TakeHeader(show, source.rate, show.horizon_ticks, planner.identity, source.name, ear.identity)
    take = TakeWriter(show.take, header, live=False) if show.take else None
    metrics: dict[str, Any] = {"poses": 0, "danced_s": 0.0}
    try:
        other = overhearer(source.rate)
        happened = Happened(other.events) if other else Happened()
        dancer = Dancer(show, planner, ear, happened=happened, recorder=take)
        for block in until(source, show.seconds):
            if other:
                other.hear(block)
            metrics["poses"] += len(dancer.push(block))
        metrics.update(danced_s=metrics["poses"] / POSE_HZ, guard=dancer.guard.reasons, input=source.stats())
    finally:
        source.close()
        if take:
            take.close(metrics)
    return metrics


def listen_file(
    show: ShowConfig, ear: Ear, overhearer: Callable[[int], Overhearer | None] = lambda rate: None
) -> dict[str, Any]:
    """``--offline --listen-only``: a take without poses. Returns metrics; ``overhearer`` as in ``dance_file``."""
    source = open_music(show)
    header = TakeHeader(show, source.rate, show.horizon_ticks, "", source.name, ear.identity)
    take = TakeWriter(show.take, header, live=False) if show.take else None
    metrics: dict[str, Any] = {"heard_s": 0.0}
    try:
        other = overhearer(source.rate)
        listener = Listener(source.rate, show.controls, ear, drain=other.events if other else no_events)
        for block in until(source, show.seconds):
            if other:
                other.hear(block)
            if take:
                take.audio(block)
            for asked in listener.push(block):
                metrics["heard_s"] = asked.features.frame / POSE_HZ
                if take:
                    take.asked(asked)
        metrics.update(input=source.stats())
    finally:
        source.close()
        if take:
            take.close(metrics)
    return metrics


def dance_again(take: Take, show: ShowConfig, planner: Planner, ear: Ear) -> Replayed:
    """``--replay``: dance a take again and compare; with ``show.take`` into a new take. Raises TakeError."""
    if take.model != planner.identity:
        raise TakeError(f"{take.folder} was danced by the model '{take.model}'; here is '{planner.identity}'")
    if take.ear != ear.identity:
        raise TakeError(f"{take.folder} was heard by the ear '{take.ear}'; here is '{ear.identity}'")
    if not show.take:
        return replay(take, planner, ear, block=show.block)
    header = TakeHeader(
        replace(take.show, take=show.take), take.rate, take.horizon_ticks, take.model, "replay", take.ear
    )
    writer = TakeWriter(show.take, header, live=False)
    outcome: dict[str, Any] = {}
    try:
        for event in take.events:
            if event["event"] not in ("control", "gap"):  # those are written as they happen again
                writer.event(event["frame"], event["event"])
        again = replay(take, planner, ear, block=show.block, recorder=writer)
        outcome = {"compared": again.compared, "same": again.same}
        return again
    finally:
        writer.close(outcome)
