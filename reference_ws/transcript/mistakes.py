"""What can be wrong with a line of a transcript: each mistake has an id, and a sentence that says what was expected."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

EXPECTED: Final[Mapping[str, str]] = {
    "line-start": "->, <-, !!, ==, .., #, or a client's name before one of them",
    "arrow": "->, <-, !!, == or .. after the client's name",
    "client-verb": "connect, text, bytes, json, close or drop",
    "application-verb": "accept, text, bytes, json, close, deny or ...",
    "end-of-line": "the end of the line, or white space and a # comment",
    "no-event": "at least one event, such as: -> connect /",
    "control-character": "no control character (write \\u0007 and the like in a string)",
    "indentation": "no indentation here: header lines stand right under connect, accept or deny",
    # who says it, and when
    "named": "no name: the client has none above",
    "unnamed": "a name: all clients have one above",
    "still-open": "an end of the open connection of %(who)s before it connects again",
    "not-connected": "%(who)s to connect before this",
    "connection-over": "%(who)s to connect again before this: its connection is over",
    "not-accepted": "<- accept before this: a client that has not been accepted can only `-> drop`",
    "from-client": "what the client does: the application's lines come from the server",
    # the handshake
    "target": "a target, such as /echo?room=1",
    "target-slash": "a target that starts with /",
    "target-space": "a target without white space and without #",
    "header": "a header line, such as origin: http://localhost",
    "header-name": "a header's name, right followed by :",
    "header-value": "a header's value in Latin-1 (percent-encode other characters)",
    "status": "an HTTP status from 300 to 599",
    "refusal-body": "text, json or ...",
    # payloads
    "string": 'a JSON string literal, such as "hello"',
    "hex": "two hex digits for each byte",
    "json": "valid JSON (%(problem)s)",
    "json-depth": "a JSON value that is not nested as deeply",
    "json-end": "the end of the JSON",
    "number": "a number that a program can hold",
    "key-twice": "every key once in an object",
    "wildcard": (
        "no ... here: it stands for what the application sends: a payload, a value in JSON, a reason, a refusal's body "
        "or a whole message"
    ),
    "surrogate": "text that UTF-8 can carry: no lone surrogate",
    # the end
    "close-code": "a close code from 1000 to 4999",
    "drop-instead": "-> drop, for a connection that vanishes without a close frame",
    "reserved-code": "a code that can be sent: %(code)s is %(name)s",
    "client-code": "a code that an application may send: %(code)s is for clients",
    "reason-without-code": "no reason: 1005 is a close frame without a code",
    "reason": "a reason of at most %(most)s bytes of UTF-8",
    # other lines
    "exception": "the name of an exception",
    "duration": "a duration, such as 100ms or 2s",
    "states": "%(side)s= and one of %(names)s",
    "state": "one of %(names)s",
}
"""Error id -> what was expected, to be translated."""

_EXPECTED: Final = "expected %(expected)s"

_PHRASES: Final = (
    "the client",
    "expecting value",
    "expecting property name enclosed in double quotes",
    "expecting ':' delimiter",
    "expecting ',' delimiter",
    "unterminated string",
    "invalid control character",
    "invalid \\uXXXX escape",
    "illegal trailing comma before end of object",
    "illegal trailing comma before end of array",
)
"""What an argument may be besides names and numbers: who has no name, and what Python's JSON reader says."""


class TranscriptError(ValueError):
    """A line that is not understood.

    ``file``, ``line`` and ``column`` (both from 1, the column in characters) say where, ``source`` is the whole line.
    ``id`` says what was expected there, as a kebab-case fact, ``arguments`` fill in its sentence (`EXPECTED`), and
    ``expected`` is that sentence in English.
    """

    def __init__(
        self, file: str, line: int, column: int, error_id: str, source: str, arguments: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(file, line, column, error_id, source, arguments)
        self.file = file
        self.line = line
        self.column = column
        self.id = error_id
        self.source = source
        self.arguments = arguments or {}

    @property
    def expected(self) -> str:
        """What was expected, in English."""
        return self.expected_in(str)

    def expected_in(self, gettext: Callable[[str], str]) -> str:
        """Say what was expected in the language that `gettext` translates to."""
        said = {name: gettext(value) if value in _PHRASES else value for name, value in self.arguments.items()}
        return gettext(EXPECTED[self.id]) % said

    def told(self, gettext: Callable[[str], str]) -> str:
        """Tell the place, what was expected, and the line with a caret, as `gettext` translates it."""
        at, source = self.column - 1, visible(self.source)
        if len(source) > _SHOWN:  # the part of it around the caret
            first = max(0, min(at - _SHOWN // 2, len(source) - _SHOWN))
            at, source = at - first, source[first : first + _SHOWN]
        # A tab stays a tab, so that the caret is right whatever the terminal makes of it.
        before = "".join(c if c == "\t" else " " * display_width(c) for c in source[:at])
        expected = gettext(_EXPECTED) % {"expected": self.expected_in(gettext)}
        return f"{self.file}:{self.line}:{self.column}: {expected}\n{source}\n{before}^"

    def __str__(self) -> str:
        return self.told(str)


_SHOWN: Final = 400
"""So many characters of a line are told."""

_PICTURES: Final = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD),
}


def visible(text: str) -> str:
    """Put a picture in the place of each character that a terminal would obey; tab and line feed stay."""
    return text.translate(_PICTURES)


def display_width(text: str) -> int:
    """Count the columns that `text` takes in a terminal: wide characters (Han) take two, combining ones none."""
    return sum(
        0
        if unicodedata.category(character) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )
