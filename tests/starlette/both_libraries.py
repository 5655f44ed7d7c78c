"""Starlette's WebSocket and ours behind one face, and one connection to see what an application does with either."""

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket as StarlettesWebSocket
from starlette.websockets import WebSocketDisconnect

from reference_ws import App, SocketRoute, WebSocket

Handler = Callable[[Any], Awaitable[Any]]
Talk = Callable[[WebSocketTestSession], object]


@dataclass(frozen=True)
class Library:
    """A WebSocket class, and an application whose one route leads to a handler."""

    WebSocket: type[StarlettesWebSocket]
    application: Callable[..., ASGIApp]

    def asgi(self, handler: Handler) -> ASGIApp:
        """Make a plain ASGI application that hands the connection to `handler`."""

        async def app(scope: Scope, receive: Receive, send: Send) -> Any:
            return await handler(self.WebSocket(scope, receive, send))

        return app


STARLETTE = Library(
    StarlettesWebSocket,
    lambda path, endpoint, **options: Starlette(routes=[WebSocketRoute(path, endpoint, name="it")], **options),
)
OURS = Library(WebSocket, lambda path, endpoint, **options: App(routes=[SocketRoute(path, endpoint, "it")], **options))


@dataclass
class Seen:
    """What came of one connection: what the application returned or raised, and the messages that it sent."""

    result: Any = None
    sent: list[Message] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]


def observe(
    app: ASGIApp,
    talk: Talk = lambda session: None,
    *,
    target: str = "/",
    headers: dict[str, str] | None = None,
    scope: dict[str, Any] | None = None,
    backend: str = "asyncio",
) -> Seen:
    """Connect to `app`, talk, leave with code 1001, and wait for the application's end; `scope` overwrites keys."""
    seen, done = Seen(), threading.Event()

    async def observed(given: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []  # a refusal waits for the application's end: the client cancels it otherwise

        async def record(message: Message) -> None:
            seen.sent.append(message)
            if "accept" in seen.types:
                await send(message)
            else:
                held.append(message)

        try:
            seen.result = await app({**given, **(scope or {})}, receive, record)
        except Exception as error:
            seen.result = error
        # A client that gets no answer, or not all of it, would wait forever.
        if not seen.sent:
            held.append({"type": "websocket.close"})
        elif held and (held[-1]["type"] == "websocket.http.response.start" or held[-1].get("more_body")):
            held.append({"type": "websocket.http.response.body", "body": b""})
        done.set()
        for message in held:
            await send(message)

    with (
        suppress(WebSocketDisconnect),
        TestClient(observed, backend=backend).websocket_connect(target, headers=headers or {}) as session,
    ):
        talk(session)
        session.close(1001, "bye")
        assert done.wait(5), "the application did not end"
    return seen
