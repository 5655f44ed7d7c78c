"""From a handler's signature to a call: what each parameter is bound to, decided once, when the route is registered."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.requests import HTTPConnection

from reference_ws.websocket import WebSocket

__all__ = ["Call", "bind"]

Call = Callable[[WebSocket], Awaitable[None]]
"""A handler with its parameters planned: it takes the connection, and nothing else."""


def bind(handler: Callable[..., Any]) -> Call:
    """Plan how `handler` is called: with no parameter, or with the connection where its signature wants it.

    A parameter is the connection when it is annotated with `WebSocket` (or Starlette's, or ``HTTPConnection``), by any
    name and at any place, or when it is the only one and has no annotation. Raises `TypeError`, naming the handler, its
    file and line, when the handler is not ``async def`` or a parameter can't be bound.
    """
    if not _is_async(handler):
        raise TypeError(f"{where(handler)}: a WebSocket handler must be a coroutine function: write `async def`.")
    parameters = [
        parameter
        for parameter in inspect.signature(handler).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    annotations = _annotations(handler)
    connections = [p for p in parameters if _is_connection(annotations.get(p.name, p.annotation))]
    if not connections and len(parameters) == 1 and parameters[0].annotation is inspect.Parameter.empty:
        connections = parameters
    for parameter in parameters:
        if parameter not in connections and parameter.default is inspect.Parameter.empty:
            raise TypeError(
                f"{where(handler)}: nothing can be bound to the parameter {parameter.name!r}. Annotate the connection "
                "with `WebSocket`; read the rest from it, such as `websocket.path_params` or `websocket.query_params`."
            )
    # The first parameter is passed by its place, so that a positional-only one works; the others by name.
    first = (
        parameters[:1] == connections[:1]
        and parameters[:1] != []
        and parameters[0].kind is not inspect.Parameter.KEYWORD_ONLY
    )
    keywords = [p.name for p in connections[first:]]
    if first and not keywords:
        return handler
    return lambda websocket: handler(*[websocket][:first], **dict.fromkeys(keywords, websocket))


def where(handler: Callable[..., Any]) -> str:
    """Name a handler for an error message: its qualified name, file and line."""
    function = inspect.unwrap(_function(handler))
    name = getattr(function, "__qualname__", type(function).__qualname__)
    code = getattr(function, "__code__", None)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name


def _function(handler: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(handler, partial):
        handler = handler.func
    return handler if inspect.isroutine(handler) else handler.__call__  # type: ignore[operator]


def _is_async(handler: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(_function(handler))


def _annotations(handler: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(_function(handler))
    except NameError as error:
        raise TypeError(
            f"{where(handler)}: an annotation can't be read: {error}. Import the name at the top of the module."
        ) from error


def _is_connection(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, HTTPConnection) and issubclass(WebSocket, annotation)
