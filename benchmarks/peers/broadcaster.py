"""Broadcaster: a channel, to which each connection subscribes; in Starlette, as it has no WebSockets of its own."""
# ruff: noqa: D103

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from broadcaster import Broadcast
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket


def rooms(url: str = "memory://") -> Starlette:
    broadcast = Broadcast(url)

    @asynccontextmanager
    async def connected(_: Starlette) -> AsyncIterator[None]:
        # With redis-py 8 nothing comes until somebody subscribes while another one has.
        async with broadcast, broadcast.subscribe("first"), broadcast.subscribe("second"):
            yield

    async def send_all(websocket: WebSocket) -> None:
        async with broadcast.subscribe("news") as subscriber:
            async for event in subscriber:
                await websocket.send_text(event.message)

    async def room(websocket: WebSocket) -> None:
        await websocket.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send_all, websocket)
            async for text in websocket.iter_text():
                await broadcast.publish("news", text)
            tasks.cancel_scope.cancel()

    return Starlette(routes=[WebSocketRoute("/ws", room)], lifespan=connected)
