"""Whether the documents keep every promise: ``python -m checks.coverage``, in a checkout.

``tests/behaviours.toml`` lists the behaviours of each page, and for each claim of the five original documentations the
behaviours that keep it. A behaviour is covered when every language has a heading with its id as the anchor, and under
that heading something that runs and can fail: a transcript, or a sample with an ``assert``.
"""

from __future__ import annotations

import ast
import sys
from itertools import takewhile
from pathlib import Path

import msgspec

from reference_ws.guide.pages import Fence, Page, PageError, read_page, read_pages
from reference_ws.guide.words.catalogs import LANGUAGES

__all__ = ["Behaviours", "Untestable", "check", "read_behaviours", "summary"]


class Untestable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A claim that nothing can show to be true or false, and why."""

    untestable: str


class Behaviours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tests/behaviours.toml``.

    ``pages``: page name -> the ids of its behaviours. ``claims``: claim -> what keeps it, ids of behaviours or test
    nodes (``tests/test_x.py::test_fact``), or why it is `Untestable`.
    """

    pages: dict[str, list[str]]
    claims: dict[str, list[str] | Untestable]


Findings = dict[str, list[str]]
"""Behaviour or claim -> what is wrong with it; nothing when it holds."""


def read_behaviours(file: Path) -> Behaviours:
    """Read ``tests/behaviours.toml``. Raises `msgspec.ValidationError` when it has another shape."""
    return msgspec.toml.decode(file.read_bytes(), type=Behaviours)


def check(docs: Path, behaviours: Path) -> list[str]:
    """Name what is not covered: a list of findings, empty when every promise is kept.

    Each is ``docs/ru/closing.md#denial: what is missing`` or ``tests/behaviours.toml: K5: what is wrong``. A claim that
    only lacks a behaviour which is a finding itself is not listed again.
    """
    listed = read_behaviours(behaviours)
    wrong = [*_behaviours(docs, listed).values(), *_claims(behaviours, listed).values()]
    return [finding for findings in wrong for finding in findings]


def summary(docs: Path, behaviours: Path) -> str:
    """Count what is covered, and what each language has that runs, in a few lines."""
    listed = read_behaviours(behaviours)
    found, claims = _behaviours(docs, listed), _claims(behaviours, listed)
    covered = {behaviour for behaviour, findings in found.items() if not findings}
    testable = {claim: keepers for claim, keepers in listed.claims.items() if not isinstance(keepers, Untestable)}
    lost = [
        claim
        for claim, keepers in testable.items()
        if claims[claim] or not covered.issuperset(keeper for keeper in keepers if "::" not in keeper)
    ]
    untestable = ", ".join(claim for claim in listed.claims if claim not in testable) or "none"
    lines = [
        f"behaviours {len(covered)} of {len(found)},"
        f" claims {len(testable) - len(lost)} of {len(testable)} (untestable: {untestable})"
    ]
    if lost:
        lines.append(f"claims not kept: {', '.join(lost)}")
    for language in LANGUAGES:
        pages = read_pages(docs, language)
        kinds = [fence.kind for page in pages for fence in page.fences]
        samples, transcripts = kinds.count("python"), kinds.count("transcript")
        lines.append(f"{language}: {len(pages)} pages, {samples} executed samples, {transcripts} executed transcripts")
    return "\n".join(lines)


def _behaviours(docs: Path, listed: Behaviours) -> Findings:
    found: Findings = {}
    for name, behaviours in listed.pages.items():
        for behaviour in behaviours:
            again = [f"tests/behaviours.toml: {behaviour} is listed twice"] if behaviour in found else []
            found[behaviour] = found.get(behaviour, []) + again
        for language in LANGUAGES:
            page, problem = _page(docs / language / f"{name}.md")
            for behaviour in behaviours:
                if finding := problem if page is None else _problem(page, behaviour):
                    found[behaviour].append(f"docs/{language}/{name}.md#{behaviour}: {finding}")
    return found


def _page(path: Path) -> tuple[Page | None, str]:
    try:
        return read_page(path), ""
    except PageError as error:
        return None, str(error)
    except FileNotFoundError:
        return None, "this page is missing"


def _problem(page: Page, anchor: str) -> str | None:
    heading = next((heading for heading in page.headings if heading.anchor == anchor), None)
    if heading is None:
        return "no heading has this anchor"
    below = [other for other in page.headings if other.line > heading.line]
    section = {anchor, *(other.anchor for other in takewhile(lambda other: other.level > heading.level, below))}
    if any(fence.anchor in section and _can_fail(fence) for fence in page.fences):
        return None
    return "nothing under this heading runs and can fail: add a transcript, or a sample with an assert"


def _can_fail(fence: Fence) -> bool:
    """Tell what proves something from what is only shown, or only defines a handler."""
    if fence.kind != "python":
        ran = fence.kind == "console" and "run" in fence.options
        return ran or fence.kind in ("transcript", "output", "http")
    return any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(fence.source)))


def _claims(file: Path, listed: Behaviours) -> Findings:
    known = {behaviour for behaviours in listed.pages.values() for behaviour in behaviours}
    found: Findings = {}
    for claim, keepers in listed.claims.items():
        wrong: list[str] = []
        if isinstance(keepers, Untestable):
            wrong += [] if keepers.untestable.strip() else ["say why it is untestable"]
        else:
            wrong += [] if keepers else ["name what keeps it"]
            for keeper in keepers:
                if not (_is_test(file, keeper) if "::" in keeper else keeper in known):
                    wrong.append(f"there is no {'test' if '::' in keeper else 'behaviour'} {keeper}")
        found[claim] = [f"tests/behaviours.toml: {claim}: {problem}" for problem in wrong]
    return found


def _is_test(file: Path, node: str) -> bool:
    path, _, name = node.partition("::")
    source = file.parent.parent / path
    return source.is_file() and any(
        isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name == name
        for statement in ast.parse(source.read_text("utf-8")).body
    )


def main() -> int:
    """Print what is covered, and what is missing; the exit code is 1 below all."""
    from reference_ws.guide.pages import source_root

    root = source_root()
    docs, behaviours = root / "docs", root / "tests" / "behaviours.toml"
    findings = check(docs, behaviours)
    print(*findings, summary(docs, behaviours), sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
