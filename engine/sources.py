"""Where sound comes from: files, microphones, what the system plays. Every one yields AudioBlocks without holes.

sounddevice and soundfile are imported inside functions: a machine without PortAudio still plays files.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine.capture import RATES_HZ, list_devices, mono, open_device
from engine.clock import ClockMap, now_s, wait_until
from engine.errors import SourceError
from engine.types import AudioBlock, Source

__all__ = ["FileSource", "PacedSource", "list_devices", "open_device", "open_file", "paced"]


class FileSource:
    """A decoded file, mono (mean of its channels), as fast as it is iterated. Made by :func:`open_file`."""

    def __init__(self, path: Path, block: int, loop: bool):
        self.path, self.block, self.loop = path, block, loop
        self.gaps = 0
        self.name = path.name
        self._file = _open_sound(path)
        self.rate: int = self._file.samplerate
        self.frames: int = self._file.frames
        self._blocks = self._loops = self._errors = 0
        self._closed = False

    @property
    def duration_s(self) -> float:
        """Length of one pass [s]."""
        return self.frames / self.rate

    def __iter__(self) -> Iterator[AudioBlock]:
        start, self._blocks = 0, 0
        self._file.seek(0)
        while not self._closed:
            samples = self._read()
            if not len(samples):
                return
            yield AudioBlock(start, samples, self.rate)
            start += len(samples)
            self._blocks += 1

    def close(self) -> None:
        """End the iteration and let go of the file."""
        self._closed = True
        self._file.close()

    def stats(self) -> dict[str, int]:
        return {"blocks": self._blocks, "gaps": self.gaps, "loops": self._loops, "decode_errors": self._errors}

    def _read(self) -> np.ndarray:
        """The next block (block,) float32, shorter at the end, empty when there is no more."""
        parts, missing, rewound = [], self.block, False
        while missing:
            part = self._decode(missing)
            if len(part):
                parts.append(part)
                missing -= len(part)
                rewound = False
            elif self.loop and not rewound:
                self._file.seek(0)
                self._loops += 1
                rewound = True
            else:
                break
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _decode(self, frames: int) -> np.ndarray:
        import soundfile

        try:
            sound = self._file.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            self._errors += 1  # damaged further in: what came before was played, the file ends here
            return np.zeros(0, np.float32)
        return mono(sound)


def open_file(path: str, *, block: int = 480, loop: bool = False) -> FileSource:
    """Open a sound file. Raises SourceError (one line) when it is missing, empty or cannot be decoded."""
    if block < 1:
        raise SourceError(f"block size {block}: it must be at least 1 sample")
    return FileSource(Path(path), block, loop)


class PacedSource:
    """Another source's blocks, each handed over when its last sample would have reached a microphone."""

    def __init__(self, source: Source, clock: ClockMap, stop: threading.Event):
        self._source, self._clock, self._stop = source, clock, stop
        self.rate = source.rate
        self.name: str = getattr(source, "name", "source")
        self._late = 0
        self._worst_late_s = 0.0

    @property
    def gaps(self) -> int:
        return getattr(self._source, "gaps", 0)

    def __iter__(self) -> Iterator[AudioBlock]:
        for block in self._source:
            if not self._clock.anchored:
                self._clock.observe(0.0, now_s())
            due_s = self._clock.to_mono((block.start + len(block.samples)) / block.rate)
            late_s = now_s() - due_s
            if late_s > len(block.samples) / block.rate:
                self._late += 1
                self._worst_late_s = max(self._worst_late_s, late_s)
            if wait_until(due_s, self._stop):
                return
            yield block

    def close(self) -> None:
        self._source.close()

    def stats(self) -> dict[str, float]:
        inner = self._source.stats() if hasattr(self._source, "stats") else {}
        return {**inner, "late_blocks": self._late, "worst_late_ms": 1e3 * self._worst_late_s}


def paced(source: Source, clock: ClockMap, stop: threading.Event) -> PacedSource:
    """Play ``source`` in real time on ``clock`` (anchored at its first block), until it or ``stop`` ends it."""
    return PacedSource(source, clock, stop)


def _open_sound(path: Path) -> Any:
    import soundfile

    if not path.is_file():
        there = "is a folder" if path.is_dir() else "does not exist"
        raise SourceError(f"audio file {path} {there}; give a WAV, FLAC, OGG, MP3 or AIFF file")
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise SourceError(f"audio file {path} cannot be decoded ({_one_line(error)})") from error
    try:
        some = len(file.read(1024, dtype="float32"))
        file.seek(0)
    except soundfile.LibsndfileError as error:
        file.close()
        raise SourceError(f"audio file {path} is damaged ({_one_line(error)})") from error
    if not some:
        file.close()
        raise SourceError(f"audio file {path} holds no sound")
    if not RATES_HZ[0] <= file.samplerate <= RATES_HZ[1]:
        file.close()
        low, high = RATES_HZ
        raise SourceError(f"audio file {path} has {file.samplerate} Hz; the ear takes {low} to {high} Hz")
    return file


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
