"""Whether what the pages say of other systems bears its marks: ``python -m checks.peers``.

A sentence that names one of them ends with the id of what was run, ``[^F6]``, and a row of a table has one. Of those
that say nothing about what a system does, ``tests/said_of_peers.toml`` has the number, section by section, and why; of
those that no test runs yet, too. What stands after the names of *pages* and *here* in the comparisons isn't said of the
packages, and what ``tests/starlette`` runs has its names there.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from reference_ws.guide.pages import Page, read_pages
from reference_ws.guide.peers import COUNTED, ID, MARK, SYSTEMS, VALUE, Peers, read_peers, written_date
from reference_ws.guide.words.catalogs import LANGUAGES

__all__ = ["check", "unmarked"]

ROOT: Final = Path(__file__).parents[2]
_NAMES: Final = re.compile(r"Index\.py|\bKui\b|FastAPI|Starlette|Lilya|Lihil")
_NOT_OF_PACKAGES: Final = re.compile(r"(?:- )?\*\*(?:文档|Nas páginas|В документации|这里|Aqui|Здесь)\b")
_OF_PACKAGES: Final = re.compile(r"(?:- )?\*\*(?:实测|Na medição|На деле)\b")
_BOX: Final = "这里比较的是[五个 ASGI 系统](differences.md)"  # begins the boxes of the Chinese pages
_CELLS: Final = re.compile(r"(?<!\\) \| ")
_PROOF: Final = re.compile(r"\b(?:[A-Z]\w*(?:Error|Warning|Disconnect(?:ed)?)|HTTP \d{3}|1\d{3})\b")


class Unmarked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many sentences of a section name a system without a mark in each language.

    ``why``: they are about this library (``ours``), about what a system's documentation says (``page``), say nothing
    of it (``named``), or something that no test runs yet (``unrun``).
    """

    at: str
    why: str
    zh: int = 0
    pt: int = 0
    ru: int = 0


def _sentences(page: Page) -> Iterator[tuple[int, str, str, str]]:
    """List line, anchor, the kind of paragraph (``page``, ``run`` or none) and the text of each sentence and row."""
    fenced = {line for fence in page.fences if fence.kind != "hint" for line in fence.lines}
    lines = page.path.read_text("utf-8").splitlines()
    start = lines.index("---", 1) + 1 if lines[:1] == ["---"] else 0
    kind = ""
    for number, line in enumerate(lines, 1):
        if number in fenced or number <= start or line.startswith("#"):
            continue
        if not line.strip():
            kind = ""
        elif _NOT_OF_PACKAGES.match(line):
            kind = "page"
        elif _OF_PACKAGES.match(line):
            kind = "run"
        elif line.startswith("- "):
            kind = ""
        anchor = next((heading.anchor for heading in reversed(page.headings) if heading.line < number), "")
        if line.lstrip().startswith("|"):
            head = number < len(lines) and re.match(r"[ |:-]+$", lines[number])
            if not (head or re.match(r"\| `[a-z-]+`", line)):  # these rows are run by tests/starlette
                yield number, anchor, kind, line
        else:
            for sentence in re.findall(r"[^。！？]+[。！？]?", line) if page.language == "zh" else [line]:
                yield number, anchor, kind, sentence


def unmarked(page: Page) -> Iterator[tuple[int, str, str]]:
    """List line, section and text of the sentences that name a system, and neither bear a mark nor a verdict."""
    for line, anchor, kind, text in _sentences(page):
        bare = re.sub(r"`[^`]*`|\[[^\]]*\]\(from-[^)]*\)|\]\([^)]*\)", "", text)
        named = _NAMES.search(bare) and _BOX not in text
        measured = kind == "run" and text.lstrip("- ").startswith("**")
        marked = MARK.search(text) or re.search(rf"{{{{{ID}", text)
        if kind != "page" and (named or measured) and not marked:
            yield line, f"{page.name}#{anchor}", text.strip()


def check(docs: Path, listed: list[Unmarked]) -> Iterator[str]:
    """Tell what differs: sentences, their marks, the verdicts' words and the numbers."""
    peers = read_peers(docs)
    pages = {language: {page.name: page for page in read_pages(docs, language)} for language in LANGUAGES}
    for language in LANGUAGES:
        found = defaultdict(list)
        for page in pages[language].values():
            for line, at, text in unmarked(page):
                found[at].append(f"{page.file}:{line}: {text[:100]}")
            yield from _unknown(page, peers)
            yield from _verdicts(page, peers)
        allowed = Counter({each.at: getattr(each, language) for each in listed})
        for at in sorted({*found, *allowed}):
            if len(found[at]) != allowed[at]:
                yield (
                    f"{at}: {len(found[at])} sentences in {language} name another system without a mark like [^F6], and"
                    f" tests/said_of_peers.toml says {allowed[at]}:\n  " + "\n  ".join(found[at])
                )
    for name in pages[LANGUAGES[0]]:
        marks = {language: _marks(pages[language][name]) for language in LANGUAGES}
        for language, own in marks.items():
            if missing := sorted(set().union(*marks.values()) - own):
                yield f"docs/{language}/{name}.md:1: other languages mark {', '.join(missing)} too"
    yield from _readmes(peers)


def _marks(page: Page) -> set[str]:
    """List the ids that the page has, as marks or as verdicts."""
    text = page.path.read_text("utf-8")
    return {*" ".join(MARK.findall(text)).split(), *(name for name in VALUE.findall(text) if name[0].isupper())}


def _unknown(page: Page, peers: Peers) -> Iterator[str]:
    for name in _marks(page) - {*peers.claims}:
        yield f"{page.file}:1: [^{name}] isn't in docs/peers.toml"


def _verdicts(page: Page, peers: Peers) -> Iterator[str]:
    """Look whether a verdict's row says no other error and no other code than its evidence, and all counts are said."""
    text = page.path.read_text("utf-8")
    for line, row in enumerate(text.splitlines(), 1):
        if match := re.match(rf"\| ({ID}) \| ", row):
            claim = peers.claims.get(match[1])
            cell = _CELLS.split(row)[2]
            if claim is None or not cell.startswith(f"{{{{{match[1]}}}}}"):
                yield f"{page.file}:{line}: the verdict isn't {{{{{match[1]}}}}}"
                continue
            older = peers.claims.get(f"{match[1]}-014")
            evidence = claim.evidence + (older.evidence if older else "")
            for said in set(_PROOF.findall(cell)):
                if said not in evidence:
                    yield f"{page.file}:{line}: {said} isn't in the evidence of {match[1]}: {evidence}"
    for system in SYSTEMS.values():
        if page.name == f"from-{system}":
            for word, verdict in COUNTED.items():
                if peers.count(verdict, system) and f"{{{{{word} {system}}}}}" not in VALUE.sub(lambda m: m[0], text):
                    yield f"{page.file}:1: the page doesn't say {{{{{word} {system}}}}}"


def _readmes(peers: Peers) -> Iterator[str]:
    """Look at the numbers of the READMEs, which no site fills in."""
    for file in sorted(ROOT.glob("README*.md")):
        (said,) = [line for line in file.read_text("utf-8").split("\n\n") if "Index.py" in line]
        date = written_date(max(release.date for release in peers.systems.values()), file.stem.partition(".")[2])
        told = set(re.findall(rf"{re.escape(date)}|\b\d+\b", said))
        if missing := {str(peers.count(None, None)), str(peers.count("yes", None)), date} - told:
            yield f"{file.name}: {', '.join(sorted(missing))} of docs/peers.toml isn't said there"


def read_unmarked(file: Path) -> list[Unmarked]:
    """Read ``tests/said_of_peers.toml``."""
    return msgspec.toml.decode(file.read_bytes(), type=Mapping[str, list[Unmarked]])["unmarked"]


def main() -> int:
    listed = read_unmarked(ROOT / "tests/said_of_peers.toml")
    findings = list(check(ROOT / "docs", listed))
    for finding in findings:
        print(finding)
    unrun = sum(max(each.zh, each.pt, each.ru) for each in listed if each.why == "unrun")
    print(f"{len(read_peers(ROOT / 'docs').claims)} statements about other systems are run, {unrun} not yet")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
