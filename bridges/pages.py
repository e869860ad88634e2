"""What the stage answers to plain HTTP: the page, its assets and the demo's sound. Pure but for reading files."""

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

DIST = Path(__file__).parent / "stage" / "dist"
#: Said here and not by the system: some systems' tables call JavaScript plain text, and browsers then refuse it.
MIME = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".vrm": "model/gltf-binary",
    ".glb": "model/gltf-binary",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
}
MAX_PART_BYTES = 4 << 20  #: of one answer to a range request: a long file is never held in memory whole
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def text_reply(status: int, text: str) -> Reply:
    return Reply(status, text.encode() + b"\n", {"Content-Type": "text/plain; charset=utf-8"})


def json_reply(text: str) -> Reply:
    return Reply(200, text.encode(), {"Content-Type": "application/json", "Cache-Control": "no-store"})


def static_file(path: str, root: Path = DIST) -> Path | None:
    """The file under ``root`` that the URL path names, or None. Only the page, its assets and avatars; never above."""
    name = unquote(path).lstrip("/") or "index.html"
    if name != "index.html" and not name.startswith(("assets/", "avatar/")) and name != "favicon.ico":
        return None
    root = root.resolve()
    try:
        file = (root / name).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):  # names that the file system refuses
        return None


def file_reply(file: Path, range_header: str | None = None) -> Reply:
    """The file, or the part that a ``Range`` header asks for (206), or 416 when there is no such part."""
    size = file.stat().st_size
    headers = {
        "Content-Type": MIME.get(file.suffix.lower(), "application/octet-stream"),
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    part = parse_range(range_header, size) if range_header else None
    if part is None:
        return Reply(200, file.read_bytes(), headers)
    first, last = part
    if first > last:
        return Reply(416, b"", {**headers, "Content-Range": f"bytes */{size}"})
    last = min(last, first + MAX_PART_BYTES - 1)
    with file.open("rb") as stream:
        stream.seek(first)
        body = stream.read(last - first + 1)
    return Reply(206, body, {**headers, "Content-Range": f"bytes {first}-{last}/{size}"})


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a one-part ``bytes=`` range; (1, 0) when it lies outside, None when it does not count."""
    match = re.fullmatch(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", header)
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:  # the last N bytes
        count = min(int(last), size)
        return (size - count, size - 1) if count else (1, 0)
    start, end = int(first), int(last) if last else size - 1
    if last and end < start:
        return None
    return (start, min(end, size - 1)) if start < size else (1, 0)


def allowed_host(host_header: str | None) -> bool:
    """Whether ``Host`` is an address or a name of this machine; a foreign name that leads here is an attack."""
    name = _host_name(f"//{host_header}") if host_header else ""
    if name in LOOPBACK_NAMES or _is_address(name):
        return True
    own = socket.gethostname().lower()
    return bool(name) and name in {own, own.split(".")[0], f"{own.split('.')[0]}.local"}


def allowed_origin(origin: str | None, host_header: str | None) -> bool:
    """Whether a page from ``origin`` may open the socket: none (a program), the same host and port, or loopback."""
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https"):
        return False
    return _host_name(origin) in LOOPBACK_NAMES or parts.netloc.lower() == (host_header or "").lower()


def _host_name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name)
        except (OSError, UnicodeError):
            continue
        return True
    return False
