"""The library of this repository."""
# ruff: noqa: D103

from typing import Annotated

from benchmarks.scenarios import Resource, resource
from reference_ws import App, Depends, Rooms, WebSocket


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


def text_echo() -> App:
    app = App()
    app.router.websocket("/ws")(_text)
    return app


def json_echo() -> App:
    app = App()
    app.router.websocket("/ws")(_json)
    return app


def many_routes(count: int) -> App:
    app = App()
    for number in range(count):
        app.router.websocket(f"/route{number}/{{name}}")(_text)
    return app


def binding() -> App:
    app = App()
    app.router.websocket("/items/{item}")(_bound)
    return app


def rooms(url: str | None = None) -> App:
    app, rooms = App(), Rooms(url)

    @app.router.websocket("/ws")
    async def room(websocket: WebSocket) -> None:
        await websocket.accept()
        async with rooms.join("news", websocket) as room:
            async for text in websocket.iter_text():
                await room.send_text(text)

    return app
