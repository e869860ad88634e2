"""VRChat's OSC trackers: eight points of the body and the head, as if somebody wore them.

Positions and rotations are those of the world in Unity's axes, rotations as Euler angles in degrees, turned about z,
then x, then y (documentation: docs.vrchat.com, OSC trackers). VRChat has no place for a body, only for points, and
fits its avatar to them; which point is which it finds out itself when the player calibrates in the T-pose.
"""

import numpy as np

from bridges.axes import WorldJoints, unity_euler_deg, unity_matrices, unity_position
from bridges.net import UdpSender, parse_address
from bridges.options import number, read_options, switch, whole
from bridges.osc import Fixed, Frame
from engine.types import Pose, Skeleton

#: Joint of tracker 1 to 8, the most telling ones first: feet and hip alone make a better body than noisy elbows.
TRACKERS = (
    "pelvis", "left_ankle", "right_ankle", "spine3", "left_knee", "right_knee", "left_elbow", "right_elbow",
)  # fmt: skip
HEAD = "head"  #: lets VRChat lay our room over the player's
HEIGHT_M = 1.75  #: of the house skeleton: its head joint stands at 1.575 m, a crown is about 0.175 m above it


class TrackerEncoder:
    """Packs the first ``trackers`` (1 to 8) of ``TRACKERS``, scaled to a dancer of ``height_m`` [m]."""

    def __init__(self, skeleton: Skeleton, height_m: float = HEIGHT_M, trackers: int = 8, head: bool = True):
        names = {str(place): joint for place, joint in enumerate(TRACKERS[:trackers], 1)}
        names |= {"head": HEAD} if head else {}
        messages: list[Fixed] = []
        for name in names:
            messages += [(f"/tracking/trackers/{name}/{what}", "fff", ()) for what in ("position", "rotation")]
        self._frame = Frame(messages)
        self._joints = [skeleton.names.index(joint) for joint in names.values()]
        self._world = WorldJoints(skeleton.parents, skeleton.offsets)
        self._scale = np.float32(height_m / HEIGHT_M)
        self._numbers = np.empty((len(names), 2, 3), np.float32)

    def encode(self, pose: Pose) -> list[bytes]:
        """Datagrams of one pose: per tracker position x y z [m] and rotation x y z [deg]."""
        positions, turns = self._world.places(pose.root, pose.rotations)
        self._numbers[:, 0] = unity_position(positions[self._joints]) * self._scale
        self._numbers[:, 1] = unity_euler_deg(unity_matrices(turns[self._joints]))
        return self._frame.encode(self._numbers.ravel())


class VrchatSink:
    """``vrchat=HOST:PORT``, usually port 9000 of the player's machine."""

    OPTIONS = {"height_m": number(HEIGHT_M, 0.2, 5.0), "trackers": whole(8, 1, 8), "head": switch(True)}

    def __init__(self, spec, live):
        self._options = read_options(spec, self.OPTIONS)
        self._udp = UdpSender(parse_address(spec.address, "vrchat"), "vrchat")
        self._encoder: TrackerEncoder | None = None

    def open(self, skeleton: Skeleton) -> None:
        self._encoder = TrackerEncoder(skeleton, **self._options)
        self._udp.open()

    def send(self, pose: Pose) -> None:
        self._udp.send(self._encoder.encode(pose))

    def close(self) -> None:
        self._udp.close()

    def stats(self) -> dict[str, int]:
        return {"dropped": self._udp.dropped}
