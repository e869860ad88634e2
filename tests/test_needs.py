"""The ``needs`` fixture: nothing is left out in silence, and in CI nothing is left out at all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
def test_absent_program(needs):
    needs.program("no-such-program-here", "apt-get install -y it")

def test_absent_module(needs):
    needs.module("no_such_module_here", "pip install it")

def test_present(needs, tmp_path):
    assert needs.module("json", "never")
    assert needs.path(tmp_path, "never") == tmp_path
"""


def run_pytest(folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "test_it.py").write_text(TESTS, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "CI": ci},
    )


@pytest.mark.parametrize("ci", ["", "false"])
def test_outside_ci_they_are_listed(tmp_path: Path, ci: str) -> None:
    done = run_pytest(tmp_path, ci)
    assert done.returncode == 0
    assert "1 passed, 2 skipped" in done.stdout
    assert "NOT RUN on this machine: 2" in done.stdout
    assert "to run: apt-get install -y it" in done.stdout
    assert "to run: pip install it" in done.stdout


def test_in_ci_they_fail(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "true")
    assert done.returncode == 1
    assert "2 failed, 1 passed" in done.stdout
    assert "CI must provide the program no-such-program-here: apt-get install -y it" in done.stdout
