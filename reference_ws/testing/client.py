"""The client of a test: what it sends is at the application at once, what the application sends waits for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Final, Literal

import anyio
from starlette.types import ASGIApp, Message
from starlette.websockets import WebSocketDisconnect

from reference_ws.lifecycle import ACCEPT, CLOSE, RESPONSE_BODY, RESPONSE_START, sent_event
from reference_ws.testing.inmemory import DENIAL, InMemoryConnection, asgi, background, handshake
from reference_ws.testing.lifespan import run_lifespan

__tracebackhide__ = True  # pytest shows the test, and not what stands between it and the application


SHOWN_CHARACTERS: Final = 200
"""So much of a refusal's body stands in its message."""


class HandshakeRefused(Exception):  # noqa: N818 - a refusal is an answer
    """The application refused the handshake: ``status``, ``headers`` (name in lower case -> value) and ``body``.

    ``target`` is what the client asked for, a path with its query.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, target: str = "") -> None:
        super().__init__(status, headers, body, target)
        self.status = status
        self.headers = headers
        self.body = body
        self.target = target

    def __str__(self) -> str:
        whom = f" for {self.target}" if self.target else ""
        return f"the handshake{whom} was refused with HTTP {self.status}" + (f": {self._shown()}" if self.body else "")

    def _shown(self) -> str:
        try:
            text = self.text
        except UnicodeDecodeError:
            return repr(self.body[:SHOWN_CHARACTERS])
        start = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:SHOWN_CHARACTERS])
        return start + ("..." if len(text) > SHOWN_CHARACTERS else "")

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """Decode the body's JSON."""
        return json.loads(self.body)


class Client:
    """The client of a connection that the application has accepted; `connect` makes it.

    ``accepted_subprotocol`` and ``headers`` (name in lower case -> value) come from the accept. Every wait ends with a
    `TimeoutError` after ``timeout_s`` seconds, which says where the handler was waiting.
    """

    def __init__(self, connection: InMemoryConnection, timeout_s: float) -> None:
        self.accepted_subprotocol: str | None = None
        self.headers: dict[str, str] = {}
        self._connection = connection
        self._timeout_s = timeout_s

    @property
    def closed(self) -> tuple[int, str] | None:
        """``None`` while the connection is open, then code and reason, from whoever ended it first."""
        return self._connection.end

    async def send_text(self, data: str) -> None:
        """Send a text frame."""
        self._deliver(text=data)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame."""
        self._deliver(data=data)

    async def send_json(self, data: Any, mode: Literal["text", "binary"] = "text") -> None:
        """Send JSON in a text frame, or with ``mode="binary"`` in a binary one."""
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        if mode == "binary":
            self._deliver(data=text.encode())
        else:
            self._deliver(text=text)

    async def receive(self) -> Message:
        """Receive the next ASGI message of the application; after its close raise `WebSocketDisconnect`."""
        if self.closed is not None and not self._connection.sent:
            raise WebSocketDisconnect(*self.closed)
        message = await self._next()
        if message["type"] == CLOSE:
            raise WebSocketDisconnect(message.get("code", 1000), message.get("reason") or "")
        return message

    async def receive_text(self) -> str:
        """Receive a text frame; a binary one is an `AssertionError`."""
        return str(await self._payload("text"))

    async def receive_bytes(self) -> bytes:
        """Receive a binary frame; a text one is an `AssertionError`."""
        return bytes(await self._payload("bytes"))

    async def receive_json(self) -> Any:
        """Receive a frame of either kind and decode its JSON."""
        message = await self.receive()
        text = message.get("text")
        return json.loads(message["bytes"] if text is None else text)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close from the client's side, and wait until the application has ended."""
        await self._leave(code, reason)

    async def drop(self) -> None:
        """Vanish without a close frame (the application sees code 1006), and wait until the application has ended."""
        await self._leave(1006, "")

    # --- inside ---------------------------------------------------------------------------------------------------

    def _deliver(self, text: str | None = None, data: bytes | None = None) -> None:
        if self.closed is not None:
            raise WebSocketDisconnect(*self.closed)
        self._connection.deliver(text, data)

    async def _payload(self, key: str) -> Any:
        message = await self.receive()
        if message.get(key) is None:
            raise AssertionError(f"expected a frame with {key}, got {message!r}")
        return message[key]

    async def _leave(self, code: int, reason: str) -> None:
        self._connection.leave(code, reason)
        await self._until(lambda: self._connection.ended, "the application did not end")

    async def _next(self) -> Message:
        connection = self._connection
        await self._until(lambda: bool(connection.sent) or connection.ended, "no message from the application")
        if connection.sent:
            return connection.take()
        if connection.error is not None:
            raise connection.error
        raise AssertionError("the application has ended without closing the connection")

    async def _until(self, ready: Callable[[], bool], problem: str) -> None:
        with anyio.move_on_after(self._timeout_s) as scope:
            await self._connection.signal.wait(ready)
        if scope.cancelled_caught:
            raise TimeoutError(f"{problem} within {self._timeout_s:g} s; it waits at {self._connection.waiting_at()}")

    async def _open(self) -> None:
        """Wait for the answer to the handshake."""
        parts = [await self._next()]
        while goes_on(parts[-1]):
            parts.append(await self._next())
        if parts[0]["type"] != ACCEPT:
            status, headers, body = refusal(parts)
            raise HandshakeRefused(status, dict(headers), body, self._connection.target)
        self.accepted_subprotocol = parts[0].get("subprotocol")
        self.headers = dict(header_lines(parts[0]))


def goes_on(message: Message) -> bool:
    """Tell whether a message is a part of a refusal after which more follows."""
    return sent_event(message) in (RESPONSE_START, RESPONSE_BODY)


def refusal(parts: Sequence[Message]) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    """Read all parts of a refusal: HTTP status, header lines and body. Servers answer a plain close with a 403."""
    body = b"".join(part.get("body", b"") for part in parts[1:])
    return parts[0].get("status", 403), header_lines(parts[0]), body


def header_lines(message: Message) -> tuple[tuple[str, str], ...]:
    """Decode the headers of a message or a scope; names in lower case."""
    pairs = message.get("headers") or ()
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in pairs)


@asynccontextmanager
async def connect(
    app: ASGIApp,
    target: str,
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    subprotocols: Sequence[str] = (),
    client: tuple[str, int] | None = ("testclient", 50000),
    extensions: Mapping[str, Any] = DENIAL,
    timeout_s: float = 5,
    both_keys: bool = False,
    send_raises: bool = True,
    lifespan: bool = True,
) -> AsyncIterator[Client]:
    """Open a connection to an ASGI application, in memory, and yield its `Client`.

    ``target`` is a path with a query, or a whole ``ws://`` or ``wss://`` URL. The other arguments say what the server
    is like: ``client`` None for one that doesn't tell the address, ``extensions={}`` for one that can't deny with a
    response, ``both_keys`` for one that puts both keys into each frame, ``send_raises=False`` for one that ignores
    what is sent after the client has left. The application's lifespan runs around the block, and the connection has its
    state; blocks at the same time share it (see `run_lifespan`). ``lifespan=False`` if somebody else runs it.

    Raises `TypeError` for what is no ASGI application, `HandshakeRefused` when the application refuses. At the end of
    the block the client closes, if nobody has; an exception that leaves the application is raised there, also in place
    of the `WebSocketDisconnect` that it caused.
    """
    app = asgi(app)
    scope = handshake(target, headers=headers, subprotocols=subprotocols, client=client, extensions=extensions)
    connection = InMemoryConnection(scope, both_keys=both_keys, send_raises=send_raises)
    opened = Client(connection, timeout_s)
    begun: AbstractAsyncContextManager[dict[str, Any]] = run_lifespan(app) if lifespan else nullcontext({})
    try:
        async with begun as state, background() as tasks:
            scope["state"] = dict(state)
            tasks.start_soon(connection.run, app)
            try:
                await opened._open()
                yield opened
                await opened._leave(1000, "")
            except Exception:
                if connection.gone:
                    with anyio.move_on_after(timeout_s):
                        await connection.signal.wait(lambda: connection.ended)
                raise
    except WebSocketDisconnect:
        if connection.error is None:
            raise
    except Exception as failure:
        if connection.error is not None and connection.error is not failure:
            raise failure from connection.error
        raise
    if connection.error is not None:
        raise connection.error
