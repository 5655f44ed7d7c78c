"""A real server inside of a test's own event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send


class Server(uvicorn.Server):
    """Uvicorn inside of a running event loop; `app` is what it serves at the moment."""

    app: ASGIApp

    def __init__(self) -> None:
        super().__init__(
            uvicorn.Config(
                self.serve_app,
                interface="asgi3",  # uvicorn takes a method for ASGI 2
                ws="websockets-sansio",
                lifespan="off",
                log_config=None,
                log_level="critical",
                timeout_graceful_shutdown=2,
            )
        )
        self.stop = asyncio.Event()
        self.handlers: set[asyncio.Task[None]] = set()

    async def serve_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = asyncio.current_task()
        assert handler
        self.handlers.add(handler)
        handler.add_done_callback(self.handlers.discard)
        await self.app(scope, receive, send)

    def capture_signals(self) -> AbstractContextManager[None]:  # they are pytest's
        return nullcontext()

    async def main_loop(self) -> None:
        await self.stop.wait()

    async def settle(self) -> None:
        """Wait until all handlers have ended, as the player in memory does: the page looks at what they left."""
        if self.handlers:
            _, pending = await asyncio.wait(self.handlers, timeout=5)
            assert not pending

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(self.serve(sockets=[listener]))
            try:
                yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                self.stop.set()
                await serving
