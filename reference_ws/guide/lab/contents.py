"""What a page's ``lab.json`` holds: the code and the examples that the lab plays."""

from __future__ import annotations

import dis
from typing import Any

from reference_ws.guide.fences import hint
from reference_ws.guide.pages import Exercise, Fence, Page, compile_sample


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
        "main": next((number for number in reversed(blocks) if fence.app in bound[number - 1]), None),
        "app": fence.app,
        "script": fence.source,
        "denial": fence.denial,
        "heading": fence.anchor,
        "exercise": exercise and exercise.name,
    }


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
