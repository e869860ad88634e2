"""Addresses as the operator writes them, and the UDP socket under every datagram output."""

import errno
import socket
from dataclasses import dataclass

from engine.errors import ConfigError

#: What the systems say when their queue has no room for a datagram.
FULL = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS}


@dataclass(frozen=True, slots=True)
class Address:
    """Where datagrams go or a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, kind: str, *, default_host: str = "", default_port: int | None = None) -> Address:
    """Read ``HOST:PORT`` or ``[IPv6]:PORT``; ConfigError in one line when it is neither.

    Protocols that have a port of their own give it as ``default_port``; then ``HOST`` and ``[IPv6]`` do as well.
    """
    if default_port is not None and (":" not in text or text.endswith("]")):
        text = f"{text}:{default_port}"
    example = f"write {kind}=HOST:PORT, for example {kind}=127.0.0.1:9000 or {kind}=[::1]:9000"
    host, colon, port = text.rpartition(":")
    host = host or (default_host if not colon or text.startswith(":") else "")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"the address '{text}' of {kind} has colons outside brackets; {example}")
    if not host or any(c.isspace() or c in "[]/?#@" for c in host):
        raise ConfigError(f"the address '{text}' of {kind} has no usable host; {example}")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ConfigError(f"the address '{text}' of {kind} has no port from 1 to 65535; {example}")
    return Address(host, int(port))


class UdpSender:
    """A UDP socket that never waits: what the system cannot take at once is dropped and counted."""

    def __init__(self, address: Address, kind: str):
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"{kind}: unknown host '{address.host}' ({error}); give its IP address") from error
        self._family, _, _, _, self._target = found[0]
        self._socket: socket.socket | None = None
        self.dropped = 0  #: datagrams that the system had no room for

    @property
    def host(self) -> str:
        """The address that was found for the host."""
        return self._target[0]

    def open(self) -> None:
        self.close()
        self._socket = socket.socket(self._family, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setblocking(False)

    def send(self, datagrams: list[bytes]) -> None:
        """Send each datagram; OSError when the network is gone (the lane reopens)."""
        if self._socket is None:
            raise OSError("the socket is not open")
        for data in datagrams:
            try:
                self._socket.sendto(data, self._target)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                self.dropped += 1

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
