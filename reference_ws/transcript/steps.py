"""What a transcript consists of: one small class for each kind of line.

`reference_ws.transcript.grammar` turns text into these and back; the players, the recorder and the diagrams read and
write nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any, Literal

from starlette.websockets import WebSocketState

Headers = tuple[tuple[str, str], ...]
"""Header lines in their order: names in lower case, values without surrounding white space."""

Form = Literal["text", "bytes", "json", "bytes json"]
"""How a payload is written: ``text "..."``, ``bytes 00 ff``, ``json VALUE`` (a text frame) or ``bytes json VALUE``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One event. ``client`` is the name before the arrow, ``""`` for the one client without a name.

    ``line`` is the 1-based line in the file that it came from, 0 if it came from none; it and ``note``, the comment at
    the end of the line (without ``#``), don't count when two steps are compared.
    """

    client: str = ""
    line: int = field(default=0, compare=False)
    note: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Payload:
    """The payload of a frame: ``value`` is a `str` for text, `bytes` for bytes, a JSON value for the two json forms.

    ``...`` (Python's Ellipsis) stands for anything: as the whole value, or as a value inside JSON.
    """

    form: Form
    value: Any

    @property
    def binary(self) -> bool:
        """True for a binary frame."""
        return self.form.startswith("bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(Step):
    """``-> connect TARGET``: the client asks for TARGET (path and query) with these headers."""

    target: str
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientData(Step):
    """``-> text|bytes|json|bytes json``: a frame from the client."""

    payload: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientClose(Step):
    """``-> close [CODE ["reason"]]``: the client starts the closing handshake. Code 1005 is a frame without a code."""

    code: int = 1000
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(Step):
    """``-> drop``: the client's TCP connection vanishes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept(Step):
    """``<- accept``: the application accepts; ``headers`` must be among those that it sends."""

    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationData(Step):
    """``<- text|bytes|json|bytes json``: a frame from the application."""

    payload: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationClose(Step):
    """``<- close [CODE ["reason"]]``: the application starts the closing handshake; ``...`` is any reason."""

    code: int = 1000
    reason: str | EllipsisType = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny(Step):
    """``<- deny STATUS [text|json|...]``: the handshake is refused with an HTTP response; no ``payload``: any."""

    status: int
    payload: Payload | None = None
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyMessage(Step):
    """``<- ...``: the application sends one message, whatever it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised(Step):
    """``!! ExceptionName ["text in its message"]``: the exception left the application."""

    exception: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class States(Step):
    """``== client=STATE application=STATE``: both states, at this point."""

    client_state: WebSocketState
    application_state: WebSocketState


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Step):
    """``.. 100ms``: nothing arrives from the application for so long."""

    milliseconds: int


FromClient = Connect | ClientData | ClientClose | Drop
"""What a client does."""


def headers_of(step: Step | None) -> Headers:
    """Give the header lines of a step; most have none."""
    return step.headers if isinstance(step, Connect | Accept | Deny) else ()


@dataclass(frozen=True, slots=True)
class Comment:
    """``# ...`` on a line of its own; ``text`` is without the ``#`` and the space after it."""

    text: str


@dataclass(frozen=True, slots=True)
class Blank:
    """An empty line between two others."""


Item = Step | Comment | Blank


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, in order, with its comments; ``file`` is where it came from, for messages."""

    items: tuple[Item, ...]
    file: str = "<transcript>"

    @property
    def steps(self) -> tuple[Step, ...]:
        """The events alone."""
        return tuple(item for item in self.items if isinstance(item, Step))

    @property
    def clients(self) -> tuple[str, ...]:
        """The clients' names, in the order in which they first speak."""
        return tuple(dict.fromkeys(step.client for step in self.steps if isinstance(step, Connect)))


def same(expected: Any, got: Any) -> bool:
    """Compare a payload value with one that holds no ``...``: ``...`` equals anything, numbers keep their JSON kind."""
    if isinstance(expected, EllipsisType):
        return True
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and expected.keys() == got.keys()
            and all(same(v, got[k]) for k, v in expected.items())
        )
    if isinstance(expected, list):
        return isinstance(got, list) and len(expected) == len(got) and all(map(same, expected, got))
    return isinstance(got, bool) is isinstance(expected, bool) and bool(expected == got)
