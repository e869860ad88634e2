"""Arrays of plain numbers out of .npy, .npz and .pkl, and nothing else: no file can run code or blow up memory."""

import io
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from realtime_models.training.motion_files.reading import MAX_BYTES, check_size, refusal

_DAMAGED = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OSError, SyntaxError, RuntimeError),
    *(NotImplementedError, OverflowError, MemoryError, zipfile.BadZipFile, zlib.error, pickle.UnpicklingError),
)
_PLAIN = "fiub"


def read_npy(path: Path, accepted: str) -> np.ndarray:
    """The array of a .npy file, float64. Raises ConfigError."""
    check_size(path, accepted)
    try:
        with path.open("rb") as file:
            return _array(file, path.stat().st_size)
    except _DAMAGED as error:
        raise refusal(path, f"is no .npy array of plain numbers ({_short(error)})", accepted) from error


def read_npz(path: Path, accepted: str) -> dict[str, np.ndarray]:
    """All arrays of plain numbers of an .npz file, float64; texts and objects are left out. Raises ConfigError."""
    check_size(path, accepted)
    found, total = {}, 0
    try:
        with zipfile.ZipFile(path) as store:
            for info in store.infolist():
                total += info.file_size
                if total > MAX_BYTES:
                    raise ValueError(f"it unpacks to more than {MAX_BYTES >> 20} MiB")
                if info.filename.endswith(".npy"):
                    data = store.read(info)
                    if _is_plain(data):
                        found[info.filename[:-4]] = _array(io.BytesIO(data), len(data))
    except _DAMAGED as error:
        raise refusal(path, f"is no .npz of plain arrays ({_short(error)})", accepted) from error
    return found


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    return shape, kind


def _is_plain(data: bytes) -> bool:
    return _header(io.BytesIO(data))[1].kind in _PLAIN


def _array(file: IO[bytes], size: int) -> np.ndarray:
    """An array whose header does not promise more than there is. Raises ValueError."""
    shape, kind = _header(file)
    if kind.kind not in _PLAIN:
        raise ValueError(f"it holds {kind.name}, not numbers")
    count = 1
    for side in shape:  # Python's integers: no product overflows
        count *= int(side)
    if count * kind.itemsize > size - file.tell():
        raise ValueError("it is cut short")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False).astype(np.float64)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def read_pickle(path: Path, accepted: str) -> dict[str, np.ndarray]:
    """Arrays of plain numbers of a pickled dict (AIST++, EDGE and their kin). Raises ConfigError.

    Nothing that a pickle names is ever called: arrays are rebuilt from their bytes by the classes below.
    """
    check_size(path, accepted)
    try:
        with path.open("rb") as file:
            loaded = _Plain(file, encoding="latin1").load()
        if not isinstance(loaded, Mapping):
            raise ValueError(f"it holds a {type(loaded).__name__}, not a dict of arrays")
        found = {str(key): _numbers(value) for key, value in loaded.items()}
    except (*_DAMAGED, RecursionError) as error:
        raise refusal(path, f"is no pickled dict of plain arrays ({_short(error)})", accepted) from error
    return {key: value for key, value in found.items() if value is not None}


def _numbers(value: Any) -> np.ndarray | None:
    """A value as float64, None when it is no array of numbers."""
    if isinstance(value, _Array | _Scalar):
        return value.numbers()
    if isinstance(value, bool | int | float):
        return np.array(float(value))
    return None


class _Type:
    """Stands in for numpy.dtype: a kind of plain number, or refusal."""

    def __init__(self, text: str = "", *_: Any) -> None:
        self.text, self.order = str(text), "<"

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "<"

    def dtype(self) -> np.dtype:
        text = self.text.lstrip("<>|=")
        if text[:1] not in tuple(_PLAIN) or text[1:] not in ("1", "2", "4", "8"):
            raise ValueError(f"an array of '{self.text[:20]}', not of plain numbers")
        return np.dtype(self.order + text)


def _from_bytes(data: Any, kind: Any, shape: Any, fortran: bool) -> np.ndarray:
    if isinstance(data, str):  # protocols 0 to 2 of Python 2
        data = data.encode("latin1")
    if not isinstance(data, bytes | bytearray | memoryview) or not isinstance(kind, _Type):
        raise ValueError("an array of objects")
    shape = tuple(int(side) for side in shape)
    values = np.frombuffer(data, kind.dtype()).astype(np.float64)
    return values.reshape(shape, order="F" if fortran else "C")


class _Array:
    """Stands in for numpy.ndarray while it is unpickled."""

    def __init__(self) -> None:
        self.state: tuple | None = None

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def numbers(self) -> np.ndarray | None:
        _, shape, kind, fortran, data = self.state
        return None if isinstance(data, list) else _from_bytes(data, kind, shape, bool(fortran))


class _Scalar:
    """Stands in for a numpy scalar."""

    def __init__(self, kind: Any, data: Any = b"") -> None:
        self.kind, self.data = kind, data

    def __setstate__(self, state: Any) -> None:
        raise ValueError("a scalar with a state")

    def numbers(self) -> np.ndarray:
        return _from_bytes(self.data, self.kind, (), False)


class _Whole(_Array):
    """An array of pickle protocol 5, its bytes inline."""

    def __init__(self, data: Any, kind: Any, shape: Any, order: str = "C", *_: Any) -> None:
        self.state = (1, shape, kind, order == "F", data)


class _Reconstruct:
    """Stands in for numpy's function that makes the empty array of a pickle."""

    def __new__(cls, *_: Any) -> _Array:
        return _Array()

    def __setstate__(self, state: Any) -> None:  # none of these may be changed by a file
        raise ValueError("a function with a state")


class _Encode:
    """Stands in for codecs.encode, by which Python 3 writes bytes in the protocols of Python 2."""

    def __new__(cls, text: str, encoding: str = "latin1") -> bytes:
        if str(encoding).replace("-", "").lower() not in ("latin1", "iso88591"):
            raise ValueError(f"bytes in {str(encoding)[:20]}")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise ValueError("a function with a state")


_ADMITTED = {
    ("multiarray", "_reconstruct"): _Reconstruct, ("multiarray", "scalar"): _Scalar,
    ("numeric", "_frombuffer"): _Whole, ("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _Encode, ("collections", "OrderedDict"): dict,
}  # fmt: skip


class _Plain(pickle.Unpickler):
    """Admits numpy arrays and builtins, by the stand-ins above."""

    def find_class(self, module: str, name: str) -> Any:
        place = module.rpartition(".")[2] if module.startswith(("numpy.core.", "numpy._core.")) else module
        if (place, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it holds {module}.{name}; only arrays of numbers are read"[:120])
        return _ADMITTED[place, name]
