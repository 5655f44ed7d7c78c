"""What other systems do as released: ``docs/peers.toml``, which `make peers` writes, as what pages show of it.

``[^F6 L14]`` after a sentence about them are marks that lead to the evidence. ``{{F6}}`` is the verdict on a
promise, ``{{kept fastapi}}`` or ``{{kept}}`` how many promises have it, and ``{{version fastapi}}`` and
``{{date fastapi}}`` what was run, and when.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from gettext import NullTranslations
from html import escape
from pathlib import Path
from typing import Final

import msgspec

from reference_ws.guide.pages import KINDS, Page, PageError, section_path
from reference_ws.guide.tables import html_table
from reference_ws.guide.words.catalogs import catalog

SYSTEMS: Final = dict(zip("IKFLH", KINDS["peers"]["of"], strict=True))
"""The first letter of an id -> the system, whose page is ``from-<system>``."""

COUNTED: Final = {"kept": "yes", "partly": "partly", "broken": "no", "untestable": "untestable"}
"""The word for a number of promises -> the verdict that they have."""

ID: Final = rf"[{''.join(SYSTEMS)}]\d+"
MARK: Final = re.compile(rf"\[\^({ID}(?:-\d+)?(?: {ID})*)\]")
VALUE: Final = re.compile(rf"{{{{({ID}|(?:promises|version|date|{'|'.join(COUNTED)})(?: [a-z.]+)?)}}}}")


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was run of a system, with which Python and on which servers: ``["fastapi 0.165.0", "starlette 1.10.0"]``."""

    versions: Sequence[str]
    python: str
    date: str
    servers: Sequence[str] = ()


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run has found; ``verdict`` is one of `COUNTED`, or ``""`` for what no page of that system promises."""

    system: str
    verdict: str
    fact: str
    evidence: str


class Peers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    systems: Mapping[str, Release] = {}
    claims: Mapping[str, Claim] = {}

    def count(self, verdict: str | None, system: str | None) -> int:
        """Count the promises, of all systems or one, with any verdict or that one."""
        verdicts = [c.verdict for c in self.claims.values() if c.verdict and c.system in (system or c.system)]
        return len(verdicts) if verdict is None else verdicts.count(verdict)

    def version(self, package: str) -> str:
        """Tell which release of a package was run. Raises `KeyError` if none was."""
        run = [each for release in self.systems.values() for each in (*release.versions, *release.servers)]
        return dict(each.split(" ") for each in reversed(run))[package]


def read_peers(docs: Path) -> Peers:
    """Read ``docs/peers.toml``; where there is none, nothing. Raises `msgspec.ValidationError` for another shape."""
    file = docs / "peers.toml"
    return _decoded(file.read_bytes()) if file.exists() else Peers()


@lru_cache(1)  # every page of a site asks for it
def _decoded(content: bytes) -> Peers:
    return msgspec.toml.decode(content, type=Peers)


def verdict_word(words: NullTranslations, verdict: str) -> str:
    """Say a verdict in the reader's language."""
    return {
        "yes": words.gettext("kept"),
        "partly": words.gettext("kept in part"),
        "no": words.gettext("not kept"),
        "untestable": words.gettext("cannot be tested"),
    }.get(verdict, "—")


def written_date(date: str, language: str) -> str:
    """Write ``2026-11-29`` as readers of the language do."""
    year, month, day = date.split("-")
    return f"{day}.{month}.{year}" if language == "ru" else date


def fill(html: str, page: Page) -> str:
    """Put the values and the marks into a page. Raises `PageError` for one that ``docs/peers.toml`` doesn't have."""
    peers = read_peers(page.path.parents[1])
    words = catalog(page.language)

    def evidence(name: str, shown: str) -> str:
        up = "" if page.name == "index" else "../"
        place = f"{up}{section_path(f'from-{SYSTEMS[name[0]]}')}#{name}"
        claim = peers.claims[name]
        return f'<a href="{place}" title="{escape(f"{claim.fact}: {claim.evidence}")}">{shown}</a>'

    def value(name: str, _: str, about: str) -> str:
        if name[0].isupper():
            return evidence(name, escape(verdict_word(words, peers.claims[name].verdict)))
        if name == "version":
            return peers.version(about)
        if name == "date":
            dates = [release.date for system, release in peers.systems.items() if about in ("", system)]
            return written_date(max(dates), page.language)
        return str(peers.count(COUNTED.get(name), about or None))

    def put(match: re.Match[str]) -> str:
        try:
            if match.re is MARK:
                return f'<sup class="ws-peer">{" ".join(evidence(name, name) for name in match[1].split())}</sup>'
            return value(*match[1].partition(" "))
        except (KeyError, ValueError):
            raise PageError(page.file, 1, f"docs/peers.toml has nothing for {match[0]}") from None

    return VALUE.sub(put, MARK.sub(put, html))


def table(docs: Path, language: str, system: str) -> str:
    """Draw what was run of a system, and all that was found: a row an id, with the name of its test."""
    peers = read_peers(docs)
    words = catalog(language)
    titles = ("", escape(words.gettext("Verdict")), escape(words.gettext("The test, and what it has observed")))
    rows = [
        [
            f'<span id="{name}">{name}</span>',
            escape(verdict_word(words, claim.verdict)),
            f'<span lang="en">{escape(claim.fact)}</span><br><code>{escape(claim.evidence)}</code>',
        ]
        for name, claim in peers.claims.items()
        if SYSTEMS[name[0]] == system
    ]
    run = [release for name, release in peers.systems.items() if name.startswith(system)]
    told = "; ".join(
        f"{', '.join([*release.versions, *release.servers])}, Python {release.python} ({release.date})"
        for release in run
    )
    return f"<p>{escape(told)}</p>{html_table(titles, rows)}"
