import inspect

import anyio
import pytest
from starlette.websockets import WebSocket as StarletteWebSocket

import reference_ws
from reference_ws import App, WebSocket, current, websocket
from reference_ws.testing import connect

pytestmark = pytest.mark.anyio


async def test_the_module_of_the_same_name_can_still_be_imported():
    from reference_ws.websocket import WebSocket as FromModule

    assert WebSocket is FromModule
    assert reference_ws.websocket is websocket


@pytest.mark.parametrize(
    "use",
    [
        lambda: websocket.path_params,
        lambda: websocket["path"],
        lambda: len(websocket),
        lambda: list(websocket),
        lambda: "path" in websocket,
        lambda: hash(websocket),
        lambda: setattr(websocket, "x", 1),
        lambda: delattr(websocket, "x"),
    ],
)
async def test_outside_of_a_connection_every_use_is_a_runtime_error(use):
    with pytest.raises(RuntimeError, match="no running connection"):
        use()


async def test_tools_may_look_at_it_outside_of_a_connection():
    assert not isinstance(websocket, WebSocket)
    assert not inspect.isclass(websocket)
    assert not hasattr(websocket, "__wrapped__")
    assert inspect.getmembers(websocket)


async def test_it_can_be_shown_outside_of_a_connection():
    assert "<websocket: None>" == repr(websocket)


async def test_it_behaves_like_the_connection():
    app = App()

    @app.router.websocket("/ws")
    async def handler(connection):
        assert isinstance(websocket, WebSocket)
        assert isinstance(websocket, StarletteWebSocket)
        assert websocket == connection
        assert websocket == websocket
        assert connection is current()
        assert ("/ws", True) == (websocket["path"], "path" in websocket)
        assert list(connection) == list(websocket)
        assert len(connection) == len(websocket)
        websocket.extra = 1
        assert 1 == connection.extra
        del websocket.extra
        assert not hasattr(connection, "extra")
        await websocket.accept()

    async with connect(app, "/ws"):
        pass


@pytest.mark.parametrize("keep", [lambda: {websocket}, lambda: {websocket: 1}, lambda: hash(websocket)])
async def test_what_stands_for_each_connection_is_not_kept(keep):
    app = App()

    @app.router.websocket("/ws")
    async def handler(connection):
        assert {connection} == {current()}
        with pytest.raises(TypeError, match=r"keep the connection itself, current\(\)"):
            keep()
        await websocket.accept()

    async with connect(app, "/ws"):
        pass


async def test_each_connection_has_its_own_also_in_the_tasks_that_it_starts():
    app = App()

    async def answer():
        await anyio.lowlevel.checkpoint()
        await websocket.send_text(websocket.query_params["name"])

    @app.router.websocket("/ws")
    async def handler():
        await websocket.accept()
        async for _ in websocket.iter_text():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(answer)

    async with connect(app, "/ws?name=ana") as ana, connect(app, "/ws?name=li") as li:
        await ana.send_text("who?")
        await li.send_text("who?")
        assert ("ana", "li") == (await ana.receive_text(), await li.receive_text())
    with pytest.raises(RuntimeError):
        websocket.query_params  # noqa: B018
