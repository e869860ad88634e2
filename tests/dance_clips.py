"""Real dance for the tests: the clips of tests/data/dance (credit and changes in the README there)."""

from pathlib import Path

import numpy as np

from realtime_models.training.judge.motion import Motion, from_pose

FOLDER = Path(__file__).parent / "data" / "dance"
DANCES = ("salsa", "broadway", "modern", "party")  #: 25 s each, one dancer


def read_pose(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Root (750, 3) [m] and local rotations (750, 22, 4) xyzw at 30 Hz, both float64."""
    with np.load(FOLDER / f"{name}.npz") as store:
        rotations, root = store["quats"][..., [1, 2, 3, 0]].astype(np.float64), store["trans"].astype(np.float64)
    return root, rotations / np.linalg.norm(rotations, axis=-1, keepdims=True)


def read_dance(name: str) -> Motion:
    """One of DANCES."""
    return from_pose(name, *read_pose(name), 30.0, dancer="Jasmine Coro", style=name)


def read_dances() -> list[Motion]:
    """All of DANCES."""
    return [read_dance(name) for name in DANCES]
