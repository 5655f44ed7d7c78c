"""Plays a transcript: everything a client does is done, everything the application must do is asserted, in order.

The player knows clients (`Peer`), not how they are connected: `reference_ws.transcript.memory` calls an ASGI
application, `reference_ws.transcript.sockets` opens a real connection.
"""

from __future__ import annotations

import linecache
import re
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from types import FrameType

import anyio
from starlette.types import ASGIApp

from reference_ws.testing.held_time import run_in_held_time
from reference_ws.testing.inmemory import asgi, is_the_users, raised_at
from reference_ws.transcript.grammar import format_step, parse
from reference_ws.transcript.memory import memory_peers
from reference_ws.transcript.messages import matches
from reference_ws.transcript.peers import Ended, Nothing, Peer, Peers, act
from reference_ws.transcript.steps import (
    ClientClose,
    ClientData,
    Connect,
    Drop,
    Headers,
    Raised,
    Silence,
    States,
    Step,
    Transcript,
    headers_of,
)

__tracebackhide__ = True  # pytest shows the test, and not what stands between it and the application


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a play. ``str(report)`` is one line when it went well, else the transcript with the difference.

    ``expected`` is the step that differs (``None`` when something came that no step expects), ``got`` what happened
    instead; ``unchecked`` are the steps that a real socket can't show. ``cause`` is the exception that left the
    application before, if one did that no line expects (in memory only): of the client that differs, else of another.
    """

    transcript: Transcript
    played: tuple[Step, ...] = ()
    unchecked: tuple[Step, ...] = ()
    expected: Step | None = None
    got: Step | None = None
    cause: BaseException | None = None

    @property
    def ok(self) -> bool:
        """True when everything was as the transcript says."""
        return self.got is None

    def __str__(self) -> str:
        return self.told(str)

    def difference(self, gettext: Callable[[str], str]) -> tuple[str, str]:
        """Tell what was expected and what came: two lines, or in parentheses, as `gettext` translates it, why none."""

        def line(step: Step | None) -> str:
            if isinstance(step, Ended | Nothing):
                return f"({step.told(gettext)})"
            return format_step(step) if step else f"({gettext('nothing more')})"

        return line(self.expected), line(self.got)

    def told(self, gettext: Callable[[str], str]) -> str:
        """Tell what came of it as `gettext` translates it."""
        if self.got is None:
            return f"{self.transcript.file}: {len(self.played)} steps as written"
        line = self.expected.line if self.expected else max((step.line for step in self.played), default=0)
        lines = [gettext("%(place)s: expected and got differ") % {"place": f"{self.transcript.file}:{line}"}]
        lines += [f"    {format_step(step)}" for step in self.played]
        expected, got = self.difference(gettext)
        lines += [f"  - {expected}", f"  + {got}"]
        missing = gettext("missing")
        lines += [f"      {name}: {value}   ({missing})" for name, value in _missing(self.expected, self.got)]
        if isinstance(self.got, Nothing) and self.got.where:
            lines.append(gettext("the application waits at %(place)s") % {"place": self.got.where})
        if self.cause is not None:
            for error in leaves(self.cause):
                lines.append(gettext("the application raised %(error)s") % {"error": _told(error)})
                lines.append("  " + gettext("at %(place)s") % {"place": raised_at(error)})
        return "\n".join(lines)


class TranscriptFailure(AssertionError):  # noqa: N818 - it is what pytest calls a failure
    """A transcript and an application differ; ``report`` tells how."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.__cause__ = report.cause


async def play(
    app: ASGIApp | str,
    transcript: Transcript,
    *,
    timeout_s: float = 5.0,
    denial: bool = True,
    lifespan: bool = True,
    held_time: bool = False,
    on_step: Callable[[Step], None] | None = None,
) -> Report:
    """Play `transcript` against an ASGI application in memory, or against a ``ws://`` URL over a real socket.

    What the application sends by itself until a client leaves must be on a line, before or after the client's ``close``
    or ``drop``; what it sends later finds the client gone. Of the name in ``!! json.JSONDecodeError`` the last part is
    compared. A failure of a test inside of the application (`pytest.fail`) comes out as it is.

    Targets are appended to the URL. A line that does not come fails after ``timeout_s`` seconds. ``denial=False`` plays
    a server without the denial extension (in memory only). In memory the application's lifespan runs around the play,
    and what its startup or shutdown raises comes out; ``lifespan=False`` if somebody else runs it. ``held_time=True``
    plays in a `HeldTimeLoop` of its own (asyncio, in memory only): no real time passes. ``on_step`` is called with each
    step once it has happened.
    """
    if held_time and isinstance(app, str):
        raise ValueError("over a socket time passes as it does: held_time=True is for applications in memory")
    if held_time:
        main = play(app, transcript, timeout_s=timeout_s, denial=denial, lifespan=lifespan, on_step=on_step)
        return run_in_held_time(main)
    if isinstance(app, str):
        # Needs the package websockets, which who plays in memory need not have.
        from reference_ws.transcript.sockets import socket_peers

        peers: Peers = socket_peers(app)
    else:
        peers = memory_peers(asgi(app), denial=denial, lifespan=lifespan)

    async def tell(step: Step) -> None:
        if on_step is not None:
            on_step(step)

    async with peers as open_peer:
        return await Player(transcript, timeout_s, after=tell).play(open_peer)


async def check(
    app: ASGIApp | str,
    text: str,
    *,
    file: str | None = None,
    timeout_s: float = 5.0,
    denial: bool = True,
    lifespan: bool = True,
    held_time: bool = False,
) -> Report:
    """Parse and play a transcript in a test: raises `TranscriptFailure`, an `AssertionError`, when something differs.

    Raises `TranscriptError` for a line that is not understood. Without a ``file`` both name the caller's, and the line
    in it. The other arguments are those of `play`.
    """
    place, first_line = (file, 1) if file is not None else _written_at(text)
    script = parse(text, file=place, first_line=first_line)
    report = await play(app, script, timeout_s=timeout_s, denial=denial, lifespan=lifespan, held_time=held_time)
    if not report.ok:
        raise TranscriptFailure(report)
    return report


def _written_at(text: str) -> tuple[str, int]:
    """Find out what file a transcript stands in, and on which line it begins, from where `check` is called."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and not is_the_users(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return "<transcript>", 1
    file, line = frame.f_code.co_filename, frame.f_lineno
    source = "".join(linecache.getlines(file))
    # The same text may stand there several times: the one that begins nearest to the line of the call.
    begins = [source.count("\n", 0, found.start()) + 1 for found in re.finditer(re.escape(text), source)]
    if begins and text.strip():
        return file, min(begins, key=lambda begin: abs(begin - line))
    return f"{file}:{line}, <transcript>", 1  # it is put together, or has escapes


async def _nothing(_step: Step) -> None:
    pass


@dataclass
class Player:
    """Plays one transcript with the peers that it is given; `before` and `after` are awaited around each step."""

    transcript: Transcript
    timeout_s: float
    before: Callable[[Step], Awaitable[None]] = _nothing
    after: Callable[[Step], Awaitable[None]] = _nothing
    peers: dict[str, Peer] = field(default_factory=dict)
    played: list[Step] = field(default_factory=list)
    unchecked: list[Step] = field(default_factory=list)
    expected_to_raise: set[str] = field(default_factory=set)
    """The clients whose application has raised what a line expects."""

    async def play(self, open_peer: Callable[[str], Peer]) -> Report:
        """Do and assert everything, in order, up to the first difference."""
        for step in self.transcript.steps:
            await self.before(step)
            got = await self._step(step, open_peer)
            if got is not None:
                return await self._differs(step, got)
            self.played.append(step)
            await self.after(step)
        # First everyone is asked, then everyone is ended: the end of one may be news for another.
        for peer in self.peers.values():
            if (rest := await peer.rest()) is not None:
                return await self._differs(None, rest)
        for peer in self.peers.values():
            if (rest := await peer.finish(self.timeout_s)) is not None:
                return await self._differs(None, rest)
        return self._report()

    def _report(self) -> Report:
        return Report(self.transcript, tuple(self.played), tuple(self.unchecked))

    async def _differs(self, expected: Step | None, got: Step) -> Report:
        """Report a difference, and the exception behind it."""
        names = sorted(self.peers.keys() - self.expected_to_raise, key=lambda name: (name != got.client, name))
        causes = [cause for name in names if (cause := await self.peers[name].failure()) is not None]
        return replace(self._report(), expected=expected, got=got, cause=causes[0] if causes else None)

    async def _step(self, step: Step, open_peer: Callable[[str], Peer]) -> Step | None:
        """Do or assert one step; return what came instead of it."""
        if isinstance(step, Connect):
            if (before := self.peers.pop(step.client, None)) is not None:
                rest = await before.rest() or await before.finish(self.timeout_s)
                if rest is not None:
                    return rest
            self.expected_to_raise.discard(step.client)
            self.peers[step.client] = peer = open_peer(step.client)
            await peer.connect(step.target, step.headers)
            return None
        if isinstance(step, Silence):
            return await self._silence(step)
        peer = self.peers[step.client]
        if isinstance(step, ClientData | ClientClose | Drop):
            await act(peer, step)
        elif isinstance(step, Raised | States) and not peer.checks_inside:
            self.unchecked.append(step)
        elif isinstance(step, States):
            client, application = await peer.states()
            if (client, application) != (step.client_state, step.application_state):
                return replace(step, client_state=client, application_state=application)
        elif isinstance(step, Raised):
            got = await peer.answer(self.timeout_s)
            name = step.exception.rpartition(".")[2]  # json.JSONDecodeError is defined in json.decoder
            if not (isinstance(got, Raised) and got.exception == name and step.message in got.message):
                return got
            self.expected_to_raise.add(step.client)
        else:
            got = await peer.answer(self.timeout_s)
            if not matches(step, got):
                return got
        return None

    async def _silence(self, step: Silence) -> Step | None:
        """Nothing may come from anyone (or from the named client) for so long."""
        peers = [self.peers[step.client]] if step.client else list(self.peers.values())
        got: list[Step] = []

        async def listen(peer: Peer) -> None:
            if (arrived := await peer.silence(step.milliseconds / 1000)) is not None:
                got.append(arrived)

        async with anyio.create_task_group() as tasks:
            for peer in peers:
                tasks.start_soon(listen, peer)
        return got[0] if got else None


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Give the exceptions that a group consists of, as a task group raises it; others are alone."""
    for inner in getattr(error, "exceptions", (error,)):
        yield from (inner,) if inner is error else leaves(inner)


def _told(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip()


def _missing(expected: Step | None, got: Step) -> Headers:
    lines = headers_of(expected) if type(expected) is type(got) else ()
    return tuple(line for line in lines if line not in headers_of(got))
