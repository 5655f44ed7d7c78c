import anyio
import pytest
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from reference_ws import App, Router, SocketRoute, WebSocket, WebSocketDisconnect, WebSocketException
from reference_ws.testing import InMemoryConnection as Connection
from reference_ws.testing import TestClient, connect, handshake
from reference_ws.transcript import check

pytestmark = pytest.mark.anyio


def serving(handler, **options):
    app = App(**options)
    app.router.websocket("/")(handler)
    return app


async def plays(handler, text, denial=True, **options):
    await check(serving(handler, **options), text, denial=denial, timeout_s=1)


# --- registration -----------------------------------------------------------------------------------------------------


def test_the_decorator_leaves_the_handler_as_it_is():
    async def handler(): ...

    assert handler is App().router.websocket("/")(handler)


@pytest.mark.parametrize(("expected", "name"), [("handler", ""), ("chat", "chat"), (None, None)])
def test_a_route_takes_its_name_or_the_handlers_or_none(expected, name):
    async def handler(): ...

    assert expected == SocketRoute("/", handler, name).name


def test_a_path_without_its_slash_is_given_one():
    async def handler(): ...

    assert "/room" == SocketRoute("room", handler).path


def test_what_can_not_be_called_is_no_handler():
    with pytest.raises(TypeError, match="must be callable"):
        SocketRoute("/", 1)


async def test_starlettes_names_for_registering_work():
    async def handler(websocket):
        await websocket.accept()
        await websocket.send_text(type(websocket).__module__)

    app = App()
    app.router.add_websocket_route("/", handler)
    async with connect(app, "/") as client:
        assert "reference_ws.websocket" == await client.receive_text()


async def test_a_starlette_endpoint_class_is_called_as_asgi():
    class Echo(WebSocketEndpoint):
        encoding = "text"

        async def on_receive(self, websocket, data):
            await websocket.send_text(data)

    async with connect(App(routes=[SocketRoute("/", Echo)]), "/") as client:
        await client.send_text("x")
        assert "x" == await client.receive_text()


# --- where connections go ---------------------------------------------------------------------------------------------


async def test_unknown_paths_are_refused_with_404_or_403():
    await check(App(), '-> connect /nowhere\n<- deny 404 text "Not Found"')
    await check(App(), "-> connect /nowhere\n<- deny 403", denial=False)


async def test_http_and_mounts_live_beside():
    async def handler(websocket):
        await websocket.accept()
        await websocket.send_json(websocket.path_params)

    inner = Router([SocketRoute("/ws/{n:int}", handler)])
    app = App(routes=[Route("/page", lambda request: PlainTextResponse("page")), Mount("/inner/{name}", inner)])
    assert "page" == TestClient(app).get("/page").text
    assert 404 == TestClient(app).get("/other").status_code
    await check(app, '-> connect /inner/blue/ws/7\n<- accept\n<- json {"name": "blue", "n": 7}\n<- close 1000')


async def test_a_route_works_in_a_plain_starlette_application_too():
    async def handler(websocket: WebSocket):
        await websocket.accept()
        raise WebSocketException(4000, "enough")

    app = Starlette(routes=[SocketRoute("/", handler)])
    await check(app, '-> connect /\n<- accept\n<- close 4000 "enough"')


async def test_a_route_works_alone():
    async def handler(websocket: WebSocket):
        raise WebSocketException(4000)

    await check(SocketRoute("/ws", handler), "-> connect /ws\n<- deny 403")


# --- how a handler ends -----------------------------------------------------------------------------------------------


async def returns_early(websocket): ...


async def returns_after_accept(websocket):
    await websocket.accept()


async def raises_early(websocket):
    raise ValueError("early")


async def raises_late(websocket):
    await websocket.accept()
    raise ValueError("late")


async def raises_after_close(websocket):
    await websocket.accept()
    await websocket.close(4000)
    raise ValueError("after close")


async def listens(websocket):
    await websocket.accept()
    while True:
        await websocket.receive_text()


async def listens_in_a_group(websocket):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listens, websocket)


async def sends_after_its_own_close(websocket):
    await websocket.accept()
    await websocket.close()
    await websocket.send_text("late")


async def raises_disconnect_by_itself(websocket):
    await websocket.accept()
    raise WebSocketDisconnect(1000)


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (returns_early, "<- deny 403"),
        (returns_after_accept, "<- accept\n<- close 1000"),
        (raises_early, '<- deny 500 text "Internal Server Error"\n!! ValueError "early"'),
        (raises_late, '<- accept\n<- close 1011\n!! ValueError "late"'),
        (raises_after_close, '<- accept\n<- close 4000\n!! ValueError "after close"'),
        (listens, "<- accept\n-> close 1001"),
        (listens, "<- accept\n-> drop"),
        (listens_in_a_group, "<- accept\n-> close 1001"),
        (sends_after_its_own_close, '<- accept\n<- close 1000\n!! ConnectionOver "send-after-close"'),
        (raises_disconnect_by_itself, "<- accept\n<- close 1011\n!! WebSocketDisconnect"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_no_connection_is_left_open(handler, text):
    await plays(handler, f"-> connect /\n{text}")


async def test_without_the_extension_an_early_error_is_a_403():
    await plays(raises_early, "-> connect /\n<- deny 403\n!! ValueError", denial=False)


async def test_a_cancelled_handler_says_that_it_goes_away():
    connection = Connection(handshake("/"))
    app = serving(listens)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run, app)
        await connection.signal.wait(lambda: connection.sent)
        connection.take()
        tasks.cancel_scope.cancel()
    assert ("websocket.close", 1001) == (lambda m: (m["type"], m["code"]))(connection.take())


async def test_what_is_disconnected_left_pending_ends_with_the_handler():
    receiving = []

    async def polls(websocket):
        await websocket.accept()
        await websocket.is_disconnected()

    connection = Connection(handshake("/"))

    async def receive():
        receiving.append("begun")
        try:
            return await connection.receive()
        finally:
            receiving.append("ended")

    await serving(polls)(connection.scope, receive, connection.send)
    await anyio.wait_all_tasks_blocked()
    assert ["begun", "ended"] * 2 == receiving


# --- exceptions with a meaning ----------------------------------------------------------------------------------------


async def raises_http(websocket):
    raise HTTPException(402, "pay first", {"x-price": "1"})


async def raises_http_late(websocket):
    await websocket.accept()
    raise HTTPException(402)


async def test_an_http_exception_before_accept_is_the_refusal():
    await plays(raises_http, '-> connect /\n<- deny 402 text "pay first"\n    x-price: 1')
    await plays(raises_http, "-> connect /\n<- deny 403", denial=False)


async def test_an_http_exception_after_accept_is_an_error():
    await plays(raises_http_late, '-> connect /\n<- accept\n<- close 1011\n!! RuntimeError "after accept()"')


async def test_exception_handlers_of_the_application_are_asked_first():
    async def asynchronous(websocket, error):
        await websocket.close(4004, str(error))

    def with_response(websocket, error):
        return JSONResponse({"error": str(error)}, 409)

    await plays(
        raises_late, '-> connect /\n<- accept\n<- close 4004 "late"', exception_handlers={ValueError: asynchronous}
    )
    await plays(
        raises_early,
        '-> connect /\n<- deny 409 json {"error": "early"}',
        exception_handlers={ValueError: with_response},
    )
    await plays(raises_http, "-> connect /\n<- deny 409 json ...", exception_handlers={402: with_response})


async def test_an_exception_handler_that_raises_is_an_error_of_the_handler():
    def broken(websocket, error):
        raise KeyError("broken")

    await plays(
        raises_late, "-> connect /\n<- accept\n<- close 1011\n!! KeyError", exception_handlers={ValueError: broken}
    )
