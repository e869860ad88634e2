"""A recording as an output: ``--out bvh=dance.bvh``. What the lane sends is what is in the file.

Policy: in order, spilled to disk every second, may lag, drops only what would not fit into ten minutes of memory. The
lane never waits for the disk: a thread of its own writes ``dance.bvh.part``. A disk that is full or fails is counted,
tried again every second, and what waited is written once it can be. When the output closes the ``.part`` becomes the
file; if the show is killed or that fails, the ``.part`` stays and ``python -m bridges.recorders`` finishes it.
"""

import contextlib
import logging
import os
import queue
import threading
from pathlib import Path
from typing import BinaryIO

from bridges.options import number, read_options
from bridges.recorders.clip import MAX_FPS, MIN_FPS, sampled
from bridges.recorders.formats import check_new_file, write_file
from bridges.recorders.spill import MAGIC, PART, SPILL_RECORD, pose_record, read_spill
from engine.errors import ConfigError
from engine.skeleton import HOUSE
from engine.types import POSE_HZ, Pose, Skeleton

MOST_WAITING = 600 * POSE_HZ  #: poses kept for a disk that does not take them: 34 MB
_LOG = logging.getLogger("corybant.recorders")


class RecorderSink:
    """One file of one kind; ``spec.kind`` is a key of FORMATS, ``spec.address`` the file."""

    ordered = True  #: the lane hands over every pose, also those that it was late for

    OPTIONS = {"fps": number(float(POSE_HZ), MIN_FPS, MAX_FPS)}  #: frames a second of the file

    def __init__(self, spec, live) -> None:
        """Touches nothing yet. Raises ConfigError when the file could not be written or would be overwritten."""
        self._fps = read_options(spec, self.OPTIONS)["fps"]
        self._kind, self._path = spec.kind, Path(spec.address)
        self._part = self._path.with_name(self._path.name + PART)
        self._where = f"--out {spec.kind}={spec.address}"
        self._check_new()
        self._todo: queue.Queue[Pose | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._last = -1
        self.written = self.repeated = self.lost = self.failures = 0

    def open(self, skeleton: Skeleton) -> None:
        """Begin the ``.part``. Raises ConfigError or OSError."""
        if skeleton.names != HOUSE.names:
            raise ConfigError(f"{self._where}: recordings know the {len(HOUSE.names)} body joints of the house")
        self._check_new()
        file = self._part.open("xb", buffering=0)
        try:
            file.write(MAGIC)
        except OSError:
            file.close()
            self._part.unlink()  # an empty one would be taken for a recording that was cut off
            raise
        self._last = -1
        self._thread = threading.Thread(target=self._run, args=(file,), name=f"record {self._kind}", daemon=True)
        self._thread.start()

    def send(self, pose: Pose) -> None:
        """Keep a pose; one that is not newer than the last is counted only."""
        if pose.frame <= self._last:
            self.repeated += 1
            return
        self._last = pose.frame
        try:
            self._todo.put_nowait(pose)
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Write what waits and make the file. Never raises: what went wrong is counted and said once, in the log."""
        if self._thread is None:
            return
        self._todo.put(None)
        self._thread.join()
        self._thread = None
        try:
            if self._part.stat().st_size <= len(MAGIC):
                self._part.unlink()  # --check, or a show without a pose
                return
            write_file(sampled(read_spill(self._part), self._fps), self._kind, self._path)
            self._part.unlink()
        except (OSError, ConfigError) as error:
            self.failures += 1
            _LOG.warning(
                "%s was not finished (%s); later: python -m bridges.recorders %s --%s %s",
                self._path, error, self._part, self._kind, self._path,
            )  # fmt: skip

    def stats(self) -> dict[str, int]:
        """Poses written, repeated, lost and waiting; failures of the disk."""
        return {
            "written": self.written,
            "repeated": self.repeated,
            "lost": self.lost,
            "waiting": self._todo.qsize(),
            "failures": self.failures,
        }

    def _check_new(self) -> None:
        check_new_file(self._path, self._kind, self._where)
        if self._part.exists():
            raise ConfigError(
                f"{self._where}: {self._part} is a recording that was cut off; finish it (python -m bridges.recorders "
                f"{self._part} --{self._kind} {self._path}) or name another file"
            )

    def _run(self, file: BinaryIO) -> None:
        spill = Spill(file)
        first = None
        while (pose := self._todo.get()) is not None:
            try:
                spill.add(pose_record(pose))
            except (ValueError, TypeError):  # hands or expressions that are none
                self.lost += 1
                continue
            first = pose.frame if first is None else first
            if pose.frame - first >= POSE_HZ - 1:
                first = None
                self._flush(spill)
        self._flush(spill)
        self.lost += spill.forget_beyond(0)
        spill.cut()
        file.close()

    def _flush(self, spill: "Spill") -> None:
        try:
            spill.flush()
        except OSError as error:
            if not self.failures:
                _LOG.warning("%s: %s; the show goes on, it is tried again", self._part, error)
            self.failures += 1
            self.lost += spill.forget_beyond(MOST_WAITING)
        self.written = spill.written


class Spill:
    """Whole records into an unbuffered file: a write that fails half way is taken back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting: list[bytes] = []
        self._end = file.tell()  # up to here all is well
        self.written = 0

    def add(self, record: bytes) -> None:
        self._waiting.append(record)

    def flush(self) -> None:
        """Write all that waits. Raises OSError; then what was not written waits on."""
        while self._waiting:
            data = b"".join(self._waiting[:POSE_HZ])
            try:
                self._file.seek(self._end)
                if self._file.write(data) != len(data):
                    raise OSError("the disk took a part of it")
                os.fsync(self._file.fileno())  # a power cut is one way in which shows end
            except OSError:
                self.cut()
                raise
            self._end += len(data)
            self.written += len(data) // SPILL_RECORD.itemsize
            del self._waiting[:POSE_HZ]

    def cut(self) -> None:
        """Take off what a failed write left behind."""
        with contextlib.suppress(OSError):  # tried again at the next failure and at the end
            self._file.truncate(self._end)

    def forget_beyond(self, most: int) -> int:
        """Drop the oldest of what waits beyond ``most`` records; how many."""
        too_many = max(0, len(self._waiting) - most)
        del self._waiting[:too_many]
        return too_many
