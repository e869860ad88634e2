"""Real dance clips as the baselines use them: whose they are, played at any speed, put anywhere on the floor."""

import json
from collections.abc import Collection
from typing import Protocol

import numpy as np

from engine.errors import ConfigError
from engine.skeleton import quat_from_yaw, quat_multiply, quat_rotate, quat_slerp
from realtime_models.training.data import FPS, Clip, data_root, read_clips

STRETCH = (0.8, 1.25)  #: how slowly and how fast a clip may be played [clip s / s]


class Take(Protocol):
    """What a baseline needs of a clip: data.Clip, clips_on_grid.Loop and made-up ones have it."""

    @property
    def name(self) -> str: ...
    @property
    def root(self) -> np.ndarray:
        """(F, 3) [m] at 30 Hz"""

    @property
    def rotations(self) -> np.ndarray:
        """(F, 22, 4) xyzw"""


def read_index(which: str = "permissive") -> list[dict]:
    """The index of a motion set; needs CORYBANT_DATA."""
    return json.loads((data_root() / "motion" / f"{which}_index.json").read_text(encoding="utf-8"))


def dancers_of(index: list[dict], without: Collection[str]) -> dict[str, str]:
    """``{clip: dancer}`` of the dance clips of an index, those of the dancers ``without`` left out.

    ConfigError when ``without`` names somebody who does not dance there.
    """
    dancers = {entry["name"]: entry["subject"] for entry in index if entry["is_dance"]}
    unknown = sorted(set(without) - set(dancers.values()))
    if unknown:
        known = ", ".join(sorted(set(dancers.values())))
        raise ConfigError(f"no dancer named {', '.join(unknown)} to leave out; there is: {known}")
    return {name: dancer for name, dancer in dancers.items() if dancer not in without}


def dance_clips(
    splits: tuple[str, ...] = ("train",), *, without: Collection[str] = (), which: str = "permissive"
) -> list[Clip]:
    """The dance clips of some splits; clips of the dancers ``without`` (``subject`` of the index) are left out."""
    kept = dancers_of(read_index(which), without)
    return [clip for clip in read_clips(which, splits=splits) if clip.name in kept]


def sample(clip: Take, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root (n, 3) and rotations (n, 22, 4) at fractional frames (n,); beyond the ends the last pose stands."""
    position = np.clip(frames, 0, len(clip.root) - 1)
    low = np.minimum(position.astype(int), len(clip.root) - 2)
    u = position - low
    root = clip.root[low] + (clip.root[low + 1] - clip.root[low]) * u[:, None]
    rotations = quat_slerp(clip.rotations[low], clip.rotations[low + 1], np.repeat(u[:, None], 22, axis=1))
    return root, rotations


def seconds_of(clip: Take) -> float:
    """From the first frame to the last [s]."""
    return (len(clip.root) - 1) / FPS


def yaw_of(rotation: np.ndarray) -> float:
    """Heading [rad] about +Y of a pelvis rotation (4,) xyzw; 0 = facing +Z."""
    ahead = quat_rotate(np.asarray(rotation, np.float64), np.array([0.0, 0.0, 1.0]))
    return float(np.arctan2(ahead[0], ahead[2]))


def turned_and_moved(
    root: np.ndarray, rotations: np.ndarray, yaw_rad: float, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A stretch (F, 3), (F, 22, 4) turned by ``yaw_rad`` about the vertical through the origin, then moved by (3,)."""
    turn = quat_from_yaw(yaw_rad)
    turned = rotations.copy()
    turned[:, 0] = quat_multiply(np.broadcast_to(turn, rotations[:, 0].shape), rotations[:, 0])
    return quat_rotate(turn, root) + shift, turned


def place(
    root: np.ndarray, rotations: np.ndarray, at: int, spot: np.ndarray, yaw_rad: float
) -> tuple[np.ndarray, np.ndarray]:
    """Turn and move a stretch about the vertical: frame ``at`` stands at x, z of ``spot`` (3,) facing ``yaw_rad``."""
    flat = np.array([1, 0, 1])
    by_rad = yaw_rad - yaw_of(rotations[at, 0])
    return turned_and_moved(root - root[at] * flat, rotations, by_rad, spot * flat)
