"""`App`: a Starlette application whose router knows WebSocket handlers."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute
from starlette.types import ExceptionHandler, Lifespan, Receive, Scope, Send

from reference_ws.routing import Router, Routes, SocketRoute

__all__ = ["App"]


class App(Starlette):
    """An ASGI application: ``@app.router.websocket("/ws")`` registers a handler.

    It is a ``starlette.applications.Starlette``: HTTP routes, mounts, static files, middleware, lifespan and exception
    handlers are Starlette's own, and so are the parameters.
    """

    router: Router
    _handlers: tuple[Mapping[Any, Any], Mapping[int, Any]] | None = None

    def __init__(
        self,
        debug: bool = False,
        routes: Iterable[BaseRoute | Routes] | None = None,
        middleware: Sequence[Middleware] | None = None,
        exception_handlers: Mapping[Any, ExceptionHandler] | None = None,
        lifespan: Lifespan[App] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            debug=debug, middleware=middleware, exception_handlers=exception_handlers, lifespan=lifespan, **options
        )
        self.router = Router(routes, lifespan=lifespan)
        # Servers ask whether `app.__call__` is a coroutine function; the call itself goes to the class's method.
        self.__dict__["__call__"] = super().__call__

    def __call__(
        self, scope: Scope, receive: Receive | None = None, send: Send | None = None
    ) -> Coroutine[Any, Any, None]:
        """Serve a connection or a request, as ASGI describes it.

        Raises `TypeError` for a WSGI server, which calls with two arguments: WSGI knows no WebSocket.
        """
        if receive is None or send is None:
            raise TypeError(
                "This is an ASGI application, and it was called as WSGI, which knows no WebSocket: serve it with an "
                "ASGI server such as uvicorn, or see the page sse.md for server-sent events, which WSGI can send."
            )
        if scope["type"] == "websocket" and not self.user_middleware:
            return self._connect(scope, receive, send)
        return super().__call__(scope, receive, send)

    def _connect(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Lead a connection straight to its handler: Starlette's own middleware has nothing to do for those."""
        found = self.router.find(scope)
        route = found[0] if found is not None else None
        if found is None or not isinstance(route, SocketRoute) or not route.converses:
            return super().__call__(scope, receive, send)
        if self._handlers is None:
            # Those of ServerErrorMiddleware, which leaves WebSockets alone: the exception goes on to the server's log.
            own = {kind: handler for kind, handler in self.exception_handlers.items() if kind not in (500, Exception)}
            exceptions = ExceptionMiddleware(self.router, handlers=own)
            self._handlers = exceptions._exception_handlers, exceptions._status_handlers
        scope["app"] = self
        scope.setdefault("router", self.router)
        scope["starlette.exception_handlers"] = self._handlers
        scope["route"] = route
        scope.update(found[1])
        return route.app(scope, receive, send)  # type: ignore[return-value]

    def include_routes(self, *routes: BaseRoute | Routes) -> None:
        """Register routes, in this order: Lihil's way to say ``app.router <<= route``."""
        self.router.include(*routes)
