"""Running a page: from top to bottom, as a reader would, in one namespace and one event loop.

The documents' tests, the socket tests and the live examples all run pages with `PageRun`.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from starlette.types import ASGIApp

from reference_ws.guide.pages import Exercise, Fence, Page, PageError, compile_sample, page_file, read_page
from reference_ws.transcript.grammar import format_step
from reference_ws.transcript.mistakes import TranscriptError
from reference_ws.transcript.player import Report, TranscriptFailure, play


@dataclass(slots=True)
class PageRun:
    """One run of one page, whose namespace is a module. Await everything in one event loop; `close` in the end.

    ``applications`` holds what the transcripts so far talked to, by name. A name stands for one application on the
    whole page, or the live examples, served when the page is at its end, would answer other than the page says.
    """

    page: Page
    module: ModuleType = field(init=False)
    applications: dict[str, ASGIApp] = field(init=False, default_factory=dict)
    done: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        # A page may be run several times at once, each run with a module of its own.
        base = f"docs.{self.page.language}.{self.page.name}"
        names = chain([base], (f"{base}_{number}" for number in count(2)))
        self.module = ModuleType(next(name for name in names if name not in sys.modules))
        self.module.__file__ = str(self.page.path)
        # Where classes look up the names in their annotations.
        sys.modules[self.module.__name__] = self.module

    def close(self) -> None:
        """Forget the module. Tasks that the page started belong to the event loop's owner."""
        if sys.modules.get(self.module.__name__) is self.module:
            del sys.modules[self.module.__name__]

    async def python(self, fence: Fence) -> None:
        """Run a python fence, with top-level ``await``; whatever it raises comes out, with lines of the page's file."""
        self.done.add(fence.line)
        await self.code(compile_sample(fence, str(self.page.path)))

    async def code(self, code: CodeType) -> None:
        """Run what `compile_sample` has compiled."""
        result = eval(code, self.module.__dict__)
        if code.co_flags & inspect.CO_COROUTINE:
            await result

    def application(self, fence: Fence) -> ASGIApp:
        """Find the ASGI application that a transcript fence talks to. Raises `PageError` when there is none."""
        app = self.module.__dict__.get(fence.app)
        if not callable(app):
            raise PageError(self.page.file, fence.line, f"no application called {fence.app} is defined above")
        if self.applications.setdefault(fence.app, app) is not app:
            problem = f"{fence.app} is another application than above: give it a name of its own and write {{app=name}}"
            raise PageError(self.page.file, fence.line, problem)
        return app

    async def transcript(self, fence: Fence, *, url: str | None = None, timeout_s: float = 5.0) -> Report:
        """Play a transcript fence in memory, or against the server at `url` (``ws://127.0.0.1:8000/live/closing``)."""
        self.done.add(fence.line)
        app = self.application(fence)
        script = self.page.transcript(fence)
        return await play(url or app, script, timeout_s=timeout_s, denial=fence.denial)

    def http(self, fence: Fence) -> None:
        """Compare what an http fence shows with the bytes that the page's code has made. Raises `PageError`."""
        name = fence.options["shows"]
        got = self.module.__dict__.get(name)
        if not isinstance(got, bytes):
            raise PageError(self.page.file, fence.line, f"no bytes called {name} are defined above")
        shown = (fence.source + "\n").replace("\n", "\r\n").encode()  # an empty line is the end of a head
        if got != shown:
            problem = f"{name} is not what is shown:\nexpected {shown!r}\n     got {got!r}"
            raise PageError(self.page.file, fence.line, problem)

    @asynccontextmanager
    async def attempt(self, exercise: Exercise, fence: Fence) -> AsyncIterator[tuple[PageRun, Fence]]:
        """Run an exercise with `fence`, its start or its solution; yield the run, and the transcript to be played.

        It runs in a copy of the namespace, a module of its own: nothing on the page sees its code. Raises `PageError`
        when that code would change the page's own application.
        """
        run = PageRun(self.page)
        run.module.__dict__.update({**self.module.__dict__, **run.module.__dict__})
        try:
            for sample in exercise.code:
                await run.python(fence if sample == exercise.start else sample)
            script = exercise.transcript if exercise.kind == "code" else fence
            if exercise.code and run.application(script) is self.module.__dict__.get(script.app):
                problem = f"an exercise with code has an application of its own: begin with `{script.app} = App()`"
                raise PageError(self.page.file, exercise.code[0].line, problem)
            yield run, script
        finally:
            run.close()

    async def prove(self, exercise: Exercise, fence: Fence) -> None:
        """Show that an exercise's start fails its transcript, or that its solution passes. Raises `PageError`."""
        async with self.attempt(exercise, fence) as (run, script):
            report = await run.transcript(script)
            missing = self.page.missing(exercise, report.transcript)
        problem = ""
        if fence == exercise.start:
            if report.ok:
                problem = f"the start of the exercise {exercise.name} passes: there is nothing to do"
        elif not report.ok:
            problem = f"the solution of the exercise {exercise.name} fails:\n{TranscriptFailure(report)}"
        elif missing:
            problem = f"the solution lacks what the start demands, `{format_step(missing)}`"
        if problem:
            raise PageError(self.page.file, fence.line, problem)

    async def fence(self, fence: Fence) -> None:
        """Run a python, transcript or http fence, the others only stand; of an exercise, prove start and solution.

        Raises `TranscriptFailure`, and what `prove` raises.
        """
        if exercise := self.page.exercise(fence):
            if "exercise" in fence.options:
                await self.prove(exercise, fence)
        elif fence.kind == "python" and "run" not in fence.options:
            await self.python(fence)
        elif fence.kind == "transcript":
            report = await self.transcript(fence)
            if not report.ok:
                raise TranscriptFailure(report)
        elif fence.kind == "http":
            self.http(fence)

    async def up_to(self, fence: Fence | None = None, *, play: bool = True) -> None:
        """Run, in order, what stands above `fence` and hasn't run yet; without a fence the whole page.

        Exercises don't run: nothing stands on them. Without ``play`` transcripts are not played: of their applications
        there is nobody's history yet, as who serves them wants it.
        """
        for above in self.page.fences:
            if fence is not None and above.line >= fence.line:
                return
            if above.line in self.done or self.page.exercise(above) is not None:
                continue
            if above.kind == "transcript" and not play:
                self.application(above)
            else:
                await self.fence(above)


def failure_text(path: Path, error: BaseException) -> str:
    """Tell an error of the page at `path`, an absolute path, with that page's frames only.

    The first line is ``docs/ru/closing.md:57: AssertionError: ...``.
    """
    if isinstance(error, PageError | TranscriptFailure | TranscriptError):
        return str(error)
    told = traceback.TracebackException.from_exception(error)
    own = [frame.lineno for frame in told.stack if frame.filename == str(path)]
    line = own[-1] if own else 1
    _keep(told, str(path))
    summary = list(told.format_exception_only())[-1].rstrip()
    return f"{page_file(path)}:{line}: {summary}\n" + "".join(told.format()).rstrip()


def failure_line(error: BaseException) -> str | None:
    """Tell in one line what an example raised while it served a client: ``None`` if it wasn't an example.

    The place is the same in each language: ``closing#listen, sample 3, line 5: ValueError: ...``.
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".md")]
    if not frames:
        return None
    path, line = Path(frames[-1].filename), frames[-1].lineno or 1
    told = f"{type(error).__name__}: {' '.join(str(error).split())}"
    with suppress(PageError, OSError):  # the page may have changed since it was run
        page = read_page(path)
        if found := page.sample_at(line):
            number, inside = found
            return f"{path.stem}#{page.samples[number - 1].anchor}, sample {number}, line {inside}: {told}"
    return f"{page_file(path)}:{line}: {told}"


def _keep(told: traceback.TracebackException | None, filename: str) -> None:
    if told is None:
        return
    own = [frame for frame in told.stack if frame.filename == filename]
    if own:
        told.stack = traceback.StackSummary.from_list(own)
    nested: list[Any] = [told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())]
    for other in nested:
        _keep(other, filename)
