"""The one translation of ASGI messages into the steps of a transcript: for both players, the recorder and the lab.

A step is one message, but for a refusal with a response of its own: that is several, in order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.types import Message

from reference_ws.lifecycle import (
    ACCEPT,
    CLOSE,
    CONNECT,
    DISCONNECT,
    RECEIVED,
    RESPONSE_LAST_BODY,
    RESPONSE_START,
    SENT,
)
from reference_ws.testing.client import header_lines, refusal
from reference_ws.transcript.grammar import json_value
from reference_ws.transcript.steps import (
    Accept,
    AnyMessage,
    ApplicationClose,
    ApplicationData,
    ClientClose,
    ClientData,
    Connect,
    Deny,
    Drop,
    Headers,
    Payload,
    Step,
    headers_of,
    same,
)

NO_JSON: Final = object()

_MESSAGES: Final[Mapping[type[Step], str]] = {
    Connect: CONNECT,
    ClientData: RECEIVED,
    ClientClose: DISCONNECT,
    Drop: DISCONNECT,
    Accept: ACCEPT,
    ApplicationData: SENT,
    ApplicationClose: CLOSE,
}


def messages_of(step: Step) -> tuple[str, ...]:
    """Name the ASGI messages that a step is, as the tables of `lifecycle` do; none for what is no message."""
    if isinstance(step, Deny):
        plain = (step.status, step.payload, step.headers) == (403, None, ())
        return (CLOSE,) if plain else (RESPONSE_START, RESPONSE_LAST_BODY)
    return (_MESSAGES[type(step)],) if type(step) in _MESSAGES else ()


def from_client(message: Message, client: str = "", *, accepted: bool = True) -> ClientData | ClientClose | Drop:
    """Read a ``websocket.receive`` or a ``websocket.disconnect``.

    A client whose handshake is not `accepted` can't send a close frame, whatever code the message carries.
    """
    if message["type"] == RECEIVED:
        return ClientData(client=client, payload=frame(message))
    code = message.get("code") or 1005
    if code == 1006 or not accepted:
        return Drop(client=client)
    return ClientClose(client=client, code=code, reason=message.get("reason") or "")


def from_application(parts: Sequence[Message], client: str = "", *, accepted: bool) -> Step:
    """Read what the application sent: one message, or all `parts` of a refusal.

    Before the application has `accepted`, a ``websocket.close`` is a refusal too.
    """
    message = parts[0]
    if message["type"] == ACCEPT:
        headers = header_lines(message)
        if message.get("subprotocol"):
            headers += (("sec-websocket-protocol", message["subprotocol"]),)
        return Accept(client=client, headers=headers)
    if message["type"] == SENT:
        return ApplicationData(client=client, payload=frame(message))
    if message["type"] == CLOSE and accepted:
        return ApplicationClose(client=client, code=message.get("code", 1000), reason=message.get("reason") or "")
    status, headers, body = refusal(parts)
    return Deny(client=client, status=status, payload=_body(headers, body) if body else None, headers=headers)


def frame(message: Message) -> Payload:
    """Read the payload of a ``websocket.receive`` or ``websocket.send``.

    Text that is a compact JSON object or array is shown as JSON, if a line can hold it; other text as text.
    """
    text = message.get("text")
    if text is None:
        return Payload("bytes", bytes(message.get("bytes") or b""))
    value = _json(text)
    compact = isinstance(value, dict | list) and json.dumps(value, separators=(",", ":"), ensure_ascii=False) == text
    return Payload("json", value) if compact else Payload("text", text)


def _body(headers: Headers, body: bytes) -> Payload:
    """Read the body of a refusal."""
    text = body.decode(errors="replace")
    value = _json(text) if "json" in dict(headers).get("content-type", "") else NO_JSON
    return Payload("text", text) if value is NO_JSON else Payload("json", value)


def matches(expected: Step, got: Step) -> bool:
    """Tell whether what the application did is what the transcript says; `got` holds no ``...``."""
    if isinstance(expected, AnyMessage):
        return isinstance(got, Accept | ApplicationData | ApplicationClose | Deny)
    if type(expected) is not type(got) or not set(headers_of(expected)) <= set(headers_of(got)):
        return False
    if isinstance(expected, Accept):
        return True
    if isinstance(expected, Deny) and isinstance(got, Deny):
        body = got.payload or Payload("text", "")
        return expected.status == got.status and (expected.payload is None or _same_payload(expected.payload, body))
    if isinstance(expected, ApplicationData) and isinstance(got, ApplicationData):
        return _same_payload(expected.payload, got.payload)
    assert isinstance(expected, ApplicationClose)
    assert isinstance(got, ApplicationClose)
    return expected.code == got.code and same(expected.reason, got.reason)


def _same_payload(expected: Payload, got: Payload) -> bool:
    if expected.binary != got.binary:
        return False
    if expected.value is ...:
        return True
    if expected.form in ("json", "bytes json"):
        value = got.value if got.form in ("json", "bytes json") else _json(got.value)
        return value is not NO_JSON and same(expected.value, value)
    return bool(expected.value == wire(got))


def wire(payload: Payload) -> str | bytes:
    """Write the payload as the frame carries it: compact JSON, non-ASCII as itself."""
    if payload.form in ("text", "bytes"):
        data: str | bytes = payload.value
        return data
    text = json.dumps(payload.value, separators=(",", ":"), ensure_ascii=False)
    return text.encode() if payload.binary else text


def _json(data: str | bytes) -> Any:
    try:
        return json_value(data if isinstance(data, str) else data.decode())
    except ValueError:
        return NO_JSON
