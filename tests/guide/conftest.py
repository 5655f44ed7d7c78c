import gc
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from browser import LAUNCHED
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from server import WAIT_S, files_alone
from small_docs import write_docs, write_reference
from tools import program

from reference_ws.guide.lab.runtime import RuntimeMissingError
from reference_ws.guide.site import add_python, build, has_python

# The search costs half of the time in which a page loads. (To answer its requests here would be no gain: Playwright
# turns the browser's cache off for that.)
NO_SEARCH = """
const Other = Worker
window.Worker = function (url, options) {
  if (!/workers\\/search/.test(url)) return new Other(url, options)
  return Object.assign(new EventTarget(), { postMessage() {}, terminate() {} })
}
"""


@pytest.fixture(scope="session")
def small_site(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The site of the small documents, with a reference: built once a run, not to be changed."""

    def build_small(folder: Path) -> None:
        config = write_docs(folder)
        write_reference(folder / "docs")
        build(output=folder / "site", progress=lambda _: None, config=config)

    return once("small", build_small) / "site"


@pytest.fixture(scope="module")
def browser(full: bool) -> Iterator[Browser]:
    """Start the Chromium of the system; tests that use it are marked with ``needs("chromium")``.

    It compiles Python once, not again where that is busy, which makes a start a third cheaper; with ``--full`` it does
    as readers' browsers do.
    """
    expect.set_options(timeout=WAIT_S * 1000)  # a busy machine is no failure
    options = LAUNCHED if full else {**LAUNCHED, "args": [*LAUNCHED["args"], "--js-flags=--liftoff-only"]}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), **options)
        yield browser
        browser.close()


def new_context(browser: Browser, *, search: bool = False, **options: object) -> BrowserContext:
    """Open a browser's profile: nothing is stored in it, nothing loaded, no service worker is there.

    Takes Playwright's options of a context; in it the site's search is made only where `search` says so.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(WAIT_S * 1000)
    if not search:
        context.add_init_script(NO_SEARCH)
    return context


AS_MOST_HAVE_IT: Final = {
    "permissions": ["clipboard-read", "clipboard-write"],
    "reduced_motion": "reduce",
    "viewport": {"width": 800, "height": 600},
}


@pytest.fixture
def open_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Open profiles for this test."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(closing(new_context(browser, **options)))


@pytest.fixture
def context(open_context: Callable[..., BrowserContext]) -> BrowserContext:
    """A profile as most have it, for all tests that need no other."""
    return open_context(**AS_MOST_HAVE_IT)


@pytest.fixture(scope="module")
def tabs(browser: Browser) -> Iterator[Callable[[bool], Page]]:
    """Give a tab that stays, with the search or without: a page costs a quarter there of what it does in a new one."""
    with ExitStack() as stack:

        @cache
        def opened(search: bool) -> Page:
            return stack.enter_context(closing(new_context(browser, search=search, **AS_MOST_HAVE_IT))).new_page()

        yield opened


@pytest.fixture
def kept_tab(tabs: Callable[[bool], Page], address: str) -> Iterator[Callable[..., Page]]:
    """Take a tab that stays; what the test leaves in it is forgotten afterwards."""
    taken: list[Page] = []

    def take(*, search: bool = False) -> Page:
        taken.append(tabs(search))
        return taken[-1]

    yield take
    for tab in taken:
        tab.goto("about:blank")
        tab.unroute_all()
        tab.set_viewport_size(AS_MOST_HAVE_IT["viewport"])
        tab.context.clear_cookies()
        console = tab.context.new_cdp_session(tab)
        console.send("Storage.clearDataForOrigin", {"origin": address, "storageTypes": "all"})
        console.detach()


@pytest.fixture(scope="module")
def site(whole_site: Path) -> Path:
    """The whole site, with what runs its examples in the browser."""
    if not has_python(whole_site):
        try:
            add_python(whole_site)
        except RuntimeMissingError as missing:
            pytest.skip(f"Python for the browser can't be had: {missing}")
    return whole_site


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the files are served by a host that knows nothing of them."""
    with files_alone(site) as address:
        yield address


@pytest.fixture
def visit(
    open_context: Callable[..., BrowserContext], context: BrowserContext, address: str
) -> Iterator[Callable[..., Page]]:
    """Visit a page; after the test nothing may have been asked of another host, nor an error have been logged."""
    pages: list[Page] = []
    foreign: list[str] = []
    errors: list[object] = []

    def requested(url: str, host: str) -> None:
        if not url.startswith(("blob:", "data:")) and re.sub(r"^ws", "http", url).removeprefix(host)[:1] != "/":
            foreign.append(url)

    def logged(message: ConsoleMessage) -> None:
        # Said of what a test takes away: the runtime, and the service worker, which would bring it back.
        expected = "runtime.json" in message.location["url"] or "blocked by Playwright" in message.text
        if message.type in ("error", "warning") and not expected:
            errors.append((message.text, message.location))

    def go(path: str, *, host: str = address, **options: object) -> Page:
        page = (open_context(**options) if options else context).new_page()
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
    assert ([], []) == (foreign, errors)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write one page of a language into a folder of its own."""

    def write_page(text: str, *, language: str = "ru", name: str = "closing") -> Path:
        path = tmp_path / "docs" / language / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_page


@pytest.fixture
def run_documents(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run pytest on the documents in `tmp_path`, in this process: it has imported all that they need."""
    for file in ("conftest.py", "pyproject.toml"):
        shutil.copy(Path(__file__).parents[2] / file, tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        # A task that is collected with its exception unread is logged with a traceback, for which Python parses lines;
        # in the middle of parsing a file that is a SystemError on Python 3.11.
        gc.collect()
        options = ("-p", "no:cacheprovider", "--tb=short", "-v", *arguments)
        return str(pytester.runpytest_inprocess("docs", *options).stdout)

    return run
