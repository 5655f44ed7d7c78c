"""Starlette: it binds nothing, so the handler reads the parameters by hand."""
# ruff: noqa: D103

from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from benchmarks.scenarios import resource


async def _text(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


async def _json(websocket: WebSocket) -> None:
    await websocket.accept()
    async for value in websocket.iter_json():
        await websocket.send_json(value)


async def _bound(websocket: WebSocket) -> None:
    item = int(websocket.path_params["item"])
    limit = int(websocket.query_params["limit"])
    q = websocket.query_params["q"]
    async with asynccontextmanager(resource)() as made:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(f"{item + limit} {q} {made.name} {text}")


def text_echo() -> Starlette:
    return Starlette(routes=[WebSocketRoute("/ws", _text)])


def json_echo() -> Starlette:
    return Starlette(routes=[WebSocketRoute("/ws", _json)])


def many_routes(count: int) -> Starlette:
    return Starlette(routes=[WebSocketRoute(f"/route{number}/{{name}}", _text) for number in range(count)])


def binding() -> Starlette:
    return Starlette(routes=[WebSocketRoute("/items/{item}", _bound)])


def rooms() -> Starlette:
    members: set[WebSocket] = set()

    async def room(websocket: WebSocket) -> None:
        await websocket.accept()
        members.add(websocket)
        try:
            async for text in websocket.iter_text():
                for member in tuple(members):
                    await member.send_text(text)
        finally:
            members.discard(websocket)

    return Starlette(routes=[WebSocketRoute("/ws", room)])
