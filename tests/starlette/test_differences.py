"""Where our WebSocket and App do other than Starlette's, and why. Both sides are run.

What is not listed here is the same: test_starlettes_own.py. A difference that has disappeared is a failure here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from both_libraries import OURS, STARLETTE, Library, observe
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from reference_ws.testing.inmemory import InMemoryConnection, handshake


@dataclass(frozen=True)
class Difference:
    """One fact: `run` gives `starlettes` with Starlette's library, and `ours` with ours."""

    run: Callable[[Library], Any]
    starlettes: Any
    ours: Any
    reason: str


DIFFERENCES: dict[str, Difference] = {}


def differs(reason: str, *, starlettes: Any, ours: Any) -> Callable[[Callable[[Library], Any]], None]:
    def register(run: Callable[[Library], Any]) -> None:
        DIFFERENCES[run.__name__.replace("_", "-")] = Difference(run, starlettes, ours, reason)

    return register


async def tried(step: Any) -> str:
    """Await a step, and name the kinds of what it raises, as a program may catch it; ``"-"`` for nothing."""
    try:
        await step
    except Exception as error:
        kinds = (WebSocketDisconnect, RuntimeError, ValueError, KeyError, TypeError, OSError, AssertionError)
        return " ".join(kind.__name__ for kind in kinds if isinstance(error, kind)) or type(error).__name__
    return "-"


# --- the end of a connection ------------------------------------------------------------------------------------------


@differs("Index.py and Kui promise a close() that is safe in a finally", starlettes="RuntimeError", ours="-")
def second_close(library: Library) -> Any:
    async def handler(websocket) -> str:
        await websocket.accept()
        await websocket.close()
        return await tried(websocket.close())

    return observe(library.asgi(handler)).result


@differs(
    "uvicorn logs a RuntimeError for a close that comes too late",
    starlettes=["accept", "close"],
    ours=["accept"],
)
def close_after_the_client_has_left(library: Library) -> Any:
    async def handler(websocket) -> None:
        await websocket.accept()
        await websocket.receive()
        await websocket.close()

    return observe(library.asgi(handler)).types


@differs(
    "a message to a client that has left must not reach the server",
    starlettes=("-", ["accept", "send"]),
    ours=("WebSocketDisconnect RuntimeError", ["accept"]),
)
def send_after_the_client_has_left(library: Library) -> Any:
    async def handler(websocket) -> str:
        await websocket.accept()
        await websocket.receive()
        return await tried(websocket.send_text("late"))

    seen = observe(library.asgi(handler))
    return seen.result, seen.types


@differs(
    "one except clause catches every end of the connection",
    starlettes=["RuntimeError", "RuntimeError"],
    ours=["WebSocketDisconnect RuntimeError", "WebSocketDisconnect RuntimeError"],
)
def receive_and_send_after_the_own_close(library: Library) -> Any:
    async def handler(websocket) -> list[str]:
        await websocket.accept()
        await websocket.close()
        return [await tried(websocket.receive_text()), await tried(websocket.send_text("late"))]

    return observe(library.asgi(handler)).result


@differs("the loop ends quietly whoever has ended the connection", starlettes="RuntimeError", ours="-")
def iterating_after_the_own_close(library: Library) -> Any:
    async def loop(websocket) -> None:
        async for _ in websocket.iter_text():
            pass

    async def handler(websocket) -> str:
        await websocket.accept()
        await websocket.close()
        return await tried(loop(websocket))

    return observe(library.asgi(handler)).result


@differs(
    "a close code that RFC 6455 forbids to send, or too long a reason, must not reach the server",
    starlettes=["-", "RuntimeError", "RuntimeError"],
    ours=["ValueError", "ValueError", "ValueError"],
)
def close_codes_and_reasons_that_cannot_be_sent(library: Library) -> Any:
    async def handler(websocket) -> list[str]:
        await websocket.accept()
        closes = (websocket.close(1005), websocket.close(5000), websocket.close(1000, "x" * 124))
        return [await tried(close) for close in closes]

    return observe(library.asgi(handler)).result


@differs("ASGI makes the code optional, 1005 is its default", starlettes="KeyError", ours="WebSocketDisconnect")
def disconnect_without_a_code(library: Library) -> Any:
    async def handler(websocket) -> str:
        await websocket.accept()
        return await tried(websocket.receive_text())

    return observe(library.asgi(handler), lambda session: session.send({"type": "websocket.disconnect"})).result


def vanishing(app: Any) -> Any:
    """Make a server whose every send fails, as ASGI says it does when the client has vanished."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> Any:
        async def fail(message: Any) -> None:
            raise OSError("gone")

        return await app(scope, receive, fail)

    return wrapped


@differs(
    "a client may vanish during the handshake too",
    starlettes=("OSError", "CONNECTED", "CONNECTED"),
    ours=("WebSocketDisconnect", "DISCONNECTED", "DISCONNECTED"),
)
def client_that_vanishes_before_accept(library: Library) -> Any:
    async def handler(websocket) -> Any:
        result = await tried(websocket.accept())
        return result, websocket.client_state.name, websocket.application_state.name

    return observe(vanishing(library.asgi(handler))).result


# --- messages ---------------------------------------------------------------------------------------------------------


@differs("Index.py promises JSON from either kind of frame", starlettes="KeyError", ours=[1])
def json_from_a_binary_frame(library: Library) -> Any:
    async def handler(websocket) -> Any:
        await websocket.accept()
        try:
            return await websocket.receive_json()
        except KeyError:
            return "KeyError"

    return observe(library.asgi(handler), lambda session: session.send_bytes(b"[1]")).result


@differs(
    "the error says what is wrong, and keeps the message",
    starlettes=["KeyError", "KeyError"],
    ours=["RuntimeError", "RuntimeError"],
)
def frame_of_the_other_kind(library: Library) -> Any:
    async def handler(websocket) -> Any:
        await websocket.accept()
        return [await tried(websocket.receive_text()), await tried(websocket.receive_bytes())]

    def talk(session: Any) -> None:
        session.send_bytes(b"data")
        session.send_text("text")

    return observe(library.asgi(handler), talk).result


@differs("some servers send both keys, one of them None", starlettes="-", ours="RuntimeError")
def frame_of_the_other_kind_with_both_keys(library: Library) -> Any:
    async def handler(websocket) -> Any:
        await websocket.accept()
        return await tried(websocket.receive_text())

    frame = {"type": "websocket.receive", "text": None, "bytes": b"data"}
    return observe(library.asgi(handler), lambda session: session.send(frame)).result


@differs(
    "whatever a client sends instead of JSON is the same error",
    starlettes="UnicodeDecodeError",
    ours="WebSocketJSONError",
)
def json_that_is_not_utf8(library: Library) -> Any:
    async def handler(websocket) -> Any:
        await websocket.accept()
        try:
            await websocket.receive_json("binary")
        except ValueError as error:
            return type(error).__name__

    return observe(library.asgi(handler), lambda session: session.send_bytes(b'"\xff"')).result


@differs(
    "a frame that is neither text nor bytes must not reach the server",
    starlettes=["-", "-", "-"],
    ours=["RuntimeError", "TypeError", "TypeError"],
)
def sending_what_is_no_frame(library: Library) -> Any:
    async def handler(websocket) -> Any:
        await websocket.accept()
        sends = (
            websocket.send({"type": "websocket.send"}),
            websocket.send_text(b"bytes"),
            websocket.send_bytes("text"),
        )
        return [await tried(send) for send in sends]

    return observe(library.asgi(handler)).result


# --- what a connection knows ------------------------------------------------------------------------------------------


@differs("Lilya promises a subclass of str", starlettes=False, ours=True)
def url_is_a_str(library: Library) -> Any:
    async def handler(websocket) -> bool:
        return isinstance(websocket.url, str)

    return observe(library.asgi(handler)).result


@differs("Index.py promises that .client.host never fails", starlettes=None, ours=(None, None))
def client_that_the_server_does_not_tell(library: Library) -> Any:
    async def handler(websocket) -> Any:
        return websocket.client

    return observe(library.asgi(handler), scope={"client": None}).result


@differs(
    "Index.py promises that invalid cookies can't be read",
    starlettes={"a": "1", "b@d": "2", "c": "3"},
    ours={"a": "1", "c": "3"},
)
def cookie_whose_name_is_no_token(library: Library) -> Any:
    async def handler(websocket) -> Any:
        return websocket.cookies

    return observe(library.asgi(handler), headers={"cookie": "a=1; b@d=2; c=3"}).result


@differs("Index.py and Kui promise a state of each connection alone", starlettes=True, ours=False)
def state_is_shared_where_the_server_shares_it(library: Library) -> Any:
    async def handler(websocket) -> Any:
        before = hasattr(websocket.state, "user")
        websocket.state.user = "li"
        return before

    shared: dict[str, Any] = {}
    observe(library.asgi(handler), scope={"state": shared})
    return observe(library.asgi(handler), scope={"state": shared}).result


@differs("an assert is gone under python -O", starlettes="AssertionError", ours="TypeError")
def scope_of_another_type(library: Library) -> Any:
    async def handler(websocket) -> None: ...

    return type(observe(library.asgi(handler), scope={"type": "http"}).result).__name__


# --- routes and handlers ----------------------------------------------------------------------------------------------


@differs(
    "the client sees 404, not the 403 of every refusal",
    starlettes=["close"],
    ours=["http.response.start", "http.response.body"],
)
def unknown_path(library: Library) -> Any:
    async def handler(websocket) -> None: ...

    return observe(library.application("/known", handler), target="/unknown").types


@differs("a client that leaves is no error of the application", starlettes=(["accept"], 1001), ours=(["accept"], None))
def disconnect_that_leaves_the_handler(library: Library) -> Any:
    async def handler(websocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    seen = observe(library.application("/", handler))
    return seen.types, getattr(seen.result, "code", None)


@differs(
    "a handler that returns leaves no connection open",
    starlettes=["accept"],
    ours=["accept", "close"],
)
def handler_that_only_accepts(library: Library) -> Any:
    async def handler(websocket) -> None:
        await websocket.accept()

    return observe(library.application("/", handler)).types


@differs("a handler that returns leaves no handshake unanswered", starlettes=[], ours=["close"])
def handler_that_does_nothing(library: Library) -> Any:
    async def handler(websocket) -> None: ...

    return observe(library.application("/", handler)).types


@differs(
    "the client learns that the application has failed: HTTP 500, or 1011",
    starlettes=([], [("accept", None)]),
    ours=([500], [("accept", None), ("close", 1011)]),
)
def handler_that_raises(library: Library) -> Any:
    async def early(websocket) -> None:
        raise ValueError("oops")

    async def late(websocket) -> None:
        await websocket.accept()
        raise ValueError("oops")

    before, after = observe(library.application("/", early)), observe(library.application("/", late))
    assert [ValueError, ValueError] == [type(before.result), type(after.result)]
    statuses = [message["status"] for message in before.sent if "status" in message]
    return statuses, list(zip(after.types, [message.get("code") for message in after.sent], strict=True))


@differs(
    "a handler that is not async can't await anything: the mistake is told at once",
    starlettes="accepted",
    ours="TypeError",
)
def handler_that_is_not_async(library: Library) -> Any:
    def handler(websocket) -> None: ...

    try:
        library.application("/", handler)
    except TypeError:
        return "TypeError"
    return "accepted"


@differs(
    "who closed first is not lost: the client's own code, when its farewell has arrived",
    starlettes=(1006, ""),
    ours=(4001, "bye"),
)
def client_that_vanishes_while_we_send(library: Library) -> Any:
    farewell = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 4001, "reason": "bye"}]

    async def receive() -> Any:
        return farewell.pop(0)

    async def send(message: Any) -> None:
        if message["type"] != "websocket.accept":
            raise OSError

    async def handler() -> Any:
        websocket = library.WebSocket(handshake("/"), receive, send)
        await websocket.accept()
        try:
            await websocket.send_text("late")
        except WebSocketDisconnect as error:
            return error.code, error.reason

    return asyncio.run(handler())


@differs(
    "a program can tell one error from another: id, what was tried, both states, what is allowed here",
    starlettes=["-", "WebSocketDisconnected"],
    ours=["send-before-accept", "receive-before-accept"],
)
def life_cycle_errors(library: Library) -> Any:
    async def handler(websocket) -> list[str]:
        found = []
        for step in (websocket.send_text("x"), websocket.receive_text()):
            try:
                await step
            except RuntimeError as error:  # noqa: PERF203
                found.append(getattr(error, "id", "-" if type(error) is RuntimeError else type(error).__name__))
        return found

    return observe(library.asgi(handler)).result


@differs(
    "there is no HTTP response any more: the log names the cause",
    starlettes=("NoneType", ["accept", "http.response.start", "http.response.body"]),
    ours=("RuntimeError", ["accept", "close"]),
)
def http_exception_after_accept(library: Library) -> Any:
    async def handler(websocket) -> None:
        await websocket.accept()
        raise HTTPException(402)

    seen = observe(library.application("/", handler))
    return type(seen.result).__name__, seen.types


@differs("the client learns that it may come again", starlettes=["accept"], ours=["accept", "close"])
def handler_that_is_cancelled(library: Library) -> Any:
    async def handler(websocket) -> None:
        await websocket.accept()
        await asyncio.Event().wait()

    connection = InMemoryConnection(handshake("/"))

    async def cancelled() -> list[str]:
        task = asyncio.ensure_future(connection.run(library.application("/", handler)))
        await connection.signal.wait(lambda: connection.sent)
        task.cancel()
        await asyncio.wait([task])
        types = []
        while connection.sent:
            types.append(connection.take()["type"].removeprefix("websocket."))
        return types

    return asyncio.run(cancelled())


async def nothing(websocket) -> None: ...


def registered(register: Callable[[], Any]) -> str:
    try:
        register()
    except ValueError:
        return "ValueError"
    return "accepted"


@differs("a name that was given finds one route", starlettes="accepted", ours="ValueError")
def duplicate_name(library: Library) -> Any:
    app: Any = library.application("/", nothing)
    router: Any = app.router
    route = type(router.routes[0])
    return registered(lambda: type(router)([route("/a", nothing, name="x"), route("/b", nothing, name="x")]))


@differs("a brace that is left over was meant to be a parameter", starlettes="accepted", ours="ValueError")
def bad_path(library: Library) -> Any:
    return registered(lambda: library.application("/room/{name", nothing))


@pytest.mark.parametrize("difference", DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_both_do_what_is_written(difference):
    assert (difference.starlettes, difference.ours) == (difference.run(STARLETTE), difference.run(OURS))


@pytest.mark.parametrize("difference", DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_a_difference_is_one_and_has_a_reason(difference):
    assert difference.starlettes != difference.ours
    assert difference.reason
