"""The timeline never revises, never shows a wrong tick and stays bounded."""

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.timeline import Timeline, tick_at
from engine.types import Pose


def pose(frame: int, x: float = 0.0) -> Pose:
    return Pose(frame, frame / 60, np.array([x, 0, 0], np.float32), np.zeros((22, 4), np.float32))


def frames(first: int, count: int) -> list[Pose]:
    return [pose(frame) for frame in range(first, first + count)]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 20)), max_size=30))
def test_every_tick_is_the_right_one_or_none(pieces):
    timeline, kept, end = Timeline(capacity=64), set(), 0
    for hole, count in pieces:
        timeline.append(frames(end + hole, count))
        kept |= set(range(end + hole, end + hole + count))
        end += hole + count
    for frame in range(-3, end + 70):
        found = timeline.at(frame)
        assert (found is not None) == (frame in kept and frame > end - 65) or frame <= end - 64
        assert found is None or found.frame == frame
    assert timeline.newest == max(kept, default=-1)


def test_what_was_said_is_not_revised():
    timeline = Timeline()
    assert timeline.append([pose(5, 1.0)]) == 1
    assert timeline.append([pose(5, 2.0), pose(4, 2.0), pose(6, 2.0)]) == 1
    assert timeline.at(5).root[0] == 1.0 and timeline.at(4) is None and timeline.repeated == 2


def test_the_tail_is_the_fallback_only():
    timeline = Timeline()
    timeline.append(frames(0, 8))
    timeline.set_tail([pose(frame, 9.0) for frame in range(6, 12)])
    assert timeline.due(7 / 60).root[0] == 0.0
    assert timeline.due(9 / 60).root[0] == 9.0 and timeline.fallback(9).frame == 9
    assert timeline.due(12 / 60) is None and timeline.fallback(5) is None
    assert timeline.at(9) is None


def test_horizon():
    timeline = Timeline()
    assert timeline.horizon_s(0.0) == 0.0 and timeline.last() is None
    timeline.append(frames(0, 60))
    assert timeline.horizon_s(0.25) == 0.75 and timeline.last().frame == 59


@given(st.integers(0, 60 * 86400 * 7))
def test_a_deadline_finds_its_tick(tick):
    assert tick_at(tick / 60) == tick
    assert tick_at((tick + 0.5) / 60) == tick


def test_readers_never_see_another_tick():
    timeline, wrong, stop = Timeline(capacity=16), [], threading.Event()

    def read():
        while not stop.is_set():
            newest = timeline.newest
            found = timeline.at(newest)
            if newest >= 0 and found is not None and found.frame != newest:
                wrong.append(newest)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for frame in range(0, 4000, 8):
        timeline.append(frames(frame, 8))
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
