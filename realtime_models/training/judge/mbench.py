"""The five measures of MBench that need joints only, so that its table can stand beside ours.

MBench: Lin et al. 2025, "The Quest for Generalizable Motion Generation" (ViMoGen), and its public scorer, whose limits
are per *frame*; it shows motion at 20 frames a second, so motion is brought from the judge's 30 Hz to 20 Hz here (every
second frame lies on a straight line between two). Written anew from the definitions.

These are the published measures with what they are known to miss: contact is "slow **or** low", so a floating body that
stands counts as in contact; penetration is the mean over sunk feet only, so it does not say how often.
"""

from dataclasses import dataclass

import numpy as np

from realtime_models.training.judge.contact import FEET, runs
from realtime_models.training.judge.motion import JUDGE_HZ, Motion, at_judge_rate

MBENCH_HZ = 20.0
PENETRATION_M = 0.005  #: depths up to this do not count
CONTACT_STEP_M = 0.01  #: a foot joint is in contact when it moves less than this in a frame ...
CONTACT_HEIGHT_M = 0.02  #: ... or is lower than this
STILL_ROOT_M = 0.001  #: a root that moves less than this in a frame says nothing of floating
STILL_FOOT_M = 1.2e-4
RATE_LOW, RATE_HIGH = 0.6, 1.75  #: foot step beside the root by root step: outside, a foot in contact is implausible
RATE_CARRIED = 0.4  #: under this, a foot in the air is carried along by the root
LEAST_AIR = 4  #: frames of a stretch in the air that is looked at
WEAVES = 2  #: more turns of direction than this while both feet are in the air is weaving


@dataclass(frozen=True, slots=True)
class MBench:
    """Lengths in metres a frame of 1/20 s. Lower is better, but ``dynamic_degree`` only says how much it moves."""

    jitter_degree: float  #: mean size of joints' second differences, plus the same with the root's path taken out
    ground_penetration: float  #: [m] mean depth of those foot joints that are deeper than 5 mm; 0 when none is
    foot_floating: float  #: implausible frames by all frames
    foot_sliding: float  #: mean horizontal step of foot joints in contact, mean over both feet
    dynamic_degree: float  #: mean size of joints' steps, plus the same with the root's path taken out


def mbench(motion: Motion) -> MBench:
    """The five measures of one motion of 4 frames of 20 Hz or more; ValueError when it is shorter."""
    p = at_mbench_rate(at_judge_rate(motion).positions)
    if len(p) < 4:
        raise ValueError(f"{motion.name}: MBench needs 4 frames at 20 Hz, this motion has {len(p)}")
    local = p - p[:, :1]
    return MBench(
        jitter_degree=_mean_step(p, 2) + _mean_step(local, 2),
        ground_penetration=_penetration(p[:, FEET, 1]),
        foot_floating=_floating(p),
        foot_sliding=_sliding(p[:, FEET]),
        dynamic_degree=_mean_step(p, 1) + _mean_step(local, 1),
    )


def at_mbench_rate(p: np.ndarray) -> np.ndarray:
    """Positions (F, J, 3) at 30 Hz -> at 20 Hz, straight lines between frames."""
    if not len(p):
        return p
    at = np.arange(int((len(p) - 1) * MBENCH_HZ / JUDGE_HZ + 1e-9) + 1) * (JUDGE_HZ / MBENCH_HZ)
    low = at.astype(int)
    high = np.minimum(low + 1, len(p) - 1)
    return p[low] + (p[high] - p[low]) * (at - low)[:, None, None]


def _mean_step(p: np.ndarray, order: int) -> float:
    return float(np.linalg.norm(np.diff(p, order, axis=0), axis=-1).mean())


def _penetration(height: np.ndarray) -> float:
    deep = -height[height < -PENETRATION_M]
    return float(deep.mean()) if len(deep) else 0.0


def _steps(p: np.ndarray) -> np.ndarray:
    """Steps to the next frame, the last one repeated."""
    step = np.diff(p, axis=0)
    return np.concatenate([step, step[-1:]])


def _contact(feet: np.ndarray) -> np.ndarray:
    return (np.linalg.norm(_steps(feet), axis=-1) < CONTACT_STEP_M) | (feet[..., 1] < CONTACT_HEIGHT_M)


def _sliding(feet: np.ndarray) -> float:
    step, contact = np.linalg.norm(_steps(feet)[..., [0, 2]], axis=-1), _contact(feet)
    return float(((step * contact).sum(axis=0) / (contact.sum(axis=0) + 1e-6)).mean())


def _floating(p: np.ndarray) -> float:
    """Frames with implausible contact, half the frames carried through the air, and all frames of weaving."""
    feet, contact = p[:, FEET], _contact(p[:, FEET])
    root_step = np.linalg.norm(_steps(p[:, 0]), axis=-1)
    rate = np.linalg.norm(_steps(feet - p[:, :1]), axis=-1) / (root_step[:, None] + 1e-6)
    still_root = root_step < STILL_ROOT_M
    odd = ((rate < RATE_LOW) | (rate > RATE_HIGH)) & (np.linalg.norm(_steps(feet), axis=-1) > STILL_FOOT_M)
    # Both feet down and both odd, or the only foot that is down.
    implausible = (contact <= odd).all(axis=1) & contact.any(axis=1) & ~still_root
    carried = sum(_carried(rate[:, foot], ~contact[:, foot], still_root) for foot in range(2))
    weaving = _weaving(feet[:, 0], ~contact)
    return float((implausible.sum() + carried / 2 + weaving) / len(p))


def _carried(rate: np.ndarray, air: np.ndarray, still_root: np.ndarray) -> int:
    """Frames in the air (F,) at which a foot hardly moves beside a root that moves."""
    stretches = [slice(a, b) for a, b in runs(air) if b - a >= LEAST_AIR]
    return sum(int((rate[s] < RATE_CARRIED).sum()) for s in stretches if still_root[s].mean() <= 0.5)


def _weaving(left_foot: np.ndarray, air: np.ndarray) -> int:
    """Frames of stretches with both feet in the air (F, 2) in which the left foot's way turns to and fro.

    The angle between the way so far and the way of the whole stretch is followed; more than 2 peaks of it are weaving.
    """
    total = 0
    for start, end in runs(air.all(axis=1)):
        if end - start < LEAST_AIR:
            continue
        way = left_foot[start + 1 : end] - left_foot[start]
        unit = way / (np.linalg.norm(way, axis=-1, keepdims=True) + 1e-6)
        angle = np.arccos(np.clip(unit @ unit[-1], -1.0, 1.0))
        total += int(end - start) if _peaks(angle) > WEAVES else 0
    return total


def _peaks(curve: np.ndarray) -> int:
    """Local maxima of curve (n,) inside its ends; a flat top counts once."""
    rise = np.sign(np.diff(curve))
    rise = rise[rise != 0]
    return int(((rise[:-1] > 0) & (rise[1:] < 0)).sum())
