"""Real dance as it is and on a song, and the clips of given dancers left out."""

import json
from pathlib import Path

import numpy as np
import pytest
from dance_clips import FOLDER, read_pose

from engine.errors import ConfigError
from engine.skeleton import JOINTS, STANDING_HIP_M, t_pose
from realtime_models.training.judge import beat as score
from realtime_models.training.judge.beat import joint_positions
from realtime_models.training.judge.systems.clips import dance_clips, yaw_of
from realtime_models.training.judge.systems.clips_on_grid import Loop, read_loops
from realtime_models.training.judge.systems.real import real_motions, real_on_song

BEATS_S = np.arange(0.2, 60, 0.5)
ENTRIES = (
    ("salsa", "anna", "train", True, 75.0),
    ("modern", "anna", "train", True, None),
    ("party", "ben", "train", True, 100.0),
    ("broadway", "cleo", "val", True, 90.0),
    ("walk", "ben", "train", False, None),
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of three made-up dancers with the test clips, in the layout of the training data."""
    index, quats, trans, start = [], [], [], 0
    for name, subject, split, is_dance, rate in ENTRIES:
        with np.load(FOLDER / f"{'salsa' if name == 'walk' else name}.npz") as store:
            quats.append(store["quats"])
            trans.append(store["trans"])
        entry = {"name": name, "subject": subject, "split": split, "is_dance": is_dance, "props": False}
        about = {"label": "dance", "quality": {"bad_frames": []}, "start": start, "frames": len(trans[-1])}
        index.append(entry | about | ({"move_rate_per_min": rate} if rate else {}))
        start += len(trans[-1])
    folder = tmp_path / "motion"
    folder.mkdir()
    (folder / "permissive_index.json").write_text(json.dumps(index), encoding="utf-8")
    np.savez(folder / "permissive_motion.npz", quats=np.concatenate(quats), trans=np.concatenate(trans))
    monkeypatch.setenv("CORYBANT_DATA", str(tmp_path))
    return tmp_path


def swing(name: str, period_s: float, seconds: float, side_m: float = 0.0) -> Loop:
    """A made-up clip whose arms turn back every ``period_s``, standing ``side_m`` to the side."""
    frames = round(seconds * 30)
    root = np.tile(np.array([side_m, STANDING_HIP_M, 0], np.float32), (frames, 1))
    rotations = np.tile(t_pose(), (frames, 1, 1))
    angle = 0.6 * np.cos(np.pi * (np.arange(frames) / 30 / period_s + 0.31))
    for joint in ("left_shoulder", "right_shoulder"):
        rotations[:, JOINTS.index(joint), 2] = np.sin(angle / 2)
        rotations[:, JOINTS.index(joint), 3] = np.cos(angle / 2)
    return Loop(name, root, rotations, 1 / period_s, np.zeros(0))


def test_real_motions_have_dancers_and_are_the_clips(data):
    motions = real_motions()
    assert [(m.name, m.dancer) for m in motions] == [("salsa", "anna"), ("modern", "anna"), ("party", "ben")]
    assert all(m.fps == 30 and len(m.positions) == 750 and m.rotations is not None and m.style for m in motions)
    assert motions[0].positions == pytest.approx(joint_positions(*read_pose("salsa")), abs=1e-3)
    assert [m.name for m in real_motions(("train", "val"))] == ["salsa", "modern", "party", "broadway"]


def test_a_dancer_is_left_out_everywhere(data):
    assert [m.name for m in real_motions(without=("anna",))] == ["party"]
    assert [c.name for c in dance_clips(without=("ben",))] == ["salsa", "modern"]
    assert [loop.name for loop in read_loops()] == ["salsa", "party"]  # modern has no movement rate
    assert [loop.name for loop in read_loops(without=("ben",))] == ["salsa"]
    assert read_loops(without=("ben",))[0].rate_hz == pytest.approx(1.25)


def test_an_unknown_dancer_is_an_error(data):
    with pytest.raises(ConfigError, match="no dancer named dora to leave out; there is: anna, ben, cleo"):
        dance_clips(without=("dora",))
    with pytest.raises(ConfigError, match="no dancer named dora"):
        read_loops(without=("dora", "ben"))


def test_speed_and_start_are_found():
    """A move each 0.55 s on beats each 0.5 s: played 1.1 times as fast, and none of its phases is 0 by itself."""
    got = real_on_song([swing("one", 0.55, 30)], BEATS_S, 12)
    assert got.clip == "one" and got.speed == pytest.approx(1.1, rel=0.01) and got.r > 0.97
    assert got.root.shape == (720, 3) and got.rotations.shape == (720, 22, 4)
    danced = score.motion_beats(got.root, got.rotations, 60)
    r, lag_s = score.phase_concentration(danced, BEATS_S)[1.0]
    assert r > 0.97 and abs(lag_s) < 0.02 and got.n == pytest.approx(len(danced), abs=1)


def test_it_is_one_clip_without_a_cut_at_one_speed():
    root, rotations = read_pose("party")
    got = real_on_song([Loop("party", root, rotations, 1.0, np.zeros(0))], BEATS_S, 10, fps=30, seed=2)
    assert 0.8 <= got.speed <= 1.25 and 0 <= got.start_s <= 749 / 30 - 10 * got.speed + 1e-9
    frames = 30 * got.start_s + got.speed * np.arange(300)
    expected = np.stack([np.interp(frames, np.arange(750), root[:, 1])])
    assert got.root[:, 1] == pytest.approx(expected[0], abs=1e-5)
    path = np.linalg.norm(np.diff(got.root[:, [0, 2]], axis=0), axis=1)
    walked = np.stack([np.interp(frames, np.arange(750), root[:, k]) for k in (0, 2)], axis=1)
    assert path == pytest.approx(np.linalg.norm(np.diff(walked, axis=0), axis=1), abs=1e-4)


def test_it_stands_in_the_middle_and_faces_ahead():
    got = real_on_song([swing("aside", 0.5, 20, side_m=3.0)], BEATS_S, 10)
    assert got.root[:, [0, 2]] == pytest.approx(np.zeros((600, 2)), abs=1e-5)
    root, rotations = read_pose("modern")
    got = real_on_song([Loop("modern", root, rotations, 1.0, np.zeros(0))], BEATS_S, 10)
    headings = np.exp(1j * np.array([yaw_of(q) for q in got.rotations[:, 0]]))
    assert np.angle(headings.mean()) == pytest.approx(0, abs=1e-3)
    assert np.abs(got.root[:, [0, 2]].max(axis=0) + got.root[:, [0, 2]].min(axis=0)).max() < 1e-4


def test_the_seed_chooses_the_clip_and_nothing_else_is_random():
    clips = [swing(str(k), 0.45 + 0.03 * k, 15) for k in range(6)]
    got = [real_on_song(clips, BEATS_S, 8, seed=s) for s in (0, 0, 1, 2, 3)]
    assert np.array_equal(got[0].rotations, got[1].rotations)
    assert len({g.clip for g in got}) > 1


def test_no_clip_is_put_together():
    with pytest.raises(ValueError, match=r"30\.0 s at 0\.8 of its speed need 24\.0 s, the longest of 2 lasts 20\.0 s"):
        real_on_song([swing("a", 0.5, 10), swing("b", 0.5, 20 + 1 / 30)], BEATS_S, 30)
    with pytest.raises(ValueError, match="1 beats"):
        real_on_song([swing("a", 0.5, 10)], BEATS_S[:1], 5)
    with pytest.raises(ValueError, match="has a motion beat"):
        real_on_song([swing("a", 0.5, 10)], BEATS_S + 100, 5)
