"""The lab's server: ``/lab`` is the reader's own line to it, ``/lab/TOKEN/NUMBER/live/...`` the example's connections.

A session is one control connection and lasts as long as that. Over it the page's script says what the reader wants and
hears what happens; see `Command` and `reference_ws.guide.lab.stage`. Nothing runs but the code of the pages.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from dataclasses import dataclass, field
from gettext import NullTranslations
from math import inf
from pathlib import Path
from typing import Final, Literal

import anyio
import msgspec
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from reference_ws.conversation import refuse
from reference_ws.errors import WebSocketDisconnect, WebSocketTypeError
from reference_ws.guards import OriginGuard
from reference_ws.guide.lab.stage import Mode, Refused, Stage, TooMuch
from reference_ws.guide.lab.story import Show, problem
from reference_ws.guide.pages import read_page
from reference_ws.guide.running import PageRun, failure_text
from reference_ws.guide.words.catalogs import LANGUAGES, catalog, language_of, pages_language
from reference_ws.testing.inmemory import Signal, background
from reference_ws.transcript.grammar import parse
from reference_ws.transcript.mistakes import TranscriptError
from reference_ws.websocket import WebSocket

logger = logging.getLogger(__name__)

PREFIX: Final = "/lab"
MAX_SESSIONS: Final = 200
MAX_SECONDS: Final = 900.0
MAX_SCRIPT_CHARACTERS: Final = 20_000
MAX_WAITING: Final = 1_000
"""So many messages may wait for a page that doesn't listen, and so many of the page for a performance that begins."""
FIRST_S: Final = 60.0
"""How long a session may wait for its first performance."""
FAREWELL_S: Final = 5.0
NEXT_RUN_S: Final = 0.5


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the page's script may say."""

    do: Literal["start", "next", "line", "stop"]
    page: str = ""
    language: str = ""
    example: int = 0
    mode: Mode = "run"
    script: str | None = None
    line: str = ""
    headers: list[str] = []


class Lab:
    """The ASGI application below `PREFIX`, for the pages in `docs`.

    Browsers reach it from this site's own pages only. There are at most `max_sessions` at once, each of which ends
    after `max_seconds`.
    """

    def __init__(self, docs: Path, *, max_sessions: int = MAX_SESSIONS, max_seconds: float = MAX_SECONDS) -> None:
        self.runs = _Runs(docs)
        self.max_sessions = max_sessions
        self.max_seconds = max_seconds
        self._sessions: dict[str, _Visit] = {}
        self._guarded = OriginGuard(self._serve, allow_absent=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a reader's line, or a connection of an example."""
        await self._guarded(scope, receive, send)

    def prepare(self, language: str, page: str) -> None:
        """Run a page in advance: its reader may press a button."""
        self.runs.prepare(language, page)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = PlainTextResponse("Speak to this over a WebSocket.\n", 426, {"upgrade": "websocket"})
            await answer(scope, receive, send)
        elif scope["path"] == PREFIX:
            await self._converse(WebSocket(scope, receive, send))
        else:
            token, _, rest = scope["path"].removeprefix(f"{PREFIX}/").partition("/")
            session = self._sessions.get(token)
            stage = session.stage if session else None
            if stage is None or not await stage.serve(rest.partition("/")[0], scope, receive, send):
                await refuse(WebSocket(scope, receive, send), PlainTextResponse("There is no such session.\n", 404))

    async def _converse(self, websocket: WebSocket) -> None:
        """Serve a reader's line until either side ends it."""
        words = catalog(pages_language(language_of(websocket.headers.get("accept-language"))))
        await websocket.accept()
        if len(self._sessions) >= self.max_sessions:
            await websocket.send_json(problem(words.gettext("The lab is full: please try again in a minute.")))
            await websocket.close(1013)
            return
        token = secrets.token_urlsafe(16)
        async with background() as tasks:
            session = self._sessions[token] = _Visit(token, self.runs, words)
            tasks.start_soon(session.tell_all, websocket)
            try:
                with anyio.move_on_after(self.max_seconds) as bound:
                    await session.listen(websocket)
                if bound.cancelled_caught:
                    _ = session.words.gettext
                    session.tell_problem(_("The time of this session is up. Press a button to start another."))
                with anyio.move_on_after(FAREWELL_S):  # a page may not listen any more
                    await session.told()
                    await websocket.close()
            finally:
                del self._sessions[token]


@dataclass
class _Visit:
    """What one reader does."""

    token: str
    runs: _Runs
    words: NullTranslations
    stage: Stage | None = None
    _messages: deque[Show] = field(default_factory=deque)
    _signal: Signal = field(default_factory=Signal)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _performances: int = 0
    _listening: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _beginning: Command | None = None
    """What was started last, until its performance has begun."""
    _early: deque[Command] = field(default_factory=lambda: deque(maxlen=MAX_WAITING))
    """What was said meanwhile."""

    # --- to the page --------------------------------------------------------------------------------------------------

    def tell(self, message: Show) -> None:
        """Say something to the page, in order."""
        last = self._messages[-1] if len(self._messages) > 1 else {}  # the first one is being sent
        if message["do"] == last.get("do") == "show":
            told = [show["told"] for show in (last, message) if "told" in show]
            self._messages[-1] = {**last, **message, **({"told": " ".join(told)} if told else {})}
        else:
            self._messages.append(message)
        if len(self._messages) > MAX_WAITING:
            self._listening.cancel()
        self._signal.notify()

    def tell_problem(self, text: str, *, ends: bool = False) -> None:
        """Say what is wrong, and whether that is the end of the performance."""
        self.tell(problem(text, ends=ends))

    async def tell_all(self, websocket: WebSocket) -> None:
        """Send what is to be told, as it comes."""
        try:
            while True:
                await self._signal.wait(lambda: bool(self._messages))
                await websocket.send_json(self._messages[0])
                self._messages.popleft()
                self._signal.notify()
        except WebSocketDisconnect:
            self._messages.clear()
            self._signal.notify()

    def _not_run(self) -> str:
        return self.words.gettext("This example can't be run: load the page again. The server's log may say more.")

    async def told(self) -> None:
        """Wait until everything is told."""
        await self._signal.wait(lambda: not self._messages)

    # --- from the page ------------------------------------------------------------------------------------------------

    async def listen(self, websocket: WebSocket) -> None:
        """Do what the page says, until it leaves, or doesn't begin, or doesn't listen."""
        self._listening.deadline = anyio.current_time() + FIRST_S
        with self._listening:
            await self._obey(websocket)

    async def _obey(self, websocket: WebSocket) -> None:
        async with background() as tasks:
            while True:
                try:
                    command = await websocket.receive_json(type=Command)
                except (WebSocketTypeError, ValueError):
                    self.tell_problem(
                        self.words.gettext("The page and the server don't understand each other: load the page again.")
                    )
                    continue
                except WebSocketDisconnect:
                    return
                if command.do == "start":
                    self._listening.deadline = inf
                    self._scope.cancel()
                    self._early.clear()
                    self._scope, self._beginning = anyio.CancelScope(), command
                    tasks.start_soon(self._start, command, self._scope)
                elif command.do == "stop":
                    self._scope.cancel()
                    self.stage = self._beginning = None
                elif self._beginning is not None:
                    self._early.append(command)
                else:
                    self._go_on(command)

    async def _start(self, command: Command, scope: anyio.CancelScope) -> None:
        with scope:
            run: PageRun | None = None
            try:
                self.words = catalog(command.language if command.language in LANGUAGES else LANGUAGES[0])
                run = await self.runs.take(command.language, command.page)
                if run is None or not 1 <= command.example <= len(run.page.examples):
                    self.tell_problem(self._not_run(), ends=True)
                    return
                await self._perform(run, command)
            except Refused as refused:
                self.tell_problem(str(refused), ends=True)
            except TooMuch:
                told = self.words.gettext("The lab stops here: more has happened than it can show.")
                self.tell_problem(told, ends=True)
            except Exception:
                logger.exception("the lab, page %s, example %d", command.page, command.example)
                self.tell_problem(self._not_run(), ends=True)
            finally:
                self._begun(command)
                if run is not None:
                    run.close()

    async def _perform(self, run: PageRun, command: Command) -> None:
        fence = run.page.examples[command.example - 1]
        shared = command.script is not None
        try:
            text = fence.source if command.script is None else command.script
            script = parse(text if len(text) <= MAX_SCRIPT_CHARACTERS else "")
        except TranscriptError:
            told = self.words.gettext("The shared conversation isn't one: was the link cut off?")
            self.tell_problem(told, ends=True)
            return
        self._performances += 1
        self.stage = stage = Stage(
            run=run,
            fence=fence,
            words=self.words,
            mode=command.mode,
            script=script,
            shared=shared,
            address=f"{PREFIX}/{self.token}",
            number=self._performances,
            tell=self.tell,
        )
        try:
            await stage.perform(lambda: self._begun(command))
        finally:
            if self.stage is stage:
                self.stage = None

    def _begun(self, command: Command) -> None:
        """Go on with what was said before the performance had begun, or couldn't."""
        if self._beginning is command:
            self._beginning = None
            while self._early:
                self._go_on(self._early.popleft())

    def _go_on(self, command: Command) -> None:
        if self.stage is None:
            self.tell_problem(self.words.gettext("Nothing is being played now: press a button."), ends=True)
        elif command.do == "next":
            self.stage.go_on()
        else:
            self.stage.do(command.line, command.headers)


class _Runs:
    """Runs of pages, each for one performance: what one reader's clients do is no news for another's."""

    def __init__(self, docs: Path) -> None:
        self.docs = docs.resolve()
        self._ready: dict[tuple[str, str], tuple[int, asyncio.Task[PageRun | None]]] = {}

    def prepare(self, language: str, page: str) -> None:
        """Begin a run of a page, unless one is ready."""
        path = self._path(language, page)
        if path is None:
            return
        changed = path.stat().st_mtime_ns
        before, task = self._ready.get((language, page), (None, None))
        if before != changed:
            if task is not None:
                task.add_done_callback(_close)
            self._ready[language, page] = changed, asyncio.create_task(_run(path), name=f"the lab's {path}")

    async def take(self, language: str, page: str) -> PageRun | None:
        """Take a run of a page that nobody else has; ``None`` when there is no such page, or when it doesn't run."""
        self.prepare(language, page)
        if (language, page) not in self._ready:
            return None
        _, task = self._ready.pop((language, page))
        try:
            run = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_close)
            raise
        if run is not None:
            # For the next press; but not in the moment in which this one wants to see something.
            asyncio.get_running_loop().call_later(NEXT_RUN_S, self.prepare, language, page)
        return run

    def _path(self, language: str, page: str) -> Path | None:
        known = {path.stem: path for path in (self.docs / language).glob("*.md")} if language in LANGUAGES else {}
        return known.get(page)


def _close(task: asyncio.Task[PageRun | None]) -> None:
    """Forget a run that nobody will have."""
    if not task.cancelled() and (run := task.result()) is not None:
        run.close()


async def _run(path: Path) -> PageRun | None:
    told = ""
    for _ in range(2):  # an example that lives by the clock may fail once on a machine that is busy
        run: PageRun | None = None
        try:
            run = PageRun(read_page(path))
            await run.up_to()
        except BaseException as error:
            if run is not None:
                run.close()
            if not isinstance(error, Exception):
                raise
            told = failure_text(path, error)
        else:
            return run
    logger.error("%s", told)
    return None
