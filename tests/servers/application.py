"""What each server serves: the pages' applications at their live addresses, and the handlers of the tests beside it.

`reference_ws.guide.live` needs asyncio; this runs on trio too. A page is run by a request to ``/run/<page>``.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager, nullcontext
from pathlib import Path

import anyio
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from reference_ws import App, WebSocket, WebSocketDisconnect
from reference_ws.guards import LimitGuard
from reference_ws.guide.live import without_denial
from reference_ws.guide.pages import live_path, read_page
from reference_ws.guide.running import PageRun

PAGES = Path(__file__).parents[2] / "docs" / "zh"
"""The code is equal in all languages."""

mounts: dict[str, ASGIApp] = {}
records: list[list[object]] = []
"""What the handlers below have seen: each adds one entry when it has ended."""

tests = App()
guarded = App(middleware=[Middleware(LimitGuard, messages_per_s=1e9, idle_timeout_s=60)])


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        raise RuntimeError("there is nothing to set up")
    if scope["path"].startswith("/run/"):
        await run_page(scope["path"].removeprefix("/run/"))
        await JSONResponse(sorted(mounts))(scope, receive, send)
    elif scope["path"] == "/records":
        response = JSONResponse(records)
        records.clear()  # at once: other handlers may end while it is sent
        await response(scope, receive, send)
    else:
        base = "/".join(scope["path"].split("/", 3)[:3])
        if base in mounts:
            await mounts[base]({**scope, "root_path": base}, receive, send)
        else:
            await (guarded if scope["path"].startswith("/guarded/") else tests)(scope, receive, send)


async def run_page(name: str) -> None:
    """Run a page's samples as far as its last transcript: behind it, samples may need asyncio.

    The transcripts are played once, by the test: what an earlier play had left, a room's history, this one would find.
    """
    page = read_page(PAGES / f"{name}.md")
    run = PageRun(page)
    *_, last = page.transcripts
    await run.up_to(last, play=False)
    run.application(last)
    for app_name, page_app in run.applications.items():
        mounts[live_path(name, app_name)] = page_app
        mounts[live_path(name, app_name, False)] = without_denial(page_app)


@contextmanager
def recording(websocket: WebSocket):
    """Record what the handler got, and how its connection ended; also when it is cancelled."""
    got: list[str] = []
    try:
        yield got
    finally:
        records.append([websocket.url.path, got, *(websocket.end or ())])


@tests.router.websocket("/vanish/{place}")
async def vanish(websocket: WebSocket):
    """Let the client vanish while the handler is at `place`; take what is left of its messages."""
    await websocket.accept()
    with recording(websocket) as got:
        match websocket.path_params["place"]:
            case "send":
                try:
                    while True:
                        await websocket.send_text("tick")
                        await anyio.sleep(0.01)
                except WebSocketDisconnect:
                    return
            case "cancel":
                async with websocket.cancel_on_disconnect():
                    await anyio.sleep_forever()
            case "poll":
                while not await websocket.is_disconnected():  # noqa: ASYNC110 - it is what is tested
                    await anyio.sleep(0.01)
        got += [text async for text in websocket.iter_text()]


@tests.router.websocket("/echo")
async def echo(websocket: WebSocket):
    """Send every message back in the kind of frame that it came in."""
    await websocket.accept()
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if (text := message.get("text")) is not None:
            await websocket.send_text(text)
        else:
            await websocket.send_bytes(message["bytes"])


@tests.router.websocket("/polled")
async def polled(websocket: WebSocket):
    """Send every text back, and ask before each one whether the client is there."""
    await websocket.accept()
    async for text in websocket.iter_text():
        if not await websocket.is_disconnected():
            await websocket.send_text(text)


@tests.router.websocket("/client-closes")
async def client_closes(websocket: WebSocket):
    await websocket.accept()
    with recording(websocket):
        async for _ in websocket.iter_text():
            pass


@tests.router.websocket("/application-closes")
async def application_closes(websocket: WebSocket):
    await websocket.accept()
    with recording(websocket):
        code, reason = await websocket.receive_json()
        await websocket.close(code, reason)


# --- nothing is lost --------------------------------------------------------------------------------------------------


@guarded.router.websocket("/guarded/impatient")
@tests.router.websocket("/impatient")
async def impatient(websocket: WebSocket):
    """Receive numbers under short time limits; tell how many came, came in a wrong place, and were cut off."""
    await websocket.accept()
    came, misplaced, cut = 0, 0, 0
    waits_s = itertools.cycle([0, 0.0002, 0.0005, 0.001, 0.002])
    while True:
        with anyio.move_on_after(next(waits_s)) as wait:
            text = await websocket.receive_text()
        if wait.cancelled_caught:
            cut += 1
            continue
        if text == "all sent":
            break
        misplaced += int(text) != came
        came += 1
    await websocket.send_json([came, misplaced, cut])


@tests.router.websocket("/together/{count:int}")
async def together(websocket: WebSocket, count: int):
    """Send long messages from as many tasks at once; then the numbers of the tasks as they began."""
    await websocket.accept()
    began: list[int] = []

    async def one(number: int) -> None:
        began.append(number)
        await websocket.send_text(f"{number:<200000}")

    async with anyio.create_task_group() as tasks:
        for number in range(count):
            tasks.start_soon(one, number)
    await websocket.send_json(began)
    await websocket.receive_text()  # a server may cut off a slow reader soon after the close frame


@tests.router.websocket("/only-sends/{how}")
async def only_sends(websocket: WebSocket, how: str):
    await websocket.accept()
    with recording(websocket):
        try:
            async with websocket.cancel_on_disconnect() if how == "watched" else nullcontext():
                while True:
                    await websocket.send_text("Hello")
            await websocket.receive()  # the end, which the block has kept
        except WebSocketDisconnect:
            pass
