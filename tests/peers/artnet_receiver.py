"""stupidArtnet as a receiver. Usage: artnet_receiver.py PORT UNIVERSE.

Prints "ready", then the slots of every packet in hex, until it is killed.
"""

import socket
import sys
import time


class LoopbackSocket(socket.socket):
    """The package binds to every address of the machine; a test stays on this one."""

    def bind(self, address) -> None:
        super().bind(("127.0.0.1", address[1]))


def main(port: int, universe: int) -> None:
    socket.socket = LoopbackSocket
    from stupidArtnet import StupidArtnetServer

    server = StupidArtnetServer(port)
    server.register_listener(universe, callback_function=lambda data: print(bytes(data).hex(), flush=True))
    while not (server.socket_server and server.socket_server.getsockname()[1] == port):
        time.sleep(0.01)
    print("ready", flush=True)
    time.sleep(60)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
