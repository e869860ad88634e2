"""The planner process gives what the same planner gives in this process, also after it died."""

import os
import time
from multiprocessing.shared_memory import SharedMemory

import pytest
from doubles import DoublePlanner, LoudEar, click_track, load_double, load_dying, load_nothing, load_slow

from engine import worker as worker_module
from engine.config import ShowConfig
from engine.dance import Dancer, Listener
from engine.errors import ModelError
from engine.records import poses2records
from engine.timeline import Timeline
from engine.types import AudioBlock
from engine.worker import PlannerWorker

RATE, HORIZON = 48_000, 8


@pytest.fixture(scope="module")
def asked():
    """What the listener asks in six seconds."""
    listener = Listener(RATE, ShowConfig().controls, LoudEar())
    return list(listener.push(AudioBlock(0, click_track(rate=RATE), RATE)))


@pytest.fixture(scope="module")
def expected():
    poses = Dancer(ShowConfig(), DoublePlanner(), LoudEar(), horizon_ticks=HORIZON).feed(click_track(rate=RATE), RATE)
    return poses2records(poses)


def work(load, asked, *, each=lambda index, worker: None, drain_s=20.0):
    """Feed everything to a worker; returns the timeline, the events and the worker (stopped)."""
    timeline, events = Timeline(), []

    def on_planned(planned):
        timeline.append(planned.poses)
        if planned.tail:
            timeline.set_tail(planned.tail)

    worker = PlannerWorker(
        load,
        seed=ShowConfig().seed,
        horizon_ticks=HORIZON,
        on_planned=on_planned,
        on_event=lambda frame, name: events.append((frame, name)),
    )
    try:
        worker.wait_ready()
        for index, one in enumerate(asked):
            worker.feed(one.features, one.controls)
            each(index, worker)
        drained = worker.drain(drain_s)
    finally:
        worker.stop()
    return timeline, events, worker, drained


def records(timeline):
    return poses2records(timeline.at(frame) for frame in range(timeline.newest + 1))


def test_worker_and_in_process_are_equal(asked, expected):
    timeline, events, worker, drained = work(load_double, asked)
    assert drained and events == []
    assert (worker.identity, worker.styles) == ("double-1", ("calm", "wild"))
    assert records(timeline).tobytes() == expected.tobytes()
    assert timeline.fallback(timeline.newest + 1) is not None


def test_a_killed_worker_comes_back_with_the_same_poses(asked, expected):
    def kill(index, worker):
        time.sleep(0.002)
        if index in (70, 120):
            worker._process.kill()

    timeline, events, worker, drained = work(load_double, asked, each=kill)
    assert drained
    assert [name for _, name in events] == ["planner_restarted"] * 2
    assert worker.counts["restarts"] == 2
    assert records(timeline).tobytes() == expected.tobytes()


def test_a_worker_that_dies_before_its_first_snapshot_comes_back(asked, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("CORYBANT_TEST_DEATH", str(tmp_path / "died"))
    timeline, _, worker, drained = work(load_dying, asked)
    assert drained and (tmp_path / "died").exists() and worker.counts["restarts"] == 1
    assert records(timeline).tobytes() == expected.tobytes()


def test_what_ends_the_worker_every_time_is_taken_out_and_said(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("CORYBANT_TEST_DEATH", os.fspath(tmp_path / "no such folder" / "died"))
    monkeypatch.setattr(worker_module, "_RESTART_PAUSES_S", (0.0,))
    timeline, events, worker, drained = work(load_dying, asked)
    assert drained and (60, "features_lost") in events
    assert worker.counts["restarts"] == 3
    assert timeline.newest > 360


def test_too_slow_a_planner_loses_features_and_says_which(asked, monkeypatch):
    monkeypatch.setattr(worker_module, "BACKLOG", 4)
    _, events, worker, _ = work(load_slow, asked[:20], drain_s=5.0)
    assert worker.counts["features_lost"] == len(events) >= 10
    assert all(name == "features_lost" for _, name in events)


def test_a_model_that_cannot_be_loaded_is_one_line():
    with pytest.raises(ModelError, match="the weights are missing"):
        work(load_nothing, [])


def test_nothing_stays_behind(asked):
    names = []

    def note(index, worker):
        names.extend(memory.name for memory in (worker._asked, worker._planned, worker._snapshot))

    _, _, worker, _ = work(load_double, asked[:3], each=note)
    assert not worker._reader.is_alive()
    for name in set(names):
        with pytest.raises(FileNotFoundError):
            SharedMemory(name)
    worker.stop()
