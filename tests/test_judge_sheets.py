"""Contact sheets: the picture shows the body that went in. Read back pixel by pixel."""

import numpy as np
import pytest

from engine.skeleton import JOINTS, STANDING_HIP_M, quat_from_yaw, t_pose
from realtime_models.training.judge.motion import Motion, from_pose

FRAMES = 300


@pytest.fixture
def sheets(needs):
    needs.module("matplotlib", "pip install matplotlib")
    from realtime_models.training.judge import sheets

    return sheets


def motion(root: np.ndarray, rotations: np.ndarray) -> Motion:
    return from_pose("made up", root, rotations, 30)


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
    sheets.strip(motion(root, rotations), tmp_path / "one.png", every=4, title="one", columns=8, count=8)
    sheets.strip(motion(root, rotations), tmp_path / "two.png", every=4, title="two", columns=8, count=16)
    one, two = pixels(tmp_path / "one.png"), pixels(tmp_path / "two.png")
    assert (tmp_path / "two.png").stat().st_size < 150_000
    assert two.shape[1] == one.shape[1] and two.shape[0] > 1.8 * one.shape[0]
    assert bluish(two).sum() == pytest.approx(2 * bluish(one).sum(), rel=0.25)


def test_left_is_blue_and_on_the_right_of_a_front_view(sheets, tmp_path):
    root, rotations = dance()
    sheets.strip(motion(root[:1], rotations[:1]), tmp_path / "s.png", columns=1)
    image = pixels(tmp_path / "s.png")
    front = image[: image.shape[0] // 2]
    assert np.nonzero(bluish(front))[1].mean() > np.nonzero(reddish(front))[1].mean() + 10
    rotations[:, 0] = quat_from_yaw(np.pi)
    sheets.strip(motion(root[:1], rotations[:1]), tmp_path / "t.png", columns=1)
    turned = pixels(tmp_path / "t.png")[: image.shape[0] // 2]
    assert np.nonzero(bluish(turned))[1].mean() < np.nonzero(reddish(turned))[1].mean() - 10


def test_feet_in_contact_are_marked_and_feet_in_the_air_are_not(sheets, tmp_path):
    def green(lift_m: float) -> int:
        root, rotations = dance()
        sheets.strip(motion(root + np.float32([0, lift_m, 0]), rotations), tmp_path / "f.png", columns=4, count=4)
        image = pixels(tmp_path / "f.png")
        return int(((image[..., 1] > image[..., 0] + 0.3) & (image[..., 1] > image[..., 2] + 0.2)).sum())

    assert green(0.0) > 50 and green(0.2) == 0


def test_sheet_has_a_row_for_each_dance_and_needs_enough_beats(sheets, tmp_path):
    root, rotations = dance()
    beats = np.arange(0.5, 9.5, 0.6)
    row = sheets.Row("row", motion(root, rotations), beats)
    sheets.sheet([row], tmp_path / "one.png")
    sheets.sheet([row] * 4, tmp_path / "four.png", title="four songs")
    one, four = pixels(tmp_path / "one.png"), pixels(tmp_path / "four.png")
    assert four.shape[0] > 3.5 * one.shape[0]
    assert bluish(four).sum() == pytest.approx(4 * bluish(one).sum(), rel=0.1)
    assert (tmp_path / "four.png").stat().st_size < 150_000
    with pytest.raises(ValueError, match="row: 5 beats"):
        sheets.sheet([sheets.Row("row", motion(root, rotations), beats, first=10)], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_foreign_motion_is_drawn_from_positions_alone(sheets, tmp_path):
    root, rotations = dance()
    from_joints = Motion("foreign", motion(root, rotations).positions, 30)
    sheets.strip(motion(root, rotations), tmp_path / "own.png", columns=4, count=4)
    sheets.strip(from_joints, tmp_path / "foreign.png", columns=4, count=4)
    assert (tmp_path / "own.png").read_bytes() == (tmp_path / "foreign.png").read_bytes()


def test_the_drawn_surface_is_a_sphere_swept_along_the_bone():
    from realtime_models.training.judge.figure import surface

    # A ball of radius 2 that moves 6 to the right and grows to 3: above x = 0 the ball at t has its top at
    # h(t) = sqrt((2 + t)^2 - (x - 6 t)^2). At x = 3, y = 0: dh2/dt = 2 (2 + t) + 12 (3 - 6 t) = 0 -> t = 40 / 70.
    x, y = np.array([[3.0, 20.0]]), np.array([[0.0]])
    t, height2 = surface(x, y, np.array([6.0, 0.0, 0.0]), 2.0, 3.0)
    assert t[0, 0] == pytest.approx(4 / 7) and height2[0, 0] == pytest.approx((18 / 7) ** 2 - (3 / 7) ** 2)
    assert height2[0, 1] < 0  # nothing is there
    # Seen along its axis only the nearer end shows: 10 nearer to the eye, radius 3.
    t, height2 = surface(np.array([[1.0]]), y, np.array([0.0, 0.0, 10.0]), 2.0, 3.0)
    assert t[0, 0] == 1.0 and height2[0, 0] == pytest.approx(9 - 1)
    # A slanted one: compare with brute force over t.
    v, many = np.array([4.0, -3.0, 5.0]), np.linspace(0, 1, 100_001)
    t, height2 = surface(np.array([[1.5]]), np.array([[-0.7]]), v, 2.0, 1.0)
    inside = (2 - many) ** 2 - (1.5 - 4 * many) ** 2 - (-0.7 + 3 * many) ** 2
    depth = np.where(inside > 0, many * 5 + np.sqrt(np.maximum(inside, 0)), -np.inf)
    assert t[0, 0] * 5 + np.sqrt(height2[0, 0]) == pytest.approx(depth.max(), abs=1e-6)


def test_a_near_limb_covers_a_far_one_and_a_broken_body_is_not_drawn():
    from realtime_models.training.judge.figure import FRONT, SIDE, Camera, render

    root, rotations = dance()
    standing = motion(root[:1], rotations[:1]).positions[0]

    def colours(view: np.ndarray) -> tuple[int, int]:
        picture = render(standing, Camera(view, 60, 120, 120, -1.0, 1.9))
        solid = picture[..., 3] > 0.99
        return int((bluish(picture) & solid).sum()), int((reddish(picture) & solid).sum())

    blue, red = colours(FRONT)
    assert blue == pytest.approx(red, rel=0.2) and blue > 300
    blue, red = colours(SIDE)  # from +X the left side is nearer
    assert blue > 5 * red
    assert not render(standing * np.nan, Camera(FRONT, 60, 120, 120, -1.0, 1.9)).any()
