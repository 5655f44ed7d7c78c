"""A client for tests: one WebSocket connection to any ASGI application, in memory.

There is no thread, no socket and no waiting for time to pass; it works with asyncio and with trio. `connect` is what a
test uses; `InMemoryConnection` is the ASGI server behind it, on which the transcript player stands too. For HTTP routes
and for tests without ``async`` there is `TestClient`, Starlette's own (it needs the package httpx2).
"""

from __future__ import annotations

import json
import linecache
import sysconfig
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import anyio
from starlette.types import ASGIApp, Message, Scope
from starlette.websockets import WebSocketDisconnect, WebSocketState

from reference_ws import lifecycle
from reference_ws.lifecycle import ACCEPT, CLOSE, CONNECT, DISCONNECT, RECEIVED

__all__ = ["Client", "HandshakeRefused", "InMemoryConnection", "TestClient", "connect"]

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def __getattr__(name: str) -> Any:
    # Not imported above: whoever plays a transcript need not have an HTTP client installed.
    if name == "TestClient":
        from starlette.testclient import TestClient

        return TestClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


DENIAL: Final[Mapping[str, Any]] = {"websocket.http.response": {}}
"""The extensions of a server that can refuse a handshake with any HTTP response."""


class HandshakeRefused(Exception):  # noqa: N818 - a refusal is an answer
    """The application refused the handshake: ``status``, ``headers`` (name in lower case -> value) and ``body``."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"the handshake was refused with HTTP {status}")
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """Decode the body's JSON."""
        return json.loads(self.body)


class Signal:
    """Wakes whoever waits for something to happen on one connection, or on several that share it."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def notify(self) -> None:
        """Something has happened."""
        event, self._event = self._event, anyio.Event()
        event.set()

    async def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready` says True; it is asked again after everything that happens."""
        while not ready():
            await self._event.wait()


class InMemoryConnection:
    """The server's side of one connection, as ASGI describes it, in memory.

    It hands messages to the application in order, keeps what the application sends in ``sent``, and is strict: a
    message that the life cycle doesn't allow is a `RuntimeError` in the application, as on the strictest server.

    ``held=True`` makes every ``send`` of the application wait until `take` or `let_go` releases it, so that a player
    can look at both states between two messages; ``application_state`` moves when it is released. ``both_keys`` puts
    ``text`` and ``bytes`` into every frame, as some servers do; ``send_raises`` False ignores what is sent after the
    client has left, instead of raising `OSError`. Several connections may share a ``signal``.
    """

    def __init__(
        self,
        scope: Scope,
        *,
        both_keys: bool = False,
        send_raises: bool = True,
        held: bool = False,
        signal: Signal | None = None,
    ) -> None:
        self.scope = scope
        self.client_state = WebSocketState.CONNECTING
        self.application_state = WebSocketState.CONNECTING
        self.ended = False
        """True once the application has returned or raised."""
        self.error: Exception | None = None
        """The exception that left the application."""
        self.accepted = False
        """True once the application has accepted."""
        self.gone = False
        """True once the client's end is on its way to the application."""
        self.steps = 0
        """Grows with everything that the application does, so that a player sees when it has settled."""
        self.signal = signal or Signal()
        self._both_keys = both_keys
        self._send_raises = send_raises
        self._held = held
        self._inbox: deque[Message] = deque([{"type": CONNECT}])
        self._sent: deque[tuple[Message, anyio.Event]] = deque()
        # What is legal is decided when a message is sent, not when it is released.
        self._state = WebSocketState.CONNECTING
        self._coroutine: Any = None

    async def run(self, app: ASGIApp) -> None:
        """Run the application until it ends; an exception that leaves it is kept in ``error``."""
        self._coroutine = app(self.scope, self.receive, self.send)
        try:
            await self._coroutine
        except Exception as error:
            self.error = error
        finally:
            self.ended = True
            self._happened()

    # --- the application's side -----------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """Hand over the next message of the client (ASGI's ``receive``)."""
        self._happened()
        await self.signal.wait(lambda: bool(self._inbox))
        message = self._inbox.popleft()
        entry = lifecycle.RECEIVE[self.client_state][message["type"]]
        if isinstance(entry, WebSocketState):
            self.client_state = entry
        self._happened()
        return message

    async def send(self, message: Message) -> None:
        """Take a message of the application (ASGI's ``send``)."""
        self._happened()
        if self.gone and self._state is not WebSocketState.DISCONNECTED:
            if self._send_raises:
                self.client_state = self.application_state = WebSocketState.DISCONNECTED
                raise OSError("the client has left")
            return
        event = lifecycle.sent_event(message)
        entry = lifecycle.on_send(WebSocketState.CONNECTED, self._state, event)
        if not isinstance(entry, WebSocketState):
            raise RuntimeError(f"Illegal ASGI message {event!r}: {lifecycle.ERRORS[entry].problem}")
        self._state = entry
        self.accepted = self.accepted or event == ACCEPT
        released = anyio.Event()
        self._sent.append((message, released))
        self._happened()
        if self._held:
            await released.wait()
        self.application_state = entry
        if event == CLOSE and self.accepted:
            self._leave(message.get("code", 1000), message.get("reason") or "")
        elif entry is WebSocketState.DISCONNECTED:
            self._leave(1006, "")
        self._happened()

    # --- the client's side ----------------------------------------------------------------------------------------

    def deliver(self, text: str | None = None, data: bytes | None = None) -> None:
        """Put a frame of the client on its way to the application."""
        keys = {"text": text, "bytes": data}
        frame = keys if self._both_keys else {key: value for key, value in keys.items() if value is not None}
        self._inbox.append({"type": RECEIVED, **frame})
        self._happened()

    def leave(self, code: int = 1000, reason: str = "") -> None:
        """Put the client's end on its way to the application; code 1006 is a connection that vanished."""
        self._leave(code, reason)

    def _leave(self, code: int, reason: str) -> None:
        if not self.gone:
            self.gone = True
            self._inbox.append({"type": DISCONNECT, "code": code, "reason": reason})
            self._happened()

    @property
    def sent(self) -> bool:
        """True while a message of the application waits to be taken."""
        return bool(self._sent)

    def take(self) -> Message:
        """Take the oldest message of the application, and let the ``send`` that brought it return."""
        message, released = self._sent.popleft()
        released.set()
        return message

    @property
    def holds(self) -> bool:
        """True while a ``send`` of the application waits to be released."""
        return self._held and any(not released.is_set() for _, released in self._sent)

    def let_go(self) -> bool:
        """Let the oldest waiting ``send`` return, while its message stays. False when none waits."""
        if not self.holds:
            return False
        next(released for _, released in self._sent if not released.is_set()).set()
        return True

    def hold_no_more(self) -> None:
        """Let every ``send`` return, now and from now on."""
        while self.let_go():
            pass
        self._held = False

    def waiting_at(self) -> str:
        """Tell where the application waits: file, line and source of the innermost frame of the user's code."""
        return waiting_at(self._coroutine)

    def _happened(self) -> None:
        self.steps += 1
        self.signal.notify()


_NOT_THE_USERS: Final = tuple(
    str(Path(path)) for path in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), Path(__file__).parent)
)


def waiting_at(coroutine: Any) -> str:
    """Describe where a coroutine waits: the innermost frame that is not in Python's or an installed library's code."""
    place = "before its first await"
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None and not frame.f_code.co_filename.startswith(_NOT_THE_USERS):
            file, line = frame.f_code.co_filename, frame.f_lineno
            place = f"{file}:{line} in {frame.f_code.co_name}: {linecache.getline(file, line).strip()}"
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    return place


def handshake(
    target: str,
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    subprotocols: Sequence[str] = (),
    client: tuple[str, int] | None = ("testclient", 50000),
    extensions: Mapping[str, Any] = DENIAL,
) -> Scope:
    """Build the ASGI scope of a handshake for `target`, a path with a query, or a whole ``ws://`` or ``wss://`` URL."""
    url = urlsplit(target)
    scheme = url.scheme or "ws"
    port = url.port or (443 if scheme == "wss" else 80)
    lines = [
        ("host", url.netloc or "testserver"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ]
    given = [(name.lower(), value) for name, value in (headers.items() if isinstance(headers, Mapping) else headers)]
    offered = list(subprotocols)
    for name, value in given:
        if name == "sec-websocket-protocol":
            offered += [token.strip() for token in value.split(",")]
    if subprotocols:
        given.append(("sec-websocket-protocol", ", ".join(subprotocols)))
    names = {name for name, _ in given}
    lines = [line for line in lines if line[0] not in names] + given
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": scheme,
        "server": (url.hostname or "testserver", port),
        "client": client,
        "root_path": "",
        "path": unquote(url.path) or "/",
        "raw_path": (url.path or "/").encode(),
        "query_string": url.query.encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines],
        "subprotocols": offered,
        "state": {},
        "extensions": dict(extensions),
    }


class Client:
    """The client of a connection that the application has accepted; `connect` makes it.

    ``accepted_subprotocol`` and ``headers`` (name in lower case -> value) come from the accept. ``closed`` is ``None``
    while the connection is open, then ``(code, reason)``. Every wait ends with a `TimeoutError` after ``timeout_s``
    seconds, which says where the handler was waiting.
    """

    def __init__(self, connection: InMemoryConnection, timeout_s: float) -> None:
        self.accepted_subprotocol: str | None = None
        self.headers: dict[str, str] = {}
        self.closed: tuple[int, str] | None = None
        self._connection = connection
        self._timeout_s = timeout_s

    async def send_text(self, data: str) -> None:
        """Send a text frame."""
        self._deliver(text=data)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame."""
        self._deliver(data=data)

    async def send_json(self, data: Any, mode: str = "text") -> None:
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
            self.closed = message.get("code", 1000), message.get("reason") or ""
            raise WebSocketDisconnect(*self.closed)
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
        if self._connection.gone:
            raise WebSocketDisconnect(*(self.closed or (1006, "")))
        self._connection.deliver(text, data)

    async def _payload(self, key: str) -> Any:
        message = await self.receive()
        if message.get(key) is None:
            raise AssertionError(f"expected a frame with {key}, got {message!r}")
        return message[key]

    async def _leave(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = code, reason
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
        message = await self._next()
        if message["type"] == ACCEPT:
            self.accepted_subprotocol = message.get("subprotocol")
            self.headers = _headers(message)
            return
        if message["type"] == CLOSE:
            raise HandshakeRefused(403, {}, b"")
        body = b""
        more = True
        while more:
            part = await self._next()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        raise HandshakeRefused(message["status"], _headers(message), body)


def _headers(message: Message) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message.get("headers") or ()}


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
) -> AsyncIterator[Client]:
    """Open a connection to an ASGI application, in memory, and yield its `Client`.

    ``target`` is a path with a query, or a whole ``ws://`` or ``wss://`` URL. The other arguments say what the server
    is like: ``client`` None for one that doesn't tell the address, ``extensions={}`` for one that can't deny with a
    response, ``both_keys`` for one that puts both keys into each frame, ``send_raises=False`` for one that ignores
    what is sent after the client has left.

    Raises `HandshakeRefused` when the application refuses. At the end of the block the client closes, if nobody has;
    an exception that leaves the application is raised there, also in place of the `WebSocketDisconnect` that it caused.
    """
    scope = handshake(target, headers=headers, subprotocols=subprotocols, client=client, extensions=extensions)
    connection = InMemoryConnection(scope, both_keys=both_keys, send_raises=send_raises)
    opened = Client(connection, timeout_s)
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run, app)
        # What happens in here must not reach the task group: it would come out of it inside of an ExceptionGroup.
        try:
            await opened._open()
            yield opened
            await opened._leave(1000, "")
        except Exception as error:
            failure = error
            if connection.gone:
                with anyio.move_on_after(timeout_s):
                    await connection.signal.wait(lambda: connection.ended)
        finally:
            tasks.cancel_scope.cancel()
    if failure is not None and not (connection.error and isinstance(failure, WebSocketDisconnect)):
        raise failure from (connection.error if connection.error is not failure else None)
    if connection.error is not None:
        raise connection.error
