import asyncio
import gc
import json
import weakref
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from functools import partial, wraps
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict
from uuid import UUID

import anyio
import msgspec
import pytest
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse

from reference_ws import (
    App,
    AsyncResource,
    Cookie,
    Depends,
    Header,
    Ignore,
    ParameterError,
    Path,
    Query,
    SocketRoute,
    WebSocket,
    WebSocketException,
    conversation,
    use,
    websocket,
)
from reference_ws.testing import HandshakeRefused, InMemoryConnection, connect, handshake
from reference_ws.transcript import check

pytestmark = pytest.mark.anyio


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def serving(handler, path="/{room}", **options):
    app = App(**options)
    app.router.websocket(path)(handler)
    return app


def telling(annotation, default=...):
    """Make a handler that sends back what its parameter `value` was bound to."""
    if default is ...:

        async def handler(ws: WebSocket, value: annotation):
            await ws.accept()
            await ws.send_text(repr(value))

    else:

        async def handler(ws: WebSocket, value: annotation = default):
            await ws.accept()
            await ws.send_text(repr(value))

    return handler


async def told(handler, target, path="/{room}", **options):
    async with connect(serving(handler, path), target, **options) as client:
        return await client.receive_text()


async def faults(handler, target, path="/{room}", **options):
    with pytest.raises(HandshakeRefused) as refused:
        async with connect(serving(handler, path), target, **options):
            pass
    assert 422 == refused.value.status
    return refused.value.json()["errors"]


# --- parts of the handshake -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "annotation", "query"),
    [
        (5, int, "5"),
        (-1.5, float, "-1.5"),
        (True, bool, "true"),
        (False, bool, "0"),
        ("5", str, "5"),
        ("", str, ""),
        (UUID(int=1), UUID, str(UUID(int=1))),
        (datetime(2026, 1, 2, tzinfo=timezone.utc), datetime, "2026-01-02T00:00:00Z"),
        (Colour.BLUE, Colour, "blue"),
        (2, Literal[1, 2], "2"),
        (7, int | None, "7"),
        ("x", Optional[str], "x"),  # noqa: UP045
    ],
)
async def test_scalars_convert_by_name_from_the_query_and_from_the_path(expected, annotation, query):
    assert repr(expected) == await told(telling(annotation), f"/r?value={query}")
    if query:
        assert repr(expected) == await told(telling(annotation), f"/r/{query}", "/r/{value}")


async def test_what_may_be_left_out_is_told_with_its_none_wherever_the_marker_stands():
    for annotation in (Annotated[int, Query()] | None, Annotated[int | None, Query()]):
        [fault] = await faults(telling(annotation, None), "/r?value=x")
        assert "int | None" == fault["expected"].replace("optional[int]", "int | None")


async def test_a_convertor_of_the_path_has_the_first_word():
    assert "7" == await told(telling(int), "/7", "/{value:int}")


@pytest.mark.parametrize("annotation", [list[int], set[int], tuple[int, ...]])
async def test_collections_take_all_values_of_a_repeated_parameter(annotation):
    values = {list[int]: [1, 2], set[int]: {1, 2}}.get(annotation, (1, 2))
    assert repr(values) == await told(telling(annotation), "/r?value=1&value=2")


async def test_a_default_stands_in_for_what_is_absent():
    assert "3" == await told(telling(int, 3), "/r")
    assert "None" == await told(telling(int | None, None), "/r")
    assert "[]" == await told(telling(list[int], []), "/r")
    assert "4" == await told(telling(Annotated[int, Query(default=4)]), "/r")
    assert "5" == await told(telling(Annotated[int, Query(alias="n", default=4)], 5), "/r")


@pytest.mark.parametrize(
    ("expected", "annotation", "options"),
    [
        ("'1'", Annotated[str, Query(alias="v")], {}),
        ("1", Annotated[int, Query(alias="v")], {}),
        ("['2', '1']", Annotated[list[str], Query(alias="v")], {}),
        ("'blue'", Annotated[str, Path(alias="room")], {}),
        ("'secret'", Annotated[str, Header(alias="x-key")], {"headers": {"X-Key": "secret"}}),
        ("[1, 2]", Annotated[list[int], Header(alias="x-n")], {"headers": [("x-n", "1"), ("x-n", "2")]}),
        ("7", Annotated[int, Header], {"headers": {"value": "7"}}),
        ("'a'", Annotated[str, Cookie(alias="session")], {"headers": {"cookie": "session=a"}}),
    ],
)
async def test_markers_say_where_a_value_comes_from(expected, annotation, options):
    assert expected == await told(telling(annotation), "/blue?v=2&v=1", **options)


async def test_a_marker_may_stand_as_the_default_too():
    async def handler(ws: WebSocket, n: int = Query(alias="number", default=3), made: str = Depends(coroutine)):
        await ws.accept()
        await ws.send_json([n, made])

    assert '[7,"coroutine blue"]' == await told(handler, "/blue?number=7")
    assert '[3,"coroutine blue"]' == await told(handler, "/blue")


async def test_underscores_in_a_headers_name_stand_for_hyphens():
    async def handler(ws: WebSocket, user_agent: Annotated[str, Header()]):
        await ws.accept()
        await ws.send_text(user_agent)

    assert "me" == await told(handler, "/r", headers={"user-agent": "me"})


async def test_a_parameter_of_an_outer_path_is_found_too():
    from starlette.routing import Mount

    from reference_ws import Router, SocketRoute

    app = App(routes=[Mount("/{value}", Router([SocketRoute("/ws", telling(str))]))])
    async with connect(app, "/outer/ws?value=query") as client:
        assert "'outer'" == await client.receive_text()


async def test_every_fault_is_listed_at_once_and_the_handler_never_starts():
    started = []

    def made(depth: int, flag: Annotated[bool, Header(alias="x-flag")]):
        started.append("dependency")

    async def handler(
        ws: WebSocket,
        room: int,
        n: int,
        colour: Colour,
        many: list[int],
        token: Annotated[str, Cookie(alias="token")],
        kind: Literal["a", "b"],
        made: Annotated[None, Depends(made)],
    ):
        started.append("handler")

    assert [
        {"name": "room", "in": "path", "given": "blue", "expected": "int"},
        {"name": "n", "in": "query", "given": "x", "expected": "int"},
        {"name": "colour", "in": "query", "given": "green", "expected": "one of 'red', 'blue'"},
        {"name": "many", "in": "query", "given": ["1", "x"], "expected": "list[int]"},
        {"name": "token", "in": "cookie", "given": None, "expected": "str"},
        {"name": "kind", "in": "query", "given": None, "expected": "one of 'a', 'b'"},
        {"name": "depth", "in": "query", "given": None, "expected": "int"},
        {"name": "x-flag", "in": "header", "given": "maybe", "expected": "bool"},
    ] == await faults(handler, "/blue?n=x&colour=green&many=1&many=x", headers={"x-flag": "maybe"})
    assert [] == started


async def test_what_two_dependencies_read_alike_is_one_fault():
    def one(n: int): ...

    def other(n: int): ...

    async def handler(ws: WebSocket, one: Annotated[None, Depends(one)], other: Annotated[None, Depends(other)]): ...

    assert [{"name": "n", "in": "query", "given": "x", "expected": "int"}] == await faults(handler, "/r?n=x")


async def test_quoted_queries_are_read():
    assert "'a b/c'" == await told(telling(str), "/r?other=1&value=a+b%2Fc")
    assert "['1', '', '2']" == await told(telling(list[str]), "/r?value=1&&value=&value=2")
    assert "['', '=']" == await told(telling(list[str]), "/r?value&value==")


async def test_where_the_server_can_not_deny_it_closes_with_1008():
    connection = InMemoryConnection(handshake("/r", extensions={}))
    await connection.run(serving(telling(int)))
    assert {"type": "websocket.close", "code": 1008, "reason": ""} == connection.take()


async def test_an_exception_handler_of_the_application_can_take_the_faults():
    async def handle(ws, error):
        return JSONResponse({"wrong": [fault["name"] for fault in error.faults]}, 400)

    app = serving(telling(int), exception_handlers={ParameterError: handle})
    await check(app, '-> connect /r\n<- deny 400 json {"wrong": ["value"]}')


async def test_the_error_reads_well():
    error = ParameterError(
        [
            {"name": "n", "in": "query", "given": "x", "expected": "int"},
            {"name": "a", "in": "cookie", "given": None, "expected": "str"},
        ]
    )
    assert "query n: expected int, got 'x'; cookie a: expected str, got nothing" == str(error)


# --- what can't be bound ----------------------------------------------------------------------------------------------


@dataclass
class Point:
    x: int


class Struct(msgspec.Struct):
    x: int


class Dict(TypedDict):
    x: int


@pytest.mark.parametrize("annotation", [Point, Struct, Dict, dict, dict[str, int], list[Point], bytes, object])
async def test_what_could_only_come_from_a_body_is_an_error_at_registration(annotation):
    with pytest.raises(TypeError, match=r"handler \(.*test_binding.py:\d+\).*'value'.*could only come from a body"):
        serving(telling(annotation))


async def test_a_marker_does_not_help_what_can_not_be_converted():
    with pytest.raises(TypeError, match=r"value can't become .*Point: take a scalar or list"):
        serving(telling(Annotated[Point, Query()]))


async def test_a_path_marker_needs_its_parameter_in_the_path():
    with pytest.raises(TypeError, match=r"the path has no parameter 'value': it has room\.$"):
        serving(telling(Annotated[str, Path()]))


async def test_a_dependency_that_can_not_be_called_is_an_error_at_registration():
    with pytest.raises(TypeError, match="depends on 5, which can't be called"):
        serving(telling(Annotated[int, Depends(5)]))


async def test_what_is_ignored_and_is_no_connection_needs_a_default():
    with pytest.raises(TypeError, match="'value'"):
        serving(telling(Ignore[int]))


async def test_a_dependency_cycle_is_an_error_that_names_it():
    def first(value: Any): ...

    def second(value: Annotated[Any, Depends(first)]): ...

    first.__annotations__["value"] = Annotated[Any, Depends(second)]
    with pytest.raises(TypeError, match=r"circle: .*first -> .*second -> .*first"):
        serving(telling(Annotated[Any, Depends(first)]))


# --- dependencies -----------------------------------------------------------------------------------------------------

events: list[Any] = []


@pytest.fixture(autouse=True)
def no_events():
    events.clear()


def function(n: int = 1):
    return f"function {n}"


async def coroutine(room: str):
    return f"coroutine {room}"


def generator():
    events.append("set up")
    yield "generator"
    events.append("cleaned up")


async def async_generator(ws: Ignore[WebSocket]) -> Ignore[AsyncResource[str]]:
    events.append("set up")
    yield f"async generator {ws.path_params['room']}"
    events.append("cleaned up")


class Resource:
    def __init__(self, room: str, connection: HTTPConnection):
        self.room, self.connection = room, connection

    def __repr__(self):
        return f"resource {self.room} {type(self.connection).__name__}"


class Factory:
    async def __call__(self, room: str):
        return f"callable {room}"


@pytest.mark.parametrize(
    ("expected", "factory"),
    [
        ("'function 1'", function),
        ("'coroutine blue'", coroutine),
        ("'generator'", generator),
        ("'async generator blue'", async_generator),
        ("resource blue WebSocket", Resource),
        ("'callable blue'", Factory()),
    ],
)
@pytest.mark.parametrize("marker", [Depends, use])
async def test_a_factory_may_be_a_function_generator_or_class(expected, factory, marker):
    assert expected == await told(telling(Annotated[Any, marker(factory)]), "/blue")


async def test_factories_have_parameters_and_dependencies_of_their_own():
    def inner(n: int):
        return n + 1

    async def outer(inner: Annotated[int, Depends(inner)], room: str):
        return f"{room} {inner}"

    assert "'blue 8'" == await told(telling(Annotated[str, Depends(outer)]), "/blue?n=7")


@pytest.mark.parametrize("reuse", [True, False])
async def test_reuse_is_one_value_a_connection(reuse):
    def fresh():
        return object()

    def inner(value: Annotated[Any, use(fresh, reuse=reuse)]):
        return value

    async def handler(
        ws: WebSocket,
        first: Annotated[Any, use(fresh, reuse=reuse)],
        second: Annotated[Any, use(fresh, reuse=reuse)],
        third: Annotated[Any, Depends(inner)],
    ):
        await ws.accept()
        await ws.send_json([first is second, second is third])
        events.append(first)

    for _ in range(2):
        async with connect(serving(handler), "/r") as client:
            assert [reuse, reuse] == await client.receive_json()
    assert events[0] is not events[1]


async def test_a_dependency_of_http_connection_serves_http_too():
    def language(connection: HTTPConnection):
        return connection.headers["accept-language"]

    assert "'pt'" == await told(telling(Annotated[str, Depends(language)]), "/r", headers={"accept-language": "pt"})
    request = Request({"type": "http", "headers": [(b"accept-language", b"ru")]})
    assert "ru" == language(request)


async def test_the_context_variable_works_in_a_dependency():
    def room():
        return websocket.path_params["room"]

    assert "'blue'" == await told(telling(Annotated[str, Depends(room)]), "/blue")


async def test_a_generator_that_does_not_yield_is_an_error():
    def nothing():
        return
        yield

    with pytest.raises(HandshakeRefused) as refused:
        await told(telling(Annotated[Any, Depends(nothing)]), "/r")
    assert "must yield its value once" in str(refused.value.__cause__)


# --- clean-up ---------------------------------------------------------------------------------------------------------


def resource(name, *, fails=False):
    async def make():
        events.append(f"+{name}")
        try:
            yield name
        finally:
            await anyio.lowlevel.checkpoint()
            events.append(f"-{name}")
            if fails:
                raise OSError(name)

    return make


def with_resources(body, fails=()):
    a, b, c = (resource(name, fails=name in fails) for name in "abc")

    async def handler(
        ws: WebSocket,
        a: Annotated[str, Depends(a)],
        b: Annotated[str, Depends(b)],
        c: Annotated[str, Depends(c)],
    ):
        await ws.accept()
        await body(ws)

    return serving(handler)


CLEAN = ["+a", "+b", "+c", "-c", "-b", "-a"]


async def returns(ws): ...


async def raises(ws):
    raise ValueError("handler")


async def raises_with_code(ws):
    raise WebSocketException(4000)


async def listens(ws):
    await ws.receive_text()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (returns, "<- close 1000"),
        (raises, '<- close 1011\n!! ValueError "handler"'),
        (raises_with_code, "<- close 4000"),
        (listens, "-> close 1001"),
        (listens, "-> drop"),
    ],
)
async def test_clean_up_runs_once_in_reverse_order_however_the_handler_ends(body, text):
    await check(with_resources(body), f"-> connect /r\n<- accept\n{text}")
    assert CLEAN == events


async def test_clean_up_runs_after_a_cancellation():
    connection = InMemoryConnection(handshake("/r"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run, with_resources(listens))
        await connection.signal.wait(lambda: connection.sent)
        tasks.cancel_scope.cancel()
    assert CLEAN == events


@pytest.mark.parametrize("fails", ["a", "c", "ac"])
async def test_a_clean_up_that_fails_does_not_keep_the_others_from_running(fails, caplog):
    error = await ended_by(with_resources(returns, fails), code=1011)
    assert CLEAN == events
    assert ("OSError", fails[0]) == (type(error).__name__, str(error))
    assert (None if len(fails) == 1 else "c") == (error.__context__ and str(error.__context__))
    assert [] == caplog.records


async def test_a_clean_ups_exception_takes_the_place_of_the_handlers():
    error = await ended_by(with_resources(raises, "b"), code=1011)
    assert CLEAN == events
    assert ("b", "handler") == (str(error), str(error.__context__))


# --- the exception at the yield ---------------------------------------------------------------------------------------


async def ended_by(app, *, code=None, leaves=False, cancels=False):
    """Serve one connection to its end, and check the code that it was closed with; return what left the application."""
    connection = InMemoryConnection(handshake("/r"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run, app)
        await connection.signal.wait(lambda: connection.accepted)
        if leaves:
            connection.leave(1001)
        if cancels:
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    connection.take()
    assert code == (connection.take()["code"] if connection.sent else None)
    return connection.error


def transaction(name, *, catches=(), fails=False, asynchronous=True):
    """Make what `async with session.begin()` is: it commits, or rolls back by an exception."""

    def end(error):
        events.append(f"{name}: {'commit' if error is None else type(error).__name__}")
        if fails:
            raise OSError(name)

    async def make_async():
        task = anyio.get_current_task().id
        try:
            yield name
        except BaseException as error:
            assert task == anyio.get_current_task().id
            end(error)
            await anyio.lowlevel.checkpoint()
            if not isinstance(error, catches):
                raise
        else:
            assert task == anyio.get_current_task().id
            await anyio.lowlevel.checkpoint()
            end(None)

    def make():
        try:
            yield name
        except BaseException as error:
            end(error)
            if not isinstance(error, catches):
                raise
        else:
            end(None)

    return make_async if asynchronous else make


def inside(body, outer, inner):
    async def handler(ws: WebSocket, outer: Annotated[Any, Depends(outer)], inner: Annotated[Any, Depends(inner)]):
        await ws.accept()
        await body(ws)

    return serving(handler)


def cancelled():
    return anyio.get_cancelled_exc_class().__name__


@pytest.fixture(params=[True, False], ids=["async", "sync"])
def begin(request):
    return partial(transaction, asynchronous=request.param)


async def test_a_transaction_commits_after_a_handler_that_returns(begin):
    assert None is await ended_by(inside(returns, begin("outer"), begin("inner")), code=1000)
    assert ["inner: commit", "outer: commit"] == events


async def test_a_transaction_is_rolled_back_by_the_handlers_exception(begin):
    error = await ended_by(inside(raises, begin("outer"), begin("inner")), code=1011)
    assert ("handler", None) == (str(error), error.__context__)
    assert ["inner: ValueError", "outer: ValueError"] == events


async def test_a_transaction_is_rolled_back_when_the_client_leaves(begin):
    assert None is await ended_by(inside(listens, begin("outer"), begin("inner")), leaves=True)
    assert ["inner: WebSocketDisconnect", "outer: WebSocketDisconnect"] == events


async def test_a_transaction_is_rolled_back_by_a_cancellation(begin, caplog):
    assert None is await ended_by(inside(listens, begin("outer"), begin("inner")), code=1001, cancels=True)
    assert [f"inner: {cancelled()}", f"outer: {cancelled()}"] == events
    assert [] == caplog.records


async def test_a_transaction_is_rolled_back_when_a_later_dependency_fails(begin):
    def fails():
        raise WebSocketException(4000)

    async def handler(ws: WebSocket, a: Annotated[Any, Depends(begin("a"))], b: Annotated[Any, Depends(fails)]): ...

    await check(serving(handler), "-> connect /r\n<- deny 403")
    assert ["a: WebSocketException"] == events


async def test_a_dependency_that_fails_by_itself_is_not_cleaned_up():
    async def fails():
        try:
            raise ValueError("no database")
            yield
        finally:
            events.append("once")

    async def handler(ws: WebSocket, a: Annotated[Any, Depends(fails)]): ...

    await check(serving(handler), '-> connect /r\n<- deny 500 text ...\n!! ValueError "no database"')
    assert ["once"] == events


async def test_an_exception_that_a_dependency_catches_is_gone(begin):
    assert None is await ended_by(inside(raises, begin("outer"), begin("inner", catches=ValueError)), code=1000)
    assert ["inner: ValueError", "outer: commit"] == events


async def test_an_exception_of_a_dependency_takes_the_place_of_the_handlers(begin):
    error = await ended_by(inside(raises, begin("outer"), begin("inner", fails=True)), code=1011)
    assert ("inner", "handler") == (str(error), str(error.__context__))
    assert ["inner: ValueError", "outer: OSError"] == events


async def test_a_dependency_chooses_the_code_of_an_exception(begin):
    def translates():
        try:
            yield
        except ValueError:
            raise WebSocketException(4001) from None

    assert None is await ended_by(inside(raises, begin("outer"), translates), code=4001)
    assert ["outer: WebSocketException"] == events


async def test_a_cancellation_goes_on_though_a_dependency_catches_it(begin):
    app = inside(listens, begin("outer"), begin("inner", catches=BaseException))
    reached = []

    async def served(scope, receive, send):
        await app(scope, receive, send)
        reached.append("the server")

    assert None is await ended_by(served, code=1001, cancels=True)
    assert [f"inner: {cancelled()}", f"outer: {cancelled()}"] == events
    assert [] == reached


async def test_a_clean_up_may_wait_after_another_has_caught_the_cancellation():
    async def gives_back():
        try:
            yield
        finally:
            await anyio.lowlevel.checkpoint()
            events.append("outer: given back")

    app = inside(listens, gives_back, transaction("inner", catches=BaseException))
    assert None is await ended_by(app, code=1001, cancels=True)
    assert [f"inner: {cancelled()}", "outer: given back"] == events


@pytest.mark.parametrize("name", ["outer", "inner"])
async def test_an_error_of_a_clean_up_after_a_cancellation_is_logged(name, begin, caplog):
    app = inside(listens, *(begin(each, fails=each == name) for each in ("outer", "inner")))
    assert None is await ended_by(app, code=1001, cancels=True)
    assert [f"inner: {cancelled()}", f"outer: {cancelled()}"] == events
    [record] = caplog.records
    assert ("ERROR", name) == (record.levelname, str(record.exc_info[1]))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("catches", [(), BaseException])
async def test_the_cancellation_of_a_task_goes_on(catches, begin, caplog):
    connection = InMemoryConnection(handshake("/r"))
    app = inside(listens, begin("outer", fails=True), begin("inner", catches=catches))
    task = asyncio.create_task(connection.run(app))
    await connection.signal.wait(lambda: connection.accepted)
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert ["inner: CancelledError", "outer: CancelledError"] == events
    assert ["outer"] == [str(record.exc_info[1]) for record in caplog.records]


@pytest.mark.parametrize("cancels", [True, False])
async def test_a_dependency_may_hold_a_task_group_open(cancels, begin):
    async def tasks():
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            try:
                yield group
            finally:
                group.cancel_scope.cancel()
        events.append("group")

    body, code = (listens, 1001) if cancels else (returns, 1000)
    assert None is await ended_by(inside(body, begin("outer"), tasks), code=code, cancels=cancels)
    assert [f"outer: {'commit' if not cancels else cancelled()}"] == events[-1:]


async def test_a_dependencys_own_scope_ends_the_handler(begin):
    async def limited():
        with anyio.move_on_after(0.01) as scope:
            yield
        events.append(f"cut off {scope.cancelled_caught}")

    async def tasks():
        async with anyio.create_task_group() as group:
            group.start_soon(fails)
            yield

    async def fails():
        await anyio.lowlevel.checkpoint()
        raise ValueError("in the background")

    assert None is await ended_by(inside(listens, begin("outer"), limited), code=1001)
    assert ["cut off True", "outer: commit"] == events
    error = await ended_by(inside(listens, begin("outer"), tasks), code=1001)
    assert "in the background" == str(error.exceptions[0])
    assert f"outer: {type(error).__name__}" == events[-1]


@pytest.mark.parametrize("body", [returns, raises])
@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_dependency_that_yields_again_is_an_error(body, asynchronous):
    def yields():
        try:
            yield
        except ValueError:
            events.append("caught")
        yield

    async def yields_async():
        try:
            yield
        except ValueError:
            events.append("caught")
        yield

    factory = yields_async if asynchronous else yields
    error = await ended_by(inside(body, transaction("outer"), factory), code=1011)
    assert "must yield its value once" in str(error)
    assert "outer: RuntimeError" == events[-1]


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
async def test_a_handler_may_end_by_the_exception_that_ends_an_iterator(kind):
    def yields():
        yield

    async def stops(ws):
        raise kind

    error = await ended_by(inside(stops, transaction("outer"), yields), code=1011)
    assert isinstance(error, RuntimeError | kind)
    assert 1 == len(events)
    assert "commit" not in events[0]


@pytest.mark.parametrize("body", [returns, raises, listens])
async def test_a_cancellation_in_the_middle_of_a_clean_up_leaves_the_others_their_time(body, caplog, monkeypatch):
    monkeypatch.setattr(conversation, "CLEAN_UP_S", 0.05)

    async def slow():
        try:
            yield
        finally:
            events.append("slow")
            await anyio.sleep_forever()

    async def waits():
        try:
            yield
        finally:
            await anyio.sleep(0.01)
            events.append("waited")

    app = inside(body, waits, slow)
    assert None is await ended_by(app, code=1001 if body is not listens else None, cancels=True, leaves=body is listens)
    assert ["slow", "waited"] == events
    assert (["handler"] if body is raises else []) == [str(record.exc_info[1]) for record in caplog.records]


async def test_a_clean_up_that_has_begun_when_the_cancellation_comes_gets_its_time(begin):
    release = anyio.Event()

    async def slow():
        try:
            yield
        finally:
            events.append("slow")
            await release.wait()
            events.append("done")

    async with anyio.create_task_group() as tasks:
        connection = InMemoryConnection(handshake("/r"))
        tasks.start_soon(connection.run, inside(returns, begin("outer"), slow))
        await anyio.wait_all_tasks_blocked()
        assert ["slow"] == events
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
            release.set()
    assert ["slow", "done", f"outer: {cancelled()}"] == events


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_that_is_cancelled_in_a_clean_up_rolls_the_others_back(begin):
    async def slow():
        yield
        await anyio.sleep_forever()

    connection = InMemoryConnection(handshake("/r"))
    task = asyncio.create_task(connection.run(inside(returns, begin("outer"), slow)))
    await connection.signal.wait(lambda: connection.accepted)
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert ["outer: CancelledError"] == events


async def test_what_ends_the_program_goes_on_though_a_dependency_catches_it(begin):
    class Stop(BaseException): ...

    async def stops(ws):
        raise Stop

    error = await ended_by(inside(stops, begin("outer"), begin("inner", catches=Stop)), code=1001)
    assert isinstance(error, Stop)
    assert ["inner: Stop", "outer: Stop"] == events


async def test_clean_ups_that_hang_after_a_cancellation_are_cut_off_and_logged(begin, caplog, monkeypatch):
    monkeypatch.setattr(conversation, "CLEAN_UP_S", 0.05)

    async def hangs():
        try:
            yield
        finally:
            events.append("hangs")
            await anyio.sleep_forever()

    assert None is await ended_by(inside(listens, begin("outer"), hangs), code=1001, cancels=True)
    assert ["hangs", f"outer: {cancelled()}"] == events
    assert ["A cancelled handler's clean-ups took more than 0.05 s and were cut off"] == [
        record.getMessage() for record in caplog.records
    ]


async def test_dependencies_that_did_start_are_cleaned_up_when_a_later_one_fails():
    def fails():
        raise ValueError("no database")

    async def handler(ws: WebSocket, a: Annotated[str, Depends(resource("a"))], b: Annotated[str, Depends(fails)]):
        events.append("handler")

    await check(serving(handler), '-> connect /r\n<- deny 500 text ...\n!! ValueError "no database"')
    assert ["+a", "-a"] == events


async def test_a_dependency_may_accept_and_close_around_the_handler():
    async def accepted(ws: Ignore[WebSocket]) -> Ignore[AsyncResource[WebSocket]]:
        await ws.accept()
        yield ws
        await ws.close(4000, "done")

    async def handler(ws: Annotated[WebSocket, use(accepted, reuse=False)], session_id: str, max_users: int):
        await ws.send_json([session_id, max_users])

    await check(
        serving(handler, "web_socket/{session_id}"),
        '-> connect /web_socket/session123?max_users=5\n<- accept\n<- json ["session123", 5]\n<- close 4000 "done"',
    )


async def test_a_handler_does_not_start_after_a_dependency_has_refused():
    async def refuses(ws: WebSocket):
        await ws.close()

    async def handler(ws: WebSocket, nothing: Annotated[None, Depends(refuses)]):
        events.append("handler")

    await check(serving(handler), "-> connect /r\n<- deny 403")
    assert [] == events


# --- what is easily overlooked ----------------------------------------------------------------------------------------


async def test_a_dependency_with_a_default_is_still_the_dependency():
    async def handler(
        ws: WebSocket,
        user: Annotated[str, Depends(coroutine)] = None,  # noqa: RUF013 - as people write it
        q: Annotated[str, Query(alias="s")] = None,  # noqa: RUF013
    ):
        await ws.accept()
        await ws.send_json([user, q])

    assert '["coroutine blue","x"]' == await told(handler, "/blue?user=wrong&q=wrong&s=x")
    assert '["coroutine blue",null]' == await told(handler, "/blue")


class Paging(NamedTuple):
    page: int = 1


class Options(msgspec.Struct):
    page: int = 1


class Made:
    def __new__(cls, page: int = 1):
        made = super().__new__(cls)
        made.page = page
        return made


@pytest.mark.parametrize("factory", [Paging, Options, Made])
async def test_a_factory_may_be_a_class_of_any_kind(factory):
    async def handler(ws: WebSocket, made: Annotated[Any, Depends(factory)]):
        await ws.accept()
        await ws.send_json(made.page)

    assert "7" == await told(handler, "/r?page=7")


@dataclass
class Limit:
    n: int

    def __call__(self):
        return object()


async def test_a_factory_that_can_not_be_hashed_is_reused_too():
    limit = Limit(5)

    async def handler(ws: WebSocket, a: Annotated[Any, Depends(limit)], b: Annotated[Any, Depends(limit)]):
        await ws.accept()
        await ws.send_json(a is b)

    assert "true" == await told(handler, "/r")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_connection_that_has_ended_is_no_cycle():
    """Thousands of them would wait for the collector, which stops everything while it runs."""
    known = []

    async def handler(ws: WebSocket, it: Annotated[object, Depends(object)]):
        known.append(weakref.ref(ws))
        await ws.accept()

    app = App()
    app.router.websocket("/")(handler)
    gc.disable()
    try:
        await app(handshake("/"), connected, ignored)
        assert known[0]() is None
    finally:
        gc.enable()


async def connected():
    return {"type": "websocket.connect"}


async def ignored(_): ...


async def test_bounds_of_msgspec_are_kept():
    bounded = Annotated[int, msgspec.Meta(ge=1)]
    assert "5" == await told(telling(bounded), "/r?value=5")
    assert 1 == len(await faults(telling(bounded), "/r?value=-5"))
    assert 1 == len(await faults(telling(Annotated[int, msgspec.Meta(ge=1), Query(alias="v")]), "/r?v=-5"))


async def test_what_the_paths_convertor_makes_is_a_str_when_that_is_asked():
    assert "'7'" == await told(telling(str), "/7", "/{value:int}")
    assert "7" == await told(telling(Any, default=None), "/7", "/{value:int}")


@pytest.mark.parametrize("marker", [Cookie, Path])
async def test_one_cookie_or_part_of_the_path_is_no_list(marker):
    with pytest.raises(TypeError, match="value can't become"):
        serving(telling(Annotated[list[str], marker(alias="room")]))


async def test_what_a_partial_has_set_is_not_for_the_client_to_set():
    async def handler(ws: WebSocket, n: int = 1):
        await ws.accept()
        await ws.send_json(n)

    assert "5" == await told(partial(handler, n=5), "/r?n=100000")


async def test_a_wrapper_that_takes_anything_gets_the_connection():
    async def handler(*arguments, **options):
        assert ({}, 1) == (options, len(arguments))
        await arguments[0].accept()
        await arguments[0].send_text("wrapped")

    assert "wrapped" == await told(handler, "/r")


async def test_a_parameter_error_after_accept_is_an_error_like_any_other():
    async def handler(ws: WebSocket):
        await ws.accept()
        raise ParameterError([])

    await check(serving(handler), "-> connect /r\n<- accept\n<- close 1011\n!! ParameterError")


@pytest.mark.parametrize(
    ("annotation", "query", "expected"),
    [
        *((bool, word, True) for word in ("on", "yes", "y", "t", "true", "1", "ON", "Yes", "True")),
        *((bool, word, False) for word in ("off", "no", "n", "f", "false", "0", "OFF", "No")),
        (bool | None, "on", True),
        (list[bool], "on&value=0&value=no", [True, False, False]),
        (bool | str, "on", "on"),
        (Literal["yes", "no"] | bool, "yes", "yes"),
        (Annotated[bool, Query()], "off", False),
    ],
)
async def test_booleans_are_read_as_forms_and_people_write_them(annotation, query, expected):
    async def handler(ws: WebSocket, value: annotation):
        await ws.accept()
        await ws.send_json(value)

    app = App(routes=[SocketRoute("/ws", handler)])
    await check(app, f"-> connect /ws?value={query}\n<- accept\n<- json {json.dumps(expected)}\n<- close 1000")


@pytest.mark.parametrize("annotation", [int, Literal["true", "false"], list[int]])
async def test_only_booleans_are_read_so(annotation):
    async def handler(ws: WebSocket, value: annotation): ...

    with pytest.raises(HandshakeRefused) as refused:
        async with connect(App(routes=[SocketRoute("/ws", handler)]), "/ws?value=yes"):
            pass
    assert 422 == refused.value.status


async def test_a_receive_that_was_left_pending_ends_with_the_handler():
    ended = anyio.Event()
    messages = [{"type": "websocket.connect"}]

    async def receive():
        if messages:
            return messages.pop()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async def send(message): ...

    async def leaves(websocket: WebSocket):
        await websocket.accept()
        assert not await websocket.is_disconnected()
        assert not ended.is_set()
        await websocket.send({"type": "websocket.close"})

    await SocketRoute("/", leaves)(handshake("/"), receive, send)
    with anyio.fail_after(60):
        await ended.wait()


async def test_a_wrapper_passes_on_the_connections_that_it_has_not_itself():
    async def both(websocket: WebSocket, again: HTTPConnection):
        await websocket.accept()
        await websocket.send_json(again is websocket)

    @wraps(both)
    async def wrapper(first, *args, **kwargs):
        await both(first, *args, **kwargs)

    await check(serving(wrapper, "/"), "-> connect /\n<- accept\n<- json true\n<- close 1000")


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_an_exception_that_a_dependency_makes_of_the_handlers_takes_its_place(asynchronous):
    def translates():
        try:
            yield
        except ValueError as error:
            raise LookupError("translated") from error

    async def translates_async():
        try:
            yield
        except ValueError as error:
            raise LookupError("translated") from error

    error = await ended_by(
        inside(raises, transaction("outer"), translates_async if asynchronous else translates), code=1011
    )
    assert "translated" == str(error)
    assert ["outer: LookupError"] == [event for event in events if event.startswith("outer")]


async def test_a_server_that_does_not_take_the_end_keeps_no_exception_from_the_log(caplog):
    messages = [{"type": "websocket.connect"}]

    async def receive():
        return messages.pop() if messages else await anyio.sleep_forever()

    async def send(message):
        raise RuntimeError("no")

    async def fails(websocket: WebSocket):
        raise ValueError("the handler's")

    with pytest.raises(ValueError, match="the handler's"):
        await SocketRoute("/", fails)(handshake("/"), receive, send)
    assert ["The connection could not be closed"] == [record.getMessage() for record in caplog.records]
