"""What the pages say of Kui."""

import asyncio
from typing import Annotated, get_args, get_type_hints

import kui.asgi
import kui.wsgi
import observe
from claims import (
    SETUPS,
    binary,
    claim,
    error_of,
    everywhere,
    fact,
    gone,
    note,
    over,
    play,
    raised,
    recorded,
    text,
    with_both_keys,
)
from kui.asgi import Body, Kui, Query, Routes, SocketRoute, SocketView, WebSocket, websocket

app = Kui()
served = recorded(app)


def made(handler, path="/"):
    """Make an application of one handler."""
    one = Kui()
    one.router.websocket(path)(handler)
    return one


async def ask(handler, *incoming, **scope):
    return await observe.ask(WebSocket, handler, *incoming, **scope)


def view(encoding=None):
    """Make a view that says what type its messages have."""

    class Typed(SocketView):
        async def on_receive(self, data):
            await websocket.send_text(f"{type(data).__name__} {data!r}")

        async def on_disconnect(self, close_code):
            pass

    if encoding:
        Typed.encoding = encoding
    return Typed


async def gives(encoding, *messages):
    """Tell what a view of this encoding gets, and the error that leaves it."""
    played = await play(made(view(encoding)), *messages)
    return [*played.sent[1:], played.error]


@app.router.websocket("/text")
class TextView(view("text")):
    pass


@app.router.websocket("/anystr")
class AnyStringView(view("anystr")):
    pass


@app.router.websocket("/ends-open")
async def ends_open():
    await websocket.accept()


@app.router.websocket("/never-accepts")
async def never_accepts():
    pass


@app.router.websocket("/polls")
async def polls():
    await websocket.accept()
    await websocket.send_text("ready")
    await asyncio.sleep(float(websocket.query_params["after"]))
    await websocket.is_disconnected()
    note("/polls", await websocket.receive_text())


@app.router.websocket("/told")
class Told(SocketView):
    async def on_receive(self, data):
        pass

    async def on_disconnect(self, close_code):
        note("/told", close_code)


@app.router.websocket("/breaks")
class Breaks(SocketView):
    encoding = "text"

    async def on_receive(self, data):
        raise ZeroDivisionError

    async def on_disconnect(self, close_code):
        pass


@app.router.websocket("/default-view")
class DefaultView(SocketView):
    pass


@app.router.websocket("/number")
async def number(n: Annotated[int, Query()]):
    await websocket.accept()


@claim("K1", {"in kui.wsgi": [False, False], "server-sent events": "200 text/event-stream"})
async def websockets_exist_only_in_asgi_mode():
    async def events():
        yield {"data": "one"}

    wsgi = kui.wsgi.Kui()

    @wsgi.router.http.get("/")
    def page():
        return kui.wsgi.SendEventResponse(iter([{"data": "one"}]))

    told = {}

    def start(status, headers, exc_info=None):
        told.update(status=status[:3], kind=dict(headers)["content-type"].split(";")[0])

    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
    }
    body = iter(wsgi(environ, start))
    next(body)
    return {
        "in kui.wsgi": [hasattr(kui.wsgi, "websocket"), hasattr(kui.wsgi, "SocketView")],
        "server-sent events": "{status} {kind}".format(**told),
    }


@claim("K2", {"handler and helper": ["accept", "text hello"], "outside": "LookupError"})
async def websocket_is_a_context_variable():
    async def helper():
        await websocket.send_text("hello")

    async def handler():
        await websocket.accept()
        await helper()

    return {
        "handler and helper": (await play(made(handler))).sent,
        "outside": raised(lambda: websocket.path_params).split(":")[0],
    }


@claim("K3", {"function": 'text {"echo": 1}', "class": 'text {"echo": 2}'})
async def both_samples_run_once_there_is_an_app():
    one = Kui()

    @one.router.websocket("/ws")
    async def ws_handler():
        await websocket.accept()
        async for data in websocket.iter_json():
            await websocket.send_json({"echo": data})

    @one.router.websocket("/chat")
    class ChatView(SocketView):
        encoding = "json"

        async def on_connect(self):
            await websocket.accept()

        async def on_receive(self, data):
            await websocket.send_json({"echo": data})

        async def on_disconnect(self, close_code: int):
            pass

    return {
        "function": (await play(one, text("1"), path="/ws")).sent[1],
        "class": (await play(one, text("2"), path="/chat")).sent[1],
    }


REFUSED = {
    "uvicorn/websockets": "HTTP 500",
    "uvicorn/wsproto": "HTTP 500",
    "hypercorn": "HTTP 500",
    "granian": "HTTP 403",
}
ENDS_OPEN = {"uvicorn/websockets": "dropped", "uvicorn/wsproto": "dropped", "hypercorn": 1011, "granian": 1005}


@claim("K4", {"without accept": REFUSED, "without close": ENDS_OPEN})
async def a_function_accepts_and_closes_itself():
    return {
        "without accept": await everywhere(lambda visit: visit.end, "/never-accepts"),
        "without close": await everywhere(lambda visit: visit.end, "/ends-open"),
    }


async def read_after_polling(setup):
    """Ask once when the message is there; where it hadn't come yet, ask later."""
    for after in (0.3, 1, 4, 16):
        visit = await over(setup, "/polls", "precious", "second", leave=1000, replies=1, query=f"?after={after}")
        if visit.notes[0] != "precious":
            break
    return visit.notes[0]


@claim("K5", {"'precious', then 'second': read": dict.fromkeys(SETUPS, "second")})
async def polling_loses_a_message():
    return {"'precious', then 'second': read": {setup: await read_after_polling(setup) for setup in SETUPS}}


@claim(
    "K6",
    {
        "around receive": "WebSocketDisconnect",
        "iter_json": "ends",
        "in kui.asgi": False,
        "in kui.asgi.requests": True,
    },
    promised={"in kui.asgi": True},
)
async def kui_asgi_does_not_export_websocketdisconnect():
    found = await observe.leaving(WebSocket)
    return {
        "around receive": found["receive_*"][0],
        "iter_json": found["iter_*"][2],
        "in kui.asgi": hasattr(kui.asgi, "WebSocketDisconnect"),
        "in kui.asgi.requests": hasattr(kui.asgi.requests, "WebSocketDisconnect"),
    }


@claim("K7", {"values": ["anystr", "bytes", "json", "text"], "default": "anystr"})
def encoding_has_four_values_and_defaults_to_anystr():
    return {"values": sorted(get_args(get_type_hints(SocketView)["encoding"])), "default": SocketView.encoding}


@claim(
    "K8",
    {
        "on_connect sees": "CONNECTING",
        "on_receive": ["text str 'a'", "text str 'b'"],
        "without accept": ["close 1011"],
        "error": "RuntimeError",
    },
)
async def on_connect_accepts_at_the_handshake():
    states = []

    class Looks(view("text")):
        async def on_connect(self):
            states.append(websocket.application_state.name)
            await websocket.accept()

    class Forgets(SocketView):
        async def on_connect(self):
            pass

    forgot = await play(made(Forgets), text("a"))
    sent = (await play(made(Looks), text("a"), text("b"))).sent
    return {"on_connect sees": states[0], "on_receive": sent[1:], "without accept": forgot.sent, "error": forgot.error}


TOLD = {
    "uvicorn/websockets": [1000, 4002],
    "uvicorn/wsproto": [1000, 4002],
    "hypercorn": [1006, 1006],
    "granian": [1000, 4002],
}


@claim("K9", {"left with 1000 and 4002": TOLD, "after an error": 1011})
async def on_disconnect_runs_when_the_connection_closes():
    codes = []

    class Breaks(SocketView):
        async def on_receive(self, data):
            raise ZeroDivisionError

        async def on_disconnect(self, close_code):
            codes.append(close_code)

    await play(made(Breaks), text("a"))
    found = [await everywhere(lambda visit: visit.notes[0], "/told", leave=code) for code in (1000, 4002)]
    return {
        "left with 1000 and 4002": {setup: [each[setup] for each in found] for setup in SETUPS},
        "after an error": codes[0],
    }


@claim(
    "K10",
    {"the client leaves": "none", "after an error sent": ["accept"], "after an error": ENDS_OPEN},
    promised={"after an error sent": ["accept", "close 1011"], "after an error": dict.fromkeys(SETUPS, 1011)},
)
async def with_pass_nobody_closes_after_an_error():
    return {
        "the client leaves": (await play(made(Breaks), gone())).error,
        "after an error sent": (await play(made(Breaks), text("a"))).sent,
        "after an error": await everywhere(lambda visit: visit.end, "/breaks", "a"),
    }


@claim(
    "K11",
    {
        "text and bytes": ["text str 'a'", "text bytes b'b'", "none"],
        "an empty text frame": ["KeyError: 'bytes'"],
        "over a socket": {
            "uvicorn/websockets": "dropped",
            "uvicorn/wsproto": "dropped",
            "hypercorn": "NoneType None",
            "granian": 1005,
        },
    },
    promised={"an empty text frame": ["text str ''", "none"], "over a socket": dict.fromkeys(SETUPS, "str ''")},
)
async def anystr_fails_with_an_empty_text_frame():
    return {
        "text and bytes": await gives("anystr", text("a"), binary(b"b")),
        "an empty text frame": await gives("anystr", text("")),
        "over a socket": {
            setup: (lambda visit: visit.came[0] if visit.came else visit.end)(
                await over(setup, "/anystr", "", replies=1, leave=1000)
            )
            for setup in SETUPS
        },
    }


@claim(
    "K12",
    {
        "a text frame": ["text str 'a'", "none"],
        "a binary frame": {
            "uvicorn/websockets": 1003,
            "uvicorn/wsproto": 1003,
            "hypercorn": "NoneType None",
            "granian": 1003,
        },
    },
    promised={"a binary frame": dict.fromkeys(SETUPS, 1003)},
)
async def text_gets_none_from_a_binary_frame_on_hypercorn():
    return {
        "a text frame": await gives("text", text("a")),
        "a binary frame": {
            setup: (lambda visit: visit.came[0] if visit.came else visit.end)(
                await over(setup, "/text", b"b", replies=1, leave=1000)
            )
            for setup in SETUPS
        },
    }


@claim(
    "K13",
    {
        "a binary frame": ["text bytes b'a'", "none"],
        "a text frame": ["close 1003", "RuntimeError"],
        "with both keys": ["text NoneType None", "none"],
    },
    promised={"with both keys": ["close 1003", "RuntimeError"]},
)
async def bytes_gets_none_from_a_text_frame_with_both_keys():
    return {
        "a binary frame": await gives("bytes", binary(b"a")),
        "a text frame": await gives("bytes", text("a")),
        "with both keys": await gives("bytes", {**text("a"), "bytes": None}),
    }


class Decodes(SocketView):
    encoding = "json"

    async def on_receive(self, data):
        await websocket.send_text(repr(data))


app.router <<= SocketRoute("/json", Decodes)


@claim(
    "K14",
    {
        "text and binary": ["text [1]", "text [2]", "close 1005"],
        "bad JSON": ["close 1003", "RuntimeError"],
        "bad UTF-8": ["close 1011", "UnicodeDecodeError"],
    },
)
async def json_gets_the_decoded_value():
    async def gets(*messages):
        played = await play(made(Decodes), *messages)
        return [*played.sent[1:], *([played.error] if played.error != "none" else [])]

    return {
        "text and binary": await gets(text("[1]"), binary(b"[2]")),
        "bad JSON": await gets(text("{")),
        "bad UTF-8": await gets(binary(b"\xff")),
    }


@claim("K15", {"default": "close 1000", "a second close": "none", "accept(headers=...)": "TypeError"})
async def accept_takes_no_headers_and_a_second_close_is_nothing():
    async def application(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        await ws.close()
        await ws.close()

    played = await play(application)
    return {
        "default": ", ".join(played.sent[1:]),
        "a second close": played.error,
        **await observe.accept_with_headers(WebSocket),
    }


@claim(
    "K16",
    {"the news is there": True, "the news takes the event loop a moment": False, "after its own close": False},
    promised={"the news takes the event loop a moment": True, "after its own close": True},
)
async def is_disconnected_is_false_while_the_server_has_to_be_waited_for():
    async def answers(turns, closes):
        messages = [{"type": "websocket.connect"}]

        async def receive():
            if messages:
                return messages.pop()
            for _ in range(turns):
                await asyncio.sleep(0)
            return gone()

        async def send(message):
            pass

        ws = WebSocket({"type": "websocket", "headers": []}, receive, send)
        await ws.accept()
        if closes:
            await ws.close()
        return await ws.is_disconnected()

    return {
        "the news is there": await answers(0, False),
        "the news takes the event loop a moment": await answers(20, False),
        "after its own close": await answers(20, True),
    }


@claim("K17", {"sent": ["text a", "bytes b", "text [1]"], "received": ["a", "b", [2]], **observe.LOST})
async def text_bytes_and_json_go_both_ways():
    received = []

    async def application(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        await ws.send_text("a")
        await ws.send_bytes(b"b")
        await ws.send_json([1])
        received.extend([await ws.receive_text(), (await ws.receive_bytes()).decode(), await ws.receive_json()])

    played = await play(application, text("a"), binary(b"b"), text("[2]"))
    return {"sent": played.sent[1:], "received": received, **await observe.wrong_frame(WebSocket)}


@claim(
    "K18",
    {
        "yields until the client leaves": [1, 2],
        "bad JSON": "JSONDecodeError",
        "binary": "KeyError: 'text'",
        "binary with both keys": "TypeError",
    },
    promised={"bad JSON": "none", "binary": "none", "binary with both keys": "none"},
)
async def iter_json_reads_only_text_frames():
    async def all_of(ws):
        return [data async for data in ws.iter_json()]

    async def error(ws):
        return await error_of(all_of(ws))

    return {
        "yields until the client leaves": await ask(all_of, text("1"), text("2"), gone()),
        "bad JSON": await ask(error, text("{")),
        "binary": await ask(error, binary(b"1")),
        "binary with both keys": await ask(error, with_both_keys(binary(b"1"))),
    }


@claim(
    "K19",
    {
        "types": ["URL", "Headers", "QueryParams", "dict", "Address", "dict", "Kui"],
        "untold client": "Address(host=None, port=None)",
    },
)
async def the_attributes_have_the_types_of_the_table():
    names = ("url", "headers", "query_params", "path_params", "client", "cookies", "app")
    found = []

    async def handler():
        await websocket.accept()
        found.extend(type(getattr(websocket, name)).__name__ for name in names)

    await play(made(handler))
    return {"types": found, "untold client": (await observe.untold_client(WebSocket))["client"]}


@claim("K20", {"first": ["Alice", "AttributeError"], "second": "AttributeError"})
async def state_belongs_to_one_connection():
    async def first(ws):
        ws.state.user = "Alice"
        user = ws.state.user
        del ws.state.user
        gone = raised(lambda: ws.state.user).split(":")[0]
        ws.state.user = "Bob"
        return [user, gone]

    async def second(ws):
        return raised(lambda: ws.state.user).split(":")[0]

    return {"first": await ask(first), "second": await ask(second)}


@claim("K21", {"n=5": "text int 5", "websocket.query_params": "text 5", "n=abc": REFUSED})
async def a_function_binds_query_parameters():
    async def bound(n: Annotated[int, Query()]):
        await websocket.accept()
        await websocket.send_text(f"{type(n).__name__} {n}")

    async def looked():
        await websocket.accept()
        await websocket.send_text(websocket.query_params["n"])

    return {
        "n=5": (await play(made(bound), query="n=5")).sent[1],
        "websocket.query_params": (await play(made(looked), query="n=5")).sent[1],
        "n=abc": await everywhere(lambda visit: visit.end, "/number", query="?n=abc"),
    }


@claim("K22", {"alone": "text 1", "after the first sample": "ValueError"}, promised={"after the first sample": "none"})
async def a_path_cannot_be_registered_twice():
    class AuthenticatedWS(SocketView):
        encoding = "json"

        async def on_connect(self):
            await websocket.accept()

        async def on_receive(self, data):
            await websocket.send_json(data)

    both = made(ends_open, "/ws")
    return {
        "alone": (await play(made(AuthenticatedWS, "/ws"), text("1"), path="/ws")).sent[1],
        "after the first sample": raised(both.router.websocket("/ws"), AuthenticatedWS),
    }


@claim("K23", {"url_for": "/ws"})
def the_decorator_takes_a_name():
    one = Kui()
    one.router.websocket("/ws", name="websocket")(ends_open)
    return {"url_for": str(one.router.url_for("websocket"))}


@claim("K24", {"alone": "none", "after the decorator": "ValueError"}, promised={"after the decorator": "none"})
def a_name_cannot_be_registered_twice():
    def add(one):
        one.router <<= SocketRoute("/ws", ends_open, name="websocket")

    def add_elsewhere(one):
        one.router <<= SocketRoute("/other", ends_open, name="websocket")

    one, other = Kui(), Kui()
    other.router.websocket("/ws", name="websocket")(ends_open)
    return {"alone": raised(add, one), "after the decorator": raised(add_elsewhere, other)}


@claim("K25", {"/ws/chat": "accept", "/ws/notifications": "accept"})
async def routes_are_mounted_under_a_prefix():
    one = Kui()
    one.router <<= "/ws" // Routes(
        SocketRoute("/chat", ends_open, name="chat"), SocketRoute("/notifications", ends_open, name="notifications")
    )
    return {path: (await play(one, path=path)).sent[0] for path in ("/ws/chat", "/ws/notifications")}


@claim("K26", {"ran": ["@", "middlewares=", "socket_middlewares="]})
async def middleware_goes_around_websocket_routes_in_three_ways():
    ran = []

    def middleware(name):
        def decorate(endpoint):
            async def around():
                ran.append(name)
                return await endpoint()

            return around

        return decorate

    async def handler():
        await websocket.accept()

    one = Kui(socket_middlewares=[])
    one.router <<= Routes(SocketRoute("/a", handler, name="a"), socket_middlewares=[middleware("socket_middlewares=")])
    one.router.websocket("/b", name="b", middlewares=[middleware("middlewares=")])(handler)
    one.router <<= SocketRoute("/c", handler, name="c") @ middleware("@")
    for path in ("/a", "/b", "/c"):
        await play(one, path=path)
    return {"ran": sorted(ran)}


# --- beyond that page -------------------------------------------------------------------------------------------------


@fact("K27", {"client": "Address(host=None, port=None)", ".client.host": "none"})
async def a_client_the_server_does_not_tell_is_an_empty_address():
    return await observe.untold_client(WebSocket)


@fact("K28", {"readable": ["bad name", "b@d"]})
async def invalid_cookies_can_be_read():
    return await observe.odd_cookies(WebSocket)


@fact("K29", observe.NO_TEXT)
async def the_url_is_no_str():
    return await observe.url_as_text(WebSocket)


@fact("K30", {"x: 1 and x: 2": "1, 2", "getlist": False, "assignment": "TypeError"})
async def repeated_headers_are_joined():
    return await observe.repeated_header(WebSocket)


@fact("K31", {"['n'] of n=1&n=2": "2", "assignment": "TypeError"})
async def of_a_repeated_query_parameter_the_last_value_counts():
    return await observe.query(WebSocket)


@fact("K32", {"accept(headers=...)": "TypeError", "close(4000, 'why')": [4000, "why"]})
async def close_takes_a_reason_accept_no_headers():
    return {**await observe.accept_with_headers(WebSocket), **await observe.close_with_reason(WebSocket)}


@fact("K33", {"a second close": "none"})
async def a_second_close_is_nothing():
    return await observe.second_close(WebSocket)


AFTERWARDS = {
    "uvicorn/websockets": "RuntimeError",
    "uvicorn/wsproto": "ClientDisconnected",
    "hypercorn": "none",
    "granian": "none",
}


@fact("K34", {"error": AFTERWARDS})
async def the_default_view_closes_after_the_client_which_is_an_error_on_uvicorn():
    return {"error": await everywhere(lambda visit: visit.error, "/default-view", leave=1000)}


@fact("K35", {"leaves the application": "WebSocketDisconnect"})
async def a_disconnect_that_nobody_catches_is_an_error_for_the_server():
    async def handler():
        await websocket.accept()
        await websocket.receive_text()

    return {"leaves the application": (await play(made(handler), gone())).error}


@fact("K36", {"registered": "none", "each connection": "TypeError"})
async def a_handler_that_is_not_async_fails_in_each_connection():
    def handler():
        return None

    one = Kui()
    registered = raised(one.router.websocket("/"), handler)
    return {"registered": registered, "each connection": (await play(one)).error}


@fact("K37", {"each connection": "LookupError"})
async def a_body_parameter_is_a_lookuperror():
    async def handler(data: Annotated[str, Body()]):
        await websocket.accept()

    return {"each connection": (await play(made(handler))).error.split(":")[0]}


@fact("K38", observe.LEAVES)
async def receiving_raises_when_the_client_leaves_but_iterators_and_receive_do_not():
    return await observe.leaving(WebSocket)


@fact("K39", {"send_denial_response": False})
async def there_is_no_send_denial_response():
    return await observe.no_denial(WebSocket)


@fact("K40", {"client_state": "DISCONNECTED"})
async def on_disconnect_runs_after_the_disconnect_message():
    states = []

    class Looks(SocketView):
        async def on_disconnect(self, close_code):
            states.append(websocket.client_state.name)

    await play(made(Looks), gone())
    return {"client_state": states[0]}


@fact("K41", {"sent": ["accept", "close 1011"], "error": "KeyError: 'bytes'"})
async def an_empty_text_frame_ends_a_view_with_1011():
    played = await play(made(DefaultView), text(""))
    return {"sent": played.sent, "error": played.error}
