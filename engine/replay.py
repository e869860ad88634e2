"""Read a take back and dance it again: same take, same machine, same back end, same poses to the last bit."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import ShowConfig, table2show
from engine.dance import Dancer, Happened, Planner, Recorder
from engine.errors import ConfigError, TakeError
from engine.records import POSE_RECORD, poses2records
from engine.show import ControlEvent
from engine.take import AUDIO, CONTROLS, METRICS, POSES, POSES_RAW, SHOW, TAKE_VERSION, save_poses
from engine.types import AudioBlock, Ear, StepModel


@dataclass(frozen=True)
class Take:
    """A take folder, read: the configuration and events; audio and poses are read when asked for."""

    folder: Path
    show: ShowConfig
    rate: int
    horizon_ticks: int
    model: str  #: identity of the weights it was danced with
    ear: str  #: and heard with
    events: tuple[dict[str, Any], ...] = field(repr=False)
    finished: bool  #: False when the show ended without closing it

    def blocks(self, size: int = 480) -> Iterator[AudioBlock]:
        """What was heard, in blocks of at most ``size`` samples, with the gaps where they were."""
        gaps = sorted((e["start"], e["start"] + e["samples"]) for e in self.events if e["event"] == "gap")
        start = 0
        for samples in _decode(self.folder / AUDIO, size):
            yield from _with_gaps(AudioBlock(start, samples, self.rate), gaps)
            start += len(samples)

    def happened(self) -> Happened:
        """The control events and clock events, ready to be applied again."""
        controls: dict[int, list[ControlEvent]] = {}
        for event in self.events:
            if event["event"] == "control":
                controls.setdefault(event["frame"], []).append(ControlEvent(event["name"], event["value"]))
        lost = frozenset(event["frame"] for event in self.events if event["event"] == "features_lost")
        return Happened(lambda frame: controls.get(frame, []), lost)

    def poses(self) -> np.ndarray | None:
        """Recorded poses as records (F,), also of an unfinished take; None when it was listened to only."""
        if (self.folder / POSES).exists():
            with np.load(self.folder / POSES, allow_pickle=False) as arrays:
                records = np.zeros(len(arrays["frame"]), POSE_RECORD)
                for name in POSE_RECORD.names:
                    records[name] = arrays[name]
                return records
        raw = self.folder / POSES_RAW
        if not raw.exists():
            return None
        whole = raw.stat().st_size // POSE_RECORD.itemsize
        return np.fromfile(raw, POSE_RECORD, count=whole)


def read_take(path: str | Path) -> Take:
    """Read a take folder. Raises TakeError, one line, when it is none or damaged."""
    folder = Path(path)
    if not (folder / SHOW).is_file():
        raise TakeError(f"{path} is not a take: it has no {SHOW}")
    try:
        table = tomllib.loads((folder / SHOW).read_text(encoding="utf-8"))
        take = table["take"]
        if take["version"] != TAKE_VERSION:
            raise TakeError(f"{path} is a take of version {take['version']}; this program reads {TAKE_VERSION}")
        show = table2show(table["show"], f"{folder / SHOW}")
        events = tuple(_events(folder / CONTROLS))
        return Take(
            folder,
            show,
            take["rate"],
            take["horizon_ticks"],
            take["model"],
            take["ear"],
            events,
            (folder / METRICS).exists(),
        )
    except ConfigError:
        raise
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise TakeError(f"{path} is a damaged take: {error}") from error


@dataclass(frozen=True)
class Replayed:
    """The outcome of dancing a take again."""

    records: np.ndarray  #: (F,) POSE_RECORD, danced now
    recorded: int  #: poses that the take holds
    compared: int
    first_difference: int | None  #: index of the first pose with another bit, None = all the same
    same: bool  #: all that was recorded came out again, and no more and no less unless the take was unfinished


def replay(
    take: Take, model: StepModel | Planner, ear: Ear, *, block: int = 480, recorder: Recorder | None = None
) -> Replayed:
    """Dance ``take`` again from its audio and events, and compare. Completes ``poses.npz`` of an unfinished take."""
    dancer = Dancer(
        take.show, model, ear, horizon_ticks=take.horizon_ticks, happened=take.happened(), recorder=recorder
    )
    records = poses2records(pose for part in take.blocks(block) for pose in dancer.push(part))
    recorded = take.poses()
    if recorded is None:
        raise TakeError(f"{take.folder} was listened to only: it has no poses to compare")
    compared = min(len(records), len(recorded))
    differs = np.array([a.tobytes() != b.tobytes() for a, b in zip(records, recorded, strict=False)], bool)
    first = int(differs.argmax()) if differs.any() else None
    same = first is None and (len(records) == len(recorded) or not take.finished)
    if same and not take.finished and not (take.folder / POSES).exists():
        save_poses(take.folder, max(records, recorded, key=len))
    return Replayed(records, len(recorded), compared, first, same)


def _events(path: Path) -> Iterator[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines):
        if not line:
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines) - 1:
                return  # cut short when the show ended
            raise TakeError(f"{path} line {number + 1} is not JSON: {error}") from error


def _decode(path: Path, size: int) -> Iterator[np.ndarray]:
    """Blocks (N,) float32 on the 24-bit grid; of a file that was not closed, all that is whole."""
    import soundfile

    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise TakeError(f"{path} cannot be decoded: {' '.join(str(error).split())}") from error
    with file:
        while True:
            try:
                whole = file.read(size, dtype="int32")
            except soundfile.LibsndfileError:
                return
            if not len(whole):
                return
            yield (whole >> 8).astype(np.float32) / np.float32(2**23)


def _with_gaps(block: AudioBlock, gaps: list[tuple[int, int]]) -> Iterator[AudioBlock]:
    """Cut a block where a gap begins or ends."""
    end = block.start + len(block.samples)
    borders = sorted({block.start, end, *(b for gap in gaps for b in gap if block.start < b < end)})
    for a, b in pairwise(borders):
        inside = any(first <= a and b <= last for first, last in gaps)
        yield AudioBlock(a, block.samples[a - block.start : b - block.start], block.rate, inside)
