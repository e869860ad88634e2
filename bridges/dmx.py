"""A universe of lights as an output: what sACN and Art-Net have in common."""

from abc import ABC, abstractmethod

from bridges.lights import MAX_RATE_HZ, SLOTS, UNIVERSE_SLOTS, Lights, due, lights_step, universe
from bridges.net import UdpSender
from bridges.options import whole
from engine.types import Pose, Skeleton

#: Options of every kind of lights.
OPTIONS = {"start": whole(1, 1, UNIVERSE_SLOTS - len(SLOTS) + 1), "rate_hz": whole(30, 1, MAX_RATE_HZ)}


class DmxSink(ABC):
    """Sends the slots of ``bridges.lights`` from ``start`` on, ``rate_hz`` times a second, and a farewell."""

    def __init__(self, live, udp: UdpSender, *, start: int, rate_hz: int):
        self._live, self._udp, self._start, self._rate_hz = live, udp, start, rate_hz
        self._streaming = False
        self._lights, self._frame = Lights(), -1

    @abstractmethod
    def packet(self, slots: bytes) -> bytes:
        """The next datagram with all 512 slots."""

    @abstractmethod
    def farewell(self, slots: bytes) -> list[bytes]:
        """What is sent last; ``slots`` (512 bytes) are those that stand."""

    def open(self, skeleton: Skeleton) -> None:
        self._lights = Lights()
        self._udp.open()
        self._streaming = True

    def send(self, pose: Pose) -> None:
        self.deliver(pose, 0, pose.time_s)

    def deliver(self, pose: Pose, flags: int, sent_s: float) -> None:
        self._lights = lights_step(self._lights, self._live.features, pose.time_s, flags)
        before, self._frame = self._frame, pose.frame
        if due(before, pose.frame, self._rate_hz):
            self._udp.send([self.packet(universe(self._lights.slots, self._start))])

    def close(self) -> None:
        """Say goodbye as the protocol does, whatever becomes of it."""
        streaming, self._streaming = self._streaming, False
        try:
            if streaming:
                self._udp.send(self.farewell(universe(self._lights.slots, self._start)))
        finally:
            self._udp.close()

    def stats(self) -> dict[str, int]:
        return {"dropped": self._udp.dropped}
