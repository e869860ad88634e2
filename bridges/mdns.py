"""One service told by multicast DNS (RFC 6762, 6763), so that tools list the channels without an address typed.

Only on request, because it sends to everybody: four records (pointer, service, text, address) at the start, in answer
to a question, at most once a second, and once more with no time to live at the end. Names hold host name and port, so
they are taken for unique and not probed for. IPv4 only.
"""

import contextlib
import os
import re
import socket
import struct
import threading

from bridges.net import Address
from engine.clock import now_s
from engine.errors import ConfigError

GROUP, PORT = "224.0.0.251", 5353
SERVICE = ("_oscjson", "_tcp", "local")
ALL_SERVICES = ("_services", "_dns-sd", "_udp", "local")
A, PTR, TXT, SRV, ANY = 1, 12, 16, 33, 255
TIME_TO_LIVE_S = 120
QUIET_S = 1.0  #: between two answers
MAX_QUESTIONS = 32
_ANSWER = 0x8400  # flags of a response that is authoritative
_INTERNET, _UNIQUE = 1, 0x8001  # classes; the second also says: forget what you knew of this name
_HEADER = struct.Struct(">6H")
_MAX_BYTES, _MAX_LABELS = 9000, 32
_BREATH_S = 0.005  # between two datagrams: neither a flood nor a broken card takes a core
_ANNOUNCED_S = (0.0, 1.5)  # when after the start the records are told unasked

Name = tuple[str, ...]


def questions(datagram: bytes) -> list[tuple[Name, int]]:
    """What a datagram asks for: (name in lower case, type); empty for an answer. ValueError when it is malformed."""
    if len(datagram) < _HEADER.size:
        raise ValueError("shorter than a header")
    _, flags, count, *_ = _HEADER.unpack_from(datagram)
    if flags & 0x8000:
        return []
    if count > MAX_QUESTIONS:
        raise ValueError("more questions than anybody has")
    found, at = [], _HEADER.size
    for _ in range(count):
        name, at = _read_name(datagram, at)
        if at + 4 > len(datagram):
            raise ValueError("cut off")
        found.append((name, int.from_bytes(datagram[at : at + 2], "big")))
        at += 4
    return found


def _read_name(data: bytes, at: int) -> tuple[Name, int]:
    """The name at a place and where it ends. A pointer must lead backwards, so that none goes round for ever."""
    labels: list[str] = []
    end, bound = None, at
    while len(labels) <= _MAX_LABELS:
        if at >= len(data):
            raise ValueError("cut off")
        length = data[at]
        if length == 0:
            return tuple(labels), at + 1 if end is None else end
        if length >= 0xC0:
            to = int.from_bytes(data[at : at + 2], "big") & 0x3FFF
            if at + 2 > len(data) or to >= bound:
                raise ValueError("a pointer that leads nowhere")
            end = at + 2 if end is None else end
            at = bound = to
            continue
        if length >= 0x40 or at + 1 + length > len(data):
            raise ValueError("no label")
        labels.append(data[at + 1 : at + 1 + length].decode("utf-8", "replace").lower())
        at += 1 + length
    raise ValueError("a name without end")


def _name(labels: Name) -> bytes:
    return b"".join(bytes([len(label.encode())]) + label.encode() for label in labels) + b"\0"


def _record(name: Name, kind: int, group: int, data: bytes, live_s: int) -> bytes:
    return _name(name) + struct.pack(">HHIH", kind, group, live_s, len(data)) + data


class Service:
    """What is told: an instance of ``SERVICE`` at an IPv4 address (pure)."""

    def __init__(self, where: Address, host_name: str):
        plain = re.sub(r"[^A-Za-z0-9-]", "-", host_name)[:40] or "host"
        self.instance: Name = (f"Corybant {plain} {where.port}", *SERVICE)
        self.host: Name = (f"corybant-{plain}-{where.port}", "local")
        self._where = where
        lower = [tuple(label.lower() for label in name) for name in (self.instance, self.host)]
        self._kinds = {SERVICE: {PTR}, ALL_SERVICES: {PTR}, lower[0]: {SRV, TXT}, lower[1]: {A}}

    def asked(self, wanted: list[tuple[Name, int]]) -> bool:
        """Whether any of these questions is about us."""
        return any(kind in {*self._kinds.get(name, ()), ANY} and name in self._kinds for name, kind in wanted)

    def records(self, live_s: int = TIME_TO_LIVE_S) -> bytes:
        """The datagram that tells everything; ``live_s`` 0 takes it back."""
        spot = struct.pack(">HHH", 0, 0, self._where.port) + _name(self.host)
        told = [
            _record(ALL_SERVICES, PTR, _INTERNET, _name(SERVICE), live_s),
            _record(SERVICE, PTR, _INTERNET, _name(self.instance), live_s),
            _record(self.instance, SRV, _UNIQUE, spot, live_s),
            _record(self.instance, TXT, _UNIQUE, b"\x09txtvers=1", live_s),
            _record(self.host, A, _UNIQUE, socket.inet_aton(self._where.host), live_s),
        ]
        if live_s == 0:  # others may serve the same kind
            del told[0]
        return _HEADER.pack(0, _ANSWER, 0, len(told), 0, 0) + b"".join(told)


class Announcer:
    """Tells one service on the network of one card, in a thread of its own."""

    def __init__(self, where: Address, host_name: str):
        """``where`` is the IPv4 address of a card of this machine and the port; ConfigError for any other address."""
        try:
            socket.inet_aton(where.host)
            fits = where.host.count(".") == 3 and where.host != "0.0.0.0"
        except OSError:
            fits = False
        if not fits:
            raise ConfigError(f"announce=1 needs the IPv4 address of one network card, not {where.host}: query=IP:PORT")
        self._where, self._service = where, Service(where, host_name)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.told = self.refused = 0  #: datagrams sent, and datagrams that were malformed

    def open(self) -> None:
        """Join the group and begin to tell; ConfigError when there is no multicast."""
        self.close()
        card = socket.inet_aton(self._where.host)
        joined = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            joined.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "SO_REUSEPORT"):  # the system's own responder has the port, too
                joined.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            joined.bind((GROUP if os.name == "posix" else "", PORT))
            joined.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + card)
            joined.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, card)
            joined.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        except OSError as error:
            joined.close()
            raise ConfigError(f"announce=1: no multicast at {self._where.host} ({error.strerror or error})") from error
        joined.settimeout(0.2)  # how soon close() and the second announcement are noticed
        self._socket = joined
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(joined,), name="mdns", daemon=True)
        self._thread.start()

    def _run(self, joined: socket.socket) -> None:
        began_s, told_s, unasked = now_s(), -QUIET_S, list(_ANNOUNCED_S)
        while not self._stop.is_set():
            due = bool(unasked) and now_s() - began_s >= unasked[0]
            if due:
                del unasked[0]
            if (due or self._hear(joined)) and now_s() - told_s >= QUIET_S:
                told_s = now_s()
                self._tell(joined, self._service.records())

    def _hear(self, joined: socket.socket) -> bool:
        """Whether somebody asked for us."""
        try:
            return self._service.asked(questions(joined.recv(_MAX_BYTES)))
        except TimeoutError:
            return False
        except (OSError, ValueError):
            self.refused += 1
            return False
        finally:
            self._stop.wait(_BREATH_S)

    def _tell(self, joined: socket.socket, records: bytes) -> None:
        with contextlib.suppress(OSError):  # the network is away; the channels do without
            joined.sendto(records, (GROUP, PORT))
            self.told += 1

    def close(self) -> None:
        """Take everything back; may be called twice."""
        joined, self._socket = self._socket, None
        if joined is None:
            return
        self._stop.set()
        self._thread.join()
        self._tell(joined, self._service.records(live_s=0))
        joined.close()
