"""Every transcript of every page a second time: over a real socket, on a real server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from reference_ws.guide.live import live_application, without_denial
from reference_ws.guide.pages import Page, live_path, read_page
from reference_ws.guide.running import PageRun, transcript
from reference_ws.transcript.player import Report, play
from reference_ws.transcript.steps import Raised, States

PATHS = sorted((Path(__file__).parents[1] / "docs").glob("??/*.md"))


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


async def reports(page: Page, *, over_sockets: bool) -> list[Report]:
    """Run a page from top to bottom."""
    found: list[Report] = []
    run = PageRun(page)
    server = Server()
    async with server.listening() if over_sockets else nullcontext() as url:
        for fence in page.fences:
            if fence.kind == "transcript":
                app = run.application(fence)
                server.app = app if fence.denial else without_denial(app)
                found.append(await run.transcript(fence, url=url))
                if not found[-1].ok:  # what follows stands on it
                    break
                await server.settle()
            else:
                await run.fence(fence)
    run.close()
    return found


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=f"{path.parent.name}-{path.stem}", marks=getattr(pytest.mark, path.parent.name))
        for path in PATHS
    ],
)
def test_transcripts_say_the_same_over_a_socket_as_in_memory(path):
    page = read_page(path)

    in_memory = asyncio.run(reports(page, over_sockets=False))
    over_sockets = asyncio.run(reports(page, over_sockets=True))

    assert [] == [str(report) for report in over_sockets if not report.ok]
    assert [report.ok for report in in_memory] == [report.ok for report in over_sockets]
    inside = [[step for step in report.transcript.steps if isinstance(step, Raised | States)] for report in in_memory]
    assert inside == [list(report.unchecked) for report in over_sockets]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS if path.parent.name == "zh"])
def test_transcripts_say_the_same_at_their_live_addresses(path):
    page = read_page(path)

    async def play_live() -> list[Report]:
        server = Server()
        server.app = live_application(path.parents[1])
        async with server.listening() as url:
            return [
                await play(url + live_path(page.name, fence.app, fence.denial), transcript(page, fence))
                for fence in page.fences
                if fence.kind == "transcript"
            ]

    assert [] == [str(report) for report in asyncio.run(play_live()) if not report.ok]


def test_there_are_pages():
    assert PATHS
