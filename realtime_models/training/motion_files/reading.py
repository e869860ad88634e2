"""What a reader hands back, and how it refuses."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import ConfigError
from realtime_models.training.motion_files.motion import Motion

MAX_BYTES = 512 << 20  #: larger files are refused before they are read
MAX_FRAMES = 1_000_000  #: over two hours at 120 Hz
MIN_FRAMES = 8  #: fewer say nothing: a jerk alone needs four
RATES_HZ = (1.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """One body of one file, with what was done to it on the way into the house frame."""

    motion: Motion
    notes: tuple[str, ...] = ()  #: one line each: what was found, moved, filled in or guessed
    start_s: float = 0.0  #: time of the first frame in the file's own music [s]
    sound: Path | None = None  #: music that came with it (a take's); music named like the file goes first
    heard_beats_s: np.ndarray | None = None  #: beats that a take's listener said, in that music [s]
    turns: np.ndarray | None = None  #: (F, 22, 4) global turns of the file's joints from its rest pose, nan = unknown
    rest: np.ndarray | None = None  #: (22, 3) [m] that rest pose


def refusal(path: Path, reason: str, accepted: str) -> ConfigError:
    """The one line of a file that is not read: which, why, what would be."""
    line = f"{path}: {reason}; accepted: {accepted}"
    return ConfigError(" ".join(line.split()))


def check_size(path: Path, accepted: str) -> None:
    """Raise ConfigError when a file is missing, empty or too large to be read whole."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise refusal(path, f"cannot be read ({error.strerror or error})", accepted) from error
    if size == 0:
        raise refusal(path, "is empty", accepted)
    if size > MAX_BYTES:
        raise refusal(path, f"is {size >> 20} MiB large, more than {MAX_BYTES >> 20}", accepted)


def check_frames(path: Path, frames: int, accepted: str) -> None:
    """Raise ConfigError when there are too few or too many frames."""
    if not MIN_FRAMES <= frames <= MAX_FRAMES:
        raise refusal(path, f"holds {frames} frames, expected {MIN_FRAMES} to {MAX_FRAMES}", accepted)


def check_rate(path: Path, in_file: float | None, given: float | None, accepted: str) -> tuple[float, tuple[str, ...]]:
    """Frames a second of a file and what to note; a rate that was given goes before the file's own."""
    fps = given if given is not None else in_file
    if fps is None:
        raise refusal(path, "says no frame rate: name it (FPS=60, or --fps 60)", accepted)
    if not RATES_HZ[0] <= fps <= RATES_HZ[1]:
        raise refusal(path, f"frame rate {fps:g} is outside {RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz", accepted)
    if given is not None and in_file is not None and abs(given - in_file) > 1e-6 * given:
        return fps, (f"{given:g} frames a second as given, not {in_file:g} as in the file",)
    return fps, ()


def check_finite(path: Path, values: np.ndarray, what: str, accepted: str) -> None:
    """Raise ConfigError naming the first frame with a value that is no number, or one beyond reason."""
    bad = ~(np.abs(values.reshape(len(values), -1)) < 1e7).all(axis=1)  # also true for nan
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        reason = f"{what} of {int(bad.sum())} of {len(values)} frames are not finite numbers (first: frame {first})"
        raise refusal(path, reason, accepted)
