"""Open Sound Control: packing into few datagrams, and the plain channels for VJ tools.

A frame has the same addresses every time, so each datagram is packed once with holes. All OSC data sit on 4-byte
borders: a datagram is an array of big-endian words and a frame fills the holes with one indexed assignment.
"""

import socket
from collections.abc import Sequence

import numpy as np

from bridges.axes import WorldJoints
from bridges.flags import BLACKOUT
from bridges.mdns import Announcer
from bridges.net import UdpSender, parse_address
from bridges.options import Option, read_options, switch
from bridges.oscquery import QueryServer, namespace, query_address
from engine.errors import ConfigError
from engine.types import BeatClock, MusicFeatures, Pose, Skeleton

DATAGRAM_BYTES = 1400  #: fits one Ethernet frame beside the headers; VMC allows 1,500
BUNDLE_HEAD = b"#bundle\0" + (1).to_bytes(8, "big")  # time tag 1: at once

Fixed = tuple[str, str, tuple[str, ...]]  #: address, type tags without comma, the values of its "s" tags


def osc_string(text: str) -> bytes:
    """``text`` as an OSC string: UTF-8, ended and padded with zero bytes to a multiple of 4."""
    data = text.encode()
    return data + b"\0" * (4 - len(data) % 4)


def message_words(message: Fixed) -> tuple[bytes, list[int], list[int]]:
    """One message with zeros for its numbers: its bytes, and the byte offsets of its floats and of its ints."""
    address, tags, strings = message
    data, floats, ints, text = osc_string(address) + osc_string("," + tags), [], [], iter(strings)
    for tag in tags:
        if tag == "s":
            data += osc_string(next(text))
            continue
        {"f": floats, "i": ints}[tag].append(len(data))
        data += bytes(4)
    return data, floats, ints


class Datagram:
    """A bundle packed beforehand. ``encode`` fills its floats and its ints, each in the order of the messages."""

    def __init__(self, messages: Sequence[Fixed]):
        data, floats, ints = BUNDLE_HEAD, [], []
        for message in messages:
            body, body_floats, body_ints = message_words(message)
            start = len(data) + 4
            data += len(body).to_bytes(4, "big") + body
            floats += [start + offset for offset in body_floats]
            ints += [start + offset for offset in body_ints]
        self.size = len(data)
        self.float_count, self.int_count = len(floats), len(ints)
        self._floats = np.array(floats, int) // 4
        self._ints = np.array(ints, int) // 4
        self._words = np.frombuffer(bytearray(data), ">f4")
        self._int_words = self._words.view(">i4")

    def encode(self, floats: np.ndarray, ints: Sequence[int] = ()) -> bytes:
        """The datagram with ``floats`` (float_count,) and ``ints`` (int_count,) in place."""
        self._words[self._floats] = floats
        if self.int_count:
            self._int_words[self._ints] = ints
        return self._words.tobytes()


def split_messages(messages: Sequence[Fixed], limit: int = DATAGRAM_BYTES) -> list[list[Fixed]]:
    """Messages in order, cut into groups whose bundles are at most ``limit`` bytes long."""
    groups: list[list[Fixed]] = [[]]
    size = len(BUNDLE_HEAD)
    for message in messages:
        need = 4 + len(message_words(message)[0])
        if groups[-1] and size + need > limit:
            groups.append([])
            size = len(BUNDLE_HEAD)
        groups[-1].append(message)
        size += need
    return [group for group in groups if group]


class Frame:
    """The datagrams of one kind of frame: messages in order, cut to size, filled from a row of floats and of ints."""

    def __init__(self, messages: Sequence[Fixed], limit: int = DATAGRAM_BYTES):
        self.datagrams = [Datagram(group) for group in split_messages(messages, limit)]

    def encode(self, floats: np.ndarray, ints: Sequence[int] = ()) -> list[bytes]:
        """Datagrams with ``floats`` (all floats,) and ``ints`` (all ints,) in the order of the messages."""
        out, f, i = [], 0, 0
        for datagram in self.datagrams:
            out.append(datagram.encode(floats[f : f + datagram.float_count], ints[i : i + datagram.int_count]))
            f, i = f + datagram.float_count, i + datagram.int_count
        return out


class ChannelEncoder:
    """Music and joint positions as one number per address, the form that TouchDesigner, Max, Pd and Notch like best."""

    BANDS = 4

    def __init__(self, skeleton: Skeleton):
        self._joints = WorldJoints(skeleton.parents, skeleton.offsets)
        music = [
            ("/live/beat", "i", ()),
            ("/live/bar", "i", ()),
            ("/live/visible", "i", ()),
            *((f"/live/{name}", "f", ()) for name in ("phase", "bpm", "energy", "onset")),
            *((f"/live/bands/{band}", "f", ()) for band in range(self.BANDS)),
        ]
        joints = [(f"/live/joint/{name}/t{axis}", "f", ()) for name in skeleton.names for axis in "xyz"]
        self._music, self._body = Frame(music), Frame(joints)
        #: Every address with its type tag, in the order of ``numbers``.
        self.channels = tuple((address, tag) for address, tag, _ in (*music, *joints))

    def numbers(self, pose: Pose, features: MusicFeatures, visible: bool = True) -> tuple[list[int], np.ndarray]:
        """The ints and the floats of ``pose`` with the beat of ``features`` at ``pose.time_s``, the instant seen."""
        beat, phase, in_bar = beat_at(features.beat, pose.time_s)
        head = 4 + self.BANDS
        floats = np.zeros(head + 3 * len(pose.rotations), np.float32)
        floats[:4] = phase, features.beat.bpm, features.energy, features.onset
        bands = np.asarray(features.bands, np.float32)[: self.BANDS]
        floats[4 : 4 + len(bands)] = bands
        floats[head:] = self._joints(pose.root, pose.rotations).ravel()
        return [beat, in_bar, int(visible)], floats

    def pack(self, ints: Sequence[int], floats: np.ndarray) -> list[bytes]:
        """Datagrams of what ``numbers`` said."""
        head = 4 + self.BANDS
        return self._music.encode(floats[:head], ints) + self._body.encode(floats[head:])

    def encode(self, pose: Pose, features: MusicFeatures, visible: bool = True) -> list[bytes]:
        """Datagrams of ``pose`` with the beat of ``features`` as it is at ``pose.time_s``, the instant seen."""
        return self.pack(*self.numbers(pose, features, visible))


def beat_at(beat: BeatClock, time_s: float) -> tuple[int, float, int]:
    """At ``time_s``: number of the beat, how far it has gone (0..1), its place in the bar (1..meter, 0 unknown)."""
    beats = float(beat.beats_at(time_s))
    number = int(np.floor(beats))
    in_bar = (beat.beat_in_bar - 1 + number - beat.count) % beat.meter + 1 if beat.beat_in_bar else 0
    return number, beats - number, in_bar


class ChannelsSink:
    """``osc=HOST:PORT``: the plain channels over UDP, at most a handful of datagrams per frame.

    With ``query=[HOST:]PORT`` their names and values are told over HTTP as well (OSCQuery), with ``announce=1`` that
    port by multicast.
    """

    OPTIONS = {"query": Option(None, query_address, "[HOST:]PORT, as in query=9010"), "announce": switch(False)}

    def __init__(self, spec, live):
        self._live = live
        options = read_options(spec, self.OPTIONS)
        where = options["query"]
        if options["announce"] and not where:
            raise ConfigError(f"the output {spec.label}: announce=1 announces the port of query=[HOST:]PORT; name it")
        target = parse_address(spec.address, "osc")
        self._udp = UdpSender(target, "osc")
        self._query = QueryServer(where, f"sent to {target}", self.values) if where else None
        self._announcer = Announcer(where, socket.gethostname()) if options["announce"] else None
        self._encoder: ChannelEncoder | None = None
        self._newest: tuple[Sequence[int], np.ndarray] = (), np.zeros(0)

    def open(self, skeleton: Skeleton) -> None:
        self._encoder = ChannelEncoder(skeleton)
        self._udp.open()
        if self._query:
            self._query.open(namespace(self._encoder.channels))
        if self._announcer:
            self._announcer.open()

    def send(self, pose: Pose) -> None:
        self.deliver(pose, 0, pose.time_s)

    def deliver(self, pose: Pose, flags: int, sent_s: float) -> None:
        self._newest = self._encoder.numbers(pose, self._live.features, not flags & BLACKOUT)
        self._udp.send(self._encoder.pack(*self._newest))

    def values(self) -> dict[str, float]:
        """Address -> number as sent last; empty before the first pose. Any thread may ask."""
        ints, floats = self._newest
        numbers = {"i": iter(ints), "f": iter(floats.tolist())}
        return {address: next(numbers[tag]) for address, tag in self._encoder.channels} if len(floats) else {}

    def close(self) -> None:
        self._udp.close()
        if self._announcer:
            self._announcer.close()
        if self._query:
            self._query.close()

    def stats(self) -> dict[str, int]:
        told = (
            {"announced": self._announcer.told, "announce_refused": self._announcer.refused} if self._announcer else {}
        )
        return {"dropped": self._udp.dropped, **(self._query.stats() if self._query else {}), **told}
