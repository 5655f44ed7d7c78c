import asyncio
import pickle

import anyio
import pytest
from starlette.websockets import WebSocketState

from reference_ws import App, LifecycleError, ParameterError, WebSocket, WebSocketDisconnect
from reference_ws.testing import HandshakeRefused, connect
from reference_ws.transcript import Report, TranscriptError, TranscriptFailure, parse
from reference_ws.transcript.steps import Drop

pytestmark = pytest.mark.anyio


def serving(handler):
    app = App()
    app.router.websocket("/")(handler)
    return app


async def echo(websocket):
    await websocket.accept(
        "chat" if "chat" in websocket["subprotocols"] else None, [(b"X-A", websocket.headers["host"].encode())]
    )
    async for message in websocket.iter_json():
        await websocket.send_json(message)


async def test_a_client_sees_subprotocol_and_headers():
    async with connect(serving(echo), "ws://example.org:81/", subprotocols=["other", "chat"]) as client:
        assert ("chat", {"x-a": "example.org:81"}) == (client.accepted_subprotocol, client.headers)
    async with connect(serving(echo), "/") as client:
        assert client.accepted_subprotocol is None


async def test_text_bytes_and_json_go_both_ways():
    async def handler(websocket):
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.send_bytes(await websocket.receive_bytes())
        await websocket.send_json(await websocket.receive_json(mode="binary"))

    async with connect(serving(handler), "/") as client:
        await client.send_text("你好")
        assert "你好" == await client.receive_text()
        await client.send_bytes(b"\x00")
        assert b"\x00" == await client.receive_bytes()
        await client.send_json([1], mode="binary")
        assert {"type": "websocket.send", "text": "[1]"} == await client.receive()
        with pytest.raises(WebSocketDisconnect):
            await client.receive_json()


async def test_the_other_kind_of_frame_is_an_assertion_error():
    async with connect(serving(echo), "/") as client:
        await client.send_json(1)
        with pytest.raises(AssertionError, match="expected a frame with bytes"):
            await client.receive_bytes()


@pytest.mark.parametrize(("expected", "end"), [((4000, "bye"), ("close", 4000, "bye")), ((1006, ""), ("drop",))])
async def test_closed_tells_how_the_client_left(expected, end):
    ends = []

    async def handler(websocket):
        await websocket.accept()
        async for _ in websocket.iter_text():
            pass
        ends.append(websocket.end)

    async with connect(serving(handler), "/") as client:
        assert client.closed is None
        await getattr(client, end[0])(*end[1:])
        assert (expected, [expected]) == (client.closed, ends)


async def test_closed_tells_how_the_application_closed():
    async def handler(websocket):
        await websocket.accept()
        await websocket.send_text("last")
        await websocket.close(4000, "done")

    async with connect(serving(handler), "/") as client:
        assert "last" == await client.receive_text()
        for _ in range(2):
            with pytest.raises(WebSocketDisconnect) as raised:
                await client.receive_text()
            assert (4000, "done") == (raised.value.code, raised.value.reason)
        assert (4000, "done") == client.closed
        with pytest.raises(WebSocketDisconnect):
            await client.send_text("late")


async def test_closed_is_known_before_the_close_is_read():
    async def handler(websocket):
        await websocket.accept()
        await websocket.close(4000, "why")

    async with connect(serving(handler), "/") as client:
        await anyio.wait_all_tasks_blocked()
        assert (4000, "why") == client.closed
        with pytest.raises(WebSocketDisconnect) as raised:
            await client.send_text("late")
        assert 4000 == raised.value.code
    assert (4000, "why") == client.closed


async def test_the_first_end_counts():
    async def handler(websocket):
        await websocket.accept()
        await websocket.close(4000, "first")

    async with connect(serving(handler), "/") as client:
        await anyio.wait_all_tasks_blocked()
        await client.close(4001, "second")
        assert (4000, "first") == client.closed


async def test_an_exception_of_the_application_is_raised_at_the_end_of_the_block():
    async def handler(websocket):
        await websocket.accept()
        raise ValueError("handler")

    with pytest.raises(ValueError, match="handler"):
        async with connect(serving(handler), "/"):
            pass
    with pytest.raises(ValueError, match="handler"):
        async with connect(serving(handler), "/") as client:
            await client.receive_text()


async def test_a_failure_of_the_test_itself_comes_out_as_it_is():
    with pytest.raises(AssertionError, match=r"^mine$"):
        async with connect(serving(echo), "/"):
            raise AssertionError("mine")


@pytest.mark.parametrize("raises", [pytest.fail, pytest.skip])
@pytest.mark.parametrize("where", ["block", "handler"])
async def test_the_outcome_of_a_test_comes_out_as_it_is(where, raises):
    async def handler(websocket):
        await websocket.accept()
        if where == "handler":
            raises("mine")
        await websocket.receive()

    async def use():
        async with connect(serving(handler), "/") as client:
            if where == "block":
                raises("mine")
            await client.receive()

    with pytest.raises(raises.Exception, match=r"^mine$"):
        await use()


async def test_an_interrupt_comes_out_as_it_is():
    with pytest.raises(KeyboardInterrupt):
        async with connect(serving(echo), "/"):
            raise KeyboardInterrupt


async def test_the_cause_of_a_failure_stays():
    with pytest.raises(ValueError, match="mine") as raised:
        async with connect(serving(echo), "/"):
            raise ValueError("mine") from KeyError("cause")
    assert "'cause'" == str(raised.value.__cause__)


async def test_cancelling_from_outside_passes_through_the_block():
    ended = []
    with anyio.CancelScope() as scope:
        async with connect(serving(echo), "/"):
            scope.cancel()
            try:
                await anyio.sleep_forever()
            finally:
                ended.append("block")
    assert (True, ["block"]) == (scope.cancelled_caught, ended)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_task_stays_cancelled(anyio_backend):
    async def use():
        async with connect(serving(echo), "/"):
            entered.set()
            await asyncio.sleep(5)

    entered = asyncio.Event()
    task = asyncio.create_task(use())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_generator_that_holds_a_client_can_be_closed():
    ended = []

    async def handler(websocket):
        await websocket.accept()
        try:
            await websocket.receive()
        finally:
            ended.append("handler")

    async def clients():
        async with connect(serving(handler), "/") as client:
            yield client

    generator = clients()
    await anext(generator)
    await generator.aclose()
    assert ["handler"] == ended


async def test_a_refusal_carries_status_headers_and_body_and_names_its_cause():
    async def handler(websocket):
        raise ValueError("cause")

    with pytest.raises(HandshakeRefused) as refused:
        async with connect(serving(handler), "/"):
            pass
    assert (500, "Internal Server Error") == (refused.value.status, refused.value.text)
    assert "text/plain; charset=utf-8" == refused.value.headers["content-type"]
    assert "cause" == str(refused.value.__cause__)


@pytest.mark.parametrize("denial", [True, False])
async def test_servers_with_and_without_the_denial_extension(denial):
    with pytest.raises(HandshakeRefused) as refused:
        async with connect(App(), "/", **({} if denial else {"extensions": {}})):
            pass
    assert (404 if denial else 403) == refused.value.status


@pytest.mark.parametrize("both_keys", [True, False])
async def test_servers_with_one_key_or_both_in_a_frame(both_keys):
    frames = []

    async def handler(websocket):
        await websocket.accept()
        frames.append(await websocket.receive())

    async with connect(serving(handler), "/", both_keys=both_keys) as client:
        await client.send_text("x")
    expected = {"type": "websocket.receive", "text": "x"}
    assert [{**expected, "bytes": None} if both_keys else expected] == frames


async def test_servers_that_do_not_tell_the_client():
    async def handler(websocket):
        await websocket.accept()
        await websocket.send_json(websocket.client)

    async with connect(serving(handler), "/", client=None) as client:
        assert [None, None] == await client.receive_json()


@pytest.mark.parametrize("send_raises", [True, False])
async def test_servers_that_raise_or_ignore_what_is_sent_after_the_client_left(send_raises):
    outcome = []

    async def handler(websocket):
        await websocket.accept()
        await anyio.wait_all_tasks_blocked()
        try:
            await websocket.send_text("late")
        except WebSocketDisconnect as error:
            outcome.append(error.code)
        else:
            outcome.append("sent")

    async with connect(serving(handler), "/", send_raises=send_raises) as client:
        await client.drop()
    assert [1006 if send_raises else "sent"] == outcome


async def test_a_message_that_does_not_come_is_a_timeout_that_tells_where_the_handler_waits():
    async def handler(websocket: WebSocket):
        await websocket.accept()
        await anyio.sleep_forever()  # here

    with pytest.raises(TimeoutError, match=r"within 0.05 s; it waits at .*test_testing.py:\d+ in handler: .*# here$"):
        async with connect(serving(handler), "/", timeout_s=0.05) as client:
            await client.receive_text()


async def test_a_handler_that_does_not_end_is_a_timeout():
    async def handler(websocket: WebSocket):
        await websocket.accept()
        await anyio.sleep_forever()

    with pytest.raises(TimeoutError, match="did not end within"):
        async with connect(serving(handler), "/", timeout_s=0.05):
            pass


async def test_an_application_that_ends_without_an_answer_is_told():
    async def app(scope, receive, send):
        pass

    with pytest.raises(AssertionError, match="without closing"):
        async with connect(app, "/"):
            pass


async def test_the_server_is_strict():
    async def app(scope, receive, send):
        await send({"type": "websocket.send", "text": "x"})

    with pytest.raises(RuntimeError, match=r"Illegal ASGI message 'websocket\.send'"):
        async with connect(app, "/"):
            pass


async def test_a_refusal_tells_whom_and_why():
    app = App()
    with pytest.raises(HandshakeRefused) as refused:
        async with connect(app, "/nowhere?x=1"):
            pass
    assert "/nowhere?x=1" == refused.value.target
    assert "the handshake for /nowhere?x=1 was refused with HTTP 404: Not Found" == str(refused.value)
    with pytest.raises(HandshakeRefused, match=r"for /nowhere was refused with HTTP 403$"):
        async with connect(app, "/nowhere", extensions={}):
            pass


async def test_the_body_of_a_refusal_is_shown_as_far_as_it_can_be_read():
    shown_for = {b"\xff" * 3: repr(b"\xff" * 3), b"line\nline\x1b": r"line\nline\x1b", b"x" * 9999: "x" * 200 + "..."}
    for body, shown in shown_for.items():
        assert f"with HTTP 400: {shown}" in f"{HandshakeRefused(400, {}, body)}"


@pytest.mark.parametrize(
    "error",
    [
        HandshakeRefused(422, {"content-type": "text/plain"}, b"no", "/x"),
        TranscriptFailure(Report(parse("-> connect /\n<- text ..."), expected=None, got=Drop(client="a"))),
        TranscriptError("x.ws", 1, 2, "json", "source", {"problem": "expecting value"}),
        ParameterError([{"name": "n", "in": "query", "given": None, "expected": "int"}]),
        WebSocketDisconnect(1001, "bye"),
        LifecycleError("accept-twice", "accept()", WebSocketState.CONNECTED, WebSocketState.CONNECTED),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_a_test_may_see_raised_travels_between_processes(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(error), str(error), error.__dict__) == (type(copy), str(copy), copy.__dict__)
