"""A whole evaluation on made-up songs and four real clips, by the shipped model: everybody dances, all is measured."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_models.training.judge import findings, measures, programme, table
from realtime_models.training.judge.dances import Company, Heard, Job, perform_all, portions
from realtime_models.training.judge.evaluate import main
from realtime_models.training.judge.page import SEEN, read_page
from realtime_models.training.judge.publish import publish
from realtime_models.training.judge.systems.clips_on_grid import Loop
from realtime_models.training.judge.systems.model import read_track
from tests.dance_clips import DANCES, read_dances, read_pose

RATE, SECONDS = 24_000, 22.0


def write_song(folder: Path, name: str, bpm: float) -> None:
    """Kicks on the beat, NAME.ogg and NAME.beats."""
    beats = np.arange(0.3, SECONDS - 0.5, 60 / bpm)
    sound, kick_s = np.zeros(round(SECONDS * RATE)), np.arange(2400) / RATE
    kick = np.sin(2 * np.pi * (60 * kick_s + 40 * np.exp(-kick_s * 40) / 40)) * np.exp(-kick_s * 25)
    for beat in beats:
        at = round(beat * RATE)
        sound[at : at + len(kick)] += 0.8 * kick
    soundfile.write(folder / f"{name}.ogg", sound, RATE)
    lines = (f"{beat:.4f}\t{1 + k % 4}\n" for k, beat in enumerate(beats))
    (folder / f"{name}.beats").write_text("".join(lines))


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for name, bpm in (("slow", 96.0), ("fast", 125.0), ("other", 110.0)):
        write_song(folder, name, bpm)
    return folder


@pytest.fixture(scope="module")
def found(songs) -> findings.Findings:
    clips = [
        Loop(name, *(a.astype(np.float32) for a in read_pose(name)), 1.8, np.arange(0.2, 25, 0.55)) for name in DANCES
    ]
    heard = programme.read_songs(songs, ["slow", "fast", "other"])
    material = findings.Material(heard, ("other",), clips, read_dances(), ())
    return findings.evaluate(Company(songs), material, identity="made up", seeds=(0,), workers=1, long=False)


def test_every_system_has_a_column_and_controls_fail(found):
    assert found.table.systems == (
        table.REAL, "ours", "ours without music", "clips on the grid", "motion graph", "shuffled clips", "frozen pose",
        "random minima",
    )  # fmt: skip
    assert found.songs_scored == ("slow", "fast")
    assert table.verdict(found.table, "frozen pose").failed
    frozen = next(c for c in measures.CONTROLS if c.system == measures.FROZEN)
    assert table.check(found.table, frozen).holds
    assert found.table.cell("beat_r", "frozen pose").value == 0.0


def test_the_motion_graph_knows_the_beats(found):
    assert found.table.cell("beat_r", "motion graph").value > 0.3


def test_controls_are_paired_song_by_song(found):
    assert [p.control for p in found.pairings] == [
        "wrong music", "silence", "no music told", "music half a beat late (F1)",
    ]  # fmt: skip
    assert all(p.n == 2 and 0 < p.p <= 1 for p in found.pairings)


def test_the_page_has_verdict_table_and_pictures_and_keeps_what_was_written_by_hand(found, tmp_path):
    (tmp_path / "evaluation.md").write_text(f"old\n\n{SEEN}\n\nKnees are sound.\n")
    publish(found, tmp_path, shown=1)
    page = (tmp_path / "evaluation.md").read_text()
    assert "Knees are sound." in page and "## Verdict" in page and "old" not in page.split("##")[0]
    for line in page.splitlines():
        if line.startswith("!["):
            assert (tmp_path / line.split("](")[1].rstrip(")")).stat().st_size > 1000
    assert read_page(tmp_path / "evaluation.json").table == found.table


def test_jobs_are_shared_in_portions_of_one_song_and_none_is_lost():
    jobs = programme.jobs_of(["a", "b"], ["v"], (0, 1, 2))
    parts = portions(jobs)
    assert sorted(j.key for part in parts for j in part) == sorted({j.key for j in jobs})
    assert all(len({(j.tracks, j.heard) for j in part}) == 1 and len(part) <= 5 for part in parts)
    assert parts[0][0].heard is Heard.PROGRAMME, "the longest first"


def test_two_processes_dance_as_one_does(songs):
    jobs = [Job(("slow",), heard, 0, 3.0) for heard in (Heard.SONG, Heard.NOTHING)]
    alone, shared = (perform_all(jobs, Company(songs), workers=n) for n in (1, 2))
    for job in jobs:
        assert np.array_equal(alone[job].rotations, shared[job].rotations)
    assert not np.array_equal(alone[jobs[0]].rotations, alone[jobs[1]].rotations)


def test_the_wrong_song_cannot_look_right_by_an_accident_of_tempo(songs):
    tracks = [read_track(songs, name) for name in ("slow", "fast", "other")]
    chosen = programme.wrong_songs(tracks)
    for track in tracks:
        others = [t for t in tracks if t is not track]
        best = min(programme.accident(t, track) for t in others)
        assert chosen[track.name] != track.name
        assert programme.accident(next(t for t in others if t.name == chosen[track.name]), track) == best


def test_files_of_others_come_into_the_table(tmp_path, monkeypatch, capsys, songs):
    monkeypatch.delenv("CORYBANT_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    motions = tmp_path / "motions"
    motions.mkdir()
    np.savez(motions / "slow.npz", positions=read_dances()[0].positions.astype(np.float32), fps=30.0)
    assert main(["--motion", str(motions), "--audio", str(songs), "--name", "another system"]) == 0
    said = capsys.readouterr()
    assert "another system" in said.out and "R, right music" in said.out and "foot slide" in said.out
    assert "no distances to real dance" in said.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [(["--motion", "nowhere"], "nowhere"), (["--songs", "slow"], "two songs"), (["--songs", "a", "b"], "no track")],
)
def test_wrong_arguments_end_in_one_line(words, reason, monkeypatch, capsys, tmp_path):
    (tmp_path / "motion").mkdir()
    (tmp_path / "music").mkdir()
    monkeypatch.setenv("CORYBANT_DATA", str(tmp_path))
    assert main(words) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert reason in said[-1] and said[-1].startswith("evaluate: ")
