"""Where connections go: WebSocket routes beside Starlette's HTTP routes, and how they are put together.

app.router <<= SocketRoute("/chat", chat) @ signed_in          # a route, inside of a middleware
app.router <<= "/v1" // Routes(chat_route, news_route)          # several, under a prefix
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from starlette import routing
from starlette._utils import get_route_path
from starlette.middleware import Middleware as AsgiMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from reference_ws.binding import Middleware, bind
from reference_ws.conversation import converse, refuse
from reference_ws.finding import RouteList
from reference_ws.parameters import signature_of
from reference_ws.views import SocketView, bind_view
from reference_ws.websocket import WebSocket

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]] | type[SocketView])

# Several parameters may share a segment; a brace that is left over was meant to be one.
_PARAMETER = re.compile(r"{[a-zA-Z_][a-zA-Z0-9_]*(:[a-zA-Z_][a-zA-Z0-9_]*)?}")


class SocketRoute(routing.WebSocketRoute):
    """A path, and the handler of its connections: a coroutine function, or a `SocketView`.

    ``path`` may hold parameters, ``/room/{name}`` or ``/page/{number:int}``; one without its leading slash is given it,
    and an empty one below a prefix is the prefix itself.
    ``name`` is for ``url_for``: ``""`` takes the handler's name, ``None`` has none. ``middlewares`` are put around the
    handler, the nearest first; ``route @ middleware`` puts one more around them. ``middleware`` is Starlette's: ASGI
    middleware around it all, the outermost first. Without ``endpoint``, `ws_handler` decorates the handler.

    Raises `ValueError` for a path that can't be meant, and `TypeError` for a handler that can't be called: not ``async
    def``, or with a parameter to which nothing can be bound.

    An ``endpoint`` that takes ``scope, receive, send`` and is no plain function, such as Starlette's
    ``WebSocketEndpoint``, is an ASGI application and is called as one.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any] | None = None,
        name: str | None = "",
        *,
        middlewares: Sequence[Middleware] = (),
        middleware: Sequence[AsgiMiddleware] | None = None,
    ) -> None:
        # An empty path is the root, but below a prefix the prefix alone, without a slash behind it.
        self.given_path = f"/{path}" if path and not path.startswith("/") else path
        path = self.given_path or "/"
        _check(path)
        super().__init__(path, _missing)
        self.given_name = name
        self.middlewares = tuple(middlewares)
        self.middleware = tuple(middleware or ())
        self._set(endpoint)

    def _set(self, endpoint: Callable[..., Any] | None) -> None:
        self.endpoint = endpoint  # type: ignore[assignment]
        self.name = self.given_name or (routing.get_name(endpoint) if endpoint and self.given_name == "" else None)  # type: ignore[assignment]
        self.app = _missing if endpoint is None else self._application(endpoint)
        for kind, args, options in reversed(self.middleware):
            self.app = kind(self.app, *args, **options)
        self._made = self.app

    def _application(self, endpoint: Callable[..., Any]) -> ASGIApp:
        if not callable(endpoint):
            raise TypeError(f"SocketRoute({self.path!r}): a handler must be callable, not {endpoint!r}.")
        if _is_asgi(endpoint):
            if self.middlewares:
                raise TypeError(
                    f"SocketRoute({self.path!r}): an ASGI application takes ASGI middleware, not middlewares=."
                )
            return endpoint
        path = self.param_convertors.keys()
        if isinstance(endpoint, type) and issubclass(endpoint, SocketView):
            bound = bind_view(endpoint, path)
        else:
            bound = bind(endpoint, path)
        for middleware in self.middlewares:
            bound = bound.around(middleware, path)
        return lambda scope, receive, send: converse(bound, WebSocket(scope, receive, send))

    def handle(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        """Serve a connection: as Starlette's, without a frame of its own in every connection that waits."""
        return self.app(scope, receive, send)

    def ws_handler(self, handler: Handler) -> Handler:
        """Register the decorated handler; it is itself unchanged."""
        self._set(handler)
        return handler

    def __matmul__(self, middleware: Middleware) -> SocketRoute:
        """Put a middleware around the ones that are there: ``SocketRoute("/ws", handler) @ nearest @ outermost``."""
        return self._again(self.given_path, (*self.middlewares, middleware))

    def __rfloordiv__(self, prefix: str) -> Routes:
        return prefix // Routes(self)

    def __add__(self, other: BaseRoute | Routes) -> Routes:
        return Routes(self, other)

    def under(self, prefix: str) -> SocketRoute:
        """Give the same route with a prefix before its path."""
        return self._again(_joined(prefix, self.given_path), self.middlewares)

    def _again(self, path: str, middlewares: Sequence[Middleware]) -> SocketRoute:
        if self.app is not self._made:
            raise TypeError(
                f"{self!r} has another app than was made for it, which would be lost: put ASGI middleware around it "
                "with middleware=[...]."
            )
        again = copy.copy(self)  # a subclass may be a guard
        SocketRoute.__init__(
            again, path, self.endpoint, self.given_name, middlewares=middlewares, middleware=self.middleware
        )
        return again


WebSocketRoute = SocketRoute
"""Starlette's and Lihil's name for `SocketRoute`."""


class Routes(Sequence[BaseRoute]):
    """Several routes: ``Routes(a, b)``, with a prefix ``"/v1" // Routes(a, b)``, joined ``Routes(a) + Routes(b)``.

    ``middlewares``, or ``routes @ middleware``, are put around each WebSocket route, outside of its own. Routes may
    hold Routes; Starlette's routes may be among them. Raises `TypeError` where a middleware would not stand around a
    WebSocket route: Starlette's own, also inside of a ``Mount``.
    """

    def __init__(
        self, *routes: BaseRoute | Iterable[BaseRoute], prefix: str = "", middlewares: Sequence[Middleware] = ()
    ) -> None:
        self._routes = [_under(prefix, route) for route in _flat(routes)]
        for middleware in middlewares:
            self._routes = [_around(route, middleware) for route in self._routes]

    def __getitem__(self, index: Any) -> Any:
        return self._routes[index]

    def __len__(self) -> int:
        return len(self._routes)

    def __add__(self, other: BaseRoute | Iterable[BaseRoute]) -> Routes:
        return Routes(self, other)

    def __rfloordiv__(self, prefix: str) -> Routes:
        return Routes(self, prefix=prefix)

    def __matmul__(self, middleware: Middleware) -> Routes:
        return Routes(self, middlewares=[middleware])


class Router(routing.Router):
    """Starlette's router, with WebSocket handlers: ``@router.websocket("/ws")``, or ``router <<= route``."""

    def __init__(self, routes: Iterable[BaseRoute | Routes] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.routes = RouteList()
        self.include(*(routes or ()))

    def find(self, scope: Scope) -> tuple[BaseRoute, dict[str, Any]] | None:
        """Find the route of a WebSocket: the first that matches, and what it adds to the scope."""
        if not isinstance(self.routes, RouteList):
            self.routes = RouteList(self.routes)
        return self.routes.finder.find(get_route_path(scope), scope)

    def app(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        """Lead a connection or a request to its route: as Starlette's, without a frame of its own."""
        if scope["type"] != "websocket":
            return super().app(scope, receive, send)
        scope.setdefault("router", self)
        found = self.find(scope)
        if found is None:
            return self.default(scope, receive, send)
        scope["route"], added = found
        scope.update(added)
        return found[0].handle(scope, receive, send)

    def include(self, *routes: BaseRoute | Iterable[BaseRoute]) -> None:
        """Register routes, in this order: the first one that matches a path serves it.

        Raises `ValueError` for a name that another route was given already, and for a route without a handler.
        """
        for route in _flat(routes):
            if isinstance(route, SocketRoute) and route.endpoint is None:
                raise ValueError(f"SocketRoute({route.path!r}) has no handler yet: decorate one with @ws_handler.")
            self._check_name(route)
            self.routes.append(route)

    def _check_name(self, route: BaseRoute) -> None:
        """See that the name of a `SocketRoute` is given once; HTTP routes may share theirs, a method each."""
        name = _given_name(route)
        others = [other for other in self.routes if _given_name(other) == name] if name else []
        if any(isinstance(each, SocketRoute) for each in (route, *others)) and others:
            raise ValueError(f"There is a route named {name!r} already: names are given once.")

    def __lshift__(self, routes: BaseRoute | Iterable[BaseRoute]) -> Router:
        self.include(routes)
        return self

    __ilshift__ = __lshift__

    def websocket(
        self,
        path: str,
        name: str | None = "",
        *,
        middlewares: Sequence[Middleware] = (),
        middleware: Sequence[AsgiMiddleware] | None = None,
    ) -> Callable[[Handler], Handler]:
        """Register the decorated handler or view at `path`; the arguments are those of `SocketRoute`."""

        def register(handler: Handler) -> Handler:
            self.include(SocketRoute(path, handler, name, middlewares=middlewares, middleware=middleware))
            return handler

        return register

    def add_websocket_route(self, path: str, endpoint: Callable[..., Any], name: str | None = None) -> None:
        """Register a handler, under Starlette's name for it."""
        self.include(SocketRoute(path, endpoint, name or ""))

    async def not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a connection to a path without a route: HTTP 404 where the server can deny, else 403."""
        if scope["type"] != "websocket":
            await super().not_found(scope, receive, send)
            return
        await refuse(WebSocket(scope, receive, send), PlainTextResponse("Not Found", 404))


async def _missing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise RuntimeError("This route has no handler: decorate one with @route.ws_handler.")


def _check(path: str) -> None:
    left = _PARAMETER.sub("", path)
    if "{" in left or "}" in left:
        raise ValueError(f"The path {path!r} has a brace that is no parameter: write {{name}} or {{name:int}}.")
    try:
        routing.compile_path(path)
    except AssertionError as error:
        raise ValueError(f"The path {path!r} can't be used: {error}.") from error


def _joined(prefix: str, path: str) -> str:
    prefix = prefix.rstrip("/")
    return (prefix if prefix.startswith("/") or not prefix else f"/{prefix}") + path


def _under(prefix: str, route: BaseRoute) -> BaseRoute:
    if not prefix.strip("/"):
        return route
    if isinstance(route, SocketRoute):
        return route.under(prefix)
    if not isinstance(route, routing.Route | routing.WebSocketRoute | Mount):
        raise TypeError(f"{route!r} has no path to put a prefix before.")
    # A Mount of its own for each would keep whatever stands behind it from being found.
    moved = copy.copy(route)
    moved.path = _joined(prefix, route.path)
    whole = f"{moved.path}/{{path:path}}" if isinstance(route, Mount) else moved.path
    moved.path_regex, moved.path_format, moved.param_convertors = routing.compile_path(whole)
    return moved


def _around(route: BaseRoute, middleware: Middleware) -> BaseRoute:
    if isinstance(route, SocketRoute):
        return route @ middleware
    if any(isinstance(each, routing.WebSocketRoute) for each in _all_of(route)):
        raise TypeError(
            f"{route!r} can't be put inside of a middleware: make its WebSocket routes SocketRoutes of these Routes."
        )
    return route


def _all_of(route: Any) -> Iterator[Any]:
    """List a route, or an application, and all that is inside: what ASGI middleware stands around is its ``app``."""
    yield route
    for inner in (*(getattr(route, "routes", None) or ()), getattr(route, "app", None)):
        if inner is not None:
            yield from _all_of(inner)


def _flat(routes: Iterable[BaseRoute | Iterable[BaseRoute]]) -> Iterator[BaseRoute]:
    for route in routes:
        if isinstance(route, BaseRoute):
            yield route
        elif isinstance(route, Iterable):
            yield from _flat(route)
        else:
            raise TypeError(f"{route!r} is no route: give a SocketRoute, one of Starlette's routes, or Routes of them.")


def _given_name(route: BaseRoute) -> str | None:
    """Find the name that somebody gave to a route; one that comes from the handler may stand twice."""
    name: str | None = getattr(route, "given_name", getattr(route, "name", None))
    endpoint = getattr(route, "endpoint", None)
    return None if endpoint is not None and name == routing.get_name(endpoint) else name


def _is_asgi(endpoint: Callable[..., Any]) -> bool:
    """Tell ASGI applications from handlers: an application is a class or an object that takes scope, receive, send."""
    if inspect.isroutine(inspect.unwrap(endpoint)):
        return False
    try:
        names = list(signature_of(endpoint).parameters)
    except (TypeError, ValueError):
        return False
    return names[:3] == ["scope", "receive", "send"]
