"""Lilya: a WebSocket handler gets dependencies, but no path or query parameters, so there is no `binding` here."""
# ruff: noqa: D103

from lilya.apps import Lilya
from lilya.routing import WebSocketPath
from lilya.websockets import WebSocket


async def _text(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


async def _json(websocket: WebSocket) -> None:
    await websocket.accept()
    async for value in websocket.iter_json():
        await websocket.send_json(value)


def text_echo() -> Lilya:
    return Lilya(routes=[WebSocketPath("/ws", _text)])


def json_echo() -> Lilya:
    return Lilya(routes=[WebSocketPath("/ws", _json)])


def many_routes(count: int) -> Lilya:
    return Lilya(routes=[WebSocketPath(f"/route{number}/{{name}}", _text) for number in range(count)])
