"""What the pages say of FastAPI and Starlette."""

import importlib.metadata
import inspect
import threading
from typing import Annotated

import fastapi
import fastapi.websockets
import observe
import starlette.websockets
from claims import (
    SETUPS,
    binary,
    claim,
    error_of,
    everywhere,
    fact,
    get,
    gone,
    play,
    raised,
    recorded,
    text,
    untestable,
    with_both_keys,
)
from fastapi import Body, Depends, FastAPI, Request, WebSocket, WebSocketDisconnect
from observe import ITERATORS, bare
from starlette.applications import Starlette
from starlette.convertors import CONVERTOR_TYPES
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketState

app = FastAPI()
served = recorded(app)


async def ask(handler, *incoming, **scope):
    return await observe.ask(WebSocket, handler, *incoming, **scope)


@claim("F1", {"fastapi.WebSocket is Starlette's": True, "bases": ["HTTPConnection"]})
def fastapis_websocket_is_starlettes():
    return {
        "fastapi.WebSocket is Starlette's": fastapi.WebSocket is starlette.websockets.WebSocket,
        "bases": [base.__name__ for base in WebSocket.__bases__],
    }


@app.websocket("/typed")
async def typed(ws: WebSocket):
    await ws.accept()
    await ws.send_text("typed")
    await ws.close()


@app.websocket("/untyped")
async def untyped(websocket):
    await websocket.accept()


@claim(
    "F2", {"typed": ["accept", "text typed", "close 1000"], "untyped": ["close 1008"], "its client sees": "HTTP 403"}
)
async def a_handler_declares_a_parameter_of_type_websocket():
    ends = await everywhere(lambda visit: visit.end, "/untyped")
    assert len(set(ends.values())) == 1, ends
    return {
        "typed": (await play(app, path="/typed")).sent,
        "untyped": (await play(app, path="/untyped")).sent,
        "its client sees": ends["hypercorn"],
    }


def path_of(connection: HTTPConnection):
    return connection.url.path


def request_path(request: Request):
    return request.url.path


@app.websocket("/depends")
async def depends(ws: WebSocket, path: Annotated[str, Depends(path_of)]):
    await ws.accept()
    await ws.send_text(path)
    await ws.close()


@app.get("/page")
async def page(path: Annotated[str, Depends(path_of)]):
    return path


@app.websocket("/depends-on-request")
async def depends_on_request(ws: WebSocket, path: Annotated[str, Depends(request_path)]):
    await ws.accept()


@claim("F3", {"WebSocket": "text /depends", "HTTP": '"/page"', "with Request": "TypeError"})
async def a_dependency_takes_an_httpconnection_for_both():
    return {
        "WebSocket": (await play(app, path="/depends")).sent[1],
        "HTTP": (await get(app, "/page"))[1]["body"].decode(),
        "with Request": (await play(app, path="/depends-on-request")).error,
    }


@app.websocket("/lessons/{number}", name="lesson")
async def lesson(ws: WebSocket, number: int):
    await ws.accept()
    await ws.send_text(str(ws.url_for("lesson", number=3)))
    await ws.send_text(str(ws.url_for("page")))
    await ws.close()


@claim("F4", {"to a WebSocket": "text ws://x:81/lessons/3", "to a page": "text http://x:81/page", "async": False})
async def url_for_gives_addresses():
    sent = (await play(app, path="/lessons/1")).sent
    return {"to a WebSocket": sent[1], "to a page": sent[2], "async": inspect.iscoroutinefunction(WebSocket.url_for)}


@claim("F5", {"wrong type": "RuntimeError", "after disconnect": "WebSocketDisconnected"})
async def receive_ensures_valid_state_transitions():
    async def wrong(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.receive()
        await ws.receive()

    async def again(ws):
        await ws.receive()
        return await error_of(ws.receive())

    return {
        "wrong type": (await play(wrong, {"type": "http.request"})).error,
        "after disconnect": await ask(again, gone()),
    }


@claim(
    "F6",
    {"before accept": "RuntimeError", "after the client has left": "text late"},
    promised={"after the client has left": "an error"},
)
async def send_lets_a_message_through_after_the_client_has_left():
    async def early(scope, receive, send):
        await WebSocket(scope, receive, send).send({"type": "websocket.send", "text": "early"})

    async def late(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        await ws.receive()
        await ws.send({"type": "websocket.send", "text": "late"})

    return {
        "before accept": (await play(early)).error,
        "after the client has left": (await play(late, gone())).sent[-1],
    }


@claim("F7", {"signature": "(subprotocol=None, headers=None)", "subprotocol": "chat", "headers": "[(b'a', b'b')]"})
async def accept_takes_subprotocol_and_headers():
    async def application(scope, receive, send):
        await WebSocket(scope, receive, send).accept("chat", [(b"a", b"b")])

    message = (await play(application)).messages[0]
    return {
        "signature": bare(WebSocket.accept),
        "subprotocol": message["subprotocol"],
        "headers": str(message["headers"]),
    }


@claim(
    "F8",
    {
        "receive_text": "a",
        "receive_bytes": "b",
        "wrong frame": ["KeyError: 'text'", "KeyError: 'bytes'"],
        "signatures": ["()", "()"],
    },
)
async def receive_text_and_receive_bytes_take_no_arguments():
    async def handler(ws):
        got = [await ws.receive_text(), (await ws.receive_bytes()).decode()]
        return [*got, await error_of(ws.receive_text()), await error_of(ws.receive_bytes())]

    found = await ask(handler, text("a"), binary(b"b"), binary(b"c"), text("d"))
    return {
        "receive_text": found[0],
        "receive_bytes": found[1],
        "wrong frame": found[2:],
        "signatures": [bare(WebSocket.receive_text), bare(WebSocket.receive_bytes)],
    }


@claim(
    "F9",
    {
        "signature": "(mode='text')",
        "text": [1],
        "binary": "KeyError: 'text'",
        "binary with both keys": "TypeError",
        "mode='binary'": [3],
    },
)
async def receive_json_reads_text_frames_unless_told():
    async def handler(ws):
        found = [await ws.receive_json(), await error_of(ws.receive_json()), await error_of(ws.receive_json())]
        return [*found, await ws.receive_json(mode="binary")]

    found = await ask(handler, text("[1]"), binary(b"[2]"), with_both_keys(binary(b"[2]")), binary(b"[3]"))
    return {
        "signature": bare(WebSocket.receive_json),
        "text": found[0],
        "binary": found[1],
        "binary with both keys": found[2],
        "mode='binary'": found[3],
    }


@claim(
    "F10",
    {"ends when the client leaves": [["a"], [1], [[2]]], "async generators": 3, "await": ["TypeError"] * 3},
    promised={"await": ["none"] * 3},
)
async def the_iterators_are_async_generators_and_cannot_be_awaited():
    async def collect(ws, name):
        return [data if isinstance(data, (str, list)) else data[0] for data in [d async for d in getattr(ws, name)()]]

    async def awaits(ws, name):
        return await error_of(getattr(ws, name)())

    messages = (text("a"), binary(b"\1"), text("[2]"))
    generators = [inspect.isasyncgenfunction(getattr(WebSocket, name)) for name in ITERATORS]
    return {
        "ends when the client leaves": [
            await ask(lambda ws, name=name: collect(ws, name), message)
            for name, message in zip(ITERATORS, messages, strict=True)
        ],
        "async generators": sum(generators),
        "await": [await ask(lambda ws, name=name: awaits(ws, name)) for name in ITERATORS],
    }


@claim("F11", {"send_text": "text a", "send_bytes": "bytes b"})
async def send_text_and_send_bytes_send_frames():
    async def application(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        await ws.send_text("a")
        await ws.send_bytes(b"b")

    sent = (await play(application)).sent
    return {"send_text": sent[1], "send_bytes": sent[2]}


@claim("F12", {"default": 'text {"a":1}', "mode='binary'": "bytes 2", "mode='x'": "RuntimeError"})
async def send_json_has_two_modes():
    async def application(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        await ws.send_json({"a": 1})
        await ws.send_json(2, mode="binary")
        await ws.send_json(3, mode="x")

    played = await play(application)
    return {"default": played.sent[1], "mode='binary'": played.sent[2], "mode='x'": played.error}


@claim("F13", {"signature": "(code=1000, reason=None)", "sent": [1000, ""], "a second close": "WebSocketDisconnected"})
async def close_has_a_code_and_a_reason_and_cannot_be_repeated():
    async def application(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        await ws.close()
        await ws.close()

    played = await play(application)
    sent = played.messages[1]
    return {
        "signature": bare(WebSocket.close),
        "sent": [sent["code"], sent["reason"]],
        "a second close": played.error,
    }


@claim(
    "F14",
    observe.LEAVES,
    promised={"iter_*": ["WebSocketDisconnect"] * 3, "receive": "WebSocketDisconnect"},
)
async def receiving_raises_when_the_client_leaves_but_iterators_and_receive_do_not():
    return await observe.leaving(WebSocket)


@claim("F15", {"all Starlette's": True, "states": ["CONNECTING", "CONNECTED", "DISCONNECTED", "RESPONSE"]})
def the_names_can_be_imported_from_fastapi():
    same = (
        fastapi.WebSocketDisconnect
        is fastapi.websockets.WebSocketDisconnect
        is starlette.websockets.WebSocketDisconnect
    )
    return {
        "all Starlette's": same and fastapi.websockets.WebSocketState is WebSocketState,
        "states": [state.name for state in WebSocketState],
    }


@claim("F16", {"signature": "(code=1000, reason=None)", "bases": ["Exception"], "reason": "", "str()": ""})
def websocketdisconnect_is_an_exception():
    error = WebSocketDisconnect()
    return {
        "signature": bare(WebSocketDisconnect),
        "bases": [base.__name__ for base in WebSocketDisconnect.__bases__],
        "reason": error.reason,
        "str()": str(error),
    }


@claim("F17", {"lines that match": 0}, promised={"lines that match": 6})
def none_of_the_line_numbers_matches():
    lines = {
        WebSocket.__init__: (26, 32),
        WebSocket.receive: (34, 62),
        WebSocket.send: (64, 112),
        WebSocket.close: (202, 205),
        WebSocket.url_for: (185, 188),
        WebSocketDisconnect.__init__: (20, 22),
    }
    found = []
    for function, said in lines.items():
        source, start = inspect.getsourcelines(function)
        found.append((start, start + len(source) - 1) == said)
    return {"lines that match": sum(found)}


untestable("F18", "every cell with a type or a description is empty on the page")


# --- beyond that page -------------------------------------------------------------------------------------------------


@app.websocket("/ends-open")
async def ends_open(ws: WebSocket):
    await ws.accept()


ENDS_OPEN = {"uvicorn/websockets": "dropped", "uvicorn/wsproto": "dropped", "hypercorn": 1011, "granian": 1005}


@fact("F19", {"end": ENDS_OPEN})
async def a_handler_that_does_not_close_leaves_it_to_the_server():
    return {"end": await everywhere(lambda visit: visit.end, "/ends-open")}


@app.websocket("/lets-it-escape")
async def lets_it_escape(ws: WebSocket):
    await ws.accept()
    await ws.receive_text()


@fact("F20", {"leaves the application": "WebSocketDisconnect"})
async def a_disconnect_that_nobody_catches_is_an_error_for_the_server():
    return {"leaves the application": (await play(app, gone(), path="/lets-it-escape")).error}


@fact("F21", {"['n'] of n=1&n=2": "2", "assignment": "TypeError"})
async def of_a_repeated_query_parameter_the_last_value_counts():
    return await observe.query(WebSocket)


@fact("F22", observe.NO_TEXT)
async def the_url_is_no_str():
    return await observe.url_as_text(WebSocket)


@fact("F23", {"x: 1 and x: 2": "1", "getlist": True, "assignment": "TypeError"})
async def of_a_repeated_header_the_first_value_counts():
    return await observe.repeated_header(WebSocket)


@fact("F24", {"client": "None", ".client.host": "AttributeError"})
async def a_client_the_server_does_not_tell_is_none():
    return await observe.untold_client(WebSocket)


@fact("F25", {"readable": ["bad name", "b@d"]})
async def invalid_cookies_can_be_read():
    return await observe.odd_cookies(WebSocket)


@app.websocket("/sync")
def sync(ws: WebSocket):
    return None


@fact("F26", {"registered": True, "each connection": "TypeError"})
async def a_handler_that_is_not_async_fails_in_each_connection():
    return {
        "registered": any(getattr(route, "path", "") == "/sync" for route in app.routes),
        "each connection": (await play(app, path="/sync")).error,
    }


@app.websocket("/body")
async def body(ws: WebSocket, data: Annotated[str, Body()]):
    await ws.accept()


@app.websocket("/number")
async def number(ws: WebSocket, n: int):
    await ws.accept()


@fact("F27", {"sent": ["close 1008"]})
async def a_body_parameter_closes_each_connection():
    return {"sent": (await play(app, path="/body")).sent}


@fact("F28", {"sent": ["close 1008"], "its client sees": dict.fromkeys(SETUPS, "HTTP 403")})
async def an_invalid_query_parameter_is_refused_without_a_body():
    return {
        "sent": (await play(app, path="/number", query="n=abc")).sent,
        "its client sees": await everywhere(lambda visit: visit.end, "/number", query="?n=abc"),
    }


@fact("F29", {"sent": "deny 401", "without the extension": "RuntimeError"})
async def starlette_has_send_denial_response():
    async def application(scope, receive, send):
        await WebSocket(scope, receive, send).send_denial_response(JSONResponse({"error": "key"}, 401))

    return {
        "sent": (await play(application)).sent[0],
        "without the extension": (await play(application, denial=False)).error,
    }


@fact(
    "F30",
    {"fastapi": ["close 1000"], "starlette": ["close 1000"], "its client sees": dict.fromkeys(SETUPS, "HTTP 403")},
)
async def a_path_without_a_route_is_403():
    return {
        "fastapi": (await play(app, path="/nobody")).sent,
        "starlette": (await play(Starlette(), path="/nobody")).sent,
        "its client sees": await everywhere(lambda visit: visit.end, "/nobody"),
    }


def thread():
    return str(threading.get_ident())


@app.websocket("/thread")
async def in_thread(ws: WebSocket, found: Annotated[str, Depends(thread)]):
    await ws.accept()
    await ws.send_text(str(found == thread()))
    await ws.close()


@fact("F31", {"the thread of the event loop": "text False"})
async def a_plain_function_as_a_dependency_runs_in_another_thread():
    return {"the thread of the event loop": (await play(app, path="/thread")).sent[1]}


@fact("F32", {"overridden": "text other"})
async def dependency_overrides_replace_a_function():
    app.dependency_overrides[path_of] = lambda: "other"
    try:
        return {"overridden": (await play(app, path="/depends")).sent[1]}
    finally:
        app.dependency_overrides.clear()


@fact("F33", {"sessions": True, "trusted hosts": True, "CORS": False, "GZip": False, "@app.middleware('http')": False})
async def only_some_of_starlettes_middleware_treats_websockets():
    async def inner(scope, receive, send):
        seen.append("session" in scope)

    seen = []
    await SessionMiddleware(inner, "secret")(*_connection())
    sessions = seen.pop()
    refused = await play(TrustedHostMiddleware(inner, ["example.org"]))
    trusted = not seen and refused.sent != []
    found = {"sessions": sessions, "trusted hosts": trusted}
    for name, middleware in (
        ("CORS", CORSMiddleware(inner, allow_origins=["https://example.org"])),
        ("GZip", GZipMiddleware(inner)),
        ("@app.middleware('http')", BaseHTTPMiddleware(inner, dispatch=None)),
    ):
        scope, receive, send = _connection()
        passed = []

        async def look(scope, receive, send, passed=passed):
            passed.append((receive, send))

        middleware.app = look
        await middleware(scope, receive, send)
        found[name] = passed != [(receive, send)]
    return found


def _connection():
    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        pass

    headers = [(b"host", b"x"), (b"origin", b"https://evil.example"), (b"accept-encoding", b"gzip")]
    return {"type": "websocket", "headers": headers, "path": "/", "extensions": {}}, receive, send


@fact("F34", observe.LOST)
async def the_wrong_frame_is_a_keyerror_and_the_message_is_lost():
    return await observe.wrong_frame(WebSocket)


@fact("F35", {"parameters": "(websocket, data)"})
def on_receive_of_starlettes_endpoint_takes_the_socket_too():
    return {"parameters": observe.bare(WebSocketEndpoint.on_receive)}


@app.websocket("/closes-late")
async def closes_late(ws: WebSocket):
    await ws.accept()
    await ws.receive()
    await ws.close()


LATE = {
    "uvicorn/websockets": "RuntimeError",
    "uvicorn/wsproto": "WebSocketDisconnect",
    "hypercorn": "none",
    "granian": "none",
}


@fact("F36", {"a close after the client has left": "close 1000", "error": LATE})
async def a_close_after_the_client_has_left_goes_to_the_server():
    async def application(scope, receive, send):
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        await ws.receive()
        await ws.close()

    return {
        "a close after the client has left": (await play(application, gone())).sent[-1],
        "error": await everywhere(lambda visit: visit.error, "/closes-late", leave=1000),
    }


@fact("F37", {"names": ["float", "int", "path", "str", "uuid"]})
def the_converters_have_five_names():
    return {"names": sorted(CONVERTOR_TYPES)}


@fact("F38", {"requires anyio": True})
def starlette_is_built_on_anyio():
    return {"requires anyio": any(line.startswith("anyio") for line in importlib.metadata.requires("starlette"))}


@fact("F39", {"a parameter": True})
def lifespan_is_a_parameter_of_the_application():
    return {"a parameter": "lifespan" in inspect.signature(Starlette).parameters}


@fact("F40", {"Request": True, "WebSocket": True})
def httpconnection_is_the_parent_of_request_and_websocket():
    return {"Request": issubclass(Request, HTTPConnection), "WebSocket": issubclass(WebSocket, HTTPConnection)}


@fact("F41", {"a path without a slash": "AssertionError"})
def a_route_wants_a_path_with_a_slash():
    return {"a path without a slash": raised(WebSocketRoute, "no-slash", typed)}
