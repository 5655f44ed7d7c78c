"""Rooms: what is sent to one reaches all of its members, in one process or in many.

    rooms = Rooms()                                # the members of this process
    rooms = Rooms("redis://127.0.0.1:6379/0")      # those of every process that names the same

    @app.router.websocket("/room/{name}")
    async def room(websocket: WebSocket, name: str, after: str | None = None):
        await websocket.accept()
        async with rooms.join(name, websocket, after=after) as room:
            async for text in websocket.iter_text():
                await room.send_json({"text": text})

    await rooms.send_json("news", {...})           # from anywhere

An engine brings the messages of a room into one order and keeps the last ones. What stands here between it and the
members never waits for one: a message is put into the queue of each, and each has a task of its own that sends.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

import anyio
import anyio.lowlevel
from starlette.websockets import WebSocketState

from reference_ws.codec import dumps, loads
from reference_ws.errors import WebSocketDisconnect
from reference_ws.websocket import Mode, WebSocket

__all__ = ["EngineError", "Room", "RoomError", "Rooms"]

TOO_SLOW: Final = "you read too slowly"
"""The reason of the 1013 that a slow member is closed with."""

CLOSE_S: Final = 5.0
"""How long a slow member may take to read its close, and its handler to end, before the block is cancelled."""

CHUNK: Final = 64
"""How many messages of the history are read at once: so many does a member that catches up hold in memory."""

Id = tuple[int, int]
"""A message's id: the time in ms at which the engine took it, and its number in the room, from 1 without a gap."""

START: Final[Id] = (0, 0)

MAX_NAME: Final = 128
"""How long a room's name may be, in characters."""


class RoomError(ValueError):
    """A room's name, a message or a join is out of bounds; nothing was sent or joined, and the text says what to do."""


class EngineError(Exception):
    """The engine can't be reached, or refuses; the members stay, and once it is back all goes on.

    The message whose sending raised this may have been taken or not.
    """


class _Message(NamedTuple):
    """A message as each member sends it, decoded once for all of them."""

    text: str | None
    data: bytes | None
    size: int


@dataclass(eq=False)
class Rooms:
    """Rooms that share an engine: in memory, or Redis (or Valkey) by its URL, with the extra ``reference-ws[rooms]``.

    | argument | meaning |
    |---|---|
    | ``url`` | ``redis://HOST:PORT/DB``, also ``rediss://`` and ``unix://``; or the ``engine`` of another `Rooms` |
    | ``history`` | how many messages of each room are kept for those who come back; 0: none |
    | ``id_key`` | the key under which a JSON object carries its id; needs ``history`` |
    | ``slow`` | ``"close"`` closes a member whose queue is full with 1013; ``"skip"`` leaves the oldest messages out |
    | ``prefix`` | stands before all names in Redis: rooms of another prefix are other rooms |
    | ``keep_s`` | how long a history stays after its room's last message, in seconds |
    | ``max_message_bytes`` | of one message, in UTF-8 |
    | ``queue_messages``, ``queue_bytes`` | what may wait for one member in one room |
    | ``max_rooms`` | in which one connection may be at once |

    All processes of an engine take the same ``history``. In memory it works with asyncio and with trio, in one event
    loop; Redis needs asyncio. The engine is connected while somebody is in a room, sends, or is in ``async with rooms``
    (which a lifespan may do: a process that only sends then keeps its connection).

    A member that messages were left out for is sent the text frame ``{"skipped": 3}``, or ``{"skipped": null}`` where
    nobody knows how many: by ``slow="skip"``, or because the history no longer reaches back to ``after``.
    """

    url: str | Engine | None = None
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
    """Where the messages go; ``Rooms(other.engine)`` has the same rooms as ``other``, as a second process would."""
    _joined: dict[WebSocket, set[str]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("keep_s", "max_message_bytes", "queue_messages", "queue_bytes", "max_rooms"):
            if (value := getattr(self, name)) <= 0:
                raise ValueError(f"Rooms({name}={value!r}): a bound is more than 0.")
        if self.history < 0 or (self.id_key is not None and not self.history):
            raise ValueError("Rooms(id_key=...) needs history=N, at least 1: a message has an id where it is kept.")
        if self.slow not in ("close", "skip"):
            raise ValueError(f"Rooms(slow={self.slow!r}): it is 'close' or 'skip'.")
        if self.queue_bytes < self.max_message_bytes:
            raise ValueError("Rooms(queue_bytes=...) is at least max_message_bytes: a queue must take one message.")
        if not re.fullmatch(r"[\w.-]+", self.prefix):
            raise ValueError(f"Rooms(prefix={self.prefix!r}): it is made of letters, digits, '_', '.' and '-'.")
        if isinstance(self.url, str):
            raise NotImplementedError("the engine Redis is on its way")
        self.engine = self.url or _Memory()

    async def __aenter__(self) -> Rooms:
        self.engine.hold()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.let_go()

    async def send_text(self, name: str, data: str) -> str | None:
        """Send a text frame to all members of a room, and return its id, or ``None`` without a history.

        It returns when the engine has it. Raises `RoomError` for a name or a message out of bounds, `EngineError` when
        the engine can't be reached, and `TypeError` for data of another kind.
        """
        if not isinstance(data, str):
            raise TypeError(f"send_text() takes a str, not {type(data).__name__}; use send_bytes() or send_json().")
        return await self._publish(name, "send_text()", b"t" + data.encode())

    async def send_bytes(self, name: str, data: bytes) -> str | None:
        """Send a binary frame to all members of a room; returns and raises like `send_text`."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"send_bytes() takes bytes, not {type(data).__name__}; use send_text() or send_json().")
        return await self._publish(name, "send_bytes()", b"b" + bytes(data))

    async def send_json(self, name: str, data: Any, mode: Mode = "text") -> str | None:
        """Send JSON to all members of a room, as `WebSocket.send_json` does; returns and raises like `send_text`.

        With ``id_key`` an object carries its id first, as a string; one that has that key already is a `RoomError`.
        """
        if mode not in ("text", "binary"):
            raise ValueError(f"send_json() with mode={mode!r}: it is 'text' or 'binary'.")
        text, kind = dumps(data), "t" if mode == "text" else "b"
        if self.id_key is None or not text.startswith("{"):
            return await self._publish(name, "send_json()", f"{kind}{text}".encode())
        key = dumps(self.id_key)
        if key in text and self.id_key in loads(text):
            raise RoomError(
                f"send_json(): the object has the key {key} already, which is where its id goes: rename it, or take "
                "another id_key."
            )
        rest = '"}' if text == "{}" else f'",{text[1:]}'
        return await self._publish(name, "send_json()", f'{kind}{{{key}:"'.encode(), rest.encode())

    @asynccontextmanager
    async def join(self, name: str, websocket: WebSocket, after: str | None = None) -> AsyncIterator[Room]:
        """Be a member of a room while the block runs, on an accepted connection.

        ``after`` is the id of the last message that the client had: it is first sent what came since, and then goes on
        without a gap or a repetition. ``"0-0"`` stands before the first message: all that is kept is sent. What is no
        id of this room's is answered as one that is too old.

        When the member is too slow and closed, the handler receives that end as it does any other; if the block is not
        left within 5 s, it is cancelled, and what stands behind it runs. Raises `RoomError`, `EngineError` when the
        engine can't be reached, and `WebSocketDisconnect` when the client leaves before it has caught up.
        """
        _check_name(name)
        if websocket.application_state is not WebSocketState.CONNECTED:
            raise RoomError(f"join({name!r}): the connection is {websocket.application_state.name}: accept it first.")
        mine = self._joined.get(websocket, set())
        if name in mine:
            raise RoomError(f"join({name!r}): this connection is in the room already: leave it first.")
        if len(mine) >= self.max_rooms:
            raise RoomError(
                f"join({name!r}): this connection is in {len(mine)} rooms: leave one first, or raise max_rooms."
            )
        self._joined[websocket] = mine
        mine.add(name)
        topic = self.engine.topic(name)
        room = Room(self, websocket, topic)
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
                finally:
                    room._leave()
                tasks.cancel_scope.cancel()
            if failure := failure or room._failure:
                raise failure
        finally:
            room._leave()
            mine.discard(name)
            if not mine:
                self._joined.pop(websocket, None)
            await self.engine.left(topic)

    async def _publish(self, name: str, tried: str, head: bytes, tail: bytes = b"") -> str | None:
        _check_name(name)
        if (size := len(head) - 1 + len(tail)) > self.max_message_bytes:
            raise RoomError(
                f"{tried}: {size} bytes are more than max_message_bytes={self.max_message_bytes}: send less, or send "
                "where to get it."
            )
        id = await self.engine.publish(name, head, tail, self.history, self.keep_s)  # noqa: A001
        return None if id is None else _write_id(id)


class Room:
    """One connection's membership in a room, from `Rooms.join`; ``name`` is the room's."""

    __slots__ = (
        *("_failure", "_left_out", "_queue", "_rooms", "_since", "_size", "_too_slow", "_topic", "_wake"),
        *("name", "websocket"),
    )

    def __init__(self, rooms: Rooms, websocket: WebSocket, topic: _Topic) -> None:
        self.name = topic.name
        self.websocket = websocket
        self._rooms = rooms
        self._topic = topic
        self._queue: deque[_Message] = deque()
        self._size = 0
        self._left_out = 0
        self._since = START
        self._wake: anyio.Event | None = None
        self._too_slow = anyio.CancelScope()
        self._failure: Exception | None = None

    async def send_text(self, data: str) -> str | None:
        """Send a text frame to all members, this one too; returns and raises like `Rooms.send_text`."""
        return await self._rooms.send_text(self.name, data)

    async def send_bytes(self, data: bytes) -> str | None:
        """Send a binary frame to all members, this one too; returns and raises like `Rooms.send_text`."""
        return await self._rooms.send_bytes(self.name, data)

    async def send_json(self, data: Any, mode: Mode = "text") -> str | None:
        """Send JSON to all members, this one too; returns and raises like `Rooms.send_json`."""
        return await self._rooms.send_json(self.name, data, mode)

    # --- inside: coming and going ---------------------------------------------------------------------------------

    async def _catch_up(self, after: str | None) -> None:
        """Send what came after that id, and become a member at a moment at which nothing can be missing.

        The history is read while others send. What it didn't hold yet when it was read will come to the topic, or came
        to it during the read: then the topic's position is beyond ours, and we read on. When it isn't, we become a
        member in the same step, without an await in between. What was read and comes to the topic only now is kept from
        us by ``_since``.
        """
        topic, engine = self._topic, self._rooms.engine
        if self._rooms.history:
            position = topic.position if after is None else _read_id(after)
            if after is None and position is None:
                position = await engine.last(self.name)
            behind = after is not None
            while behind:
                entries, skipped = await engine.read(self.name, position, CHUNK)
                if skipped != 0:
                    await self._send(_skipped(skipped))
                for _, payload in entries:
                    if message := _message(payload):
                        await self._send(message)
                position = entries[-1][0] if entries else position or START
                behind = len(entries) == CHUNK or (topic.position or START) > position
            self._since = position or START
            topic.position = topic.position or self._since
        topic.members[self] = None

    def _leave(self) -> None:
        self._topic.members.pop(self, None)

    # --- inside: the way out --------------------------------------------------------------------------------------

    def _put(self, id: Id | None, message: _Message) -> None:  # noqa: A002
        """Queue a message for this member; it never waits, whatever the member does."""
        if id is not None and id <= self._since:
            return
        self._queue.append(message)
        self._size += message.size
        while len(self._queue) > self._rooms.queue_messages or self._size > self._rooms.queue_bytes:
            if self._rooms.slow == "close":
                self._leave()
                self._queue.clear()
                self._too_slow.cancel()
                return
            self._size -= self._queue.popleft().size
            self._left_out += 1
        if self._wake is not None:
            self._wake.set()

    async def _run(self, block: anyio.CancelScope) -> None:
        """Send what is queued until the block ends, or the connection does."""
        try:
            with self._too_slow:
                await self._send_queued()
            self._leave()
            # Where the member reads again, its handler receives the disconnect and the block ends by itself, with all
            # that it does then. A close that can't be written, behind a buffer that nobody empties, waits for ever.
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
                self._wake = anyio.Event()
                await self._wake.wait()
            if self._left_out:
                left_out, self._left_out = self._left_out, 0
                await self._send(_skipped(left_out))
            else:
                message = self._queue.popleft()
                self._size -= message.size
                await self._send(message)

    async def _send(self, message: _Message) -> None:
        if message.text is not None:
            await self.websocket.send_text(message.text)
        else:
            await self.websocket.send_bytes(message.data or b"")


# --- engines ----------------------------------------------------------------------------------------------------------


class _Topic:
    """A room as this process knows it: its members here, and how far its messages have come to them."""

    __slots__ = ("members", "name", "position", "users")

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[Room, None] = {}  # in the order in which they came
        self.users = 0
        self.position: Id | None = None


class Engine:
    """What the engines have in common: it hands each message of a room to the members that are in this process."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}

    def topic(self, name: str) -> _Topic:
        """Enter a room; `left` has to follow, whatever happens."""
        self.hold()
        topic = self._topics.setdefault(name, _Topic(name))
        topic.users += 1
        return topic

    async def ready(self, topic: _Topic) -> None:
        """Wait until the messages of that room come here."""

    async def left(self, topic: _Topic) -> None:
        """Leave a room."""
        topic.users -= 1
        if not topic.users:
            del self._topics[topic.name]
        await self.let_go()

    def hold(self) -> None:
        """Stay connected until `let_go`."""

    async def let_go(self) -> None:
        """Disconnect, if nobody else holds it."""

    def deliver(self, name: str, id: Id | None, payload: bytes) -> None:  # noqa: A002
        """Queue a message for each member here, once: what is not behind the topic's position has come already."""
        if (topic := self._topics.get(name)) is None:
            return
        if id is not None:
            if topic.position is not None and id <= topic.position:
                return
            topic.position = id
        if topic.members and (message := _message(payload)):
            for member in tuple(topic.members):
                member._put(id, message)

    async def publish(self, name: str, head: bytes, tail: bytes, history: int, keep_s: float) -> Id | None:
        """Take a message: its payload is the head, or with a tail the head, the id and the tail."""
        raise NotImplementedError

    async def last(self, name: str) -> Id:
        """Tell the id of the last message kept, `START` without one."""
        raise NotImplementedError

    async def kept(self, name: str, first: Id, count: int) -> list[tuple[Id, bytes]]:
        """Read at most so many messages, from that id on."""
        raise NotImplementedError

    async def read(self, name: str, after: Id | None, count: int) -> tuple[list[tuple[Id, bytes]], int | None]:
        """Read at most so many messages behind that id, and tell how many are missing before them.

        That is ``None`` where nobody knows: the id is not one of those that were numbered with these, because the
        engine has lost them, or it was never any.
        """
        found = await self.kept(name, after or START, count + 1)
        if found and found[0][0] == after:
            return found[1:], 0
        if after == START:
            return found[:count], found[0][0][1] - 1 if found else 0
        if after is None or not found:
            return (found or await self.kept(name, START, count))[:count], None
        missing = found[0][0][1] - after[1] - 1
        return found[:count], missing if missing >= 0 else None


class _Memory(Engine):
    """The engine of one process."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, deque[tuple[Id, bytes]]] = {}  # those that were sent to last are last
        self._turn: anyio.Lock | None = None
        self._sending = 0

    async def publish(self, name: str, head: bytes, tail: bytes, history: int, keep_s: float) -> Id | None:
        # One message for each turn of the event loop: if hundreds of tasks sent in the same turn, the queue of a member
        # would be full before its task has run once.
        if self._turn is None:
            self._turn = anyio.Lock(fast_acquire=True)
        self._sending += 1
        try:
            async with self._turn:
                id, payload = self._keep(name, head, tail, history, keep_s) if history else (None, head)  # noqa: A001
                self.deliver(name, id, payload)
                await anyio.lowlevel.cancel_shielded_checkpoint()
                return id
        finally:
            self._sending -= 1
            if not self._sending:
                self._turn = None  # the next one may come in another event loop

    def _keep(self, name: str, head: bytes, tail: bytes, history: int, keep_s: float) -> tuple[Id, bytes]:
        now = int(anyio.current_time() * 1000)
        for other, entries in list(islice(self._kept.items(), 2)):
            if entries[-1][0][0] < now - keep_s * 1000:
                del self._kept[other]
        entries = self._kept.pop(name, deque())
        ms, number = entries[-1][0] if entries else START
        id = max(ms, now), number + 1  # noqa: A001
        entries.append((id, head + _write_id(id).encode() + tail if tail else head))
        while len(entries) > history:
            entries.popleft()
        self._kept[name] = entries
        return entries[-1]

    async def last(self, name: str) -> Id:
        return self._kept[name][-1][0] if name in self._kept else START

    async def kept(self, name: str, first: Id, count: int) -> list[tuple[Id, bytes]]:
        entries = self._kept.get(name, deque())
        begin = bisect_left(entries, (first, b""))
        return list(islice(entries, begin, begin + count))


# --- what is written and read -----------------------------------------------------------------------------------------


def _check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"A room's name is a str, not {type(name).__name__}.")
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise RoomError(
            f"{name[:MAX_NAME]!r} is no name of a room: take 1 to {MAX_NAME} printable characters, such as 'news'."
        )


def _message(payload: bytes) -> _Message | None:
    """Decode what `Rooms` has encoded; ``None`` for what somebody else has sent by the engine."""
    kind, data = payload[:1], payload[1:]
    try:
        return _Message(data.decode(), None, len(data)) if kind == b"t" else _Message(None, data, len(data))
    except UnicodeDecodeError:
        return None


def _skipped(count: int | None) -> _Message:
    text = dumps({"skipped": count})
    return _Message(text, None, len(text))


def _read_id(text: str) -> Id | None:
    """Read an id; ``None`` for what can be none."""
    found = re.fullmatch(r"([0-9]{1,16})-([0-9]{1,16})", text)
    return (int(found[1]), int(found[2])) if found else None


def _write_id(id: Id) -> str:  # noqa: A002
    return f"{id[0]}-{id[1]}"
