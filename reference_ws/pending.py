"""A server's ``receive()`` that goes on in the background until its message is asked for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import anyio.lowlevel
from starlette.types import Message, Receive

# A message that is there is handed over within one turn of the event loop by most servers; the others need a few.
TURNS: Final = 4


class PendingReceive:
    """One call of ``receive()`` that is never cancelled by who waits for it, so that no server loses a message."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._done = anyio.Event()
        self._scope = anyio.CancelScope()
        self._message: Message | None = None
        self._error: Exception | None = None
        self._task = _start(self._run)

    async def _run(self) -> None:
        with self._scope:
            try:
                self._message = await self._receive()
            except Exception as error:
                self._error = error
            self._done.set()

    async def is_done(self) -> bool:
        """Give the event loop a few turns, then tell whether the message is there."""
        for _ in range(TURNS):
            if self._done.is_set():
                break
            await anyio.lowlevel.checkpoint()
        return self._done.is_set()

    async def wait(self) -> None:
        """Wait for the message; being cancelled here loses nothing."""
        await self._done.wait()

    def result(self) -> Message:
        """Return the message, or raise what ``receive()`` raised."""
        if self._error is not None:
            raise self._error
        assert self._message is not None
        return self._message

    def cancel(self) -> None:
        """Stop receiving; what comes is not wanted any more."""
        self._scope.cancel()


def _start(function: Callable[[], Awaitable[None]]) -> object:
    """Start a task that belongs to no task group: anyio has none such, asyncio and trio do."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return trio.lowlevel.spawn_system_task(function)
    return asyncio.ensure_future(function())
