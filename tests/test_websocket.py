import asyncio
import json
import math
import pickle
import re
import sys
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import product as cartesian
from threading import Thread
from typing import Any, TypedDict

import anyio
import anyio.lowlevel
import msgspec
import pytest
from starlette.middleware import Middleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.websockets import WebSocket as StarletteWebSocket
from starlette.websockets import WebSocketDisconnected
from starlette.websockets import WebSocketState as StarletteState

from reference_ws import (
    App,
    CloseError,
    ConnectionOver,
    LifecycleError,
    WebSocket,
    WebSocketDataError,
    WebSocketDisconnect,
    WebSocketState,
    WebSocketTypeError,
    lifecycle,
)
from reference_ws.ahead import ReadAhead, kept
from reference_ws.guards import LimitGuard
from reference_ws.lifecycle import CONNECTED, CONNECTING, DISCONNECTED, RECEIVE, RESPONSE, SEND
from reference_ws.testing import HandshakeRefused, connect, handshake
from reference_ws.testing.inmemory import InMemoryConnection
from reference_ws.transcript import check
from reference_ws.websocket import FAIR

pytestmark = pytest.mark.anyio


def product(*axes):
    return list(cartesian(*axes))


MESSAGES = {
    "websocket.accept": {"type": "websocket.accept"},
    "websocket.send": {"type": "websocket.send", "text": "x"},
    "websocket.close": {"type": "websocket.close", "code": 1000},
    "websocket.http.response.start": {"type": "websocket.http.response.start", "status": 401, "headers": []},
    "websocket.http.response.body": {"type": "websocket.http.response.body", "body": b"", "more_body": True},
    "websocket.http.response.body (last)": {"type": "websocket.http.response.body", "body": b""},
    "websocket.ping": {"type": "websocket.ping"},
    "None": {},
}


class Server:
    """A server that gives what it is told to give, and remembers what it got."""

    def __init__(self, *incoming, fails=False):
        self.incoming = deque(incoming)
        self.sent = []
        self.fails = fails

    async def receive(self):
        return self.incoming.popleft()

    async def send(self, message):
        if self.fails:
            raise BrokenPipeError
        self.sent.append(message)


class SilentServer(Server):
    """One whose client says nothing; it counts how often it is asked."""

    asked = 0

    async def receive(self):
        self.asked += 1
        await anyio.sleep_forever()


def websocket(server, client=CONNECTED, application=CONNECTED, **scope):
    connection = WebSocket({**handshake("/"), **scope}, server.receive, server.send)
    connection.client_state, connection.application_state = client, application
    return connection


# --- the tables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "application", "event"), product(RECEIVE, SEND, MESSAGES), ids=lambda v: getattr(v, "name", v)
)
async def test_send_does_what_the_table_says(client, application, event):
    server = Server()
    connection = websocket(server, client, application)
    entry = lifecycle.on_send(client, application, event)
    if isinstance(entry, WebSocketState):
        await connection.send(MESSAGES[event])
        assert (client, entry) == (connection.client_state, connection.application_state)
        assert [MESSAGES[event]] == server.sent
        return
    with pytest.raises(LifecycleError) as raised:
        await connection.send(MESSAGES[event])
    assert entry == raised.value.id
    assert lifecycle.ERRORS[entry].ends is isinstance(raised.value, ConnectionOver)
    assert (client, application) == (raised.value.client_state, raised.value.application_state)
    assert lifecycle.allowed(SEND, client, application) == raised.value.allowed
    assert (client, application) == (connection.client_state, connection.application_state)
    assert [] == server.sent


@pytest.mark.parametrize(
    ("client", "application", "event"),
    product(RECEIVE, SEND, ["websocket.connect", "websocket.receive", "websocket.disconnect", "http.request"]),
    ids=lambda v: getattr(v, "name", v),
)
async def test_receive_does_what_the_table_says(client, application, event):
    server = Server({"type": event, "code": 1001})
    connection = websocket(server, client, application)
    # After the end nothing is asked for: what would have come is not known.
    entry = lifecycle.on_receive(client, application, event if client is not DISCONNECTED else "websocket.receive")
    if isinstance(entry, WebSocketState):
        assert {"type": event, "code": 1001} == await connection.receive()
        assert (entry, application) == (connection.client_state, connection.application_state)
        return
    with pytest.raises(LifecycleError) as raised:
        await connection.receive()
    assert entry == raised.value.id
    assert lifecycle.ERRORS[entry].ends is isinstance(raised.value, ConnectionOver)
    assert (client, application) == (connection.client_state, connection.application_state)


@pytest.mark.parametrize(("client", "application"), product(RECEIVE, SEND), ids=lambda v: getattr(v, "name", v))
async def test_accept_and_close_agree_with_the_table(client, application):
    server = Server({"type": "websocket.connect"})
    connection = websocket(server, client, application)
    entry = lifecycle.on_send(client, application, "websocket.accept")
    if isinstance(entry, WebSocketState):
        await connection.accept()
        assert (CONNECTED, entry) == (connection.client_state, connection.application_state)
    else:
        with pytest.raises(LifecycleError) as raised:
            await connection.accept()
        assert (entry, (client, application)) == (
            raised.value.id,
            (connection.client_state, connection.application_state),
        )
        assert (1, []) == (len(server.incoming), server.sent)
    server, ends = Server(), "websocket.http.response.body (last)" if application is RESPONSE else "websocket.close"
    connection = websocket(server, client, application)
    entry = lifecycle.on_send(client, application, ends)
    await connection.close()
    assert [ends] * isinstance(entry, WebSocketState) == [lifecycle.sent_event(message) for message in server.sent]
    assert (entry if server.sent else application) is connection.application_state


SENDERS = {"send_text": "x", "send_bytes": b"x", "send_json": 1}
RECEIVERS = ("receive_text", "receive_bytes", "receive_json")


@pytest.mark.parametrize(
    ("client", "application", "method"), product(RECEIVE, SEND, SENDERS), ids=lambda v: getattr(v, "name", v)
)
async def test_send_methods_agree_with_the_table(client, application, method):
    server = Server()
    connection = websocket(server, client, application)
    entry = lifecycle.on_send(client, application, "websocket.send")
    if isinstance(entry, WebSocketState):
        await getattr(connection, method)(SENDERS[method])
        assert 1 == len(server.sent)
    else:
        with pytest.raises(LifecycleError, match=rf"^{method}\(\)") as raised:
            await getattr(connection, method)(SENDERS[method])
        assert entry == raised.value.id
        assert [] == server.sent
    assert (client, application) == (connection.client_state, connection.application_state)


@pytest.mark.parametrize(
    ("client", "application", "method"), product(RECEIVE, SEND, RECEIVERS), ids=lambda v: getattr(v, "name", v)
)
async def test_receive_methods_agree_with_the_table(client, application, method):
    message = {"type": "websocket.receive", "text": "1", "bytes": b"1"}
    server = Server(message)
    connection = websocket(server, client, application)
    entry = lifecycle.on_receive_data(client, application)
    if isinstance(entry, WebSocketState):
        await getattr(connection, method)()
        assert [] == list(server.incoming)
    else:
        with pytest.raises(LifecycleError, match=rf"^{method}\(\)") as raised:
            await getattr(connection, method)()
        assert entry == raised.value.id
        assert [message] == list(server.incoming)
    assert (client, application) == (connection.client_state, connection.application_state)


async def test_an_error_names_states_expected_given_and_remedy():
    with pytest.raises(LifecycleError) as raised:
        await websocket(Server()).accept()
    assert (
        "accept(): The handshake is accepted already. (client=CONNECTED, application=CONNECTED; expected "
        "websocket.send or websocket.close) Call `accept()` once a connection. [accept-twice]"
    ) == str(raised.value)


@pytest.mark.parametrize(
    ("expected", "farewell"),
    [
        ((4001, "bye"), {"code": 4001, "reason": "bye"}),
        ((1006, ""), {"code": 1006}),
        ((1006, ""), {"code": 1005}),  # what some servers say of a client that vanished
        ((1006, ""), {}),
    ],
)
async def test_a_send_to_a_client_that_has_left_tells_the_clients_own_code(expected, farewell):
    server = Server(data(text="unread"), {"type": "websocket.disconnect", **farewell}, fails=True)
    connection = websocket(server)
    with pytest.raises(WebSocketDisconnect) as raised:
        await connection.send_text("x")
    assert expected == (raised.value.code, raised.value.reason) == connection.end


@pytest.mark.parametrize("event", ["websocket.accept", "websocket.close", "websocket.http.response.start"])
async def test_a_send_that_fails_ends_both_sides(event):
    connection = websocket(Server({"type": "websocket.disconnect"}, fails=True), CONNECTED, CONNECTING)
    with pytest.raises(WebSocketDisconnect) as raised:
        await connection.send(MESSAGES[event])
    assert 1006 == raised.value.code
    assert (DISCONNECTED, DISCONNECTED) == (connection.client_state, connection.application_state)
    assert (1006, "") == connection.end


async def test_the_state_moves_before_the_send_is_awaited():
    seen = []

    async def send(message):
        seen.append((message["type"], connection.application_state))

    connection = WebSocket(handshake("/"), Server({"type": "websocket.connect"}).receive, send)
    await connection.accept()
    await connection.close()
    assert [("websocket.accept", CONNECTED), ("websocket.close", DISCONNECTED)] == seen


async def test_a_raw_send_without_payload_is_refused():
    with pytest.raises(LifecycleError, match="no-payload"):
        await websocket(Server()).send({"type": "websocket.send", "text": None})


@pytest.mark.parametrize("payload", [{"text": b"a"}, {"bytes": "a"}, {"text": "a", "bytes": 7}])
async def test_a_raw_send_of_another_kind_is_refused(payload):
    server = Server()
    with pytest.raises(TypeError, match="takes text as str and bytes as bytes"):
        await websocket(server).send({"type": "websocket.send", **payload})
    assert [] == server.sent


async def test_what_is_no_message_at_all_is_refused():
    with pytest.raises(LifecycleError, match=r"send\('hello'\).*unknown-message"):
        await websocket(Server()).send("hello")


async def test_raw_headers_are_sent_as_those_of_accept():
    async def app(scope, receive, send):
        connection = WebSocket(scope, receive, send)
        await connection.receive()
        await connection.send({"type": "websocket.accept", "headers": [("X-A", "b")]})

    await check(app, "-> connect /\n<- accept\n    x-a: b")


async def test_a_raw_denial_needs_the_extension():
    server = Server()
    connection = websocket(server, CONNECTED, CONNECTING, extensions={})
    with pytest.raises(LifecycleError, match="denial-unsupported"):
        await connection.send(MESSAGES["websocket.http.response.start"])
    assert ([], CONNECTING) == (server.sent, connection.application_state)


@pytest.mark.parametrize("message", [{"code": 1005}, {"code": 1000, "reason": "a" * 124}])
async def test_a_raw_close_is_checked_like_close(message):
    server = Server()
    with pytest.raises(CloseError):
        await websocket(server).send({"type": "websocket.close", **message})
    assert [] == server.sent


# --- what it is -------------------------------------------------------------------------------------------------------


async def test_it_is_starlettes_websocket_with_starlettes_states():
    connection = websocket(Server())
    assert isinstance(connection, StarletteWebSocket)
    assert WebSocketState is StarletteState


async def test_a_scope_of_another_type_is_refused():
    with pytest.raises(TypeError, match="'http'"):
        WebSocket({"type": "http"}, Server().receive, Server().send)


async def test_errors_survive_pickling():
    with pytest.raises(ConnectionOver) as raised:
        await websocket(Server(), DISCONNECTED).send_text("x")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(raised.value), raised.value.code) == (str(again), again.code)
    error = pickle.loads(pickle.dumps(CloseError("close-code", 1005, "")))
    assert ("close-code", 1005) == (error.id, error.code)


# --- the handshake ----------------------------------------------------------------------------------------------------


async def test_accept_takes_the_pending_connect():
    server = Server({"type": "websocket.connect"})
    connection = websocket(server, CONNECTING, CONNECTING)
    await connection.accept("chat", [(b"x-a", b"1")])
    assert [{"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-a", b"1")]}] == server.sent


async def test_an_accept_that_may_have_reached_the_server_is_not_sent_again():
    server = Server({"type": "websocket.connect"})

    async def send(message):
        server.sent.append(message)
        await anyio.sleep_forever()

    connection = WebSocket(handshake("/"), server.receive, send)
    with anyio.move_on_after(0.001):
        await connection.accept()
    with pytest.raises(LifecycleError) as raised:
        await connection.accept()
    assert ("accept-twice", 1) == (raised.value.id, len(server.sent))
    assert str(raised.value).startswith("accept(): The handshake is accepted already.")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda ws: ws.receive_text(), "receive_text() got a binary frame"),
        (lambda ws: ws.receive_bytes(), "receive_bytes() got a text frame"),
        (lambda ws: ws.receive_json("text"), "receive_json() got a binary frame"),
        (lambda ws: ws.receive_json("binary"), "receive_json() got a text frame"),
        (lambda ws: anext(ws.iter_text()), "iter_text()"),
        (lambda ws: anext(ws.iter_bytes()), "iter_bytes()"),
        (lambda ws: anext(ws.iter_json()), "iter_json()"),
        (lambda ws: ws.accept(), "accept()"),
        (lambda ws: ws.send_denial_response(PlainTextResponse("no")), "send_denial_response()"),
    ],
)
async def test_an_error_says_what_was_tried(call, told):
    frame = {"bytes": b"a"} if "binary" in told else {"text": "a"}
    # The iterators fail because nothing has been accepted yet, the others because it has.
    connection = websocket(
        Server({"type": "websocket.receive", **frame}), CONNECTED, CONNECTING if "iter" in told else CONNECTED
    )
    with pytest.raises(LifecycleError) as raised:
        await call(connection)
    assert str(raised.value).startswith(f"{told}:")


async def test_a_second_accept_leaves_the_next_message_unread():
    server = Server({"type": "websocket.connect"})
    with pytest.raises(LifecycleError, match="accept-twice"):
        await websocket(server, CONNECTING, CONNECTED).accept()
    assert 1 == len(server.incoming)


@pytest.mark.parametrize(
    "response",
    [
        lambda: JSONResponse({"a": 1}, 401, {"x-a": "1"}),
        lambda: PlainTextResponse("no", 401),
        lambda: StreamingResponse(iter(["a", "b"]), 401),
        lambda: FileResponse(__file__, 401),
    ],
    ids=["json", "text", "streamed", "file"],
)
@pytest.mark.real_time  # Starlette iterates and reads files in threads
async def test_any_starlette_response_can_refuse(response):
    async def app(scope, receive, send):
        await WebSocket(scope, receive, send).send_denial_response(response())

    with pytest.raises(HandshakeRefused) as refused:
        async with connect(app, "/"):
            pass
    assert 401 == refused.value.status
    assert refused.value.body


async def test_a_response_that_breaks_off_is_finished_by_close():
    async def parts():
        yield "a"
        raise ValueError("broken")

    async def app(scope, receive, send):
        connection = WebSocket(scope, receive, send)
        try:
            await connection.send_denial_response(StreamingResponse(parts(), 503))
        except ValueError:
            assert RESPONSE is connection.application_state
            await connection.close()

    with pytest.raises(HandshakeRefused) as refused:
        async with connect(app, "/"):
            pass
    assert (503, b"a") == (refused.value.status, refused.value.body)


async def test_the_end_of_a_response_is_a_body():
    server = Server()
    await websocket(server, application=RESPONSE).close()
    assert [{"type": "websocket.http.response.body", "body": b"", "more_body": False}] == server.sent


# --- data -------------------------------------------------------------------------------------------------------------


def data(**keys):
    return {"type": "websocket.receive", **keys}


@pytest.mark.parametrize(
    ("expected", "method", "message"),
    [
        ("x", "receive_text", data(text="x")),
        ("", "receive_text", data(text="", bytes=None)),
        (b"x", "receive_bytes", data(bytes=b"x")),
        (b"", "receive_bytes", data(text=None, bytes=b"")),
        ([1], "receive_json", data(text="[1]")),
        ([1], "receive_json", data(bytes=b"[1]", text=None)),
    ],
)
async def test_the_kind_of_a_frame_is_told_by_which_key_is_not_none(expected, method, message):
    assert expected == await getattr(websocket(Server(message)), method)()


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("receive_text", {}, data(bytes=b"x")),
        ("receive_text", {}, data(text=None, bytes=b"x")),
        ("receive_bytes", {}, data(text="x")),
        ("receive_json", {"mode": "text"}, data(bytes=b"1")),
        ("receive_json", {"mode": "binary"}, data(text="1")),
    ],
)
async def test_the_other_kind_of_frame_is_an_error_that_carries_the_message(method, arguments, message):
    connection = websocket(Server(message, data(text="next")))
    with pytest.raises(WebSocketDataError) as raised:
        await getattr(connection, method)(**arguments)
    assert message == raised.value.message
    assert "next" == await connection.receive_text()


@pytest.mark.parametrize("payload", ["", "{", "nul", "[1,]", "[" * 100_000])
@pytest.mark.parametrize("binary", [False, True])
async def test_whatever_is_not_json_is_a_json_decode_error(payload, binary):
    message = data(bytes=payload.encode()) if binary else data(text=payload)
    connection = websocket(Server(message, data(text="1")))
    with pytest.raises(json.JSONDecodeError):
        await connection.receive_json()
    assert 1 == await connection.receive_json()


async def test_bytes_that_are_not_utf_8_are_a_json_decode_error():
    with pytest.raises(json.JSONDecodeError, match=r"^Not UTF-8 \(invalid start byte\): "):
        await websocket(Server(data(bytes=b'"\xff"'))).receive_json()


@pytest.mark.parametrize(
    ("method", "arguments"), [("receive_json", ["json"]), ("send_json", [1, "json"]), ("send_json", [1, None])]
)
async def test_another_mode_is_a_runtime_error_and_nothing_is_received_or_sent(method, arguments):
    server = Server(data(text="1"))
    with pytest.raises(RuntimeError, match="wrong-mode"):
        await getattr(websocket(server), method)(*arguments)
    assert (1, []) == (len(server.incoming), server.sent)


def test_another_mode_is_a_runtime_error_where_the_loop_is_made():
    with pytest.raises(RuntimeError, match="wrong-mode"):
        websocket(Server()).iter_json("json")


async def test_a_loop_can_be_left_and_taken_up_again():
    server = Server(data(text="1"), data(text="2"), {"type": "websocket.disconnect", "code": 1001})
    connection = websocket(server)
    loop = connection.iter_text()
    async for text in loop:
        assert "1" == text
        break
    assert ["2"] == [text async for text in loop]
    assert [] == [text async for text in loop]
    assert (1001, "") == connection.end


async def test_json_is_sent_compact_with_non_ascii_as_itself():
    server = Server()
    await websocket(server).send_json({"语言": ["olá", 1]})
    await websocket(server).send_json({"a": 1}, mode="binary")
    assert [data(text='{"语言":["olá",1]}'), data(bytes=b'{"a":1}')] == [
        {**message, "type": "websocket.receive"} for message in server.sent
    ]


@pytest.mark.parametrize(
    ("method", "argument", "told"),
    [
        ("send_text", b"x", "send_text() takes a str, not bytes; use send_bytes() or send_json()."),
        ("send_bytes", "x", "send_bytes() takes bytes, not str; use send_text() or send_json()."),
    ],
)
async def test_data_of_the_wrong_type_is_a_type_error(method, argument, told):
    server = Server()
    with pytest.raises(TypeError, match=f"^{re.escape(told)}$"):
        await getattr(websocket(server), method)(argument)
    assert [] == server.sent


@pytest.mark.parametrize("kind", ["text", "bytes", "json"])
async def test_iterators_end_quietly_on_disconnect(kind):
    frame = data(bytes=b"1") if kind == "bytes" else data(text="1")
    connection = websocket(Server(frame, frame, {"type": "websocket.disconnect", "code": 1001}))
    assert 2 == len([item async for item in getattr(connection, f"iter_{kind}")()])


async def test_an_iterator_before_accept_is_an_error():
    with pytest.raises(LifecycleError, match="receive-before-accept"):
        async for _ in websocket(Server(), CONNECTED, CONNECTING).iter_text():
            pass


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_a_disconnect_raises_with_code_and_reason():
    connection = websocket(Server({"type": "websocket.disconnect", "code": 4001, "reason": "bye"}))
    with pytest.raises(WebSocketDisconnect) as raised:
        await connection.receive_text()
    assert (4001, "bye") == (raised.value.code, raised.value.reason)


async def test_a_disconnect_without_code_and_reason_is_1005():
    connection = websocket(Server({"type": "websocket.disconnect", "reason": None}))
    with pytest.raises(WebSocketDisconnect) as raised:
        await connection.receive_text()
    assert (1005, "") == (raised.value.code, raised.value.reason)


async def test_after_the_end_it_is_disconnect_and_runtime_error_with_the_code_of_the_end():
    connection = websocket(Server())
    await connection.close(4000, "done")
    for attempt in (connection.send_text("x"), connection.receive_text(), connection.accept(), connection.receive()):
        with pytest.raises(WebSocketDisconnect) as raised:
            await attempt
        assert isinstance(raised.value, RuntimeError)
        assert isinstance(raised.value, WebSocketDisconnected)
        assert (4000, "done") == (raised.value.code, raised.value.reason)


async def test_second_close_is_silent():
    server = Server()
    connection = websocket(server)
    await connection.close(4000)
    await connection.close(1005)  # what on_disconnect may get and pass on
    assert [{"type": "websocket.close", "code": 4000, "reason": ""}] == server.sent


async def test_close_after_the_client_is_silent():
    server = Server({"type": "websocket.disconnect", "code": 1000})
    connection = websocket(server)
    await connection.receive()
    await connection.close()
    assert [] == server.sent


async def test_close_to_a_vanished_client_is_silent():
    connection = websocket(Server({"type": "websocket.disconnect"}, fails=True))
    await connection.close()
    assert DISCONNECTED is connection.client_state


@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (1006, ""), (1015, ""), (99, ""), (1000, "я" * 62)])
async def test_a_close_that_can_not_be_sent_is_a_value_error_and_nothing_is_sent(code, reason):
    server = Server()
    connection = websocket(server)
    with pytest.raises(ValueError, match=r"\[close-(code|reason)\]"):
        await connection.close(code, reason)
    assert ([], CONNECTED) == (server.sent, connection.application_state)


async def test_of_two_tasks_that_close_at_once_one_sends():
    server = Server()
    connection = websocket(server)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.close, 4000)
        tasks.start_soon(connection.close, 4001)
    assert 1 == len(server.sent)


async def test_a_receive_that_waits_while_another_task_closes_ends_with_disconnect():
    async def app(scope, receive, send):
        connection = WebSocket(scope, receive, send)
        await connection.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader, connection)
            await anyio.wait_all_tasks_blocked()
            await connection.close(4000)

    ended = []

    async def reader(connection):
        with pytest.raises(WebSocketDisconnect) as raised:
            await connection.receive_text()
        ended.append(raised.value.code)

    async with connect(app, "/") as client:
        with pytest.raises(WebSocketDisconnect):
            await client.receive_text()
    assert [4000] == ended


async def test_is_disconnected_after_either_end():
    connection = websocket(Server())
    await connection.close()
    assert await connection.is_disconnected()
    connection = websocket(Server(), DISCONNECTED)
    assert await connection.is_disconnected()


@pytest.mark.parametrize("both_keys", [False, True])
async def test_polling_is_disconnected_loses_nothing_and_keeps_the_order(both_keys):
    received = []

    async def app(scope, receive, send):
        connection = WebSocket(scope, receive, send)
        await connection.accept()
        while not await connection.is_disconnected():
            await anyio.lowlevel.checkpoint()
        received.extend([text async for text in connection.iter_text()])
        received.append(connection.end)

    async with connect(app, "/", both_keys=both_keys) as client:
        for number in range(50):
            await client.send_text(str(number))
            await anyio.lowlevel.checkpoint()
        await client.close(4000, "bye")
    assert [*map(str, range(50)), (4000, "bye")] == received


@pytest.mark.parametrize("unread", [0, 64])
async def test_who_only_asks_is_disconnected_lets_others_run(unread):
    """Also while another task receives, and when as much is kept as may be."""
    server = Server(*[data(text="unread")] * unread)
    if not unread:
        server.receive = anyio.sleep_forever
    connection = websocket(server)
    others_ran = False

    async def other():
        nonlocal others_ran
        others_ran = True

    async with anyio.create_task_group() as tasks:
        if unread:
            await connection.is_disconnected()
        else:
            tasks.start_soon(connection.receive)
            await anyio.lowlevel.checkpoint()
        tasks.start_soon(other)
        for _ in range(1_000):  # it would go on for ever where nobody else runs
            assert not await connection.is_disconnected()
        assert others_ran
        tasks.cancel_scope.cancel()


async def test_is_disconnected_reads_no_further_ahead_than_its_bound():
    server = Server(*[data(text=str(n)) for n in range(100)], {"type": "websocket.disconnect", "code": 1000})
    connection = websocket(server)
    assert not await connection.is_disconnected()
    assert 101 - 64 == len(server.incoming)
    assert [str(n) for n in range(40)] == [await connection.receive_text() for _ in range(40)]
    assert await connection.is_disconnected()
    assert 60 == len([text async for text in connection.iter_text()])


@pytest.mark.parametrize("begun", [False, True])
async def test_a_glance_leaves_the_receives_as_they_were(begun):
    cancelled = []

    async def receive():
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled.append(1)
            raise

    ahead = ReadAhead(receive)
    assert not ahead.in_use
    if begun:
        await ahead.look()
    assert not await ahead.glance()
    assert (([], True) if begun else ([1], False)) == (cancelled, ahead.in_use)
    ahead.release()
    assert await ahead.next() is None
    await anyio.wait_all_tasks_blocked()
    assert [1] == cancelled


@pytest.mark.parametrize("limit", [1, 3])
async def test_a_watch_keeps_no_more_than_it_may(limit):
    begun = 0

    async def receive():
        nonlocal begun
        begun += 1
        return data(text=str(begun))

    ahead = ReadAhead(receive)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ahead.watch, limit)
        await anyio.wait_all_tasks_blocked()
        assert (limit, limit) == (begun, len(ahead.messages))
        assert data(text="1") == await ahead.next()
        await anyio.wait_all_tasks_blocked()
        assert (limit + 1, limit) == (begun, len(ahead.messages))
        tasks.cancel_scope.cancel()
    ahead.release()


async def test_a_receive_takes_over_what_is_disconnected_has_begun():
    async def app(scope, receive, send):
        connection = WebSocket(scope, receive, send)
        await connection.accept()
        assert not await connection.is_disconnected()
        with anyio.move_on_after(0):
            await connection.receive_text()  # cancelled: the message must not be lost with it
        await connection.send_text("ready")
        await connection.send_text(await connection.receive_text())

    async with connect(app, "/") as client:
        assert "ready" == await client.receive_text()
        await client.send_text("precious")
        assert "precious" == await client.receive_text()


async def test_what_the_server_raises_while_is_disconnected_looks_is_raised_there():
    async def receive():
        raise ValueError("server")

    connection = WebSocket(handshake("/"), receive, Server().send)
    with pytest.raises(ValueError, match="server"):
        await connection.is_disconnected()


# --- JSON with a type -------------------------------------------------------------------------------------------------


@dataclass
class Point:
    x: int
    y: int = 0


class Name(TypedDict):
    name: str


class Shape(msgspec.Struct):
    points: list[Point]


@pytest.mark.parametrize(
    ("expected", "type", "text"),
    [
        (Point(1), Point, '{"x": 1}'),
        ({"name": "Ana"}, Name, '{"name": "Ana"}'),
        (Shape([Point(1, 2)]), Shape, '{"points": [{"x": 1, "y": 2}]}'),
        ([1, 2], list[int], "[1, 2]"),
        ({"x": "1"}, Any, '{"x": "1"}'),
    ],
)
async def test_json_becomes_the_type_that_is_asked_for(expected, type, text):
    assert expected == await websocket(Server(data(text=text))).receive_json(type=type)
    assert expected == await websocket(Server(data(bytes=text.encode()))).receive_json("binary", type=type)
    ended = {"type": "websocket.disconnect"}
    connection = websocket(Server(data(text=text), ended))
    assert [expected] == [item async for item in connection.iter_json(type=type)]


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        ("$.points[0].x", '{"points": [{"x": "1"}]}'),
        ("missing required field `points`", "{}"),
        ("Expected `object`", "1"),
    ],
)
async def test_json_that_does_not_fit_names_the_field_and_keeps_the_value(problem, text):
    connection = websocket(Server(data(text=text), data(text='{"points": []}')))
    with pytest.raises(WebSocketTypeError, match=re.escape(problem)) as raised:
        await connection.receive_json(type=Shape)
    assert json.loads(text) == raised.value.value
    assert Shape([]) == await connection.receive_json(type=Shape)


# --- cancelled when the client leaves ---------------------------------------------------------------------------------


def sending(events, *, max_messages=64, body=None):
    """Make an application whose handler sends until its client leaves."""

    async def app(scope, receive, send):
        connection = WebSocket(scope, receive, send)
        await connection.accept()
        try:
            async with connection.cancel_on_disconnect(max_messages):
                try:
                    await (body or anyio.sleep_forever)(*([connection] if body else []))
                finally:
                    events.append("finally")
            events.append("after the block")
            events.extend([text async for text in connection.iter_text()])
            events.append(connection.end)
        except Exception as error:
            events.append(repr(error))

    return app


async def test_a_handler_that_only_sends_is_cancelled_when_the_client_leaves():
    events = []
    async with connect(sending(events), "/") as client:
        await client.close(4001, "bye")
    assert ["finally", "after the block", (4001, "bye")] == events


async def test_messages_that_came_meanwhile_are_kept():
    events = []
    async with connect(sending(events), "/") as client:
        for number in range(63):
            await client.send_text(str(number))
        await anyio.wait_all_tasks_blocked()
        await client.close()
    assert ["finally", "after the block", *map(str, range(63)), (1000, "")] == events


async def test_when_the_buffer_is_full_nothing_more_is_read_until_something_is_received():
    events = []

    async def receives_when_told(connection):
        await told.wait()
        events.extend([await connection.receive_text() for _ in range(4)])
        await anyio.sleep_forever()

    told = anyio.Event()
    async with connect(sending(events, max_messages=3, body=receives_when_told), "/") as client:
        for number in range(6):
            await client.send_text(str(number))
        client._connection.leave(1001)
        await anyio.wait_all_tasks_blocked()
        assert [] == events  # the end stands behind unread messages: not noticed yet
        told.set()
        await client.close()
    assert ["0", "1", "2", "3", "finally", "after the block", "4", "5", (1001, "")] == events


async def test_a_block_may_receive_and_end_by_itself():
    events = []

    async def answers(connection):
        events.append(await connection.receive_text())

    async with connect(sending(events, body=answers), "/") as client:
        await client.send_text("inside")
        await anyio.wait_all_tasks_blocked()
        await client.send_text("behind")
        await client.close()
    assert ["inside", "finally", "after the block", "behind", (1000, "")] == events


async def test_an_exception_in_the_block_comes_out_as_it_is():
    events = []

    async def fails(connection):
        raise ValueError("mine")

    async with connect(sending(events, body=fails), "/"):
        pass
    assert ["finally", "ValueError('mine')"] == events


async def test_an_exception_behind_the_clients_end_comes_out_of_the_block_too():
    events = []

    async def fails(connection):
        async for _ in connection.iter_text():
            pass
        raise ValueError("mine")

    async with connect(sending(events, body=fails), "/"):
        pass
    assert ["finally", "ValueError('mine')"] == events


@pytest.mark.parametrize(
    ("client", "application"), [(CONNECTED, CONNECTING), (DISCONNECTED, CONNECTED), (CONNECTED, DISCONNECTED)]
)
async def test_the_block_needs_an_open_connection(client, application):
    with pytest.raises(LifecycleError, match=r"^cancel_on_disconnect\(\)"):
        async with websocket(Server(), client, application).cancel_on_disconnect():
            pass


async def test_while_another_task_receives_nobody_watches_and_is_disconnected_does_not_disturb_it():
    answers = []

    async def app(scope, receive, send):
        connection = WebSocket(scope, receive, send)
        await connection.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.receive_text)
            await anyio.wait_all_tasks_blocked()
            answers.append(await connection.is_disconnected())
            with pytest.raises(LifecycleError, match="receive-under-way"):
                async with connection.cancel_on_disconnect():
                    pass
            await connection.send_text("go")

    async with connect(app, "/") as client:
        assert "go" == await client.receive_text()
        await client.send_text("x")
    assert [False] == answers


@pytest.mark.parametrize("count", range(6))
async def test_the_block_ends_though_a_task_inside_of_it_receives_the_disconnect_first(count):
    got = []

    async def reads(connection):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, connection)
            await anyio.sleep_forever()

    async def read(connection):
        async for text in connection.iter_text():
            got.append(text)  # noqa: PERF401 - seen while it goes on
        await anyio.sleep_forever()

    events = []
    async with connect(sending(events, max_messages=2, body=reads), "/") as client:
        for number in range(count):
            await client.send_text(str(number))
        await client.close()
    assert [*map(str, range(count))] == got
    assert ["finally", "after the block", (1000, "")] == events


async def test_what_the_server_raises_while_the_block_watches_comes_out_as_it_is():
    async def receive():
        raise ValueError("server")

    connection = WebSocket(handshake("/"), receive, Server().send)
    connection.client_state = connection.application_state = CONNECTED
    with pytest.raises(ValueError, match="server"):
        async with connection.cancel_on_disconnect():
            await anyio.sleep_forever()


async def test_whatever_is_raised_in_the_block_leaves_no_group_around_it():
    connection = WebSocket(handshake("/"), anyio.sleep_forever, Server().send)
    connection.client_state = connection.application_state = CONNECTED
    with pytest.raises(SystemExit):
        async with connection.cancel_on_disconnect():
            raise SystemExit(3)
    connection.release()


# --- two tasks on one connection --------------------------------------------------------------------------------------


async def test_a_message_that_has_come_is_received_though_a_send_fails_meanwhile():
    arrived, order = anyio.Event(), []

    async def receive():
        await arrived.wait()
        return data(text="order 7")

    connection = WebSocket(handshake("/"), receive, Server(fails=True).send)
    connection.client_state = connection.application_state = CONNECTED

    async def reader():
        order.append(await connection.receive_text())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(WebSocketDisconnect):
            await connection.send_text("x")
        arrived.set()
    assert ["order 7"] == order
    assert (DISCONNECTED, DISCONNECTED) == (connection.client_state, connection.application_state)


async def test_a_receive_that_brings_the_clients_code_corrects_a_failed_sends():
    left = anyio.Event()

    async def receive():
        await left.wait()
        return {"type": "websocket.disconnect", "code": 4001, "reason": "bye"}

    connection = WebSocket(handshake("/"), receive, Server(fails=True).send)
    connection.client_state = connection.application_state = CONNECTED
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.receive)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(WebSocketDisconnect):
            await connection.send_text("x")
        assert (1006, "") == connection.end
        left.set()
    assert (4001, "bye") == connection.end


async def test_who_waits_for_a_message_is_told_when_the_connection_is_released():
    connection = WebSocket(handshake("/"), anyio.sleep_forever, Server().send)
    connection.client_state = connection.application_state = CONNECTED
    ended = []

    async def reader():
        with pytest.raises(WebSocketDisconnect) as raised:
            await connection.receive_text()
        ended.append(raised.value.code)

    async with anyio.create_task_group() as tasks:
        assert not await connection.is_disconnected()
        tasks.start_soon(reader)
        await anyio.wait_all_tasks_blocked()
        await connection.close(4000)
    assert [4000] == ended


async def test_plain_asgi_leaves_no_receive_behind_after_close():
    receiving = []

    async def receive():
        receiving.append("begun")
        try:
            await anyio.sleep_forever()
        finally:
            receiving.append("ended")

    connection = WebSocket(handshake("/"), receive, Server().send)
    connection.client_state = connection.application_state = CONNECTED
    await connection.is_disconnected()
    await connection.close()
    await anyio.wait_all_tasks_blocked()
    assert ["begun", "ended"] == receiving


async def test_while_anyone_receives_is_disconnected_begins_no_receive_of_its_own():
    begun, released = [], [anyio.Event(), anyio.Event()]

    async def receive():
        begun.append(len(begun))
        await released[len(begun) - 1].wait()
        return data(text="x")

    connection = WebSocket(handshake("/"), receive, Server().send)
    connection.client_state = connection.application_state = CONNECTED
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(connection.receive)
            await anyio.wait_all_tasks_blocked()
        released[0].set()
        await anyio.wait_all_tasks_blocked()
        assert not await connection.is_disconnected()
        assert [0, 1] == begun
        released[1].set()


async def test_after_a_look_that_found_nothing_more_receives_go_to_the_server_again():
    server = Server(data(text="1"), data(text="2"), {"type": "websocket.disconnect", "code": None})
    connection = websocket(server)
    assert await connection.is_disconnected()
    assert ["1", "2"] == [text async for text in connection.iter_text()]
    assert (1005, "") == connection.end


async def test_a_cancelled_accept_lets_nothing_follow_but_the_end():
    connection = WebSocket(
        handshake("/"), Server({"type": "websocket.connect"}).receive, lambda _: anyio.sleep_forever()
    )
    with anyio.move_on_after(0.01):
        await connection.accept()
    with pytest.raises(LifecycleError, match="send-before-accept"):
        await connection.send_text("x")


async def test_close_ends_a_receive_that_is_under_way_before_it_sends():
    order = []

    async def receive():
        try:
            await anyio.sleep_forever()
        finally:
            order.append("receive has ended")

    async def send(message):
        order.append(message["type"])

    connection = WebSocket(handshake("/"), receive, send)
    connection.client_state = connection.application_state = CONNECTED
    await connection.is_disconnected()
    await connection.close()
    assert ["receive has ended", "websocket.close"] == order


async def test_the_own_close_does_not_cancel_the_block():
    events = []

    async def closes(connection):
        await connection.close(4000)
        await anyio.sleep(0.01)
        events.append("goes on")

    async with connect(sending(events, body=closes), "/") as client:
        with pytest.raises(WebSocketDisconnect):
            await client.receive()
    assert ["goes on", "finally", "after the block", (4000, "")] == events


async def test_the_block_ends_quietly_though_a_send_sees_the_end_first():
    events = []

    async def sends(connection):
        while True:
            await connection.send_text("x")
            await anyio.lowlevel.checkpoint()

    async with connect(sending(events, body=sends), "/") as client:
        await client.close(4001)
    assert ["finally", "after the block"] == events[:2]


@pytest.mark.parametrize(("method", "frame"), [("iter_text", {"bytes": b"x"}), ("iter_bytes", {"text": "x"})])
async def test_an_error_names_the_method_that_was_called(method, frame):
    with pytest.raises(WebSocketDataError, match=rf"^{method}\(\) got a"):
        async for _ in getattr(websocket(Server(data(**frame))), method)():
            pass


def test_an_event_loop_that_is_closed_meanwhile_ends_all_the_same():
    async def app(scope, receive, send):
        connection = WebSocket(scope, receive, send)
        await connection.accept()
        try:
            async with connection.cancel_on_disconnect():
                await anyio.sleep_forever()
        finally:
            await connection.close()

    async def main() -> None:
        connection = InMemoryConnection(handshake("/"))
        task = asyncio.create_task(connection.run(app))
        for _ in range(20):
            await asyncio.sleep(0)
        assert connection.accepted
        assert not task.done()  # asyncio.run() cancels it, and every other task

    running = Thread(target=asyncio.run, args=[main()], daemon=True)
    running.start()
    running.join(60)
    assert not running.is_alive()


@pytest.mark.parametrize(
    "headers", [{"X-A": "b"}, [("x-a", "b")], [(b"x-a", b"b")], (("x-a", "b"),)], ids=lambda h: type(h).__name__
)
async def test_headers_are_taken_as_strings_too(headers):
    async def app(scope, receive, send):
        await WebSocket(scope, receive, send).accept(headers=headers)

    await check(app, "-> connect /\n<- accept\n    x-a: b")


@pytest.mark.parametrize(
    "call",
    [
        lambda websocket: websocket.accept(headers=["x-a"]),
        lambda websocket: websocket.accept(headers=["xa"]),
        lambda websocket: websocket.accept(headers=[("x-a", 1)]),
        lambda websocket: websocket.accept(headers=[("x-a", "\u4f60")]),
        lambda websocket: websocket.accept(headers=7),
        lambda websocket: websocket.accept(["chat"]),
        lambda websocket: websocket.close(1008, ["why"]),
        lambda websocket: websocket.close("1008"),
        lambda websocket: websocket.send({"type": "websocket.close", "reason": 7}),
        lambda websocket: websocket.send({"type": "websocket.accept", "subprotocol": 7}),
        lambda websocket: websocket.send({"type": "websocket.accept", "headers": [7]}),
        lambda websocket: websocket.send_denial_response("no"),
    ],
)
async def test_arguments_of_another_kind_are_a_type_error_before_anything_is_sent(call):
    async def app(scope, receive, send):
        websocket = WebSocket(scope, receive, send)
        with pytest.raises(TypeError, match="takes"):
            await call(websocket)
        await websocket.accept()

    await check(app, "-> connect /\n<- accept")


@pytest.mark.parametrize(
    "arguments",
    [
        {"headers": {"x-a": "b\r\nset-cookie: c=d"}},
        {"headers": {"x-a": "b\nc"}},
        {"headers": {"x-a": "b\0"}},
        {"headers": {"x-a: b\r\nx-c": "d"}},
        {"headers": [(b"", b"b")]},
        {"subprotocol": "chat\r\nset-cookie: c=d"},
        {"subprotocol": "chat, talk"},
        {"subprotocol": ""},
    ],
)
async def test_a_header_that_would_be_more_than_one_is_a_value_error_before_anything_is_sent(arguments):
    async def app(scope, receive, send):
        websocket = WebSocket(scope, receive, send)
        with pytest.raises(ValueError, match="can't send"):
            await websocket.accept(**arguments)
        await websocket.accept(headers={"X-A": "b c"})

    await check(app, "-> connect /\n<- accept\n    x-a: b c")


# --- order, fairness, loss --------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("cancelled", [None, 1, 2])
async def test_sends_at_once_reach_the_server_one_by_one_in_order(cancelled):
    """Also when one that waits is cancelled, or the one whose turn it is."""
    under_way, sent = 0, []

    async def send(message):
        nonlocal under_way
        under_way += 1
        assert 1 == under_way, "a server may take one message at a time"
        try:
            await anyio.sleep(1)
            sent.append(message.get("text") or message["type"])
        finally:
            under_way -= 1

    async def receive():
        return {"type": "websocket.connect"}

    websocket = WebSocket({"type": "websocket"}, receive, send)
    await websocket.accept()
    async with anyio.create_task_group() as tasks:
        scopes = []

        async def one(number):
            with scopes[number]:
                await websocket.send_text(str(number))

        for number in range(4):
            scopes.append(anyio.CancelScope())
            tasks.start_soon(one, number)
            await anyio.sleep(0.01)
        if cancelled is not None:
            await anyio.sleep(0.5 if cancelled == 1 else 2.5)
            scopes[cancelled].cancel()
        await websocket.close()
    assert ["websocket.accept", *(str(n) for n in range(4) if n != cancelled), "websocket.close"] == sent


@pytest.mark.anyio
@pytest.mark.parametrize(("data", "passed"), [("Hello", range(60, 65)), ("x" * 65_536, range(1))])
async def test_a_loop_that_only_sends_lets_others_run_and_notices_the_end(data, passed):
    """The server takes everything at once and never complains: nothing but the library's own look can end the loop."""
    sent, left, others = 0, anyio.Event(), []

    async def send(message):
        nonlocal sent
        sent += message["type"] == "websocket.send"

    async def receive():
        if not left.is_set():
            await left.wait()
        return {"type": "websocket.disconnect", "code": 4001, "reason": "bored"}

    async def client():
        others.append(sent)
        left.set()

    connected = [{"type": "websocket.connect"}]

    async def first():
        return connected.pop() if connected else await receive()

    websocket = WebSocket({"type": "websocket"}, first, send)
    await websocket.accept()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client)

        async def loop():
            while sent < 1000:
                await websocket.send_text(data)

        with pytest.raises(WebSocketDisconnect) as ended:
            await loop()
    assert others[0] in passed
    assert (4001, "bored") == (ended.value.code, ended.value.reason) == websocket.end


async def test_after_many_sends_to_a_client_that_stays_receives_go_to_the_server_again():
    said = [data(text="1")]

    async def receive():
        if not said:
            await anyio.sleep_forever()
        return said.pop()

    server = Server()
    server.receive = receive
    connection = websocket(server)
    for _ in range(500):
        await connection.send_text("x")
    said.append(data(text="2"))
    assert ["1", "2"] == [await connection.receive_text(), await connection.receive_text()]
    assert 500 == len(server.sent)


@pytest.mark.parametrize(("farewell", "expected"), [(True, WebSocketDisconnect), (False, RuntimeError)])
async def test_a_servers_word_for_a_client_that_left_is_told_by_the_end_that_another_task_receives(farewell, expected):
    failing = anyio.Event()

    async def receive():
        await failing.wait()
        if not farewell:
            await anyio.sleep_forever()
        return {"type": "websocket.disconnect", "code": 4001, "reason": "bye"}

    async def send(_):
        failing.set()
        raise RuntimeError("the transport is closed")

    server = Server()
    server.receive, server.send = receive, send
    connection = websocket(server)
    async with anyio.create_task_group() as tasks:

        async def listen():
            with pytest.raises(WebSocketDisconnect):
                await connection.receive_text()

        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(expected) as raised:
            await connection.send_text("x")
        tasks.cancel_scope.cancel()
    assert not farewell or (4001, "bye") == (raised.value.code, raised.value.reason)


# --- a server whose receive() gives futures ---------------------------------------------------------------------------


class ServerOfFutures:
    """Like granian: receive() is a builtin and gives a future, and the end doesn't go out while one is pending."""

    def __init__(self) -> None:
        self.futures = [asyncio.get_running_loop().create_future() for _ in range(5)]
        left = deque(self.futures)
        self.receive = left.popleft
        self.sent = []
        self.asked = lambda: self.futures[: len(self.futures) - len(left)]
        self.futures[0].set_result({"type": "websocket.connect"})

    async def send(self, message):
        if message["type"] in ("websocket.close", "websocket.http.response.body"):
            assert all(future.done() for future in self.asked()), "this end would be held back"
        self.sent.append(message)

    async def serve(self, handler, *middleware):
        app = App(middleware=middleware)
        app.router.websocket("/")(handler)
        scope = handshake("/")
        with anyio.fail_after(60):
            await app(scope, self.receive, self.send)


async def ask(websocket):
    assert not await websocket.is_disconnected()


async def receive_in_vain(websocket):
    with anyio.move_on_after(0.001):
        await websocket.receive_text()


async def receive_beside(websocket):
    async with anyio.create_task_group() as tasks:

        async def receive():
            with pytest.raises(WebSocketDisconnect) as raised:
                await websocket.receive_text()
            assert (4000, "done") == (raised.value.code, raised.value.reason)

        tasks.start_soon(receive)
        tasks.start_soon(receive)
        await anyio.sleep(0.001)
        await websocket.close(4000, "done")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("leave_pending", [ask, receive_in_vain, receive_beside])
@pytest.mark.parametrize("middleware", [(), (Middleware(LimitGuard, max_connections=1),)], ids=["bare", "guarded"])
async def test_the_end_gives_up_a_receive_that_the_server_would_hold_it_back_for(leave_pending, middleware):
    async def handler(websocket: WebSocket):
        await websocket.accept()
        await leave_pending(websocket)
        await websocket.close(4000, "done")

    server = ServerOfFutures()
    await server.serve(handler, *middleware)
    assert {"type": "websocket.close", "code": 4000, "reason": "done"} == server.sent[-1]
    assert 2 == len(server.asked())
    assert server.futures[1].cancelled()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_denial_gives_up_a_receive_that_the_server_would_hold_it_back_for():
    async def handler(websocket: WebSocket):
        await ask(websocket)
        await websocket.send_denial_response(PlainTextResponse("no", 401))

    server = ServerOfFutures()
    await server.serve(handler)
    assert b"no" == server.sent[-1]["body"]
    assert server.futures[1].cancelled()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_guards_own_end_gives_up_a_receive_that_the_server_would_hold_it_back_for():
    async def handler(websocket: WebSocket):
        await websocket.accept()
        with pytest.raises(WebSocketDisconnect):
            await websocket.receive_text()

    server = ServerOfFutures()
    await server.serve(handler, Middleware(LimitGuard, idle_timeout_s=0.001))
    assert 1001 == server.sent[-1]["code"]
    assert server.futures[1].cancelled()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_receive_of_a_server_of_futures_loses_nothing():
    async def handler(websocket: WebSocket):
        await websocket.accept()
        await receive_in_vain(websocket)
        server.futures[1].set_result(data(text="late"))
        came.append(await websocket.receive_text())

    came, server = [], ServerOfFutures()
    await server.serve(handler)
    assert ["late"] == came


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    ("end", "told"),
    [
        ({"type": "websocket.close", "code": 4000, "reason": "done"}, (4000, "done")),
        ({"type": "websocket.close", "code": 4000, "reason": None}, (4000, "")),
        ({"type": "websocket.http.response.body", "body": b""}, (1006, "")),
    ],
)
async def test_who_receives_while_another_task_closes_is_told_when_the_end_has_left(end, told, fails):
    server, leaving, left = ServerOfFutures(), anyio.Event(), anyio.Event()

    async def send(message):
        leaving.set()
        await left.wait()
        if fails:
            raise OSError

    receive, send_on = kept(server.receive, send)
    assert "websocket.connect" == (await receive())["type"]
    waiting = [asyncio.ensure_future(receive()) for _ in range(2)]
    await anyio.wait_all_tasks_blocked()
    closing = asyncio.ensure_future(send_on(end))
    await leaving.wait()
    assert server.futures[1].cancelled()
    await anyio.wait_all_tasks_blocked()
    assert not any(each.done() for each in waiting), "the handler would return, and the server close in its own way"
    left.set()
    with pytest.raises(OSError) if fails else nullcontext():  # noqa: PT011
        await closing
    ends = await asyncio.gather(*waiting)
    assert 2 * [{"type": "websocket.disconnect", "code": told[0], "reason": told[1]}] == ends
    assert 2 == len(server.asked()), "a receive that is begun now would hold the end back"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_came_before_the_end_is_not_thrown_away():
    server = ServerOfFutures()
    receive, send_on = kept(server.receive, server.send)
    await receive()
    waiting = asyncio.ensure_future(receive())
    await anyio.wait_all_tasks_blocked()
    server.futures[1].set_result(data(text="just in time"))
    await send_on({"type": "websocket.close", "code": 1000})
    assert data(text="just in time") == await waiting


async def test_messages_of_a_server_in_python_are_received_and_sent_without_a_detour():
    server = Server()
    assert (server.receive, server.send) == kept(server.receive, server.send)


async def test_who_waits_for_a_turn_to_send_is_told_when_the_client_has_left_meanwhile():
    gate, errors, sent = anyio.Event(), [], []
    messages = [{"type": "websocket.disconnect", "code": 1001}, {"type": "websocket.connect"}]

    async def receive():
        return messages.pop()

    async def send(message):
        if "text" in message:
            sent.append(message["text"])
            await gate.wait()

    connection = WebSocket(handshake("/"), receive, send)
    await connection.accept()

    async def say(text):
        try:
            await connection.send_text(text)
        except ConnectionOver as error:
            errors.append(str(error))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for text in "123":
                tasks.start_soon(say, text)
            await anyio.wait_all_tasks_blocked()
            await connection.receive()
            gate.set()
    assert 1 == len(sent)
    assert ["send(): The client has disconnected"] * 2 == [error[:35] for error in errors]


async def test_once_others_have_run_a_loop_may_send_as_much_again():
    server = SilentServer()
    connection = websocket(server)
    await connection.send_text("a" * FAIR)
    assert 1 == server.asked
    for _ in range(3):
        await connection.send_text("a")
    assert 1 == server.asked


async def test_a_loop_that_sends_leaves_the_receive_to_the_task_that_waits_in_it(monkeypatch):
    """A server hands a message to one caller; some raise for a second one."""
    monkeypatch.setattr(sys.modules["reference_ws.websocket"], "GLANCE_S", 0)
    server = SilentServer()
    connection = websocket(server)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.receive_text)
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            await connection.send_text("a" * FAIR)
        assert 1 == server.asked
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(("pause", "looks"), [(0, 3), (math.inf, 1)])
async def test_a_loop_that_only_sends_lets_others_run_more_often_than_it_looks(monkeypatch, pause, looks):
    """A look is dear; a turn for the others is not."""
    monkeypatch.setattr(sys.modules["reference_ws.websocket"], "GLANCE_S", pause)
    others_ran = 0

    async def others():
        nonlocal others_ran
        while True:
            others_ran += 1
            await anyio.lowlevel.checkpoint()

    server = SilentServer()
    connection = websocket(server)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(others)
        for turns in range(1, 4):
            await connection.send_text("a" * FAIR)
            assert turns <= others_ran
        tasks.cancel_scope.cancel()
    assert looks == server.asked
