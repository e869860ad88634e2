"""What a VMC assistant may ask of us: ``/VMC/Ext/Set/Period``, how often each part of a frame is sent.

Only on request (``listen=39540``). The socket is bound to this machine, or, when the poses go to another one, to all
its addresses; either way only datagrams from the machine that the poses go to count. Everything else is refused and
counted. The other requests of the protocol are ignored: calibration and settings are not ours to change from a
receiver, eyes, cameras and virtual trackers we do not have, and nothing of ours is sent at a low rate.
"""

import ipaddress
import socket
from dataclasses import dataclass

from bridges.control_osc import MAX_DATAGRAM_BYTES, read_message, split_bundle
from engine.errors import ConfigError

ADDRESS = "/VMC/Ext/Set/Period"
MAX_PERIOD = 600  #: ten seconds: a receiver that hears less than that must think us dead
_AT_ONCE = 16  # datagrams read within one frame: a flood must not hold up the pose


@dataclass(frozen=True, slots=True)
class Period:
    """Every how many frames each part is sent (1 = every frame)."""

    status: int = 1
    root: int = 1
    bone: int = 1
    blend_shape: int = 1
    camera: int = 1  #: of no effect, as the next
    devices: int = 1

    def due(self, part: str, before: int, frame: int) -> bool:
        """Whether ``part`` is sent with ``frame``; one that a late lane left out after ``before`` is made up for."""
        every = getattr(self, part)
        return every == 1 or frame // every != before // every


EVERY_FRAME = Period()


def read_period(datagram: bytes) -> tuple[Period | None, int]:
    """The last period asked for in a datagram, and how many messages were malformed. Never raises."""
    period, refused = None, 0
    try:
        for message in split_bundle(datagram):
            try:
                period = _period(message) or period
            except ValueError:
                refused += 1
    except ValueError:
        refused += 1
    return period, refused


def _period(message: bytes) -> Period | None:
    address, arguments = read_message(message)
    if address != ADDRESS:
        if address.startswith("/VMC/"):
            return None  # a request that we do not serve is no mistake
        raise ValueError("not of this protocol")
    numbers = arguments[:6]  # more than the specification has are to be ignored
    if len(numbers) < 6 or not all(type(n) is int and 1 <= n <= MAX_PERIOD for n in numbers):
        raise ValueError(f"a period is six whole numbers from 1 to {MAX_PERIOD}")
    return Period(*numbers)


class VmcRequests:
    """A socket that is read between two frames by the lane itself. ``host`` is the address that poses go to."""

    def __init__(self, port: int, host: str):
        self._port, self._host = port, host
        self._socket: socket.socket | None = None
        self._period = EVERY_FRAME
        self.asked = 0  #: periods taken over
        self.refused = 0  #: messages that were malformed, and datagrams from somebody else

    def open(self) -> None:
        """Bind; ConfigError when the port is taken."""
        self.close()
        v6 = ":" in self._host
        local = ipaddress.ip_address(self._host.partition("%")[0]).is_loopback
        bound = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
        bound.setblocking(False)
        where = self._host if local else "::" if v6 else "0.0.0.0"
        try:
            bound.bind((where, self._port))
        except OSError as error:
            bound.close()
            raise ConfigError(
                f"vmc cannot listen on port {self._port} ({error.strerror or error}); choose another: listen=PORT"
            ) from error
        self._socket = bound

    def read(self) -> Period:
        """What is asked for now, after everything that has come."""
        for _ in range(_AT_ONCE):
            try:
                datagram, sender = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError:  # Windows: longer than the buffer, or an echo of a closed port
                self.refused += 1
                continue
            self._hear(datagram, sender[0])
        return self._period

    def _hear(self, datagram: bytes, sender: str) -> None:
        if sender != self._host:
            self.refused += 1
            return
        period, refused = read_period(datagram)
        self.refused += refused
        if period is not None:
            self._period = period
            self.asked += 1

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
