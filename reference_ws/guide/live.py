"""The pages' examples, live: ``ws://127.0.0.1:8000/live/messages/echo`` answers as the page ``messages`` says.

A page's samples run once, when its first client comes, from top to bottom. What its transcripts talk to is then served
under `reference_ws.guide.pages.live_path`; they aren't played, for a client would find what they leave behind. An
application sees its own paths: the part in front of them is the ASGI ``root_path``.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from reference_ws.guide.pages import live_path, read_page
from reference_ws.guide.running import PageRun, failure_text
from reference_ws.guide.words.catalogs import LANGUAGES, catalog, language_of

logger = logging.getLogger(__name__)

Mounts = dict[str, ASGIApp]
"""Path in front -> application."""

_DENIAL = "websocket.http.response"
# What an outer Starlette application left in the scope: an example stands on its own.
_FOREIGN = {"app", "app_root_path", "endpoint", "path_params", "router"}


def live_application(docs: Path, language: str = LANGUAGES[0]) -> ASGIApp:
    """Make the application that serves ``/live/...`` for the pages in `docs`; it takes HTTP and WebSocket scopes.

    The code is equal in every language, so the pages of one run. An unknown address is refused with a 404
    that lists the known ones; a page whose code is broken is refused with a 500, and the error is logged once; it
    is run again when its file has changed. The refusals speak the language of the client's ``Accept-Language``.
    """
    folder = docs.resolve() / language
    running: dict[str, asyncio.Task[Mounts | None]] = {}
    tried: dict[str, int] = {}  # the page's time of change when it was run

    async def live(scope: Scope, receive: Receive, send: Send) -> None:
        words = catalog(language_of(Headers(raw=scope.get("headers", [])).get("accept-language")))
        base = "/".join(scope["path"].split("/", 3)[:3])
        page = base.removeprefix("/live/").partition(".")[0]
        pages = {path.stem: path for path in sorted(folder.glob("*.md"))}
        if page not in pages:
            response = _refusal(404, words.gettext("There is no such page. The pages:"), *map(live_path, pages))
        else:
            changed = pages[page].stat().st_mtime_ns
            failed = page in running and running[page].done() and running[page].result() is None
            if page not in running or (failed and changed != tried[page]):
                running[page] = asyncio.create_task(_mounts(pages[page]), name=f"page {page}")
                tried[page] = changed
            # The page belongs to all of its clients: one that leaves meanwhile doesn't stop it.
            mounts = await asyncio.shield(running[page])
            if mounts is None:
                problem = words.gettext("The examples of the page %(page)s don't run; the server's log says why.")
                response = _refusal(500, problem % {"page": page})
            elif base not in mounts:
                problem = words.gettext("There is no such example on the page %(page)s. Its examples:")
                response = _refusal(404, problem % {"page": page}, *mounts)
            else:
                own = {key: value for key, value in scope.items() if key not in _FOREIGN}
                response = mounts[base]
                scope = {**own, "root_path": base}
        await response(scope, receive, send)

    return live


async def _mounts(path: Path) -> Mounts | None:
    try:
        page = read_page(path)
        run = PageRun(page)
        await run.up_to(play=False)
    except Exception as error:
        logger.error("%s", failure_text(path, error))
        return None
    mounts = {live_path(page.name, name): app for name, app in run.applications.items()}
    limited = {live_path(page.name, name, False): without_denial(app) for name, app in run.applications.items()}
    return mounts | limited


def without_denial(app: ASGIApp) -> ASGIApp:
    """Wrap `app` as a server runs it that lacks the extension WebSocket Denial Response."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = {name: value for name, value in (scope.get("extensions") or {}).items() if name != _DENIAL}
        await app({**scope, "extensions": extensions}, receive, send)

    return limited


def _refusal(status: int, *lines: str) -> ASGIApp:
    response = PlainTextResponse("\n".join(lines) + "\n", status)

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and _DENIAL not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close"})
        else:
            await response(scope, receive, send)

    return refuse
