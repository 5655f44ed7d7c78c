"""`reference-ws serve`: the site, and the pages' examples live, on one port."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvicorn
from anyio import to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from reference_ws.guards import LimitGuard, OriginGuard
from reference_ws.guide.lab.clock import LabLoop
from reference_ws.guide.lab.sessions import Lab
from reference_ws.guide.live import live_application
from reference_ws.guide.running import failure_line
from reference_ws.guide.words.catalogs import LANGUAGES, language_of

__all__ = ["application", "listen", "serve"]

MAX_MESSAGE_BYTES: Final = 1 << 20
# A class behind one address: sixty people with ten connections each. A process may often open no more than 1,024 files.
MAX_CONNECTIONS: Final = 900
MAX_CONNECTIONS_PER_CLIENT: Final = 600
# The foreign origin that a transcript comes from (production#origin). Nobody can have a name in .example (RFC 2606).
ALLOWED_ORIGINS: Final = ("https://friend.example",)
SAFE_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "SAMEORIGIN",
    "content-security-policy": "frame-ancestors 'self'",
}
"""What the pages forbid a browser: to guess types, to tell others their address, to be shown inside of others."""
LAB_MODE: Final = "assets/lab/mode.js"
"""The script by which a page knows that its examples are live."""


def application(site: Path, docs: Path) -> ASGIApp:
    """Make the application that serves the built `site`, the examples of the pages in `docs` and the lab.

    Browsers reach the examples from this site's own pages only; clients that are no browser are let in. A message of
    more than 1 MiB closes its connection, and there are at most 900 of these, 600 from one address.
    """
    live, lab = live_application(docs), Lab(docs)
    mode = Route(f"/{LAB_MODE}", lambda _: Response("export const live = true\n", media_type="text/javascript"))
    pages = Starlette(routes=[mode, Mount("/", _Site(lab, directory=site, html=True))])

    apps: dict[str, ASGIApp] = {"live": live, "lab": lab}

    # No Starlette around the examples: its exception handlers would answer for a bare ASGI function.
    async def serve_all(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not scope["path"].startswith("/"):  # OPTIONS *, CONNECT host:port
            await PlainTextResponse("The path of an address starts with /.", 400)(scope, receive, send)
            return
        first = "" if scope["type"] == "lifespan" else scope["path"].split("/")[1]
        await apps.get(first, pages)(scope, receive, send)

    bounded = LimitGuard(
        serve_all,
        max_message_bytes=MAX_MESSAGE_BYTES,
        max_connections=MAX_CONNECTIONS,
        max_connections_per_client=MAX_CONNECTIONS_PER_CLIENT,
    )
    return OriginGuard(bounded, ALLOWED_ORIGINS, allow_absent=True)


class _Site(StaticFiles):
    """Static files that a browser asks for again after each build, and a 404 page in the reader's language."""

    def __init__(self, lab: Lab, **options: Any) -> None:
        super().__init__(**options)
        self.lab = lab

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code < 400 and scope["path"].endswith("/"):
            parts = Path(path).parts
            language = parts[0] if parts[:1] and parts[0] in LANGUAGES else LANGUAGES[0]
            self.lab.prepare(language, parts[-1] if parts and parts[-1] != language else "index")
        if response.status_code == 404:
            # The language is that of the path, or else of the browser; the first language's site is at the root.
            asked = language_of(Headers(scope=scope).get("accept-language"))
            for folder in (*Path(path).parts[:1], asked, "."):
                file, found = await to_thread.run_sync(self.lookup_path, str(Path(folder, "404.html")))
                if found:
                    response = FileResponse(file, 404, headers={"vary": "accept-language"})
                    break
        response.headers["cache-control"] = "no-cache"
        response.headers.update(SAFE_HEADERS)
        return response


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket, port 0 for a free one. Raises `OSError` when that address can't be had."""
    address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.create_server(address[4][:2], family=address[0])
    # Its connections inherit this; asyncio sets it only for sockets that were made as TCP by name. Without it a small
    # message waits for the acknowledgement of the one before, up to 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve(app: ASGIApp, listener: socket.socket, *, ready: Callable[[], None]) -> None:
    """Serve `app` on `listener` until SIGINT or SIGTERM; `ready` is called once connections are answered.

    Open WebSockets are closed with 1012 (service restart); a handler that goes on all the same is cancelled.
    """
    config = uvicorn.Config(
        app,
        interface="asgi3",
        loop=f"{LabLoop.__module__}:{LabLoop.__name__}",
        log_level="error",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=2 * MAX_MESSAGE_BYTES,  # the guard names its bound; what is far beyond isn't even taken in
        lifespan="on",
        timeout_graceful_shutdown=0,
    )
    logging.getLogger("uvicorn.error").addFilter(_tell_briefly)
    with closing(listener):
        _Server(config, ready).run(sockets=[listener])


def _tell_briefly(record: logging.LogRecord) -> bool:
    # What an example raises is part of the lesson: one line, without the frames of three libraries.
    if record.exc_info and record.exc_info[1] and (line := failure_line(record.exc_info[1])):
        record.msg, record.args, record.exc_info = line, (), None
    # Uvicorn 0.54 says so after every refusal with a response, though the client has got it whole.
    return record.msg != "ASGI callable returned without completing handshake."


class _Server(uvicorn.Server):
    """Uvicorn that tells when it listens, and for which a signal is a normal end."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # Uvicorn would raise the signal again in the end, for a traceback or a dead process.
        self.force_exit = self.should_exit
        self.should_exit = True
        # That handlers are cut short now is what was asked for.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
