"""python-socketio: a room, and with Redis its manager; its clients speak Socket.IO on top of WebSocket."""
# ruff: noqa: ARG001, D103

from typing import Any

import socketio


def rooms(url: str | None = None) -> socketio.ASGIApp:
    manager = None if url is None else socketio.AsyncRedisManager(url)
    server = socketio.AsyncServer(async_mode="asgi", client_manager=manager)

    @server.event
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await server.enter_room(sid, "news")

    @server.event
    async def text(sid: str, data: str) -> None:
        await server.emit("text", data, room="news")

    return socketio.ASGIApp(server)
