import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from test_player import RIGHT, WRONG, app, patience, without_place

from reference_ws.testing import TestClient, connect
from reference_ws.testing.inmemory import InMemoryConnection, handshake
from reference_ws.transcript import format_step, parse, play
from reference_ws.transcript.observer import Observer
from reference_ws.transcript.steps import Connect

pytestmark = pytest.mark.anyio


async def listens(websocket):
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


async def refuses(websocket):
    await websocket.send_denial_response(PlainTextResponse("no", 401))


plain = Starlette(routes=[WebSocketRoute("/", listens), WebSocketRoute("/refuses", refuses)])
PLAYS = [(app, text) for text in RIGHT.values()] + [(app, text) for text, _ in WRONG.values()]
PLAYS += [
    (plain, '-> connect /\n<- accept\n-> text "a"\n<- text "a"\n-> close\n!! WebSocketDisconnect'),
    (plain, '-> connect /\n<- accept\n-> bytes 00\n!! KeyError "text"'),
    (plain, '-> connect /refuses\n<- deny 401 text "no"'),
    (plain, "-> connect /\n== client=CONNECTED application=CONNECTING\n<- accept\n-> drop"),
]


async def passes(client, message):
    await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize(("application", "text"), PLAYS)
async def test_an_observed_application_does_what_it_did(application, text):
    transcript, timeout_s = parse(text), patience(text)
    alone = await play(application, transcript, timeout_s=timeout_s)
    observed = await play(Observer(application, lambda event: None), transcript, timeout_s=timeout_s)
    assert without_place(alone) == without_place(observed)


def told(events):
    return [
        f"{'undone: ' if event.undone else ''}{format_step(event.step)}"
        f" | {event.client_state.name} {event.application_state.name}"
        for event in events
    ]


async def test_all_that_happens_is_reported_with_both_states_after_it():
    events = []
    text = """
        ana -> connect /closes
        ana <- accept
        li -> connect /nowhere
        li <- deny 404
        ana -> text "go"
        ana <- close 4000 "done"
    """
    assert (await play(Observer(app, events.append), parse(text))).ok
    assert [
        "client1 -> connect /closes | CONNECTING CONNECTING",
        "client1 == client=CONNECTED application=CONNECTING | CONNECTED CONNECTING",
        "client1 <- accept | CONNECTED CONNECTED",
        "client2 -> connect /nowhere | CONNECTING CONNECTING",
        "client2 == client=CONNECTING application=RESPONSE | CONNECTING RESPONSE",
        'client2 <- deny 404 text "Not Found" | CONNECTING DISCONNECTED',
        'client1 -> text "go" | CONNECTED CONNECTED',
        'client1 <- close 4000 "done" | CONNECTED DISCONNECTED',
    ] == told(events)


async def test_time_counts_from_the_connect():
    events = []
    await play(Observer(app, events.append), parse('-> connect /ticks\n<- accept\n<- text "tick"'))
    assert isinstance(events[0].step, Connect)
    seconds = [event.seconds for event in events]
    assert sorted(seconds) == seconds
    assert pytest.approx((0, 3)) == (seconds[0], seconds[-1])


async def test_a_message_is_reported_before_the_server_takes_it():
    seen = []

    async def slow(scope, receive, send):
        async def late_send(message):
            await send(message)
            await anyio.sleep(0.02)

        await Observer(app, lambda event: seen.append(format_step(event.step)))(scope, receive, late_send)

    async with connect(slow, "/echo") as client:
        await client.send_text("answer")
        assert "answer" == await client.receive_text()
    assert seen.index("client1 <- accept") < seen.index('client1 -> text "answer"')


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        (
            [
                'client1 <- text "x" | CONNECTED CONNECTED',
                'undone: client1 <- text "x" | DISCONNECTED DISCONNECTED',
                "client1 -> drop | DISCONNECTED DISCONNECTED",
            ],
            OSError,
        ),
        (
            ['client1 <- text "x" | CONNECTED CONNECTED', 'undone: client1 <- text "x" | CONNECTED CONNECTED'],
            RuntimeError,
        ),
    ],
)
async def test_a_message_that_the_server_did_not_take_is_taken_back(expected, error):
    events = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        with pytest.raises(error):
            await send({"type": "websocket.send", "text": "x"})

    async def send(message):
        if message["type"] == "websocket.send":
            raise error

    connection = InMemoryConnection(handshake("/"))
    await Observer(application, events.append)(connection.scope, connection.receive, send)
    assert expected == told(events)[3:]


async def test_what_comes_after_the_end_is_not_reported():
    events = []

    async def application(scope, receive, send):
        for message in ({"type": "websocket.accept"}, {"type": "websocket.close"}):
            await send(message)
        with pytest.raises(RuntimeError):
            await send({"type": "websocket.send", "text": "late"})

    connection = InMemoryConnection(handshake("/"))
    await connection.run(Observer(application, events.append))
    assert connection.error is None
    assert "client1 <- close 1000 | CONNECTING DISCONNECTED" == told(events)[-1]


def test_http_passes_through():
    events = []
    assert 404 == TestClient(Observer(app, events.append)).get("/").status_code
    assert [] == events
