import pytest
from starlette.responses import JSONResponse

from reference_ws import App, WebSocket
from reference_ws.testing import HandshakeRefused, InMemoryConnection, TestClient, connect, handshake
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
