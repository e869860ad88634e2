"""Options of one output: what is read, what stands when nothing is said, and what is refused in one line."""

import pytest

from bridges.hub import OutputSpec
from bridges.options import check_options, choice, number, read_options, switch, whole
from engine.errors import ConfigError

OPTIONS = {
    "universe": whole(1, 1, 63_999),
    "height_m": number(1.75, 0.5, 3.0),
    "names": choice("unity", "unity", "mannequin"),
    "head": switch(True),
}


def spec(**options: str) -> OutputSpec:
    return OutputSpec("made-up", "127.0.0.1:1", options=options)


def test_what_is_not_given_has_its_default():
    assert read_options(spec(), OPTIONS) == {"universe": 1, "height_m": 1.75, "names": "unity", "head": True}


def test_what_is_given_is_read():
    given = spec(universe="7", height_m="1.6", names="mannequin", head="0")
    assert read_options(given, OPTIONS) == {"universe": 7, "height_m": 1.6, "names": "mannequin", "head": False}


@pytest.mark.parametrize(
    ("key", "text", "right"),
    [
        ("universe", "0", "a whole number from 1 to 63999"),
        ("universe", "1.5", "a whole number"),
        ("height_m", "nan", "a number from 0.5 to 3"),
        ("height_m", "tall", "a number from 0.5 to 3"),
        ("names", "unreal", "unity or mannequin"),
        ("head", "yes", "1 or 0"),
    ],
)
def test_wrong_values_are_refused_in_one_line(key, text, right):
    with pytest.raises(ConfigError) as caught:
        read_options(spec(**{key: text}), OPTIONS)
    assert right in str(caught.value) and f"'{text}'" in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_option_gets_the_nearest_one():
    with pytest.raises(ConfigError, match="did you mean 'universe'"):
        check_options(spec(univers="1"), OPTIONS)
    with pytest.raises(ConfigError, match="there is: lead_ms, name"):
        check_options(spec(colour="red"), {})
