"""OSC in: the show's controls from TouchOSC, a lighting desk or any VJ tool. Opt-in; by default only from this machine.

=================  ==========================================  ======================
address            argument                                    control
=================  ==========================================  ======================
``/live/panic``    number or T/F, none = on; stays until 0     panic
``/live/freeze``   number or T/F, none = on                    freeze
``/live/blackout`` number or T/F, none = on                    blackout
``/live/style``    string                                      style
``/live/intensity`` number 0..2                                energy
``/live/tap``      none, or a number from 0.5 up: a beat is now  tap
``/live/halve``    as tap: half as many beats                  halve
``/live/double``   as tap: twice as many beats                 double
``/live/forget``   as tap: forget the beat                     reset_beat
``/live/main_input`` as tap: away from the spare input         main_input
``/live/nudge_beat`` number [ms], positive = later             nudge_beat_ms
``/live/bpm``      number: the tempo                           bpm
``/live/bpm/min``  number, 0 = no bound                        tempo_min
``/live/bpm/max``  number, 0 = no bound                        tempo_max
``/live/lock``     number or T/F, none = on                    lock
=================  ==========================================  ======================

A switch is on from 0.5 up, so that faders and buttons of any make do; a button let go (below 0.5) is no tap. Datagrams
are read without trust: whatever is malformed or unknown is counted and has no other effect.
"""

import math
import socket
import threading
from collections.abc import Iterator

from bridges.net import parse_address
from engine.errors import ConfigError

SWITCHES = {
    "/live/panic": "panic",
    "/live/freeze": "freeze",
    "/live/blackout": "blackout",
    "/live/lock": "lock",
}
MOMENTS = {
    "/live/tap": "tap",
    "/live/halve": "halve",
    "/live/double": "double",
    "/live/forget": "reset_beat",
    "/live/main_input": "main_input",
}
NUMBERS = {
    "/live/intensity": "energy",
    "/live/nudge_beat": "nudge_beat_ms",
    "/live/bpm": "bpm",
    "/live/bpm/min": "tempo_min",
    "/live/bpm/max": "tempo_max",
}
TEXTS = {"/live/style": "style"}
MAX_DATAGRAM_BYTES = 4096
MAX_NESTING = 4
MAX_STYLE_CHARS = 64
#: Types that a control can have, and the bytes that each takes at least; a message with others is refused unread.
BYTES_OF = {"i": 4, "f": 4, "h": 8, "d": 8, "s": 4, "T": 0, "F": 0, "N": 0}
_BUNDLE = b"#bundle\0"
_BUNDLE_HEAD_BYTES = 16

Control = tuple[str, bool | float | str]


def read_controls(datagram: bytes) -> tuple[list[Control], int]:
    """The controls in a datagram, in order, and how many of its messages were malformed or not ours. Never raises."""
    controls, refused = [], 0
    try:
        for message in split_bundle(datagram):
            try:
                control = _control(message)
                if control is not None:
                    controls.append(control)
            except ValueError:
                refused += 1
    except ValueError:  # what came before the damage counts
        refused += 1
    return controls, refused


def split_bundle(data: bytes, nesting: int = 0) -> Iterator[bytes]:
    """The messages of a datagram, nested bundles unpacked; ValueError when its sizes are wrong.

    Time tags are not waited for: a live control means now. (The sizes are checked here because python-osc goes round
    for ever on a negative one.)
    """
    if not data.startswith(_BUNDLE):
        yield data
        return
    if nesting == MAX_NESTING or len(data) < _BUNDLE_HEAD_BYTES:
        raise ValueError("nested too deeply, or cut off")
    at = _BUNDLE_HEAD_BYTES
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        at += 4
        if not 0 < size <= len(data) - at:
            raise ValueError("an element reaches beyond the datagram")
        yield from split_bundle(data[at : at + size], nesting + 1)
        at += size


def _control(data: bytes) -> Control | None:
    """The control that one message asks for, None for a button let go; ValueError when it is malformed or not ours."""
    address, arguments = read_message(data)
    if address in SWITCHES:
        return SWITCHES[address], True if not arguments else _number(arguments[0]) >= 0.5
    if address in MOMENTS:
        return (MOMENTS[address], True) if not arguments or _number(arguments[0]) >= 0.5 else None
    if address in NUMBERS and arguments:
        return NUMBERS[address], _number(arguments[0])
    if address in TEXTS and arguments and isinstance(arguments[0], str) and 0 < len(arguments[0]) <= MAX_STYLE_CHARS:
        return TEXTS[address], arguments[0]
    raise ValueError("not a control")


def read_message(data: bytes) -> tuple[str, list]:
    """Address and arguments of one message; ValueError when it is malformed or of types that no control has."""
    from pythonosc.osc_message import OscMessage, ParseError

    address_end = data.find(b"\0")
    tags_at = (address_end // 4 + 1) * 4
    tags = data[tags_at:].split(b"\0", 1)[0].decode("latin-1")[1:]
    if not data.startswith(b"/") or address_end < 0 or not set(tags) <= set(BYTES_OF):
        raise ValueError("not a message, or of types that no control has")
    arguments_at = tags_at + ((len(tags) + 1) // 4 + 1) * 4
    if tags and arguments_at + sum(BYTES_OF[tag] for tag in tags) > len(data):
        raise ValueError("cut off")  # python-osc would fill up with zeros
    try:
        message = OscMessage(data)
    except ParseError as error:
        raise ValueError(str(error)) from error
    return message.address, message.params


def _number(value: object) -> float:
    if not isinstance(value, bool | int | float) or not math.isfinite(value):
        raise ValueError("not a finite number")
    return float(value)


class OscControl:
    """Listens on ``HOST:PORT`` (or ``PORT``: this machine only) and posts what it hears to ``live``.

    ConfigError when the address is malformed or the port is taken. Anybody who can reach the address can control the
    show: give the address of one network card, never 0.0.0.0 on a network of strangers.
    """

    def __init__(self, address: str, live):
        text = f"127.0.0.1:{address}" if address.isascii() and address.isdigit() else address
        self._address = parse_address(text, "osc control")
        self._live = live
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.heard = 0  #: controls posted
        self.refused = 0  #: messages that were malformed or not ours

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before ``start``."""
        return self._socket.getsockname()[1] if self._socket else 0

    def start(self) -> None:
        """Bind and listen in a thread of its own."""
        where = self._address
        try:
            family, *_, target = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_DGRAM)[0]
            bound = socket.socket(family, socket.SOCK_DGRAM)
        except OSError as error:
            raise ConfigError(f"osc control: unknown host '{where.host}' ({error}); give an IP address") from error
        try:
            bound.bind(target)
        except OSError as error:
            bound.close()
            raise ConfigError(
                f"osc control cannot listen on {where} ({error.strerror or error}); choose another port"
            ) from error
        bound.settimeout(0.2)  # how soon stop() is noticed, on every system
        self._socket = bound
        self._thread = threading.Thread(target=self._listen, args=(bound,), name="osc control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; may be called twice."""
        thread, self._thread = self._thread, None
        bound, self._socket = self._socket, None
        if thread is not None and bound is not None:
            thread.join()
            bound.close()

    def _listen(self, bound: socket.socket) -> None:
        while self._thread is not None:
            try:
                datagram = bound.recv(MAX_DATAGRAM_BYTES)
            except TimeoutError:
                continue
            except OSError:  # Windows: longer than the buffer, or an echo of a closed port
                self.refused += 1
                continue
            controls, refused = read_controls(datagram)
            self.refused += refused
            for name, value in controls:
                self._live.post(name, value)
                self.heard += 1
