"""What servers do otherwise than the pages say: ``docs/servers.toml``, as data and as the readers' tables.

The tests in ``tests/servers`` play every transcript on every server, and fail for a difference that isn't named there
and for a named one that doesn't occur.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import msgspec

from reference_ws.guide.pages import read_pages, section_path
from reference_ws.guide.tables import html_table

Words = Mapping[str, str]
"""Language -> how it is said."""


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line that came otherwise.

    ``transcript`` is ``page#anchor number``; ``name log`` is the server's log meanwhile, and other names are those of
    tests without a page. ``reason`` is a key of `Servers.reasons`.
    """

    transcript: str
    expected: str
    got: str
    reason: str


class Tested(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One server, in the version with which its differences were found."""

    name: str
    version: str
    differences: Sequence[Difference] = ()


class Servers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; ``columns`` are the titles of the tables."""

    columns: Mapping[str, Words]
    reasons: Mapping[str, Words]
    servers: Sequence[Tested]


def servers_file(docs: Path) -> Path:
    """Name the file that belongs to the pages in `docs`."""
    return docs / "servers.toml"


def read_servers(file: Path) -> Servers:
    """Read the file. Raises `msgspec.ValidationError` when it has another shape."""
    return msgspec.toml.decode(file.read_bytes(), type=Servers)


def tables(docs: Path, language: str) -> str:
    """Draw how many transcripts each server plays as they are written, and then what each does otherwise, and why."""
    tested = read_servers(servers_file(docs))
    pages = read_pages(docs, language)
    total = sum(len(page.transcripts) for page in pages)
    titles = {name: words[language] for name, words in tested.columns.items()}
    rows = []
    alike: dict[tuple[Difference, ...], list[str]] = {}  # some servers differ in the same
    for server in tested.servers:
        otherwise = len(_on_pages(server.differences))
        rows.append([escape(server.name), server.version, f"{total - otherwise}", f"{otherwise}"])
        if server.differences:
            alike.setdefault(tuple(server.differences), []).append(f"{escape(server.name)} {server.version}")
    parts = [html_table([titles[name] for name in ("server", "version", "as-written", "otherwise")], rows)]
    for differences, names in alike.items():
        parts.append(f'<h3 id="{names[0].replace(" ", "-")}">{", ".join(names)}</h3>')
        parts.append(_reasons(differences, tested.reasons, titles, language))
    return "".join(parts)


def _reasons(found: Sequence[Difference], reasons: Mapping[str, Words], titles: Words, language: str) -> str:
    """Draw a row a reason: its first transcript as the example, and the sections of all of them."""
    rows = []
    for reason, words in reasons.items():
        alike = [difference for difference in found if difference.reason == reason]
        if alike:
            pages = _on_pages(alike)
            lines = (
                f"<code>{escape(pages[0].expected)}</code><br>→ <code>{escape(pages[0].got)}</code>" if pages else "—"
            )
            links = dict.fromkeys(map(_link, pages))
            rows.append([escape(words[language]), lines, "<br>".join(links) or "—"])
    return html_table([titles[name] for name in ("why", "example", "where")], rows)


def _on_pages(found: Sequence[Difference]) -> list[Difference]:
    return [difference for difference in found if "#" in difference.transcript]


def _link(difference: Difference) -> str:
    """Link to the section of a transcript; these tables stand in ``<language>/<page>/``."""
    place = difference.transcript.rpartition(" ")[0]
    return f'<a href="../{section_path(place)}">{escape(place)}</a>'
