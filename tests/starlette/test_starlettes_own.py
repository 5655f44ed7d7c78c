"""What Starlette's WebSocket promises, run twice: with Starlette's class and with ours, through Starlette's TestClient.

Where the two differ on purpose is in test_differences.py.
"""

import json

import anyio
import pytest
from both_libraries import OURS, STARLETTE, observe
from starlette.applications import Starlette
from starlette.datastructures import URL, Headers, QueryParams, State
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import WebSocketException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket as StarlettesWebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from reference_ws import WebSocket


@pytest.fixture
def client(library, anyio_backend_name):
    """Make a TestClient of a handler that gets the connection."""

    def make(handler, **options):
        return TestClient(library.asgi(handler), backend=anyio_backend_name, **options)

    return make


@pytest.fixture
def routed(library, anyio_backend_name):
    """Make a TestClient of an application with a handler on a route."""

    def make(endpoint, path="/", **options):
        return TestClient(library.application(path, endpoint, **options), backend=anyio_backend_name)

    return make


@pytest.fixture
def asked(client):
    """Connect, and get what a function makes of the connection, as JSON."""

    def ask(question, target="/", headers=None):
        async def handler(websocket):
            await websocket.accept()
            await websocket.send_json(question(websocket))
            await websocket.close()

        with client(handler).websocket_connect(target, headers=headers or {}) as session:
            return session.receive_json()

    return ask


def test_ours_is_a_starlette_websocket():
    assert issubclass(WebSocket, StarlettesWebSocket)
    assert issubclass(WebSocket, HTTPConnection)


# --- what a connection knows ------------------------------------------------------------------------------------------


def test_url_has_path_and_query(asked):
    assert "ws://testserver/123?a=abc" == asked(lambda websocket: str(websocket.url), "/123?a=abc")


def test_url_is_starlettes(asked):
    assert asked(lambda websocket: isinstance(websocket.url, URL))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("ws://example.com:123/a", ["ws", "example.com", 123, "/a", False]),
        ("wss://example.com/a", ["wss", "example.com", None, "/a", True]),
    ],
)
def test_url_has_components(asked, target, expected):
    def components(websocket):
        url = websocket.url
        return [url.scheme, url.hostname, url.port, url.path, url.is_secure]

    assert expected == asked(components, target)


def test_base_url_has_no_path(asked):
    assert "ws://testserver/" == asked(lambda websocket: str(websocket.base_url), "/a?b=c")


def test_query_params_keep_the_last_and_all_values(asked):
    def values(websocket):
        query = websocket.query_params
        return [isinstance(query, QueryParams), query["a"], query.getlist("a"), query.get("c")]

    assert [True, "2", ["1", "2"], None] == asked(values, "/?a=1&a=2&b=")


def test_headers_are_found_in_any_case(asked):
    def values(websocket):
        headers = websocket.headers
        return [isinstance(headers, Headers), headers["X-Key"], headers.get("x-key"), "x-none" in headers]

    assert [True, "li", "li", False] == asked(values, headers={"x-kEY": "li"})


def test_headers_are_those_of_the_handshake(asked):
    sent = asked(lambda websocket: dict(websocket.headers))
    assert {
        "host": "testserver",
        "connection": "upgrade",
        "sec-websocket-key": "testserver==",
        "sec-websocket-version": "13",
    } == {key: sent[key] for key in ("host", "connection", "sec-websocket-key", "sec-websocket-version")}


def test_cookies_are_a_dict(asked):
    assert {"a": "1", "b": "2"} == asked(lambda websocket: websocket.cookies, headers={"cookie": "a=1; b=2"})


def test_client_is_host_and_port(asked):
    assert ["testclient", 50000] == asked(lambda websocket: [websocket.client.host, websocket.client.port])


def test_connection_is_a_mapping_over_the_scope(asked):
    def values(websocket):
        same = dict(websocket) == dict(websocket.scope) and len(websocket) == len(websocket.scope)
        return [websocket["type"], websocket.get("path"), "query_string" in websocket, same]

    assert ["websocket", "/a", True, True] == asked(values, "/a")


def test_mapping_is_read_only(asked):
    assert [False, False] == asked(lambda websocket: [hasattr(websocket, f"__{do}item__") for do in ("set", "del")])


def test_connection_equals_only_itself(asked):
    def values(websocket):
        other = type(websocket)(websocket.scope, websocket._receive, websocket._send)
        return [websocket == websocket, websocket == other, len({websocket, websocket, other})]

    assert [True, False, 2] == asked(values)


def test_state_takes_attributes(asked):
    def values(websocket):
        websocket.state.user = "li"
        before = websocket.state.user
        del websocket.state.user
        return [isinstance(websocket.state, State), before, hasattr(websocket.state, "user")]

    assert [True, "li", False] == asked(values)


def test_state_holds_what_the_lifespan_has_put_there(routed):
    class Lifespan:
        def __init__(self, app):
            pass

        async def __aenter__(self):
            return {"pool": "of the lifespan"}

        async def __aexit__(self, *error):
            pass

    async def handler(websocket):
        await websocket.accept()
        await websocket.send_text(websocket.state.pool)
        await websocket.close()

    with routed(handler, lifespan=Lifespan) as client, client.websocket_connect("/") as session:
        assert "of the lifespan" == session.receive_text()


def test_app_and_its_state_are_reached(routed):
    async def handler(websocket):
        await websocket.accept()
        await websocket.send_json([isinstance(websocket.app, Starlette), websocket.app.state.name])
        await websocket.close()

    client = routed(handler)
    client.app.state.name = "here"
    with client.websocket_connect("/") as session:
        assert [True, "here"] == session.receive_json()


def test_subclass_and_attributes_of_ones_own_are_possible(library):
    class Chatty(library.WebSocket):
        async def send_twice(self, text):
            await self.send_text(text)
            await self.send_text(text)

    async def app(scope, receive, send):
        websocket = Chatty(scope, receive, send)
        websocket.note = "kept"
        await websocket.accept()
        await websocket.send_twice(websocket.note)
        await websocket.close()

    with TestClient(app).websocket_connect("/") as session:
        assert ["kept", "kept"] == [session.receive_text(), session.receive_text()]


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("text", ""),
        ("text", "你好, olá, привет"),
        ("bytes", b""),
        ("bytes", b"\x00\xff"),
        ("json", None),
        ("json", [1, "я"]),
    ],
)
def test_what_comes_is_sent_back(client, kind, data):
    async def echo(websocket):
        await websocket.accept()
        await getattr(websocket, f"send_{kind}")(await getattr(websocket, f"receive_{kind}")())
        await websocket.close()

    with client(echo).websocket_connect("/") as session:
        getattr(session, f"send_{kind}")(data)
        assert data == getattr(session, f"receive_{kind}")()


def test_json_in_binary_mode_is_a_binary_frame(client):
    async def echo(websocket):
        await websocket.accept()
        await websocket.send_json(await websocket.receive_json(mode="binary"), mode="binary")
        await websocket.close()

    with client(echo).websocket_connect("/") as session:
        session.send_json({"test": "data"}, mode="binary")
        assert b'{"test":"data"}' == session.receive_bytes()


def test_json_is_compact_and_keeps_letters_as_they_are(client):
    async def handler(websocket):
        await websocket.accept()
        await websocket.send_json({"text": "你好", "list": [1, 2]})
        await websocket.close()

    with client(handler).websocket_connect("/") as session:
        assert '{"text":"你好","list":[1,2]}' == session.receive_text()


def test_malformed_json_is_a_decode_error_and_no_end(client):
    async def handler(websocket):
        await websocket.accept()
        with pytest.raises(json.JSONDecodeError):
            await websocket.receive_json()
        await websocket.send_json(await websocket.receive_json())
        await websocket.close()

    with client(handler).websocket_connect("/") as session:
        session.send_text("{")
        session.send_text("[1]")
        assert [1] == session.receive_json()


@pytest.mark.parametrize("step", ["receive_json", "send_json"])
def test_unknown_json_mode_is_an_error(client, step):
    async def handler(websocket):
        await websocket.accept()
        with pytest.raises(RuntimeError):
            await (websocket.receive_json(mode="x") if step == "receive_json" else websocket.send_json({}, mode="x"))
        await websocket.send_text("still open")
        await websocket.close()

    with client(handler).websocket_connect("/") as session:
        assert "still open" == session.receive_text()


@pytest.mark.parametrize(("kind", "data"), [("text", "a"), ("bytes", b"a"), ("json", {"a": 1})])
def test_iterators_end_when_the_client_leaves(library, kind, data):
    async def handler(websocket):
        await websocket.accept()
        return [item async for item in getattr(websocket, f"iter_{kind}")()]

    def talk(session):
        for _ in range(3):
            getattr(session, f"send_{kind}")(data)

    assert [data] * 3 == observe(library.asgi(handler), talk).result


def test_one_task_may_receive_while_another_sends(client):
    async def handler(websocket):
        producer, consumer = anyio.create_memory_object_stream(10)

        async def read():
            async with producer:
                async for data in websocket.iter_json():
                    await producer.send(data)

        async def write():
            async with consumer:
                async for data in consumer:
                    await websocket.send_json(data)
                    if data == "last":
                        await websocket.close()
                        tasks.cancel_scope.cancel()

        await websocket.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await write()

    with client(handler).websocket_connect("/") as session:
        for data in ("first", "last"):
            session.send_json(data)
            assert data == session.receive_json()
        with pytest.raises(WebSocketDisconnect):
            session.receive_json()


def test_raw_messages_go_both_ways(client):
    async def handler(websocket):
        assert {"type": "websocket.connect"} == await websocket.receive()
        await websocket.send({"type": "websocket.accept"})
        message = await websocket.receive()
        assert "websocket.receive" == message["type"]
        await websocket.send({"type": "websocket.send", "text": message["text"]})
        await websocket.send({"type": "websocket.close"})

    with client(handler).websocket_connect("/") as session:
        session.send_text("raw")
        assert "raw" == session.receive_text()


# --- the handshake ----------------------------------------------------------------------------------------------------


def test_subprotocol_is_chosen_from_those_offered(client):
    async def handler(websocket):
        assert ["soap", "wamp"] == websocket["subprotocols"]
        await websocket.accept(subprotocol="wamp")
        await websocket.close()

    with client(handler).websocket_connect("/", subprotocols=["soap", "wamp"]) as session:
        assert "wamp" == session.accepted_subprotocol


@pytest.mark.parametrize("headers", [None, [], [(b"additional", b"header"), (b"x-a", b"1")]])
def test_accept_carries_headers(client, headers):
    async def handler(websocket):
        await websocket.accept(headers=headers)
        await websocket.close()

    with client(handler).websocket_connect("/") as session:
        assert (headers or []) == session.extra_headers


def test_accept_may_follow_a_receive(client):
    async def handler(websocket):
        await websocket.receive()
        await websocket.accept()
        await websocket.send_text("open")
        await websocket.close()

    with client(handler).websocket_connect("/") as session:
        assert "open" == session.receive_text()


def test_states_go_from_connecting_to_disconnected(library):
    async def handler(websocket):
        states = [(websocket.client_state, websocket.application_state)]
        await websocket.receive()
        states.append((websocket.client_state, websocket.application_state))
        await websocket.accept()
        states.append((websocket.client_state, websocket.application_state))
        await websocket.close()
        return [*states, (websocket.client_state, websocket.application_state)]

    before, on, over = WebSocketState.CONNECTING, WebSocketState.CONNECTED, WebSocketState.DISCONNECTED
    assert [(before, before), (on, before), (on, on), (on, over)] == observe(library.asgi(handler)).result


def test_close_before_accept_refuses(client):
    async def handler(websocket):
        assert "websocket.connect" == (await websocket.receive())["type"]
        await websocket.close(1001)

    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client(handler).websocket_connect("/"),
    ):
        pass
    assert 1001 == refused.value.code


async def parts():
    yield b"hard"
    yield b"body"


@pytest.mark.parametrize(
    ("response", "status", "content"),
    [
        (lambda: PlainTextResponse("no", 401), 401, b"no"),
        (lambda: JSONResponse({"error": "token"}, 403), 403, b'{"error":"token"}'),
        (lambda: StreamingResponse(parts(), 404), 404, b"hardbody"),
    ],
)
def test_denial_response_reaches_the_client(client, response, status, content):
    async def handler(websocket):
        await websocket.receive()
        await websocket.send_denial_response(response())

    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client(handler).websocket_connect("/"),
    ):
        pass
    assert (status, content) == (denied.value.status_code, denied.value.content)


def test_denial_response_has_its_headers(client):
    async def handler(websocket):
        await websocket.send_denial_response(PlainTextResponse("no", 401, {"www-authenticate": "Bearer"}))

    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client(handler).websocket_connect("/"),
    ):
        pass
    assert "Bearer" == denied.value.headers["www-authenticate"]


def test_denial_may_be_sent_as_raw_messages(library):
    async def handler(websocket):
        await websocket.receive()
        await websocket.send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        middle = websocket.application_state
        await websocket.send({"type": "websocket.http.response.body", "body": b"a", "more_body": True})
        await websocket.send({"type": "websocket.http.response.body", "body": b"b"})
        return middle, websocket.application_state

    assert (WebSocketState.RESPONSE, WebSocketState.DISCONNECTED) == observe(library.asgi(handler)).result


def test_denial_without_the_extension_is_an_error(library):
    async def handler(websocket):
        with pytest.raises(RuntimeError):
            await websocket.send_denial_response(PlainTextResponse("no"))
        await websocket.close()

    assert ["close"] == observe(library.asgi(handler), scope={"extensions": {}}).types


# --- what is not allowed ----------------------------------------------------------------------------------------------

ACCEPT = {"type": "websocket.accept"}
SEND = {"type": "websocket.send", "text": "a"}
CLOSE = {"type": "websocket.close"}
START = {"type": "websocket.http.response.start", "status": 404, "headers": []}
BODY = {"type": "websocket.http.response.body", "body": b"a", "more_body": True}
LAST = {"type": "websocket.http.response.body", "body": b"a"}
OTHER = {"type": "websocket.hello"}


@pytest.mark.parametrize(
    ("before", "wrong"),
    [
        ([], SEND),
        ([], BODY),
        ([], OTHER),
        ([ACCEPT], ACCEPT),
        ([ACCEPT], START),
        ([ACCEPT], BODY),
        ([ACCEPT], OTHER),
        ([ACCEPT, CLOSE], SEND),
        ([ACCEPT, CLOSE], CLOSE),
        ([ACCEPT, CLOSE], ACCEPT),
        ([CLOSE], ACCEPT),
        ([START], START),
        ([START], SEND),
        ([START, BODY], CLOSE),
        ([START, LAST], BODY),
        ([START, LAST], ACCEPT),
    ],
    ids=lambda it: "-".join(m["type"].rpartition(".")[2] for m in it) if isinstance(it, list) else it["type"],
)
def test_message_that_is_not_allowed_here_is_an_error_and_is_not_sent(library, before, wrong):
    async def handler(websocket):
        await websocket.receive()
        for message in before:
            await websocket.send(message)
        with pytest.raises(RuntimeError):
            await websocket.send(wrong)

    seen = observe(library.asgi(handler))
    assert (None, before) == (seen.result, seen.sent)


@pytest.mark.parametrize("step", ["receive_text", "receive_bytes", "receive_json"])
def test_receiving_data_before_accept_is_an_error(library, step):
    async def handler(websocket):
        with pytest.raises(RuntimeError):
            await getattr(websocket, step)()

    assert None is observe(library.asgi(handler)).result


@pytest.mark.parametrize(("step", "data"), [("send_text", "a"), ("send_bytes", b"a"), ("send_json", 1)])
def test_sending_data_before_accept_is_an_error(library, step, data):
    async def handler(websocket):
        with pytest.raises(RuntimeError):
            await getattr(websocket, step)(data)

    seen = observe(library.asgi(handler))
    assert (None, []) == (seen.result, seen.sent)


@pytest.mark.parametrize("accepted", [False, True])
def test_server_that_sends_another_message_is_an_error(library, accepted):
    async def handler(websocket):
        if accepted:
            await websocket.accept()
        with pytest.raises(RuntimeError):
            await websocket.receive()

    async def app(scope, receive, send):
        connected = False

        async def wrong():
            nonlocal connected
            if accepted and not connected:
                connected = True
                return await receive()
            return {"type": "websocket.hello"}

        return await library.asgi(handler)(scope, wrong, send)

    assert None is observe(app).result


def test_third_receive_after_the_disconnect_is_an_error(library):
    async def handler(websocket):
        await websocket.accept()
        assert "websocket.disconnect" == (await websocket.receive())["type"]
        with pytest.raises(RuntimeError):
            await websocket.receive()

    assert None is observe(library.asgi(handler)).result


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["receive_text", "receive_bytes", "receive_json"])
def test_client_that_leaves_raises_with_its_code_and_reason(library, step):
    async def handler(websocket):
        await websocket.accept()
        with pytest.raises(WebSocketDisconnect) as gone:
            await getattr(websocket, step)()
        return gone.value.code, gone.value.reason, websocket.client_state

    assert (1001, "bye", WebSocketState.DISCONNECTED) == observe(library.asgi(handler)).result


@pytest.mark.parametrize(
    ("arguments", "code", "reason"), [((), 1000, ""), ((1001,), 1001, ""), ((4000, "why"), 4000, "why")]
)
def test_application_closes_with_code_and_reason(client, arguments, code, reason):
    async def handler(websocket):
        await websocket.accept()
        await websocket.close(*arguments)

    with client(handler).websocket_connect("/") as session, pytest.raises(WebSocketDisconnect) as closed:
        session.receive_text()
    assert (code, reason) == (closed.value.code, closed.value.reason)


def test_send_to_a_vanished_client_raises_1006(library):
    async def app(scope, receive, send):
        async def vanish(message):
            if message["type"] == "websocket.send":
                raise OSError("gone")
            await send(message)

        async def handler(websocket):
            await websocket.accept()
            with pytest.raises(WebSocketDisconnect) as gone:
                await websocket.send_text("hello")
            return gone.value.code, websocket.application_state

        return await library.asgi(handler)(scope, receive, vanish)

    assert (1006, WebSocketState.DISCONNECTED) == observe(app).result


def test_exception_comes_out_of_the_application(client):
    async def handler(websocket):
        await websocket.accept()
        raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"), client(handler).websocket_connect("/") as session:
        session.receive_text()


# --- routes and endpoints ---------------------------------------------------------------------------------------------


def test_path_parameters_are_converted(routed):
    async def handler(websocket):
        await websocket.accept()
        await websocket.send_json(websocket.path_params)
        await websocket.close()

    with routed(handler, "/room/{name}/{n:int}").websocket_connect("/room/blue/7") as session:
        assert {"name": "blue", "n": 7} == session.receive_json()


def test_url_for_knows_the_route(routed):
    async def handler(websocket):
        await websocket.accept()
        await websocket.send_text(str(websocket.url_for("it", name="red")))
        await websocket.close()

    with routed(handler, "/room/{name}").websocket_connect("/room/blue") as session:
        assert "ws://testserver/room/red" == session.receive_text()


def test_websocket_exception_closes_with_its_code(routed):
    async def handler(websocket):
        await websocket.accept()
        raise WebSocketException(1008, "policy")

    with routed(handler).websocket_connect("/") as session, pytest.raises(WebSocketDisconnect) as closed:
        session.receive_text()
    assert (1008, "policy") == (closed.value.code, closed.value.reason)


def test_own_exception_handler_gets_the_connection(routed):
    class FullError(Exception):
        pass

    async def handler(websocket):
        await websocket.accept()
        raise FullError

    async def full(websocket, error):
        await websocket.close(1013, type(error).__name__)

    client = routed(handler, exception_handlers={FullError: full})
    with client.websocket_connect("/") as session, pytest.raises(WebSocketDisconnect) as closed:
        session.receive_text()
    assert (1013, "FullError") == (closed.value.code, closed.value.reason)


def test_asgi_middleware_sees_the_connection(routed):
    class Sign:
        def __init__(self, app, name):
            self.app, self.name = app, name

        async def __call__(self, scope, receive, send):
            await self.app({**scope, "signed": self.name}, receive, send)

    async def handler(websocket):
        await websocket.accept()
        await websocket.send_text(websocket["signed"])
        await websocket.close()

    with routed(handler, middleware=[Middleware(Sign, name="li")]).websocket_connect("/") as session:
        assert "li" == session.receive_text()


def test_application_may_be_mounted(library, anyio_backend_name):
    async def handler(websocket):
        await websocket.accept()
        await websocket.send_json([websocket.url.path, websocket.scope["root_path"]])
        await websocket.close()

    app = Starlette(routes=[Mount("/inner", library.application("/ws", handler))])
    with TestClient(app, backend=anyio_backend_name).websocket_connect("/inner/ws") as session:
        assert ["/inner/ws", "/inner"] == session.receive_json()


def test_parameter_annotated_with_starlettes_class_is_the_connection(routed):
    async def handler(connection: StarlettesWebSocket):
        await connection.accept()
        await connection.send_json(isinstance(connection, StarlettesWebSocket))
        await connection.close()

    with routed(handler).websocket_connect("/") as session:
        assert True is session.receive_json()


@pytest.mark.parametrize(
    ("encoding", "kind", "data"),
    [(None, "text", "a"), ("text", "text", "a"), ("bytes", "bytes", b"a"), ("json", "json", {"a": 1})],
)
def test_websocket_endpoint_echoes(routed, encoding, kind, data):
    class Echo(WebSocketEndpoint):
        async def on_receive(self, websocket, data):
            await getattr(websocket, f"send_{kind}")(data)

    Echo.encoding = encoding
    with routed(Echo).websocket_connect("/") as session:
        getattr(session, f"send_{kind}")(data)
        assert data == getattr(session, f"receive_{kind}")()


@pytest.mark.parametrize(("encoding", "wrong"), [("text", b"a"), ("bytes", "a"), ("json", "{")])
def test_websocket_endpoint_closes_on_a_frame_of_the_wrong_kind(library, encoding, wrong):
    class Strict(WebSocketEndpoint):
        async def on_receive(self, websocket, data):
            raise AssertionError(data)

    Strict.encoding = encoding
    frame = {"type": "websocket.receive", "bytes" if isinstance(wrong, bytes) else "text": wrong}
    seen = observe(library.application("/", Strict), lambda session: session.send(frame))
    assert (RuntimeError, 1003) == (type(seen.result), seen.sent[-1]["code"])


def test_websocket_endpoint_hears_of_connect_and_disconnect(library):
    heard = []

    class Listen(WebSocketEndpoint):
        encoding = "text"

        async def on_connect(self, websocket):
            await websocket.accept(subprotocol="x")
            heard.append("connect")

        async def on_disconnect(self, websocket, close_code):
            heard.append(close_code)

    observe(library.application("/", Listen))
    assert ["connect", 1001] == heard


def test_the_two_libraries_are_not_the_same():
    assert STARLETTE.WebSocket is not OURS.WebSocket
