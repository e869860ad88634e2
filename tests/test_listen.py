"""The listener on made-up clips and two short CC0 tracks: beats predicted, levels, silence, exact repetition."""

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from engine.listen import Front, ListenState, listen_step, start_listening
from engine.sources import open_file
from engine.types import LISTEN_HOP, LISTEN_RATE_HZ, MODEL_HZ, MusicFeatures

DATA = Path(__file__).parent / "data"


def drums(seconds: float, bpm: float, first_s: float = 0.25, level: float = 0.7) -> np.ndarray:
    """Kick on every beat, snare on every second, hats on eighths, at 24 kHz, (N,) float32."""
    rng, rate = np.random.default_rng(0), LISTEN_RATE_HZ
    sound = rng.normal(scale=1e-4, size=round(seconds * rate))
    n = np.arange(rate // 5) / rate
    kick = np.sin(2 * np.pi * (50 * n + 4 * (1 - np.exp(-n / 0.02)))) * np.exp(-n / 0.06)
    hat = 0.05 * rng.normal(size=len(n)) * np.exp(-n / 0.01)
    snare = 0.3 * rng.normal(size=len(n)) * np.exp(-n / 0.05) + 0.3 * np.sin(2 * np.pi * 190 * n) * np.exp(-n / 0.05)
    for k in range(int((seconds - first_s) * bpm / 60)):
        beat = kick + hat + (k % 2) * snare
        for stroke, at_s in ((beat, k * 60 / bpm), (hat, (k + 0.5) * 60 / bpm)):
            at = round((first_s + at_s) * rate)
            sound[at : at + len(n)] += stroke[: max(len(sound) - at, 0)]
    return (level * sound).astype(np.float32)


def hear(sound: np.ndarray, state: ListenState | None = None) -> tuple[ListenState, list[MusicFeatures]]:
    state = state or start_listening()
    out = []
    for at in range(0, len(sound) - LISTEN_HOP + 1, LISTEN_HOP):
        state, features = listen_step(state, sound[at : at + LISTEN_HOP])
        out.append(features)
    return state, out


def numbers(features: MusicFeatures) -> tuple:
    rest = {k: v for k, v in dataclasses.asdict(features).items() if k != "bands"}
    return str(rest), features.bands.tobytes()


def predictions(heard: list[MusicFeatures], ahead_s: float) -> np.ndarray:
    """Beat times as they stood ``ahead_s`` before they fell."""
    times: dict[int, float] = {}
    for features in heard:
        due_s = features.frame / 60 + ahead_s
        number = int(np.ceil(features.beat.beats_at(due_s)))
        times.setdefault(number, float(features.beat.time_of(number)))
    return np.array(list(times.values()))


def error_s(beats: np.ndarray, bpm: float, first_s: float) -> np.ndarray:
    phase = (beats - first_s) * bpm / 60
    return (phase - np.rint(phase)) * 60 / bpm


@pytest.mark.parametrize("bpm", [84.0, 100.0, 124.0, 140.0])
def test_beats_of_a_drum_machine_are_predicted(bpm):
    _, heard = hear(drums(14.0, bpm))
    last = heard[-1].beat
    assert abs(last.bpm / bpm - 1) < 0.01
    assert last.confidence > 0.8
    for ahead_s in (0.0, 0.5):
        beats = predictions(heard, ahead_s)
        error = error_s(beats[(beats > 6) & (beats < 14)], bpm, 0.25)
        assert len(error) > 8 and np.abs(error).max() < 0.03 and abs(np.median(error)) < 0.012


@pytest.mark.parametrize(("name", "bpm"), [("hiphop_86.ogg", 86.0), ("reggaeton_92.ogg", 92.0)])
def test_beats_of_real_tracks_are_predicted(name, bpm):
    source = open_file(str(DATA / name))
    front, state, heard = Front(source.rate), start_listening(), []
    for block in source:
        for frame in front.push(block):
            state, features = listen_step(state, frame.samples, frame.gap)
            heard.append(features)
    beats = predictions(heard, 0.0)
    error = error_s(beats[(beats > 6) & (beats < 15.5)], bpm, 0.5)
    assert len(error) > 10 and np.mean(np.abs(error) < 0.07) > 0.9 and abs(np.median(error)) < 0.012


def test_loudness_of_the_music_changes_nothing_that_matters():
    loud, quiet = hear(drums(10.0, 110.0))[1][-1], hear(drums(10.0, 110.0, level=0.02))[1][-1]
    assert abs(loud.beat.anchor_s - quiet.beat.anchor_s) < 0.005
    assert abs(loud.loudness_db - quiet.loudness_db - 20 * np.log10(0.7 / 0.02)) < 0.5
    np.testing.assert_allclose(loud.bands, quiet.bands, atol=0.15)


def test_frames_count_never_falls_and_clock_is_whole():
    sound = np.concatenate(
        [drums(6.0, 120.0), drums(6.0, 87.0), np.zeros(3 * LISTEN_RATE_HZ, np.float32), drums(6.0, 150.0)]
    )
    _, heard = hear(sound)
    assert [features.frame for features in heard] == [2 * (n + 1) for n in range(len(heard))]
    counts = [features.beat.count for features in heard]
    assert (np.diff(counts) >= 0).all() and counts[-1] > 20
    for features in heard:
        beat = features.beat
        assert 0.25 < beat.period_s < 1.25 and 0 <= beat.confidence <= 1
        assert abs(beat.beats_at(features.frame / 60) - beat.count) < 1.01
        assert features.bands.shape == (4,) and features.bands.dtype == np.float32
        assert 0 <= features.onset <= 1 and features.bands.min() >= 0 and features.bands.max() <= 1
        assert 0 <= features.energy <= 1 and features.loudness_db >= -100


def test_nothing_is_invented_in_silence():
    _, heard = hear(np.zeros(8 * LISTEN_RATE_HZ, np.float32))
    assert all(f.silence and f.beat.confidence < 0.2 and f.energy == 0 and f.onset == 0 for f in heard)
    assert heard[-1].loudness_db == -100


def test_tempo_coasts_through_silence_with_falling_confidence_and_comes_back():
    sound = np.concatenate([drums(12.0, 120.0), np.zeros(8 * LISTEN_RATE_HZ, np.float32), drums(8.0, 100.0)])
    _, heard = hear(sound)
    at = {s: heard[s * MODEL_HZ - 1] for s in (12, 14, 20, 28)}
    assert at[12].beat.confidence > 0.8 and not at[12].silence
    assert at[14].silence and at[14].beat.confidence < at[12].beat.confidence
    assert abs(at[14].beat.bpm - 120) < 3
    assert at[20].beat.confidence < 0.2
    assert abs(at[28].beat.bpm - 100) < 2 and at[28].beat.confidence > 0.6 and not at[28].silence


def test_a_gap_is_coasted_over_without_an_onset():
    sound = drums(14.0, 120.0)
    state, _ = hear(sound[: 10 * LISTEN_RATE_HZ])
    before = state.clock
    for _ in range(15):
        state, features = listen_step(state, np.zeros(LISTEN_HOP, np.float32), gap=True)
        assert features.onset == 0 and not features.bands.any()
    assert abs(error_s(np.array([state.clock.anchor_s]), 120.0, 0.25)[0]) < 0.03
    assert state.clock.confidence < before.confidence


def test_energy_follows_the_last_half_minute():
    quiet, loud = drums(12.0, 120.0, level=0.05), drums(12.0, 120.0, level=0.6)
    _, heard = hear(np.concatenate([loud, quiet, loud]))
    energy = np.array([f.energy for f in heard])
    assert energy[8 * 30 : 11 * 30].mean() > energy[20 * 30 : 23 * 30].mean() + 0.3
    assert energy[32 * 30 : 35 * 30].mean() > 0.6


def test_noise_has_no_beat_to_be_sure_of():
    noise = np.random.default_rng(3).normal(scale=0.1, size=20 * LISTEN_RATE_HZ).astype(np.float32)
    _, heard = hear(noise)
    assert np.mean([f.beat.confidence for f in heard[150:]]) < 0.45


def test_step_is_pure_and_repeats_to_the_last_bit():
    sound = drums(5.0, 118.0)
    state, first = hear(sound)
    half = LISTEN_HOP * 70
    kept, _ = hear(sound[:half])
    snapshot = pickle.dumps(kept)
    _, again = hear(sound[half:], kept)
    assert [numbers(f) for f in again] == [numbers(f) for f in first[70:]]
    assert pickle.dumps(kept) == snapshot
    _, restored = hear(sound[half:], pickle.loads(snapshot))
    assert [numbers(f) for f in restored] == [numbers(f) for f in first[70:]]
    assert pickle.dumps(hear(sound)[0]) == pickle.dumps(state)


def test_other_frame_sizes_are_refused():
    with pytest.raises(ValueError, match="shape"):
        listen_step(start_listening(), np.zeros(801, np.float32))
