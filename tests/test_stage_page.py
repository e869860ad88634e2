"""The stage page: its pure parts under node, its built assets, and the whole of it in a headless browser."""

import hashlib
import json
import re
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_up_avatar import mixamo_glb, vrm_0
from moving_stage import groove, moving_stage

REPOSITORY = Path(__file__).parents[1]
STAGE = REPOSITORY / "bridges" / "stage"
BROWSER = REPOSITORY / "tests" / "browser"
DIST = STAGE / "dist"
PATIENCE_S = 900  # a browser that draws in software on a busy machine


# --- without a browser


def test_page_modules_obey_their_laws_under_node(needs):
    node = needs.program("node", "apt-get install -y nodejs")
    tests = sorted(str(path) for path in (STAGE / "test").glob("*.test.js"))
    assert len(tests) >= 3
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:]


def test_built_page_is_that_of_the_sources():
    """`npm run build` notes what it was built from: a source changed without a build is caught here, without node."""
    files = [*(STAGE / "src").iterdir(), STAGE / "build.mjs", STAGE / "package-lock.json"]
    files.sort(key=lambda path: path.name)
    digest = hashlib.sha256(b"".join(path.read_bytes().replace(b"\r\n", b"\n") for path in files)).hexdigest()
    built = json.loads((DIST / "assets" / "build.json").read_text())
    assert built["sources_sha256"] == digest, "in bridges/stage run: npm ci && npm run build"


def test_dist_is_small_whole_and_free_of_other_hosts():
    sizes = {path: path.stat().st_size for path in DIST.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 3_000_000
    page = (DIST / "index.html").read_text()
    assert "/assets/stage.js" in page and "/assets/stage.css" in page
    for name in ("index.html", "assets/stage.css"):
        text = (DIST / name).read_text()
        assert "https://" not in text and "@import" not in text
    licences = (DIST / "assets" / "LICENSES.txt").read_text()
    assert "three 0." in licences and "@pixiv/three-vrm" in licences
    assert licences.count("Permission is hereby granted") == 2
    assert "resolved" not in (STAGE / "package-lock.json").read_text()


def test_colours_of_text_have_contrast():
    """WCAG AA: 4.5 to 1 on the darkest and the lightest ground that the page puts behind text."""
    css = (STAGE / "src" / "stage.css").read_text()
    colour = dict(re.findall(r"(--\w+): (#[0-9a-f]{6})", css))
    for name in ("--text", "--soft", "--good", "--bad", "--warn", "--ice", "--ember"):
        for ground in ("#07080b", "#22252d"):
            assert _contrast(colour[name], ground) >= 4.5, name
    assert _contrast("#ffffff", "#c3261a") >= 4.5  # panic
    assert _contrast("#04161d", colour["--ice"]) >= 4.5  # a pressed button


def _contrast(a: str, b: str) -> float:
    def light(colour: str) -> float:
        channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# --- in a browser: one run for all, judged below

#: Stop the picture at a pose, so that what is measured and what was sent are the same instant.
HOLD = [{"do": "press", "key": "f"}, {"do": "until", "expression": "corybant.flags & 1"}, {"do": "wait", "ms": 900}]
RELEASE = [{"do": "press", "key": "f"}, {"do": "until", "expression": "!(corybant.flags & 1)"}]


def _text(selector: str) -> str:
    return f"document.querySelector('{selector}').innerText"


def _all(selector: str, field: str) -> str:
    return f"[...document.querySelectorAll('{selector}')].map((e) => e.{field})"


def _plan(glb: Path, vrm0: Path) -> list[dict]:
    """What the browser does; answers of steps with a name are judged."""
    vrm = str(DIST / "avatar" / "dancer.vrm")
    return [
        {"do": "open", "path": "/?quality=plain", "width": 960, "height": 640, "name": "open"},
        {"do": "shot", "file": "one.png", "canvas": True},
        {"do": "watch", "name": "lamp", "expression": "document.querySelector('#lamp').dataset.on", "values": 5},
        {"do": "shot", "file": "two.png", "canvas": True},
        {"do": "until", "name": "later", "expression": "corybant.frames > 120"},
        {"do": "until", "expression": "document.querySelector('#link').textContent === 'live'"},
        {"do": "evaluate", "name": "bpm", "expression": _text("#bpm")},
        {"do": "evaluate", "name": "styles", "expression": _all("#styles button", "value")},
        {"do": "evaluate", "name": "lamps", "expression": _all("#outputs li", "className")},
        {"do": "evaluate", "name": "link", "expression": _text("#link")},
        {"do": "unlabelled", "name": "unlabelled"},
        *HOLD,
        {"do": "bones", "name": "house bones"},
        *RELEASE,
        {"do": "click", "selector": "#styles button[value=krump]"},
        {"do": "press", "key": "ArrowUp"},
        {"do": "click", "selector": "#tap"},
        {"do": "press", "key": "t"},
        {"do": "click", "selector": "#double"},
        {"do": "press", "key": "["},
        {"do": "click", "selector": "#lock"},
        {"do": "press", "key": "p"},
        {"do": "until", "expression": "corybant.flags & 4"},
        {"do": "evaluate", "name": "panic", "expression": "document.querySelector('#panic').textContent"},
        {"do": "click", "selector": "#panic"},
        {"do": "until", "expression": "!(corybant.flags & 4)"},
        {"do": "press", "key": "b"},
        {"do": "until", "expression": "corybant.flags & 2"},
        {"do": "press", "key": "b"},
        {"do": "drop", "name": "drop vrm", "file": vrm, "as": "guest.vrm"},
        {"do": "moves", "name": "guest moves", "looks": 12},
        {"do": "drop", "name": "drop vrm 0", "file": str(vrm0), "as": "old.vrm"},
        *HOLD,
        {"do": "bones", "name": "vrm 0 bones"},
        *RELEASE,
        {"do": "drop", "name": "drop glb", "file": str(glb), "as": "mixamo.glb"},
        {"do": "moves", "name": "glb moves", "looks": 12},
        *HOLD,
        {"do": "bones", "name": "glb bones"},
        *RELEASE,
        {"do": "evaluate", "name": "side panel", "expression": _text("#avatar")},
        {"do": "shot", "file": "glb.png"},
        {"do": "evaluate", "name": "before restart", "expression": "corybant.frames"},
        {"do": "click", "selector": "#later"},
        {"do": "until", "expression": "document.querySelector('#link').textContent === 'no show'"},
        {"do": "evaluate", "name": "without a show", "expression": _text("#notes")},
        {"do": "until", "expression": "document.querySelector('#link').textContent === 'live'"},
        {"do": "evaluate", "name": "with a show", "expression": _text("#notes")},
        {"do": "wait", "name": "after restart", "ms": 300},
        {"do": "click", "selector": "#sound"},
        {"do": "until", "expression": "corybant.sound.error_s !== null"},
        {"do": "until", "expression": "Math.abs(corybant.sound.error_s) < 0.05"},
        {"do": "evaluate", "name": "sound", "expression": "corybant.sound"},
        {"do": "open", "path": "/?quality=plain", "width": 390, "height": 844, "name": "phone"},
        {"do": "wait", "ms": 1200},
        {"do": "shot", "file": "phone.png"},
        {"do": "layout", "name": "phone layout"},
        {"do": "open", "path": "/?clean=1&quality=plain", "width": 480, "height": 480, "name": "clean"},
        {"do": "wait", "ms": 800},
        {"do": "shot", "file": "clean.png", "transparent": True},
    ]


@contextmanager
def _restarted_on_nudge(server, live):
    """The page's first nudge makes the show go away for two seconds and come back."""
    over = threading.Event()

    def watch():
        while not over.wait(0.02):
            if live.controls.nudge_ms:
                server.stop()
                over.wait(2.0)
                server.start()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def stage_run(module_needs, tmp_path_factory):
    """What a browser saw: answers by name, console lines, requests, the folder of pictures, the controls at the end."""
    node = module_needs.program("node", "apt-get install -y nodejs")
    chromium = module_needs.program("chromium", "apt-get install -y chromium")
    module_needs.path(BROWSER / "node_modules" / "playwright-core", "npm ci --prefix tests/browser")
    out = tmp_path_factory.mktemp("stage")
    glb, vrm0 = out / "mixamo.glb", out / "old.vrm"
    glb.write_bytes(mixamo_glb())
    vrm0.write_bytes(vrm_0((DIST / "avatar" / "dancer.vrm").read_bytes()))
    steps = _plan(glb, vrm0)
    track = out / "track.ogg"
    soundfile.write(track, 0.2 * np.sin(np.arange(4 * 24_000) * 0.05).astype(np.float32), 24_000, format="OGG")
    audio = {"url": "/audio", "duration_s": 4.0, "loop": True}
    with moving_stage(demo_audio=track, audio=audio) as (server, live), _restarted_on_nudge(server, live):
        plan = {"chromium": chromium, "url": server.url, "out": str(out), "steps": steps}
        (out / "plan.json").write_text(json.dumps(plan))
        command = [node, str(BROWSER / "stage_page.mjs"), str(out / "plan.json")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stderr[-3000:]
        seen = json.loads(done.stdout)
        controls, malformed, asked = live.controls, server.malformed, live.asked
    assert "failure" not in seen, seen["failure"]
    answers = {step["name"]: answer for step, answer in zip(steps, seen["steps"], strict=True) if "name" in step}
    return {
        **seen,
        "steps": answers,
        "out": out,
        "controls": controls,
        "asked": asked,
        "malformed": malformed,
        "url": server.url,
    }


def _picture(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return imread(path)


def test_nothing_is_complained_about_and_nothing_leaves_the_show(stage_run):
    # While the show is away the browser itself notes every knock at the closed door.
    away = re.compile(r"WebSocket connection to 'ws://[^']*' failed: .*(ERR_CONNECTION_REFUSED|closed before)")
    assert [line for line in stage_run["console"] if not away.search(line)] == []
    assert all(url.startswith((stage_run["url"], "data:", "blob:")) for url in stage_run["requests"])
    assert stage_run["malformed"] == 0


def test_poses_arrive_and_the_picture_moves(stage_run):
    opened, later = stage_run["steps"]["open"], stage_run["steps"]["later"]
    assert opened["avatar"] == "house dancer" and opened["synced"]
    assert later["frames"] > max(120, opened["frames"])
    assert later["malformed"] == 0 and later["fps"] > 0
    before, after = (_picture(stage_run["out"] / name) for name in ("one.png", "two.png"))
    changed = np.abs(before[..., :3] - after[..., :3]).max(axis=2) > 0.08
    assert changed.mean() > 0.002


def test_beat_lamp_blinks_and_numbers_are_shown(stage_run):
    steps = stage_run["steps"]
    assert len(steps["lamp"]) == 5 and set(steps["lamp"]) == {"0", "1"}
    assert steps["bpm"] == "120.0"
    assert steps["link"] == "live"
    assert steps["lamps"] == ["fresh", "fresh", ""]
    assert steps["unlabelled"] == []


def test_controls_reach_the_show(stage_run):
    assert stage_run["steps"]["styles"][:2] == ["auto", "house"]
    assert stage_run["steps"]["panic"] == "Release"
    controls = stage_run["controls"]
    assert controls.style == "krump"
    assert controls.energy == pytest.approx(1.05)
    assert not (controls.freeze or controls.blackout or controls.panic)


def test_what_is_asked_of_the_ear_reaches_the_show(stage_run):
    asked = [name for name in stage_run["asked"] if name in ("tap", "double", "halve", "lock")]
    assert asked == ["tap", "tap", "double", "halve", "lock"]
    assert stage_run["controls"].lock


def _house_points(pose: dict) -> dict[str, np.ndarray]:
    from engine.skeleton import JOINTS, forward_kinematics

    points, _ = forward_kinematics(np.array(pose["root"]), np.array(pose["rotations"]))
    return dict(zip(JOINTS, points, strict=True))


@pytest.mark.parametrize("who", ["house bones", "vrm 0 bones", "glb bones"])
def test_limbs_point_where_the_pose_says(stage_run, who):
    """Whatever the rig, a frozen body's hands, feet and head lie in the directions of the house skeleton's."""
    bones = {name: np.array(at) for name, at in stage_run["steps"][who].items() if name != "pose"}
    house = _house_points(stage_run["steps"][who]["pose"])
    for name in ("left_wrist", "right_wrist", "left_ankle", "head"):
        ours, theirs = house[name] - house["pelvis"], bones[name] - bones["pelvis"]
        cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert cosine > 0.96, (name, ours, theirs)
        if who == "glb bones":  # made with our own proportions
            np.testing.assert_allclose(theirs, ours, atol=0.003, err_msg=name)
    assert abs(bones["left_foot"][1] - house["left_foot"][1]) < 0.08  # on the floor, but for the sole's thickness


@pytest.mark.parametrize(("kind", "moves"), [("vrm", "guest moves"), ("glb", "glb moves")])
def test_dropped_avatar_dances(stage_run, kind, moves):
    dropped = stage_run["steps"][f"drop {kind}"]
    assert dropped["avatar"] == {"vrm": "guest.vrm", "glb": "mixamo.glb"}[kind]
    wrists = np.array([look["left_wrist"] for look in stage_run["steps"][moves]])
    assert np.ptp(wrists, axis=0).max() > 0.05


def test_undriven_bones_are_listed_with_a_guess(stage_run):
    cape = {"name": "mixamorig:Cape_01", "guess": "hair or cloth, follows its parent"}
    assert stage_run["steps"]["drop glb"]["unmapped"] == [cape]
    panel = stage_run["steps"]["side panel"]
    assert "mixamo.glb" in panel and "Cape_01" in panel
    assert stage_run["steps"]["drop vrm"]["unmapped"] == []


def test_phone_width_keeps_panic_in_its_corner_and_the_dancer_in_sight(stage_run):
    layout = stage_run["steps"]["phone layout"]
    assert layout["scroll"] <= layout["width"]
    assert layout["panic"]["right"] > layout["width"] - 40 and layout["panic"]["bottom"] > layout["height"] - 40
    assert layout["freeze"]["right"] <= layout["panic"]["left"]
    assert layout["beat"]["bottom"] < layout["root"][1] < layout["desk"]["top"]
    assert 0.2 * layout["width"] < layout["root"][0] < 0.8 * layout["width"]


def test_page_comes_back_by_itself_when_the_show_does(stage_run):
    steps = stage_run["steps"]
    assert "trying again" in steps["without a show"]
    assert "trying again" not in steps["with a show"]
    assert steps["after restart"]["frames"] > steps["before restart"]
    assert steps["after restart"]["avatar"] == "mixamo.glb"
    assert stage_run["controls"].nudge_ms == 5


def test_sound_of_the_demo_is_held_to_stream_time(stage_run):
    sound = stage_run["steps"]["sound"]
    assert sound["on"]
    assert 0.995 < sound["rate"] < 1.005


def test_clean_page_is_a_dancer_on_nothing(stage_run):
    picture = _picture(stage_run["out"] / "clean.png")
    alpha = picture[..., 3]
    assert alpha[:40, :40].max() == 0 and alpha[-40:, -40:].max() < 0.05
    assert (alpha > 0.9).mean() > 0.02


def test_made_up_dancer_stands_on_the_floor():
    """The double itself: bent knees and the floor agree, or the tests above would judge a floating body."""
    for frame in range(0, 240, 7):
        points = _house_points({"root": groove(frame).root, "rotations": groove(frame).rotations})
        assert abs(points["left_foot"][1]) < 0.02 and abs(points["right_foot"][1]) < 0.02
