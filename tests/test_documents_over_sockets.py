"""Every transcript of every page a second time: over a real socket, on a real server.

The code of a page is equal in all languages (`checks.parity` proves it), so each is played in one of them.
"""

import asyncio
from contextlib import nullcontext
from pathlib import Path

import pytest
from checks.parity import one_language
from server import WAIT_S, in_loop
from starlette.types import ASGIApp, Receive, Scope, Send

from reference_ws.guide.live import live_application, without_denial
from reference_ws.guide.pages import Page, live_path, read_page
from reference_ws.guide.running import PageRun
from reference_ws.guide.words.catalogs import LANGUAGES
from reference_ws.testing import run_in_held_time
from reference_ws.transcript.player import Report, play
from reference_ws.transcript.steps import Raised, States

DOCS = Path(__file__).parents[1] / "docs"
NAMES = sorted({path.stem for path in DOCS.glob("??/*.md")})
PATHS = [DOCS / one_language(name) / f"{name}.md" for name in NAMES]


class Served:
    """What is served at the moment."""

    app: ASGIApp

    def __init__(self) -> None:
        self.handlers: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = asyncio.current_task()
        assert handler
        self.handlers.add(handler)
        handler.add_done_callback(self.handlers.discard)
        await self.app(scope, receive, send)

    async def settle(self) -> None:
        """Wait until all handlers have ended, as the player in memory does: the page looks at what they left."""
        if self.handlers:
            _, pending = await asyncio.wait(self.handlers, timeout=WAIT_S)
            assert not pending


async def reports(page: Page, *, over_sockets: bool) -> list[Report]:
    """Run a page from top to bottom."""
    found: list[Report] = []
    run = PageRun(page)
    served = Served()
    async with in_loop(served) if over_sockets else nullcontext() as url:
        for fence in page.fences:
            if page.exercise(fence):  # it runs in memory alone
                continue
            if fence.kind == "transcript":
                app = run.application(fence)
                served.app = app if fence.denial else without_denial(app)
                found.append(await run.transcript(fence, url=url, timeout_s=WAIT_S))
                if not found[-1].ok:  # what follows stands on it
                    break
                await served.settle()
            else:
                await run.fence(fence)
    run.close()
    return found


each_page = pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=f"{path.parent.name}-{path.stem}", marks=getattr(pytest.mark, path.parent.name))
        for path in PATHS
    ],
)


@each_page
def test_transcripts_say_the_same_over_a_socket_as_in_memory(path):
    page = read_page(path)

    in_memory = run_in_held_time(reports(page, over_sockets=False))
    over_sockets = asyncio.run(reports(page, over_sockets=True))

    assert [] == [str(report) for report in over_sockets if not report.ok]
    assert [report.ok for report in in_memory] == [report.ok for report in over_sockets]
    inside = [[step for step in report.transcript.steps if isinstance(step, Raised | States)] for report in in_memory]
    assert inside == [list(report.unchecked) for report in over_sockets]


@each_page
def test_transcripts_say_the_same_at_their_live_addresses(path):
    page = read_page(path)

    async def play_live() -> list[Report]:
        async with in_loop(live_application(path.parents[1])) as url:
            return [
                await play(
                    url + live_path(page.name, fence.app, fence.denial), page.transcript(fence), timeout_s=WAIT_S
                )
                for fence in page.transcripts
            ]

    assert [] == [str(report) for report in asyncio.run(play_live()) if not report.ok]


def test_each_page_is_played_in_one_language_and_each_language_is_played():
    assert {path.stem for path in DOCS.glob("??/*.md")} == {path.stem for path in PATHS}
    assert len(NAMES) == len(PATHS)
    assert set(LANGUAGES) == {path.parent.name for path in PATHS}
    assert all(path.is_file() for path in PATHS)
