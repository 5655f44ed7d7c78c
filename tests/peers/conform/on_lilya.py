"""Lilya: it has no `send_denial_response`, and a WebSocket handler is given no query parameters."""

from handlers import handlers, resource
from lilya.apps import Lilya
from lilya.dependencies import Provide, Provides
from lilya.exceptions import WebSocketException
from lilya.routing import WebSocketPath
from lilya.websockets import WebSocket, WebSocketDisconnect


async def exception(websocket: WebSocket):
    await websocket.accept()
    raise WebSocketException(4001, "not today")


async def items(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_json(websocket.path_params["item"])
    await websocket.close()


async def dependency(websocket: WebSocket, resource=Provides()):  # noqa: B008
    await websocket.accept()
    await websocket.send_text(resource)
    async for _ in websocket.iter_text():
        pass


endpoints = handlers(WebSocket, WebSocketDisconnect) | {"/exception": exception, "/items/{item:int}": items}
app = Lilya(
    routes=[
        *(WebSocketPath(path, endpoint) for path, endpoint in endpoints.items()),
        WebSocketPath("/dependency", dependency, dependencies={"resource": Provide(resource)}),
    ]
)
