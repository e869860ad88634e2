"""Other trackers on the same sounds, each in a virtual environment of its own: compared with, never depended on.

A peer is a script in this folder (see ``saying.py``), pinned packages and the Pythons they run on. Environments and
results lie in a cache folder (``BENCH_PEERS``, else ~/.cache/corybant-peers); a result is kept per (peer, its packages
and script, sound). What cannot be installed is told with its reason.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
RUN_TIMEOUT_S = 1800
#: Another environment's modules; and without compiled modules every run would spend most of its time on importing.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Peer:
    name: str
    script: str
    installs: tuple[tuple[str, ...], ...]  #: arguments of ``pip install``, one call each
    pythons: tuple[str, ...]  #: versions it runs on, best first
    about: str  #: licence and what it is
    environment: str = ""  #: name of the environment, where two peers share one
    environ: tuple[tuple[str, str], ...] = ()  #: for the installation

    @property
    def version(self) -> str:
        """Changes with the packages, the script and what it shares."""
        parts = [
            repr(self.installs),
            *((HERE / name).read_text(encoding="utf-8") for name in (self.script, "saying.py")),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


class PeerMissing(Exception):
    """A peer that cannot be used here, and why, in one line."""


# madmom's C files are older than Python 3.11: Cython must write them anew. It wants pkg_resources and numpy's names of
# before 1.24.
_MADMOM = (
    ("setuptools==80.9.0", "wheel==0.45.1", "cython==0.29.37", "numpy==1.23.5", "scipy==1.10.1", "mido==1.3.3"),
    ("--no-build-isolation", "--no-deps", "--no-cache-dir", "madmom==0.16.1"),
)
_OLD_PYTHONS = ("3.11", "3.10", "3.9")
_REGENERATE = (("CYTHON_FORCE_REGEN", "1"),)

PEERS = (
    Peer(
        "aubio",
        "aubio_tempo.py",
        (("aubio-ledfx==0.4.12", "numpy==2.2.6"),),
        ("3.11", "3.12", "3.13", "3.10"),
        "aubio-ledfx 0.4.12, GPL-3; online",
    ),
    Peer(
        "btrack",
        "btrack_beats.py",
        (("btrack-beat-tracker==1.0.7", "numpy==2.2.6"),),
        ("3.11", "3.12", "3.10"),
        "BTrack 1.0.7, GPL-3; online",
    ),
    Peer(
        "beatnet",
        "beatnet_online.py",
        (
            *_MADMOM,
            ("torch==2.13.0", "setuptools==80.9.0", "numpy==1.23.5"),
            ("--no-deps", "BeatNet==1.1.3"),
        ),
        ("3.11", "3.10"),
        "BeatNet 1.1.3, CC BY 4.0 (on madmom); online, network and particle filter, downbeats",
        environ=_REGENERATE,
    ),
    Peer(
        "madmom",
        "madmom_online.py",
        _MADMOM,
        _OLD_PYTHONS,
        "madmom 0.16.1, weights CC BY-NC-SA 4.0; online, eight networks and DBN",
        environment="madmom",
        environ=_REGENERATE,
    ),
    Peer(
        "madmom-off",
        "madmom_offline.py",
        _MADMOM,
        _OLD_PYTHONS,
        "the same, OFFLINE with downbeats: a ceiling that has heard the whole track; some references were made by it",
        environment="madmom",
        environ=_REGENERATE,
    ),
)


def cache_folder() -> Path:
    return Path(os.environ.get("BENCH_PEERS") or Path.home() / ".cache" / "corybant-peers")


def cached(peer: Peer, sound_hash: str) -> dict | None:
    """A result of before: ``beats`` (rows as the script printed them), ``cpu_s``, ``sound_s``."""
    path = _result(peer, sound_hash)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def run(peer: Peer, sound: Path, sound_hash: str) -> dict:
    """Install the peer if need be, let it hear a WAV file, keep the result. Raises PeerMissing."""
    python = installed(peer)
    command = [str(python), "-W", "ignore", str(HERE / peer.script), str(sound)]
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = _call(command, single, RUN_TIMEOUT_S)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines or "cpu_s" not in lines[-1]:
        raise PeerMissing(f"its script failed on {sound.name}: {_reason(done.stderr)}")
    result = {"beats": lines[:-1], **lines[-1]}
    path = _result(peer, sound_hash)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result), encoding="utf-8")
    return result


def installed(peer: Peer) -> Path:
    """The Python of the peer's environment, made if it is not there. Raises PeerMissing, which is remembered."""
    key = hashlib.sha256(repr((peer.installs, peer.environ)).encode()).hexdigest()[:10]
    folder = cache_folder() / f"{peer.environment or peer.name}-{key}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if (folder / "installed").exists():
        return python
    base = find_python(peer.pythons)
    shutil.rmtree(folder, ignore_errors=True)
    steps = [[base, "-m", "venv", str(folder)]]
    steps += [[str(python), "-m", "pip", "install", "-q", *arguments] for arguments in peer.installs]
    for step in steps:
        done = _call(step, dict(peer.environ))
        if done.returncode:
            raise PeerMissing(_remember(peer, f"{' '.join(step[3:])}: {_reason(done.stderr)}"))
    (folder / "installed").touch()
    _failure(peer).unlink(missing_ok=True)
    return python


def remembered_failure(peer: Peer) -> str | None:
    path = _failure(peer)
    return path.read_text(encoding="utf-8") if path.exists() else None


def find_python(versions: tuple[str, ...]) -> str:
    """An interpreter of one of these versions: on the path, this one, or pyenv's. Raises PeerMissing."""
    for version in versions:
        pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
        places = [shutil.which(f"python{version}"), *(str(p) for p in sorted(pyenv.glob(f"{version}.*/bin/python")))]
        if f"{sys.version_info[0]}.{sys.version_info[1]}" == version:
            places.insert(0, getattr(sys, "_base_executable", sys.executable))
        for place in filter(None, places):
            # pyenv's shims are found for versions that they then refuse to run
            if subprocess.run([place, "-c", "import venv"], capture_output=True).returncode == 0:
                return place
    raise PeerMissing(f"needs Python {' or '.join(versions)}, none of them is here")


def _call(command: list[str], environ: dict[str, str], timeout_s: float | None = None) -> subprocess.CompletedProcess:
    whole = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, env={**whole, **environ})
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no end after {timeout_s:.0f} s")


def _reason(errors: str) -> str:
    """The line of a failed run that says most: the first error of the build, else the last line."""
    lines = [line.strip(" *") for line in errors.splitlines() if line.strip() and not line.startswith("WARNING")]
    telling = [
        line for line in lines if re.search(r"\bCMake Error|fatal error|Error: |No matching|not an existing", line)
    ]
    text = " ".join(telling[:2]) if telling else (lines[-1] if lines else "no message")
    return re.sub(r"\s+", " ", text)[:200]


def _result(peer: Peer, sound_hash: str) -> Path:
    return cache_folder() / "results" / f"{peer.name}-{peer.version}-{sound_hash}.json"


def _failure(peer: Peer) -> Path:
    return cache_folder() / f"{peer.name}-{peer.version}.failed"


def _remember(peer: Peer, reason: str) -> str:
    _failure(peer).parent.mkdir(parents=True, exist_ok=True)
    _failure(peer).write_text(reason, encoding="utf-8")
    return reason
