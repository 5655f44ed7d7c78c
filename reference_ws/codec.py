"""JSON as the standard library reads and writes it, by msgspec where that answers exactly the same.

Decoding: what msgspec reads, it reads as `json.loads` does; for what it refuses (NaN, lone surrogates, 1e400, and all
that is no JSON), the standard library is asked. Encoding: msgspec writes some floats in another spelling, and NaN as
null; where there are floats, and its answer might hold one of those, the standard library writes. A property test
compares the two.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, Final

import msgspec

__all__ = ["convert", "dumps", "loads"]

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_pack: Final = msgspec.msgpack.Encoder().encode

# With this byte each float begins in MessagePack; where it isn't to be found there is none. To pack the data and look
# for one byte is quicker than to look for every spelling in the JSON. Found, it may also be part of something else.
_FLOAT: Final = 0xCB

# An exponent. It begins with the rarer character, so that the search skips from one to the next.
_EXPONENT: Final = re.compile("e(?<=[0-9]e)").search


def loads(data: str | bytes) -> Any:
    """Decode JSON; whatever a client may send wrongly is a `json.JSONDecodeError`."""
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
        raise json.JSONDecodeError(f"Not UTF-8 ({error.reason})", shown, error.start) from error
    except RecursionError:
        raise json.JSONDecodeError("Nested too deeply", text, 0) from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # an integer of more digits than Python converts
        raise json.JSONDecodeError(str(error), text, 0) from error


def convert(value: Any, type: Any) -> Any:  # noqa: A002 - msgspec's word
    """Turn a decoded value into `type`. Raises `msgspec.ValidationError`, whose text names the field."""
    try:
        converted = msgspec.convert(value, type)
        _complete(converted)
    except RecursionError:
        raise msgspec.ValidationError("Nested too deeply") from None
    return converted


def _complete(value: Any) -> None:
    """Store the defaults of dataclasses in them: msgspec 0.22 leaves them to the class, and would not write them."""
    if dataclasses.is_dataclass(value):
        stored = getattr(value, "__dict__", None)
        for field in dataclasses.fields(value):
            part = getattr(value, field.name)
            if stored is not None:
                stored.setdefault(field.name, part)
            _complete(part)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _complete(getattr(value, name))
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            _complete(part)
    elif isinstance(value, dict):
        _complete(list(value.values()))


def dumps(data: Any) -> str:
    """Encode as compact JSON, non-ASCII as itself.

    Besides what `json.dumps` takes, dataclasses, msgspec Structs, dates, UUIDs and the like are written as msgspec
    does. Raises `TypeError` or `ValueError` for what is not JSON.
    """
    try:
        text = _encode(data).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _dumps(data)
    try:
        if _FLOAT not in _pack(data):
            return text
    except (OverflowError, ValueError):
        pass  # MessagePack holds no integer beyond 64 bits
    return text if _as_ever(text, data) else _dumps(data)


def _as_ever(text: str, data: Any) -> bool:
    """Tell whether no float in what msgspec has written is spelled otherwise than the standard library spells it."""
    # Keys that may have been NaN or an infinity, small floats, exponents.
    if 'nan"' in text or 'inf"' in text or ".0000" in text or _EXPONENT(text):
        return False
    # null may have been NaN or an infinity too; to show the data is quicker than to write it in the standard library.
    return "null" not in text or not ("nan" in (shown := repr(data)) or "inf" in shown)


def _dumps(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False, default=msgspec.to_builtins)
