"""Rooms in a process of its own: ``rooms_server.py REDIS_URL PORT``. It acknowledges what a member has sent."""

import logging
import socket
import sys

import uvicorn

from reference_ws import App, EngineError, Rooms, WebSocket

rooms = Rooms(sys.argv[1], history=100_000, id_key="id")
app = App()


@app.router.websocket("/{name}")
async def room(websocket: WebSocket, name: str, after: str):
    await websocket.accept()
    try:
        async with rooms.join(name, websocket, after=after) as room:
            async for text in websocket.iter_text():
                try:
                    id_ = await room.send_json({"text": text})
                except EngineError:
                    await websocket.send_text(f"unknown {text}")
                else:
                    await websocket.send_text(f"taken {id_} {text}")
    except EngineError as error:
        await websocket.close(1013, str(error)[:100])


if __name__ == "__main__":
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of each connection that was cut under a send
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # so that one who stops reading is noticed soon
    listener.bind(("127.0.0.1", int(sys.argv[2])))
    listener.listen(1024)
    config = uvicorn.Config(app, log_level="critical", ws="websockets-sansio", ws_per_message_deflate=False)
    uvicorn.Server(config).run([listener])
