"""Text to transcript and back: `parse` and `format_transcript` are inverses.

One event a line: an optional client's name, an arrow, a verb, what belongs to the verb, and perhaps a comment. Header
lines stand indented right under their event. What is not understood is a `TranscriptError` with its exact place;
nothing is skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from reference_ws.lifecycle import CLOSE_REASON_MAX_BYTES, RECEIVE, SEND, Table, WebSocketState, close_code
from reference_ws.transcript.mistakes import TranscriptError
from reference_ws.transcript.steps import (
    Accept,
    AnyMessage,
    ApplicationClose,
    ApplicationData,
    Blank,
    ClientClose,
    ClientData,
    Comment,
    Connect,
    Deny,
    Drop,
    Form,
    FromClient,
    Item,
    Payload,
    Raised,
    Silence,
    States,
    Step,
    Transcript,
    headers_of,
)

_BLANKS = " \t"
_WORD = re.compile(r"[^ \t]+")
_SPACE = re.compile(r"[ \t]*")
_BAD_CHARACTER = re.compile(r"[\x00-\x08\x0a-\x1f\ud800-\udfff]")
_HEX = re.compile(r"[0-9a-fA-F]*")
_HEADER_NAME = re.compile(r"[!$%&'*+.^_`|~0-9A-Za-z-][!#$%&'*+.^_`|~0-9A-Za-z-]*")  # an HTTP token; # is a comment
_DURATION = re.compile(r"([0-9]{1,9})(ms|s)")
_NUMBER_MAX_DIGITS = 999
_JSON_MAX_DEPTH = 100  # far below what Python's readers and writers can do, wherever they are called from
_ARROWS = ("->", "<-", "!!", "==", "..")

# `...` and the three constants that Python's json takes though JSON has them not, each outside of string literals.
# The closing quote may lack: otherwise each quote in an unfinished string would be tried to the end of the line.
_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"?|(?P<anything>\.\.\.)|NaN|Infinity')
# Valid inside of a JSON string, but invisible, or a line break to somebody who reads the file: written as an escape.
_INVISIBLE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")


# --- text to transcript -----------------------------------------------------------------------------------------------


def parse(text: str, *, file: str = "<transcript>", first_line: int = 1) -> Transcript:
    """Read a transcript; indentation that all its lines share doesn't count.

    `file` and `first_line` (the 1-based line of `file` on which `text` begins) are for the errors and for `Step.line`.
    Raises `TranscriptError` for the first line that is not understood, and for a text without any event.
    """
    sources = [source.removesuffix("\r").rstrip(_BLANKS) for source in text.split("\n")]
    margin = min((_indent(source) for source in sources if source), default=0)
    connections = _Connections()
    items: list[Item] = []
    headers: dict[int, list[tuple[str, str]]] = {}  # by the index of their event
    for number, source in enumerate(sources, first_line):
        line = _Line(file, number, source, at=_indent(source))
        if bad := _BAD_CHARACTER.search(source):
            raise line.error("control-character", bad.start())
        if not source:
            if items and not isinstance(items[-1], Blank):
                items.append(Blank())
        elif source[line.at] == "#":
            items.append(Comment(source[line.at + 1 :].removeprefix(" ")))
        elif line.at > margin:
            event = items[-1] if items else None
            if not isinstance(event, Connect | Accept | Deny):
                raise line.error("indentation")
            headers.setdefault(len(items) - 1, []).append(_header(line))
        else:
            items.append(connections.follow(line, _step(line)))
    if not any(isinstance(item, Step) for item in items):
        raise _Line(file, first_line, sources[0]).error("no-event")
    for index, lines in headers.items():
        event = items[index]
        assert isinstance(event, Connect | Accept | Deny)
        items[index] = replace(event, headers=tuple(lines))
    if isinstance(items[-1], Blank):
        items.pop()
    return Transcript(tuple(items), file)


def _indent(source: str) -> int:
    return len(source) - len(source.lstrip(_BLANKS))


@dataclass(slots=True)
class _Line:
    """A line while it is read: ``at`` is the index of what comes next, ``start`` of the word that was read last."""

    file: str
    number: int
    source: str
    at: int = 0
    start: int = 0

    def error(self, error_id: str, at: int | None = None, **arguments: Any) -> TranscriptError:
        """Build the error for what begins at index `at` (default: what comes next)."""
        column = (self.at if at is None else at) + 1
        if self.source.startswith("...", column - 1) and error_id not in ("line-start", "arrow"):
            error_id = "wildcard"
        return TranscriptError(self.file, self.number, column, error_id, self.source, arguments)

    @property
    def done(self) -> bool:
        """True when only a comment is left."""
        return self.at == len(self.source) or self.source[self.at] == "#"

    @property
    def rest(self) -> str:
        return self.source[self.at :]

    def go_on(self, at: int) -> None:
        """Move to index `at` and over the white space there."""
        match = _SPACE.match(self.source, at)  # no slice: a line of many words would be copied for each
        self.at = match.end() if match else at

    def word(self, error_id: str = "end-of-line", **arguments: Any) -> str:
        """Read a word; without one `error_id` is the error."""
        match = None if self.done else _WORD.match(self.source, self.at)
        if match is None:
            raise self.error(error_id, **arguments)
        self.start = self.at
        self.go_on(match.end())
        return match[0]

    def note(self) -> str:
        """Read the end of the line: nothing, or a comment after white space."""
        if self.done and (not self.rest or self.source[self.at - 1] in _BLANKS):
            return self.rest[1:].strip()
        raise self.error("end-of-line")


@dataclass(slots=True)
class _Connections:
    """Whose connection is open: decides whether a client can do what a line says."""

    open: dict[str, Literal["asked", "yes", "application left", "no"]] = field(default_factory=dict)
    """Client -> is its connection open? Before its handshake is answered a client can only vanish. Once the application
    left an open connection, what the client sends may still cross with that."""

    def follow(self, line: _Line, step: Step) -> Step:
        start = _indent(line.source)
        name, who = step.client, step.client or "the client"
        state = self.open.get(name)
        if isinstance(step, Silence) and not name and self.open:
            return step  # from all clients
        if self.open and bool(name) is ("" in self.open):
            raise line.error("named" if name else "unnamed", start)
        if isinstance(step, Connect):
            if state in ("asked", "yes"):
                raise line.error("still-open", start, who=who)
            self.open[name] = "asked"
        elif state is None:
            raise line.error("not-connected", start, who=who)
        elif isinstance(step, ClientData | ClientClose | Drop) and state == "no":
            raise line.error("connection-over", start, who=who)
        elif isinstance(step, ClientData | ClientClose) and state == "asked":
            raise line.error("not-accepted", start)
        elif isinstance(step, ClientClose | Drop | Deny):
            self.open[name] = "no"
        elif isinstance(step, Accept) and state == "asked":
            self.open[name] = "yes"
        elif isinstance(step, ApplicationClose | AnyMessage | Raised) and state in ("asked", "yes"):
            # Without an accept, leaving refuses the handshake: there is no connection that anything could cross on.
            # A message that may be any may be a close: what an open and what a closed connection allows may follow.
            left = state == "yes" or isinstance(step, AnyMessage)
            self.open[name] = "application left" if left else "no"
        return step


def _step(line: _Line) -> Step:
    client, arrow = "", line.word("line-start")
    if arrow.isidentifier():
        client, arrow = arrow, line.word("arrow")
        if arrow not in _ARROWS:
            raise line.error("arrow", line.start)
    step: Step
    match arrow:
        case "->":
            step = _from_client(line)
        case "<-":
            step = _from_application(line)
        case "!!":
            exception = line.word("exception")
            if not all(part.isidentifier() for part in exception.split(".")):
                raise line.error("exception", line.start)
            step = Raised(exception=exception, message="" if line.done else _string(line))
        case "==":
            client_state, application_state = _state(line, "client", RECEIVE), _state(line, "application", SEND)
            step = States(client_state=client_state, application_state=application_state)
        case "..":
            duration = _DURATION.fullmatch(line.word("duration"))
            if duration is None or not int(duration[1]):
                raise line.error("duration", line.start)
            step = Silence(milliseconds=int(duration[1]) * (1 if duration[2] == "ms" else 1000))
        case _:
            raise line.error("line-start", line.start)
    return replace(step, client=client, line=line.number, note=line.note())


def _from_client(line: _Line) -> Step:
    match line.word("client-verb"):
        case "connect":
            return Connect(target=_target(line))
        case "text" | "bytes" | "json" as form:
            return ClientData(payload=_payload(line, form, wildcards=False))
        case "close":
            code, reason = _close(line, "client")
            return ClientClose(code=code, reason=reason)
        case "drop":
            return Drop()
    raise line.error("client-verb", line.start)


def _from_application(line: _Line) -> Step:
    match line.word("application-verb"):
        case "accept":
            return Accept()
        case "...":
            return AnyMessage()
        case "text" | "bytes" | "json" as form:
            return ApplicationData(payload=_payload(line, form, wildcards=True))
        case "close":
            code, reason = _close(line, "server")
            return ApplicationClose(code=code, reason=reason)
        case "deny":
            status = line.word("status")
            if not re.fullmatch("[3-5][0-9][0-9]", status):
                raise line.error("status", line.start)
            match "..." if line.done else line.word():
                case "...":
                    return Deny(status=int(status))
                case "text" | "json" as form:
                    return Deny(status=int(status), payload=_payload(line, form, wildcards=True))
            raise line.error("refusal-body", line.start)
    raise line.error("application-verb", line.start)


def _target(line: _Line) -> str:
    target = line.word("target")
    if not target.startswith("/"):
        raise line.error("target-slash", line.start)
    if bad := re.search(r"[\s#]", target):
        raise line.error("target-space", line.start + bad.start())
    return target


def _header(line: _Line) -> tuple[str, str]:
    name = _HEADER_NAME.match(line.source, line.at)
    if name is None:
        raise line.error("header")
    if not line.source.startswith(":", name.end()):
        raise line.error("header-name", name.end())
    line.go_on(name.end() + 1)
    if bad := re.search(r"[^\x00-\xff]", line.rest):
        raise line.error("header-value", line.at + bad.start())
    return name[0].lower(), line.rest


def _payload(line: _Line, form: Form, *, wildcards: bool) -> Payload:
    if form != "json" and line.rest.split(maxsplit=1)[:1] == ["json"]:
        line.word()
        form = "bytes json" if form == "bytes" else "json"
    if form == "text":
        return Payload("text", _string(line, wildcards=wildcards))
    if form == "bytes" and not line.rest.startswith("..."):
        return Payload("bytes", _bytes(line))
    return Payload(form, _value(line, wildcards=wildcards))


def _bytes(line: _Line) -> bytes:
    digits = ""
    while not line.done:
        word = line.word()
        good = _HEX.match(word)
        end = len(good[0]) if good else 0
        if end < len(word) or end % 2:
            raise line.error("hex", line.start + (end if end < len(word) else end - 1))
        digits += word
    return bytes.fromhex(digits)


def _string(line: _Line, *, wildcards: bool | None = None) -> Any:
    """Read a JSON string literal, or ``...`` unless `wildcards` is None."""
    if not line.rest.startswith('"' if wildcards is None else ('"', "...")):
        raise line.error("string")
    return _value(line, wildcards=bool(wildcards))


def _value(line: _Line, *, wildcards: bool) -> Any:
    """Read a JSON value that may hold ``...`` if `wildcards`.

    Python's reader does it: ``...`` is handed over as NaN, which has as many characters, so that columns stay right.
    """
    start, anything = line.at, []

    def disguise(match: re.Match[str]) -> str:
        if match["anything"]:
            anything.append(match.start())
            return "NaN"
        return match[0].lower() if match[0][0] in "NI" else match[0]

    def number(read: type[int] | type[float], digits: str) -> float:
        value = read(digits) if len(digits) <= _NUMBER_MAX_DIGITS else float("inf")
        if value in (float("inf"), float("-inf")):
            raise line.error("number", line.source.index(digits, start))
        return value

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(members)) < len(members):
            raise line.error("key-twice", start)
        return dict(members)

    decoder = json.JSONDecoder(
        object_pairs_hook=pairs,
        parse_constant=lambda _: ...,
        parse_int=lambda digits: number(int, digits),
        parse_float=lambda digits: number(float, digits),
    )
    try:
        value, end = decoder.raw_decode(_STRING_OR_CONSTANT.sub(disguise, line.source), start)
        strings = list(_strings(value))
    except json.JSONDecodeError as error:
        problem = error.msg.removesuffix(" at").removesuffix(" starting")
        raise line.error("json", error.pos, problem=f"{problem[0].lower()}{problem[1:]}") from None
    except RecursionError:
        raise line.error("json-depth") from None
    if not wildcards and (here := [at for at in anything if start <= at < end]):
        raise line.error("wildcard", here[0])
    if re.search(r"[\ud800-\udfff]", " ".join(strings)):
        raise line.error("surrogate")
    line.go_on(end)
    return value


def _strings(value: Any, depth: int = 0) -> Iterable[str]:
    """Walk over all keys and strings. Raises `RecursionError` when the value is nested too deeply."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        if depth == _JSON_MAX_DEPTH:
            raise RecursionError
        for part in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _strings(part, depth + 1)


def json_value(text: str) -> Any:
    """Read JSON as the notation can hold it; it ends where `text` ends.

    Raises `TranscriptError` (a `ValueError`) for other text, and for JSON with a name twice in an object, a number of
    1000 digits or beyond a float, a lone surrogate, or more than 100 levels: no line could say the same.
    """
    line = _Line("<json>", 1, text.strip(" \t\r\n"))
    value = _value(line, wildcards=False)
    if line.rest.strip():
        raise line.error("json-end")
    return value


def _close(line: _Line, sender: Literal["client", "server"]) -> tuple[int, Any]:
    if line.done:
        return 1000, ""
    word = line.word()
    row = close_code(int(word)) if re.fullmatch("[0-9]{4}", word) else None
    if row is None:
        raise line.error("close-code", line.start)
    code = int(word)
    if sender == "client" and code == 1006:
        raise line.error("drop-instead", line.start)
    # A client is not kept from the codes meant for servers: applications do receive them.
    if row.sender == "nobody" and (sender, code) != ("client", 1005):
        raise line.error("reserved-code", line.start, code=code, name=row.name)
    if row.sender == "client" and sender == "server":
        raise line.error("client-code", line.start, code=code)
    if line.done:
        return code, ""
    start = line.at
    if code == 1005:
        raise line.error("reason-without-code")
    reason = _string(line, wildcards=True if sender == "server" else None)
    if reason is not ... and len(reason.encode()) > CLOSE_REASON_MAX_BYTES:
        raise line.error("reason", start, most=CLOSE_REASON_MAX_BYTES)
    return code, reason


def _state(line: _Line, side: str, table: Table) -> WebSocketState:
    states = [state.name for state in table]
    names = ", ".join(states)
    given, _, name = line.word("states", side=side, names=names).partition("=")
    if given != side:
        raise line.error("states", line.start, side=side, names=names)
    if name not in states:
        raise line.error("state", line.start + len(side) + 1, names=names)
    return WebSocketState[name]


# --- transcript to text -----------------------------------------------------------------------------------------------


def format_transcript(transcript: Transcript) -> str:
    """Write the normal form, which ends with a newline."""
    return "".join(f"{line}\n" for item in transcript.items for line in _lines(item))


def _lines(item: Item) -> Iterable[str]:
    if isinstance(item, Blank):
        yield ""
    elif isinstance(item, Comment):
        yield f"# {item.text}".rstrip(_BLANKS)
    else:
        yield format_step(item) + (f"  # {item.note}" if item.note else "")
        for name, value in headers_of(item):
            yield f"    {name}: {value}".rstrip(_BLANKS)


def format_step(step: Step) -> str:
    """Write one event in one line: without its header lines and without the comment at its end."""
    arrow = {Raised: "!!", States: "==", Silence: ".."}.get(type(step))
    if arrow is None:
        arrow = "->" if isinstance(step, FromClient) else "<-"
    return " ".join(filter(None, (step.client, arrow, event_text(step))))


def event_text(step: Step) -> str:
    """Write what stands after the arrow: the verb and what belongs to it."""
    match step:
        case Connect(target=target):
            return f"connect {target}"
        case ClientData(payload=payload) | ApplicationData(payload=payload):
            return _payload_text(payload)
        case ClientClose(code=code, reason=reason) | ApplicationClose(code=code, reason=reason):
            return f"close {code}" + (f" {_json(reason)}" if reason else "")
        case Drop():
            return "drop"
        case Accept():
            return "accept"
        case AnyMessage():
            return "..."
        case Deny(status=status, payload=body):
            return f"deny {status}" + (f" {_payload_text(body)}" if body else "")
        case Raised(exception=exception, message=message):
            return exception + (f" {_json(message)}" if message else "")
        case States(client_state=client, application_state=application):
            return f"client={client.name} application={application.name}"
        case Silence(milliseconds=milliseconds):
            return f"{milliseconds}ms"
    raise TypeError(f"{type(step).__name__} is not a step of a transcript")


def _payload_text(payload: Payload) -> str:
    written = payload.value.hex(" ") if isinstance(payload.value, bytes) else _json(payload.value)
    return f"{payload.form} {written}".rstrip(" ")


def _json(value: Any) -> str:
    if value is ...:
        return "..."
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json(key)}: {_json(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", written)
