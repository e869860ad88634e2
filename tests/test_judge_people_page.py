"""The page of pairs in a headless browser: it plays, both bodies move with the sound, votes arrive."""

import json
import subprocess
from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from judge_pairs import SONGS, SYSTEMS, small_judgement

from realtime_models.training.judge.people import read_key, read_votes
from realtime_models.training.judge.people.folder import FROZEN
from realtime_models.training.judge.people.serve import JudgeServer
from realtime_models.training.judge.people.votes import Choice

BROWSER = Path(__file__).parent / "browser"
PATIENCE_S = 900  # a browser that draws in software on a busy machine
READY = "document.querySelector('#answers button:enabled')"
LOOK = "({bodies: judge.bodies, shown: judge.shown})"
SECONDS = 1.5


def plan() -> list[dict]:
    """What the browser does; answers of steps with a name are judged."""
    return [
        {"do": "guest", "width": 960, "height": 640},
        {"do": "until", "expression": "document.querySelector('#extent').textContent"},
        {"do": "evaluate", "name": "welcome", "expression": "document.body.innerText"},
        {"do": "faults", "name": "start faults"},
        {"do": "shot", "file": "start.png"},
        {"do": "fill", "selector": "#name", "text": "Ada"},
        {"do": "press", "key": "Enter"},
        {"do": "until", "expression": "judge.frames"},
        {"do": "watch", "name": "looks", "expression": LOOK, "values": 3},
        {"do": "until", "expression": READY},
        {"do": "shot", "file": "judge.png"},
        {"do": "faults", "name": "judge faults"},
        {"do": "evaluate", "name": "first", "expression": "judge.question"},
        {"do": "click", "selector": "#answers [data-choice=right]"},
        {"do": "until", "expression": f"judge.at === 1 && {READY}"},
        {"do": "press", "key": "Space"},
        {"do": "until", "expression": "judge.plays === 3"},
        {"do": "until", "expression": READY},
        {"do": "press", "key": "ArrowLeft"},
        {"do": "until", "expression": f"judge.at === 2 && {READY}"},
        {"do": "press", "key": "m"},
        {"do": "evaluate", "name": "muted", "expression": "document.querySelector('#sound').textContent"},
        {"do": "press", "key": "ArrowDown"},
        {"do": "until", "expression": "judge.at === 3 && judge.clock === 'sound'"},
        {"do": "press", "key": "Backspace"},
        {"do": "until", "expression": "judge.at === 2 && judge.question"},
        {"do": "evaluate", "name": "remembered", "expression": "document.querySelector('.chosen').dataset.choice"},
        {"do": "until", "expression": READY},
        {"do": "press", "key": "ArrowRight"},
        {"do": "until", "expression": "judge.at === 3 && judge.question"},
        {"do": "visit"},  # closed and opened again
        {"do": "until", "expression": "judge.question && judge.frames > 0"},
        {"do": "evaluate", "name": "back", "expression": "[judge.at, document.querySelector('#count').textContent]"},
        {"do": "click", "selector": "#cover"},
        {"do": "resize", "width": 390, "height": 844},
        {"do": "until", "expression": READY},
        {"do": "faults", "name": "phone faults"},
        {"do": "shot", "file": "phone.png"},
        {"do": "finish", "name": "thanks", "key": "ArrowLeft"},
        {"do": "shot", "file": "done.png"},
        {"do": "visit"},
        {"do": "until", "expression": "document.body.dataset.screen === 'done'"},
        {"do": "guest", "width": 1000, "height": 420},
        {"do": "until", "expression": "document.querySelector('#extent').textContent"},
        {"do": "click", "selector": "#go"},
        {"do": "until", "expression": READY},
        {"do": "faults", "name": "flat faults"},
        {"do": "evaluate", "name": "other", "expression": "judge.question"},
        {"do": "press", "key": "ArrowLeft"},
        {"do": "until", "expression": "judge.at === 1"},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def seen(module_needs, tmp_path_factory):
    """What a browser saw: answers by name, console lines, requests; the folder judged in and that of the pictures."""
    node = module_needs.program("node", "apt-get install -y nodejs")
    chromium = module_needs.program("chromium", "apt-get install -y chromium")
    module_needs.path(BROWSER / "node_modules" / "playwright-core", "npm ci --prefix tests/browser")
    folder, out = tmp_path_factory.mktemp("judgement"), tmp_path_factory.mktemp("pictures")
    small_judgement(folder, seconds=SECONDS)
    server = JudgeServer(folder)
    server.start()
    try:
        steps = plan()
        (out / "plan.json").write_text(
            json.dumps({"chromium": chromium, "url": server.url, "out": str(out), "steps": steps})
        )
        command = [node, str(BROWSER / "judge_page.mjs"), str(out / "plan.json")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    finally:
        server.stop()
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert "failure" not in found, (found["failure"], found["text"])
    answers = {step["name"]: answer for step, answer in zip(steps, found["steps"], strict=True) if "name" in step}
    return {**found, "steps": answers, "folder": folder, "out": out, "refused": server.refused, "url": server.url}


def test_nothing_is_complained_about_and_nothing_leaves_this_machine(seen):
    assert seen["console"] == []
    assert seen["requests"] and all(r.split()[1].startswith((seen["url"], "data:")) for r in seen["requests"])
    assert seen["refused"] == {}


def test_a_guest_is_told_what_to_do_and_everything_has_a_name_and_a_place(seen):
    assert "Which of the two dances better to the music?" in seen["steps"]["welcome"]
    assert "14 pairs of 1.5 seconds" in seen["steps"]["welcome"]
    for screen in ("start", "judge", "phone", "flat"):
        assert seen["steps"][f"{screen} faults"] == {"unnamed": [], "outside": []}


def test_both_bodies_move_as_their_files_say_at_the_time_of_the_sound(seen):
    looks = seen["steps"]["looks"]
    clips = read_key(seen["folder"])["clips"]
    moving = 0
    for side, field in enumerate(("left", "right")):
        name = seen["steps"]["first"][field]
        clip = np.frombuffer((seen["folder"] / "pairs" / f"{name}.clip").read_bytes(), "<i2").reshape(-1, 66) * 0.00025
        for look in looks:
            frame = min(max(look["shown"] * 30, 0), len(clip) - 1)
            wanted = [np.interp(frame, np.arange(len(clip)), column) for column in clip.T]
            assert np.abs(np.array(look["bodies"][side]) - wanted).max() < 1e-4
        moved = np.ptp([look["bodies"][side] for look in looks], axis=0).max()
        assert bool(moved > 0.02) == (clips[name]["system"] != FROZEN)
        moving += bool(moved > 0.02)
    assert moving >= 1


def test_two_bodies_are_drawn(seen):
    from matplotlib.image import imread

    picture = imread(seen["out"] / "judge.png")[..., :3]
    stage = picture[70:420]
    lit = stage.max(axis=2) > 0.45
    half = stage.shape[1] // 2
    for part in (lit[:, :half], lit[:, half:]):
        assert 0.01 < part.mean() < 0.3


def test_votes_by_click_and_by_key_arrive_and_the_last_one_counts(seen):
    found, damaged = read_votes(seen["folder"] / "votes" / "votes.jsonl")
    assert damaged == 0
    first = seen["steps"]["first"]
    assert (found[0].left, found[0].right, found[0].choice) == (first["left"], first["right"], Choice.RIGHT)
    assert [v.choice for v in found[:4]] == [Choice.RIGHT, Choice.LEFT, Choice.TIE, Choice.RIGHT]
    assert (found[2].left, found[2].right) == (found[3].left, found[3].right)
    assert seen["steps"]["remembered"] == "tie"
    assert len({v.rater for v in found}) == 2 and len(found) == 4 + 11 + 1


def test_muted_the_clock_is_still_that_of_the_sound(seen):
    assert seen["steps"]["muted"] == "Sound off"  # the plan went on after it only when the clock was 'sound' again


def test_opened_again_the_page_goes_on_where_it_was(seen):
    assert seen["steps"]["back"] == [3, "4 of 14"]
    assert "all 14 pairs" in seen["steps"]["thanks"]


def test_the_log_names_nobody_and_sides_balance_by_the_key(seen):
    for log in ("votes.jsonl", "raters.jsonl"):
        told = (seen["folder"] / "votes" / log).read_text()
        assert not [name for name in (*SYSTEMS, *SONGS, FROZEN) if name in told]
    clips = read_key(seen["folder"])["clips"]
    found, _ = read_votes(seen["folder"] / "votes" / "votes.jsonl")
    shown = {(v.left, v.right) for v in found if v.rater == found[0].rater}
    sides = Counter((clips[left]["system"], clips[right]["system"]) for left, right in shown)
    assert {pair: n for pair, n in sides.items() if FROZEN not in pair} == dict.fromkeys(permutations(SYSTEMS, 2), 1)
    assert next(v for v in found if v.rater != found[0].rater).left == seen["steps"]["other"]["left"]
