import json
import pickle
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transcript_strategies import json_values, transcripts, untidy
from work import assert_linear

from reference_ws.guide.words.catalogs import catalog
from reference_ws.lifecycle import WebSocketState
from reference_ws.transcript import grammar, mistakes
from reference_ws.transcript.grammar import event_text, format_step, format_transcript, parse
from reference_ws.transcript.messages import frame, wire
from reference_ws.transcript.mistakes import EXPECTED, TranscriptError, display_width, visible
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
    Payload,
    Raised,
    Silence,
    States,
    Step,
    Transcript,
)

CONNECT = "-> connect /\n"
ACCEPT = "<- accept\n"
NAMED = "alice -> connect /\n"


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def step_of(line: str) -> Step:
    answers = line.startswith(("<- accept", "<- deny"))
    return parse(CONNECT + ("" if answers else ACCEPT) + line).steps[-1]


# --- what each line means ---------------------------------------------------------------------------------------------

LINES = [
    (ClientData(payload=Payload("text", "你好")), '-> text "你好"'),
    (ClientData(payload=Payload("text", "# \n")), '-> text "# \\n"'),
    (ClientData(payload=Payload("bytes", b"\x00\x01\xff")), "-> bytes 00 01 ff"),
    (ClientData(payload=Payload("bytes", b"")), "-> bytes"),
    (ClientData(payload=Payload("json", {"a": [1, None]})), '-> json {"a": [1, null]}'),
    (ClientData(payload=Payload("bytes json", "é")), '-> bytes json "é"'),
    (ClientClose(code=4000, reason="bye"), '-> close 4000 "bye"'),
    (ClientClose(code=1005), "-> close 1005"),
    (ClientClose(code=1010), "-> close 1010"),
    (ClientClose(code=1011), "-> close 1011"),
    (Drop(), "-> drop"),
    (Accept(), "<- accept"),
    (ApplicationData(payload=Payload("text", ...)), "<- text ..."),
    (ApplicationData(payload=Payload("text", "...")), '<- text "..."'),
    (ApplicationData(payload=Payload("bytes", ...)), "<- bytes ..."),
    (ApplicationData(payload=Payload("json", {"id": ..., "n": "..."})), '<- json {"id": ..., "n": "..."}'),
    (ApplicationData(payload=Payload("bytes json", ...)), "<- bytes json ..."),
    (ApplicationClose(code=1011, reason="é" * 61), f'<- close 1011 "{"é" * 61}"'),
    (ApplicationClose(code=1003, reason=...), "<- close 1003 ..."),
    (ApplicationClose(code=1003, reason="..."), '<- close 1003 "..."'),
    (AnyMessage(), "<- ..."),
    (Deny(status=403), "<- deny 403"),
    (Deny(status=401, payload=Payload("text", "no")), '<- deny 401 text "no"'),
    (Deny(status=307, payload=Payload("json", {"a": ...})), '<- deny 307 json {"a": ...}'),
    (Raised(exception="ValueError"), "!! ValueError"),
    (Raised(exception="json.JSONDecodeError", message="Extra"), '!! json.JSONDecodeError "Extra"'),
    (
        States(client_state=WebSocketState.CONNECTED, application_state=WebSocketState.RESPONSE),
        "== client=CONNECTED application=RESPONSE",
    ),
    (Silence(milliseconds=100), ".. 100ms"),
]


@pytest.mark.parametrize(("step", "line"), LINES, ids=[line for _, line in LINES])
def test_a_line_and_its_step(step: Step, line: str) -> None:
    assert step == step_of(line)
    assert line == format_step(step)


UNTIDY = [
    ("-> close 1000", "-> close"),
    ("-> bytes 00 01 ff", "-> bytes 0001FF"),
    ('-> json {"a": 1.0}', '-> text json {"a":1e0}'),
    ("-> json 1", "-> text   json\t1"),
    ("<- deny 422", "<- deny 422 ...  # any body"),
    (".. 2000ms", ".. 2s"),
    ("!! ValueError", '!! ValueError ""'),
    ('-> text "é\\u2028"', '-> text "\\u00e9\\u2028"'),
]


@pytest.mark.parametrize(("normal", "line"), UNTIDY, ids=[line for _, line in UNTIDY])
def test_the_normal_form_of_a_line(normal: str, line: str) -> None:
    assert normal == format_step(step_of(line))


def test_header_lines_belong_to_the_event_above() -> None:
    text = "-> connect /\n  Cookie:a=b # not a comment\n  x-empty:\n<- accept\n\tsec-websocket-protocol:  chat \n"
    connect, accept = parse(text).steps
    assert Connect(target="/", headers=(("cookie", "a=b # not a comment"), ("x-empty", ""))) == connect
    assert Accept(headers=(("sec-websocket-protocol", "chat"),)) == accept


def test_a_comment_at_the_end_is_the_note_of_its_step() -> None:
    assert "one # two" == step_of("<- accept  #  one # two").note


def test_a_note_does_not_count_in_a_comparison() -> None:
    assert step_of("<- accept") == step_of("<- accept # a note")


def test_comments_and_blank_lines_are_kept() -> None:
    items = parse("\n\n#\n#  a\n \n\n-> connect /\n\n").items
    assert (Comment(""), Comment(" a"), Blank(), Connect(target="/")) == items


def test_a_step_knows_its_line() -> None:
    assert [11, 13] == [step.line for step in parse("# one\n-> connect /\n\n<- accept", first_line=10).steps]


def test_a_transcript_knows_its_file() -> None:
    assert "docs/ru/closing.md" == parse(CONNECT, file="docs/ru/closing.md").file


def test_clients_of_any_script_have_names() -> None:
    assert ("alice", "Иван", "客户端") == parse("alice -> connect /\nИван -> connect /\n客户端 -> connect /\n").clients


def test_silence_without_a_name_concerns_all_clients() -> None:
    assert Silence(milliseconds=5) == parse(NAMED + ".. 5ms").steps[1]


@pytest.mark.parametrize("end", ["-> close", "-> drop", "<- close", "!! ValueError"])
def test_a_client_connects_again_after_its_connection_ended(end: str) -> None:
    assert 4 == len(parse(f"{CONNECT}{ACCEPT}{end}\n{CONNECT}").steps)


@pytest.mark.parametrize("end", ["-> drop", "<- close", "<- deny 403", "!! ValueError"])
def test_a_client_connects_again_after_its_handshake_failed(end: str) -> None:
    assert 3 == len(parse(f"{CONNECT}{end}\n{CONNECT}").steps)


@pytest.mark.parametrize("end", ["<- close", "!! ValueError"])
@pytest.mark.parametrize("late", ['-> text "late"', "-> close", "-> drop"])
def test_what_the_client_does_can_cross_with_the_end(end: str, late: str) -> None:
    assert 4 == len(parse(f"{CONNECT}{ACCEPT}{end}\n{late}").steps)


def test_indentation_that_all_lines_share_does_not_count() -> None:
    assert parse(CONNECT + "  a: b\n<- accept") == parse("\n    -> connect /\n      a: b\n    <- accept\n    ")


def test_the_normal_form_of_a_transcript() -> None:
    text = "\n# say\n\n\n-> connect /   # hi\n  Origin:x\n<- accept\n\n"
    assert "# say\n\n-> connect /  # hi\n    origin: x\n<- accept\n" == format_transcript(parse(text))


def test_a_value_that_is_no_json_is_not_written() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        format_step(ClientData(payload=Payload("json", float("nan"))))


# --- properties -------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(transcripts())
def test_parse_undoes_format(transcript: Transcript) -> None:
    text = format_transcript(transcript)
    parsed = parse(text, file=transcript.file)
    assert transcript == parsed
    assert text == format_transcript(parsed)  # so its notes are there too


@settings(deadline=None)
@given(st.data())
def test_an_untidy_transcript_says_the_same(data: st.DataObject) -> None:
    transcript = data.draw(transcripts())
    text = data.draw(untidy(format_transcript(transcript)))
    assert transcript == parse(text, file=transcript.file)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])) | json_values(wildcards=False).map(compact) | st.binary())
def test_any_frame_has_a_line_that_says_the_same(data: str | bytes) -> None:
    step = ApplicationData(payload=frame({"text" if isinstance(data, str) else "bytes": data}))
    assert step == step_of(format_step(step))
    assert data == wire(step.payload)


@pytest.mark.parametrize(
    "text",
    [
        "[NaN]",
        "[1e999]",
        f"[{'9' * 1000}]",
        f"[{'9' * 5000}]",
        '["\\ud800"]',
        '{"a":1,"a":2}',
        "[" * 101 + "]" * 101,
        "[...",
    ],
)
def test_json_that_no_line_can_hold_is_shown_as_text(text: str) -> None:
    step = ApplicationData(payload=frame({"text": text}))
    assert Payload("text", text) == step.payload == getattr(step_of(format_step(step)), "payload", None)


def test_a_lone_surrogate_is_shown_as_an_escape() -> None:
    assert '<- text "\\ud800"' == format_step(ApplicationData(payload=frame({"text": "\ud800"})))


def test_json_of_100_levels_is_shown_as_json() -> None:
    text = "[" * 100 + "]" * 100
    payload = frame({"text": text})
    assert "json" == payload.form
    assert f"<- json {text}" == format_step(ApplicationData(payload=payload))
    assert payload == getattr(step_of(f"<- json {text}"), "payload", None)


PIECES = ["->", "<-", "!!", "==", "..", "...", " ", "\n", "a", "connect", "/", "text", "json", "bytes", "close", "1000"]
PIECES += [
    "deny",
    "403",
    "accept",
    "drop",
    '"',
    "{",
    "}",
    "[",
    ":",
    ",",
    "\\",
    "client=",
    "CONNECTED",
    "1s",
    "#",
    "NaN",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.characters()).map("".join))
def test_any_text_is_a_transcript_or_an_error_inside_of_it(text: str) -> None:
    error = None
    try:
        parse(text)
    except TranscriptError as caught:
        error = caught
    if error is not None:
        assert text.split("\n")[error.line - 1].removesuffix("\r").rstrip(" \t") == error.source
        assert 1 <= error.column <= len(error.source) + 1


# --- errors -----------------------------------------------------------------------------------------------------------

STARTS = "->, <-, !!, ==, .., #, or a client's name before one of them"
ARROW = "->, <-, !!, == or .. after the client's name"
FROM_CLIENT = "connect, text, bytes, json, close or drop"
FROM_APPLICATION = "accept, text, bytes, json, close, deny or ..."
STRING = 'a JSON string literal, such as "hello"'
END = "the end of the line, or white space and a # comment"
HEX = "two hex digits for each byte"
STATUS = "an HTTP status from 300 to 599"
DURATION = "a duration, such as 100ms or 2s"
CODE = "a close code from 1000 to 4999"
CLIENT_STATES = "CONNECTING, CONNECTED, DISCONNECTED"
APPLICATION_STATES = "CONNECTING, CONNECTED, RESPONSE, DISCONNECTED"
ANYTHING = (
    "no ... here: it stands for what the application sends: a payload, a value in JSON, a reason, a refusal's body or "
    "a whole message"
)
HEADER = "no indentation here: header lines stand right under connect, accept or deny"
EVENT = "at least one event, such as: -> connect /"
ACCEPTED = "<- accept before this: a client that has not been accepted can only `-> drop`"
OVER = "the client to connect again before this: its connection is over"

# What is wrong alone on the first line.
FIRST = [
    ("1:1", EVENT, ""),
    ("1:1", EVENT, "# only a comment"),
    ("1:1", STARTS, "->text"),
    ("1:1", STARTS, "x: y"),
    ("1:1", STARTS, "\u3000-> connect /"),
    ("1:4", ARROW, "bob"),
    ("1:9", ARROW, "connect /"),
    ("1:5", ARROW, "bob ~> connect /"),
    ("1:3", FROM_CLIENT, "->"),
    ("1:4", FROM_CLIENT, "-> hello"),
    ("1:4", FROM_CLIENT, "-> accept"),
    ("1:11", "a target, such as /echo?room=1", "-> connect"),
    ("1:13", "a target, such as /echo?room=1", "-> connect  # here"),
    ("1:12", "a target that starts with /", "-> connect echo"),
    ("1:14", "a target without white space and without #", "-> connect /a#b"),
    ("1:14", "a target without white space and without #", "-> connect /a\u3000b"),
    ("1:14", END, "-> connect / x"),
    ("1:1", "the client to connect before this", "<- accept"),
    ("1:1", "the client to connect before this", '-> text "a"'),
    ("1:1", "the client to connect before this", "-> close"),
    ("1:1", "the client to connect before this", "-> drop"),
    ("1:1", "the client to connect before this", "!! ValueError"),
    ("1:1", "the client to connect before this", "== client=CONNECTED application=CONNECTED"),
    ("1:1", "the client to connect before this", ".. 1ms"),
]
# What is wrong on the line after `-> connect /`.
SECOND = [
    ("2:4", FROM_APPLICATION, "<- drop"),
    ("2:3", FROM_APPLICATION, "<-"),
    ("2:11", END, "<- accept yes"),
    ("2:4", FROM_CLIENT, "-> drop# comment"),
    ("2:12", END, '-> text "a"# comment'),
    ("2:14", END, '-> text "你好" 1'),
    ("2:8", STRING, "-> text"),
    ("2:9", STRING, "-> text 你好"),
    ("2:9", "valid JSON (unterminated string)", '-> text "你好'),
    ("2:9", "text that UTF-8 can carry: no lone surrogate", '-> text "\\ud800"'),
    ("2:14", "no control character (write \\u0007 and the like in a string)", '-> text "bell\x07"'),
    ("2:9", ANYTHING, "-> text ..."),
    ("2:10", ANYTHING, "-> bytes ..."),
    ("2:18", ANYTHING, '-> json {"...": [...]}'),
    ("2:8", "valid JSON (expecting value)", "<- json"),
    ("2:15", "valid JSON (expecting value)", '<- json {"你": tru}'),
    ("2:17", "valid JSON (expecting ',' delimiter)", '<- json {"a": 1 "b": 2}'),
    ("2:9", "valid JSON (expecting value)", "<- json NaN"),
    ("2:10", "valid JSON (expecting value)", "<- json [-Infinity]"),
    ("2:12", END, "<- json ...."),
    ("2:10", "a number that a program can hold", "<- json [-1e999]"),
    ("2:9", "a number that a program can hold", f"<- json {'1' * 5000}"),
    ("2:9", "every key once in an object", '<- json {"a": 1, "a": 2}'),
    ("2:9", "a JSON value that is not nested as deeply", f"<- json {'[' * 100_000}{']' * 100_000}"),
    ("2:9", "a JSON value that is not nested as deeply", f"<- json {'[' * 101}{']' * 101}"),
    ("2:15", "valid JSON (expecting value)", "<- bytes json x"),
    ("2:10", HEX, "-> bytes 0"),
    ("2:14", HEX, "-> bytes 00 0g"),
    ("2:15", HEX, "-> bytes 00 012"),
    ("2:10", HEX, "-> bytes 你好"),
    ("2:10", CODE, "-> close 999"),
    ("2:10", CODE, "-> close 5000"),
    ("2:10", CODE, '-> close "bye"'),
    ("2:10", "-> drop, for a connection that vanishes without a close frame", "-> close 1006"),
    ("2:10", "a code that can be sent: 1006 is abnormal closure", "<- close 1006"),
    ("2:10", "a code that can be sent: 1015 is TLS handshake", "-> close 1015"),
    ("2:10", "a code that can be sent: 2999 is reserved", "-> close 2999"),
    ("2:10", "a code that can be sent: 1005 is no status received", "<- close 1005"),
    ("2:10", "a code that an application may send: 1010 is for clients", "<- close 1010"),
    ("2:15", "no reason: 1005 is a close frame without a code", '-> close 1005 "bye"'),
    ("2:15", STRING, "-> close 1000 bye"),
    ("2:15", ANYTHING, "-> close 1000 ..."),
    ("2:10", ANYTHING, "<- close ..."),
    ("2:4", ANYTHING, "-> ..."),
    ("2:11", ANYTHING, "<- accept ..."),
    ("2:9", ANYTHING, "<- deny ..."),
    ("2:8", END, "<- ... 1"),
    ("2:19", END, "<- close 1000 ... 1"),
    ("2:15", "a reason of at most 123 bytes of UTF-8", f'-> close 1000 "{"é" * 62}"'),
    ("2:21", END, '<- close 1000 "bye" "bye"'),
    ("2:8", STATUS, "<- deny"),
    ("2:9", STATUS, "<- deny 200"),
    ("2:9", STATUS, "<- deny no"),
    ("2:13", "text, json or ...", "<- deny 403 bytes 00"),
    ("2:17", STRING, "<- deny 403 text"),
    ("2:3", "the name of an exception", "!!"),
    ("2:4", "the name of an exception", "!! json."),
    ("2:15", STRING, "!! ValueError boom"),
    ("2:15", ANYTHING, "!! ValueError ..."),
    ("2:4", ANYTHING, "== ..."),
    ("2:3", f"client= and one of {CLIENT_STATES}", "=="),
    ("2:4", f"client= and one of {CLIENT_STATES}", "== application=CONNECTED client=CONNECTED"),
    ("2:11", f"one of {CLIENT_STATES}", "== client=RESPONSE application=CONNECTED"),
    ("2:20", f"application= and one of {APPLICATION_STATES}", "== client=CONNECTED"),
    ("2:33", f"one of {APPLICATION_STATES}", "== client=CONNECTED application=OPEN"),
    ("2:3", DURATION, ".."),
    ("2:4", DURATION, ".. 100"),
    ("2:4", DURATION, ".. 0ms"),
    ("2:4", DURATION, ".. 0.5s"),
    ("2:7", END, ".. 1s 2s"),
    ("2:5", "a header line, such as origin: http://localhost", "    é: b"),
    ("2:11", "a header's name, right followed by :", "    origin http://localhost"),
    ("2:11", "a header's name, right followed by :", "    origin : http://localhost"),
    ("2:8", "a header's value in Latin-1 (percent-encode other characters)", "    a: 你"),
    ("2:2", "a header line, such as origin: http://localhost", ' <- text "a"'),
    ("2:1", "an end of the open connection of the client before it connects again", "-> connect /"),
    ("2:1", "no name: the client has none above", "bob -> connect /"),
    ("2:1", "no name: the client has none above", "bob .. 1ms"),
    ("3:5", HEADER, "-> drop\n    a: b"),
    ("3:5", HEADER, "\n    a: b"),
    ("3:5", HEADER, "# a\n    a: b"),
    ("2:1", ACCEPTED, '-> text "a"'),
    ("2:1", ACCEPTED, "-> bytes 00"),
    ("2:1", ACCEPTED, "-> json 1"),
    ("2:1", ACCEPTED, "-> close"),
    ("2:1", ACCEPTED, "-> close 1005"),
    ("3:1", ACCEPTED, '<- text "too early"\n-> text "a"'),
    ("5:1", ACCEPTED, '<- accept\n-> close\n-> connect /\n-> text "a"'),
    ("4:1", OVER, '<- accept\n-> close\n-> text "a"'),
    ("4:1", OVER, "<- accept\n-> drop\n-> close"),
    ("3:1", OVER, '-> drop\n-> text "a"'),
    ("3:1", OVER, "-> drop\n-> close"),
    ("4:1", OVER, "-> drop\n<- close\n-> drop"),
    ("4:1", OVER, '-> drop\n<- accept\n-> text "a"'),
    ("3:1", OVER, '<- deny 403\n-> text "a"'),
    ("3:1", OVER, "<- deny 403\n-> close"),
    ("3:1", OVER, "<- deny 403\n-> drop"),
    ("4:1", OVER, '<- deny 403\n<- accept\n-> text "a"'),
    ("3:1", OVER, '<- close\n-> text "a"'),
    ("3:1", OVER, "!! ValueError\n-> close"),
]
# What is wrong after `alice -> connect /`.
SEVERAL = [
    ("2:1", "a name: all clients have one above", "-> connect /"),
    ("2:1", "a name: all clients have one above", "<- accept"),
    ("2:1", "bob to connect before this", "bob <- accept"),
    ("2:1", "bob to connect before this", "bob .. 1ms"),
    ("2:1", "an end of the open connection of alice before it connects again", "alice -> connect /"),
    ("3:1", "alice to connect again before this: its connection is over", 'alice -> drop\nalice -> text "a"'),
    ("4:1", ACCEPTED, 'bob -> connect /\nbob <- accept\nalice -> text "a"'),
]
ERRORS = FIRST
ERRORS += [(place, expected, CONNECT + text) for place, expected, text in SECOND]
ERRORS += [(place, expected, NAMED + text) for place, expected, text in SEVERAL]


@pytest.mark.parametrize(("place", "expected", "text"), ERRORS, ids=[ascii(text)[-40:] for *_, text in ERRORS])
def test_a_broken_line_and_its_error(place: str, expected: str, text: str) -> None:
    with pytest.raises(TranscriptError) as caught:
        parse(text)
    assert f"<transcript>:{place}: expected {expected}" == str(caught.value).split("\n")[0]


def test_an_error_shows_its_place() -> None:
    with pytest.raises(TranscriptError) as caught:
        parse(CONNECT + "-> close 999", file="docs/ru/closing.md", first_line=56)
    error = caught.value
    assert ("docs/ru/closing.md", 57, 10) == (error.file, error.line, error.column)
    assert (CODE, "-> close 999") == (error.expected, error.source)
    expected = f"docs/ru/closing.md:57:10: expected {CODE}\n-> close 999\n         ^"
    assert expected == str(error)


def test_the_caret_stands_under_its_column_after_wide_characters_and_tabs() -> None:
    with pytest.raises(TranscriptError) as caught:
        parse(CONNECT + '->\ttext "你好e\u0301" 1')
    assert '->\ttext "你好e\u0301" 1\n  \t             ^' == str(caught.value).split("\n", 1)[1]


def test_every_mistake_is_tried_and_no_other() -> None:
    met = set()
    for *_, text in ERRORS:
        with pytest.raises(TranscriptError) as caught:
            parse(text)
        met.add(caught.value.id)
    assert set(EXPECTED) - {"json-end", "from-client"} == met


def test_an_error_speaks_the_language_that_it_is_asked_for() -> None:
    with pytest.raises(TranscriptError) as caught:
        parse('-> connect /\n<- accept\n-> json {"a" 1}', file="a.md", first_line=7)
    assert ("json", {"problem": "expecting ':' delimiter"}) == (caught.value.id, caught.value.arguments)
    told = 'a.md:9:14: ожидается: правильный JSON (не хватает «:»)\n-> json {"a" 1}\n             ^'
    assert told == caught.value.told(catalog("ru").gettext)


def test_an_error_survives_pickling() -> None:
    error = TranscriptError("a.md", 1, 2, "not-connected", "-> x", {"who": "the client"})
    assert str(error) == str(pickle.loads(pickle.dumps(error)))


def test_han_takes_two_columns_and_an_accent_none() -> None:
    assert (4, 1, 2) == (display_width("你好"), display_width("e\u0301"), display_width("ab"))


GROWING: dict[str, Callable[[int], str]] = {
    "quotes": lambda n: CONNECT + '-> text "' + '\\"' * n,
    "a finished string": lambda n: CONNECT + '-> text "' + '\\"' * n + '"',
    "bytes": lambda n: CONNECT + "-> bytes " + "61 " * n,
    "wrong bytes": lambda n: CONNECT + "-> bytes " + "61" * n + "x",
    "spaces": lambda n: CONNECT + "-> text" + " " * n + "x",
    "dots": lambda n: CONNECT + "<- json [" + "..., " * n,
    "a wide array": lambda n: CONNECT + "-> json [" + "[1], " * n + "1]",
    "a deep array": lambda n: CONNECT + "-> json " + "[" * n,
    "an object": lambda n: CONNECT + "-> json {" + ", ".join(f'"{key:05}": 1' for key in range(n)) + "}",
    "digits": lambda n: CONNECT + "-> json " + "1" * n,
    "a reason": lambda n: CONNECT + '-> close 4000 "' + "a" * n + '"',
    "a target": lambda n: "-> connect /" + "a" * n + " #",
    "headers": lambda n: "-> connect /\n" + "    a: b\n" * n,
    "a header": lambda n: f"-> connect /\n    {'a' * n}",
    "comments": lambda n: CONNECT + "# a\n\n" * n,
    "a duration": lambda n: CONNECT + ".. " + "1" * n,
    "a name": lambda n: "a" * n + " -> connect /",
    "steps": lambda n: CONNECT + ACCEPT + '-> text "a"\n' * n,
    "clients": lambda n: "".join(f"c{number:05} -> connect /\n" for number in range(n)),
    "exceptions": lambda n: CONNECT + "!! " + "a." * n,
}


@pytest.mark.parametrize("text", GROWING.values(), ids=list(GROWING))
def test_work_grows_with_the_text_and_not_with_its_square(text: Callable[[int], str]) -> None:
    assert_linear(parse, text, grammar)


def test_an_unfinished_string_is_read_once() -> None:
    def seconds(written: str) -> float:
        taken = []
        for _ in range(3):
            before = time.process_time()
            with suppress(TranscriptError):
                parse(written)
            taken.append(time.process_time() - before)
        return min(taken)

    # What a pattern tries in vain can't be counted. Eight times the text takes 8 times as long, or 64 times with the
    # square: the ratio doesn't depend on the machine, and with the square these texts take whole seconds.
    few, many = (seconds(GROWING["quotes"](size)) for size in (4_000, 32_000))
    assert many / max(few, 0.001) < 32


def test_the_writing_of_a_transcript_is_linear_too() -> None:
    assert_linear(lambda written: format_transcript(parse(written)), GROWING["steps"], grammar)
    assert_linear(visible, lambda n: "\x1b" * n, mistakes)
    assert_linear(lambda line: str(TranscriptError("a", 1, len(line), "string", line)), lambda n: "\x9b" * n, mistakes)


def test_a_comment_is_no_step_that_is_written():
    with pytest.raises(TypeError, match=r"^Comment is not a step of a transcript$"):
        event_text(Comment("a"))
