"""What a lane shows at a tick: the due pose, or what stands in for it. Pure.

Freeze and blackout hold the pose sent last; panic eases from it to the safe idle; a timeline that ran dry is held for
a moment, then eased to the idle. The idle is taken up where the dancer stands and looks. The way back is eased, too.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from engine.idle import idle_pose
from engine.skeleton import quat_slerp
from engine.types import POSE_HZ, Controls, Pose

HOLD_TICKS = 15  #: a plan that is late by less than this is only held
EASE_TICKS = 60  #: from the pose sent last to the idle
BACK_TICKS = 24  #: from there back into the dance


@dataclass(frozen=True, slots=True)
class Shown:
    """What one lane remembers."""

    pose: Pose | None = None  #: the pose sent last
    origin: Pose | None = None  #: where the way to the idle began; None while dancing
    held: int = 0  #: ticks held since then
    eased: int = 0  #: ticks of the way to the idle that are done
    back: int = 0  #: ticks left on the way back into the dance

    def corrected(self, pose: Pose) -> "Shown":
        """The same after the guard has put ``pose`` in place of what was chosen."""
        return self if pose is self.pose else replace(self, pose=pose)


def choose(shown: Shown, tick: int, due: Pose | None, controls: Controls) -> tuple[Shown, bool]:
    """What to show at ``tick``, in ``.pose`` of the new state, and whether the lane ran dry (``due`` is None).

    ``due`` is the pose that the timeline has for ``tick``.
    """
    passed = 1 if shown.pose is None else max(1, tick - shown.pose.frame)
    if controls.panic:
        return _settle(replace(shown, held=HOLD_TICKS), tick, passed), due is None
    if controls.freeze or controls.blackout:
        pose = idle_pose(tick) if shown.pose is None else _at(shown.pose, tick)
        return replace(shown, pose=pose, back=BACK_TICKS), due is None
    if due is None:
        return _settle(shown, tick, passed), True
    return _dance(shown, due, passed), False


def _dance(shown: Shown, due: Pose, passed: int) -> Shown:
    back = BACK_TICKS if shown.origin is not None else shown.back
    if shown.pose is None or not back:
        return Shown(due)
    left = max(0, back - passed)
    return Shown(_between(shown.pose, due, (back - left) / back), back=left)


def _settle(shown: Shown, tick: int, passed: int) -> Shown:
    """Hold, then go to the idle; without anything sent before, begin in it."""
    if shown.pose is None:
        pose = idle_pose(tick)
        return Shown(pose, origin=pose, held=HOLD_TICKS, eased=EASE_TICKS)
    origin = shown.origin or shown.pose
    held = min(HOLD_TICKS, shown.held + passed)
    eased = min(EASE_TICKS, shown.eased + passed - (held - shown.held))
    if not eased:
        return Shown(_at(origin, tick), origin, held, eased)
    idle = idle_pose(tick, place_m=(float(origin.root[0]), float(origin.root[2])), yaw_rad=heading_rad(origin))
    share = eased / EASE_TICKS
    smooth = share * share * (3.0 - 2.0 * share)
    return Shown(idle if share >= 1.0 else _between(origin, idle, smooth), origin, held, eased)


def heading_rad(pose: Pose) -> float:
    """Where the pelvis looks, as an angle about +Y, 0 = +Z."""
    x, y, z, w = (float(c) for c in pose.rotations[0])
    return math.atan2(2.0 * (x * z + w * y), 1.0 - 2.0 * (x * x + y * y))


def _at(pose: Pose, tick: int) -> Pose:
    """The same body at another tick."""
    return replace(pose, frame=tick, time_s=tick / POSE_HZ)


def _between(a: Pose, b: Pose, share: float) -> Pose:
    """Between two poses, with the time of the second; share 1 is ``b`` itself."""
    if share >= 1.0:
        return b
    root = (a.root + (b.root - a.root) * np.float32(share)).astype(np.float32)
    return replace(b, root=root, rotations=quat_slerp(a.rotations, b.rotations, share))
