"""Rooms: what one member says reaches all. The servers are those of `sockets`; between two it goes over Redis."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any, Final

from websockets.frames import Frame, Opcode

from benchmarks.client import PATIENCE_S, Conversation, Idle, Stopwatch, WrongAnswerError
from benchmarks.results import Row
from benchmarks.sockets import Server, running

__all__ = ["NO_REDIS", "PEERS", "Peer", "Plan", "Room", "measure", "redis_program", "redis_server"]

MEMBERS = 1000
BEFORE_MEMBERS = 200
"""Members that are there before the memory is looked at, so that what is made once is not counted."""

OTHERS = 20
"""Members who read while one doesn't."""

EACH = 5
"""Members in each of two processes: so few that no peer is busy all the time, or its messages would queue."""

PACE_S = 0.01
MESSAGE = 125
LONG_MESSAGE = 16_384
"""What is said while one member doesn't read: much, so that the buffers on the way to it are soon full."""

SMALL = (socket.SOL_SOCKET, socket.SO_RCVBUF, 4096), (socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
"""A connection of which the kernel buffers 100 KB; of one on the same machine it is up to 4 MB."""

QUIET_S = 3
"""When nothing came for so long, what is missing doesn't come."""

AGAIN_S = 0.5
"""So often is asked whether all are in the room."""

PROBE, MARK, END = "is anybody there?", "from here on all counts", "over"
PING: Final = re.compile(rb"\x89\x04.{4}|\x81\x012", re.DOTALL)
"""The keep-alive of WebSocket, as uvicorn writes it, and Engine.IO's."""

NO_REDIS = "Nothing was measured between processes: redis-server is missing; on Debian: apt-get install redis-server"


@dataclass(frozen=True)
class Peer:
    """Where a peer's application is, in `benchmarks.peers`, and how its clients speak."""

    module: str
    builder: str = "rooms"
    """It makes the application: without an argument for one process, with the address of Redis for many."""
    one: bool = True
    many: bool = True
    path: str = "/ws"
    hello: tuple[str, ...] = ()
    form: str = "{}"
    """What is around a text, both ways."""

    def frame(self, text: str, *, mask: bool = False) -> bytes:
        """Write a text as it is sent (masked) or as it comes."""
        return Frame(Opcode.TEXT, self.form.replace("{}", text).encode()).serialize(mask=mask)


PEERS = {
    "starlette": Peer("starlette", many=False),
    "channels": Peer("channels"),
    "channels_pubsub": Peer("channels", "pubsub", one=False),
    "socketio": Peer("socketio", path="/socket.io/?EIO=4&transport=websocket", hello=("40",), form='42["text","{}"]'),
    "broadcaster": Peer("broadcaster"),
    "reference_ws": Peer("reference_ws"),
}


class Member(Idle):
    """A member of a room. After the mark it must get all that is said, once and in order: each byte is compared."""

    def __init__(self, conversation: Conversation, room: Room, port: int) -> None:
        super().__init__(conversation)
        self.heard = False
        self._room, self._port = room, port
        self._coming = b""
        self._got = 0

    def begin(self) -> None:
        for text in self._room.peer.hello:
            self.transport.write(Frame(Opcode.TEXT, text.encode()).serialize(mask=True))

    def framed(self, data: bytes) -> None:
        room, coming, now = self._room, self._coming + data, time.perf_counter()
        if not self._got:
            self.heard = self.heard or room.probe in coming
            coming = coming[found:] if (found := coming.find(room.mark)) >= 0 else coming
        while coming and (self._got or coming.startswith(room.mark)):
            frame = room.said[self._got] if self._got < len(room.said) else b""
            if frame and coming.startswith(frame):
                coming = coming[len(frame) :]
                room.came(self._got, now, self._port)
                self._got += 1
            elif ping := PING.match(coming):
                coming = coming[ping.end() :]
            elif frame.startswith(coming):
                break  # the rest of it is on its way
            else:
                self.fail(f"{coming[:60]!r} came, not {frame[:60]!r}")
                return
        self._coming = coming

    def fail(self, reason: str) -> None:
        self._room.fail(reason)
        if not self.accepted.done():
            self.accepted.set_exception(WrongAnswerError(reason))
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(f"the connection ended too early ({exc!r})")


@dataclass
class Room:
    """All the members of a room, on one server or on more; the first one speaks. Leaving the block they are gone."""

    peer: Peer
    ports: tuple[int, ...]
    members: list[Member] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)
    """The frames that must come to each member, the mark first."""
    late_s: list[float] = field(default_factory=list)
    """How long each message was on its way to each member at the last one of the ports."""
    _all: list[Member] = field(default_factory=list)
    _said_at: list[float] = field(default_factory=list)
    _missing: int = 0
    _complete: asyncio.Event = field(default_factory=asyncio.Event)
    _failure: str | None = None

    def __post_init__(self) -> None:
        self.probe, self.mark = self.peer.frame(PROBE), self.peer.frame(MARK)
        self._conversations = {port: Conversation.of(port, [PROBE], self.peer.path) for port in self.ports}

    async def __aenter__(self) -> Room:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._failure = self._failure or "over"
        for member in self._all:
            member.transport.abort()
        await asyncio.sleep(0)

    async def join(self, count: int, *, reads: bool = True) -> None:
        """Let so many join on each server, and wait until they hear. Who doesn't read, will not from the mark on."""
        for port in self.ports:
            for first in range(0, count, 64):
                joined = await asyncio.gather(*(self._connect(port, reads) for _ in range(min(64, count - first))))
                self._all += joined
                self.members += joined if reads else ()
        await self._heard()

    async def _connect(self, port: int, reads: bool) -> Member:
        connection = socket.socket()
        for option in () if reads else SMALL:
            connection.setsockopt(*option)
        connection.connect(("127.0.0.1", port))
        member = Member(self._conversations[port], self, port)
        await asyncio.get_running_loop().create_connection(lambda: member, sock=connection)
        await member.accepted
        return member

    async def _heard(self) -> None:
        """Wait until what is said reaches all: the accept doesn't tell that somebody is in the room."""
        now = asked = time.perf_counter()
        end = now + PATIENCE_S
        self._all[0].transport.write(probe := self.peer.frame(PROBE, mask=True))
        while deaf := sum(not member.heard for member in self._all):
            if self._failure is not None or now > end:
                raise WrongAnswerError(self._failure or f"{deaf} of {len(self._all)} members heard nothing")
            if now - asked > AGAIN_S:
                self._all[0].transport.write(probe)
                asked = now
            await asyncio.sleep(0.01)
            now = time.perf_counter()

    def begin(self) -> None:
        """Say the mark. Who shall not read stops."""
        self.say(MARK)
        for member in self._all:
            if member not in self.members:
                member.transport.pause_reading()

    def say(self, text: str) -> None:
        """Let the first member say something; it must come to all who read."""
        self.said.append(self.peer.frame(text))
        self._missing += len(self.members)
        self._complete.clear()
        self._said_at.append(time.perf_counter())
        self.members[0].transport.write(self.peer.frame(text, mask=True))

    def came(self, number: int, now: float, port: int) -> None:
        """Note that a message has come to a member."""
        if port == self.ports[-1]:
            self.late_s.append(now - self._said_at[number])
        self._missing -= 1
        if not self._missing:
            self._complete.set()

    def fail(self, reason: str) -> None:
        """Something came that should not; the first reason counts."""
        self._failure = self._failure or reason
        self._complete.set()

    async def complete(self) -> None:
        """Wait until all that was said has come to all. Raises `WrongAnswerError` when it doesn't."""
        while self._missing and self._failure is None:
            before = self._missing
            try:
                await asyncio.wait_for(self._complete.wait(), QUIET_S)
            except asyncio.TimeoutError:
                if self._missing == before:
                    total = len(self.said) * len(self.members)
                    self.fail(f"{before:,} of {total:,} messages did not come; none in the last {QUIET_S} s")
        if self._failure is not None:
            raise WrongAnswerError(self._failure)


@dataclass
class Plan:
    """How long to measure."""

    rounds: int
    seconds: float
    messages: int


@dataclass
class Sample:
    """What one sample has shown: row -> value; and how busy both sides were, where that is of interest."""

    values: dict[str, float]
    loads: tuple[float, float] | None = None


async def _fan_out(peer: Peer, servers: list[Server], plan: Plan) -> Sample:
    """Measure the CPU time for a message to a member, one message after the other, and the memory for a member."""
    [server] = servers
    async with Room(peer, (server.port,)) as room:
        await room.join(BEFORE_MEMBERS)
        before = server.resident_kib
        await room.join(MEMBERS - BEFORE_MEMBERS)
        grown = server.resident_kib - before
        room.begin()
        await room.complete()
        watch, end, count = Stopwatch(server.cpu_s), time.perf_counter() + plan.seconds, 0
        while not count or time.perf_counter() < end:
            room.say(f"{count:>{MESSAGE}}")
            await room.complete()
            count += 1
        rate = watch.rate(count * MEMBERS)
        room.say(END)  # what came twice would come before it
        await room.complete()
    each = {"fan-out": 1e6 / rate.per_server_second, "member": grown / (MEMBERS - BEFORE_MEMBERS)}
    return Sample(each, (rate.server_load, rate.client_load))


async def _stalled(peer: Peer, servers: list[Server], plan: Plan) -> Sample:
    """Measure the time on the way to the others, while one member doesn't read."""
    async with Room(peer, (servers[0].port,)) as room:
        await room.join(1)
        await room.join(1, reads=False)
        await room.join(OTHERS - 1)
        late_s = await _pace(room, plan.messages, LONG_MESSAGE)
    return Sample({"stalled": _percentile(late_s, 99) * 1e3})


async def _between(peer: Peer, servers: list[Server], plan: Plan) -> Sample:
    """Measure the time on the way to the members in another process."""
    async with Room(peer, tuple(server.port for server in servers)) as room:
        await room.join(1)  # alone: broadcaster forgets who joins while it subscribes
        await room.join(EACH - 1)
        late_s = await _pace(room, plan.messages, MESSAGE)
    return Sample({f"between-{part}": _percentile(late_s, part) * 1e3 for part in (50, 99)})


async def _pace(room: Room, messages: int, size: int) -> list[float]:
    """Say so many messages, one each 10 ms; return how long each was on its way to each member, in seconds."""
    room.begin()
    await room.complete()
    room.late_s.clear()
    start = time.perf_counter()
    for number in range(messages):
        await asyncio.sleep(start + number * PACE_S - time.perf_counter())
        room.say(f"{number:>{size}}")
    await room.complete()
    late_s = room.late_s.copy()
    room.say(END)
    await room.complete()
    return late_s


def _percentile(values: list[float], part: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[part - 1]


Play = Callable[[Peer, list[Server], Plan], Coroutine[Any, Any, Sample]]


def measure(
    plan: Plan,
    peers: Mapping[str, Peer] = PEERS,
    run: Callable[[Any], Any] = asyncio.run,
    progress: Callable[[str], Any] = lambda _: None,
) -> list[Row]:
    """Measure the peers in turn, round after round; ``run`` runs a coroutine on the client's event loop.

    Needs Linux, and two cores for figures that mean something; between processes, Redis too: without one these rows are
    not there. A peer whose server doesn't start, or answers wrongly, is out of the rows concerned, and they name it.
    """
    rows = [
        Row("fan-out", f"fan-out to {MEMBERS:,} members", "CPU us a message to a member", floor="starlette"),
        Row("member", f"memory at {MEMBERS:,} members", "KiB a member", floor="starlette", beyond_floor=True),
        Row("stalled", "p99 of the others, one doesn't read", "ms", floor=""),
        Row("between-50", "between processes, p50", "ms", floor=""),
        Row("between-99", "between processes, p99", "ms", floor=""),
    ]
    seen: dict[tuple[str, str], list[Sample]] = {}
    cores = os.sched_getaffinity(0)
    client_core, core = (sorted(cores) * 2)[:2]
    os.sched_setaffinity(0, {client_core})
    try:
        with redis_server() as url:
            one = {name: peer for name, peer in peers.items() if peer.one}
            many = {name: peer for name, peer in peers.items() if peer.many and url}
            parts: list[tuple[Play, list[Row], dict[str, Peer], int, list[str]]] = [
                (_fan_out, rows[:2], one, 1, []),
                (_stalled, rows[2:3], one, 1, []),
                (_between, rows[3:], many, 2, [url or ""]),
            ]
            for number in range(plan.rounds):
                for play, shown, named, count, arguments in parts:
                    for name, peer in named.items():
                        progress(f"rooms, round {number + 1} of {plan.rounds}: {shown[0].title}: {name}")
                        if name in shown[0].out:
                            continue
                        try:
                            with ExitStack() as stack:
                                servers = [
                                    stack.enter_context(running(peer.module, peer.builder, core, *arguments))
                                    for _ in range(count)
                                ]
                                sample = run(play(peer, servers, plan))
                        except (WrongAnswerError, OSError, asyncio.TimeoutError) as error:
                            for row in shown:
                                row.out[name] = f"{type(error).__name__}: {error}"[:200]
                        else:
                            seen.setdefault((shown[0].id, name), []).append(sample)
    finally:
        os.sched_setaffinity(0, cores)
    for _, shown, named, _, _ in parts:
        for row in shown:
            for name in named:
                if name not in row.out:
                    samples = seen[shown[0].id, name]
                    row.add(name, [sample.values[row.id] for sample in samples])
                    if row.id == "fan-out":
                        loads = [sample.loads for sample in samples if sample.loads]
                        row.server_load[name] = statistics.median(server for server, _ in loads)
                        row.client_load[name] = max(client for _, client in loads)
    return [row for row in rows if row.medians or row.out]


def redis_program() -> str | None:
    """Find the server; ``None`` where there is none."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


@contextmanager
def redis_server() -> Iterator[str | None]:
    """Run Redis on a free port, keeping nothing; gives its address, or ``None`` where there is no Redis."""
    if (program := redis_program()) is None:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with TemporaryDirectory() as folder:
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", ""]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                with socket.socket() as trying:
                    while trying.connect_ex(("127.0.0.1", port)) and process.poll() is None:
                        time.sleep(0.01)
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                process.terminate()
