"""Spellings that type checkers judge: mypy --strict and pyright find an error on each line that says so, on no other.

`tests/test_typing.py` runs both. A line with `# wrong` must be an error of each; nothing here is run.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from typing_extensions import assert_type

from reference_ws import (
    App,
    Cookie,
    Depends,
    Header,
    Path,
    Query,
    Routes,
    SocketRoute,
    SocketView,
    WebSocket,
    use,
    websocket,
)
from reference_ws.testing import connect, run_lifespan
from reference_ws.transcript import Report, check, parse, play


@dataclass
class Point:
    x: int
    y: int


class Say(TypedDict):
    say: str


async def database() -> AsyncIterator[str]:
    yield "database"


def user(token: Annotated[str, Header(alias="x-token")] = "") -> str:
    return token


app = App()


# --- handlers and their parameters ------------------------------------------------------------------------------------


@app.router.websocket("/annotated/{room}")
async def annotated(
    websocket: WebSocket,
    room: str,
    user: Annotated[str, Depends(user)],
    again: Annotated[str, use(database, reuse=False)],
    page: Annotated[int, Query(1)],
    name: Annotated[str, Path(alias="room")],
    session: Annotated[str | None, Cookie(None)] = None,
    limit: int = 10,
) -> None:
    await websocket.accept()


@app.websocket("/defaults")
async def defaults(
    websocket: WebSocket, user: str = Depends(user), page: int = Query(1), token: str = Header(...), c: str = Cookie("")
) -> None:
    await websocket.accept()


@app.router.websocket("/function")  # wrong
def function(websocket: WebSocket) -> None:
    pass


class View(SocketView):
    encoding = "text"

    async def on_connect(self, room: str, user: Annotated[str, Depends(user)]) -> None:
        await self.websocket.accept()

    async def on_receive(self, data: Point) -> None:
        await self.websocket.send_json([data.x, data.y])

    async def on_disconnect(self, close_code: int) -> None:
        pass


class Plain(SocketView):
    async def on_connect(self) -> None:
        await self.websocket.accept()


class Wrong(SocketView):
    encoding = "binary"  # wrong


routes = Routes(SocketRoute("/view", View), SocketRoute("/function", annotated))
app.router.websocket("/view")(View)
app.dependency_overrides[user] = lambda: "Ana"


# --- messages ---------------------------------------------------------------------------------------------------------


async def messages(ws: WebSocket) -> None:
    assert_type(await ws.receive_text(), str)
    assert_type(await ws.receive_json(), Any)
    assert_type(await ws.receive_json(type=Point), Point)
    assert_type(await ws.receive_json("text", type=Say), Say)
    assert_type(await ws.receive_json(type=list[int]), list[int])
    await ws.receive_json(type=Point | None)
    await ws.receive_json(type=Literal["a", "b"])
    async for point in ws.iter_json(type=Point):
        assert_type(point, Point)
    async for either in ws.iter_json(type=Point | Say):
        print(either)
    async for anything in ws.iter_json("binary"):
        print(anything)
    async for text in websocket.iter_text():
        assert_type(text, str)
    await ws.receive_json("binary")
    await ws.receive_json(mode="binry")  # wrong
    await ws.send_json([1], mode="binary")
    await ws.send_json([1], mode="binry")  # wrong
    ws.iter_json(mode="bytes")  # wrong
    await ws.send_text(b"bytes")  # wrong
    await ws.close(1000, ["why"])  # wrong
    await ws.accept(headers={"x-a": "b"})
    await ws.accept("chat", [("x-a", "b")])
    await ws.accept("chat", [(b"x-a", b"b")])


# --- tests ------------------------------------------------------------------------------------------------------------


async def tests() -> None:
    async with run_lifespan(app) as state, connect(app, "/", subprotocols=["chat"]) as client:
        assert_type(state, dict[str, Any])
        assert_type(client.accepted_subprotocol, str | None)
        await client.send_json({}, mode="binary")
        await client.send_json({}, mode="binry")  # wrong
    assert_type(await check(app, "-> connect /", lifespan=False), Report)
    await play("ws://127.0.0.1:1", parse("-> connect /"))
    await check(None, "-> connect /")  # wrong
