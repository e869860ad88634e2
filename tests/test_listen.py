"""The listener around a made-up ear, on made-up clips: beats predicted, levels, silence, exact repetition."""

import dataclasses
import pickle

import numpy as np
import pytest
from doubles import LoudEar

from engine.listen import ListenState, listen_step, start_listening
from engine.listen.ask import Clamp, Double, Halve, Lock, Nudge
from engine.listen.outside import OutsideClock
from engine.listen.track import standing_at
from engine.types import LISTEN_HOP, LISTEN_RATE_HZ, MODEL_HZ, MusicFeatures

EAR = LoudEar()


def drums(seconds: float, bpm: float, first_s: float = 0.25, level: float = 0.7) -> np.ndarray:
    """Kick on every beat, snare on every second, hats on eighths, at 24 kHz, (N,) float32."""
    rng, rate = np.random.default_rng(0), LISTEN_RATE_HZ
    sound = rng.normal(scale=1e-4, size=round(seconds * rate))
    n = np.arange(rate // 5) / rate
    kick = np.sin(2 * np.pi * (50 * n + 4 * (1 - np.exp(-n / 0.02)))) * np.exp(-n / 0.06)
    hat = 0.05 * rng.normal(size=len(n)) * np.exp(-n / 0.01)
    snare = 0.3 * rng.normal(size=len(n)) * np.exp(-n / 0.05) + 0.3 * np.sin(2 * np.pi * 190 * n) * np.exp(-n / 0.05)
    strike = 0.1 * rng.normal(size=len(n)) * np.exp(-n / 0.02)
    for k in range(int((seconds - first_s) * bpm / 60)):
        beat = kick + hat + strike + (k % 2) * snare
        for stroke, at_s in ((beat, k * 60 / bpm), (0.2 * hat, (k + 0.5) * 60 / bpm)):
            at = round((first_s + at_s) * rate)
            sound[at : at + len(n)] += stroke[: max(len(sound) - at, 0)]
    return (level * sound).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * LISTEN_RATE_HZ), np.float32)


def hear(
    sound: np.ndarray, state: ListenState | None = None, asks: dict | None = None, outside: OutsideClock | None = None
) -> tuple[ListenState, list[MusicFeatures]]:
    """``asks``: seconds from here -> asks."""
    state = state or start_listening(EAR)
    due = {round(at_s * MODEL_HZ): what for at_s, what in (asks or {}).items()}
    out = []
    for number, at in enumerate(range(0, len(sound) - LISTEN_HOP + 1, LISTEN_HOP)):
        state, features = listen_step(
            EAR, state, sound[at : at + LISTEN_HOP], asks=due.get(number, ()), outside=outside
        )
        out.append(features)
    return state, out


def numbers(features: MusicFeatures) -> tuple:
    arrays = {k: getattr(features, k).tobytes() for k in ("bands", "embedding")}
    rest = {k: v for k, v in dataclasses.asdict(features).items() if k not in arrays}
    return str(rest), arrays


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


@pytest.mark.parametrize("bpm", [70.0, 100.0, 140.0, 174.0])
def test_beats_of_a_drum_machine_are_predicted(bpm):
    _, heard = hear(drums(12.0, bpm))
    last = heard[-1].beat
    assert abs(last.bpm / bpm - 1) < 0.01
    assert last.confidence > 0.5
    for ahead_s in (0.0, 0.5):
        beats = predictions(heard, ahead_s)
        error = error_s(beats[(beats > 5) & (beats < 12)], bpm, 0.25)
        assert len(error) > 7 and np.abs(error).max() < 0.04 and abs(np.median(error)) < 0.015


def test_loudness_of_the_music_changes_nothing_that_matters():
    loud, quiet = hear(drums(9.0, 110.0))[1][-1], hear(drums(9.0, 110.0, level=0.1))[1][-1]
    assert abs(error_s(np.array([quiet.beat.anchor_s]), 110.0, loud.beat.anchor_s)[0]) < 0.02
    assert abs(loud.loudness_db - quiet.loudness_db - 20 * np.log10(7)) < 0.5
    assert abs(loud.loudness_long_db - quiet.loudness_long_db - 20 * np.log10(7)) < 0.5
    np.testing.assert_allclose(loud.bands, quiet.bands, atol=0.15)


def test_frames_count_never_falls_and_clock_is_whole():
    _, heard = hear(np.concatenate([drums(6.0, 120.0), drums(6.0, 87.0), silence(3), drums(6.0, 150.0)]))
    assert [features.frame for features in heard] == [2 * (n + 1) for n in range(len(heard))]
    counts = [features.beat.count for features in heard]
    assert (np.diff(counts) >= 0).all() and counts[-1] > 20
    for features in heard:
        beat = features.beat
        assert 0.25 < beat.period_s < 1.25 and 0 <= beat.confidence <= 1 and 0 <= beat.bar_confidence <= 1
        assert 0 <= beat.beat_in_bar <= beat.meter and 2 <= beat.meter <= 7
        assert abs(beat.beats_at(features.frame / 60) - beat.count) < 1.01
        assert features.bands.shape == (4,) and features.bands.dtype == np.float32
        assert 0 <= features.onset <= 1 and features.bands.min() >= 0 and features.bands.max() <= 1
        assert 0 <= features.energy <= 1 and features.loudness_db >= -100
        assert 0 <= features.is_speech <= 1 and 0 <= features.pulse <= 1 and features.embedding.shape == (4,)


def test_the_clock_of_steady_music_never_jumps():
    _, heard = hear(drums(16.0, 126.0))
    at = np.array([features.frame / 60 for features in heard[5 * MODEL_HZ :]])
    beats = [features.beat.beats_at(t) for features, t in zip(heard[5 * MODEL_HZ :], at, strict=True)]
    speed = np.diff(beats) * 60 * MODEL_HZ / 126
    assert np.abs(speed - 1).max() < 0.25  # a jump of a tenth of a beat would be 1.4


def test_nothing_is_invented_in_silence():
    _, heard = hear(silence(8))
    assert all(f.silence and f.beat.confidence < 0.15 and f.energy == 0 and f.onset == 0 for f in heard)
    assert all(f.section.began == () and f.section.phase == "plain" for f in heard)
    assert heard[-1].loudness_db == heard[-1].loudness_long_db == -100


def test_tempo_coasts_through_silence_with_falling_confidence_and_comes_back():
    _, heard = hear(np.concatenate([drums(12.0, 120.0), silence(8), drums(8.0, 100.0)]))
    at = {s: heard[s * MODEL_HZ - 1] for s in (12, 14, 20, 28)}
    assert at[12].beat.confidence > 0.5 and not at[12].silence
    assert at[14].silence and at[14].beat.confidence < at[12].beat.confidence
    assert abs(at[14].beat.bpm - 120) < 3 and abs(at[20].beat.bpm - 120) < 3
    beats = predictions(heard[13 * MODEL_HZ : 20 * MODEL_HZ], 0.0)
    assert np.abs(error_s(beats, 120.0, 0.25)).max() < 0.05, "the beat did not go on"
    assert at[20].beat.confidence < 0.2
    assert abs(at[28].beat.bpm - 100) < 2 and at[28].beat.confidence > 0.5 and not at[28].silence


def test_a_gap_is_coasted_over_without_an_onset():
    state, _ = hear(drums(14.0, 120.0)[: 10 * LISTEN_RATE_HZ])
    before = state.clock
    for _ in range(15):
        state, features = listen_step(EAR, state, np.zeros(LISTEN_HOP, np.float32), gap=True)
        assert features.onset == 0 and not features.bands.any()
    assert abs(error_s(np.array([state.clock.anchor_s]), 120.0, 0.25)[0]) < 0.03
    assert 0.05 < state.clock.confidence < before.confidence


def test_energy_follows_the_last_half_minute():
    quiet, loud = drums(12.0, 120.0, level=0.05), drums(12.0, 120.0, level=0.6)
    _, heard = hear(np.concatenate([loud, quiet, loud]))
    energy = np.array([f.energy for f in heard])
    assert energy[8 * 30 : 11 * 30].mean() > energy[20 * 30 : 23 * 30].mean() + 0.3
    assert energy[32 * 30 : 35 * 30].mean() > 0.6


def test_the_long_loudness_is_slow():
    _, heard = hear(np.concatenate([drums(8.0, 120.0, level=0.02), drums(2.0, 120.0, level=0.6)]))
    just_after = heard[int(8.4 * MODEL_HZ)]
    assert just_after.loudness_db - heard[8 * MODEL_HZ - 2].loudness_db > 15
    assert just_after.loudness_long_db < just_after.loudness_db - 3


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


def test_it_is_causal():
    """A prefix gives what the whole gave up to there, whatever comes after it."""
    sound = drums(6.0, 118.0)
    _, whole = hear(sound)
    for frames in (1, 40, 111, 150):
        other = sound.copy()
        other[frames * LISTEN_HOP :] = np.random.default_rng(frames).normal(size=len(sound) - frames * LISTEN_HOP)
        assert [numbers(f) for f in hear(other)[1][:frames]] == [numbers(f) for f in whole[:frames]]


def test_the_phase_is_kept_over_eight_hours_of_frames():
    """The same music at the beginning and after eight hours: the same clock but for the time that has passed."""
    late = 8 * 3600 * MODEL_HZ
    sound = drums(10.0, 120.0)
    start = start_listening(EAR)
    track = start.track
    after = dataclasses.replace(
        track, frames=late, clock=dataclasses.replace(track.clock, anchor_s=late / MODEL_HZ, count=2 * 8 * 3600)
    )
    after = dataclasses.replace(
        after,
        bar=dataclasses.replace(track.bar, beat=after.clock.count),
        section=dataclasses.replace(track.section, beat=after.clock.count, bar_beat=after.clock.count),
    )
    _, early = hear(sound, start)
    _, heard = hear(sound, dataclasses.replace(start, track=after))
    for a, b in zip(early, heard, strict=True):
        assert b.frame == a.frame + 2 * late
        assert abs(b.beat.anchor_s - late / MODEL_HZ - a.beat.anchor_s) < 1e-6
        assert abs(b.beat.period_s - a.beat.period_s) < 1e-9 and b.beat.count - 2 * 8 * 3600 == a.beat.count
        assert abs(b.beat.confidence - a.beat.confidence) < 1e-6
    beats = predictions(heard[6 * MODEL_HZ :], 0.0) - late / MODEL_HZ
    assert np.abs(error_s(beats, 120.0, 0.25)).max() < 0.03


def test_an_hour_of_silence_moves_no_beat():
    """Coasting derives every clock from counts: a hundred thousand steps add up to less than a millisecond."""
    state, heard = hear(drums(8.0, 120.0))
    clock, began = state.track.clock, heard[-1].beat
    for frame in range(state.frames + 1, state.frames + 1 + 100_000):
        clock = standing_at(clock, float(clock.beats_at(frame / MODEL_HZ)), clock.period_s, frame / MODEL_HZ)
    assert clock.count > 6000 and abs(clock.time_of(began.count) - began.anchor_s) < 1e-6


def test_halved_and_doubled_beats_stay():
    sound = drums(16.0, 100.0)
    for ask, bpm in ((Halve(), 50.0), (Double(), 200.0)):
        _, heard = hear(sound, asks={8.0: (ask,)})
        assert abs(heard[8 * MODEL_HZ + 2].beat.bpm - bpm) < 4
        assert (np.diff([f.beat.count for f in heard]) >= 0).all()
        beats = predictions(heard[9 * MODEL_HZ : 10 * MODEL_HZ], 0.0)
        assert np.abs(error_s(beats, max(bpm, 100.0), 0.25)).max() < 0.05


def test_a_clamped_range_is_kept():
    _, heard = hear(drums(14.0, 140.0), asks={6.0: (Clamp(50.0, 80.0),)})
    assert abs(heard[5 * MODEL_HZ].beat.bpm - 140) < 4
    assert all(50 <= f.beat.bpm <= 81 for f in heard[7 * MODEL_HZ :])


def test_a_nudge_moves_the_beat_and_a_lock_holds_the_tempo():
    sound = np.concatenate([drums(8.0, 120.0), drums(8.0, 90.0)])
    state, _ = hear(sound[: 8 * LISTEN_RATE_HZ])
    _, nudged = hear(sound[8 * LISTEN_RATE_HZ :][:LISTEN_HOP], state, asks={0.0: (Nudge(40.0),)})
    _, plain = hear(sound[8 * LISTEN_RATE_HZ :][:LISTEN_HOP], state)
    assert nudged[0].beat.anchor_s - plain[0].beat.anchor_s == pytest.approx(0.04, abs=0.008)
    _, locked = hear(sound[8 * LISTEN_RATE_HZ :], state, asks={0.0: (Lock(True),)})
    _, free = hear(sound[8 * LISTEN_RATE_HZ :], state)
    assert abs(locked[-1].beat.bpm - 120) < 3 and abs(free[-1].beat.bpm - 90) < 3


def test_a_clock_from_elsewhere_is_followed_without_a_jump_and_the_own_ear_goes_on():
    state, _ = hear(drums(8.0, 120.0))
    outside = OutsideClock(anchor_s=8.1, count=3, period_s=60 / 126, beat_in_bar=2, meter=4, name="made up")
    after, heard = hear(drums(8.0, 120.0), state, outside=outside)
    beats = np.array([f.beat.beats_at(f.frame / 60) for f in heard])
    assert (np.diff(beats) > 0).all() and np.diff(beats).max() < 126 / 60 / MODEL_HZ * 1.06
    apart = heard[-1].beat.beats_at(16.0) - outside.beats_at(16.0)
    assert abs(apart - round(apart)) < 0.02
    assert abs(after.track.clock.bpm - 120) < 2, "the own ear stopped listening"


def test_other_frame_sizes_are_refused():
    with pytest.raises(ValueError, match="shape"):
        listen_step(EAR, start_listening(EAR), np.zeros(801, np.float32))
