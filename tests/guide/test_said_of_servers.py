"""What the pages say of servers stands in ``tests/said_of_servers.toml``, and is what ``docs/servers.toml`` holds."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import uvicorn

from reference_ws.guide.differences import read_servers, servers_file
from reference_ws.guide.pages import Page, read_pages, source_root
from reference_ws.guide.peers import read_peers
from reference_ws.guide.words.catalogs import LANGUAGES

ROOT = Path(__file__).parents[2]
DOCS = source_root() / "docs"
TESTED = {tested.name: tested for tested in read_servers(servers_file(DOCS)).servers}
FAMILIES = {name.split()[0] for name in TESTED}


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One statement, or several that the same thing proves; see the file."""

    at: str
    servers: list[str]
    reason: str | None = None
    some: bool = False
    only: list[str] | None = None
    default: dict[str, str | float | int | bool] | None = None
    test: str | None = None
    measured: str | None = None
    peer: str | None = None
    named: str | None = None

    @property
    def names(self) -> set[str]:
        """The servers by the names of ``docs/servers.toml``."""
        return {name for name in TESTED if any(name == each or name.startswith(f"{each} ") for each in self.servers)}


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    said: list[Said]


SAID = msgspec.toml.decode((ROOT / "tests/said_of_servers.toml").read_bytes(), type=File).said


def reasons(name: str) -> set[str]:
    return {difference.reason for difference in TESTED[name].differences}


@pytest.mark.parametrize("said", SAID, ids=lambda said: f"{said.at} {said.reason or ''}".strip())
def test_what_is_said_is_so(said):
    proofs = [said.reason, said.only, said.default, said.test, said.measured, said.peer, said.named]
    assert len([proof for proof in proofs if proof is not None]) == 1
    assert all(any(name == each or name.startswith(f"{each} ") for name in TESTED) for each in said.servers)
    if said.reason:
        having = {name for name in TESTED if said.reason in reasons(name)}
        assert said.names <= having if said.some else said.names == having
        assert said.names
    if said.only is not None:
        assert [set(said.only)] * len(said.names) == [reasons(name) for name in said.names]
    for setting, value in (said.default or {}).items():
        given = getattr(uvicorn.Config("module:app"), setting)
        assert value == (str(given) if given is None else given)
    for name in (said.peer or "").split():
        evidence = read_peers(DOCS).claims[name].evidence
        assert all(server in evidence for server in said.servers)
    if said.test:
        assert (ROOT / said.test).is_file()


def mentions(page: Page) -> Iterator[tuple[str, str]]:
    """List the section and the server, each time that the prose names one."""
    fenced = {line for fence in page.fences if fence.kind != "hint" for line in fence.lines}
    for line, text in enumerate(page.path.read_text("utf-8").splitlines(), 1):
        prose = re.sub(r"(`+).+?\1|\]\([^)]*\)", "", text)
        anchor = next((each.anchor for each in reversed(page.headings) if each.line <= line), "")
        for name in FAMILIES if line not in fenced else ():
            if re.search(name, prose, re.IGNORECASE):
                yield f"{page.name}#{anchor}", name


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_section_that_names_a_server_is_listed(language):
    listed = {(said.at, name.split()[0]) for said in SAID for name in said.servers}
    # What other frameworks do on servers is of the comparisons.
    pages = [page for page in read_pages(DOCS, language) if not page.name.startswith(("from-", "peers", "conform"))]
    found = {each for page in pages for each in mentions(page)}

    assert set() == found - listed


def test_what_is_listed_is_said():
    listed = {(said.at, name.split()[0]) for said in SAID for name in said.servers}
    found = {each for page in read_pages(DOCS) for each in mentions(page)}

    assert set() == listed - found


def test_the_versions_in_the_prose_are_those_that_were_tested():
    tested = {(name.split()[0], each.version.rpartition(".")[0]) for name, each in TESTED.items()}
    pattern = rf"\b({'|'.join(FAMILIES)}) (\d+\.\d+)"
    found = {
        (name.lower(), version)
        for page in read_pages(DOCS)
        for name, version in re.findall(pattern, page.path.read_text("utf-8"), re.IGNORECASE)
    }

    assert ("uvicorn", "0.54") in found
    assert set() == found - tested
