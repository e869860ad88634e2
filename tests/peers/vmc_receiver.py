"""The package ``vmcp`` (AGPL-3.0, installed for tests only) as a VMC receiver. Usage: vmc_receiver.py PORT SECONDS.

Prints "ready", then one JSON line for every event: [what it is, the name it has, its numbers].
"""

import json
import sys
import time

from vmcp import events
from vmcp.facades import on_receive
from vmcp.osc import OSC
from vmcp.osc.backend.osc4py3 import as_comthreads

KINDS = (
    events.RootTransformEvent,
    events.BoneTransformEvent,
    events.BlendShapeEvent,
    events.BlendShapeApplyEvent,
    events.StateEvent,
    events.RelativeTimeEvent,
)


def show(event) -> None:
    kind = type(event).__name__.removesuffix("Event")
    print(json.dumps([kind, *contents(event)]), flush=True)


def contents(event) -> tuple[str, list[float]]:
    match event:
        case events.TransformEvent():
            place, turn = event.position, event.rotation
            name = getattr(event.joint, "value", event.joint)
            return name, [place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w]
        case events.BlendShapeEvent():
            return event.key, [event.value]
        case events.StateEvent():
            return "", [event.model_state.value]
        case events.RelativeTimeEvent():
            return "", [float(event.delta)]
    return "", []


def main(port: int, seconds: float) -> None:
    osc = OSC(as_comthreads)
    with osc.open():
        receiver = osc.create_receiver("127.0.0.1", port, "tests").open()
        for kind in KINDS:
            on_receive(receiver, kind, show)
        print("ready", flush=True)
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            osc.run()
            time.sleep(0.001)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
