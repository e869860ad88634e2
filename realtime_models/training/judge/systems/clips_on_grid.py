"""What is done today without a model: real clips laid on the beat grid and cross-faded at phrase borders.

A clip has a movement rate. It is played at a constant speed (0.8 to 1.25 of the original) at which that rate is the
beat's rate, twice, half or a quarter of it, and started where its motion beats fall best on the beats: what clip-sync
in a VJ's player does, with a good hand at the cue button (the best of a few cues per phrase) and the *true* beats.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from engine.skeleton import quat_slerp
from realtime_models.training.data import FPS, Clip, read_clips
from realtime_models.training.judge.beat import mean_vector, motion_beats
from realtime_models.training.judge.systems.clips import STRETCH, dancers_of, place, read_index, sample, yaw_of

PHRASE_BEATS = 16
FADE_BEATS = 1.0  #: length of a cross-fade, centred on the phrase border
PER_BEAT = (0.25, 0.5, 1.0, 2.0)  #: moves per beat that count as fitting
CUES = 6  #: cues tried per phrase; the best one is kept
STAGE_M = 2.0  #: a cue that carries the dancer further out is a bad one


@dataclass(frozen=True)
class Loop:
    """A dance clip with what clip-sync needs: its movement rate and its motion beats."""

    name: str
    root: np.ndarray  #: (F, 3) [m] at 30 Hz
    rotations: np.ndarray  #: (F, 22, 4) xyzw
    rate_hz: float  #: moves a second
    beats_s: np.ndarray  #: motion beats

    @property
    def seconds(self) -> float:
        return (len(self.root) - 1) / FPS


def loop_of(clip: Clip, rate_hz: float) -> Loop:
    """A loop of a clip at 30 Hz whose dominant movement rate is ``rate_hz``."""
    return Loop(clip.name, clip.root, clip.rotations, rate_hz, motion_beats(clip.root, clip.rotations, FPS))


def read_loops(splits: tuple[str, ...] = ("train",), *, without: Collection[str] = ()) -> list[Loop]:
    """The permissive dance clips with a movement rate; needs CORYBANT_DATA.

    Clips of the dancers ``without`` (``subject`` of the index) are left out; ConfigError when one is unknown.
    """
    index = read_index()
    kept = dancers_of(index, without)
    rates = {entry["name"]: entry.get("move_rate_per_min") for entry in index if entry["name"] in kept}
    return [loop_of(clip, rates[clip.name] / 60) for clip in read_clips(splits=splits) if rates.get(clip.name)]


@dataclass(frozen=True)
class _Cue:
    loop: Loop
    start_s: float  #: clip time that is seen at the phrase's first beat
    speed: float  #: clip seconds per second
    fit: float


def stretches(loop: Loop, period_s: float) -> list[float]:
    """Speeds [clip s / s] within bounds at which the clip moves once per beat, or a fraction or multiple."""
    speeds = [per_beat / (period_s * loop.rate_hz) for per_beat in PER_BEAT]
    return [s for s in speeds if STRETCH[0] <= s <= STRETCH[1]]


def _cue(loop: Loop, beats_s: np.ndarray, spare_s: float, rng: np.random.Generator) -> _Cue | None:
    """One try: a random place of the clip, moved by up to half a beat so that its motion beats fall on the beats."""
    span_s, period_s = beats_s[-1] - beats_s[0], float(np.median(np.diff(beats_s)))
    speeds = stretches(loop, period_s)
    if not speeds:
        return None
    speed = float(rng.choice(speeds))
    last_s = loop.seconds - speed * (span_s + spare_s + period_s)
    first_s = speed * (spare_s + period_s)
    if last_s <= first_s:
        return None
    start_s = float(rng.uniform(first_s, last_s))
    seen_s = (loop.beats_s - start_s) / speed
    phases = seen_s[(seen_s >= 0) & (seen_s <= span_s)] / period_s
    vector = mean_vector(phases, 1.0)
    late_s = float(np.angle(vector)) / (2 * np.pi) * period_s if vector else 0.0
    return _Cue(loop, start_s + speed * late_s, speed, abs(vector))


def whole_grid(beats_s: np.ndarray, seconds: float) -> np.ndarray:
    """The beats (n,) [s], carried on at their first and last period to before 0 and past ``seconds``."""
    first, last = beats_s[1] - beats_s[0], beats_s[-1] - beats_s[-2]
    before = beats_s[0] - first * np.arange(int(beats_s[0] / first) + 1, 0, -1)
    after = beats_s[-1] + last * np.arange(1, max(0, int((seconds - beats_s[-1]) / last)) + 2 + PHRASE_BEATS)
    return np.r_[before, beats_s, after]


def clips_on_grid(
    loops: list[Loop], beats_s: np.ndarray, seconds: float, *, fps: float = 60, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Root (F, 3) and rotations (F, 22, 4) of a dance of ``seconds`` to true beats (n,) [s].

    ValueError when fewer than two beats are given or no loop fits the tempo.
    """
    if len(beats_s) < 2:
        raise ValueError(f"{len(beats_s)} beats; a grid needs at least 2")
    rng = np.random.default_rng(seed)
    frames = round(seconds * fps)
    times_s = np.arange(frames) / fps
    grid = whole_grid(np.asarray(beats_s, np.float64), seconds)
    root, rotations = np.zeros((frames, 3)), np.zeros((frames, 22, 4))
    done = 0
    for k in range(0, len(grid) - PHRASE_BEATS, PHRASE_BEATS):
        beats = grid[k : k + PHRASE_BEATS + 1]
        fade_s = FADE_BEATS * float(np.median(np.diff(beats)))
        part = np.flatnonzero((times_s >= beats[0] - fade_s / 2) & (times_s < beats[-1] + fade_s / 2))
        if not len(part) or (done and part[0] >= done):
            continue
        seam = (root[part[0]].copy(), yaw_of(rotations[part[0], 0])) if done else (np.zeros(3), 0.0)
        new_root, new_rotations = _phrase(loops, beats, times_s[part], fade_s, seam, rng)
        share = np.clip((times_s[part] - (beats[0] - fade_s / 2)) / fade_s, 0, 1) if done else np.ones(len(part))
        share = share * share * (3 - 2 * share)
        share[part >= done] = 1.0
        old_root, old_rotations = root[part], rotations[part]
        root[part] = old_root + (new_root - old_root) * share[:, None]
        old_rotations[part >= done] = new_rotations[part >= done]
        rotations[part] = quat_slerp(old_rotations, new_rotations, np.repeat(share[:, None], 22, axis=1))
        done = part[-1] + 1
    return root.astype(np.float32), rotations.astype(np.float32)


def _phrase(
    loops: list[Loop],
    beats_s: np.ndarray,
    times_s: np.ndarray,
    fade_s: float,
    seam: tuple[np.ndarray, float],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """The best of a few cues over one phrase, placed on from where the dancer stood."""
    best, found = -np.inf, None
    tries = 0
    for pick in rng.permutation(np.tile(np.arange(len(loops)), 3)):
        cue = _cue(loops[pick], beats_s, fade_s / 2, rng)
        if cue is None:
            continue
        clip_s = cue.start_s + cue.speed * (times_s - beats_s[0])
        stretch = place(*sample(cue.loop, FPS * clip_s), 0, *seam)
        out_m = max(0.0, float(np.hypot(stretch[0][:, 0], stretch[0][:, 2]).max()) - STAGE_M)
        if cue.fit - out_m > best:
            best, found = cue.fit - out_m, stretch
        tries += 1
        if tries == CUES:
            break
    if found is None:
        raise ValueError(f"no clip fits a beat of {np.median(np.diff(beats_s)):.2f} s; give more or longer clips")
    return found
