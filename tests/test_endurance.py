"""realtime_models.training.endurance: the table says what drifted."""

import numpy as np

from engine.dance import Asked
from engine.idle import idle_pose
from engine.show import unheard
from engine.types import Controls
from realtime_models.training.endurance import HEAD, in_style, page, row
from realtime_models.training.judge.body import body_score
from realtime_models.training.judge.systems.model import Danced


def swaying(minutes: int, growth: float) -> Danced:
    """A body that sways, ``growth`` times as far in the last minute as in the first."""
    time_s = np.arange(minutes * 60 * 30) / 30
    reach = 0.1 * np.linspace(1.0, growth, len(time_s))
    pose = idle_pose(0)
    root = np.repeat(pose.root[None], len(time_s), 0).copy()
    root[:, 0] = reach * np.sin(2 * np.pi * time_s)
    return Danced(root, np.repeat(pose.rotations[None], len(time_s), 0), 3, 30)


def test_a_steady_dance_passes_and_a_growing_one_is_marked():
    for growth, marked in ((1.0, False), (3.0, True)):
        danced = swaying(3, growth)
        cells = row("pop, 0", danced, body_score(danced.root, danced.rotations, danced.fps))
        assert len(cells) == len(HEAD)
        assert ("**no**" in cells[2]) == marked
        assert len(cells[1].split()) == 3 and cells[-1] == "3"


def test_the_page_holds_the_rows_and_names_the_model():
    text = page([("pop, 0", *["x"] * (len(HEAD) - 1))], "made-up")
    assert "`made-up`" in text and "| pop, 0 | x |" in text


def test_the_style_is_asked_for_in_every_frame():
    asked = [Asked(unheard(), Controls(), ()), Asked(unheard(), Controls(energy=0.5), ())]
    styled = in_style(asked, "salsa")
    assert [one.controls.style for one in styled] == ["salsa", "salsa"]
    assert styled[1].controls.energy == 0.5 and asked[0].controls.style == "auto"
