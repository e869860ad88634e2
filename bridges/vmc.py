"""Virtual Motion Capture protocol, the performer's side (what VSeeFace, Warudo, EVMC4U, VRM4U and others receive).

A frame is the root, every bone with its local position and rotation, then ``/VMC/Ext/OK`` and ``/VMC/Ext/T`` as the
last messages, because some receivers show a frame when they see these. Everything travels in as few bundles as fit.
"""

import numpy as np

from bridges.axes import HUMAN_BONES, unity_position, unity_rotation
from bridges.flags import BLACKOUT
from bridges.net import UdpSender, parse_address
from bridges.osc import Fixed, Frame
from engine.errors import ConfigError
from engine.types import Pose, Skeleton

PLACE = "sfffffff"  #: name, position xyz, rotation xyzw
IDENTITY = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


class VmcEncoder:
    """Packs poses of one skeleton. Every joint must have a bone in ``HUMAN_BONES``."""

    def __init__(self, skeleton: Skeleton):
        unknown = [name for name in skeleton.names if name not in HUMAN_BONES]
        if unknown:
            raise ConfigError(f"vmc has no bone for the joints {', '.join(unknown)}; it knows the 22 body joints")
        messages: list[Fixed] = [("/VMC/Ext/Root/Pos", PLACE, ("root",))]
        messages += [("/VMC/Ext/Bone/Pos", PLACE, (HUMAN_BONES[name],)) for name in skeleton.names]
        messages += [("/VMC/Ext/OK", "i", ()), ("/VMC/Ext/T", "f", ())]
        self._frame = Frame(messages)
        bones = len(skeleton.names)
        self._floats = np.zeros(7 * (1 + bones) + 1, np.float32)
        self._places = self._floats[:-1].reshape(1 + bones, 7)  # a view: row 0 the root, then one row per bone
        self._places[0] = IDENTITY
        self._places[1:, :3] = unity_position(np.asarray(skeleton.offsets, np.float32))

    def encode(self, pose: Pose, loaded: bool = True) -> list[bytes]:
        """Datagrams of one frame. The root stays at the origin; where the body is, the hips' local position says.

        ``loaded`` False (``/VMC/Ext/OK 0``) tells receivers that nobody is to be shown. Time is stream time [s].
        """
        self._places[1, :3] = unity_position(pose.root)
        self._places[1:, 3:] = unity_rotation(pose.rotations)
        self._floats[-1] = pose.time_s
        return self._frame.encode(self._floats, (int(loaded),))


class VmcSink:
    """``vmc=HOST:PORT``, usually port 39539 of the machine that draws."""

    def __init__(self, spec, live):
        self._udp = UdpSender(parse_address(spec.address, "vmc"), "vmc")
        self._encoder: VmcEncoder | None = None

    def open(self, skeleton: Skeleton) -> None:
        self._encoder = VmcEncoder(skeleton)
        self._udp.open()

    def send(self, pose: Pose) -> None:
        self.deliver(pose, 0, pose.time_s)

    def deliver(self, pose: Pose, flags: int, sent_s: float) -> None:
        self._udp.send(self._encoder.encode(pose, loaded=not flags & BLACKOUT))

    def close(self) -> None:
        self._udp.close()

    def stats(self) -> dict[str, int]:
        return {"dropped": self._udp.dropped}
