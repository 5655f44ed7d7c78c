"""``reference-ws connect``: a client whose keyboard is the notation.

The person types what the client does; what the application does is shown as it comes. Both are recorded, and can be
saved as a transcript that `reference-ws play` takes.
"""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from gettext import NullTranslations
from math import inf
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream

from reference_ws.guide.command import Problem, address
from reference_ws.guide.command.screen import Screen
from reference_ws.transcript.diagram import states
from reference_ws.transcript.grammar import format_transcript, parse
from reference_ws.transcript.mistakes import TranscriptError
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
    async with socket_peers(base) as open_peer, anyio.create_task_group() as tasks:
        client = _Client(words, Screen(words), open_peer, tasks)
        if sys.stdin.isatty():
            client.screen.line(
                words.gettext('Type what the client does: text "hi", json {"n": 1}, close 4000; save FILE; quit.'),
                "dim",
            )
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
        with _typed_lines() as lines:
            async for line in lines:
                number += 1
                if line == "quit":
                    break
                if line.startswith("save ") or line == "save":
                    self.save(line.removeprefix("save").strip())
                elif line:
                    try:
                        item = self.read(line, number)
                    except TranscriptError as error:
                        self.mistakes += 1
                        print(error.told(self.words.gettext), file=sys.stderr, flush=True)
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
                self.how = got.how
            elif self.open or isinstance(self.items[-1], Connect):  # the client itself has not left
                self.open = False
                self.record(Drop(note=got.how))
            return
        self.answered = True
        if isinstance(got, Accept | Deny):
            got = replace(got, headers=tuple(line for line in got.headers if line[0] not in OF_EVERY_SERVER))
        if isinstance(got, ApplicationClose) and not self.open:
            return  # the client's own close, come back
        if isinstance(got, Accept | Deny | ApplicationClose):
            self.open = isinstance(got, Accept)
        self.record(got)

    def record(self, step: Step) -> None:
        """Add a step to the transcript and show it with both states after it."""
        self.items.append(step)
        *_, (_, _, after) = states(Transcript(tuple(self.items)))
        self.screen.step(step, after)

    def save(self, name: str) -> None:
        """Write the transcript so far; when the conversation ends, the rest of it too."""
        if not name:
            print(self.words.gettext("write save and the name of a file"), file=sys.stderr, flush=True)
            self.mistakes += 1
        elif self.write(Path(name)):
            self.file = Path(name)

    def write(self, file: Path) -> bool:
        try:
            file.write_text(format_transcript(Transcript(tuple(self.items))), "utf-8")
        except OSError as error:
            problem = self.words.gettext("%(file)s can't be written: %(reason)s")
            print(problem % {"file": file, "reason": error.strerror or error}, file=sys.stderr, flush=True)
            self.mistakes += 1
            return False
        self.screen.line(self.words.gettext("Saved in %(file)s") % {"file": file}, "dim")
        return True


def _typed_lines() -> MemoryObjectReceiveStream[str]:
    """Read stdin line by line, without white space around; the stream ends where the input ends."""
    lines, received = anyio.create_memory_object_stream[str](inf)
    loop = asyncio.get_running_loop()

    def hand_over(line: str) -> None:
        with suppress(anyio.BrokenResourceError):  # the conversation is over, and this was typed too late
            lines.send_nowait(line)

    def read() -> None:
        # Unbuffered, for a thread that waits for a line must not hold a lock that the end of the program needs.
        stdin = io.FileIO(sys.stdin.fileno(), closefd=False)
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            for raw in stdin:
                loop.call_soon_threadsafe(hand_over, raw.decode("utf-8", "replace").strip())
            loop.call_soon_threadsafe(lines.close)

    # Not one of anyio's threads: the program's end waits for those, and so for one more line.
    threading.Thread(target=read, daemon=True).start()
    return received
