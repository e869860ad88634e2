"""Blind pairs: sides balance exactly, nothing served tells who is who, votes survive, win rates are as by hand."""

import json
import wave
from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from dance_clips import read_dance
from judge_pairs import RATE_HZ, SECRET, SONGS, SYSTEMS, noise, small_judgement

from engine.errors import ConfigError
from realtime_models.training.judge.motion import Motion
from realtime_models.training.judge.people import NOT_YET, Vote, build, plan, read_key, read_votes, results, votes
from realtime_models.training.judge.people.excerpts import (
    UNIT_M,
    clip_bytes,
    find_excerpts,
    frames_of,
    frozen_bytes,
    placed,
    sound_samples,
    spread,
)
from realtime_models.training.judge.people.folder import FROZEN, read_pairs
from realtime_models.training.judge.people.results import pigeonhole, text, wilson
from realtime_models.training.judge.people.votes import Choice


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- who beside whom


@pytest.mark.parametrize("systems", [2, 3, 4, 5, 6])
def test_in_a_tournament_everybody_meets_everybody_once_and_nobody_twice_in_a_round(systems):
    played = plan.rounds(systems)
    assert sorted(pair for pairs in played for pair in pairs) == list(combinations(range(systems), 2))
    for pairs in played:
        players = [player for pair in pairs for player in pair]
        assert len(players) == len(set(players)) == systems - systems % 2


@pytest.mark.parametrize(("systems", "excerpts"), [(2, 8), (3, 6), (4, 6), (4, 12), (5, 20)])
def test_in_every_session_each_ordered_pair_of_systems_is_shown_equally_often(systems, excerpts):
    songs = [f"song {k % 3}" for k in range(excerpts)]
    made = plan.sessions(systems, songs, 8, [(0, 0), (1, 1)], rng())
    for session in made:
        seen = Counter((s.left, s.right) for s in session if not s.check)
        assert set(seen) == set(permutations(range(systems), 2))
        assert len(set(seen.values())) == 1
        assert Counter(s.check for s in session)["left"] == Counter(s.check for s in session)["right"] == 1
    orders = [tuple((s.excerpt, frozenset((s.left, s.right))) for s in session) for session in made]
    assert len(set(orders)) == len(orders)


def test_no_dance_is_seen_twice_and_over_a_set_every_excerpt_has_every_pair_both_ways():
    made = plan.sessions(4, ["a", "b"] * 3, 6, [], rng())
    for session in made:
        dances = [(s.excerpt, system) for s in session for system in (s.left, s.right)]
        assert len(dances) == len(set(dances)) == 6 * 4
    seen = Counter((s.excerpt, s.left, s.right) for session in made for s in session)
    assert len(seen) == 6 * 12 and set(seen.values()) == {1}


def test_a_song_is_not_heard_twice_in_a_row_and_no_check_comes_first():
    songs = ["a", "b", "c"] * 4
    for session in plan.sessions(4, songs, 20, [(0, 1), (5, 2)], rng()):
        assert not session[0].check
        heard = [songs[s.excerpt] for s in session if not s.check]
        assert all(one != other for one, other in pairwise(heard))
        first, second = (k for k, s in enumerate(session) if s.check)
        assert first <= len(session) / 2 <= second + 1


def test_what_cannot_be_balanced_is_refused():
    assert plan.balanced_count(4, 17) == 12
    assert plan.balanced_count(3, 6) == 6
    with pytest.raises(ConfigError, match=r"5 excerpts for 4 systems; sides balance from 6 on"):
        plan.balanced_count(4, 5)
    with pytest.raises(ConfigError, match="7 excerpts cannot be balanced"):
        plan.sessions(4, ["a"] * 7, 1, [], rng())
    with pytest.raises(ConfigError, match="an even number"):
        plan.sessions(4, ["a"] * 6, 1, [(0, 0)], rng())
    with pytest.raises(ConfigError, match="two or more"):
        plan.rounds(1)


# --- what is shown


def test_a_body_is_put_in_the_middle_and_turned_to_the_front_once():
    salsa = read_dance("salsa").positions[100:200]
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # a quarter about the vertical
    moved = salsa @ turn.T + [3.0, 0, -2.0]
    here, there = placed(salsa), placed(moved)
    assert np.allclose(here, there, atol=1e-9)
    assert np.allclose(here[:, 0, [0, 2]].mean(axis=0), 0, atol=1e-12)
    assert np.array_equal(here[..., 1], salsa[..., 1])
    across = here[:, 1] - here[:, 2]  # left hip from the right one: x of the house when facing +Z
    ahead = np.stack([-across[:, 2], across[:, 0]], axis=1)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    assert abs(ahead[:, 0].mean()) < 1e-9 and ahead[:, 1].mean() > 0


def test_all_dances_come_in_the_same_frames_precision_and_bytes():
    lengths = set()
    for name, fps in (("salsa", 30), ("party", 30), ("modern", 60)):
        dance = read_dance(name)
        if fps == 60:
            dance = replace(dance, positions=np.repeat(dance.positions, 2, axis=0), rotations=None, fps=60.0, song="s")
            (piece,) = find_excerpts({"x": [dance]}, {"s": (noise(3, 0), RATE_HZ)}, 2.0, 1.0, rng())["s"]
            dance = piece.motions[0]
        lengths.add(len(clip_bytes(dance, 1.0, 2.0)))
    assert lengths == {61 * 22 * 3 * 2}
    dance = read_dance("salsa")
    got = np.frombuffer(clip_bytes(dance, 1.0, 2.0), "<i2").reshape(61, 22, 3) * UNIT_M
    assert np.abs(got - placed(dance.positions[30:91])).max() <= UNIT_M / 2 + 1e-12


def test_a_frozen_pose_is_one_frame_of_the_same_length():
    clip = clip_bytes(read_dance("salsa"), 0.0, 1.0)
    frozen = np.frombuffer(frozen_bytes(clip, 0.5), "<i2").reshape(31, -1)
    assert len(frozen.tobytes()) == len(clip)
    assert (frozen == np.frombuffer(clip, "<i2").reshape(31, -1)[15]).all()


def test_excerpts_are_those_that_everybody_dances_and_that_are_heard():
    dance = replace(read_dance("salsa"), song="s")
    gap = dance.positions.copy()
    gap[: 7 * 30] = np.nan  # a clip that covers the song from 7 s on
    sound = noise(24, 0)
    sound[12 * RATE_HZ : 15 * RATE_HZ] = 0.0
    found = find_excerpts(
        {"a": [dance], "b": [replace(dance, positions=gap)]}, {"s": (sound, RATE_HZ)}, 2.0, 1.0, rng()
    )
    starts = [e.start_s for e in found["s"]]
    # From 7 s on; 13 to 15 s is silence, so the next one that is heard goes from 13.5 to 15.5 s.
    assert starts == [7.0, 9.0, 11.0, 13.5, 15.5, 17.5, 19.5, 21.5]
    assert find_excerpts({"a": [dance]}, {"other": (sound, RATE_HZ)}, 2.0, 1.0, rng()) == {}
    two = find_excerpts(
        {"a": [dance], "b": [replace(dance, positions=gap), dance]}, {"s": (sound, RATE_HZ)}, 2, 1, rng()
    )
    assert two["s"][0].start_s == 1.0
    assert {id(e.motions[1].positions) for e in two["s"]} == {id(gap), id(dance.positions)}


def test_excerpts_are_spread_over_the_songs():
    dance = read_dance("salsa")
    sounds = {"long": (noise(22, 0), RATE_HZ), "short": (noise(5, 1), RATE_HZ)}
    found = find_excerpts({"a": [replace(dance, song=s) for s in sounds]}, sounds, 2.0, 0.0, rng())
    taken = spread(found, 6, rng())
    assert Counter(e.song for e in taken) == {"short": 2, "long": 4}
    assert len({(e.song, e.start_s) for e in taken}) == 6


def test_another_body_is_refused():
    dance = replace(read_dance("salsa"), song="s")
    tall = replace(dance, positions=dance.positions * 1.1)
    with pytest.raises(ConfigError, match=r"guest, salsa: another body \(left_ankle is 41 mm off\)"):
        find_excerpts({"guest": [tall]}, {"s": (noise(3, 0), RATE_HZ)}, 1.0, 0.0, rng())
    far = replace(
        dance, positions=dance.positions + np.linspace(0, 60, len(dance.positions))[:, None, None] * [1, 0, 0]
    )
    with pytest.raises(ConfigError, match="leaves the stage"):
        clip_bytes(far, 0.0, 20.0)


def test_sound_is_level_unclipped_and_faded():
    quiet = 0.001 * np.sin(np.arange(4 * RATE_HZ) * 0.3)
    got = sound_samples(quiet, RATE_HZ, 1.0, 2.0)
    assert got.shape == (2 * RATE_HZ, 1) and got.dtype == np.dtype("<i2")
    middle = got[RATE_HZ // 2 : RATE_HZ] / 32767
    assert 10 * np.log10((middle**2).mean()) == pytest.approx(-18, abs=0.1)
    assert got[0, 0] == 0 and abs(got[-1, 0]) < 10
    spiky = np.zeros((2 * RATE_HZ, 2))
    spiky[RATE_HZ] = 1.0  # its level would need a gain that clips
    assert np.abs(sound_samples(spiky, RATE_HZ, 0.0, 2.0)).max() == round(0.97 * 32767)


# --- the folder


@pytest.fixture(scope="module")
def judgement(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judgement")
    small_judgement(folder)
    return folder


def test_what_is_served_is_alike_and_names_nobody(judgement):
    served = sorted((judgement / "pairs").iterdir())
    about = {suffix: {p.stat().st_size for p in served if p.suffix == suffix} for suffix in (".clip", ".wav")}
    assert len(about[".clip"]) == len(about[".wav"]) == 1
    assert len({p.stat().st_mtime_ns for p in served}) == 1
    assert all(len(p.stem) == 16 and int(p.stem, 16) >= 0 for p in served if p.name != "pairs.json")
    told = b"".join(p.read_bytes() for p in served)
    for name in (*SYSTEMS, *SONGS, FROZEN, "salsa", "secret", "seed", "system"):
        assert name.encode() not in told.replace(b"sessions", b"")
    with wave.open(str(next(p for p in served if p.suffix == ".wav"))) as sound:
        assert sound.getnframes() == RATE_HZ


def test_the_key_knows_every_clip_and_sessions_balance_by_it(judgement):
    key, pairs = read_key(judgement), read_pairs(judgement)
    assert set(key["clips"]) == pairs.clips
    assert not pairs.clips & pairs.sounds
    for session in pairs.sessions:
        named = [tuple(key["clips"][name]["system"] for name in shown[:2]) for shown in session]
        seen = Counter(pair for pair in named if FROZEN not in pair)
        assert set(seen) == set(permutations(SYSTEMS, 2)) and set(seen.values()) == {1}
        assert sorted(pair.index(FROZEN) for pair in named if FROZEN in pair) == [0, 1]
        for left, right, _ in session:
            one, other = key["clips"][left], key["clips"][right]
            assert (one["song"], one["start_s"]) == (other["song"], other["start_s"])
    assert (judgement / "sealed").stat().st_mode & 0o077 == 0


def test_the_clip_under_a_name_is_that_dance(judgement):
    """Join back: bytes, key and motion."""
    of_system = dict(zip(SYSTEMS, ("salsa", "broadway", "modern", "party"), strict=True))
    for name, about in read_key(judgement)["clips"].items():
        if about["system"] != FROZEN:
            wanted = clip_bytes(read_dance(of_system[about["system"]]), about["start_s"], 1.0)
            assert (judgement / "pairs" / f"{name}.clip").read_bytes() == wanted


def test_the_secret_and_not_the_seed_alone_decides(judgement, tmp_path):
    small_judgement(tmp_path / "again")
    small_judgement(tmp_path / "other", secret=SECRET + 1)
    small_judgement(tmp_path / "drawn", secret=None)
    drawn = read_key(tmp_path / "drawn")
    assert drawn["seed"] == 0 and drawn["secret"] > 2**64
    first, again, other = (read_key(f)["clips"] for f in (judgement, tmp_path / "again", tmp_path / "other"))
    assert first == again
    assert not set(first) & set(other) and not set(first) & set(drawn["clips"])


def test_pairs_are_never_built_over_others(judgement, tmp_path):
    with pytest.raises(ConfigError, match="holds pairs already"):
        small_judgement(judgement)
    with pytest.raises(ConfigError, match=r"no pairs in .*build pairs there first"):
        read_pairs(tmp_path)
    with pytest.raises(ConfigError, match="no sealed key"):
        read_key(tmp_path)
    with pytest.raises(ConfigError, match="'theirs' must be one of them"):
        small_judgement(tmp_path, ours="theirs")
    with pytest.raises(ConfigError, match="sides balance from 6 on"):
        small_judgement(tmp_path, seconds=11.0)
    assert not (tmp_path / "pairs").exists()


def test_missing_files_are_noticed_before_anybody_is_asked(tmp_path):
    small_judgement(tmp_path)
    next((tmp_path / "pairs").glob("*.clip")).unlink()
    with pytest.raises(ConfigError, match=r"lacks 1 of \d+ files"):
        read_pairs(tmp_path)


# --- votes on disk


def vote(rater: str, left: str, right: str, choice: str = "left") -> Vote:
    return Vote(rater, left, right, Choice(choice), "2025-01-01T00:00:00+00:00")


def test_a_write_cut_off_by_a_crash_costs_one_line(tmp_path):
    log = tmp_path / "votes" / "votes.jsonl"
    assert read_votes(log) == ([], 0)
    votes.append_vote(log, vote("r", "a", "b"))
    votes.append_vote(log, vote("r", "c", "d", "tie"))
    whole = log.read_bytes()
    log.write_bytes(whole[:-9])  # the power fails in the middle of the second line
    assert read_votes(log) == ([vote("r", "a", "b")], 1)
    votes.append_vote(log, vote("r", "e", "f", "right"))
    assert read_votes(log) == ([vote("r", "a", "b"), vote("r", "e", "f", "right")], 1)
    log.write_bytes(log.read_bytes() + b'{"rater": 3}\n[1]\n\xff\xfe\n')
    assert read_votes(log)[1] == 4


def test_a_line_holds_names_a_side_and_a_time_only(tmp_path):
    log = tmp_path / "votes.jsonl"
    votes.append_vote(log, vote("r", "a", "b"))
    assert set(json.loads(log.read_text())) == {"rater", "left", "right", "choice", "time"}


def test_the_last_vote_on_a_pair_counts_whatever_its_sides():
    said = [vote("r", "a", "b"), vote("s", "a", "b"), vote("r", "b", "a", "left"), vote("r", "a", "c")]
    assert votes.last_of_each(said) == [said[2], said[1], said[3]]


# --- who wins


def made_key(songs: int = 2) -> dict:
    """Clips named SYSTEM/SONG, two systems and a frozen one."""
    clips = {
        f"{system[0]}{song}": {"system": system, "song": f"song {song}"}
        for system in ("ours", "real", FROZEN)
        for song in range(songs)
    }
    return {"ours": "ours", "systems": ["ours", "real", "absent"], "clips": clips}


def test_without_votes_nothing_is_said():
    found = results([], made_key())
    assert [cell.text for cell in found.against()] == [NOT_YET, NOT_YET]
    assert all(cell.win_rate is None and cell.votes == 0 for cell in found.cells.values())
    printed = text(found)
    assert printed.count(NOT_YET) == 4 and " %" not in printed.replace(
        "95 %", ""
    )  # two of ours, the others' one, attention


def test_a_win_rate_by_hand():
    """Three wins, one tie, one loss: (3 + 1/2) / 5 = 0.7, from the other side 0.3."""
    said = [
        vote("r", "o0", "r0"), vote("r", "r1", "o1", "right"), vote("s", "o0", "r0", "left"),
        vote("s", "o1", "r1", "tie"), vote("t", "o0", "r0", "right"),
    ]  # fmt: skip
    found = results(said, made_key())
    ours, real = found.cells["ours", "real"], found.cells["real", "ours"]
    assert (ours.wins, ours.ties, ours.losses, ours.raters, ours.songs) == (3, 1, 1, 3, 2)
    assert (real.wins, real.ties, real.losses) == (1, 1, 3)
    assert ours.win_rate.value == pytest.approx(0.7) and real.win_rate.value == pytest.approx(0.3)
    assert real.win_rate.low == pytest.approx(1 - ours.win_rate.high)
    assert ours.win_rate.low == min(ours.wilson.low, ours.bootstrap.low)
    assert ours.win_rate.high == max(ours.wilson.high, ours.bootstrap.high)
    assert found.cells["ours", "absent"].text == NOT_YET
    assert ours.text.startswith("70 % [") and ours.text.endswith("n = 5")
    assert found.votes == 5


def test_wilson_by_hand():
    """7 of 10, z = 1.96: centre (0.7 + 0.19207) / 1.38415 = 0.64450, half 0.24773: [0.3968, 0.8922]."""
    got = wilson(0.7, 10)
    assert (got.low, got.high) == (pytest.approx(0.3968, abs=1e-4), pytest.approx(0.8922, abs=1e-4))
    assert wilson(1.0, 4).low == pytest.approx(4 / (4 + 1.96**2), abs=1e-4)
    assert wilson(1.0, 4).high == pytest.approx(1.0)


def test_the_bootstrap_moves_whole_songs_and_raters():
    """One song always won, one always lost: a draw of two songs is both of one with 1/4 each, so 95 % is all of it.

    As single votes, 40 of them, it would be about [0.35, 0.65].
    """
    scores, songs = np.repeat([1.0, 0.0], 20), np.repeat([0, 1], 20)
    got = pigeonhole(scores, np.zeros(40, int), songs, 2000, 0)
    assert (got.value, got.low, got.high) == (0.5, 0.0, 1.0)
    assert pigeonhole(scores, songs, np.zeros(40, int), 2000, 0).low == 0.0
    assert pigeonhole(scores, np.zeros(40, int), np.zeros(40, int), 2000, 0) is None
    # Each song split evenly: however songs are drawn the rate stays one half.
    even = pigeonhole(np.tile([1.0, 0.0], 20), np.zeros(40, int), songs, 2000, 0)
    assert even.low == even.high == 0.5


def test_equal_votes_are_not_certainty():
    said = [vote(rater, f"o{song}", f"r{song}") for rater in "ab" for song in (0, 1)]
    cell = results(said, made_key()).cells["ours", "real"]
    assert cell.bootstrap.low == 1.0 and cell.win_rate.low == pytest.approx(0.51, abs=0.01)


def test_attention_replaced_foreign_and_damaged_are_said():
    said = [
        vote("a", "o0", "f0"), vote("a", "f1", "o1", "left"), vote("b", "f0", "o0", "tie"), vote("b", "o0", "r0"),
        vote("b", "o0", "r0", "right"), vote("b", "o0", "who?"),
    ]  # fmt: skip
    found = results(said, made_key())
    assert [(a.rater, a.asked, a.failed) for a in found.attention] == [("a", 2, 1), ("b", 1, 1)]
    assert (found.votes, found.replaced, found.foreign) == (1, 1, 1)
    assert found.cells["ours", "real"].losses == 1 and found.cells["ours", "real"].wins == 0
    printed = text(found, damaged=3, rater_names={"a": "Ada"})
    for line in ("2 of 3 failed", "Ada: 1 of 2 failed", "b: 1 of 1 failed", "1 votes replaced", "3 damaged lines"):
        assert line in printed


def test_build_takes_a_system_with_motions_of_parts_of_a_song(tmp_path):
    dance = read_dance("salsa")
    parts = []
    for start_s in range(0, 24, 2):
        positions = np.full_like(dance.positions, np.nan)
        positions[start_s * 30 : (start_s + 2) * 30 + 1] = dance.positions[start_s * 30 : (start_s + 2) * 30 + 1]
        parts.append(Motion(f"part {start_s}", positions, song="s"))
    built = build(
        {"ours": [replace(dance, song="s")], "real": parts}, {"s": (noise(24, 0), RATE_HZ)}, tmp_path,
        seconds=2.0, from_s=0.0, excerpts=10, checks=2, sessions=2,
    )  # fmt: skip
    assert (built.excerpts, built.questions, built.spare) == (10, 12, 0)
    motions = {about["motion"] for about in read_key(tmp_path)["clips"].values() if about["system"] == "real"}
    assert len(motions) >= 10
    assert frames_of(2.0) == 61
