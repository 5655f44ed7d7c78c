"""Bad input to everything that a person can call: a clear answer, never a traceback, never a hang."""

import asyncio
import contextlib
import io
import string
import sys
import tempfile
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path as File
from typing import Annotated, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.middleware import Middleware

from reference_ws import App, CloseError, Cookie, Header, Query, WebSocket, WebSocketDisconnect, lifecycle
from reference_ws.guards import LimitGuard, OriginGuard
from reference_ws.guide.command.commands import run as run_command
from reference_ws.guide.pages import PageError, read_page
from reference_ws.testing import InMemoryConnection, connect, handshake
from reference_ws.transcript import TranscriptError, format_transcript, parse

many = settings(max_examples=300, deadline=None)
few = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

# --- transcripts ------------------------------------------------------------------------------------------------------

WORDS = [
    "->",
    "<-",
    "!!",
    "==",
    "..",
    "connect",
    "/",
    "accept",
    "deny",
    "text",
    "json",
    "bytes",
    "close",
    "drop",
    "...",
]
WORDS += [
    "403",
    "1000",
    "4000",
    '"a"',
    "{",
    "}",
    '{"a": [1, ...]}',
    "00 ff",
    "client=CONNECTED",
    "500ms",
    "ana",
    "# note",
]
WORDS += [
    "\n",
    "\n    ",
    "\t",
    " ",
    "origin: http://a",
    "application=DISCONNECTED",
    "\\u0000",
    "\ud800",
    "NaN",
    "1e999",
]
scripts = st.one_of(
    st.text(),
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join),
    st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=20).map("".join),
)


@given(scripts)
@many
@example("-> connect /\n<- json " + "[" * 10_000)
@example("-> connect /\n<- json " + "9" * 10_000)
def test_what_is_no_transcript_is_a_transcript_error(text):
    with contextlib.suppress(TranscriptError):
        transcript = parse(text)
        assert transcript.items == parse(format_transcript(transcript)).items


# --- pages ------------------------------------------------------------------------------------------------------------

MARKS = [
    "# Title {#title}\n",
    "## Part {#part}\n",
    "```python\n",
    "```transcript {app=raw}\n",
    "```\n",
    "~~~\n",
    "text\n",
]
MARKS += [
    "-> connect /\n",
    "await x\n",
    "---\n",
    "<!--",
    "-->",
    "{",
    "}",
    "=",
    "'",
    "\x00",
    "\r",
    "\u2028",
    "{#",
    "    ",
]
pages = st.lists(st.sampled_from(MARKS) | st.text(max_size=8), max_size=20).map("".join)


@given(pages.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary())
@many
@example(b"# T {#t}\n```python\n" + b"(" * 5_000 + b"\n```\n")
@example(b"# T {#t}\n```python\n" + b"-" * 100_000 + b"1\n```\n")
@example(b"# T {#t}\n```python\n" + b"9" * 10_000 + b"\n```\n")
@example(b"# T {#t}\n```python\n\0\n```\n")
def test_what_is_no_page_is_a_page_error(content):
    with tempfile.TemporaryDirectory() as folder:
        page = File(folder, "page.md")
        page.write_bytes(content)
        with contextlib.suppress(PageError):
            read_page(page)


# --- the command line -------------------------------------------------------------------------------------------------

COMMANDS = ["examples", "run", "play", "connect", "explain", "serve", "--lang", "--help", "--url", "--app", "-q", "-H"]
VALUES = ["zh", "pt", "ru", "en", "xx", "closing", "closing#codes", "#", "ws://", "ws://x:99999/", "http://a", "no:app"]
VALUES += ["os:getcwd", "json:nothing", ":", "", "1000", "99999999999999999999", "send-after-close", "/", "."]
VALUES += [
    "-",
    "--",
    "--port",
    "--host",
    "\ud800",
    "nothing.md",
    "²",
    "ws://[",
    "ws://:1",
    "a" * 300,
    "ws://127.0.0.1:1",
]
# The system passes no NUL; bytes that are no UTF-8 arrive as the last of the surrogates.
letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]
)
words = st.text(letters, max_size=10)
ARGUMENTS = st.lists(st.sampled_from(COMMANDS) | st.sampled_from(VALUES) | words, max_size=6)


def told(arguments):
    """Run the command in this process: exit code and what it says on stderr."""
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LC_ALL", "C.UTF-8")
        environment.setattr(sys, "path", sys.path[:])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = run_command(arguments)
    return code, errors.getvalue()


def check_told(arguments):
    code, errors = told(arguments)
    assert code in (0, 1, 2)
    assert "Traceback" not in errors
    if code == 2 and errors.startswith("reference-ws: "):
        assert 1 == len(errors.strip("\n").splitlines()) or "\n" in "".join(arguments)


# What is left out here would talk to the network or serve for ever: tests/test_cli*.py do that on purpose.
def harmless(arguments):
    return not {"serve", "connect"} & set(arguments) or "--help" in arguments


@given(ARGUMENTS.filter(harmless))
@few
@example(["explain", "²"])
@example(["explain", "9" * 5_000])
@example(["play", ".", "--app", "x:y"])
@example(["run", "closing", "--url", "ws://127.0.0.1:1"])
@example(["run", "closing", "--url", "ws://" + "a" * 300])
@example(["--lang", "\ud800"])
@example(["play", "\ud800"])
@example(["connect", "--help", "--", "\ud800"])
def test_the_command_answers_whatever_it_is_given(arguments):
    check_told(arguments)


@pytest.mark.parametrize("url", [*VALUES, "ws://a b:1", "ws://\u2028:1", "ws://é:1"])
def test_connect_refuses_what_is_no_address(url):
    code, errors = told(["connect", "--", url])
    assert (2, True) == (code, errors.startswith(("reference-ws: ", "Usage")))


@pytest.mark.parametrize("port", ["-1", "65536", "x", "", "1e3", "٣x"])
def test_serve_refuses_what_is_no_port(port):
    assert 2 == told(["serve", "--no-browser", "--port", port])[0]


@pytest.mark.parametrize("host", ["not a host", "a" * 300, "256.1.1.1", "é" * 70, "\ud800"])
def test_serve_refuses_what_is_no_host(host):
    code, errors = told(["serve", "--no-browser", "--port", "0", "--host", host])
    assert (2, 1) == (code, len(errors.strip("\n").splitlines()))


@given(st.binary() | scripts.map(lambda text: text.encode("utf-8", "surrogatepass")), st.sampled_from([".md", ".ws"]))
@few
def test_play_answers_whatever_is_in_the_file(content, suffix):
    with tempfile.TemporaryDirectory() as folder:
        file = File(folder, f"file{suffix}")
        file.write_bytes(content)
        code, errors = told(["play", str(file), "--app", "test_fuzz:app", "--quiet"])
    assert code in (0, 1, 2)
    assert "Traceback" not in errors


# --- handshakes -------------------------------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"


app = App()


@app.router.websocket("/bound/{number:int}/{day}/{rest:path}")
async def bound(
    websocket: WebSocket,
    number: int,
    day: date,
    rest: str,
    q: float = 0,
    flag: bool = False,
    ids: Annotated[list[int], Query()] = (),
    price: Decimal | None = None,
    colour: Colour = Colour.RED,
    kind: Literal["a", "b"] = "a",
    wait: timedelta | None = None,
    token: Annotated[UUID | None, Cookie()] = None,
    x_count: Annotated[int, Header()] = 0,
):
    await websocket.accept()
    await websocket.send_text(repr((websocket.url, websocket.cookies, websocket.client, dict(websocket.query_params))))
    await websocket.close()


@app.router.websocket("/text/{name}")
async def text(websocket: WebSocket, name: str, q: str = ""):
    await websocket.accept()
    await websocket.send_json([name, q])
    await websocket.close()


guarded = App(
    middleware=[
        Middleware(OriginGuard, allowed_origins=["https://a.org"]),
        Middleware(LimitGuard, max_connections=5),
    ]
)
guarded.router.websocket("/{name:path}")(text)

latin = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=20)
paths = st.lists(
    st.sampled_from(
        ["bound", "text", "1", "2026-01-01", "..", ".", "%", "%00", "%ff", "%2f", "%ed%a0%80", "9" * 30, "", "-1"]
    )
    | st.text(string.printable.replace("#", "").replace("?", ""), max_size=8),
    max_size=5,
).map(lambda parts: "/" + "/".join(parts))
pairs = st.lists(
    st.tuples(
        st.sampled_from(["q", "flag", "ids", "price", "colour", "kind", "wait", "x", "%ff", ""]),
        st.sampled_from(
            ["1", "nan", "inf", "1e999", "-", "true", "%00", "%ff", "P1D", "P" + "9" * 30 + "D", "9" * 5000, "²"]
        )
        | st.text(string.printable.replace("#", ""), max_size=8),
    ),
    max_size=4,
).map(lambda each: "&".join(f"{name}={value}" for name, value in each))


def status(application, target, headers, query=None):
    """Give the status of a handshake: 101 when it is accepted."""

    async def run():
        scope = handshake(target if target.startswith("/") else "/", headers=headers)
        if query is not None:
            scope["query_string"] = query
        server = InMemoryConnection(scope)
        await asyncio.wait_for(server.run(application), 60)
        assert server.error is None, server.error
        first = server.take()
        return {"websocket.accept": 101, "websocket.close": 403}.get(first["type"]) or first["status"]

    return asyncio.run(run())


@given(paths, pairs, st.lists(st.tuples(st.sampled_from(["cookie", "x-count", "host", "origin"]), latin), max_size=4))
@many
@example("/bound/1/2026-01-01/x", "q=1", [("cookie", 'token=1; =; ;;; a="b'), ("cookie", "\xff=\xff")])
@example("/bound/1/2026-01-01/x", "ids=" + "9" * 5000, [])
@example("/bound/1/2026-01-01/x", "price=nan&q=nan", [("host", "[")])
@example("/bound/" + "9" * 5000 + "/2026-01-01/x", "", [])
@example("/text/x", "", [("host", "[::1")])
def test_no_path_query_header_or_cookie_is_an_error_of_the_server(path, query, headers):
    assert status(app, f"{path}?{query}", headers) in (101, 403, 404, 422)


@given(st.text(st.characters(max_codepoint=127), max_size=40).map(str.encode))
@many
def test_no_bytes_in_a_query_are_an_error_of_the_server(query):
    assert status(app, "/bound/1/2026-01-01/x", [], query) in (101, 422)


ORIGINS = ["null", "https://a.org", "https://[", "https://a:b", "http://a@b", "//", "https://a.org:99999", "http://²"]


@given(
    st.sampled_from(ORIGINS) | latin,
    st.sampled_from(["", "a.org", "[", ":", "[::1]:1", "²"]).filter(str.isascii) | latin,
)
@many
def test_no_origin_or_host_is_an_error_of_the_guard(origin, host):
    headers = [(name, value) for name, value in (("origin", origin), ("host", host)) if value.encode("latin-1")]
    answer = status(guarded, "/x", headers)
    assert answer == 101 if origin == "https://a.org" else answer in (101, 403)


# --- close frames -----------------------------------------------------------------------------------------------------


@given(st.integers() | st.integers(990, 5010), st.text(max_size=130) | st.none())
@many
def test_close_sends_what_a_close_frame_can_carry_and_refuses_the_rest(code, reason):
    async def run():
        application = App()
        refused = []

        @application.router.websocket("/")
        async def handler(websocket: WebSocket):
            await websocket.accept()
            try:
                await websocket.close(code, reason)
            except CloseError as error:
                refused.append(error.id)

        async with connect(application, "/") as client:
            with contextlib.suppress(WebSocketDisconnect):
                await client.receive()
        return client.closed, refused

    closed, refused = asyncio.run(run())
    problem = lifecycle.close_problem(code, reason or "")
    assert ([problem], (1000, "")) == (refused, closed) if problem else ([], (code, reason or "")) == (refused, closed)


@given(st.integers(0, 65_535), latin)
@many
def test_whatever_code_a_client_closes_with_is_told(code, reason):
    async def run():
        application = App()
        ends = []

        @application.router.websocket("/")
        async def handler(websocket: WebSocket):
            await websocket.accept()
            async for _ in websocket.iter_text():
                pass
            ends.append(websocket.end)

        async with connect(application, "/") as client:
            await client.close(code, reason)
        return ends

    assert [(code, reason)] == asyncio.run(run())
