"""Finding the route of a connection in a time that doesn't grow with the number of routes.

`RouteIndex` sorts routes into a tree by the segments of their paths. A path leads to the few routes whose shape it has;
these are then asked as Starlette asks all of them, in the order in which they were registered. Whatever can't be sorted
(`Host`, routes of other classes) is asked every time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from starlette import routing
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

# Convertors that never match a slash: a parameter of theirs stays within its segment.
_WITHIN_SEGMENT: Final = {"str", "int", "float", "uuid"}

FEW: Final = 3
"""So many routes are asked sooner than the tree which of them to ask."""


@dataclass(slots=True)
class _Node:
    """What may follow a part of a path; routes are named by their places in the list."""

    static: dict[str, _Node] = field(default_factory=dict)
    dynamic: _Node | None = None
    ends: list[int] = field(default_factory=list)
    rest: list[int] = field(default_factory=list)
    """Routes that may match whatever follows, slashes included."""

    def collect(self, segments: list[str], places: list[int]) -> None:
        """Add the places of the routes that may match these segments, which follow here."""
        node = self
        for depth, segment in enumerate(segments, 1):
            places += node.rest
            child, dynamic = node.static.get(segment), node.dynamic
            if child is not None and dynamic is not None:
                dynamic.collect(segments[depth:], places)
            following = child or dynamic
            if following is None:
                return
            node = following
        places += node.ends  # not its rest: an open end takes one segment more at least, which may be empty


class RouteIndex:
    """Finds the first of `routes` that matches a WebSocket's path, as a search through all of them would."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = list(routes)
        self._root = _Node()
        self._always: list[int] = []
        for place, route in enumerate(self._routes):
            self._sort(place, route)
        # A path without parameters is most often asked for as it stands: its route is known beforehand.
        self._known = {
            route.path: route
            for place, route in enumerate(self._routes)
            if isinstance(route, routing.WebSocketRoute)
            and type(route).matches is routing.WebSocketRoute.matches
            and not route.param_convertors
            and self._candidates(route.path)[:1] == [place]
        }

    def find(self, path: str, scope: Scope) -> tuple[BaseRoute, dict[str, Any]] | None:
        """Return the route for `path` and what it adds to the scope, or ``None``."""
        known = self._known.get(path)
        if known is not None:
            return known, _added(known, {}, scope)
        for place in self._candidates(path):
            route = self._routes[place]
            try:
                if type(route).matches is routing.WebSocketRoute.matches:  # it would read the path once more
                    matched = route.path_regex.match(path)  # type: ignore[attr-defined]
                    if matched is not None:
                        return route, _added(route, matched.groupdict(), scope)
                else:
                    match, added = route.matches(scope)
                    if match is Match.FULL:
                        return route, dict(added)
            except ValueError:  # of a convertor: such as an int of 5,000 digits
                continue
        return None

    def _sort(self, place: int, route: BaseRoute) -> None:
        matches = type(route).matches
        if matches is routing.Route.matches:
            return  # HTTP alone
        if len(self._routes) <= FEW:
            self._always.append(place)
            return
        if matches is routing.WebSocketRoute.matches:
            path, open_end = route.path, False  # type: ignore[attr-defined]
        elif matches is routing.Mount.matches:
            path, open_end = route.path, True  # type: ignore[attr-defined]
        else:
            self._always.append(place)
            return
        node = self._root
        for segment in _segments(path) if path else ():
            if "{" not in segment:
                node = node.static.setdefault(segment, _Node())
                continue
            if any((match[2] or ":str")[1:] not in _WITHIN_SEGMENT for match in routing.PARAM_REGEX.finditer(segment)):
                open_end = True
                break
            node.dynamic = node.dynamic or _Node()
            node = node.dynamic
        (node.rest if open_end else node.ends).append(place)

    def _candidates(self, path: str) -> list[int]:
        if len(self._routes) <= FEW:
            return self._always
        places = [*self._always]
        # A trailing line break matches the end of a pattern too.
        self._root.collect(_segments(path.removesuffix("\n")), places)
        places.sort()
        return places


def _added(route: BaseRoute, given: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """Make what a route adds to the scope, as Starlette's ``WebSocketRoute`` does."""
    params = dict(scope.get("path_params") or ())
    for name, text in given.items():
        params[name] = route.param_convertors[name].convert(text)  # type: ignore[attr-defined]
    return {"endpoint": route.endpoint, "path_params": params}  # type: ignore[attr-defined]


def _segments(path: str) -> list[str]:
    return path.removeprefix("/").split("/")


class RouteList(list[BaseRoute]):
    """A list of routes that knows when its index is out of date."""

    @functools.cached_property
    def finder(self) -> RouteIndex:
        """The index of what the list holds now."""
        return RouteIndex(self)


def _changing(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def changing(self: RouteList, *arguments: Any, **options: Any) -> Any:
        self.__dict__.pop("finder", None)
        return method(self, *arguments, **options)

    return changing


_METHODS: Final = ("append", "extend", "insert", "remove", "pop", "clear", "reverse", "sort")
for _name in (*_METHODS, "__setitem__", "__delitem__", "__iadd__", "__imul__"):
    setattr(RouteList, _name, _changing(getattr(list, _name)))
