"""Rooms in memory, and what both engines have in common; Redis has tests of its own in test_rooms_redis.py."""

from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from urllib.parse import quote

import anyio
import pytest
from anyio.lowlevel import checkpoint
from msgspec import Raw
from starlette.websockets import WebSocketState

import reference_ws.rooms
from reference_ws import App, EngineError, RoomError, Rooms, WebSocket, WebSocketDisconnect
from reference_ws.rooms import Engine
from reference_ws.testing import InMemoryConnection, connect, handshake

pytestmark = pytest.mark.anyio


class Chat:
    """An application with one route for all rooms; who asks for ``?slow`` reads nothing before the gate is open."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.gate = anyio.Event()
        self.told: list[str] = []
        """What the handlers have come to."""
        self.app = App()
        self.app.router.websocket("/room/{name:path}")(self.handler)

    async def handler(self, websocket: WebSocket, name: str, after: str | None = None):
        await websocket.accept()
        try:
            async with self.rooms.join(name, websocket, after=after) as room:
                self.told.append("joined")
                try:
                    async for text in websocket.iter_text():
                        await room.send_text(text)
                    self.told.append("the client has left")
                finally:
                    self.told.append("finally")
            self.told.append("behind the block")
        except Exception as error:
            self.told.append(repr(error))
            raise

    async def __call__(self, scope, receive, send):
        async def send_slowly(message):
            if message["type"] == "websocket.send" and b"slow" in scope["query_string"]:
                await self.gate.wait()
            await send(message)

        await self.app(scope, receive, send_slowly)


def nobody_is_in(rooms):
    return not rooms._joined and not rooms.engine._topics


@asynccontextmanager
async def members(app, *targets):
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connect(app, target)) for target in targets]


async def texts(client, count):
    return [await client.receive_text() for _ in range(count)]


# --- 1: every message, to all, in one order ---------------------------------------------------------------------------


async def test_all_members_get_all_messages_in_one_order_whoever_sends():
    """Also when more send in the same turn of the event loop than a queue holds: nobody is slow."""
    rooms = Rooms()
    async with members(Chat(rooms), *["/room/a"] * 5, "/room/b") as [*clients, stranger]:
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(rooms.send_text, "a", f"from anywhere {number}")
                tasks.start_soon(clients[number % 5].send_text, f"from a member {number}")
        got = [await texts(client, 200) for client in clients]
        assert 200 == len(set(got[0]))
        assert got == [got[0]] * 5
        assert not stranger._connection.sent


async def test_what_one_sends_comes_in_its_order():
    async with members(Chat(Rooms()), "/room/a", "/room/a") as [one, two]:
        for number in range(1000):
            await one.send_text(str(number))
        assert list(map(str, range(1000))) == await texts(two, 1000)


@pytest.mark.parametrize(
    ("method", "data", "frame"),
    [
        ("send_text", "olá", {"text": "olá"}),
        ("send_bytes", b"\0\xff", {"bytes": b"\0\xff"}),
        ("send_bytes", bytearray(b"b"), {"bytes": b"b"}),
        ("send_json", {"ключ": [1, None]}, {"text": '{"ключ":[1,null]}'}),
        ("send_text", "", {"text": ""}),
        ("send_bytes", b"", {"bytes": b""}),
    ],
)
async def test_each_kind_of_message_comes_as_it_was_sent(method, data, frame):
    rooms = Rooms()
    async with members(Chat(rooms), "/room/a") as [client]:
        assert await getattr(rooms, method)("a", data) is None
        assert {"type": "websocket.send", **frame} == await client.receive()


async def test_a_member_sends_each_kind_of_message():
    rooms = Rooms(history=10)
    app = App()
    ids = []

    @app.router.websocket("/")
    async def member(websocket: WebSocket):
        await websocket.accept()
        async with rooms.join("a", websocket) as room:
            ids.append(await room.send_text("1"))
            ids.append(await room.send_bytes(b"2"))
            ids.append(await room.send_json([3]))
            await websocket.receive()

    async with connect(app, "/") as client:
        assert ["1", b"2", [3]] == [
            await client.receive_text(),
            await client.receive_bytes(),
            await client.receive_json(),
        ]
        assert ids == [rooms_id for rooms_id in ids if rooms_id]


async def test_a_room_of_nobody_takes_messages():
    assert await Rooms().send_text("nobody", "?") is None
    assert "0-1" == await Rooms(history=1).send_text("nobody", "?")  # its time, and its number


async def test_rooms_that_share_an_engine_are_one():
    one = Rooms(history=5, id_key="id")
    two = Rooms(one.engine, history=5, id_key="id")
    async with members(Chat(one), "/room/a") as [first], members(Chat(two), "/room/a") as [second]:
        await first.send_text("from one")
        for client in first, second:
            assert "from one" == await client.receive_text()
        id_ = await two.send_json("a", {"from": "two"})
        for client in first, second:
            assert {"id": id_, "from": "two"} == await client.receive_json()


async def test_one_connection_is_in_several_rooms():
    rooms = Rooms()
    app = App()

    @app.router.websocket("/")
    async def handler(websocket: WebSocket):
        await websocket.accept()
        async with rooms.join("a", websocket) as a, rooms.join("b", websocket) as b:
            await websocket.send_text(f"{a.name} {b.name}")
            async for text in websocket.iter_text():
                await b.send_text(text)

    async with members(app, "/") as [client]:
        assert "a b" == await client.receive_text()
        await rooms.send_text("a", "in a")
        assert "in a" == await client.receive_text()
        await client.send_text("in b")
        assert "in b" == await client.receive_text()


# --- 2: who is slow holds up nobody -----------------------------------------------------------------------------------


async def test_nobody_waits_for_a_member_that_does_not_read():
    chat = Chat(Rooms())
    async with members(chat, "/room/a", "/room/a?slow") as [quick, slow]:
        began = anyio.current_time()
        for number in range(66):
            await quick.send_text(str(number))
        assert list(map(str, range(66))) == await texts(quick, 66)
        assert began == anyio.current_time()
        await anyio.wait_all_tasks_blocked()
        assert (1013, "you read too slowly") == slow.closed
        assert 1 == len(chat.rooms.engine._topics["rooms:a"].members)


async def test_who_has_just_room_for_it_gets_everything():
    chat = Chat(Rooms())
    async with members(chat, "/room/a?slow") as [slow]:
        for number in range(65):  # one is under way, 64 wait
            await chat.rooms.send_text("a", str(number))
        chat.gate.set()
        assert list(map(str, range(65))) == await texts(slow, 65)
        assert slow.closed is None


async def test_bytes_are_bounded_too():
    chat = Chat(Rooms(queue_bytes=100, max_message_bytes=60))
    async with members(chat, "/room/a?slow") as [slow]:
        for data in b"first", b"a" * 50, b"b" * 50:
            await chat.rooms.send_bytes("a", data)
        await anyio.wait_all_tasks_blocked()
        assert slow.closed is None
        await chat.rooms.send_bytes("a", b"!")
        await anyio.wait_all_tasks_blocked()
        assert 1013 == slow.closed[0]


@pytest.mark.parametrize("slow", ["close", "skip"])
async def test_one_message_alone_is_never_too_much(slow):
    """The id comes on top of `max_message_bytes`; and another process may have a higher bound."""
    rooms = Rooms(history=1, id_key="id", slow=slow, max_message_bytes=100, queue_bytes=100)
    async with members(Chat(rooms), "/room/a") as [client]:
        await rooms.send_json("a", {"text": "x" * (100 - len('{"id":"","text":""}'))})
        assert "text" in await client.receive_json()
        await Rooms(rooms.engine).send_text("a", "y" * 1000)
        assert "y" * 1000 == await client.receive_text()


async def test_the_block_of_a_slow_member_ends_as_by_any_disconnect():
    chat = Chat(Rooms(queue_messages=2))
    async with members(chat, "/room/a?slow"):
        for _ in range(4):
            await chat.rooms.send_text("a", "?")
        await anyio.wait_all_tasks_blocked()
        assert ["joined", "the client has left", "finally", "behind the block"] == chat.told
        assert nobody_is_in(chat.rooms)


async def test_a_block_that_does_not_notice_is_cancelled():
    rooms, told = Rooms(queue_messages=1), []
    app = App()

    @app.router.websocket("/")
    async def handler(websocket: WebSocket):
        await websocket.accept()
        async with rooms.join("a", websocket):
            try:
                await anyio.sleep(1000)
            finally:
                told.append(anyio.current_time() - began)
        told.append(websocket.end)

    async def never_reads(scope, receive, send):
        async def stuck(message):
            if message["type"] in ("websocket.send", "websocket.close"):
                await anyio.sleep_forever()
            await send(message)

        await app(scope, receive, stuck)

    async with members(never_reads, "/"):
        began = anyio.current_time()
        for _ in range(3):
            await rooms.send_text("a", "?")
        await anyio.sleep(10)
        assert [5, (1013, "you read too slowly")] == told


async def test_a_slow_member_may_be_told_how_many_were_left_out():
    chat = Chat(Rooms(slow="skip"))
    async with members(chat, "/room/a?slow", "/room/a") as [slow, quick]:
        for number in range(100):
            await quick.send_text(str(number))
        assert list(map(str, range(100))) == await texts(quick, 100)
        chat.gate.set()
        assert ["0", '{"skipped":35}', *map(str, range(36, 100))] == await texts(slow, 66)
        await quick.send_text("on")
        assert "on" == await slow.receive_text()
        assert slow.closed is None


async def test_of_too_many_bytes_the_oldest_messages_are_left_out():
    chat = Chat(Rooms(slow="skip", queue_bytes=100, max_message_bytes=60))
    async with members(chat, "/room/a?slow") as [slow]:
        for number in range(11):  # one is under way, three of 30 bytes fit
            await chat.rooms.send_text("a", f"{number:30}")
        chat.gate.set()
        got = await texts(slow, 5)
        assert ["0", '{"skipped":7}', "8", "9", "10"] == [text.strip() for text in got]


# --- 3: back again ----------------------------------------------------------------------------------------------------


async def test_who_comes_back_gets_what_came_since_and_goes_on():
    rooms = Rooms(history=10, id_key="id")
    ids = [await rooms.send_json("a", {"n": number}) for number in range(5)]
    async with members(Chat(rooms), f"/room/a?after={ids[1]}") as [client]:
        await rooms.send_json("a", {"n": 5})
        got = [await client.receive_json() for _ in range(4)]
        assert [2, 3, 4, 5] == [each["n"] for each in got]
        assert ids[2:] == [each["id"] for each in got[:3]]


async def test_who_does_not_say_where_it_was_begins_now():
    rooms = Rooms(history=10)
    await rooms.send_text("a", "before")
    async with members(Chat(rooms), "/room/a") as [client]:
        await rooms.send_text("a", "after")
        assert "after" == await client.receive_text()


@pytest.mark.parametrize(
    ("after", "skipped"),
    [
        ("0-0", 2),
        ("{0}", 1),
        ("{1}", 0),
        ("{4}", 0),
        ("", None),
        ("nonsense", None),
        ("9999999999999-7", None),
        ("1-9", None),
        ("1000-9", None),
        ("99999999999999999999999-1", None),
        ("-1-3", None),
        ("٣-٣", None),
    ],
)
async def test_what_the_history_does_not_reach_is_told(after, skipped):
    rooms = Rooms(history=3)
    await anyio.sleep(1)
    ids = [await rooms.send_text("a", str(number)) for number in range(5)]
    kept = "" if after == "{4}" else "234"
    async with connect(Chat(rooms), f"/room/a?after={quote(after.format(*ids))}") as client:
        if skipped != 0:
            assert {"skipped": skipped} == await client.receive_json()
        assert list(kept) == await texts(client, len(kept))
        await rooms.send_text("a", "on")
        assert "on" == await client.receive_text()


async def test_an_invented_id_in_a_room_without_a_history_keeps_no_message_from_anybody():
    rooms = Rooms(history=3)
    async with members(Chat(rooms), "/room/a?after=9999999999999999-7", "/room/a") as [forger, other]:
        assert {"skipped": None} == await forger.receive_json()
        await rooms.send_text("a", "on")
        for client in forger, other:
            assert "on" == await client.receive_text()


@pytest.mark.parametrize(("after", "skipped"), [("0-0", 0), ("{}", None), ("9999999999999999-7", None)])
async def test_who_catches_up_does_not_wait_for_a_history_that_has_ended(after, skipped):
    """Its messages have come to the member who stayed, and will come to nobody any more."""
    rooms = Rooms(history=3, keep_s=60)
    reads = Counter()

    async def counted(name, *arguments):
        reads[name] += 1
        assert reads[name] < 10
        return await read(name, *arguments)

    read, rooms.engine.read = rooms.engine.read, counted
    async with members(Chat(rooms), "/room/a") as [stays]:
        first, _ = [await rooms.send_text("a", text) for text in "12"]
        await anyio.sleep(61)
        await rooms.send_text("new", "1")
        async with members(Chat(rooms), f"/room/a?after={after.format(first)}") as [comes]:
            if skipped != 0:
                assert {"skipped": skipped} == await comes.receive_json()
            await rooms.send_text("a", "3")
            assert "3" == await comes.receive_text()
        assert ["1", "2", "3"] == await texts(stays, 3)


async def test_what_was_read_and_comes_only_then_is_sent_once():
    """An engine at the other end of a network may have kept what it hasn't sent to all yet."""

    late = []

    class Late(Engine):
        async def publish(self, name, *arguments):
            entry = self._keep(name, *arguments)
            late.append((name, *entry))
            return entry[0]

    rooms = Rooms(Late(), history=10)
    chat = Chat(rooms)
    async with members(chat, "/room/a") as [first]:
        await rooms.send_text("a", "1")
        async with members(chat, "/room/a?after=0-0") as [second]:
            assert "1" == await second.receive_text()
            await rooms.send_text("a", "2")
            for entry in late:
                rooms.engine.deliver(*entry)
            assert ["1", "2"] == await texts(first, 2)
            assert "2" == await second.receive_text()
            for entry in late:  # once more, as after a lost connection
                rooms.engine.deliver(*entry)
            await anyio.wait_all_tasks_blocked()
            assert not first._connection.sent
            assert not second._connection.sent


async def test_who_catches_up_waits_for_an_engine_that_was_cut_off_meanwhile():
    reads = 0

    class Away(Engine):
        def enter(self, name):
            topic = super().enter(name)
            topic.ready.set()
            return topic

        async def ready(self, topic):
            await topic.ready.wait()

        async def read(self, name, *arguments):
            nonlocal reads
            reads += 1
            if reads == 1:
                self._topics[name].ready = anyio.Event()
            return await super().read(name, *arguments)

    rooms = Rooms(Away(), history=10)
    async with members(Chat(rooms), "/room/a?after=0-0") as [member]:
        await anyio.wait_all_tasks_blocked()
        assert reads == 1
        await rooms.send_text("a", "1")
        rooms.engine._topics["rooms:a"].ready.set()
        assert "1" == await member.receive_text()
        assert reads == 2


async def test_an_engine_reads_so_many_messages_and_no_more():
    rooms = Rooms(history=10)
    first, *others = [tuple(map(int, (await rooms.send_text("a", str(number))).split("-"))) for number in range(4)]
    for after in (first, (0, 0)):
        entries, missing = await rooms.engine.read("rooms:a", after, 2)
        assert others[:2] == [id_ for id_, _ in entries] if after == first else first == entries[0][0]
        assert (2, 0) == (len(entries), missing)


async def test_a_history_ends_some_time_after_its_last_message():
    rooms = Rooms(history=3, keep_s=60)
    first = await rooms.send_text("old", "1")
    await anyio.sleep(30)
    await rooms.send_text("young", "1")
    await anyio.sleep(31)
    await rooms.send_text("new", "1")
    assert {"rooms:young", "rooms:new"} == set(rooms.engine._kept)
    async with members(Chat(rooms), f"/room/old?after={first}") as [client]:
        assert {"skipped": None} == await client.receive_json()


async def test_of_too_many_rooms_the_one_that_is_silent_longest_loses_its_history(monkeypatch):
    """Who may name rooms may name ever new ones: memory must not grow with them."""
    monkeypatch.setattr("reference_ws.rooms.KEPT_ROOMS", 3)
    rooms = Rooms(history=3)
    first = [await rooms.send_text(name, "1") for name in "abc"]
    await rooms.send_text("a", "2")
    await rooms.send_text("d", "1")
    assert {"rooms:a", "rooms:c", "rooms:d"} == set(rooms.engine._kept) == set(rooms.engine._ends)
    async with members(Chat(rooms), f"/room/a?after={first[0]}", f"/room/b?after={first[1]}") as [a, b]:
        assert "2" == await a.receive_text()
        assert {"skipped": None} == await b.receive_json()


async def test_each_history_ends_in_its_own_time_also_on_one_engine():
    long = Rooms(history=3, keep_s=60)
    short = Rooms(long.engine, history=3, keep_s=1, prefix="short")
    first = await long.send_text("a", "1")
    await short.send_text("b", "1")
    await anyio.sleep(2)
    for name in "cd":
        await short.send_text(name, "1")
    assert {"rooms:a", "short:c", "short:d"} == set(long.engine._kept) == set(long.engine._ends)
    await long.send_text("a", "2")
    async with members(Chat(long), f"/room/a?after={first}") as [client]:
        assert "2" == await client.receive_text()


async def test_an_id_stands_first_in_any_object_and_nowhere_else():
    rooms = Rooms(history=10, id_key="№")
    async with members(Chat(rooms), "/room/a") as [client]:
        sent = [({}, '{"№":"ID"}'), ({"a": {"№": 1}}, '{"№":"ID","a":{"№":1}}'), ([1], "[1]"), ("{", '"{"')]
        for data, expected in sent:
            id_ = await rooms.send_json("a", data)
            assert expected.replace("ID", id_) == await client.receive_text()
        for forged in {"№": 1}, Raw(b'{"\\u2116":1}'), Raw(' {"№":1}'.encode()), Raw('{"№":1,"№":2}'.encode()):
            with pytest.raises(RoomError, match='The key "№" is where'):
                await rooms.send_json("a", forged)
        id_ = await rooms.send_json("a", Raw(b' {"a": 1}'))
        assert f'{{"№":"{id_}","a":1}}' == await client.receive_text()


@pytest.mark.parametrize("seed", range(5))
async def test_nothing_is_lost_or_doubled_between_the_history_and_what_comes(seed, monkeypatch):
    """Members come, read slowly and leave while others send, each step at a random moment."""
    random = Random(seed)
    rooms = Rooms(history=1000)

    async def some_turns():
        for _ in range(random.randrange(4)):
            await checkpoint()

    kept = rooms.engine.kept

    async def read_slowly(*arguments):  # as an engine at the other end of a network does
        await some_turns()
        found = await kept(*arguments)
        await some_turns()
        return found

    monkeypatch.setattr(rooms.engine, "kept", read_slowly)
    monkeypatch.setattr(reference_ws.rooms, "CHUNK", random.choice([1, 2, 7]))
    ids = {await rooms.send_text("a", "0"): 0}
    done = False

    async def send():
        nonlocal done
        for number in range(1, 200):
            await some_turns()
            ids[await rooms.send_text("a", str(number))] = number
        done = True

    async def come_and_go():
        while not done:
            id_ = random.choice(list(ids))
            async with connect(Chat(rooms), f"/room/a?after={id_}") as client:
                for number in range(ids[id_] + 1, random.randrange(ids[id_] + 1, 201)):
                    if random.random() < 0.2:
                        await some_turns()
                    assert str(number) == await client.receive_text()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        for _ in range(4):
            tasks.start_soon(come_and_go)


# --- 5: leaving -------------------------------------------------------------------------------------------------------


def running():
    return Counter(task.name for task in anyio.get_running_tasks() if "rooms" in (task.name or ""))


@pytest.mark.parametrize("way", ["close", "drop"])
async def test_a_disconnect_leaves(way):
    chat = Chat(Rooms())
    async with members(chat, "/room/a") as [client]:
        assert running()
        await getattr(client, way)()
        await anyio.wait_all_tasks_blocked()
        assert ["joined", "the client has left", "finally", "behind the block"] == chat.told
        assert nobody_is_in(chat.rooms)
        assert not running()


async def inside(rooms, block, connection=None, after=None):
    """Run a block in a room, on a connection in memory."""

    async def app(scope, receive, send):
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        async with rooms.join("a", websocket, after=after) as room:
            await block(room)

    connection = connection or InMemoryConnection(handshake("/"))
    await connection.run(app)
    return connection


async def test_what_a_block_raises_comes_out_as_it_is_and_leaves():
    rooms = Rooms()

    async def fail(room):
        raise LookupError("mine")

    connection = await inside(rooms, fail)
    assert "LookupError('mine')" == repr(connection.error)
    assert nobody_is_in(rooms)


async def test_what_is_wrong_with_a_connection_comes_out_of_the_block():
    rooms = Rooms()

    async def send(room):
        async def broken(message):
            raise KeyError("the server's fault")

        room.websocket._send = broken
        await room.send_text("?")
        await anyio.sleep_forever()

    connection = await inside(rooms, send)
    assert isinstance(connection.error, KeyError)
    assert nobody_is_in(rooms)


async def test_a_member_whose_client_has_left_is_none_any_more():
    rooms = Rooms()
    gone = []

    async def send(room):
        connection.leave(1001)
        await room.send_text("?")
        await anyio.wait_all_tasks_blocked()
        gone.append(not rooms.engine._topics["rooms:a"].members)
        with pytest.raises(WebSocketDisconnect):
            await room.websocket.receive_text()

    connection = InMemoryConnection(handshake("/"))
    await inside(rooms, send, connection)
    assert [True] == gone
    assert connection.error is None


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancellation_leaves_wherever_it_comes(turns):
    rooms = Rooms(history=100)
    for number in range(3):
        await rooms.send_text("a", str(number))
    before = running()

    async def talk(room):
        while True:
            await room.send_text("?")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(inside, rooms, talk, None, "0-0")
        for _ in range(turns):
            await checkpoint()
        tasks.cancel_scope.cancel()
    assert nobody_is_in(rooms)
    assert before == running()
    assert rooms.engine._turn is None


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancelled_send_is_sent_or_not_and_the_next_one_comes(turns):
    rooms = Rooms(history=100)
    async with members(Chat(rooms), "/room/a") as [client]:
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(rooms.send_text, "a", str(number))
            for _ in range(turns):
                await checkpoint()
            tasks.cancel_scope.cancel()
        await rooms.send_text("a", "next")
        got = []
        while "next" not in got:
            got.append(await client.receive_text())
        assert len(set(got)) == len(got) <= 4
        assert got == [payload[1:].decode() for _, payload in await rooms.engine.kept("rooms:a", (0, 0), 100)]


async def test_whoever_leaves_while_catching_up_was_never_there():
    chat = Chat(Rooms(history=100))
    for number in range(100):
        await chat.rooms.send_text("a", str(number))
    async with members(chat, "/room/a?after=0-0&slow") as [client]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.drop)
            await anyio.wait_all_tasks_blocked()
            chat.gate.set()
        assert ["WebSocketDisconnect"] == [each.partition("(")[0] for each in chat.told]
        assert nobody_is_in(chat.rooms)


# --- 6: encoded once --------------------------------------------------------------------------------------------------


async def test_a_message_is_encoded_once_and_decoded_once_for_all_members(monkeypatch):
    calls = Counter()
    for name in "dumps", "_message":
        own = getattr(reference_ws.rooms, name)
        monkeypatch.setattr(reference_ws.rooms, name, lambda data, n=name, own=own: (calls.update([n]), own(data))[1])
    rooms = Rooms()
    async with members(Chat(rooms), *["/room/a"] * 50) as clients:
        await rooms.send_json("a", {"to": "all"})
        for client in clients:
            assert {"to": "all"} == await client.receive_json()
    assert {"dumps": 1, "_message": 1} == calls


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a" * 129, "a\nb", "a\0", "\ud800", "a\u200bb", "a\u2028", 1, None, b"a", ("a",)])
async def test_what_is_no_name_is_refused(name):
    rooms = Rooms()
    with pytest.raises(RoomError, match="names no room: take 1 to 128 printable characters"):
        await rooms.send_text(name, "?")


@pytest.mark.parametrize(
    "name", ["a", "a" * 128, "general chat", "聊天室", "комната/1", "a:b", "*", "{a}", "../a", "A"]
)
async def test_a_name_reaches_its_own_room_alone(name):
    rooms = Rooms(history=1)
    others = {"a", "a:b", "b", "A", "rooms:a", "聊天", "*"} - {name}
    seen = []

    async def block(room):
        for other in others:
            await rooms.send_text(other, "not for you")
        await rooms.send_text(name, "for you")
        await anyio.wait_all_tasks_blocked()

    async def app(scope, receive, send):
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        async with rooms.join(name, websocket) as room:
            assert name == room.name
            await block(room)

    connection = InMemoryConnection(handshake("/"))
    await connection.run(app)
    assert connection.error is None
    while connection.sent:
        seen.append(connection.take().get("text"))
    assert [None, "for you"] == seen


async def test_a_prefix_makes_other_rooms_also_on_the_same_engine():
    one = Rooms(history=1)
    two = Rooms(one.engine, prefix="other", history=1)
    await one.send_text("a", "1")
    async with members(Chat(two), "/room/a?after=0-0") as [client]:
        await two.send_text("a", "2")
        assert "2" == await client.receive_text()


async def test_a_message_has_a_bound_in_bytes():
    rooms = Rooms(max_message_bytes=6)
    await rooms.send_text("a", "жжж")
    await rooms.send_bytes("a", b"123456")
    for send, data in (rooms.send_text, "жжж."), (rooms.send_bytes, b"1234567"), (rooms.send_json, ["жж."]):
        with pytest.raises(RoomError, match="bytes are more than max_message_bytes: send less"):
            await send("a", data)


@pytest.mark.parametrize(
    ("method", "data", "error"),
    [
        ("send_text", b"a", "send_text.. takes a str, not bytes; use send_bytes"),
        ("send_bytes", "a", "send_bytes.. takes bytes, not str; use send_text"),
        ("send_json", object(), "JSON"),
        ("send_json", float("nan"), "JSON"),
        ("send_text", "\ud800", "surrogates not allowed"),
    ],
)
async def test_what_cannot_be_sent_is_the_senders_error_and_no_members(method, data, error):
    rooms = Rooms(history=5, id_key="id")
    async with members(Chat(rooms), "/room/a") as [client]:
        with pytest.raises((TypeError, ValueError), match=error):
            await getattr(rooms, method)("a", data)
        await rooms.send_text("a", "on")
        assert "on" == await client.receive_text()


async def test_half_a_character_in_json_is_escaped_as_send_json_of_a_connection_does():
    rooms = Rooms()
    async with members(Chat(rooms), "/room/a") as [client]:
        await rooms.send_json("a", "\ud800")
        assert '"\\ud800"' == await client.receive_text()


async def test_a_connection_is_in_so_many_rooms_and_once_in_each():
    rooms = Rooms(max_rooms=2)

    async def join(room):
        with pytest.raises(RoomError, match=r"^join\('a'\): .* is in that room already; leave it first\.$"):
            await rooms.join("a", room.websocket).__aenter__()
        async with rooms.join("b", room.websocket):
            with pytest.raises(
                RoomError, match=r"^join\('c'\): .* is in 2 of 2 rooms; leave one, or raise max_rooms\.$"
            ):
                await rooms.join("c", room.websocket).__aenter__()
        async with rooms.join("c", room.websocket):
            pass
        assert {"rooms:a"} == set(rooms.engine._topics)

    assert (await inside(rooms, join)).error is None


async def test_only_an_accepted_connection_joins():
    rooms = Rooms()

    async def app(scope, receive, send):
        websocket = WebSocket(scope, receive, send)
        with pytest.raises(RoomError, match=r"^join\('a'\): accept the connection first; it is CONNECTING\.$"):
            await rooms.join("a", websocket).__aenter__()
        assert WebSocketState.CONNECTING is websocket.application_state
        await websocket.close()

    connection = InMemoryConnection(handshake("/"))
    await connection.run(app)
    assert connection.error is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"id_key": "id"}, "N is at least 1"),
        ({"history": -1}, "never less than 0"),
        ({"slow": "wait"}, "'close' or 'skip'"),
        ({"queue_bytes": 10}, "hold a message"),
        ({"queue_messages": 0}, "more than 0"),
        ({"max_rooms": 0}, "more than 0"),
        ({"keep_s": 0}, "more than 0"),
        ({"keep_s": float("inf")}, "more than 0"),
        ({"queue_bytes": float("nan")}, "more than 0"),
        ({"prefix": "a:b"}, "make a prefix"),
        ({"prefix": ""}, "make a prefix"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(arguments, problem):
    with pytest.raises(ValueError, match=problem):
        Rooms(**arguments)


def test_its_errors_are_told_apart():
    assert issubclass(RoomError, ValueError)
    assert not issubclass(EngineError, OSError | RuntimeError)  # which a server's send may raise
