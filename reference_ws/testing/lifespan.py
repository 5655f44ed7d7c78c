"""The lifespan of an application, as a server runs it: begun before the first connection, ended after the last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from anyio.lowlevel import RunVar
from starlette.types import ASGIApp, Message

from reference_ws.testing.inmemory import Signal, background, waiting_at

__tracebackhide__ = True  # pytest shows the test, and not what stands between it and the application


@asynccontextmanager
async def run_lifespan(app: ASGIApp, *, timeout_s: float = 60) -> AsyncIterator[dict[str, Any]]:
    """Run an application's lifespan around a block, and yield its state, which every connection gets a copy of.

    Blocks that run at the same time, within each other or in tasks of one event loop, share one lifespan: the first
    begins it, and ends it when all have ended. An application that knows no lifespan does without. What the startup or
    the shutdown raises is raised here; either is a `TimeoutError` after ``timeout_s`` seconds, with the place where it
    waits.
    """
    runs = _RUNS.get({})
    _RUNS.set(runs)
    run = runs.get(id(app))
    if run is not None:
        run.blocks += 1
        try:
            await run.begin(timeout_s)
            yield run.state
        finally:
            run.blocks -= 1
            run.signal.notify()
        return
    run = runs[id(app)] = _Run()
    async with background() as tasks:
        tasks.start_soon(run.serve, app)
        try:
            await run.begin(timeout_s)
            yield run.state
        finally:
            run.blocks -= 1
            try:
                await run.signal.wait(lambda: run.blocks == 0)
            finally:
                del runs[id(app)]  # whoever comes now begins another
                with anyio.CancelScope(shield=True):
                    await run.end(timeout_s)


class _Run:
    """One run of a lifespan: the server's side, as ASGI describes it."""

    def __init__(self) -> None:
        self.blocks = 1
        self.state: dict[str, Any] = {}
        self.signal = Signal()
        self._asked = False
        self._answer: Message | None = None  # to the startup
        self._leaving = False
        self._over = False
        self._problem: BaseException | None = None
        self._coroutine: Any = None
        self._scope = anyio.CancelScope(shield=True)

    async def serve(self, app: ASGIApp) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            self._coroutine = app(scope, self._receive, self._send)
            # A block that is cancelled still has its lifespan in its clean-ups; it ends as a server ends it.
            with self._scope:
                await self._coroutine
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            raise
        except BaseException as error:  # the failure of a test is no Exception
            # An application that raises before it has said anything knows no lifespan: so ASGI has it.
            if self._answer is not None or not isinstance(error, Exception):
                self._problem = error
        finally:
            self._over = True
            self.signal.notify()

    async def begin(self, timeout_s: float) -> None:
        """Wait until it has begun. Raises what has kept it from that."""
        await self._until(lambda: self._over or self._answer is not None, "begin", timeout_s)
        failed = self._answer if self._answer is not None and self._answer["type"] == _FAILED else None
        if failed:  # Starlette raises what it has failed by after it has said so
            await self._until(lambda: self._over, "end", timeout_s)
        if self._problem is not None:
            raise self._problem
        if failed:
            raise RuntimeError(f"the application could not start: {failed.get('message', '')}")

    async def end(self, timeout_s: float) -> None:
        """Wait until it has ended, if it had begun. Raises what it has failed by."""
        self._leaving = True
        self.signal.notify()
        try:
            if self._answer is not None:
                await self._until(lambda: self._over, "end", timeout_s)
        finally:
            self._scope.cancel()
        if self._problem is not None:
            raise self._problem

    async def _until(self, ready: Callable[[], bool], what: str, timeout_s: float) -> None:
        with anyio.move_on_after(timeout_s) as scope:
            await self.signal.wait(ready)
        if scope.cancelled_caught:
            place = waiting_at(self._coroutine)
            raise TimeoutError(f"the lifespan did not {what} within {timeout_s:g} s; it waits at {place}")

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        if self._answer is None:
            # Who takes the startup for the first message of a connection would wait here for one that never comes.
            raise RuntimeError("The application has not answered lifespan.startup.")
        await self.signal.wait(lambda: self._leaving)
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if self._answer is None and kind in ("lifespan.startup.complete", _FAILED):
            self._answer = message
        elif self._answer is None or kind not in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            raise RuntimeError(f"Illegal ASGI message {kind!r} in a lifespan.")
        elif kind == "lifespan.shutdown.failed":
            self._problem = RuntimeError(f"the application could not end: {message.get('message', '')}")
        self.signal.notify()


_FAILED: Final = "lifespan.startup.failed"
_RUNS: RunVar[dict[int, _Run]] = RunVar("reference_ws.testing.lifespan")
"""What runs in this event loop: id of the application -> its run."""
