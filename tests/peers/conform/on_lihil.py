"""Lihil: each path is a route object of its own; its `WebSocket` is Starlette's."""

from collections.abc import AsyncGenerator
from typing import Annotated

from handlers import handlers, note
from lihil import Lihil, WebSocket, WebSocketRoute, use
from starlette.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect


async def deny(websocket: WebSocket):
    await note("asked")
    await websocket.send_denial_response(JSONResponse({"error": "token"}, 401))


async def items(websocket: WebSocket, item: int):
    await websocket.accept()
    await websocket.send_json(item)
    await websocket.close()


async def search(websocket: WebSocket, limit: int):
    await websocket.accept()
    await websocket.send_json(limit)
    await websocket.close()


class Resource:
    state = "open"


async def resource() -> AsyncGenerator[Resource, None]:
    try:
        yield Resource()
    finally:
        await note("cleaned")


async def dependency(websocket: WebSocket, resource: Annotated[Resource, use(resource, reuse=False)]):
    await websocket.accept()
    await websocket.send_text(resource.state)
    async for _ in websocket.iter_text():
        pass


here = {
    "/deny": deny,
    "/items/{item}": items,
    "/search": search,
    "/dependency": dependency,
}
routes = []
for path, endpoint in (handlers(WebSocket, WebSocketDisconnect) | here).items():
    route = WebSocketRoute(path)
    route.endpoint(endpoint)
    routes.append(route)
app = Lihil(*routes)
