"""What the pages say of Lilya."""

import observe
from claims import (
    SETUPS,
    binary,
    claim,
    error_of,
    everywhere,
    fact,
    gone,
    play,
    raised,
    recorded,
    text,
    with_both_keys,
)
from lilya.apps import Lilya
from lilya.routing import WebSocketPath
from lilya.websockets import WebSocket, WebSocketDisconnect


async def ask(handler, *incoming, **scope):
    return await observe.ask(WebSocket, handler, *incoming, **scope)


async def hello(scope, receive, send):
    ws = WebSocket(scope=scope, receive=receive, send=send)
    await ws.accept()
    await ws.send_json({"message": "Hello, world!"}, mode="binary")
    await ws.close()


async def iterates(scope, receive, send):
    ws = WebSocket(scope=scope, receive=receive, send=send)
    await ws.accept()
    async for message in ws.iter_json():
        await ws.send_json({"message": f"Message text was: {message}"}, mode="binary")
    await ws.close()


async def refuses(scope, receive, send):
    await WebSocket(scope, receive, send).close()


async def lets_it_escape(websocket: WebSocket):
    await websocket.accept()
    await websocket.receive_text()


PATHS = {"/hello": hello, "/iterates": iterates, "/refuses": refuses}


async def application(scope, receive, send):
    assert scope["type"] == "websocket"  # no lifespan: the servers go on without it
    await PATHS[scope["path"]](scope, receive, send)


served = recorded(application)


@claim(
    "L1",
    {
        "in memory": ["accept", 'bytes {"message":"Hello, world!"}', "close 1000"],
        "over a socket": {key: ['{"message":"Hello, world!"}', "1000"] for key in SETUPS},
    },
)
async def the_sample_runs_as_a_bare_asgi_application():
    return {
        "in memory": (await play(hello)).sent,
        "over a socket": await everywhere(lambda visit: [visit.came[0].decode(), str(visit.end)], "/hello"),
    }


@claim("L2", {"ws['path']": "/ws", "read only": "TypeError"})
async def it_is_a_mapping_like_the_scope():
    async def handler(ws):
        def assign():
            ws["path"] = "/x"

        return [ws["path"], raised(assign)]

    path, assignment = await ask(handler, path="/ws")
    return {"ws['path']": path, "read only": assignment}


@claim("L3", observe.NO_TEXT, promised={"a str": True, "len()": "none", "in": "none", "+": "none", "upper()": "none"})
async def the_url_is_no_str():
    return await observe.url_as_text(WebSocket)


@claim("L4", {"scheme, path, port": ["ws", "/ws", 81]})
async def the_url_has_its_parts():
    async def handler(ws):
        return [ws.url.scheme, ws.url.path, ws.url.port]

    return {"scheme, path, port": await ask(handler, path="/ws")}


def bases(value):
    return [base.__name__ for base in type(value).__mro__]


@claim("L5", {"a CIMultiDict": True, "sec-websocket-version": "13", "assignment": "none"})
async def headers_is_a_multidict_that_can_be_changed():
    async def handler(ws):
        return ["CIMultiDict" in bases(ws.headers), ws.headers["sec-websocket-version"]]

    found = await ask(handler, headers=[(b"sec-websocket-version", b"13")])
    assignment = (await observe.repeated_header(WebSocket))["assignment"]
    return {"a CIMultiDict": found[0], "sec-websocket-version": found[1], "assignment": assignment}


@claim("L6", {"a MultiDictProxy": True, "['n'] of n=1&n=2": "1", "assignment": "TypeError"})
async def query_params_is_a_multidict_whose_first_value_counts():
    async def handler(ws):
        return "MultiDictProxy" in bases(ws.query_params)

    return {"a MultiDictProxy": await ask(handler, query="n=1"), **await observe.query(WebSocket)}


@claim("L7", {"the scope's own": True, "outside of a router": {}})
async def path_params_is_the_dictionary_of_the_scope():
    own = {"username": "ana"}

    async def same(ws):
        return ws.path_params is own

    async def empty(ws):
        return ws.path_params

    return {"the scope's own": await ask(same, path_params=own), "outside of a router": await ask(empty)}


@claim("L8", {"signature": "(subprotocol=None, headers=None)", "subprotocol": "chat", "headers": "[(b'a', b'b')]"})
async def accept_takes_subprotocol_and_headers():
    async def accepts(scope, receive, send):
        await WebSocket(scope, receive, send).accept("chat", [(b"a", b"b")])

    message = (await play(accepts)).messages[0]
    return {
        "signature": observe.bare(WebSocket.accept),
        "subprotocol": message["subprotocol"],
        "headers": str(list(message["headers"])),
    }


@claim("L9", {"sent": ["text a", "bytes b", 'text {"a":"中"}', 'bytes {"a":1}']})
async def json_goes_in_text_frames_unless_told():
    async def sends(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        await ws.send_text("a")
        await ws.send_bytes(b"b")
        await ws.send_json({"a": "中"})
        await ws.send_json({"a": 1}, mode="binary")

    return {"sent": (await play(sends)).sent[1:]}


@claim("L10", {"the client leaves": [1001, "bye"], **observe.LOST})
async def receiving_may_raise_websocketdisconnect():
    async def handler(ws):
        try:
            await ws.receive_text()
        except WebSocketDisconnect as left:
            return [left.code, left.reason]

    return {"the client leaves": await ask(handler, gone(1001, "bye")), **await observe.wrong_frame(WebSocket)}


@claim("L11", {"text": [1], "binary": "KeyError: 'text'", "binary with both keys": "TypeError"})
async def receive_json_reads_text_frames():
    async def handler(ws):
        return [await ws.receive_json(), await error_of(ws.receive_json()), await error_of(ws.receive_json())]

    found = await ask(handler, text("[1]"), binary(b"[2]"), with_both_keys(binary(b"[2]")))
    return {"text": found[0], "binary": found[1], "binary with both keys": found[2]}


@claim("L12", {"with data": "TypeError", "without": [1]}, promised={"with data": "none"})
async def receive_json_takes_no_data():
    async def handler(ws):
        return await ws.receive_json(mode="binary")

    async def as_printed(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        data = {}
        await ws.receive_json(data, mode="binary")

    return {
        "with data": (await play(as_printed, binary(b"[1]"))).error,
        "without": await ask(handler, binary(b"[1]")),
    }


@claim("L13", {"iter_*": ["ends"] * 3, "async generators": 3})
async def the_iterators_end_when_the_client_leaves():
    found = await observe.leaving(WebSocket)
    return {name: found[name] for name in ("iter_*", "async generators")}


AFTERWARDS = {
    "uvicorn/websockets": "RuntimeError",
    "uvicorn/wsproto": "ClientDisconnected",
    "hypercorn": "none",
    "granian": "none",
}


@claim(
    "L14",
    {"echoes": 'bytes {"message":"Message text was: 1"}', "the final close": AFTERWARDS},
    promised={"the final close": dict.fromkeys(SETUPS, "none")},
)
async def the_final_close_of_the_sample_is_an_error_on_uvicorn():
    return {
        "echoes": (await play(iterates, text("1"))).sent[1],
        "the final close": await everywhere(lambda visit: visit.error, "/iterates", "1", leave=1000, replies=1),
    }


@claim(
    "L15",
    {
        "signature": "(code=1000, reason=None)",
        "close(4000, 'why')": [4000, "why"],
        "a second close": "WebSocketRuntimeError",
    },
)
async def close_has_a_code_and_a_reason_and_cannot_be_repeated():
    return {
        "signature": observe.bare(WebSocket.close),
        **await observe.close_with_reason(WebSocket),
        **await observe.second_close(WebSocket),
    }


@claim("L16", {"send and receive": ["CONNECTED", "DISCONNECTED"], "the raw callables": "WebSocketRuntimeError"})
async def its_own_send_and_receive_keep_the_states():
    states = []

    async def own(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.receive()
        await ws.send({"type": "websocket.accept"})
        states.append(ws.application_state.name)
        await ws.receive()
        states.append(ws.client_state.name)

    async def raw(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await receive()
        await send({"type": "websocket.accept"})
        await ws.send({"type": "websocket.send", "text": "a"})

    await play(own, gone())
    return {"send and receive": states, "the raw callables": (await play(raw)).error}


@claim("L17", {"its client sees": dict.fromkeys(SETUPS, "HTTP 403")})
async def close_before_accept_is_403():
    return {"its client sees": await everywhere(lambda visit: visit.end, "/refuses")}


async def denies(websocket: WebSocket):
    await websocket.send_denial_response(None)


@claim("L18", {"error": "AttributeError"}, promised={"error": "none"})
async def there_is_no_send_denial_response():
    async def bare(scope, receive, send):
        await denies(WebSocket(scope, receive, send))

    return {"error": (await play(bare)).error.split(":")[0]}


@claim(
    "L19",
    {"without the extension": "AttributeError", "in an application": ["close 500"]},
    promised={"without the extension": "RuntimeError", "in an application": []},
)
async def without_the_extension_it_is_no_runtimeerror():
    async def bare(scope, receive, send):
        await denies(WebSocket(scope, receive, send))

    app = Lilya(routes=[WebSocketPath("/", denies)])
    return {
        "without the extension": (await play(bare, denial=False)).error.split(":")[0],
        "in an application": (await play(app, denial=False)).sent,
    }


# --- beyond that page -------------------------------------------------------------------------------------------------


@fact("L20", {"sent": ["accept", "close 500"]})
async def a_disconnect_that_leaves_the_handler_is_answered_with_close_500():
    return {"sent": (await play(Lilya(routes=[WebSocketPath("/", lets_it_escape)]), gone())).sent}


@fact("L21", {"client": "None", ".client.host": "AttributeError"})
async def a_client_the_server_does_not_tell_is_none():
    return await observe.untold_client(WebSocket)


@fact("L22", {"readable": ["bad name", "b@d"]})
async def invalid_cookies_can_be_read():
    return await observe.odd_cookies(WebSocket)


@fact("L23", {"x: 1 and x: 2": "1", "getlist": True, "assignment": "none"})
async def of_a_repeated_header_the_first_value_counts():
    return await observe.repeated_header(WebSocket)


@fact("L24", {"registered": "none", "ran": True, "error": "none"})
async def a_handler_that_is_not_async_runs_without_complaint():
    ran = []

    def handler(websocket: WebSocket):
        ran.append(True)

    routes = []
    registered = raised(lambda: routes.append(WebSocketPath("/", handler)))
    played = await play(Lilya(routes=routes))
    return {"registered": registered, "ran": ran == [True], "error": played.error}


@fact("L25", observe.LEAVES)
async def receiving_raises_when_the_client_leaves_but_iterators_and_receive_do_not():
    return await observe.leaving(WebSocket)
