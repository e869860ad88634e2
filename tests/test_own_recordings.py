"""Recordings of every format -> clips: a known motion comes back within stated bounds, and what is wrong is said."""

import json
from dataclasses import replace

import foreign_motion
import numpy as np
import pytest
from foreign_motion import SCHEMES, Thief, axis_angles, bvh_text, pickled, positions, walk, z_up, z_up_rotations

from engine.config import ShowConfig
from engine.skeleton import forward_kinematics
from engine.take import TakeHeader, TakeWriter
from engine.types import Pose
from realtime_models.training.own.config import MotionFolder
from realtime_models.training.own.folders import Found, find, split, style_name
from realtime_models.training.own.intake import at_30, bad_frames, take_in, without_flips, wrong_with
from realtime_models.training.own.motion_set import Part, content_of, cut, is_made, read_part, write_part
from realtime_models.training.own.table import MOST_LINES, shown, sums, table

FRAMES = 150  #: of the walk at 30 frames a second: 5 s


def walk_at(monkeypatch, fps, seconds=FRAMES / 30):
    """The walk sampled at another rate."""
    monkeypatch.setattr(foreign_motion, "FPS", fps)
    made = walk(round(seconds * fps))
    monkeypatch.undo()
    return made


def taken(path, **folder):
    """What ``take_in`` makes of one file."""
    return take_in(Found(path, path.name, "walk", "anna", MotionFolder(str(path.parent), "own", **folder)), 2.5)


def apart_m(taken_in, root=None, rotations=None):
    """Largest joint distance [m] of the one clip to the true walk, which starts over the middle of the stage."""
    (clip,) = taken_in.clips
    root, rotations = (root, rotations) if root is not None else walk(FRAMES)
    true = forward_kinematics(root - root[0] * [1, 0, 1], rotations)[0]
    made = forward_kinematics(clip.root.astype(float), clip.rotations.astype(float))[0]
    n = min(len(made), len(true))
    assert abs(len(made) - len(true)) <= 1
    return float(np.linalg.norm(made[:n] - true[:n], axis=-1).max())


def turned_apart_deg(taken_in, joints=slice(None)):
    """Mean angle [deg] between the clip's global rotations and the walk's."""
    (clip,) = taken_in.clips
    _, true = forward_kinematics(*walk(FRAMES))
    _, made = forward_kinematics(clip.root.astype(float), clip.rotations.astype(float))
    n = min(len(made), len(true))
    off = np.abs((true[:n] * made[:n]).sum(-1))[:, joints]
    return float(np.degrees(2 * np.arccos(np.clip(off, 0, 1))).mean())


def amass(rotations):
    poses = np.zeros((len(rotations), 156))
    poses[:, :66] = axis_angles(rotations).reshape(len(rotations), -1)
    return poses


# a file of each format


def test_bvh_within_2_mm_and_its_rotations_within_a_degree(tmp_path):
    (tmp_path / "a.bvh").write_text(bvh_text(*walk(FRAMES), SCHEMES["Mixamo"]))
    found = taken(tmp_path / "a.bvh")
    assert apart_m(found) < 2e-3
    assert turned_apart_deg(found) < 1.0  # the lower spine's twist is shared evenly; all else is the file's
    assert found.clips[0].style == "walk" and found.subjects == ("anna",) and found.clips[0].is_dance


def test_bvh_at_120_hz_z_up_in_inches_within_5_mm(tmp_path, monkeypatch):
    root, rotations = walk_at(monkeypatch, 120)
    text = bvh_text(z_up(root), z_up_rotations(rotations), SCHEMES["CMU"], unit=39.37, frame_time="0.0083333")
    (tmp_path / "a.bvh").write_text(text)
    assert apart_m(taken(tmp_path / "a.bvh")) < 5e-3


def test_amass_at_120_hz_within_2_mm(tmp_path, monkeypatch):
    root, rotations = walk_at(monkeypatch, 120)
    np.savez(tmp_path / "a.npz", poses=amass(z_up_rotations(rotations)), trans=z_up(root), mocap_framerate=120.0,
             gender="neutral", betas=np.zeros(16))  # fmt: skip
    found = taken(tmp_path / "a.npz")
    assert apart_m(found) < 2e-3 and turned_apart_deg(found) < 0.5


def test_smpl_x_within_1_mm(tmp_path):
    root, rotations = walk(FRAMES)
    flat = axis_angles(rotations).reshape(FRAMES, -1)
    np.savez(tmp_path / "a.npz", global_orient=flat[:, :3], body_pose=flat[:, 3:66], transl=root, fps=30)
    found = taken(tmp_path / "a.npz")
    assert apart_m(found) < 1e-3 and turned_apart_deg(found) < 0.1


def test_aist_pickle_within_2_mm_its_name_says_dancer_and_style(tmp_path, monkeypatch):
    root, rotations = walk_at(monkeypatch, 60)
    poses = np.concatenate([axis_angles(rotations).reshape(len(root), -1), np.zeros((len(root), 6))], axis=1)
    name = "gKR_sBM_cAll_d28_mKR2_ch05.pkl"
    content = {"smpl_poses": poses, "smpl_trans": root * 92.0, "smpl_scaling": np.array([92.0]), "smpl_loss": 0.1}
    (tmp_path / name).write_bytes(pickled(content))
    (found,) = find([MotionFolder(str(tmp_path), "CC BY 4.0")])
    assert (found.style, found.subject) == ("krump", "d28")
    assert apart_m(take_in(found, 2.5)) < 2e-3


def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path):
    stolen = tmp_path / "stolen"
    (tmp_path / "a.pkl").write_bytes(pickled({"smpl_poses": np.zeros((90, 72)), "smpl_trans": Thief(stolen)}))
    found = taken(tmp_path / "a.pkl")
    assert not found.clips and "only arrays of numbers are read" in found.refused[0]
    assert not stolen.exists()


def test_humanml3d_joints_at_20_hz_within_5_mm(tmp_path, monkeypatch):
    """Of twists positions say little: thighs, shins and trunk within 6 degrees on the mean."""
    root, rotations = walk_at(monkeypatch, 20)
    np.save(tmp_path / "a.npy", forward_kinematics(root, rotations)[0])
    found = taken(tmp_path / "a.npy", fps=20.0)
    assert apart_m(found) < 5e-3
    assert turned_apart_deg(found, [0, 1, 2, 3, 4, 5, 6, 9]) < 6
    assert "says no frame rate" in taken(tmp_path / "a.npy").refused[0]


def test_our_own_take_within_2_mm(tmp_path, monkeypatch):
    root, rotations = (x.astype(np.float32) for x in walk_at(monkeypatch, 60))
    writer = TakeWriter(str(tmp_path / "friday"), TakeHeader(ShowConfig(), 48_000, 8, "double-1"), live=False)
    poses = zip(range(len(root)), root, rotations, strict=True)
    writer.poses([Pose(frame, frame / 60, r, q) for frame, r, q in poses])
    writer.close({})
    (found,) = find([MotionFolder(str(tmp_path), "own", style="house")])
    assert found.path.name == "friday" and found.style == "house"
    assert apart_m(take_in(found, 2.5)) < 2e-3


def write_set(folder, clips, **more):
    """Two files as the shipped set has them."""
    starts = np.cumsum([0, *(len(root) for root, _ in clips)])
    quats = np.concatenate([rotations for _, rotations in clips])[..., [3, 0, 1, 2]]
    np.savez_compressed(folder / "mine_motion.npz", quats=np.round(quats * 32767).astype(np.int16),
                        trans=np.concatenate([root for root, _ in clips]).astype(np.float32))  # fmt: skip
    index = [
        {"name": f"clip{k}", "subject": f"s{k}", "split": "train", "label": "x", "is_dance": True, "props": False,
         "frames": len(root), "start": int(start), "quality": {"bad_frames": [3]}, "style": "Hip Hop"} | more
        for k, ((root, _), start) in enumerate(zip(clips, starts, strict=False))
    ]  # fmt: skip
    (folder / "mine_index.json").write_text(json.dumps(index))
    return index


def test_a_set_as_the_shipped_one_within_1_mm(tmp_path):
    write_set(tmp_path, [walk(FRAMES), walk(90)])
    (found,) = find([MotionFolder(str(tmp_path), "CC BY 4.0")])
    both = take_in(found, 2.5)
    assert [clip.style for clip in both.clips] == ["hip_hop", "hip_hop"] and both.subjects == ("s0", "s1")
    assert both.clips[0].bad_frames.tolist() == [3]
    one = replace(both, clips=both.clips[:1], subjects=both.subjects[:1])
    start = walk(FRAMES)[0][:1] * [1, 0, 1]  # a set is believed in where its clips begin
    one = replace(one, clips=(replace(one.clips[0], root=one.clips[0].root - start),))
    assert apart_m(one) < 1e-3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"props": True}, None),
        ({"frames": 999}, "ends after the arrays do"),
        ({"start": -5}, "ends after the arrays do"),
        ({"start": "x"}, "is no motion set"),
    ],
)
def test_sets_that_do_not_fit_together(tmp_path, change, said):
    write_set(tmp_path, [walk(90)], **change)
    (found,) = find([MotionFolder(str(tmp_path), "own")])
    result = take_in(found, 2.5)
    assert not result.clips
    assert (said in result.refused[0]) if said else (result.refused == ())


# what is done to a clip


def test_faster_and_slower_recordings_keep_their_phase(monkeypatch):
    """A nod of 2 Hz at any rate: shifted by less than 2 ms, smaller by less than 3 %."""
    for fps in (20.0, 24.0, 60.0, 120.0, 240.0):
        t = np.arange(int(4 * fps)) / fps
        rotations = np.zeros((len(t), 22, 4))
        rotations[..., 3] = 1.0
        angle = 0.3 * np.sin(2 * np.pi * 2.0 * t)
        rotations[:, 15, 0], rotations[:, 15, 3] = np.sin(angle / 2), np.cos(angle / 2)
        _, made = at_30(np.zeros((len(t), 3)), rotations, fps)
        nod = 2 * np.arcsin(made[10:-10, 15, 0])
        wave = np.exp(-2j * np.pi * 2.0 * (10 + np.arange(len(nod))) / 30)[: len(nod) // 15 * 15]
        found = 2 * (nod[: len(wave)] * wave).mean() / 0.3
        assert abs(abs(found) - 1) < 0.03
        assert abs(np.angle(found * 1j)) / (2 * np.pi * 2.0) < 0.002


def test_what_30_frames_a_second_cannot_hold_is_taken_out():
    """A 50 Hz tremor of a marker does not become a slow sway."""
    t = np.arange(480) / 120
    root = np.zeros((480, 3))
    root[:, 0] = 0.005 * np.sin(2 * np.pi * 50 * t)
    still = np.tile([0, 0, 0, 1.0], (480, 22, 1))
    made, _ = at_30(root, still, 120.0)
    assert np.abs(made[5:-5, 0]).max() < 0.0003


def test_signs_of_quaternions_do_not_turn_a_joint_around():
    _, rotations = walk(90)
    flipped = rotations * np.random.default_rng(0).choice([-1, 1], (90, 22, 1))
    again = without_flips(flipped)
    assert (np.abs((again * rotations).sum(-1)) > 1 - 1e-12).all()
    assert ((again[1:] * again[:-1]).sum(-1) > 0).all()


def test_frames_that_turn_too_fast_are_named():
    _, rotations = walk(90)
    assert bad_frames(rotations).tolist() == []
    rotations[40, 18] = [0, 0, 1, 0]  # half a turn of an elbow, and back
    assert bad_frames(rotations).tolist() == [40, 41]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r, q: (r[:60], q[:60]), "2.0 s long, at least 2.5 s"),
        (lambda r, q: (np.repeat(r[:1], 90, 0), np.repeat(q[:1], 90, 0)), "nothing moves"),
    ],
)
def test_clips_of_no_use_are_refused(tmp_path, spoil, said):
    (tmp_path / "a.bvh").write_text(bvh_text(*spoil(*walk(90)), SCHEMES["CMU"]))
    found = taken(tmp_path / "a.bvh")
    assert not found.clips and said in found.refused[0] and found.refused[0].startswith("a.bvh: ")


def test_a_clip_of_mostly_bad_frames_is_refused():
    root, rotations = (x.astype(np.float32) for x in walk(90))
    clip = cut(_clip("x", root, rotations), 0, 90, "train")
    assert wrong_with(clip, 2.5) == ""
    assert "30 of 90 frames turn a joint faster" in wrong_with(replace(clip, bad_frames=np.arange(30)), 2.5)
    rotten = rotations.copy()
    rotten[5] = np.nan
    assert "not finite" in wrong_with(replace(clip, rotations=rotten), 2.5)


def test_a_nan_in_a_file_is_refused_by_name_and_frame(tmp_path):
    points = positions(frames=90)
    points[7] = np.nan
    np.save(tmp_path / "a.npy", points)
    assert "first: frame 7" in taken(tmp_path / "a.npy", fps=30.0).refused[0]


# names, styles, what is held back


def _clip(name, root, rotations, **about):
    from realtime_models.training.data import Clip

    about = {"style": "walk", "is_dance": True, "split": "train", "bad_frames": np.zeros(0, int)} | about
    return Clip(name, about["style"], about["is_dance"], about["split"], root, rotations, about["bad_frames"])


def test_styles_and_dancers_come_from_folders(tmp_path):
    for place in (
        "Hip-Hop/anna/a.bvh",
        "Hip-Hop/b.bvh",
        "any/c.csv",
        "d.npy",
        ".hidden/e.bvh",
        "f.txt",
        "salsa/.g.bvh",
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("x")
    top = tmp_path.name
    found = {one.path.name: (one.style, one.subject, one.name) for one in find([MotionFolder(str(tmp_path), "own")])}
    assert found == {
        "a.bvh": ("hip_hop", f"{top}/anna", f"{top}/Hip-Hop/anna/a.bvh"),
        "b.bvh": ("hip_hop", "", f"{top}/Hip-Hop/b.bvh"),
        "c.csv": ("_any", "", f"{top}/any/c.csv"),
        "d.npy": (style_name(top), "", f"{top}/d.npy"),
    }


def test_whole_dancers_are_held_back_where_there_are_enough():
    found = [(f"{who}{k}", who) for who in ("anna", "ben", "carl", "dora") for k in range(5)]
    drawn = split(found, 0.25, 1)
    assert len(drawn.subjects) == 1 and not drawn.names and not drawn.tail
    assert split(found, 0.25, 1) == drawn
    assert len({split(found, 0.25, seed).subjects for seed in range(20)}) > 1  # the seed decides
    assert len(split(found, 0.5, 1).subjects) == 2


def test_recordings_or_tails_are_held_back_where_dancers_are_few():
    by_file = split([(f"take{k}", "anna") for k in range(10)], 0.2, 1)
    assert len(by_file.names) == 2 and not by_file.subjects
    assert split([("one", "anna"), ("two", "")], 0.1, 1).tail == 0.1
    assert split([("one", "")], 0.0, 1).said.startswith("nothing is held back")


# on disk, and for people


def test_a_part_comes_back_and_knows_what_it_is_of(tmp_path):
    (tmp_path / "a.bvh").write_text(bvh_text(*walk(FRAMES), SCHEMES["CMU"]))
    found = taken(tmp_path / "a.bvh")
    part = Part(tmp_path / "kept" / "a", "this file", "this code")
    assert not is_made(part, by_any_code=True)
    write_part(part, found)
    again = read_part(part)
    assert again.notes == found.notes and again.subjects == found.subjects
    assert np.abs(again.clips[0].rotations - found.clips[0].rotations).max() < 1e-4
    assert np.array_equal(again.clips[0].root, found.clips[0].root)
    assert is_made(part, by_any_code=False)
    assert not is_made(replace(part, made_of="another file"), by_any_code=True)
    assert not is_made(replace(part, code="newer"), by_any_code=False)
    assert is_made(replace(part, code="newer"), by_any_code=True)
    before = content_of([part])
    write_part(replace(part, made_of="touched"), found)
    assert content_of([part]) == before  # the same motion, whatever its file's date
    write_part(part, taken(tmp_path / "a.bvh", dance=False))
    assert content_of([part]) != before


def test_the_table_names_every_file_and_every_reason(tmp_path):
    (tmp_path / "good.bvh").write_text(bvh_text(*walk(FRAMES), SCHEMES["CMU"]))
    (tmp_path / "bad.bvh").write_text("nothing")
    lines = table([taken(tmp_path / "bad.bvh"), taken(tmp_path / "good.bvh")])
    assert lines[1].split()[:2] == ["bad.bvh", "-"] and "refused: has no HIERARCHY" in lines[1]
    assert lines[2].split()[:4] == ["good.bvh", "5.0", "walk", "anna"] and "centimetres" in lines[2]
    assert sums([taken(tmp_path / "good.bvh")])[0] == "walk: 0.1 min to train on, 0.0 min held back"
    many = [lines[0], *[lines[2]] * 200, lines[1]]
    some = shown(many, "recordings.txt")
    assert len(some) == MOST_LINES and lines[1] in some and "in recordings.txt" in some[-1]
