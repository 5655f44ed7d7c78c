"""FastAPI: its `WebSocket` is Starlette's."""

from typing import Annotated

from fastapi import Depends, FastAPI, WebSocket, WebSocketDisconnect, WebSocketException
from fastapi.responses import JSONResponse
from handlers import handlers, note, resource

app = FastAPI()
for path, handler in handlers(WebSocket, WebSocketDisconnect).items():
    app.websocket(path)(handler)


@app.websocket("/deny")
async def deny(websocket: WebSocket):
    await note("asked")
    await websocket.send_denial_response(JSONResponse({"error": "token"}, 401))


@app.websocket("/exception")
async def exception(websocket: WebSocket):
    await websocket.accept()
    raise WebSocketException(4001, "not today")


@app.websocket("/items/{item}")
async def items(websocket: WebSocket, item: int):
    await websocket.accept()
    await websocket.send_json(item)
    await websocket.close()


@app.websocket("/search")
async def search(websocket: WebSocket, limit: int):
    await websocket.accept()
    await websocket.send_json(limit)
    await websocket.close()


@app.websocket("/dependency")
async def dependency(websocket: WebSocket, resource: Annotated[str, Depends(resource)]):
    await websocket.accept()
    await websocket.send_text(resource)
    async for _ in websocket.iter_text():
        pass
