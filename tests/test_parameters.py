from functools import partial

import pytest
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket as StarletteWebSocket

from reference_ws import WebSocket
from reference_ws.binding import Session
from reference_ws.binding import bind as bind_handler
from reference_ws.testing import handshake

pytestmark = pytest.mark.anyio

GIVEN = WebSocket(handshake("/"), None, None)
RETURNED = []


def bind(handler):
    """Bind, and make what the handler returns visible."""
    bound = bind_handler(handler)

    async def call(websocket):
        websocket._bindings = Session(websocket)
        websocket._bindings.read(bound.wanted)
        RETURNED.clear()
        await bound.call(websocket)
        return RETURNED[0]

    return call


async def unannotated(anything):
    RETURNED.append(anything)


async def positional_only(ws: WebSocket, /):
    RETURNED.append(ws)


async def keyword_only(*, ws: WebSocket):
    RETURNED.append(ws)


async def second(other=None, ws: WebSocket = None):
    assert other is None
    RETURNED.append(ws)


async def both(first: WebSocket, second: StarletteWebSocket):
    assert first is second
    RETURNED.append(first)


async def general(connection: HTTPConnection):
    RETURNED.append(connection)


async def as_text(ws: "WebSocket"):
    RETURNED.append(ws)


async def with_default(ws: WebSocket, limit: int = 3):
    assert 3 == limit
    RETURNED.append(ws)


class Bound:
    async def method(self, ws: WebSocket):
        RETURNED.append(ws)

    async def __call__(self, ws: WebSocket):
        RETURNED.append(ws)


async def prefilled(room, ws: WebSocket):
    assert "blue" == room
    RETURNED.append(ws)


@pytest.mark.parametrize(
    "handler",
    [
        unannotated,
        positional_only,
        keyword_only,
        second,
        both,
        general,
        as_text,
        with_default,
        Bound().method,
        Bound(),
        partial(prefilled, "blue"),
    ],
    ids=lambda handler: getattr(handler, "__name__", type(handler).__name__),
)
async def test_the_connection_is_passed_where_the_signature_wants_it(handler):
    assert GIVEN is await bind(handler)(GIVEN)


async def test_a_handler_without_parameters_is_called_without():
    async def handler():
        RETURNED.append("called")

    assert "called" == await bind(handler)(GIVEN)


def sync(ws): ...


async def two(first, second): ...


async def wants_more(ws: WebSocket, room: dict): ...


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (sync, r"^sync \(.*test_parameters.py:\d+\): a WebSocket handler must be .* `async def`"),
        (two, r"^two \(.*test_parameters.py:\d+\): nothing can be bound to the parameter 'first'"),
        (wants_more, r"^wants_more \(.*:\d+\): nothing can be bound to the parameter 'room'"),
        (partial(sync), "async def"),
    ],
)
def test_what_can_not_be_bound_is_a_type_error_that_names_the_handler(handler, problem):
    with pytest.raises(TypeError, match=problem):
        bind(handler)


def test_an_annotation_that_can_not_be_read_is_a_type_error():
    async def handler(ws: "NotThere"): ...  # noqa: F821

    with pytest.raises(TypeError, match=r"an annotation can't be read: name 'NotThere'"):
        bind(handler)
