"""What a page's ``lab.json`` holds: the code and the examples that the lab plays."""

from __future__ import annotations

import ast
import dis
from typing import Any

from starlette.routing import compile_path

from reference_ws.guide.fences import hint
from reference_ws.guide.pages import Exercise, Fence, Page, compile_sample
from reference_ws.transcript.steps import Connect


def contents(page: Page) -> dict[str, Any]:
    """Collect a page's source, its samples, its examples by number, and its exercises."""
    bound = [_bound(page, sample) for sample in page.samples]
    return {
        "page": page.name,
        "language": page.language,
        "source": page.path.read_text("utf-8"),
        "samples": [{"source": sample.source} for sample in page.samples],
        "examples": {str(number): _example(page, fence, bound) for number, fence in enumerate(page.examples, 1)},
        "exercises": [_exercise(page, exercise) for exercise in page.exercises],
    }


def _example(page: Page, fence: Fence, bound: list[set[str]]) -> dict[str, Any]:
    blocks, exercise = page.before(fence), page.exercise(fence)
    return {
        "blocks": blocks,
        "main": _main(page, fence, [number for number in blocks if fence.app in bound[number - 1]]),
        "app": fence.app,
        "script": fence.source,
        "denial": fence.denial,
        "heading": fence.anchor,
        "exercise": exercise and exercise.name,
    }


def _main(page: Page, fence: Fence, bound: list[int]) -> int | None:
    """Find the sample to look at before anything is played: the one with the route of the first connect.

    Where no sample names a path that fits, it is the one that makes the application, the last of those in `bound`.
    """
    made = next(reversed(bound), None)
    connects = (step for step in page.transcript(fence).steps if isinstance(step, Connect))
    path = next((step.target.partition("?")[0] for step in connects), "")
    for number in page.before(fence):
        paths = _paths(page.samples[number - 1]) if number >= (made or 0) else []
        if any(compile_path(each)[0].match(path) for each in paths):
            return number
    return made


def _paths(sample: Fence) -> list[str]:
    """List the paths that a sample calls anything with: ``app.websocket("/a")``, ``WebSocketRoute("/a", handler)``."""
    calls = (node for node in ast.walk(ast.parse(sample.source)) if isinstance(node, ast.Call))
    first = (call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant))
    return [value for value in first if isinstance(value, str) and value.startswith("/")]


def _exercise(page: Page, exercise: Exercise) -> dict[str, Any]:
    return {
        "name": exercise.name,
        "title": next(heading.title for heading in page.headings if heading.anchor == exercise.name),
        "example": page.example(exercise.transcript),
        "block": page.samples.index(exercise.start) + 1 if exercise.kind == "code" else None,
        "heading": exercise.name,
        "kind": exercise.kind,
        "solution": exercise.solution.source,
        "hints": [hint(fence) for fence in exercise.hints],
    }


def _bound(page: Page, sample: Fence) -> set[str]:
    """Find the names that a sample gives to something."""
    code = compile_sample(sample, str(page.path))
    return {step.argval for step in dis.get_instructions(code) if step.opname == "STORE_NAME"}
