"""A receiver of the Corybant stage in one file, for Python 3.9 or newer. Standard library only: copy it next to yours.

    stream = Stream("ws://127.0.0.1:8765/ws")
    stream.start()
    while True:
        shown = stream.at(time.monotonic())
        if shown is not None and shown.visible:
            draw(stream.skeleton, shown.performers)

The wire is that of docs/protocol.md, section 3. Upper half: pure (decoding, interpolation, back-off). Lower half: one
thread with a socket. House frame: right-handed, +Y up, +Z forward, +X the dancer's left, metres, quaternions xyzw.
"""

import base64
import json
import math
import os
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

HEADER = struct.Struct("<4sIddHHI")
MAGIC = b"CPS1"
FREEZE, BLACKOUT, PANIC, HELD = 1, 2, 4, 8
DELAY_S = 0.05  #: three poses: enough for a network that delivers two at once
JUMP_S = 1.0  #: more than this between two poses is another performance, not a late pose
RISE = 0.02  #: how fast the buffer believes that the line became slower, seconds a second
KEEP = 240  #: poses at most in the buffer
SILENCE_S = 3.0  #: there are 60 poses a second, always: silence means that the show is gone
MAX_MESSAGE_BYTES = 1 << 20

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Performer:
    """``root`` (3) [m]; ``rotations`` (J of 4) xyzw, local to the parent joint."""

    root: Vector
    rotations: tuple[Vector, ...]


@dataclass(frozen=True)
class Frame:
    """One pose of all performers; ``time_s`` is the stream time at which it should be seen."""

    frame: int
    time_s: float
    sent_s: float
    flags: int
    performers: tuple[Performer, ...]

    @property
    def visible(self) -> bool:
        return not self.flags & BLACKOUT

    @property
    def joints(self) -> int:
        return len(self.performers[0].rotations) if self.performers else 0


@dataclass(frozen=True)
class Skeleton:
    """``names`` (J), ``parents`` (J, -1 = none), ``offsets`` (J of 3) [m] in the parent's frame."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: tuple[Vector, ...]


def decode_skeleton(message: dict) -> Skeleton:
    """The first message of a connection, parsed JSON. ValueError when it describes no body."""
    try:
        names = tuple(str(name) for name in message["names"])
        parents = tuple(int(parent) for parent in message["parents"])
        offsets = tuple(tuple(float(v) for v in offset) for offset in message["offsets"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"no skeleton: {error}") from error
    if not len(names) == len(parents) == len(offsets) or any(len(offset) != 3 for offset in offsets):
        raise ValueError("names, parents and offsets of the skeleton differ in length")
    if any(parent >= joint for joint, parent in enumerate(parents)):
        raise ValueError("a joint of the skeleton stands before its parent")
    return Skeleton(names, parents, offsets)


def decode_pose(data: bytes) -> Frame:
    """A binary message. ValueError when it is no whole, finite pose. Bytes after the last performer are left alone:
    a later version may say more there.
    """
    if len(data) < HEADER.size:
        raise ValueError(f"{len(data)} bytes are no pose")
    magic, frame, time_s, sent_s, performers, joints, flags = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ValueError(f"a pose begins with {MAGIC!r}, not {magic!r}")
    stride = 3 + 4 * joints
    if len(data) < HEADER.size + 4 * performers * stride:
        raise ValueError(f"{len(data)} bytes are too few for {performers} performers of {joints} joints")
    floats = struct.unpack_from(f"<{performers * stride}f", data, HEADER.size)
    if not all(map(math.isfinite, (time_s, sent_s, *floats))):
        raise ValueError("a number of the pose is not finite")
    bodies = []
    for start in range(0, performers * stride, stride):
        turns = (floats[at : at + 4] for at in range(start + 3, start + stride, 4))
        bodies.append(Performer(floats[start : start + 3], tuple(turns)))
    return Frame(frame, time_s, sent_s, flags, tuple(bodies))


def slerp(a: Vector, b: Vector, u: float) -> Vector:
    """From quaternion a (u = 0) to b (u = 1) on the shorter arc."""
    dot = sum(x * y for x, y in zip(a, b))  # noqa: B905 (3.9 has no strict)
    sign, dot = (-1.0, -dot) if dot < 0 else (1.0, dot)
    if dot > 0.9995:  # so close that the chord is the arc, and the sine too small to divide by
        wa, wb = 1.0 - u, u
    else:
        angle = math.acos(dot)
        wa, wb = math.sin((1.0 - u) * angle) / math.sin(angle), math.sin(u * angle) / math.sin(angle)
    mixed = [wa * x + sign * wb * y for x, y in zip(a, b)]  # noqa: B905
    norm = math.sqrt(sum(x * x for x in mixed))
    return tuple(x / norm for x in mixed) if norm > 1e-9 else (0.0, 0.0, 0.0, 1.0)


def between(a: Frame, b: Frame, u: float) -> Frame:
    """The pose at part u of the way from a to b, with the number and flags of a. Other bodies in b: a itself."""
    if u <= 0.0 or len(a.performers) != len(b.performers) or a.joints != b.joints:
        return a
    bodies = []
    for one, two in zip(a.performers, b.performers):  # noqa: B905
        root = tuple((1.0 - u) * x + u * y for x, y in zip(one.root, two.root))  # noqa: B905
        turns = tuple(slerp(p, q, u) for p, q in zip(one.rotations, two.rotations))  # noqa: B905
        bodies.append(Performer(root, turns))
    mix = tuple((1.0 - u) * x + u * y for x, y in ((a.time_s, b.time_s), (a.sent_s, b.sent_s)))
    return Frame(a.frame, mix[0], mix[1], a.flags, tuple(bodies))


@dataclass
class PoseBuffer:
    """Shows poses ``delay_s`` behind the newest, so that the network's unevenness is not seen. Pure: pass the time.

    The quickest arrival says what the line takes; it is believed again only slowly, so one late pose moves nothing.
    """

    delay_s: float = DELAY_S
    late: int = 0  #: poses that were not newer than the one before
    _frames: list[Frame] = field(default_factory=list)
    _lag_s: float = 0.0  # local time less stream time, of the quickest arrival
    _pushed_s: float = 0.0

    def clear(self) -> None:
        self._frames.clear()

    def push(self, frame: Frame, now_s: float) -> None:
        """Take a pose that arrived at local time ``now_s`` [s], any clock that only goes forward."""
        lag_s = now_s - frame.time_s
        if self._frames:
            step_s = frame.time_s - self._frames[-1].time_s
            if -JUMP_S < step_s <= 0.0:
                self.late += 1
                return
            if abs(step_s) >= JUMP_S:
                self.clear()
        if self._frames:
            self._lag_s = min(lag_s, self._lag_s + RISE * max(0.0, now_s - self._pushed_s))
        else:
            self._lag_s = lag_s
        self._pushed_s = now_s
        self._frames.append(frame)
        del self._frames[:-KEEP]

    def at(self, now_s: float) -> "Frame | None":
        """What to show at local time ``now_s``; None before the first pose. Never goes beyond the newest."""
        if not self._frames:
            return None
        show_s = now_s - self._lag_s - self.delay_s
        while len(self._frames) > 1 and self._frames[1].time_s <= show_s:
            del self._frames[0]
        first = self._frames[0]
        if len(self._frames) == 1:
            return first
        second = self._frames[1]
        return between(first, second, (show_s - first.time_s) / (second.time_s - first.time_s))


@dataclass
class Backoff:
    """Waits between attempts: 0.25 s, doubled up to 8 s; from the start again after a pose has come."""

    wait_s: float = 0.25

    def next_s(self) -> float:
        wait_s, self.wait_s = self.wait_s, min(8.0, self.wait_s * 2)
        return wait_s

    def reset(self) -> None:
        self.wait_s = 0.25


class Receiver:
    """Messages in, poses out: knows the body, refuses what does not fit. No socket, no clock."""

    def __init__(self, delay_s: float = DELAY_S):
        self.buffer = PoseBuffer(delay_s)
        self.skeleton: Skeleton | None = None
        self.skeletons = 0  #: how often the body changed; look the bones up again when this grows
        self.refused = 0

    def text(self, text: str) -> None:
        """A text message: the skeleton is kept, everything else is left alone."""
        try:
            message = json.loads(text)
            if not isinstance(message, dict) or message.get("type") != "skeleton":
                return
            skeleton = decode_skeleton(message)
        except (ValueError, RecursionError):
            self.refused += 1
            return
        self.buffer.clear()  # a new connection: what is left of the old one is old
        if skeleton != self.skeleton:
            self.skeleton = skeleton
            self.skeletons += 1

    def binary(self, data: bytes, now_s: float) -> "Frame | None":
        """A binary message; returns its pose, or None when it was refused."""
        try:
            frame = decode_pose(data)
        except ValueError:
            self.refused += 1
            return None
        if self.skeleton is None or (frame.performers and frame.joints != len(self.skeleton.names)):
            self.refused += 1
            return None
        self.buffer.push(frame, now_s)
        return frame


# --- the socket


class Stream:
    """Keeps a connection to ``ws://HOST:PORT/ws`` in a thread, comes back by itself. ``lock`` guards ``receiver``."""

    def __init__(self, url: str, delay_s: float = DELAY_S):
        self._url = urlsplit(url)
        if self._url.scheme != "ws" or not self._url.hostname:
            raise ValueError(f"'{url}' is no address of a stage; write ws://HOST:PORT/ws")
        self.receiver = Receiver(delay_s)
        self.lock = threading.Lock()
        self.connects = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="corybant", daemon=True)

    @property
    def skeleton(self) -> "Skeleton | None":
        return self.receiver.skeleton

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def at(self, now_s: float) -> "Frame | None":
        """What to show at ``time.monotonic()`` = ``now_s``."""
        with self.lock:
            return self.receiver.buffer.at(now_s)

    def heard(self, frame: Frame) -> None:
        """Called in the thread for every pose that arrives; override it to record."""

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                with socket.create_connection((self._url.hostname, self._url.port or 80), SILENCE_S) as line:
                    self._listen(line, backoff)
            except (OSError, EOFError, ValueError):
                pass  # gone, silent or no stage: try again
            self._stop.wait(backoff.next_s())

    def _listen(self, line: socket.socket, backoff: Backoff) -> None:
        line.settimeout(SILENCE_S)
        reader = line.makefile("rb")
        _shake_hands(line, reader, self._url)
        self.connects += 1
        heard_s = time.monotonic()
        while not self._stop.is_set():
            kind, payload = _message(line, reader)
            now_s = time.monotonic()
            if kind == 1:
                with self.lock:
                    self.receiver.text(payload.decode())
            elif kind == 2:
                with self.lock:
                    frame = self.receiver.binary(payload, now_s)
                if frame is not None:
                    heard_s = now_s
                    backoff.reset()
                    self.heard(frame)
            if now_s - heard_s > SILENCE_S:
                raise EOFError("no poses")


def _shake_hands(line: socket.socket, reader, url) -> None:
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    target = (url.path or "/ws") + (f"?{url.query}" if url.query else "")
    line.sendall(
        (
            f"GET {target} HTTP/1.1\r\nHost: {host}:{url.port or 80}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
    )
    answer = reader.readline(1024)
    if b" 101 " not in answer:
        raise ValueError(f"no stage: {answer!r}")
    while reader.readline(8192).strip():
        pass


def _message(line: socket.socket, reader) -> "tuple[int, bytes]":
    """The next whole message: 1 text, 2 binary. Pings are answered on the way; EOFError when the other side closes."""
    kind, parts, size = 0, [], 0
    while True:
        first, second = _exactly(reader, 2)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(_exactly(reader, 2 if length == 126 else 8), "big")
        size += length
        if size > MAX_MESSAGE_BYTES or second & 0x80:
            raise ValueError("not a message of a stage")
        payload, opcode = _exactly(reader, length), first & 0x0F
        if opcode == 8:
            raise EOFError("closed")
        if opcode == 9:
            _reply(line, 10, payload)
            size -= length
        elif opcode in (0, 1, 2):
            kind = opcode or kind
            parts.append(payload)
            if first & 0x80:
                return kind, b"".join(parts)


def _reply(line: socket.socket, opcode: int, payload: bytes) -> None:
    mask = os.urandom(4)  # clients must mask
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    line.sendall(bytes((0x80 | opcode, 0x80 | len(payload))) + mask + body)


def _exactly(reader, count: int) -> bytes:
    data = reader.read(count)
    if len(data) < count:
        raise EOFError("the line broke")
    return data
