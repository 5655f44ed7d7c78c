"""``reference-ws examples``: what there is to run."""

from __future__ import annotations

from gettext import NullTranslations
from itertools import groupby

from reference_ws.guide.command import Problem
from reference_ws.guide.command.screen import Screen
from reference_ws.guide.pages import PageError, live_path, read_pages
from reference_ws.guide.running import transcript
from reference_ws.guide.words.catalogs import pages_language
from reference_ws.transcript.steps import Connect

__all__ = ["show"]

SERVER = "ws://127.0.0.1:8000"
"""Where `reference-ws serve` listens unless it is told otherwise."""


def show(words: NullTranslations, language: str) -> None:
    """List the pages, their sections with transcripts, and the live addresses of these. Raises `Problem`."""
    from reference_ws.guide.site import source_root  # MkDocs takes long to load

    screen = Screen(words)
    try:
        pages = read_pages(source_root() / "docs", pages_language(language))
    except PageError as error:
        raise Problem(str(error)) from None
    for page in pages:
        titles = {heading.anchor: heading.title for heading in page.headings}
        if page.examples:
            screen.line(f"{page.name}  {page.title}", "bold")
        for anchor, group in groupby(page.examples, key=lambda fence: fence.anchor):
            screen.line(f"  {page.name}#{anchor}  {titles[anchor]}")
            addresses = [
                f"{SERVER}{live_path(page.name, fence.app, fence.denial)}{step.target}"
                for fence in group
                for step in transcript(page, fence).steps
                if isinstance(step, Connect)
            ]
            for address in dict.fromkeys(addresses):
                screen.line(f"    {address}", "dim")
