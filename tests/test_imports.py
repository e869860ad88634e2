"""The arrows between the packages, read from the syntax trees, and a few rules that hold for every module."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "realtime_models", "bridges", "calibration")
OURS = {*PACKAGES, "run_live", "tests"}
MODULES = sorted(
    path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "node_modules" not in path.parts
)
MAX_LINES = 450
#: What each package may import of ours, besides itself.
MAY_IMPORT = {
    "engine": set(),
    "realtime_models": {"engine"},
    "bridges": {"engine"},
    "calibration": {"engine"},
}
#: Never in the engine, wherever in a file: it has no sockets, no torch, no files of networks.
NOT_IN_ENGINE = {
    "torch",
    "onnx",
    "onnxruntime",
    "socket",
    "socketserver",
    "asyncio",
    "http",
    "urllib",
    "websockets",
    "pythonosc",
}
#: Not loaded by importing any module of the engine or the bridges: a show without them must start.
HEAVY = ("torch", "onnxruntime", "onnx", "sounddevice", "soundfile", "scipy", "matplotlib", "websockets", "pythonosc")
HEAVY += ("aalink", "rtmidi", "aubio")
#: Not loaded by the show as it comes: what extras bring.
NEVER = ("torch", "scipy", "matplotlib", "onnx", "aalink", "rtmidi", "aubio")
#: All that a default install has.
RUN_TIME = {"numpy", "onnxruntime", "sounddevice", "soundfile", "pythonosc", "websockets"}
#: Code behind an extra may import what that extra installs.
BEHIND_EXTRAS = {
    "realtime_models/training/": {
        "torch",
        "onnx",
        "onnxscript",
        "scipy",
        "matplotlib",
        "smplx",
        "onnxruntime",
        "mir_eval",
        "mido",
        "PIL",
        "fluidsynth",
    },
    "realtime_models/export.py": {"torch", "onnx", "onnxscript", "onnxruntime"},
    "realtime_models/network.py": {"torch"},
    "realtime_models/attention.py": {"torch"},
    "realtime_models/branches.py": {"torch"},
    "realtime_models/tokens.py": {"torch"},
    "realtime_models/ear.py": {"torch"},
    "realtime_models/music.py": {"torch"},
    "realtime_models/text.py": {"torch"},
    "bridges/clock_link.py": {"aalink"},
    "bridges/clock_midi.py": {"rtmidi"},
    "bridges/clock_aubio.py": {"aubio"},
    "realtime_models/backends/torch.py": {"torch"},
    "realtime_models/backends/tensorrt.py": {"torch", "tensorrt", "tensorrt_rtx"},
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full module name of every import in the file, also inside functions."""
    package = module_name(path).split(".") if path.name == "__init__.py" else module_name(path).split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield node.lineno, name
            for alias in node.names:
                yield node.lineno, f"{name}.{alias.name}"


def offences(path: Path) -> list[str]:
    """Every import in the file that goes against an arrow."""
    package, where = path.relative_to(ROOT).parts[0], path.relative_to(ROOT).as_posix()
    found = []
    for line, name in imports_of(path):
        top = name.split(".")[0]
        if top in OURS and top != package and top not in MAY_IMPORT[package]:
            found.append(f"{where}:{line} imports {name}")
        if package == "engine" and top in NOT_IN_ENGINE:
            found.append(f"{where}:{line} imports {name}: not in the engine")
        if (name + ".").startswith("realtime_models.training.") and "realtime_models/training/" not in where:
            found.append(f"{where}:{line} imports {name}: training is imported by nobody outside it")
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_arrows(path: Path) -> None:
    assert offences(path) == []


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_declared_dependencies(path: Path) -> None:
    """Run-time code imports the standard library, us, and the six packages of the default install."""
    where = path.relative_to(ROOT).as_posix()
    allowed = set().union(*(names for prefix, names in BEHIND_EXTRAS.items() if where.startswith(prefix)))
    foreign = {name.split(".")[0] for _, name in imports_of(path)} - OURS - RUN_TIME - allowed - sys.stdlib_module_names
    assert foreign == set()


@pytest.mark.parametrize("path", [*MODULES, ROOT / "run_live.py"], ids=module_name)
def test_house_rules(path: Path) -> None:
    """Every module says what it is for and stays short enough to be read in one go."""
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "no module docstring"
    assert len(text.splitlines()) < MAX_LINES


def test_only_run_live_and_tests_know_everything() -> None:
    """Nothing in the packages imports run_live or the tests (covered by the arrows); here: run_live never trains."""
    names = [name for _, name in imports_of(ROOT / "run_live.py")]
    assert names
    assert not [name for name in names if name.startswith("realtime_models.training")]


def test_importing_loads_nothing_heavy() -> None:
    """Importing each engine and bridge module in a fresh interpreter loads neither torch nor devices nor servers."""
    modules = [module_name(path) for path in MODULES if path.relative_to(ROOT).parts[0] == "engine"]
    assert "engine.types" in modules
    code = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert json.loads(done.stdout) == []


def test_the_show_never_loads_torch() -> None:
    """run_live with everything that it imports at the top, and the bridges, do without torch and scipy."""
    bridges = [module_name(p) for p in MODULES if p.relative_to(ROOT).parts[0] in ("bridges", "calibration")]
    code = (
        "import importlib, json, sys\n"
        f"for name in {['run_live', 'realtime_models.backends', *bridges]!r}: importlib.import_module(name)\n"
        f"print(json.dumps([name for name in {NEVER!r} if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize(
    ("where", "code", "wrong"),
    [
        ("engine/x.py", "import torch", True),
        ("engine/x.py", "def f():\n    from bridges import hub", True),
        ("engine/listen/x.py", "from .. import types", False),
        ("engine/listen/x.py", "from ..types import Pose", False),
        ("bridges/x.py", "from engine.types import Pose", False),
        ("bridges/x.py", "import realtime_models.spec", True),
        ("realtime_models/x.py", "from realtime_models import training", True),
        ("realtime_models/training/x.py", "from realtime_models.training import data", False),
        ("calibration/x.py", "import run_live", True),
    ],
)
def test_the_check_itself(where: str, code: str, wrong: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of arrows sees what it should see."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / where
    path.parent.mkdir(parents=True)
    path.write_text(code, encoding="utf-8")
    assert bool(offences(path)) is wrong
