"""`SocketView`: a connection as a class with a method for each part of its life."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from types import MethodType
from typing import Any, ClassVar, Final, Literal

import anyio

from reference_ws.binding import Bound
from reference_ws.errors import UnwantedMessageError
from reference_ws.lifecycle import CONNECTED, DISCONNECT, DISCONNECTED
from reference_ws.parameters import plan, refuse_markers, refuse_unread, signature, signature_of, where
from reference_ws.typed import reader
from reference_ws.websocket import WebSocket

Encoding = Literal["text", "bytes", "json", "anystr"]

ENCODINGS: Final = ("text", "bytes", "json", "anystr")
METHODS: Final = {"on_connect": None, "on_receive": "data", "on_disconnect": "close_code"}
"""With what they are called; what ``on_connect`` takes is bound like a handler's parameters."""

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
        _check(cls)

    # So written, type checkers let an override take whatever parameters it needs.
    async def on_connect(self, *_: Any, **__: Any) -> None:
        """Answer the handshake. An override accepts itself, or refuses; its parameters are bound like a handler's."""
        await self.websocket.accept()

    async def on_receive(self, data: Any) -> None:
        """Take one whole message, decoded as ``encoding`` says."""

    async def on_disconnect(self, close_code: int) -> None:
        """Take leave: called exactly once, however the connection ends, with its close code.

        The connection is closed afterwards if nobody has closed it, so an override may close or leave it.
        """


def _check(view: type[SocketView]) -> None:
    """Refuse what no connection could be served by."""
    if view.encoding not in ENCODINGS:
        raise TypeError(f"{view.__qualname__}.encoding is {view.encoding!r}: take one of {', '.join(ENCODINGS)}.")
    for name, given in METHODS.items():
        method = getattr(view, name)
        if not inspect.iscoroutinefunction(method):
            raise TypeError(f"{where(method)}: this method must be a coroutine function: write `async def`.")
        if given is not None:
            _check_call(method, name, view, given)
    for name in ("__new__", "__init__"):
        _check_call(getattr(view, name), name, view, "")


def _check_call(method: Any, name: str, view: type[SocketView], given: str) -> None:
    """Refuse what can't be called with what is there, such as the parameters of Starlette's ``WebSocketEndpoint``."""
    try:
        signature_of(method).bind(view, *([given] if given else []))
    except TypeError as error:
        called = f"{name}({given})"
        raise TypeError(
            f"{where(method)}: it is called as {called}, and that doesn't fit ({error}): the connection is "
            "self.websocket, and on_connect takes what a handler may take."
        ) from error


def bind_view(view: type[SocketView], path: Collection[str]) -> Bound:
    """Plan how a view serves a connection; its ``on_connect`` is bound like a handler."""
    _check(view)  # once more: a decorator, @dataclass, may have made another __init__
    if inspect.isabstract(view):
        raise TypeError(f"{view.__qualname__} is abstract: no connection gets one.")
    for method in (view.on_receive, view.on_disconnect, view.__init__):
        refuse_markers(method, skip=1)
    planned = plan(MethodType(view.on_connect, view), path)
    wanted = _wanted(view)
    needs_bindings = not planned.plain or bool(planned.connections)

    async def call(websocket: WebSocket) -> None:
        placed: list[Any] = []
        named: dict[str, Any] = {}
        if needs_bindings:
            placed, named = await websocket._bindings.arguments(planned)
        if websocket.application_state is DISCONNECTED:  # a dependency may have refused
            return
        served = view()
        served.websocket = websocket
        await _serve(served, wanted, placed, named)

    return Bound((planned,), call, view.__name__, needs_bindings)


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
    except Exception as error:
        own = 1003 if isinstance(error, UnwantedMessageError) else getattr(error, "code", 1011)
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
    match view.encoding:
        case "json":
            return view.websocket.decode_json(message, type=wanted)
        case "text":
            return view.websocket._text(message, "on_receive()")
        case "bytes":
            return view.websocket._bytes(message, "on_receive()")
    # Which frame it is tells the key that is not None: some servers send both.
    return message.get("bytes") if message.get("text") is None else message["text"]


def _wanted(view: type[SocketView]) -> Any:
    """Read the type that the parameter of ``on_receive`` is annotated with, where it decides anything."""
    annotation = signature(MethodType(view.on_receive, view))[0].annotation
    if view.encoding != "json" or annotation is inspect.Parameter.empty:
        return Any
    refuse_unread(view.on_receive, annotation)
    try:
        reader(annotation)  # to hear now what can't be read, and not with the first message
    except TypeError as error:
        raise TypeError(f"{where(view.on_receive)}: an annotation can't be read: {error}.") from error
    return annotation
