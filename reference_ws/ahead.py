"""Messages that are received before they are asked for, so that a disconnect is seen while nobody receives.

ASGI has no question "is the client still there?": a disconnect is a message in the queue, behind whatever data came
before it. Who wants to see it has to take what stands before it, and must keep that for who asks for it later.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from types import BuiltinFunctionType
from typing import Final

import anyio
import anyio.lowlevel
from starlette.types import Message, Receive, Send

from reference_ws.lifecycle import CLOSE, DISCONNECT, RESPONSE_LAST_BODY, sent_event

READ_AHEAD: Final = 64
"""How many messages are kept for later receives before reading ahead stops."""

# A message that is there is handed over within one turn of the event loop by most servers; the others need a few.
TURNS: Final = 4


def kept(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return a server's ``receive`` and ``send`` such that a wait that is cancelled loses no message.

    A ``receive`` that is written in Python waits for a queue, which keeps its message when the wait is cancelled: both
    are returned as they are. One that is not (granian's) gives futures of its own, and what they bring after they were
    cancelled, nobody gets. So they are left pending: who asks next waits for the same one.

    The application's end cancels the one that is pending: the server would hold the end back until that one is done.
    Who still waits for it gets a disconnect, and must not ask anew, for that might hold the end back as well.
    """
    if not isinstance(receive, BuiltinFunctionType):
        return receive, send
    pending: asyncio.Future[Message] | None = None
    end: Message | None = None
    sent = asyncio.Event()

    async def next_message() -> Message:
        nonlocal pending
        while True:
            if pending is None:
                pending = asyncio.ensure_future(receive())
            asked = pending
            await asyncio.wait([asked])  # who is cancelled here leaves it pending
            if pending is asked:  # of two tasks that wait for it, the first one takes it
                pending = None
                return asked.result()
            if end is not None:
                # Not before the end has left: a handler that returns earlier makes the server close in its own way.
                await sent.wait()
                return end

    async def send_on(message: Message) -> None:
        nonlocal pending, end
        if sent_event(message) in (CLOSE, RESPONSE_LAST_BODY):
            end = {"type": DISCONNECT, "code": message.get("code", 1006), "reason": message.get("reason") or ""}
            if pending is not None and not pending.done():
                asked, pending = pending, None
                asked.cancel()
        try:
            await send(message)
        finally:
            if end is not None:
                sent.set()

    return next_message, send_on


class ReadAhead:
    """Keeps what came early, in order.

    A ``receive()`` of the server that was begun runs in a task of its own (`_Pending`), and who waits for it waits for
    its `done`. To call it under a timeout instead looks simpler, and loses messages: with some servers the message is
    taken off the queue before the cancellation arrives, and then nobody has it. So a receive that was begun is left
    pending, until its message comes or nothing is wanted any more; the next one who asks finds it.
    """

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.messages: deque[Message] = deque()
        self.saw_disconnect = False
        """True once the client's end has come; nothing comes after it."""
        self.released = False
        """True once nothing is wanted any more."""
        self.watched = False
        """True while `watch` runs, or is about to: everybody takes messages here then."""
        self._pending: _Pending | None = None
        self._taken = anyio.Event()

    @property
    def in_use(self) -> bool:
        """True while messages have to be taken here, and not from the server itself."""
        return bool(self.messages) or self._pending is not None or self.watched

    async def look(self) -> bool:
        """Take what is there at once, up to the bound, and tell whether the client's end is among it."""
        while len(self.messages) < READ_AHEAD and not self.saw_disconnect and not self.released:
            # "At once" is a few turns of the event loop, and not a time: a time would be too short on a busy machine,
            # and would be waited for in full on every other one.
            pending = self._begin()
            for _ in range(TURNS):
                if pending.done.is_set():
                    break
                await anyio.lowlevel.checkpoint()
            if not pending.done.is_set():
                return False
            self._take(pending)
        return self.saw_disconnect

    async def glance(self) -> bool:
        """Look, and leave no receive behind that this has begun.

        It is for who wants no messages: a guard that ends what waits for one too long would end it.
        """
        begun_before = self._pending is not None
        await self.look()
        if not begun_before and (pending := self._pending) is not None:
            await pending.call_off()
            self._take(pending)
        return self.saw_disconnect

    async def watch(self, limit: int) -> bool:
        """Wait until the client's end has come, and return True; False when nothing is wanted any more.

        `limit` messages are kept at the most: then it waits for one to be taken.
        """
        while not self.saw_disconnect and not self.released:
            if len(self.messages) < limit:
                await self._fill()
            else:
                await self._taken.wait()
        return self.saw_disconnect

    async def next(self) -> Message | None:
        """Take the next message, one that was kept or else one that comes; ``None`` when none is wanted any more."""
        while not self.messages:
            if self.released:
                return None
            await self._fill()
        taken, self._taken = self._taken, anyio.Event()
        taken.set()
        return self.messages.popleft()

    def release(self) -> None:
        """Stop receiving: who still waits for a message gets ``None``."""
        self.released = True
        if self._pending is not None:
            self._pending.scope.cancel()

    async def stop(self) -> None:
        """Stop receiving, and wait until the server knows.

        Some servers hold back what is sent while a ``receive()`` waits: the close frame that follows would not go out.
        """
        self.released = True
        if self._pending is not None:
            await self._pending.call_off()

    def _begin(self) -> _Pending:
        if self._pending is None:
            self._pending = _Pending(self.receive)
        return self._pending

    async def _fill(self) -> None:
        pending = self._begin()
        await pending.done.wait()
        self._take(pending)

    def _take(self, pending: _Pending) -> None:
        # Several may wait for one receive: a watch, a look, and the task that wants its message. All of them are woken,
        # and the first one keeps the message for all; it must not be kept once for each.
        if self._pending is not pending:
            return
        self._pending = None
        if pending.error is not None:
            raise pending.error
        if pending.message is not None:  # else it was released
            self.messages.append(pending.message)
            self.saw_disconnect = self.saw_disconnect or pending.message["type"] == DISCONNECT


class _Pending:
    """One call of ``receive()``, in a task of its own."""

    def __init__(self, receive: Receive) -> None:
        self.done = anyio.Event()
        self.scope = anyio.CancelScope()
        self.message: Message | None = None
        self.error: Exception | None = None
        self._receive = receive
        self._task = _start(self._run)  # asyncio keeps no reference of its own

    async def call_off(self) -> None:
        """Cancel it, and wait until the server knows; a message that came just then is there.

        The wait is shielded, for it ends with the task that was just cancelled, and a close that is itself cancelled
        in here would leave the client without its frame.
        """
        self.scope.cancel()
        with anyio.CancelScope(shield=True):
            await self.done.wait()

    async def _run(self) -> None:
        try:
            with self.scope:
                self.message = await self._receive()
        except Exception as error:
            self.error = error
        finally:
            # Also when the event loop is closed, which cancels all tasks: somebody waits for this one, in a shield at
            # times, and would wait for ever.
            self.done.set()


def _start(function: Callable[[], Awaitable[None]]) -> object:
    """Start a task that belongs to no task group: anyio has none such, asyncio and trio do."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return trio.lowlevel.spawn_system_task(function)
    return asyncio.ensure_future(function())
