"""Whether the three languages are one documentation: ``python -m checks.parity``.

Prose differs; everything else is equal: the pages, the levels, anchors and order of headings, the fences, their
options, and what stands in them token by token, comments excepted, and the objects of the API reference. The prose of
each page is checked by itself, for its terms, its register and its typography: see `checks.prose`.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import msgspec
from checks import prose

from reference_ws.guide.glossary import read_terms
from reference_ws.guide.pages import Fence, Page, PageError, read_page, read_pages
from reference_ws.guide.words.catalogs import LANGUAGES
from reference_ws.transcript.grammar import format_step
from reference_ws.transcript.mistakes import TranscriptError
from reference_ws.transcript.steps import Step

__all__ = ["check", "check_descriptions", "check_endings", "summary"]

_COMMENT = {
    "javascript": re.compile(r"(?<!\S)//.*"),  # an address has something before its two strokes
    "html": re.compile(r"<!--.*?-->|(?<!\S)//.*"),
}

Token = tuple[int, str]
"""The line in the page, and what stands there."""


class Counts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many fences of each kind a page has: an entry of ``docs/pages.toml``.

    ``exercise`` counts the exercises, ``unrun`` the fences that ``run=no`` says only stand there.
    """

    python: int = 0
    transcript: int = 0
    console: int = 0
    lifecycle: int = 0
    glossary: int = 0
    servers: int = 0
    peers: int = 0
    conform: int = 0
    hint: int = 0
    javascript: int = 0
    html: int = 0
    output: int = 0
    http: int = 0
    exercise: int = 0
    unrun: int = 0


def read_counts(docs: Path) -> dict[str, Counts]:
    """Read ``docs/pages.toml``: page name -> counts, the same in every language."""
    return msgspec.toml.decode((docs / "pages.toml").read_bytes(), type=dict[str, Counts])


def count_problem(page: Page, written: Mapping[str, Counts]) -> str | None:
    """Compare a page with the written counts: ``None``, or what differs."""
    unrun = sum(fence.options.get("run") == "no" for fence in page.fences)
    kinds = Counter(fence.kind for fence in page.fences)
    got = Counts(**kinds, exercise=len(page.exercises), unrun=unrun)
    if page.name not in written:
        return f"{page.file}:1: docs/pages.toml has no entry [{page.name}]; the page has {got}"
    if got != written[page.name]:
        return f"{page.file}:1: docs/pages.toml says {written[page.name]}, the page has {got}"
    return None


def check(docs: Path) -> list[str]:
    """Compare the languages in `docs`: a list of findings, each ``docs/pt/closing.md:57: what is wrong``."""
    findings: list[str] = []
    pages: dict[tuple[str, str], Page] = {}
    names = sorted({path.name for language in LANGUAGES for path in (docs / language).glob("*.md")})
    counts, terms = read_counts(docs), read_terms(docs)
    for language in LANGUAGES:
        for name in names:
            path = docs / language / name
            if not path.exists():
                findings.append(f"docs/{language}/{name}:1: this page is missing, another language has it")
                continue
            try:
                page = pages[language, name] = read_page(path)
            except PageError as error:
                findings.append(str(error))
                continue
            findings += filter(None, [count_problem(page, counts)])
            findings += prose.check(page, terms)
    findings += (f"docs/pages.toml:1: there is no page {name}" for name in counts if f"{name}.md" not in names)
    first, *others = LANGUAGES
    for (language, name), page in pages.items():
        if language in others and (first, name) in pages:
            findings += _headings(pages[first, name], page)
            findings += _fences(pages[first, name], page)
            findings += _objects(pages[first, name], page)
    return findings


def summary(docs: Path) -> str:
    """Count what one language has (the others have the same): one line."""
    counts = read_counts(docs)
    kinds = ("python", "javascript", "html", "unrun", "transcript", "exercise")
    python, javascript, html, unrun, transcripts, exercises = (
        sum(getattr(page, kind) for page in counts.values()) for kind in kinds
    )
    samples = f"{python + javascript + html - unrun} executed samples"
    samples += f" ({javascript + html - unrun} of them in a browser)"
    languages = ", ".join(LANGUAGES)
    return (
        f"{len(counts)} pages, {samples}, {transcripts} transcripts and {exercises} exercises"
        f" a language; {languages} agree"
    )


def _headings(model: Page, page: Page) -> Iterator[str]:
    for theirs, ours in zip_longest(model.headings, page.headings):
        if ours is None:
            yield f"{page.file}:1: the heading {{#{theirs.anchor}}} of {model.file}:{theirs.line} is missing"
            return
        if theirs is None or (ours.level, ours.anchor) != (theirs.level, theirs.anchor):
            expected = "no heading"
            if theirs:
                expected = f"{'#' * theirs.level} {{#{theirs.anchor}}} of {model.file}:{theirs.line}"
            yield f"{page.file}:{ours.line}: {'#' * ours.level} {{#{ours.anchor}}} stands where {expected} is expected"
            return


def _fences(model: Page, page: Page) -> Iterator[str]:
    for theirs, ours in zip_longest(model.fences, page.fences):
        if ours is None:
            yield f"{page.file}:1: the {theirs.kind} fence of {model.file}:{theirs.line} is missing"
            return
        if theirs is None or _shape(ours) != _shape(theirs):
            expected = f"{_shape(theirs)} of {model.file}:{theirs.line}" if theirs else "no fence"
            yield f"{page.file}:{ours.line}: {_shape(ours)} stands where {expected} is expected"
            return
        yield from _code(model, theirs, page, ours)


def _objects(model: Page, page: Page) -> Iterator[str]:
    """Compare what the pages take from the docstrings: ``::: reference_ws.App``."""
    theirs, ours = (
        [text for text in each.path.read_text("utf-8").splitlines() if text.startswith(":::")] for each in (model, page)
    )
    if missing := [text for text in theirs if text not in ours]:
        yield f"{page.file}:1: {missing[0]} of {model.file} is missing"
    elif ours != theirs:
        yield f"{page.file}:1: {model.file} has other objects, or has them in another order"


def _shape(fence: Fence) -> str:
    options = " ".join(f"{name}={value}" for name, value in sorted(fence.options.items()))
    return f"a {fence.kind} fence {{{options}}} under #{fence.anchor}"


def _code(model: Page, theirs: Fence, page: Page, mine: Fence) -> Iterator[str]:
    try:
        pairs = zip_longest(_tokens(page, mine), _tokens(model, theirs))
        for ours, other in pairs:
            if ours is None or other is None or ours[1] != other[1]:
                line = ours[0] if ours else mine.line
                expected = f"{other[1]!r} as in {model.file}:{other[0]}" if other else "the end"
                yield f"{page.file}:{line}: {ours[1] if ours else 'the end'!r} stands where {expected} is expected"
                return
    except TranscriptError as error:
        yield str(error)


def _tokens(page: Page, fence: Fence) -> list[Token]:
    """List what has to be equal in every language."""
    if fence.kind == "python":
        found = tokenize.generate_tokens(io.StringIO(fence.source).readline)
        ignored = (tokenize.COMMENT, tokenize.NL)
        return [(fence.line + token.start[0], token.string) for token in found if token.type not in ignored]
    if fence.kind == "transcript":
        return [(step.line, _words(step)) for step in page.transcript(fence).steps]
    if fence.kind == "hint":  # prose
        return []
    if fence.kind in _COMMENT:
        lines = enumerate(_COMMENT[fence.kind].sub("", fence.source).splitlines(), fence.line + 1)
        return [(line, text.rstrip()) for line, text in lines if text.strip()]
    lines = enumerate(fence.source.splitlines(), fence.line + 1)
    if "run" in fence.options:  # what the commands write is in the page's language
        return [(line, text) for line, text in lines if text.startswith("$ ")]
    return [(line, text.rstrip()) for line, text in lines if not text.lstrip().startswith("#")]


def _words(step: Step) -> str:
    headers = "".join(f"; {name}: {value}" for name, value in getattr(step, "headers", ()))
    return format_step(replace(step, note="")) + headers


def one_language(page: str) -> str:
    """Choose the language in which a page runs where that costs much: the code is equal in all. Each has its share."""
    return LANGUAGES[len(page) % len(LANGUAGES)]


def check_descriptions(pages: Iterable[Page]) -> Iterator[str]:
    """Tell which pages lack a description of their own, as long as what a list of results shows: one line on top."""
    taken: dict[str, Page] = {}
    for page in pages:
        found = re.match(r"---\ndescription: (.+)\n(?:search:\n  boost: \S+\n)?---\n", page.path.read_text("utf-8"))
        shortest, longest = (30, 80) if page.language == "zh" else (50, 160)  # a Chinese character is as wide as two
        if not found:
            yield f"{page.file}:1: the page has no description: begin it with ---, description: ..., ---"
        elif not shortest <= len(found[1]) <= longest:
            yield f"{page.file}:2: the description has {len(found[1])} characters, not {shortest} to {longest}"
        elif ": " in found[1] and not found[1].startswith('"'):
            yield f"{page.file}:2: a colon and a space are no text in YAML: put the description in quotation marks"
        elif (first := taken.setdefault(found[1], page)) is not page:
            yield f"{page.file}:2: the description is that of {first.file}"


def check_endings(pages: Iterable[Page]) -> Iterator[str]:
    """Tell which pages don't end with ``{#next}``: what to read next, a list of one to three links, each with a reason.

    Of ``api``, ``errors``, ``glossary`` and ``from-*`` one wants one entry and reaches no end; ``index`` lists all.
    """
    for page in pages:
        if page.name in ("index", "api", "errors", "glossary") or page.name.startswith("from-"):
            continue
        _, _, ending = page.path.read_text("utf-8").partition("{#next}\n")
        items = [line for line in ending.splitlines() if line.strip()]
        if not page.headings or page.headings[-1].anchor != "next":
            yield f"{page.file}:1: the page ends without ## ... {{#next}}, what to read next"
        elif not 1 <= len(items) <= 3 or not all(re.match(r"- .*\]\(", item) for item in items):
            yield f"{page.file}:{page.headings[-1].line}: what to read next is a list of one to three links"
        elif bare := [item for item in items if not re.search(r"\w{2}", re.sub(r"\[[^\]]*\]\([^)]*\)", "", item))]:
            yield f"{page.file}:{page.headings[-1].line}: this link has no reason: {bare[0]}"


def main() -> int:
    """Print the findings, or one line with the counts; the exit code is 1 with findings."""
    from reference_ws.guide.pages import source_root

    docs = source_root() / "docs"
    pages = read_pages(docs)
    findings = check(docs) or [*check_descriptions(pages), *check_endings(pages)]
    print("\n".join(findings) or summary(docs))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
