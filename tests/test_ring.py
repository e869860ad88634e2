import threading

import numpy as np
import pytest

from engine.ring import SampleRing


def ramp(start: int, count: int) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.float32)


def test_capacity_is_a_power_of_two():
    assert SampleRing(1000).capacity == 1024
    assert SampleRing(1024).capacity == 1024
    with pytest.raises(ValueError, match="at least 1"):
        SampleRing(0)


def test_reads_what_was_written_across_the_seam():
    ring = SampleRing(16)
    written = 0
    for count in (5, 9, 11, 3, 16, 7):
        assert ring.write(ramp(written, count)) == 0
        piece = ring.read()
        assert (piece.start, piece.lost) == (written, 0)
        np.testing.assert_array_equal(piece.samples, ramp(written, count))
        written += count
    assert len(ring.read().samples) == 0


def test_overrun_tells_where_and_how_many():
    ring = SampleRing(8)
    assert ring.write(ramp(0, 6)) == 0
    assert ring.write(ramp(6, 5)) == 3  # 6 and 7 fit, 8 to 10 do not
    assert ring.write(ramp(11, 4)) == 4
    before = ring.read()
    assert (before.start, before.lost, before.samples.tolist()) == (0, 0, list(range(8)))
    assert ring.write(ramp(15, 2)) == 0
    after = ring.read()
    assert (after.start, after.lost, after.samples.tolist()) == (15, 7, [15, 16])
    assert ring.lost == 7


def test_a_loss_in_the_middle_splits_the_read():
    ring = SampleRing(8)
    ring.write(ramp(0, 8))
    assert ring.read(4).samples.tolist() == [0, 1, 2, 3]
    ring.write(ramp(8, 6))  # 8 to 11 fit
    ring.read(2)
    ring.write(ramp(14, 2))
    first, second = ring.read(), ring.read()
    assert (first.start, first.samples.tolist(), first.lost) == (6, [6, 7, 8, 9, 10, 11], 0)
    assert (second.start, second.samples.tolist(), second.lost) == (14, [14, 15], 2)


def test_two_threads_lose_nothing_untold():
    ring, total = SampleRing(4096), 200_000

    def produce() -> None:
        for start in range(0, total, 160):
            ring.write(ramp(start, 160))

    writer = threading.Thread(target=produce)
    writer.start()
    at = 0
    while at < total:
        piece = ring.read()
        if not piece.lost and not len(piece.samples):
            continue
        assert piece.start == at + piece.lost
        np.testing.assert_array_equal(piece.samples, ramp(piece.start, len(piece.samples)))
        at = piece.start + len(piece.samples)
    writer.join()
    assert at == total
