"""OSCQuery: what channels there are and where they stand, as JSON over HTTP, so that tools need no typing.

A GET of a path answers with its node and all below it, ``?VALUE`` (or another attribute) with that alone,
``?HOST_INFO`` with what this server can do (proposal: github.com/Vidvox/OSCQueryProposal). Read-only: every channel is
sent by us, none is received. It listens on this machine only unless a host is named, is announced on the network only
when that is asked for (``bridges.mdns``), and has no WebSocket for listening: the channels themselves travel by OSC.
"""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from bridges.net import Address, parse_address
from bridges.pages import Reply, allowed_host, allowed_origin, text_reply
from engine.errors import ConfigError

MAX_PATH_CHARS = 1024
MAX_CLIENTS = 16  #: answered at the same time; more are refused
REQUEST_S = 2.0  #: a client that takes longer to ask is let go
ATTRIBUTES = ("FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "RANGE", "DESCRIPTION", "VALUE")
READ_ONLY, CONTAINER = 1, 0
HOST_INFO = {
    "NAME": "Corybant",
    "EXTENSIONS": {"ACCESS": True, "VALUE": True, "RANGE": True, "DESCRIPTION": True, "LISTEN": False},
    "OSC_TRANSPORT": "UDP",
}
#: What an address means, and its range; the longest beginning that fits counts.
MEANINGS: dict[str, tuple[str, tuple[float, float] | None]] = {
    "/live": ("music and body", None),
    "/live/beat": ("running number of the beat", None),
    "/live/bar": ("place of the beat in the bar, 1 = downbeat, 0 = unknown", (0, 16)),
    "/live/visible": ("0 during a blackout", (0, 1)),
    "/live/phase": ("how far the beat has gone", (0, 1)),
    "/live/bpm": ("tempo", (0, 300)),
    "/live/energy": ("loudness relative to the last half minute", (0, 1)),
    "/live/onset": ("strength of what just started to sound", (0, 1)),
    "/live/bands": ("strength of what just started to sound, by band", (0, 1)),
    "/live/joint": ("position in the world [m]: +x the dancer's left, +y up, +z forward", (-4, 4)),
}

Node = dict[str, Any]


def query_address(text: str) -> Address:
    """``[HOST:]PORT``, this machine only when no host is named. ValueError when it is neither."""
    try:
        return parse_address(f"127.0.0.1:{text}" if text.isdecimal() else text, "query")
    except ConfigError as error:
        raise ValueError(str(error)) from error


def namespace(channels: Iterable[tuple[str, str]]) -> Node:
    """The tree of ``channels`` (address, type tag); without values."""
    root = _node("/")
    for address, tag in channels:
        node, path = root, ""
        for name in address.strip("/").split("/"):
            path += "/" + name
            node = node.setdefault("CONTENTS", {}).setdefault(name, _node(path))
        node |= {"TYPE": tag, "ACCESS": READ_ONLY}
        span = _meaning(path)[1]
        if span:
            node["RANGE"] = [{"MIN": span[0], "MAX": span[1]}]
    return root


def _node(path: str) -> Node:
    return {"FULL_PATH": path, "ACCESS": CONTAINER, "DESCRIPTION": _meaning(path)[0]}


def _meaning(path: str) -> tuple[str, tuple[float, float] | None]:
    fits = [start for start in MEANINGS if path == start or path.startswith(start + "/")]
    return MEANINGS[max(fits, key=len)] if fits else ("Corybant", None)


def answer(target: str, root: Node, values: Mapping[str, float], about: str) -> Reply:
    """The reply to ``GET target``: 200 with JSON, 204 for an attribute that the node lacks, 400, 404 (pure).

    ``values`` are the numbers by address, ``about`` is told of the whole.
    """
    try:
        parts = urlsplit(target)
    except ValueError:
        return text_reply(400, "not a path")
    if len(target) > MAX_PATH_CHARS or not parts.path.startswith("/") or parts.fragment:
        return text_reply(400, "not a path")
    if parts.query == "HOST_INFO":
        return _json({**HOST_INFO, "DESCRIPTION": about})
    if parts.query and parts.query not in ATTRIBUTES:
        return text_reply(400, f"no such attribute; there is: {', '.join(ATTRIBUTES)}, HOST_INFO")
    node = _find(root, unquote(parts.path))
    if node is None:
        return text_reply(404, "no such address")
    filled = _filled(node, values)
    if not parts.query:
        return _json(filled)
    return _json({parts.query: filled[parts.query]}) if parts.query in filled else Reply(204, b"")


def _find(root: Node, path: str) -> Node | None:
    node: Node | None = root
    for name in filter(None, path.split("/")):
        node = node.get("CONTENTS", {}).get(name)
        if node is None:
            return None
    return node


def _filled(node: Node, values: Mapping[str, float]) -> Node:
    """The node with the values of all channels below it."""
    filled = dict(node)
    if node["FULL_PATH"] in values:
        filled["VALUE"] = [values[node["FULL_PATH"]]]
    if "CONTENTS" in node:
        filled["CONTENTS"] = {name: _filled(child, values) for name, child in node["CONTENTS"].items()}
    return filled


def _json(value: Any) -> Reply:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Reply(200, json.dumps(value, separators=(",", ":")).encode(), headers)


class QueryServer:
    """Serves one tree at ``where``. ``values`` is called for every request, from its thread."""

    def __init__(self, where: Address, about: str, values: Callable[[], Mapping[str, float]]):
        self._where, self._about, self._values = where, about, values
        self._server: _Server | None = None
        self.answered = self.refused = 0

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before ``open``."""
        return self._server.server_address[1] if self._server else 0

    def open(self, root: Node) -> None:
        """Bind and serve in threads of its own; ConfigError when the address cannot be used."""
        self.close()
        try:
            self._server = _Server(self._where, self._reply)
        except OSError as error:
            raise ConfigError(
                f"osc cannot serve its channels at {self._where} ({error.strerror or error}); take another port"
            ) from error
        self._root = root
        threading.Thread(target=self._server.serve_forever, args=(0.2,), name="oscquery", daemon=True).start()

    def _reply(self, target: str | None, host: str | None, origin: str | None) -> Reply:
        """What to say to a request; ``target`` None is one that could not be read. Counts."""
        if target is None:
            reply = text_reply(400, "only GET and HEAD are understood")
        elif not (allowed_host(host) and allowed_origin(origin, host)):
            reply = text_reply(403, "not from there")
        else:
            reply = answer(target, self._root, self._values(), self._about)
        if reply.status in (200, 204):
            self.answered += 1
        else:
            self.refused += 1
        return reply

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def stats(self) -> dict[str, int]:
        return {"query_answered": self.answered, "query_refused": self.refused}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # on Windows it would let two servers share a port
    block_on_close = False  # a client that hangs must not hold up the end of the show

    def __init__(self, where: Address, reply: Callable[[str | None, str | None, str | None], Reply]):
        self.address_family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
        self.reply = reply
        self._places = threading.BoundedSemaphore(MAX_CLIENTS)
        super().__init__((where.host, where.port), _Handler)

    def server_bind(self) -> None:
        """Without the standard library's look-up of our own name, which can take seconds at a venue."""
        TCPServer.server_bind(self)

    def process_request(self, request, client_address) -> None:
        if not self._places.acquire(blocking=False):
            self.reply(None, None, None)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request, client_address) -> None:
        """A client that went away in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_S
    server: _Server
    server_version, sys_version = "corybant", ""

    def do_GET(self) -> None:
        reply = self.server.reply(self.path, self.headers.get("Host"), self.headers.get("Origin"))
        self._say(reply)

    do_HEAD = do_GET

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library could not read: counted as the rest, answered as briefly."""
        reply = self.server.reply(None, None, None)
        self.command = getattr(self, "command", None) or "GET"
        with contextlib.suppress(OSError):
            self._say(Reply(code, reply.body, reply.headers))

    def _say(self, reply: Reply) -> None:
        self.close_connection = True
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and reply.status != 204:
            self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Not on the terminal of a show."""
