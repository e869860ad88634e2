"""SMPL-X and SMPL+H model files with the right keys and shapes and our own skeleton in them; nobody's body.

Joint j is vertex j, so that the licensed regressor is not needed; every other vertex hangs on a joint anyhow.
"""

from pathlib import Path

import numpy as np

from bridges.recorders.clip import HOUSE_AND_HANDS
from bridges.recorders.smpl_npz import SMPLH_PELVIS_M, SMPLX_PELVIS_M
from engine.skeleton import JOINTS

VERTICES = {"smplx": 10_475, "smplh": 6_890}


def made_up_model(folder: Path, kind: str) -> Path:
    """Write a neutral model file and return its path."""
    parents, rest = _tree(kind)
    joints, vertices = len(parents), VERTICES[kind]
    generator = np.random.default_rng(11)
    template = generator.normal(size=(vertices, 3)) * 0.1
    template[:joints] = rest
    owner = generator.integers(0, joints, vertices)
    owner[:joints] = np.arange(joints)
    weights, regressor = np.zeros((vertices, joints), np.float32), np.zeros((joints, vertices), np.float32)
    weights[np.arange(vertices), owner] = 1.0
    regressor[np.arange(joints), np.arange(joints)] = 1.0
    arrays = {
        "v_template": template,
        "f": np.zeros((4, 3), np.int64),
        "shapedirs": np.zeros((vertices, 3, 20), np.float32),
        "posedirs": np.zeros((vertices, 3, (joints - 1) * 9), np.float32),
        "J_regressor": regressor,
        "kintree_table": np.array([np.where(np.array(parents) < 0, 2**32 - 1, parents), np.arange(joints)]),
        "weights": weights,
        "hands_componentsl": np.eye(45),
        "hands_componentsr": np.eye(45),
        "hands_meanl": np.full(45, 0.3),
        "hands_meanr": np.full(45, -0.3),
        "lmk_faces_idx": np.zeros(51, np.int64),
        "lmk_bary_coords": np.full((51, 3), 1 / 3),
    }
    path = folder / f"{kind.upper()}_NEUTRAL.npz"
    np.savez_compressed(path, **arrays)
    return path


def _tree(kind: str) -> tuple[list[int], np.ndarray]:
    """Parents and rest places [m] of the model's joints: ours, for SMPL-X the jaw and the eyes, then the fingers."""
    ours = HOUSE_AND_HANDS
    face = 3 if kind == "smplx" else 0
    pelvis = SMPLX_PELVIS_M if kind == "smplx" else SMPLH_PELVIS_M
    body = len(JOINTS)
    moved = [joint if joint < body else joint + face for joint in range(len(ours.names))]
    parents = [-1] * (len(ours.names) + face)
    rest = np.zeros((len(parents), 3))
    rest[0] = pelvis
    for joint in range(1, len(ours.names)):
        parents[moved[joint]] = moved[ours.parents[joint]]
        rest[moved[joint]] = rest[moved[ours.parents[joint]]] + ours.offsets[joint].astype(np.float64)
    for joint in range(body, body + face):
        parents[joint], rest[joint] = JOINTS.index("head"), rest[JOINTS.index("head")] + (0.0, 0.02, 0.05)
    return parents, rest
