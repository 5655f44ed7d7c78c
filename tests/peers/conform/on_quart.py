"""Quart: the connection is a context variable; a handler is cancelled when its client leaves, and no code is told."""

from asyncio import CancelledError

from handlers import attempt, note, watching
from quart import Quart, websocket

app = Quart(__name__)


class Watcher:
    """The connection itself, for the handlers of others."""

    def __init__(self) -> None:
        self.send_json = websocket._get_current_object().send_json


@app.websocket("/watch")
async def watch():
    await websocket.accept()
    watching.append(watcher := Watcher())
    try:
        while True:
            await websocket.receive()
    finally:
        watching.remove(watcher)


@app.websocket("/subprotocol")
async def subprotocol():
    await websocket.accept(subprotocol="chat")
    await websocket.close(1000)


@app.websocket("/accept-headers")
async def accept_headers():
    await websocket.accept(headers={"x-room": "blue"})
    await websocket.close(1000)


@app.websocket("/headers")
async def headers():
    await websocket.accept()
    await websocket.send_json([websocket.headers["X-Name"], websocket.cookies["lang"], websocket.args["q"]])
    await websocket.close(1000)


@app.websocket("/before-accept")
async def before_accept():
    await attempt(websocket.send("early"))
    await websocket.accept()
    await websocket.close(1000)


@app.websocket("/refuse")
async def refuse():
    await note("asked")
    await websocket.close(1000)


@app.websocket("/deny")
async def deny():
    await note("asked")
    return {"error": "token"}, 401


@app.websocket("/text")
@app.websocket("/bytes")
async def echo():
    await websocket.accept()
    try:
        while True:
            await websocket.send(await websocket.receive())
    except CancelledError:
        await note("ended")
        raise


@app.websocket("/json")
async def json():
    await websocket.accept()
    while True:
        await websocket.send_json(await websocket.receive_json())


@app.websocket("/uncaught")
async def uncaught():
    await websocket.accept()
    await websocket.receive()


@app.websocket("/gone")
async def gone():
    await websocket.accept()
    try:
        await websocket.receive()
    except CancelledError:
        await attempt(websocket.send("late"))
        raise


@app.websocket("/close")
async def close():
    await websocket.accept()
    await websocket.close(4000, "done")


@app.websocket("/close-twice")
async def close_twice():
    await websocket.accept()
    await websocket.close(4000, "first")
    await websocket.close(4001, "second")


@app.websocket("/after-close")
async def after_close():
    await websocket.accept()
    await websocket.close(4000)
    await attempt(websocket.send("late"))


@app.websocket("/ends")
async def ends():
    await websocket.accept()


@app.websocket("/ends-unaccepted")
async def ends_unaccepted():
    await note("asked")


@app.websocket("/raises")
async def raises():
    await websocket.accept()
    raise ValueError("a mistake")


@app.websocket("/raises-unaccepted")
async def raises_unaccepted():
    await note("asked")
    raise ValueError("a mistake")


@app.websocket("/items/<int:item>")
async def items(item: int):
    await websocket.accept()
    await websocket.send_json(item)
    await websocket.close(1000)
