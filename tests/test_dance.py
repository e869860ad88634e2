"""The pipeline in one process: push and pull are one, blocks do not matter, events do."""

import numpy as np
import pytest
from doubles import DoublePlanner, LoudEar, click_track
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import ShowConfig
from engine.dance import Dancer, Happened, dance, until
from engine.records import poses2records, records2poses
from engine.show import ControlEvent
from engine.types import AudioBlock

RATE = 48_000
SOUND = click_track(3.0, RATE)
SHOW = ShowConfig(seed=4)


class Blocks:
    """A source of blocks of one size."""

    rate = RATE

    def __init__(self, size: int):
        self.size = size

    def __iter__(self):
        for start in range(0, len(SOUND), self.size):
            yield AudioBlock(start, SOUND[start : start + self.size], RATE)

    def close(self):
        pass


@pytest.fixture(scope="module")
def whole():
    return poses2records(Dancer(SHOW, DoublePlanner(), LoudEar()).feed(SOUND, RATE)).tobytes()


@given(st.lists(st.integers(1, 40_000), max_size=12))
@settings(max_examples=15, deadline=None)
def test_any_cut_gives_the_same_bits(whole, cuts):
    dancer, poses = Dancer(SHOW, DoublePlanner(), LoudEar()), []
    for part in np.split(SOUND, sorted({cut % len(SOUND) for cut in np.cumsum(cuts)})):
        poses += dancer.feed(part, RATE)
    assert poses2records(poses).tobytes() == whole


def test_pulling_is_pushing(whole):
    assert poses2records(dance(Blocks(480), SHOW, DoublePlanner(), LoudEar())).tobytes() == whole


def test_poses_are_contiguous_and_reach_the_horizon():
    poses = Dancer(SHOW, DoublePlanner(), LoudEar()).feed(SOUND, RATE)
    assert [pose.frame for pose in poses] == list(range(len(poses)))
    assert all(pose.time_s == pose.frame / 60 for pose in poses)
    assert 0 <= len(poses) - (180 + SHOW.horizon_ticks) <= 8


def test_seed_controls_and_events_matter(whole):
    def danced(show=SHOW, **happened):
        return poses2records(
            Dancer(show, DoublePlanner(), LoudEar(), happened=Happened(**happened)).feed(SOUND, RATE)
        ).tobytes()

    others = [
        danced(ShowConfig(seed=5)),
        danced(ShowConfig(seed=4, energy=0.5)),
        danced(controls=lambda frame: [ControlEvent("energy", 2.0)] if frame == 100 else []),
        danced(lost=frozenset({100})),
    ]
    assert len({whole, *others}) == 5 and danced() == whole


def test_until_cuts_to_the_sample():
    for size in (64, 480, 48_000, 200_000):
        blocks = list(until(Blocks(size), 1.25))
        assert sum(len(block.samples) for block in blocks) == 60_000
    assert sum(len(block.samples) for block in until(Blocks(777), None)) == len(SOUND)
    assert sum(len(block.samples) for block in until(Blocks(777), 99.0)) == len(SOUND)


def test_records_are_poses():
    poses = Dancer(SHOW, DoublePlanner(), LoudEar()).feed(SOUND[:24_000], RATE)
    back = records2poses(poses2records(poses))
    assert all(
        np.array_equal(a.rotations, b.rotations)
        and np.array_equal(a.root, b.root)
        and (a.frame, a.time_s) == (b.frame, b.time_s)
        for a, b in zip(poses, back, strict=True)
    )
