"""The life cycle in sentences: what a state, a message and a step mean, for people who learn.

English is the source, and the key of the catalogs in ``locales/``. What `lifecycle` says itself (its errors and close
codes) is said only there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from reference_ws import guards
from reference_ws.lifecycle import (
    ACCEPT,
    CLOSE,
    CLOSE_CODES,
    CONNECT,
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
    CloseCode,
    WebSocketState,
    close_code,
    on_receive,
    on_send,
)
from reference_ws.transcript.messages import messages_of
from reference_ws.transcript.steps import (
    AnyMessage,
    ApplicationClose,
    Deny,
    Drop,
    FromClient,
    Payload,
    Raised,
    Silence,
    States,
    Step,
)

SIDES: Final[Mapping[str, str]] = {
    "client_state": "The client's side: moved by what the application receives",
    "application_state": "The application's side: moved by what the application sends",
}
"""The two states of a connection."""

STATES: Final[Mapping[WebSocketState, str]] = {
    CONNECTING: "The handshake has no result on this side yet.",
    CONNECTED: "This side has done its part of the handshake; data flows when both sides have.",
    RESPONSE: "The application is refusing the handshake with an HTTP response, which is not yet complete.",
    DISCONNECTED: "This side has ended, and the whole connection with it: nothing more is sent or received.",
}

MESSAGES: Final[Mapping[str, str]] = {
    CONNECT: "The server hands over the client's handshake; the application accepts or refuses it.",
    RECEIVED: "The server hands over one message from the client, as `text` or as `bytes`.",
    DISCONNECT: "The server tells that the client has disconnected, and with which close code.",
    ACCEPT: "The application accepts the handshake; it may choose a subprotocol and add headers.",
    SENT: "The application sends one message to the client, as `text` or as `bytes`.",
    CLOSE: "The application closes the connection, or, before `websocket.accept`, refuses the handshake with HTTP 403.",
    RESPONSE_START: "The application begins to refuse the handshake with an HTTP response: its status and headers.",
    RESPONSE_BODY: "The application sends a part of the response's body; more follows.",
    RESPONSE_LAST_BODY: "The application sends the last part of the response's body.",
}
"""The entries of the two tables."""

TRANSITIONS: Final[Mapping[tuple[WebSocketState, str], str]] = {
    (CONNECTING, CONNECT): "The client asks for a connection, and the application can answer.",
    (CONNECTED, RECEIVED): "The application receives a message; the states stay as they are.",
    (CONNECTED, DISCONNECT): "The client disconnects, and that ends both directions.",
    (CONNECTING, ACCEPT): "The application accepts the handshake: now data flows in both directions.",
    (CONNECTING, CLOSE): "The application refuses the handshake: the client gets HTTP 403.",
    (CONNECTING, RESPONSE_START): "The application begins to refuse the handshake with a response of its own.",
    (CONNECTED, SENT): "The application sends a message; the states stay as they are.",
    (CONNECTED, CLOSE): "The application closes the connection, and that ends both directions.",
    (RESPONSE, RESPONSE_BODY): "The response goes on; the handshake is still being refused.",
    (RESPONSE, RESPONSE_LAST_BODY): "The response is complete: the handshake is refused and the connection is over.",
}
"""The moves that the tables allow: state of that side, message -> what happens."""

STEPS: Final[Mapping[type[Step], str]] = {
    Drop: "The client vanishes without a close frame: the application receives close code 1006 (some servers: 1005).",
    Deny: "The application refuses the handshake: the client gets an HTTP response instead of a connection.",
    AnyMessage: "The application sends one message, whatever it is.",
    Raised: "This exception left the handler; the client doesn't see it.",
    States: "Both sides are in these states at this point.",
    Silence: "The application sends nothing for this long.",
}
"""The lines of a transcript that are more, or less, than one message of the tables."""

ENDS: Final = "The connection is over: the error is a WebSocketDisconnect too, and ends a loop that waits for one."
"""What is said of the errors whose `ErrorText.ends` is true."""

REASONS: Final[Mapping[str, str]] = {
    guards.FOREIGN_ORIGIN: ("A guard refused the handshake: its page's origin is not allowed, or it names no origin."),
    guards.TOO_MANY_CONNECTIONS: (
        "A guard refused the handshake: as many connections are open as it allows, in all or from one address."
    ),
    guards.TOO_BIG.format(limit="N"): "A guard closed the connection: the client sent a bigger message than it allows.",
    guards.TOO_FAST: "A guard closed the connection: the client sent messages faster than it allows.",
    guards.IDLE: "A guard closed the connection: the client sent nothing for longer than it allows.",
}
"""What the guards of `reference_ws.guards` say, N for a number -> why they do."""

EXCEPTIONS: Final[Mapping[str, str]] = {
    "LifecycleError": (
        "Something that the life cycle doesn't allow at that moment. The word in square brackets at the end of its text"
        " says what: it can be explained too."
    ),
    "ConnectionOver": "The handler received or sent after the end of the connection, whichever side ended it.",
    "WebSocketDisconnect": "The client has left, or the server has ended the connection; `code` and `reason` say how.",
    "WebSocketException": "The handler raises it to close the connection with a code and a reason.",
    "HTTPException": "The handler raises it before `accept()` to refuse the handshake with an HTTP status.",
    "CloseError": "The close code, or the reason, can't be sent. Nothing was sent.",
    "NoConnectionError": "`websocket` of the context was used where no handler runs.",
    "ParameterError": (
        "What the handshake holds doesn't fit the signature; the client is refused with 422 (403 where the server can't"
        " deny with a response)."
    ),
    "UnwantedMessageError": (
        "The client sent something else than was asked for: the base of WebSocketDataError, WebSocketJSONError and"
        " WebSocketTypeError."
    ),
    "WebSocketDataError": "A frame of the other kind came: bytes instead of text, or text instead of bytes.",
    "WebSocketJSONError": "The message is no JSON.",
    "WebSocketTypeError": "The JSON value doesn't fit the type that was asked for; the text names the field.",
    "HandshakeRefused": "In a test: the application refused the handshake; `status`, `headers` and `body` say how.",
    "DeadlockError": "In a test with held time: everybody waits, and nothing will ever come.",
    "RoomError": "A room's name, a message or a join is out of bounds. Nothing was sent or joined.",
    "EngineError": (
        "The engine of the rooms can't be reached, or refuses. The members stay, and once it is back all goes on."
    ),
    "TranscriptError": "A line of a transcript is not understood.",
    "TranscriptFailure": "A transcript and the application differ; `report` says where.",
}
"""The exceptions that a person meets, the two of Starlette's among them -> what they say."""

_CODE_NAMES: Final = {code.name.lower(): code.first for code in CLOSE_CODES if code.first == code.last} | {
    # what the package websockets calls otherwise
    "no status rcvd": 1005,
    "invalid data": 1007,
}

PLACES: Final[Mapping[str, str]] = {
    "receive-before-accept": "lifecycle#before-accept",
    "send-before-accept": "lifecycle#before-accept",
    "receive-after-disconnect": "closing#after-close",
    "receive-after-close": "closing#after-close",
    "send-after-close": "closing#after-close",
    "send-after-disconnect": "closing#after-close",
    "denial-after-accept": "closing#denial",
    "denial-unfinished": "closing#denial",
    "denial-unsupported": "closing#denial-unsupported",
    "body-before-start": "closing#denial",
    "no-payload": "messages#raw",
    "wrong-frame": "messages#wrong-frame",
    "wrong-mode": "messages#json-mode",
    "no-connection": "handlers#handler-context",
    "close-code": "lifecycle#close-codes",
    "close-reason": "closing#server-closes",
    **dict.fromkeys(REASONS, "production#limits"),
    guards.FOREIGN_ORIGIN: "production#origin",
    **dict.fromkeys(("ConnectionOver", "CloseError"), "closing#after-close"),
    "WebSocketDisconnect": "closing#client-closes",
    **dict.fromkeys(("WebSocketException", "HTTPException"), "handlers#exception-answers"),
    "NoConnectionError": "handlers#handler-context",
    "ParameterError": "parameters#invalid-parameter",
    **dict.fromkeys(("UnwantedMessageError", "WebSocketJSONError", "WebSocketTypeError"), "messages#json"),
    "WebSocketDataError": "messages#wrong-frame",
    "HandshakeRefused": "testing#connect",
    "DeadlockError": "testing#held-time",
    "RoomError": "rooms#room-bounds",
    "EngineError": "rooms#engine-away",
    **dict.fromkeys(("TranscriptError", "TranscriptFailure"), "testing#transcripts"),
}
"""Error id, name of an exception, or key of `REASONS` -> the section that shows it, if not `place`'s default."""


def place(error: str) -> str:
    """Name the page and anchor that teach an error or a guard's reason: ``"closing#denial"``."""
    return PLACES.get(error, "lifecycle#transitions")


def code(word: str) -> tuple[str, CloseCode] | None:
    """Find the close code that `word` is, as a number or by its name here, in Starlette or in the package websockets:
    ``1001``, ``going away``, ``WS_1001_GOING_AWAY``, ``GOING_AWAY``. Gives the number as it is written, too.
    """
    plain = re.sub(r"[\s_-]+", " ", word.lower())
    given = re.fullmatch(r"(?:ws )?([0-9]{4})(?: .*)?", plain)
    number = given[1] if given else f"{_CODE_NAMES.get(plain, 0)}"
    found = close_code(int(number))
    return (number, found) if found else None


def reason(text: str) -> str | None:
    """Find the key of `REASONS` that `text` is, with any numbers; ``None`` when no guard says this."""
    key = re.sub(r"\d+", "N", text)
    return key if key in REASONS else None


def of_step(step: Step, client: WebSocketState, application: WebSocketState) -> str:
    """Explain a step of a transcript in one sentence, given both states before it.

    A step that the tables forbid there is explained by its error: what a client sends after the application has closed
    is not received any more.
    """
    match step:
        case ApplicationClose(reason=str(told)) | Deny(payload=Payload(value=str(told))) if key := reason(told):
            return REASONS[key]
    if own := STEPS.get(type(step)):
        return own
    (event,), received = messages_of(step), isinstance(step, FromClient)
    if received and application is DISCONNECTED:  # it closed: a diagram lets the client's side end with it
        return ERRORS["receive-after-close"].problem
    entry = (on_receive if received else on_send)(client, application, event)
    if isinstance(entry, str):
        return ERRORS[entry].problem
    return TRANSITIONS[client if received else application, event]
