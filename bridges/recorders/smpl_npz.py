"""SMPL-X and AMASS: axis-angle poses of the body models of the Max Planck Institute, as .npz. No body is in them.

Our joints are the models' first 22 in their order and their rest pose is ours, so rotations go over as they are. Shape
is the mean (``betas`` zero, gender neutral). What differs between the two:

=========  ========  ===================================================  =====  ====================
file       model     poses                                                up     rate
=========  ========  ===================================================  =====  ====================
SMPL-X     SMPL-X    (T, 165): root, 21 body, jaw, 2 eyes, 15 + 15 hands  +Y     ``mocap_frame_rate``
AMASS      SMPL+H    (T, 156): root, 21 body, 15 + 15 hands               +Z     ``mocap_framerate``
=========  ========  ===================================================  =====  ====================

A model's origin is not its pelvis: it puts the pelvis at ``trans`` + where the pelvis rests, whatever the rotation.
That rest place is a constant of the model (of mean shape): SMPL-X (.0031, -.3514, .0120) m, SMPL+H (-.0018, -.2233,
.0282) m. So ``trans`` = our pelvis - that constant, and a body from these files stands where ours stood; the constant
is in the file as ``pelvis_m``, and ``trans + pelvis_m`` is the pelvis. With AMASS, whose floor is the XY plane, the
house frame is turned a quarter about X first: (x, y, z) -> (x, -z, y); the constant is not turned, being the model's.

Hands are identity (flat) where a pose has none; 15 joints a hand in SMPL-X's order, relative to the flat hand. SMPL-X's
expression coefficients have no names, so expressions do not travel here. Keys as by the AMASS project (Mahmood et al.
2019) and SMPL-X (Pavlakos et al. 2019); the reading software wants the models, which are under licences of their own.
"""

import zipfile
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from bridges.recorders.clip import Clip
from engine.skeleton import quat_multiply

SMPLX_PELVIS_M = np.array([0.0031, -0.3514, 0.0120])
SMPLH_PELVIS_M = np.array([-0.0018, -0.2233, 0.0282])
BETAS, DMPLS = 16, 8
_BODY, _HANDS, _FACE = 22 * 3, 30 * 3, 3 * 3
_UPRIGHT_XYZW = np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])  # a quarter turn about X: +Y becomes +Z

#: Name -> (shape, its values in pieces).
Arrays = dict[str, tuple[tuple[int, ...], Callable[[], Iterator[np.ndarray]]]]


def write_smplx(clip: Clip, file: BinaryIO) -> None:
    """Write an SMPL-X .npz. Raises ConfigError where poses are not finite, OSError from the file."""
    frames = clip.frames
    arrays: Arrays = {
        "trans": ((frames, 3), _in_pieces(clip, lambda a, b: clip.places(a, b) - SMPLX_PELVIS_M)),
        "poses": ((frames, _BODY + _FACE + _HANDS), _in_pieces(clip, lambda a, b: _poses(clip, a, b, face=True))),
        "root_orient": ((frames, 3), _in_pieces(clip, lambda a, b: _vectors(clip, a, b)[:, 0])),
        "pose_body": ((frames, 63), _in_pieces(clip, lambda a, b: _vectors(clip, a, b)[:, 1:22].reshape(b - a, 63))),
    }
    said = {
        "gender": "neutral",
        "surface_model_type": "smplx",
        "mocap_frame_rate": clip.fps,
        "mocap_time_length": clip.seconds,
        "betas": np.zeros(BETAS),
        "num_betas": BETAS,
        "pelvis_m": SMPLX_PELVIS_M,
    }
    _write_npz(file, arrays, said)


def write_amass(clip: Clip, file: BinaryIO) -> None:
    """Write an AMASS (SMPL+H) .npz. Raises ConfigError where poses are not finite, OSError from the file."""

    def trans(start: int, stop: int) -> np.ndarray:
        x, y, z = clip.places(start, stop).astype(np.float64).T
        return np.stack([x, -z, y], axis=1) - SMPLH_PELVIS_M

    frames = clip.frames
    arrays: Arrays = {
        "trans": ((frames, 3), _in_pieces(clip, trans)),
        "poses": ((frames, _BODY + _HANDS), _in_pieces(clip, lambda a, b: _poses(clip, a, b, turn=_UPRIGHT_XYZW))),
        "dmpls": ((frames, DMPLS), _in_pieces(clip, lambda a, b: np.zeros((b - a, DMPLS)))),
    }
    said = {
        "gender": "neutral",
        "mocap_framerate": clip.fps,
        "betas": np.zeros(BETAS),
        "pelvis_m": SMPLH_PELVIS_M,
    }
    _write_npz(file, arrays, said)


def rotation_vectors(turns: np.ndarray) -> np.ndarray:
    """Axis times angle (..., 3) [rad], at most half a turn, of unit quaternions (..., 4) xyzw."""
    q = np.asarray(turns, np.float64)
    q = np.where(q[..., 3:] < 0.0, -q, q)
    sine = np.linalg.norm(q[..., :3], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, q[..., 3:])
    return q[..., :3] * np.where(sine > 1e-8, angle / np.maximum(sine, 1e-8), 2.0)


def _vectors(clip: Clip, start: int, stop: int, turn: np.ndarray | None = None) -> np.ndarray:
    """Rotation vectors (N, joints, 3) of the clip's skeleton, the root's turned before by ``turn``."""
    turns = clip.rotations(start, stop).astype(np.float64)
    if turn is not None:
        turns[:, 0] = quat_multiply(np.broadcast_to(turn, turns[:, 0].shape), turns[:, 0])
    return rotation_vectors(turns)


def _poses(clip: Clip, start: int, stop: int, *, face: bool = False, turn: np.ndarray | None = None) -> np.ndarray:
    vectors = _vectors(clip, start, stop, turn).reshape(stop - start, -1)
    body, hands = vectors[:, :_BODY], vectors[:, _BODY:]
    if not hands.size:
        hands = np.zeros((len(body), _HANDS))
    return np.concatenate([body, *([np.zeros((len(body), _FACE))] if face else []), hands], axis=1)


def _in_pieces(clip: Clip, values: Callable[[int, int], np.ndarray]) -> Callable[[], Iterator[np.ndarray]]:
    return lambda: (values(start, stop).astype("<f4") for start, stop in clip.chunks())


def _write_npz(file: BinaryIO, arrays: Arrays, said: dict[str, object]) -> None:
    """An .npz as numpy writes it, of float32 arrays that come in pieces and of a few small things; no clock in it."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, (shape, pieces) in arrays.items():
            size = int(np.prod(shape)) * 4
            with archive.open(_member(name), "w", force_zip64=size > 2**31) as member:
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(member, header)
                for piece in pieces():
                    member.write(np.ascontiguousarray(piece).tobytes())
        for name, value in said.items():
            with archive.open(_member(name), "w") as member:
                np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, 0o644 << 16  # the same bytes on every system
    return info
