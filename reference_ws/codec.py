"""JSON by msgspec, with the standard library's answers where the two differ.

Decoding: what msgspec reads, it reads as `json.loads` does; for what it refuses (NaN, lone surrogates, 1e400, and all
that is no JSON), the standard library is asked. Encoding: a finite float may be spelled in another way, 1e16 or 1e+16:
it is the same number. But msgspec writes NaN and the infinities as null, which tells the reader something else: where
its answer holds a null, the value is searched for them. Property tests compare the two.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any, Final

import msgspec

from reference_ws.errors import WebSocketJSONError
from reference_ws.typed import builtins

_decode: Final = msgspec.json.Decoder().decode


def _taken_apart(value: Any) -> Any:
    """Take apart what msgspec knows nothing of; it asks again for what it gets, a key that is None without end."""
    parts = builtins(value)
    if parts is value:
        raise TypeError("msgspec can't write this as JSON")
    return parts


_encode: Final = msgspec.json.Encoder(enc_hook=_taken_apart).encode
_NO_FLOATS: Final = frozenset((str, int, bool, type(None)))
_SEVERAL: Final = (list, tuple, set, frozenset)


def loads(data: str | bytes) -> Any:
    """Decode JSON; whatever a client may send wrongly is a `WebSocketJSONError`."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _loads(data)


def _loads(data: str | bytes) -> Any:
    text = ""
    try:
        text = data if isinstance(data, str) else bytes(data).decode()
        return json.loads(text)
    except UnicodeDecodeError as error:
        shown = error.object.decode(errors="replace")
        raise WebSocketJSONError(f"Not UTF-8 ({error.reason})", shown, error.start) from error
    except RecursionError:
        raise WebSocketJSONError("Nested too deeply", text, 0) from None
    except json.JSONDecodeError as error:
        raise WebSocketJSONError(error.msg, error.doc, error.pos) from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise WebSocketJSONError(str(error), text, 0) from error


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
    if ("null" in text and not _finite(data)) or 'nan"' in text or 'inf"' in text:  # so it writes them as keys
        return _dumps(data)  # which says what is wrong, if anything
    return text


def _finite(data: Any) -> bool:
    """Tell whether all floats in there are numbers; those that are keys aside."""
    found = [data]
    for value in found:  # it grows meanwhile: with a call for each level, a deep value would exhaust the stack
        if isinstance(value, dict):
            parts: Collection[Any] = value.values()
        elif isinstance(value, _SEVERAL):
            parts = value
        elif isinstance(value, float):
            if not math.isfinite(value):
                return False
            continue
        else:  # an object that only msgspec takes apart
            parts = (builtins(value),)
        if not _NO_FLOATS.issuperset(map(type, parts)):
            found += [part for part in parts if type(part) not in _NO_FLOATS]
    return True


def _dumps(data: Any) -> str:
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=builtins)
    # Half of a character may have come from a client, and UTF-8 can't carry it: it is escaped, as browsers do.
    return text.encode(errors="backslashreplace").decode()
