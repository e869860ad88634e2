"""Body beside music: beat alignment score, loudness, energy of both, answer to sections. Pure numpy.

``beat`` has phase, lag, precision and recall; here are the score of the literature and what is slower than a beat.
Real dance clips come without their music, so of these measures only the beat alignment of a made-up grid has a real
figure; the others are set beside wrong music and other places of the same song.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from realtime_models.training.judge.beat import joint_speed
from realtime_models.training.judge.motion import JUDGE_HZ, WINDOW_S, Motion, at_judge_rate

SIGMA_S = 0.05  #: of the beat alignment score: 3 frames at 60 Hz, as in Li et al. 2021
CHANCE_SHIFTS = 64
FLOOR_LUFS = -70.0  #: the absolute gate of ITU-R BS.1770
MOMENTARY_S = 0.4  #: length of its momentary loudness
#: K-weighting of ITU-R BS.1770-4, given for 48 kHz: (numerator, denominator) of the shelf and of the high-pass.
K_FILTER_HZ = 48_000.0
K_FILTER = (
    ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585)),
    ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
)
CHUNK = 256  #: judge frames whose spectra are held at once; no result depends on it
STEP_S = 4.0  #: a change is the mean speed of so long after it beside so long before
PLACES_S = 0.5  #: distance of the places of a song that changes are set beside
CLEAR_S = 2.0  #: and how far from a change they are at least
LEAST_SPEED_M_S = 0.01  #: speeds under this count as this, so that a standstill is not minus infinity dB
#: What the body is expected to do at a change: +1 more, -1 less; other kinds count by size alone.
DIRECTION = {"drop": 1, "break": -1}


# Beat alignment


@dataclass(frozen=True, slots=True)
class BeatAlignment:
    """Beat alignment score both ways, 0 to 1, and what they were taken over."""

    music_to_motion: float  #: mean over music beats: nearest motion beat. Rises with the number of motion beats
    motion_to_music: float  #: mean over motion beats: nearest music beat
    music_beats: int
    motion_beats: int


def beat_alignment(motion_beats_s: np.ndarray, beats_s: np.ndarray, sigma_s: float = SIGMA_S) -> BeatAlignment:
    """Mean of exp(-d^2 / 2 sigma^2), d = time to the nearest beat of the other kind, over beats of one kind.

    Li et al. 2021 (FACT, AIST++) print the mean over *motion* beats; the scorer that most later tables use (Siyao et
    al. 2022, Bailando) takes the mean over *music* beats. Both are given. Without beats of one kind both are 0.
    """
    motion_beats_s, beats_s = np.asarray(motion_beats_s, np.float64), np.asarray(beats_s, np.float64)
    return BeatAlignment(
        _nearness(beats_s, motion_beats_s, sigma_s),
        _nearness(motion_beats_s, beats_s, sigma_s),
        len(beats_s),
        len(motion_beats_s),
    )


def _nearness(of_s: np.ndarray, to_s: np.ndarray, sigma_s: float) -> float:
    if not len(of_s) or not len(to_s):
        return 0.0
    distance = np.abs(of_s[:, None] - to_s[None]).min(axis=1)
    return float(np.exp(-(distance**2) / (2 * sigma_s**2)).mean())


def alignment_by_chance(motion_beats_s: np.ndarray, beats_s: np.ndarray, sigma_s: float = SIGMA_S) -> BeatAlignment:
    """Mean score of the same motion beats, moved around the span of the music's beats by 64 even shifts.

    Their number and spacing stay, their place on the beats goes. Motion beats outside the span are left out.
    """
    motion_beats_s, beats_s = np.asarray(motion_beats_s, np.float64), np.asarray(beats_s, np.float64)
    if len(beats_s) < 2:
        return beat_alignment(motion_beats_s, beats_s, sigma_s)
    first, span = beats_s[0], beats_s[-1] - beats_s[0]
    inside = motion_beats_s[(motion_beats_s >= first) & (motion_beats_s <= beats_s[-1])] - first
    shifts = (np.arange(CHANCE_SHIFTS) + 0.5) / CHANCE_SHIFTS * span
    scores = [beat_alignment(first + np.sort((inside + shift) % span), beats_s, sigma_s) for shift in shifts]
    means = (float(np.mean([getattr(s, way) for s in scores])) for way in ("music_to_motion", "motion_to_music"))
    return BeatAlignment(*means, len(beats_s), len(inside))


# Energy


def loudness_db(samples: np.ndarray, rate: int) -> np.ndarray:
    """Momentary loudness (n,) [LUFS] of samples (N,) or (N, channels) once a judge frame, frame 0 = time 0.

    ITU-R BS.1770-4: K-weighted power over 0.4 s, all channels of weight 1; here centred on the frame and weighted in
    the spectrum of 1/15 s pieces, which is the same but for a few milliseconds. A sine of 997 Hz at full scale in one
    channel has -3.01. Never below -70. n covers the whole sound: ceil(N / rate * 30).
    """
    samples = np.asarray(samples, np.float64)
    samples = samples[:, None] if samples.ndim == 1 else samples
    frames = int(np.ceil(len(samples) / rate * JUDGE_HZ))
    if not frames:
        return np.zeros(0)
    power = sum(_weighted_power(channel, rate, frames) for channel in samples.T)
    reach = round(MOMENTARY_S * JUDGE_HZ / 2)
    sums = np.cumsum(np.r_[0.0, np.pad(power, reach)])
    width = 2 * reach
    # A box of 12 frames between the middles of 13: both outer ones count half.
    box = ((sums[width:-1] - sums[: -width - 1]) + (sums[width + 1 :] - sums[1:-width])) / (2 * width)
    return np.maximum(-0.691 + 10 * np.log10(np.maximum(box, 1e-12)), FLOOR_LUFS)


def _weighted_power(samples: np.ndarray, rate: int, frames: int) -> np.ndarray:
    """K-weighted mean square (frames,) under a Hann window of two judge frames, centred on each."""
    length = 2 * round(rate / JUDGE_HZ)
    window = np.hanning(length + 1)[:-1]
    padded = np.pad(samples, length)
    starts = np.round(np.arange(frames) * rate / JUDGE_HZ).astype(int) + length // 2
    gain = k_weight(np.fft.rfftfreq(length, 1 / rate)) ** 2
    gain[1 : (length + 1) // 2] *= 2.0  # both halves of the spectrum
    gain /= length * (window**2).sum()
    power = np.zeros(frames)
    for begin in range(0, frames, CHUNK):
        part = starts[begin : begin + CHUNK]
        pieces = padded[part[:, None] + np.arange(length)[None]] * window
        power[begin : begin + CHUNK] = (np.abs(np.fft.rfft(pieces, axis=1)) ** 2) @ gain
    return power


def k_weight(frequency_hz: np.ndarray) -> np.ndarray:
    """Gain (n,) of the K-weighting of ITU-R BS.1770-4 at frequencies (n,) [Hz]; as at 24 kHz above."""
    z = np.exp(-2j * np.pi * np.minimum(frequency_hz, K_FILTER_HZ / 2) / K_FILTER_HZ)
    parts = [np.polyval(above[::-1], z) / np.polyval(below[::-1], z) for above, below in K_FILTER]
    return np.abs(np.prod(parts, axis=0))


@dataclass(frozen=True, slots=True)
class Energies:
    """Energy of music and body in windows of 5 s of many dances, ready for ``block_bootstrap(pairs, blocks, pearson)``.

    ``pairs`` are less the mean of their dance, so a loud song with a lively dancer adds nothing: only whether the body
    follows the music *within* a song counts.
    """

    pairs: np.ndarray  #: (W, 2): loudness [dB], mean joint speed [m/s], both less their dance's mean
    blocks: np.ndarray  #: (W,) the song's number
    songs: tuple[str, ...]
    per_dance_r: np.ndarray  #: (dances,) Pearson r of each dance; nan where music or body does not change
    dance_blocks: np.ndarray  #: (dances,) the song's number

    @property
    def pooled_r(self) -> float:
        return pearson(self.pairs)

    @property
    def mean_r(self) -> float:
        """Mean over dances of their own r; nan when none has one."""
        known = self.per_dance_r[np.isfinite(self.per_dance_r)]
        return float(known.mean()) if len(known) else float("nan")


def pearson(pairs: np.ndarray) -> float:
    """Pearson r of pairs (n, 2); nan with fewer than three or when one side does not change."""
    pairs = np.asarray(pairs, np.float64)
    if len(pairs) < 3:
        return float("nan")
    x, y = (pairs - pairs.mean(axis=0)).T
    scale = np.sqrt((x @ x) * (y @ y))
    least = 1e-12 * len(pairs) * max(1.0, float(np.abs(pairs).max()) ** 2)
    return float(x @ y / scale) if scale > least else float("nan")


def window_energies(motion: Motion) -> np.ndarray:
    """Mean loudness [dB] and mean joint speed [m/s] (W, 2) of the whole 5-s windows of a motion with loudness."""
    if motion.loudness_db is None:
        raise ValueError(f"{motion.name}: no loudness; the song is needed to set its energy beside the body's")
    body = joint_speed(at_judge_rate(motion).positions, JUDGE_HZ).mean(axis=1)
    frames, length = min(len(body), len(motion.loudness_db)), round(WINDOW_S * JUDGE_HZ)
    count = frames // length
    both = np.stack([motion.loudness_db[: count * length], body[: count * length]], axis=1)
    return both.reshape(count, length, 2).mean(axis=1)


def energy_correlation(motions: Iterable[Motion]) -> Energies:
    """Energy of music and body of dances that have their loudness; ValueError when one has none.

    Dances of one song share a block. Windows with a body that is not finite are left out.
    """
    songs: dict[str, int] = {}
    pairs, blocks, own_r, own_blocks = [np.zeros((0, 2))], [], [], []
    for motion in motions:
        both = window_energies(motion)
        both = both[np.isfinite(both).all(axis=1)]
        song = songs.setdefault(motion.song or motion.name, len(songs))
        own_r.append(pearson(both))
        own_blocks.append(song)
        if len(both):
            pairs.append(both - both.mean(axis=0))
            blocks += [song] * len(both)
    return Energies(
        np.concatenate(pairs), np.array(blocks, np.int64), tuple(songs), np.array(own_r), np.array(own_blocks, np.int64)
    )


# Sections


@dataclass(frozen=True, slots=True)
class SectionAnswer:
    """How the body steps at changes of section, beside other places of the same song.

    A step is 20 log10 of mean joint speed in the 4 s after a place by that in the 4 s before [dB]: the dB of kinetic
    energy. At a drop up counts and at a break down; at a change of no direction the size counts.
    """

    steps_db: tuple[float, ...]  #: at each change that has 4 s of motion on both sides; signed as it should go
    ranks: tuple[float, ...]  #: share of the other places with a smaller step (same sign or size): 0.5 = chance
    kinds: tuple[str, ...]
    elsewhere_db: tuple[float, ...]  #: for each change the mean of the same at the other places

    @property
    def above_elsewhere_db(self) -> float:
        """Mean over changes of step less the mean step elsewhere; 0 = no answer, nan = no changes."""
        return float(np.mean(np.subtract(self.steps_db, self.elsewhere_db))) if self.steps_db else float("nan")

    @property
    def rank(self) -> float:
        return float(np.mean(self.ranks)) if self.ranks else float("nan")


def section_answer(motion: Motion, changes: Sequence[tuple[float, str]]) -> SectionAnswer:
    """Steps of the body at ``changes`` (time [s], kind) of the song it dances to.

    The other places lie every half second, 2 s or more from any change: all of them, so there is no chance in it.
    Changes without other places to be set beside are left out.
    """
    body = joint_speed(at_judge_rate(motion).positions, JUDGE_HZ).mean(axis=1)
    last_s = len(body) / JUDGE_HZ - STEP_S
    places = np.arange(STEP_S, last_s + 1e-9, PLACES_S)
    times = np.array([time_s for time_s, _ in changes], np.float64)
    if len(times):
        places = places[np.abs(places[:, None] - times[None]).min(axis=1) >= CLEAR_S]
    other = np.array([speed_step_db(body, place) for place in places])
    found = []
    for time_s, kind in changes:
        if not (STEP_S <= time_s <= last_s + 1e-9) or not len(other):
            continue
        step, rest = _directed(speed_step_db(body, time_s), kind), _directed(other, kind)
        rank = float((rest < step).mean() + 0.5 * (rest == step).mean())
        found.append((float(step), rank, kind, float(np.mean(rest))))
    return SectionAnswer(*(zip(*found, strict=True) if found else [()] * 4))


def _directed(step_db: np.ndarray, kind: str) -> np.ndarray:
    return DIRECTION[kind] * step_db if kind in DIRECTION else np.abs(step_db)


def speed_step_db(body: np.ndarray, time_s: float) -> float:
    """Step [dB] of a speed curve (F,) [m/s] at 30 Hz: mean of the 4 s after ``time_s`` by mean of the 4 s before."""
    at, reach = round(time_s * JUDGE_HZ), round(STEP_S * JUDGE_HZ)
    before, after = (
        max(float(part.mean()), LEAST_SPEED_M_S) for part in (body[at - reach : at], body[at : at + reach])
    )
    return 20 * float(np.log10(after / before))
