"""Several tasks of one connection at once: what reaches the server is legal, and one close is one close."""

import asyncio
from collections import deque
from typing import Annotated

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_ws import App, ConnectionOver, Depends, LifecycleError, WebSocket, WebSocketDisconnect, lifecycle
from reference_ws.guards import LimitGuard
from reference_ws.lifecycle import CLOSE
from reference_ws.testing import InMemoryConnection, handshake


class TurningConnection(InMemoryConnection):
    """A server whose every `send` waits for as many turns as it is told, before and after it takes the message.

    It takes messages in the order in which they were sent, as servers do that wait for a client to read.
    """

    def __init__(self, turns, **variant):
        super().__init__(handshake("/"), **variant)
        self.turns = deque(turns)
        self.illegal = []
        self.in_order = anyio.Lock()

    async def pause(self):
        for _ in range(self.turns.popleft() if self.turns else 0):
            await anyio.lowlevel.checkpoint()

    async def send(self, message):
        async with self.in_order:
            await self.pause()
            try:
                await super().send(message)
            except RuntimeError as error:
                self.illegal.append(str(error))
                raise
        await self.pause()

    def all_sent(self):
        return [lifecycle.sent_event(self.take()) for _ in range(len(self._sent))]


schedules = st.lists(st.integers(0, 5), max_size=40)


@given(schedules, st.lists(st.integers(0, 6), min_size=4, max_size=4), st.booleans(), st.integers(0, 12))
@settings(max_examples=500, deadline=None)
def test_two_tasks_send_while_one_closes_and_one_receives(turns, begins, leaves, leaves_at):
    server = TurningConnection(turns)
    over = []

    async def handler(websocket: WebSocket):
        try:
            await websocket.accept()
        except WebSocketDisconnect:
            ends.append(websocket.end)
            raise

        async def send(begin, what):
            for _ in range(begin):
                await anyio.lowlevel.checkpoint()
            try:
                for _ in range(4):
                    await what()
            except (ConnectionOver, WebSocketDisconnect) as error:
                over.append((error.code, error.reason))

        async def close(begin):
            for _ in range(begin):
                await anyio.lowlevel.checkpoint()
            await websocket.close(4000, "enough")
            assert await websocket.is_disconnected()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, begins[0], lambda: websocket.send_text("a"))
            tasks.start_soon(send, begins[1], lambda: websocket.send_json("b"))
            tasks.start_soon(send, begins[2], websocket.receive_text)
            tasks.start_soon(close, begins[3])
        ends.append(websocket.end)

    ends = []
    app = App()
    app.router.websocket("/")(handler)

    async def run():
        async def leave():
            for _ in range(leaves_at):
                await anyio.lowlevel.checkpoint()
            server.leave(1001, "away")

        before = asyncio.all_tasks()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run, app)
            if leaves:
                tasks.start_soon(leave)
        for _ in range(8):
            await anyio.lowlevel.checkpoint()
        assert before == asyncio.all_tasks()

    asyncio.run(run())
    assert server.error is None
    assert [] == server.illegal
    sent = server.all_sent()
    closes = sent.count(CLOSE)
    # The client's end may come before ours, and then nothing has to be closed.
    assert closes <= 1
    assert closes == 1 or leaves
    assert CLOSE not in sent[:-1]
    known = {(4000, "enough"), (1001, "away")} if leaves else {(4000, "enough")}
    assert ends[0] in known
    assert known.issuperset(over)


# --- a send that fails --------------------------------------------------------------------------------------------


class Server:
    """Gives `incoming`, then nothing; the second data frame fails with `error` after two turns."""

    def __init__(self, error, *incoming):
        self.incoming = deque([{"type": "websocket.connect"}, *incoming])
        self.error = error
        self.sent = []

    async def receive(self):
        if not self.incoming:
            await anyio.sleep_forever()
        return self.incoming.popleft()

    async def send(self, message):
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        if message["type"] == "websocket.send":
            raise self.error
        self.sent.append(message)


def connected(server):
    return WebSocket(handshake("/"), server.receive, server.send)


@pytest.mark.anyio
@pytest.mark.parametrize("send", ["send_text", "send_json", "send"])
@pytest.mark.parametrize("error", [OSError, RuntimeError])
async def test_a_send_that_fails_once_the_client_has_left_is_a_disconnect(send, error):
    server = Server(error("gone"), {"type": "websocket.disconnect", "code": 4001})
    websocket = connected(server)
    await websocket.accept()
    with pytest.raises(WebSocketDisconnect) as raised:
        await getattr(websocket, send)({"type": "websocket.send", "text": "x"} if send == "send" else "x")
    assert (4001, (4001, "")) == (raised.value.code, websocket.end)
    assert isinstance(raised.value.__cause__, error)


@pytest.mark.anyio
@pytest.mark.parametrize("send", ["send_text", "send_bytes", "send_json"])
async def test_what_the_server_complains_about_on_a_living_connection_is_an_error(send):
    server = Server(RuntimeError("not like this"))
    websocket = connected(server)
    await websocket.accept()
    with pytest.raises(RuntimeError, match="not like this") as raised:
        await getattr(websocket, send)(b"x" if send == "send_bytes" else "x")
    assert not isinstance(raised.value, LifecycleError)
    await websocket.close()
    assert ["websocket.accept", "websocket.close"] == [message["type"] for message in server.sent]


@pytest.mark.anyio
@pytest.mark.parametrize("error", [OSError, RuntimeError])
async def test_the_first_end_counts_though_a_send_under_way_fails(error):
    server = Server(error("gone"))
    websocket = connected(server)
    await websocket.accept()
    codes = []

    async def send():
        try:
            await websocket.send_text("x")
        except WebSocketDisconnect as gone:
            codes.append(gone.code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        await anyio.lowlevel.checkpoint()
        await websocket.close(4000, "enough")
    assert ([4000], (4000, "enough")) == (codes, websocket.end)


# --- the guard's end and the application's ------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_guard_does_not_close_what_the_application_has_closed():
    server = TurningConnection([])

    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        assert "websocket.disconnect" == (await receive())["type"]

    server.deliver(text="too long")
    await server.run(LimitGuard(app, max_message_bytes=3))
    assert (None, []) == (server.error, server.illegal)
    assert ["websocket.accept", "websocket.close"] == server.all_sent()


# --- a server that refuses everything -----------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("fails", ["websocket.accept", "websocket.send", "websocket.close"])
async def test_clean_ups_run_though_the_server_refuses_the_close(fails, caplog):
    events = []

    async def resource():
        try:
            yield
        finally:
            events.append("cleaned up")

    async def handler(websocket: WebSocket, _: Annotated[None, Depends(resource)]):
        await websocket.accept()
        await websocket.send_text("x")
        raise ValueError

    class Refusing(InMemoryConnection):
        async def send(self, message):
            if message["type"] in (fails, "websocket.close"):
                raise RuntimeError("refused")
            await super().send(message)

    app = App()
    app.router.websocket("/")(handler)
    server = Refusing(handshake("/", extensions={}))
    await server.run(app)
    assert ["cleaned up"] == events
    assert (ValueError if fails == "websocket.close" else RuntimeError) is type(server.error)
    assert ["The connection could not be closed"] == [record.message for record in caplog.records]


# --- an accept that is cancelled ----------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("taken", [True, False])
async def test_after_a_cancelled_accept_a_failing_handler_only_closes(taken):
    class Waiting(InMemoryConnection):
        async def send(self, message):
            if message["type"] == "websocket.accept" and not taken:
                await anyio.sleep_forever()
            await super().send(message)
            if message["type"] == "websocket.accept":
                await anyio.sleep_forever()

    async def handler(websocket: WebSocket):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await websocket.accept()
        raise ValueError

    app = App()
    app.router.websocket("/")(handler)
    server = Waiting(handshake("/"))
    await server.run(app)
    assert ValueError is type(server.error)
    assert ["websocket.accept"] * taken + ["websocket.close"] == [server.take()["type"] for _ in range(1 + taken)]
