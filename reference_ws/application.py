"""`App`: a Starlette application whose router knows WebSocket handlers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, ExceptionHandler, Lifespan, Receive, Scope, Send

from reference_ws.ahead import kept
from reference_ws.binding import Middleware as Wrapper
from reference_ws.conversation import Answers, last
from reference_ws.routing import Handler, Router, Routes


class App(Starlette):
    """An ASGI application: ``@app.router.websocket("/ws")`` registers a handler.

    It is a ``starlette.applications.Starlette``: HTTP routes, mounts, static files, middleware, lifespan and exception
    handlers are Starlette's own, and so are the parameters. ``dependency_overrides``, for tests, maps what handlers
    depend on to what stands in for it, as in FastAPI: ``app.dependency_overrides[database] = fake``.
    """

    router: Router
    dependency_overrides: dict[Callable[..., Any], Callable[..., Any]]

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
        self.dependency_overrides = {}

        # Servers ask whether `app.__call__` is a coroutine function, and take what isn't one for an application of the
        # first ASGI. The method below is none: called by a WSGI server, a coroutine function would raise nothing, since
        # nobody awaits it. So the instance shows one, which leads to the method, a subclass's as well.
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await type(self).__call__(self, scope, receive, send)

        self.__dict__["__call__"] = serve

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
        if scope["type"] != "websocket":
            return super().__call__(scope, receive, send)
        # Here, so that what stands around the handlers asks the same one: a second one would miss what the first keeps.
        return last(super().__call__(scope, *kept(receive, send)), scope, self.exception_handlers)

    def build_middleware_stack(self) -> ASGIApp:
        """Build Starlette's stack, with what answers the exceptions of a WebSocket innermost."""
        own = self.user_middleware
        self.user_middleware = [*own, Middleware(Answers)]
        try:
            return super().build_middleware_stack()
        finally:
            self.user_middleware = own

    def websocket(
        self, path: str, name: str | None = "", *, middlewares: Sequence[Wrapper] = ()
    ) -> Callable[[Handler], Handler]:
        """Register the decorated handler or view: FastAPI's way to say ``@app.router.websocket(path)``."""
        return self.router.websocket(path, name, middlewares=middlewares)

    def include_routes(self, *routes: BaseRoute | Routes) -> None:
        """Register routes, in this order: Lihil's way to say ``app.router <<= route``."""
        self.router.include(*routes)
