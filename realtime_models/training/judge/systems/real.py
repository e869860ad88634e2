"""Real dance as a system of its own: the clips as they are, and one of them laid on a song without a cut."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from realtime_models.training.data import FPS
from realtime_models.training.judge.beat import beat_numbers, lag_of, mean_vector, motion_beats
from realtime_models.training.judge.motion import Motion, from_pose
from realtime_models.training.judge.systems.clips import (
    STRETCH,
    Take,
    dance_clips,
    dancers_of,
    read_index,
    sample,
    seconds_of,
    turned_and_moved,
    yaw_of,
)

STEP_S = 0.25  #: starts tried are so far apart [clip s]; each is then moved by up to half a beat
DRIFT_S = 0.045  #: speeds tried are so near that the best one is off by no more than this at either end
BEST = 5  #: a seed chooses among so many clips that fit best


def real_motions(
    splits: tuple[str, ...] = ("train",), *, without: Collection[str] = (), which: str = "permissive"
) -> list[Motion]:
    """The dance clips of some splits at 30 Hz with their dancer (``subject`` of the index) and style.

    Clips of the dancers ``without`` are left out. ConfigError without CORYBANT_DATA or for an unknown dancer.
    """
    dancers = dancers_of(read_index(which), without)
    return [
        from_pose(clip.name, clip.root, clip.rotations, FPS, dancer=dancers[clip.name], style=clip.style)
        for clip in dance_clips(splits, without=without, which=which)
    ]


@dataclass(frozen=True, slots=True)
class RealOnSong:
    """One uninterrupted real clip at a constant speed, laid on the beats of a song."""

    clip: str
    root: np.ndarray  #: (F, 3) [m]
    rotations: np.ndarray  #: (F, 22, 4) xyzw
    fps: float
    start_s: float  #: clip time at song time 0 [s]
    speed: float  #: clip seconds per second
    r: float  #: length of the mean of exp(2 pi i beat) over its motion beats
    n: int  #: of so many


@dataclass(frozen=True, slots=True)
class _Fit:
    clip: Take
    start_s: float
    speed: float
    vector: complex  #: mean of exp(2 pi i beat) over motion beats
    n: int

    @property
    def on_beat(self) -> float:
        """Mean cosine of the beat's phase; few motion beats agree by chance, so 1 / sqrt(n) goes off."""
        return self.vector.real - 1 / np.sqrt(self.n)


def real_on_song(
    clips: Sequence[Take], beats_s: np.ndarray, seconds: float, *, fps: float = 60, seed: int = 0
) -> RealOnSong:
    """One clip without cuts, played for ``seconds`` at one speed (0.8 to 1.25) so that it dances to true beats.

    Speed and start are those at which the clip's motion beats fall best on the beats (n,) [s] of the song (frame 0 =
    time 0): a search over all of the clip. ``seed`` chooses among the BEST clips. The path's middle stands at the
    centre of the stage, the mean heading faces ahead.

    ValueError when fewer than two beats are given or no clip is long enough; clips are never put together.
    """
    beats_s = np.asarray(beats_s, np.float64)
    if len(beats_s) < 2:
        raise ValueError(f"{len(beats_s)} beats; a clip is laid on at least 2")
    least_s = seconds * STRETCH[0]
    long_enough = [clip for clip in clips if seconds_of(clip) >= least_s]
    if not long_enough:
        longest_s = max((seconds_of(clip) for clip in clips), default=0.0)
        raise ValueError(
            f"no clip is long enough: {seconds:.1f} s at {STRETCH[0]:g} of its speed need {least_s:.1f} s, the longest "
            f"of {len(clips)} lasts {longest_s:.1f} s; ask for fewer seconds"
        )
    fits = [fit for clip in long_enough if (fit := _best_fit(clip, beats_s, seconds))]
    if not fits:
        raise ValueError(f"no clip of {len(long_enough)} has a motion beat within the song's {len(beats_s)} beats")
    fits.sort(key=lambda fit: -fit.on_beat)
    fit = fits[np.random.default_rng(seed).integers(min(BEST, len(fits)))]
    frames = FPS * (fit.start_s + fit.speed * np.arange(round(seconds * fps)) / fps)
    root, rotations = _in_the_middle(*sample(fit.clip, frames))
    return RealOnSong(fit.clip.name, root, rotations, fps, fit.start_s, fit.speed, abs(fit.vector), fit.n)


def _best_fit(clip: Take, beats_s: np.ndarray, seconds: float) -> _Fit | None:
    """The best speed and start of one clip: a grid of both, then speeds between its best one and the next."""
    motion_s = motion_beats(clip.root, clip.rotations, FPS)
    count = 1 + int(np.ceil(np.log(STRETCH[1] / STRETCH[0]) * seconds / (4 * DRIFT_S)))
    speeds = np.geomspace(*STRETCH, count)
    starts = [
        (speed, start_s)
        for speed in speeds
        for start_s in np.arange(0, seconds_of(clip) - speed * seconds + 1e-9, STEP_S)
    ]
    best = _best_of(clip, motion_s, starts, beats_s, seconds)
    if best is None:
        return None
    finer = np.clip(best.speed * np.geomspace(speeds[0] / speeds[1], speeds[1] / speeds[0], 11), *STRETCH)
    around = [(best.speed, best.start_s), *((s, best.start_s + (best.speed - s) * seconds / 2) for s in finer)]
    return _best_of(clip, motion_s, around, beats_s, seconds)


def _best_of(
    clip: Take, motion_s: np.ndarray, tries: list[tuple[float, float]], beats_s: np.ndarray, seconds: float
) -> _Fit | None:
    """The best of some speeds and starts [clip s], each start moved by up to half a beat to where it fits best."""
    best = None
    for speed, start_s in tries:
        last_s = seconds_of(clip) - speed * seconds
        fit = _fit(clip, motion_s, start_s, speed, beats_s, seconds)
        if fit is None or last_s < -1e-6:
            continue
        late_s = lag_of(fit.vector, 1.0, float(np.median(np.diff(beats_s))))
        moved_s = float(np.clip(start_s + speed * late_s, 0.0, last_s))
        fit = _fit(clip, motion_s, moved_s, speed, beats_s, seconds)
        if fit is not None and (best is None or fit.on_beat > best.on_beat):
            best = fit
    return best


def _fit(
    clip: Take, motion_s: np.ndarray, start_s: float, speed: float, beats_s: np.ndarray, seconds: float
) -> _Fit | None:
    """How the motion beats (m,) [clip s] then lie on the beats; None when none is seen."""
    seen_s = (motion_s - start_s) / speed
    numbers = beat_numbers(seen_s[(seen_s >= 0) & (seen_s <= seconds)], beats_s)
    return _Fit(clip, float(start_s), float(speed), mean_vector(numbers, 1.0), len(numbers)) if len(numbers) else None


def _in_the_middle(root: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean heading to +Z, the middle of the path to x = z = 0."""
    headings = np.exp(1j * np.array([yaw_of(rotation) for rotation in rotations[:, 0]]))
    yaw_rad = -float(np.angle(headings.mean()))
    turned, rotations = turned_and_moved(root, rotations, yaw_rad, np.zeros(3))
    middle = (turned.min(axis=0) + turned.max(axis=0)) / 2
    return (turned - middle * [1, 0, 1]).astype(np.float32), rotations.astype(np.float32)
