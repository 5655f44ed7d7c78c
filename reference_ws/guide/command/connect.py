"""``reference-ws connect``: a client whose keyboard is the notation.

The person types what the client does; what the application does is shown as it comes. Both are recorded, and can be
saved as a transcript that `reference-ws play` takes.
"""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from gettext import NullTranslations
from math import inf
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream

from reference_ws.guide.command import Problem, address
from reference_ws.guide.command.screen import Screen
from reference_ws.transcript.diagram import states
from reference_ws.transcript.grammar import format_transcript, parse
from reference_ws.transcript.mistakes import TranscriptError, visible
from reference_ws.transcript.peers import Ended, Peer, act
from reference_ws.transcript.sockets import socket_peers
from reference_ws.transcript.steps import (
    Accept,
    ApplicationClose,
    ClientClose,
    ClientData,
    Comment,
    Connect,
    Deny,
    Drop,
    Item,
    Silence,
    Step,
    Transcript,
)

QUIET_S: Final = 0.2
"""The next line is read when the application has been silent for so long: input from a pipe comes all at once."""
PATIENCE_S: Final = 1.0
"""... or when so much time has passed: some applications are never silent."""

OF_EVERY_SERVER: Final = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "server",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that servers add by themselves; a transcript doesn't repeat them."""


def run(words: NullTranslations, url: str, headers: tuple[str, ...]) -> int:
    """Connect to `url` (``ws://127.0.0.1:8000/live/messages/echo``) and do what stdin says, until it ends.

    Returns the exit code: 2 when a line that was not typed by hand wasn't understood. Raises `Problem` when the
    address or a header is none, or nobody answers there.
    """
    parts = address.read(words, url)
    target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    try:
        first = parse("\n    ".join((f"-> connect {target}", *headers)), file=words.gettext("handshake"))
    except TranscriptError as error:
        raise Problem(error.told(words.gettext)) from None
    return anyio.run(_talk, words, f"{parts.scheme}://{parts.netloc}", first)


async def _talk(words: NullTranslations, base: str, first: Transcript) -> int:
    await address.reach(words, base)
    keyboard = _Keyboard()
    with keyboard.prepared():
        async with socket_peers(base) as open_peer, anyio.create_task_group() as tasks:
            client = _Client(words, Screen(words), keyboard, open_peer, tasks)
            if sys.stdin.isatty():
                hint = words.gettext(
                    'Type what the client does: text "hi", json {"n": 1}, close 4000; save FILE; help; quit.'
                )
                client.screen.line(hint, "dim")
            await client.do(first.steps[0])
            if client.answered:
                await client.converse()
            tasks.cancel_scope.cancel()
    if not client.answered:
        raise Problem(client.how)
    return 2 if client.mistakes and not sys.stdin.isatty() else 0


@dataclass
class _Client:
    words: NullTranslations
    screen: Screen
    keyboard: _Keyboard
    open_peer: Callable[[str], Peer]
    tasks: TaskGroup
    items: list[Item] = field(default_factory=list)
    peer: Peer = field(init=False)
    how: str = ""
    """Why nobody answered."""
    answered: bool = False
    open: bool = False
    mistakes: int = 0
    heard: anyio.Event = field(default_factory=anyio.Event)
    file: Path | None = None

    async def converse(self) -> None:
        """Read lines and do them until the input or the person ends."""
        await self.settle()
        number = 0
        with self.keyboard.lines() as lines:
            async for line in lines:
                number += 1
                if line == "quit":
                    break
                if line == "help":
                    self.help()
                elif line.startswith("save ") or line == "save":
                    self.save(line.removeprefix("save").strip())
                elif line:
                    try:
                        item = self.read(line, number)
                    except TranscriptError as error:
                        self.complain(error.told(self.words.gettext))
                        continue
                    if isinstance(item, Comment):
                        self.items.append(item)
                        continue
                    await self.do(item)
                    if isinstance(item, ClientClose):
                        break
        if self.open:
            await self.do(ClientClose())
        if self.file is not None:
            self.write(self.file)

    def read(self, line: str, number: int) -> Step | Comment:
        """Read a line, as the next one of the conversation so far. Raises `TranscriptError` with its own place."""
        if not line.startswith(("->", "<-", "!!", "==", "..", "#")):
            line = f"-> {line}"
        file = self.words.gettext("input")
        try:
            item = parse(f"{format_transcript(Transcript(tuple(self.items)))}{line}\n").items[-1]
        except TranscriptError as error:
            raise TranscriptError(file, number, *error.args[2:]) from None
        if not isinstance(item, Connect | ClientData | ClientClose | Drop | Silence | Comment):
            raise TranscriptError(file, number, 1, "from-client", line)
        if not self.open and isinstance(item, ClientData | ClientClose | Drop):
            raise TranscriptError(file, number, 1, "connection-over", line, {"who": "the client"})
        return item

    async def do(self, step: Step) -> None:
        """Do what the client does, and wait for what comes back."""
        if isinstance(step, Silence):
            await self.wait(step)
            return
        self.record(step)
        if isinstance(step, Connect):
            self.peer = self.open_peer("")
            await self.peer.connect(step.target, step.headers)
            await self.hear(self.peer)
            if self.open:
                self.tasks.start_soon(self.listen, self.peer)
        elif isinstance(step, ClientData | ClientClose | Drop):
            self.open = self.open and isinstance(step, ClientData)
            await act(self.peer, step)
        await self.settle()

    async def wait(self, step: Silence) -> None:
        """Listen for as long as ``.. 500ms`` says; it is recorded when it was silent."""
        before = len(self.items)
        await anyio.sleep(step.milliseconds / 1000)
        if len(self.items) == before:
            self.record(step)

    async def settle(self) -> None:
        with anyio.move_on_after(PATIENCE_S):
            silent = not self.open
            while not silent:
                with anyio.move_on_after(QUIET_S) as quiet:
                    await self.heard.wait()
                silent = quiet.cancelled_caught or not self.open

    async def listen(self, peer: Peer) -> None:
        """Show what the application does until the connection is over."""
        while self.open and peer is self.peer:
            await self.hear(peer)

    async def hear(self, peer: Peer) -> None:
        got = await peer.answer(inf)
        self.heard.set()
        self.heard = anyio.Event()
        if isinstance(got, Ended):
            if not self.answered:
                self.how = got.told(self.words.gettext)
            elif self.open or isinstance(self.items[-1], Connect):  # the client itself has not left
                self.open = False
                self.record(Drop(note=got.told(self.words.gettext)))
                self.over("1006")
            return
        self.answered = True
        if isinstance(got, Accept | Deny):
            got = replace(got, headers=tuple(line for line in got.headers if line[0] not in OF_EVERY_SERVER))
        if isinstance(got, ApplicationClose) and not self.open:
            return  # the client's own close, come back
        if isinstance(got, Accept | Deny | ApplicationClose):
            self.open = isinstance(got, Accept)
        self.record(got)
        if isinstance(got, ApplicationClose):
            self.over(f"{got.code}")
        elif isinstance(got, Deny):
            self.over(f"HTTP {got.status}")

    def record(self, step: Step) -> None:
        """Add a step to the transcript and show it with both states after it."""
        self.items.append(step)
        *_, (_, _, after) = states(Transcript(tuple(self.items)))
        with self.keyboard.aside():
            self.screen.step(step, after)

    def over(self, code: str) -> None:
        """Say that there is no connection any more; ``code`` is its close code, or the status of the refusal."""
        with self.keyboard.aside():
            told = self.words.gettext("The connection is over: %(code)s. Type connect /PATH for another one, or quit.")
            self.screen.line(told % {"code": code}, "dim")

    def help(self) -> None:
        """List what can be typed."""
        _ = self.words.gettext
        for form, meaning in (
            ('text "hi"', _("send text, written as in JSON")),
            ('json {"n": 1}', _("send JSON as text")),
            ("bytes 00 ff", _("send bytes, in hexadecimal")),
            ('close 4000 "bye"', _("close, with this code and reason; without them 1000")),
            ("drop", _("cut the connection without a farewell")),
            ("connect /PATH", _("connect again once the connection is over")),
            (".. 500ms", _("wait for so long")),
            ("# ...", _("a comment for the transcript")),
            ("save FILE", _("write the transcript so far")),
            ("quit", _("close and end; so does the end of the input")),
        ):
            self.screen.line(f"  {form:<18}{meaning}")

    def complain(self, problem: str) -> None:
        """Say what is wrong with a line."""
        self.mistakes += 1
        with self.keyboard.aside():
            print(visible(problem), file=sys.stderr, flush=True)

    def save(self, name: str) -> None:
        """Write the transcript so far; when the conversation ends, the rest of it too."""
        if not name:
            self.complain(self.words.gettext("write save and the name of a file"))
        elif self.write(Path(name)):
            self.file = Path(name)

    def write(self, file: Path) -> bool:
        try:
            file.write_text(format_transcript(Transcript(tuple(self.items))), "utf-8")
        except OSError as error:
            problem = self.words.gettext("%(file)s can't be written: %(reason)s")
            self.complain(problem % {"file": file, "reason": error.strerror or error})
            return False
        self.screen.line(self.words.gettext("Saved in %(file)s") % {"file": file}, "dim")
        return True


class _Keyboard:
    """Where the lines come from: stdin, and in a terminal with the keys and the history of readline, if it is there."""

    def __init__(self) -> None:
        self.readline: Any = None
        self.typing = False
        """True while a person may have typed a part of a line."""
        if sys.stdin.isatty() and sys.stdout.isatty():
            with suppress(ModuleNotFoundError):
                import readline

                self.readline = readline

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Leave the terminal as it was: readline sets it up for each line, and the last one may never end."""
        if self.readline is None:
            yield
            return
        import termios

        before = termios.tcgetattr(sys.stdin)
        self.readline.parse_and_bind("set enable-bracketed-paste off")
        self.readline.set_startup_hook(lambda: setattr(self, "typing", True))
        try:
            yield
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Show something above the line that is being typed."""
        typed = self.readline.get_line_buffer() if self.typing else ""
        if typed:
            print("\r\x1b[K", end="", flush=True)
        yield
        if typed:
            print(typed, end="", flush=True)

    @contextmanager
    def lines(self) -> Iterator[MemoryObjectReceiveStream[str]]:
        """Read line by line, without white space around; the stream ends where the input ends."""
        lines, received = anyio.create_memory_object_stream[str](inf)
        loop = asyncio.get_running_loop()

        def hand_over(line: str) -> None:
            with suppress(anyio.ClosedResourceError):  # the conversation is over, and this was typed too late
                lines.send_nowait(line)

        def read() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                for line in self._edited() if self.readline else _plain():
                    loop.call_soon_threadsafe(hand_over, line.strip())
                loop.call_soon_threadsafe(lines.close)

        # Not one of anyio's threads: the program's end waits for those, and so for one more line.
        threading.Thread(target=read, daemon=True).start()
        with lines, received:  # both: the thread may never get to it
            yield received

    def _edited(self) -> Iterator[str]:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")
        with suppress(EOFError):
            while True:
                line = input()
                self.typing = False
                yield line


def _plain() -> Iterator[str]:
    # Unbuffered, for a thread that waits for a line must not hold a lock that the end of the program needs.
    for raw in io.FileIO(sys.stdin.fileno(), closefd=False):
        yield raw.decode("utf-8", "replace")
