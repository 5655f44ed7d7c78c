"""Rooms: what is sent to a room reaches all of its members, in one process or in many.

    rooms = Rooms()                                # the members of this process
    rooms = Rooms("redis://127.0.0.1:6379/0")      # those of every process that names the same

    @app.router.websocket("/room/{name}")
    async def room(websocket: WebSocket, name: str, after: str | None = None):
        await websocket.accept()
        async with rooms.join(name, websocket, after=after) as room:
            async for text in websocket.iter_text():
                await room.send_json({"text": text})

    await rooms.send_json("news", {...})           # from anywhere

An engine brings a room's messages into one order and keeps the last ones. Between it and the members nothing waits: a
message is put into the queue of each one, and each has a task of its own that sends.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import re
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

import anyio
import anyio.lowlevel
from msgspec import Raw
from starlette.websockets import WebSocketState

from reference_ws.codec import dumps, loads
from reference_ws.errors import WebSocketDisconnect
from reference_ws.websocket import WebSocket

__all__ = ["EngineError", "Room", "RoomError", "Rooms"]

TOO_SLOW: Final = "you read too slowly"
CLOSE_S: Final = 5.0  # so long may the block of a member go on that was closed for being slow, before it is cancelled
MAX_NAME: Final = 128
KEPT_ROOMS: Final = 10_000  # of which a history is kept in memory: who may name rooms may name ever new ones
CHUNK: Final = 64  # so many messages of a history are read at once, and lie in memory for who catches up
WAIT_S: Final = 5.0  # so long may Redis take to answer
PING_S: Final = 10.0  # so long may it be silent before it is asked whether it is there
AGAIN_S: Final = 0.2  # so long after a connection was lost is the next one tried
CONNECTIONS: Final = 16  # so many of a process send and read, at most; one more listens

Id = tuple[int, int]
"""The time in ms at which the engine took a message, and its number in the room: 1, 2, 3 and so on."""
Entry = tuple[Id, bytes]
START: Final[Id] = (0, 0)
NOWHERE: Final[Id] = (10**17, 0)  # in place of what can be no id: longer than any, and so behind all messages


class RoomError(ValueError):
    """A room's name, a message or a join is out of bounds: nothing was sent or joined."""


class EngineError(Exception):
    """The engine can't be reached, or refuses; the members stay, and once it is back all goes on.

    A message whose sending raises this was taken or not: nobody can know.
    """


class _Message(NamedTuple):
    text: str | None  # None where it is binary
    data: bytes


@dataclass(eq=False)
class Rooms:
    """Rooms that share an engine: memory, or Redis (Valkey) with the extra ``reference-ws[rooms]``.

    | argument | meaning |
    |---|---|
    | ``url`` | ``redis://HOST:PORT/DATABASE``, ``rediss://``, ``unix://``, or the ``engine`` of another `Rooms` |
    | ``history`` | so many messages of each room are kept for those who come back; the same in all processes |
    | ``id_key`` | the key under which a JSON object carries its id; needs ``history`` |
    | ``slow`` | ``"close"``: a member whose queue is full is closed with 1013; ``"skip"``: its oldest are left out |
    | ``prefix`` | stands before the names in Redis: rooms of another prefix are other rooms |
    | ``keep_s`` | how long a history stays after the last message of its room, in seconds |
    | ``max_message_bytes`` | of one message, in UTF-8 |
    | ``queue_messages``, ``queue_bytes`` | what may wait for one member in one room; a single message always may |
    | ``max_rooms`` | in which one connection may be at once |

    A member whom messages were kept from is sent the text frame ``{"skipped": 3}``, or ``{"skipped": null}`` where
    nobody knows how many: left out by ``slow="skip"``, or no longer in the history when it came back.

    Memory serves asyncio and trio, Redis asyncio; either way in one event loop at a time. The engine is connected while
    somebody is in a room, sends, or is in ``async with rooms``: so a process that only sends keeps its connection.
    """

    url: str | Engine | None = field(default=None, repr=False)  # it may hold a password
    _: KW_ONLY
    history: int = 0
    id_key: str | None = None
    slow: Literal["close", "skip"] = "close"
    prefix: str = "rooms"
    keep_s: float = 86_400
    max_message_bytes: int = 65_536
    queue_messages: int = 64
    queue_bytes: int = 1_048_576
    max_rooms: int = 32
    engine: Engine = field(init=False, repr=False)
    """Where the messages go; ``Rooms(other.engine)`` has the rooms of ``other``, as a second process would."""
    _joined: dict[WebSocket, set[str]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("keep_s", "max_message_bytes", "queue_messages", "queue_bytes", "max_rooms"):
            if not 0 < (value := getattr(self, name)) < math.inf:
                raise ValueError(f"Rooms({name}={value!r}): a bound is more than 0.")
        if self.queue_bytes < self.max_message_bytes:
            raise ValueError("Rooms(queue_bytes=...): a queue must hold a message of max_message_bytes.")
        if self.history < 0 or (self.id_key is not None and not self.history):
            raise ValueError("Rooms(history=N): N is at least 1 where messages have an id, and never less than 0.")
        if self.slow not in ("close", "skip"):
            raise ValueError(f"Rooms(slow={self.slow!r}): it is 'close' or 'skip'.")
        if not re.fullmatch(r"[\w.-]+", self.prefix):  # no colon, which ends it
            raise ValueError(f"Rooms(prefix={self.prefix!r}): letters, digits, '_', '.' and '-' make a prefix.")
        self.engine = _Redis(self.url) if isinstance(self.url, str) else self.url or Engine()

    async def __aenter__(self) -> Rooms:
        self.engine.hold()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.let_go()

    async def send_text(self, name: str, data: str) -> str | None:
        """Send a text frame to all members of a room; return its id, or ``None`` without a history.

        It returns when the engine has it. Raises `RoomError` for a name or a message out of bounds, `EngineError` when
        the engine can't be reached, and `TypeError` for data of another kind.
        """
        if not isinstance(data, str):
            raise TypeError(f"send_text() takes a str, not {type(data).__name__}; use send_bytes() or send_json().")
        return await self._publish(name, b"t" + data.encode())

    async def send_bytes(self, name: str, data: bytes) -> str | None:
        """Send a binary frame to all members of a room; returns and raises like `send_text`."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"send_bytes() takes bytes, not {type(data).__name__}; use send_text() or send_json().")
        return await self._publish(name, b"b" + bytes(data))

    async def send_json(self, name: str, data: Any) -> str | None:
        """Send JSON in a text frame to all members of a room; returns and raises like `send_text`.

        ``data`` is what `WebSocket.send_json` takes. With ``id_key`` an object carries its id first, as a string; an
        object that has this key already is a `RoomError`.
        """
        # JSON that is written already may be a client's: the key in another spelling, or twice.
        text = dumps(loads(data) if self.id_key is not None and isinstance(data, Raw) else data)
        if self.id_key is None or not text.startswith("{"):
            return await self._publish(name, f"t{text}".encode())
        key = dumps(self.id_key)
        if key in text and self.id_key in loads(text):
            raise RoomError(f"The key {key} is where the message's id goes: rename it, or take another id_key.")
        rest = '"}' if text == "{}" else f'",{text[1:]}'
        return await self._publish(name, f't{{{key}:"'.encode(), rest.encode())

    async def _publish(self, name: str, head: bytes, tail: bytes = b"") -> str | None:
        if (size := len(head) - 1 + len(tail)) > self.max_message_bytes:
            raise RoomError(f"{size} bytes are more than max_message_bytes: send less, or send where to get it.")
        id_ = await self.engine.publish(self._full(name), head, tail, self.history, self.keep_s)
        return None if id_ is None else _write_id(id_)

    def _full(self, name: str) -> str:
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise RoomError(f"{name!r:.150} names no room: take 1 to {MAX_NAME} printable characters, like 'news'.")
        return f"{self.prefix}:{name}"

    @asynccontextmanager
    async def join(self, name: str, websocket: WebSocket, after: str | None = None) -> AsyncIterator[Room]:
        """Be a member of a room while the block runs, on an accepted connection.

        ``after`` is the id of the last message that the client had: it is first sent what came since, and then goes on
        without a gap or a repetition. ``"0-0"`` comes before the first message. What can be no id of this room's, a
        client's invention too, is answered like one that is too old.

        A member that is too slow is closed; the handler receives that end like any other, and a block that doesn't end
        within 5 s is cancelled. Raises `RoomError`, `EngineError`, and `WebSocketDisconnect` when the client leaves
        before it has caught up.
        """
        full = self._full(name)
        if websocket.application_state is not WebSocketState.CONNECTED:
            raise RoomError(f"join({name!r}): accept the connection first; it is {websocket.application_state.name}.")
        mine = self._joined.get(websocket, set())
        if name in mine:
            raise RoomError(f"join({name!r}): this connection is in that room already; leave it first.")
        if len(mine) >= self.max_rooms:
            whole = f"{len(mine)} of {self.max_rooms} rooms"
            raise RoomError(f"join({name!r}): this connection is in {whole}; leave one, or raise max_rooms.")
        topic = self.engine.enter(full)
        self._joined[websocket] = mine
        mine.add(name)
        room = Room(name, websocket, self, topic)
        try:
            await self.engine.ready(topic)
            await room._catch_up(after)
            failure: BaseException | None = None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(room._run, tasks.cancel_scope)
                try:
                    yield room
                except (anyio.get_cancelled_exc_class(), GeneratorExit):
                    raise
                except BaseException as error:  # raised in here, it would come out inside of an ExceptionGroup
                    failure = error
                tasks.cancel_scope.cancel()
            if failure := failure or room._failure:
                raise failure
        finally:
            room._leave()
            mine.discard(name)
            if not mine:
                self._joined.pop(websocket, None)
            await self.engine.leave(topic)


@dataclass(eq=False, slots=True)
class Room:
    """A connection's membership in a room, from `Rooms.join`."""

    name: str
    websocket: WebSocket
    _rooms: Rooms
    _topic: _Topic
    _queue: deque[_Message] = field(default_factory=deque, init=False)
    _size: int = field(default=0, init=False)
    _left_out: int = field(default=0, init=False)
    _since: Id = field(default=START, init=False)
    _too_slow: anyio.CancelScope = field(default_factory=anyio.CancelScope, init=False)
    _failure: Exception | None = field(default=None, init=False)

    async def send_text(self, data: str) -> str | None:
        """Send a text frame to all members, this one too, like `Rooms.send_text`."""
        return await self._rooms.send_text(self.name, data)

    async def send_bytes(self, data: bytes) -> str | None:
        """Send a binary frame to all members, this one too, like `Rooms.send_bytes`."""
        return await self._rooms.send_bytes(self.name, data)

    async def send_json(self, data: Any) -> str | None:
        """Send JSON to all members, this one too, like `Rooms.send_json`."""
        return await self._rooms.send_json(self.name, data)

    async def _catch_up(self, after: str | None) -> None:
        """Send what came after that id, and become a member at a moment at which nothing can be missing.

        The history is read while others send. What it doesn't hold yet will come to the topic, or came to it during the
        read: then the topic's position is beyond ours, and we read on. So we do when the topic was cut off meanwhile.
        Otherwise we become a member in the same step, with no await between. What we have read and comes to the topic
        only now, ``_since`` keeps from us.
        """
        topic, engine = self._topic, self._rooms.engine
        if self._rooms.history:
            ready, behind = topic.ready, after is not None
            position = topic.position or await engine.last(topic.name) if after is None else _read_id(after) or NOWHERE
            while behind or topic.ready is not ready:
                ready = topic.ready
                await engine.ready(topic)
                came = topic.position or START
                entries, missing = await engine.read(topic.name, position, CHUNK)
                if missing != 0:
                    await self._send(_skipped(missing))
                for _, payload in entries:
                    if message := _message(payload):
                        await self._send(message)
                if missing is None:  # of an invention nothing may stay
                    position = START
                position = entries[-1][0] if entries else position
                if len(entries) < CHUNK:  # that was all: what came before and isn't in there, no history holds any more
                    position = max(position, came)
                behind = len(entries) == CHUNK or (topic.position or START) > position
            self._since = position
            topic.position = topic.position or self._since
        topic.members[self] = None

    def _leave(self) -> None:
        self._topic.members.pop(self, None)

    def _put(self, id_: Id | None, message: _Message) -> None:
        """Queue a message; whatever the member does, this never waits."""
        if id_ is not None and id_ <= self._since:
            return
        self._queue.append(message)
        self._size += len(message.data)
        most, most_bytes = self._rooms.queue_messages, self._rooms.queue_bytes
        while (waiting := len(self._queue)) > most or (self._size > most_bytes and waiting > 1):  # one alone isn't slow
            if self._rooms.slow == "close":
                self._leave()
                self._queue.clear()
                self._too_slow.cancel()
                return
            self._size -= len(self._queue.popleft().data)
            self._left_out += 1

    async def _run(self, block: anyio.CancelScope) -> None:
        """Send what is queued until the block ends, or the connection does."""
        try:
            with self._too_slow:
                await self._send_queued()
            # Who reads again gets the close, its handler the disconnect, and the block ends by itself, with all that it
            # does then. But behind a buffer that nobody empties a close may wait for ever.
            with anyio.move_on_after(CLOSE_S):
                await self.websocket.close(1013, TOO_SLOW)
                await anyio.sleep_forever()
            block.cancel()
        except WebSocketDisconnect:
            self._leave()  # the handler learns of it when it receives
        except Exception as error:
            self._failure = error
            block.cancel()

    async def _send_queued(self) -> None:
        while True:
            while not self._queue:
                await self._topic.came.wait()
            if self._left_out:
                message, self._left_out = _skipped(self._left_out), 0
            else:
                message = self._queue.popleft()
                self._size -= len(message.data)
            await self._send(message)

    async def _send(self, message: _Message) -> None:
        if message.text is not None:
            await self.websocket.send_text(message.text)
        else:
            await self.websocket.send_bytes(message.data)


# --- engines ----------------------------------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class _Topic:
    """A room as this process knows it."""

    name: str
    members: dict[Room, None] = field(default_factory=dict)  # those who are here, as they came
    users: int = 0
    position: Id | None = None  # of the last message that came to them
    ready: anyio.Event = field(default_factory=anyio.Event)  # set while messages come; another one when it is cut off
    came: anyio.Event = field(default_factory=anyio.Event)  # one for all members: one for each is a quarter of the work

    def begin_again(self) -> None:
        """Take whatever comes as new: the engine has lost its numbers, and its clock may have gone back as well."""
        self.position = START
        for member in self.members:
            member._since = START

    def put(self, id_: Id | None, message: _Message) -> None:
        """Queue a message for each member that is here, and wake those who wait."""
        for member in tuple(self.members):
            member._put(id_, message)
        self.came.set()
        self.came = anyio.Event()


class Engine:
    """The engine of one process, in memory; others do more in its methods."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._kept: dict[str, deque[Entry]] = {}
        self._ends: dict[str, float] = {}  # when (in ms) what is kept of a room ends; last the one sent to last
        self._turn: anyio.Lock | None = None
        self._sending = 0

    def hold(self) -> None:
        """Stay connected until `let_go`."""

    async def let_go(self) -> None:
        """Disconnect, if nobody else holds it."""

    def enter(self, name: str) -> _Topic:
        """Make a room known here; `leave` has to follow."""
        self.hold()
        if name not in self._topics:
            self._topics[name] = _Topic(name)
            self.want(name, self._topics[name])
        self._topics[name].users += 1
        return self._topics[name]

    async def leave(self, topic: _Topic) -> None:
        """Forget the room, if nobody here is in it any more."""
        topic.users -= 1
        if not topic.users:
            del self._topics[topic.name]
            self.want(topic.name, None)
        await self.let_go()

    def want(self, name: str, topic: _Topic | None) -> None:
        """Have the room's messages come here from now on; ``None``: no more."""

    async def ready(self, topic: _Topic) -> None:
        """Wait until the room's messages come here."""

    def deliver(self, name: str, id_: Id | None, payload: bytes) -> None:
        """Queue a message for each member that is here, unless it came already."""
        topic = self._topics.get(name)
        if topic is None or (id_ is not None and topic.position is not None and id_ <= topic.position):
            return
        topic.position = id_ or topic.position
        if topic.members and (message := _message(payload)):
            topic.put(id_, message)

    async def publish(self, name: str, head: bytes, tail: bytes, history: int, keep_s: float) -> Id | None:
        """Take a message: the head, or the head, its id and the tail. Without a history it has no id."""
        # One in each turn of the event loop: if hundreds of tasks sent in the same one, the queue of a member would be
        # full before its task has run. A new lock for those who meet, as the next ones may meet in another event loop.
        self._turn = self._turn or anyio.Lock(fast_acquire=True)
        self._sending += 1
        try:
            async with self._turn:
                id_, payload = self._keep(name, head, tail, history, keep_s) if history else (None, head)
                self.deliver(name, id_, payload)
                await anyio.lowlevel.cancel_shielded_checkpoint()
        finally:
            self._sending -= 1
            if not self._sending:
                self._turn = None
        return id_

    def _keep(self, name: str, head: bytes, tail: bytes, history: int, keep_s: float) -> Entry:
        now = int(anyio.current_time() * 1000)
        for other in list(islice(self._kept, 2)):  # two, and the next time others: those whose time is over grow fewer
            entries = self._kept.pop(other)
            if self._ends[other] >= now:
                self._kept[other] = entries
            else:
                del self._ends[other]
        entries = self._kept.setdefault(name, deque())
        self._ends.pop(name, None)
        self._ends[name] = now + keep_s * 1000
        if len(self._kept) > KEPT_ROOMS:
            longest_silent = next(iter(self._ends))
            del self._kept[longest_silent], self._ends[longest_silent]
        ms, number = entries[-1][0] if entries else START
        id_ = max(ms, now), number + 1
        entries.append((id_, head + _write_id(id_).encode() + tail if tail else head))
        while len(entries) > history:
            entries.popleft()
        return entries[-1]

    async def last(self, name: str) -> Id:
        """Tell the id of the last message that is kept, `START` when none is."""
        return self._kept[name][-1][0] if name in self._kept else START

    async def kept(self, name: str, first: Id, count: int) -> list[Entry]:
        """Read at most so many messages from that id on."""
        entries = self._kept.get(name, ())
        begin = bisect_left(entries, (first, b""))
        return list(islice(entries, begin, begin + count))

    async def read(self, name: str, after: Id, count: int) -> tuple[list[Entry], int | None]:
        """Read at most so many messages behind that id, and tell how many are missing between.

        It is ``None`` where nobody knows: that id is none of those that are numbered with these, because the engine has
        lost them since, or there was no such message.
        """
        found = await self.kept(name, after, count + 1)
        if found and found[0][0] == after:
            return found[1:], 0
        if not found and after != START:
            return await self.kept(name, START, count), None
        missing = found[0][0][1] - after[1] - 1 if found else 0
        return found[:count], missing if missing >= 0 else None


_SCRIPT: Final = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local ms, number = string.match(last and last[1] or '0-0', '(%d+)-(%d+)')
local time = redis.call('TIME')
ms = math.max(tonumber(ms), time[1] * 1000 + math.floor(time[2] / 1000))
local id = string.format('%.0f-%.0f', ms, number + 1)
local payload = ARGV[3] == '' and ARGV[2] or ARGV[2] .. id .. ARGV[3]
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[4], id, 'm', payload)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PUBLISH', ARGV[1], id .. ' ' .. payload)
return id
"""
"""Numbers a message, keeps it and publishes it, in one step: nothing else happens in Redis meanwhile."""


_listens: Final = contextvars.ContextVar("_listens", default=False)
"""Set in the task that listens: it lives while others hold the connection. If it held it, its end would wait for it."""


class _Redis(Engine):
    """The engine of many processes: Redis, which takes one command after the other.

    Messages come by publish/subscribe over one connection, which listens. When it is lost, a new one subscribes again,
    and then what the streams have got meanwhile is read: whatever isn't in such a read comes to the new subscription.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        try:
            import redis.asyncio as client  # here: an extra
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise ImportError('Rooms(url) needs the client of Redis: pip install "reference-ws[rooms]".') from None
        self._errors = client.RedisError, OSError
        self._redis: Any = None
        make_pool = partial(
            client.BlockingConnectionPool.from_url,
            url,
            max_connections=CONNECTIONS,
            timeout=WAIT_S,
            socket_timeout=None,  # `_ask` has its own: asyncio.wait_for, which this would use, loses cancellations
            socket_connect_timeout=WAIT_S,
            protocol=2,
            retry=Retry(NoBackoff(), 0),  # to try again could be to send twice
        )
        self._connect: Callable[[], Any] = lambda: client.Redis.from_pool(make_pool())
        # A server's databases share its channels, other than its keys.
        self._channel = f"{make_pool().connection_kwargs.get('db', 0)}:"
        self._holders = 0
        self._listener: asyncio.Future[None] | None = None
        self._listening: anyio.CancelScope
        self._problem: BaseException | None = None
        self._closing: asyncio.Future[None] | None = None
        self._changed = anyio.Event()
        self._wanted: dict[str, _Topic | None] = {}  # what Redis has to be told: None unsubscribes

    # --- connected while somebody needs it

    def hold(self) -> None:
        if self._redis is None:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                raise EngineError("Redis needs asyncio: run this on it, or take the rooms in memory.") from None
            self._redis, self._listening = self._connect(), anyio.CancelScope()
        self._holders += 1

    async def let_go(self) -> None:
        self._holders -= 1
        if not self._holders:
            self._closing = asyncio.ensure_future(self._close(self._redis, self._listener))
            self._redis = self._listener = None
            self._listening.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.shield(self._closing)  # a cancel() of asyncio's doesn't care for anyio's shield

    async def _close(self, redis: Any, listener: asyncio.Future[None] | None) -> None:
        if listener is not None:
            await asyncio.wait([listener])
        await redis.aclose()

    # --- sending and reading

    async def _ask(self, command: Callable[[Any], Awaitable[Any]]) -> Any:
        holds = not _listens.get()
        if holds:
            self.hold()
        try:
            with anyio.fail_after(WAIT_S):
                return await command(self._redis)
        except self._errors as error:
            problem = str(error) or "no answer in time"
            raise EngineError(f"Redis can't be reached, or refuses: {problem}. Try again later.") from error
        finally:
            if holds:
                await self.let_go()

    async def publish(self, name: str, head: bytes, tail: bytes, history: int, keep_s: float) -> Id | None:
        channel = self._channel + name
        if not history:
            await self._ask(lambda redis: redis.publish(channel, b" " + head))
            return None
        words = [channel, head, tail, history, int(keep_s * 1000)]
        return _read_id(await self._ask(lambda redis: redis.register_script(_SCRIPT)([name], words)))

    async def last(self, name: str) -> Id:
        found = await self._ask(lambda redis: redis.xrevrange(name, count=1))
        return _read_id(found[0][0]) or START if found else START

    async def kept(self, name: str, first: Id, count: int) -> list[Entry]:
        found = await self._ask(lambda redis: redis.xrange(name, _write_id(first), count=count))
        return [(_read_id(id_) or START, fields.get(b"m", b"")) for id_, fields in found]

    # --- listening

    def want(self, name: str, topic: _Topic | None) -> None:
        self._wanted[name] = topic
        self._changed.set()
        if self._listener is None:
            # Not in the context of the connection that happens to be the first.
            self._listener = contextvars.Context().run(
                asyncio.ensure_future, self._listen(self._redis, self._listening, self._closing)
            )

    async def ready(self, topic: _Topic) -> None:
        with anyio.move_on_after(WAIT_S):
            await topic.ready.wait()
            return
        raise EngineError(f"Redis can't be reached: {self._problem or 'no answer in time'}. Try again later.")

    async def _listen(self, redis: Any, scope: anyio.CancelScope, before: asyncio.Future[None] | None) -> None:
        _listens.set(True)
        with scope:
            if before is not None:
                await asyncio.wait([before])  # the listener before this one may not touch what is this one's
            while True:
                self._wanted = {**self._topics}  # whoever has come and gone since the last connection leaves nothing
                connection = redis.connection_pool.make_connection()
                try:
                    await connection.connect()
                    async with anyio.create_task_group() as tasks:
                        subscribing: deque[_Topic] = deque()
                        tasks.start_soon(self._tell, connection, subscribing)
                        while True:
                            await self._hear(connection, subscribing)
                except Exception as error:  # whatever it is, the members want to hear again
                    self._problem = getattr(error, "exceptions", [error])[0]
                finally:
                    for topic in self._topics.values():
                        if topic.ready.is_set():
                            topic.ready = anyio.Event()
                    await connection.disconnect(nowait=True)
                await anyio.sleep(AGAIN_S)

    async def _tell(self, connection: Any, subscribing: deque[_Topic]) -> None:
        """Tell Redis which rooms are wanted; when there is nothing to tell, ask whether it is there."""
        while True:
            self._changed = anyio.Event()
            wanted, self._wanted = self._wanted, {}
            subscribing += filter(None, wanted.values())
            gone = [name for name, topic in wanted.items() if topic is None]
            for command, names in ("SUBSCRIBE", [name for name in wanted if wanted[name]]), ("UNSUBSCRIBE", gone):
                if names:
                    await connection.send_command(command, *(self._channel + name for name in names))
            if not wanted:
                await connection.send_command("PING")
            with anyio.move_on_after(PING_S):
                await self._changed.wait()

    async def _hear(self, connection: Any, subscribing: deque[_Topic]) -> None:
        reply = await connection.read_response(disable_decoding=True, timeout=2 * PING_S)
        if reply is None:
            raise TimeoutError("it is silent")
        if reply[0] == b"message":
            id_, _, payload = reply[2].partition(b" ")
            self.deliver(reply[1].decode()[len(self._channel) :], _read_id(id_), payload)
            await anyio.lowlevel.checkpoint()  # the members' turn: a burst would fill their queues
        elif reply[0] == b"subscribe":
            topic = subscribing.popleft()
            while topic.position is not None:  # we were here before: what came meanwhile?
                entries, missing = await self.read(topic.name, topic.position, CHUNK)
                if missing is None:
                    topic.begin_again()
                if missing != 0:
                    topic.put(None, _skipped(missing))
                for id_, payload in entries:
                    self.deliver(topic.name, id_, payload)
                    await anyio.lowlevel.checkpoint()
                if len(entries) < CHUNK:
                    break
            topic.ready.set()


# --- what is written and read -----------------------------------------------------------------------------------------


def _message(payload: bytes) -> _Message | None:
    """Decode a message, once for all members; ``None`` for what others have put there."""
    kind, data = payload[:1], payload[1:]
    try:
        return _Message(data.decode() if kind == b"t" else None, data) if kind in (b"t", b"b") else None
    except UnicodeDecodeError:
        return None


def _skipped(count: int | None) -> _Message:
    text = dumps({"skipped": count})
    return _Message(text, text.encode())


def _read_id(text: str | bytes) -> Id | None:
    """Read an id; ``None`` for what can be none, from a client too."""
    data = text.encode(errors="replace") if isinstance(text, str) else text
    found = re.fullmatch(rb"([0-9]{1,16})-([0-9]{1,16})", data)
    return (int(found[1]), int(found[2])) if found else None


def _write_id(id_: Id) -> str:
    return f"{id_[0]}-{id_[1]}"
