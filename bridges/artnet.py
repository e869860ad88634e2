"""Lights by Art-Net 4 (Artistic Licence): ArtDmx packets of one port address by UDP, to one node or a broadcast."""

from bridges import dmx
from bridges.dmx import DmxSink
from bridges.lights import UNIVERSE_SLOTS
from bridges.net import UdpSender, parse_address
from bridges.options import read_options, whole

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


class ArtnetSink(DmxSink):
    """``artnet=HOST[:PORT]?universe=0&start=1``: the slots of ``bridges.lights`` from ``start`` on."""

    OPTIONS = {"universe": whole(0, 0, 32_767), **dmx.OPTIONS}

    def __init__(self, spec, live):
        options = read_options(spec, self.OPTIONS)
        udp = UdpSender(parse_address(spec.address, "artnet", default_port=PORT), "artnet")
        super().__init__(live, udp, start=options["start"], rate_hz=options["rate_hz"])
        self._encoder = ArtnetEncoder(options["universe"])  # kept when reopened: numbers go on

    def packet(self, slots: bytes) -> bytes:
        return self._encoder.encode(slots)

    def farewell(self, slots: bytes) -> list[bytes]:
        """Art-Net has no goodbye and nodes keep what they got last, so the slots go to zero."""
        return [self._encoder.encode(bytes(UNIVERSE_SLOTS))]
