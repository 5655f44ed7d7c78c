import asyncio
import inspect
from typing import Annotated

import anyio
import pytest
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Host, Mount, Route
from starlette.routing import WebSocketRoute as StarlettesRoute
from starlette.websockets import WebSocket as StarletteWebSocket

from reference_ws import (
    App,
    Depends,
    Query,
    Router,
    Routes,
    SocketRoute,
    SocketView,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
    WebSocketRoute,
    websocket,
)
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


async def hello(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(websocket.url.path)


async def other(websocket: WebSocket):
    await websocket.accept()


def greeted(path):
    return f'-> connect {path}\n<- accept\n<- text "{path}"\n<- close 1000'


async def test_routes_are_put_together_with_operators():
    app = App()
    app.router <<= SocketRoute("/a", hello, name=None)
    app.router << SocketRoute("/b", hello) << SocketRoute("c", hello)
    app.router <<= "/v1" // Routes(SocketRoute("/d", hello), Routes(SocketRoute("/e", hello), prefix="/deep"))
    app.router <<= "v2/" // SocketRoute("/f", hello) + Routes(SocketRoute("/g", hello)) + [SocketRoute("/h", hello)]
    for path in ("/a", "/b", "/c", "/v1/d", "/v1/deep/e", "/v2/f", "/g", "/h"):
        await check(app, greeted(path))
    await check(app, "-> connect /d\n<- deny 404")


async def test_routes_are_a_sequence():
    routes = Routes(SocketRoute("/a", hello)) + SocketRoute("/b", hello)
    assert ["/a", "/b"] == [route.path for route in routes]
    assert (2, "/b") == (len(routes), routes[1].path)
    assert ["/v1/a"] == [route.path for route in SocketRoute("/v1/a", hello) + Routes()]


async def test_starlettes_routes_may_be_among_them():
    app = App(routes=["/v1" // Routes(Route("/page", lambda request: PlainTextResponse("page")))])
    assert "page" == TestClient(app).get("/v1/page").text


async def test_a_route_can_be_given_its_handler_later():
    route = WebSocketRoute("web_socket/{session_id}")
    assert SocketRoute is WebSocketRoute
    app = App()
    with pytest.raises(ValueError, match="has no handler yet"):
        app.include_routes(route)
    assert hello is route.ws_handler(hello)
    app.include_routes(route, SocketRoute("/b", hello))
    await check(app, greeted("/web_socket/1"))
    await check(app, greeted("/b"))
    assert "/web_socket/1" == app.url_path_for("hello", session_id="1")


async def test_a_route_without_a_handler_says_so():
    route = SocketRoute("/")
    with pytest.raises(RuntimeError, match="has no handler"):
        await route(handshake("/"), None, None)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/{", "brace"),
        ("/a}", "brace"),
        ("/{a b}", "brace"),
        ("/{}", "brace"),
        ("/{a}/{a}", "Duplicated param name"),
        ("/{a:nothing}", "Unknown path convertor"),
    ],
)
def test_a_path_that_can_not_be_meant_is_a_value_error(path, problem):
    with pytest.raises(ValueError, match=problem):
        App().router.websocket(path)(hello)


def test_a_name_is_given_once():
    app = App(routes=[Route("/page", lambda request: None, name="page")])
    app.router.websocket("/a", name="chat")(hello)
    for name in ("chat", "page"):
        with pytest.raises(ValueError, match=f"named '{name}' already"):
            app.router <<= SocketRoute("/b", other, name=name)
    app.router <<= SocketRoute("/c", hello)
    app.router <<= SocketRoute("/d", hello)  # named after its handler, both: the first is found by name
    assert "/c" == app.url_path_for("hello")


def test_what_is_no_route_is_a_type_error():
    with pytest.raises(TypeError, match=r"5 is no route: give a SocketRoute, .* or Routes of them\.$"):
        App().router.include(5)


def test_what_does_not_say_what_it_takes_is_no_application():
    with pytest.raises(TypeError, match="must be a coroutine function"):
        SocketRoute("/", dict)


@pytest.mark.parametrize(("path", "expected"), [("/7", 7), ("/a/b", "a/b"), ("/1.5", 1.5)])
async def test_convertors_of_the_path(path, expected):
    async def handler(websocket):
        await websocket.accept()
        await websocket.send_json(websocket.path_params["value"])

    app = App()
    for convertor in ("int", "float", "path"):
        app.router <<= SocketRoute(f"/{{value:{convertor}}}", handler)
    async with connect(app, path) as client:
        assert expected == await client.receive_json()


# --- middleware -------------------------------------------------------------------------------------------------------


def noting(name):
    def middleware(endpoint):
        async def wrapper():
            websocket.state.notes = [*getattr(websocket.state, "notes", []), f"+{name}"]
            await endpoint()
            websocket.state.notes.append(f"-{name}")
            await websocket.close(1000, " ".join(websocket.state.notes))

        return wrapper

    return middleware


async def plain(ws: WebSocket):
    await ws.accept()
    ws.state.notes.append("handler")


class View(SocketView):
    async def on_connect(self):
        await self.websocket.accept()
        websocket.state.notes.append("view")
        await self.websocket.close(1000, " ".join(websocket.state.notes))


async def closing_reason(app, path="/"):
    async with connect(app, path) as client:
        with pytest.raises(WebSocketDisconnect) as raised:
            await client.receive()
    return raised.value.reason


async def test_middlewares_stand_around_a_handler_the_nearest_first():
    nearest_first = [
        App(routes=[SocketRoute("/", plain) @ noting("near") @ noting("far")]),
        App(routes=[SocketRoute("/", plain, middlewares=[noting("near"), noting("far")])]),
        App(routes=[Routes(SocketRoute("/", plain) @ noting("near"), middlewares=[noting("far")])]),
        App(routes=[Routes(Routes(SocketRoute("/", plain), middlewares=[noting("near")])) @ noting("far")]),
        App(),
    ]
    nearest_first[-1].router.websocket("/", middlewares=[noting("near"), noting("far")])(plain)
    for app in nearest_first:
        assert "+far +near handler -near" == await closing_reason(app)


def test_middleware_sees_the_name_of_what_it_stands_around():
    seen = []

    def names(endpoint):
        seen.append((endpoint.__name__, endpoint.__qualname__))
        return endpoint

    SocketRoute("/", hello, middlewares=[names])
    assert [("hello", "hello")] == seen


async def test_middleware_around_a_view():
    assert "+a view" == await closing_reason(App(routes=[SocketRoute("/", View) @ noting("a")]))


async def test_one_middleware_for_a_whole_group_which_may_hold_http_routes():
    app = App(routes=[Routes(SocketRoute("/a", plain), Route("/b", lambda r: PlainTextResponse("b"))) @ noting("m")])
    assert "+m handler -m" == await closing_reason(app, "/a")
    assert "b" == TestClient(app).get("/b").text


async def test_middleware_may_refuse_and_has_parameters_of_its_own():
    def needs_key(endpoint):
        async def wrapper(ws: WebSocket, key: Annotated[str, Query(alias="key")] = ""):
            if key == "secret":
                await endpoint(ws)

        return wrapper

    async def handler(ws: WebSocket, n: int):
        await ws.accept()
        await ws.send_json(n)

    app = App(routes=[SocketRoute("/", handler) @ needs_key])
    await check(app, "-> connect /?n=1\n<- deny 403")
    await check(app, "-> connect /?n=1&key=secret\n<- accept\n<- json 1\n<- close 1000")
    await check(
        app, '-> connect /?n=x\n<- deny 422 json {"errors": [{"name": "n", "in": ..., "given": "x", "expected": ...}]}'
    )


def test_middleware_must_return_a_coroutine_function():
    with pytest.raises(TypeError, match="async def"):
        SocketRoute("/", plain) @ (lambda endpoint: lambda: None)


def test_an_asgi_application_takes_no_route_middleware():
    class Echo(WebSocketEndpoint): ...

    with pytest.raises(TypeError, match="takes ASGI middleware"):
        SocketRoute("/", Echo) @ noting("m")


async def test_any_asgi_middleware_works():
    class Adds:
        def __init__(self, app, header):
            self.app, self.header = app, header

        async def __call__(self, scope, receive, send):
            scope["headers"].append(self.header)
            await self.app(scope, receive, send)

    async def handler(ws: WebSocket):
        await ws.accept()
        await ws.send_text(ws.headers["x-added"])

    app = App(middleware=[Middleware(Adds, (b"x-added", b"1"))])
    app.router.websocket("/")(handler)
    await check(app, '-> connect /\n<- accept\n<- text "1"\n<- close 1000')


def test_a_wsgi_server_is_told_what_is_wrong():
    with pytest.raises(TypeError, match=r"called as WSGI.*sse\.md"):
        App()({"REQUEST_METHOD": "GET"}, lambda status, headers: None)


def test_servers_take_it_for_asgi_3():
    assert inspect.iscoroutinefunction(App().__call__)


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


@pytest.mark.real_time  # a synchronous handler runs in a thread
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


@pytest.mark.real_time
async def test_an_exception_handler_that_raises_is_an_error_of_the_handler():
    def broken(websocket, error):
        raise KeyError("broken")

    await plays(
        raises_late, "-> connect /\n<- accept\n<- close 1011\n!! KeyError", exception_handlers={ValueError: broken}
    )


async def test_an_exception_handler_may_be_an_object_with_an_async_call():
    class Handles:
        async def __call__(self, websocket, error):
            return PlainTextResponse("teapot", 418)

    await plays(raises_early, '-> connect /\n<- deny 418 text "teapot"', exception_handlers={ValueError: Handles()})


async def test_an_exception_with_a_code_keeps_it_in_a_group_of_one():
    async def closes(websocket):
        await websocket.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fails)

    async def fails():
        raise WebSocketException(4321)

    await plays(closes, "-> connect /\n<- accept\n<- close 4321")


async def waits_for_ever(websocket):
    await websocket.accept()
    await asyncio.Future()


async def fails_at_once(websocket):
    raise ValueError


committed = []


def cleaned_up():
    yield 1
    committed.append(1)


async def waits_with_a_dependency(websocket: WebSocket, it: Annotated[int, Depends(cleaned_up)]):
    await waits_for_ever(websocket)


class WaitsAsAView(SocketView):
    async def on_connect(self):
        await waits_for_ever(self.websocket)

    async def on_disconnect(self, close_code):
        await asyncio.Future()


async def answers_late(websocket, error):
    await asyncio.Future()


@pytest.mark.parametrize(
    ("handler", "answers"),
    [
        (waits_for_ever, {}),
        (waits_with_a_dependency, {}),
        (WaitsAsAView, {}),
        (fails_at_once, {}),
        (fails_at_once, {ValueError: answers_late}),
    ],
)
def test_a_handler_that_is_thrown_away_awaits_nothing(handler, answers):
    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        if message["type"] != "websocket.accept":  # the answer to the exception
            await asyncio.Future()

    loop = asyncio.new_event_loop()
    try:
        coroutine = serving(handler, exception_handlers=answers)(handshake("/"), receive, send)
        loop.run_until_complete(asyncio.wait_for(asyncio.shield(task := loop.create_task(_step(coroutine))), 60))
        assert task.done()
    finally:
        loop.close()
    assert not committed


async def _step(coroutine):
    coroutine.send(None)
    coroutine.close()  # GeneratorExit: awaiting anything would be a RuntimeError


async def test_an_unknown_path_under_a_prefix_is_a_404_too():
    app = App(routes=["/v1" // Routes(Route("/page", lambda request: None), SocketRoute("/ws", hello))])
    await check(app, "-> connect /v1/nowhere\n<- deny 404")
    mounted = App(routes=["/v1" // Routes(Mount("/in", routes=[SocketRoute("/ws", hello)]))])
    await check(mounted, "-> connect /v1/other\n<- deny 404")


async def test_starlettes_generic_websocket_is_the_connection_too():
    async def handler(ws: StarletteWebSocket[State]):
        await ws.accept()

    await plays(handler, "-> connect /\n<- accept\n<- close 1000")


async def test_what_stands_behind_starlettes_route_under_a_prefix_is_found():
    def page(request):
        return PlainTextResponse(request.url.path)

    inner = Routes(
        Route("/a", page), Mount("/m", routes=[Route("/b", page)]), Route("/c/{n:int}", page), SocketRoute("/ws", hello)
    )
    app = App(routes=["/v1" // inner])
    for path in ("/v1/a", "/v1/m/b", "/v1/c/7"):
        assert path == TestClient(app).get(path).text
    await check(app, greeted("/v1/ws"))
    assert "/a" == inner[0].path  # the route itself is as it was


def test_a_route_without_a_path_takes_no_prefix():
    with pytest.raises(TypeError, match="has no path"):
        "/v1" // Routes(Host("example.org", App()))


class Signs:
    """ASGI middleware that notes its name in the answer to the handshake."""

    def __init__(self, app, name="a", *, twice=False):
        self.app = app
        self.name = name * (1 + twice)

    async def __call__(self, scope, receive, send):
        async def signed(message):
            if message["type"] == "websocket.accept":
                before = dict(message["headers"]).get(b"x-signed", b"")
                message = {**message, "headers": [(b"x-signed", before + self.name.encode())]}
            await send(message)

        await self.app(scope, receive, signed)


class Refuses(SocketRoute):
    """A route that is a guard itself; ``why`` is set after it was made."""

    why = ""

    async def handle(self, scope, receive, send):
        await WebSocket(scope, receive, send).send_denial_response(PlainTextResponse(self.why, 403))


async def test_a_route_of_an_own_class_stays_one_wherever_it_is_moved():
    route = Refuses("/ws", plain)
    route.why = "no"
    for path, moved in (
        ("/ws", route),
        ("/ws", route @ noting("m")),
        ("/v1/ws", "/v1" // route),
        ("/v1/ws", "/v1" // Routes(route) @ noting("m")),
    ):
        await check(App(routes=[moved]), f'-> connect {path}\n<- deny 403 text "no"')


def test_what_somebody_has_put_around_a_routes_app_is_not_lost_in_silence():
    route = SocketRoute("/ws", plain)
    route.app = Signs(route.app)
    for moved in (lambda: "/v1" // route, lambda: route @ noting("m")):
        with pytest.raises(TypeError, match=r"has another app than was made for it.*middleware=\[\.\.\.\]"):
            moved()


@pytest.mark.parametrize(
    "route",
    [
        StarlettesRoute("/x", plain),
        Mount("/m", routes=[SocketRoute("/x", plain)]),
        Mount("/m", Signs(App(routes=[SocketRoute("/x", plain)]))),
    ],
    ids=["starlettes", "mounted", "mounted inside of ASGI middleware"],
)
def test_a_groups_middleware_never_skips_a_websocket_route_in_silence(route):
    with pytest.raises(TypeError, match="can't be put inside of a middleware"):
        Routes(route) @ noting("m")


def test_a_name_is_given_once_whichever_comes_first():
    app = App(routes=[SocketRoute("/a", hello, "chat")])
    with pytest.raises(ValueError, match="named 'chat' already"):
        app.router.include(Route("/b", lambda request: None, name="chat"))
    app.router.include(Route("/c", lambda r: None, name="x", methods=["GET"]))
    app.router.include(Route("/c", lambda r: None, name="x", methods=["PUT"]))


@pytest.mark.parametrize("kind", [Exception, 500])
@pytest.mark.real_time  # a synchronous handler runs in a thread
async def test_a_handler_for_all_exceptions_is_for_http_as_in_starlette(kind):
    def handle(request, error):
        return PlainTextResponse("handled", 500)

    handlers = {kind: handle}
    await plays(
        raises_late, '-> connect /\n<- accept\n<- close 1011\n!! ValueError "late"', exception_handlers=handlers
    )
    await plays(listens, "-> connect /\n<- accept\n-> close", exception_handlers=handlers)


@pytest.mark.parametrize(
    "route",
    [
        "/v1" // Routes(SocketRoute("", hello)),
        "/v1/" // SocketRoute("", hello),
        Routes(SocketRoute("", hello) @ (lambda endpoint: endpoint), prefix="v1"),
        "/v1" // ("" // Routes(SocketRoute("", hello))),
    ],
)
async def test_an_empty_path_below_a_prefix_is_the_prefix(route):
    assert ["/v1"] == [each.path for each in App(routes=[route]).routes]


def test_an_empty_path_alone_is_the_root():
    assert "/" == SocketRoute("", hello).path


def test_an_application_registers_handlers_as_fastapi_does():
    app = App()
    assert hello is app.websocket("/hello", name="greeting")(hello)
    assert [("/hello", "greeting")] == [(route.path, route.name) for route in app.routes]


async def accepts(ws: WebSocket):
    await ws.accept()


class AcceptsAsgi(WebSocketEndpoint):
    async def on_connect(self, websocket):
        await websocket.accept()


@pytest.mark.parametrize("endpoint", [accepts, AcceptsAsgi])
async def test_starlettes_middleware_stands_around_a_route_the_outermost_first(endpoint):
    middleware = [Middleware(Signs, "far"), Middleware(Signs, "near", twice=True)]
    decorated = WebSocketRoute("/ws", middleware=middleware)
    by_name = App()
    by_name.router.websocket("/ws", middleware=middleware)(endpoint)
    for app in (
        App(routes=[WebSocketRoute("/ws", endpoint, middleware=middleware)]),
        App(routes=["" // Routes(WebSocketRoute("/ws", endpoint, middleware=middleware))]),
        App(routes=["/ws" // Routes(SocketRoute("", endpoint, middleware=middleware))]),
        Starlette(routes=[SocketRoute("/ws", endpoint, middleware=middleware)]),
        by_name,
    ):
        async with connect(app, "/ws") as client:
            assert "nearnearfar" == client.headers["x-signed"]
    decorated.ws_handler(endpoint)
    async with connect(App(routes=[decorated]), "/ws") as client:
        assert "nearnearfar" == client.headers["x-signed"]


async def test_both_kinds_of_middleware_stand_around_a_route():
    def refuses(endpoint):
        async def inner(ws: WebSocket):
            await ws.close()

        return inner

    route = SocketRoute("/ws", accepts, middleware=[Middleware(Signs, "far")]) @ refuses
    await check(App(routes=[route]), "-> connect /ws\n<- deny 403")


def test_a_list_of_routes_gives_back_what_a_list_does():
    route = SocketRoute("/", name="a")
    routes = App().router.routes
    routes.append(route)
    assert routes.pop() is route
