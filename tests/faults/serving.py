"""A real uvicorn for the tests of faults: in this event loop, or in a process of its own."""

import asyncio
import gc
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from reference_ws import WebSocket

DEADLINE_S = 60


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
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    settings = {"ws": "websockets-sansio", "log_config": None, "lifespan": "off", "timeout_graceful_shutdown": 5}
    server = uvicorn.Server(uvicorn.Config(app, **{**settings, **options}))
    complaints = Complaints()
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "reference_ws", "asyncio")]
    for logger in loggers:
        logger.addHandler(complaints)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await until(lambda: server.started)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()
        for logger in loggers:
            logger.removeHandler(complaints)
    assert [] == complaints.told


async def until(ready: Callable[[], Any], deadline_s: float = DEADLINE_S) -> None:
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
