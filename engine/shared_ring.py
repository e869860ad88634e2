"""Records between two processes through shared memory: one producer, one consumer, ordered, bounded, no lock.

Each record carries its number and a checksum, so a consumer never takes a record that is half written, whatever the
order in which a processor makes stores visible, and whenever the other side dies.
"""

import struct
import zlib
from multiprocessing.shared_memory import SharedMemory

_COUNT = struct.Struct("<Q")
_HEAD = struct.Struct("<QII")  # number of the record, length, checksum
_WRITTEN, _READ, _SLOTS = 0, 64, 128  # byte offsets; one cache line each


class SharedRing:
    """Bounded queue of byte records. Policy: ordered; when full, ``push`` refuses and the caller counts."""

    def __init__(self, slots: int, slot_bytes: int, name: str | None = None) -> None:
        """Create a ring of ``slots`` records of at most ``slot_bytes``, or attach to the one called ``name``."""
        self.slots, self.slot_bytes = slots, slot_bytes
        self._stride = _HEAD.size + slot_bytes
        self._owner = name is None
        self._memory = SharedMemory(name, create=name is None, size=_SLOTS + slots * self._stride)
        self.name = self._memory.name

    def __len__(self) -> int:
        return self._count(_WRITTEN) - self._count(_READ)

    def push(self, payload: bytes) -> bool:
        """Producer: add a record; False when the ring is full. Raises ValueError when the record is too large."""
        if len(payload) > self.slot_bytes:
            raise ValueError(f"a record of {len(payload)} bytes does not fit into {self.slot_bytes}")
        number = self._count(_WRITTEN)
        if number - self._count(_READ) >= self.slots:
            return False
        at = self._at(number)
        self._memory.buf[at + _HEAD.size : at + _HEAD.size + len(payload)] = payload
        _HEAD.pack_into(self._memory.buf, at, number + 1, len(payload), zlib.crc32(payload))
        _COUNT.pack_into(self._memory.buf, _WRITTEN, number + 1)
        return True

    def pop(self) -> bytes | None:
        """Consumer: take the oldest record, or None when there is none (or it is not wholly visible yet)."""
        number = self._count(_READ)
        if number >= self._count(_WRITTEN):
            return None
        at = self._at(number)
        written, length, checksum = _HEAD.unpack_from(self._memory.buf, at)
        payload = bytes(self._memory.buf[at + _HEAD.size : at + _HEAD.size + min(length, self.slot_bytes)])
        if written != number + 1 or zlib.crc32(payload) != checksum:
            return None
        _COUNT.pack_into(self._memory.buf, _READ, number + 1)
        return payload

    def close(self) -> None:
        """Let go; the creator also removes the memory."""
        self._memory.close()
        if self._owner:
            self._memory.unlink()
            self._owner = False

    def _count(self, at: int) -> int:
        return _COUNT.unpack_from(self._memory.buf, at)[0]

    def _at(self, number: int) -> int:
        return _SLOTS + (number % self.slots) * self._stride


class SharedSnapshot:
    """The newest of two slots: a reader finds the last whole snapshot even when the writer died while writing."""

    def __init__(self, slot_bytes: int, name: str | None = None) -> None:
        self.slot_bytes = slot_bytes
        self._stride = _HEAD.size + slot_bytes
        self._owner = name is None
        self._memory = SharedMemory(name, create=name is None, size=2 * self._stride)
        self.name = self._memory.name

    def write(self, number: int, payload: bytes) -> bool:
        """Keep ``payload`` under ``number`` (> 0, rising); False when it does not fit."""
        if len(payload) > self.slot_bytes:
            return False
        at = self._stride * (1 if self._number(0) > self._number(1) else 0)
        _HEAD.pack_into(self._memory.buf, at, 0, 0, 0)
        self._memory.buf[at + _HEAD.size : at + _HEAD.size + len(payload)] = payload
        _HEAD.pack_into(self._memory.buf, at, number, len(payload), zlib.crc32(payload))
        return True

    def newest(self) -> int:
        """Number of the newest snapshot, 0 = none; its content has not been checked."""
        return max(self._number(0), self._number(1))

    def read(self) -> tuple[int, bytes] | None:
        """The newest whole snapshot with its number."""
        whole = []
        for slot in (0, 1):
            number, length, checksum = _HEAD.unpack_from(self._memory.buf, slot * self._stride)
            at = slot * self._stride + _HEAD.size
            payload = bytes(self._memory.buf[at : at + min(length, self.slot_bytes)])
            if number and zlib.crc32(payload) == checksum:
                whole.append((number, payload))
        return max(whole, default=None)

    def close(self) -> None:
        """Let go; the creator also removes the memory."""
        self._memory.close()
        if self._owner:
            self._memory.unlink()
            self._owner = False

    def _number(self, slot: int) -> int:
        return _HEAD.unpack_from(self._memory.buf, slot * self._stride)[0]
