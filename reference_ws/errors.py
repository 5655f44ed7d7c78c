"""The errors of the library: each has an id, and says what is wrong and what to do about it."""

from __future__ import annotations

import copyreg
import json
from typing import Any

from starlette.types import Message
from starlette.websockets import WebSocketDisconnect, WebSocketDisconnected, WebSocketState

from reference_ws.lifecycle import ERRORS

__all__ = [
    "CloseError",
    "ConnectionOver",
    "ExplainedError",
    "LifecycleError",
    "NoConnectionError",
    "UnwantedMessageError",
    "WebSocketDataError",
    "WebSocketDisconnect",
    "WebSocketJSONError",
    "WebSocketTypeError",
]


class ExplainedError(Exception):
    """``id`` is a key of ``lifecycle.ERRORS``, where the error's two sentences stand; ``tried`` is what was tried."""

    def __init__(self, id: str, tried: str) -> None:  # noqa: A002 - the field's name in the documents
        self.id = id
        self.tried = tried

    def _circumstances(self) -> str:
        return ""

    def __str__(self) -> str:
        text = ERRORS[self.id]
        return f"{self.tried}: {text.problem} {self._circumstances()}{text.remedy} [{self.id}]"

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is copied and pickled by calling its class with `args`; these classes take other arguments.
        return copyreg.__newobj__, (type(self),), self.__dict__  # type: ignore[attr-defined]


class NoConnectionError(ExplainedError, RuntimeError):
    """`reference_ws.websocket` was used where no handler runs."""


class CloseError(ExplainedError, ValueError):
    """A close code or reason that can't be sent; nothing was sent. ``code`` and ``reason`` are what was given."""

    def __init__(self, id: str, code: int, reason: str) -> None:  # noqa: A002
        given = f"close({code})" if id == "close-code" else f"a reason of {len(reason.encode())} bytes"
        super().__init__(id, given)
        self.code = code
        self.reason = reason


class LifecycleError(ExplainedError, RuntimeError):
    """Something that the life cycle doesn't allow here; the connection is as it was before.

    ``client_state`` and ``application_state`` are the states at that moment, ``allowed`` the ASGI messages that would
    have been legal.
    """

    def __init__(
        self,
        id: str,  # noqa: A002
        tried: str,
        client_state: WebSocketState,
        application_state: WebSocketState,
        allowed: tuple[str, ...] = (),
    ) -> None:
        super().__init__(id, tried)
        self.client_state = client_state
        self.application_state = application_state
        self.allowed = allowed

    def _circumstances(self) -> str:
        expected = f"; expected {' or '.join(self.allowed)}" if self.allowed else ""
        return f"(client={self.client_state.name}, application={self.application_state.name}{expected}) "


class ConnectionOver(LifecycleError, WebSocketDisconnect, WebSocketDisconnected):  # noqa: N818 - no fault by itself
    """Receiving or sending after the end, whichever side ended it: a `WebSocketDisconnect` and a `RuntimeError`.

    ``code`` and ``reason`` tell how the connection ended. It is also what Starlette raises here, its own
    ``WebSocketDisconnected``, which is a `RuntimeError` and not a `WebSocketDisconnect`.
    """

    code: int = 1006
    reason: str = ""


class UnwantedMessageError(Exception):
    """The client sent something else than was asked for: the base of the three kinds below.

    Whoever catches none of it closes with 1003, and the log has one line.
    """


class WebSocketDataError(LifecycleError, UnwantedMessageError):
    """A frame of the other kind came; ``message`` is the ASGI message, so that nothing is lost."""

    message: Message


class WebSocketJSONError(UnwantedMessageError, json.JSONDecodeError):
    """A message that is no JSON: a `json.JSONDecodeError` with its attributes."""


class WebSocketTypeError(UnwantedMessageError, ValueError):
    """A JSON value that doesn't fit the type that was asked for; its text names the field, as ``$.user.age``.

    ``value`` is the decoded value, so that nothing is lost.
    """

    def __init__(self, problem: str, value: Any) -> None:
        super().__init__(problem, value)
        self.value = value

    def __str__(self) -> str:
        return str(self.args[0])
