"""Rooms over a real Redis: two `Rooms` with engines of their own stand for two processes."""

import asyncio
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager, suppress
from random import Random

import anyio
import pytest
import trio
from redis_server import redis_server
from server import WAIT_S
from test_rooms import Chat, nobody_is_in

import reference_ws.rooms
from reference_ws import EngineError, Rooms, WebSocketDisconnect
from reference_ws.testing import connect

pytestmark = [pytest.mark.anyio, pytest.mark.real_time, pytest.mark.needs("redis")]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def redis(tmp_path):
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """On a busy machine a Redis that is there may take its time; and one that isn't is asked for again soon."""
    monkeypatch.setattr(reference_ws.rooms, "WAIT_S", WAIT_S)
    monkeypatch.setattr(reference_ws.rooms, "AGAIN_S", 0.02)


@pytest.fixture(autouse=True)
async def no_task_stays():
    yield
    assert [] == [task for task in asyncio.all_tasks() if "_Redis" in repr(task) or "Room" in repr(task)]


@asynccontextmanager
async def member(rooms, name="a", after="", chat=None):
    """Be in a room, from now on: the handler has joined."""
    chat = chat or Chat(rooms)
    known = len(chat.told)
    async with connect(chat, f"/room/{name}{after and f'?after={after}'}", timeout_s=WAIT_S) as client:
        await until(lambda: "joined" in chat.told[known:])
        yield client


async def until(ready):
    with anyio.fail_after(WAIT_S):
        while not ready():  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.005)


async def texts(client, count):
    return [await client.receive_text() for _ in range(count)]


async def eventually(send, *arguments):
    """Send as soon as the engine is there again."""
    with anyio.fail_after(WAIT_S):
        while True:
            with suppress(EngineError):
                return await send(*arguments)
            await anyio.sleep(0.02)


@pytest.mark.parametrize("history", [0, 1000])
async def test_members_in_all_processes_get_all_messages_in_one_order(redis, history):
    one, two = Rooms(redis.url, history=history), Rooms(redis.url, history=history)
    async with member(one) as a, member(two) as b, member(two, "b") as stranger:
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                for rooms in one, two:
                    tasks.start_soon(rooms.send_text, "a", f"{number} {rooms is one}")
        got = await texts(a, 100)
        assert 100 == len(set(got))
        assert got == await texts(b, 100)
        await two.send_text("b", "last")
        assert "last" == await stranger.receive_text()
    assert nobody_is_in(one)
    assert nobody_is_in(two)


async def test_text_bytes_and_json_with_an_id(redis):
    one, two = Rooms(redis.url, history=10, id_key="id"), Rooms(redis.url, history=10, id_key="id")
    async with member(one) as client:
        ids = [await two.send_text("a", "olá"), await two.send_bytes("a", b"\0 \xff")]
        ids += [await two.send_json("a", {"ключ": 1}), await two.send_json("a", {})]
        assert "olá" == await client.receive_text()
        assert b"\0 \xff" == await client.receive_bytes()
        assert {"id": ids[2], "ключ": 1} == await client.receive_json()
        assert {"id": ids[3]} == await client.receive_json()
    assert ["1", "2", "3", "4"] == [each.partition("-")[2] for each in ids]
    async with member(two, after=ids[0]) as client:
        assert b"\0 \xff" == await client.receive_bytes()


@pytest.mark.parametrize(
    ("after", "skipped"),
    [("0-0", 2), ("{0}", 1), ("{1}", 0), ("nonsense", None), ("9999999999999999-7", None), ("1-3", None)],
)
async def test_what_the_history_does_not_reach_is_told(redis, after, skipped):
    rooms = Rooms(redis.url, history=3)
    async with rooms:
        ids = [await rooms.send_text("a", str(number)) for number in range(5)]
        async with member(rooms, after=after.format(*ids)) as client:
            if skipped != 0:
                assert {"skipped": skipped} == await client.receive_json()
            assert ["2", "3", "4"] == await texts(client, 3)


async def test_a_history_ends_some_time_after_its_last_message(redis):
    rooms = Rooms(redis.url, history=3, keep_s=0.001)
    id_ = await rooms.send_text("a", "1")
    await anyio.sleep(0.1)
    async with member(rooms, after=id_) as client:
        assert {"skipped": None} == await client.receive_json()


@pytest.mark.parametrize("after", ["0-0", "9999999999999999-7"])
async def test_who_catches_up_does_not_wait_for_a_history_that_is_lost(redis, after):
    rooms = Rooms(redis.url, history=3)
    async with member(rooms) as stays:
        await rooms.send_text("a", "1")
        assert "1" == await stays.receive_text()
        await rooms.engine._redis.flushall()
        async with member(rooms, after=after) as comes:
            if after != "0-0":
                assert {"skipped": None} == await comes.receive_json()
            await rooms.send_text("a", "2")
            for client in stays, comes:
                assert "2" == await client.receive_text()


async def test_databases_and_prefixes_are_separate(redis):
    urls = [(redis.url, "p"), (redis.url, "q"), (redis.url[:-1] + "1", "p")]
    one, two, three = apart = [Rooms(url, prefix=prefix, history=10) for url, prefix in urls]
    for rooms in apart:
        await rooms.send_text("a", f"before {apart.index(rooms)}")
    async with member(one, after="0-0") as a, member(two, after="0-0") as b, member(three, after="0-0") as c:
        for rooms in apart:
            await rooms.send_text("a", f"{apart.index(rooms)}")
        for number, client in enumerate([a, b, c]):
            await apart[number].send_text("a", "last")
            assert [f"before {number}", str(number), "last"] == await texts(client, 3)


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_or_doubled_while_members_come_and_the_connection_is_lost(redis, seed, monkeypatch):
    """The connection that listens is cut again and again; members come and go, from where they were."""
    random = Random(seed)
    monkeypatch.setattr(reference_ws.rooms, "CHUNK", 5)
    one, two = Rooms(redis.url, history=1000), Rooms(redis.url, history=1000)
    ids = {await one.send_text("a", "0"): 0}
    done = False

    async def send():
        nonlocal done
        for number in range(1, 200):
            ids[await two.send_text("a", str(number))] = number
            await anyio.sleep(random.random() * 0.004)
        done = True

    async def cut():
        client = one.engine._connect()
        while not done:
            await client.client_kill_filter(_type="pubsub")
            await anyio.sleep(random.random() * 0.1)
        await client.aclose()

    async def come_and_go(rooms):
        while not done:
            id_ = random.choice(list(ids))
            async with member(rooms, after=id_) as client:
                for number in range(ids[id_] + 1, random.randrange(ids[id_] + 1, 201)):
                    assert str(number) == await client.receive_text()

    async def stay(rooms):
        async with member(rooms) as client:
            first = int(await client.receive_text())
            for number in range(first + 1, 200):
                assert str(number) == await client.receive_text()

    async with anyio.create_task_group() as tasks:
        for rooms in one, two:
            tasks.start_soon(stay, rooms)
            tasks.start_soon(come_and_go, rooms)
        tasks.start_soon(send)
        tasks.start_soon(cut)


async def test_while_redis_is_away_members_stay_and_after_it_all_goes_on(redis):
    one, two = Rooms(redis.url, history=100), Rooms(redis.url, history=100)
    async with member(one) as a, member(two) as b:
        await one.send_text("a", "before")
        redis.kill()
        for rooms in one, two:
            with pytest.raises(EngineError, match=r"Redis can't be reached, or refuses: \w.*\. Try again later\.$"):
                await rooms.send_text("a", "lost")
        redis.start()
        await eventually(two.send_text, "a", "after")
        for client in a, b:
            assert ["before", "after"] == await texts(client, 2)
            assert client.closed is None


async def test_what_redis_took_while_a_process_could_not_hear_it_comes_in_order(redis, monkeypatch):
    monkeypatch.setattr(reference_ws.rooms, "CHUNK", 7)
    one, two = Rooms(redis.url, history=100), Rooms(redis.url, history=100)
    async with member(one) as a, two:
        await two.send_text("a", "0")
        monkeypatch.setattr(reference_ws.rooms, "AGAIN_S", 0.2)
        client = two.engine._redis
        await client.client_kill_filter(_type="pubsub")
        for number in range(1, 50):
            await two.send_text("a", str(number))
        assert list(map(str, range(50))) == await texts(a, 50)


async def test_members_are_told_of_what_nobody_can_bring_back(redis, monkeypatch):
    one, two = Rooms(redis.url, history=3), Rooms(redis.url, history=3)
    async with member(one) as a, two:
        await two.send_text("a", "0")
        assert "0" == await a.receive_text()
        monkeypatch.setattr(reference_ws.rooms, "AGAIN_S", 1)
        client = two.engine._redis
        await client.client_kill_filter(_type="pubsub")
        for number in range(1, 10):
            await two.send_text("a", str(number))
        got = [await a.receive_text()]
        while got[-1] != "9":
            got.append(await a.receive_text())
        # The connection may have been there again before the last one, on a slow machine before any.
        assert got in (['{"skipped":6}', "7", "8", "9"], list(map(str, range(1, 10)))) or "skipped" in "".join(got)


async def test_members_hear_a_redis_that_has_lost_its_data_and_whose_clock_has_gone_back(redis, monkeypatch):
    monkeypatch.setattr(reference_ws.rooms, "CHUNK", 7)
    rooms = Rooms(redis.url, history=100)
    async with member(rooms) as client, rooms:
        await rooms.send_text("a", "0")
        assert "0" == await client.receive_text()
        at_redis = rooms.engine._redis
        await at_redis.delete("rooms:a")
        for number in range(1, 21):
            await at_redis.xadd("rooms:a", {"m": f"t{number}"}, id=f"5-{number}")
        await at_redis.client_kill_filter(_type="pubsub")
        assert ['{"skipped":null}', *map(str, range(1, 21))] == await texts(client, 21)
        await rooms.send_text("a", "on")
        assert "on" == await client.receive_text()


async def test_who_joins_while_redis_is_away_waits_for_it_and_not_for_ever(redis, monkeypatch):
    rooms = Rooms(redis.url, history=10)
    await rooms.send_text("a", "1")
    redis.kill()
    monkeypatch.setattr(reference_ws.rooms, "WAIT_S", 0.1)
    chat = Chat(rooms)
    with pytest.raises(EngineError, match=r"Redis can't be reached: \w.*\. Try again later\.$"):
        async with connect(chat, "/room/a?after=0-0", timeout_s=WAIT_S) as client:
            await client.receive()
    assert nobody_is_in(rooms)
    monkeypatch.setattr(reference_ws.rooms, "WAIT_S", WAIT_S)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, redis.start)
        async with member(rooms, after="0-0") as client:
            assert "1" == await client.receive_text()


async def test_who_comes_and_goes_while_redis_is_away_leaves_nothing(redis):
    rooms = Rooms(redis.url)
    async with member(rooms):
        redis.kill()
        await until(lambda: not rooms.engine._topics["rooms:a"].ready.is_set())
        for number in range(100):
            await rooms.engine.leave(rooms.engine.enter(f"rooms:{number}"))
        await until(lambda: {"rooms:a"} == set(rooms.engine._wanted))


async def test_a_redis_that_hangs_is_an_error_too(redis, monkeypatch):
    rooms = Rooms(redis.url)
    monkeypatch.setattr(reference_ws.rooms, "WAIT_S", 0.2)
    redis.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(EngineError):
            await rooms.send_text("a", "?")
    finally:
        redis.process.send_signal(signal.SIGCONT)


async def test_a_connection_that_is_silent_is_given_up(redis, monkeypatch):
    """The other end may be gone without a word: then the answer to a ping doesn't come."""
    monkeypatch.setattr(reference_ws.rooms, "PING_S", 0.1)
    rooms = Rooms(redis.url, history=10)
    async with member(rooms) as client:
        topic = rooms.engine._topics["rooms:a"]
        with anyio.fail_after(WAIT_S):
            subscribed, asked = -1, 0
            while asked < 3:  # pings, one after the other, on one connection: they are answered, and it stays
                await anyio.sleep(0.02)
                counts = await rooms.engine._redis.info("commandstats")
                calls = [counts.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("subscribe", "ping")]
                if calls[0] != subscribed:
                    subscribed, before = calls
                asked = calls[1] - before
        ready = topic.ready
        redis.process.send_signal(signal.SIGSTOP)
        await until(lambda: topic.ready is not ready)
        redis.process.send_signal(signal.SIGCONT)
        await eventually(rooms.send_text, "a", "on")
        assert "on" == await client.receive_text()


async def test_what_others_publish_there_harms_nobody(redis):
    rooms = Rooms(redis.url, history=10)
    async with member(rooms) as client:
        foreign = rooms.engine._redis
        for junk in b"", b" ", b"x", b"1-1", b"t", b"b?", b" x", b" t\xff", b"1-1 t\xff":
            await foreign.publish("0:rooms:a", junk)
        await foreign.xadd("rooms:a", {"not": "ours"}, id="1-1")
        await rooms.send_text("a", "on")
        assert "on" == await client.receive_text()
    async with member(rooms, after="0-0") as client:
        assert "on" == await client.receive_text()


@pytest.mark.parametrize("after_ms", [0, 1, 2, 4, 8, 16])
async def test_a_cancellation_leaves_wherever_it_comes(redis, after_ms):
    rooms = Rooms(redis.url, history=10)
    await rooms.send_text("a", "1")

    async def come():
        # The application is cancelled too, and may say goodbye first.
        with suppress(WebSocketDisconnect):
            async with connect(Chat(rooms), "/room/a?after=0-0", timeout_s=WAIT_S) as client:
                while True:
                    await client.send_text("?")
                    await client.receive_text()

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(come)
        await anyio.sleep(after_ms / 1000)
        tasks.cancel_scope.cancel()
    assert nobody_is_in(rooms)
    assert rooms.engine._redis is None
    async with member(rooms) as client:
        await rooms.send_text("a", "on")
        assert "on" == await client.receive_text()


async def test_a_cancel_of_asyncio_leaves_nothing_either(redis):
    rooms = Rooms(redis.url, history=10)
    for turns in range(0, 60, 3):
        task = asyncio.ensure_future(rooms.send_text("a", "?"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await until(lambda: not rooms.engine._closing or rooms.engine._closing.done())
    assert 0 == rooms.engine._holders


async def test_rooms_come_and_go_quickly(redis):
    """A room that is left and entered again at once is subscribed to, whatever the order of the answers."""
    rooms = Rooms(redis.url)

    async def hop(number):
        for turn in range(10):
            async with member(rooms, name := str((number + turn) % 3)) as client:
                text = f"{number} {turn}"
                await rooms.send_text(name, text)
                while text != await client.receive_text():
                    pass

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(hop, number)


async def test_who_leaves_while_the_history_is_read_leaves_no_task(redis, monkeypatch):
    """The task that listens is reading then, and needs the connection no more than others do."""
    rooms, reading = Rooms(redis.url, history=10), asyncio.Event()
    async with member(rooms):
        await rooms.send_text("a", "?")
        engine, ask = rooms.engine, rooms.engine._ask

        async def ask_for_ever(command):
            async def never(client):
                reading.set()
                await anyio.sleep_forever()

            return await ask(never)

        client = engine._redis
        monkeypatch.setattr(engine, "_ask", ask_for_ever)
        await client.client_kill_filter(_type="pubsub")
        await reading.wait()
    assert nobody_is_in(rooms)
    assert engine._closing.done()


async def test_the_connection_is_there_while_somebody_needs_it(redis):
    rooms = Rooms(redis.url)
    await rooms.send_text("a", "?")
    assert rooms.engine._redis is None
    async with rooms:
        await rooms.send_text("a", "?")
        redis_ = rooms.engine._redis
        await rooms.send_text("a", "?")
        assert redis_ is rooms.engine._redis
    assert rooms.engine._redis is None


async def test_a_message_is_encoded_once_and_decoded_once_in_a_process(redis, monkeypatch):
    calls = Counter()
    for name in "dumps", "_message":
        own = getattr(reference_ws.rooms, name)
        monkeypatch.setattr(reference_ws.rooms, name, lambda data, n=name, own=own: (calls.update([n]), own(data))[1])
    rooms = Rooms(redis.url)
    async with member(rooms) as a, member(rooms) as b, member(rooms) as c:
        await rooms.send_json("a", {"to": "all"})
        for client in a, b, c:
            assert {"to": "all"} == await client.receive_json()
    assert {"dumps": 1, "_message": 1} == calls


async def test_trio_is_told_that_redis_needs_asyncio():
    with pytest.raises(EngineError, match="Redis needs asyncio: run this on it, or take the rooms in memory"):
        await anyio.to_thread.run_sync(trio.run, Rooms("redis://127.0.0.1:1/0").send_text, "a", "?")


async def test_without_the_extra_it_is_said_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ImportError, match=r'needs the client of Redis: pip install "reference-ws\[rooms\]"'):
        Rooms("redis://127.0.0.1/0")
