"""The programs that some tests need and a machine may lack: the one place that decides what is done without them.

A test says what it needs, ``@pytest.mark.needs("nginx")``. Without it the test is skipped, and the last lines of the
run say what is missing, how many tests that concerns, and how to get it. With ``CI`` set a missing tool is a failure.
"""

import os
import re
import shutil
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack
from typing import Final

import pytest

PROGRAMS: Final = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "chrome"),
    "nginx": ("nginx",),
    "node": ("node", "nodejs"),
    "npm": ("npm",),
    "redis": ("redis-server", "valkey-server"),
}
"""A tool's name -> the names under which its program may be found in PATH."""

REMEDIES: Final = {
    "chromium": "on Debian: apt-get install chromium",
    "nginx": "on Debian: apt-get install nginx-light, which lies in /usr/sbin: that has to be in PATH",
    "node": "on Debian: apt-get install nodejs",
    "npm": "on Debian: apt-get install npm",
    "redis": "on Debian: apt-get install redis-server",
}

_MISSING: Final = re.compile(r"(\w+) is missing")


def program(tool: str) -> str | None:
    """Find a tool's program; ``None`` where it is missing."""
    return next(filter(None, map(shutil.which, PROGRAMS[tool])), None)


at_end: Final = ExitStack()
"""What is closed when the last test of the process is over, such as a program that many tests share."""

_runs: list[pytest.Config] = []  # a test may run pytest in its own process


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(tool): runs only where this program is, see tests/tools.py")
    _runs.append(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    _runs.remove(config)
    if not _runs:
        at_end.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decide before any fixture is made."""
    for marker in item.iter_markers("needs"):
        for tool in marker.args:
            if program(tool) is None:
                (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{tool} is missing; {REMEDIES[tool]}")


@pytest.hookimpl(wrapper=True, tryfirst=True)  # after the summary of all that was skipped
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    yield
    told = (str(report.longrepr) for report in terminalreporter.stats.get("skipped", ()))
    missing = Counter(found[1] for found in map(_MISSING.search, told) if found and found[1] in PROGRAMS)
    for tool, tests in missing.items():
        terminalreporter.write_line(f"{tool} is missing: {tests} tests were skipped; {REMEDIES[tool]}.", yellow=True)
