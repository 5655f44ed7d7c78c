"""An event loop whose time is held: nobody waits for it to pass, and nothing can be too slow for it."""

from __future__ import annotations

import asyncio
import math
import re
import sys
import threading
from asyncio import tasks
from collections import deque
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final, NoReturn, TypeVar

from reference_ws.testing.inmemory import waiting_at

T = TypeVar("T")

PATIENCE_S: Final = 60.0
"""So long, really, may a thread bring nothing: a deadlock that holds a thread must be seen too."""


class DeadlockError(RuntimeError):
    """Nothing is ready, nobody waits for a time and no thread works: what is left would wait forever."""


class HeldTimeLoop(asyncio.BaseEventLoop):
    """An asyncio event loop whose `time`, in seconds from 0, stands still while anything can run.

    When nothing can, it moves to the next timer at once; when there is none, that is a `DeadlockError`, which says
    where each task waits. While a thread of ``asyncio.to_thread``, ``run_in_executor`` or ``anyio.to_thread`` works, it
    is really waited for; a thread of one's own is not known here: ``await asyncio.to_thread(thread.join)``. What needs
    a socket, a pipe, a signal or a process is a `NotImplementedError`.

    It is a ``loop_factory``, for ``asyncio.Runner``, for anyio's ``backend_options`` and for its pytest plugin. It may
    also run inside a running event loop, which stands still meanwhile.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._selector = self  # BaseEventLoop._run_once waits in its select()
        self._now = 0.0
        self._until = math.inf
        self._woken = threading.Event()
        self._working: set[asyncio.Future[Any]] = set()

    def time(self) -> float:
        """Tell the time in seconds: it moves in `select` only."""
        return self._now

    def select(self, timeout: float | None) -> list[object]:
        """Move the time to the next timer, where another event loop would wait for it and for the world."""
        if timeout == 0:  # something is ready, or due
            return []
        while self._threads_work() and not self._ready:
            if not self._woken.wait(PATIENCE_S):
                raise DeadlockError(f"a thread has brought nothing for {PATIENCE_S:g} s\n{self._waits()}")
            # Whatever set it has filled _ready before: nothing is lost between these lines.
            self._woken.clear()
        if self._ready:
            return []
        when = self._scheduled[0].when() if self._scheduled else math.inf  # anyio.sleep_forever() is a timer at inf
        if when <= self._until and when < math.inf:
            self._now = when
        elif self._until < math.inf:
            self._now = self._until
            self.stop()
        else:
            raise DeadlockError(f"nothing can happen any more\n{self._waits()}")
        self._clock_resolution = math.ulp(self._now)  # the next float must be later, or no timer would ever be due
        return []

    def run_until_idle(self, seconds: float = 0) -> None:
        """Run until nothing is ready, and again at each timer of the next ``seconds``; then return to the caller."""
        self._until = self._now + seconds
        try:
            self.run_forever()
        finally:
            self._until = math.inf

    def run_forever(self) -> None:
        """Run until `stop` is called; there is a `DeadlockError` before that once nothing can happen."""
        with _set_aside():
            super().run_forever()

    def run_until_complete(self, future: Any) -> Any:
        """Run until a coroutine or a future is done, and return its result."""
        with _set_aside():
            return super().run_until_complete(future)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run a function in a thread, which is really waited for."""
        future = super().run_in_executor(executor, func, *args)
        self._working.add(future)
        future.add_done_callback(self._working.discard)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Do nothing: asyncio would start a thread of its own for that; `close` lets the idle threads end."""

    def close(self) -> None:
        """Cancel what is left, wait for its end, as ``asyncio.run`` does, and close."""
        if not self.is_closed():
            left = asyncio.all_tasks(self)
            for task in left:
                task.cancel()
            if left:
                self.run_until_complete(asyncio.wait(left))  # gather() would look for the running loop: the outer one
            for task in left:
                if not task.cancelled() and (error := task.exception()) is not None:
                    told = {"message": "a task that was cut off has ended by an exception", "exception": error}
                    self.call_exception_handler({**told, "task": task})
            self.run_until_complete(self.shutdown_asyncgens())
        super().close()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _write_to_self(self) -> None:
        self._woken.set()  # call_soon_threadsafe() calls this, from any thread

    def _process_events(self, events: list[object]) -> None:
        """Do nothing: `select` brings no events."""

    def _threads_work(self) -> bool:
        """Tell whether a thread works for this loop: asyncio's are counted, anyio's workers know when they are idle.

        A worker joins ``idle_workers`` in this loop, when its result is here: it can't have just become idle.
        """
        workers: list[Any] = [thread for thread in threading.enumerate() if getattr(thread, "loop", None) is self]
        return bool(self._working) or any(
            not worker.stopping and worker not in worker.idle_workers for worker in workers
        )

    def _waits(self) -> str:
        return "\n".join(
            sorted(f"{task.get_name()} waits at {waiting_at(task.get_coro())}" for task in asyncio.all_tasks(self))
        )


def _refused(name: str) -> Any:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(f"{name}(): an event loop whose time is held reaches nothing outside the program")

    return refuse


OUTSIDE: Final = re.compile(
    "create_(connection|datagram|server|unix)|connect_|sock_|sendfile|start_tls|subprocess_|getaddrinfo|getnameinfo"
    "|add_(reader|writer|signal)"
)
for _name in filter(OUTSIDE.match, dir(asyncio.AbstractEventLoop)):
    setattr(HeldTimeLoop, _name, _refused(_name))


@contextmanager
def _set_aside() -> Iterator[None]:
    """Let a loop run inside a running one, which asyncio forbids: the outer one only stands still meanwhile."""
    outer = asyncio._get_running_loop()
    task = None if outer is None else asyncio.current_task(outer)
    if task is not None:
        tasks._leave_task(outer, task)  # type: ignore[arg-type]
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if task is not None:
            tasks._enter_task(outer, task)  # type: ignore[arg-type]


def run_in_held_time(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a new `HeldTimeLoop`, as ``asyncio.run`` does, and return its result; also in a running loop.

    Raises whatever the coroutine raises, and `DeadlockError`.
    """
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        raise RuntimeError("in trio time is held by trio.testing.MockClock(autojump_threshold=0), given to trio.run()")
    with closing(HeldTimeLoop()) as loop:
        result: T = loop.run_until_complete(main)
    return result
