"""Lihil: each WebSocket path is a route object of its own; its `WebSocket` is Starlette's."""
# ruff: noqa: D103

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from lihil import Lihil, WebSocket, WebSocketRoute, use

from benchmarks.scenarios import Resource, resource


async def _text(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


async def _json(websocket: WebSocket) -> None:
    await websocket.accept()
    async for value in websocket.iter_json():
        await websocket.send_json(value)


async def _bound(
    websocket: WebSocket,
    item: int,
    limit: int,
    q: str,
    made: Annotated[Resource, use(resource, reuse=False)],
) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"{item + limit} {q} {made.name} {text}")


def _route(path: str, handler: Callable[..., Coroutine[Any, Any, None]]) -> WebSocketRoute:
    route = WebSocketRoute(path)
    route.endpoint(handler)
    return route


def text_echo() -> Lihil:
    return Lihil(_route("/ws", _text))


def json_echo() -> Lihil:
    return Lihil(_route("/ws", _json))


def many_routes(count: int) -> Lihil:
    return Lihil(*(_route(f"/route{number}/{{name}}", _text) for number in range(count)))


def binding() -> Lihil:
    return Lihil(_route("/items/{item}", _bound))
