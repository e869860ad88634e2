"""Lights by Art-Net 4 (Artistic Licence): ArtDmx packets of one port address by UDP, to one node or a broadcast."""

from bridges.lights import MAX_RATE_HZ, SLOTS, UNIVERSE_SLOTS, Lights, due, lights_step, universe
from bridges.net import UdpSender, parse_address
from bridges.options import read_options, whole
from engine.types import Pose, Skeleton

PORT = 6454
OP_DMX, PROTOCOL = 0x5000, 14
_SEQUENCE, _DATA = 12, 18  # offsets [bytes]


class ArtnetEncoder:
    """Packs ArtDmx of one port address: 0 to 32767, which is net x 256 + sub-net x 16 + universe."""

    def __init__(self, universe: int):
        head = b"Art-Net\0" + OP_DMX.to_bytes(2, "little") + PROTOCOL.to_bytes(2, "big") + b"\0\0"
        head += universe.to_bytes(2, "little") + UNIVERSE_SLOTS.to_bytes(2, "big")
        self._packet = bytearray(head + bytes(UNIVERSE_SLOTS))
        self._sequence = 0

    def encode(self, slots: bytes) -> bytes:
        """The next packet with ``slots`` (512 bytes). Numbers run from 1 to 255: 0 would say that there are none."""
        self._sequence = self._sequence % 255 + 1
        self._packet[_SEQUENCE] = self._sequence
        self._packet[_DATA:] = slots
        return bytes(self._packet)


class ArtnetSink:
    """``artnet=HOST[:PORT]?universe=0&start=1``: the slots of ``bridges.lights`` from ``start`` on."""

    OPTIONS = {
        "universe": whole(0, 0, 32_767),
        "start": whole(1, 1, UNIVERSE_SLOTS - len(SLOTS) + 1),
        "rate_hz": whole(30, 1, MAX_RATE_HZ),
    }

    def __init__(self, spec, live):
        options = read_options(spec, self.OPTIONS)
        self._live, self._start, self._rate_hz = live, options["start"], options["rate_hz"]
        self._udp = UdpSender(parse_address(spec.address, "artnet", default_port=PORT), "artnet")
        self._encoder = ArtnetEncoder(options["universe"])  # kept when reopened: numbers go on
        self._streaming = False
        self._lights, self._frame = Lights(), -1

    def open(self, skeleton: Skeleton) -> None:
        self._lights = Lights()
        self._udp.open()
        self._streaming = True

    def send(self, pose: Pose) -> None:
        self.deliver(pose, 0, pose.time_s)

    def deliver(self, pose: Pose, flags: int, sent_s: float) -> None:
        self._lights = lights_step(self._lights, self._live.features, pose.time_s, flags)
        before, self._frame = self._frame, pose.frame
        if due(before, pose.frame, self._rate_hz):
            self._udp.send([self._encoder.encode(universe(self._lights.slots, self._start))])

    def close(self) -> None:
        """Art-Net has no goodbye and nodes keep what they got last, so the slots go to zero."""
        streaming, self._streaming = self._streaming, False
        try:
            if streaming:
                self._udp.send([self._encoder.encode(bytes(UNIVERSE_SLOTS))])
        finally:
            self._udp.close()

    def stats(self) -> dict[str, int]:
        return {"dropped": self._udp.dropped}
