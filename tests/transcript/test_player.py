import json
import socket
from queue import SimpleQueue

import anyio
import pytest
from server import WAIT_S, in_thread
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import WebSocketRoute

from reference_ws import App, WebSocket, WebSocketDisconnect
from reference_ws.transcript import TranscriptError, TranscriptFailure, check, parse, play
from reference_ws.transcript.steps import Raised, States

pytestmark = pytest.mark.anyio

app = App()
guests: set[WebSocket] = set()


@app.router.websocket("/echo")
async def echo(websocket: WebSocket):
    protocols = websocket["subprotocols"]
    await websocket.accept(protocols[0] if protocols else None, [(b"x-cookie", repr(websocket.cookies).encode())])
    while True:
        message = await websocket.receive()
        if message["type"] != "websocket.receive":
            break
        await websocket.send({**message, "type": "websocket.send"})


@app.router.websocket("/room")
async def room(websocket: WebSocket):
    await websocket.accept()
    guests.add(websocket)
    try:
        async for text in websocket.iter_text():
            for guest in list(guests):
                await guest.send_text(text)
    finally:
        guests.discard(websocket)


@app.router.websocket("/closes")
async def closes(websocket: WebSocket):
    await websocket.accept()
    await websocket.receive_text()
    await websocket.close(4000, "done")


@app.router.websocket("/ticks")
async def ticks(websocket: WebSocket):
    await websocket.accept()
    await anyio.sleep(3)  # over a socket it passes: an accept that comes late must leave room for the silence
    await websocket.send_text("tick")
    await websocket.receive()


@app.router.websocket("/talks")
async def talks(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text("one")
    await websocket.send_text("two")
    await websocket.receive()


@app.router.websocket("/late")
async def late(websocket: WebSocket):
    await websocket.receive()
    await websocket.receive()


waiting: list[anyio.Event] = []


@app.router.websocket("/pair")
async def pair(websocket: WebSocket):
    if waiting:
        waiting.pop().set()
    else:
        waiting.append(anyio.Event())
        await waiting[0].wait()
    await websocket.accept()
    await websocket.receive()


@app.router.websocket("/scope/{name}")
async def shows_scope(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_json([websocket.scope["path"], websocket.scope["query_string"].decode()])
    await websocket.send_json([websocket.headers["host"], websocket.headers.get("user-agent")])
    await websocket.receive()


@app.router.websocket("/moved")
async def moved(websocket: WebSocket):
    await websocket.send_denial_response(RedirectResponse("/echo"))


@app.router.websocket("/ticker")
async def ticker(websocket: WebSocket):
    await websocket.accept()
    while True:
        await websocket.send_text("tick")
        await anyio.sleep(2)  # over a socket it passes, and the client has to leave before the third


@app.router.websocket("/surrogate")
async def surrogate(websocket: WebSocket):
    await websocket.accept()
    try:
        await websocket.send_text("\ud800")
    except UnicodeEncodeError:
        await websocket.send_text("can't be sent")
    await websocket.receive()


@app.router.websocket("/nan")
async def nan(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text("[NaN]")
    await websocket.receive()


@app.router.websocket("/breaks")
async def breaks(websocket: WebSocket):
    await websocket.accept()
    raise ValueError("broken")


@app.router.websocket("/stuck")
async def stuck(websocket: WebSocket):
    await websocket.accept()
    await anyio.sleep_forever()  # stuck here


RIGHT = {
    "text, bytes and json": """
        -> connect /echo
        <- accept
        -> text "你好"
        <- text "你好"
        -> bytes 00 ff
        <- bytes 00 ff
        -> json {"a": [1, null]}
        <- json {"a": [1, null]}
    """,
    "json is compared as a value, in either spelling": """
        -> connect /echo
        <- accept
        -> text "{ \\"a\\" : 1.0 }"
        <- json {"a": 1}
        -> bytes json [1]
        <- bytes json [...]
        -> text "x"
        <- text ...
    """,
    "headers and subprotocols": """
        -> connect /echo
            cookie: a=b
            sec-websocket-protocol: chat, superchat
        <- accept
            sec-websocket-protocol: chat
            x-cookie: {'a': 'b'}
    """,
    "several clients, order only for each": """
        ana -> connect /room
        ana <- accept
        li -> connect /room
        li <- accept
        li -> text "hello"
        li <- text "hello"
        ana <- text "hello"
        ana -> close
        ana -> connect /room
        ana <- accept
    """,
    "the application closes": """
        -> connect /closes
        <- accept
        -> text "go"
        <- close 4000 "done"
    """,
    "silence, then not": """
        -> connect /ticks
        <- accept
        .. 20ms
        <- text "tick"
    """,
    "refused": """
        -> connect /nowhere
        <- deny 404 text "Not Found"
            content-type: text/plain; charset=utf-8
    """,
    "the client vanishes": """
        -> connect /echo
        <- accept
        -> drop
    """,
    "a close frame without a code": """
        -> connect /echo
        <- accept
        -> close 1005
    """,
    "what was sent before the client closed stands after it": """
        -> connect /talks
        <- accept
        -> close
        <- text "one"
        <- text "two"
    """,
    "what was sent before the client vanished stands after it": """
        -> connect /echo
        <- accept
        -> text "a"
        -> drop
        <- text "a"
    """,
    "an accept that a vanishing client did not wait for": """
        -> connect /echo
        -> drop
        <- accept
    """,
    "the ends cross": """
        -> connect /closes
        <- accept
        -> text "go"
        -> close
        <- close 4000 "done"
    """,
    "what is sent after the client vanished is lost": """
        -> connect /ticker
        <- accept
        <- text "tick"
        <- text "tick"
        -> drop
    """,
    "a client gives up before any answer": """
        -> connect /late
        .. 20ms
        -> drop
    """,
    "two handshakes that wait for each other": """
        ana -> connect /pair
        li -> connect /pair
        ana <- accept
        li <- accept
    """,
    "a target that is not ASCII": """
        -> connect /scope/房间?name=你好&a=b%20c
        <- accept
        <- json ["/scope/房间", "name=%E4%BD%A0%E5%A5%BD&a=b%20c"]
        <- json ...
    """,
    "headers in place of the client's own": """
        -> connect /scope/a
            host: Example.org:80
            user-agent: me
            connection: Upgrade
        <- accept
        <- json ["/scope/a", ""]
        <- json ["Example.org:80", "me"]
    """,
    "a redirect is a refusal": """
        -> connect /moved
        <- deny 307
            location: /echo
    """,
    "a target that begins with two slashes": """
        -> connect //echo
        <- deny 404
    """,
    "text that no wire can carry": """
        -> connect /surrogate
        <- accept
        <- text "can't be sent"
    """,
}

WRONG = {
    "another text": (
        """
        -> connect /echo
        <- accept
        -> text "a"
        <- text "b"
        """,
        """
t.md:5: expected and got differ
    -> connect /echo
    <- accept
    -> text "a"
  - <- text "b"
  + <- text "a"
""",
    ),
    "another kind of number": (
        """
        -> connect /echo
        <- accept
        -> text "[true]"
        <- json [1]
        """,
        """
t.md:5: expected and got differ
    -> connect /echo
    <- accept
    -> text "[true]"
  - <- json [1]
  + <- json [true]
""",
    ),
    "a binary frame for a text frame": (
        """
        -> connect /echo
        <- accept
        -> bytes 61
        <- text "a"
        """,
        """
t.md:5: expected and got differ
    -> connect /echo
    <- accept
    -> bytes 61
  - <- text "a"
  + <- bytes 61
""",
    ),
    "something that no line expects": (
        """
        -> connect /talks
        <- accept
        <- text "one"
        """,
        """
t.md:4: expected and got differ
    -> connect /talks
    <- accept
    <- text "one"
  - (nothing more)
  + <- text "two"
""",
    ),
    "a close that no line expects": (
        """
        -> connect /closes
        <- accept
        -> text "go"
        """,
        """
t.md:4: expected and got differ
    -> connect /closes
    <- accept
    -> text "go"
  - (nothing more)
  + <- close 4000 "done"
""",
    ),
    "another close code": (
        """
        -> connect /closes
        <- accept
        -> text "go"
        <- close 4001 "done"
        """,
        """
t.md:5: expected and got differ
    -> connect /closes
    <- accept
    -> text "go"
  - <- close 4001 "done"
  + <- close 4000 "done"
""",
    ),
    "a missing header": (
        """
        -> connect /echo
        <- accept
            x-other: 1
        """,
        """
t.md:3: expected and got differ
    -> connect /echo
  - <- accept
  + <- accept
      x-other: 1   (missing)
""",
    ),
    "accepted instead of refused": (
        """
        -> connect /echo
        <- deny 403
        """,
        """
t.md:3: expected and got differ
    -> connect /echo
  - <- deny 403
  + <- accept
""",
    ),
    "no silence": (
        """
        -> connect /talks
        <- accept
        .. 60000ms
        """,
        """
t.md:4: expected and got differ
    -> connect /talks
    <- accept
  - .. 60000ms
  + <- text "one"
""",
    ),
    "unread when the client closes": (
        """
        -> connect /echo
        <- accept
        -> text "a"
        -> close
        """,
        """
t.md:5: expected and got differ
    -> connect /echo
    <- accept
    -> text "a"
    -> close 1000
  - (nothing more)
  + <- text "a"
""",
    ),
    "unread when the client vanishes": (
        """
        -> connect /talks
        <- accept
        <- text "one"
        -> drop
        """,
        """
t.md:5: expected and got differ
    -> connect /talks
    <- accept
    <- text "one"
    -> drop
  - (nothing more)
  + <- text "two"
""",
    ),
    "unread when the client connects again": (
        """
        -> connect /talks
        <- accept
        -> close
        -> connect /talks
        """,
        """
t.md:5: expected and got differ
    -> connect /talks
    <- accept
    -> close 1000
  - -> connect /talks
  + <- text "one"
""",
    ),
    "an accept that is not read": (
        """
        -> connect /echo
        -> drop
        """,
        """
t.md:3: expected and got differ
    -> connect /echo
    -> drop
  - (nothing more)
  + <- accept
""",
    ),
    "a refusal that is not read": (
        """
        -> connect /nowhere
        """,
        """
t.md:2: expected and got differ
    -> connect /nowhere
  - (nothing more)
  + <- deny 404 text "Not Found"
""",
    ),
    "a close that is not read": (
        """
        -> connect /closes
        <- accept
        -> text "go"
        -> close 4001
        """,
        """
t.md:5: expected and got differ
    -> connect /closes
    <- accept
    -> text "go"
    -> close 4001
  - (nothing more)
  + <- close 4000 "done"
""",
    ),
    "an answer that does not come": (
        """
        -> connect /late
        .. 10ms
        <- accept
        """,
        """
t.md:4: expected and got differ
    -> connect /late
    .. 10ms
  - <- accept
  + (nothing within 0.2 s)
""",
    ),
    "text that looks like JSON": (
        """
        -> connect /nan
        <- accept
        <- json [1]
        """,
        """
t.md:4: expected and got differ
    -> connect /nan
    <- accept
  - <- json [1]
  + <- text "[NaN]"
""",
    ),
}


async def report_of(target, text, **options):
    return await play(target, parse(text, file="t.md"), timeout_s=options.pop("timeout_s", 60), **options)


def patience(text):
    """Wait only for a moment where nothing comes."""
    return 0.2 if "/late" in text else 60


def without_place(report):
    """Leave out what only the player in memory can tell."""
    return str(report).partition("\nthe application waits at ")[0]


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
async def test_what_is_as_written_passes_in_memory(text):
    report = await report_of(app, text)
    assert report.ok, report
    assert parse(text).steps == report.played


@pytest.mark.parametrize(("text", "failure"), WRONG.values(), ids=WRONG)
async def test_what_differs_fails_in_memory(text, failure):
    assert failure.strip() == without_place(await report_of(app, text, timeout_s=patience(text)))


def served(application):
    from server import in_loop  # here: Pyodide has no sockets (`make py314`)

    return in_loop(application)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_same_passes_and_fails_over_a_socket(anyio_backend):
    async with served(app) as url:
        for text in RIGHT.values():
            report = await report_of(url, text)
            assert report.ok, report
        for text, failure in WRONG.values():
            assert failure.strip() == str(await report_of(url, text, timeout_s=patience(text)))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_over_a_socket_the_inside_is_not_checked_and_that_is_told(anyio_backend):
    async with served(app) as url:
        report = await report_of(
            url, "-> connect /breaks\n<- accept\n== client=CONNECTING application=CONNECTING\n<- close 1011\n!! Nothing"
        )
    assert report.ok, report
    assert [States, Raised] == [type(step) for step in report.unchecked]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_header_beyond_ascii_is_read_alike_in_memory_and_over_a_socket(anyio_backend):
    async def greets(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"x-name", "Zoë".encode("latin-1"))]})
        await send({"type": "websocket.close"})

    text = "-> connect /\n<- accept\n    x-name: Zoë\n<- close 1000\n"
    assert (await report_of(greets, text)).ok
    async with served(greets) as url:
        assert (await report_of(url, text)).ok


async def test_an_exception_that_no_line_expects_is_told_after_one_that_was_expected():
    broken = "-> connect /breaks\n<- accept\n<- close 1011\n"
    report = await report_of(app, f"{broken}!! ValueError\n{broken}")
    assert "the application raised ValueError: broken" in str(report)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_at_the_end_the_client_over_a_socket_leaves_as_one_whose_page_is_closed(anyio_backend):
    codes = []

    async def listens(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        codes.append((await receive())["code"])

    async with served(listens) as url:
        assert (await report_of(url, "-> connect /\n<- accept")).ok
        with anyio.fail_after(WAIT_S):
            while not codes:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.005)
    assert [1001] == codes


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_server_that_is_not_there_is_a_failure(anyio_backend):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        report = await report_of(f"ws://127.0.0.1:{taken.getsockname()[1]}", "-> connect /\n<- accept")
    assert "can't connect to ws://127.0.0.1:" in str(report)


# --- what only the player in memory sees ------------------------------------------------------------------------------


async def test_states_stand_between_two_messages():
    await check(
        app,
        """
        -> connect /closes
        == client=CONNECTED application=CONNECTING
        <- accept
        == client=CONNECTED application=CONNECTED
        -> text "go"
        == client=CONNECTED application=CONNECTED
        <- close 4000 "done"
        == client=CONNECTED application=DISCONNECTED
        """,
    )


async def test_other_states_fail():
    report = await report_of(app, "-> connect /echo\n== client=CONNECTING application=CONNECTED")
    assert "  + == client=CONNECTED application=CONNECTING" in str(report)


@pytest.mark.parametrize(
    ("line", "got"),
    [
        ("!! KeyError", '!! ValueError "broken"'),
        ('!! ValueError "other"', '!! ValueError "broken"'),
        (".. 1ms", '!! ValueError "broken"'),
    ],
)
async def test_another_exception_or_one_that_no_line_expects_fails(line, got):
    report = await report_of(app, f"-> connect /breaks\n<- accept\n<- close 1011\n{line}")
    assert f"  + {got}" in str(report)


async def test_an_expected_exception_that_is_not_raised_fails():
    report = await report_of(app, "-> connect /nowhere\n<- deny 404\n!! ValueError")
    assert "  + (the application has ended)" in str(report)


async def test_a_line_that_does_not_come_fails_in_time_and_tells_where_the_handler_waits():
    report = await report_of(app, "-> connect /stuck\n<- accept\n<- text ...", timeout_s=0.05)
    *_, got, where = str(report).splitlines()
    assert "  + (nothing within 0.05 s)" == got
    assert where.startswith("the application waits at ")
    assert where.endswith("in stuck: await anyio.sleep_forever()  # stuck here")


async def test_a_handler_that_does_not_end_after_its_client_left_fails():
    report = await report_of(app, "-> connect /stuck\n<- accept\n-> close", timeout_s=0.05)
    assert "  + (nothing within 0.05 s)" in str(report)


async def test_a_server_without_the_denial_extension_can_be_played():
    await check(app, "-> connect /nowhere\n<- deny 403", denial=False)


async def test_other_asgi_applications_are_played_as_they_are():
    async def listen(websocket):
        await websocket.accept()
        await websocket.receive_text()

    starlette = Starlette(routes=[WebSocketRoute("/", listen)])
    await check(starlette, "-> connect /\n<- accept\n-> close\n!! WebSocketDisconnect")
    with pytest.raises(TranscriptFailure):
        await check(starlette, "-> connect /\n<- accept\n-> close")
    await check(starlette, "-> connect /\n<- accept")  # the player's own goodbye is nobody's fault


async def test_steps_are_reported_as_they_happen():
    seen = []
    transcript = parse("-> connect /nowhere\n<- deny 404")
    await play(app, transcript, on_step=seen.append)
    assert list(transcript.steps) == seen


async def test_check_is_an_assertion_and_names_the_file():
    with pytest.raises(AssertionError, match=r"^x\.ws:2: expected and got differ"):
        await check(app, "-> connect /nowhere\n<- accept", file="x.ws")
    with pytest.raises(TranscriptError, match=r"^x\.ws:1:"):
        await check(app, "-> conect /", file="x.ws")


# --- applications that do what a handler of this library can't -------------------------------------------------------


def sends(*to_send, then=None):
    """Make an ASGI application that sends these messages and then waits for the client, or does something else."""

    async def application(scope, receive, send):
        await receive()
        for message in to_send:
            await send(message)
        await (then or receive)()

    return application


ACCEPT = {"type": "websocket.accept"}
DENIAL = {"type": "websocket.http.response.start", "status": 401, "headers": []}


async def ends():
    pass


async def test_a_refusal_without_its_last_part_is_none():
    report = await report_of(sends(DENIAL, then=ends), "-> connect /\n<- deny 401")
    assert "  + (the application has ended)" in str(report)
    report = await report_of(sends(DENIAL), "-> connect /\n<- deny 401", timeout_s=0.05)
    assert "  + (nothing within 0.05 s)" in str(report)


@pytest.mark.parametrize("rest", ["\n.. 50ms", "", "\n-> drop"])
async def test_a_refusal_is_no_silence_from_its_first_part_on(rest):
    report = await report_of(sends(DENIAL), f"-> connect /{rest}")
    assert "  + <- deny 401" in str(report)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_subprotocol_that_the_client_did_not_offer_fails_at_the_accept(anyio_backend):
    application = sends({**ACCEPT, "subprotocol": "other"})
    text = "-> connect /\n    sec-websocket-protocol: chat\n<- accept\n    sec-websocket-protocol: other"
    in_memory = await report_of(application, text)
    async with served(application) as url:
        over_a_socket = await report_of(url, text)
    assert in_memory.expected == over_a_socket.expected == parse(text).steps[1]
    assert "did not offer the subprotocol 'other'" in str(in_memory)
    assert "unsupported subprotocol: other" in str(over_a_socket)


async def test_an_application_that_never_stops_sending_fails_in_time():
    async def application(scope, receive, send):
        await receive()
        await send(ACCEPT)
        while True:
            await send({"type": "websocket.send", "text": "more"})

    report = await report_of(application, "-> connect /\n<- accept\n-> close")
    assert '  + <- text "more"' in str(report)


async def test_what_waits_behind_a_message_for_another_client_was_sent_too():
    report = await report_of(
        app,
        """
        li -> connect /room
        li <- accept
        ana -> connect /room
        ana <- accept
        ana -> text "hello"
        ana -> close
        li <- text "hello"
        """,
    )
    assert '  + ana <- text "hello"' in str(report)


@pytest.mark.parametrize("name", ["JSONDecodeError", "json.JSONDecodeError", "json.decoder.JSONDecodeError"])
async def test_the_last_part_of_an_exceptions_name_counts(name):
    async def breaks_down():
        json.loads("{")

    application = sends(ACCEPT, then=breaks_down)
    await check(application, f"-> connect /\n<- accept\n!! {name}")
    with pytest.raises(TranscriptFailure):
        await check(application, "-> connect /\n<- accept\n!! JSONDecodeError.ValueError")


async def test_the_failure_of_a_test_inside_of_the_application_comes_out_as_it_is():
    async def fails():
        pytest.fail("mine")

    with pytest.raises(pytest.fail.Exception, match=r"^mine$"):
        await check(sends(ACCEPT, then=fails), "-> connect /\n<- accept")


@pytest.mark.parametrize("raised", [KeyboardInterrupt, pytest.skip.Exception])
async def test_what_a_listener_raises_comes_out_as_it_is(raised):
    def listener(step):
        raise raised("mine")

    with pytest.raises(raised, match=r"^mine$"):
        await play(app, parse("-> connect /echo\n<- accept"), on_step=listener)


HOSTILE = [
    "[NaN]",
    "[-Infinity]",
    f"[{'9' * 1200}]",
    f"[{'9' * 5000}]",
    "[1e999]",
    '["\\ud800"]',
    "[" * 999 + "]" * 999,
]


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:12] for text in HOSTILE])
async def test_a_frame_that_no_json_line_can_hold_is_told_as_text(text):
    report = await report_of(
        sends(ACCEPT, {"type": "websocket.send", "text": text}), "-> connect /\n<- accept\n<- json [1]"
    )
    assert f"  + <- text {json.dumps(text)}" in str(report)
    body = {"type": "websocket.http.response.body", "body": text.encode()}
    denial = {**DENIAL, "headers": [(b"content-type", b"application/json")]}
    report = await report_of(sends(denial, body), "-> connect /\n<- deny 401 json [1]")
    assert f"  + <- deny 401 text {json.dumps(text)}" in str(report)


ANSWERS = [
    ("-> connect /echo\n<- ...\n-> json 1\n<- json 1", None),
    ('-> connect /closes\n<- accept\n-> text "x"\n<- ...', None),
    ("-> connect /nowhere\n<- ...", None),
    ('-> connect /echo\n<- accept\n-> text "x"\n<- ...\n<- ...', "(nothing within"),
    ("-> connect /echo\n<- accept\n-> close\n<- ...", "(the application has ended)"),
    ('-> connect /closes\n<- accept\n-> text "x"\n<- close 4000 ...', None),
    ('-> connect /closes\n<- accept\n-> text "x"\n<- close 4001 ...', '<- close 4000 "done"'),
    ('-> connect /closes\n<- accept\n-> text "x"\n<- close 4000 "..."', '<- close 4000 "done"'),
    ("-> connect /nowhere\n<- deny 404 ...", None),
    ("-> connect /nowhere\n<- deny 403 ...", '<- deny 404 text "Not Found"'),
]


@pytest.mark.parametrize(("text", "instead"), ANSWERS)
async def test_what_may_be_anything(text, instead):
    report = await play(app, parse(text), timeout_s=0.1)
    assert report.ok is (instead is None), report
    assert instead is None or f"  + {instead}" in str(report)


@pytest.mark.parametrize(
    ("line", "expected"),
    [('-> close 4001 "bye"', (4001, "bye")), ("-> close 1005", (1005, ""))],
)
def test_a_client_leaves_over_a_socket_as_is_written(line, expected):
    heard = SimpleQueue()
    app = App()

    @app.router.websocket("/")
    async def handler(websocket: WebSocket):
        await websocket.accept()
        with pytest.raises(WebSocketDisconnect) as raised:
            await websocket.receive_text()
        heard.put((raised.value.code, raised.value.reason))

    with in_thread(app) as url:
        anyio.run(check, url, f"-> connect /\n<- accept\n{line}")
        assert expected == heard.get(timeout=WAIT_S)


async def test_what_follows_a_line_comes_after_all_that_the_application_does_at_once():
    said = []
    app = App()

    @app.router.websocket("/{name}")
    async def handler(websocket: WebSocket, name: str):
        await websocket.accept()
        await websocket.receive_text()
        if name == "a":
            await websocket.send_text("sent")
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            said.append("a goes on")
        else:
            await websocket.send_json(said)
        await websocket.receive()

    await check(
        app,
        """
        a -> connect /a
        a <- accept
        b -> connect /b
        b <- accept
        a -> text ""
        a <- text "sent"
        b -> text ""
        b <- json ["a goes on"]
        """,
    )
