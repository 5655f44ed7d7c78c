"""No framework at all: the floor. It has one handler and looks for no route, whatever the path is."""
# ruff: noqa: D103

import json

from starlette.types import ASGIApp, Receive, Scope, Send


async def _text(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def _json(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        value = json.loads(message["text"])
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        await send({"type": "websocket.send", "text": text})


def text_echo() -> ASGIApp:
    return _text


def json_echo() -> ASGIApp:
    return _json


def many_routes(count: int) -> ASGIApp:  # noqa: ARG001
    return _text
