"""The ear's training material: labels stand where the sound is, through everything that is done to it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.listen.mel import MEL_BANDS
from engine.types import LISTEN_RATE_HZ
from realtime_models.training.ear import augment, drumming, human, pack, render, sampler, score, songs, speech, tempo
from realtime_models.training.ear.instruments import Drum
from realtime_models.training.ear.score import Event, Grid, Labels, Note, Part, Song, labels_of, no_spans
from realtime_models.training.ear.style_table import STYLES
from realtime_models.training.ear.styles import EDM, KIND_OF

RATE = LISTEN_RATE_HZ
WITHIN_S = 0.002


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No soundfont, no drummers, no voices of this machine: what is made here is made of numpy."""
    monkeypatch.setattr(sampler, "fonts", lambda: ())
    monkeypatch.setattr(human, "performances", lambda validation: ())
    monkeypatch.setattr(speech.shutil, "which", lambda name: None)
    monkeypatch.setattr(speech, "_prompts", lambda: ())


def drum_song(grid: Grid, role: str = "kick", seed: int = 5) -> Song:
    beats = len(grid.beats_s) - 1
    part = Part("drums", Drum(role, seed=seed), tuple(Note(float(k), 0.2, role, 1.0) for k in range(beats)))
    return Song("test", grid, (part,), float(beats), ((0.0, Event.PHRASE), (float(beats), Event.END)))


def attack_near(audio: np.ndarray, time_s: float, reach_s: float = 0.03, share: float = 0.2) -> float:
    """The time [s] of the first sample that reaches ``share`` of the peak within ``reach_s`` of ``time_s``."""
    first = max(0, round((time_s - reach_s) * RATE))
    near = np.abs(audio[first : round((time_s + reach_s) * RATE)])
    return (first + int(np.argmax(near >= share * near.max()))) / RATE


def test_grid_by_hand():
    grid = tempo.grid_of(np.array([0.5, 0.5, 0.4, 0.4]), meter=3, first_s=0.1)
    assert np.allclose(grid.beats_s, [0.1, 0.6, 1.1, 1.5, 1.9])
    assert grid.numbers.tolist() == [1, 2, 3, 1, 2]
    # half of beat 2 (1.1 to 1.5), one beat before the start at 0.5 s a beat, one after the end at 0.4
    assert np.allclose(grid.time_of(np.array([2.5, -1.0, 5.0])), [1.3, -0.4, 2.3])


def test_swing_by_hand():
    assert drumming.swung(1.0, 0.66, 0.5) == pytest.approx(1.0)
    assert drumming.swung(1.5, 0.66, 0.5) == pytest.approx(1.66)
    assert drumming.swung(1.25, 0.66, 0.5) == pytest.approx(1.33)  # half way to the swung eighth
    assert drumming.swung(0.25, 0.6, 0.25) == pytest.approx(0.3)  # the second sixteenth: 0.6 of half a beat
    assert drumming.swung(2 / 3, 0.6, 0.5, knot=2 / 3) == pytest.approx(0.6)  # written in threes


def test_spans_by_hand():
    times = np.array([0.0, 0.5, 1.0, 5.0, 5.5, 6.0, 9.0])
    assert score.spans_of(times, 0.6).tolist() == [[0.0, 1.0], [5.0, 6.0]]  # one attack alone is no stretch
    labels = Labels(
        np.array([1.0, 2.0]),
        np.array([1, 2]),
        4,
        np.array([[0.5, 3.0]]),
        no_spans(),
        no_spans(),
        ((2.0, Event.DROP),),
        4.0,
    )
    cut = labels.cut(1.5, 3.5)
    assert cut.beats_s.tolist() == [0.5] and cut.numbers.tolist() == [2]
    assert cut.pulse.tolist() == [[0.0, 1.5]] and cut.events == ((0.5, Event.DROP),)
    assert labels.then(cut).beats_s.tolist() == [1.0, 2.0, 4.5]
    assert labels.scaled(2.0).pulse.tolist() == [[1.0, 6.0]]
    # looks end at 1/60, 2/60, ...: within [0.03, 0.07] lie 2/60, 3/60, 4/60
    assert pack.flags(np.array([[0.03, 0.07]]), 6).tolist() == [0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("role", ["kick", "snare", "clap", "hat", "rim", "conga_hi", "cowbell"])
def test_beats_fall_on_attacks_through_changes_of_tempo(role):
    rng = np.random.default_rng(3)
    for periods_s in (tempo.constant(128, 16), tempo.drifting(97, 16, rng, 0.02), tempo.ramp(110, 16, rng)):
        song = drum_song(tempo.grid_of(periods_s, 4, 0.2), role)
        audio = render.render(song, 1)
        labels = labels_of(song, len(audio) / RATE)
        found = [attack_near(audio, time_s) for time_s in labels.beats_s[:-1]]
        assert np.abs(np.array(found) - labels.beats_s[:-1]).max() < WITHIN_S


def test_labels_survive_resampling():
    song = drum_song(tempo.grid_of(tempo.constant(120, 20), 4, 0.2))
    audio = render.render(song, 1)
    heard = augment.Heard(audio, labels_of(song, len(audio) / RATE))
    for factor in (0.93, 1.07):
        changed = augment.speed(heard, factor)
        assert np.allclose(np.diff(changed.labels.beats_s), 0.5 / factor)
        assert len(changed.audio) / RATE == pytest.approx(changed.labels.seconds, abs=1e-3)
        found = [attack_near(changed.audio, time_s) for time_s in changed.labels.beats_s[:-1]]
        assert np.abs(np.array(found) - changed.labels.beats_s[:-1]).max() < WITHIN_S


def test_augmentation_keeps_attacks_in_place():
    """Clicks through the whole chain; judged where nothing else sounds (no noise, no voice laid over)."""
    count = 12 * RATE
    clicks = np.zeros(count, np.float32)
    times_s = np.arange(1, 11) * 1.0
    shape = np.exp(-np.arange(240) / 40) * np.sin(np.arange(240) * 0.9 + 1)
    for time_s in times_s:
        clicks[round(time_s * RATE) :][:240] = shape
    labels = Labels(times_s, np.ones(10, int), 4, no_spans(), no_spans(), no_spans(), (), 12.0)
    judged = set()
    for seed in range(160):
        changed = augment.augment(augment.Heard(clicks, labels), np.random.default_rng(seed), mild=False)
        words = " ".join(changed.done)
        if any(
            word in words
            for word in ("dB room", "pink", "white", "crowd", "hum", "vinyl", "wind", "applause", "speech")
        ):
            continue
        judged |= {word.split()[0] for word in changed.done}
        for time_s in changed.labels.beats_s:
            # the direct sound comes first; a hall's tail may be louder than its 20 %, but never earlier
            assert abs(attack_near(changed.audio, time_s, share=0.3) - time_s) < WITHIN_S, changed.done
    assert judged >= {"speed", "room", "eq", "band", "compressor", "clipped", "comb", "dj", "gain"}


def test_gain_and_clipping_stay_in_range():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 6 * RATE).astype(np.float32)
    heard = augment.Heard(noise, score.silence_labels(6.0))
    peaks = []
    for seed in range(40):
        changed = augment.augment(heard, np.random.default_rng(seed), mild=bool(seed % 2))
        peaks.append(float(np.abs(changed.audio).max()))
        clipped = np.mean(np.abs(changed.audio) > 0.999 * peaks[-1])
        if not any(word.startswith("clipped") for word in changed.done):
            assert clipped < 1e-3
    assert max(peaks) <= 1.0 and min(peaks) >= 0.99 * 10 ** (-40 / 20) * 0.99


def test_speech_over_music_is_labelled_and_heard():
    count = 30 * RATE
    heard = augment.Heard(np.full(count, 0.01, np.float32), score.silence_labels(30.0))
    spoken = []
    for seed in range(60):
        changed = augment.augment(heard, np.random.default_rng(seed), mild=False)
        if len(changed.labels.speech):
            spoken.append(seed)
            assert any(word.startswith("speech") for word in changed.done)
            assert changed.labels.speech.max() <= changed.labels.seconds + 1e-6
    assert spoken


@pytest.mark.parametrize("genre", sorted(STYLES))
def test_every_style_counts_its_bars(genre):
    song = songs.compose(genre, 7, 20.0, ())
    labels = labels_of(song, float(song.grid.time_of(song.end_beat)) + 1)
    downbeats = np.flatnonzero(labels.numbers == 1)
    assert song.grid.meter == STYLES[genre].meter
    assert (np.diff(downbeats) == song.grid.meter).all() and downbeats[0] == 0
    assert np.diff(labels.beats_s).min() > 60 / 300
    assert len(song.parts) and all(note.at < song.end_beat for part in song.parts for note in part.notes)


def test_events_stand_on_downbeats_and_a_drop_brings_the_drums():
    drops = 0
    for seed in range(30):
        genre = ["house", "trance", "dnb", "dubstep", "trap"][seed % 5]
        assert STYLES[genre].form == EDM
        song = songs.compose(genre, seed, 60.0, ())
        for at, kind in song.events:
            if kind != Event.END:
                assert at % song.grid.meter == 0
            if kind == Event.DROP:
                drops += 1
                struck = [note.at for part in song.parts if part.group == "drums" for note in part.notes]
                assert any(at <= place < at + song.grid.meter for place in struck)
    assert drops > 5


def test_a_build_gets_denser():
    notes = drumming.build(0.0, 16, np.random.default_rng(4), "snare")
    at = np.array([note.at for note in notes])
    assert at.min() == 0.0 and at.max() < 16
    assert np.sum(at >= 8) > np.sum(at < 8)


def test_off_beat_styles_are_loud_off_the_beat():
    """Open hats on every "and" and the kick turned down: more energy rises between the beats than on them."""
    grid = tempo.grid_of(tempo.constant(125, 32), 4, 0.1)
    notes = tuple(Note(k + 0.5, 0.2, "open", 1.0) for k in range(32))
    song = drum_song(grid)
    quiet = replace(song.parts[0], gain_db=-14.0)
    audio = render.render(replace(song, parts=(quiet, Part("drums", Drum("open", seed=2), notes, 6.0))), 1)
    at = (grid.time_of(np.arange(32)) * RATE).astype(int)
    off = (grid.time_of(np.arange(32) + 0.5) * RATE).astype(int)
    energy = [np.mean([np.mean(np.diff(audio[k : k + 1200]) ** 2) for k in place]) for place in (at, off)]
    assert energy[1] > 2 * energy[0]


def test_takes_are_centred_and_miscounted_ones_found():
    strokes = [Note(k - 0.02, 0.2, "kick" if k % 4 == 0 else "snare", 0.9) for k in range(16)]
    centred = human.centred(strokes)
    assert np.allclose([note.at for note in centred], np.arange(16))
    assert human.is_counted(centred, "rock", 4)
    late = tuple(Note(k, 0.2, "kick", 0.9) for k in range(64) if k % 4 == 1)
    assert not human.is_counted(late, "rock", 4)
    take = human.Performance("take", "drummer", "rock", 100.0, 4, centred, bars=4)
    assert [note.at for note in take.notes(20)] == pytest.approx(list(range(20)))  # chained after 16


def test_pieces_are_deterministic_and_differ():
    one, also, other = (pack.piece_of(seed, False, ())[0] for seed in (12, 12, 13))
    assert np.array_equal(one.audio, also.audio) and np.array_equal(one.labels.beats_s, also.labels.beats_s)
    assert len(one.audio) != len(other.audio) or not np.array_equal(one.audio, other.audio)


def test_pack_writes_what_the_contract_says_and_resumes(tmp_path):
    first = [pack.make((tmp_path, 3, number)) for number in range(3)]
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 3 * pack.VARIANTS and not list(tmp_path.glob("*.part"))
    for path in files:
        with np.load(path) as made:
            looks, info = len(made["mel"]), json.loads(str(made["info"]))
            assert made["mel"].dtype == np.uint8 and made["mel"].shape == (looks, MEL_BANDS)
            assert all(made[name].shape == (looks,) for name in ("pulse", "drums", "speech"))
            assert len(made["beats_s"]) == len(made["beat_number"]) and (np.diff(made["beats_s"]) > 0).all()
            assert len(made["events_s"]) == len(made["events_kind"])
            assert info["split"] in ("train", "val") and info["genre"]
    stamps = [path.stat().st_mtime_ns for path in files]
    assert [pack.make((tmp_path, 3, number)) for number in range(3)] == pytest.approx(first)
    assert [path.stat().st_mtime_ns for path in files] == stamps


def test_silence_has_no_pulse_and_a_gap_is_kept():
    song = drum_song(tempo.grid_of(tempo.constant(120, 16), 4, 0.2))
    audio = render.render(song, 1)
    heard = augment.Heard(audio, labels_of(song, len(audio) / RATE))
    both = pack.joined(pack.joined(heard, pack.silence(5.0)), heard)
    arrays = pack.arrays_of(both, {})
    middle = round((heard.labels.seconds + 2.5) * 60)
    assert arrays["pulse"][middle] == 0 and arrays["drums"][middle] == 0 and arrays["mel"][middle].max() == 0
    assert arrays["pulse"][60] == 1 and arrays["drums"][60] == 1
    gap_s = np.diff(arrays["beats_s"]).max()
    assert gap_s > 5.0
    assert np.sort(np.diff(arrays["beats_s"]))[-2] == pytest.approx(0.5)


def test_kinds_name_existing_styles_once():
    named = [style for styles in KIND_OF.values() for style in styles.split()]
    assert len(named) == len(set(named))
    assert set(STYLES) - set(named) == {"breakbeat", "drumsonly"}


def test_bad_arguments_end_with_one_line(tmp_path, capsys):
    assert pack.main(["--out", str(tmp_path), "--hours", "0"]) == 2
    assert capsys.readouterr().err.startswith("error: --hours 0")


def test_soundfont_notes_start_at_their_sample(needs):
    needs.module("fluidsynth", "pip install pyfluidsynth; apt-get install libfluidsynth3")
    font = next((name for name in sampler.FONTS if sampler._path(name)), None)
    if font is None:
        needs.absent("a soundfont", "apt-get install fluid-soundfont-gm")
    for pitch in (36, 38, 42):
        wave = sampler.sampler().note(font, sampler.DRUM_BANK, 0, pitch, 0.9, 0.2, 0.5)
        peak = np.abs(wave[: RATE // 12]).max()
        assert peak > 0.01
        assert np.argmax(np.abs(wave) > 0.15 * peak) / RATE < WITHIN_S
