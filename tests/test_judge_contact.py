"""Contact, slide and physical foot contact against cases computed by hand."""

import numpy as np
import pytest

from engine.skeleton import HOUSE, JOINTS, STANDING_HIP_M, t_pose
from realtime_models.training.judge.contact import (
    contact_slide,
    contacts,
    longest_run,
    physical_foot_contact,
    runs,
)
from realtime_models.training.judge.motion import Motion, from_pose


def standing(seconds: float, fps: float = 30) -> np.ndarray:
    """Joint positions (F, 22, 3) of a T-pose with its toes on the floor."""
    frames = round(seconds * fps)
    root = np.tile([0, STANDING_HIP_M, 0], (frames, 1))
    return from_pose("", root, np.tile(t_pose(), (frames, 1, 1)), fps).positions


def test_runs_are_found_at_both_ends():
    flags = np.array([1, 1, 0, 1, 0, 0, 1], bool)
    assert runs(flags).tolist() == [[0, 2], [3, 4], [6, 7]]
    assert longest_run(flags) == 2 and longest_run(flags[:0]) == 0 and longest_run(np.zeros(3, bool)) == 0


@pytest.mark.parametrize(("height_m", "frames", "kept"), [(0.029, 3, 3), (0.029, 2, 0), (0.031, 9, 0), (-0.2, 4, 4)])
def test_contact_is_lower_than_3_cm_for_3_frames_at_any_speed(height_m, frames, kept):
    heights = np.full((20, 2), 0.5)
    heights[5 : 5 + frames, 1] = height_m
    found = contacts(heights, 30)
    assert found[:, 1].sum() == kept and not found[:, 0].any()


def test_a_foot_that_slides_10_cm_in_a_second_slides_a_tenth_of_a_metre_a_second():
    p = standing(1 + 1 / 30)
    p[:, :, 0] += np.linspace(0, 0.1, len(p))[:, None]  # 31 frames, 30 steps: 10 cm in 1 s
    assert contact_slide(p) == pytest.approx(np.full(2 * 31, 0.1))


def test_only_the_foot_in_contact_counts_and_only_along_the_floor():
    p = standing(1)
    swing = HOUSE.names.index("right_foot")
    p[:, swing, 1] = 0.2
    p[:, swing, 0] = np.arange(30) * 0.1
    p[:, :, 1] += np.linspace(0, 0.01, 30)[:, None]
    assert contact_slide(p) == pytest.approx(np.zeros(30), abs=1e-12)


def by_hand() -> np.ndarray:
    """Five frames: the root's x is 0 0 2 6 6 cm, so it accelerates by 2, 2 and -4 cm a frame squared.

    From frame 1 on the left toe steps 1 cm a frame, its ankle 3; right toe and ankle step 2 cm.
    """
    p = np.zeros((5, len(JOINTS), 3))
    p[:, 0, 0] = [0, 0, 0.02, 0.06, 0.06]
    after = np.maximum(np.arange(5) - 1, 0)
    for name, step_m in (("left_foot", 0.01), ("left_ankle", 0.03), ("right_foot", 0.02), ("right_ankle", 0.02)):
        p[:, JOINTS.index(name), 2] = step_m * after
    return p


def test_physical_foot_contact_by_hand():
    # accelerations by the largest: 1/2, 1/2, 1; feet 0.01 and 0.02: mean 2/3 x 0.0002 = 1.3333e-4, times 10,000
    assert physical_foot_contact(Motion("hand", by_hand())) == pytest.approx(4 / 3)


def test_falling_needs_no_foot_and_a_standing_foot_excuses_any_push():
    falls = by_hand()
    falls[:, 0] = 0
    falls[:, 0, 1] = -(np.arange(5.0) ** 2)
    assert physical_foot_contact(Motion("falls", falls)) == 0
    rises = falls.copy()
    rises[:, 0, 1] *= -1
    # every frame accelerates alike: mean 1 x 0.01 x 0.02 x 10,000
    assert physical_foot_contact(Motion("rises", rises)) == pytest.approx(2)
    stands = by_hand()
    stands[:, JOINTS.index("left_foot")] = 0
    assert physical_foot_contact(Motion("stands", stands)) == 0


def test_a_frozen_body_has_none_and_a_broken_one_is_unknown():
    assert physical_foot_contact(Motion("frozen", standing(1))) == 0
    assert np.isnan(physical_foot_contact(Motion("short", standing(1)[:2])))
    broken = standing(1)
    broken[4] = np.nan
    assert np.isnan(physical_foot_contact(Motion("broken", broken)))
