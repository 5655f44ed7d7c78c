"""Kui: handlers take the connection from a context variable; `accept` takes no headers."""

from typing import Annotated

from baize.asgi import WebSocketDisconnect
from handlers import handlers, in_context, resource
from kui.asgi import Depends, Kui, Path, Query, SocketRoute, WebSocket, websocket, websocket_var


async def items(item: Annotated[int, Path()]) -> None:
    await websocket.accept()
    await websocket.send_json(item)
    await websocket.close()


async def search(limit: Annotated[int, Query()]) -> None:
    await websocket.accept()
    await websocket.send_json(limit)
    await websocket.close()


async def dependency(resource: Annotated[str, Depends(resource)]) -> None:
    await websocket.accept()
    await websocket.send_text(resource)
    async for _ in websocket.iter_text():
        pass


shared = handlers(WebSocket, WebSocketDisconnect)
endpoints = {path: in_context(websocket_var, handler) for path, handler in shared.items()}
del endpoints["/accept-headers"]
endpoints |= {"/items/{item:int}": items, "/search": search, "/dependency": dependency}
app = Kui(routes=[SocketRoute(path, endpoint, None) for path, endpoint in endpoints.items()])
