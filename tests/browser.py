"""Runs the javascript and html fences of a page in Chromium, as a reader does who has the page before them.

The pages of a process share one Chromium, each in a profile of its own.

The tab shows a document at the address of the page, on a server that answers as `reference-ws serve` does, with the
page's own application: at ``/live/...``, and, for files that a reader serves, at the paths of the application itself.
A javascript fence is typed into the console, where ``await`` stands at the top and a name is declared again; an html
fence is the tab's next document.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import cache
from time import monotonic
from typing import Any, Final

from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.async_api import Browser, async_playwright
from server import WAIT_S, in_loop
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send
from tools import at_end, program

from reference_ws.guide.live import live_application
from reference_ws.guide.pages import IN_BROWSER, Fence, Page, PageError, live_path

LAUNCHED: Final = {
    "args": ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
    "timeout": WAIT_S * 1000,
}
"""How Playwright launches Chromium; by itself it would give it up after 30 s."""


class Tab:
    """A tab for one page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.done: set[int] = set()
        self._portal, browser = _chromium()
        with ExitStack() as stack:
            self._opened = stack.enter_context(self._portal.wrap_async_context_manager(_opened(page, browser)))
            self._stack = stack.pop_all()

    def run(self, fence: Fence) -> None:
        """Run a fence, and before it those above that haven't run. Raises `PageError`."""
        for above in self.page.fences:
            wanted = above.kind in IN_BROWSER and "run" not in above.options
            if wanted and above.line <= fence.line and above.line not in self.done:
                self.done.add(above.line)
                self._portal.call(self._opened.run, above)

    def close(self) -> None:
        self._stack.close()


@cache
def _chromium() -> tuple[BlockingPortal, Browser]:
    """Start a Chromium that stays until the last test is over, in a thread: the event loop of a page is held."""
    portal = at_end.enter_context(start_blocking_portal("asyncio"))
    browser = at_end.enter_context(portal.wrap_async_context_manager(_launched()))
    at_end.callback(_chromium.cache_clear)
    return portal, browser


@asynccontextmanager
async def _launched() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program("chromium"), **LAUNCHED)
        try:
            yield browser
        finally:
            await browser.close()


class _Opened:
    def __init__(self, page: Page, shown: dict[str, str], tab: Any, console: Any) -> None:
        self.page, self.shown, self.tab, self.console = page, shown, tab, console
        self.written: list[str] = []
        self.raised: list[str] = []
        tab.on("console", lambda message: self.written.append(message.text) if message.type == "log" else None)
        tab.on("pageerror", lambda error: self.raised.append(str(error)))

    async def run(self, fence: Fence) -> None:
        if fence.kind == "html":
            self.shown["document"] = fence.source
            await self.tab.reload()
            raised = []
        else:
            raised = await self.evaluate(fence.source)
        below = self.page.output(fence)
        expected = below.source.splitlines() if below else []
        deadline = monotonic() + WAIT_S
        while len(self.written) < len(expected) and not (raised or self.raised) and monotonic() < deadline:
            await self.tab.wait_for_timeout(20)
        await self.evaluate("0")  # what was written has arrived with the answer
        written, raised = self.written[:], [*raised, *self.raised]
        self.written.clear()
        self.raised.clear()
        if raised:
            raise PageError(self.page.file, fence.line, "\n".join(raised))
        if written != expected:
            told = "\n".join(["it writes:", *written, "and should write:", *expected])
            raise PageError(self.page.file, fence.line, told)

    async def evaluate(self, expression: str) -> list[str]:
        """Type into the console; tell what that raised."""
        options = {"replMode": True, "awaitPromise": True, "userGesture": True}
        sent = self.console.send("Runtime.evaluate", {"expression": expression, **options})
        result = await asyncio.wait_for(sent, WAIT_S)
        if "exceptionDetails" not in result:
            return []
        details = result["exceptionDetails"]
        return [details.get("exception", {}).get("description") or details["text"]]


@asynccontextmanager
async def _opened(page: Page, browser: Browser) -> AsyncIterator[_Opened]:
    live = live_application(page.path.parents[1], page.language)

    shown = {"document": f"<!doctype html><title>{page.title}</title>"}

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await HTMLResponse(shown["document"])(scope, receive, send)
            return
        if not scope["path"].startswith("/live/"):
            scope = {**scope, "path": live_path(page.name, "app") + scope["path"]}
        await live(scope, receive, send)

    async with in_loop(serve) as url:
        context = await browser.new_context()
        try:
            tab = await context.new_page()
            tab.set_default_timeout(WAIT_S * 1000)
            await tab.goto(f"{url.replace('ws:', 'http:')}/{page.name}/")
            yield _Opened(page, shown, tab, await context.new_cdp_session(tab))
        finally:
            await context.close()
