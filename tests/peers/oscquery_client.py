"""The package ``python-oscquery`` as a client. Usage: oscquery_client.py PORT.

Prints one JSON line: the host's name and every channel with its value. Nothing is searched for on the network: the
record that a browser would have found is made up here.
"""

import json
import socket
import sys

from pythonoscquery.osc_query_client import OSCQueryClient
from pythonoscquery.shared.oscquery_spec import OSCQueryAttribute as Is
from zeroconf import ServiceInfo


def values(node) -> dict:
    found = {node.attributes[Is.FULL_PATH]: node.attributes[Is.VALUE]} if node.attributes[Is.VALUE] else {}
    for child in node.attributes[Is.CONTENTS] or ():
        found |= values(child)
    return found


def main(port: int) -> None:
    service = "_oscjson._tcp.local."
    client = OSCQueryClient(
        ServiceInfo(service, f"Corybant.{service}", port=port, addresses=[socket.inet_aton("127.0.0.1")])
    )
    print(json.dumps({"name": client.get_host_info().name, "values": values(client.query_node("/"))}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
