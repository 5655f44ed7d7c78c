"""Litestar: `iter_data` yields text frames."""
# ruff: noqa: D103

from typing import Any

from litestar import Litestar, WebSocket, websocket
from litestar.di import Provide

from benchmarks.scenarios import Resource, resource

Socket = WebSocket[Any, Any, Any]


async def _text(socket: Socket) -> None:
    await socket.accept()
    async for text in socket.iter_data("text"):
        await socket.send_text(text)


async def _json(socket: Socket) -> None:
    await socket.accept()
    async for value in socket.iter_json():
        await socket.send_json(value)


async def _bound(socket: Socket, item: int, limit: int, q: str, made: Resource) -> None:
    await socket.accept()
    async for text in socket.iter_data("text"):
        await socket.send_text(f"{item + limit} {q} {made.name} {text}")


def text_echo() -> Litestar:
    return Litestar([websocket("/ws")(_text)])


def json_echo() -> Litestar:
    return Litestar([websocket("/ws")(_json)])


def many_routes(count: int) -> Litestar:
    return Litestar([websocket(f"/route{number}/{{name:str}}")(_text) for number in range(count)])


def binding() -> Litestar:
    return Litestar([websocket("/items/{item:int}", dependencies={"made": Provide(resource)})(_bound)])
