"""A real server for the tests of the command line: the live examples, or any other ASGI application."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp

from reference_ws.guide.live import live_application

__all__ = ["live_server"]


@pytest.fixture
def live_server() -> Iterator[Callable[[Path | ASGIApp], str]]:
    """Serve an application, or the examples of the pages in a folder; gives ``ws://127.0.0.1:PORT``."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(served: Path | ASGIApp) -> str:
        app = live_application(served) if isinstance(served, Path) else served
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, interface="asgi3", ws="websockets-sansio", lifespan="off", log_config=None)
        config.timeout_graceful_shutdown = 1
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        running.append((server, thread))
        return f"ws://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(timeout=5)
        assert not thread.is_alive()
