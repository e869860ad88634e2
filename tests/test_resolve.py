"""Every default dependency exists as a wheel for Windows, macOS and Linux: resolved without installing anything.

What this shows is that pip finds a wheel of each package for that system and Python; it runs nothing there. (Markers in
the packages' own metadata are read by pip for the machine the test runs on.)
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Platform tags, newest first, as pip on such a machine would accept them.
SYSTEMS = {
    "windows": ["win_amd64"],
    "macos": ["macosx_13_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64"],
    "linux": ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"],
}


def default_dependencies() -> list[str]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]


def resolve(
    dependencies: list[str], platforms: list[str], python: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Let pip resolve for another machine, wheels only; the report lands in ``folder``."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"),
            *("--only-binary=:all:", "--implementation=cp", f"--python-version={python}"),
            *(f"--platform={platform}" for platform in platforms),
            *("--target", str(folder / "nowhere"), "--report", str(folder / "report.json"), *dependencies),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def registry(module_needs, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A package registry that answers; without one, nothing can be said about wheels."""
    folder = tmp_path_factory.mktemp("registry")
    if resolve(["python-osc"], ["any"], "3.11", folder).returncode != 0:
        module_needs.absent("a package registry that pip can reach", "connect to a network")


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.usefixtures("registry")
def test_default_install_is_all_wheels(system: str, python: str, tmp_path: Path) -> None:
    dependencies = default_dependencies()
    done = resolve(dependencies, SYSTEMS[system], python, tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    urls = {item["metadata"]["name"].lower(): item["download_info"]["url"] for item in report["install"]}
    assert len(urls) >= len(dependencies)
    assert [name for name, url in urls.items() if not url.split("#")[0].endswith(".whl")] == []
    assert not {"torch", "scipy", "soxr", "aubio-ledfx", "aalink", "smplx"} & set(urls)


@pytest.mark.usefixtures("registry")
def test_a_source_only_package_is_refused(tmp_path: Path) -> None:
    """The check can fail: aubio exists only as source."""
    assert resolve(["aubio==0.4.9"], SYSTEMS["windows"], "3.11", tmp_path).returncode != 0


#: What the oldest onnxruntime that pyproject.toml allows can read (1.18: ONNX 1.16). macOS 13 gets an old one.
OLDEST_RUNTIME = {"ir_version": 10, "opset": 21}


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A protobuf varint and the position after it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def numbers_and_messages(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field number and value of one protobuf message: varints and length-delimited fields (others are not in use)."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            yield key >> 3, data[at : at + value]
            at += value
        else:
            assert key & 7 == 0, f"wire type {key & 7}"
            yield key >> 3, value


def model_versions(model: bytes) -> dict[str, int]:
    """IR version (field 1) and opset of the default domain (field 8: domain 1, version 2) of an ONNX file."""
    found = {}
    for number, value in numbers_and_messages(model):
        if number == 1:
            found["ir_version"] = value
        elif number == 8:
            opset = dict(numbers_and_messages(value))
            if opset.get(1, b"") in (b"", b"ai.onnx"):
                found["opset"] = opset[2]
    return found


def test_the_oldest_runtime_reads_the_shipped_model() -> None:
    models = sorted((ROOT / "realtime_models" / "weights").rglob("*.onnx"))
    assert models
    for path in models:
        versions = model_versions(path.read_bytes())
        assert {key: versions[key] <= limit for key, limit in OLDEST_RUNTIME.items()} == dict.fromkeys(
            OLDEST_RUNTIME, True
        ), f"{path.name}: {versions} is newer than {OLDEST_RUNTIME}"
