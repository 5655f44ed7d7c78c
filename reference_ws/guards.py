"""ASGI middleware that keeps strangers and floods away from the handlers.

`OriginGuard` refuses handshakes that a foreign page's JavaScript has begun; `LimitGuard` bounds what one client, and
all of them, can ask for. Both leave HTTP alone and work around any ASGI application:

    app = App(middleware=[Middleware(OriginGuard), Middleware(LimitGuard, max_message_bytes=65_536)])
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Final

import anyio
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_ws.ahead import kept
from reference_ws.conversation import refuse
from reference_ws.lifecycle import ACCEPT, CLOSE, DISCONNECT, RECEIVED
from reference_ws.websocket import WebSocket

__all__ = ["LimitGuard", "OriginGuard"]

# What the guards say. `reference_ws.guide.words.explanations` tells a reader why they do.
FOREIGN_ORIGIN: Final = "This origin is not allowed here."
TOO_MANY_CONNECTIONS: Final = "Too many connections."
TOO_BIG: Final = "messages have at most {limit} bytes"
TOO_FAST: Final = "too many messages"
IDLE: Final = "idle for too long"

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class OriginGuard:
    """Lets in the handshakes of pages of the same origin, and of the origins that you name.

    A browser sends the user's cookies with every WebSocket that any page opens, and names that page's origin: without a
    check, a foreign page acts in the user's name (cross-site WebSocket hijacking). ``allowed_origins`` are written as
    browsers do, ``https://example.org``; ``"*"`` allows all. Clients that are no browser send no ``Origin``; they are
    refused unless ``allow_absent``. Two are as wrong as a foreign one. A refusal is HTTP 403.

    The page's own origin is compared with the ``Host`` header: host and port, as a proxy may have ended TLS. Source:
    RFC 6455, section 10.2.
    """

    def __init__(self, app: ASGIApp, allowed_origins: Collection[str] = (), *, allow_absent: bool = False) -> None:
        if isinstance(allowed_origins, str):
            raise TypeError("allowed_origins takes a list of origins, such as ['https://example.org'].")
        self.app = app
        self.allowed: set[tuple[str, str] | str] = set()
        for origin in allowed_origins:
            read = origin if origin == "*" else _origin(origin)
            if read is None or read[0] in ("ws", "wss"):
                raise ValueError(
                    f"{origin!r} is no origin: write it as browsers do, https://example.org: in ASCII, without a path."
                )
            self.allowed.add(read)
        self.allow_absent = allow_absent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the connection on, or refuse it."""
        if scope["type"] == "websocket" and not self.lets_in(Headers(scope=scope)):
            await refuse(WebSocket(scope, receive, send), PlainTextResponse(FOREIGN_ORIGIN, 403))
            return
        await self.app(scope, receive, send)

    def lets_in(self, headers: Headers) -> bool:
        """Decide by the headers of a handshake."""
        given, own = headers.getlist("origin"), headers.getlist("host")
        if not given:
            return self.allow_absent
        if "*" in self.allowed:
            return True
        page = _origin(given[0]) if len(given) == 1 else None  # of two, nobody knows which one others go by
        if page is None or page in self.allowed:
            return page is not None
        scheme = page[0]
        return scheme in _DEFAULT_PORTS and len(own) == 1 and page == _origin(f"{scheme}://{own[0]}")


# What stands in a host is what no browser forbids there; a name that isn't ASCII comes as punycode.
_ORIGIN: Final = re.compile(
    r"""(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^\x00-\x20\x7f-\U0010ffff#%/:<>?@\[\\\]^|]+|\[[0-9a-f:.]+\])"""
    r"""(?P<port>:[0-9]{1,5})?"""
)


def _origin(origin: str) -> tuple[str, str] | None:
    """Read scheme, and host with a port that isn't the scheme's own; ``None`` for ``null`` and whatever else is none.

    Nothing is repaired: a lenient reader would take a name with a tab in it for an origin, which no browser sends.
    """
    parts = _ORIGIN.fullmatch(origin.lower())
    if parts is None or int((parts["port"] or ":0")[1:]) > 65_535:
        return None
    port = parts["port"] or ""
    return parts["scheme"], parts["host"] + (port if port != _DEFAULT_PORTS.get(parts["scheme"]) else "")


@dataclass(eq=False)
class LimitGuard:
    """Bounds on messages and connections; a bound that is ``None`` is off.

    | bound | what happens beyond it |
    |---|---|
    | ``max_message_bytes`` | closed with 1009 |
    | ``messages_per_s``, with ``burst`` at once (default: one second's worth) | closed with 1008 |
    | ``idle_timeout_s``: the application waits so long for a message | closed with 1001 |
    | ``max_connections`` open at once | refused with HTTP 503, or 403 where the server can't deny |
    | ``max_connections_per_client``, by the client's address | refused likewise with 429 |

    In ``cancel_on_disconnect`` the application waits for a message, too. It sees the end as a disconnect with the same
    code. Clients that the server doesn't tell the address of count as one.
    """

    app: ASGIApp
    _: KW_ONLY
    max_message_bytes: int | None = None
    messages_per_s: float | None = None
    burst: int | None = None
    idle_timeout_s: float | None = None
    max_connections: int | None = None
    max_connections_per_client: int | None = None
    open: Counter[str | None] = field(default_factory=Counter, init=False)
    """How many connections each client has open."""

    def __post_init__(self) -> None:
        for name in (each.name for each in fields(self) if each.init and each.name != "app"):
            if (value := getattr(self, name)) is not None and not 0 < value < math.inf:
                raise ValueError(f"LimitGuard({name}={value!r}): a bound is more than 0; None turns it off.")
        if self.burst is not None and self.messages_per_s is None:
            raise ValueError("LimitGuard(burst=...) needs messages_per_s.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the connection on within its bounds, or refuse it."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else None
        if self.max_connections is not None and self.open.total() >= self.max_connections:
            await refuse(WebSocket(scope, receive, send), PlainTextResponse(TOO_MANY_CONNECTIONS, 503), 1013)
            return
        if self.max_connections_per_client is not None and self.open[client] >= self.max_connections_per_client:
            await refuse(WebSocket(scope, receive, send), PlainTextResponse(TOO_MANY_CONNECTIONS, 429), 1013)
            return
        self.open[client] += 1
        try:
            guarded = _Guarded(self, receive, send)
            await self.app(scope, guarded.receive, guarded.send)
        finally:
            self.open[client] -= 1
            if not self.open[client]:
                del self.open[client]


class _Guarded:
    """One connection within the bounds of its guard."""

    def __init__(self, guard: LimitGuard, receive: Receive, send: Send) -> None:
        self._guard = guard
        self._receive, self._send = kept(receive, send)
        self._accepted = False
        self._closed = False
        self._end: Message | None = None
        self._burst = guard.burst or max(1, int(guard.messages_per_s or 1))
        self._tokens = float(self._burst)
        self._filled = anyio.current_time()

    async def receive(self) -> Message:
        if self._end is not None:
            return self._end
        message = None
        with anyio.move_on_after(self._guard.idle_timeout_s if self._accepted else None):
            message = await self._receive()
        if message is None:
            return await self._close(1001, IDLE)
        if message["type"] != RECEIVED:
            return message
        limit = self._guard.max_message_bytes
        if limit is not None and _size(message) > limit:
            return await self._close(1009, TOO_BIG.format(limit=limit))
        if not self._in_time():
            return await self._close(1008, TOO_FAST)
        return message

    async def send(self, message: Message) -> None:
        if self._end is not None:
            raise OSError("the guard has closed this connection")
        self._accepted = self._accepted or message["type"] == ACCEPT
        self._closed = self._closed or message["type"] == CLOSE
        await self._send(message)

    async def _close(self, code: int, reason: str) -> Message:
        self._end = {"type": DISCONNECT, "code": code, "reason": reason}
        if self._closed:  # what was on its way may still come, but nothing is left to close
            return self._end
        with suppress(OSError, RuntimeError):  # the client was faster; uvicorn's word for it is a RuntimeError at times
            await self._send({"type": CLOSE, "code": code, "reason": reason})
        return self._end

    def _in_time(self) -> bool:
        """Take one of the tokens that messages_per_s fills up, ``burst`` of them at the most."""
        rate = self._guard.messages_per_s
        if rate is None:
            return True
        now = anyio.current_time()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _size(message: Message) -> int:
    text = message.get("text")
    return len(message.get("bytes") or b"") if text is None else len(text.encode())
