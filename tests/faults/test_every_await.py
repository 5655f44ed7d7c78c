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


class SlowConnection(InMemoryConnection):
    """A server whose every `receive` and `send` waits once, before or after it has done its work."""

    def __init__(self, *, before: bool):
        super().__init__(handshake("/"))
        self.before = before
        for text in ("one", "two", "three"):
            self.deliver(text=text)

    async def receive(self):
        await anyio.lowlevel.checkpoint()
        return await super().receive()

    async def send(self, message):
        if self.before:
            try:
                await anyio.lowlevel.checkpoint()
            except BaseException:
                events.append(f"cut off {lifecycle.sent_event(message)}")
                raise
        try:
            await super().send(message)
        except RuntimeError:
            events.append(f"illegal {message['type']}")
            raise
        if not self.before:
            await anyio.lowlevel.checkpoint()


# --- what is interrupted ----------------------------------------------------------------------------------------------


async def resource():
    await anyio.lowlevel.checkpoint()
    events.append("made")
    try:
        yield
        await anyio.lowlevel.checkpoint()
    finally:
        events.append("cleaned up")


Resource = Annotated[None, Depends(resource)]


async def talks(websocket: WebSocket, _: Resource):
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.receive_text()
    await websocket.is_disconnected()
    async with websocket.cancel_on_disconnect():
        await anyio.lowlevel.checkpoint()
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
            await anyio.lowlevel.checkpoint()
            yield part

    await websocket.send_denial_response(StreamingResponse(parts(), 401))


async def wants_a_number(websocket: WebSocket, _: Resource, number: int):
    raise AssertionError


class View(SocketView):
    encoding = "text"

    async def on_connect(self, _: Resource):
        events.append("view")
        await anyio.lowlevel.checkpoint()
        await self.websocket.accept()

    async def on_receive(self, data):
        await self.websocket.send_text(data)
        if data == "two":
            await self.websocket.close()

    async def on_disconnect(self, close_code):
        events.append("on_disconnect")
        await anyio.lowlevel.checkpoint()


HANDLERS = [talks, returns, closes_in_finally, refuses, denies, denies_in_parts, wants_a_number, View]


def application(handler):
    app = App()
    app.router.websocket("/")(handler)
    return app


# --- how ------------------------------------------------------------------------------------------------------------------


@types.coroutine
def watched(coroutine, before_wait, after_wait):
    """Run a coroutine to its end: `before_wait` is called whenever it is about to wait, `after_wait` when it goes on.

    What `after_wait` returns is raised where it waited.
    """
    resume, value = coroutine.send, None
    while True:
        try:
            wait = resume(value)
        except StopIteration as end:
            return end.value
        before_wait()
        try:
            value = yield wait
            resume = coroutine.send
            if (error := after_wait()) is not None:
                resume, value = coroutine.throw, error
        except BaseException as error:
            resume, value = coroutine.throw, error


async def interrupted(handler, at, how, before):
    """Serve one connection, interrupted at the `at`-th await; give the connection, and False when there is no such."""
    waits = 0
    reached = False
    connection = SlowConnection(before=before)

    def reach():
        nonlocal waits, reached
        waits += 1
        if waits == at + 1:
            reached = True
        return waits == at + 1

    app = application(handler)

    async def asgi(scope, receive, send):
        if how == "exception":
            await watched(app(scope, receive, send), lambda: None, lambda: BoomError() if reach() else None)
        else:
            await watched(app(scope, receive, send), lambda: cancel() if reach() else None, lambda: None)

    if how == "task.cancel()":
        task = asyncio.create_task(connection.run(asgi))
        # A wait that is already over by then would be cancelled too: so it is at a server's, too.
        cancel = task.cancel
        await asyncio.wait([task])
    else:
        with anyio.CancelScope() as scope:
            cancel = scope.cancel
            await connection.run(asgi)
    return connection, reached


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
def test_one_end_and_one_clean_up_wherever_it_is_interrupted(handler, backend, how, before, number):
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
        number(f"{at} awaits of {handler.__name__} interrupted on {backend} by {how}")

    anyio.run(run, backend=backend)
