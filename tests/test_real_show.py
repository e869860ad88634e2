"""The shipped model through the whole house: equal for every block size, live = replayed, worker = in-process."""

from pathlib import Path

import numpy as np
import pytest

import run_live
from engine.config import ShowConfig
from engine.dance import Listener, until
from engine.inputs import DEMO
from engine.records import poses2records
from engine.skeleton import forward_kinematics
from engine.sources import open_file
from engine.timeline import Timeline
from engine.worker import PlannerWorker

SECONDS = 4.0


def arrays(take: Path) -> dict[str, bytes]:
    with np.load(take / "poses.npz", allow_pickle=False) as poses:
        return {name: poses[name].tobytes() for name in poses.files}


@pytest.fixture(scope="module")
def take(tmp_path_factory) -> Path:
    """Four seconds of the demo track, danced offline."""
    folder = tmp_path_factory.mktemp("takes") / "480"
    assert run_live.main(["--demo", "--offline", "--seconds", str(SECONDS), "--take", str(folder)]) == 0
    return folder


def test_block_sizes_and_repetition_change_no_bit(take, tmp_path):
    for block in (480, 64, 256, 777):
        again = tmp_path / str(block)
        options = ["--demo", "--offline", "--seconds", str(SECONDS), "--block", str(block), "--take", str(again)]
        assert run_live.main(options) == 0
        assert arrays(again) == arrays(take), block


def test_worker_and_in_process_are_equal(take):
    """Also when the worker is killed on the way and goes on from its snapshot."""
    show, timeline = ShowConfig(demo=True), Timeline()
    worker = PlannerWorker(
        run_live.partial(run_live.load_planner, "onnx", ""),
        seed=show.seed,
        horizon_ticks=show.horizon_ticks,
        on_planned=lambda planned: timeline.append(planned.poses),
    )
    try:
        worker.wait_ready()
        source = open_file(str(DEMO))
        listener = Listener(source.rate, show.controls, run_live.load_own_ear())
        fed = 0
        for block in until(source, SECONDS):
            for asked in listener.push(block):
                assert worker.feed(asked.features, asked.controls)
                fed += 1
                if fed == 75:
                    assert worker.drain(30.0)
                    worker._process.kill()
        assert worker.drain(60.0) and worker.counts["restarts"] == 1
    finally:
        worker.stop()
    danced = poses2records(timeline.at(frame) for frame in range(timeline.newest + 1))
    with np.load(take / "poses.npz") as poses:
        # the timeline keeps what is planned, a take what the guard let through: the same where nothing was wrong
        assert np.array_equal(danced["frame"], poses["frame"])
        assert danced["rotations"].tobytes() == poses["rotations"].tobytes()
        assert danced["root"].tobytes() == poses["root"].tobytes()


def test_a_live_demo_replays_to_the_same_poses(tmp_path, capsys):
    live = tmp_path / "live"
    assert run_live.main(["--demo", "--stage", "127.0.0.1:0", "--seconds", "3", "--take", str(live)]) == 0
    assert run_live.main(["--replay", str(live)]) == 0
    assert "the same" in capsys.readouterr().out


def test_it_moves_and_stays_sane(take):
    with np.load(take / "poses.npz") as poses:
        root, rotations = poses["root"][:, 0], poses["rotations"][:, 0]
    assert np.isfinite(root).all() and np.isfinite(rotations).all()
    joints = forward_kinematics(root, rotations)[0]
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(axis=1) * 60
    assert speed[60:].mean() > 0.05 and joints[..., 1].min() > -0.025 and np.hypot(*root[:, [0, 2]].T).max() < 2.5
