"""Laws of the features: bodies whose speed and shape are known by construction."""

import numpy as np
import pytest

from engine.skeleton import JOINTS, STANDING_HIP_M, forward_kinematics, t_pose
from realtime_models.training.judge.features import (
    GEOMETRIC_NAMES,
    KINETIC_NAMES,
    geometric,
    in_logarithms,
    kinetic,
    mirrored,
)

WRIST, NECK = JOINTS.index("right_wrist"), JOINTS.index("neck")


def standing(frames: int = 42) -> np.ndarray:
    """One window (1, frames, 22, 3) of a body in T-pose with its toes on the floor."""
    root = np.tile([0.0, STANDING_HIP_M, 0.0], (frames, 1))
    return forward_kinematics(root, np.tile(t_pose().astype(np.float64), (frames, 1, 1)))[0][None]


def shaking(seed: int = 0, windows: int = 3) -> np.ndarray:
    """Windows (windows, 42, 22, 3) of a body whose joints swing a little at random."""
    rng = np.random.default_rng(seed)
    size, hz, start = rng.uniform(0, 0.3, (3, windows, 1, 22, 3)) * np.array([1, 8, 20]).reshape(3, 1, 1, 1, 1)
    return standing() + size * np.sin(2 * np.pi * hz * np.arange(42)[:, None, None] / 30 + start)


def figure(values: np.ndarray, names: tuple[str, ...], name: str) -> float:
    return float(values[0, names.index(name)])


def holds(positions: np.ndarray, name: str) -> float:
    return figure(geometric(positions), GEOMETRIC_NAMES, name)


def test_there_are_66_kinetic_and_32_geometric_features_each_with_a_name():
    positions = shaking()
    assert kinetic(positions).shape == (3, 66) and len(set(KINETIC_NAMES)) == 66
    assert geometric(positions).shape == (3, 32) and len(set(GEOMETRIC_NAMES)) == 32


def test_a_body_that_stands_still_has_no_kinetic_energy():
    assert kinetic(standing()) == pytest.approx(0, abs=1e-12)


def test_travelling_at_two_metres_a_second_is_four_of_horizontal_energy_in_every_joint_and_nothing_else():
    along = np.arange(42) / 30 * 2.0
    path = np.stack([0.6 * along, 0 * along, 0.8 * along], axis=-1)  # 3-4-5: speed 2
    by_joint = kinetic(standing() + path[None, :, None, :]).reshape(22, 3)
    assert by_joint == pytest.approx(np.tile([4.0, 0.0, 0.0], (22, 1)), abs=1e-9)


def test_a_hand_that_rises_at_half_a_metre_a_second_has_a_quarter_of_vertical_energy_and_nobody_else_has():
    positions = standing()
    positions[0, :, WRIST, 1] += 0.5 * np.arange(42) / 30
    found = kinetic(positions)
    assert figure(found, KINETIC_NAMES, "right_wrist vertical energy") == pytest.approx(0.25)
    found[0, KINETIC_NAMES.index("right_wrist vertical energy")] = 0
    assert found == pytest.approx(0, abs=1e-9)


def test_logarithms_have_a_floor_under_which_moving_is_standing():
    still = in_logarithms(kinetic(standing()))
    assert figure(still, KINETIC_NAMES, "head horizontal energy") == pytest.approx(np.log(0.01))
    assert figure(still, KINETIC_NAMES, "head acceleration") == pytest.approx(np.log(0.5))
    path = np.zeros((42, 1, 3))
    path[:, 0, 2] = 0.7 * np.arange(42) / 30  # .7² = .49, and .01 makes a half
    assert figure(in_logarithms(kinetic(standing() + path)), KINETIC_NAMES, "head horizontal energy") == pytest.approx(
        np.log(0.5)
    )


def test_a_falling_body_has_nine_point_eight_of_acceleration_whatever_the_frame_rate():
    # y = -g t²/2: the second difference is exactly g, the centred first difference exactly -g t.
    for fps in (30.0, 60.0):
        positions = standing()
        time_s = np.arange(42) / fps
        positions[..., 1] -= (9.8 * time_s**2 / 2)[None, :, None]
        found = kinetic(positions, fps)
        assert figure(found, KINETIC_NAMES, "head acceleration") == pytest.approx(9.8)
        assert figure(found, KINETIC_NAMES, "head vertical energy") == pytest.approx(np.mean((9.8 * time_s[1:-1]) ** 2))


def test_a_hand_that_circles_has_the_chord_s_speed_and_acceleration():
    # Radius .2 m at one turn a second, w dt = 2 pi / 30: centred speed .2 * 30 * sin(w dt), acceleration
    # .2 * 2 * (1 - cos(w dt)) * 900.
    turn = 2 * np.pi / 30
    positions = standing()
    positions[0, :, WRIST, 0] += 0.2 * np.cos(turn * np.arange(42))
    positions[0, :, WRIST, 2] += 0.2 * np.sin(turn * np.arange(42))
    found = kinetic(positions)
    speed = 0.2 * 30 * np.sin(turn)
    assert figure(found, KINETIC_NAMES, "right_wrist horizontal energy") == pytest.approx(speed**2)
    assert speed == pytest.approx(0.2 * 2 * np.pi, rel=0.01)
    expected = 0.2 * 2 * (1 - np.cos(turn)) * 900
    assert figure(found, KINETIC_NAMES, "right_wrist acceleration") == pytest.approx(expected)


def test_a_hand_above_the_neck_half_of_the_time_is_a_half():
    positions = standing()  # 42 frames, 40 of them inner ones: 1 to 40
    positions[0, :, WRIST] = positions[0, :, NECK] + [-0.2, -0.1, 0.3]
    assert holds(positions, "right hand above neck") == 0
    # Straight up along spine3 -> neck; the threshold is a fifth of an upper arm of .27 m: 5.4 cm.
    positions[0, 21:, WRIST, 1] = positions[0, 0, NECK, 1] + 0.055
    assert holds(positions, "right hand above neck") == 0.5
    positions[0, 21:, WRIST, 1] = positions[0, 0, NECK, 1] + 0.053
    assert holds(positions, "right hand above neck") == 0
    assert holds(positions, "left hand above neck") == 0


def test_the_relations_of_the_t_pose():
    # Arms straight out (wrists 1.4 m apart, more than 2.5 shoulder widths of .36 m = .9 m), legs straight, nothing
    # moves. The other leg's ankle is behind the plane of pelvis, hip and *toes*, as the toes are 13 cm in front.
    true = {"right upper arm away", "left upper arm away", "hands wide apart"}
    found = {name for name, share in zip(GEOMETRIC_NAMES, geometric(standing())[0], strict=True) if share == 1}
    assert found - {"right foot behind other leg", "left foot behind other leg"} == true
    assert set(np.unique(geometric(standing()))) == {0.0, 1.0}


@pytest.mark.parametrize(("joint", "name"), [("right_wrist", "right hand fast"), ("left_ankle", "left foot fast")])
def test_fast_is_over_two_and_a_half_upper_arms_a_second(joint, name):
    for speed, expected in ((0.66, 0.0), (0.69, 1.0)):  # 2.5 * .27 = .675 m/s
        positions = standing()
        positions[0, :, JOINTS.index(joint), 2] += speed * np.arange(42) / 30
        assert holds(positions, name) == expected


def test_hands_go_forward_up_away_and_towards_each_other():
    for side, out in (("right", -1.0), ("left", 1.0)):
        wrist = JOINTS.index(f"{side}_wrist")
        moves = {
            f"{side} hand goes forward": ([0, 0, 1], 1.8 * 0.27),
            f"{side} hand goes up": ([0, 1, 0], 1.8 * 0.27),
            f"{side} hand leaves pelvis": ([out, 0, 0], None),
            "hands approach": ([-out, 0, 0], 1.4 * 0.27),
        }
        for name, (direction, threshold) in moves.items():
            for speed in (0.95, 1.05):
                positions = standing()
                step = np.array(direction) * speed * (threshold or 1.0) / 30
                positions[0, :, wrist] += step * np.arange(42)[:, None]
                assert holds(positions, name) == float(threshold is None or speed > 1), name
            positions[0] = positions[0, ::-1].copy()  # the other way round it never holds
            assert holds(positions, name) == 0, name


def test_bent_joints_are_under_110_degrees():
    for angle, expected in ((112, 0.0), (108, 1.0)):
        positions = standing()
        elbow, knee = JOINTS.index("left_elbow"), JOINTS.index("left_knee")
        turn = np.radians(180 - angle)
        positions[0, :, JOINTS.index("left_wrist")] = positions[0, 0, elbow] + 0.25 * np.array(
            [np.cos(turn), 0, np.sin(turn)]
        )
        positions[0, :, JOINTS.index("left_ankle")] = positions[0, 0, knee] + 0.41 * np.array(
            [0, -np.cos(turn), -np.sin(turn)]
        )
        assert holds(positions, "left elbow bent") == expected
        # The thigh leans .005 rad or so from straight down: no matter at two degrees from the threshold.
        assert holds(positions, "left knee bent") == expected
        assert holds(positions, "right elbow bent") == 0


def test_the_place_the_heading_and_the_height_of_the_floor_change_nothing():
    positions = shaking()
    turn = 2.1
    matrix = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    moved = positions @ matrix.T + [5.0, 0.3, -7.0]
    assert kinetic(moved) == pytest.approx(kinetic(positions), rel=1e-6, abs=1e-9)
    assert geometric(moved) == pytest.approx(geometric(positions), abs=0.03)


def test_a_mirrored_body_has_the_same_features_with_the_sides_exchanged():
    def other(name: str) -> str:
        return name.replace("left", "LEFT").replace("right", "left").replace("LEFT", "right")

    positions = shaking()
    for measure, names in ((kinetic, KINETIC_NAMES), (geometric, GEOMETRIC_NAMES)):
        exchanged = [names.index(other(name)) for name in names]
        assert measure(mirrored(positions)) == pytest.approx(measure(positions)[:, exchanged], abs=1e-9)


def test_windows_that_are_too_short_or_of_another_body_are_refused():
    for shape in ((1, 2, 22, 3), (1, 42, 24, 3), (42, 22, 3)):
        with pytest.raises(ValueError, match="windows are"):
            kinetic(np.zeros(shape))
        with pytest.raises(ValueError, match="windows are"):
            geometric(np.zeros(shape))


def test_bones_of_no_length_give_finite_answers():
    assert np.isfinite(geometric(np.zeros((1, 5, 22, 3)))).all() and (kinetic(np.zeros((1, 5, 22, 3))) == 0).all()
