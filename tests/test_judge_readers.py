"""Folders and takes, what is done to a body on its way into our frame, and the music that goes with it."""

import numpy as np
import pytest
import soundfile
from dance_clips import DANCES, read_dance
from doubles import click_track
from foreign_motion import SCHEMES, J, bvh_text, csv_text, positions, walk

from engine.config import ShowConfig
from engine.errors import ConfigError
from engine.skeleton import JOINTS, forward_kinematics
from engine.take import TakeHeader, TakeWriter
from engine.types import Pose
from realtime_models.training.judge.audio import read_beats, with_music
from realtime_models.training.judge.systems.model import Track, hear, said_beats
from realtime_models.training.motion_files import Reading, read, read_file, read_folder
from realtime_models.training.motion_files.house import (
    Body,
    along_line,
    complete,
    floor_shift_m,
    handedness,
    house,
    resting_height_m,
    up_axis,
)


def body_of(points):
    return Body({name: points[:, k] for k, name in enumerate(JOINTS)})


def write_take(folder, root, rotations, first=0, close=True):
    writer = TakeWriter(str(folder), TakeHeader(ShowConfig(), 48_000, 8, "double-1"), live=False)
    root, rotations = root.astype(np.float32), rotations.astype(np.float32)
    poses = zip(range(first, first + len(root)), root, rotations, strict=True)
    writer.poses([Pose(frame, frame / 60, r, q) for frame, r, q in poses])
    if close:
        writer.close({})
    return writer


# --- folders and takes


def test_a_folder_is_read_by_name_and_other_files_passed_over(tmp_path):
    (tmp_path / "b.bvh").write_text(bvh_text(*walk(), JOINTS))
    (tmp_path / "a.csv").write_text(csv_text(positions(), time=("time", np.arange(90) / 30)))
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "b.ogg").write_bytes(b"no motion")
    np.save(tmp_path / "c.npy", positions())
    write_take(tmp_path / "d", *walk())
    (tmp_path / "empty").mkdir()
    motions = read_folder(tmp_path, fps=30.0)
    assert [m.name for m in motions] == ["a", "b", "c", "d"]
    assert [m.fps for m in motions] == [30.0, 30.0, 30.0, 60.0]
    for motion in motions:
        assert np.linalg.norm(motion.positions - positions(), axis=-1).max() < 1e-3


def test_two_formats_of_one_name_stay_two_blocks(tmp_path):
    (tmp_path / "a.bvh").write_text(bvh_text(*walk(), JOINTS))
    np.save(tmp_path / "a.npy", positions())
    assert [m.name for m in read_folder(tmp_path, fps=30.0)] == ["a.bvh", "a.npy"]


@pytest.mark.parametrize(("make", "reason"), [(False, "does not exist"), (True, "no motion in")])
def test_no_motion_is_said(tmp_path, make, reason):
    folder = tmp_path / "motions"
    if make:
        folder.mkdir()
        (folder / "song.ogg").write_bytes(b"x")
    with pytest.raises(ConfigError, match=reason) as told:
        read_folder(folder)
    assert ".bvh" in str(told.value) and "\n" not in str(told.value)


def test_a_take_is_taken_as_it_was_danced(tmp_path):
    root, rotations = walk()
    write_take(tmp_path / "t", root + [0, 0.3, 0], rotations, first=30)  # 30 cm in the air: nothing is moved
    (reading,) = read(tmp_path / "t")
    assert reading.start_s == 0.5 and reading.motion.fps == 60.0 and reading.notes == ()
    assert np.abs(reading.motion.positions - positions(0.3)).max() < 1e-5
    assert reading.motion.rotations.shape == (90, 22, 4)
    assert reading.sound.name == "audio.flac" and len(reading.heard_beats_s) == 0


def test_an_unfinished_take_is_read_too(tmp_path):
    writer = write_take(tmp_path / "t", *walk(), close=False)
    writer.close({})
    (tmp_path / "t" / "metrics.json").unlink()
    (reading,) = read_file(tmp_path / "t")
    assert reading.notes == ("an unfinished take",) and len(reading.motion.positions) == 90


def test_poses_out_of_their_take_with_two_performers_and_a_hole(tmp_path):
    root, rotations = walk()
    keep = np.r_[0:40, 42:90]
    np.savez(tmp_path / "poses.npz", frame=keep, root=np.stack([root, root + [2, 0, 0]], 1)[keep],
             rotations=np.stack([rotations, rotations], 1)[keep])  # fmt: skip
    one, two = read_file(tmp_path / "poses.npz")
    assert (one.motion.name, two.motion.name) == ("poses.1", "poses.2")
    assert one.notes == ("2 missing frames: the pose before stands in",)
    assert len(two.motion.positions) == 90
    assert np.allclose(two.motion.positions[50] - one.motion.positions[50], [2, 0, 0])
    assert np.allclose(one.motion.positions[41], positions()[39])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: (f / "take.toml").write_text("version = "), "damaged take"),
        (lambda f: (f / "poses.npz").write_bytes(b"PK"), "damaged take"),
        (lambda f: (f / "poses.npz").unlink(), "it holds no poses"),
        (lambda f: np.savez(f / "poses.npz", frame=np.arange(9)), "damaged take"),
    ],
)
def test_damaged_takes_say_why_in_one_line(tmp_path, damage, reason):
    write_take(tmp_path / "t", *walk())
    damage(tmp_path / "t")
    with pytest.raises(ConfigError, match=reason) as told:
        read_folder(tmp_path)
    assert str(tmp_path / "t") in str(told.value) and "\n" not in str(told.value)


# --- into our frame


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [1, -1])
def test_any_axis_can_be_up(axis, sign):
    """The body is laid along each axis by a turn (rows are where x, y, z go; determinant 1) and comes back upright."""
    turn = np.zeros((3, 3))
    turn[1, axis] = sign
    turn[2, (axis + 1) % 3] = 1
    turn[0, (axis + 2) % 3] = np.linalg.det(turn + np.eye(3)[[0]].T * np.eye(3)[(axis + 2) % 3])
    assert np.linalg.det(turn) == pytest.approx(1.0)
    laid = positions() @ turn
    assert up_axis(body_of(laid).joints)[:2] == (axis, sign)
    housed = house(body_of(laid), 30)
    assert not housed.mirrored
    heights = housed.positions[..., 1]
    assert np.abs(heights - positions()[..., 1]).max() < 1e-3  # upright again, at the same height
    spread = np.linalg.norm(housed.positions[:, :, None] - housed.positions[:, None], axis=-1)
    ours = np.linalg.norm(positions()[:, :, None] - positions()[:, None], axis=-1)
    assert np.abs(spread - ours).max() < 1e-3


def test_a_body_on_the_floor_does_not_tell_what_is_up():
    """Lying along z for the whole file: said, and Y is believed."""
    lying = positions() @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    half = np.concatenate([lying, lying * [1, 1, -1]])
    axis, sign, notes = up_axis(body_of(half).joints)
    assert (axis, sign) == (1, 1) and "cannot be read" in notes[0]


def test_straight_legs_without_toes_do_not_tell_the_side():
    joints = {k: v for k, v in body_of(positions()).joints.items() if not k.endswith("foot")}
    assert handedness(joints) > 0.9  # the lifted knee tells
    assert handedness({k: v * [-1, 1, 1] for k, v in joints.items()}) < -0.9
    straight = {k: v.copy() for k, v in joints.items()}
    for side in ("left", "right"):
        straight[f"{side}_knee"] = (straight[f"{side}_hip"] + straight[f"{side}_ankle"]) / 2 - [0, 0, 0.01]
    assert handedness(straight) == 0.0


def test_joints_filled_in_by_the_stated_rules():
    """Hips, limbs and nothing else: the rest where the rules say, close to where ours are on a body standing still."""
    root, rotations = np.array([[0, 0.955, 0]] * 9), np.tile([0, 0, 0, 1.0], (9, 22, 1))
    ours = forward_kinematics(root, rotations)[0]
    needed = [n for n in JOINTS if n.split("_")[-1] in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")]
    got, notes = complete({n: ours[:, J[n]] for n in needed}, [], {})
    assert notes == ["filled in: pelvis, neck, head, left_foot, right_foot, left_collar, right_collar"]
    # by hand: hips at y = .87, shoulders at .955 + .115 + .135 + .06 + .125 + .03 = 1.42
    assert np.allclose(got[0, J["pelvis"]], [0, 0.87, 0]) and np.allclose(got[0, J["neck"]], [0, 1.42, 0])
    assert np.allclose(got[0, J["head"]], [0, 1.52, 0])
    assert np.allclose(got[0, J["left_foot"]], ours[0, J["left_ankle"]] + [0, -0.06, 0.13])
    assert np.allclose(got[0, J["spine2"]], [0, 0.87 + 0.55 * 25 / 52, 0])
    whole, notes = complete({n: ours[:, J[n]] for n in (*needed, "pelvis", "neck", "head", "spine3")}, [], {})
    assert np.abs(whole - ours)[:, [J["left_collar"], J["right_collar"]]].max() < 0.005  # our own place for collars


def test_shares_of_a_broken_line():
    """By hand: 0 to (3, 0, 0) to (3, 1, 0) is 4 long; half of it is at x = 2, nine tenths at y = .6."""
    line = [np.array([[0.0, 0, 0]]), np.array([[3.0, 0, 0]]), np.array([[3.0, 1, 0]])]
    half, most = along_line(line, [0.5, 0.9])
    assert np.allclose(half, [[2, 0, 0]]) and np.allclose(most, [[3, 0.6, 0]])


def test_the_floor_rule():
    """By hand: within 10 cm kept, beyond moved; an origin is tried before; without belief always moved."""
    assert floor_shift_m(0.004) == (0.0, [])
    assert floor_shift_m(0.09) == (0.0, ["own floor kept: feet rest +9.0 cm from it"])
    assert floor_shift_m(-0.2) == (-0.2, ["floor moved: feet rested at -20.0 cm"])
    shift_m, notes = floor_shift_m(0.25, True, {"": 0.0, "A's": -0.22})
    assert shift_m == 0.22 and notes[0] == "pelvis at trans -22 cm, A's origin"
    assert floor_shift_m(0.09, False)[0] == 0.09


@pytest.mark.parametrize("name", DANCES)
def test_real_dance_stays_where_it_is(name):
    """The rule leaves real clips, whose floor is known, on their floor, and nothing else is done to them."""
    motion = read_dance(name)
    assert abs(resting_height_m(motion.positions, motion.fps)) < 0.02
    housed = house(body_of(motion.positions), motion.fps)
    assert np.abs(housed.positions - motion.positions).max() < 1e-6
    assert not housed.mirrored and housed.turn_xyzw.tolist() == [0, 0, 0, 1]


# --- music


def beats_file(path, beats_s):
    path.write_text("".join(f"{t:.3f}\t{k % 4 + 1}\n" for k, t in enumerate(beats_s)))


def song(folder, name, suffix=".wav", seconds=4.0, beats_s=None):
    soundfile.write(folder / f"{name}{suffix}", np.zeros(int(seconds * 8000)), 8000)
    if beats_s is not None:
        beats_file(folder / f"{name}.beats", beats_s)


def danced(name, start_s=0.0):
    from realtime_models.training.judge.motion import Motion

    return Reading(Motion(name, positions(), 30.0), start_s=start_s)


BEATS_S = np.arange(8) * 0.5


@pytest.mark.parametrize("suffix", [".wav", ".ogg", ".flac", ".mp3"])
def test_music_and_true_beats_by_name(tmp_path, suffix):
    song(tmp_path, "funk", suffix, beats_s=BEATS_S)
    (got,) = with_music([danced("funk")], tmp_path)
    assert got.motion.song == "funk" and not got.own_beats and got.motion.seed == 0
    assert got.motion.beats_s.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]  # as far as the 3 s of dance go
    assert got.track.rate == 8000 and len(got.track.samples) >= 4 * 8000
    assert got.notes == (f"danced to funk{suffix}",)


@pytest.mark.parametrize(
    ("name", "seed"),
    [("funk_seed3", 3), ("funk-seed12", 12), ("funk@7", 7), ("funk.seed_2", 2), ("funk.1", 0), ("funk@7.2", 7)],
)
def test_seeds_and_performers_share_a_song(tmp_path, name, seed):
    song(tmp_path, "funk", beats_s=BEATS_S)
    (got,) = with_music([danced(name)], tmp_path)
    assert (got.motion.song, got.motion.seed, got.motion.name) == ("funk", seed, name)


def test_names_of_aist_say_music_dancer_and_style(tmp_path):
    song(tmp_path, "mBR0", beats_s=BEATS_S)
    (got,) = with_music([danced("gBR_sBM_cAll_d04_mBR0_ch01")], tmp_path)
    assert (got.motion.song, got.motion.dancer, got.motion.style) == ("mBR0", "d04", "BR")


def test_a_number_in_a_songs_name_is_no_seed(tmp_path):
    song(tmp_path, "disco@120", beats_s=BEATS_S)
    song(tmp_path, "disco", beats_s=BEATS_S)
    (got,) = with_music([danced("disco@120")], tmp_path)
    assert (got.motion.song, got.motion.seed) == ("disco@120", 0)


def test_a_dance_that_starts_later_hears_the_music_from_there(tmp_path):
    song(tmp_path, "funk", beats_s=BEATS_S)
    (got,) = with_music([danced("funk", start_s=1.2)], tmp_path)
    assert np.allclose(got.motion.beats_s, [0.3, 0.8, 1.3, 1.8, 2.3])
    assert len(got.track.samples) == 4 * 8000 - 9600
    assert got.notes == ("danced to funk.wav",)
    (got,) = with_music([danced("funk", start_s=2.5)], tmp_path)
    assert got.notes[1] == "the dance goes on for 1.5 s after the music"


def test_without_beats_our_own_listener_hears_them_and_it_is_said(tmp_path):
    samples = np.tile(click_track(rate=44_100), 3)
    soundfile.write(tmp_path / "clicks.wav", samples, 44_100, subtype="PCM_24")
    (got,) = with_music([danced("clicks")], tmp_path)
    assert got.own_beats and "no clicks.beats: beats are those that our own listener hears" in got.notes
    heard = said_beats(hear(Track("clicks", got.track.samples, 44_100, np.zeros(0))))
    assert np.array_equal(got.track.beats_s, heard)


def test_a_takes_own_music_stands_in(tmp_path):
    write_take(tmp_path / "t", *walk())
    folder = tmp_path / "t"
    soundfile.write(folder / "audio.flac", np.zeros(48_000 * 3), 48_000)
    (folder / "beats.tsv").write_text("time_s\tbeat\n0.5\t1\n1.0\t2\n")
    (got,) = with_music(read(folder), None)
    assert got.own_beats and got.motion.beats_s.tolist() == [0.5, 1.0] and got.motion.song == "t"
    song(tmp_path, "t", beats_s=BEATS_S)
    (got,) = with_music(read(folder), tmp_path)
    assert not got.own_beats and len(got.motion.beats_s) == 4  # 90 poses at 60 Hz are 1.5 s


def test_a_motion_without_music_is_said_and_none_at_all_is_refused(tmp_path):
    song(tmp_path, "funk", beats_s=BEATS_S)
    one, two = with_music([danced("funk"), danced("polka")], tmp_path)
    assert one.track is not None and two.track is None and two.motion.song == "" and "no music found" in two.notes[0]
    with pytest.raises(ConfigError, match=r"no music in .* for polka; there is: funk.wav"):
        with_music([danced("polka")], tmp_path)
    with pytest.raises(ConfigError, match="is no folder"):
        with_music([danced("polka")], tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "0 beats"), ("0.5\t1\n", "1 beats"), ("1\t1\n0.5\t2\n", "do not go up"), ("nan\t1\n1\t2\n", "do not go up"),
     ("soon\t1\n", "is no list of beats")],
)  # fmt: skip
def test_damaged_beats_say_why_in_one_line(tmp_path, text, reason):
    path = tmp_path / "funk.beats"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason) as told:
        read_beats(path)
    assert str(path) in str(told.value) and "\n" not in str(told.value)


def test_damaged_sound_is_refused(tmp_path):
    (tmp_path / "funk.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(ConfigError, match=r"funk.wav"):
        with_music([danced("funk")], tmp_path)


def test_every_naming_in_the_tests_is_of_22_joints():
    assert {len(names) for names in SCHEMES.values()} == {22}
