"""The evaluation tells a body that follows the music from one that does not. No network: dancers are made up."""

import numpy as np
import pytest

from engine.dance import Asked
from engine.skeleton import JOINTS, STANDING_HIP_M, t_pose
from engine.types import BeatClock, Controls, MusicFeatures
from realtime_models.training.judge import beat as score
from realtime_models.training.judge import evaluate
from realtime_models.training.judge.beat import beat_score
from realtime_models.training.judge.report import SEEN, markdown, write_report
from realtime_models.training.judge.results import Cell, Stage, Verdict, best_level
from realtime_models.training.judge.systems.clips_on_grid import Loop
from realtime_models.training.judge.systems.model import Danced, Track, delayed, programme, said_beats, silent

RATE = 12_000
SECONDS = 24.0


def clicks(name: str, bpm: float, seconds: float = SECONDS) -> Track:
    """A drum on every beat: a low tone with a noisy attack."""
    beats = np.arange(0.3, seconds, 60 / bpm)
    rng = np.random.default_rng(0)
    since = np.arange(round(0.2 * RATE)) / RATE
    drum = 0.6 * np.sin(2 * np.pi * 60 * since) * np.exp(-25 * since)
    drum += 0.3 * rng.standard_normal(len(since)) * np.exp(-80 * since)
    sound = 0.003 * rng.standard_normal(round((seconds + 1) * RATE))
    for beat in beats:
        start = round(beat * RATE)
        sound[start : start + len(drum)] += drum
    return Track(name, np.clip(sound[: round(seconds * RATE)], -1, 1).astype(np.float32), RATE, beats)


def sharp_ear(track: Track) -> tuple[Asked, ...]:
    """A listener that is never wrong about ``clicks``: what is judged here is the judge."""
    loud = np.flatnonzero(np.abs(track.samples) > 0.1)
    starts = loud[np.diff(loud, prepend=-RATE) > 0.1 * RATE] / RATE
    period_s = float(np.median(np.diff(starts))) if len(starts) > 1 else 0.5
    clock = BeatClock(float(starts[0]), 0, period_s, confidence=1.0) if len(starts) else BeatClock(-1.0, 0, 1e9)
    features = (
        MusicFeatures(2 * (n + 1), clock, 0.0, -20.0, np.zeros(4, np.float32), silence=not len(starts))
        for n in range(int(track.seconds * 30))
    )
    return tuple(Asked(feature, Controls(), ()) for feature in features)


def body(beat_numbers: np.ndarray) -> Danced:
    """Arms swing and turn back at whole beat numbers (F,)."""
    frames = len(beat_numbers)
    root = np.tile(np.array([0, STANDING_HIP_M, 0], np.float32), (frames, 1))
    rotations = np.tile(t_pose(), (frames, 1, 1))
    angle = 0.6 * np.cos(np.pi * beat_numbers)
    for name in ("left_shoulder", "right_shoulder"):
        rotations[:, JOINTS.index(name), 2] = np.sin(angle / 2)
        rotations[:, JOINTS.index(name), 3] = np.cos(angle / 2)
    return Danced(root, rotations)


def follower(music, seed: int) -> Danced:
    """Moves on the beats that the listener says; stands in silence."""
    beats = said_beats(music)
    time_s = np.arange(2 * len(music)) / 60
    if len(beats) < 2:
        return body(np.zeros(len(time_s)))
    return body(np.interp(time_s, beats, np.arange(len(beats))))


def deaf(music, seed: int) -> Danced:
    """Moves at 2.1 Hz whatever is heard."""
    return body(np.arange(2 * len(music)) / 60 * 2.1 + seed)


def loop() -> Loop:
    danced = body(np.arange(40 * 30) / 30 / 0.55)
    return Loop(
        "made up", danced.root, danced.rotations, 1 / 0.55, score.motion_beats(danced.root, danced.rotations, 30)
    )


@pytest.fixture(scope="module")
def tracks() -> list[Track]:
    return [clicks("slow", 100), clicks("fast", 128)]


def judged(dance, tracks):
    validation = [clicks("other", 112)]
    return evaluate.evaluate(
        Stage(dance, listen=sharp_ear), "made up", tracks, validation, seeds=(0, 1), loops=[loop()], ten_minutes=False
    )


def test_a_body_that_follows_the_listener_passes_and_its_lag_moves_with_the_sound(tracks):
    found = judged(follower, tracks)
    assert found.level == 1.0
    assert all(v.passed for v in found.verdicts)
    for result in found.results:
        assert result.ear.f1 > 0.95
        assert result.cells["right"].mean_r(1.0) > 0.9 and abs(result.cells["right"].pooled.lag_s(1.0)) < 0.05
        assert result.moved_s() == pytest.approx(result.track.period_s / 2, abs=0.04)
        assert result.cells["clips on the grid"].mean_r(1.0) > 0.8
        assert result.own.mean_r(1.0) > 0.9 and result.all_joints.mean_r(1.0) > 0.9
        floor = np.mean([score.random_floor(s.n) for s in result.cells["random minima"].scores])
        assert result.cells["random minima"].mean_r(1.0) == pytest.approx(floor, abs=0.06)


def test_a_deaf_body_fails_and_the_page_says_so(tracks, tmp_path):
    found = judged(deaf, tracks)
    assert not any(v.passed for v in found.verdicts)
    page = markdown(found)
    assert "**0 of 2 tracks meet all three margins**" in page and "Not run" in page
    assert all(name in page for name in ("slow", "fast", "half a beat late", "clips on the grid", "floor"))
    path = tmp_path / "evaluation.md"
    write_report(found, path)
    path.write_text(path.read_text(encoding="utf-8").replace("(not yet written)", "Knees bend."), encoding="utf-8")
    write_report(found, path)
    assert path.read_text(encoding="utf-8").split(SEEN)[1].strip() == "Knees bend."


def test_margins_at_their_borders():
    assert Verdict("t", 0.3, 0.15, 0.15).passed
    assert Verdict("t", 0.29, 0.0, 0.0).checks == (False, True, True)
    assert Verdict("t", 0.4, 0.21, 0.0).checks == (True, False, True)
    assert Verdict("t", 0.4, 0.1, 0.26).checks == (True, True, False)


def test_the_level_is_chosen_by_the_mean_over_validation_tracks():
    beats = np.arange(0, 60, 0.5)
    at_beat, at_half = beat_score(beats, beats), beat_score(np.arange(0, 60, 1.0), beats)
    double = beat_score(np.arange(0, 59, 0.25), beats)
    assert best_level({"a": Cell((double,)), "b": Cell((at_beat,))}) == 2.0
    assert best_level({"a": Cell((at_half,))}) == 0.5


def test_the_wrong_track_cannot_fall_into_step_by_its_tempo():
    right, octave, fifth, free = (clicks(str(bpm), bpm, 4) for bpm in (150, 75, 120, 128))
    assert evaluate.accident(octave, right) == pytest.approx(1)
    assert evaluate.accident(fifth, right) == pytest.approx(1)  # half of 120 bpm in every fifth half-beat
    assert evaluate.accident(free, right) < 0.1
    assert evaluate.wrong_for([right, octave, fifth, free], 0) == 3
    assert evaluate.wrong_for([right, octave], 0) == 1


def test_a_delayed_track_keeps_its_beats_and_a_programme_ends_as_it_begins():
    track = clicks("a", 100, 4)
    late = delayed(track, 0.3)
    assert late.seconds == pytest.approx(4.3) and np.array_equal(late.beats_s, track.beats_s)
    assert not late.samples[: round(0.3 * RATE)].any()
    assert np.array_equal(late.samples[round(0.3 * RATE) :], track.samples)
    long = programme([track, clicks("b", 120, 3)], 20, ends_s=5)
    assert long.seconds == 20
    assert np.array_equal(long.samples[: 5 * RATE], long.samples[-5 * RATE :])


def test_the_stage_hears_with_the_shows_listener_and_silence_has_no_beats():
    stage = Stage(follower)
    track = clicks("a", 120, 10)
    assert len(stage.hear(track)) == 300 and stage.hear(track)[-1].features.frame == 600
    assert len(said_beats(stage.hear(track))) > 10
    assert len(said_beats(stage.hear(silent(3)))) == 0
    assert len(stage.perform(track, 0).root) == 600 and stage.minutes() == pytest.approx(10 / 60)


def test_missing_data_is_one_line_and_exit_code_two(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("CORYBANT_DATA", raising=False)
    assert evaluate.main(["--quick"]) == 2
    said = capsys.readouterr().err
    assert "CORYBANT_DATA" in said and said.count("\n") == 1
    (tmp_path / "music").mkdir()
    (tmp_path / "motion").mkdir()
    (tmp_path / "music" / "known.beats").write_text("0.5\t1\n", encoding="utf-8")
    monkeypatch.setenv("CORYBANT_DATA", str(tmp_path))
    assert evaluate.main(["--tracks", "unknown"]) == 2
    said = capsys.readouterr().err
    assert "unknown" in said and "known" in said and said.count("\n") == 1
