"""For the tests of the client kits: the golden recording, the programs that drive each kit, and what they must say.

A recording is a row of (local time f64, kind u32, size u32, bytes), little-endian: kind 1 a text message, 2 a binary
one, 3 the question what to show at that time. A kit's program answers each with one JSON line, `kind` being skeleton,
pose, refused, shown or nothing; `target_root` and `target_rotations` are the same in the space of its engine.
"""

import contextlib
import json
import math
import os
import queue
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KITS = ROOT / "bridges" / "clients"
PROGRAMS = ROOT / "tests" / "clients"
GOLDEN = ROOT / "tests" / "data" / "clients" / "golden.bin"
NODE_MODULES = ROOT / "tests" / "node"
UNREAL = KITS / "unreal" / "Corybant" / "Source" / "CorybantLiveLink"
PATIENCE_S = 300.0  #: a very busy machine; a working kit takes seconds

NAMES = [
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
]  # fmt: skip
PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
HALF = math.sqrt(0.5)
#: Left arm up: the arm points to +X, a quarter turn about +Z (towards the viewer the dancer faces) takes it to +Y.
#: Head to the dancer's right: the face looks along +Z, a sixth of a turn about -Y takes it towards -X.
#: Right knee bent: the shin hangs to -Y, a quarter turn about +X takes it to -Z, backward.
ASYMMETRIC = {
    "left_shoulder": (0.0, 0.0, HALF, HALF),
    "head": (0.0, -0.5, 0.0, math.sqrt(0.75)),
    "right_knee": (HALF, 0.0, 0.0, HALF),
}
#: Half of each angle: what lies halfway from the T-pose.
HALFWAY = {
    "left_shoulder": (0.0, 0.0, math.sin(math.pi / 8), math.cos(math.pi / 8)),
    "head": (0.0, -math.sin(math.pi / 12), 0.0, math.cos(math.pi / 12)),
    "right_knee": (math.sin(math.pi / 8), 0.0, 0.0, math.cos(math.pi / 8)),
}
#: The same pose in each engine's own space, worked out by hand: unity mirrors X; unreal (facing +Y) swaps Y and Z, and
#: counts centimetres; VRM 0 looks the other way. Root of the dancer: 0.3 m to its left, 0.15 m back.
ROOT_M = (0.3, 0.955, -0.15)
BY_HAND = {
    "unity": {
        "root": (-0.3, 0.955, -0.15),
        "left_shoulder": (0.0, 0.0, -HALF, HALF),
        "head": (0.0, 0.5, 0.0, math.sqrt(0.75)),
        "right_knee": (HALF, 0.0, 0.0, HALF),
    },
    "unreal": {
        "root": (30.0, -15.0, 95.5),
        "left_shoulder": (0.0, -HALF, 0.0, HALF),
        "head": (0.0, 0.0, 0.5, math.sqrt(0.75)),
        "right_knee": (-HALF, 0.0, 0.0, HALF),
    },
    "browser": {  # VRM 0
        "root": (-0.3, 0.955, 0.15),
        "left_shoulder": (0.0, 0.0, -HALF, HALF),
        "head": (0.0, -0.5, 0.0, math.sqrt(0.75)),
        "right_knee": (-HALF, 0.0, 0.0, HALF),
    },
}


def body(turned: dict, names: list[str] = NAMES) -> list[tuple]:
    """Rotations of all joints: identity but for those given."""
    return [turned.get(name, (0.0, 0.0, 0.0, 1.0)) for name in names]


def pose(number: int, time_s: float, performers: list, flags: int = 0, magic: bytes = b"CPS1") -> bytes:
    """A binary message after docs/protocol.md, section 3.2; performers are (root, rotations)."""
    joints = len(performers[0][1])
    data = struct.pack("<4sIddHHI", magic, number, time_s, time_s - 0.08, len(performers), joints, flags)
    for root, rotations in performers:
        data += struct.pack("<3f", *root) + b"".join(struct.pack("<4f", *q) for q in rotations)
    return data


def skeleton(names: list[str], parents: list[int]) -> str:
    offsets = [[0.01 * joint, -0.1, 0.0] if joint else [0, 0, 0] for joint in range(len(names))]
    return json.dumps({"type": "skeleton", "version": 1, "names": names, "parents": parents, "offsets": offsets})


def golden() -> list[tuple[float, int, bytes, dict]]:
    """The recording, and what a kit must say to each of its records."""
    standing, moved = ((0.0, 0.955, 0.0), body({})), (ROOT_M, body(ASYMMETRIC))
    negated = (ROOT_M, [tuple(-v for v in q) for q in body(ASYMMETRIC)])
    half_root = tuple((a + b) / 2 for a, b in zip(standing[0], ROOT_M, strict=True))
    three = (ROOT_M, body({"tail": (0.0, HALF, 0.0, HALF)}, ["pelvis", "spine", "tail"]))
    nan = bytearray(pose(3, 10.2, [moved]))
    nan[44:48] = struct.pack("<f", math.nan)
    first = {"kind": "skeleton", "count": 1, "names": NAMES}
    second = {"kind": "skeleton", "count": 2, "names": ["pelvis", "spine", "tail"]}
    nothing, refused = {"kind": "nothing"}, {"kind": "refused"}

    def said(kind: str, frame: int, time_s: float, performers: list, flags: int = 0) -> dict:
        return {"kind": kind, "frame": frame, "time_s": time_s, "flags": flags, "performers": performers}

    # the first pose arrives 90 s ahead of its stream time, all others on the same beat or later: the lag is 90 s
    return [
        (100.0, 3, b"", nothing),
        (100.0, 2, pose(0, 10.0, [standing]), refused),  # of a body nobody has described
        (100.0, 1, b'{"type":"skeleton","names":["a"],"parents":[0],"offsets":[[0,0,0]]}', refused),
        (100.0, 1, b'{"type":', refused),
        (100.0, 1, skeleton(NAMES, PARENTS).encode(), first),
        (100.0, 3, b"", nothing),
        (100.0, 2, pose(600, 10.0, [standing]), said("pose", 600, 10.0, [standing])),
        (100.0, 3, b"", said("shown", 600, 10.0, [standing])),
        (100.0, 1, b'{"type":"status","bpm":null,"x":[true,false,{"\\u00e9":-1.5e-3}]}', first),
        (100.1, 2, pose(606, 10.1, [moved]), said("pose", 606, 10.1, [moved])),
        (100.1, 3, b"", said("shown", 600, 10.05, [(half_root, body(HALFWAY))])),
        (100.15, 3, b"", said("shown", 606, 10.1, [moved])),
        (100.15, 2, pose(606, 10.1, [moved]), said("pose", 606, 10.1, [moved])),  # twice: understood, not kept
        (100.2, 2, pose(612, 10.2, [negated], 2 | 64), said("pose", 612, 10.2, [negated], 66)),
        (100.2, 3, b"", said("shown", 606, 10.15, [moved])),  # q and -q are one rotation; not yet dark
        (100.26, 3, b"", said("shown", 612, 10.2, [negated], 66)),
        (100.3, 2, b"CPS1", refused),
        (100.3, 2, pose(613, 10.3, [moved], magic=b"CPS9"), refused),
        (100.3, 2, pose(613, 10.3, [moved])[:-1], refused),
        (100.3, 2, bytes(nan), refused),
        (100.3, 2, pose(613, 10.3, [three]), refused),  # three joints are not this body
        (100.3, 2, struct.pack("<4sIddHHI", b"CPS1", 1, 1.0, 1.0, 65535, 65535, 0), refused),
        (100.3, 2, pose(618, 10.3, [moved, standing]) + b"more", said("pose", 618, 10.3, [moved, standing])),
        (100.3, 3, b"", said("shown", 612, 10.2, [negated], 66)),  # a second dancer came: no way between the two
        (100.36, 3, b"", said("shown", 618, 10.3, [moved, standing])),
        (101.0, 2, pose(0, 0.0, [standing]), said("pose", 0, 0.0, [standing])),  # the show began anew
        (101.0, 3, b"", said("shown", 0, 0.0, [standing])),
        (102.0, 1, skeleton(["pelvis", "spine", "tail"], [-1, 0, 1]).encode(), second),
        (102.0, 3, b"", nothing),
        (102.0, 2, pose(60, 1.0, [three]), said("pose", 60, 1.0, [three])),
        (102.0, 3, b"", said("shown", 60, 1.0, [three])),
        (102.1, 1, skeleton(["pelvis", "spine", "tail"], [-1, 0, 1]).encode(), second),  # the same body: no change
    ]


def recorded(records: list[tuple[float, int, bytes, dict]]) -> bytes:
    return b"".join(struct.pack("<dII", now, kind, len(data)) + data for now, kind, data, _ in records)


# --- the kits' programs


def _python(needs, folder: Path) -> Callable[..., list[str]]:
    return lambda *words: [sys.executable, str(PROGRAMS / "kit_program.py"), *words]


def _browser(needs, folder: Path) -> Callable[..., list[str]]:
    node = needs.program("node", "apt-get install -y nodejs npm (18 or newer)")
    needs.path(NODE_MODULES / "node_modules", "npm ci --prefix tests/node")
    kit = folder / "corybant.mjs"  # a page says type="module"; node wants it in the name
    shutil.copy(KITS / "browser" / "corybant.js", kit)
    program = str(PROGRAMS / "kit_program.mjs")
    return lambda *words: [node, program, *words, str(kit), str(NODE_MODULES)]


def _unity(needs, folder: Path) -> Callable[..., list[str]]:
    install = "apt-get install -y --no-install-recommends mono-mcs mono-runtime libmono-system-core4.0-cil"
    mcs, mono = needs.program("mcs", install), needs.program("mono", install)
    program = folder / "KitProgram.exe"
    sources = [*sorted((KITS / "unity" / "Runtime" / "Plain").glob("*.cs")), PROGRAMS / "KitProgram.cs"]
    options = ["-warnaserror+", "-r:System.dll", "-r:System.Core.dll", f"-out:{program}"]
    _build([mcs, *options, *map(str, sources)])
    return lambda *words: [mono, str(program), *words]


def _unreal(needs, folder: Path) -> Callable[..., list[str]]:
    compiler = needs.program("g++", "apt-get install -y g++")
    program = str(folder / "kit_program")
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-O1", "-I", str(UNREAL / "Public")]
    _build([compiler, *options, str(PROGRAMS / "kit_program.cpp"), "-o", program])

    def command(what: str, *words: str) -> list[str]:
        if what == "live":  # this program's socket wants host and port
            words = tuple(words[0].split("//")[1].split("/")[0].split(":"))
        return [program, what, *words]

    return command


def _godot(needs, folder: Path) -> Callable[..., list[str]]:
    godot = needs.program("godot3-server", "apt-get install -y --no-install-recommends godot3-server")
    (folder / "project.godot").write_text('config_version=4\n[application]\nconfig/name="kit"\n')
    for script in (PROGRAMS / "kit_program.gd", *(KITS / "godot").glob("*.gd")):
        if script.name != "corybant_dancer.gd":  # written for Godot 4
            shutil.copy(script, folder)
    return lambda *words: [godot, "--path", str(folder), "-s", "kit_program.gd", *words]


BUILDERS = {"python": _python, "browser": _browser, "unity": _unity, "unreal": _unreal, "godot": _godot}


def _build(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr


def environment(folder: Path) -> dict[str, str]:
    """A home of its own (Godot writes there), and no proxy between us and ourselves."""
    return {**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8", "NO_PROXY": "*", "no_proxy": "*"}


def answers(text: str) -> list[dict]:
    """The JSON lines among what a program printed (Godot greets first)."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def run_to_end(command: list[str], folder: Path, stdin: str = "") -> list[dict]:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment(folder), input=stdin
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return answers(done.stdout)


class Listening:
    """A kit's program at work; ``until`` reads its lines until a condition on all of them holds."""

    def __init__(self, process: subprocess.Popen):
        self.said: list[dict] = []
        self._process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout:
            if line.startswith("{"):
                self._lines.put(line)
        self._lines.put(None)

    def of(self, kind: str) -> list[dict]:
        return [said for said in self.said if said["kind"] == kind]

    def take_what_is_there(self) -> None:
        """Read on without waiting."""
        with contextlib.suppress(queue.Empty):
            while line := self._lines.get_nowait():
                self.said.append(json.loads(line))

    def until(self, condition: Callable[["Listening"], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition(self):
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                self._process.kill()
                pytest.fail(f"no {what} after {len(self.said)} lines: {self._process.stderr.read()[-2000:]}")
            self.said.append(json.loads(line))


@contextlib.contextmanager
def listening(command: list[str], folder: Path) -> Iterator[Listening]:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(folder), bufsize=1
    )
    try:
        yield Listening(process)
    finally:
        process.kill()
        process.wait()
