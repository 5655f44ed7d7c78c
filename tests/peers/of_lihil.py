"""What the pages say of Lihil."""

import asyncio
import subprocess
import sys
import warnings
from typing import Annotated

import observe
from claims import SETUPS, claim, everywhere, fact, gone, play, raised, recorded, text, untestable
from ididi import AsyncResource
from lihil import Ignore, Lihil, WebSocket, WebSocketRoute, use

SAMPLE = """
from lihil import WebSocketRoute, WebSocket, Ignore, use

ws_route = WebSocketRoute("web_socket/{session_id}")

async def ws_factory(ws: Ignore[WebSocket]) -> Ignore[AsyncResource[WebSocket]]:
    await ws.accept()
    yield ws
    await ws.close()

@ws_route.ws_handler
async def ws_handler(
    ws: Annotated[WebSocket, use(ws_factory, reuse=False)],
    session_id: str,
    max_users: int,
):
    assert session_id == "session123" and max_users == 5
    await ws.send_text("Hello, world!")

lhl = Lihil()
lhl.include_routes(ws_route)
"""

TEST = """
from lihil.vendors import TestClient

client = TestClient(lhl)
with client:
    with client.websocket_connect("/web_socket/session123?max_users=5") as websocket:
        data = websocket.receive_text()
        assert data == "Hello, world!"
"""

FIXED = "from typing import Annotated\nfrom ididi import AsyncResource\nfrom lihil import Lihil\n" + SAMPLE.replace(
    "@ws_route.ws_handler", "@ws_route.endpoint"
)


def error_in(source):
    """Run a program of its own; returns the name of its error."""
    program = "import warnings\nwarnings.simplefilter('ignore')\n" + source
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    return ended.stderr.strip().splitlines()[-1].split(":")[0] if ended.returncode else "none"


def made(handler, path="one"):
    """Make an application of one handler."""
    route = WebSocketRoute(path)
    route.endpoint(handler)
    return with_routes(route)


def with_routes(*routes):
    one = Lihil()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.include_routes(*routes)
    return one


async def run(app, *incoming, **options):
    """Play in memory, between the start and the end of the application's lifespan; also returns the start's error."""
    told = asyncio.Queue()
    await told.put({"type": "lifespan.startup"})
    started = asyncio.Event()

    async def send(message):
        started.set()

    life = asyncio.ensure_future(app({"type": "lifespan", "state": {}, "asgi": {"version": "3.0"}}, told.get, send))
    waiting = asyncio.ensure_future(started.wait())
    await asyncio.wait([life, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if life.done() and life.exception() is not None:
        raise life.exception()
    played = await play(app, *incoming, **options)
    await told.put({"type": "lifespan.shutdown"})
    await life
    return played


async def factory(ws: Ignore[WebSocket]) -> Ignore[AsyncResource[WebSocket]]:
    await ws.accept()
    yield ws
    await ws.close()


async def game(ws: Annotated[WebSocket, use(factory, reuse=False)], session_id: str, max_users: int):
    await ws.send_text(f"{session_id!r} {max_users!r}")


async def plain(ws: WebSocket):
    await ws.accept()
    await ws.send_text("plain")
    await ws.close()


async def breaks(ws: WebSocket):
    await ws.accept()
    raise ZeroDivisionError


def route(path, handler):
    one = WebSocketRoute(path)
    one.endpoint(handler)
    return one


served = recorded(with_routes(route("web_socket/{session_id}", game), route("plain", plain), route("breaks", breaks)))


@claim("H1", {"ws_handler": "AttributeError", "endpoint": True}, promised={"ws_handler": "none"})
def there_is_no_ws_handler():
    return {
        "ws_handler": raised(lambda: WebSocketRoute("x").ws_handler).split(":")[0],
        "endpoint": hasattr(WebSocketRoute, "endpoint"),
    }


@claim("H2", {"names": "none", "WebSocket is Starlette's": True})
def the_names_can_be_imported():
    from starlette.websockets import WebSocket as Starlettes

    names = error_in("from lihil import WebSocketRoute, WebSocket, Ignore, use")
    return {"names": names, "WebSocket is Starlette's": WebSocket is Starlettes}


@claim(
    "H3",
    {"as printed": "NameError", "missing": ["AsyncResource", "Annotated", "Lihil"]},
    promised={"as printed": "none", "missing": []},
)
def the_sample_does_not_run_as_printed():
    names = [name for name in ("AsyncResource", "Annotated", "Lihil") if f"import {name}" not in SAMPLE]
    return {"as printed": error_in(SAMPLE), "missing": names}


@claim("H4", {"a path parameter": "text 'session123' 5"})
async def the_path_has_a_parameter():
    app = made(game, "web_socket/{session_id}")
    return {"a path parameter": (await run(app, path="/web_socket/session123", query="max_users=5")).sent[1]}


@claim("H5", {"order": ["accept", "text 'a' 1", "close 1000"]})
async def a_factory_accepts_yields_and_closes():
    app = made(game, "web_socket/{session_id}")
    return {"order": (await run(app, path="/web_socket/a", query="max_users=1")).sent}


REFUSED = {
    "uvicorn/websockets": "HTTP 500",
    "uvicorn/wsproto": "HTTP 500",
    "hypercorn": "HTTP 500",
    "granian": "HTTP 500",
}


@claim("H6", {"parsed": "'a' 5", "max_users=abc": REFUSED, "without": REFUSED})
async def parameters_come_from_path_and_query():
    parsed = await everywhere(lambda visit: visit.came[0], "/web_socket/a", query="?max_users=5")
    return {
        "parsed": parsed["hypercorn"] if len(set(parsed.values())) == 1 else parsed,
        "max_users=abc": await everywhere(lambda visit: visit.end, "/web_socket/a", query="?max_users=abc"),
        "without": await everywhere(lambda visit: visit.end, "/web_socket/a"),
    }


@claim("H7", {"runs": "text plain", "warning": ["DeprecationWarning"]})
async def include_routes_mounts_with_a_deprecation_warning():
    one = Lihil()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        one.include_routes(route("one", plain))
    return {
        "runs": (await run(one, path="/one")).sent[1],
        "warning": [warning.category.__name__ for warning in told],
    }


@claim("H8", {"with an HTTP client": "none", "without": "ImportError"})
def the_test_client_needs_an_http_client():
    blocked = "import sys\nfor name in ('httpx', 'httpx2'): sys.modules[name] = None\n"
    line = "from lihil.vendors import TestClient"
    return {"with an HTTP client": error_in(line), "without": error_in(blocked + line)}


@claim("H9", {"mended": "none", "as printed": "NameError"}, promised={"as printed": "none"})
def the_test_passes_once_the_sample_is_mended():
    return {"mended": error_in(FIXED + TEST), "as printed": error_in(SAMPLE + TEST)}


@claim("H10", {"when registered": "NotSupportedError"})
def a_handler_must_be_async():
    def handler(ws: WebSocket):
        pass

    return {"when registered": raised(WebSocketRoute("x").endpoint, handler)}


@claim("H11", {"when registered": "none", "at startup": "RouteSetupError"})
async def a_body_parameter_is_refused_at_startup():
    from lihil import Param, Struct

    class Payload(Struct):
        name: str

    async def handler(ws: WebSocket, payload: Annotated[Payload, Param("body")]):
        await ws.accept()

    one = WebSocketRoute("one")
    registered = raised(one.endpoint, handler)
    try:
        await run(with_routes(one), path="/one")
        startup = "none"
    except Exception as error:
        startup = type(error).__name__
    return {"when registered": registered, "at startup": startup}


@claim("H12", {"first connection": ["text 1", "text 2"], "second": ["text 1"]})
async def state_lives_as_long_as_a_connection():
    async def counts(ws: WebSocket):
        await ws.accept()
        async for _ in ws.iter_text():
            ws.state.count = getattr(ws.state, "count", 0) + 1
            await ws.send_text(str(ws.state.count))

    app = made(counts)
    return {
        "first connection": (await run(app, text("a"), text("b"), path="/one")).sent[1:],
        "second": (await play(app, text("a"), path="/one")).sent[1:],
    }


@claim("H13", {"status": dict.fromkeys(SETUPS, 101)})
async def it_begins_as_http_get():
    from claims import SERVERS

    found = {}
    for setup, port in SERVERS.items():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /plain HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        line = await reader.readline()
        found[setup] = int(line.split()[1])
        writer.close()
    return {"status": found}


@claim(
    "H14",
    {
        "a handler that ends": ["accept", "text plain", "close 1000"],
        "that raises": ["accept", "close 1011", "HTTP 500"],
    },
    promised={"that raises": ["accept", "close 1011"]},
)
async def after_an_error_http_500_follows_the_close():
    kinds = {"websocket.accept": "accept", "websocket.close": "close {code}"}
    kinds.update(dict.fromkeys(("http.response.start", "websocket.http.response.start"), "HTTP {status}"))
    messages = (await run(made(breaks), path="/one")).messages
    raises = [kinds[message["type"]].format(**message) for message in messages if message["type"] in kinds]
    return {"a handler that ends": (await run(made(plain), path="/one")).sent, "that raises": raises}


untestable("H15", "a general statement, no API is behind it")


# --- beyond that page -------------------------------------------------------------------------------------------------


@fact("H16", {"sent": ["accept"], "error": "none"})
async def a_disconnect_that_leaves_the_handler_is_ignored():
    async def reads(ws: WebSocket):
        await ws.accept()
        await ws.receive_text()

    played = await run(made(reads), gone(), path="/one")
    return {"sent": played.sent, "error": played.error}


@fact("H17", {"client": "None", ".client.host": "AttributeError"})
async def a_client_the_server_does_not_tell_is_none():
    return await observe.untold_client(WebSocket)


@fact("H18", {"a second close": "WebSocketDisconnected"})
async def a_second_close_is_a_websocketdisconnected():
    return await observe.second_close(WebSocket)
