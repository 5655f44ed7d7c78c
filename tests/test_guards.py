from functools import partial

import anyio
import pytest
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from reference_ws import App, WebSocket, WebSocketDisconnect
from reference_ws.guards import LimitGuard, OriginGuard
from reference_ws.testing import HandshakeRefused, TestClient, connect, handshake
from reference_ws.transcript import check

pytestmark = pytest.mark.anyio

ended: list[object] = []


@pytest.fixture(autouse=True)
def nothing_ended():
    ended.clear()


async def echo(websocket: WebSocket):
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect as error:
        ended.append((error.code, error.reason))


def guarded(guard, **options):
    app = App(
        routes=[Route("/", lambda request: PlainTextResponse("over HTTP"))], middleware=[Middleware(guard, **options)]
    )
    app.router.websocket("/")(echo)
    return app


# --- origins ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("let_in", "origin", "host"),
    [
        (True, "http://example.org", "example.org"),
        (True, "https://example.org", "example.org"),
        (True, "https://example.org:443", "example.org"),
        (True, "http://example.org", "example.org:80"),
        (True, "http://EXAMPLE.org:8000", "example.org:8000"),
        (True, "http://[::1]:8000", "[::1]:8000"),
        (False, "http://example.org:8000", "example.org"),
        (False, "http://evil.org", "example.org"),
        (False, "http://example.org.evil.org", "example.org"),
        (False, "http://evil.org/example.org", "example.org"),
        (False, "http://example.org@evil.org", "example.org"),
        (False, "null", "example.org"),
        (False, "", "example.org"),
        (False, "http://", ""),
        (False, "http://example.org:x", "example.org:x"),
        (False, "file://example.org", "example.org"),
        (False, None, "example.org"),
        (True, "http://[::1]:80", "[::1]"),
        (True, "http://my_host:3000", "my_host:3000"),
        (True, "https://xn--80ak6aa92e.com", "xn--80ak6aa92e.com"),
        (True, "http://example.org.", "example.org."),
        (False, "https://example.org", "example.org:80"),
        (False, "http://example.org.", "example.org"),
        (False, "http://example.org:", "example.org:"),
        (False, "http://example.org:99999", "example.org:99999"),
        (False, "http://@example.org", "@example.org"),
        (False, "http://:secret@example.org", ":secret@example.org"),
        (False, "http://example.org?", "example.org"),
        (False, "http://a b", "a b"),
        (False, "http://[::1]x", "[::1]x"),
        (False, "http://exam\tple.org", "example.org"),
        (False, " http://example.org", "example.org"),
        (False, "http://example.org http://example.org", "example.org"),
        (False, "wss://example.org", "example.org"),
    ],
)
async def test_only_pages_of_the_same_origin_are_let_in(let_in, origin, host):
    headers = {"host": host, **({} if origin is None else {"origin": origin})}
    app = guarded(OriginGuard)
    if let_in:
        async with connect(app, "/", headers=headers):
            pass
    else:
        with pytest.raises(HandshakeRefused) as refused:
            async with connect(app, "/", headers=headers):
                pass
        assert 403 == refused.value.status


async def test_named_origins_are_let_in():
    app = guarded(OriginGuard, allowed_origins=["https://Friend.org", "http://localhost:3000"])
    for origin in ("https://friend.org", "http://localhost:3000"):
        await check(app, f"-> connect /\n    origin: {origin}\n<- accept")
    await check(app, "-> connect /\n    origin: http://friend.org\n<- deny 403")
    await check(app, '-> connect /\n<- deny 403 text "This origin is not allowed here."')
    await check(app, "-> connect /\n<- deny 403", denial=False)
    await check(guarded(OriginGuard, allowed_origins=["*"]), "-> connect /\n    origin: null\n<- accept")


@pytest.mark.parametrize(
    ("named", "origin"),
    [
        ("https://friend.org:443", "https://friend.org"),
        ("https://friend.org", "https://friend.org:443"),
        ("http://[::1]:80", "http://[::1]"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
    ],
)
async def test_an_origin_is_the_same_with_its_default_port(named, origin):
    app = guarded(OriginGuard, allowed_origins=iter([named]))
    await check(app, f"-> connect /\n    origin: {origin}\n<- accept")
    await check(app, f"-> connect /\n    origin: {origin.rpartition('/')[0]}/x{origin.rpartition('/')[2]}\n<- deny 403")


@pytest.mark.parametrize("twice", ["origin", "host"])
async def test_two_origins_or_hosts_are_none(twice):
    app = guarded(OriginGuard)
    for values in (("http://example.org", "http://evil.org"), ("http://evil.org", "http://example.org")):
        headers = {"origin": values[:1], "host": ["example.org"]} | {
            twice: [value.removeprefix("http://" if twice == "host" else "") for value in values]
        }
        with pytest.raises(HandshakeRefused) as refused:
            async with connect(app, "/", headers=[(name, each) for name in headers for each in headers[name]]):
                pass
        assert 403 == refused.value.status


async def test_clients_without_an_origin_are_let_in_when_that_is_allowed():
    app = guarded(OriginGuard, allow_absent=True)
    await check(app, "-> connect /\n<- accept")
    await check(app, "-> connect /\n    origin: http://evil.org\n<- deny 403")


@pytest.mark.parametrize(
    "origin",
    [
        *("example.org", "https://example.org/", "https://", "null", "wss://example.org", "https://пример.рф"),
        *("https://user@example.org", "https://example.org?", " https://example.org", "https://example.org:65536"),
    ],
)
def test_what_is_no_origin_is_a_value_error(origin):
    with pytest.raises(ValueError, match="is no origin"):
        OriginGuard(App(), [origin])


def test_one_string_is_no_list_of_origins():
    with pytest.raises(TypeError, match="takes a list"):
        OriginGuard(App(), "https://example.org")


@pytest.mark.parametrize("guard", [OriginGuard, partial(LimitGuard, max_connections=1)])
def test_http_is_left_alone(guard):
    assert "over HTTP" == TestClient(guarded(guard)).get("/", headers={"origin": "http://evil.org"}).text


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "payload"), [(4, 'text "abcd"'), (5, 'text "abcde"'), (6, 'text "яяя"'), (5, "bytes 0102030405")]
)
async def test_a_message_that_is_too_big_closes_with_1009(size, payload):
    app = guarded(LimitGuard, max_message_bytes=4)
    if size <= 4:
        await check(app, f"-> connect /\n<- accept\n-> {payload}\n<- text ...\n-> close")
        return
    reason = "messages have at most 4 bytes"
    await check(app, f'-> connect /\n<- accept\n-> {payload}\n<- close 1009 "{reason}"')
    assert [(1009, reason)] == ended


async def test_nothing_follows_the_guards_own_end():
    async def app(scope, receive, send):
        assert "websocket.connect" == (await receive())["type"]
        await send({"type": "websocket.accept"})
        assert {
            "type": "websocket.disconnect",
            "code": 1009,
            "reason": "messages have at most 4 bytes",
        } == await receive()
        for message in ({"type": "websocket.send", "text": "x"}, {"type": "websocket.close", "code": 1000}):
            with pytest.raises(OSError, match="the guard has closed"):
                await send(message)

    await check(
        LimitGuard(app, max_message_bytes=4),
        '-> connect /\n<- accept\n-> text "abcde"\n<- close 1009 "messages have at most 4 bytes"',
    )


async def test_a_guard_closes_nothing_that_is_closed():
    messages = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "abcde"}]
    sent = []

    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000})
        await send({"type": "websocket.ping"})  # of some extension
        assert 1009 == (await receive())["code"]

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    await LimitGuard(app, max_message_bytes=4)(handshake("/"), receive, send)
    assert ["websocket.accept", "websocket.close", "websocket.ping"] == sent


async def test_too_many_messages_close_with_1008():
    app = guarded(LimitGuard, messages_per_s=0.01, burst=3)
    said = '-> text "x"\n<- text "x"\n' * 3
    await check(app, f'-> connect /\n<- accept\n{said}-> text "x"\n<- close 1008 "too many messages"')
    assert [(1008, "too many messages")] == ended


async def test_messages_within_the_rate_pass():
    app = guarded(LimitGuard, messages_per_s=50, burst=1)
    async with connect(app, "/") as client:
        for _ in range(3):
            await client.send_text("x")
            assert "x" == await client.receive_text()
            await anyio.sleep(0.03)


async def test_an_idle_client_is_closed_with_1001():
    await check(guarded(LimitGuard, idle_timeout_s=0.02), '-> connect /\n<- accept\n<- close 1001 "idle for too long"')
    assert [(1001, "idle for too long")] == ended


async def test_after_the_guard_has_closed_sends_find_the_client_gone():
    async def sends(websocket: WebSocket):
        await websocket.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(websocket.receive)
            await anyio.sleep(0.05)
            with pytest.raises(WebSocketDisconnect) as raised:
                await websocket.send_text("late")
            ended.append(raised.value.code)

    app = App(middleware=[Middleware(LimitGuard, idle_timeout_s=0.01)])
    app.router.websocket("/")(sends)
    await check(app, '-> connect /\n<- accept\n<- close 1001 "idle for too long"')
    assert [1001] == ended


async def test_more_connections_than_allowed_are_refused_until_one_ends():
    app = guarded(LimitGuard, max_connections=2)
    await check(
        app,
        """
        a -> connect /
        a <- accept
        b -> connect /
        b <- accept
        c -> connect /
        c <- deny 503 text "Too many connections."
        a -> close
        c -> connect /
        c <- accept
        """,
    )
    await check(app, "-> connect /\n<- accept")  # all have ended: nothing is counted any more


async def test_one_client_can_not_take_all():
    app = guarded(LimitGuard, max_connections_per_client=1)
    async with connect(app, "/", client=("10.0.0.1", 1)):
        with pytest.raises(HandshakeRefused) as refused:
            async with connect(app, "/", client=("10.0.0.1", 2)):
                pass
        assert 429 == refused.value.status
        async with connect(app, "/", client=("10.0.0.2", 1)), connect(app, "/", client=None):
            pass
    async with connect(app, "/", client=("10.0.0.1", 3)):
        pass


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"max_message_bytes": 0}, r"max_message_bytes=0\): a bound is more than 0"),
        ({"idle_timeout_s": -1}, "idle_timeout_s=-1"),
        ({"messages_per_s": float("nan")}, "messages_per_s=nan"),
        ({"messages_per_s": float("inf")}, "messages_per_s=inf"),
        ({"burst": 2}, "needs messages_per_s"),
    ],
)
def test_a_bound_that_makes_no_sense_is_a_value_error(options, problem):
    with pytest.raises(ValueError, match=problem):
        LimitGuard(App(), **options)


async def test_who_is_cut_off_hears_the_same_end_again():
    ends = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        ends.extend([await receive(), await receive()])

    async with connect(LimitGuard(application, max_message_bytes=1), "/", lifespan=False) as client:
        await client.send_text("long")
    assert ends[0] == ends[1]
    assert "websocket.disconnect" == ends[0]["type"]
