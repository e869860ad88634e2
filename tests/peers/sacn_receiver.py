"""The package ``sacn`` as a receiver. Usage: sacn_receiver.py PORT UNIVERSE.

Prints "ready", then the slots of every packet in hex, and "timeout" when the stream is said to have ended; then ends.
"""

import sys
import threading

import sacn


def main(port: int, universe: int) -> None:
    ended = threading.Event()
    receiver = sacn.sACNreceiver(bind_address="127.0.0.1", bind_port=port)

    @receiver.listen_on("universe", universe=universe)
    def _data(packet) -> None:
        print(bytes(packet.dmxData).hex(), flush=True)

    @receiver.listen_on("availability")
    def _available(universe: int, changed: str) -> None:
        if changed == "timeout":
            print(changed, flush=True)
            ended.set()

    receiver.start()
    print("ready", flush=True)
    ended.wait(60)
    receiver.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
