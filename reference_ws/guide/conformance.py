"""The page ``conform`` as a suite: its transcripts, played against any ASGI application that offers what it lists.

``docs/conform.toml``, which ``make conform`` writes, holds what came of it for the systems that the page ``peers``
compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from html import escape
from pathlib import Path
from textwrap import shorten
from typing import Final, Literal

import msgspec
from starlette.types import ASGIApp

from reference_ws.guide.pages import Page, read_page, section_path
from reference_ws.guide.tables import html_table
from reference_ws.guide.words.catalogs import catalog
from reference_ws.transcript.grammar import format_step, parse
from reference_ws.transcript.memory import memory_peers
from reference_ws.transcript.peers import RAN, Ended, Nothing
from reference_ws.transcript.player import Report, play
from reference_ws.transcript.steps import Connect, Deny, Raised, Step

Verdict = Literal["holds", "differs", "not offered"]
SIGNS: Final[Mapping[Verdict, str]] = {"holds": "✓", "differs": "≠", "not offered": "–"}

TIMEOUT_S: Final = 5.0

NOWHERE: Final = "/nowhere"
"""An address that no application offers."""


def suite(docs: Path, language: str) -> Page:
    """Read the page whose transcripts are the suite. Raises `PageError`."""
    return read_page(docs / language / "conform.md")


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one transcript: of the behaviour that its section, ``anchor``, is about."""

    anchor: str
    verdict: Verdict
    report: Report


async def rows(app: ASGIApp, page: Page) -> list[Row]:
    """Play the suite, each transcript inside of a lifespan of its own. What that raises comes out."""
    nowhere = await _answer(app, NOWHERE)
    played = []
    for fence in page.transcripts:
        script = parse(fence.source, file=f"{page.name}#{fence.anchor}")
        report = await play(app, script, timeout_s=TIMEOUT_S, denial=fence.denial)
        verdict: Verdict = "holds" if report.ok else "differs"
        if not report.ok and (target := _unanswered(report)) and await _answer(app, target) == nowhere:
            verdict = "not offered"
        played.append(Row(fence.anchor, verdict, report))
    return played


def _unanswered(report: Report) -> str | None:
    """Find the endpoint that may be missing: one whose first answer of all is what differs.

    Where a refusal is expected, an application that has no such endpoint refuses too. These endpoints tell the watcher
    that they were asked, and that line stands before the refusal: whoever gets past it does offer them.
    """
    *before, last = report.played or (None,)
    if not isinstance(last, Connect) or last.target == NOWHERE:
        return None
    asked = [_endpoint(step.target) for step in before if isinstance(step, Connect)]
    return None if _endpoint(last.target) in asked else last.target


def _endpoint(target: str) -> str:
    return target.partition("?")[0].split("/")[1]


async def _answer(app: ASGIApp, target: str) -> Step:
    """Ask for `target` alone, and take the first answer, without what may name the target."""
    async with memory_peers(app, denial=True, lifespan=True) as open_peer:
        peer = open_peer("")
        await peer.connect(target, ())
        answer = await peer.answer(TIMEOUT_S)
    if isinstance(answer, Deny):
        return Deny(status=answer.status)
    return replace(answer, message="") if isinstance(answer, Raised) else answer


# --- docs/conform.toml ------------------------------------------------------------------------------------------------


class Differs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The line of a row's transcript that came otherwise: a step, or in parentheses why none came."""

    row: str
    expected: str
    got: str


class System(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One system, as it was played: the versions, its own first, and the Python. A row that isn't named holds."""

    name: str
    versions: Mapping[str, str]
    python: str
    differs: Sequence[Differs] = ()
    not_offered: Sequence[str] = ()

    def outcome(self, row: str) -> Verdict | Differs:
        """Look up a row."""
        if row in self.not_offered:
            return "not offered"
        return next((each for each in self.differs if each.row == row), "holds")


class Compared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; ``suite`` is the `digest` of the transcripts that were played."""

    date: date
    suite: str
    systems: Sequence[System]


def conform_file(docs: Path) -> Path:
    """Name the file that belongs to the pages in `docs`."""
    return docs / "conform.toml"


def read_compared(docs: Path) -> Compared:
    """Read the file. Raises `msgspec.ValidationError` when it has another shape."""
    return msgspec.toml.decode(conform_file(docs).read_bytes(), type=Compared)


def digest(page: Page) -> str:
    """Tell one suite from another; it is equal in all languages."""
    steps = (step for fence in page.transcripts for step in page.transcript(fence).steps)
    return sha256("\n".join(map(format_step, steps)).encode()).hexdigest()[:16]


def differs(row: Row) -> Differs:
    """Write down a difference."""
    return Differs(row.anchor, *row.report.difference(str))


def tables(docs: Path, language: str) -> str:
    """Draw how many rows each system keeps, then each row in each system, then what came where a system differs."""
    _ = catalog(language).gettext
    page, compared = suite(docs, language), read_compared(docs)
    row_title, *titles = map(escape, (_("Behaviour"), _("expected"), _("got")))
    links = {
        heading.anchor: f'<a href="../{section_path(f"{page.name}#{heading.anchor}")}">{escape(heading.title)}</a>'
        for heading in page.headings
    }
    rows = [fence.anchor for fence in page.transcripts]
    counts, details = [], []
    for system in compared.systems:
        name, versions = escape(system.name), "<br>".join(escape(" ".join(each)) for each in system.versions.items())
        otherwise, none = len(system.differs), len(system.not_offered)
        counts.append([name, f"{len(rows) - otherwise - none}", f"{otherwise}", f"{none}", versions, system.python])
        lines = [[links[each.row], _line(_, each.expected), _line(_, each.got)] for each in system.differs]
        if lines:
            details += [f'<h3 id="{_id(system)}">{name}</h3>', html_table([row_title, *titles], lines, row_heads=True)]
    matrix = [[links[row], *(_cell(_, system, row) for system in compared.systems)] for row in rows]
    names = (f"<span>{escape(system.name)}</span>" for system in compared.systems)
    told = [escape(_(verdict)) for verdict in SIGNS]
    return "".join(
        [
            f"<p><time>{compared.date}</time></p>",
            html_table([escape(_("System")), *told, escape(_("Version")), "Python"], counts, row_heads=True),
            f"<p>{' · '.join(map(' '.join, zip(SIGNS.values(), told, strict=True)))}</p>",
            html_table([row_title, *names], matrix, row_heads=True),
            *details,
        ]
    )


def _cell(_: Callable[[str], str], system: System, row: str) -> str:
    outcome = system.outcome(row)
    verdict: Verdict = "differs" if isinstance(outcome, Differs) else outcome
    name, label = f"ws-conform__{verdict.split()[0]}", escape(_(verdict))
    sign = f'<span class="{name}" role="img" aria-label="{label}">{SIGNS[verdict]}</span>'
    return f'<a href="#{_id(system)}">{sign}</a>' if verdict == "differs" else sign


def _id(system: System) -> str:
    return "on-" + system.name.lower()


def _line(_: Callable[[str], str], line: str) -> str:
    """Show a line, or say in the reader's language why there is none."""
    reasons = (Ended(how=RAN).told, Nothing(seconds=TIMEOUT_S).told, lambda gettext: gettext("nothing more"))
    told = {f"({reason(str)})": reason(_) for reason in reasons}
    return escape(told[line]) if line in told else f"<code>{escape(shorten(line, 100, placeholder=' …'))}</code>"
