"""What the pages say of Index.py as released last; what they say of the version 0.14 is in ``of_indexpy014``."""

import asyncio
import importlib
from typing import get_args

import indexpy
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
from indexpy import Index, SocketView, websocket
from indexpy.requests import WebSocket

app = Index()
served = recorded(app)


def made(handler, path="/"):
    """Make an application of one handler."""
    one = Index()
    one.router.websocket(path)(handler)
    return one


async def ask(handler, *incoming, **scope):
    return await observe.ask(WebSocket, handler, *incoming, **scope)


def view(encoding=None):
    """Make a view that says what type its messages have."""

    class Typed(SocketView):
        async def on_receive(self, data):
            await websocket.send_text(f"{type(data).__name__} {data!r}")

    if encoding:
        Typed.encoding = encoding
    return Typed


async def gives(encoding, *messages):
    """Tell what a view of this encoding gets."""
    return (await play(made(view(encoding)), *messages)).sent[1:]


@app.router.websocket("/never-accepts")
async def never_accepts():
    pass


@app.router.websocket("/ends-open")
async def ends_open():
    await websocket.accept()


@app.router.websocket("/closes-in-finally")
async def closes_in_finally():
    try:
        await websocket.accept()
        while True:
            await websocket.send_json(await websocket.receive_json())
    finally:
        await websocket.close(1000)


@app.router.websocket("/closes-on-disconnect")
class ClosesOnDisconnect(SocketView):
    async def on_disconnect(self, close_code):
        await websocket.close(code=close_code)


@app.router.websocket("/polls")
async def polls():
    await websocket.accept()
    await websocket.send_text("ready")
    await asyncio.sleep(float(websocket.query_params["after"]))
    await websocket.is_disconnected()
    note("/polls", await websocket.receive_text())


@claim(
    "I1",
    {
        "an argument": "TypeError",
        "its module": "ModuleNotFoundError: No module named 'indexpy.websocket'",
        "without one": "accept",
    },
    promised={"an argument": "none", "its module": "none"},
)
async def a_handler_gets_no_argument():
    async def handler(websocket):
        await websocket.accept()

    async def without():
        await websocket.accept()

    return {
        "an argument": (await play(made(handler))).error,
        "its module": raised(importlib.import_module, "indexpy.websocket.request"),
        "without one": (await play(made(without))).sent[0],
    }


REFUSED = {"uvicorn/websockets": "HTTP 500", "uvicorn/wsproto": "HTTP 500", "hypercorn": "HTTP 500"}
ENDS_OPEN = {"uvicorn/websockets": "dropped", "uvicorn/wsproto": "dropped", "hypercorn": 1011, "granian": 1005}
AFTERWARDS = {
    "uvicorn/websockets": "RuntimeError",
    "uvicorn/wsproto": "ClientDisconnected",
    "hypercorn": "WebSocketDisconnect",
    "granian": "WebSocketDisconnect",
}


@claim("I2", {"send first": "AssertionError", "never": {**REFUSED, "granian": "HTTP 403"}})
async def a_handler_must_accept():
    async def handler():
        await websocket.send_text("a")

    return {
        "send first": (await play(made(handler))).error,
        "never": await everywhere(lambda visit: visit.end, "/never-accepts"),
    }


@claim(
    "I3",
    {"with close": ["accept", "close 4000"], "without": ENDS_OPEN, "after the client": AFTERWARDS},
    promised={"after the client": dict.fromkeys(SETUPS, "WebSocketDisconnect")},
)
async def a_handler_must_close_which_after_the_client_is_an_error_on_uvicorn():
    async def handler():
        await websocket.accept()
        await websocket.close(4000)

    return {
        "with close": (await play(made(handler))).sent,
        "without": await everywhere(lambda visit: visit.end, "/ends-open"),
        "after the client": await everywhere(lambda visit: visit.error, "/closes-in-finally", leave=1000),
    }


@claim(
    "I4",
    {
        "as printed": "TypeError",
        "adapted": ["accept", "text [1]", "close 1000"],
        "adapted, after the client": AFTERWARDS,
    },
    promised={"as printed": "none", "adapted, after the client": dict.fromkeys(SETUPS, "WebSocketDisconnect")},
)
async def the_sample_does_not_run_as_printed():
    async def simple_echo(websocket):
        try:
            await websocket.accept()
            while True:
                message = await websocket.receive_json()
                await websocket.send_json(message)
        finally:
            await websocket.close(1000)

    adapted = await play(made(closes_in_finally), text("[1]"))
    return {
        "as printed": (await play(made(simple_echo), text("[1]"))).error,
        "adapted": [message.replace(": ", ":") for message in adapted.sent],
        "adapted, after the client": await everywhere(lambda visit: visit.error, "/closes-in-finally", leave=1000),
    }


@claim(
    "I5",
    {"indexpy.websocket": "ModuleNotFoundError: No module named 'indexpy.websocket'", "indexpy.SocketView": True},
    promised={"indexpy.websocket": "none"},
)
def socketview_has_moved():
    return {
        "indexpy.websocket": raised(importlib.import_module, "indexpy.websocket"),
        "indexpy.SocketView": hasattr(indexpy, "SocketView"),
    }


@claim(
    "I6",
    {"run": ["text str 'a'", "text bytes b'b'", "text list [1]"], "values": ["anystr", "bytes", "json", "text"]},
    promised={"values": ["bytes", "json", "text"]},
)
async def encoding_has_a_fourth_value():
    kind = SocketView.__annotations__["encoding"]
    kind = eval(kind, vars(importlib.import_module("indexpy.views"))) if isinstance(kind, str) else kind
    run = [*await gives("text", text("a")), *await gives("bytes", binary(b"b")), *await gives("json", text("[1]"))]
    return {"run": [entry for entry in run if entry.startswith("text")], "values": sorted(get_args(kind))}


@claim("I7", {"default": "anystr", "'1' arrives as": "str"}, promised={"default": "json", "'1' arrives as": "int"})
async def encoding_defaults_to_anystr():
    return {"default": SocketView.encoding, "'1' arrives as": (await gives(None, text("1")))[0].split()[1]}


@claim("I8", {"called": True, "state": "CONNECTING"}, promised={"state": "CONNECTED"})
async def on_connect_runs_before_accept():
    states = []

    class Looks(SocketView):
        async def on_connect(self):
            states.append(websocket.application_state.name)
            await websocket.accept()

    await play(made(Looks))
    return {"called": len(states) == 1, "state": states[0]}


@claim("I9", {"without": ["close 1011"], "error": "AssertionError"})
async def an_overridden_on_connect_must_accept():
    class Forgets(SocketView):
        async def on_connect(self):
            pass

        async def on_receive(self, data):
            await websocket.send_text(data)

    played = await play(made(Forgets), text("a"))
    return {"without": played.sent, "error": played.error}


@claim("I10", {"self.websocket": "AttributeError"}, promised={"self.websocket": "none"})
async def views_have_no_websocket():
    class Looks(SocketView):
        async def on_connect(self):
            await self.websocket.accept()

    return {"self.websocket": (await play(made(Looks))).error.split(":")[0]}


@claim("I11", {"types": ["text str 'a'", "text bytes b'b'", "text list [1]"], "wrong frame": "close 1003"})
async def on_receive_gets_the_type_of_the_encoding():
    run = [*await gives("text", text("a")), *await gives("bytes", binary(b"b")), *await gives("json", text("[1]"))]
    return {
        "types": [entry for entry in run if entry.startswith("text")],
        "wrong frame": (await gives("text", binary(b"a")))[0],
    }


@claim("I12", {"code": "int", "client_state": "DISCONNECTED"}, promised={"client_state": "CONNECTED"})
async def on_disconnect_runs_after_the_disconnect_message():
    found = []

    class Looks(SocketView):
        async def on_disconnect(self, close_code):
            found.extend([type(close_code).__name__, websocket.client_state.name])

    await play(made(Looks), gone())
    return {"code": found[0], "client_state": found[1]}


@claim(
    "I13",
    {
        "after an error": ["accept", "close 1011"],
        "without, after an error": ["accept"],
        "after the client": {
            **dict.fromkeys(SETUPS, "none"),
            "uvicorn/websockets": "RuntimeError",
            "uvicorn/wsproto": "ClientDisconnected",
        },
    },
    promised={"after the client": dict.fromkeys(SETUPS, "none")},
)
async def on_disconnect_must_close_which_after_the_client_is_an_error_on_uvicorn():
    class Breaks(ClosesOnDisconnect):
        async def on_receive(self, data):
            raise ZeroDivisionError

    class Passes(Breaks):
        async def on_disconnect(self, close_code):
            pass

    return {
        "after an error": (await play(made(Breaks), text("a"))).sent,
        "without, after an error": (await play(made(Passes), text("a"))).sent,
        "after the client": await everywhere(lambda visit: visit.error, "/closes-on-disconnect", leave=1000),
    }


@claim("I14", {"each connection": "TypeError"})
async def methods_that_are_not_async_fail_in_each_connection():
    class Sync(SocketView):
        def on_receive(self, data):
            pass

    return {"each connection": (await play(made(Sync), text("a"))).error}


@claim("I15", {"sent": ["accept", "text a", "bytes b", "text c"], "received": ["d", "e", "f"], **observe.LOST})
async def receive_send_and_two_pairs_run():
    received = []

    async def application(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        await ws.send_text("a")
        await ws.send_bytes(b"b")
        await ws.send({"type": "websocket.send", "text": "c"})
        received.extend([await ws.receive_text(), (await ws.receive_bytes()).decode(), (await ws.receive())["text"]])

    played = await play(application, text("d"), binary(b"e"), text("f"))
    return {"sent": played.sent, "received": received, **await observe.wrong_frame(WebSocket)}


@claim(
    "I16",
    {
        "text": [1],
        "binary": "KeyError: 'text'",
        "binary with both keys": "TypeError",
        "mode='binary'": [3],
        "sent": ["text [4]", "bytes [5]"],
    },
    promised={"binary": "none", "binary with both keys": "none"},
)
async def receive_json_reads_text_frames_unless_told():
    received = []

    async def application(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        received.append(await ws.receive_json())
        received.append(await error_of(ws.receive_json()))
        received.append(await error_of(ws.receive_json()))
        received.append(await ws.receive_json(mode="binary"))
        await ws.send_json([4])
        await ws.send_json([5], mode="binary")

    played = await play(application, text("[1]"), binary(b"[2]"), with_both_keys(binary(b"[2]")), binary(b"[3]"))
    return {
        "text": received[0],
        "binary": received[1],
        "binary with both keys": received[2],
        "mode='binary'": received[3],
        "sent": played.sent[1:],
    }


@claim("I17", {"sent": ["null", "1", "1.5", '"a"', "[1]", '{"a":1}', "NaN"]})
async def json_takes_whatever_json_dumps_takes():
    async def application(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        for value in (None, 1, 1.5, "a", [1], {"a": 1}, float("nan")):
            await ws.send_json(value)

    return {"sent": [message["text"].replace(" ", "") for message in (await play(application)).messages[1:]]}


@claim(
    "I18",
    {"==": True, "str()": "ws://x:81/", **observe.NO_TEXT},
    promised={"a str": True, "len()": "none", "in": "none", "+": "none", "upper()": "none"},
)
async def the_url_is_like_a_text_only_when_compared():
    async def handler(ws):
        return {"==": ws.url == "ws://x:81/", "str()": str(ws.url)}

    return {**await ask(handler), **await observe.url_as_text(WebSocket)}


@claim("I19", {"path, port, scheme": ["/ws", 81, "ws"]})
async def the_url_has_its_parts():
    async def handler(ws):
        return [ws.url.path, ws.url.port, ws.url.scheme]

    return {"path, port, scheme": await ask(handler, path="/ws")}


@claim("I20", {"path_params": {"room": "r1", "n": 7}, "cookies": {"a": "1"}})
async def path_params_and_cookies_are_dictionaries():
    found = []

    async def handler():
        await websocket.accept()
        found.extend([dict(websocket.path_params), websocket.cookies, type(websocket.path_params).__name__])

    await play(made(handler, "/ws/{room}/{n:int}"), path="/ws/r1/7", headers=[(b"cookie", b"a=1")])
    assert type(found[1]) is dict
    return {"path_params": found[0], "cookies": found[1]}


@claim(
    "I21",
    {"X-A": "1", "keys": ["host", "x"], "x: 1 and x: 2": "1, 2", "getlist": False},
    promised={"x: 1 and x: 2": "1", "getlist": True},
)
async def repeated_headers_are_joined():
    async def handler(ws):
        return [ws.headers["X"], sorted(ws.headers.keys()), hasattr(ws.headers, "getlist")]

    one, keys, getlist = await ask(handler, headers=[(b"x", b"1")])
    joined = (await observe.repeated_header(WebSocket))["x: 1 and x: 2"]
    return {"X-A": one, "keys": keys, "x: 1 and x: 2": joined, "getlist": getlist}


@claim("I22", {"['n'] of n=1&n=2": "2", "assignment": "TypeError", "getlist": ["1", "2"]})
async def query_params_is_an_immutable_multidict():
    async def handler(ws):
        return ws.query_params.getlist("n")

    return {**await observe.query(WebSocket), "getlist": list(await ask(handler, query="n=1&n=2"))}


@claim("I23", {"client": "Address(host=None, port=None)", ".client.host": "none", "fields": ["host", "port"]})
async def client_is_a_namedtuple():
    async def handler(ws):
        return list(ws.client._fields)

    return {**await observe.untold_client(WebSocket), "fields": await ask(handler)}


@claim("I24", {"readable": ["bad name", "b@d"]}, promised={"readable": []})
async def invalid_cookies_can_be_read():
    return await observe.odd_cookies(WebSocket)


@claim("I25", {"write and read": "Alice", "after del": "AttributeError"})
async def state_keeps_attributes():
    async def handler(ws):
        ws.state.user = "Alice"
        user = ws.state.user
        del ws.state.user
        return [user, raised(lambda: ws.state.user).split(":")[0]]

    user, after = await ask(handler)
    return {"write and read": user, "after del": after}


# --- beyond that page -------------------------------------------------------------------------------------------------


@fact("I26", {"accept(headers=...)": "TypeError", "close(4000, 'why')": [4000, "why"]})
async def close_takes_a_reason_accept_no_headers():
    return {**await observe.accept_with_headers(WebSocket), **await observe.close_with_reason(WebSocket)}


@fact("I27", {"a second close": "none"})
async def a_second_close_is_nothing():
    return await observe.second_close(WebSocket)


@fact("I28", {"leaves the application": "WebSocketDisconnect"})
async def a_disconnect_that_nobody_catches_is_an_error_for_the_server():
    async def handler():
        await websocket.accept()
        await websocket.receive_text()

    return {"leaves the application": (await play(made(handler), gone())).error}


@fact("I29", {"registered": "none", "each connection": "TypeError"})
async def a_handler_that_is_not_async_fails_in_each_connection():
    def handler():
        return None

    one = Index()
    registered = raised(one.router.websocket("/"), handler)
    return {"registered": registered, "each connection": (await play(one)).error}


@fact("I30", observe.LEAVES)
async def receiving_raises_when_the_client_leaves_but_iterators_and_receive_do_not():
    return await observe.leaving(WebSocket)


@fact("I31", {"send_denial_response": False})
async def there_is_no_send_denial_response():
    return await observe.no_denial(WebSocket)


async def read_after_polling(setup):
    """Ask once when the message is there; where it hadn't come yet, ask later."""
    for after in (0.3, 1, 4, 16):
        visit = await over(setup, "/polls", "precious", "second", leave=1000, replies=1, query=f"?after={after}")
        if visit.notes[0] != "precious":
            break
    return visit.notes[0]


@fact("I32", {"'precious', then 'second': read": dict.fromkeys(SETUPS, "second")})
async def polling_loses_a_message():
    return {"'precious', then 'second': read": {setup: await read_after_polling(setup) for setup in SETUPS}}


@fact("I33", {"helper": ["accept", "text hello"], "outside": "LookupError"})
async def websocket_is_a_context_variable():
    async def helper():
        await websocket.send_text("hello")

    async def handler():
        await websocket.accept()
        await helper()

    outside = raised(lambda: websocket.path_params).split(":")[0]
    return {"helper": (await play(made(handler))).sent, "outside": outside}


@fact("I34", {"a text frame": "text list [1]", "a binary frame": "text list [2]"})
async def a_json_view_takes_both_kinds_of_frame():
    sent = await gives("json", text("[1]"), binary(b"[2]"))
    return {"a text frame": sent[0], "a binary frame": sent[1]}
