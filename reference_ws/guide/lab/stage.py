"""The lab's stage: the page's code, run afresh, serves connections whose client side is a browser's.

The player of the transcripts plays here as it does in memory: every message of the application is held until its line
is reached. What differs is the client's side. A `BrowserPeer` asks the page's script to connect, to send, to close;
what the browser then does arrives on a real connection, which `Stage.serve` carries to the application and back.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from gettext import NullTranslations
from typing import Any, Final, Literal, NoReturn

import anyio
from starlette.types import Message, Receive, Scope, Send

from reference_ws.guide.lab.clock import CLOCK, Clock
from reference_ws.guide.lab.story import Show, Story, ended, problem
from reference_ws.guide.live import without_denial
from reference_ws.guide.pages import Fence, live_path
from reference_ws.guide.running import PageRun
from reference_ws.lifecycle import ACCEPT, DISCONNECT
from reference_ws.testing.inmemory import InMemoryConnection, Signal, background, percent_encoded
from reference_ws.transcript.grammar import parse
from reference_ws.transcript.memory import MemoryPeer, World
from reference_ws.transcript.mistakes import TranscriptError
from reference_ws.transcript.observer import Event, Observer
from reference_ws.transcript.peers import act
from reference_ws.transcript.player import Player
from reference_ws.transcript.steps import (
    Connect,
    FromClient,
    Headers,
    Silence,
    States,
    Step,
    Transcript,
)

Mode = Literal["run", "step", "play"]

MAX_STEPS: Final = 500
MAX_CHARACTERS: Final = 200_000
"""So long may the transcript of a performance become."""
MAX_CONNECTIONS: Final = 20
"""So many may be open at once on a stage."""
PACE_S: Final = 1.5
"""How long a step can be looked at in a run."""
ANSWER_S: Final = 5.0
"""How long the application may take for a line, and the browser for what it was asked to do."""
SETTLE_S: Final = 0.1
"""How long to wait for the application to settle before what is there is shown."""

# Of a browser's own headers these stay; a transcript's client says nothing but what is written.
_KEPT: Final = frozenset({b"host", b"connection", b"upgrade"})

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Refused(Exception):  # noqa: N818 - nothing failed
    """What the reader typed can't be done; the text says why, in the reader's language."""


class TooMuch(Exception):  # noqa: N818 - a bound
    """The performance has more steps than the lab shows."""


@dataclass
class Stage:
    """Where one example is performed, once.

    `tell` sends a message to the page; connections that it asked for come to `serve`.

    In mode ``"run"`` the script is played at a pace that the eye can follow, in ``"step"`` each step waits for
    `go_on`, in ``"play"`` the reader's lines are done, one by one, with `do`.
    """

    run: PageRun
    fence: Fence
    words: NullTranslations
    mode: Mode
    script: Transcript
    shared: bool
    """True when the script is not the page's."""
    address: str
    """The path below which the reader's connections arrive; this performance's number and the connection's follow."""
    number: int
    tell: Callable[[Show], None]
    story: Story = field(init=False)
    world: World = field(init=False)
    clock: Clock = field(init=False)
    _began: float | None = field(init=False, default=None)
    _expected: dict[str, _Expected] = field(init=False, default_factory=dict)
    _may_go_on: anyio.Event = field(init=False, default_factory=anyio.Event)
    _peers: dict[str, BrowserPeer] = field(init=False, default_factory=dict)
    _done: int = field(init=False, default=0)
    _over: bool = field(init=False, default=False)
    _waiting: int = field(init=False, default=0)
    _too_much: bool = field(init=False, default=False)
    _asked: int = field(init=False, default=0)
    _lines: deque[tuple[str, list[str]]] = field(init=False, default_factory=deque)
    _told_blocks: set[int] = field(init=False, default_factory=set)
    _last: Show = field(init=False, default_factory=dict)

    async def perform(self, begun: Callable[[], None]) -> None:
        """Play to the end, or, in mode ``"play"``, until cancelled; tell when it has begun. Raises `TooMuch`."""
        async with background() as tasks:
            self.world = World(tasks)
            room = None if self.mode == "play" else self.script
            self.story = Story(self.run.page, self.words, self.world, room)
            self.clock = Clock()
            if self.mode != "play":
                self.clock.stop()
            tasks.start_soon(self._narrate)
            begun()
            try:
                if self.mode == "play":
                    await self._obey()
                player = Player(self.script, ANSWER_S, before=self._before, after=self._after)
                report = await player.play(lambda name: BrowserPeer(self, name))
                await self._settle()
                self.curtain()
                self.tell({"do": "over", **ended(self.words, report)})
            finally:
                self.clock.go_on()
                self.world.hold_no_more()
        if self._too_much:
            raise TooMuch

    # --- the script's pace --------------------------------------------------------------------------------------------

    async def _before(self, step: Step) -> None:
        if self.mode == "step":
            self.story.next = step
            self.world.signal.notify()
            await self._may_go_on.wait()
            self._may_go_on = anyio.Event()
            self.story.next = None
        elif self.story.line is not None:
            await anyio.sleep(PACE_S)

    async def _after(self, step: Step) -> None:
        self._done += 1
        self.story.line = step.line
        if isinstance(step, States | Silence):  # no message: the observer doesn't see it
            self._happened(step)
        await self._settle()
        self.world.signal.notify()

    def go_on(self) -> None:
        """Let the next step happen."""
        self._may_go_on.set()

    @contextmanager
    def time_passes(self) -> Iterator[None]:
        """Let the example's clock run meanwhile: the reader, the browser and the network take their own time."""
        self._waiting += 1
        self.clock.go_on()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and self.mode != "play":
                self.clock.stop()

    # --- what is shown ------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        with anyio.move_on_after(SETTLE_S):
            settled = False
            while not settled:
                await self.world.signal.wait(self._all_begun)
                await self.world.settle()
                settled = self._all_begun()  # none has arrived meanwhile

    def _all_begun(self) -> bool:
        """Tell whether the application has every connection that has arrived."""
        arrived = sum(expected.connection is not None for expected in self._expected.values())
        return arrived == len(self.world.connections)

    async def _narrate(self) -> None:
        """Show what has changed, each time that the application has settled."""
        seen: Any = None
        while True:
            await self._settle()
            self._show()
            seen = self._state()
            await self.world.signal.wait(lambda: self._state() != seen)  # noqa: B023 - waited for here

    def _state(self) -> Any:
        return self.world.steps, len(self.story.steps), self.story.line, self.story.next

    @property
    def is_done(self) -> bool:
        """True once every line of the script has happened."""
        return self._done == len(self.script.steps)

    def curtain(self) -> None:
        """Show how it is now, and nothing from now on: the end of what a script leaves open is no part of it."""
        self._show()
        self._over = True

    def _show(self) -> None:
        if self._over:
            return
        show = self.story.show()
        if self.shared:  # its lines aren't on the page
            show["line"] = None
        for block in {place["block"] for place in show["waits"]} - self._told_blocks - {None}:
            self._told_blocks.add(block)
            self.tell({"do": "code", "block": block, "html": self.story.code(block)})
        now = {key: value for key, value in show.items() if key not in ("svg", "told", "explanation")}
        if "told" in show or now != self._last:
            self._last = now
            self.tell({"do": "show", **show})

    def _happened(self, step: Step) -> None:
        if self._over:
            return
        if len(self.story.steps) >= MAX_STEPS or self.story.size >= MAX_CHARACTERS:
            self._too_much = True
            self.world.tasks.cancel_scope.cancel()
            return
        now = self.clock.time()
        self._began = now if self._began is None else self._began
        self.story.add(step, now - self._began)
        self.world.signal.notify()

    # --- the connections ----------------------------------------------------------------------------------------------

    async def connect(self, client: str, target: str, headers: Headers) -> BrowserConnection:
        """Ask the browser to connect; return the connection once it has arrived."""
        if sum(not connection.ended for connection in self.world.connections) >= MAX_CONNECTIONS:
            raise Refused(self.words.gettext("So many connections are enough: close one first."))
        self._asked += 1
        number = f"{self.number}.{self._asked}"
        offers = ",".join(value for name, value in headers if name == "sec-websocket-protocol")
        offered = [token.strip() for token in offers.split(",") if token.strip()]
        if not _are_protocols(offered):
            told = self.words.gettext("Subprotocols are words without spaces, each once, with commas between.")
            raise Refused(told)
        expected = self._expected[number] = _Expected(client, headers)
        path = f"{self.address}/{number}{live_path(self.run.page.name, self.fence.app, self.fence.denial)}"
        self.tell({"do": "connect", "client": client, "path": path + percent_encoded(target), "protocols": offered})
        with anyio.move_on_after(ANSWER_S):
            await self.world.signal.wait(lambda: expected.connection is not None)
        if expected.connection is None:
            del self._expected[number]
            raise Refused(self.words.gettext("The browser didn't connect: are the path and the subprotocols right?"))
        return expected.connection

    async def serve(self, number: str, scope: Scope, receive: Receive, send: Send) -> bool:
        """Serve a connection that the browser opened, until it is over; False when nobody asked for it.

        Returning early cuts the connection: that is how it is dropped.
        """
        expected = self._expected.get(number)
        if expected is None or expected.connection is not None:
            return False
        base = live_path(self.run.page.name, self.fence.app, self.fence.denial)
        _, found, path = scope["path"].partition(base)
        _, _, raw_path = scope["raw_path"].partition(percent_encoded(base).encode())
        if not found:
            return False
        scope = {**scope, "path": path, "raw_path": raw_path, "headers": _headers(scope, expected.headers)}
        inner = {**scope, "path": base + path, "raw_path": base.encode() + raw_path, "root_path": base}
        connection = expected.connection = BrowserConnection(inner, signal=self.world.signal, wire=_Wire(receive))
        app = self.run.application(self.fence)
        app = app if self.fence.denial else without_denial(app)

        async def carry(_scope: Scope, receive: Receive, send: Send) -> None:
            """Carry messages between the browser's connection and the one that the application has."""
            await receive()  # websocket.connect: the application gets one of its own
            token = CLOCK.set(self.clock)
            self.world.begin(expected.client, connection, app)
            CLOCK.reset(token)
            async with background() as tasks:
                tasks.start_soon(connection.take_in, receive)
                await connection.give_out(send)
            if connection.error is not None:
                raise connection.error

        def on_event(event: Event) -> None:
            if event.undone:
                self.story.undo(event.step)
            elif not isinstance(event.step, States):
                self._happened(event.step)

        async def answer(message: Message) -> None:
            if message["type"] == ACCEPT and scope["subprotocols"] and not message.get("subprotocol"):
                # Browsers leave when none of their subprotocols is chosen.
                if self.mode == "play":
                    told = self.words.gettext("The browser leaves: the application chose none of its subprotocols.")
                    self.tell(problem(told))
                else:  # a transcript's client stays
                    message = {**message, "subprotocol": scope["subprotocols"][0]}
            await send(message)

        async def observe() -> None:
            try:
                with suppress(Exception):  # it is on the screen
                    await Observer(carry, on_event, client=expected.client)(scope, connection.wire.receive, answer)
            finally:
                connection.wire.cut()

        self.world.tasks.start_soon(observe)
        await connection.wire.pump()
        return True

    # --- what the reader does in mode "play" --------------------------------------------------------------------------

    def do(self, line: str, headers: list[str]) -> None:
        """Do one line of the notation, once those before it are done; what can't be done is told."""
        if self.mode == "play" and len(self._lines) < MAX_STEPS:
            self._lines.append((line, headers))
            self.world.signal.notify()

    async def _obey(self) -> NoReturn:
        """Do the reader's lines, one after the other."""
        while True:
            await self.world.signal.wait(lambda: bool(self._lines))
            try:
                await self._do(*self._lines.popleft())
            except Refused as refused:
                self.tell(problem(str(refused)))

    async def _do(self, line: str, headers: list[str]) -> None:
        step = self._read("\n    ".join((line, *filter(str.strip, headers))))
        if isinstance(step, Connect):
            peer = BrowserPeer(self, step.client)
            await peer.connect(step.target, step.headers)
            self.world.tasks.start_soon(self._release, peer.connection)
        else:
            await act(self._peers[step.client], step)

    def _read(self, line: str) -> FromClient:
        try:
            item = parse(self.story.text() + line + "\n").items[-1]
        except TranscriptError as error:
            told = self.words.gettext("This can't be done. Expected: %(expected)s")
            raise Refused(told % {"expected": error.expected_in(self.words.gettext)}) from None
        if not isinstance(item, FromClient):
            raise Refused(self.words.gettext("Only what a client does can be done here."))
        return item

    async def _release(self, connection: BrowserConnection) -> None:
        """Let every message of the application go as it comes."""
        while True:
            await self.world.signal.wait(lambda: connection.sent or connection.ended)
            if not connection.sent:
                return
            connection.take()
            await connection.given_out()


@dataclass
class _Expected:
    """A connection that the browser was asked for."""

    client: str
    headers: Headers
    connection: BrowserConnection | None = None


class BrowserPeer(MemoryPeer):
    """The player's client, whose frames a browser sends."""

    connection: Any  # BrowserConnection, from connect() on

    def __init__(self, stage: Stage, name: str) -> None:
        super().__init__(stage.world, name, stage.run.application(stage.fence), {})
        self._stage = stage
        stage._peers[name] = self

    async def connect(self, target: str, headers: Headers) -> None:
        """Ask the browser to connect, and wait for it."""
        self.connection = await self._stage.connect(self.name, target, headers)
        await self.world.settle()

    async def data(self, payload: str | bytes) -> None:
        """Ask the browser to send a frame, and wait until it is there."""
        before = self.connection.arrived
        key, value = ("text", payload) if isinstance(payload, str) else ("base64", base64.b64encode(payload).decode())
        self._stage.tell({"do": "send", "client": self.name, key: value})
        await self._until(lambda: self.connection.arrived > before or self.connection.gone)

    async def close(self, code: int, reason: str) -> None:
        """Ask the browser to close; with a code that browsers don't send, the server does as if one had."""
        await self.world.flush()
        self.connection.pass_on()
        await self.connection.given_out()
        if code in (1000, 1005) or 3000 <= code <= 4999:
            how = {} if code == 1005 else {"code": code, "reason": reason}
            self._stage.tell({"do": "close", "client": self.name, **how})
        else:
            self.connection.wire.say({"type": DISCONNECT, "code": code, "reason": reason})
        await self._until(lambda: self.connection.gone)

    async def next_is_there(self) -> bool:
        """Wait for a message of the application; False when it has ended without one."""
        with self._stage.time_passes():
            return await super().next_is_there()

    async def finish(self, timeout_s: float) -> Step | None:
        """End the connection if it is open; at the end of the script nobody is shown how."""
        if self._stage.is_done:
            self._stage.curtain()
        with self._stage.time_passes():
            return await super().finish(timeout_s)

    async def _until(self, ready: Callable[[], bool]) -> None:
        with anyio.move_on_after(ANSWER_S):
            await self.world.signal.wait(ready)
        await self.world.settle()


class BrowserConnection(InMemoryConnection):
    """The application's side of a connection; the other side is a browser, behind `wire`."""

    def __init__(self, scope: Scope, *, signal: Signal, wire: _Wire) -> None:
        super().__init__(scope, held=True, signal=signal)
        self.wire = wire
        self.arrived = 0
        """So many frames have come from the browser."""
        self._outgoing: deque[Message] = deque()
        self._passed_on = 0
        """So many of the messages that wait to be taken have been sent."""

    def take(self) -> Message:
        """Take the oldest message of the application, and send it to the browser."""
        message = super().take()
        if self._passed_on:
            self._passed_on -= 1
        else:
            self._outgoing.append(message)
            self.signal.notify()
        return message

    def pass_on(self) -> None:
        """Send the browser what the application has sent; it stays there to be taken: the client is about to leave."""
        self._outgoing.extend(message for message, _ in list(self._sent)[self._passed_on :])
        self._passed_on = len(self._sent)
        self.signal.notify()

    async def take_in(self, receive: Receive) -> None:
        """Hand over what the browser does, until it leaves."""
        while True:
            message = await receive()
            if message["type"] == DISCONNECT:
                self.leave(message.get("code") or 1005, message.get("reason") or "")
                return
            self.deliver(message.get("text"), message.get("bytes"))
            self.arrived += 1
            self.signal.notify()

    async def give_out(self, send: Send) -> None:
        """Send what was taken, until the application has ended."""
        while True:
            await self.signal.wait(lambda: bool(self._outgoing or self.ended))
            if not self._outgoing:
                return
            try:
                await send(self._outgoing[0])
            except (OSError, RuntimeError):  # uvicorn's word for a connection that it has just closed
                self.leave(1006)
            self._outgoing.popleft()
            self.signal.notify()

    async def given_out(self) -> None:
        """Wait until all that was taken is sent, or can't be any more."""
        await self.signal.wait(lambda: not self._outgoing or self.gone)


class _Wire:
    """A server's ``receive`` into which the lab can speak: a disconnect ends the connection without a close frame."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._inbox: deque[Message] = deque()
        self._signal = Signal()
        self._is_cut = False

    async def pump(self) -> None:
        """Take in what the server hands over, until the connection is cut."""
        async with background() as tasks:
            tasks.start_soon(self._take_in)
            await self._signal.wait(lambda: self._is_cut)

    async def _take_in(self) -> None:
        kind = ""
        while kind != DISCONNECT:
            message = await self._receive()
            kind = message["type"]
            self._inbox.append(message)
            self._signal.notify()

    async def receive(self) -> Message:
        await self._signal.wait(lambda: bool(self._inbox))
        return self._inbox.popleft()

    def say(self, message: Message) -> None:
        """Let a message pass for the server's; a disconnect also cuts the connection."""
        self._inbox.append(message)
        self.cut()

    def cut(self) -> None:
        self._is_cut = True
        self._signal.notify()


def _are_protocols(offered: list[str]) -> bool:
    """Tell whether browsers offer these: HTTP tokens, each once."""
    return len(set(offered)) == len(offered) and all(_TOKEN.fullmatch(token) for token in offered)


def _headers(scope: Scope, given: Headers) -> list[tuple[bytes, bytes]]:
    """Give the handshake the transcript's headers: a browser doesn't let a page set most of them."""
    lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in given]
    names = {name for name, _ in lines}
    own = [
        (name, value)
        for name, value in scope["headers"]
        if (name in _KEPT or name.startswith(b"sec-websocket-")) and name not in names
    ]
    return own + lines
