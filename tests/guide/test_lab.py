import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from inside_server import Server
from page_script import PageScript

from reference_ws.guide.lab import play
from reference_ws.guide.lab.server import Lab
from reference_ws.guide.pages import Page, read_page

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


async def played(url: str, page: Page, number: int, mode: str) -> None:
    async with PageScript(url) as script:
        over = await script.play(page.name, page.language, number, mode)
        last = script.shows[-1]
        assert over.get("ok"), (page.file, page.examples[number - 1].line, over, last["transcript"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.language}-{page.name}")
def test_every_example_plays_as_written(page):
    """All of a page's examples at once: what one reader's clients do is no news for another's."""

    async def main() -> None:
        async with lab() as url:
            modes = ("run", "step") if page.language == "zh" else ("run",)
            plays = [played(url, page, number, mode) for number in range(1, len(page.examples) + 1) for mode in modes]
            await asyncio.gather(*plays)

    asyncio.run(main())
