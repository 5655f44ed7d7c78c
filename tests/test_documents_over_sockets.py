"""Every transcript of every page a second time: over a real socket, on a real server."""

import asyncio
from contextlib import nullcontext
from pathlib import Path

import pytest
from inside_server import Server

from reference_ws.guide.live import live_application, without_denial
from reference_ws.guide.pages import Page, live_path, read_page
from reference_ws.guide.running import PageRun, transcript
from reference_ws.testing import run_in_held_time
from reference_ws.transcript.player import Report, play
from reference_ws.transcript.steps import Raised, States

PATHS = sorted((Path(__file__).parents[1] / "docs").glob("??/*.md"))


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

    in_memory = run_in_held_time(reports(page, over_sockets=False))
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
