"""`reference-ws serve`: the site, and the pages' examples live, on one port."""

from __future__ import annotations

import asyncio
import errno
import gzip
import ipaddress
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvicorn
from anyio import to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from reference_ws.conversation import refuse
from reference_ws.guards import LimitGuard, OriginGuard
from reference_ws.guide import policy
from reference_ws.guide.live import live_application
from reference_ws.guide.running import failure_line
from reference_ws.guide.words.catalogs import LANGUAGES, catalog, language_of, pages_language
from reference_ws.websocket import WebSocket

MAX_MESSAGE_BYTES: Final = 1 << 20
# A class behind one address: sixty people with ten connections each. A process may often open no more than 1,024 files.
MAX_CONNECTIONS: Final = 900
MAX_CONNECTIONS_PER_CLIENT: Final = 600
REQUEST_S: Final = 10.0
"""How long a client may take to send a request, or the handshake of a WebSocket; uvicorn itself waits for ever."""
END_S: Final = 2.0
"""How long the end may take that Ctrl-C has asked for: whatever still runs then is cut off."""
# The foreign origin that a transcript comes from (production#origin). Nobody can have a name in .example (RFC 2606).
ALLOWED_ORIGINS: Final = ("https://friend.example",)
SAFE_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "SAMEORIGIN",
    "content-security-policy": policy.HEADER,
}
"""What every answer forbids a browser: to guess types, to tell others its address, to be shown inside of others, to run
what is not ours; a page says itself what it runs.
"""
LANGUAGE_COOKIE: Final = "ws-language"
"""The language that a reader has chosen with the switcher: docs/assets/site.js sets it."""
LAB_MODE: Final = "assets/lab/mode.js"
"""The script by which a page knows that its examples are live."""


def application(site: Path, docs: Path, *, host: str | None = None, allow_hosts: Collection[str] = ()) -> ASGIApp:
    """Make the application that serves the built `site`, and the examples of the pages in `docs`.

    Browsers reach the examples from this site's own pages only; clients that are no browser are let in. A message of
    more than 1 MiB closes its connection, and there are at most 900 of these, 600 from one address. With `host`, the
    name or address that is listened on, only requests to it are answered, and to the names `allow_hosts`: `HostGuard`.
    """
    live = live_application(docs)
    live_here = Response(
        "export const live = true\n", headers={"cache-control": "no-cache"}, media_type="text/javascript"
    )
    mode = Route(f"/{LAB_MODE}", lambda _: live_here)
    pages = Starlette(routes=[mode, Mount("/", _Site(directory=site, html=True))])

    # No Starlette around the examples: its exception handlers would answer for a bare ASGI function.
    async def serve_all(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not scope["path"].startswith("/"):  # OPTIONS *, CONNECT host:port
            await PlainTextResponse("The path of an address starts with /.", 400)(scope, receive, send)
            return
        first = "" if scope["type"] == "lifespan" else scope["path"].split("/")[1]
        await (live if first == "live" else pages)(scope, receive, send)

    bounded = LimitGuard(
        serve_all,
        max_message_bytes=MAX_MESSAGE_BYTES,
        max_connections=MAX_CONNECTIONS,
        max_connections_per_client=MAX_CONNECTIONS_PER_CLIENT,
    )
    guarded: ASGIApp = OriginGuard(bounded, ALLOWED_ORIGINS, allow_absent=True)
    if host is not None:
        guarded = HostGuard(guarded, host, allow_hosts)

    async def serve_safely(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            # What a browser kept keeps its policy: an answer of 304 would replace it.
            if message["type"] == "http.response.start" and message["status"] != 304:
                headers = MutableHeaders(scope=message)
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await guarded(scope, receive, send_safely)

    return serve_safely


class HostGuard:
    """ASGI middleware that answers only to the names that a server has: 400 for any other, WebSockets included.

    A page from elsewhere can let its own name lead to this machine (DNS rebinding); then its origin is that of the
    address, and only the name tells. A server that listens on a loopback address has the names ``localhost``,
    ``127.0.0.0/8`` and ``[::1]``, on any port. One that others reach has `host`, ``localhost`` and every address: a
    name can be made to lead here, an address can't. `allow_hosts` are names beside those.
    """

    def __init__(self, app: ASGIApp, host: str, allow_hosts: Collection[str] = ()) -> None:
        self.app = app
        self.loopback = host == "localhost" or _is_loopback(host)
        self.names = {"localhost", *(name.lower().strip("[]").rstrip(".") for name in (host, *allow_hosts))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the connection on, or refuse it."""
        if scope["type"] == "lifespan" or self.lets_in(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        words = catalog(language_of(Headers(scope=scope).get("accept-language")))
        problem = words.gettext(
            "This server doesn't go by that name: open it by its address, such as http://127.0.0.1:8000/,"
            " or start it with --allow-host NAME."
        )
        answer = PlainTextResponse(f"{problem}\n", 400)
        if scope["type"] == "websocket":
            await refuse(WebSocket(scope, receive, send), answer)
        else:
            await answer(scope, receive, send)

    def lets_in(self, headers: Headers) -> bool:
        """Tell whether the one ``Host`` of a request is a name of this server."""
        given = headers.getlist("host")
        parts = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if parts is None:
            return False
        name = (parts["ipv6"] or parts["name"]).lower().removesuffix(".")
        return name in self.names or (_is_loopback(name) if self.loopback else _is_address(name))


_HOST: Final = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]{2,45})\]|(?P<name>[^:\[\]\s]{1,255}))(?::\d{0,5})?")


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _is_loopback(name: str) -> bool:
    return _is_address(name) and ipaddress.ip_address(name).is_loopback


# What never changes under its address, because a hash of its content stands there: the theme's scripts and styles (its
# search excepted, which `reference_ws.guide.search` changes) and what runs Python in the page.
_IMMUTABLE: Final = re.compile(
    r"assets/(?:(?:javascripts|stylesheets)/[^/]+\.[0-9a-f]{8}\.min\.\w+|python/[a-z]+-[0-9a-f]{16}/.+)"
)
_COMPRESSIBLE: Final = {".css", ".html", ".js", ".json", ".mjs", ".svg", ".txt", ".wasm", ".webmanifest", ".xml"}
_compressing: Final = threading.Lock()


def _compressed(file: Path) -> bytes:
    with _compressing:  # thirty readers want the same file at once: it is compressed once, and the others wait
        return _compress(file, file.stat().st_mtime_ns)


@lru_cache(256)
def _compress(file: Path, _changed: int) -> bytes:
    return gzip.compress(file.read_bytes(), 6, mtime=0)


def _takes_gzip(headers: Headers) -> bool:
    codings = [coding.replace(" ", "").lower() for coding in headers.get("accept-encoding", "").split(",")]
    wanted = next((coding for coding in codings if coding.partition(";")[0] == "gzip"), "gzip;q=0")
    return not re.search(r";q=0(?:\.0*)?$", wanted)


class _Site(StaticFiles):
    """Static files, compressed, that a browser asks for again after each build unless their address has a hash.

    Start and 404 page are in the reader's language.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        asked = _language(scope)
        if scope["path"] == "/" and asked != LANGUAGES[0]:
            query = scope.get("query_string", b"").decode("latin-1")
            response: Response = RedirectResponse(f"/{asked}/{query and '?'}{query}", 307)
            response.headers.update({"vary": "Accept-Language, Cookie", "cache-control": "no-store"})
            return response
        response = await super().get_response(path, scope)
        if response.status_code == 404:
            # The language is that of the path, or else the reader's; the first language's site is at the root.
            for folder in (*Path(path).parts[:1], asked, "."):
                file, found = await to_thread.run_sync(self.lookup_path, str(Path(folder, "404.html")))
                if found:
                    response = FileResponse(file, 404, stat_result=found)
                    break
        if response.status_code == 404 or scope["path"] == "/":
            response.headers["vary"] = "Accept-Language, Cookie"
        if isinstance(response, FileResponse) and response.media_type == "text/html":
            response.headers["content-security-policy"] = policy.PAGE_HEADER
        lasts = response.status_code < 400 and _IMMUTABLE.fullmatch(scope["path"].lstrip("/"))
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if lasts else "no-cache"
        return await _encoded(response, Path(path).suffix or ".html", Headers(scope=scope))


async def _encoded(response: Response, suffix: str, asked: Headers) -> Response:
    """Compress the answer with a file for those who take it so; what is compressed already stays as it is."""
    if isinstance(response, FileResponse):
        suffix = Path(response.path).suffix
    if suffix not in _COMPRESSIBLE:
        return response
    response.headers.add_vary_header("Accept-Encoding")
    if not isinstance(response, FileResponse) or "range" in asked or not _takes_gzip(asked):
        return response
    body = await to_thread.run_sync(_compressed, Path(response.path))
    # The same content in other bytes: by a weak tag of the same name, a browser that has it in either form is told so.
    headers = {
        name: value for name, value in response.headers.items() if name not in ("accept-ranges", "content-length")
    }
    headers |= {"content-encoding": "gzip", "etag": f"W/{headers['etag']}"}
    return Response(body, response.status_code, headers)


def _language(scope: Scope) -> str:
    """Choose the pages' language: what the reader has chosen before, else what the browser asks for."""
    request = HTTPConnection(scope)
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return chosen if chosen in LANGUAGES else pages_language(language_of(request.headers.get("accept-language")))


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket, port 0 for a free one. Raises `OSError` when that address can't be had."""
    address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.create_server(address[4][:2], family=address[0])
    # Its connections inherit this; asyncio sets it only for sockets that were made as TCP by name. Without it a small
    # message waits for the acknowledgement of the one before, up to 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve(app: ASGIApp, listener: socket.socket, *, ready: Callable[[], None], full: Callable[[], None]) -> None:
    """Serve `app` on `listener` until SIGINT or SIGTERM; `ready` is called once connections are answered.

    Open WebSockets are closed with 1012 (service restart); a handler that goes on all the same is cancelled, and one
    that stops the process from ending ends with it after two seconds. `full` is called once if the process may open no
    further file or connection. Raises `KeyboardInterrupt` for SIGINT.
    """
    _open_as_many_files_as_allowed()
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=_Connection,
        loop="asyncio",
        log_level="error",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=2 * MAX_MESSAGE_BYTES,  # the guard names its bound; what is far beyond isn't even taken in
        lifespan="on",
        timeout_graceful_shutdown=0,
    )
    brief = _Briefly(full)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(brief)
    server = _Server(config, ready)
    with closing(listener):
        server.run(sockets=[listener])
    if server.interrupted:
        raise KeyboardInterrupt


def _open_as_many_files_as_allowed() -> None:
    try:
        import resource
    except ModuleNotFoundError:  # on Windows, where there is no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (most, 10_240):  # macOS says that there is no limit, and takes no more than this
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
            return


_LOGGERS: Final = ("uvicorn.error", "asyncio")


class _Briefly(logging.Filter):
    """What the log shows: one line of what an example raises, and nothing of what has been told already."""

    def __init__(self, full: Callable[[], None]) -> None:
        super().__init__()
        self.full: Callable[[], None] | None = full

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            # asyncio says so thousands of times a second, each with a traceback.
            if self.full is not None:
                self.full()
                self.full = None
            return False
        # What an example raises is part of the lesson, the frames of three libraries aren't.
        if error is not None and (line := failure_line(error)):
            record.msg, record.args, record.exc_info = line, (), None
        # Uvicorn 0.54 says so after every refusal with a response, though the client has got it whole.
        return record.msg != "ASGI callable returned without completing handshake."


class _Connection(H11Protocol):
    """Uvicorn's connection, which ends when no request comes: clients that say nothing don't keep others out."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look = self.loop.call_later(REQUEST_S, self._end_if_idle, None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._look.cancel()
        super().connection_lost(exc)

    def _end_if_idle(self, before: object) -> None:
        websocket: Any = self.transport.get_protocol()
        if websocket is None:  # a WebSocket that has ended: that was told to uvicorn's protocol for it, not to this one
            return
        if websocket is not self:  # to a handshake with long lines or many headers uvicorn 0.54 says nothing at all
            if websocket.conn.handshake_exc is not None:
                self.transport.abort()
            return
        if self.cycle is before:  # the request that was answered when it was last looked, or none at all
            self.transport.abort()
            return
        answered = self.cycle.response_complete
        self._look = self.loop.call_later(REQUEST_S, self._end_if_idle, self.cycle if answered else self)


class _Server(uvicorn.Server):
    """Uvicorn that tells when it listens, and for which a signal is a normal end."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.ready = ready
        self.interrupted = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # Uvicorn would raise the signal again in the end, for a traceback or a dead process.
        self.force_exit = self.should_exit
        self.should_exit = True
        self.interrupted = sig == signal.SIGINT
        # A handler may hold the event loop, or go on when it is cancelled: neither is waited for, nor a second signal.
        last = threading.Timer(END_S, self.end)
        last.daemon = True
        last.start()
        # That handlers are cut short now is what was asked for.
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def end(self) -> None:
        """End the process as it is."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(130 if self.interrupted else 0)
