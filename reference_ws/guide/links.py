"""Follow every link of the built site: MkDocs sees one language at a time, and no raw HTML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from html import unescape
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from reference_ws.guide.pages import DRAWN, KINDS

# An own fence with a mistake in its first line is, for Markdown, inline code over several lines.
_WITH_TEXT: Final = "|".join(kind for kind in KINDS if kind not in DRAWN)
_FALLEN_FENCE: Final = re.compile(rf"<p><code>((?:{_WITH_TEXT})\b[^<]*?(?=\n)|(?:{'|'.join(DRAWN)})\s[^<]*)")
# Comments, and what is inside of scripts and styles: no tag is looked for there.
_UNREAD: Final = re.compile(r"<!--.*?-->|(<(script|style)\b[^>]*>).*?(?=</\2>)", re.DOTALL)
# A quoted value may hold ">". Python's own parser finds the same tags in five times the time.
_TAG: Final = re.compile(r"""<([a-zA-Z][^\s/>]*)([^"'>]*(?:(?:"[^"]*"|'[^']*')[^"'>]*)*)>""")
_ATTRIBUTE: Final = re.compile(r"""([^\s"'=/>]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")


class _Page:
    """The ids of a page, counted, and the addresses that it names, as (tag, address)."""

    def __init__(self, html: str) -> None:
        self.ids: Counter[str] = Counter()
        self.addresses: list[tuple[str, str]] = []
        for tag, attributes in _TAG.findall(_UNREAD.sub(r"\1", html)):
            if not ("id" in attributes or "href" in attributes or "src" in attributes):
                continue  # nine of ten: the words of listings
            for name, *values in _ATTRIBUTE.findall(attributes):
                if name == "id" and any(values):
                    self.ids[unescape("".join(values))] += 1
                elif name in ("href", "src"):
                    self.addresses.append((tag, unescape("".join(values))))


def check(site: Path, site_url: str) -> Iterator[str]:
    """Tell what is wrong in the HTML files below `site`, which is meant for `site_url`; nothing when all is well.

    Looked for: links and anchors that lead nowhere, across languages; ids that occur twice; anything that is loaded
    from another host; a fence of ours that became a plain paragraph.
    """
    home = urlsplit(site_url)

    @cache  # every page names most of the others
    def find(path: str) -> Path | None:
        target = site / unquote(path).removeprefix(home.path).lstrip("/")
        target = target / "index.html" if target.is_dir() else target
        return target if target.is_file() else None

    texts = {file: file.read_text("utf-8") for file in sorted(site.rglob("*.html"))}
    pages = {file: _Page(text) for file, text in texts.items()}
    for file, page in pages.items():
        name = file.relative_to(site).as_posix()
        for fallen in _FALLEN_FENCE.findall(texts[file]):
            yield f"{name}: a fence is shown as plain text, is its first line right? {fallen.strip()}"
        for twice in sorted(one for one, count in page.ids.items() if count > 1):
            yield f"{name}: the id {twice!r} occurs more than once"
        here = urljoin(site_url, name.removesuffix("index.html"))
        for tag, address in dict.fromkeys(page.addresses):
            url = urlsplit(urljoin(here, address))
            if url.scheme not in ("http", "https"):
                continue
            if url.netloc != home.netloc:
                if tag != "a":
                    yield f"{name}: <{tag}> loads from another host: {address}"
                continue
            target = find(url.path)
            if target is None:
                yield f"{name}: no such page: {address}"
            elif url.fragment and target in pages and unquote(url.fragment) not in pages[target].ids:
                yield f"{name}: no such anchor: {address}"
