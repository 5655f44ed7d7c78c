import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from inside_server import Server
from page_script import PageScript

from reference_ws.guide.lab import play
from reference_ws.guide.lab.server import Lab
from reference_ws.guide.pages import read_page

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [page for page in map(read_page, sorted(DOCS.glob("??/*.md"))) if page.examples]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "PACE_S", 0.0)


@asynccontextmanager
async def lab(docs: Path = DOCS, **bounds: float) -> AsyncIterator[str]:
    server = Server()
    server.app = Lab(docs, **bounds)
    async with server.listening() as url:
        yield url


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.language}-{page.name}")
@pytest.mark.parametrize("mode", ["run", "step"])
def test_every_example_plays_as_written(page, mode):
    async def main() -> None:
        async with lab() as url, PageScript(url) as script:
            for number, fence in enumerate(page.examples, 1):
                script.messages.clear()
                over = await script.play(page.name, page.language, number, mode)
                assert over.get("ok"), (fence.line, over, [show["transcript"] for show in script.shows[-1:]])

    asyncio.run(main())
