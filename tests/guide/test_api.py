"""The API reference and the glossary: pages that are made from the docstrings and from ``docs/glossary.toml``."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import reference_ws
from reference_ws import guards, testing, transcript
from reference_ws.guide.pages import source_root
from reference_ws.guide.words.catalogs import LANGUAGES

FOLDERS = {"zh": "", "pt": "pt/", "ru": "ru/"}

in_each_language = pytest.mark.parametrize("language", LANGUAGES)


def reference(site: Path, language: str) -> str:
    return (site / f"{FOLDERS[language]}messages/index.html").read_text("utf-8")


@in_each_language
def test_the_reference_shows_signature_and_docstring(small_site, language):
    html = reference(small_site, language)
    assert "Open a connection to an ASGI application, in memory, and yield its" in html
    assert 'id="reference_ws.Address"' in html
    assert 1 == len(re.findall(r'id="reference_ws\.testing\.connect"', html))
    assert "timeout_s" in html


@in_each_language
def test_the_reference_speaks_the_language_of_its_page(small_site, language):
    labels = {"zh": "源代码位于：", "pt": "Código-fonte em", "ru": "Исходный код:"}
    found = re.findall(r"<summary>(.*?) <code>reference_ws/([\w/]+)\.py", reference(small_site, language))
    assert [(labels[language], "testing/client")] == found


@in_each_language
def test_each_page_has_the_references_style_sheet_once(small_site, language):
    assert 1 == reference(small_site, language).count("_mkdocstrings.css")


@in_each_language
def test_a_name_leads_to_the_reference_in_the_same_language(small_site, language):
    assert re.search(r'<a [^>]*href="#reference_ws\.Address"[^>]*>Address</a>', reference(small_site, language))


@in_each_language
def test_the_search_finds_docstrings_and_no_source_code(small_site, language):
    index = json.loads((small_site / f"{FOLDERS[language]}search/search_index.json").read_text("utf-8"))
    texts = text_of(" ".join(entry["text"] for entry in index["docs"]))
    assert "Open a connection to an ASGI application" in texts
    assert "connection = InMemoryConnection(" in text_of(reference(small_site, language))
    assert "connection = InMemoryConnection(" not in texts


def text_of(html: str) -> str:
    """Read the text of a page, without its colours."""
    parts: list[str] = []
    parser = HTMLParser()
    parser.handle_data = parts.append  # type: ignore[method-assign]
    parser.feed(html)
    return "".join(parts)


@pytest.mark.parametrize(
    ("language", "cells"),
    [
        ("zh", ["关闭码", "断开码、关闭代码", "close &lt;code&gt;", "código", "код закрытия"]),
        ("pt", ["código", "", "close &lt;code&gt;", "关闭码", "код закрытия"]),
        ("ru", ["код закрытия", "код", "close &lt;code&gt;", "关闭码", "código"]),
    ],
)
def test_the_glossary_begins_with_the_readers_language(small_site, language, cells):
    table = re.search(r'<div class="ws-glossary">(.*?)</div>', reference(small_site, language), re.DOTALL)
    assert table is not None
    assert cells == [re.sub("</?a.*?>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", table[1])]
    others = [other for other in LANGUAGES if other != language]
    assert ["en", *others] == re.findall(r'<td lang="(\w\w)">', table[1])


@pytest.mark.parametrize(("language", "link"), [("zh", "关闭码"), ("pt", "código"), ("ru", "код закрытия")])
def test_a_term_leads_to_the_section_that_is_about_it(small_site, language, link):
    assert f'<td><a href="../closing/#last">{link}</a></td>' in reference(small_site, language)


def test_every_public_name_is_on_the_reference_page():
    page = (source_root() / "docs/zh/api.md").read_text("utf-8")
    explained = {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)$", page, re.MULTILINE)}
    # Starlette explains its own classes; the page says which ones they are.
    starlettes = {"WebSocketDisconnect", "WebSocketException", "WebSocketState", "TestClient"}
    assert all(f"`{name}`" in page for name in starlettes)
    public = {*reference_ws.__all__, *testing.__all__, *transcript.__all__, *guards.__all__}
    assert set() == public - explained - starlettes
