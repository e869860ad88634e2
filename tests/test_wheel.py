"""The built wheel: what is in it, how big a default install is, and that it dances outside the clone."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("engine", "realtime_models", "bridges", "calibration", "run_live.py", "pyproject.toml", "README.md")
MAX_INSTALL_MB = 220
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")
POSE_BYTES = 32 + 12 + 22 * 16


def clean_environment() -> dict[str, str]:
    """The environment without what would lead Python back into the clone."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


def run(*command: object, cwd: Path, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


@pytest.fixture(scope="module")
def wheel(module_needs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that no build folder of yesterday gets into it."""
    module_needs.module("setuptools", 'pip install "setuptools>=77"')
    folder = tmp_path_factory.mktemp("wheel")
    leave_out = shutil.ignore_patterns("__pycache__", "node_modules", "*.pyc")
    for name in (*SOURCES, "LICENSE", "NOTICE"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / "src" / name, ignore=leave_out)
        else:
            shutil.copy(ROOT / name, folder / "src" / name)
    built = run(
        sys.executable, *PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, folder / "src", cwd=folder
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("corybant-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, module_needs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with the wheel and its default dependencies; returns the folder of its programs."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    done = run(programs / "python", *PIP, "install", "--only-binary=:all:", wheel, cwd=folder)
    if done.returncode != 0 and re.search(r"connection|resolv|Temporary failure|Network is unreachable", done.stderr):
        module_needs.absent("a package registry that pip can reach", "connect to a network")
    assert done.returncode == 0, done.stderr
    return programs


def test_what_is_inside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    for needed in (
        r"run_live\.py",
        r"engine/demo\.ogg",
        r"realtime_models/weights/.+\.onnx",
        r"realtime_models/weights/.+\.md",
        r"bridges/stage/.+\.html",
        r"bridges/stage/.+\.js",
        r"bridges/stage/.+\.vrm",
        r"corybant-[^/]+\.dist-info/licenses/LICENSE",
        r"corybant-[^/]+\.dist-info/licenses/NOTICE",
    ):
        assert [name for name in names if re.fullmatch(needed, name)], f"the wheel lacks {needed}"
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"run_live.py", "engine", "realtime_models", "bridges", "calibration"}
    assert "License-Expression: Apache-2.0" in metadata


def test_all_data_files_travel(wheel: Path) -> None:
    """Each file of the packages that git keeps and that is not a page's source is in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    code = (
        path for package in SOURCES[:4] for path in (ROOT / package).rglob("*.py") if "node_modules" not in path.parts
    )
    python = {path.relative_to(ROOT).as_posix() for path in code}
    data = {
        path.relative_to(ROOT).as_posix()
        for folder in ("realtime_models/weights", "bridges/stage/dist", "bridges/clients", "calibration/profiles")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert sorted((python | data) - inside) == []


def test_install_size(installed: Path) -> None:
    """Everything that the default install puts on the disk, without pip itself."""
    where = run(installed / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=installed)
    packages = Path(where.stdout.strip())
    assert packages.is_dir()
    size = sum(
        path.stat().st_size
        for path in packages.rglob("*")
        if path.is_file() and path.relative_to(packages).parts[0].split("-")[0] not in ("pip", "setuptools")
    )
    assert size / 1e6 <= MAX_INSTALL_MB
    assert not (packages / "torch").exists()


def test_the_demo_dances_outside_the_clone(installed: Path, tmp_path: Path, needs) -> None:
    """The console script, with no clone in sight, serves the page and a moving dancer, and ends with 0."""
    connect = needs.module("websockets.sync.client", 'pip install "websockets>=14,<18"').connect
    port = free_port()
    command = [str(installed / "corybant"), "--demo", "--seconds", "12", "--stage", f"127.0.0.1:{port}"]
    output = tmp_path / "output.txt"
    with output.open("w") as out:
        show = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(), stdout=out, stderr=subprocess.STDOUT)
        try:
            page = open_page(port, show, output)
            with connect(f"ws://127.0.0.1:{port}/ws", max_size=None) as client:
                skeleton = json.loads(client.recv(timeout=10))
                poses = [message for message in take(client, 400) if isinstance(message, bytes)]
            code = show.wait(timeout=60)
        finally:
            if show.poll() is None:
                show.kill()
                show.wait()
    assert "<html" in page.lower()
    assert skeleton["type"] == "skeleton" and len(skeleton["names"]) == 22
    assert len(poses) >= 120
    assert {len(pose) for pose in poses} == {POSE_BYTES} and {pose[:4] for pose in poses} == {b"CPS1"}
    rotations = np.stack([np.frombuffer(pose, "<f4", 88, 44) for pose in poses])
    assert np.isfinite(rotations).all()
    assert np.ptp(rotations, axis=0).max() > 0.05, "the dancer stands still"
    assert code == 0, output.read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def open_page(port: int, show: subprocess.Popen, output: Path) -> str:
    """The stage page, as soon as it answers."""
    until = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
                return reply.read().decode()
        except OSError:
            assert show.poll() is None and time.monotonic() < until, output.read_text()
            time.sleep(0.1)


def take(client, count: int) -> list[str | bytes]:
    """The next ``count`` messages, or fewer when the show ends before."""
    from websockets.exceptions import ConnectionClosed

    messages: list[str | bytes] = []
    with contextlib.suppress(ConnectionClosed, TimeoutError):
        while len(messages) < count:
            messages.append(client.recv(timeout=10))
    return messages
