"""Shared fixtures: ``needs`` says what a test wants from the machine, and nothing is left out in silence.

On a developer's machine a test whose need is absent is listed at the end as NOT RUN, with the line that installs what
it needs. With ``CI`` set in the environment the same test fails: there everything must be present.
"""

import importlib
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

NOT_RUN = pytest.StashKey[list[tuple[str, str, str]]]()


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


class Needs:
    """What one test asks of the machine; every method returns the thing or ends the test."""

    def __init__(self, test: str, not_run: list[tuple[str, str, str]]) -> None:
        self._test = test
        self._not_run = not_run

    def program(self, name: str, install: str) -> str:
        """Path of a system program."""
        return shutil.which(name) or self.absent(f"the program {name}", install)

    def module(self, name: str, install: str) -> ModuleType:
        """An importable module; one that is there but broken raises its own error, which is a failure."""
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
                raise
            return self.absent(f"the module {name}", install)

    def path(self, path: str | Path, install: str) -> Path:
        """A file or folder, such as installed Node packages."""
        return Path(path) if Path(path).exists() else self.absent(str(path), install)

    def absent(self, what: str, install: str) -> NoReturn:
        """End the test because ``what`` is not here: NOT RUN on a developer's machine, a failure in CI."""
        if in_ci():
            pytest.fail(f"CI must provide {what}: {install}", pytrace=False)
        self._not_run.append((self._test, what, install))
        pytest.skip(f"needs {what}: {install}")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = []


@pytest.fixture
def needs(request: pytest.FixtureRequest) -> Needs:
    return Needs(request.node.nodeid, request.config.stash[NOT_RUN])


@pytest.fixture(scope="module")
def module_needs(request: pytest.FixtureRequest) -> Needs:
    """``needs`` for module-scoped fixtures; listed under the file's name."""
    return Needs(request.node.nodeid, request.config.stash[NOT_RUN])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    not_run = config.stash[NOT_RUN]
    if not not_run:
        return
    terminalreporter.section(f"NOT RUN on this machine: {len(not_run)}")
    by_install: dict[str, list[str]] = {}
    for test, what, install in not_run:
        by_install.setdefault(install, []).append(f"{test}  (needs {what})")
    for install, tests in by_install.items():
        for test in tests:
            terminalreporter.line(f"  {test}")
        terminalreporter.line(f"      to run: {install}")
