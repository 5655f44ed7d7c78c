"""A clock that stands still while a reader looks: the examples' own waiting takes as long as it does without the lab.

An example that sends every 200 ms would have sent a lot by the time that somebody presses a button. `LabLoop` is
asyncio's event loop, except that the tasks of a performance see its `Clock` as the time: when the clock stands still,
so do their timers, whoever set them (``anyio.sleep``, ``asyncio.timeout`` and so on all ask the event loop; who asks
``time.monotonic()`` gets the world's).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final


class LabLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is, for some of its tasks, that of their `CLOCK`."""

    def time(self) -> float:
        """Tell the time in seconds, as the current task sees it."""
        clock = CLOCK.get()
        return self.real_time() if clock is None else clock.time()

    def real_time(self) -> float:
        """Tell the time in seconds, as everybody else sees it."""
        return super().time()

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at a time of the current task's clock."""
        clock = CLOCK.get()
        if clock is None:
            return self.really_call_at(when, callback, *args, context=context)
        return clock.call_at(when, callback, args, copy_context() if context is None else context)

    def really_call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at a time of the event loop itself."""
        return super().call_at(when, callback, *args, context=context)


class Clock:
    """The time of one performance; on another event loop than a `LabLoop` it can't be stopped."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped_at: float | None = None
        self._stood_still = 0.0
        self._timers: dict[_Timer, None] = {}  # in order

    def time(self) -> float:
        """Tell the time in seconds; it doesn't grow while the clock stands still."""
        now = self._now() if self._stopped_at is None else self._stopped_at
        return now - self._stood_still

    def stop(self) -> None:
        """Let the time stand still."""
        if self._stopped_at is None and isinstance(self._loop, LabLoop):
            self._stopped_at = self._now()
            for timer in self._timers:
                timer.stop()

    def go_on(self) -> None:
        """Let the time pass again."""
        if self._stopped_at is not None:
            self._stood_still += self._now() - self._stopped_at
            self._stopped_at = None
            for timer in list(self._timers):
                self._start(timer)

    def call_at(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], context: Context
    ) -> asyncio.TimerHandle:
        """Call back at a time of this clock."""
        timer = _Timer(when, callback, args, self._loop, context, self._timers)
        self._timers[timer] = None
        if self._stopped_at is None:
            self._start(timer)
        return timer

    def _start(self, timer: _Timer) -> None:
        assert isinstance(self._loop, LabLoop)
        timer.start(self._loop, timer.when() + self._stood_still)

    def _now(self) -> float:
        return self._loop.real_time() if isinstance(self._loop, LabLoop) else self._loop.time()


CLOCK: Final[ContextVar[Clock | None]] = ContextVar("CLOCK", default=None)
"""The clock of the current task; ``None`` for the event loop's own."""


class _Timer(asyncio.TimerHandle):
    """A timer of a `Clock`: there is a timer of the event loop behind it while the clock runs."""

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context,
        timers: dict[_Timer, None],
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self._in = context
        self._timers = timers
        self._real: asyncio.TimerHandle | None = None

    __hash__ = object.__hash__  # asyncio's is the time's

    def __eq__(self, other: object) -> bool:
        return self is other

    def start(self, loop: LabLoop, when: float) -> None:
        self._real = loop.really_call_at(when, self._fire, context=self._in)

    def stop(self) -> None:
        if self._real is not None:
            self._real.cancel()
            self._real = None

    def cancel(self) -> None:
        """Don't call back."""
        self.stop()
        self._timers.pop(self, None)
        super().cancel()

    def _fire(self) -> None:
        self._timers.pop(self, None)
        self._callback(*self._args)  # type: ignore[attr-defined]
