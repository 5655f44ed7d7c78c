"""``reference-ws examples``, ``run`` and ``play``: transcripts of the documents, and of one's own files."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import shlex
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from gettext import NullTranslations
from itertools import groupby
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from reference_ws.guide.command import Problem, address
from reference_ws.guide.command.screen import Screen, unknown
from reference_ws.guide.pages import (
    Block,
    Fence,
    Page,
    PageError,
    live_path,
    read_blocks,
    read_page,
    read_pages,
    source_root,
)
from reference_ws.guide.running import PageRun, failure_text
from reference_ws.guide.words.catalogs import pages_language
from reference_ws.testing.held_time import run_in_held_time
from reference_ws.testing.inmemory import asgi, is_the_users
from reference_ws.transcript.grammar import parse
from reference_ws.transcript.mistakes import TranscriptError
from reference_ws.transcript.player import Report, play
from reference_ws.transcript.steps import Connect, Transcript

DIFFERS = 1
SERVER = "ws://127.0.0.1:8000"
"""Where `reference-ws serve` listens unless it is told otherwise."""


def show_examples(words: NullTranslations, language: str) -> None:
    """List the pages, their sections with transcripts, and the live addresses of these. Raises `Problem`."""
    screen = Screen(words)
    try:
        pages = read_pages(source_root() / "docs", pages_language(language))
    except PageError as error:
        raise Problem(str(error)) from None
    for page in pages:
        titles = {heading.anchor: heading.title for heading in page.headings}
        if page.transcripts:
            screen.line(f"{page.name}  {page.title}", "bold")
        for anchor, group in groupby(page.transcripts, key=lambda fence: fence.anchor):
            screen.line(f"  {page.name}#{anchor}  {titles[anchor]}")
            addresses = [
                f"{SERVER}{live_path(page.name, fence.app, fence.denial)}{step.target}"
                for fence in group
                for step in page.transcript(fence).steps
                if isinstance(step, Connect)
            ]
            for live in dict.fromkeys(addresses):
                screen.line(f"    {live}", "dim")


def run(words: NullTranslations, page: str, *, language: str, url: str | None, quiet: bool) -> int:
    """Play the transcripts of a page, or of the section ``page#anchor``; returns the exit code. Raises `Problem`.

    In memory all that stands above the section runs too, as on the page, and exercises are played with their solutions;
    with `url` (``ws://127.0.0.1:8000``) only the transcripts are played, against the live addresses of
    `reference-ws serve`, which has no exercises.
    """
    _ = words.gettext
    name, _hash, anchor = page.partition("#")
    files = {file.stem: file for file in (source_root() / "docs" / pages_language(language)).glob("*.md")}
    if name not in files:
        raise unknown(words, _("there is no page %(name)s") % {"name": name}, name, sorted(files))
    try:
        read = read_page(files[name])
    except PageError as error:
        raise Problem(str(error)) from None
    chosen = _section(words, read, anchor) if anchor else list(read.fences)
    exercises = [fence for fence in chosen if url is None and read.exercise(fence)]
    transcripts = [fence for fence in chosen if fence in read.transcripts]
    if not exercises and not transcripts:
        raise Problem(_("%(place)s has no transcript") % {"place": page})
    performance = _Performance(words, page, read.file, quiet)
    if url is None:
        return run_in_held_time(performance.run(read, chosen))
    live = url.rstrip("/")
    scenes = [
        (live + live_path(read.name, fence.app, fence.denial), read.transcript(fence), fence.denial)
        for fence in transcripts
    ]
    return asyncio.run(performance.perform(scenes, url))


def play_file(
    words: NullTranslations, file: str, *, app: str | None, url: str | None, quiet: bool, held_time: bool
) -> int:
    """Play a person's own transcript or Markdown file; returns the exit code. Raises `Problem`, `TranscriptError`.

    What it talks to is the application `app` (``module:name``), the server at `url`, or, in a Markdown file, what its
    own Python code defines. With `held_time` no real time passes, in memory.
    """
    _ = words.gettext
    if held_time and url is not None:
        raise Problem(_("--held-time and --url exclude each other: give one of them"))
    run_to_its_end = run_in_held_time if held_time else asyncio.run
    if app is not None and url is not None:
        raise Problem(_("--app and --url exclude each other: give one of them"))
    try:
        text = Path(file).read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise Problem(_("%(file)s can't be read: %(reason)s") % {"file": file, "reason": error}) from None
    sys.path.insert(0, "")  # the current folder: the file's own code may import what stands beside it
    performance = _Performance(words, file, file, quiet)
    if Path(file).suffix in (".md", ".markdown"):
        page = _markdown(words, Path(file), text)
        if not page.examples:
            raise Problem(_("%(place)s has no transcript") % {"place": file})
        if app is None and url is None:
            return run_to_its_end(performance.run(page, page.fences))
        scripts = [(parse(fence.source, file=file, first_line=fence.line + 1), fence.denial) for fence in page.examples]
    else:
        scripts = [(parse(text, file=file), True)]
        if app is None and url is None:
            raise Problem(_("say with --app or --url what %(file)s talks to") % {"file": file})
    target = url if url is not None else application(words, app or "")
    return run_to_its_end(performance.perform([(target, script, denial) for script, denial in scripts], url))


@dataclass
class _Performance:
    """Plays one transcript after the other and shows them, unless `quiet`, and then the verdict on `name`.

    ``file`` is how messages call the page.
    """

    words: NullTranslations
    name: str
    file: str
    quiet: bool
    screen: Screen = field(init=False)
    transcripts: int = 0
    steps: int = 0
    unchecked: int = 0

    def __post_init__(self) -> None:
        self.screen = Screen(self.words)

    async def perform(self, scenes: Iterable[tuple[ASGIApp | str, Transcript, bool]], url: str | None) -> int:
        """Play each (application, transcript, whether its server can deny), once somebody answers at `url`."""
        if url is not None:
            await address.reach(self.words, url)
        for app, script, denial in scenes:
            if not await self.show(app, script, denial=denial):
                return DIFFERS
        return self.verdict()

    async def run(self, page: Page, chosen: list[Fence] | tuple[Fence, ...]) -> int:
        """Run a page in memory to the end of `chosen`, showing these."""
        page_run = PageRun(page)
        try:
            for fence in page.fences:
                if fence.line > chosen[-1].line:
                    break
                if exercise := page.exercise(fence):
                    if fence == exercise.solution and fence in chosen:
                        async with page_run.attempt(exercise, fence) as (own, solved):
                            script = page.transcript(solved)
                            if not await self.show(own.application(solved), script, denial=solved.denial):
                                return DIFFERS
                elif fence.kind == "transcript" and fence in chosen:
                    script = parse(fence.source, file=self.file, first_line=fence.line + 1)
                    if not await self.show(page_run.application(fence), script, denial=fence.denial):
                        return DIFFERS
                else:
                    await page_run.fence(fence)
        except PageError as error:
            raise Problem(f"{self.file}:{error.line}: {error.problem}") from None
        except TranscriptError:
            raise
        except Exception as error:  # whatever the page's code raises
            told = failure_text(page.path, error).removeprefix(page.file)
            self.screen.line(f"{self.file}{told}", "red")
            return DIFFERS
        finally:
            page_run.close()
        return self.verdict()

    async def show(self, app: ASGIApp | str, script: Transcript, *, denial: bool) -> bool:
        """Play a transcript and show it as it happens; False when it differs, which is shown too."""
        if not self.quiet:
            self.screen.line(f"{script.file}:{script.steps[0].line}", "underline")
        on_step = None if self.quiet else self.screen.follow(script)
        try:
            report: Report = await play(app, script, denial=denial, on_step=on_step)
        except Exception as error:  # of the application's lifespan
            if isinstance(app, str):
                raise
            told = self.words.gettext("the application could not start or stop: %(reason)s")
            self.screen.line(told % {"reason": reason(error)}, "red")
            return False
        self.transcripts += 1
        self.steps += len(report.played)
        self.unchecked += len(report.unchecked)
        if not report.ok:
            self.screen.line(report.told(self.words.gettext), "red")
        elif not self.quiet:
            self.screen.line()
        return report.ok

    def verdict(self) -> int:
        """Tell that everything is as written."""
        ngettext = self.words.ngettext
        transcripts = ngettext("%(count)d transcript", "%(count)d transcripts", self.transcripts)
        steps = ngettext(", %(count)d step as written", ", %(count)d steps as written", self.steps)
        counted = transcripts % {"count": self.transcripts} + steps % {"count": self.steps}
        self.screen.line(f"{self.name}: {counted}", "green")
        if self.unchecked:
            unchecked = ngettext(
                "%(count)d of them is about the inside of the application, which a socket doesn't show",
                "%(count)d of them are about the inside of the application, which a socket doesn't show",
                self.unchecked,
            )
            self.screen.line(unchecked % {"count": self.unchecked})
        return 0


def _section(words: NullTranslations, page: Page, anchor: str) -> list[Fence]:
    """Find the fences under a heading, those of its subsections included."""
    headings = {heading.anchor: heading for heading in page.headings}
    if anchor not in headings:
        problem = words.gettext("the page %(page)s has no section %(anchor)s") % {"page": page.name, "anchor": anchor}
        raise unknown(words, problem, anchor, headings)
    start = headings[anchor]
    later = (h.line for h in page.headings if h.line > start.line and h.level <= start.level)
    end = next(later, None)
    return [fence for fence in page.fences if fence.line > start.line and (end is None or fence.line < end)]


def _markdown(words: NullTranslations, path: Path, text: str) -> Page:
    """Read somebody's Markdown file as a page: its transcripts and its Python code count, nothing else is looked at."""
    fences: list[Fence] = []
    for line, block in read_blocks(text):
        kind, _, options = block.info.partition(" ") if isinstance(block, Block) else ("", "", "")
        if not isinstance(block, Block) or kind not in ("python", "transcript"):
            continue
        try:
            given = [word.partition("=") for word in shlex.split(options.strip().strip("{}"))]
        except ValueError:
            given = [(options, "", "")]
        bad = [f"{name}={value}" for name, _, value in given if kind == "transcript" and name not in ("app", "denial")]
        if bad:
            problem = words.gettext("%(file)s:%(line)s: there is no option %(option)s, only app and denial")
            raise Problem(problem % {"file": path, "line": line, "option": bad[0]})
        fences.append(Fence(kind, {name: value for name, _, value in given}, block.source, line, ""))
    path = path.resolve()
    return Page(path.parent.name, path.stem, path, path.stem, tuple(fences), ())


def application(words: NullTranslations, name: str) -> ASGIApp:
    """Import ``module:app``, or call ``module:factory()``, the current folder included. Raises `Problem`."""
    module, _, attribute = name.removesuffix("()").partition(":")
    if not module or not attribute:
        problem = words.gettext("%(name)r is no application: write --app module:name")
        raise Problem(problem % {"name": name})
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        if name.endswith("()"):
            found = found()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the module's own code may raise anything, and exit
        problem = words.gettext("the application %(name)s can't be imported: %(reason)s")
        raise Problem(problem % {"name": name, "reason": reason(error)}) from None
    if inspect.iscoroutine(found):
        found.close()  # nobody awaits it, and Python would say so
    if not callable(found):
        raise Problem(words.gettext("%(name)s is no ASGI application: it can't be called") % {"name": name})
    try:
        return asgi(found)
    except TypeError:
        problem = words.gettext("%(name)s takes no scope, receive and send: is it a factory? Call it: %(name)s()")
        raise Problem(problem % {"name": name}) from None


def reason(error: BaseException) -> str:
    """Tell an exception in one line, with the file and line of the person's own code that has raised it."""
    told = " ".join(f"{type(error).__name__}: {error}".split())
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_the_users(frame.filename)]
    file, line = (frames[-1].filename, frames[-1].lineno) if frames else ("", None)
    if isinstance(error, SyntaxError) and error.filename:
        file, line, told = error.filename, error.lineno, f"{type(error).__name__}: {error.msg}"
    if Path(file).is_relative_to(Path.cwd()):
        file = str(Path(file).relative_to(Path.cwd()))
    return f"{file}:{line}: {told}" if file else told
