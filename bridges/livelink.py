"""Unreal Live Link by JSON over UDP, in the format of the JSONLiveLink plug-in (ue4plugins/JSONLiveLink, MIT).

One datagram is one frame of one subject: ``{"SUBJECT":[{"Name","Parent","Location","Rotation","Scale"}, ...]}`` with
places local to the parent in Unreal's axes and centimetres. The plug-in reads names and parents once for each subject
and drops a frame that lacks a field. Bones have the Mannequin's names, but every bone's axes are those of the world in
the T-pose; the Mannequin's own run along the bones. So Unreal retargets (docs/protocol.md says how).

The text is packed once with holes of fixed width. JSON allows spaces before a number but no zeros, which suits
quaternions (one digit before the point); positions are rest offsets except the pelvis'.
"""

import re

import numpy as np

from bridges.axes import MANNEQUIN_BONES, unreal_position, unreal_rotation
from bridges.net import UdpSender, parse_address
from bridges.options import Option, read_options
from engine.errors import ConfigError
from engine.types import Pose, Skeleton

DECIMALS = 6  #: of a quaternion: half a microradian
WIDTH = DECIMALS + 3  # sign or space, one digit, point, decimals
LOCATION = "%11.4f,%11.4f,%11.4f"  # up to 99,999 cm either way, to a micrometre
_PLACES = [1, *range(3, WIDTH)]  # of the digits in a hole
_POWERS = 10 ** np.arange(DECIMALS, -1, -1)
_MINUS, _SPACE, _ZERO = ord("-"), ord(" "), ord("0")


class LiveLinkEncoder:
    """Packs poses of one skeleton as one subject. Every joint must have a bone in ``MANNEQUIN_BONES``."""

    def __init__(self, skeleton: Skeleton, subject: str = "Corybant"):
        unknown = [name for name in skeleton.names if name not in MANNEQUIN_BONES]
        if unknown:
            raise ConfigError(f"livelink has no bone for {', '.join(unknown)}; it knows the 22 body joints")
        hole = " " + "0." + "0" * DECIMALS
        rest_cm = unreal_position(np.asarray(skeleton.offsets, np.float32))
        bones = [_bone("root", -1, "0,0,0", "0,0,0,1")]
        for joint, name in enumerate(skeleton.names):
            place = LOCATION % (0, 0, 0) if joint == 0 else ",".join(f"{x:.4f}" for x in rest_cm[joint] + 0.0)
            # bone 0 is the root, so that a joint's bone is one further
            bones.append(_bone(MANNEQUIN_BONES[name], int(skeleton.parents[joint]) + 1, place, ",".join([hole] * 4)))
        text = f'{{"{subject}":[{",".join(bones)}]}}'.encode()
        self._bytes = np.frombuffer(bytearray(text), np.uint8)
        self._location = text.index((LOCATION % (0, 0, 0)).encode())
        starts = np.array([found.start() for found in re.finditer(re.escape(hole.encode()), text)])
        self._signs, self._digits = starts, starts[:, None] + np.array(_PLACES)
        self._location_bytes = slice(self._location, self._location + len(LOCATION % (0, 0, 0)))

    def encode(self, pose: Pose) -> bytes:
        """The datagram of ``pose``. The root stays at the origin; the pelvis carries where the body is."""
        whole = np.rint(unreal_rotation(pose.rotations).ravel() * 10.0**DECIMALS).astype(np.int64)
        self._bytes[self._signs] = np.where(whole < 0, _MINUS, _SPACE)
        self._bytes[self._digits] = np.abs(whole)[:, None] // _POWERS % 10 + _ZERO
        place = LOCATION % tuple(unreal_position(pose.root).clip(-99_999.0, 99_999.0))
        self._bytes[self._location_bytes] = np.frombuffer(place.encode(), np.uint8)
        return self._bytes.tobytes()


def _bone(name: str, parent: int, location: str, rotation: str) -> str:
    return f'{{"Name":"{name}","Parent":{parent},"Location":[{location}],"Rotation":[{rotation}],"Scale":[1,1,1]}}'


def _subject(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text):
        raise ValueError
    return text


class LiveLinkSink:
    """``livelink=HOST:PORT``, usually port 54321 of the machine with the Unreal editor."""

    OPTIONS = {"subject": Option("Corybant", _subject, "1 to 64 letters, digits, _ . -")}

    def __init__(self, spec, live):
        self._options = read_options(spec, self.OPTIONS)
        self._udp = UdpSender(parse_address(spec.address, "livelink"), "livelink")
        self._encoder: LiveLinkEncoder | None = None

    def open(self, skeleton: Skeleton) -> None:
        self._encoder = LiveLinkEncoder(skeleton, **self._options)
        self._udp.open()

    def send(self, pose: Pose) -> None:
        self._udp.send([self._encoder.encode(pose)])

    def close(self) -> None:
        self._udp.close()

    def stats(self) -> dict[str, int]:
        return {"dropped": self._udp.dropped}
