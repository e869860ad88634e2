"""What the client kits are made of, as far as it can be told without the engines: files, names, what the pages say."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from bridge_doubles import made_up_features, made_up_pose
from client_kits import BUILDERS, GOLDEN, KITS, ROOT, golden, run_to_end
from pythonosc.osc_packet import OscPacket

from bridges.axes import HUMAN_BONES, unity_position
from bridges.osc import ChannelEncoder
from engine.skeleton import HOUSE, STANDING_HIP_M, forward_kinematics

UNITY = KITS / "unity"
GUID = re.compile(r"^guid: ([0-9a-f]{32})$", re.M)
NOT_COMPILED = "not compiled in this project's tests"


def unity_assets() -> list[Path]:
    """Everything that Unity wants a .meta beside."""
    found = [path for path in UNITY.rglob("*") if path.suffix != ".meta" and path.name != "Samples~"]
    assert len(found) > 10
    return found


def test_every_unity_asset_has_a_meta_with_an_id_of_its_own():
    """A package's assets without one are ignored by Unity, since it may not write into a package."""
    ids = {asset: GUID.search(asset.with_name(asset.name + ".meta").read_text())[1] for asset in unity_assets()}
    assert len(set(ids.values())) == len(ids)
    orphans = [meta for meta in UNITY.rglob("*.meta") if not meta.with_suffix("").exists()]
    assert orphans == []


def test_the_unity_sample_names_the_stick_figure_and_its_fields():
    scene = (UNITY / "Samples~" / "Stick Figure" / "StickFigure.unity").read_text()
    script = UNITY / "Runtime" / "Unity" / "CorybantStickFigure.cs"
    meta = GUID.search(script.with_name(script.name + ".meta").read_text())[1]
    assert f"guid: {meta}, type: 3" in scene
    for field in re.findall(r"public (?:string|float) (\w+) =", script.read_text()):
        assert f"\n  {field}: " in scene, field
    anchors = re.findall(r"&(\d+)$", scene, re.M)
    assert len(set(anchors)) == len(anchors)
    for component in re.findall(r"component: \{fileID: (\d+)\}", scene):
        assert component in anchors
    package = json.loads((UNITY / "package.json").read_text())
    assert all((UNITY / sample["path"]).is_dir() for sample in package["samples"])
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert package["version"] == version
    assert json.loads((UNITY / "Runtime" / "Corybant.Client.asmdef").read_text())["name"] == "Corybant.Client"


def test_unitys_plain_half_knows_no_engine_and_the_other_half_says_that_it_was_not_compiled():
    plain, glue = (UNITY / "Runtime" / name for name in ("Plain", "Unity"))
    assert all("using UnityEngine" not in path.read_text() for path in plain.glob("*.cs"))
    assert all(NOT_COMPILED in path.read_text().splitlines()[0] for path in glue.glob("*.cs"))
    assert len(list(plain.glob("*.cs"))) == 5 and len(list(glue.glob("*.cs"))) == 2


def test_unreals_plain_half_knows_no_engine_and_the_other_half_says_that_it_was_not_compiled():
    source = KITS / "unreal" / "Corybant" / "Source" / "CorybantLiveLink"
    plain = {path for path in source.rglob("*.h") if path.parent.name == "corybant"}
    glue = {path for path in source.rglob("*") if path.suffix in (".h", ".cpp", ".cs")} - plain
    includes = {name for path in plain for name in re.findall(r'#include "(.+)"', path.read_text())}
    assert includes == {"frame.h", "json.h"} and len(plain) == 4
    assert len(glue) == 8 and all(NOT_COMPILED in path.read_text().splitlines()[0] for path in glue)
    plugin = json.loads((KITS / "unreal" / "Corybant" / "Corybant.uplugin").read_text())
    assert [module["Name"] for module in plugin["Modules"]] == [source.name]
    assert f"{source.name}.Build.cs" in {path.name for path in glue}


def test_unity_knows_every_bone_and_where_the_joints_are(module_needs, tmp_path):
    command = BUILDERS["unity"](module_needs, tmp_path)
    (bones,) = run_to_end(command("bones"), tmp_path)
    assert bones["of"] == HUMAN_BONES
    recording = tmp_path / "house.bin"
    pose = made_up_pose(7)
    recording.write_bytes(_records(pose))
    _, said = run_to_end(command("places", str(recording)), tmp_path)
    places, _ = forward_kinematics(pose.root, pose.rotations)
    assert said["hip_height"] == pytest.approx(STANDING_HIP_M, abs=1e-6)
    for got, wanted in zip(said["places"], unity_position(places), strict=True):
        assert got == pytest.approx(wanted.tolist(), abs=1e-5)


def _records(pose) -> bytes:
    from client_kits import recorded

    from bridges.frames import pose_bytes, skeleton_json

    text = skeleton_json(HOUSE, 0.0).encode()
    return recorded([(1.0, 1, text, {}), (1.0, 2, pose_bytes(pose, 0, pose.time_s), {})])


@pytest.mark.parametrize("script", ["corybant_dancer.gd", "corybant_stream.gd"])
def test_the_scripts_for_godot_4_are_well_formed(needs, script):
    """There is no Godot 4 to run them; an independent parser of its language reads them whole."""
    parser = needs.module("gdtoolkit.parser", 'pip install "gdtoolkit>=4.2,<5"').parser
    text = (KITS / "godot" / script).read_text()
    tree = parser.parse(text)
    functions = {str(name) for header in tree.find_data("func_header") for name in header.children[:1]}
    assert functions == set(re.findall(r"^(?:static )?func (\w+)", text, re.M))
    with pytest.raises(Exception, match="Unexpected"):
        parser.parse(text.replace("func ", "fnuc ", 1))


def test_both_godot_nodes_offer_the_same():
    three, four = ((KITS / "godot" / f"corybant_dancer{end}.gd").read_text() for end in ("_godot3", ""))
    for pattern in (r"export var (\w+)", r"^signal (\w+)"):
        assert re.findall(pattern, three, re.M) == re.findall(pattern, four, re.M) != []
    stream = (KITS / "godot" / "corybant_stream.gd").read_text()
    for text in (three, four):
        for called in re.findall(r"stream\.(\w+)\(", text):
            assert re.search(rf"^(?:static )?func {called}\(", stream, re.M), called


def test_touchdesigners_channels_are_sent():
    sent = {
        timed.message.address.removeprefix("/")
        for data in ChannelEncoder(HOUSE).encode(made_up_pose(0), made_up_features())
        for timed in OscPacket(data).messages
    }
    page = (KITS / "touchdesigner" / "README.md").read_text()
    named = {name for name in re.findall(r"`(live/[\w/*.]+)`", page) if "*" not in name}
    assert len(named) >= 8 and named <= sent


@pytest.mark.parametrize("kit", ["unity", "unreal", "godot", "browser", "python", "touchdesigner"])
def test_a_page_has_three_steps_and_says_what_was_run(kit):
    page = (KITS / kit / "README.md").read_text()
    assert re.findall(r"^(\d)\. ", page, re.M) == ["1", "2", "3"]
    assert "**Tested" in page
    if kit in ("unity", "unreal", "godot", "touchdesigner"):
        assert "**Not compiled here" in page or "**Not run here" in page
    assert f"]({kit}/README.md)" in (KITS / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert (KITS / kit / target).exists(), target


def test_the_overview_counts_right():
    assert f"recording of {len(golden())} messages" in (KITS / "README.md").read_text()
    assert GOLDEN.stat().st_size < 10_000
