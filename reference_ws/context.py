"""The connection of the running handler, without a parameter: ``from reference_ws import websocket``."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, cast

from reference_ws.errors import NoConnectionError
from reference_ws.websocket import WebSocket

_current: ContextVar[WebSocket] = ContextVar("reference_ws.websocket")


enter = _current.set
"""Make a connection the one that `websocket` stands for, here and in what is awaited or started from here."""

leave = _current.reset
"""Undo `enter`, with what it returned."""


def current() -> WebSocket:
    """Return the connection of the running handler. Raises `NoConnectionError` outside of one."""
    try:
        return _current.get()
    except LookupError:
        raise NoConnectionError("no-connection", "reference_ws.websocket") from None


class _Websocket:
    """Passes everything on to the running handler's connection; outside of one it is a `RuntimeError`."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # Tools such as inspect and pydoc look at it outside of a connection too.
        return type(_current.get(self))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and _current.get(None) is None:
            raise AttributeError(name)
        return getattr(current(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(current(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(current(), name)

    def __getitem__(self, key: str) -> Any:
        return current()[key]

    def __contains__(self, key: object) -> bool:
        return key in current()

    def __iter__(self) -> Iterator[str]:
        return iter(current())

    def __len__(self) -> int:
        return len(current())

    def __eq__(self, other: object) -> bool:
        return current() == (current() if other is self else other)

    def __hash__(self) -> int:
        current()  # outside of a connection that is what is wrong
        raise TypeError("This stands for the connection of whoever runs: keep the connection itself, current().")

    def __repr__(self) -> str:
        return f"<websocket: {_current.get(None)!r}>"


websocket = cast(WebSocket, _Websocket())
"""The connection of the running handler, also in the functions that it awaits and the tasks that it starts."""
