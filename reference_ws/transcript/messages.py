"""From ASGI messages to the steps of a transcript; used by both players and the recorder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from reference_ws.transcript.grammar import json_value
from reference_ws.transcript.steps import (
    Accept,
    ApplicationClose,
    ApplicationData,
    Deny,
    Headers,
    Payload,
    Step,
    same,
)

__all__ = ["accept", "deny", "frame", "header_lines", "matches", "wire"]

NO_JSON: Final = object()


def frame(message: Mapping[str, Any]) -> Payload:
    """Read the payload of a ``websocket.receive`` or ``websocket.send``.

    Text that is a compact JSON object or array is shown as JSON, if a line can hold it; other text as text.
    """
    text = message.get("text")
    if text is None:
        return Payload("bytes", bytes(message.get("bytes") or b""))
    value = _json(text)
    compact = isinstance(value, dict | list) and json.dumps(value, separators=(",", ":"), ensure_ascii=False) == text
    return Payload("json", value) if compact else Payload("text", text)


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Decode header pairs; names in lower case."""
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)


def accept(message: Mapping[str, Any], client: str = "") -> Accept:
    """Read a ``websocket.accept``; the chosen subprotocol becomes a header line."""
    headers = header_lines(message.get("headers") or ())
    if message.get("subprotocol"):
        headers += (("sec-websocket-protocol", message["subprotocol"]),)
    return Accept(client=client, headers=headers)


def deny(status: int, headers: Headers, body: bytes, client: str = "") -> Deny:
    """Describe a refusal; an empty body is no payload."""
    if not body:
        return Deny(client=client, status=status, headers=headers)
    text = body.decode(errors="replace")
    value = _json(text) if "json" in dict(headers).get("content-type", "") else NO_JSON
    payload = Payload("text", text) if value is NO_JSON else Payload("json", value)
    return Deny(client=client, status=status, payload=payload, headers=headers)


def matches(expected: Step, got: Step) -> bool:
    """Tell whether what the application did is what the transcript says; `got` holds no ``...``."""
    if type(expected) is not type(got):
        return False
    if isinstance(expected, Accept) and isinstance(got, Accept):
        return _among(expected.headers, got.headers)
    if isinstance(expected, Deny) and isinstance(got, Deny):
        return (
            expected.status == got.status
            and _among(expected.headers, got.headers)
            and (expected.payload is None or _same_payload(expected.payload, got.payload or Payload("text", "")))
        )
    if isinstance(expected, ApplicationData) and isinstance(got, ApplicationData):
        return _same_payload(expected.payload, got.payload)
    if isinstance(expected, ApplicationClose) and isinstance(got, ApplicationClose):
        return (expected.code, expected.reason) == (got.code, got.reason)
    return False


def _among(expected: Headers, got: Headers) -> bool:
    return all(header in got for header in expected)


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
