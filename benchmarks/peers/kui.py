"""Kui: handlers take the connection from a context variable."""
# ruff: noqa: D103

from typing import Annotated

from kui.asgi import Depends, Kui, Path, Query, SocketRoute, websocket

from benchmarks.scenarios import Resource, resource


async def _text() -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


async def _json() -> None:
    await websocket.accept()
    async for value in websocket.iter_json():
        await websocket.send_json(value)


async def _bound(
    item: Annotated[int, Path()],
    limit: Annotated[int, Query()],
    q: Annotated[str, Query()],
    made: Annotated[Resource, Depends(resource)],
) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"{item + limit} {q} {made.name} {text}")


def text_echo() -> Kui:
    return Kui(routes=[SocketRoute("/ws", _text)])


def json_echo() -> Kui:
    return Kui(routes=[SocketRoute("/ws", _json)])


def many_routes(count: int) -> Kui:
    return Kui(routes=[SocketRoute(f"/route{number}/{{name}}", _text, None) for number in range(count)])


def binding() -> Kui:
    return Kui(routes=[SocketRoute("/items/{item}", _bound)])
