"""The lab as readers have it: the real site and its real server, in a real Chromium."""

import base64
import json
import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from lab_server import DOCS, built_site, serving
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Route, TimeoutError, expect

from reference_ws.catalogs import LANGUAGES, catalog
from reference_ws.guide.lab import play
from reference_ws.guide.lab.words import words_of
from reference_ws.guide.pages import Page as Source
from reference_ws.guide.pages import read_page
from reference_ws.transcript import Transcript, parse
from reference_ws.transcript.grammar import format_step
from reference_ws.transcript.steps import ClientClose, ClientData, Connect, Deny, Drop, Silence, States, Step

pytestmark = pytest.mark.browser

SOURCES = [page for page in map(read_page, sorted(DOCS.glob("??/*.md"))) if page.examples]
WORDS = {language: words_of(catalog(language)) for language in LANGUAGES}
# Chromium says so of each handshake that is refused, whoever asked for it.
REFUSED = re.compile(
    r"WebSocket connection to 'ws://127\.0\.0\.1:\d+/lab/\S+' failed: "
    r"(Error during WebSocket handshake: Unexpected response code: \d+|Connection closed before receiving .*)"
)
# The search of these pages is none of the lab's, but it costs half of the time in which they load.
SEARCH = re.compile(r"/assets/javascripts/workers/search|/search/search_index\.json")
NOTHING_FOUND = {"config": {"lang": ["en"], "separator": " ", "pipeline": []}, "docs": []}


# --- the site, its two hosts, and a reader ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def site() -> Path:
    return built_site()


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    """Where the site is served with everything live; steps follow each other at once."""
    with pytest.MonkeyPatch.context() as patch, serving(site) as address:
        patch.setattr(play, "PACE_S", 0.0)
        yield address


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def static_address(site) -> Iterator[str]:
    """Where the same files are served by a host that knows nothing of them."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=site)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def answer_search(route: Route) -> None:
    route.fulfill(json=NOTHING_FOUND) if route.request.url.endswith(".json") else route.fulfill(
        body="", content_type="text/javascript"
    )


@pytest.fixture(scope="module")
def context(browser) -> Iterator[BrowserContext]:
    """A browser as most have it, for all tests that need no other."""
    with closing(browser.new_context(permissions=["clipboard-read", "clipboard-write"])) as context:
        context.route(SEARCH, answer_search)
        yield context


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser, context, address) -> Iterator[Visit]:
    """Visit a page; after the test nothing may have been asked of another host, nor an error have been logged."""
    own: list[BrowserContext] = []
    pages: list[Page] = []
    foreign: list[str] = []
    errors: list[object] = []

    def requested(url: str, host: str) -> None:
        if re.sub(r"^(http|ws)", "", url).removeprefix(host.removeprefix("http"))[:1] != "/":
            foreign.append(url)

    def logged(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not REFUSED.fullmatch(message.text):
            errors.append((message.text, message.location))

    def go(path: str, *, host: str = address, **options: object) -> Page:
        if options:
            own.append(browser.new_context(**options))
            own[-1].route(SEARCH, answer_search)
        page = (own[-1] if options else context).new_page()
        page.set_default_timeout(5_000)
        pages.append(page)
        page.on("request", lambda request: requested(request.url, host))
        page.on("websocket", lambda socket: requested(socket.url, host))
        page.on("console", logged)
        page.on("pageerror", lambda error: errors.append(error))
        page.goto(host + path, wait_until="domcontentloaded")
        return page

    yield go
    for page in pages:
        page.close()
    for context_ in own:
        context_.close()
    assert ([], []) == (foreign, errors)


def path_of(language: str, name: str, more: str = "") -> str:
    return ("/" if language == "zh" else f"/{language}/") + ("" if name == "index" else f"{name}/") + more


def example(language: str, name: str, number: int) -> Transcript:
    return parse(read_page(DOCS / language / f"{name}.md").examples[number - 1].source)


class Lab:
    """An example on a page and what stands below it, by the names that its reader sees."""

    def __init__(self, page: Page, number: int) -> None:
        self.page = page
        self.words = WORDS[page.locator("html").get_attribute("lang")]
        self.figure = page.locator(f"#example-{number}")
        self.root = self.figure.locator(".ws-lab")
        self.alert = self.root.get_by_role("alert")
        self.verdict, self.told, self.asks, self.explanation, self.states = (
            self.root.locator(f".ws-lab__{name}") for name in ("verdict", "told", "asks", "explanation", "states")
        )
        self.rows = self.root.locator(".ws-transcript__drawing .step")
        self.listing = self.root.locator(".ws-lab__pane--transcript pre code:visible")

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=self.words[name], exact=True)

    def field(self, name: str) -> Locator:
        return self.root.locator("label", has_text=self.words[name]).locator("input, select, textarea")

    def says(self, part: str, text: str) -> None:
        """Wait for a text; `expect` does the same but looks ten times a second, which is too slow for so many pages."""
        look = "([root, part, text]) => root.querySelector(part)?.textContent === text"
        try:
            self.page.wait_for_function(look, arg=[self.root.element_handle(), f".ws-lab__{part}", text])
        except TimeoutError:
            expect(self.root.locator(f".ws-lab__{part}")).to_have_text(text, timeout=1)

    def do(self, step: Step) -> None:
        """Do with the fields of "Play freely" what a line of a transcript says."""
        if self.field("client").is_visible():
            self.field("client").fill(step.client)
        if isinstance(step, Connect):
            self.field("target").fill(step.target)
            offered = [value for name, value in step.headers if name == "sec-websocket-protocol"]
            self.field("protocols").fill(", ".join(offered))
            lines = [f"{name}: {value}" for name, value in step.headers if name != "sec-websocket-protocol"]
            self.field("headers").fill("\n".join(lines))
            self.button("connect").click()
        elif isinstance(step, ClientData):
            form, _, value = format_step(step).removeprefix(f"{step.client} ").removeprefix("-> ").partition(" ")
            self.field("kind").select_option(form)
            self.field("message").fill(json.loads(value) if form == "text" else value)
            self.field("message").press("Enter")
        elif isinstance(step, ClientClose):
            self.field("close_code").fill("" if step.code == 1005 else str(step.code))
            self.field("reason").fill(step.reason)
            self.button("close_connection").click()
        elif isinstance(step, Drop):
            self.button("drop").click()


def played_as_written(language: str, script: Transcript) -> str:
    count = len(script.steps)
    title = catalog(language).ngettext("Played as written: %(count)d step", "Played as written: %(count)d steps", count)
    return title % {"count": count}


# --- every page, in every language ------------------------------------------------------------------------------------


def shortest(source: Source) -> tuple[int, Transcript]:
    """Choose the shortest example in which a handshake is accepted and something is said."""

    def length(item: tuple[int, Transcript]) -> tuple[bool, bool, int]:
        steps = item[1].steps
        says = any(isinstance(step, ClientData) for step in steps)
        return any(isinstance(step, Deny) for step in steps), not says, len(steps)

    return min(enumerate((parse(fence.source) for fence in source.examples), 1), key=length)


def done_by_clients(steps: Sequence[Step]) -> list[tuple[str, str, object]]:
    """List what clients do, whatever the form in which a frame is written."""
    kinds = (Connect, ClientData, ClientClose, Drop)
    return [
        (step.client, type(step).__name__, getattr(step, "target", "")) for step in steps if isinstance(step, kinds)
    ]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: f"{source.language}-{source.name}")
def test_an_example_of_every_page_is_run_stepped_and_played(visit, source):
    number, script = shortest(source)
    title = played_as_written(source.language, script)
    lab = Lab(visit(path_of(source.language, source.name)), number)

    lab.button("run").click()
    lab.says("verdict", title)
    expect(lab.rows).to_have_count(len(script.steps))

    lab.button("step").click()
    for step in script.steps:
        lab.says("asks", format_step(step))
        lab.page.keyboard.press("Enter")
    lab.says("verdict", title)

    lab.button("play").click()
    messages = [step for step in script.steps if not isinstance(step, States | Silence)]
    for number, step in enumerate(messages):
        lab.do(step)
        lab.rows.nth(number).wait_for(state="attached")
    assert done_by_clients(messages) == done_by_clients(parse(lab.listing.text_content()).steps)
