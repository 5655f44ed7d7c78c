from contextlib import asynccontextmanager

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from reference_ws import App, WebSocket
from reference_ws.testing import HandshakeRefused, connect, run_lifespan
from reference_ws.transcript import check

pytestmark = pytest.mark.anyio


class Pool:
    def __init__(self, events):
        self.events = events
        self.open = False

    def ask(self):
        assert self.open, "the pool is closed"
        self.events.append("asked")
        return "answer"


def program(kind=App, **faults):
    """A program with a pool that is open only while it runs; it tells what happens."""
    events = []

    @asynccontextmanager
    async def lifespan(app):
        events.append("began")
        if "startup" in faults:
            raise faults["startup"]
        app.state.pool = pool = Pool(events)
        pool.open = True
        try:
            yield {"pool": pool}
        finally:
            pool.open = False
            events.append("ended")
            if "shutdown" in faults:
                raise faults["shutdown"]

    async def handler(websocket: WebSocket):
        await websocket.accept()
        async for _ in websocket.iter_text():
            assert websocket.app.state.pool is websocket.state.pool
            await websocket.send_text(websocket.state.pool.ask())

    if kind is App:
        app = App(lifespan=lifespan)
        app.router.websocket("/")(handler)
    else:
        app = Starlette(lifespan=lifespan, routes=[WebSocketRoute("/", handler)])
    return app, events


@pytest.mark.parametrize("kind", [App, Starlette])
async def test_a_connection_finds_the_lifespan_and_its_state(kind):
    app, events = program(kind)
    async with connect(app, "/") as client:
        await client.send_text("?")
        assert "answer" == await client.receive_text()
    assert ["began", "asked", "ended"] == events


@pytest.mark.parametrize("kind", [App, Starlette])
async def test_a_transcript_finds_the_lifespan_and_its_state(kind):
    app, events = program(kind)
    await check(app, '-> connect /\n<- accept\n-> text "?"\n<- text "answer"')
    assert ["began", "asked", "ended"] == events


async def test_connections_at_the_same_time_share_the_lifespan():
    app, events = program()
    async with connect(app, "/") as first, connect(app, "/") as second:
        for client in (first, second):
            await client.send_text("?")
            await client.receive_text()
    assert ["began", "asked", "asked", "ended"] == events


async def test_whoever_begins_the_lifespan_ends_it_after_the_last_connection():
    app, events = program()
    first_is_done = anyio.Event()

    async def later(*, task_status):
        async with connect(app, "/") as client:
            task_status.started()
            await first_is_done.wait()
            await client.send_text("?")
            assert "answer" == await client.receive_text()

    async with anyio.create_task_group() as tasks, connect(app, "/"):
        await tasks.start(later)
        first_is_done.set()
    assert ["began", "asked", "ended"] == events


async def test_several_connections_one_after_the_other_in_one_lifespan():
    app, events = program()
    async with run_lifespan(app) as state:
        for _ in range(2):
            async with connect(app, "/") as client:
                await client.send_text("?")
                await client.receive_text()
        assert state["pool"].open
    assert ["began", "asked", "asked", "ended"] == events


async def test_what_a_connection_puts_into_the_state_stays_with_it():
    async def handler(websocket: WebSocket):
        websocket.state.mine = True
        await websocket.accept()

    app = App(routes=[WebSocketRoute("/", handler)])
    async with run_lifespan(app) as state, connect(app, "/"):
        assert {} == state


async def test_without_a_lifespan_when_somebody_else_runs_it():
    app, events = program()
    async with connect(app, "/", lifespan=False):
        assert [] == events
    await check(app, "-> connect /\n<- accept", lifespan=False)
    assert [] == events


@pytest.mark.parametrize("kind", [App, Starlette])
async def test_a_startup_that_fails_is_raised_as_it_is(kind):
    app, events = program(kind, startup=OSError("no database"))
    with pytest.raises(OSError, match="no database"):
        async with connect(app, "/"):
            pytest.fail("the program has not begun")
    with pytest.raises(OSError, match="no database"):
        await check(app, "-> connect /\n<- accept")
    assert ["began", "began"] == events


async def test_a_shutdown_that_fails_is_raised_as_it_is():
    app, events = program(shutdown=OSError("can't be closed"))
    with pytest.raises(OSError, match="can't be closed"):
        async with connect(app, "/"):
            pass
    assert ["began", "ended"] == events


async def test_the_lifespan_ends_also_when_the_block_fails():
    app, events = program()
    with pytest.raises(HandshakeRefused):
        async with connect(app, "/nowhere"):
            pass
    with pytest.raises(ZeroDivisionError):
        async with connect(app, "/"):
            raise ZeroDivisionError
    assert ["began", "ended"] * 2 == events


async def test_an_application_that_says_only_that_it_could_not_start():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no luck"})

    with pytest.raises(RuntimeError, match="no luck"):
        async with connect(app, "/"):
            pass


async def test_a_startup_that_hangs_is_a_timeout():
    async def app(scope, receive, send):
        await receive()
        await anyio.sleep_forever()

    with pytest.raises(TimeoutError, match=r"did not begin within 0\.05 s; it waits at [^?]*sleep_forever"):
        async with run_lifespan(app, timeout_s=0.05):
            pass


async def speaks_first(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await receive()


async def listens_first(scope, receive, send):
    await receive()
    if scope["type"] == "lifespan":
        await receive()
    await send({"type": "websocket.accept"})
    await receive()


async def knows_better(scope, receive, send):
    assert scope["type"] == "websocket"
    await speaks_first(scope, receive, send)


async def returns(scope, receive, send):
    if scope["type"] == "websocket":
        await speaks_first(scope, receive, send)


@pytest.mark.parametrize("app", [speaks_first, listens_first, knows_better, returns])
async def test_an_application_that_knows_no_lifespan_is_served_without(app):
    async with connect(app, "/"):
        pass
    await check(app, "-> connect /\n<- accept\n-> close")


async def test_a_cancelled_block_has_its_lifespan_to_the_end():
    app, events = program()
    with anyio.move_on_after(0.01):
        async with connect(app, "/"):
            try:
                await anyio.sleep_forever()
            finally:
                events.append("left")
    assert ["began", "left", "ended"] == events


async def test_a_shutdown_that_hangs_is_a_timeout():
    @asynccontextmanager
    async def lifespan(app):
        yield
        await anyio.sleep_forever()

    with pytest.raises(TimeoutError, match=r"did not end within 0\.05 s; it waits at "):
        async with run_lifespan(App(lifespan=lifespan), timeout_s=0.05):
            pass
