"""The rings between the processes: ordered, bounded, and never half a record."""

import threading
import time

import pytest

from engine.shared_ring import SharedRing, SharedSnapshot


@pytest.fixture
def ring():
    ring = SharedRing(4, 64)
    yield ring
    ring.close()


def test_order_and_bound(ring):
    assert [ring.push(bytes([n]) * n) for n in range(6)] == [True] * 4 + [False] * 2
    assert len(ring) == 4
    assert [ring.pop() for _ in range(5)] == [b"", b"\1", b"\2\2", b"\3\3\3", None]
    assert ring.push(b"again") and ring.pop() == b"again"


def test_two_sides_see_one_ring(ring):
    other = SharedRing(4, 64, ring.name)
    got = []

    def consume():
        while len(got) < 3000:
            record = other.pop()
            if record is None:
                time.sleep(1e-5)
            else:
                got.append(record)

    consumer = threading.Thread(target=consume)
    consumer.start()
    for number in range(3000):
        while not ring.push(str(number).encode() * (number % 8)):
            pass
    consumer.join()
    other.close()
    assert got == [str(number).encode() * (number % 8) for number in range(3000)]


def test_a_damaged_record_is_not_taken(ring):
    ring.push(b"hello")
    at = bytes(ring._memory.buf).index(b"hello")
    ring._memory.buf[at] ^= 1
    assert ring.pop() is None
    ring._memory.buf[at] ^= 1
    assert ring.pop() == b"hello"


def test_too_large_is_an_error(ring):
    with pytest.raises(ValueError, match="does not fit"):
        ring.push(bytes(65))


def test_the_newest_whole_snapshot_survives_a_death_while_writing():
    snapshot = SharedSnapshot(64)
    try:
        assert snapshot.read() is None and snapshot.newest() == 0
        for number in (30, 60, 90):
            assert snapshot.write(number, f"state {number}".encode())
            assert snapshot.newest() == number
        other = SharedSnapshot(64, snapshot.name)
        assert other.read() == (90, b"state 90")
        at = bytes(other._memory.buf).index(b"state 90")
        other._memory.buf[at] ^= 1  # as if the writer had died in the middle
        assert other.read() == (60, b"state 60")
        assert not other.write(120, bytes(65)) and other.read() == (60, b"state 60")
        other.close()
    finally:
        snapshot.close()
