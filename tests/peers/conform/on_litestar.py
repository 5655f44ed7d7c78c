"""Litestar: iteration names the kind of frame; the exception of a disconnect has no reason."""

from typing import Any

from handlers import handlers, note, resource
from litestar import Litestar, WebSocket, websocket
from litestar.di import Provide
from litestar.exceptions import WebSocketDisconnect, WebSocketException

Socket = WebSocket[Any, Any, Any]


async def subprotocol(socket: Socket) -> None:
    await socket.accept("chat")
    await socket.close()


async def text(socket: Socket) -> None:
    await socket.accept()
    async for message in socket.iter_data("text"):
        await socket.send_text(message)
    await note("ended")


async def binary(socket: Socket) -> None:
    await socket.accept()
    async for message in socket.iter_data("binary"):
        await socket.send_bytes(message)


async def receive(socket: Socket) -> None:
    await socket.accept()
    try:
        await socket.receive_text()
    except WebSocketDisconnect as gone:
        await note([gone.code, ""])


async def exception(socket: Socket) -> None:
    await socket.accept()
    raise WebSocketException(detail="not today", code=4001)


@websocket("/items/{item:int}")
async def items(socket: Socket, item: int) -> None:
    await socket.accept()
    await socket.send_json(item)
    await socket.close()


@websocket("/search")
async def search(socket: Socket, limit: int) -> None:
    await socket.accept()
    await socket.send_json(limit)
    await socket.close()


@websocket("/dependency", dependencies={"resource": Provide(resource)})
async def dependency(socket: Socket, resource: str) -> None:
    await socket.accept()
    await socket.send_text(resource)
    async for _ in socket.iter_data("text"):
        pass


def route(path, handler):
    @websocket(path)
    async def endpoint(socket: Socket) -> None:
        await handler(socket)

    return endpoint


here = {"/subprotocol": subprotocol, "/text": text, "/bytes": binary, "/receive": receive, "/exception": exception}
endpoints = handlers(Socket, WebSocketDisconnect, iter_text=lambda socket: socket.iter_data("text")) | here
app = Litestar([*(route(path, handler) for path, handler in endpoints.items()), items, search, dependency])
