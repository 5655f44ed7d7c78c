"""What the lab shows where no server is behind the page: a run of each example, recorded while the site is built."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from gettext import NullTranslations
from typing import Any

import anyio

from reference_ws.guide.lab.story import Show, Story, ended
from reference_ws.guide.pages import Fence, Page
from reference_ws.guide.running import PageRun
from reference_ws.guide.words.catalogs import catalog
from reference_ws.testing.held_time import run_in_held_time
from reference_ws.testing.inmemory import DENIAL, background
from reference_ws.transcript.grammar import format_step, parse
from reference_ws.transcript.memory import MemoryPeer, World
from reference_ws.transcript.player import Player, TranscriptFailure
from reference_ws.transcript.steps import Step

log = logging.getLogger(__name__)

Recording = dict[str, Any]
"""The code samples that handlers wait in, and the examples by number: what a page's ``lab.json`` holds."""


def record(pages: Sequence[Page]) -> dict[str, Recording]:
    """Run pages of one language side by side: page name -> what the lab shows of its examples.

    A page that can't be run has no recording; the tests tell why.
    """
    return run_in_held_time(_record(pages))


async def _record(pages: Sequence[Page]) -> dict[str, Recording]:
    recordings = await asyncio.gather(*(_page(page) for page in pages if page.examples))
    return {page.name: found for page, found in recordings if found is not None}


async def _page(page: Page) -> tuple[Page, Recording | None]:
    words, run = catalog(page.language), PageRun(page)
    codes: dict[str, str] = {}
    examples: dict[str, Any] = {}
    try:
        for fence in page.fences:
            if fence.kind == "transcript":
                examples[str(page.example(fence))] = await _example(run, fence, words, codes)
            else:
                await run.fence(fence)
    except Exception as error:
        log.info("%s: not recorded: %s", page.file, error)
        return page, None
    finally:
        run.close()
    return page, {"codes": codes, "examples": examples}


async def _example(run: PageRun, fence: Fence, words: NullTranslations, codes: dict[str, str]) -> Show:
    """Play a transcript in memory; each step is shown as it would be live, but for the picture."""
    script, app = parse(fence.source, file=run.page.file), run.application(fence)
    extensions = DENIAL if fence.denial else {}
    shows: list[Show] = []
    async with background() as tasks:
        world = World(tasks)
        story, began = Story(run.page, words, world), anyio.current_time()

        async def after(step: Step) -> None:
            story.line = step.line
            story.add(step, anyio.current_time() - began)
            await world.settle()
            show = story.show(drawn=False)
            for block in {place["block"] for place in show["waits"]} - {None}:
                if str(block) not in codes:
                    codes[str(block)] = story.code(block)
            shows.append({**show, "step": len(shows) + 1})

        try:
            player = Player(script, 5.0, after=after)
            report = await player.play(lambda name: MemoryPeer(world, name, app, extensions))
        finally:
            world.hold_no_more()
    if not report.ok:
        raise TranscriptFailure(report)
    for show, step in zip(shows, script.steps[1:], strict=False):
        show["next"] = format_step(step)
    first: Show = {
        "step": 0,
        "line": None,
        "states": [],
        "waits": [],
        "next": format_step(script.steps[0]),
        "transcript": "",
    }
    return {"title": ended(words, report)["title"], "shows": [first, *shows]}
