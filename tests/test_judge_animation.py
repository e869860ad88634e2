"""The animation shows the beat, the feet and the body that went in; read back frame by frame. Dancers are made up."""

import numpy as np
import pytest

from engine.skeleton import JOINTS, STANDING_HIP_M, t_pose
from realtime_models.training.judge.motion import Motion, from_pose

PERIOD_S = 0.3
BEATS = 0.25 + PERIOD_S * np.arange(40)


@pytest.fixture
def animation(needs, monkeypatch):
    needs.module("matplotlib", "pip install matplotlib")
    from realtime_models.training.judge import animation

    monkeypatch.setattr(animation, "LEAST_S", 1.0)  # short loops are enough here
    return animation


def swinging(lift_m: float = 0.0, seconds: float = 6.0) -> Motion:
    """Both arms swing sideways and turn back on every beat."""
    frames = round(30 * seconds)
    root = np.tile([0.0, STANDING_HIP_M + lift_m, 0.0], (frames, 1))
    rotations = np.tile(t_pose(), (frames, 1, 1)).astype(np.float64)
    angle = 0.7 * np.cos(np.pi * (np.arange(frames) / 30 - BEATS[0]) / PERIOD_S)
    for name in ("left_shoulder", "right_shoulder"):
        rotations[:, JOINTS.index(name), 2] = np.sin(angle / 2)
        rotations[:, JOINTS.index(name), 3] = np.cos(angle / 2)
    return from_pose("swinging", root, rotations, 30)


def frames_of(path) -> tuple[list[np.ndarray], list[int]]:
    from PIL import Image

    frames, milliseconds = [], []
    with Image.open(path) as picture:
        for number in range(picture.n_frames):
            picture.seek(number)
            frames.append(np.asarray(picture.convert("RGB")).astype(int))
            milliseconds.append(picture.info["duration"])
    return frames, milliseconds


def greenish(frame: np.ndarray) -> int:
    return int(((frame[..., 1] > frame[..., 0] + 60) & (frame[..., 1] > frame[..., 2] + 60)).sum())


def test_a_loop_is_whole_bars_of_beats(animation):
    beats = np.arange(0.25, 12.0, 0.5)
    assert animation.loop_span(beats, 0.3, 4.0) == (0.75, 4.75)  # 8 beats of half a second
    assert animation.loop_span(beats, 0.25, 2.9) == (0.25, 2.25)  # 4 beats or 8: 2 s is nearer to 2.9 than 4 s
    assert animation.loop_span(beats[:4], 0.0, 4.0) == (0.25, 1.75)  # no bar fits: whole beats
    for few, from_s in ((beats, 11.5), (np.zeros(0), 0.0)):
        with pytest.raises(ValueError, match="no loop"):
            animation.loop_span(few, from_s)


def test_by_itself_a_loop_takes_six_to_ten_seconds():
    from realtime_models.training.judge.animation import loop_span

    for period in (0.35, 0.5, 0.71, 0.9):
        start, end = loop_span(np.arange(0, 60, period), 20.0)
        assert 6.0 <= end - start <= 10.0 and (end - start) / period / 4 == pytest.approx(
            round((end - start) / period / 4)
        )


def test_two_dancers_light_on_the_beat_and_feet_in_contact(animation, tmp_path):
    path = tmp_path / "two.webp"
    dancers = [animation.Dancer("standing", swinging()), animation.Dancer("lifted", swinging(0.25))]
    span = animation.animate(dancers, BEATS, path, from_s=1.0, title="made up", wished_s=1.2)
    assert span == pytest.approx((1.15, 2.35))  # 4 beats
    frames, milliseconds = frames_of(path)
    assert len(frames) == round(1200 / animation.FRAME_MS) and set(milliseconds) == {animation.FRAME_MS}
    cell = animation.CELL_PX
    assert frames[0].shape == (animation.HEAD_PX + animation.BODY_PX + animation.TRACK_PX, 2 * cell, 3)
    lamp = [frame[animation.HEAD_PX + animation.BODY_PX - animation.FLOOR_PX, 25:60].sum() for frame in frames]
    per_beat = round(1000 * PERIOD_S / animation.FRAME_MS)
    assert {int(k) for k in np.argsort(lamp)[-4:]} == {0, per_beat, 2 * per_beat, 3 * per_beat}
    stage = [frame[: animation.HEAD_PX + animation.BODY_PX] for frame in frames]
    assert all(greenish(frame[:, :cell]) > 60 for frame in stage)
    assert all(greenish(frame[:, cell:]) < 10 for frame in stage)  # it floats


def test_left_is_blue_and_arms_move(animation, tmp_path):
    animation.animate([animation.Dancer("one", swinging())], BEATS, tmp_path / "a.webp", wished_s=1.2)
    frames, _ = frames_of(tmp_path / "a.webp")
    body = frames[3][animation.HEAD_PX : animation.HEAD_PX + animation.BODY_PX - 60]
    blue = np.nonzero(body[..., 2] > body[..., 0] + 60)[1]
    red = np.nonzero(body[..., 0] > body[..., 2] + 60)[1]
    assert min(len(blue), len(red)) > 500 and blue.mean() > red.mean() + 20
    assert np.abs(frames[0] - frames[5])[animation.HEAD_PX : -animation.TRACK_PX].max() > 80


def test_motion_beats_off_the_beat_are_hollow(animation, tmp_path):
    def filled(beats: np.ndarray) -> int:
        animation.animate([animation.Dancer("one", swinging())], beats, tmp_path / "b.webp", from_s=1.0, wished_s=1.2)
        frames, _ = frames_of(tmp_path / "b.webp")
        middle = frames[1][-animation.TRACK_PX // 2, :]
        accent = np.array([round(255 * c) for c in animation.ACCENTS[0]])
        return int((np.abs(middle - accent).max(axis=1) < 60).sum())

    assert filled(BEATS) > 1.5 * filled(BEATS + PERIOD_S / 2) > 0  # the arms stop between those beats


def test_the_same_dance_gives_the_same_bytes_and_they_are_few(animation, tmp_path):
    one = [animation.Dancer("one", swinging())]
    for name in ("a", "b"):
        animation.animate(one, BEATS, tmp_path / name, wished_s=1.2)
    animation.animate(one, BEATS, tmp_path / "small", wished_s=1.2, most_bytes=30_000)
    a, b, small = ((tmp_path / name).read_bytes() for name in ("a", "b", "small"))
    assert a == b and len(small) <= 30_000 < len(a) < 700_000


def test_what_cannot_be_drawn_is_said(animation, tmp_path):
    one = animation.Dancer("one", swinging(seconds=1.2))
    with pytest.raises(ValueError, match="needs a dancer"):
        animation.animate([], BEATS, tmp_path / "x")
    with pytest.raises(ValueError, match=r"one: 1\.2 s of motion, the loop ends at 1\.4"):
        animation.animate([one], BEATS, tmp_path / "x", wished_s=1.2)
    with pytest.raises(ValueError, match="at most 10 are wanted"):
        animation.animate([animation.Dancer("one", swinging())], BEATS, tmp_path / "x", wished_s=1.0, most_bytes=10)
    assert not (tmp_path / "x").exists()
