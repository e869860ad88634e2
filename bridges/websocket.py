"""The stage: page, sound, status and poses on one port.

One thread with its own asyncio loop. A pose is encoded once and offered to every client; each client has room for one
pose and one status, and the newest wins. So a slow client sees fewer poses, never old ones, costs no memory, and the
others do not notice it.
"""

import asyncio
import contextlib
import http
import logging
import socket
import threading
from concurrent.futures import Future
from pathlib import Path
from urllib.parse import urlsplit

from bridges.control_ws import MAX_MESSAGE_BYTES, ControlMessage, Ping, parse_client_message
from bridges.frames import pose_bytes, pose_json, skeleton_json, to_json
from bridges.net import parse_address
from bridges.pages import (
    DIST,
    Reply,
    allowed_host,
    allowed_origin,
    file_reply,
    json_reply,
    static_file,
    text_reply,
)
from engine.clock import now_s
from engine.errors import ConfigError
from engine.skeleton import HOUSE
from engine.types import Pose, Skeleton

STATUS_HZ = 10
MAX_CLIENTS = 128
FAREWELL_S = 0.5  #: how long clients have to answer when the stage closes
SEND_BUFFER_BYTES = 16_384  #: of the system, per client: about half a second of poses, none old when it arrives
WRITE_LIMIT_BYTES = 4_096  #: above this a client counts as slow and its frames are replaced, not queued


class _Outgoing:
    """One pose on its way out; its text form is made when the first client asks for it."""

    __slots__ = ("_text", "binary", "flags", "pose", "sent_s")

    def __init__(self, pose: Pose, flags: int, sent_s: float):
        self.pose, self.flags, self.sent_s = pose, flags, sent_s
        self.binary = pose_bytes(pose, flags, sent_s)
        self._text: str | None = None

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = pose_json(self.pose, self.flags, self.sent_s)
        return self._text


class _Client:
    """One connection and its two slots. Touched by the loop's thread only."""

    __slots__ = ("connection", "pose", "ready", "replaced", "status", "wants_text")

    def __init__(self, connection, wants_text: bool):
        self.connection, self.wants_text = connection, wants_text
        self.pose: _Outgoing | None = None
        self.status: str | None = None
        self.ready = asyncio.Event()
        self.replaced = 0

    async def feed(self, first: str) -> None:
        """Send what is in the slots, for ever. ``send`` waits while the client is slow."""
        await self.connection.send(first)
        while True:
            await self.ready.wait()
            self.ready.clear()
            pose, self.pose = self.pose, None
            if pose is not None:
                await self.connection.send(pose.text if self.wants_text else pose.binary)
            status, self.status = self.status, None
            if status is not None:
                await self.connection.send(status)


class StageServer:
    """Serves ``http://host:port/`` and ``ws://host:port/ws``; its ``sink()`` goes into a lane of the hub.

    ``live`` is read for the status and gets the controls. ``demo_audio`` is offered at ``/audio``. ``port`` 0 takes a
    free one; ``self.port`` tells which after ``start()``. ConfigError when the port cannot be had.
    """

    def __init__(
        self, host: str, port: int, live, demo_audio: Path | None = None, *, lead_s: float = 0.0, dist: Path = DIST
    ):
        self.host, self.port = host, port
        self.malformed = 0  #: messages from clients that were not understood
        self.status_errors = 0
        self._live, self._audio, self._dist, self._lead_s = live, demo_audio, dist, lead_s
        self._skeleton = HOUSE
        self._clients: set[_Client] = set()
        self._replaced = 0  # of clients that have left
        self._served = 0
        self._latest: _Outgoing | None = None
        self._waking = False
        self._anchor: tuple[float, float] | None = None  # stream and monotonic time of the newest pose sent
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    # --- from any thread

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def start(self) -> None:
        """Listen. ConfigError in one line when the address is taken or not of this machine."""
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="stage", daemon=True)
        self._thread.start()
        try:
            started.result()
        except OSError as error:
            self._thread.join()
            self._thread = None
            raise ConfigError(
                f"the stage cannot listen on {self.host}:{self.port} ({error.strerror or error}); "
                "close the program that holds the port, or choose another with --stage [HOST:]PORT, or --stage off"
            ) from error

    def stop(self) -> None:
        """Close all connections and end the thread; may be called twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
            thread.join()

    def sink(self) -> "StageSink":
        """The output that a lane feeds."""
        return StageSink(self)

    def stream_s(self) -> float | None:
        """Stream time now [s] as the lane told it with its newest pose; None before the first."""
        anchor = self._anchor
        return None if anchor is None else anchor[0] + now_s() - anchor[1]

    def stats(self) -> dict[str, int]:
        replaced = self._replaced + sum(client.replaced for client in list(self._clients))
        return {
            "clients": len(self._clients),
            "served": self._served,
            "replaced": replaced,
            "malformed": self.malformed,
            "status_errors": self.status_errors,
        }

    # --- from the lane's thread

    def publish(self, pose: Pose, flags: int, sent_s: float) -> None:
        """Offer a pose to all clients; never waits."""
        self._anchor = (sent_s, now_s())
        if not self._clients or self._loop is None:
            return
        self._latest = _Outgoing(pose, flags, sent_s)
        if not self._waking:  # else the loop is about to look, and takes this one
            self._waking = True
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                self._loop.call_soon_threadsafe(self._fan_out)

    def describe(self, skeleton: Skeleton) -> None:
        """Say which body the poses are of; clients that connect later are told."""
        self._skeleton = skeleton

    # --- in the loop's thread

    def _fan_out(self) -> None:
        self._waking = False  # before reading: a pose put down after this line wakes us again
        latest = self._latest
        for client in self._clients:
            client.replaced += client.pose is not None
            client.pose = latest
            client.ready.set()

    def _run(self, started: Future) -> None:
        asyncio.run(self._main(started))

    async def _main(self, started: Future) -> None:
        from websockets.asyncio.server import serve

        quiet = logging.getLogger("corybant.stage")
        quiet.setLevel(logging.CRITICAL)  # a client that breaks off is no news
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._waking = False  # a wake-up may have been lost with the loop before this one
        try:
            server = await serve(
                self._serve_client,
                self.host or None,
                self.port,
                process_request=self._answer,
                compression=None,
                max_size=MAX_MESSAGE_BYTES,
                max_queue=4,
                write_limit=WRITE_LIMIT_BYTES,
                close_timeout=1,
                server_header=None,
                logger=quiet,
            )
        except Exception as error:  # told to the thread that waits in start()
            started.set_exception(error)
            return
        self.port = server.sockets[0].getsockname()[1]
        status = asyncio.create_task(self._report())
        started.set_result(None)
        await self._stop.wait()
        status.cancel()
        server.close()
        closed = asyncio.ensure_future(server.wait_closed())
        await asyncio.wait([closed], timeout=FAREWELL_S)
        for client in self._clients:  # those that do not read: no farewell reaches them
            client.connection.transport.abort()
        await asyncio.wait([closed], timeout=FAREWELL_S)

    async def _report(self) -> None:
        due = self._loop.time()
        while True:
            due = max(due + 1 / STATUS_HZ, self._loop.time())
            await asyncio.sleep(due - self._loop.time())
            if not self._clients:
                continue
            text = self._status()
            for client in self._clients:
                client.status = text
                client.ready.set()

    def _status(self) -> str:
        status = {"type": "status", "stream_s": self.stream_s()}
        try:
            status.update(self._live.status())
        except Exception:  # the show goes on with a page that knows less
            self.status_errors += 1
        return to_json(status)

    async def _serve_client(self, connection) -> None:
        from websockets.exceptions import ConnectionClosed

        query = urlsplit(connection.request.path).query
        client = _Client(connection, wants_text="format=json" in query.split("&"))
        _tune(connection.transport.get_extra_info("socket"))
        feeder = asyncio.create_task(client.feed(skeleton_json(self._skeleton, self._lead_s)))
        self._clients.add(client)
        self._served += 1
        try:
            async for text in connection:
                await self._hear(connection, text)
        except ConnectionClosed:
            pass
        finally:
            self._clients.discard(client)
            self._replaced += client.replaced
            feeder.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await feeder

    async def _hear(self, connection, text: str | bytes) -> None:
        try:
            message = parse_client_message(text)
        except ValueError:
            self.malformed += 1
            return
        if isinstance(message, ControlMessage):
            self._live.post(message.name, message.value)
        elif isinstance(message, Ping):
            pong = {"type": "pong", "id": message.id, "client_s": message.client_s, "stream_s": self.stream_s()}
            await connection.send(to_json(pong))

    async def _answer(self, connection, request):
        """HTTP on the way to the handshake: None lets a WebSocket through, anything else is the whole answer."""
        host, path = request.headers.get("Host"), urlsplit(request.path).path
        if not allowed_host(host):
            return _response(text_reply(403, "this stage answers to its address or to localhost only"))
        if path == "/ws":
            if "upgrade" not in request.headers.get("Connection", "").lower():
                return _response(text_reply(426, "this address speaks WebSocket"))
            if not allowed_origin(request.headers.get("Origin"), host):
                return _response(text_reply(403, "pages of other hosts may not control this stage"))
            if len(self._clients) >= MAX_CLIENTS:
                return _response(text_reply(503, f"{MAX_CLIENTS} clients are connected, no more fit"))
            return None
        return _response(await asyncio.to_thread(self._page, path, request.headers.get("Range")))

    def _page(self, path: str, range_header: str | None) -> Reply:
        if path == "/skeleton":
            return json_reply(skeleton_json(self._skeleton, self._lead_s))
        if path == "/status":
            return json_reply(self._status())
        file = self._audio if path == "/audio" else static_file(path, self._dist)
        try:
            if file is not None:
                return file_reply(file, range_header)
        except OSError:  # gone since it was found
            pass
        return text_reply(404, "not here; there is: /, /ws, /skeleton, /status, and /audio with a file or the demo")


def _tune(tcp: socket.socket | None) -> None:
    """Small frames leave at once, and few of them wait in the system's buffer."""
    if tcp is not None:
        with contextlib.suppress(OSError):  # closed already, or a system that knows neither
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def _response(reply: Reply):
    from websockets.datastructures import Headers
    from websockets.http11 import Response

    headers = Headers(reply.headers)
    headers["Content-Length"] = str(len(reply.body))
    headers["Connection"] = "close"
    return Response(reply.status, http.HTTPStatus(reply.status).phrase, headers, reply.body)


class StageSink:
    """A lane's way into a running stage, which the show starts and stops."""

    def __init__(self, server: StageServer):
        self._server = server

    def open(self, skeleton: Skeleton) -> None:
        self._server.describe(skeleton)

    def send(self, pose: Pose) -> None:
        self.deliver(pose, 0, pose.time_s)

    def deliver(self, pose: Pose, flags: int, sent_s: float) -> None:
        self._server.publish(pose, flags, sent_s)

    def close(self) -> None:
        """Nothing to do: the clients stay, and see that no pose comes."""

    def stats(self) -> dict[str, int]:
        return self._server.stats()


class WebSocketSink(StageSink):
    """``ws=HOST:PORT``: a further stage with a port and a lead of its own."""

    def __init__(self, spec, live):
        where = parse_address(spec.address, "ws")
        super().__init__(StageServer(where.host, where.port, live, lead_s=spec.lead_s))

    def open(self, skeleton: Skeleton) -> None:
        super().open(skeleton)
        self._server.start()

    def close(self) -> None:
        self._server.stop()
