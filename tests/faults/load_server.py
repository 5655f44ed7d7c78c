"""An echo in a process of its own, by this library or by Starlette alone: ``load_server.py reference_ws|starlette``."""

import resource
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket as StarletteWebSocket

from reference_ws import App, WebSocket
from reference_ws.guide.serving import listen


async def echo(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


async def starlette_echo(websocket: StarletteWebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    app = Starlette(routes=[WebSocketRoute("/", starlette_echo)])
    if sys.argv[1] == "reference_ws":
        app = App()
        app.router.websocket("/")(echo)
    listener = listen("127.0.0.1", 0)
    listener.listen(2048)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="error", ws="websockets-sansio", ws_ping_interval=None)
    uvicorn.Server(config).run([listener])
