"""`SocketView`: a connection as a class with a method for each part of its life."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Collection
from typing import Any, ClassVar, Final, Literal

import anyio
import msgspec
from starlette.exceptions import WebSocketException

from reference_ws.binding import Bound
from reference_ws.errors import WebSocketDataError, WebSocketTypeError
from reference_ws.lifecycle import CONNECTED, DISCONNECT, DISCONNECTED
from reference_ws.parameters import plan, signature_of, type_hints, unread, where
from reference_ws.websocket import WebSocket

__all__ = ["SocketView", "bind_view"]

logger = logging.getLogger(__name__)

Encoding = Literal["text", "bytes", "json", "anystr"]

ENCODINGS: Final = ("text", "bytes", "json", "anystr")
METHODS: Final = ("on_connect", "on_receive", "on_disconnect")

FAREWELL_S: Final = 10.0
"""How long ``on_disconnect`` may take when the handler is cancelled."""


class SocketView:
    """Inherit from it, set ``encoding``, and write the methods that you need. One instance serves one connection.

    ``encoding`` decides what ``on_receive`` gets: ``"json"`` (the default) a decoded value from either kind of frame,
    ``"text"`` a `str`, ``"bytes"`` `bytes`, ``"anystr"`` whichever came. With ``"json"``, an annotation of the
    parameter, ``on_receive(self, data: Point)``, is the type that the value must fit. A frame that is none of this is
    the client's fault: it is closed with 1003.

    ``self.websocket`` is the connection; ``reference_ws.websocket`` works too. Raises `TypeError` when the class is
    made with another encoding, or with a method that is not ``async def``.
    """

    encoding: ClassVar[Encoding] = "json"
    websocket: WebSocket

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.encoding not in ENCODINGS:
            raise TypeError(f"{cls.__qualname__}.encoding is {cls.encoding!r}: take one of {', '.join(ENCODINGS)}.")
        for name in METHODS:
            method = getattr(cls, name)
            if not inspect.iscoroutinefunction(method):
                raise TypeError(f"{where(method)}: this method must be a coroutine function: write `async def`.")

    async def on_connect(self) -> None:
        """Answer the handshake. An override accepts itself, or refuses; its parameters are bound like a handler's."""
        await self.websocket.accept()

    async def on_receive(self, data: Any) -> None:
        """Take one whole message, decoded as ``encoding`` says."""

    async def on_disconnect(self, close_code: int) -> None:
        """Take leave: called exactly once, however the connection ends, with its close code.

        The connection is closed afterwards if nobody has closed it, so an override may close or leave it.
        """


class _UnwantedError(Exception):
    """A frame that the view's encoding doesn't take."""


def bind_view(view: type[SocketView], path: Collection[str]) -> Bound:
    """Plan how a view serves a connection; its ``on_connect`` is bound like a handler."""
    planned = plan(view.on_connect, path, skip=1)
    wanted = _wanted(view)
    needs_session = not planned.plain or bool(planned.connections)

    async def call(websocket: WebSocket) -> None:
        placed: list[Any] = []
        named: dict[str, Any] = {}
        if needs_session:
            placed, named = await websocket._bindings.arguments(planned)
        if websocket.application_state is DISCONNECTED:  # a dependency may have refused
            return
        served = view()
        served.websocket = websocket
        await _serve(served, wanted, placed, named)

    return Bound((planned,), call, view.__name__, needs_session)


async def _serve(view: SocketView, wanted: Any, placed: list[Any], named: dict[str, Any]) -> None:
    """Lead a view through a connection's life."""
    websocket = view.websocket
    try:
        await view.on_connect(*placed, **named)
        while websocket.application_state is CONNECTED:
            message = await websocket.receive()
            if message["type"] == DISCONNECT:
                break
            await view.on_receive(_decoded(view, wanted, message))
    except _UnwantedError as unwanted:
        # The client's fault: a line for who reads the log, and no traceback.
        logger.info("%s: closed with 1003: %s", type(view).__name__, unwanted)
        await view.on_disconnect(1003)
        await websocket.close(1003)
    except Exception as error:
        own = error.code if isinstance(error, WebSocketException) else 1011
        await view.on_disconnect(_code(websocket, own))
        raise
    except GeneratorExit:  # nothing can be awaited any more
        raise
    except BaseException:
        with anyio.move_on_after(FAREWELL_S, shield=True):
            await view.on_disconnect(_code(websocket, 1001))
        raise
    else:
        await view.on_disconnect(_code(websocket, 1000 if websocket.application_state is CONNECTED else 1006))


def _code(websocket: WebSocket, otherwise: int) -> int:
    return websocket.end[0] if websocket.end is not None else otherwise


def _decoded(view: SocketView, wanted: Any, message: Any) -> Any:
    # Which frame it is tells the key that is not None: some servers send both.
    text, data = message.get("text"), message.get("bytes")
    try:
        match view.encoding:
            case "json":
                return view.websocket.decode_json(message, type=wanted)
            case "text" if text is not None:
                return text
            case "bytes" if data is not None:
                return data
            case "anystr":
                return data if text is None else text
    except (json.JSONDecodeError, WebSocketTypeError, WebSocketDataError) as error:
        raise _UnwantedError(error) from error
    raise _UnwantedError(f"expected {view.encoding}, got a {'binary' if text is None else 'text'} frame")


def _wanted(view: type[SocketView]) -> Any:
    """Read the type that the parameter of ``on_receive`` is annotated with, where it decides anything."""
    if view.encoding != "json":
        return Any
    names = list(signature_of(view.on_receive).parameters)
    wanted = type_hints(view.on_receive).get(names[1], Any) if names[1:] else Any
    try:
        if name := unread(wanted):
            raise NameError(f"name {name!r} is not defined")
        msgspec.json.Decoder(wanted)  # to hear now what it can't read, and not with the first message
    except (NameError, TypeError) as error:
        raise TypeError(f"{where(view.on_receive)}: an annotation can't be read: {error}.") from error
    return wanted
