"""FastAPI: its `WebSocket` is Starlette's; a handler's signature is planned at registration."""
# ruff: noqa: D103

from typing import Annotated

from fastapi import Depends, FastAPI, WebSocket

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
    websocket: WebSocket, item: int, limit: int, q: str, made: Annotated[Resource, Depends(resource)]
) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"{item + limit} {q} {made.name} {text}")


def text_echo() -> FastAPI:
    app = FastAPI()
    app.websocket("/ws")(_text)
    return app


def json_echo() -> FastAPI:
    app = FastAPI()
    app.websocket("/ws")(_json)
    return app


def many_routes(count: int) -> FastAPI:
    app = FastAPI()
    for number in range(count):
        app.websocket(f"/route{number}/{{name}}")(_text)
    return app


def binding() -> FastAPI:
    app = FastAPI()
    app.websocket("/items/{item}")(_bound)
    return app
