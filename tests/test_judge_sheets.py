"""Contact sheets: the picture shows the body that went in. Read back pixel by pixel."""

import numpy as np
import pytest

from engine.skeleton import JOINTS, STANDING_HIP_M, quat_from_yaw, t_pose

FRAMES = 300


@pytest.fixture
def sheets(needs):
    needs.module("matplotlib", "pip install matplotlib")
    from realtime_models.training.judge import sheets

    return sheets


def dance() -> tuple[np.ndarray, np.ndarray]:
    """A body that raises its left arm more and more."""
    root = np.tile(np.array([0, STANDING_HIP_M, 0], np.float32), (FRAMES, 1))
    rotations = np.tile(t_pose(), (FRAMES, 1, 1))
    angle = 1.2 * np.sin(np.arange(FRAMES) / 9.0)
    rotations[:, JOINTS.index("left_shoulder"), 2] = np.sin(angle / 2)
    rotations[:, JOINTS.index("left_shoulder"), 3] = np.cos(angle / 2)
    return root, rotations


def pixels(path) -> np.ndarray:
    from matplotlib.image import imread

    return imread(path)[..., :3]


def bluish(image: np.ndarray) -> np.ndarray:
    return (image[..., 2] > image[..., 0] + 0.25) & (image[..., 2] > image[..., 1] + 0.1)


def reddish(image: np.ndarray) -> np.ndarray:
    return (image[..., 0] > image[..., 2] + 0.25) & (image[..., 0] > image[..., 1] + 0.25)


def test_strip_is_a_small_png_with_as_many_bodies_as_asked(sheets, tmp_path):
    root, rotations = dance()
    sheets.strip(root, rotations, 30, tmp_path / "one.png", every=4, title="one", columns=8, count=8)
    sheets.strip(root, rotations, 30, tmp_path / "two.png", every=4, title="two", columns=8, count=16)
    one, two = pixels(tmp_path / "one.png"), pixels(tmp_path / "two.png")
    assert (tmp_path / "two.png").stat().st_size < 600_000
    assert two.shape[1] == one.shape[1] and two.shape[0] > 1.8 * one.shape[0]
    assert bluish(two).sum() == pytest.approx(2 * bluish(one).sum(), rel=0.25)


def test_left_is_blue_and_on_the_right_of_a_front_view(sheets, tmp_path):
    root, rotations = dance()
    sheets.strip(root[:1], rotations[:1], 30, tmp_path / "s.png", columns=1)
    image = pixels(tmp_path / "s.png")
    front = image[: image.shape[0] // 2]
    assert np.nonzero(bluish(front))[1].mean() > np.nonzero(reddish(front))[1].mean() + 10
    rotations[:, 0] = quat_from_yaw(np.pi)
    sheets.strip(root[:1], rotations[:1], 30, tmp_path / "t.png", columns=1)
    turned = pixels(tmp_path / "t.png")[: image.shape[0] // 2]
    assert np.nonzero(bluish(turned))[1].mean() < np.nonzero(reddish(turned))[1].mean() - 10


def test_feet_in_contact_are_marked_and_feet_in_the_air_are_not(sheets, tmp_path):
    def green(lift_m: float) -> int:
        root, rotations = dance()
        sheets.strip(root + np.float32([0, lift_m, 0]), rotations, 30, tmp_path / "f.png", columns=4, count=4)
        image = pixels(tmp_path / "f.png")
        return int(((image[..., 1] > image[..., 0] + 0.3) & (image[..., 1] > image[..., 2] + 0.2)).sum())

    assert green(0.0) > 50 and green(0.2) == 0


def test_sheet_has_a_row_for_each_dance_and_needs_enough_beats(sheets, tmp_path):
    root, rotations = dance()
    beats = np.arange(0.5, 9.5, 0.6)
    row = sheets.Row("row", root, rotations, 30, beats)
    sheets.sheet([row], tmp_path / "one.png")
    sheets.sheet([row] * 4, tmp_path / "four.png", title="four songs")
    one, four = pixels(tmp_path / "one.png"), pixels(tmp_path / "four.png")
    assert four.shape[0] > 3.5 * one.shape[0]
    assert bluish(four).sum() == pytest.approx(4 * bluish(one).sum(), rel=0.1)
    assert (tmp_path / "four.png").stat().st_size < 600_000
    with pytest.raises(ValueError, match="row: 5 beats"):
        sheets.sheet([sheets.Row("row", root, rotations, 30, beats, first=10)], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
