"""Tests on the event loop whose clocks can stand still."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from reference_ws.guide.lab.clock import LabLoop


def on_lab_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run on the event loop whose clocks can stand still, as `serve` does."""

    async def end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        # A page that is being run for the next reader may have threads of its own.
        await asyncio.gather(*(task for task in others if task.get_name().startswith("the lab's")))
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    loop = LabLoop()
    try:
        loop.run_until_complete(main)
        loop.run_until_complete(end())
    finally:
        loop.close()
