"""Numbers that a full run (``make faults``) says in its last lines; a few of each are part of every test run."""

from collections import Counter
from collections.abc import Callable

import pytest

NUMBERS = pytest.StashKey[list[str]]()
SUMS = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NUMBERS], config.stash[SUMS] = [], Counter()


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("full"))


@pytest.fixture
def number(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say a number in the summary of a full run."""
    return request.config.stash.setdefault(NUMBERS, []).append


@pytest.fixture
def add(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """Add to a number that several tests make up together."""
    sums = request.config.stash.setdefault(SUMS, Counter())

    def add_to(what: str, count: int) -> None:
        sums[what] += count

    return add_to


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("full"):
        terminalreporter.section("numbers")
        for line in (*config.stash[NUMBERS], *(f"{count:,} {what}" for what, count in config.stash[SUMS].items())):
            terminalreporter.line(line)
