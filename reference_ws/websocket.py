"""The connection object: `WebSocket`.

A `WebSocket` receives and sends ASGI messages and keeps both states (see `reference_ws.lifecycle`). Everything that the
tables don't allow is an error *before* anything reaches the server.

Every message that is received comes through `WebSocket._next`, every one that is sent goes through
`WebSocket._deliver`; what stands around them in this file turns them into text, bytes, JSON and a handshake. These two
are the hard part, and stand behind the methods that a handler calls: "inside: the way in" and "inside: the way out".
What a failed send means stands behind `_deliver`, and which errors are made of all this at the end.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Generic, Literal, TypeVar, overload

import anyio
import anyio.lowlevel
import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket as StarletteWebSocket
from starlette.websockets import WebSocketState

from reference_ws import lifecycle
from reference_ws.ahead import READ_AHEAD, TURNS, ReadAhead, kept
from reference_ws.codec import dumps, loads
from reference_ws.connection import Connection
from reference_ws.errors import (
    CloseError,
    ConnectionOver,
    LifecycleError,
    WebSocketDataError,
    WebSocketDisconnect,
    WebSocketTypeError,
)
from reference_ws.lifecycle import (
    ACCEPT,
    CLOSE,
    CONNECTED,
    CONNECTING,
    DISCONNECT,
    DISCONNECTED,
    ERRORS,
    RECEIVED,
    RESPONSE,
    RESPONSE_BODY,
    RESPONSE_LAST_BODY,
    RESPONSE_START,
    SENT,
)
from reference_ws.typed import convert

T = TypeVar("T")
Mode = Literal["text", "binary"]
HeaderPair = tuple[bytes, bytes] | tuple[str, str]


VANISHED: Final = (1006, "")
"""How a connection ended whose client sent no close frame."""

FAIR: Final = 65_536
"""How much may be sent before other tasks run: the length of the data, and `A_SEND` for each message.

To let them run costs some turns of the event loop, which 64 short messages share.
"""
A_SEND: Final = 1024

GLANCE_S: Final = 0.01
"""How long a loop that only sends goes on without a look for the client's end, which costs more than 100 sends."""


class WebSocket(Connection, StarletteWebSocket):
    """One WebSocket connection, from the handshake to its end.

    ``client_state`` and ``application_state`` are `WebSocketState` members. It is Starlette's ``WebSocket`` too, so
    whatever takes one of those takes it.
    """

    client_state: WebSocketState
    application_state: WebSocketState

    # Class attributes serve as defaults of what few connections need: an idle one should weigh little.
    _in_doubt = False  # an accept was cancelled under way
    _end: tuple[int, str] | None = None
    _glance_at = 0.0  # when a loop that only sends looks again, by time.monotonic()
    _bindings: Any = None  # the Bindings of reference_ws.binding, while a route's handler runs

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            raise TypeError(f"WebSocket() takes a scope of type 'websocket', not {scope['type']!r}.")
        self.scope = scope
        self._receive, self._send = kept(receive, send)
        self.client_state = CONNECTING
        self.application_state = CONNECTING
        self._ahead: ReadAhead | None = None  # made when somebody looks ahead; most connections never do
        self._receiving = 0  # how many tasks wait in the server's receive() itself, and not for what is read ahead
        self._sending = False  # a message is being handed to the server
        self._turns: deque[anyio.Event] | None = None  # of tasks that wait until theirs can be, made for the first one
        self._run = 0  # how much was sent since a task last received, or let others run; see FAIR

    # --- raw messages -----------------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """Receive the next ASGI message and move ``client_state``.

        Returns ``{"type": "websocket.connect"}``, ``{"type": "websocket.receive", "text": str | None, "bytes": bytes |
        None}`` or ``{"type": "websocket.disconnect", "code": int, "reason": str}`` (keys may be absent instead of
        None). Raises `ConnectionOver` after the end, and `LifecycleError` when the server sends what can't come here.
        """
        message: Message = await self._next("receive()", data=False)
        return message

    async def send(self, message: Message) -> None:
        """Check an ASGI message against the tables, move ``application_state``, and send it.

        Raises `LifecycleError` (or `ConnectionOver` after the end) when it is not legal here, `CloseError` for a close
        code or reason that can't be sent, and `WebSocketDisconnect` when the client has left: with its code if it sent
        one, with 1006 if it has vanished.
        """
        event = lifecycle.sent_event(message) if isinstance(message, Mapping) else repr(message)
        entry = lifecycle.on_send(self.client_state, self.application_state, event)
        if not isinstance(entry, WebSocketState):
            raise self._send_error(event, f"send({event})")
        if event == CLOSE:
            self._end = _checked_close(message.get("code", 1000), message.get("reason") or "")
        elif event == RESPONSE_LAST_BODY:
            self._end = VANISHED
        elif event == RESPONSE_START and not self.can_deny:
            raise self._error("denial-unsupported", f"send({event})")
        elif event == SENT:
            text, data = message.get("text"), message.get("bytes")
            if text is None and data is None:
                raise self._error("no-payload", f"send({event})")
            if not isinstance(text, str | None) or not isinstance(data, bytes | bytearray | memoryview | None):
                raise TypeError(f"send() takes text as str and bytes as bytes, not {text!r} and {data!r}.")
        elif event == ACCEPT and (lines := _checked_accept(message.get("subprotocol"), message.get("headers"))):
            message = {**message, "headers": lines}
        # The state moves before the send is awaited: of two tasks that close at once, the second must find the
        # connection closed. Moved afterwards, both would pass the check while the first one waits.
        self.application_state = entry
        await self._deliver(message, len(message.get("text") or message.get("bytes") or "") if event == SENT else 0)

    # --- the handshake ----------------------------------------------------------------------------------------------

    async def accept(
        self, subprotocol: str | None = None, headers: Iterable[HeaderPair] | Mapping[str, str] | None = None
    ) -> None:
        """Accept the handshake; both states are CONNECTED afterwards.

        ``subprotocol`` is one of ``websocket["subprotocols"]``; ``headers``, which the response carries, are pairs of
        bytes or of strings, or a mapping of strings. The pending ``websocket.connect`` is received first if it was not
        received yet. Raises `LifecycleError` when the handshake was accepted or refused already, `TypeError` for
        arguments of another kind, and `ValueError` for a header that would be more than one, before anything is sent.
        """
        if self.application_state is not CONNECTING or self.client_state is DISCONNECTED:
            raise self._send_error(ACCEPT, "accept()")
        if self._in_doubt:
            raise self._error("accept-twice", "accept()")
        lines = _checked_accept(subprotocol, headers)
        if self.client_state is CONNECTING:
            await self._next("accept()", data=False)
        self.application_state = CONNECTED
        try:
            await self._deliver({"type": ACCEPT, "subprotocol": subprotocol, "headers": lines})
        except anyio.get_cancelled_exc_class():
            # It may or may not have reached the server: to accept again, or to deny, could be the second answer to one
            # handshake. To close is legal either way, and CONNECTING is the state in which nothing but that is left.
            self.application_state = CONNECTING
            self._in_doubt = True
            raise

    async def send_denial_response(self, response: Response) -> None:
        """Refuse the handshake with an HTTP response of your own, a streamed one too; the connection is over then.

        Raises `LifecycleError`: ``denial-unsupported`` where the server lacks the extension (the connection can still
        be refused with `close`), ``denial-after-accept`` after `accept`.
        """
        if not isinstance(lifecycle.on_send(self.client_state, self.application_state, RESPONSE_START), WebSocketState):
            raise self._send_error(RESPONSE_START, "send_denial_response()")
        if not self.can_deny:
            raise self._error("denial-unsupported", "send_denial_response()")
        if not callable(response):
            raise TypeError(f"send_denial_response() takes a Response, not {response!r}.")
        await response(self.scope, self.receive, self.send)

    @property
    def can_deny(self) -> bool:
        """True where the server offers the WebSocket Denial Response extension, until an accept was cancelled."""
        return not self._in_doubt and "websocket.http.response" in (self.scope.get("extensions") or {})

    # --- receiving data ---------------------------------------------------------------------------------------------

    async def receive_text(self) -> str:
        """Receive a text frame.

        Raises `WebSocketDisconnect` with the client's code and reason when it disconnects, `WebSocketDataError` when a
        binary frame comes, `LifecycleError` before `accept`.
        """
        return self._text(await self._next("receive_text()"), "receive_text()")

    async def receive_bytes(self) -> bytes:
        """Receive a binary frame; raises like `receive_text`, the other way round."""
        return self._bytes(await self._next("receive_bytes()"), "receive_bytes()")

    @overload  # type: ignore[override]  # Starlette's takes any str, and fails later
    async def receive_json(self, mode: Mode | None = None) -> Any: ...
    @overload
    async def receive_json(self, mode: Mode | None = None, *, type: type[T]) -> T: ...
    @overload  # a union and the like: what type checkers call a type form
    async def receive_json(self, mode: Mode | None = None, *, type: Any) -> Any: ...
    async def receive_json(self, mode: Mode | None = None, *, type: Any = Any) -> Any:  # noqa: A002
        """Receive a frame and decode its JSON: either kind, or with ``mode`` ``"text"`` or ``"binary"`` that one.

        ``type`` is what the value becomes: a dataclass, TypedDict, msgspec Struct, pydantic model or another type that
        these know. Raises `WebSocketJSONError` when it is not JSON, `WebSocketTypeError` when it doesn't fit the type
        (either way the frame is consumed and the connection stays usable, an iterator too), `TypeError` for a type that
        nobody can read, and otherwise like `receive_text`.
        """
        self._check_mode(mode, "receive_json()", "text", "binary", None)
        return self.decode_json(await self._next("receive_json()"), mode, type=type)

    def decode_json(self, message: Message, mode: Mode | None = None, *, type: Any = Any) -> Any:  # noqa: A002
        """Decode the JSON of a ``websocket.receive`` message; arguments and errors are those of `receive_json`."""
        text, data = message.get("text"), message.get("bytes")
        if text is not None and mode != "binary":
            value = loads(text)
        elif data is not None and mode != "text":
            value = loads(data)
        else:
            raise self._not_asked_for(message, f"receive_json() got a {'binary' if text is None else 'text'} frame")
        if type is Any:
            return value
        try:
            return convert(value, type)
        except msgspec.ValidationError as error:
            raise WebSocketTypeError(str(error), value) from None

    def iter_text(self) -> AsyncIterator[str]:
        """Yield text frames until the connection ends; the loop then ends quietly, and the code after it runs."""
        return _Frames(self, "iter_text()", self._text)

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """Yield binary frames until the connection ends, like `iter_text`."""
        return _Frames(self, "iter_bytes()", self._bytes)

    @overload
    def iter_json(self, mode: Mode | None = None) -> AsyncIterator[Any]: ...
    @overload
    def iter_json(self, mode: Mode | None = None, *, type: type[T]) -> AsyncIterator[T]: ...
    @overload
    def iter_json(self, mode: Mode | None = None, *, type: Any) -> AsyncIterator[Any]: ...
    def iter_json(self, mode: Mode | None = None, *, type: Any = Any) -> AsyncIterator[Any]:  # noqa: A002
        """Yield decoded JSON until the connection ends, like `iter_text`; the arguments are those of `receive_json`."""
        self._check_mode(mode, "iter_json()", "text", "binary", None)
        return _Frames(self, "iter_json()", lambda message, _: self.decode_json(message, mode, type=type))

    # --- sending data -----------------------------------------------------------------------------------------------

    async def send_text(self, data: str) -> None:
        """Send a text frame. Raises `LifecycleError`, or `WebSocketDisconnect` when the connection is over."""
        if not isinstance(data, str):
            raise TypeError(f"send_text() takes a str, not {type(data).__name__}; use send_bytes() or send_json().")
        await self._deliver({"type": SENT, "text": data}, len(data), "send_text()")

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame; raises like `send_text`."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"send_bytes() takes bytes, not {type(data).__name__}; use send_text() or send_json().")
        data = bytes(data)
        await self._deliver({"type": SENT, "bytes": data}, len(data), "send_bytes()")

    async def send_json(self, data: Any, mode: Mode = "text") -> None:  # type: ignore[override]
        """Send JSON, compact, non-ASCII as itself: in a text frame, or with ``mode="binary"`` in a binary one.

        ``data`` is whatever `json.dumps` takes, or a dataclass, msgspec Struct, date or UUID. Raises `TypeError` or
        `ValueError` when it is not JSON (NaN is none), and otherwise like `send_text`; nothing is sent then.
        """
        if mode != "text":
            self._check_mode(mode, "send_json()", "binary")
        text = dumps(data)
        message = {"type": SENT, "text": text} if mode == "text" else {"type": SENT, "bytes": text.encode()}
        await self._deliver(message, len(text), "send_json()")

    # --- the end ----------------------------------------------------------------------------------------------------

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """End the connection; after either side has ended it, do nothing. It is always safe in a ``finally``.

        Before `accept` it refuses the handshake (the client sees HTTP 403). While a denial response is being sent it
        finishes that response. Raises `CloseError` (a `ValueError`) for a code that may not be sent or a reason of more
        than 123 bytes of UTF-8, and `TypeError` for what is no code or reason at all.
        """
        if self._over:
            return
        end = _checked_close(code, reason or "")
        if self._ahead is not None:
            self._end = end  # what a task gets that still waits for a message
            await self._ahead.stop()
            if self._over:
                return
        with suppress(WebSocketDisconnect):  # the client was faster
            if self.application_state is RESPONSE:
                await self.send({"type": RESPONSE_BODY, "body": b"", "more_body": False})
            else:
                await self.send({"type": CLOSE, "code": end[0], "reason": end[1]})

    async def is_disconnected(self) -> bool:
        """Tell at once whether the connection is over, without losing a message.

        Messages that are there already are kept for later receives, 64 of them at the most; behind so many unread
        messages a disconnect is not seen yet.
        """
        if self._over:
            return True
        await anyio.lowlevel.checkpoint()  # a loop that only asks this must let those run who change the answer
        if self._over or self._receiving:
            return self._over  # another task waits for the next message: so none is there, and no end either
        return await self._read_ahead().look()

    @asynccontextmanager
    async def cancel_on_disconnect(self, max_messages: int = READ_AHEAD) -> AsyncIterator[None]:
        """Cancel the block when the client leaves: for a handler that only sends, or waits for something else.

        The block then ends quietly, like a loop over `iter_text`, after its ``finally`` clauses have run; what stands
        behind it runs, and `end` tells the code once the disconnect is received. Messages that come meanwhile are kept
        for later receives, inside of the block and after it. When ``max_messages`` are kept and unread, nothing more is
        read from the client, so memory stays bounded and nothing is lost; its leaving is noticed again when one of them
        is received, or by a send that fails.

        Raises `LifecycleError` before `accept`, after the end, and while another task receives.
        """
        self._check_receive("cancel_on_disconnect()")
        if self._receiving:
            raise self._error("receive-under-way", "cancel_on_disconnect()")
        ahead = self._read_ahead()
        ahead.watched = True  # before the first await: whoever receives from now on takes what the watch has kept
        failure: BaseException | None = None
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                nonlocal failure
                try:
                    left = await ahead.watch(max_messages)
                except Exception as error:
                    left, failure = True, error
                if left:
                    tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            try:
                yield
            except (anyio.get_cancelled_exc_class(), GeneratorExit):
                raise
            except BaseException as error:
                # Raised in here, it would leave the task group inside of an ExceptionGroup, and `except ValueError`
                # around the block would not catch it. A WebSocketDisconnect is the client's leaving, seen by the block
                # before the watch has seen it.
                if not isinstance(error, WebSocketDisconnect) or self.client_state is not DISCONNECTED:
                    failure = error
            finally:
                ahead.watched = False
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def release(self) -> None:
        """Let go of a receive that `is_disconnected` left pending; a route calls it when its handler has ended."""
        if self._ahead is not None:
            self._ahead.release()

    @property
    def end(self) -> tuple[int, str] | None:
        """How the connection ended: ``(code, reason)``, or ``None`` while it lives."""
        return self._end

    @property
    def _over(self) -> bool:
        return self.client_state is DISCONNECTED or self.application_state is DISCONNECTED

    # --- inside: the way in -----------------------------------------------------------------------------------------

    async def _next(self, tried: str, take: Callable[[Message, str], Any] | None = None, *, data: bool = True) -> Any:
        """Receive the next message and move ``client_state``; ``data`` is False for who can take any, connect included.

        With ``take`` it is a step of a loop: returns what ``take`` makes of the data, and the end is a
        StopAsyncIteration. A coroutine around this one that did so would be paid for with every message.

        Three things can happen while this waits, and each must leave the connection usable:

        * The task is cancelled. Then nothing was received and no state has moved.
        * Another task closes, or fails to send. A receive that was legal when it began stays so: what it gets is judged
          by the state in which it began, and doesn't bring a side back to life that has ended meanwhile.
        * Another task wants to know whether the client has left. It must not call ``receive()`` a second time, for a
          server hands each message to one caller only, and some raise: so it looks at ``_receiving`` first.
        """
        began = self.client_state
        try:
            if began is not CONNECTED or self.application_state is not CONNECTED:  # with both CONNECTED all is legal
                self._check_receive(tried, data=data)
            if self._ahead is not None and self._ahead.in_use:
                message = await self._ahead.next()
                if message is None:  # close() wants nothing more
                    raise WebSocketDisconnect(*(self._end or VANISHED))
            else:
                self._receiving += 1
                try:
                    message = await self._receive()
                finally:
                    self._receiving -= 1
            self._run = 0
        except WebSocketDisconnect:
            if take is not None:
                raise StopAsyncIteration from None
            raise
        kind = message["type"]
        if kind == RECEIVED and began is CONNECTED:
            return message if take is None else take(message, tried)
        entry = lifecycle.RECEIVE[began].get(kind, "unknown-message")
        if not isinstance(entry, WebSocketState):
            raise self._error(entry, f"receive() got {kind}", lifecycle.RECEIVE)
        if self.client_state is began:
            self.client_state = entry
        if entry is DISCONNECTED and self._end in (None, VANISHED):
            self._end = _farewell(message)
        if take is not None:
            raise StopAsyncIteration
        return message

    def _check_receive(self, tried: str, *, data: bool = True) -> None:
        states = self.client_state, self.application_state
        if data:
            entry = lifecycle.on_receive_data(*states)
            if not isinstance(entry, WebSocketState):
                raise self._error(entry, tried)
        elif DISCONNECTED in states:
            raise self._error(str(lifecycle.on_receive(*states, RECEIVED)), tried)

    def _text(self, message: Message, tried: str) -> str:
        if (text := message.get("text")) is None:
            raise self._not_asked_for(message, f"{tried} got a binary frame")
        return text  # type: ignore[no-any-return]

    def _bytes(self, message: Message, tried: str) -> bytes:
        if (data := message.get("bytes")) is None:
            raise self._not_asked_for(message, f"{tried} got a text frame")
        return data  # type: ignore[no-any-return]

    def _read_ahead(self) -> ReadAhead:
        if self._ahead is None:
            self._ahead = ReadAhead(self._receive)
        return self._ahead

    # --- inside: the way out ----------------------------------------------------------------------------------------

    async def _deliver(self, message: Message, length: int = 0, tried: str | None = None) -> None:
        """Hand a message to the server, after those that began before it.

        It is legal here; with ``tried`` it is data, and that is checked first.

        Some servers take one message at a time: while the first one waits for a slow reader, a second one is an error,
        or overtakes it. So the second one waits, here. Whoever waits was legal when it began, and stays so when a close
        comes in behind it.
        """
        if tried and (self.application_state is not CONNECTED or self.client_state is DISCONNECTED):
            raise self._send_error(SENT, tried)
        if self._sending:
            await self._turn()
        self._sending = True
        try:
            self._run += A_SEND + length
            if self._run > FAIR:
                await self._let_others_run()
            await self._send(message)
        except (OSError, RuntimeError) as error:
            await self._failed(error, ended_by_this=self.application_state is DISCONNECTED and message["type"] != SENT)
            raise
        finally:
            self._sending = False
            if self._turns:
                self._pass_on()

    async def _turn(self) -> None:
        """Wait until the server has taken what came before; raise `ConnectionOver` if the client has left meanwhile."""
        turn = anyio.Event()
        if self._turns is None:
            self._turns = deque()
        self._turns.append(turn)
        try:
            await turn.wait()
            if self.client_state is DISCONNECTED:
                raise self._send_error(SENT, "send()")
        except BaseException:
            if turn.is_set():
                self._pass_on()  # it was this one's turn already: without this, nobody's would come any more
            else:
                self._turns.remove(turn)
            raise

    def _pass_on(self) -> None:
        # The flag stays set until the next one runs, or a task that comes just then would overtake it.
        self._sending = bool(self._turns)
        if self._turns:
            self._turns.popleft().set()

    async def _let_others_run(self) -> None:
        """Let other tasks run, and raise `OSError` when the client has left.

        With most servers a send that has room doesn't suspend, and with some none fails after the client has left: a
        loop that only sends would stop the whole server, and never end.
        """
        self._run = 0
        await anyio.lowlevel.checkpoint()
        left = self.client_state is DISCONNECTED
        # Who waits for a message sees the end: another task, or the watch of a cancel_on_disconnect().
        seen = left or self._receiving or (self._ahead is not None and self._ahead.watched)
        if not seen and time.monotonic() >= self._glance_at:
            self._glance_at = time.monotonic() + GLANCE_S
            left = await self._read_ahead().glance()
        if left:
            raise OSError("the client has left")

    async def _failed(self, error: OSError | RuntimeError, *, ended_by_this: bool) -> None:
        """Raise `WebSocketDisconnect` if a send has failed because the connection is over, and end both sides.

        The handler must see one exception whatever the server's word for it, and both sides must have ended, or the
        next send would be tried on a connection that is gone. ASGI's word is a subclass of `OSError`. Uvicorn has a
        second one: a `RuntimeError`, when it has given the client up a moment before. But a server complains of a wrong
        message with a `RuntimeError` too, and that is a fault of the program which must not pass for a client's
        leaving. What tells them apart is the client's farewell: where the connection is over, a disconnect is there.

        ``ended_by_this``: the message that failed was the application's own end, so that its side is DISCONNECTED
        already and `end` names what was never sent. Otherwise, where a side has ended, another task has ended it while
        this send was under way, and `end` is right.
        """
        ended = self._over and not ended_by_this
        farewell = None if ended else await self._farewell_there()
        if isinstance(error, RuntimeError) and not ended and farewell is None:
            return
        if ended_by_this or self._end in (None, VANISHED):  # the await above let another task receive the real end
            # Some servers say 1005 of a client that vanished; one that closed without a code is as good as gone.
            self._end = VANISHED if farewell is None or farewell[0] == 1005 else farewell
        self.client_state = self.application_state = DISCONNECTED
        self.release()
        raise WebSocketDisconnect(*(self._end or VANISHED)) from error

    async def _farewell_there(self) -> tuple[int, str] | None:
        """Look whether the client's end is there already: its code and reason, or ``None``.

        A send can fail before the application has received the disconnect that says why. Without this look, ``except
        WebSocketDisconnect as error`` would find 1006 in ``error.code`` when the client has closed with 1001. It must
        not wait long, though: the disconnect of a client that has vanished may come much later.
        """
        if self._receiving:
            # Another task is in receive() and gets the disconnect, if there is one: let it run, and see.
            for _ in range(TURNS):
                await anyio.lowlevel.checkpoint()
        else:
            # Data that comes before it is kept for later receives: a failed send loses nothing that was received.
            ahead = self._read_ahead()
            if await ahead.look() and ahead.messages:  # another task may have taken it
                return _farewell(ahead.messages[-1])
        return self._end if self.client_state is DISCONNECTED else None

    # --- inside: errors ---------------------------------------------------------------------------------------------

    def _check_mode(self, mode: str | None, tried: str, *known: str | None) -> None:
        if mode not in known:
            raise self._error("wrong-mode", f"{tried} with mode={mode!r}")

    def _send_error(self, event: str, tried: str) -> LifecycleError:
        entry = lifecycle.on_send(self.client_state, self.application_state, event)
        return self._error(str(entry), tried, lifecycle.SEND)

    def _error(self, id: str, tried: str, table: lifecycle.Table | None = None) -> LifecycleError:  # noqa: A002
        states = self.client_state, self.application_state
        allowed = lifecycle.allowed(table, *states) if table is not None else ()
        if not ERRORS[id].ends:
            return LifecycleError(id, tried, *states, allowed)
        over = ConnectionOver(id, tried, *states, allowed)
        over.code, over.reason = self._end or VANISHED
        return over

    def _not_asked_for(self, message: Message, tried: str) -> LifecycleError | WebSocketDisconnect:
        if message["type"] == DISCONNECT:
            return WebSocketDisconnect(*(self._end or VANISHED))
        error = WebSocketDataError("wrong-frame", tried, self.client_state, self.application_state)
        error.message = message
        return error


class _Frames(Generic[T]):
    """The loop of the iter_ methods.

    An async generator would be shorter, but an event loop keeps a record of each one that is under way: most of the
    connections that wait, wait in here.
    """

    __slots__ = ("_take", "_tried", "_websocket")

    def __init__(self, websocket: WebSocket, tried: str, take: Callable[[Message, str], T]) -> None:
        self._websocket, self._tried, self._take = websocket, tried, take

    def __aiter__(self) -> _Frames[T]:
        return self

    def __anext__(self) -> Coroutine[Any, Any, T]:
        return self._websocket._next(self._tried, self._take)


def _farewell(message: Message) -> tuple[int, str]:
    """Read the code and reason of a ``websocket.disconnect``; without a code it is 1005."""
    code = message.get("code")
    return 1005 if code is None else int(code), message.get("reason") or ""


def _checked_close(code: int, reason: str) -> tuple[int, str]:
    if not isinstance(code, int) or not isinstance(reason, str):
        raise TypeError(f"A close takes its code as int and its reason as str, not {code!r} and {reason!r}.")
    if problem := lifecycle.close_problem(code, reason):
        raise CloseError(problem, code, reason)
    return code, reason


def _checked_accept(
    subprotocol: str | None, headers: Iterable[HeaderPair] | Mapping[str, str] | None
) -> list[tuple[bytes, bytes]]:
    """Check a subprotocol, and write headers as ASGI wants them: bytes, the names in lower case."""
    if subprotocol is not None and not isinstance(subprotocol, str):
        raise TypeError(f"accept() takes a subprotocol as str, not {subprotocol!r}.")
    if subprotocol is not None and not _TOKEN.fullmatch(subprotocol.encode()):
        raise ValueError(f"accept() can't send the subprotocol {subprotocol!r}: it is no word of a header.")
    pairs = headers.items() if isinstance(headers, Mapping) else () if headers is None else headers
    try:
        # A string of two characters would pass for a pair, too.
        lines = [(_latin(name).lower(), _latin(value)) for name, value in map(_not_text, pairs)]
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"accept() takes headers as pairs of bytes or str, or as a mapping of str, not {headers!r}."
        ) from error
    for name, value in lines:
        if not _TOKEN.fullmatch(name) or _BREAKS.search(value):  # not every server looks
            raise ValueError(f"accept() can't send {name!r}: {value!r}: a header is one line, and its name a word.")
    return lines


_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BREAKS: Final = re.compile(rb"[\r\n\0]")


def _not_text(pair: HeaderPair) -> HeaderPair:
    if isinstance(pair, str):
        raise TypeError
    return pair


def _latin(part: str | bytes) -> bytes:
    if isinstance(part, str):
        return part.encode("latin-1")
    if isinstance(part, bytes):
        return part
    raise TypeError
