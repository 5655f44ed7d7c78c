"""The player's clients, however they are connected: `Peer`, and what it answers when no message comes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.websockets import WebSocketState

from reference_ws.transcript.messages import wire
from reference_ws.transcript.steps import ClientClose, ClientData, Drop, Headers, Step

RAN: Final = "the application has ended"
OVER: Final = "the connection is over"
CUT: Final = "the connection was cut without a close frame"
UNREACHED: Final = "can't connect to %(url)s: %(reason)s"
ENDS: Final = (RAN, OVER, CUT, UNREACHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Step):
    """What a peer answers when nothing will come any more: ``how`` says why, in a phrase of `ENDS`.

    ``reason`` is what the system says about it, and ``url`` where to, if no connection came about.
    """

    how: str
    url: str = ""
    reason: str = ""

    def told(self, gettext: Callable[[str], str]) -> str:
        """Tell it as `gettext` translates it."""
        return gettext(self.how) % {"url": self.url, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing(Step):
    """What a peer answers when nothing came in time; ``where`` says where the application was waiting."""

    seconds: float
    where: str = ""

    def told(self, gettext: Callable[[str], str]) -> str:
        """Tell it as `gettext` translates it."""
        return gettext("nothing within %(seconds)g s") % {"seconds": self.seconds}


class Peer(Protocol):
    """One client and its connection, as the player uses it."""

    checks_inside: bool
    """True when the peer can look inside of the application: ``!!`` and ``==`` are checked."""

    async def connect(self, target: str, headers: Headers) -> None:
        """Begin the handshake; the answer to it is the first `answer`."""

    async def data(self, payload: str | bytes) -> None:
        """Send a frame."""

    async def close(self, code: int, reason: str) -> None:
        """Leave, once what the application has sent so far is there.

        1005 is a close frame without a code, 1006 none: the connection is cut.
        """

    async def answer(self, timeout_s: float) -> Step:
        """Take the next thing that the application did: an answer as a step, `Raised`, `Ended` or `Nothing`."""

    async def silence(self, seconds: float) -> Step | None:
        """Wait for so long; return what the application sent in that time, if anything."""

    async def states(self) -> tuple[WebSocketState, WebSocketState]:
        """Look at client_state and application_state once the application has settled."""

    async def rest(self) -> Step | None:
        """Return what the application did that no line expects, if anything."""

    async def failure(self) -> BaseException | None:
        """Look for the exception that left the application, once it has settled."""

    async def finish(self, timeout_s: float) -> Step | None:
        """End the connection if it is open; return what went wrong with the application then, if anything."""


Peers = AbstractAsyncContextManager[Callable[[str], Peer]]
"""What makes the client of a given name, and ends what is left of all of them."""


async def act(peer: Peer, step: ClientData | ClientClose | Drop) -> None:
    """Do what a client does once it has connected."""
    if isinstance(step, ClientData):
        await peer.data(wire(step.payload))
    elif isinstance(step, ClientClose):
        await peer.close(step.code, step.reason)
    else:
        await peer.close(1006, "")
