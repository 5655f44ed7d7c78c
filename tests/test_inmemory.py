import re
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

import reference_ws
from reference_ws import App, SocketRoute, SocketView
from reference_ws.testing import inmemory
from reference_ws.testing.inmemory import InMemoryConnection, handshake, waiting_at

pytestmark = pytest.mark.anyio

TARGETS = [
    ("/echo?name=%E4%BD%A0%E5%A5%BD", "/echo", "/echo?name=你好"),
    ("/%E6%88%BF%E9%97%B4", "/房间", "/房间"),
    ("/a%20b?c=%20", "/a b", "/a b?c= "),
    ("/a%2Fb%20c?%C3%BC=%20", "/a/b c", "/a%2Fb%20c?ü=%20"),
    ("//a/b", "//a/b", "//a/b"),
    ("/", "/", "ws://example.org"),
    ("/a", "/a", "wss://example.org/a"),
]


@pytest.mark.parametrize(("on_the_wire", "path", "target"), TARGETS, ids=[target for *_, target in TARGETS])
def test_a_target_arrives_as_over_a_wire(on_the_wire, path, target):
    scope = handshake(target)
    raw_path, _, query = on_the_wire.partition("?")
    assert (raw_path.encode(), query.encode()) == (scope["raw_path"], scope["query_string"])
    assert path == scope["path"]


ACCEPT = {"type": "websocket.accept"}


def test_the_subprotocols_of_a_handshake_are_one_header():
    scope = handshake("/", subprotocols=["first", "second"])
    assert ["first", "second"] == scope["subprotocols"]
    assert (b"sec-websocket-protocol", b"first, second") == scope["headers"][-1]


@pytest.mark.parametrize("send_raises", [False, True])
async def test_a_message_to_a_client_that_has_left_is_something_that_happens(send_raises):
    """Who waits for an application to come to rest must see that it still does something."""
    connection = InMemoryConnection(handshake("/"), send_raises=send_raises)
    connection.leave()
    before = connection.steps
    with suppress(OSError):
        await connection.send(ACCEPT)
    assert connection.steps > before


@pytest.mark.parametrize(
    ("error", "messages"),
    [
        (RuntimeError, [ACCEPT, ACCEPT]),
        (RuntimeError, [{**ACCEPT, "subprotocol": "other"}]),
        (UnicodeEncodeError, [ACCEPT, {"type": "websocket.send", "text": "\ud800"}]),
        (UnicodeEncodeError, [ACCEPT, {"type": "websocket.close", "reason": "\ud800"}]),
    ],
)
async def test_what_no_server_can_send_is_an_error_and_moves_nothing(error, messages):
    connection = InMemoryConnection(handshake("/", subprotocols=["chat"]))
    *before, last = messages
    for message in before:
        await connection.send(message)
    state = connection.application_state
    with pytest.raises(error):
        await connection.send(last)
    assert state == connection.application_state
    assert before == [connection.take() for _ in before]
    assert not connection.sent


async def test_a_subprotocol_that_the_client_offered_can_be_accepted():
    connection = InMemoryConnection(handshake("/", headers={"sec-websocket-protocol": "a, chat"}))
    await connection.send({**ACCEPT, "subprotocol": "chat"})
    assert "chat" == connection.take()["subprotocol"]


async def test_a_client_cannot_send_a_lone_surrogate():
    connection = InMemoryConnection(handshake("/"))
    with pytest.raises(UnicodeEncodeError):
        connection.deliver("\ud800")


async def test_the_end_is_the_first_one():
    connection = InMemoryConnection(handshake("/"))
    assert connection.end is None
    connection.leave(4000, "first")
    connection.leave(1006)
    assert (4000, "first") == connection.end


# --- where an application waits ---------------------------------------------------------------------------------------


def program(file):
    """Let a file wait for itself: an outer function in it calls another's code."""
    namespace = {"sleep": anyio.sleep_forever}
    exec(compile("async def waits(wait=None):\n    await (wait or sleep())\n", str(file), "exec"), namespace)
    return namespace["waits"]


PACKAGE = Path(reference_ws.__file__).parent
LIBRARIES = Path(anyio.__file__).parents[1]


@pytest.mark.parametrize(
    ("expected", "files"),
    [
        ("/home/me/app.py", ["/home/me/app.py"]),
        ("/home/me/app.py", ["/home/me/app.py", LIBRARIES / "starlette" / "routing.py"]),
        (f"{PACKAGE}_demo/app.py", [f"{PACKAGE}_demo/app.py", PACKAGE / "websocket.py"]),
        (PACKAGE / "_source" / "docs" / "zh" / "a.md", [PACKAGE / "_source" / "docs" / "zh" / "a.md"]),
        ("/home/me/b.py", ["/home/me/a.py", LIBRARIES / "x.py", "/home/me/b.py", PACKAGE / "websocket.py"]),
    ],
)
async def test_the_innermost_frame_of_the_users_code_is_told(expected, files):
    coroutine = None
    for file in reversed(files):
        coroutine = program(file)(coroutine)

    async def run():
        await coroutine

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        assert waiting_at(coroutine).startswith(f"{expected}:2 in waits")
        tasks.cancel_scope.cancel()


async def test_without_a_frame_of_the_users_the_innermost_one_is_told():
    connection = InMemoryConnection(handshake("/"))
    await connection.receive()
    receiving = connection.receive()

    async def run():
        await receiving

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        place = waiting_at(receiving)
        assert not place.startswith(str(Path(inmemory.__file__)))
        assert re.search(r" in (wait|wait_task_rescheduled): ", place)
        tasks.cancel_scope.cancel()


async def test_without_a_frame_of_the_users_a_view_is_told_by_the_librarys():
    class View(SocketView): ...

    connection = InMemoryConnection(handshake("/"))
    app = App(routes=[SocketRoute("/", View)])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run, app)
        await connection.signal.wait(lambda: connection.sent)
        await anyio.wait_all_tasks_blocked()
        assert re.search(r"reference_ws/\w+\.py:\d+ in \w+: .*await", connection.waiting_at())
        assert "inmemory.py" not in connection.waiting_at()
        tasks.cancel_scope.cancel()


async def test_a_message_that_is_taken_is_something_that_happens():
    connection = InMemoryConnection(handshake("/"))
    await connection.receive()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.receive)
        await anyio.wait_all_tasks_blocked()
        before = connection.steps
        connection.deliver("a")
        assert before + 1 == connection.steps
    assert before + 2 == connection.steps


def test_what_has_no_frame_says_so():
    assert "no frame: it has not begun, or has ended" == waiting_at(None)
    assert "no frame: it was not raised here" == inmemory.raised_at(ValueError())
    assert not inmemory.is_the_users("<frozen importlib._bootstrap>")


def test_the_test_tools_have_starlettes_client_and_no_other_name():
    assert "TestClient" == reference_ws.testing.TestClient.__name__
    with pytest.raises(AttributeError, match=r"^module 'reference_ws\.testing' has no attribute 'Nobody'$"):
        _ = reference_ws.testing.Nobody


async def test_each_of_two_tasks_that_wait_gets_the_disconnect_and_who_asks_later_waits():
    connection = InMemoryConnection(handshake("/"))
    got = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)

        async def wait():
            got.append((await receive())["code"])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            tasks.start_soon(wait)
        with anyio.move_on_after(10):
            got.append(await receive())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run, app)
        await anyio.wait_all_tasks_blocked()
        connection.leave(1001)
    assert [1001, 1001] == got


async def test_two_loops_over_one_connection_both_end_with_it():
    app = App()
    ended = []

    @app.router.websocket("/")
    async def handler(websocket: reference_ws.WebSocket):
        await websocket.accept()

        async def loop():
            async for text in websocket.iter_text():
                assert text == "a"
            ended.append(websocket.end)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(loop)
            tasks.start_soon(loop)

    async with reference_ws.testing.connect(app, "/") as client:
        await client.send_text("a")
        await client.close(1001)
    assert [(1001, ""), (1001, "")] == ended
