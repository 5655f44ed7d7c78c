"""The endpoints of the page ``conform`` that read alike in many systems: their connections have the same methods.

Each system has a module of its own beside this one, which registers them as its documentation does and writes what is
different there. What a system doesn't have is left out, and is then not offered.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

watching: list[Any] = []  # Kui's connections can't be in a set


async def note(value: object) -> None:
    for watcher in watching.copy():
        await watcher.send_json(value)


async def resource():
    """Be the dependency: the watcher hears of its clean-up."""
    try:
        yield "open"
    finally:
        await note("cleaned")


async def attempt(sending: Awaitable[object]) -> None:
    try:
        await sending
    except Exception:
        await note("raised")
    else:
        await note("sent")


def handlers(
    WebSocket: Any,  # noqa: N803
    WebSocketDisconnect: type[BaseException],  # noqa: N803
    iter_text: Callable[[Any], AsyncIterator[str]] = lambda websocket: websocket.iter_text(),
) -> dict[str, Callable[[Any], Awaitable[None]]]:
    """Make the handlers by path, with the system's own classes, and its own way to give one text after another."""

    async def watch(websocket: WebSocket):
        await websocket.accept()
        watching.append(websocket)
        try:
            async for _ in iter_text(websocket):
                pass
        finally:
            watching.remove(websocket)

    async def subprotocol(websocket: WebSocket):
        await websocket.accept(subprotocol="chat")
        await websocket.close()

    async def accept_headers(websocket: WebSocket):
        await websocket.accept(headers=[(b"x-room", b"blue")])
        await websocket.close()

    async def headers(websocket: WebSocket):
        await websocket.accept()
        query = websocket.query_params["q"]
        await websocket.send_json([websocket.headers["X-Name"], websocket.cookies["lang"], query])
        await websocket.close()

    async def before_accept(websocket: WebSocket):
        await attempt(websocket.send_text("early"))
        await websocket.accept()
        await websocket.close()

    async def refuse(websocket: WebSocket):
        await note("asked")
        await websocket.close()

    async def text(websocket: WebSocket):
        await websocket.accept()
        async for message in iter_text(websocket):
            await websocket.send_text(message)
        await note("ended")

    async def binary(websocket: WebSocket):
        await websocket.accept()
        async for message in websocket.iter_bytes():
            await websocket.send_bytes(message)

    async def json(websocket: WebSocket):
        await websocket.accept()
        async for value in websocket.iter_json():
            await websocket.send_json(value)

    async def receive(websocket: WebSocket):
        await websocket.accept()
        try:
            await websocket.receive_text()
        except WebSocketDisconnect as gone:
            await note([gone.code, gone.reason])

    async def uncaught(websocket: WebSocket):
        await websocket.accept()
        await websocket.receive_text()

    async def gone(websocket: WebSocket):
        await websocket.accept()
        async for _ in iter_text(websocket):
            pass
        await attempt(websocket.send_text("late"))

    async def close(websocket: WebSocket):
        await websocket.accept()
        await websocket.close(4000, "done")

    async def close_twice(websocket: WebSocket):
        await websocket.accept()
        await websocket.close(4000, "first")
        await websocket.close(4001, "second")

    async def after_close(websocket: WebSocket):
        await websocket.accept()
        await websocket.close(4000)
        await attempt(websocket.send_text("late"))

    async def ends(websocket: WebSocket):
        await websocket.accept()

    async def ends_unaccepted(websocket: WebSocket):
        await note("asked")

    async def raises(websocket: WebSocket):
        await websocket.accept()
        raise ValueError("a mistake")

    async def raises_unaccepted(websocket: WebSocket):
        await note("asked")
        raise ValueError("a mistake")

    return {
        "/watch": watch,
        "/subprotocol": subprotocol,
        "/accept-headers": accept_headers,
        "/headers": headers,
        "/before-accept": before_accept,
        "/refuse": refuse,
        "/text": text,
        "/bytes": binary,
        "/json": json,
        "/receive": receive,
        "/uncaught": uncaught,
        "/gone": gone,
        "/close": close,
        "/close-twice": close_twice,
        "/after-close": after_close,
        "/ends": ends,
        "/ends-unaccepted": ends_unaccepted,
        "/raises": raises,
        "/raises-unaccepted": raises_unaccepted,
    }


def in_context(var: ContextVar[Any], handler: Callable[[Any], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Take the connection from a context variable: itself, since who watches is sent to from other contexts."""

    async def endpoint() -> None:
        await handler(var.get())

    return endpoint
