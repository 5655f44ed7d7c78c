"""The lab's stage: plays an example of a page, in memory and in held time, and tells what happens as it happens.

`Stage` knows neither browser nor server: the page's worker runs it, and so do the tests. It is plain and synchronous;
its event loop runs only inside of `Stage.do`. Between two lines of free play everything stands still.

What is told: a ``show`` a step (see `Story.show`), also of the step that differs from what is written; in free play one
at the beginning, with ``row`` 0, and one a line. Then time passes by lines such as ``.. 2s``, and, when nothing answers
what a client did, up to the first thing that the application does within `ANSWER_S`. In the end ``over``: ``ok``,
``title``, ``expected``, ``got``, ``problem``, ``raised``, ``svg`` and ``transcript``. ``problem`` answers a line that
can't be done; with ``ends`` nothing is being played.
"""

from __future__ import annotations

import ast
import asyncio
import linecache
import math
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from gettext import NullTranslations
from io import TextIOBase
from pathlib import Path
from types import CodeType
from typing import Any, Final

import anyio
from starlette.routing import WebSocketRoute, compile_path
from starlette.types import ASGIApp

from reference_ws.guide.lab.story import Show, Story, place, raising
from reference_ws.guide.pages import Fence, Page, compile_sample, read_source
from reference_ws.guide.running import PageRun
from reference_ws.guide.words.catalogs import catalog
from reference_ws.testing import DeadlockError, HeldTimeLoop
from reference_ws.testing.inmemory import DENIAL, asgi, waiting_frame
from reference_ws.transcript.grammar import format_step, parse
from reference_ws.transcript.memory import MemoryPeer, World, open_world
from reference_ws.transcript.mistakes import TranscriptError
from reference_ws.transcript.peers import Ended, Nothing, act
from reference_ws.transcript.player import Player, Report, leaves
from reference_ws.transcript.steps import (
    ClientClose,
    ClientData,
    Connect,
    Drop,
    FromClient,
    Silence,
    Step,
    Transcript,
)

MAX_STEPS: Final = 500
MAX_CHARACTERS: Final = 200_000
"""So long may the transcript of a play become."""
MAX_SCRIPT_CHARACTERS: Final = 20_000
MAX_CONNECTIONS: Final = 20
"""So many may be open at once."""
MAX_PRINTED: Final = 20_000
"""So many characters of what the code prints are told."""
MAX_LINES: Final = 1_000_000
"""So many lines of the page's code may run, and jumps, before it awaits something."""
MAX_TURNS: Final = 5_000
"""So many turns may the event loop take for a step while no time passes."""
ANSWER_S: Final = 5.0
"""How long, on the held clock, the application may take for a line."""

_READING: Final = re.compile(r"(?:(\w+) +)?(stop|go on) reading")
"""A line of free play that the notation doesn't have: from a client that stops reading, every send has to wait."""
_REFUSED: Final = ("can't start new thread", "reaches nothing outside the program")
"""What the platform says, and the event loop, to a sample that needs threads or sockets."""


class _End(BaseException):
    """The play ends here: the code can't go on. No `Exception`, which handlers catch."""

    def __init__(self, title: str, **what: Any) -> None:
        super().__init__(title)
        self.title = title
        self.what = what


class _Refused(Exception):  # noqa: N818 - nothing failed
    """What the reader typed can't be done; the text says why, in the reader's language."""


class Stage:
    """Where the examples of a page are played, one at a time: `page` has its ``name``, ``language`` and ``source``.

    `tell` is called with each message for the page's panel: ``show``, ``over``, ``problem`` and ``printed``.
    """

    def __init__(self, page: Mapping[str, str], tell: Callable[[Show], None]) -> None:
        path = Path("docs", page["language"], f"{page['name']}.md")
        self.page = read_source(path, page["source"].encode())
        self.words = catalog(page["language"])
        self._tell = tell
        self._play: _Play | None = None

    def do(self, message: Show) -> None:
        """Do what the panel asks.

        ``play`` plays example ``example`` to its end, with samples replaced by ``code`` (number -> source) and the
        transcript by ``script``, unless that is None. ``open`` begins free play, in which each ``line``, with its
        ``headers``, is done as it comes. A new play begins with fresh modules, and ends the one before.
        """

        def tell(what: Show) -> None:
            self._tell({"number": message["number"], **what})

        if message["do"] == "line":
            if self._play is None or not self._play.line(message["line"], message.get("headers") or (), tell):
                text = self.words.gettext("Nothing is being played now: press a button.")
                tell({"do": "problem", "text": text, "ends": True})
            return
        self.close()
        fence = self.page.examples[message["example"] - 1]
        play = _Play(self.page, fence, message.get("code") or {}, self.words)
        if message["do"] == "open":
            self._play = play
            play.open(tell)
        else:
            script = message.get("script")
            try:
                play.script(fence.source if script is None else script, tell)
            finally:
                play.close()

    def close(self) -> None:
        """End free play, if there is one."""
        if self._play is not None:
            self._play.close()
            self._play = None


class _Play:
    """One play of an example: its modules, its event loop and its connections."""

    def __init__(self, page: Page, fence: Fence, code: Mapping[str, str], words: NullTranslations) -> None:
        self.page = page
        self.fence = fence
        self.edited = code
        self.words = words
        self.run = PageRun(page)
        self.loop = _Loop(page, words)
        self.app: ASGIApp
        self.world: World
        self.story: Story
        self.over = False
        self._tell: Callable[[Show], None]
        self._output = _Output(self._print)
        self._printed = 0
        self._peers: dict[str, _Client] = {}
        self._holding: asyncio.Task[None]
        self._outcome: Show | None = None

    # --- the two ways to play -----------------------------------------------------------------------------------------

    def script(self, text: str, tell: Callable[[Show], None]) -> None:
        """Play a transcript to its end."""
        with self._telling(tell):
            try:
                script = parse(text if len(text) <= MAX_SCRIPT_CHARACTERS else "", file=self.page.file)
            except TranscriptError as error:
                expected = self.words.gettext("expected %(expected)s")
                text = expected % {"expected": error.expected_in(self.words.gettext)}
                title = self.words.gettext("This transcript can't be played")
                raise _End(title, problem={"text": text, "script": error.line}) from None
            try:
                self.loop.run_until_complete(self._perform(script))
            except (_End, DeadlockError):
                if self._outcome is None:  # else only the end of what the application has left open is cut short
                    raise
            assert self._outcome is not None
            self._over(**self._outcome)

    async def _perform(self, script: Transcript) -> None:
        steps = iter(script.steps[1:])
        player = Player(script, ANSWER_S)

        async def after(step: Step) -> None:
            got = self._peers[step.client].last() if step.client in self._peers else None
            self._happened(replace(got, line=step.line) if got else step)
            await self.world.settle()
            self._show(line=step.line, following=next(steps, None))

        player.after = after
        await self._run()
        async with self._open():
            report = await player.play(self._client)
            if not isinstance(report.got, Nothing | Ended | None):  # it has happened, though nobody expects it
                self._happened(report.got)
                self._show(line=report.expected.line if report.expected else None)
            self._outcome = self._ended(player, report)

    def open(self, tell: Callable[[Show], None]) -> None:
        """Begin free play."""
        with self._telling(tell):
            self.loop.run_until_complete(self._run())
            opened: asyncio.Future[None] = self.loop.create_future()
            self._holding = self.loop.create_task(self._hold_open(opened))
            self.loop.run_until_complete(opened)
            self._show(drawn=True)

    async def _hold_open(self, opened: asyncio.Future[None]) -> None:
        try:
            async with self._open():
                opened.set_result(None)
                await anyio.sleep_forever()
        except BaseException as error:
            if opened.done():
                raise
            opened.set_exception(error)

    def line(self, line: str, headers: Sequence[str], tell: Callable[[Show], None]) -> bool:
        """Do one line of the notation; what can't be done is told. False when the play is over."""
        if self.over:
            return False
        with self._telling(tell):
            try:
                self.loop.run_until_complete(self._line("\n    ".join((line, *filter(str.strip, headers)))))
            except _Refused as refused:
                self._problem(str(refused))
        return True

    async def _reading(self, client: str, on: bool) -> None:
        """Let a client read on, or nothing any more."""
        peer = self._peers.get(client)
        if peer is None or peer.connection.gone:
            raise _Refused(self.words.gettext("This client isn't connected: connect first."))
        peer.connection.stalled = not on
        self.world.signal.notify()
        await self._settle()
        told = self.words.gettext("The client reads nothing any more: each message to it waits in its send.")
        if on:
            told = self.words.gettext("The client reads on.")
        show = self.story.show(drawn=True)
        self._tell({"do": "show", **show, "told": f"{told}\n{show['told']}"})

    async def _line(self, line: str) -> None:
        if found := _READING.fullmatch(line):
            await self._reading(found[1] or "", found[2] != "stop")
            return
        step = self._read(line)
        before, connections = len(self.story.steps), self.world.latest
        if isinstance(step, Silence):
            await anyio.sleep(step.milliseconds / 1000)
            await self._settle()
            if len(self.story.steps) == before:
                self._happened(step)
        elif isinstance(step, Connect):
            peer = self._client(step.client)
            await peer.connect(step.target, step.headers)
            self._happened(step)
            self.world.tasks.start_soon(self._listen, peer)
        else:
            self._refuse_unheard(step)
            self._happened(step)
            await act(self._peers[step.client], step)
        await self._settle()
        if isinstance(step, Connect | ClientData) and not self._answered(before):
            # Nothing came yet: as long as a player would wait, time passes up to the first thing that happens.
            with anyio.move_on_after(ANSWER_S if self.loop.has_timers() else 0):
                await self.world.signal.wait(lambda: self._answered(before) or connections[step.client].ended)
            await self._settle()
        self._show(drawn=True)
        if isinstance(step, Connect):
            self._name_paths(step)

    async def _settle(self) -> None:
        """Let the application run until it waits, and all that it has sent is told."""
        busy = True
        while busy:
            await self.world.settle()
            reading = [peer for peer in self._peers.values() if not peer.connection.stalled]
            busy = any(not peer.idle or peer.connection.sent for peer in reading)

    def _answered(self, before: int) -> bool:
        return any(not isinstance(step, FromClient) for step in self.story.steps[before:])

    def _read(self, line: str) -> FromClient | Silence:
        try:
            item = parse(self.story.text() + line + "\n").items[-1]
        except TranscriptError as error:
            told = self.words.gettext("This can't be done. Expected: %(expected)s")
            raise _Refused(told % {"expected": error.expected_in(self.words.gettext)}) from None
        if not isinstance(item, FromClient | Silence):
            raise _Refused(self.words.gettext("Only what a client does can be done here, and time can pass: .. 2s"))
        return item

    def _refuse_unheard(self, step: ClientData | ClientClose | Drop) -> None:
        """Refuse what the application would never get to know. Raises `_Refused`."""
        connection = self.world.latest[step.client]
        if connection.gone and connection.end:
            told = self.words.gettext(
                "The application has ended this connection with code %(code)d: nobody receives this any more."
                " Connect again."
            )
            raise _Refused(told % {"code": connection.end[0]})
        if connection.ended and isinstance(step, ClientData):
            told = self.words.gettext("The handler has ended: nobody receives this any more. Close, and connect again.")
            raise _Refused(told)

    async def _listen(self, peer: _Client) -> None:
        """Let every message of the application go as it comes."""
        try:
            while not isinstance(step := await peer.answer(math.inf), Ended):
                self._happened(step)
                self.world.signal.notify()
        finally:
            peer.idle = True

    def _name_paths(self, step: Connect) -> None:
        """Say which paths the application has, if it has none for this one."""
        paths = list(_paths(self.app))
        path = step.target.partition("?")[0]
        if paths and not any(compile_path(each)[0].match(path) for each in paths):
            told = self.words.gettext("The application has no path %(path)s for WebSockets. It has: %(paths)s")
            self._problem(told % {"path": path, "paths": ", ".join(paths)})

    # --- the code and the application ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Run the code and find the application."""
        for number in self.page.before(self.fence):
            await self._sample(number)
        app = self.run.module.__dict__.get(self.fence.app)
        if app is None:
            title = self.words.gettext("The code defines no application called %(name)s")
            raise _End(title % {"name": self.fence.app})
        try:
            self.app = asgi(app)
        except TypeError as error:
            problem = {"text": f"TypeError: {error}", "block": None, "line": None, "where": None}
            raise _End(self.words.gettext("The code can't be run"), problem=problem) from None

    async def _sample(self, number: int) -> None:
        sample = self.page.samples[number - 1]
        source = self.edited.get(str(number), sample.source)
        file = f"{self.page.file}#{number}"
        # Whoever shows a traceback finds the lines here.
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        try:
            code = compile_sample(replace(sample, source=source, line=0), file)
            self.loop.watch(code)
            await self.run.code(code)
        except Exception as error:
            # A sample that only tries something out may need what isn't here; what the reader wrote is the reader's.
            if str(number) in self.edited or not any(map(_is_refused, leaves(error))):
                raise

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        """Begin the application's lifespan, and end it."""
        async with open_world(self.app) as self.world:
            self.story = Story(self.page, self.words, self.world)
            self._began = self.loop.time()
            yield

    def _client(self, name: str) -> _Client:
        if sum(not connection.ended for connection in self.world.connections) >= MAX_CONNECTIONS:
            raise _Refused(self.words.gettext("So many connections are enough: close one first."))
        peer = _Client(self.world, name, self.app, DENIAL if self.fence.denial else {})
        self._peers[name] = peer
        return peer

    # --- what is told -------------------------------------------------------------------------------------------------

    @contextmanager
    def _telling(self, tell: Callable[[Show], None]) -> Iterator[None]:
        """Tell what happens meanwhile, and what the code prints; what ends the play too early is told as its end."""
        self._tell = tell
        with redirect_stdout(self._output), redirect_stderr(self._output):
            try:
                self.loop.turns = 0
                yield
                self._output.finish()
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._output.finish()
                self._over(**self._told(self.loop.end or error))

    def _told(self, error: BaseException) -> Show:
        if isinstance(error, _End):
            return {"title": error.title, **error.what}
        if isinstance(error, _Refused):
            return {"title": str(error)}
        if isinstance(error, DeadlockError):
            title = self.words.gettext("Everything waits, and nothing can happen any more")
            return {"title": title, "problem": self.loop.problem(title)}
        return {"title": self.words.gettext("The code can't be run"), "problem": raising(self.page, error)}

    def _over(self, *, title: str, ok: bool = False, **what: Any) -> None:
        self.over = True
        story = getattr(self, "story", None)
        none: Show = {"expected": None, "got": None, "problem": None, "raised": []}
        drawn = story.svg() if story and story.steps else ""
        end = {"svg": drawn, "transcript": story.text() if story else "", **none, **what}
        self._tell({"do": "over", "ok": ok, "title": title, **end})

    def _problem(self, text: str) -> None:
        self._tell({"do": "problem", "text": text, "ends": False})

    def _show(self, **how: Any) -> None:
        self._output.finish()
        self._tell({"do": "show", **self.story.show(**how)})

    def _print(self, text: str) -> None:
        left = MAX_PRINTED - self._printed
        self._printed += len(text)
        if left < len(text):
            text = text[: max(0, left)] + "\n" + self.words.gettext("... (what is printed from here on isn't shown)")
        if left >= 0:
            self._tell({"do": "printed", "text": text})

    def _happened(self, step: Step) -> None:
        if len(self.story.steps) >= MAX_STEPS or self.story.size + len(format_step(step)) > MAX_CHARACTERS:
            self.loop.end = _End(self.words.gettext("The lab stops here: more has happened than it can show."))
            raise self.loop.end
        self.story.add(step, self.loop.time() - self._began)
        self.loop.turns = 0

    def _ended(self, player: Player, report: Report) -> Show:
        """Tell how it came out, and, where it differs, what was ``expected`` and ``got``, and what raised."""
        _, got = self.words.gettext, report.got
        exercise = self.page.exercise(self.fence)
        if got is None and exercise and (missing := self.page.missing(exercise, report.transcript)):
            return {"title": _("The exercise demands more of the application"), "expected": format_step(missing)}
        if got is None:
            count = len(report.played)
            title = self.words.ngettext(
                "Played as written: %(count)d step", "Played as written: %(count)d steps", count
            )
            return {"ok": True, "title": title % {"count": count}}
        title = _("Something else came than what is written")
        if isinstance(got, Nothing):
            title = _("What is written doesn't come")
            if not self.loop.has_timers():
                title = _("Everything waits, and nothing can happen any more")
        told = got.told(_) if isinstance(got, Nothing | Ended) else format_step(got)
        raised = [
            self.story.raised(name, error)
            for name, connection in self.world.latest.items()
            if name not in player.expected_to_raise and (error := connection.error)
        ]
        expected = format_step(report.expected) if report.expected else _("nothing more")
        return {"title": title, "expected": expected, "got": told, "raised": raised}

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Forget the modules, and end what still runs, whether it wants to or not."""
        with redirect_stdout(self._output), redirect_stderr(self._output):
            self._tell = lambda _: None
            self.loop.close()
        self.run.close()
        for file in [file for file in linecache.cache if file.startswith(f"{self.page.file}#")]:
            del linecache.cache[file]


class _Client(MemoryPeer):
    """The player's client, which remembers what it got: a line may leave open what exactly comes."""

    _got: Step | None = None
    idle = False
    """True while it only waits for the application."""

    async def answer(self, timeout_s: float) -> Step:
        """Take the next thing that the application did."""
        self._got = await super().answer(timeout_s)
        return self._got

    def last(self) -> Step | None:
        """Give what it got since the last call."""
        got, self._got = self._got, None
        return got

    async def next_is_there(self) -> bool:
        """Wait for a message of the application; False when it has ended without one."""
        self.idle = True
        found = await super().next_is_there()
        while self.connection.stalled:
            await self.world.signal.wait(lambda: not self.connection.stalled)
            found = await super().next_is_there()
        self.idle = False
        return found


class _Output(TextIOBase):
    """Where the code prints: each line is told."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell_line = tell
        self._begun = ""

    def write(self, text: str) -> int:
        """Take what is printed; what would never end a line is told in pieces."""
        whole, newline, self._begun = (self._begun + text).rpartition("\n")
        if newline or len(self._begun) > MAX_PRINTED:
            self._tell_line(whole + newline or self._begun)
            self._begun = self._begun if newline else ""
        return len(text)

    def finish(self) -> None:
        """Tell the line that has begun."""
        if self._begun:
            self._tell_line(self._begun)
            self._begun = ""


class _Loop(HeldTimeLoop):
    """A loop whose time is held, and which ends what never ends.

    A loop of the page's code that never awaits is seen by the lines and jumps that the interpreter tells of (from
    Python 3.12 on, and only of that code); one that awaits only what is there at once, by its turns of this loop. The
    exception that then comes may well be caught by the code: it comes again with its next line, and `end` stops this
    loop all the same.
    """

    def __init__(self, page: Page, words: NullTranslations) -> None:
        super().__init__()
        self.end: _End | None = None
        self.turns = 0
        self._lines = 0
        self._now_before = 0.0
        self._page = page
        self._words = words
        self._watched: list[CodeType] = []
        self._monitoring: Any = getattr(sys, "monitoring", None)
        self._tool = -1

    def select(self, timeout: float | None) -> list[object]:
        """Count a turn. Raises `_End`."""
        self._lines = 0
        self.turns = self.turns + 1 if self._now == self._now_before else 0
        self._now_before = self._now
        if self.turns > MAX_TURNS and self.end is None:
            self.end = self._endless(None)
        if self.end is not None:
            raise self.end
        return super().select(timeout)

    def has_timers(self) -> bool:
        """Tell whether anybody waits for a time."""
        return any(not timer.cancelled() and timer.when() < math.inf for timer in self._scheduled)

    def watch(self, code: CodeType) -> None:
        """Count the lines and jumps of a sample's code, and of all functions in it."""
        if self._monitoring is None:
            return
        # Lines alone don't tell of a loop within one of them, jumps not of one that goes on by way of an `except`.
        events = self._monitoring.events.LINE, self._monitoring.events.JUMP
        if self._tool < 0:
            self._tool = next(each for each in (4, 3, 0, 1, 2) if self._monitoring.get_tool(each) is None)
            self._monitoring.use_tool_id(self._tool, "the lab's stage")
            for event in events:
                self._monitoring.register_callback(self._tool, event, self._count)
        self._watched.append(code)
        self._monitoring.set_local_events(self._tool, code, sum(events))
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                self.watch(inner)

    def _count(self, code: CodeType, *_: int) -> None:
        self._lines += 1
        if self._lines > MAX_LINES:
            if self.end is None:
                self.end = self._endless((code.co_filename, sys._getframe(1).f_lineno))
            raise self.end

    def _endless(self, at: tuple[str, int] | None) -> _End:
        title = self._words.gettext("A loop of the code goes on forever: nothing else can happen")
        return _End(title, problem=self.problem(title, at))

    def problem(self, text: str, at: tuple[str, int] | None = None) -> Show:
        """Tell a problem and its place: where the page's code is, first of all where it waits for nothing."""
        if at is None:
            tasks = sorted(asyncio.all_tasks(self), key=lambda task: getattr(task, "_fut_waiter", None) is not None)
            frames = [frame for task in tasks if (frame := waiting_frame(task.get_coro()))]
            places = [(frame.f_code.co_filename, frame.f_lineno) for frame in frames]
            own = [each for each in places if place(self._page, *each)["block"]]
            at = next(iter(own or places), ("", 0))
        file, line = at
        found = place(self._page, file, line)
        if found["block"]:
            tree = ast.walk(ast.parse("".join(linecache.getlines(file))))
            loops = [each for each in tree if isinstance(each, ast.While | ast.For | ast.AsyncFor)]
            heads = [each.lineno for each in loops if each.lineno <= line <= (each.end_lineno or 0)]
            found["line"] = max(heads, default=line)
        return {"text": text, **found}

    def close(self) -> None:
        """End what still runs, whether it wants to or not."""
        self.set_exception_handler(lambda *_: None)
        self.end, self.turns = None, 0
        for task in asyncio.all_tasks(self):
            task.cancel()
        with suppress(_End, DeadlockError):
            self.run_until_idle(ANSWER_S)
            self.run_until_complete(self.shutdown_asyncgens())
        for task in asyncio.all_tasks(self):  # they don't want to
            self._lines = MAX_LINES
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with suppress(BaseException):
                task.get_coro().close()
        asyncio.BaseEventLoop.close(self)
        if self._tool >= 0:
            for code in self._watched:
                self._monitoring.set_local_events(self._tool, code, 0)
            self._monitoring.free_tool_id(self._tool)


def _is_refused(error: BaseException) -> bool:
    """Tell whether code needs what isn't there in every place where the stage runs: a thread, a socket, a module."""
    return isinstance(error, ModuleNotFoundError) or str(error).endswith(_REFUSED)


def _paths(app: Any, prefix: str = "") -> Iterator[str]:
    """Give the paths of the WebSockets that an application has, as far as it tells them."""
    for route in getattr(app, "routes", None) or ():
        path = prefix + getattr(route, "path", "")
        if isinstance(route, WebSocketRoute):
            yield path
        else:
            yield from _paths(route, path)
    if not hasattr(app, "routes") and hasattr(app, "app"):  # a middleware
        yield from _paths(app.app, prefix)
