"""zeroconf and python-oscquery look for OSCQuery hosts on the loopback interface. Usage: oscquery_browser.py SECONDS.

Prints "looking", then for every service found one JSON line (its name, address, port and HOST_INFO's name), and
"gone NAME" for every one that says goodbye.
"""

import json
import socket
import sys
import time

from pythonoscquery.osc_query_client import OSCQueryClient
from zeroconf import ServiceBrowser, Zeroconf

SERVICE = "_oscjson._tcp.local."


class Listener:
    def add_service(self, zeroconf: Zeroconf, kind: str, name: str) -> None:
        info = zeroconf.get_service_info(kind, name, 10_000)
        address = socket.inet_ntoa(info.addresses[0])
        host = OSCQueryClient(info).get_host_info().name
        print(json.dumps({"name": name, "address": address, "port": info.port, "host": host}), flush=True)

    def remove_service(self, zeroconf: Zeroconf, kind: str, name: str) -> None:
        print(f"gone {name}", flush=True)

    def update_service(self, zeroconf: Zeroconf, kind: str, name: str) -> None:
        """Nothing changes while a show runs."""


def main(seconds: float) -> None:
    zeroconf = Zeroconf(interfaces=["127.0.0.1"])
    ServiceBrowser(zeroconf, SERVICE, Listener())
    print("looking", flush=True)
    time.sleep(seconds)
    zeroconf.close()


if __name__ == "__main__":
    main(float(sys.argv[1]))
