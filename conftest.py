"""Makes every page of ``docs/`` a test: ``pytest docs/ru/closing.md``, ``pytest -k zh``, ``pytest -m ru``.

Each python sample and each transcript is a test of its own; those of a page share a namespace and an event loop, whose
time is held, as `reference_ws.guide.running.PageRun` says. So is each javascript and html fence; those of a page share
a tab of Chromium, see `tests/browser.py`: the code is equal in all languages, so a run of all tests has them in one,
`make lab` and a page that is named in each. The first test of a page is the page itself: its form, its counts, and that
no fence is overlooked.
"""

from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from checks.parity import count_problem, one_language, read_counts
from markdown import markdown
from sybil import Document, Example, Region, Sybil
from sybil.integration.pytest import SybilItem

from reference_ws.guide.pages import IN_BROWSER, Page, PageError, read_page
from reference_ws.guide.running import PageRun, failure_text
from reference_ws.testing import HeldTimeLoop

pytest_plugins = ["tools"]

Seen = list[tuple[str, str]]
"""What a reader of Markdown takes for fences: kind and text."""


def parse_page(document: Document) -> Iterable[Region]:
    """Make the page, and each fence that runs, an example."""
    try:
        page = read_page(Path(document.path))
    except PageError as error:
        message = str(error)
        yield Region(0, 0, evaluator=lambda _: message)
        return
    yield Region(0, 0, page, check_page)
    document.namespace["run"] = PageRun(page)
    starts = [0, *accumulate(map(len, document.text.splitlines(keepends=True)))]
    for fence in page.fences:
        # Of an exercise, its start and its solution are run, each with its transcript.
        if fence.kind in IN_BROWSER:
            runs = "run" not in fence.options
        elif fence.kind == "console":
            runs = "run" in fence.options
        else:
            runs = fence.kind in ("python", "transcript", "http") and (
                page.exercise(fence) is None or "exercise" in fence.options
            )
        if runs:
            end = fence.line + fence.source.count("\n")
            yield Region(starts[fence.line - 1], starts[end], fence, run_fence)


def check_page(example: Example) -> str | None:
    """Compare the page with its counts, and with what the site's Markdown sees in it."""
    page: Page = example.parsed
    expected = [(fence.kind, fence.source.rstrip()) for fence in page.fences]
    found = [(kind, text.rstrip()) for kind, text in fences_on_site(example.document.text)]
    problems = []
    if found != expected:
        other = set(expected) ^ set(found) or "in another order"
        problems.append(f"{page.file}:1: the site sees other fences: {other}")
    problems += filter(None, [count_problem(page, read_counts(page.path.parents[1]))])
    return "\n".join(problems)


def fences_on_site(text: str) -> Seen:
    """Read a page with the Markdown extensions that the site uses for fences and for what can hold one."""
    seen: Seen = []

    def note(source: str, language: str, *_: Any, **__: Any) -> str:
        seen.append((language, source))
        return ""

    fence = {"name": "*", "class": "", "format": note, "validator": lambda *_: True}
    extensions = ["pymdownx.superfences", "admonition", "attr_list", "md_in_html", "pymdownx.details"]
    markdown(text, extensions=extensions, extension_configs={"pymdownx.superfences": {"custom_fences": [fence]}})
    return seen


def run_fence(example: Example) -> str | None:
    """Run one sample or transcript, and before it those above that haven't run (when only this one is selected)."""
    run: PageRun = example.namespace["run"]
    loop: HeldTimeLoop = example.namespace["loop"]
    try:
        if example.parsed.kind in IN_BROWSER:
            if "tab" not in example.namespace:
                from browser import Tab  # here: most pages need no browser, and Pyodide has none (`make py314`)

                example.namespace["tab"] = Tab(run.page)
            example.namespace["tab"].run(example.parsed)
            return None
        if example.parsed.kind == "console":
            if "shell" not in example.namespace:
                from shell import Shell  # here: Pyodide has no processes

                example.namespace["shell"] = Shell(run.page)
            example.namespace["shell"].run(example.parsed)
            return None
        loop.run_until_complete(run.up_to(example.parsed))
        loop.run_until_complete(run.fence(example.parsed))
    except Exception as error:
        # A returned text is shown as it is, an exception with the frames of three frameworks.
        return failure_text(run.page.path, error)
    return None


def open_loop(namespace: dict[str, Any]) -> None:
    """Begin a document."""
    namespace["loop"] = HeldTimeLoop()


def close_loop(namespace: dict[str, Any]) -> None:
    """End a document: what its samples left running is cancelled."""
    for opened in (namespace.pop("tab", None), namespace.pop("shell", None)):
        if opened:
            opened.close()
    namespace.pop("loop").close()
    if run := namespace.pop("run", None):
        run.close()


pytest_collect_file = Sybil(
    parsers=[parse_page], patterns=["*.md"], path="docs", setup=open_loop, teardown=close_loop
).pytest()


@pytest.hookimpl(tryfirst=True)  # before `tests/conftest.py` leaves out what is for a full run
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the documents with their language, and those of their fences that need a browser: a page's in one language.

    Which one that is differs from page to page.
    """
    for item in items:
        if isinstance(item, SybilItem):
            item.add_marker(item.path.parent.name)
            if getattr(item.example.parsed, "kind", None) in IN_BROWSER:
                item.add_marker(pytest.mark.needs("chromium"))
                if item.path.parent.name != one_language(item.path.stem):
                    item.add_marker(pytest.mark.full)
