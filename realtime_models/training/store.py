"""Lists of plain dataclasses on disk: every array field in one .npy, the rest in JSON. No pickle, mapped when read.

Several processes that read the same store share its pages, so a bank larger than the memory of one can be trained on.
"""

import json
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError

ABOUT = "store.json"


def write_store(folder: Path, items: Iterable[Any]) -> None:
    """Replace ``folder`` by a store of dataclasses of one kind, one after another; only one is held in memory.

    Fields may be arrays, texts, numbers, booleans and dataclasses of such; arrays of a field may differ in length only.
    The folder is there whole or not at all.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    plain: list[dict[str, Any]] = []
    with ExitStack() as files:
        columns: dict[str, _Column] = {}
        for item in items:
            row = _flat(item)
            arrays = {name: value for name, value in row.items() if isinstance(value, np.ndarray)}
            if not plain:
                columns = {name: files.enter_context(_Column(part / f"{name}.npy", a)) for name, a in arrays.items()}
            if arrays.keys() != columns.keys():
                raise TypeError(f"arrays {sorted(arrays)} after {sorted(columns)}: the items are not of one kind")
            for name, value in arrays.items():
                columns[name].add(value)
            plain.append({name: value for name, value in row.items() if name not in arrays})
    lengths = {name: column.lengths for name, column in columns.items()}
    (part / ABOUT).write_text(json.dumps({"lengths": lengths, "plain": plain}), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)


class _Column:
    """One .npy that grows; its header leaves room for the final length (numpy's own growth padding)."""

    def __init__(self, path: Path, like: np.ndarray):
        self.path, self.kind, self.tail = path, like.dtype, like.shape[1:]
        self.lengths: list[int] = []

    def __enter__(self) -> "_Column":
        self._file = self.path.open("wb")
        self._start = self._header(0)
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            if self._header(sum(self.lengths)) != self._start:
                raise ValueError(f"{self.path.name}: the header grew")

    def _header(self, length: int) -> int:
        self._file.seek(0)
        about = {"descr": np.lib.format.dtype_to_descr(self.kind), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self._file, about | {"shape": (length, *self.tail)})
        return self._file.tell()

    def add(self, values: np.ndarray) -> None:
        if values.shape[1:] != self.tail:
            raise TypeError(f"{self.path.name}: {values.shape[1:]} after {self.tail}")
        self._file.write(np.ascontiguousarray(values, self.kind).tobytes())
        self.lengths.append(len(values))


def read_store(folder: Path, kind: type) -> list[Any]:
    """The dataclasses of a store; their arrays are read-only views of files. Raises ConfigError."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        joined = {name: _mapped(folder / f"{name}.npy") for name in about["lengths"]}
        ends = {name: np.cumsum(lengths) for name, lengths in about["lengths"].items()}
        rows = []
        for k, plain in enumerate(about["plain"]):
            views = {name: joined[name][end[k] - about["lengths"][name][k] : end[k]] for name, end in ends.items()}
            rows.append(_made(kind, {**plain, **views}, ""))
        return rows
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder} is damaged ({error}): remove it and run again") from error


def _mapped(path: Path) -> np.ndarray:
    """An array of a file; an empty one cannot be mapped and is read."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape = np.lib.format.read_array_header_1_0(file)[0]
    return np.load(path, mmap_mode="r" if np.prod(shape) else None, allow_pickle=False)


def _flat(item: Any, prefix: str = "") -> dict[str, Any]:
    """Field names, with dots for dataclasses inside, and values."""
    found = {}
    for one in fields(item):
        value, name = getattr(item, one.name), prefix + one.name
        if is_dataclass(value):
            found |= _flat(value, f"{name}.")
        elif isinstance(value, np.ndarray):
            found[name] = value
        elif isinstance(value, np.integer | np.floating | np.bool_):
            found[name] = value.item()
        elif isinstance(value, str | int | float | bool) or value is None:
            found[name] = value
        else:
            raise TypeError(f"{name} is a {type(value).__name__}: only arrays, texts and numbers are stored")
    return found


def _made(kind: type, row: dict[str, Any], prefix: str) -> Any:
    values = {}
    for one in fields(kind):
        name = prefix + one.name
        values[one.name] = row[name] if name in row else _made(_kind_of(one.type), row, f"{name}.")
    return kind(**values)


def _kind_of(kind: Any) -> type:
    if not is_dataclass(kind):
        raise KeyError(f"a field of {kind} that was not stored")
    return kind
