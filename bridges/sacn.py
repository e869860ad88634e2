"""Lights by streaming ACN (ANSI E1.31-2016): one universe by UDP, unicast unless a multicast address is given."""

import ipaddress
import socket
import uuid

from bridges import dmx
from bridges.dmx import DmxSink
from bridges.lights import UNIVERSE_SLOTS
from bridges.net import UdpSender, parse_address
from bridges.options import read_options, whole
from engine.errors import ConfigError

PORT = 5568
TERMINATED = 0x40  #: option bit: this source says goodbye
GOODBYES = 3  #: packets that say so, as the standard asks
_SEQUENCE, _OPTIONS, _DATA = 111, 112, 126  # offsets [bytes]


class SacnEncoder:
    """Packs data packets of one universe (1 to 63999). ``cid`` tells this source from all others."""

    def __init__(self, cid: bytes, universe: int, source: str = "Corybant", priority: int = 100):
        length = _DATA + UNIVERSE_SLOTS
        root = b"\0\x10\0\0ASC-E1.17\0\0\0" + _flags_length(length - 16) + (4).to_bytes(4, "big") + cid
        framing = _flags_length(length - 38) + (2).to_bytes(4, "big") + source.encode()[:63].ljust(64, b"\0")
        framing += bytes([priority, 0, 0, 0, 0]) + universe.to_bytes(2, "big")
        dmp = _flags_length(length - 115) + b"\x02\xa1\0\0\0\x01" + (1 + UNIVERSE_SLOTS).to_bytes(2, "big") + b"\0"
        self._packet = bytearray(root + framing + dmp + bytes(UNIVERSE_SLOTS))
        self._sequence = 0

    def encode(self, slots: bytes, terminated: bool = False) -> bytes:
        """The next packet with ``slots`` (512 bytes)."""
        self._packet[_SEQUENCE] = self._sequence
        self._packet[_OPTIONS] = TERMINATED if terminated else 0
        self._packet[_DATA:] = slots
        self._sequence = (self._sequence + 1) % 256
        return bytes(self._packet)


def _flags_length(length: int) -> bytes:
    return (0x7000 | length).to_bytes(2, "big")


def multicast_address(universe: int) -> str:
    """Where the standard puts a universe."""
    return f"239.255.{universe >> 8}.{universe & 255}"


class SacnSink(DmxSink):
    """``sacn=HOST[:PORT]?universe=1&start=1``: the slots of ``bridges.lights`` from ``start`` on."""

    OPTIONS = {"universe": whole(1, 1, 63_999), "priority": whole(100, 0, 200), **dmx.OPTIONS}

    def __init__(self, spec, live):
        options = read_options(spec, self.OPTIONS)
        udp = UdpSender(parse_address(spec.address, "sacn", default_port=PORT), "sacn")
        there, right = udp.host, multicast_address(options["universe"])
        if ipaddress.ip_address(there.partition("%")[0]).is_multicast and ":" not in there and there != right:
            raise ConfigError(f"sacn: universe {options['universe']} is multicast at {right}, not at {there}")
        super().__init__(live, udp, start=options["start"], rate_hz=options["rate_hz"])
        # the same on every start, as the standard asks, and another for every machine and output
        cid = uuid.uuid5(uuid.NAMESPACE_DNS, f"corybant {socket.gethostname()} {spec.label}").bytes
        # kept when reopened, so that its numbers go on
        self._encoder = SacnEncoder(cid, options["universe"], priority=options["priority"])

    def packet(self, slots: bytes) -> bytes:
        return self._encoder.encode(slots)

    def farewell(self, slots: bytes) -> list[bytes]:
        """Say goodbye, so that a receiver need not wait for silence."""
        return [self._encoder.encode(slots, terminated=True) for _ in range(GOODBYES)]
