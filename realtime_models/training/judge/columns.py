"""From dances to the cells of one column of the table. Pure; ``evaluate`` says who dances what."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from realtime_models.training.judge import beat, body, distribution, mbench, music, novelty, seams
from realtime_models.training.judge.beat import BeatScore, beat_score
from realtime_models.training.judge.contact import physical_foot_contact
from realtime_models.training.judge.intervals import Interval, block_bootstrap, of_draws
from realtime_models.training.judge.motion import JUDGE_HZ, Motion, Windows, at_judge_rate, windows
from realtime_models.training.judge.systems import simple
from realtime_models.training.judge.table import Cell

LEAD_IN_S = 5.0  #: not scored against beats: a listener has to find them first
LAG_FROM_R = 0.4  #: a lag is counted where R is at least this
CHANGE_DB = 5.0  #: music whose loudness steps by so much (4 s after beside 4 s before) changes its section
Cells = dict[str, Cell | None]


@dataclass(frozen=True)
class Reference:
    """Real dance, as everything is set beside it."""

    motions: tuple[Motion, ...]
    windows: Windows
    scale: distribution.Scale
    bank: novelty.Bank
    among_real_mm: np.ndarray  #: (W,) from each real window to the nearest one of another clip
    count: int  #: windows a side of every distance


def reference_of(motions: Sequence[Motion], count: int) -> Reference:
    """Real dance made ready. ``count``: windows a side of every distance; never over half of what there is."""
    cut = windows(motions)
    bank = novelty.bank_of(motions)
    among = novelty.nearest(cut, bank, own_left_out=True)
    return Reference(
        tuple(motions), cut, distribution.scale_of(cut), bank, among, min(count, distribution.largest_half(cut.blocks))
    )


def cell_of(interval: Interval, n: int | None = None) -> Cell | None:
    """None where there is no value; ends that are not known are left open."""
    if not np.isfinite(interval.value):
        return None
    low, high = (end if np.isfinite(end) else None for end in (interval.low, interval.high))
    return Cell(interval.value, low, high, n)


def mean_cell(values: Iterable[float], blocks: Iterable[object], weights: Iterable[float] | None = None) -> Cell | None:
    """Mean of values (n,), weighted, with the interval of resampled blocks."""
    values = np.array(list(values), np.float64)
    weights = np.ones(len(values)) if weights is None else np.array(list(weights), np.float64)
    numbers = _numbers(blocks)
    pairs = np.stack([values * weights, weights], axis=1)

    def mean(part: np.ndarray) -> float:
        return float(part[:, 0].sum() / part[:, 1].sum())

    return cell_of(block_bootstrap(pairs, numbers, mean), int(np.isfinite(values).sum()))


def _numbers(blocks: Iterable[object]) -> np.ndarray:
    return np.unique([str(block) for block in blocks], return_inverse=True)[1]


# Beat -----------------------------------------------------------------------------------------------------------------


def score_beats(motion: Motion) -> BeatScore:
    """Motion beats of a dance against the true beats of its song, after the lead-in and as far as the dance goes."""
    if motion.beats_s is None:
        raise ValueError(f"{motion.name}: without the beats of a song it cannot be scored against them")
    return beat_score(beats_of(motion), _scored(motion), from_s=LEAD_IN_S)


def beats_of(motion: Motion) -> np.ndarray:
    """Times (n,) [s] of a motion's own beats."""
    motion = at_judge_rate(motion)
    speed = beat.smooth(
        beat.joint_speed(motion.positions[:, list(beat.BEAT_JOINTS)], JUDGE_HZ).mean(axis=1), beat.SMOOTH_S * JUDGE_HZ
    )
    return beat.beats_of_curve(speed, JUDGE_HZ)


def _scored(motion: Motion) -> np.ndarray:
    return motion.beats_s[motion.beats_s <= motion.seconds]


def beat_cells(right: Sequence[Motion], level: float) -> Cells:
    """How dances lie on the beats of their songs; ``level`` in cycles per beat."""
    ways = [music.beat_alignment(late(beats_of(m)), late(_scored(m))) for m in right]
    return _beat_cells([score_beats(m) for m in right], ways, [m.song for m in right], level)


def _beat_cells(
    scores: Sequence[BeatScore], ways: Sequence[music.BeatAlignment], songs: Sequence[str], level: float
) -> Cells:
    def mean(value: Callable[[BeatScore], float]) -> Cell | None:
        return mean_cell([value(s) for s in scores], songs)

    return {
        "beat_r": mean(lambda s: s.r(level)),
        "beat_r_floor": mean(lambda s: beat.random_floor(s.n)),
        "beat_lag_s": lag_cell(scores, songs, level),
        "beat_f1": mean(lambda s: s.hits.f1),
        "beat_precision": mean(lambda s: s.hits.precision),
        "beat_recall": mean(lambda s: s.hits.recall),
        "beats_per_beat": mean(lambda s: s.minima_per_beat),
        "bas_music_to_motion": mean_cell([w.music_to_motion for w in ways], songs),
        "bas_motion_to_music": mean_cell([w.motion_to_music for w in ways], songs),
    }


def late(times_s: np.ndarray) -> np.ndarray:
    """What counts: after the lead-in."""
    return times_s[times_s >= LEAD_IN_S]


def lag_cell(scores: Sequence[BeatScore], songs: Sequence[str], level: float) -> Cell | None:
    """Circular mean lag [s] over the dances with R of 0.4 or more; None when there is none."""
    kept = [(s, song) for s, song in zip(scores, songs, strict=True) if s.r(level) >= LAG_FROM_R]
    if not kept:
        return None
    period_s = float(np.mean([s.period_s for s, _ in kept]))
    parts = np.array([[(v := s.vectors[beat.LEVELS.index(level)] * s.n).real, v.imag] for s, _ in kept])

    def lag(part: np.ndarray) -> float:
        return beat.lag_of(complex(*part.sum(axis=0)), level, period_s)

    return cell_of(block_bootstrap(parts, _numbers(song for _, song in kept), lag), len(kept))


def r_cell(dances: Sequence[Motion], level: float) -> Cell | None:
    """Mean R of dances against whatever beats they carry."""
    return mean_cell([score_beats(m).r(level) for m in dances], [m.song for m in dances])


def lag_moved_cell(right: Sequence[Motion], shifted: Sequence[Motion], level: float) -> Cell | None:
    """By how much the lag moved when the music came half a beat late, as a share of half a beat. Pooled by song."""
    shares, songs = [], []
    for song in dict.fromkeys(m.song for m in right):
        one, other = (beat.pooled([score_beats(m) for m in group if m.song == song]) for group in (right, shifted))
        if min(one.r(1.0), other.r(1.0)) < 2 * beat.random_floor(one.n):
            continue  # without a lag there is nothing to move
        turn = other.vectors[1] * np.conj(one.vectors[1])
        shares.append(abs(float(np.angle(turn))) / np.pi)
        songs.append(song)
    return mean_cell(shares, songs) if shares else None


def random_cells(like: Sequence[Motion], level: float, draws: int = 20) -> Cells:
    """The beat rows of as many motion beats as each dance has, thrown at random, ``draws`` times."""
    scores, songs, ways = [], [], []
    for motion in like:
        beats, count = late(_scored(motion)), score_beats(motion).n
        for draw in range(draws):
            thrown = simple.random_minima(count, beats, seed=draw)
            scores.append(beat_score(thrown, beats))
            ways.append(music.beat_alignment(thrown, beats))
            songs.append(motion.song)
    return _beat_cells(scores, ways, songs, level)


# Distribution ---------------------------------------------------------------------------------------------------------


def distribution_cells(motions: Sequence[Motion], reference: Reference, *, seed: int = 0) -> Cells:
    """Distances of dances to real dance, their spread, and how near they come to what was trained on."""
    made = windows(motions)
    count = min(reference.count, len(made))
    if count < 2:
        return {}
    found = distribution.compare_intervals(reference.windows, made, reference.scale, seed, count=count)
    cells: Cells = {key: cell_of(value, count) for key, value in found.items()}
    return cells | novelty_cells(*near_training(motions, reference, seed=seed), reference)


def near_training(motions: Sequence[Motion], reference: Reference, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Distance (W,) [mm] of ``reference.count`` windows, drawn at random, to the training motion, and their blocks."""
    made = windows(motions)
    few = made.take(np.random.default_rng(seed).permutation(len(made))[: reference.count])
    return novelty.nearest(few, reference.bank), few.blocks


def novelty_cells(near_mm: np.ndarray, blocks: np.ndarray, reference: Reference) -> Cells:
    """Median distance to the training windows and the share of copies, of windows (W,) in blocks (W,)."""
    copies = novelty.copied(near_mm, reference.among_real_mm)
    median = block_bootstrap(near_mm, blocks, lambda part: float(np.median(part)))
    return {
        "novelty_mm": cell_of(median, len(near_mm)),
        "copied_share": cell_of(block_bootstrap(copies, blocks), len(copies)),
    }


def real_distribution_cells(reference: Reference, *, seed: int = 0) -> Cells:
    """The yardstick: what real dance measures against itself at the same count."""
    found = distribution.yardstick(reference.windows, reference.count, seed, scale=reference.scale)
    cells: Cells = {key: Cell(*values, reference.count) for key, values in found.items()}
    return cells | novelty_cells(reference.among_real_mm, reference.windows.blocks, reference)


def multimodality_cells(per_seed: Sequence[Motion], reference: Reference) -> Cells:
    """How different one song comes out under many seeds; the interval leaves seeds out by turns (jackknife halves)."""
    cut = [windows([m]) for m in per_seed]
    whole = distribution.multimodality_of(cut, reference.scale)
    rng = np.random.default_rng(0)
    halves = [
        distribution.multimodality_of([cut[i] for i in rng.permutation(len(cut))[: len(cut) // 2]], reference.scale)
        for _ in range(40)
    ]
    return {
        key: cell_of(of_draws(value, np.array([half[key] for half in halves])), len(cut))
        for key, value in whole.items()
    }


# Body -----------------------------------------------------------------------------------------------------------------

BODY = (
    "speed_m_s", "speed_relative_m_s", "frozen_s", "still_share", "contact_share", "slide_m_s", "slide_p95_m_s",
    "floating_mm", "floating_share", "penetration_mm", "sunk_share", "jerk_m_s3",
    "jerk_per_speed_hz2", "jitter_mm", "jitter_per_speed_ms", "tremor_mm", "turn_p999_rad_s",
)  # fmt: skip
MBENCH = ("jitter_degree", "ground_penetration", "foot_floating", "foot_sliding", "dynamic_degree")


def body_cells(motions: Sequence[Motion]) -> Cells:
    """Measures of the body: means over dances (or clips) weighted by their length, resampled by dance."""
    scores = [body.score_motion(m) for m in motions]
    names, seconds = [m.name for m in motions], [s.seconds for s in scores]

    def mean(values: Sequence[float | None]) -> Cell | None:
        known = [(v, n, s) for v, n, s in zip(values, names, seconds, strict=True) if v is not None]
        return mean_cell(*zip(*known, strict=True)) if known else None

    cells = {key: mean([getattr(s, key) for s in scores]) for key in BODY}
    found = [mbench.mbench(m) for m in motions]
    cells |= {f"mbench_{key}": mean([getattr(b, key) for b in found]) for key in MBENCH}
    cells["pfc"] = mean([physical_foot_contact(m) for m in motions])
    cells["seams_per_minute"] = mean([seams.found_seams(m).per_minute for m in motions])
    cells["sunk_max_m"] = Cell(float(np.nanmax([s.sunk_max_m for s in scores])), n=len(scores))
    cells["nonfinite_frames"] = Cell(float(sum(s.nonfinite_frames for s in scores)), n=len(scores))
    return cells


# Music and form -------------------------------------------------------------------------------------------------------


def music_cells(motions: Sequence[Motion], wrong: Mapping[str, np.ndarray] | None = None) -> Cells:
    """Energy of body and music; ``wrong``: {song: loudness [dB] of another song (n,)} as the control."""
    energies = music.energy_correlation(motions)
    cells: Cells = {"energy_correlation": cell_of(_pooled(energies), len(energies.pairs))}
    if wrong:
        other = [_with_loudness(m, wrong[m.song]) for m in motions if m.song in wrong]
        energies = music.energy_correlation(other)
        cells["energy_correlation_wrong"] = cell_of(_pooled(energies), len(energies.pairs))
    answers, songs = [], []
    for motion in motions:
        answer = music.section_answer(motion, changes_of(motion.loudness_db))
        if answer.steps_db:
            answers.append(answer.above_elsewhere_db)
            songs.append(motion.song)
    cells["section_answer_db"] = mean_cell(answers, songs) if answers else None
    return cells


def _pooled(energies: music.Energies) -> Interval:
    return block_bootstrap(energies.pairs, energies.blocks, music.pearson)


def _with_loudness(motion: Motion, loudness_db: np.ndarray) -> Motion:
    return replace(motion, loudness_db=loudness_db)


def changes_of(loudness_db: np.ndarray) -> list[tuple[float, str]]:
    """Where music changes its section, as its loudness (n,) at 30 Hz says: ("drop" up, "break" down) at least 5 dB.

    The largest step first, others no nearer than 4 s to one already taken.
    """
    reach = round(music.STEP_S * JUDGE_HZ)
    sums = np.cumsum(np.r_[0.0, loudness_db])
    at = np.arange(reach, len(loudness_db) - reach)
    step = (sums[at + reach] - 2 * sums[at] + sums[at - reach]) / reach
    found: list[tuple[float, str]] = []
    for k in np.argsort(-np.abs(step), kind="stable"):
        if abs(step[k]) < CHANGE_DB:
            break
        time_s = float(at[k] / JUDGE_HZ)
        if all(abs(time_s - other) >= music.STEP_S for other, _ in found):
            found.append((time_s, "drop" if step[k] > 0 else "break"))
    return sorted(found)


def form_cells(long: Motion | None, held: int | None) -> Cells:
    """Ten minutes without a pause, and what the guard held in all dances."""
    cells: Cells = {"held_poses": None if held is None else Cell(held)}
    drift = None if long is None else body.drift(long)
    if drift is not None:
        cells["drift_speed_ratio"] = Cell(drift.speed_ratio)
        cells["drift_radius_m"] = Cell(body.score_motion(long).stage_radius_m)
        cells["drift_floor_mm"] = Cell(drift.floor_mm[1] - drift.floor_mm[0])
    return cells
