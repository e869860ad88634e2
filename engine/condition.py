"""The numbers that condition one token row: everything of the music and of the stage that the network may know. Pure
numpy.

Training imitates the show through these very functions (``hear``, ``music_rows``), so that the two cannot drift apart.
A row is 4 model frames (133 ms). The layout only grows: a model trained on the first ``n`` numbers is given those.
"""

from dataclasses import dataclass, field

import numpy as np

from engine.types import MODEL_HZ, MusicFeatures

ROW_FRAMES = 4
BANDS = 4
TYPICAL_PERIOD_S = 0.55
BEAT, AUDIO, ENERGY, DELAY, STEER = slice(0, 14), slice(14, 22), 22, 23, slice(24, 29)
FIRST_SIZE = 29  #: the first layout ended here
SECTION = slice(29, 36)  #: build, break, drop, change probability, its nearness, phase in the phrase (cos, sin)
BAR = slice(36, 38)  #: phase in the bar (cos, sin)
LOUDNESS = slice(38, 40)  #: of now beside the last seconds, and of these beside the last minute
SPEECH = 40
BUSY = slice(41, 45)  #: how much happens in each band, over seconds
EMBEDDING = slice(45, 61)  #: what the music is like
SIZE = 61
#: The tempo octave in which bodies were trained; faster or slower music is danced at half or double time.
FOLD_PERIOD_S = (0.40, 0.92)


@dataclass(frozen=True, slots=True)
class Condition:
    """What one plan may know. ``style`` is an index of the model's styles, 0 = any."""

    window: (
        np.ndarray
    )  #: (W, SIZE) conditions of the coming rows, with predicted beats; the first is the row to be committed
    style: int  #: index into the model's styles
    follow: float  #: 0 = keep the flow, 1 = as tuned, above = follow the music harder (guidance)
    calm: float = 0.0  #: 0 = dance, 1 = stand still: scales the path over the floor down in silence


def beat_numbers(beats: np.ndarray, period_s: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Beat numbers (R, 4) at a row's frames, period (R,) [s], confidence (R,) 0..1 -> (R, 14); zeros without a beat."""
    once, twice = 2 * np.pi * beats, np.pi * beats[:, ::2]
    turned = np.concatenate([np.cos(once), np.sin(once), np.cos(twice), np.sin(twice)], axis=1)
    known = (confidence > 0.0).astype(np.float64)[:, None]
    tempo = np.log2(np.maximum(period_s, 0.05) / TYPICAL_PERIOD_S)[:, None]
    return np.concatenate([turned * known, tempo * known, confidence[:, None]], axis=1).astype(np.float32)


def audio_numbers(onset: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Onset strengths (R, 4) of the newest heard frames and band means (R, 4) -> (R, 8)."""
    return np.concatenate([np.clip(onset, 0, 1.5), np.clip(bands, 0, 1.5)], axis=1).astype(np.float32)


def steer_numbers(move: np.ndarray, turn_rad: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Wished displacement (R, 2) [m, heading frame: side, ahead] and turn (R,) over the next STEER_ROWS rows -> (R,
    5).
    """
    mask = known.astype(np.float32)[:, None]
    parts = [np.clip(move, -2, 2), np.sin(turn_rad)[:, None], np.cos(turn_rad)[:, None] - 1]
    return (np.concatenate([*parts, np.ones_like(mask)], axis=1) * mask).astype(np.float32)


STEER_ROWS = 12


def music_columns(size: int = SIZE) -> np.ndarray:
    """Which of the first ``size`` numbers the music says, as against the stage; left out when guidance asks what the
    body would do without it.
    """
    return np.setdiff1d(np.arange(size), np.arange(STEER.start, STEER.stop))


MUSIC = music_columns()


LEVEL_S = 1.0  #: over which loudness is taken for energy: the beat's own ups and downs are not the music's
USUAL_S = 60.0  #: over which the usual loudness of a piece is learnt
OPENING_DB, OPENING_S = 3.0, 15.0  #: so much quieter than they go on do pieces begin; the guess fades as they are heard
ENERGY_USUAL, ENERGY_DB = 0.55, 0.1  #: energy at the usual loudness, and what a decibel more adds
ENERGY_BOUNDS = (0.1, 1.0)
BUSY_SHARE = 1.0 / (4.0 * MODEL_HZ)
SURE = 0.25  #: beat confidence below which the body is told no beat
UNHEARD_DB = -90.0  #: nothing was heard yet


@dataclass(frozen=True, slots=True)
class Heard:
    """What is kept of the music between plans. Never written in place."""

    newest: tuple[MusicFeatures, ...] = ()  #: at most one row of them, the newest last
    power: float = 0.0  #: mean square of the last second
    usual_db: float = UNHEARD_DB  #: mean of its level where there was music [dBFS]
    heard_s: float = 0.0  #: music heard so far [s]
    busy: np.ndarray = field(default_factory=lambda: np.zeros(BANDS))  #: (BANDS,) mean onset strength of seconds

    @property
    def energy(self) -> float:
        """0..1: how loud the last second is beside what is usual. A decibel is a decibel, however steady the piece."""
        if not self.heard_s:
            return ENERGY_USUAL
        usual_db = self.usual_db + OPENING_DB * float(np.exp(-self.heard_s / OPENING_S))
        return float(np.clip(ENERGY_USUAL + ENERGY_DB * (_db(self.power) - usual_db), *ENERGY_BOUNDS))


def hear(heard: Heard, features: MusicFeatures) -> Heard:
    """Take in one model frame."""
    power, usual_db, heard_s = heard.power, heard.usual_db, heard.heard_s
    if not features.silence:
        heard_s += 1.0 / MODEL_HZ
        power += (10.0 ** (features.loudness_db / 10.0) - power) / (min(heard_s, LEVEL_S) * MODEL_HZ)
        usual_db += (_db(power) - usual_db) / (min(heard_s, USUAL_S) * MODEL_HZ)
    busy = heard.busy + BUSY_SHARE * (features.bands[:BANDS] - heard.busy)
    return Heard((*heard.newest, features)[-ROW_FRAMES:], power, usual_db, heard_s, busy)


def _db(power: float) -> float:
    return 10.0 * float(np.log10(max(power, 1e-10)))


def music_rows(
    heard: Heard, frame: int, rows: int, *, level: int = 0, lag_s: float = 0.0, nudge_s: float = 0.0
) -> np.ndarray:
    """(rows, SIZE) what the music says of coming rows, the first of which begins at model frame ``frame``.

    ENERGY and STEER stay 0: they are asked, not heard. Beats are predicted row by row, all else is of the first row.
    ``level``: octave in which the beat is danced (period x 2**level). ``lag_s`` [s]: how much earlier than it shall be
    danced a beat is told; ``nudge_s``: how much later.
    """
    out = np.zeros((rows, SIZE), np.float32)
    features, fold = heard.newest[-1], 2.0**-level
    frames = (frame + np.arange(rows * ROW_FRAMES)).reshape(rows, ROW_FRAMES)
    clock = features.beat
    sure = 0.7 + 0.3 * min(clock.confidence, 1.0) if clock.confidence > SURE and not features.silence else 0.0
    beats = clock.beats_at(frames / MODEL_HZ + lag_s - nudge_s)
    if sure:
        out[:, BEAT] = beat_numbers(beats * fold, np.full(rows, clock.period_s / fold), np.full(rows, sure))
        out[:, AUDIO] = newest_audio(heard.newest)
    late = (2 * frame - features.frame) / (2 * ROW_FRAMES) + 1
    out[:, DELAY] = np.clip(late, 1, 3) / 3
    if not features.silence:
        out[:, SECTION], out[:, BAR] = form_numbers(heard.newest, float(beats[0, 0]))
        out[:, LOUDNESS] = loudness_numbers(heard)
        out[:, SPEECH] = features.is_speech
        out[:, BUSY] = np.clip(4.0 * heard.busy, 0, 1.5)
        if features.embedding is not None:
            told = features.embedding[: EMBEDDING.stop - EMBEDDING.start]
            out[:, EMBEDDING.start : EMBEDDING.start + len(told)] = told
    return out


def newest_audio(newest: tuple[MusicFeatures, ...]) -> np.ndarray:
    """(8,) onset strengths and band means of the last model frames, zeros before the first."""
    onset, bands = np.zeros((1, ROW_FRAMES)), np.zeros((ROW_FRAMES, BANDS))
    for i, features in enumerate(reversed(newest)):
        onset[0, -1 - i], bands[-1 - i] = features.onset, features.bands
    return audio_numbers(onset, bands.mean(0, keepdims=True))[0]


def form_numbers(newest: tuple[MusicFeatures, ...], beat: float) -> tuple[np.ndarray, np.ndarray]:
    """SECTION (7,) and BAR (2,) at the coming ``beat`` (its number); what rests on bars as far as they are sure."""
    features = newest[-1]
    section, clock = features.section, features.beat
    ahead = (beat - float(clock.beats_at(features.frame / (2 * MODEL_HZ)))) / clock.meter  # bars from now
    nearness = 1.0 / (1.0 + max(section.bars_to_change - ahead, 0.0) / 4.0)
    phrase = 2 * np.pi * (section.bars_into_phrase + ahead) / section.phrase_bars
    drop = max(past.section.drop for past in newest)
    sure = clock.bar_confidence if clock.beat_in_bar else 0.0
    bar = 2 * np.pi * (beat - clock.count + clock.beat_in_bar - 1) / clock.meter
    told = [section.build, section.breakdown, drop, section.change_probability]
    told += [nearness * sure, np.cos(phrase) * sure, np.sin(phrase) * sure]
    return np.array(told, np.float32), np.array([np.cos(bar) * sure, np.sin(bar) * sure], np.float32)


def loudness_numbers(heard: Heard) -> np.ndarray:
    """LOUDNESS (2,): differences, so that the input's gain says nothing; 1 = 12 dB louder."""
    features = heard.newest[-1]
    now, long = features.loudness_db - features.loudness_long_db, features.loudness_long_db - heard.usual_db
    return np.clip(np.array([now, long]) / 12.0, -1.5, 1.5).astype(np.float32)


def fold_level(period_s: float, level: int) -> int:
    """Octave shift (period x 2**level) that brings a period into the trained octave; the present one is kept while it
    fits.
    """
    low, high = FOLD_PERIOD_S
    if low <= period_s * 2.0**level <= high:
        return level
    level = 0
    while period_s * 2.0**level < low:
        level += 1
    while period_s * 2.0**level > high:
        level -= 1
    return level
