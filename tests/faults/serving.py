"""What the tests of faults ask of a real uvicorn: that it logs no error, and that nothing is left."""

import asyncio
import gc
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from server import WAIT_S, in_loop

from reference_ws import WebSocket


class Complaints(logging.Handler):
    """Keeps what the server and the library log as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(self.format(record))


@asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[str]:
    """Serve `app` in this event loop, and yield its address. What is logged as an error fails in the end."""
    complaints = Complaints()
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "reference_ws", "asyncio")]
    for logger in loggers:
        logger.addHandler(complaints)
    try:
        async with in_loop(app, **options) as url:
            yield url
    finally:
        for logger in loggers:
            logger.removeHandler(complaints)
    assert [] == complaints.told


async def until(ready: Callable[[], Any], deadline_s: float = WAIT_S) -> None:
    """Wait until `ready` says True; fail after the deadline."""
    ends = time.monotonic() + deadline_s
    while not ready():
        assert time.monotonic() < ends, "it has not come to pass"
        await asyncio.sleep(0.002)


@contextmanager
def no_task_left() -> Iterator[Callable[[], set[asyncio.Task[Any]]]]:
    """Yield a function that tells the tasks which were not there before."""
    before = asyncio.all_tasks()
    yield lambda: asyncio.all_tasks() - before


@contextmanager
def only_new_objects() -> Iterator[None]:
    """Put all objects that there are out of `living`'s sight: other tests have left many, and each takes its time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def living(*kinds: type) -> int:
    """Count the objects of these kinds that nobody has let go of."""
    gc.collect()
    return sum(isinstance(thing, kinds or (WebSocket,)) for thing in gc.get_objects())


def resident_bytes() -> int | None:
    """Tell how much memory this process holds, where the system tells (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    with open("/proc/self/statm") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * 4096
