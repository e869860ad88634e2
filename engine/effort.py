"""How hard the body works, against how hard the music asks: keeps the energy of the dance from wandering. Pure."""

import numpy as np

from engine.skeleton import forward_kinematics
from engine.types import MODEL_HZ

#: Deciles of real dance's mean joint speed [m/s] over about two seconds (train split of the permissive set).
DANCE_SPEED_M_S = (0.035, 0.234, 0.329, 0.413, 0.482, 0.544, 0.611, 0.690, 0.792, 0.913, 2.255)
REMEMBERED_S = 4.0  #: over which the body's own speed is read
GAIN = 0.8  #: of the correction


def body_speed_m_s(root: np.ndarray, rotations: np.ndarray) -> float:
    """Mean joint speed over consecutive model frames; root (F, 3), rotations (F, 22, 4)."""
    joints = forward_kinematics(root, rotations)[0]
    return float(np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean()) * MODEL_HZ


def remember(speed_m_s: float, newest_m_s: float, seconds: float) -> float:
    """The running mean after ``seconds`` more at ``newest_m_s``."""
    return speed_m_s + min(seconds / REMEMBERED_S, 1.0) * (newest_m_s - speed_m_s)


def asked_energy(energy: float, speed_m_s: float) -> float:
    """Energy 0..1 to ask of the model so that a body moving at ``speed_m_s`` comes to where ``energy`` wants it to be.

    Both are ranks among real dance: the model was taught energy as the rank of its speed. A body that is calmer than
    its music is asked for more than the music says, and the other way round.
    """
    rank = float(np.interp(speed_m_s, DANCE_SPEED_M_S, np.linspace(0.0, 1.0, len(DANCE_SPEED_M_S))))
    return float(np.clip(energy + GAIN * (energy - rank), 0.0, 1.0))
