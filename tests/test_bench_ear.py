"""The ear's measures on clocks made by hand, with the values worked out beside them."""

import json
import shutil
import sys

import numpy as np
import pytest

from engine.said import SaidState, said_step
from engine.types import BeatClock, MusicFeatures
from tests.bench import ear, ear_score, ear_table, ear_tracks, peers
from tests.doubles import ear_double

# 120 BPM in fours from 0.5 s to 40 s: 80 beats; 71 of them from 5 s on, 65 from 8 s on, the last of these at 40.0.
TRUTH = 0.5 * np.arange(1, 81)
NUMBERS = np.arange(80) % 4 + 1


def clocks(*parts: tuple[float, float, float], end_s: float = 40.5, confidence: float = 0.9) -> list:
    """At 30 a second; parts (from_s, time of a beat, period): which clock stands from when.

    Numbers go on over a change of part by less than half a beat up or down, and never back.
    """
    result, part, anchor_s, count = [], None, 0.0, -1
    for frame in range(1, int(end_s * 30) + 1):
        now_s = frame / 30
        newest = [each for each in parts if each[0] <= now_s + 1e-9][-1]
        _, beat_s, period_s = newest
        if newest != part:
            before = count if part is None else count + (now_s - anchor_s) / part[2]
            part, phase = newest, (now_s - beat_s) / period_s
            beats = before + ((phase - before + 0.5) % 1 - 0.5)
            count = max(int(beats // 1), count)
            anchor_s = now_s - (beats - count) * period_s
        passed = int((now_s - anchor_s + 1e-9) // period_s)
        if passed > 0:
            anchor_s, count = anchor_s + passed * period_s, count + passed
        place = round((anchor_s - 0.5) / period_s) % 4 + 1
        result.append((now_s, BeatClock(anchor_s, count, period_s, place, 4, confidence)))
    return result


PERFECT = (0.0, 0.5, 0.5)
OFF = (0.0, 0.75, 0.5)


def score(*parts, truth=TRUTH, numbers=NUMBERS, **how):
    return ear_score.score_track(clocks(*parts, **how), truth, numbers)


def test_a_perfect_clock_is_perfect():
    result = score(PERFECT, confidence=1.0)
    for key in ("f", "cmlt", "amlt", "downbeat_f", "ahead", "beat_ahead", "sure_ahead", "sure_share"):
        assert result[key] == pytest.approx(1.0), key
    for key in ("octave", "offbeat", "ece", "ahead_median_ms", "ahead_p90_ms", "offset_ms"):
        assert result[key] == pytest.approx(0.0, abs=1e-6), key
    assert result["lock_s"] == pytest.approx(0.5)
    assert len(result["relocks_s"]) == len(result["returns_bars"]) == 0


def test_half_a_beat_late_is_off_the_beat_and_nothing_else():
    result = score(OFF)
    assert (result["f"], result["cmlt"], result["octave"]) == (0, 0, 0)
    assert result["offbeat"] == 1.0
    assert result["amlt"] == pytest.approx(1.0)  # it allows the offbeat
    assert result["ahead"] == result["beat_ahead"] == 0
    assert result["lock_s"] == np.inf


def test_double_tempo_hits_every_beat_and_is_an_octave_error():
    result = score((0.0, 0.5, 0.25))
    # said from 5.0 to 40.0 every 0.25 s: 141 beats, 71 of them right, none missing: F = 2 * 71 / (141 + 71)
    assert result["f"] == pytest.approx(142 / 212)
    assert (result["octave"], result["offbeat"], result["cmlt"]) == (1.0, 0.0, 0.0)
    assert result["amlt"] == pytest.approx(1.0)
    assert result["ahead"] == 1.0  # 150 ms before a true beat its next beat is that one
    assert result["beat_ahead"] == 0  # a beat after a true beat it sees one halfway
    assert result["lock_s"] == np.inf


def test_half_tempo_misses_every_other_beat_and_is_an_octave_error():
    result = score((0.0, 0.5, 1.0))
    # said at 5.5, 6.5 .. 39.5: 35 of the 71 true ones, all right: F = 2 * 35 / (35 + 71)
    assert result["f"] == pytest.approx(70 / 106)
    assert (result["octave"], result["offbeat"]) == (1.0, 0.0)


def test_three_beats_in_two_is_neither():
    result = score((0.0, 0.5, 1 / 3))
    assert (result["octave"], result["offbeat"]) == (0.0, 0.0)


def test_a_clock_that_flips_is_wrong_from_there_on():
    result = score(PERFECT, (20.0, 0.75, 0.5))
    # it stands off the beat at the true beats 20.0 .. 40.0: 41 of 71
    assert result["offbeat"] == pytest.approx(41 / 71)
    # asked before 20.0, so right: the beats 8.0 .. 20.0, 25 of 65
    assert result["ahead"] == pytest.approx(25 / 65)
    assert result["beat_ahead"] == pytest.approx(25 / 65)
    # said are 5.0 .. 20.0, all right (31), then 20.75 .. 39.75 (39): 20.25 has the number of the beat said at 20.0.
    # F = 2 * 31 / (71 + 70)
    assert result["f"] == pytest.approx(62 / 141)


def test_beats_are_not_revised_when_the_clock_moves_back():
    beats, _ = ear_score.said_beats(clocks(PERFECT, (10.01, 0.6, 0.5), end_s=11))
    # 10.0 was said; the moved clock has it at 10.1, less than half a period later: not said again, next 10.6
    assert np.round(beats[-3:], 6).tolist() == [9.5, 10.0, 10.6]


def test_beats_are_those_that_a_take_would_say():
    made = clocks(PERFECT, (6.4, 0.71, 0.47), (9.0, 0.2, 0.81), (14.3, 0.5, 0.31), end_s=20)
    state, lines = SaidState(), []
    for now_s, clock in made:
        features = MusicFeatures(round(now_s * 60), clock, 0.0, -20.0, np.zeros(4, np.float32))
        state, said = said_step(state, features)
        lines += [line.split("\t") for line in said.beats]
    beats, places = ear_score.said_beats(made)
    assert np.allclose(beats, [float(line[0]) for line in lines], atol=1e-6) and len(beats) == len(lines)
    assert places.tolist() == [int(line[1]) for line in lines]


def test_errors_and_offset_of_a_clock_ten_milliseconds_late():
    result = score((0.0, 0.51, 0.5))
    assert result["offset_ms"] == pytest.approx(10, abs=1e-6)
    assert result["ahead_median_ms"] == pytest.approx(10, abs=1e-6)
    assert result["ahead_p90_ms"] == pytest.approx(10, abs=1e-6)
    assert result["f"] == 1.0


def test_a_wrong_place_in_the_bar_costs_the_downbeats_alone():
    result = score((0.0, 1.0, 0.5), numbers=(NUMBERS + 1) % 4 + 1)  # true ones at the beats that it calls 3
    assert result["f"] == 1.0 and result["downbeat_f"] == 0.0


def test_relock_counts_from_the_last_beat_of_the_old_tempo():
    # 0.5 s apart until 20.0, then 0.6 s; the clock goes on as before until 22.5 and then has the new tempo
    truth = np.concatenate([TRUTH[:40], 20.0 + 0.6 * np.arange(1, 31)])
    numbers = np.arange(70) % 4 + 1
    assert ear_score.tempo_jumps(truth) == [39]
    result = score(PERFECT, (22.5, 20.0, 0.6), truth=truth, numbers=numbers)
    # old beats 20.5 .. 22.5 are 100 ms and more from 20.6 .. 22.4; four right ones begin at 23.0
    assert result["relocks_s"] == pytest.approx([3.0])
    assert ear_score.score_track(clocks(PERFECT), truth, numbers)["relocks_s"].tolist() == [np.inf]


def test_a_ramp_is_no_jump_and_a_pause_neither():
    ramp = np.cumsum(0.5 * 1.01 ** -np.arange(60))
    pause = np.concatenate([TRUTH[:20], TRUTH[40:]])
    assert ear_score.tempo_jumps(ramp) == [] and ear_score.tempo_jumps(pause) == []
    assert ear_score.pauses(pause) == [20] and ear_score.pauses(ramp) == []


def test_return_is_counted_in_bars_from_the_first_beat_after_the_pause():
    truth, numbers = np.delete(TRUTH, range(20, 39)), np.delete(NUMBERS, range(20, 39))  # 10.0, then 20.0
    late = score(PERFECT, (12.0, 0.75, 0.5), (21.1, 0.5, 0.5), truth=truth, numbers=numbers)
    # right again from 21.5 on: 1.5 s in bars of 2 s
    assert late["returns_bars"] == pytest.approx([0.75])
    assert score(PERFECT, truth=truth, numbers=numbers)["returns_bars"] == pytest.approx([0.0])


def test_return_of_the_drums_is_told():
    made = clocks(PERFECT, (12.0, 0.75, 0.5), (21.1, 0.5, 0.5))
    assert ear_score.score_track(made, TRUTH, NUMBERS, [20.0])["returns_bars"] == pytest.approx([0.75])


def test_calibration_error_by_hand():
    # ten moments at .95, five right: |9.5 - 5|; ten at .15, four right: |1.5 - 4|; together 7 of 20
    confidence = np.repeat([0.95, 0.15], 10)
    right = np.array([1] * 5 + [0] * 5 + [1] * 4 + [0] * 6)
    assert ear_score.calibration_error(ear_score.calibration(confidence, right)) == pytest.approx(0.35)
    # four at .75, three right: as it said
    assert ear_score.calibration_error(ear_score.calibration(np.full(4, 0.75), np.array([1, 1, 1, 0]))) == 0
    # 1.0 belongs to the last bin, and tables add up
    table = ear_score.calibration(np.array([1.0]), np.array([0])) + ear_score.calibration(
        np.array([0.9]), np.array([1])
    )
    assert table[9].tolist() == pytest.approx([2, 1.9, 1]) and ear_score.calibration_error(table) == pytest.approx(0.45)


@pytest.mark.parametrize(("part", "error"), [(PERFECT, 0.4), (OFF, 0.6)])
def test_confidence_is_held_against_the_next_beat(part, error):
    # always .6: right every time is .4 too little, wrong every time .6 too much (before 0.5 s the next is 0.5 or 0.25)
    made = [(now_s, clock) for now_s, clock in clocks(part, confidence=0.6) if now_s > 0.5]
    assert ear_score.calibrated(made, TRUTH)["ece"] == pytest.approx(error)


def test_only_confident_predictions_count_as_confident():
    made = clocks(PERFECT, (20.0, 0.75, 0.5))
    made = [(t, c) if t < 20 else (t, BeatClock(c.anchor_s, c.count, c.period_s, confidence=0.5)) for t, c in made]
    result = ear_score.score_track(made, TRUTH, NUMBERS)
    assert result["sure_ahead"] == 1.0 and result["sure_share"] == pytest.approx(25 / 65)


def test_no_beat_is_unsure_below_three_tenths():
    made = [(0.1 * k, BeatClock(confidence=0.29 if k < 7 else 0.3)) for k in range(10)]
    assert ear_score.score_beatless(made) == pytest.approx(0.7)


def test_clocks_of_a_tracker_know_only_what_it_had_said():
    made = ear_score.clocks_of_beats(np.array([1.0, 1.5, 2.1]), np.array([1.1, 1.6, 2.2]), np.array([4, 1, 2]), 3.0)
    assert made[0][0] == pytest.approx(1.6)  # with its second beat there is an interval
    at_two = ear_score.standing(made, 2.15)
    assert (at_two.anchor_s, at_two.period_s, at_two.beat_in_bar) == (1.5, 0.5, 1)
    after = ear_score.standing(made, 2.2)
    assert (after.anchor_s, after.period_s) == (2.1, pytest.approx(0.55))  # median of 0.5 and 0.6
    assert ear_score.standing(made, 1.5) is None


def test_a_listener_hears_made_up_drums_frame_by_frame(tmp_path):
    samples, truth, numbers = ear_tracks.drums(174, seed=1, seconds=4)
    again, _, _ = ear_tracks.drums(174, seed=1, seconds=4)
    assert np.array_equal(samples, again) and not np.array_equal(samples, ear_tracks.drums(174, 2, 4)[0])
    assert not samples[: ear_tracks.RATE // 2].any() and samples[ear_tracks.RATE // 2 :][:200].any()  # begins at 0.5 s
    assert np.allclose(np.diff(truth), 60 / 174) and numbers[:5].tolist() == [1, 2, 3, 4, 1]
    ear_tracks.write_sound(tmp_path / "drums.wav", samples, ear_tracks.RATE)
    track = ear_tracks.Track("drums", "made up", tmp_path / "drums.wav", truth, numbers)
    made, cpu_s = ear.hear(track.path, ear_double())
    assert [round(now_s * 30) for now_s, _ in made[:2]] == [1, 2] and len(made) in (119, 120) and cpu_s > 0


def test_tracks_of_a_folder_with_the_return_of_the_drums(tmp_path):
    entries = [
        {"name": "a", "file": "a.ogg", "beats": "a.beats", "kind": "synthetic", "score": True},
        {"name": "b", "file": "b.ogg", "beats": None, "kind": "real", "score": False},
    ]
    entries[0]["note"] = "drums silent in bars 2-3"
    (tmp_path / "tracks.json").write_text(json.dumps(entries))
    (tmp_path / "a.beats").write_text("".join(f"{t}\t{n}\n" for t, n in zip(TRUTH, NUMBERS, strict=True)))
    a, b = ear_tracks.read_tracks(tmp_path)
    assert a.returns_s == (6.5,)  # bar 4 begins with beat 12: 0.5 + 12 * 0.5
    assert a.scored and not b.scored and b.kind == "no beat"


def rows_of(*locks: float) -> tuple[list, dict]:
    tracks = [ear_tracks.Track(f"t{k}", "synthetic", None, TRUTH, NUMBERS) for k in range(len(locks))]
    one = {**score(PERFECT, confidence=1.0), "cpu_share": 0.02}
    return tracks, {track.name: {**one, "lock_s": lock} for track, lock in zip(tracks, locks, strict=True)}


def test_means_pool_and_what_never_came_is_said_so():
    means = ear_table.summarise(*rows_of(1.0, 2.0, 3.0, np.inf))
    assert means["lock_median_s"] == 2.5 and means["lock_p90_s"] == np.inf
    assert means["f"] == 1.0 and means["ahead"] == 1.0 and means["tracks"] == 4
    line = ear_table.figure("ours", means)
    assert line["lock_p90_s"] == "never" and "relock_median_s" not in line
    json.dumps(line, allow_nan=False)


def test_the_table_tells_goals_and_what_was_not_measured(capsys):
    ours = ear_table.summarise(*rows_of(1.0, 1.0))
    ear_table.print_table({"ours": ours, "madmom": {**ours, "f": 1.0}}, {"btrack": "no compiler"}, {"madmom": "online"})
    lines = capsys.readouterr().out.splitlines()
    of = {goal.title: next(line for line in lines if line.startswith(goal.title)) for goal in ear_table.GOALS[:3]}
    assert "MISSED" in of["beat F (70 ms)"]  # good enough, but not ahead of madmom
    assert "ok" not in of["CMLt"] and "MISSED" not in of["CMLt"]  # nothing is asked of it
    assert "btrack: NOT MEASURED: no compiler" in lines


@pytest.mark.parametrize(("value", "rival", "met"), [(0.9, 0.8, True), (0.9, 0.9, False), (0.8, 0.7, False)])
def test_a_goal_asks_for_a_least_and_for_being_ahead(value, rival, met):
    goal = ear_table.Goal("f", "F", least=0.85, beats="madmom")
    assert goal.met({"ours": {"f": value, "tracks": 28}, "madmom": {"f": rival, "tracks": 28}}) is met


def test_a_rival_on_fewer_tracks_is_no_rival():
    goal = ear_table.Goal("f", "F", least=0.85, beats="madmom")
    means = {"ours": {"f": 0.9, "tracks": 28}, "madmom": {"f": 0.95, "tracks": 20}}
    assert goal.met(means) is True and goal.asked(means).endswith("(not measured)")


PEER = peers.Peer("clicker", "clicker.py", (("nothing==1",),), ("3.11",), "a peer of this test")
SCRIPT = """
from saying import tell
tell(lambda samples, rate: [(0.5, 0.6, 1), (len(samples) / rate, 1.0, 0)])
"""


def test_a_peer_hears_once_and_is_remembered_until_its_script_changes(tmp_path, monkeypatch):
    here = tmp_path / "scripts"
    here.mkdir()
    shutil.copy(peers.HERE / "saying.py", here)
    (here / "clicker.py").write_text(SCRIPT)
    monkeypatch.setattr(peers, "HERE", here)
    monkeypatch.setenv("BENCH_PEERS", str(tmp_path / "cache"))
    monkeypatch.setattr(peers, "installed", lambda peer: sys.executable)
    sound = tmp_path / "sound.wav"
    ear_tracks.write_sound(sound, np.zeros(4410, np.float32), 44_100)
    assert peers.cached(PEER, "h") is None
    result = peers.run(PEER, sound, "h")
    assert [row["beat_s"] for row in result["beats"]] == [0.5, 0.1] and result["sound_s"] == pytest.approx(0.1)
    assert peers.cached(PEER, "h") == result and peers.cached(PEER, "other") is None
    (here / "clicker.py").write_text(SCRIPT + "raise RuntimeError('no beats today')\n")
    assert peers.cached(PEER, "h") is None
    with pytest.raises(peers.PeerMissing, match="no beats today"):
        peers.run(PEER, sound, "h")


def test_a_peer_without_its_python_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_PEERS", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    old = peers.Peer("old", "aubio_tempo.py", (("nothing==1",),), ("2.1",), "")
    with pytest.raises(peers.PeerMissing, match=r"needs Python 2\.1"):
        peers.installed(old)


def test_what_could_not_be_measured_is_in_the_result(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_PEERS", str(tmp_path))
    monkeypatch.setattr(ear, "all_ours", lambda tracks, weights: {})
    sound = tmp_path / "sound.wav"
    ear_tracks.write_sound(sound, np.zeros(441, np.float32), 44_100)
    _, missing = ear.systems([ear_tracks.Track("a", "real", sound, TRUTH, NUMBERS)], "cached")
    assert set(missing) == {peer.name for peer in peers.PEERS} and all("--peers all" in why for why in missing.values())


def test_without_data_the_command_says_what_to_set(monkeypatch, capsys):
    monkeypatch.delenv("CORYBANT_DATA", raising=False)
    monkeypatch.setattr(ear, "load_ear", lambda folder: ear_double())
    assert ear.main(["--peers", "none"]) == 2
    assert "CORYBANT_DATA" in capsys.readouterr().err
