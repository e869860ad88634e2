"""Virtual Motion Capture protocol, the performer's side (what VSeeFace, Warudo, EVMC4U, VRM4U and others receive).

A frame is the root, every bone with its local position and rotation, expressions when there are any, then
``/VMC/Ext/OK`` and ``/VMC/Ext/T`` as the last messages, because some receivers show a frame when they see these.
Everything travels in as few bundles as fit.

VRM 0 and VRM 1 differ on this wire in the names of expressions only: bones are Unity's HumanBodyBones for both, and
models of both kinds look along +Z in Unity. For VRM 1 the specification wants rotations of the model's own, not
normalised, bones; we have no model, and ours are identity in the T-pose, which is what a VRM 0 model has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from bridges.axes import HUMAN_BONES, MANNEQUIN_BONES, unity_position, unity_rotation
from bridges.flags import BLACKOUT
from bridges.hands import FINGER_BONES, FINGER_OFFSETS_M
from bridges.net import UdpSender, parse_address
from bridges.options import choice, read_options, whole
from bridges.osc import Fixed, Frame
from bridges.vmc_requests import EVERY_FRAME, Period, VmcRequests
from engine.errors import ConfigError
from engine.types import Pose, Skeleton

PLACE = "sfffffff"  #: name, position xyz, rotation xyzw
IDENTITY = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
BONE_NAMES = {"unity": HUMAN_BONES, "mannequin": MANNEQUIN_BONES}
#: Expressions of VRM 1, which are ours, as VRM 0 calls them; others keep their name.
VRM0_EXPRESSIONS = {
    "neutral": "Neutral", "happy": "Joy", "angry": "Angry", "sad": "Sorrow", "relaxed": "Fun", "aa": "A", "ih": "I",
    "ou": "U", "ee": "E", "oh": "O", "blink": "Blink", "blinkLeft": "Blink_L", "blinkRight": "Blink_R",
    "lookUp": "LookUp", "lookDown": "LookDown", "lookLeft": "LookLeft", "lookRight": "LookRight",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parts:
    """What one frame consists of."""

    root: bool = True
    bones: bool = True
    hands: bool = False
    expressions: tuple[str, ...] | None = None  #: None: no word about them
    status: bool = True


class VmcEncoder:
    """Packs poses of one skeleton. ``names`` is "unity" or "mannequin", ``vrm`` 0 or 1 (names of expressions)."""

    def __init__(self, skeleton: Skeleton, names: str = "unity", vrm: int = 0):
        known = BONE_NAMES[names]
        unknown = [name for name in skeleton.names if name not in known]
        if unknown:
            raise ConfigError(f"vmc has no bone for the joints {', '.join(unknown)}; it knows the 22 body joints")
        self._bones = [known[name] for name in skeleton.names]
        self._expression_names = {} if vrm else VRM0_EXPRESSIONS
        self._frames: dict[Parts, Frame] = {}
        self._before = -1
        body, fingers = len(self._bones), len(FINGER_BONES)
        self._places = np.zeros((1 + body + fingers, 7), np.float32)  # the root, the bones, the fingers
        self._places[0] = IDENTITY
        self._body, self._hands = slice(1, 1 + body), slice(1 + body, None)
        self._places[self._body, :3] = unity_position(np.asarray(skeleton.offsets, np.float32))
        self._places[self._hands, :3] = unity_position(FINGER_OFFSETS_M)

    def encode(self, pose: Pose, loaded: bool = True, send: Period = EVERY_FRAME) -> list[bytes]:
        """Datagrams of one frame. The root stays at the origin; where the body is, the hips' local position says.

        ``loaded`` False (``/VMC/Ext/OK 0``) tells receivers that nobody is to be shown. Time is stream time [s].
        ``send`` leaves out what is not due; the first frame has everything.
        """
        self._places[1, :3] = unity_position(pose.root)
        self._places[self._body, 3:] = unity_rotation(pose.rotations)
        if pose.hands is not None:
            self._places[self._hands, 3:] = unity_rotation(pose.hands)
        parts = self._parts(pose, send)
        return self._frame(parts).encode(self._row(parts, pose), (int(loaded),) if parts.status else ())

    def _parts(self, pose: Pose, send: Period) -> Parts:
        due = partial(send.due, before=self._before, frame=pose.frame)
        self._before = pose.frame
        bones = due("bone")
        expressive = bool(pose.expressions) and due("blend_shape")
        return Parts(
            due("root"),
            bones,
            bones and pose.hands is not None,
            tuple(pose.expressions) if expressive else None,
            due("status"),
        )

    def _frame(self, parts: Parts) -> Frame:
        if parts not in self._frames:
            self._frames[parts] = Frame(self._messages(parts))
        return self._frames[parts]

    def _messages(self, parts: Parts) -> list[Fixed]:
        messages: list[Fixed] = [("/VMC/Ext/Root/Pos", PLACE, ("root",))] * parts.root
        names = [*self._bones * parts.bones, *FINGER_BONES * parts.hands]
        messages += [("/VMC/Ext/Bone/Pos", PLACE, (name,)) for name in names]
        if parts.expressions is not None:
            names = [self._expression_names.get(name, name) for name in parts.expressions]
            messages += [("/VMC/Ext/Blend/Val", "sf", (name,)) for name in names] + [("/VMC/Ext/Blend/Apply", "", ())]
        return messages + [("/VMC/Ext/OK", "i", ()), ("/VMC/Ext/T", "f", ())] * parts.status

    def _row(self, parts: Parts, pose: Pose) -> np.ndarray:
        """The floats of a frame in the order of its messages."""
        begin = 0 if parts.root else 1
        end = (len(self._places) if parts.hands else self._body.stop) if parts.bones else 1
        row = [self._places[begin:end].ravel()]
        if parts.expressions is not None:
            row.append(_weights(pose.expressions, parts.expressions))
        if parts.status:
            row.append(np.array([pose.time_s], np.float32))
        return np.concatenate(row)


def _weights(expressions: Mapping[str, float], names: tuple[str, ...]) -> np.ndarray:
    return np.array([min(1.0, max(0.0, expressions[name])) for name in names], np.float32)


class VmcSink:
    """``vmc=HOST:PORT``, usually port 39539 of the machine that draws."""

    OPTIONS = {
        "vrm": whole(0, 0, 1),
        "names": choice("unity", *BONE_NAMES),
        "listen": whole(None, 1, 65_535),
    }

    def __init__(self, spec, live):
        options = read_options(spec, self.OPTIONS)
        listen = options.pop("listen")
        self._options = options
        self._udp = UdpSender(parse_address(spec.address, "vmc"), "vmc")
        self._requests = None if listen is None else VmcRequests(listen, self._udp.host)
        self._encoder: VmcEncoder | None = None

    def open(self, skeleton: Skeleton) -> None:
        self._encoder = VmcEncoder(skeleton, **self._options)
        self._udp.open()
        if self._requests:
            self._requests.open()

    def send(self, pose: Pose) -> None:
        self.deliver(pose, 0, pose.time_s)

    def deliver(self, pose: Pose, flags: int, sent_s: float) -> None:
        period = self._requests.read() if self._requests else EVERY_FRAME
        self._udp.send(self._encoder.encode(pose, not flags & BLACKOUT, period))

    def close(self) -> None:
        self._udp.close()
        if self._requests:
            self._requests.close()

    def stats(self) -> dict[str, int]:
        heard = {"asked": self._requests.asked, "refused": self._requests.refused} if self._requests else {}
        return {"dropped": self._udp.dropped, **heard}
