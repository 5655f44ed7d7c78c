"""A handler is cancelled, or an exception comes up, at its n-th await, for every n; on asyncio and on trio."""

import asyncio
import sys
import types
from typing import Annotated

import anyio
import anyio.lowlevel
import pytest
from starlette.responses import PlainTextResponse, StreamingResponse

from reference_ws import App, Depends, SocketView, WebSocket, lifecycle
from reference_ws.testing import InMemoryConnection, handshake

events: list[str] = []


class BoomError(Exception):
    pass


class Steps:
    """Counts the awaits of handlers and server, and raises at the chosen one."""

    taken = 0
    fails_at: int | None = None

    async def __call__(self):
        self.taken += 1
        at = self.taken - 1
        await anyio.lowlevel.checkpoint()
        if at == self.fails_at:
            raise BoomError


step = Steps()


class SlowConnection(InMemoryConnection):
    """A server whose every `receive` and `send` waits once, before or after it has done its work."""

    def __init__(self, *, before: bool):
        super().__init__(handshake("/"))
        self.before = before
        for text in ("one", "two", "three"):
            self.deliver(text=text)

    async def receive(self):
        await step()
        return await super().receive()

    async def send(self, message):
        if self.before:
            try:
                await step()
            except BaseException:
                events.append(f"cut off {lifecycle.sent_event(message)}")
                raise
        try:
            await super().send(message)
        except RuntimeError:
            events.append(f"illegal {message['type']}")
            raise
        if not self.before:
            await step()


# --- what is interrupted ----------------------------------------------------------------------------------------------


async def resource():
    await step()
    events.append("made")
    try:
        yield
        await step()
    finally:
        events.append("cleaned up")


Resource = Annotated[None, Depends(resource)]


async def talks(websocket: WebSocket, _: Resource):
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.receive_text()
    await websocket.is_disconnected()
    async with websocket.cancel_on_disconnect():
        await step()
        await websocket.send_json([1])
    async for _text in websocket.iter_text():
        break
    await websocket.close(4000)


async def returns(websocket: WebSocket, _: Resource):
    await websocket.accept()
    await websocket.receive_text()


async def closes_in_finally(websocket: WebSocket, _: Resource):
    try:
        await websocket.accept()
        await websocket.send_text("hello")
    finally:
        await websocket.close(4001)


async def refuses(websocket: WebSocket, _: Resource):
    await websocket.close()


async def denies(websocket: WebSocket, _: Resource):
    await websocket.send_denial_response(PlainTextResponse("no", 401))


async def denies_in_parts(websocket: WebSocket, _: Resource):
    async def parts():
        for part in (b"n", b"o"):
            await step()
            yield part

    await websocket.send_denial_response(StreamingResponse(parts(), 401))


async def wants_a_number(websocket: WebSocket, _: Resource, number: int):
    raise AssertionError


class View(SocketView):
    encoding = "text"

    async def on_connect(self, _: Resource):
        events.append("view")
        await step()
        await self.websocket.accept()

    async def on_receive(self, data):
        await self.websocket.send_text(data)
        if data == "two":
            await self.websocket.close()

    async def on_disconnect(self, close_code):
        events.append("on_disconnect")
        await step()


HANDLERS = [talks, returns, closes_in_finally, refuses, denies, denies_in_parts, wants_a_number, View]


def application(handler):
    app = App()
    app.router.websocket("/")(handler)
    return app


# --- how --------------------------------------------------------------------------------------------------------------


@types.coroutine
def watched(coroutine, about_to_wait):
    """Run a coroutine to its end; `about_to_wait` is called whenever it waits."""
    resume, value = coroutine.send, None
    while True:
        try:
            wait = resume(value)
        except StopIteration as end:
            return end.value
        about_to_wait()
        try:
            resume, value = coroutine.send, (yield wait)
        except BaseException as error:
            resume, value = coroutine.throw, error


async def interrupted(handler, at, how, before):
    """Serve one connection, interrupted at the `at`-th await; give the connection, and False when there is no such."""
    waits = 0
    connection = SlowConnection(before=before)
    app = application(handler)
    step.taken, step.fails_at = 0, at if how == "exception" else None

    def about_to_wait():
        nonlocal waits
        waits += 1
        if waits == at + 1:
            cancel()

    async def asgi(scope, receive, send):
        await watched(app(scope, receive, send), about_to_wait)

    if how == "exception":
        await connection.run(app)
        return connection, step.taken > at
    if how == "task.cancel()":
        task = asyncio.create_task(connection.run(asgi))
        cancel = task.cancel
        await asyncio.wait([task])
    else:
        with anyio.CancelScope() as scope:
            cancel = scope.cancel
            await connection.run(asgi)
    return connection, waits > at


def tasks_living():
    if "trio" in sys.modules and sys.modules["trio"].lowlevel.in_trio_run():
        return sys.modules["trio"].lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


ENDS = (lifecycle.CLOSE, lifecycle.RESPONSE_LAST_BODY, lifecycle.RESPONSE_START)
"""What ends a connection, or obliges to end it."""


def terminal(connection):
    sent = []
    while connection.sent:
        sent.append(lifecycle.sent_event(connection.take()))
    return sum(event in ENDS[:2] for event in sent)


WAYS = [("asyncio", "task.cancel()"), ("asyncio", "scope"), ("asyncio", "exception"), ("trio", "scope")]
WAYS.append(("trio", "exception"))


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.__name__)
@pytest.mark.parametrize(("backend", "how"), WAYS, ids=str)
# A loop that is left early, and Starlette's streamed responses, leave their generators to the garbage collector.
@pytest.mark.filterwarnings("ignore:Async generator .* was garbage collected:ResourceWarning")
@pytest.mark.parametrize("before", [False, True], ids=["taken", "not-yet-taken"])
def test_one_end_and_one_clean_up_wherever_it_is_interrupted(handler, backend, how, before, add):
    async def run():
        at, goes_on = 0, True
        while goes_on:
            events.clear()
            living = tasks_living()
            connection, goes_on = await interrupted(handler, at, how, before)
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            place = f"await {at}: {events}, {connection.error!r}"
            assert living == tasks_living(), place
            # Nobody can know of a message that was cut off whether the server has taken it; only that one is missing.
            cut_off = sum(f"cut off {event}" in events for event in ENDS)
            assert cut_off == 0 or before
            illegal = [event for event in events if event.startswith("illegal")]
            assert [] == illegal or f"cut off {lifecycle.RESPONSE_START}" in events, place
            assert events.count("made") == events.count("cleaned up") <= 1, place
            assert events.count("view") == events.count("on_disconnect") <= 1, place
            assert 1 == terminal(connection) + cut_off, place
            at += 1
        assert 2 < at
        add(f"awaits of {len(HANDLERS)} handlers interrupted on {backend} by {how}", at)

    anyio.run(run, backend=backend)
