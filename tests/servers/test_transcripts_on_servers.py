"""Every transcript of every page, at its live address, on every server."""

import asyncio
import re
from collections import Counter

import pytest
from servers import COMMANDS, DOCS

from conftest import NAMED
from reference_ws.guide.differences import read_servers, servers_file
from reference_ws.guide.pages import live_path, read_page
from reference_ws.transcript.player import Report, play

# The code is equal in all languages.
PAGES = {path.stem: read_page(path) for path in sorted((DOCS / "zh").glob("*.md"))}
PLAYED = [name for name, page in PAGES.items() if page.transcripts]


def lines(report: Report) -> tuple[str, str] | None:
    """Take the line that differs from a report: as it is written, with the headers that are missing, and as it came."""
    if report.ok:
        return None
    shown = str(report).splitlines()
    (expected,) = (line[4:] for line in shown if line.startswith("  - "))
    (got,) = (line[4:] for line in shown if line.startswith("  + "))
    missing = [line.removesuffix("(missing)").strip() for line in shown if line.endswith("(missing)")]
    return ", ".join([expected, *missing]), got


@pytest.mark.parametrize("name", PLAYED)
def test_page_holds(server, compare, patience, name):
    page = PAGES[name]
    server.get(f"/run/{name}")
    found = {}
    numbers = Counter()
    for fence in page.transcripts:
        numbers[fence.anchor] += 1
        place = f"{name}#{fence.anchor} {numbers[fence.anchor]}"
        address = server.url + live_path(name, fence.app, fence.denial)
        found[place] = lines(asyncio.run(play(address, page.transcript(fence), timeout_s=patience(place))))

    compare(name, found)


def test_table_names_the_version_that_runs(server):
    assert NAMED[server.name].version == server.version


def test_table_names_every_server():
    assert list(COMMANDS) == list(NAMED)


def test_reasons_are_told_in_each_language():
    named = read_servers(servers_file(DOCS))

    assert set(named.reasons) == {difference.reason for server in named.servers for difference in server.differences}
    assert [{"zh", "pt", "ru"}] * len(named.reasons) == [set(texts) for texts in named.reasons.values()]


def test_differences_name_transcripts_that_exist():
    anchors = {f"{name}#{fence.anchor}" for name in PLAYED for fence in PAGES[name].transcripts}
    named = [difference.transcript for server in NAMED.values() for difference in server.differences]

    assert [] == [name for name in named if "#" in name and re.sub(r" \d+$", "", name) not in anchors]
