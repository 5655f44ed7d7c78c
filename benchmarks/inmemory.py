"""In memory: the whole application is called with scope, receive and send, and no await suspends."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message

from benchmarks.results import FLOOR, Row
from benchmarks.scenarios import Scenario, opened

__all__ = ["Entry", "WrongEchoError", "measure", "sample"]


AT_ONCE = 2000
"""Messages that are prepared together: so few that the processor's cache holds them, as it does on a server."""


class WrongEchoError(Exception):
    """An application answered something else than was asked for."""


@dataclass
class Client:
    """The client of one connection: what it sends is there at once, what it gets is kept."""

    sends: list[Message]
    got: list[Message] = field(default_factory=list)

    def channels(self) -> tuple[Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]]:
        """Make the application's ``receive`` and ``send``."""
        # A server repeats the disconnect for whoever asks again.
        coming = itertools.chain(self.sends, itertools.repeat(self.sends[-1]))
        keep = self.got.append

        async def receive() -> Message:
            return next(coming)

        async def send(message: Message) -> None:
            keep(message)

        return receive, send

    def check(self, expected: list[str]) -> None:
        """Raise `WrongEchoError` unless the application accepted, and echoed all of it in this order."""
        kinds = [message["type"] for message in self.got]
        if kinds[:1] != ["websocket.accept"]:
            raise WrongEchoError(f"no accept, but {kinds[:1]}")
        frames = [message for message in self.got if message["type"] == "websocket.send"]
        if len(frames) != len(expected):
            raise WrongEchoError(f"{len(frames)} frames came back, not {len(expected)}")
        for frame, text in zip(frames, expected, strict=True):
            if frame.get("text") != text:
                got = frame.get("text") or frame.get("bytes")
                raise WrongEchoError(f"{str(got)[:50]} ... came back, not {text[:50]} ...")


@asynccontextmanager
async def started(app: ASGIApp) -> AsyncIterator[None]:
    """Run the application's lifespan around the block, where it has one."""
    asked: asyncio.Queue[Message] = asyncio.Queue()
    answered: asyncio.Queue[str] = asyncio.Queue()

    async def send(message: Message) -> None:
        await answered.put(f"{message['type']} {message.get('message', '')}")

    async def run() -> None:
        try:
            await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, asked.get, send)
        except Exception:
            await answered.put("unsupported")  # this is how ASGI says so

    await asked.put({"type": "lifespan.startup"})
    task = asyncio.create_task(run())
    answer = await answered.get()
    if answer.startswith("lifespan.startup.failed"):
        await task
        raise RuntimeError(f"startup failed: {answer.strip().splitlines()[-1]}")
    yield
    await asked.put({"type": "lifespan.shutdown"})
    await task


async def sample(scenario: Scenario, app: ASGIApp, connections: int) -> float:
    """Play so many connections one after the other; return seconds of CPU time a unit. Raises `WrongEchoError`.

    To make the scope and both channels counts, as a server makes them for each connection; the messages are there.
    """
    elapsed, before, expected = 0.0, opened.opened, scenario.expected
    at_once = max(1, AT_ONCE // len(expected))
    for done in range(0, connections, at_once):
        clients = [Client(scenario.received()) for _ in range(min(at_once, connections - done))]
        gc.freeze()  # what the clients and the other peers keep must not slow down this one's garbage collections
        try:
            start = time.process_time()  # not the clock: what else runs on the machine must not count
            for client in clients:
                await app(scenario.scope(), *client.channels())
            elapsed += time.process_time() - start
        finally:
            gc.unfreeze()
        for client in clients:
            client.check(expected)
    if opened.opened != opened.closed or (scenario.builder == "binding" and opened.opened - before != connections):
        raise WrongEchoError("the dependency was not opened and closed once a connection")
    return elapsed / (connections * scenario.units)


@dataclass
class Entry:
    """One application in one scenario. ``wrap`` goes around it anew for each sample."""

    scenario: Scenario
    name: str
    app: ASGIApp
    wrap: Callable[[ASGIApp], ASGIApp] | None = None
    connections: int = 1
    seconds: list[float] = field(default_factory=list)

    async def play(self) -> float:
        """Take one sample; return seconds a unit."""
        return await sample(self.scenario, self.wrap(self.app) if self.wrap else self.app, self.connections)


async def measure(
    entries: list[Entry],
    rounds: int,
    sample_s: float,
    *,
    floor: str = FLOOR,
    progress: Callable[[str], Any] = lambda _: None,
) -> list[Row]:
    """Measure all the entries in turn, round after round; a sample takes about ``sample_s`` seconds.

    Returns a row for each scenario with the medians in microseconds a unit; ``floor`` names the entry that the others
    are compared to. An entry that answers wrongly or raises is
    out, and the row names it with its reason.
    """
    scenarios = {entry.scenario.id: entry.scenario for entry in entries}
    rows = {
        each: Row(
            each,
            scenario.title,
            f"us a {scenario.unit}",
            plain=scenario.plain,
            target=scenario.target if floor == FLOOR else "",
            floor=floor,
        )
        for each, scenario in scenarios.items()
    }
    async with AsyncExitStack() as stack:
        left = list(entries)
        for entry in entries:
            try:
                await stack.enter_async_context(started(entry.app))
            except RuntimeError as error:  # noqa: PERF203
                left.remove(entry)
                rows[entry.scenario.id].out[entry.name] = str(error)[:200]
        for number in range(-1, rounds):  # round -1 warms up, and finds out how many connections a sample takes
            gc.collect()
            for entry in list(left):
                try:
                    seconds = await entry.play()
                except Exception as error:
                    left.remove(entry)
                    rows[entry.scenario.id].out[entry.name] = f"{type(error).__name__}: {error}"[:300]
                    continue
                if number < 0:
                    seconds = await entry.play()
                    entry.connections = max(1, min(5000, round(sample_s / (seconds * entry.scenario.units))))
                else:
                    entry.seconds.append(seconds * 1e6)
            progress(f"in memory, round {number + 1} of {rounds}")
    for entry in left:
        rows[entry.scenario.id].add(entry.name, entry.seconds)
    return list(rows.values())
