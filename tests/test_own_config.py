"""The training file: what is wrong with it is said in one line before anything is done, with exit code 2."""

from pathlib import Path

import pytest

from engine.errors import ConfigError
from realtime_models.training.own.config import GeneratorBudget, OwnConfig, read_config

GOOD = """
name = "studio"
[[motion]]
path = "."
licence = "own recordings"
"""


def written(tmp_path, text):
    path = tmp_path / "studio.toml"
    path.write_text(text)
    return path


def test_the_shortest_file_and_its_defaults(tmp_path):
    config = read_config(written(tmp_path, GOOD))
    assert config.work == Path("runs/studio")
    assert config.generator == GeneratorBudget() and config.generator.minutes == 60
    assert config.motion[0].dance and not config.motion[0].held
    assert config == OwnConfig("studio", config.motion)


def test_every_key_of_the_file_reaches_the_training(tmp_path):
    text = GOOD + "fps = 120\nheld = false\nstyle = 'house'\n[[motion]]\npath = '.'\nlicence = 'x'\nheld = true\n"
    text += "[generator]\nsteps = 7\nrate = 1e-4\n[tokeniser]\nwindow = 128\n[sampling]\nlag_ms = 20\n"
    text += "[model]\nwidth = 128\n"
    config = read_config(written(tmp_path, text))
    assert config.motion[0].fps == 120.0 and isinstance(config.motion[0].fps, float)
    assert config.motion[1].held and config.motion[0].style == "house"
    assert (config.generator.steps, config.generator.rate, config.tokeniser.window) == (7, 1e-4, 128)
    assert (config.sampling.lag_ms, config.model.width) == (20.0, 128)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "is not TOML"),
        ("", "needs name = 'studio'"),
        ("name = 'a'", r"needs at least one \[\[motion\]\]"),
        ("name = 'a'\nmotion = 3", r"list of tables: \[\[motion\]\]"),
        ("name = 'a'\nmotion = ['x']", "is a table of keys"),
        (GOOD + "colour = 'red'", "unknown key 'colour'"),
        (GOOD + "licenze = 'red'", "did you mean 'licence'"),
        ("sead = 3" + GOOD, "did you mean 'seed'"),
        (GOOD.replace("licence = \"own recordings\"", ""), "needs licence ="),
        (GOOD.replace("own recordings", "  "), "needs licence ="),
        (GOOD.replace('path = "."', 'path = "nowhere"'), "nowhere does not exist"),
        (GOOD.replace("studio", "a/b"), "it names a folder"),
        (GOOD.replace('"studio"', "5"), "name is a text, not 5"),
        (GOOD + "held = true", "nothing is left to train on"),
        (GOOD + "dance = false", "a dancer needs some"),
        (GOOD + "style = 'auto'", "has a meaning of its own"),
        (GOOD + "fps = -1", "fps is 0 to 1000, not -1"),
        (GOOD + "fps = nan", "fps is 0 to 1000, not nan"),
        (GOOD + "held = 'yes'", "held is true or false, not 'yes'"),
        (GOOD + "[generator]\nminutes = 0", "needs minutes or steps above 0"),
        (GOOD + "[generator]\nbatch = 1.5", "batch is a whole number"),
        (GOOD + "[generator]\nsteps = true", "steps is a whole number, not True"),
        (GOOD + "[tokeniser]\nwindow = 66", "multiple of 4 frames"),
        (GOOD + "[model]\nheads = 3", "no multiple of heads 3"),
        (GOOD + "[model]\nwidth = 4", "width is 8 to 8192, not 4"),
        (GOOD + "[sampling]\ntemperature = 0", "temperature is 0.05 to 2, not 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said) as refused:
        read_config(written(tmp_path, text))
    assert "\n" not in str(refused.value) and "studio.toml" in str(refused.value)


def test_a_wrong_file_ends_the_command_with_2(tmp_path, capsys, needs):
    needs.module("torch", "pip install torch==2.13.0")
    from realtime_models.training.own.train import main

    assert main([str(written(tmp_path, GOOD + "colour = 1"))]) == 2
    assert main([str(tmp_path / "gone.toml")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "colour" in said[0] and "gone.toml" in said[1]
