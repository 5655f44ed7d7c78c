"""The servers, one after the other, and the table of what they did."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console
from rich.table import Table
from server import WAIT_S
from servers import COMMANDS, DOCS, Server, running

from reference_ws.guide.differences import read_servers, servers_file

Found = dict[str, tuple[str, str] | None]
"""Name of a transcript -> the line that differs, as it is written and as it came; ``None`` where none does."""

NAMED = {server.name: server for server in read_servers(servers_file(DOCS)).servers}
RESULTS: dict[str, Found] = defaultdict(dict)
"""Name of a server -> all that was found."""


@pytest.fixture(scope="session", params=list(COMMANDS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(request.param, tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture
def patience(server: Server) -> Callable[[str], float]:
    """How many seconds to wait for what a transcript or a test expects: for what is named as not coming, as named."""
    named = {
        each.transcript: re.search(r"(?:within|after) (\d+) s\b", each.got) for each in NAMED[server.name].differences
    }

    def patience(name: str) -> float:
        seconds = named.get(name)
        return float(seconds[1]) if seconds else WAIT_S

    return patience


@pytest.fixture
def compare(server: Server) -> Callable[[str, Found], None]:
    """Compare what a test found, and the tracebacks in the server's log, with the differences that are named for it.

    Takes the name of the page or test, and its transcripts.
    """

    def compare(name: str, found: Found) -> None:
        complaints = server.complaints()
        found[f"{name} log"] = ("no traceback", "; ".join(complaints)) if complaints else None
        RESULTS[server.name] |= found
        named = [
            (difference.transcript, difference.expected, difference.got)
            for difference in NAMED[server.name].differences
            if re.split("[# ]", difference.transcript)[0] == name
        ]
        assert sorted(named) == sorted((place, *difference) for place, difference in found.items() if difference)

    return compare


def pytest_terminal_summary() -> None:
    table = Table("server", "version", "passed", "differences")
    for name, found in RESULTS.items():
        transcripts = [difference for place, difference in found.items() if not place.endswith(" log")]
        passed = transcripts.count(None)
        table.add_row(name, NAMED[name].version, str(passed), str(len(transcripts) - passed))
    Console().print(table)
