"""A server in a process of its own, which writes on exit what has ended: ``shutdown_server.py serve|WS FILE``."""

import json
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import anyio
import uvicorn

from reference_ws import App, Depends, SocketView, WebSocket
from reference_ws.guide.serving import listen, serve

counts = Counter()


async def resource():
    counts["made"] += 1
    try:
        yield
    finally:
        counts["cleaned up"] += 1


@asynccontextmanager
async def lifespan(_: App):
    try:
        yield
    finally:
        counts["lifespans ended"] += 1


app = App(lifespan=lifespan)
Resource = Annotated[None, Depends(resource)]


@app.router.websocket("/receiving")
async def receiving(websocket: WebSocket, _: Resource):
    try:
        await websocket.accept()
        async for _text in websocket.iter_text():
            pass
    finally:
        counts["ended"] += 1


@app.router.websocket("/elsewhere")
async def elsewhere(websocket: WebSocket, _: Resource):
    try:
        await websocket.accept()
        await anyio.sleep_forever()
    finally:
        counts["ended"] += 1


@app.router.websocket("/watching")
async def watching(websocket: WebSocket, _: Resource):
    try:
        await websocket.accept()
        async with websocket.cancel_on_disconnect():
            await anyio.sleep_forever()
    finally:
        counts["ended"] += 1


@app.router.websocket("/sending")
async def sending(websocket: WebSocket, _: Resource):
    try:
        await websocket.accept()
        while True:
            await websocket.send_text("tick")
            await anyio.sleep(0.05)
    finally:
        counts["ended"] += 1


@app.router.websocket("/viewed")
class Viewed(SocketView):
    async def on_connect(self, _: Resource):
        await self.websocket.accept()

    async def on_disconnect(self, close_code: int):
        counts["ended"] += 1


if __name__ == "__main__":
    which, file = sys.argv[1:]
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]

    def ready() -> None:
        print(port, flush=True)

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            ready()

    # Uvicorn raises the signal again when all is done; unless somebody handles it, the process is dead then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if which == "serve":
            serve(app, listener, ready=ready, full=lambda: None)
        else:
            Server(uvicorn.Config(app, log_level="error", ws=which, timeout_graceful_shutdown=1)).run([listener])
    finally:
        Path(file).write_text(json.dumps(counts), "utf-8")
