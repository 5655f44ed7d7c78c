"""JSON by msgspec, with the standard library's answers where the two differ.

Decoding: what msgspec reads, it reads as `json.loads` does; for what it refuses (NaN, lone surrogates, 1e400, and all
that is no JSON), the standard library is asked. Encoding: msgspec writes NaN and the infinities as null, which tells
the reader something else; where its answer holds a null, the standard library writes, and refuses them. A finite float
may be spelled in another way, 1e16 or 1e+16: it is the same number. Property tests compare the two.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from reference_ws.errors import WebSocketJSONError
from reference_ws.typed import builtins

__all__ = ["dumps", "loads"]

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder(enc_hook=builtins).encode
# As a key, msgspec writes them so.
_NOT_FINITE: Final = ('nan"', 'inf"')


def loads(data: str | bytes) -> Any:
    """Decode JSON; whatever a client may send wrongly is a `WebSocketJSONError`."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        try:
            return _loads(data)
        except json.JSONDecodeError as error:
            raise WebSocketJSONError(error.msg, error.doc, error.pos) from error


def _loads(data: str | bytes) -> Any:
    text = ""
    try:
        text = data if isinstance(data, str) else bytes(data).decode()
        return json.loads(text)
    except UnicodeDecodeError as error:
        shown = error.object.decode(errors="replace")
        raise json.JSONDecodeError(f"Not UTF-8 ({error.reason})", shown, error.start) from error
    except RecursionError:
        raise json.JSONDecodeError("Nested too deeply", text, 0) from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # an integer of more digits than Python converts
        raise json.JSONDecodeError(str(error), text, 0) from error


def dumps(data: Any) -> str:
    """Encode as compact JSON, non-ASCII as itself.

    Besides what `json.dumps` takes, dataclasses, msgspec Structs, dates, UUIDs and the like are written as msgspec
    does. Raises `TypeError` or `ValueError` for what is not JSON, NaN and the infinities among it: no browser reads
    them.
    """
    try:
        text = _encode(data).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _dumps(data)
    # A null may have been NaN. To look at the data would cost more than to write it again, and miss what is nested in
    # an object that only the encoder takes apart.
    if "null" in text or any(end in text for end in _NOT_FINITE):
        return _dumps(data)
    return text


def _dumps(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=builtins)
