"""Command line over show file over defaults; everything wrong is one line that says what exists."""

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import (
    OutputConfig,
    ShowConfig,
    StageConfig,
    load_show,
    parse_output,
    parse_stage,
    show2table,
    table2show,
)
from engine.errors import ConfigError
from engine.types import Controls

FILE = """
input = "Scarlett:17+18"
seconds = 30
seed = 5
energy = 1.2
follow = 0.5
nudge_ms = -12
style = "salsa"
stage = "0.0.0.0:9000?lead_ms=60"

[[output]]
kind = "vmc"
address = "10.0.0.7:39539"
lead_ms = 120
name = "projector"

[[output]]
kind = "osc"
address = "127.0.0.1:9000"
"""


@pytest.fixture
def show_file(tmp_path):
    path = tmp_path / "show.toml"
    path.write_text(FILE)
    return str(path)


def test_defaults():
    show = load_show([])
    assert show == ShowConfig()
    assert (show.input, show.stage.host, show.stage.port) == ("default", "127.0.0.1", 8765)
    assert show.controls == Controls()


def test_the_file_is_read(show_file):
    show = load_show([show_file])
    assert (show.input, show.seconds, show.seed, show.energy) == ("Scarlett:17+18", 30.0, 5, 1.2)
    assert show.stage == StageConfig("0.0.0.0", 9000, 60.0)
    assert show.output == (
        OutputConfig("vmc", "10.0.0.7:39539", 120.0, "projector"),
        OutputConfig("osc", "127.0.0.1:9000", 80.0, "osc=127.0.0.1:9000"),
    )
    assert show.controls == Controls(style="salsa", energy=1.2, follow=0.5, nudge_ms=-12.0)


def test_the_command_line_wins(show_file):
    show = load_show([show_file, "--seed", "9", "--stage", "off", "--out", "ws=127.0.0.1:9001"])
    assert (show.seed, show.stage, show.energy) == (9, None, 1.2)
    assert [output.kind for output in show.output] == ["ws"]


def test_every_promised_option_is_there():
    promised = "input demo offline seconds seed performers text style energy take replay stage backend ear listen_only"
    for name in [*promised.split(), "calibrate", "list_devices", "check"]:
        assert name in [field.name for field in fields(ShowConfig)]
    some = "--demo --seconds 2 --seed 3 --performers 1 --style pop --energy 0.5 --take T --out vmc=a:1 --stage 1"
    more = "--backend torch --ear own --listen-only --list-devices --check"
    show = load_show([*some.split(), *more.split()])
    assert show.demo and show.listen_only and show.list_devices and show.check and show.backend == "torch"


def test_the_horizon_is_the_largest_lead_and_the_budget():
    leads = ["--out", "vmc=a:1?lead_ms=0", "--out", "osc=a:2?lead_ms=200"]
    largest, stage, none = load_show(leads), load_show([]), load_show(["--stage", "off"])
    assert largest.max_lead_ms == 200 and stage.max_lead_ms == 80 and none.max_lead_ms == 0
    for show in (largest, stage, none):
        assert show.horizon_ticks * 1000 / 60 >= show.max_lead_ms + 40
        assert show.horizon_ticks * 1000 / 60 < show.max_lead_ms + 40 + 8 * 1000 / 60  # never more than a row beyond


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("enrgy = 1", "did you mean 'energy'?"),
        ("energy = 'loud'", "--energy is a number"),
        ("energy = 3", "0 to 2, not 3"),
        ("energy = nan", "is a number"),
        ("seed = 1.5", "whole number"),
        ("seed = -1", "0 or more"),
        ("seconds = 0", "more than 0"),
        ("demo = 1", "true or false"),
        ("output = 'vmc=a:1'", "[[output]]"),
        ("[[output]]\nkind = 'vmc'", "needs address"),
        ("[[output]]\nkind = 'vmc'\naddress = 'a:1'\nvrm = [1]", "vrm is a text or a number"),
        ("[[output]]\nkind = 'vmc'\naddress = 'a:1'\nlead_ms = 251", "0 to 250"),
        ("stage = 'somewhere'", "[HOST:]PORT or off"),
        ("stage = '1?led_ms=3'", "there is: lead_ms"),
        ("input = ", "is not TOML"),
        ("demo = true\ninput = 'x.wav'", "leave out"),
        ("offline = true", "needs a file"),
    ],
)
def test_wrong_files(text, said, tmp_path):
    path = tmp_path / "show.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_show([str(path)])
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["vmc", "=a:1", "vmc=", "vmc=a:1?lead_ms", "vmc=a:1?lead_ms=x"])
def test_wrong_outputs(text):
    with pytest.raises(ConfigError) as error:
        parse_output(text)
    assert "\n" not in str(error.value)


def test_options_of_one_kind_are_kept_for_its_bridge(tmp_path):
    """As text, in order, from the command line and from a file; nobody here knows which there are."""
    path = tmp_path / "show.toml"
    path.write_text("[[output]]\nkind = 'vmc'\naddress = 'a:1'\nvrm = 1\nhead = true\nheight_m = 1.8")
    (output,) = load_show([str(path)]).output
    assert output.options == (("vrm", "1"), ("head", "1"), ("height_m", "1.8"))
    assert parse_output("vmc=a:1?vrm=1&lead_ms=3&head=1&height_m=1.8") == replace(output, lead_ms=3.0, name="vmc=a:1")


def test_two_outputs_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two outputs are called"):
        load_show(["--out", "vmc=a:1", "--out", "vmc=a:1"])
    assert len(load_show(["--out", "vmc=a:1", "--out", "vmc=a:1?name=other"]).output) == 2


def test_stage_addresses():
    assert parse_stage("8000") == StageConfig("127.0.0.1", 8000, 80.0)
    assert parse_stage("[::1]:8000") == StageConfig("::1", 8000, 80.0)
    assert parse_stage("off") is None


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
options = st.dictionaries(names.filter(lambda name: name not in ("kind", "address", "lead_ms", "name")), names)
outputs = st.builds(
    OutputConfig, names, names, st.sampled_from([0.0, 12.5, 250.0]), names, options.map(lambda table: (*table.items(),))
)
shows = st.builds(
    ShowConfig,
    input=names,
    seconds=st.none() | st.floats(0.1, 1e6),
    seed=st.integers(0, 2**62),
    energy=st.floats(0, 2),
    output=st.lists(outputs, max_size=3).map(tuple),
    stage=st.none() | st.builds(StageConfig, st.sampled_from(["127.0.0.1", "::1", "0.0.0.0"]), st.integers(0, 65535)),
    listen_only=st.booleans(),
)


@settings(deadline=None)
@given(shows)
def test_a_show_survives_its_table(show):
    assert table2show(show2table(show), "here") == show
