from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Generic, TypeVar

import anyio
import msgspec
import pytest

from reference_ws import App, Depends, Query, SocketRoute, SocketView, WebSocket, WebSocketException, websocket
from reference_ws.testing import InMemoryConnection, connect, handshake
from reference_ws.transcript import check

pytestmark = pytest.mark.anyio

T = TypeVar("T")
ended: list[int] = []


@pytest.fixture(autouse=True)
def nothing_ended():
    ended.clear()


class Remembers(SocketView):
    async def on_disconnect(self, close_code):
        ended.append(close_code)


def serving(view):
    app = App()
    app.router.websocket("/")(view)
    return app


async def plays(view, text, **options):
    await check(serving(view), f"-> connect /\n{text}", timeout_s=1, **options)


# --- the class --------------------------------------------------------------------------------------------------------


def test_the_default_encoding_is_json():
    assert "json" == SocketView.encoding


@pytest.mark.parametrize("encoding", ["JSON", "str", None])
def test_another_encoding_is_a_type_error_when_the_class_is_made(encoding):
    with pytest.raises(TypeError, match=r"Chat\.encoding is .*: take one of text, bytes, json, anystr"):
        type("Chat", (SocketView,), {"encoding": encoding})


@pytest.mark.parametrize("name", ["on_connect", "on_receive", "on_disconnect"])
def test_a_method_that_is_not_async_is_a_type_error_when_the_class_is_made(name):
    def method(self, *arguments): ...

    with pytest.raises(TypeError, match=r"method \(.*test_views.py:\d+\): this method must be"):
        type("Chat", (SocketView,), {name: method})


async def test_one_instance_serves_one_connection():
    class Counts(SocketView):
        count = 0

        async def on_receive(self, data):
            assert websocket == self.websocket
            self.count += 1
            await websocket.send_json(self.count)

    async with connect(serving(Counts), "/") as ana, connect(serving(Counts), "/") as li:
        for expected in (1, 2):
            await ana.send_json(None)
            assert expected == await ana.receive_json()
        await li.send_json(None)
        assert 1 == await li.receive_json()


# --- the life ---------------------------------------------------------------------------------------------------------


class Echo(Remembers):
    async def on_receive(self, data):
        await self.websocket.send_json(data)


@pytest.mark.parametrize(("code", "end"), [(4001, '-> close 4001 "bye"'), (1006, "-> drop"), (1005, "-> close 1005")])
async def test_the_client_ends(code, end):
    await plays(Echo, f"<- accept\n-> json [1]\n<- json [1]\n{end}")
    assert [code] == ended


async def test_the_view_ends():
    class Closes(Remembers):
        async def on_receive(self, data):
            await self.websocket.close(4000, "enough")

    await plays(Closes, '<- accept\n-> json 1\n<- close 4000 "enough"')
    assert [4000] == ended


@pytest.mark.parametrize(
    ("code", "refusal", "text"),
    [(1000, "close", "<- deny 403"), (1006, "nothing", "<- deny 403")],
)
async def test_an_override_of_on_connect_refuses(code, refusal, text):
    class Refuses(Remembers):
        async def on_connect(self):
            if refusal == "close":
                await self.websocket.close()

    await plays(Refuses, text)
    assert [code] == ended


@pytest.mark.parametrize("closes", [True, False])
async def test_on_disconnect_may_close_or_leave_it(closes):
    class Either(SocketView):
        async def on_disconnect(self, close_code):
            ended.append(close_code)
            if closes:
                await self.websocket.close(code=close_code)

    await plays(Either, "<- accept\n-> close 1001")
    await plays(Either, "<- accept\n-> drop")
    await plays(Either, '<- accept\n-> text "{"\n<- close 1003')
    assert [1001, 1006, 1003] == ended


@pytest.mark.parametrize("method", ["on_connect", "on_receive"])
async def test_an_exception_closes_with_1011_and_on_disconnect_runs(method):
    class Breaks(Remembers):
        async def on_connect(self):
            await self.websocket.accept()
            if method == "on_connect":
                raise ValueError("broken")

        async def on_receive(self, data):
            raise ValueError("broken")

    start = "" if method == "on_connect" else "-> json 1\n"
    await plays(Breaks, f'<- accept\n{start}<- close 1011\n!! ValueError "broken"')
    assert [1011] == ended


async def test_an_exception_in_on_disconnect_is_an_error_of_the_handler():
    class Breaks(SocketView):
        async def on_disconnect(self, close_code):
            ended.append(close_code)
            raise ValueError("broken")

    await plays(Breaks, '<- accept\n-> close\n!! ValueError "broken"')
    assert [1000] == ended


async def test_a_websocket_exception_closes_with_its_code():
    class Breaks(Remembers):
        async def on_receive(self, data):
            raise WebSocketException(4003, "no")

    await plays(Breaks, '<- accept\n-> json 1\n<- close 4003 "no"')
    assert [4003] == ended


async def test_a_client_that_vanishes_while_the_view_sends_is_no_error():
    class Sends(Remembers):
        async def on_connect(self):
            await self.websocket.accept()
            while True:
                await self.websocket.send_text("tick")
                await anyio.sleep(0.01)

    await plays(Sends, "<- accept\n<- text ...\n-> drop")
    assert [1006] == ended


async def cancel(view):
    """Cancel a view that waits for a message."""
    connection = InMemoryConnection(handshake("/"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run, serving(view))
        await connection.signal.wait(lambda: connection.sent)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


async def test_a_cancelled_view_takes_leave():
    await cancel(Echo)
    assert [1001] == ended


async def test_a_cancelled_view_has_time_to_take_leave():
    class Writes(Remembers):
        async def on_disconnect(self, close_code):
            await anyio.sleep(1)
            await super().on_disconnect(close_code)

    await cancel(Writes)
    assert [1001] == ended


# --- what it takes ----------------------------------------------------------------------------------------------------

TEXT, BYTES = {"text": "[1]"}, {"data": b"[2]"}


@pytest.mark.parametrize("both_keys", [True, False])
@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("text", {"text": "[1]", "data": 1003}),
        ("bytes", {"text": 1003, "data": b"[2]"}),
        ("anystr", {"text": "[1]", "data": b"[2]"}),
        ("json", {"text": [1], "data": [2]}),
    ],
)
@pytest.mark.parametrize("frame", [TEXT, BYTES], ids=["text", "binary"])
async def test_the_encoding_decides_what_on_receive_gets(encoding, expected, frame, both_keys, caplog):
    got = []

    class View(Remembers):
        async def on_receive(self, data):
            got.append(data)
            await self.websocket.close()

    View.encoding = encoding
    connection = InMemoryConnection(handshake("/"), both_keys=both_keys)
    connection.deliver(**frame)
    await connection.run(serving(View))
    connection.take()
    close = connection.take()
    (key,) = frame
    if expected[key] == 1003:
        assert ([], [1003], 1003) == (got, ended, close["code"])
    else:
        assert ([expected[key]], [1000], 1000) == (got, ended, close["code"])
    assert connection.error is None
    assert [] == caplog.records


@pytest.mark.parametrize(("encoding", "frame"), [("text", '""'), ("anystr", '""'), ("bytes", ""), ("anystr", "")])
async def test_an_empty_frame_is_data_like_any_other(encoding, frame):
    class View(SocketView):
        async def on_receive(self, data):
            await self.websocket.send_json([type(data).__name__, len(data)])

    View.encoding = encoding
    kind = "text" if frame else "bytes"
    await plays(View, f'<- accept\n-> {kind} {frame}\n<- json ["{"str" if frame else "bytes"}", 0]')


@pytest.mark.parametrize("frame", ['text "{"', "bytes 22 ff 22", 'text ""'])
async def test_what_is_not_json_closes_with_1003(frame):
    await plays(Echo, f"<- accept\n-> {frame}\n<- close 1003")
    assert [1003] == ended


@dataclass
class Point:
    x: int
    y: int = 0


async def test_an_annotated_on_receive_gets_that_type():
    class Plots(Remembers):
        async def on_receive(self, data: Point):
            await self.websocket.send_json([data.x, data.y])

    await plays(Plots, '<- accept\n-> json {"x": 1}\n<- json [1, 0]\n-> json {"x": "1"}\n<- close 1003')
    assert [1003] == ended


# --- registration -----------------------------------------------------------------------------------------------------


async def test_on_connect_is_bound_like_a_handler():
    def doubled(n: int):
        return 2 * n

    class Bound(SocketView):
        async def on_connect(
            self, room: str, twice: Annotated[int, Depends(doubled)], key: Annotated[str, Query(alias="k")] = "-"
        ):
            await self.websocket.accept()
            await self.websocket.send_json([room, twice, key])

    app = App(routes=[SocketRoute("/{room}", Bound)])
    await check(app, '-> connect /blue?n=2\n<- accept\n<- json ["blue", 4, "-"]')
    await check(app, "-> connect /blue?n=x\n<- deny 422 json ...")


async def test_what_on_connect_can_not_be_given_is_an_error_at_registration():
    class Wants(SocketView):
        async def on_connect(self, body: dict): ...

    with pytest.raises(TypeError, match="could only come from a body"):
        SocketRoute("/", Wants)


class First(msgspec.Struct):
    x: int


class Second(msgspec.Struct):
    x: int


def test_a_type_that_can_not_be_read_is_an_error_at_registration():
    class Either(SocketView):
        async def on_receive(self, data: First | Second): ...

    with pytest.raises(TypeError, match=r"on_receive \(.*test_views.py:\d+\): an annotation can't be read"):
        SocketRoute("/", Either)


async def test_a_generic_view_reads_what_its_argument_says():
    class Answers(Remembers, Generic[T]):
        async def on_connect(self, first: T = 0):
            await self.websocket.accept()
            await self.websocket.send_text(f"{first!r}")

        async def on_receive(self, data: list[T]):
            await self.websocket.send_text(f"{sum(data)}")

    class Ints(Answers[int]): ...

    class Further(Answers[T]): ...

    class Floats(Further[float]): ...

    await plays(Ints, '<- accept\n<- text "0"\n-> json [1, 2]\n<- text "3"\n-> json ["1"]\n<- close 1003')
    await check(serving(Floats), '-> connect /?first=1\n<- accept\n<- text "1.0"\n-> close')
    await plays(Floats, '<- accept\n<- text "0"\n-> json [1, 2]\n<- text "3.0"\n-> json ["1"]\n<- close 1003')


@pytest.mark.parametrize("name", ["on_receive", "on_disconnect", "__init__"])
@pytest.mark.parametrize("marker", [Depends(str), Query("x")])
def test_a_marker_where_nothing_is_bound_is_an_error_at_registration(name, marker):
    async def method(self, _=None, user: str = marker): ...

    async def another(self, _=None, user: Annotated[str | None, marker] = None): ...

    for function in (method, another):
        view = type("Chat", (SocketView,), {name: function})
        with pytest.raises(
            TypeError, match=r"test_views.py:\d+\): user has (Depends|Query).*: only on_connect is given such things\.$"
        ):
            SocketRoute("/", view)


def test_what_no_connection_could_be_served_by_is_an_error_at_registration():
    class Abstract(SocketView, ABC):
        @abstractmethod
        async def answer(self): ...

    class Changed(SocketView): ...

    Changed.on_receive = lambda self, data: None
    with pytest.raises(TypeError, match="Abstract is abstract"):
        SocketRoute("/", Abstract)
    with pytest.raises(TypeError, match="must be a coroutine function"):
        SocketRoute("/", Changed)


async def test_bounds_of_the_type_are_kept():
    class Positive(Remembers):
        async def on_receive(self, data: Annotated[int, msgspec.Meta(ge=0)]):
            await self.websocket.send_json(data)

    await plays(Positive, "<- accept\n-> json 5\n<- json 5\n-> json -5\n<- close 1003")


@pytest.mark.parametrize("frame", ["1" * 5000, "[" * 3000 + "]" * 3000])
async def test_json_that_python_can_not_hold_is_the_clients_fault(frame):
    class Takes(Remembers):
        async def on_receive(self, data: list): ...

    connection = InMemoryConnection(handshake("/"))
    connection.deliver(text=frame)
    await connection.run(serving(Takes))
    assert connection.error is None
    assert [1003] == ended


def test_a_shape_that_can_not_be_called_is_a_type_error_when_the_class_is_made():
    async def on_receive(self, websocket: WebSocket, data): ...

    async def on_disconnect(self, websocket: WebSocket, close_code: int): ...

    async def nothing(self): ...

    def init(self, database): ...

    def new(cls, database): ...

    for name, method, called in (
        ("on_receive", on_receive, r"on_receive\(data\)"),
        ("on_receive", nothing, r"on_receive\(data\)"),
        ("on_disconnect", on_disconnect, r"on_disconnect\(close_code\)"),
        ("on_disconnect", nothing, r"on_disconnect\(close_code\)"),
        ("__init__", init, r"__init__\(\)"),
        ("__new__", new, r"__new__\(\)"),
    ):
        with pytest.raises(TypeError, match=rf"{method.__name__} \(.*test_views.py:\d+\): .*{called}"):
            type("View", (SocketView,), {name: method})


@pytest.mark.parametrize("method", [None, 7, property(lambda self: self.websocket)])
def test_what_is_no_method_at_all_is_a_type_error_when_the_class_is_made(method):
    with pytest.raises(TypeError, match=r"must be a coroutine function"):
        type("View", (SocketView,), {"on_receive": method})


def test_what_a_decorator_makes_is_looked_at_when_the_view_is_registered():
    @dataclass
    class View(SocketView):
        database: str

    with pytest.raises(TypeError, match=r"__init__\(\)"):
        SocketRoute("/", View)


async def test_methods_may_have_further_parameters_with_defaults():
    class View(SocketView):
        def __init__(self, database="none"):
            self.database = database

        async def on_receive(self, message, *more, extra=1):
            await self.websocket.send_json([message, self.database, extra])

        async def on_disconnect(self, *args):
            assert (1000,) == args

    await plays(View, '<- accept\n-> json 5\n<- json [5, "none", 1]\n-> close 1000')


def test_a_decorated_method_is_called_as_the_one_inside_is_written():
    def decorated(method):
        @wraps(method)
        async def wrapper(*args, **kwargs):
            return await method(*args, **kwargs)

        return wrapper

    async def on_disconnect(self): ...

    with pytest.raises(TypeError, match=r"it is called as on_disconnect\(close_code\), and that doesn't fit"):
        type("View", (SocketView,), {"on_disconnect": decorated(on_disconnect)})
