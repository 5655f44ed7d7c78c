"""Starlette alone: it binds no query parameters and has no dependencies."""

from handlers import handlers, note
from starlette.applications import Starlette
from starlette.exceptions import WebSocketException
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


async def deny(websocket: WebSocket):
    await note("asked")
    await websocket.send_denial_response(JSONResponse({"error": "token"}, 401))


async def exception(websocket: WebSocket):
    await websocket.accept()
    raise WebSocketException(4001, "not today")


async def items(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_json(websocket.path_params["item"])
    await websocket.close()


here = {"/deny": deny, "/exception": exception, "/items/{item:int}": items}
endpoints = handlers(WebSocket, WebSocketDisconnect) | here
app = Starlette(routes=[WebSocketRoute(path, endpoint) for path, endpoint in endpoints.items()])
