"""Record a performance into a folder: what was heard, said, asked for and danced. ``engine.replay`` reads it back."""

import importlib.metadata
import json
import platform
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from engine.config import ShowConfig, show2table
from engine.dance import Asked
from engine.errors import TakeError
from engine.listen import quantise
from engine.metrics import to_json
from engine.records import POSE_RECORD, poses2records
from engine.said import BEATS_HEADER, PREDICTIONS_HEADER, SECTIONS_HEADER, SaidState, said_step
from engine.skeleton import HOUSE
from engine.types import POSE_HZ, AudioBlock, Pose

TAKE_VERSION = 2
SHOW, AUDIO, CONTROLS, METRICS = "take.toml", "audio.flac", "controls.jsonl", "metrics.json"
POSES, POSES_RAW, SENT, SENT_RAW = "poses.npz", "poses.bin", "sent.npz", "sent.bin"
SENT_RECORD = np.dtype([("output", "<i4"), ("frame", "<i8"), ("sent_s", "<f8")])
_FLUSH_EVERY_S = 1.0
_OFFLINE_BACKLOG = 1024  #: pieces that wait for the disk before an offline show waits for it


@dataclass(frozen=True, slots=True)
class TakeHeader:
    """What a replay must know besides the audio and the events."""

    show: ShowConfig
    rate: int  #: samples a second of the input [Hz]
    horizon_ticks: int
    model: str  #: identity of the weights, "" = listened only
    input_name: str = ""
    ear: str = ""  #: identity of the weights that hear


def check_new_take(path: str) -> None:
    """Raise TakeError when ``path`` cannot become a take: something is there already."""
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TakeError(f"--take {path}: something is there already; name a new folder")


class TakeWriter:
    """Writes from a thread of its own. Policy: ordered, spilled to disk, may lag, never drops.

    A live show never waits for the disk: what waits is bounded by the disk only and its most is in ``metrics.json``.
    An offline show waits when the disk is far behind. A disk that fails ends the recording, is counted and leaves the
    show alone.
    """

    def __init__(self, path: str, header: TakeHeader, *, live: bool) -> None:
        """Create the folder and its files. Raises TakeError when something is there or it cannot be written."""
        check_new_take(path)
        self.folder = Path(path)
        self.most_waiting = self.failures = 0
        self._said = SaidState()
        self._gap: tuple[int, int] | None = None
        self._outputs: dict[str, int] = {}
        self._rate = header.rate
        self._todo: queue.Queue[tuple[Callable[..., None], Any] | None] = queue.Queue(0 if live else _OFFLINE_BACKLOG)
        try:
            self._open(header)
        except (OSError, RuntimeError) as error:
            raise TakeError(f"--take {path} cannot be written: {error}") from error
        self._thread = threading.Thread(target=self._run, name="take", daemon=True)
        self._thread.start()

    def audio(self, block: AudioBlock) -> None:
        """What was heard: mono, before resampling, quantised to 24 bit."""
        self._put(self._write_audio, block)

    def asked(self, asked: Asked) -> None:
        """Features and controls of one model frame."""
        self._put(self._write_asked, asked)

    def poses(self, poses: list[Pose]) -> None:
        """Committed poses, guarded, in order of tick."""
        if poses:
            self._put(self._write_poses, poses)

    def event(self, frame: int, event: str, **more: Any) -> None:
        """Something that came from a clock and is applied again in a replay."""
        self._put(self._write_event, {"frame": frame, "event": event, **more})

    def sent(self, log: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """What left since the last call: output name -> frames (N,) and send times (N,) [stream s]."""
        self._put(self._write_sent, log)

    def close(self, metrics: dict[str, Any]) -> None:
        """Write what waits, turn ``poses.bin`` into ``poses.npz`` and finish the folder."""
        self._todo.put(None)
        self._thread.join()
        if self._gap:
            self._end_gap()
        for file in (self._audio, *self._files.values()):
            file.close()
        if self.failures:
            return  # left as an unfinished take, which a replay can complete
        if POSES_RAW in self._files:
            finish_poses(self.folder)
            self._finish_sent()
        take = {"most_waiting": self.most_waiting, "failures": self.failures}
        text = json.dumps(to_json({**metrics, "take": take}), indent=1)
        (self.folder / METRICS).write_text(text + "\n", encoding="utf-8")

    def _open(self, header: TakeHeader) -> None:
        import soundfile

        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / SHOW).write_text(_header_toml(header), encoding="utf-8")
        self._audio = soundfile.SoundFile(self.folder / AUDIO, "w", header.rate, 1, subtype="PCM_24", format="FLAC")
        self._files: dict[str, IO[Any]] = {}
        headers = {
            "beats.tsv": BEATS_HEADER,
            "predictions.tsv": PREDICTIONS_HEADER,
            "sections.tsv": SECTIONS_HEADER,
            CONTROLS: "",
        }
        for name, line in headers.items():
            self._files[name] = (self.folder / name).open("w", encoding="utf-8", newline="\n")
            self._write_lines(name, (line,) if line else ())
        if not header.show.listen_only:
            for name in (POSES_RAW, SENT_RAW):
                self._files[name] = (self.folder / name).open("wb")

    def _put(self, write: Callable[..., None], piece: Any) -> None:
        self._todo.put((write, piece))
        self.most_waiting = max(self.most_waiting, self._todo.qsize())

    def _run(self) -> None:
        unflushed = 0.0
        while (item := self._todo.get()) is not None:
            write, piece = item
            if self.failures:
                continue
            try:
                write(piece)
                unflushed += len(piece.samples) / self._rate if isinstance(piece, AudioBlock) else 0.0
                if unflushed >= _FLUSH_EVERY_S:
                    unflushed = 0.0
                    self._flush()
            except (OSError, RuntimeError):  # RuntimeError: what soundfile raises on a full disk
                self.failures += 1

    def _flush(self) -> None:
        for file in (self._audio, *self._files.values()):
            file.flush()

    def _write_audio(self, block: AudioBlock) -> None:
        self._audio.write((quantise(block.samples) * np.float32(2**23)).astype(np.int32) << 8)
        end = block.start + len(block.samples)
        if block.gap:
            self._gap = (self._gap[0] if self._gap else block.start, end)
        if self._gap and (not block.gap or end - self._gap[0] >= self._rate):
            self._end_gap()

    def _end_gap(self) -> None:
        start, end = self._gap
        self._gap = None
        self._write_event(
            {"frame": start * POSE_HZ // self._rate, "event": "gap", "start": start, "samples": end - start}
        )

    def _write_asked(self, asked: Asked) -> None:
        self._said, said = said_step(self._said, asked.features)
        self._write_lines("beats.tsv", said.beats)
        self._write_lines("predictions.tsv", said.predictions)
        self._write_lines("sections.tsv", said.sections)
        for event in asked.events:
            self._write_event(
                {"frame": asked.features.frame, "event": "control", "name": event.name, "value": event.value}
            )

    def _write_poses(self, poses: list[Pose]) -> None:
        self._files[POSES_RAW].write(poses2records(poses).tobytes())

    def _write_sent(self, log: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        for name, (frames, sent_s) in log.items():
            records = np.zeros(len(frames), SENT_RECORD)
            records["output"] = self._outputs.setdefault(name, len(self._outputs))
            records["frame"], records["sent_s"] = frames, sent_s
            self._files[SENT_RAW].write(records.tobytes())

    def _finish_sent(self) -> None:
        raw = self.folder / SENT_RAW
        records = _map(raw, SENT_RECORD)
        np.savez(
            self.folder / SENT, names=np.array(list(self._outputs), str), **{n: records[n] for n in SENT_RECORD.names}
        )
        del records
        raw.unlink()

    def _write_event(self, event: dict[str, Any]) -> None:
        self._write_lines(CONTROLS, (json.dumps(event),))

    def _write_lines(self, name: str, lines: tuple[str, ...]) -> None:
        self._files[name].writelines(f"{line}\n" for line in lines)


def finish_poses(folder: Path) -> None:
    """Turn the ``poses.bin`` of a take into ``poses.npz`` without loading it whole; a record cut short is left out."""
    raw = folder / POSES_RAW
    records = _map(raw, POSE_RECORD)
    save_poses(folder, records)
    del records
    raw.unlink()


def _map(raw: Path, record: np.dtype) -> np.ndarray:
    """The whole records of a file (N,), without loading it."""
    count = raw.stat().st_size // record.itemsize
    return np.memmap(raw, record, "r", shape=(count,)) if count else np.zeros(0, record)


def save_poses(folder: Path, records: np.ndarray) -> None:
    """Write ``poses.npz`` from records (F,)."""
    half = folder / "poses-half.npz"
    arrays = {name: records[name] for name in POSE_RECORD.names}
    np.savez(half, **arrays, names=np.array(HOUSE.names), parents=HOUSE.parents, offsets=HOUSE.offsets)
    half.replace(folder / POSES)


def _header_toml(header: TakeHeader) -> str:
    versions = {name: _version(name) for name in ("corybant", "numpy", "onnxruntime", "soundfile")}
    take = {
        "version": TAKE_VERSION,
        "seed": header.show.seed,
        "model": header.model,
        "ear": header.ear,
        "rate": header.rate,
        "horizon_ticks": header.horizon_ticks,
        "input_name": header.input_name,
    }
    system = {"python": platform.python_version(), "system": sys.platform, "machine": platform.machine()}
    tables = {"take": take, "versions": {**versions, **system}, "show": show2table(header.show)}
    return "\n".join(_toml_table(name, table) for name, table in tables.items())


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "source"


def _toml_table(name: str, table: dict[str, Any]) -> str:
    """A table of texts, numbers, switches and lists of tables as TOML (JSON writes each of these as TOML does)."""
    plain = {key: value for key, value in table.items() if not isinstance(value, list)}
    lines = [f"[{name}]", *(f"{key} = {_toml_value(value)}" for key, value in plain.items()), ""]
    for key, items in table.items():
        for item in items if isinstance(items, list) else ():
            lines += [f"[[{name}.{key}]]", *(f"{field} = {_toml_value(value)}" for field, value in item.items()), ""]
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value) + '"'
