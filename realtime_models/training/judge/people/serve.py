"""The page of pairs over HTTP, on this machine only unless asked otherwise. Nothing is read by a path from a request.

GET  /  /page.css  /*.js          the page
GET  /extent                      how many questions, how long each
GET  /session?rater=NAME          the rater's questions, and what was answered
GET  /clip/NAME  /sound/NAME      a dance, a sound: names known from the pairs, looked up in memory
POST /rater {name}                a new rater            POST /vote {rater, left, right, choice}
"""

import json
import logging
import socket
import threading
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from engine.errors import ConfigError
from realtime_models.training.judge.people.folder import read_pairs
from realtime_models.training.judge.people.sitting import RefusedError, Sitting

MAX_BODY_BYTES = 2048
POLL_S = 0.05  #: how soon the thread notices that it is to end
IDLE_S = 30.0  #: a connection that says nothing for so long is closed
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8") for name in ("page", "body", "stage", "sound")},
}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_LOG = logging.getLogger(__name__)


class JudgeServer:
    """Serves the pairs of a folder and logs votes under it; ``port`` 0 takes a free one.

    ConfigError when there are no pairs or the port cannot be had. ``refused`` counts requests turned away, by status.
    """

    def __init__(self, out: Path, host: str = "127.0.0.1", port: int = 0):
        pairs = read_pairs(out)
        self.sitting = Sitting(pairs, out / "votes")
        self.refused: Counter[int] = Counter()
        page = files(__package__) / "page"
        self.page = {path: ((page / name).read_bytes(), kind) for path, (name, kind) in PAGE.items()}
        self.clips = {name: pairs.folder / f"{name}.clip" for name in pairs.clips}
        self.sounds = {name: pairs.folder / f"{name}.wav" for name in pairs.sounds}
        try:
            self._server = _Server((host, port), _Handler)
        except OSError as error:
            raise ConfigError(
                f"the judge cannot listen on {host}:{port} ({error.strerror or error}); "
                "close the program that holds the port, or choose another with --serve [HOST:]PORT"
            ) from error
        self._server.judge = self
        self.host, self.port = host, self._server.server_address[1]
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{'127.0.0.1' if self.host in ('', '0.0.0.0') else self.host}:{self.port}/"

    def start(self) -> None:
        """Answer from a thread of its own until ``stop``."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name="judge", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Answer until interrupted."""
        try:
            self._server.serve_forever()
        finally:
            self._server.server_close()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._server.shutdown()
            thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    judge: JudgeServer

    def handle_error(self, request, client_address) -> None:
        _LOG.debug("a connection broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = IDLE_S
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "judge", ""

    def do_GET(self) -> None:
        if not allowed_host(self.headers.get("Host")):
            return self._refuse(403, "this name does not lead here")
        try:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, max_num_fields=4)
        except ValueError:
            return self._refuse(400, "not a request of the page")
        judge = self.server.judge
        if parts.path in judge.page:
            return self._send(200, *judge.page[parts.path])
        if parts.path == "/extent":
            return self._send_json(judge.sitting.extent())
        if parts.path == "/session":
            try:
                found = judge.sitting.session(query.get("rater", [""])[0])
            except RefusedError as error:
                return self._refuse(404, str(error))
            return self._send_json(found)
        for prefix, known, kind in (
            ("/clip/", judge.clips, "application/octet-stream"),
            ("/sound/", judge.sounds, "audio/wav"),
        ):
            file = known.get(parts.path.removeprefix(prefix)) if parts.path.startswith(prefix) else None
            if file is not None:
                return self._send(200, file.read_bytes(), kind)
        return self._refuse(404, "nothing here")

    def do_POST(self) -> None:
        host = self.headers.get("Host")
        if not allowed_host(host) or not allowed_origin(self.headers.get("Origin"), host):
            return self._refuse(403, "this name does not lead here")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            return self._refuse(400, "how long is it?")
        if int(length) > MAX_BODY_BYTES:
            return self._refuse(413, f"more than {MAX_BODY_BYTES} bytes")
        try:
            said = json.loads(self.rfile.read(int(length)))
            if not isinstance(said, dict) or self.headers.get_content_type() != "application/json":
                raise RefusedError("a JSON object is wanted")
            answer = self._take(urlsplit(self.path).path, said)
        except (ValueError, RecursionError) as error:  # RefusedError and broken JSON among them
            return self._refuse(400, str(error) if isinstance(error, RefusedError) else "not understood")
        return self._refuse(404, "nothing here") if answer is None else self._send_json(answer)

    def _take(self, path: str, said: dict) -> dict | None:
        sitting, time = self.server.judge.sitting, datetime.now(UTC).isoformat(timespec="seconds")
        if path == "/rater":
            return {"rater": sitting.join(said.get("name", ""), time)}
        if path == "/vote":
            values = [said.get(name) for name in ("rater", "left", "right", "choice")]
            if not all(isinstance(value, str) for value in values):
                raise RefusedError("a vote holds rater, left, right and choice, all texts")
            sitting.vote(*values, time)
            return {"logged": True}
        return None

    def _send_json(self, value: dict) -> None:
        self._send(200, json.dumps(value).encode(), "application/json")

    def _refuse(self, status: int, why: str) -> None:
        """Say so, count it and hang up: what is left of the request is not read."""
        self.server.judge.refused[status] += 1
        self.close_connection = True
        self._send(status, f"{why}\n".encode(), "text/plain; charset=utf-8")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args) -> None:
        _LOG.debug(format, *args)


def allowed_host(host: str | None) -> bool:
    """Whether ``Host`` is an address or a name of this machine: a foreign name that leads here is an attack."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower() if host else ""
    except ValueError:
        return False
    own = socket.gethostname().lower()
    if name and name in {"localhost", own, own.split(".")[0], f"{own.split('.')[0]}.local"}:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def allowed_origin(origin: str | None, host: str | None) -> bool:
    """Whether a page from ``origin`` may post here: this very page, or a program (no origin)."""
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == (host or "").lower()
    except ValueError:
        return False
