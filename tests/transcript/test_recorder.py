import anyio
import pytest
from starlette.responses import JSONResponse

from reference_ws import App, WebSocket, WebSocketDisconnect
from reference_ws.testing import HandshakeRefused, TestClient, connect
from reference_ws.testing.inmemory import InMemoryConnection, handshake
from reference_ws.transcript import Recorder, format_transcript, parse, play

pytestmark = pytest.mark.anyio

app = App()


@app.router.websocket("/echo")
async def echo(websocket: WebSocket):
    protocols = websocket["subprotocols"]
    await websocket.accept(protocols[0] if protocols else None, [(b"x-a", b"1")])
    while (message := await websocket.receive())["type"] == "websocket.receive":
        await websocket.send({**message, "type": "websocket.send"})


@app.router.websocket("/closes")
async def closes(websocket: WebSocket):
    await websocket.accept()
    await websocket.close(4000, "done")


@app.router.websocket("/private")
async def private(websocket: WebSocket):
    await websocket.send_denial_response(JSONResponse({"error": "key"}, 401))


@app.router.websocket("/breaks")
async def breaks(websocket: WebSocket):
    raise ValueError("broken")


RECORDED = {
    "talk": """\
-> connect /echo?a=1
    cookie: a=b
    sec-websocket-protocol: chat
<- accept
    x-a: 1
    sec-websocket-protocol: chat
-> text "你好"
<- text "你好"
-> json {"a": 1}
<- json {"a": 1}
-> bytes 00 ff
<- bytes 00 ff
-> close 4001 "bye"
""",
    "application closes": """\
-> connect /closes
<- accept
<- close 4000 "done"
""",
    "client vanishes": """\
-> connect /echo
<- accept
    x-a: 1
-> drop
""",
    "refused by close": """\
-> connect /plain
<- deny 403
""",
    "refused with a response": """\
-> connect /private
<- deny 401 json {"error": "key"}
    content-length: 15
    content-type: application/json
""",
    "raises": """\
-> connect /breaks
<- deny 500 text "Internal Server Error"
    content-length: 21
    content-type: text/plain; charset=utf-8
!! ValueError "broken"
""",
    "several clients": """\
client1 -> connect /echo
client1 <- accept
    x-a: 1
client2 -> connect /echo
client2 <- accept
    x-a: 1
client2 -> text "x"
client2 <- text "x"
client1 -> close 1000
client2 -> close 1000
""",
}


@app.router.websocket("/plain")
async def plain(websocket: WebSocket):
    await websocket.receive()
    await websocket.close()


@app.router.websocket("/waits")
async def waits(websocket: WebSocket):
    await websocket.receive()
    await websocket.receive()


@pytest.mark.parametrize("text", RECORDED.values(), ids=RECORDED)
async def test_playing_a_recording_records_it_again(text):
    recorder = Recorder(app)
    report = await play(recorder, parse(text))
    assert report.ok, report
    assert text == format_transcript(recorder.transcript())


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 4000])
async def test_a_client_that_leaves_before_accept_is_recorded_as_dropped(code):
    recorder = Recorder(app)
    connection = InMemoryConnection(handshake("/waits"))
    connection.leave(code, "bye")
    await connection.run(recorder)
    assert "-> connect /waits\n-> drop\n" == format_transcript(recorder.transcript())


async def test_a_connection_of_a_test_client_is_recorded():
    recorder = Recorder(app)
    async with connect(recorder, "/echo") as client:
        await client.send_text("x")
        await client.receive_text()
        await client.close(1001)
    with pytest.raises(HandshakeRefused):
        async with connect(recorder, "/plain"):
            pass
    assert """\
client1 -> connect /echo
client1 <- accept
    x-a: 1
client1 -> text "x"
client1 <- text "x"
client1 -> close 1001
client2 -> connect /plain
client2 <- deny 403
""" == format_transcript(recorder.transcript())


def test_http_passes_through():
    recorder = Recorder(app)
    assert 404 == TestClient(recorder).get("/").status_code
    assert () == recorder.transcript().steps


async def test_a_client_that_vanishes_from_a_handler_that_only_sends_is_recorded():
    async def ticks(scope, receive, send):
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "text": "tick"})
            await anyio.sleep(0.01)

    async def use():
        async with connect(recorder, "/") as client:
            await client.receive_text()
            await client.drop()

    recorder = Recorder(ticks)
    with pytest.raises(OSError, match="the client has left"):
        await use()
    told = '-> connect /\n<- accept\n<- text "tick"\n-> drop\n!! OSError "the client has left"\n'
    assert told == format_transcript(recorder.transcript())


async def test_a_send_after_the_clients_close_leaves_no_trace():
    async def late(scope, receive, send):
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        with pytest.raises(OSError, match="the client has left"):
            await send({"type": "websocket.send", "text": "late"})

    recorder = Recorder(late)
    async with connect(recorder, "/") as client:
        await client.close(4000)
    assert "-> connect /\n<- accept\n-> close 4000\n" == format_transcript(recorder.transcript())


async def test_an_answer_is_recorded_after_what_it_answers():
    async def asks(websocket: WebSocket):
        await websocket.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(websocket.receive_text)
            await websocket.send_text("question")

    recorder = Recorder(App())
    recorder.app.router.websocket("/")(asks)

    async def slow(scope, receive, send):
        async def late_send(message):
            await send(message)
            await anyio.sleep(0.02)

        await recorder(scope, receive, late_send)

    async with connect(slow, "/") as client:
        assert "question" == await client.receive_text()
        await client.send_text("answer")
        with pytest.raises(WebSocketDisconnect):
            await client.receive_text()
    expected = '-> connect /\n<- accept\n<- text "question"\n-> text "answer"\n<- close 1000\n'
    assert expected == format_transcript(recorder.transcript())


@pytest.mark.parametrize("raw_path", [True, False])
async def test_a_target_that_is_not_ascii_is_recorded_as_on_the_wire(raw_path):
    async def ends(scope, receive, send):
        pass

    recorder = Recorder(ends)
    scope = handshake("/房间?name=你好")
    if not raw_path:  # some servers don't give it
        del scope["raw_path"]
    await recorder(scope, anyio.sleep_forever, anyio.sleep_forever)
    expected = "-> connect /%E6%88%BF%E9%97%B4?name=%E4%BD%A0%E5%A5%BD\n"
    assert expected == format_transcript(recorder.transcript())


@pytest.mark.parametrize("text", ["[NaN]", f"[{'9' * 5000}]", "[1e999]", "[" * 999, "\ud800"])
async def test_any_frame_can_be_recorded_and_written(text):
    async def sends(scope, receive, send):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": text})

    async def takes(message):
        pass

    recorder = Recorder(sends)
    await recorder(handshake("/"), anyio.sleep_forever, takes)
    last = format_transcript(recorder.transcript()).splitlines()[-1]
    assert last.startswith("<- text ")
    assert last.encode()
