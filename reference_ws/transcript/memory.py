"""The player's clients in memory: one `InMemoryConnection` each, all on one event loop, without sleeping.

Every message of the application is held until its line is read, so that ``==`` sees both states between two messages.
Over a wire nothing is held. Therefore, before a client leaves (and before the player looks for what no line expects),
what is held is let go: all that the application sends without hearing more from a client has been sent by then and
belongs to a line, the answer to a handshake too. What it sends later finds the client gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Final

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from starlette.types import ASGIApp, Message
from starlette.websockets import WebSocketState

from reference_ws.testing.client import goes_on
from reference_ws.testing.inmemory import DENIAL, InMemoryConnection, Signal, background, handshake
from reference_ws.testing.lifespan import run_lifespan
from reference_ws.transcript.messages import from_application
from reference_ws.transcript.peers import RAN, Ended, Nothing, Peer
from reference_ws.transcript.steps import Headers, Raised, Step

__tracebackhide__ = True  # pytest shows the test, and not what stands between it and the application

QUIET_TURNS: Final = 10
"""The application has settled when so many turns of the event loop brought nothing new."""
BURST: Final = 100
"""So many messages are let go before a client leaves: some applications never stop sending."""


@asynccontextmanager
async def memory_peers(app: ASGIApp, *, denial: bool, lifespan: bool) -> AsyncIterator[Callable[[str], Peer]]:
    """Yield a function that makes the client of a given name; what still runs at the end is cancelled."""
    extensions = DENIAL if denial else {}
    async with open_world(app, lifespan=lifespan) as world:
        yield lambda name: MemoryPeer(world, name, app, extensions)


@asynccontextmanager
async def open_world(app: ASGIApp, *, lifespan: bool = True) -> AsyncIterator[World]:
    """Yield a world without connections, inside of the application's lifespan; what still runs at the end is cancelled.

    ``lifespan=False`` if somebody else runs it.
    """
    begun: AbstractAsyncContextManager[dict[str, Any]] = run_lifespan(app) if lifespan else nullcontext({})
    async with begun as state, background() as tasks:
        world = World(tasks, state)
        try:
            yield world
        finally:
            world.hold_no_more()


class World:
    """All connections of an application, each held."""

    def __init__(self, tasks: TaskGroup, state: Mapping[str, Any] | None = None) -> None:
        self.tasks = tasks
        self.state = state or {}
        """The state of the application's lifespan; each connection has a copy."""
        self.signal = Signal()
        self.connections: list[InMemoryConnection] = []
        self.latest: dict[str, InMemoryConnection] = {}
        """The last connection of each client."""

    @property
    def steps(self) -> int:
        """Grows with everything that the application does."""
        return sum(connection.steps for connection in self.connections)

    def begin(self, client: str, connection: InMemoryConnection, app: ASGIApp) -> None:
        """Let `app` serve a new connection of `client`."""
        self.connections.append(connection)
        self.latest[client] = connection
        self.tasks.start_soon(connection.run, app)

    async def settle(self) -> None:
        """Let the application run until it waits."""
        # Nothing tells from outside that a task waits for good: it may only have given way to another. So the event
        # loop is turned until nothing has happened for some turns in a row. One quiet turn is not enough: a message
        # that passes through a queue and two tasks of the application needs a turn for each, and shows only at the end.
        # Too few turns look at a state too early; more cost a little time, and no result depends on the clock.
        quiet, steps = 0, -1
        while quiet < QUIET_TURNS:
            await anyio.lowlevel.checkpoint()
            now = self.steps
            quiet, steps = (quiet + 1, steps) if now == steps else (0, now)

    def release(self) -> bool:
        """Let one held message go, whoever it is for: a handler that sends to all would wait for it forever."""
        return any(connection.release() for connection in self.connections)

    async def flush(self) -> None:
        """Let the application send what it sends without hearing more from a client."""
        # One at a time: each release lets its handler run on to its next send, which is held again and comes next.
        # Messages stay to be taken, so that lines after the client's close can still ask for them.
        for _ in range(BURST):
            await self.settle()
            if not self.release():
                break

    def hold_no_more(self) -> None:
        """Let everything go, from now on: a goodbye that is held would keep its handler from ending."""
        for connection in self.connections:
            connection.hold_no_more()


class MemoryPeer:
    """One client of the player, and its connection."""

    checks_inside = True

    def __init__(self, world: World, name: str, app: ASGIApp, extensions: Mapping[str, Any]) -> None:
        self.world = world
        self.name = name
        self.told = False
        self.connection: Any = None  # InMemoryConnection, from connect() on
        self._app = app
        self._extensions = extensions

    async def connect(self, target: str, headers: Headers) -> None:
        """Begin the handshake."""
        scope = handshake(target, headers=headers, extensions=self._extensions)
        scope["state"] = dict(self.world.state)
        self.connection = InMemoryConnection(scope, held=True, signal=self.world.signal)
        self.world.begin(self.name, self.connection, self._app)
        await self.world.settle()

    async def data(self, payload: str | bytes) -> None:
        """Send a frame."""
        if isinstance(payload, str):
            self.connection.deliver(text=payload)
        else:
            self.connection.deliver(data=payload)
        await self.world.settle()

    async def close(self, code: int, reason: str) -> None:
        """Leave, once the application has sent what it has."""
        await self.world.flush()
        self.connection.leave(code, reason)
        await self.world.settle()

    async def answer(self, timeout_s: float) -> Step:
        """Take the next thing that the application did."""
        with anyio.move_on_after(timeout_s):
            parts: list[Message] = []
            while not parts or goes_on(parts[-1]):
                if not await self.next_is_there():
                    return self._end()
                parts.append(self.connection.take())
            await self.world.settle()
            return self._read(parts)
        return Nothing(client=self.name, seconds=timeout_s, where=self.connection.waiting_at())

    async def silence(self, seconds: float) -> Step | None:
        """Wait for so long; return what the application sent in that time, if anything."""
        with anyio.move_on_after(seconds):
            if await self.next_is_there():
                return self._taken()
            await anyio.sleep_forever()
        return None

    async def states(self) -> tuple[WebSocketState, WebSocketState]:
        """Look at both states once the application has settled."""
        await self.world.settle()
        return self.connection.client_state, self.connection.application_state

    async def rest(self) -> Step | None:
        """Return what the application did that no line expects, if anything."""
        connection = self.connection
        await self.world.flush()
        if connection.sent:
            return self._taken()
        return self._end() if connection.error is not None and not self.told else None

    async def failure(self) -> BaseException | None:
        """Look for the exception that left the application, once it has sent what it has."""
        await self.world.flush()
        error: BaseException | None = self.connection.error
        return None if error is None or (not self.told and _says_that_the_client_left(error)) else error

    async def finish(self, timeout_s: float) -> Step | None:
        """End the connection if it is open; return what went wrong then, if anything."""
        connection = self.connection
        if connection.ended:
            return None
        # From here on no line expects anything: what comes is taken and thrown away, and what is held for others is
        # released, for the handler may say goodbye to everybody before it ends. That it then hears of the client's end
        # as an exception is no failure if the player itself has brought that end.
        asked = not connection.gone
        connection.leave(1001)
        with anyio.move_on_after(timeout_s):
            while not connection.ended:
                while connection.sent:
                    connection.take()
                self.world.release()
                await self.world.signal.wait(lambda: connection.ended or connection.sent or self._others_held())
        if not connection.ended:
            return Nothing(client=self.name, seconds=timeout_s, where=connection.waiting_at())
        if connection.error is None or (asked and _says_that_the_client_left(connection.error)):
            return None
        return self._end()

    async def next_is_there(self) -> bool:
        """Wait for a message of the application; False when it has ended without one."""
        # What this line waits for may stand behind a message that another client's line has not read yet. Those are
        # released one by one, and only once all else has settled: released sooner, the other client's `==` lines would
        # see states from after their place. `_others_held` wakes this when such a message comes while it waits.
        connection = self.connection
        while not connection.sent and not connection.ended:
            await self.world.settle()
            if connection.sent or connection.ended or self.world.release():
                continue
            await self.world.signal.wait(lambda: connection.sent or connection.ended or self._others_held())
        return bool(connection.sent)

    def _others_held(self) -> bool:
        return any(other.holds for other in self.world.connections)

    def _end(self) -> Step:
        error = self.connection.error
        if error is None or self.told:
            return Ended(client=self.name, how=RAN)
        if not isinstance(error, Exception):  # the failure of a test, not of the application
            raise error
        self.told = True
        return Raised(client=self.name, exception=type(error).__name__, message=str(error))

    def _taken(self) -> Step:
        """Take a message, and what there is of a refusal's other parts; nothing else follows these."""
        parts = [self.connection.take()]
        while goes_on(parts[-1]) and self.connection.sent:
            parts.append(self.connection.take())
        return self._read(parts)

    def _read(self, parts: list[Message]) -> Step:
        return from_application(parts, self.name, accepted=self.connection.accepted)


def _says_that_the_client_left(error: BaseException) -> bool:
    return isinstance(error, OSError) or type(error).__name__.startswith("WebSocketDisconnect")
