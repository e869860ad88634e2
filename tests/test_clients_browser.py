"""The browser kit's example page in Chromium: a known pose arrives over the real stage, is interpolated and drawn, and
the page comes back by itself to a stage that was restarted.
"""

import functools
import http.server
import threading
from contextlib import contextmanager

import numpy as np
from client_kits import ASYMMETRIC, KITS, NODE_MODULES, PROGRAMS, body, listening
from test_clients_live import free_port, stage

from engine.skeleton import HOUSE, JOINTS, forward_kinematics

BROWSER = NODE_MODULES.parent / "browser"
ROOT_M = (0.3, 0.955, -0.15)
TURNS = np.array(body(ASYMMETRIC), np.float32)


class Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}

    def log_message(self, *_) -> None:
        pass


@contextmanager
def pages():
    """The kit's folder on a port of its own: another origin than the stage, but of this machine."""
    handler = functools.partial(Quiet, directory=str(KITS / "browser"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def asymmetric(frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotations stand still, the root walks 1 m/s to the dancer's left and begins anew every second."""
    return np.array([ROOT_M[0] + (frame % 60) / 60, *ROOT_M[1:]], np.float32), TURNS


def test_the_example_page_shows_the_pose_and_comes_back(needs, tmp_path):
    node = needs.program("node", "apt-get install -y nodejs npm (18 or newer)")
    chromium = needs.program("chromium", "apt-get install -y chromium")
    needs.path(BROWSER / "node_modules", "npm ci --prefix tests/browser")
    port = free_port()
    with pages() as page_port:
        url = f"http://127.0.0.1:{page_port}/example.html?stage=ws://127.0.0.1:{port}/ws"
        command = [node, str(PROGRAMS / "browser_kit.mjs"), chromium, url, str(BROWSER)]
        with listening(command, tmp_path) as client:
            with stage(port, HOUSE, asymmetric):
                client.until(lambda client: len(client.of("look")) >= 5, "poses on the page")
            with stage(port, HOUSE, asymmetric):
                client.until(lambda client: client.of("look")[-1]["connects"] >= 2, "poses after the restart")
    assert client.of("error") == []
    for look in client.of("look"):
        (dancer,) = look["shown"]["performers"]
        assert np.allclose(dancer["rotations"], TURNS, atol=1e-6)
        places, _ = forward_kinematics(np.array(dancer["root"]), TURNS)
        assert np.allclose(look["places"], places, atol=1e-5)
        at = dict(zip(JOINTS, look["places"], strict=True))
        assert at["left_wrist"][1] > at["head"][1] and at["right_ankle"][2] < at["right_knee"][2] - 0.3
        assert look["drawn"] > 500
    assert len({look["shown"]["performers"][0]["root"][0] for look in client.of("look")}) > 2
