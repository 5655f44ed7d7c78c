"""A client that costs little: it compares what comes back as bytes, frame after frame, without taking frames apart.

The handshake and the frames are made once, by the ``websockets`` library; thereafter they are only repeated. What a
server must answer is known to the byte, so that every byte is checked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.uri import parse_uri
from websockets.utils import accept_key

__all__ = ["IN_FLIGHT", "Conversation", "Rate", "WrongAnswerError", "connection_rate", "echo_rate", "idle"]

IN_FLIGHT = 16
"""Messages on their way on each connection."""

PERIOD = 64
"""So many different messages are sent, again and again."""


PATIENCE_S = 20
"""How long a server may take to end its connections."""


class WrongAnswerError(Exception):
    """A server sent other bytes than it should."""


@dataclass(frozen=True)
class Conversation:
    """The bytes of a handshake, of messages and of the end: those that are sent, and those that must come back."""

    handshake: bytes
    accepted: bytes
    """The key that proves the handshake, as the value of some header."""
    frames: bytes
    """Masked, for ever: a period and what follows it."""
    echoes: bytes
    frame_bytes: int
    echo_bytes: int
    close: bytes
    closed: bytes

    @classmethod
    def of(cls, port: int, messages: list[str], path: str = "/ws") -> Conversation:
        """Prepare a conversation; all messages must be of the same length."""
        protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}{path}"))
        protocol.send_request(protocol.connect())
        texts = [Frame(Opcode.TEXT, text.encode()) for text in messages[:PERIOD]]
        masked = [frame.serialize(mask=True) for frame in texts]
        plain = [frame.serialize(mask=False) for frame in texts]
        if {len(masked[0])} != {len(each) for each in masked}:
            raise ValueError("The messages must be of the same length.")
        goodbye = Frame(Opcode.CLOSE, int(CloseCode.NORMAL_CLOSURE).to_bytes(2, "big"))
        return cls(
            handshake=b"".join(protocol.data_to_send()),
            accepted=f": {accept_key(protocol.key)}\r\n".encode(),
            frames=b"".join(masked * 2),
            # However much comes at once, it is compared with one slice.
            echoes=b"".join(plain * (2 + 2**18 // len(b"".join(plain)))),
            frame_bytes=len(masked[0]),
            echo_bytes=len(plain[0]),
            close=goodbye.serialize(mask=True),
            closed=goodbye.serialize(mask=False),
        )


class Idle(asyncio.Protocol):
    """A connection that is accepted, and stays until `leave`; ``accepted`` and ``over`` tell when."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        loop = asyncio.get_running_loop()
        self.accepted: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        self._head = b""
        self._leaving = False
        self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self.transport.write(self.conversation.handshake)

    def data_received(self, data: bytes) -> None:
        if self.accepted.done():
            self.framed(data)
            return
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 101 ") or self.conversation.accepted not in head + found:
            self.fail(f"the handshake was answered with {head[:60]!r}")
            return
        self.accepted.set_result(None)
        self.begin()
        if rest:
            self.framed(rest)

    def begin(self) -> None:
        """Do what follows the accept."""

    def leave(self) -> None:
        """Close: the server must answer with the same code, and end the connection."""
        self._leaving = True
        self.transport.write(self.conversation.close)

    def framed(self, data: bytes) -> None:
        """Frames have come, or parts of some."""
        self._end += data
        if not self._leaving or not self.conversation.closed.startswith(self._end):
            self.fail(f"{data[:60]!r} came")

    def fail(self, reason: str) -> None:
        """Give up."""
        for future in (self.accepted, self.over):
            if not future.done():
                future.set_exception(WrongAnswerError(reason))
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._leaving and self._end == self.conversation.closed and not self.over.done():
            self.over.set_result(None)
        else:
            self.fail(f"the connection ended too early ({exc!r})")


class Echo(Idle):
    """Keeps `IN_FLIGHT` messages on their way until `finish`; ``echoed`` counts those that came back."""

    def __init__(self, conversation: Conversation) -> None:
        super().__init__(conversation)
        self._received = 0  # bytes
        self._finishing = False
        self._period_bytes = PERIOD * conversation.echo_bytes
        self._sent = 0

    @property
    def echoed(self) -> int:
        """How many messages have come back whole."""
        return self._received // self.conversation.echo_bytes

    def begin(self) -> None:
        self._send(IN_FLIGHT)

    def finish(self) -> None:
        """Send no more; leave when all has come back."""
        self._finishing = True

    def _send(self, count: int) -> None:
        start, size = self._sent % PERIOD, self.conversation.frame_bytes
        self.transport.write(self.conversation.frames[start * size : (start + count) * size])
        self._sent += count

    def framed(self, data: bytes) -> None:
        if self._leaving:
            super().framed(data)
            return
        start = self._received % self._period_bytes
        if self.conversation.echoes[start : start + len(data)] != data:
            self.fail(f"{data[:60]!r} came, not the echo")
            return
        before = self.echoed
        self._received += len(data)
        if self._finishing:
            if self.echoed == self._sent:
                self.leave()
        elif came := self.echoed - before:
            self._send(came)


@dataclass(frozen=True)
class Rate:
    """How many a second, and which parts of their cores the server and the client used for them."""

    per_second: float
    server_load: float
    client_load: float

    @property
    def per_server_second(self) -> float:
        """How many a second of the server's CPU time: what the server does when nothing else takes its core."""
        return self.per_second / self.server_load


IDLE_TURN_S = 10e-6
"""A turn of the event loop that is shorter had nothing to do."""


class Stopwatch:
    """Takes the time of the clock, of the server's CPU, and the time that this process has work.

    Until `rate`, this process's core doesn't sleep: to wake it would count as the server's time, on a virtual machine
    up to a tenth of a connection's, and the more often the longer the server takes.
    """

    def __init__(self, server_cpu_s: Callable[[], float]) -> None:
        self._server_cpu_s = server_cpu_s
        self._idle_s = 0.0
        self._start = self._now()
        self._turned = time.perf_counter()
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        now = time.perf_counter()
        if now - self._turned < IDLE_TURN_S:
            self._idle_s += now - self._turned
        self._turned = now
        self._next = self._loop.call_soon(self._turn)

    def _now(self) -> tuple[float, float, float]:
        now = time.perf_counter()
        return now, self._server_cpu_s(), now - self._idle_s

    def rate(self, count: int) -> Rate:
        """Tell how fast so many were since the start."""
        self._next.cancel()
        elapsed, server_s, client_s = (now - start for now, start in zip(self._now(), self._start, strict=True))
        return Rate(count / elapsed, server_s / elapsed, client_s / elapsed)


async def idle(conversation: Conversation, port: int, count: int, at_once: int = 64) -> list[Idle]:
    """Open so many connections that say nothing; return when all are accepted."""
    loop = asyncio.get_running_loop()
    opened: list[Idle] = []
    while len(opened) < count:
        batch = min(at_once, count - len(opened))
        connecting = (loop.create_connection(lambda: Idle(conversation), "127.0.0.1", port) for _ in range(batch))
        made = [protocol for _, protocol in await asyncio.gather(*connecting)]
        await asyncio.gather(*(protocol.accepted for protocol in made))
        opened += made
    return opened


async def echo_rate(
    conversation: Conversation,
    port: int,
    connections: int,
    warm_up_s: float,
    seconds: float,
    server_cpu_s: Callable[[], float],
) -> Rate:
    """Echo messages; each byte is checked. Raises `WrongAnswerError`."""
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: Echo(conversation), "127.0.0.1", port)
        clients.append(client)
    await asyncio.sleep(warm_up_s)
    before, watch = sum(client.echoed for client in clients), Stopwatch(server_cpu_s)
    await asyncio.sleep(seconds)
    rate = watch.rate(sum(client.echoed for client in clients) - before)
    for client in clients:
        client.finish()
    await asyncio.wait_for(asyncio.gather(*(client.over for client in clients)), PATIENCE_S)
    return rate


async def connection_rate(
    conversation: Conversation, port: int, at_once: int, seconds: float, server_cpu_s: Callable[[], float]
) -> Rate:
    """Open and close connections: handshake, accept, close both ways. Raises `WrongAnswerError`."""
    loop = asyncio.get_running_loop()
    over = 0
    watch, end = Stopwatch(server_cpu_s), loop.time() + seconds

    async def connect() -> None:
        nonlocal over
        while loop.time() < end:
            _, client = await loop.create_connection(lambda: Idle(conversation), "127.0.0.1", port)
            await client.accepted
            client.leave()
            await client.over
            over += 1

    await asyncio.wait_for(asyncio.gather(*(connect() for _ in range(at_once))), seconds + PATIENCE_S)
    return watch.rate(over)
