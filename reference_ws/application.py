"""`App`: a Starlette application whose router knows WebSocket handlers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ExceptionHandler, Lifespan

from reference_ws.routing import Router

__all__ = ["App"]


class App(Starlette):
    """An ASGI application: ``@app.router.websocket("/ws")`` registers a handler.

    It is a ``starlette.applications.Starlette``: HTTP routes, mounts, static files, middleware, lifespan and exception
    handlers are Starlette's own, and so are the parameters.
    """

    router: Router

    def __init__(
        self,
        debug: bool = False,
        routes: Sequence[BaseRoute] | None = None,
        middleware: Sequence[Middleware] | None = None,
        exception_handlers: Mapping[Any, ExceptionHandler] | None = None,
        lifespan: Lifespan[App] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            debug=debug, middleware=middleware, exception_handlers=exception_handlers, lifespan=lifespan, **options
        )
        self.router = Router(routes, lifespan=lifespan)
