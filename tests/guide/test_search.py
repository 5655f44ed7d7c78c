"""What readers look for, asked of the real site's search: the theme's own script, with the index of each language."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from server import WAIT_S, files_alone

from reference_ws.guide.glossary import search_words
from reference_ws.guide.pages import source_root
from reference_ws.guide.words.catalogs import LANGUAGES

pytestmark = pytest.mark.needs("chromium")

FOLDERS = {"zh": "/", "pt": "/pt/", "ru": "/ru/"}

# Asks the theme's worker as its page does. For each query: the pages found, and of each the sections, best first.
ASK = """async ([folder, queries]) => {
  const home = await (await fetch(folder)).text()
  const worker = new Worker(new URL(JSON.parse(home.match(/id="__config"[^>]*>(.*?)<\\/script>/)[1]).search, origin))
  const ask = message => new Promise((answered, failed) => {
    Object.assign(worker, { onmessage: ({ data }) => answered(data), onerror: failed }).postMessage(message)
  })
  const index = await (await fetch(`${folder}search/search_index.json`)).json()
  await ask({ type: 0, data: { ...index, options: { suggest: true } } })
  const found = {}
  for (const query of queries) {
    const { data: { items } } = await ask({ type: 2, data: query })
    found[query] = items.map(page => page.filter(({ score }) => score).sort((a, b) => b.score - a.score))
  }
  worker.terminate()
  return found
}"""


@pytest.fixture(scope="module")
def search(whole_site: Path, browser: Browser) -> Iterator[Callable[..., dict[str, list[list[dict]]]]]:
    with files_alone(whole_site) as address:
        page = browser.new_page()
        page.set_default_timeout(WAIT_S * 1000)
        page.goto(f"{address}/404.html")
        yield lambda language, *queries: page.evaluate(ASK, [FOLDERS[language], queries])
        page.close()


def section(location: str) -> str:
    page, _, anchor = location.partition("#")
    return "#".join(filter(None, (page.rstrip("/") or "index", anchor)))


WORDS = {
    "zh": {
        "心跳": "production#pings",
        "广播": "index#reading-a-transcript",
        "断线重连": "client#reconnect",
        "重连": "client#reconnect",
        "鉴权": "auth",
        "认证": "auth",
        "依赖注入": "parameters#dependency",
        "多进程": "production#workers",
        "分片": "wire#fragments",
        "关闭码": "lifecycle#close-codes",
        "断开": "closing#client-closes",
        "超时": "production#limits",
    },
    "pt": {
        "autenticação": "auth",
        "autenticacao": "auth",
        "broadcast": "index#reading-a-transcript",
        "heartbeat": "production#pings",
        "reconectar": "client#reconnect",
        "reconexão": "client#reconnect",
        "código de encerramento": "lifecycle#close-codes",
        "timeout": "production#limits",
    },
    "ru": {
        "рассылка": "index#reading-a-transcript",
        "рассылки": "index#reading-a-transcript",
        "авторизация": "auth",
        "аутентификация": "auth",
        "таймаут": "production#limits",
        "переподключение": "client#reconnect",
        "обрыв": "closing#lost-client",
        "код закрытия": "lifecycle#close-codes",
    },
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_that_readers_look_for_lead_to_their_section(search, language):
    expected = WORDS[language]
    found = search(language, *expected)
    first = {query: [section(page[0]["location"]) for page in found[query][:1]] for query in expected}
    assert {query: [at] for query, at in expected.items()} == first


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_other_name_of_a_term_finds_what_is_about_it(search, language):
    """Among the first three pages: a name may be that of more than one term."""
    words = search_words(source_root() / "docs")[language]
    found = search(language, *{word for names in words.values() for word in names})
    missed = {
        (word, at)
        for at, names in words.items()
        for word in names
        if at not in {section(one["location"]) for page in found[word][:3] for one in page}
    }
    assert set() == missed


@pytest.mark.parametrize(
    ("language", "query", "other"), [("ru", "обрыв", "обработчик"), ("pt", "código de encerramento", "decode_json")]
)
def test_what_only_begins_alike_comes_last(search, language, query, other):
    pages = search(language, query)[query]
    scores = {other in one["title"].lower(): one["score"] for page in reversed(pages) for one in reversed(page)}
    assert scores[False] > 1000 * scores.get(True, 0)


def test_cells_of_a_table_are_words_of_their_own(search):
    [[best, *_], *_] = search("pt", "closure")["closure"]
    assert "lifecycle#close-codes" == section(best["location"])
    assert {"closure": True} == best["terms"]


def test_a_chinese_word_that_no_page_has_finds_no_word_that_only_begins_like_it(search):
    """Of 认领 a page may have 认, but neither 认识 nor 认得."""
    shown = [one["text"] + one["title"] for page in search("zh", "认领")["认领"] for one in page]
    assert not [text for text in shown if "<mark>认识" in text or "<mark>认得" in text]


def test_a_result_does_not_lack_the_word_that_it_was_found_by(search):
    [[best, *_], *_] = search("ru", "рассылками")["рассылками"]
    assert {"рассылками": True} == best["terms"]
