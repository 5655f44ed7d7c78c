import re
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from playwright.sync_api import Page, expect
from server import files_alone
from small_docs import PAGES, TAGS, TITLES

pytestmark = pytest.mark.needs("chromium")

HOMES = {"zh": "/", "pt": "/pt/", "ru": "/ru/"}
ADDRESSES = [home + ("" if page == "index" else f"{page}/") for home in HOMES.values() for page in PAGES]


def language_of(path: str) -> str:
    return next((language for language in ("pt", "ru") if path.startswith(f"/{language}/")), "zh")


@pytest.fixture(scope="module")
def address(small_site) -> Iterator[str]:
    """Serve the site on another port than its site_url says."""
    with files_alone(small_site) as address:
        yield address


@pytest.fixture
def tab(kept_tab) -> Page:
    """A page for all tests that need no other."""
    return kept_tab()


@pytest.fixture
def searching(kept_tab) -> Page:
    """A page that has the search."""
    return kept_tab(search=True)


@pytest.fixture
def read_by(searching) -> Iterator[Callable[[str, str], Page]]:
    """Open a page as somebody who reads in `locale`."""
    settings = searching.context.new_cdp_session(searching)
    agent = searching.evaluate("navigator.userAgent")

    def read(locale: str, url: str) -> Page:
        # Both of them are all that Playwright's own option does, which is for a whole profile.
        settings.send("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": locale})
        settings.send("Emulation.setLocaleOverride", {"locale": locale})
        searching.goto(url)
        return searching

    yield read
    settings.send("Emulation.setUserAgentOverride", {"userAgent": agent})
    settings.send("Emulation.setLocaleOverride")
    settings.detach()


def opened(page: Page, url: str, *, scheme: str = "light", **size: int) -> Page:
    page.goto("about:blank")  # else an address that differs by its anchor alone would not be loaded
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 1280, "height": 720, **size})
    page.goto(url)
    return page


def scheme(page: Page) -> str:
    return page.evaluate("document.body.getAttribute('data-md-color-scheme')")


def luminance(page: Page, selector: str, name: str) -> float:
    red, green, blue = page.evaluate(
        "([selector, name]) => getComputedStyle(document.querySelector(selector))[name].match(/[\\d.]+/g).slice(0, 3)",
        [selector, name],
    )
    return (float(red) * 0.299 + float(green) * 0.587 + float(blue) * 0.114) / 255


@pytest.mark.parametrize(
    ("start", "language", "end"),
    [
        ("/", "ru", "/ru/"),
        ("/pt/", "zh", "/"),
        ("/closing/#last", "pt", "/pt/closing/#last"),
        ("/pt/closing/#last", "ru", "/ru/closing/#last"),
        ("/ru/closing/#last", "zh", "/closing/#last"),
        ("/ru/closing/#last", "ru", "/ru/closing/#last"),
    ],
)
def test_the_language_switcher_keeps_page_and_anchor(tab, address, start, language, end):
    page = opened(tab, address + start)
    page.hover(".md-header .md-select")
    page.click(f".md-select__link[hreflang={language}]")
    page.wait_for_url(address + end)
    assert TAGS[language] == page.evaluate("document.documentElement.lang")


OFFERS = {"zh": "阅读本页的中文版", "pt": "Esta página em português", "ru": "Эта страница на русском"}


@pytest.mark.parametrize(
    ("locale", "start", "offered", "end"),
    [
        ("pt-BR", "/closing/#last", "pt", "/pt/closing/#last"),
        ("ru-RU", "/pt/closing/", "ru", "/ru/closing/"),
        ("zh-TW", "/ru/", "zh", "/"),
    ],
)
def test_a_page_in_another_language_offers_the_reader_s(read_by, address, locale, start, offered, end):
    page = read_by(locale, address + start)
    offer = page.get_by_role("complementary", name=OFFERS[offered])
    expect(offer).to_have_attribute("lang", offered)
    offer.get_by_role("link", name=OFFERS[offered]).click()
    page.wait_for_url(address + end)
    expect(page.locator(".ws-offer")).to_have_count(0)
    page.goto(address + start)  # whoever has chosen is not asked again
    expect(page.locator(".md-content h1")).to_be_visible()
    expect(page.locator(".ws-offer")).to_have_count(0)
    assert [("ws-language", offered)] == [(one["name"], one["value"]) for one in page.context.cookies()]


def test_an_offer_that_is_declined_does_not_come_back(read_by, address):
    page = read_by("pt-BR", address + "/ru/closing/")
    page.get_by_role("button", name="Não, obrigado").press("Enter")
    expect(page.locator(".ws-offer")).to_have_count(0)
    page.goto(address + "/ru/")
    expect(page.locator(".md-content h1")).to_be_visible()
    expect(page.locator(".ws-offer")).to_have_count(0)


@pytest.mark.parametrize(
    ("locale", "start"), [("zh-CN", "/"), ("pt-PT", "/pt/closing/"), ("en-US", "/ru/"), ("de", "/")]
)
def test_nobody_is_offered_what_they_read_or_can_t_read(read_by, address, locale, start):
    page = read_by(locale, address + start)
    expect(page.locator(".md-content h1")).to_be_visible()
    expect(page.locator(".ws-offer")).to_have_count(0)


def results(page: Page, query: str) -> list[str]:
    """Search for `query`; return the paths of the pages found, best first."""
    query_box, told = page.locator("[data-md-component=search-query]"), page.locator(".md-search-result__meta")
    query_box.click()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    expect(told).to_have_text(re.compile("^(键入以开始搜索|Digite para iniciar a busca|Начните печатать для поиска)$"))
    invitation = told.inner_text()
    page.keyboard.insert_text(query)  # at once: no results for its first letters
    page.keyboard.press("End")  # Material searches when a key is released
    expect(told).not_to_have_text(invitation)
    return page.eval_on_selector_all("a.md-search-result__link", "all => all.map(link => link.pathname)")


@pytest.mark.parametrize(
    ("language", "queries"),
    [
        ("zh", ["广播", "所有人", "关闭连接"]),
        ("pt", ["transmissões", "transmissao", "conexoes", "conexão"]),
        ("ru", ["рассылка", "рассылки", "соединений", "закрытии"]),
    ],
)
def test_search_finds_inflected_words_in_the_readers_language_only(searching, address, language, queries):
    page = opened(searching, address + HOMES[language])
    page.wait_for_load_state("networkidle")
    for query in queries:
        found = results(page, query)
        assert f"{HOMES[language]}closing/" == found[0], query
        assert {language} == {language_of(path) for path in found}, query


def test_search_does_not_find_words_of_another_language(searching, address):
    page = opened(searching, address)
    page.wait_for_load_state("networkidle")
    for query in ("рассылка", "transmissões"):
        assert [] == results(page, query)


def test_no_page_asks_another_host_or_logs_an_error_or_scrolls_sideways_on_a_narrow_screen(tab, searching, address):
    foreign, messages, widths = [], [], {}
    missing = ["/404.html", "/ru/404.html"]
    for page, paths in ((tab, [*ADDRESSES, *missing]), (searching, HOMES.values())):
        opened(page, address, width=360, height=780)
        page.on("request", lambda request: foreign.append(request.url) if not request.url.startswith(address) else None)
        page.on("console", lambda message: messages.append((message.text, message.location)))
        page.on("pageerror", lambda error: messages.append(error))
        for path in paths:
            page.goto(address + path)
            page.wait_for_timeout(50)
            widths[path] = page.evaluate("document.documentElement.scrollWidth")
    assert ([], []) == (foreign, messages)
    assert dict.fromkeys([*ADDRESSES, *missing], 360) == widths


def served(page: Page, url: str) -> Page:
    """Open a page as `reference-ws serve` answers it: with a server behind its addresses."""
    page.route(
        "**/lab/mode.js", lambda route: route.fulfill(body="export const live = true", content_type="text/javascript")
    )
    opened(page, url)
    page.wait_for_selector(":root.ws-live")
    return page


def test_live_addresses_name_the_server_of_the_page(searching, address):
    page = served(searching, f"{address}/closing/")
    expected = address.replace("http:", "ws:") + "/live/closing.raw.nodenial/denied?token=abc"
    assert expected == page.text_content("[data-live]")
    expect(page.locator("[data-live]").first).to_be_visible()


def test_addresses_in_prose_and_console_name_the_server_of_the_page(searching, address):
    host = address.removeprefix("http://")
    page = served(searching, address)
    assert [
        "make serve",
        f"http://{host}",
        f'ws = new WebSocket("ws://{host}/live/index/echo")',
        "http://127.0.0.1:80001",
    ] == page.eval_on_selector_all(
        "article p:not([hidden]) > code:not([data-live])", "all => all.map(it => it.textContent)"
    )
    shown = page.locator(".language-console code").text_content()
    assert f"$ python -m websockets ws://{host}/live/index/echo" == shown.strip()
    expect(page.locator(".ws-elsewhere")).to_be_hidden()


@pytest.mark.parametrize(
    ("language", "told"), [("zh", "本页上的地址"), ("pt", "Os endereços"), ("ru", "Адреса на этой")]
)
def test_where_only_files_are_no_address_is_shown_as_if_it_answered(tab, address, language, told):
    page = opened(tab, f"{address}{HOMES[language]}closing/")
    expect(page.locator("[data-live]").first).to_be_hidden()
    page = opened(tab, f"{address}{HOMES[language]}")
    expect(page.locator(".ws-elsewhere")).to_have_count(1)
    expect(page.locator(".ws-elsewhere")).to_contain_text(told)
    shown = page.locator(".language-console code").text_content()
    assert "$ python -m websockets ws://127.0.0.1:8000/live/index/echo" == shown.strip()


def test_what_a_transcript_says_stays_as_it_is(tab, address):
    page = opened(tab, address)
    assert "    origin: http://127.0.0.1:8000\n" in page.text_content(".ws-transcript pre code")


@pytest.mark.parametrize(
    ("language", "name"), [("zh", "放大时序图"), ("pt", "Ampliar o diagrama"), ("ru", "Увеличить диаграмму")]
)
def test_a_diagram_opens_over_the_whole_screen_and_escape_closes_it(tab, address, language, name):
    page = opened(tab, f"{address}{HOMES[language]}closing/", width=1920, height=1080)
    small = page.locator(".ws-transcript__drawing svg").first.bounding_box()
    page.get_by_role("button", name=name).first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator(".ws-transcript__dialog[open]")
    expect(dialog).to_be_visible()
    large = dialog.locator("svg").bounding_box()
    assert large["width"] > 1.5 * small["width"]
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator(".ws-transcript").first.locator("svg.ws-diagram")).to_have_count(1)


def test_a_click_on_a_diagram_opens_it_and_a_button_closes_it(tab, address):
    page = opened(tab, f"{address}/ru/closing/")
    page.click(".ws-transcript__drawing >> nth=0")
    page.get_by_role("button", name="Закрыть диаграмму").click()
    expect(page.locator(".ws-transcript__dialog[open]")).to_have_count(0)


def test_the_language_switcher_keeps_the_section_that_was_scrolled_to(tab, address):
    page = opened(tab, f"{address}/lifecycle/", width=1280, height=600)
    # Material writes the section once the scrolling rests, and not the first time. All of this scrolling ends in one
    # section: what is written late, on a busy machine, is the same.
    for pixels in count():
        if section := page.evaluate("location.hash"):
            break
        page.evaluate(
            "up => scrollTo({ top: document.body.scrollHeight - innerHeight - up, behavior: 'instant' })", pixels % 2
        )
        page.wait_for_timeout(400)
    page.hover(".md-header .md-select")
    page.click(".md-select__link[hreflang=ru]")
    page.wait_for_url(f"{address}/ru/lifecycle/{section}")
    page.go_back()
    page.wait_for_url(f"{address}/lifecycle/{section}")


def test_the_text_of_a_transcript_can_be_copied(tab, address):
    page = opened(tab, f"{address}/closing/")
    page.hover(".ws-transcript pre >> nth=0")
    page.click(".ws-transcript .md-code__button >> nth=0")
    expect(page.locator(".md-dialog--active")).to_be_visible()
    expected = "-> connect /denied?token=abc\n    cookie: a=b\n<- deny 403"
    assert expected == page.evaluate("navigator.clipboard.readText()")


def test_the_site_follows_the_systems_dark_mode(tab, address):
    page = opened(tab, f"{address}/closing/", scheme="dark")
    assert "slate" == scheme(page)
    assert luminance(page, "body", "backgroundColor") < 0.2
    assert luminance(page, ".ws-diagram text", "fill") > 0.6
    page.goto(f"{address}/lifecycle/")
    assert luminance(page, ".ws-states text", "fill") > 0.6


def test_the_reader_can_choose_the_mode(searching, address):
    page = opened(searching, f"{address}/closing/")
    assert luminance(page, ".ws-diagram text", "fill") < 0.4
    for _ in range(2):
        page.click(".md-header label[for^=__palette]:visible")
    assert "slate" == scheme(page)
    assert luminance(page, ".ws-diagram text", "fill") > 0.6
    page.goto(f"{address}/pt/lifecycle/")
    assert "slate" == scheme(page)


@pytest.mark.parametrize(("width", "beside"), [(1280, True), (360, False)])
def test_text_and_diagram_stand_beside_each_other_where_there_is_room(tab, address, width, beside):
    page = opened(tab, f"{address}/closing/", width=width, height=800)
    text = page.locator(".ws-transcript__text").first.bounding_box()
    diagram = page.locator(".ws-transcript__diagram").first.bounding_box()
    assert beside is (diagram["x"] >= text["x"] + text["width"])
    assert beside is (diagram["y"] < text["y"] + text["height"])


def smallest_text(page: Page) -> float:
    """Measure the smallest text of any diagram, in CSS pixels as shown."""
    return page.evaluate("""Math.min(...[...document.querySelectorAll('.ws-diagram text')].map(text =>
        parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))""")


@pytest.mark.parametrize(("width", "smallest"), [(360, 13), (1280, 13), (1920, 14.5)])
def test_the_text_of_a_diagram_is_large_enough(tab, address, width, smallest):
    page = opened(tab, f"{address}/closing/", width=width, height=800)
    assert smallest_text(page) >= smallest


def test_a_narrow_screen_scrolls_the_diagram(tab, address):
    page = opened(tab, f"{address}/closing/", width=360, height=800)
    box, content, place = page.evaluate("""(drawing => [drawing.clientWidth, drawing.scrollWidth,
        drawing.closest('figure').querySelector('.ws-transcript__text').clientWidth])(
        document.querySelector('.ws-transcript__drawing'))""")
    assert box < 320 < 360 < content
    assert box == place  # nothing takes room from it


@pytest.mark.parametrize("language", TITLES)
def test_the_color_toggle_is_named_in_the_readers_language(tab, address, language):
    page = opened(tab, address + HOMES[language])
    expected = {"zh": "切换到浅色模式", "pt": "Mudar para o modo claro", "ru": "Включить светлую тему"}[language]
    assert expected == page.get_attribute(".md-header label[for^=__palette]:visible", "title")


def test_a_missing_page_leads_to_the_search(searching, address):
    page = opened(searching, f"{address}/ru/404.html")
    page.wait_for_load_state("networkidle")
    page.get_by_role("link", name="Поискать её").click()
    expect(page.locator("[data-md-component=search-query]")).to_be_focused()
    page.wait_for_load_state("networkidle")
    assert "/ru/closing/" == results(page, "рассылка")[0]


def test_buttons_of_listings_are_no_landmarks(tab, address):
    page = opened(tab, f"{address}/closing/")
    expect(page.locator(".md-code__nav").first).to_have_role("presentation")
    expect(page.locator(".md-code__nav:not([role])")).to_have_count(0)


@pytest.mark.parametrize("answers", [False, True])
def test_a_page_is_printed_without_buttons_and_with_the_answers_only_for_the_teacher(tab, address, answers):
    page = opened(tab, f"{address}/closing/{'?answers' if answers else ''}")
    kinds = {"ws-exercise__hint": "Think.", "ws-exercise__solution": "So it is.", "question": "Because."}
    for kind, text in kinds.items():
        page.evaluate(
            "([kind, text]) => document.querySelector('article').insertAdjacentHTML('beforeend',"
            " `<details class=${kind}><summary>?</summary><p>${text}</p></details>`)",
            [kind, text],
        )
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    expect(page.locator("button:visible, [data-live]:visible, .md-code__nav:visible")).to_have_count(0)
    for text in kinds.values():
        expect(page.get_by_text(text)).to_be_visible(visible=answers)
    page.emulate_media(media="screen")


def test_a_printed_diagram_is_whole(tab, address):
    page = opened(tab, f"{address}/closing/", width=720)
    page.emulate_media(media="print")
    cut = "all => all.filter(drawing => drawing.scrollWidth > drawing.clientWidth + 1).length"
    assert 0 == page.eval_on_selector_all(".ws-transcript__drawing", cut)
    page.emulate_media(media="screen")
