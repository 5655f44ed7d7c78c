import json
import re
import shutil
import struct
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
from pygments.token import Error
from small_docs import ONLY_ON_CLOSING, PAGES, TAGS, TITLES, write_docs

from reference_ws.guide import pages, site, tables
from reference_ws.guide.lexer import TranscriptLexer
from reference_ws.guide.links import check
from reference_ws.guide.pages import KINDS
from reference_ws.guide.search import use_index_of
from reference_ws.guide.site import BuildError, build, is_stale
from reference_ws.guide.words.catalogs import LANGUAGES, catalog
from reference_ws.lifecycle import CLOSE_CODES, RECEIVE, SEND, WebSocketState
from reference_ws.transcript.diagram import STYLE

FOLDERS = {"zh": "", "pt": "pt/", "ru": "ru/"}

ADDRESS = "https://school.example/ws/"

in_each_language = pytest.mark.parametrize("language", LANGUAGES)


class Text(HTMLParser):
    def __init__(self, html: str):
        super().__init__()
        self.text = ""
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data


def text_of(html: str) -> str:
    return Text(html).text


def built(site: Path, language: str, page: str) -> str:
    folder = "" if page == "index" else f"{page}/"
    return (site / f"{FOLDERS[language]}{folder}index.html").read_text("utf-8")


# --- pages ------------------------------------------------------------------------------------------------------------


@in_each_language
@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_built_in_its_language(small_site, language, page):
    html = built(small_site, language, page)
    title = TITLES[language][PAGES.index(page)]
    assert f'<html lang="{TAGS[language]}"' in html
    assert f'<h1 id="{page}">{title}<a' in html


@in_each_language
def test_the_site_names_itself_in_the_readers_language(small_site, language):
    name = {"zh": "WebSocket 参考", "pt": "Referência WebSocket", "ru": "Справочник WebSocket"}[language]
    assert f"{TITLES[language][4]} - {name}</title>" in built(small_site, language, "closing")


@in_each_language
def test_the_navigation_takes_the_titles_of_its_language(small_site, language):
    html = built(small_site, language, "closing")
    shown = re.findall(
        r'<span class="md-ellipsis">\s*([^<]*?)\s*</span>', html[html.index('data-md-type="navigation"') :]
    )
    assert list(TITLES[language]) == list(dict.fromkeys(shown))[:5]


@in_each_language
def test_admonitions_are_titled_in_the_readers_language(small_site, language):
    title = {"zh": "警告", "pt": "Aviso", "ru": "Внимание"}[language]
    assert f'<p class="admonition-title">{title}</p>' in built(small_site, language, "closing")


@in_each_language
def test_the_404_page_is_in_its_language_and_knows_its_home(small_site, language):
    html = (small_site / f"{FOLDERS[language]}404.html").read_text("utf-8")
    heading = {"zh": "没有这个页面", "pt": "Esta página não existe", "ru": "Такой страницы нет"}[language]
    assert f"<h1>404 · {heading}</h1>" in html
    assert re.search(f"<title>404 · {heading} - [^<]+</title>", html)
    assert ["?q=", f"/{FOLDERS[language]}"] == re.findall(r'<li><a href="([^"]*)">[^<]+</a></li>', html)
    assert ["/", "/pt/", "/ru/"] == re.findall(r'<a href="([^"]*)" hreflang', html)


@in_each_language
def test_the_permanent_link_is_named_in_the_readers_language(small_site, language):
    html = built(small_site, language, "closing")
    assert "Permanent link" not in html
    assert f'title="{catalog(language).gettext("Permanent link")}"' in html


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("index.html", ["./", "pt/", "ru/"]),
        ("ru/index.html", ["../", "../pt/", "./"]),
        ("pt/closing/index.html", ["../../closing/", "./", "../../ru/closing/"]),
    ],
)
def test_the_language_switcher_is_relative_and_keeps_the_page(small_site, page, expected):
    assert expected == re.findall(r'<a href="([^"]*)" hreflang', (small_site / page).read_text("utf-8"))


def test_notes_for_the_programs_are_not_published(small_site):
    assert (small_site.parent / "docs/pages.toml").exists()
    assert not (small_site / "pages.toml").exists()


# --- what others see of a page ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def addressed_site(once, tmp_path_factory):
    """The small site for an address below a path."""

    def build_small(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SITE_URL", ADDRESS)
            build(output=folder / "site", progress=lambda _: None, config=write_docs(folder))

    return once("addressed", build_small) / "site"


def head(html: str) -> dict[str, list[str]]:
    """What stands in the head of a page: the values of its tags, by their kind."""
    found: dict[str, list[str]] = {"title": re.findall("<title>(.*?)</title>", html[: html.index("</head>")])}
    for name, value in re.findall(r'<meta (?:name|property)="([^"]*)" content="([^"]*)">', html):
        found.setdefault(name, []).append(value)
    for rel, rest in re.findall(r'<link rel="([^"]*)" ([^>]*)>', html):
        found.setdefault(rel, []).append(" ".join(re.findall(r'"([^"]*)"', rest)))
    return found


@in_each_language
def test_a_page_is_shared_with_its_title_its_description_and_a_picture(addressed_site, language):
    told = head(built(addressed_site, language, "closing"))
    locale, *others = sorted(("zh_CN", "pt_BR", "ru_RU"), key=lambda locale: not locale.startswith(language))
    address = f"{ADDRESS}{FOLDERS[language]}closing/"
    assert [ONLY_ON_CLOSING[language]] == told["description"] == told["og:description"]
    assert [TITLES[language][4]] == told["og:title"]
    assert ([address], [address]) == (told["canonical"], told["og:url"])
    assert ([locale], sorted(others)) == (told["og:locale"], sorted(told["og:locale:alternate"]))
    assert (["article"], ["summary_large_image"]) == (told["og:type"], told["twitter:card"])
    assert [f"{ADDRESS}assets/share.png"] == told["og:image"]
    picture = (addressed_site / "assets/share.png").read_bytes()
    assert [[str(size)] for size in struct.unpack(">II", picture[16:24])] == [
        told["og:image:width"],
        told["og:image:height"],
    ]


@in_each_language
def test_a_page_names_its_translations(small_site, addressed_site, language):
    full = [f"{ADDRESS}{FOLDERS[other]}closing/ {TAGS[other]}" for other in LANGUAGES]
    assert full == head(built(addressed_site, language, "closing"))["alternate "]
    relative = head(built(small_site, language, "closing"))["alternate "]
    here = f"{ADDRESS}{FOLDERS[language]}closing/"
    assert full == [" ".join((urljoin(here, link.split()[0]), link.split()[1])) for link in relative]


@in_each_language
def test_the_first_page_says_what_the_site_is_about(small_site, language):
    matter = {"zh": "用 Python 学 WebSocket", "pt": "WebSocket em Python, ", "ru": "WebSocket на Python "}[language]
    [title] = head(built(small_site, language, "index"))["title"]
    assert re.fullmatch(f"[^-]*WebSocket[^-]* - {matter}.*", title)


@in_each_language
def test_a_site_that_does_not_know_its_address_names_none(small_site, language):
    told = head(built(small_site, language, "closing"))
    assert {"og:title", "og:description"} <= told.keys()
    assert not {"canonical", "og:url", "og:image"} & told.keys()
    assert not [*small_site.rglob("sitemap*"), *small_site.rglob("robots.txt")]


def test_a_sitemap_names_every_page_and_its_translations_by_their_addresses(addressed_site):
    sitemap = (addressed_site / "sitemap.xml").read_text("utf-8")
    pages = {
        f"{ADDRESS}{folder}{'' if page == 'index' else f'{page}/'}" for folder in FOLDERS.values() for page in PAGES
    }
    assert pages == set(re.findall("<loc>(.*?)</loc>", sitemap))
    assert {(TAGS[language], f"{ADDRESS}{FOLDERS[language]}closing/") for language in LANGUAGES} <= set(
        re.findall('hreflang="(.*?)" href="(.*?)"', sitemap)
    )
    assert f"\nSitemap: {ADDRESS}sitemap.xml\n" in (addressed_site / "robots.txt").read_text("utf-8")


@pytest.mark.parametrize("page", ["index.html", "ru/index.html", "pt/closing/index.html"])
def test_the_language_switcher_works_below_any_path(small_site, addressed_site, page):
    links = [
        re.findall(r'<a href="([^"]*)" hreflang', (s / page).read_text("utf-8")) for s in (small_site, addressed_site)
    ]
    assert links[0] == links[1]


def test_nothing_is_published_that_no_reader_needs(small_site):
    scripts = small_site / "assets/javascripts"
    assert [] == [*small_site.rglob("*.map"), *scripts.rglob("wordcut.js"), *scripts.rglob("lunr.hi.min.js")]
    assert {"lunr.stemmer.support.min.js", "lunr.pt.min.js"} <= {file.name for file in scripts.rglob("*.js")}
    texts = [*scripts.glob("*.js"), *(small_site / "assets/stylesheets").glob("*.css")]
    assert texts
    assert [] == [file.name for file in texts if "sourceMappingURL" in file.read_text("utf-8")]


def test_no_cell_without_a_text_heads_a_table(small_site):
    assert [] == re.findall(r"<th[^>]*>\s*</th>", built(small_site, "zh", "lifecycle"))
    assert [] == re.findall(r"<th[^>]*>\s*</th>", tables.html_table(["", "a"], [["b", "c"]]))


# --- transcripts ------------------------------------------------------------------------------------------------------


@in_each_language
def test_a_transcript_is_its_text_beside_its_diagram(small_site, language):
    html = built(small_site, language, "closing")
    figures = re.findall(r'<figure class="ws-transcript"[^>]*>(.*?)</figure>', html, re.DOTALL)
    assert 3 == len(figures)
    assert all("<pre>" in figure and "<svg" in figure for figure in figures)
    assert "-> connect /denied?token=abc\n    cookie: a=b\n<- deny 403\n" in text_of(figures[0])


@in_each_language
def test_a_transcript_shows_its_live_addresses(small_site, language):
    html = built(small_site, language, "closing")
    shown = [text_of(code) for code in re.findall(r"<code data-live>(.*?)</code>", html)]
    base = "ws://127.0.0.1:8000/live/closing"
    assert [f"{base}.raw.nodenial/denied?token=abc", f"{base}/echo", f"{base}/room/1", f"{base}/room/2"] == shown


def test_a_page_has_one_policy(small_site):
    pages = [file.read_text("utf-8") for file in small_site.rglob("*.html")]
    assert pages
    assert {1} == {page.count('http-equiv="Content-Security-Policy"') for page in pages}


@in_each_language
def test_an_enlarged_diagram_is_described_in_the_readers_language(small_site, language):
    expected = {
        "zh": ["共 2 步，自上而下", "共 4 步，自上而下", "共 5 步，自上而下"],
        "pt": ["2 passos, de cima para baixo", "4 passos, de cima para baixo", "5 passos, de cima para baixo"],
        "ru": ["2 шага, сверху вниз", "4 шага, сверху вниз", "5 шагов, сверху вниз"],
    }[language]
    assert expected == re.findall(
        r"<form method=\"dialog\"><span>.* · (.*?)</span>", built(small_site, language, "closing")
    )


@in_each_language
def test_a_diagram_is_hidden_from_screen_readers_as_the_text_beside_it_says_the_same(small_site, language):
    html = built(small_site, language, "closing")
    drawings = re.findall(r'<svg class="ws-diagram"[^>]*>\s*<(\w+)', html)
    assert ["rect"] * 3 == drawings
    assert 1 == html.count(f"<style>{STYLE}</style>")
    assert 3 == len(re.findall(r'<svg class="ws-diagram"[^>]* aria-hidden="true">', html))


@in_each_language
def test_a_diagram_names_the_two_sides_in_the_readers_language(small_site, language):
    expected = {"zh": ["客户端", "应用"], "pt": ["cliente", "aplicação"], "ru": ["клиент", "приложение"]}[language]
    found = re.findall(r'<text class="name"[^>]*>(.*?)</text>', built(small_site, language, "closing"))
    assert expected * 3 == found


def test_the_lexer_names_every_part_of_a_transcript():
    text = (
        '# note\nalice -> connect /a?b=1  # why\n    cookie: a=b\nalice <- json {"a": [1, -2.5, true, ...]}\n'
        '<- bytes 00 ff\n<- close 1000 "bye"\n!! ValueError "no"\n== client=CONNECTED application=RESPONSE\n.. 100ms\n'
    )
    tokens = list(TranscriptLexer().get_tokens(text))
    assert text == "".join(value for _, value in tokens)
    assert Error not in {token for token, _ in tokens}
    assert {
        "# note": "Token.Comment.Single",
        "alice": "Token.Name.Variable",
        "->": "Token.Keyword",
        "cookie": "Token.Name.Attribute",
        "<-": "Token.Name.Function",
        "00": "Token.Literal.Number.Hex",
        '"bye"': "Token.Literal.String.Double",
        "ValueError": "Token.Name.Exception",
        "RESPONSE": "Token.Name.Constant",
        "100ms": "Token.Literal.Number",
    }.items() <= {value: str(token) for token, value in tokens}.items()


# --- the life cycle ---------------------------------------------------------------------------------------------------


def cells(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", html.replace("<wbr>", "").replace("&nbsp;", " "))
    return [[text_of(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


@in_each_language
@pytest.mark.parametrize("table", [RECEIVE, SEND], ids=["receive", "send"])
def test_a_transition_table_shows_every_entry(table, language):
    [head, *rows] = cells(tables.transitions(catalog(language), table))
    shown = {(state, row[0]): entry for row in rows for state, entry in zip(head[1:], row[1:], strict=True)}
    expected = {
        (state.name, event): f"→ {entry.name}" if isinstance(entry, WebSocketState) else entry
        for state, row in table.items()
        for event, entry in row.items()
    }
    assert expected == shown


@in_each_language
def test_a_transition_table_explains_its_errors(language):
    html = tables.transitions(catalog(language), RECEIVE)
    explained = re.findall(r"<dt><code>(.*?)</code></dt><dd>(.+?)</dd>", html)
    assert ["connect-expected", "connect-twice", "receive-after-disconnect"] == [error for error, _ in explained]


@in_each_language
def test_the_close_codes_are_all_there(language):
    [_, *rows] = cells(tables.close_codes(catalog(language)))
    codes = [str(row.first) if row.first == row.last else f"{row.first}–{row.last}" for row in CLOSE_CODES]
    meanings = [catalog(language).gettext(row.meaning) for row in CLOSE_CODES]
    assert [codes, meanings] == [[row[0] for row in rows], [row[2] for row in rows]]


@pytest.mark.parametrize("table", [RECEIVE, SEND], ids=["receive", "send"])
def test_the_state_diagram_has_one_arrow_for_each_way_from_state_to_state(table):
    diagram = tables.state_diagrams(catalog("zh")).split("<figure")[1 if table is RECEIVE else 2]
    ways = {
        (state, entry) for state, row in table.items() for entry in row.values() if isinstance(entry, WebSocketState)
    }
    events = {event for row in table.values() for event, entry in row.items() if isinstance(entry, WebSocketState)}
    assert len(ways) + 1 == diagram.count('class="ws-edge"')  # and the one that leads to the first state
    assert events == set(re.findall(r"<g><title>(.*?)</title>", diagram))


def test_the_fence_shows_all_that_pages_may_ask_for():
    assert set(KINDS["lifecycle"]["show"]) == set(tables.SHOWS)


# --- search -----------------------------------------------------------------------------------------------------------


@in_each_language
def test_each_language_has_its_own_search_index(small_site, language):
    index = json.loads((small_site / f"{FOLDERS[language]}search/search_index.json").read_text("utf-8"))
    pages = {entry["location"].split("#")[0] for entry in index["docs"]}
    assert {"", "lifecycle/", "handlers/", "messages/", "closing/"} == pages
    assert [language] == index["config"]["lang"]


@in_each_language
def test_the_search_index_leaves_out_diagrams_and_addresses(small_site, language):
    index = (small_site / f"{FOLDERS[language]}search/search_index.json").read_text("utf-8")
    assert "connect /denied?token=abc" in text_of(index)
    assert "ws://127.0.0.1:8000/live/closing" not in index
    words = catalog(language)
    whole = index.replace("\u200b", "")  # between the words of Chinese
    caption = words.gettext("Sequence diagram of %(targets)s") % {"targets": "/echo"}
    for unsought in ("✕", "⤢", caption, *map(words.gettext, ("Live address", "Enlarge the diagram"))):
        assert unsought not in whole


@in_each_language
def test_a_section_is_found_by_the_other_names_of_what_it_is_about(small_site, language):
    index = json.loads((small_site / f"{FOLDERS[language]}search/search_index.json").read_text("utf-8"))
    tags = {entry["location"]: entry["tags"] for entry in index["docs"] if "tags" in entry}
    names = {"zh": ["关闭码", "断开码", "关闭代码"], "pt": ["código"], "ru": ["код закрытия", "код"]}[language]
    assert {"closing/#last": names} == tags


def test_a_term_of_a_section_that_there_is_not_is_a_problem(tmp_path):
    config = write_docs(tmp_path)
    term = '[[term]]\nen = "a"\nzh = "一"\npt = "a"\nru = "а"\nat = "closing#nowhere"\n'
    (tmp_path / "docs/glossary.toml").write_text(term, "utf-8")
    with pytest.raises(BuildError) as caught:
        build(output=tmp_path / "site", progress=lambda _: None, config=config)
    expected = [
        f"docs/glossary.toml: the pages in {language} have no section closing#nowhere" for language in LANGUAGES
    ]
    assert expected == [problem.removeprefix("site: ") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("base", "prefix", "expected"),
    [("..", "", ".."), ("..", "pt/", "."), ("../..", "pt/", ".."), ("/", "ru/", "/ru/"), ("/", "", "/")],
)
def test_a_page_fetches_the_index_of_its_language(base, prefix, expected):
    assert f'{{"base": "{expected}", "x": 1}}' == use_index_of(f'{{"base": "{base}", "x": 1}}', prefix)


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="../ru/a/">', "zh/index.html: no such page: ../ru/a/"),
        ('<a href="/other/#nowhere">', "zh/index.html: no such anchor: /other/#nowhere"),
        ('<i id="a"><i id="a">', "zh/index.html: the id 'a' occurs more than once"),
        ('<img src="//example.org/a.png">', "zh/index.html: <img> loads from another host: //example.org/a.png"),
        (
            "<p><code>transcript app=raw\n-&gt; connect</code></p>",
            "zh/index.html: a fence is shown as plain text, is its first line right? transcript app=raw",
        ),
        (
            "<p><code>lifecycle show=send</code></p>",
            "zh/index.html: a fence is shown as plain text, is its first line right? lifecycle show=send",
        ),
        (
            "<p><code>hint {}\nRead on.</code></p>",
            "zh/index.html: a fence is shown as plain text, is its first line right? hint {}",
        ),
        (
            "<p><code>glossary terms=all</code></p>",
            "zh/index.html: a fence is shown as plain text, is its first line right? glossary terms=all",
        ),
    ],
)
def test_the_crawl_names_what_is_wrong(tmp_path, html, problem):
    for name, text in {"zh": html, "other": '<i id="here">'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(text)
    assert [problem] == list(check(tmp_path, "http://127.0.0.1:8000/"))


@pytest.mark.parametrize(
    "html",
    [
        '<a href="../other/#here">',
        '<a href="https://example.org/">',
        '<a href="mailto:a@example.org">',
        "<p><code>transcript</code> is a fence</p>",
    ],
)
def test_the_crawl_is_content_with_what_is_right(tmp_path, html):
    for name, text in {"zh": html, "other": '<i id="here">'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(text)
    assert [] == list(check(tmp_path, "http://127.0.0.1:8000/"))


# --- building ---------------------------------------------------------------------------------------------------------


def problems(folder: Path, **changes: str) -> list[str]:
    """Build the small documents with more lines on some pages; return what is wrong with them."""
    config = write_docs(folder)
    for name, text in changes.items():
        with (folder / f"docs/{name.replace('_', '/')}.md").open("a", encoding="utf-8") as page:
            page.write(text)
    with pytest.raises(BuildError) as caught:
        build(output=folder / "site", progress=lambda _: None, config=config)
    assert not (folder / "site").exists()
    return caught.value.problems


def test_the_mistakes_of_all_pages_are_listed_at_once(tmp_path):
    fence = "\n```transcipt\n-> connect /\n```\n"
    option = "\n```transcript {nope=1}\n-> connect /\n```\n"
    transcript = "\n```transcript\n-> connect /\n<- hello\n```\n"
    found = problems(
        tmp_path, zh_messages=fence, pt_handlers=fence, ru_index=fence, ru_messages=option, pt_messages=transcript
    )
    lines = [line for problem in found for line in problem.splitlines() if line.startswith("docs/")]
    expected = {
        "docs/pt/handlers.md:3: ": "transcipt is no fence of ours",
        "docs/pt/messages.md:5:4: ": "expected ",
        "docs/ru/index.md:16: ": "transcipt is no fence of ours",
        "docs/ru/messages.md:3: ": "nope is no option of a transcript fence",
        "docs/zh/messages.md:3: ": "transcipt is no fence of ours",
    }
    assert len(expected) == len(lines)
    for line, (place, told) in zip(sorted(lines), expected.items(), strict=True):
        assert line.startswith(place + told)


def test_broken_links_of_all_languages_are_listed_at_once(tmp_path):
    found = problems(tmp_path, zh_index="\n[a](nowhere.md)\n", ru_index="\n[a](closing.md#nowhere)\n")
    pages = [re.search(r"[\w/]*index\.(md|html)", problem)[0] for problem in found]
    assert ["zh/index.md", "ru/index.md", "index.html", "ru/index.html"] == pages


def test_a_missing_translation_is_told_before_all_else(tmp_path):
    config = write_docs(tmp_path)
    grouped = config.read_text("utf-8").replace("  - closing.md", "  - 课程:\n      - closing.md")
    config.write_text(grouped, "utf-8")
    (tmp_path / "docs/ru/closing.md").unlink()
    (tmp_path / "docs/zh/index.md").write_text("no title\n")
    with pytest.raises(BuildError) as caught:
        build(output=tmp_path / "site", progress=lambda _: None, config=config)
    assert ["docs/ru/closing.md is missing (nav of mkdocs.yml)"] == caught.value.problems


def test_a_site_that_fails_leaves_the_one_before(small_site, tmp_path):
    config, output = write_docs(tmp_path), tmp_path / "site"
    shutil.copytree(small_site, output)
    (tmp_path / "docs/zh/index.md").write_text("no title\n")
    with pytest.raises(BuildError):
        build(output=output, progress=lambda _: None, config=config)
    assert (output / "index.html").is_file()
    assert {"docs", "mkdocs.yml", "site"} == {path.name for path in tmp_path.iterdir()}


def test_a_build_tells_its_languages_in_their_order_prints_nothing_and_is_not_stale(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(site, "_fingerprint", lambda: "of these sources")
    told: list[str] = []
    build(output=tmp_path / "site", progress=told.append, config=write_docs(tmp_path))
    assert list(LANGUAGES) == told
    assert ("", "") == capfd.readouterr()
    assert not is_stale(tmp_path / "site")
    monkeypatch.setattr(site, "_fingerprint", lambda: "of other sources")
    assert is_stale(tmp_path / "site")


def test_a_site_is_stale_when_it_is_missing_or_its_sources_changed(tmp_path, monkeypatch):
    write_docs(tmp_path)
    monkeypatch.setattr(site, "source_root", lambda: tmp_path)
    output = tmp_path / "site"
    assert is_stale(output)
    output.mkdir()
    shutil.copy(source_stamp(tmp_path), output / ".sources")
    assert not is_stale(output)
    (tmp_path / "docs/ru/index.md").write_text("# other {#other}\n")
    assert is_stale(output)


def source_stamp(folder: Path) -> Path:
    stamp = folder / "stamp"
    stamp.write_text(site._fingerprint(), "utf-8")
    return stamp


def test_the_sources_are_found_inside_an_installed_package(tmp_path, monkeypatch):
    (tmp_path / "_source").mkdir()
    for module in (pages, site):
        monkeypatch.setattr(module, "PACKAGE", tmp_path)
    monkeypatch.setattr(site.platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    assert tmp_path / "_source" == site.source_root()
    assert tmp_path / "cache/site" == site.default_output()
