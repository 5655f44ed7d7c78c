"""Plays all examples of pages on the lab's stage, here and in Pyodide, to compare what is told."""

import asyncio
import json

from reference_ws.guide.lab.stage import Stage


def play_all(pages: str) -> str:
    """Take pages as JSON, [{name, language, source, examples: how many}]; give a list of what was told of each."""
    asyncio._set_running_loop(None)  # Pyodide's own loop is said to be running
    told = []
    for page in json.loads(pages):
        messages: list[dict] = []
        stage = Stage(page, messages.append)
        for number in range(1, page["examples"] + 1):
            stage.do({"do": "play", "number": number, "example": number, "code": {}, "script": None})
        told.append(messages)
    return json.dumps(told)
