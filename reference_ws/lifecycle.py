"""How one WebSocket lives, as data.

An ASGI server and an application speak about a connection in messages. The server hands over what the client did
(``websocket.connect``, ``websocket.receive``, ``websocket.disconnect``); the application answers (``websocket.accept``,
``websocket.send``, ``websocket.close``, or the two halves of an HTTP response that refuses the handshake).

Two states tell how far each side has come:

* ``client_state``, moved by what the application *receives*;
* ``application_state``, moved by what the application *sends*.

Both begin at CONNECTING. The client's side is CONNECTED once its ``websocket.connect`` was received, the application's
once ``websocket.accept`` was sent; data is sent from then on, and received once both are CONNECTED. A handshake can be
refused instead: by ``websocket.close`` (the client sees HTTP 403), or by an HTTP response of the application's choice,
during which the application's side is RESPONSE. DISCONNECTED is the end, and it is shared: as soon as *either* side is
there, nothing more is received or sent.

That is all there is, and it stands below as two tables, `RECEIVE` and `SEND`. Every pair of a state and a message has
an entry: the next state, or the id of the error that a program gets which tries it. Beside each table stand the rows
that join both sides: what the state of the *other* side forbids. Nothing else in this package decides what is legal:
`WebSocket`, its error messages, the tables and the state diagram of the documents, the bands of the sequence diagrams
and the property tests all read these tables.

Behind them: how they are looked up, the close codes, and what each error id says.

Source: ASGI specification, "HTTP & WebSocket ASGI Message Format" 2.5, section "WebSocket"; RFC 6455, section 7.4 for
the close codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from starlette.websockets import WebSocketState

__all__ = [
    "CLOSE_CODES",
    "CLOSE_REASON_MAX_BYTES",
    "ERRORS",
    "RECEIVE",
    "SEND",
    "CloseCode",
    "ErrorText",
    "WebSocketState",
    "allowed",
    "close_code",
    "close_problem",
    "on_receive",
    "on_receive_data",
    "on_send",
    "sent_event",
]

CONNECTING: Final = WebSocketState.CONNECTING
CONNECTED: Final = WebSocketState.CONNECTED
RESPONSE: Final = WebSocketState.RESPONSE
DISCONNECTED: Final = WebSocketState.DISCONNECTED

# --- messages -------------------------------------------------------------------------------------------------------
# An event, as the tables name it, is an ASGI message type. One type moves the state in two ways: a part of a refusal's
# body that says ``more_body`` keeps the response open, the last one ends it. The last one therefore has a name of its
# own here, which is no ASGI type: `sent_event` makes the difference.

CONNECT: Final = "websocket.connect"
RECEIVED: Final = "websocket.receive"
DISCONNECT: Final = "websocket.disconnect"

ACCEPT: Final = "websocket.accept"
SENT: Final = "websocket.send"
CLOSE: Final = "websocket.close"
RESPONSE_START: Final = "websocket.http.response.start"
RESPONSE_BODY: Final = "websocket.http.response.body"
RESPONSE_LAST_BODY: Final = "websocket.http.response.body (last)"

# --- the two tables -------------------------------------------------------------------------------------------------

Entry = WebSocketState | str
"""What an event does: it leads to the next state, or it is an error, whose id stands in `ERRORS`."""
Table = Mapping[WebSocketState, Mapping[str, Entry]]
"""The own state -> event -> what it does."""
Joined = Mapping[WebSocketState, str]
"""The *other* side's state -> the error id for every event, whatever the own state says."""

RECEIVE: Final[Table] = {
    CONNECTING: {
        CONNECT: CONNECTED,
        RECEIVED: "connect-expected",
        DISCONNECT: "connect-expected",
    },
    CONNECTED: {
        CONNECT: "connect-twice",
        RECEIVED: CONNECTED,
        DISCONNECT: DISCONNECTED,
    },
    DISCONNECTED: {
        CONNECT: "receive-after-disconnect",
        RECEIVED: "receive-after-disconnect",
        DISCONNECT: "receive-after-disconnect",
    },
}
"""``client_state`` -> message received -> next ``client_state``, or an error id."""

RECEIVE_WHILE_APPLICATION: Final[Joined] = {
    DISCONNECTED: "receive-after-close",
}
"""``application_state`` -> error id for every message received."""

DATA_WHILE_APPLICATION: Final[Joined] = {
    CONNECTING: "receive-before-accept",
    RESPONSE: "denial-unfinished",
    DISCONNECTED: "receive-after-close",
}
"""The same for who asks for text, bytes or JSON: these can't come before the application has accepted."""

SEND: Final[Table] = {
    CONNECTING: {
        ACCEPT: CONNECTED,
        SENT: "send-before-accept",
        CLOSE: DISCONNECTED,
        RESPONSE_START: RESPONSE,
        RESPONSE_BODY: "body-before-start",
        RESPONSE_LAST_BODY: "body-before-start",
    },
    CONNECTED: {
        ACCEPT: "accept-twice",
        SENT: CONNECTED,
        CLOSE: DISCONNECTED,
        RESPONSE_START: "denial-after-accept",
        RESPONSE_BODY: "denial-after-accept",
        RESPONSE_LAST_BODY: "denial-after-accept",
    },
    RESPONSE: {
        ACCEPT: "denial-unfinished",
        SENT: "denial-unfinished",
        CLOSE: "denial-unfinished",
        RESPONSE_START: "denial-unfinished",
        RESPONSE_BODY: RESPONSE,
        RESPONSE_LAST_BODY: DISCONNECTED,
    },
    DISCONNECTED: {
        ACCEPT: "send-after-close",
        SENT: "send-after-close",
        CLOSE: "send-after-close",
        RESPONSE_START: "send-after-close",
        RESPONSE_BODY: "send-after-close",
        RESPONSE_LAST_BODY: "send-after-close",
    },
}
"""``application_state`` -> message sent -> next ``application_state``, or an error id."""

SEND_WHILE_CLIENT: Final[Joined] = {
    DISCONNECTED: "send-after-disconnect",
}
"""``client_state`` -> error id for every message sent."""

# --- how they are looked up -----------------------------------------------------------------------------------------


def _look_up(table: Table, own: WebSocketState, joined: Joined, other: WebSocketState, event: str) -> Entry:
    # The other side's state comes first; but where both sides have ended, the own end is told: it is more exact.
    if other in joined and own is not DISCONNECTED:
        return joined[other]
    return table[own].get(event, "unknown-message")


def on_receive(client: WebSocketState, application: WebSocketState, event: str) -> Entry:
    """Look up what receiving `event` does: the next ``client_state``, or an error id.

    `event` is an ASGI message type; one that is not in the table is ``"unknown-message"``.
    """
    return _look_up(RECEIVE, client, RECEIVE_WHILE_APPLICATION, application, event)


def on_receive_data(client: WebSocketState, application: WebSocketState) -> Entry:
    """Look up what asking for text, bytes or JSON does: CONNECTED when data can come, or an error id."""
    return _look_up(RECEIVE, client, DATA_WHILE_APPLICATION, application, RECEIVED)


def on_send(client: WebSocketState, application: WebSocketState, event: str) -> Entry:
    """Look up what sending `event` does: the next ``application_state``, or an error id.

    `event` comes from `sent_event`; one that is not in the table is ``"unknown-message"``.
    """
    return _look_up(SEND, application, SEND_WHILE_CLIENT, client, event)


def sent_event(message: Mapping[str, Any]) -> str:
    """Name the event of an ASGI message: its type, the last part of a body told from the others."""
    kind = str(message.get("type"))
    if kind == RESPONSE_BODY and not message.get("more_body", False):
        return RESPONSE_LAST_BODY
    return kind


def allowed(table: Table, client: WebSocketState, application: WebSocketState) -> tuple[str, ...]:
    """List the events that are legal here, in the table's order: what an error message offers instead."""
    look_up, own = (on_receive, client) if table is RECEIVE else (on_send, application)
    return tuple(event for event in table[own] if isinstance(look_up(client, application, event), WebSocketState))


# --- close codes ----------------------------------------------------------------------------------------------------

Sender = Literal["either", "client", "server", "nobody"]


@dataclass(frozen=True, slots=True)
class CloseCode:
    """One row of the close-code table.

    ``first`` to ``last`` is the range of codes it speaks of (one code: both are equal). ``sender`` says who may put it
    into a close frame; ``"nobody"`` means that a program only ever *sees* it. Source: RFC 6455, section 7.4, and the
    IANA registry "WebSocket Close Code Number".
    """

    first: int
    last: int
    name: str
    sender: Sender
    meaning: str


def _one(code: int, name: str, sender: Sender, meaning: str) -> CloseCode:
    return CloseCode(code, code, name, sender, meaning)


CLOSE_CODES: Final[tuple[CloseCode, ...]] = (
    _one(1000, "normal closure", "either", "The purpose of the connection is fulfilled."),
    _one(1001, "going away", "either", "The server is going down, or the browser left the page."),
    _one(1002, "protocol error", "either", "The other side broke the rules of the protocol."),
    _one(1003, "unsupported data", "either", "A frame of a kind that this side doesn't take, such as binary for text."),
    _one(1004, "reserved", "nobody", "Has no meaning yet."),
    _one(1005, "no status received", "nobody", "The close frame carried no code."),
    _one(1006, "abnormal closure", "nobody", "The connection vanished without a close frame."),
    _one(1007, "invalid payload", "either", "The data doesn't fit its kind, such as text that is not UTF-8."),
    _one(1008, "policy violation", "either", "A rule of the application was broken, and no other code says it better."),
    _one(1009, "message too big", "either", "The message is larger than this side takes."),
    _one(1010, "mandatory extension", "client", "The client needs an extension that the server didn't agree to."),
    _one(1011, "internal error", "server", "The server met a condition that it didn't expect."),
    _one(1012, "service restart", "server", "The server is restarting; the client may connect again."),
    _one(1013, "try again later", "server", "The server is overloaded; the client should wait before it tries again."),
    _one(1014, "bad gateway", "server", "A server in between got an invalid answer from the one behind it."),
    _one(1015, "TLS handshake", "nobody", "The TLS handshake failed."),
    CloseCode(1016, 2999, "reserved", "nobody", "Kept for later versions of the protocol."),
    CloseCode(3000, 3999, "registered", "either", "For libraries and frameworks, registered with IANA."),
    CloseCode(4000, 4999, "private", "either", "For applications, agreed between both sides."),
)

CLOSE_REASON_MAX_BYTES: Final = 123
"""A control frame carries 125 bytes (RFC 6455, section 5.5), two of which are the code."""


def close_code(code: int) -> CloseCode | None:
    """Find the row that speaks of `code`; ``None`` outside of 1000-4999."""
    return next((row for row in CLOSE_CODES if row.first <= code <= row.last), None)


def close_problem(code: int, reason: str) -> str | None:
    """Check what an application wants to close with: ``None``, or the error id ``close-code`` or ``close-reason``."""
    row = close_code(code)
    if row is None or row.sender not in ("either", "server"):
        return "close-code"
    if len(reason.encode()) > CLOSE_REASON_MAX_BYTES:
        return "close-reason"
    return None


# --- errors ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ErrorText:
    """The two sentences of an error: what is wrong, and what to do about it.

    ``ends`` marks the errors that say "the connection is over"; they are raised as an exception that is both a
    `WebSocketDisconnect` and a `RuntimeError`.
    """

    problem: str
    remedy: str
    ends: bool = False


ERRORS: Final[Mapping[str, ErrorText]] = {
    "connect-expected": ErrorText(
        "The first message of a connection is websocket.connect.",
        "Call `await websocket.accept()`, which receives it, or `await websocket.receive()` before anything else.",
    ),
    "connect-twice": ErrorText(
        "websocket.connect came a second time.",
        "This is a fault of the server, or of a middleware that repeated the message.",
    ),
    "receive-before-accept": ErrorText(
        "Data can only be received once the handshake is accepted.",
        "Call `await websocket.accept()` first.",
    ),
    "receive-after-disconnect": ErrorText(
        "The client has disconnected; nothing more will come.",
        "Leave the loop when WebSocketDisconnect is raised, or use `async for` over an iter_ method.",
        ends=True,
    ),
    "receive-after-close": ErrorText(
        "The application has closed this connection; nothing more is received.",
        "Receive what you need before you call `close()`.",
        ends=True,
    ),
    "receive-under-way": ErrorText(
        "Another task is receiving on this connection.",
        "Let that task end the others when it sees WebSocketDisconnect, or receive inside of the block.",
    ),
    "send-before-accept": ErrorText(
        "Data can only be sent once the handshake is accepted.",
        "Call `await websocket.accept()` first.",
    ),
    "accept-twice": ErrorText(
        "The handshake is accepted already.",
        "Call `accept()` once a connection.",
    ),
    "body-before-start": ErrorText(
        "A refusal's body came before its start.",
        "Use `await websocket.send_denial_response(response)`, which sends both.",
    ),
    "denial-after-accept": ErrorText(
        "A handshake that is accepted can no longer be refused.",
        "Refuse before `accept()`, or end the connection with `await websocket.close(code, reason)`.",
    ),
    "denial-unfinished": ErrorText(
        "The handshake is being refused; only the rest of the response's body may follow.",
        "Send the last body part, or call `await websocket.close()`, which does so.",
    ),
    "denial-unsupported": ErrorText(
        "The server doesn't offer the WebSocket Denial Response extension.",
        "Refuse with `await websocket.close()`: the client sees HTTP 403.",
    ),
    "send-after-close": ErrorText(
        "The application has closed this connection; nothing more can be sent.",
        "Send what you have before you call `close()`.",
        ends=True,
    ),
    "send-after-disconnect": ErrorText(
        "The client has disconnected; nothing more can be sent.",
        "Stop sending when WebSocketDisconnect is raised.",
        ends=True,
    ),
    "unknown-message": ErrorText(
        "This is not a message of the WebSocket life cycle.",
        "Send one of the messages that are allowed here.",
    ),
    "no-payload": ErrorText(
        "A websocket.send needs a payload: `text` or `bytes` that is not None.",
        "Use send_text(), send_bytes() or send_json().",
    ),
    "wrong-frame": ErrorText(
        "The client sent a frame of the other kind.",
        "The frame is in `error.message`; receive() takes either kind.",
    ),
    "wrong-mode": ErrorText(
        'The argument `mode` takes "text" or "binary".',
        'Leave it out to send text and to receive either frame, or pass "text" or "binary".',
    ),
    "no-connection": ErrorText(
        "There is no running connection here.",
        "Use `reference_ws.websocket` inside of a handler, or pass the connection as a parameter.",
    ),
    "close-code": ErrorText(
        "An application can't close with this code.",
        "Use 1000-1003, 1007-1009, 1011-1014, or one of your own from 3000 to 4999.",
    ),
    "close-reason": ErrorText(
        "A close reason has at most 123 bytes of UTF-8.",
        "Shorten it, or send a message with the details before you close.",
    ),
}
"""Error id -> its text. English is the source; the catalogs in ``locales/`` say it in the reader's language."""
