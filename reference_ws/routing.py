"""Where connections go: WebSocket routes beside Starlette's HTTP routes, and the frame in which a handler runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar

import anyio
from starlette import routing
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from reference_ws.context import running
from reference_ws.lifecycle import CONNECTED, CONNECTING, DISCONNECTED
from reference_ws.parameters import Call, bind
from reference_ws.websocket import WebSocket, WebSocketDisconnect

__all__ = ["Router", "SocketRoute"]

Handler = TypeVar("Handler", bound=Callable[..., Any])

GOODBYE_S: Final = 1.0
"""How long a cancelled handler's connection may take to send its close frame to a client that doesn't read."""


class SocketRoute(routing.WebSocketRoute):
    """A path, and the handler of its connections.

    ``path`` may hold parameters, ``/room/{name}`` or ``/page/{number:int}``; their values are in
    ``websocket.path_params``. ``name`` is for ``url_for``: ``""`` takes the handler's name, ``None`` has none. Raises
    `TypeError` when the handler is not ``async def`` or its signature can't be bound.

    An ``endpoint`` that is neither a function nor a method, such as Starlette's ``WebSocketEndpoint``, is an ASGI
    application and is called as one.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], name: str | None = "") -> None:
        if not callable(endpoint):
            raise TypeError(f"SocketRoute({path!r}): a handler must be callable, not {endpoint!r}.")
        super().__init__(path if path.startswith("/") else f"/{path}", endpoint, name=name or None)
        if name is None:
            self.name = None  # type: ignore[assignment]  # Starlette compares it only
        self.app = endpoint if _is_asgi(endpoint) else _application(bind(endpoint))


class Router(routing.Router):
    """Starlette's router, with WebSocket handlers."""

    def websocket(self, path: str, name: str | None = "") -> Callable[[Handler], Handler]:
        """Register the decorated handler at `path`; ``name`` as for `SocketRoute`. The handler itself is unchanged."""

        def register(handler: Handler) -> Handler:
            self.routes.append(SocketRoute(path, handler, name))
            return handler

        return register

    def add_websocket_route(self, path: str, endpoint: Callable[..., Any], name: str | None = None) -> None:
        """Register a handler, under Starlette's name for it."""
        self.routes.append(SocketRoute(path, endpoint, name or ""))

    async def not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a connection to a path without a route: HTTP 404 where the server can deny, else 403."""
        if scope["type"] != "websocket":
            await super().not_found(scope, receive, send)
            return
        await _refuse(WebSocket(scope, receive, send), 404)


def _is_asgi(endpoint: Callable[..., Any]) -> bool:
    """Tell ASGI applications from handlers: an application is a class or an object that takes scope, receive, send."""
    if inspect.isroutine(inspect.unwrap(endpoint)) or not callable(endpoint):
        return False
    try:
        names = list(inspect.signature(endpoint).parameters)
    except (TypeError, ValueError):
        return False
    return names[:3] == ["scope", "receive", "send"]


def _application(call: Call) -> ASGIApp:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        with running(websocket):
            await converse(call, websocket)

    return application


async def converse(call: Call, websocket: WebSocket) -> None:
    """Run a handler, and end the connection with it: whatever happens, none is left open.

    A handler that returns closes with 1000, or refuses what it has not accepted. One that raises refuses with 500 (or
    closes with 1011 after accept), and the exception goes on to the server's log. A `WebSocketDisconnect` that comes
    through because the client has left is how most handlers end, and is no error.
    """
    try:
        try:
            await call(websocket)
        except Exception as error:
            if not await _handled(websocket, error):
                raise
        await websocket.close()
    except Exception as error:
        if _has_left(websocket, error):
            return
        await _fail(websocket)
        if isinstance(error, HTTPException):
            # Starlette's middleware would answer it with a response, and there is none any more.
            raise RuntimeError(f"{error!r} was raised after accept(): there is no HTTP response any more.") from error
        raise
    except BaseException:
        with anyio.move_on_after(GOODBYE_S, shield=True):
            await websocket.close(1001)
        raise
    finally:
        websocket.release()


async def _handled(websocket: WebSocket, error: Exception) -> bool:
    """Let the application's exception handlers deal with an error, Starlette's own two among them."""
    if isinstance(error, WebSocketException) and "starlette.exception_handlers" not in websocket.scope:
        await websocket.close(error.code, error.reason)
        return True
    by_class, by_status = websocket.scope.get("starlette.exception_handlers", ({}, {}))
    handler = by_status.get(error.status_code) if isinstance(error, HTTPException) else None
    handler = handler or next((by_class[kind] for kind in type(error).__mro__ if kind in by_class), None)
    if handler is None or (isinstance(error, HTTPException) and websocket.application_state is not CONNECTING):
        return False
    if inspect.iscoroutinefunction(handler):
        response = await handler(websocket, error)
    else:
        response = await run_in_threadpool(handler, websocket, error)
    if response is not None and websocket.application_state is CONNECTING:
        await _deny(websocket, response)
    return True


def _has_left(websocket: WebSocket, error: Exception) -> bool:
    """Tell whether an error says no more than that the client has left, a group of such errors too."""
    if websocket.client_state is not DISCONNECTED:
        return False
    if isinstance(error, WebSocketDisconnect):
        return True
    split = getattr(error, "split", None)  # ExceptionGroup, which Python 3.10 doesn't know by name
    return split is not None and split(WebSocketDisconnect)[1] is None


async def _fail(websocket: WebSocket) -> None:
    if websocket.application_state is CONNECTED:
        await websocket.close(1011)
    elif websocket.application_state is CONNECTING:
        await _refuse(websocket, 500)
    else:
        await websocket.close()


async def _refuse(websocket: WebSocket, status: int) -> None:
    text = {404: "Not Found", 500: "Internal Server Error"}[status]
    await _deny(websocket, PlainTextResponse(text, status))


async def _deny(websocket: WebSocket, response: Any) -> None:
    """Refuse with a response where the server can, else by closing."""
    try:
        if websocket.can_deny:
            await websocket.send_denial_response(response)
        await websocket.close()
    except WebSocketDisconnect:
        pass  # the client didn't wait for the answer
